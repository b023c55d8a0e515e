use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use litink_core::{
    Error, ErrorKind, Result,
    provider::{
        CallContext, Estimate, Generated, GenerationProvider, ImageCapabilities, Input, Modality,
        Operation, ProviderCapabilities, RateSnapshot, Reply, Request, SpeechCapabilities,
        TextCapabilities, TextRequest, Usage, Voice,
    },
};

use reqwest::Method;

use super::{
    config::{OpenAiConfig, SpeechApi},
    dialect::{Audio, Images, TextApi, Videos},
    embedding, image, models,
    models::ModelInfo,
    realtime, speech, text, transcription, video,
};
use crate::{
    catalog::{self, Catalog, ModelFacts, retired, today},
    vendor::{
        client::{Answer, Body, Endpoint},
        operation::{id_in_path, stopped},
        said::{MAX_TEXT_BYTES, read_at_most},
        stream::Gather,
    },
};

/// Text, speech, images, vectors and transcripts from OpenAI, or from an endpoint shaped after it.
///
/// Each call is sent once, and nothing of it shows a key. What OpenAI retires is said 60 days before,
/// as a warning of each result.
#[derive(Debug)]
pub struct OpenAiProvider {
    endpoint: Endpoint<OpenAiConfig>,
}

impl OpenAiProvider {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `no_tls`) where this system has no certificates.
    pub fn new(config: OpenAiConfig) -> Result<Self> {
        let endpoint = Endpoint::new(config)?;
        Ok(Self { endpoint })
    }

    /// Where it is, and what it asks for.
    #[must_use]
    pub fn config(&self) -> &OpenAiConfig {
        &self.endpoint.config
    }

    /// The models of the endpoint, with the days on which they are shut down. Costs nothing.
    ///
    /// # Errors
    /// As the endpoint's: `Configuration` (codes `provider_auth`, `no_such_endpoint`), `Unavailable`.
    pub async fn models(&self) -> Result<Vec<ModelInfo>> {
        models::list(&self.endpoint).await
    }

    /// The catalog, where it is that of this endpoint.
    fn catalog(&self) -> Option<&'static Catalog> {
        Catalog::of("openai").filter(|_| self.config().dialect.catalog)
    }

    /// What price lists make of usage.
    fn price(&self, model: &str, usage: &Usage) -> Option<i64> {
        let own = self.config().prices.as_deref();
        catalog::price(own, self.catalog(), ("openai", model), usage)
    }

    /// The model that a modality is asked of where a request names none.
    fn own_model(&self, modality: Modality) -> Option<String> {
        let config = self.config();
        let of_catalog = || self.catalog()?.choose(modality, today());
        config
            .model(modality)
            .or_else(of_catalog)
            .map(str::to_owned)
    }

    fn model_for(&self, request: &Request) -> Result<String> {
        let modality = request.modality();
        let named = request.model.clone().or_else(|| self.own_model(modality));
        let model = named.ok_or_else(|| {
            Error::new(
                ErrorKind::Configuration,
                "this endpoint has no model that is taken by itself; name one (`--model`, or \
                 `providers.openai` in the settings)",
            )
            .with_code("model_needed")
            .with_context("modality", modality.as_str())
        })?;
        match self.known(&model) {
            Some(facts) if facts.is_gone(today()) => Err(retired(&model)),
            _ => Ok(model),
        }
    }

    fn known(&self, model: &str) -> Option<&'static ModelFacts> {
        self.catalog()?.model(model)
    }

    /// The interface that a model speaks through.
    fn speech_api(&self, model: &str) -> SpeechApi {
        let realtime = || self.known(model).is_some_and(|it| it.realtime);
        match self.config().speech_api {
            Some(api) => api,
            None if self.config().dialect.realtime && realtime() => SpeechApi::Realtime,
            None => SpeechApi::Speech,
        }
    }

    fn makes(&self, modality: Modality) -> bool {
        let dialect = self.config().dialect;
        match modality {
            Modality::Text => true,
            Modality::Speech => dialect.speech,
            Modality::Image => dialect.images != Images::None,
            Modality::Embedding => dialect.embeddings,
            Modality::Transcription => dialect.transcription != Audio::None,
            Modality::Video => dialect.videos != Videos::None,
            _ => false,
        }
    }

    /// Whether there is a model to ask for it.
    fn serves(&self, modality: Modality, model: Option<&str>) -> bool {
        self.makes(modality) && (model.is_some() || self.own_model(modality).is_some())
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        context: &'a CallContext,
        model: String,
    ) -> Call<'a> {
        Call {
            endpoint: &self.endpoint,
            model,
            request,
            context,
            priced: AtomicBool::new(true),
            rates: Mutex::default(),
        }
    }

    async fn make(&self, request: &Request, context: &CallContext) -> Result<Reply> {
        let modality = request.modality();
        if !self.makes(modality) {
            return Err(unsupported(modality));
        }
        let call = self.call(request, context, self.model_for(request)?);
        let config = self.config();
        let done = |made: Generated| Reply::Done(Box::new(made));
        let reply = match &request.input {
            // Pieces are wanted now.
            Input::Text(text)
                if config.background
                    && config.text_api == TextApi::Responses
                    && context.deltas.is_none() =>
            {
                text::background::begin(&call, text).await
            }
            Input::Text(text) => text::write(&call, text).await.map(done),
            Input::Speech(speech) if self.speech_api(&call.model) == SpeechApi::Realtime => {
                realtime::speak(&call, speech).await.map(done)
            }
            Input::Speech(speech) => speech::speak(&call, speech).await.map(done),
            Input::Image(image) => image::draw(&call, image).await.map(done),
            Input::Embedding(texts) => embedding::embed(&call, texts).await.map(done),
            Input::Transcription(audio) => transcription::hear(&call, audio).await.map(done),
            Input::Video(video) => video::begin(&call, video).await,
            _ => return Err(unsupported(modality)),
        };
        self.ended(call, reply)
    }

    /// The model that an operation was begun with, and the call that asks for it.
    async fn asked(&self, operation: &Operation, context: &CallContext) -> Result<Reply> {
        let said = |name: &str| operation.state.get(name).cloned().unwrap_or_default();
        let model = said("model").as_str().unwrap_or_default().to_owned();
        let mut text = TextRequest::default();
        text.schema = Some(said("schema")).filter(|it| !it.is_null());
        let request = Request::new(text.clone());
        let call = self.call(&request, context, model);
        let reply = match said("kind").as_str() {
            Some(text::background::KIND) => text::background::poll(&call, &text, operation).await,
            Some(video::KIND) => video::poll(&call, operation).await,
            _ => return Err(Error::not_found("operation", &operation.id)),
        };
        self.ended(call, reply)
    }

    /// What all calls have in common at their ends: prices, limits, and what is soon shut down.
    fn ended(&self, call: Call<'_>, reply: Result<Reply>) -> Result<Reply> {
        let mut made = match reply.map_err(|error| self.spent(&call, error))? {
            Reply::Done(made) => made,
            other => return Ok(other),
        };
        made.rates = call.rates();
        if call.priced.load(Ordering::Relaxed) {
            made.priced_nanos = self.price(&call.model, &made.usage);
        }
        let soon = self.known(&call.model).and_then(|it| it.warning(today()));
        made.warnings.extend(soon);
        if made.model.is_none() {
            made.model = Some(call.model);
        }
        Ok(Reply::Done(made))
    }

    /// An error of a call that was answered, with what the answer says that it used.
    fn spent(&self, call: &Call<'_>, error: Error) -> Error {
        let told = error.spent().cloned();
        let error = match error.rates() {
            Some(_) => error,
            None => error.with_rates(call.rates()),
        };
        match told {
            Some(mut spent) if call.priced.load(Ordering::Relaxed) => {
                spent.priced_nanos = self.price(&call.model, &spent.usage);
                error.with_spent(spent)
            }
            _ => error,
        }
    }

    fn voices(&self) -> Vec<Voice> {
        let config = self.config();
        let Some(catalog) = self.catalog() else {
            return Vec::new();
        };
        let mut ids: Vec<&str> = config.voice.iter().map(String::as_str).collect();
        for id in &catalog.voices {
            if !ids.contains(&id.as_str()) {
                ids.push(id);
            }
        }
        let voice = |id: &&str| Voice {
            id: (*id).to_owned(),
            name: (*id).to_owned(),
            languages: Vec::new(),
            gender: None,
        };
        ids.iter().map(voice).collect()
    }
}

/// A call on its way.
pub(super) struct Call<'a> {
    pub(super) endpoint: &'a Endpoint<OpenAiConfig>,
    pub(super) model: String,
    pub(super) request: &'a Request,
    pub(super) context: &'a CallContext,
    /// Whether the catalog's prices are those of this call.
    pub(super) priced: AtomicBool,
    /// What the answer said of the account's limits.
    rates: Mutex<RateSnapshot>,
}

impl Call<'_> {
    /// Puts in the options that the request has for this provider: they win over what litink sets,
    /// but for what it is about.
    pub(super) fn with_options(&self, body: &mut serde_json::Map<String, serde_json::Value>) {
        const OURS: [&str; 6] = ["model", "input", "messages", "prompt", "stream", "n"];
        for (key, value) in &self.request.provider_options {
            if !OURS.contains(&key.as_str()) {
                body.insert(key.clone(), value.clone());
            }
        }
    }

    pub(super) async fn json(
        &self,
        path: &str,
        mut body: serde_json::Map<String, serde_json::Value>,
        max_bytes: u64,
    ) -> Result<Answer> {
        self.with_options(&mut body);
        let body = serde_json::Value::Object(body);
        self.send(Method::POST, path, Body::Json(body), max_bytes)
            .await
    }

    /// As [`Call::json`], with the answer as events.
    pub(super) async fn stream(
        &self,
        path: &str,
        mut body: serde_json::Map<String, serde_json::Value>,
        max_bytes: u64,
        gather: &mut dyn Gather,
    ) -> Result<Answer> {
        self.with_options(&mut body);
        body.insert("stream".into(), true.into());
        let body = serde_json::Value::Object(body);
        let answer = self
            .endpoint
            .stream(path, body, self.context, max_bytes, gather)
            .await?;
        self.told(&answer);
        Ok(answer)
    }

    fn told(&self, answer: &Answer) {
        *self.rates.lock().unwrap_or_else(PoisonError::into_inner) = answer.rates();
    }

    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Body,
        max_bytes: u64,
    ) -> Result<Answer> {
        let answer = self
            .endpoint
            .send(method, path, body, self.context, max_bytes)
            .await?;
        self.told(&answer);
        Ok(answer)
    }

    fn rates(&self) -> RateSnapshot {
        let told = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        told.clone()
    }
}

#[async_trait]
impl GenerationProvider for OpenAiProvider {
    fn name(&self) -> &str {
        "openai"
    }

    fn capabilities(&self, model: Option<&str>) -> Arc<ProviderCapabilities> {
        let config = self.config();
        let mut capabilities = ProviderCapabilities::default();
        if self.serves(Modality::Text, model) {
            let mut text = TextCapabilities::default();
            text.json_schema = true;
            capabilities.text = Some(text);
        }
        if self.serves(Modality::Speech, model) {
            let mut speech = SpeechCapabilities::default();
            speech.voices = self.voices();
            let own = || self.own_model(Modality::Speech);
            let model = model.map(str::to_owned).or_else(own).unwrap_or_default();
            speech.marks = self.speech_api(&model) == SpeechApi::Realtime;
            capabilities.speech = Some(speech);
        }
        if self.serves(Modality::Image, model) {
            let mut image = ImageCapabilities::default();
            image.references = config.dialect.edits;
            capabilities.image = Some(image);
        }
        for modality in [
            Modality::Transcription,
            Modality::Embedding,
            Modality::Video,
        ] {
            if self.serves(modality, model) {
                capabilities.others.push(modality);
            }
        }
        capabilities.max_concurrency = config.max_concurrency;
        capabilities.on_ambiguous = config.on_ambiguous;
        Arc::new(capabilities)
    }

    fn variant(&self, request: &Request) -> serde_json::Value {
        let config = self.config();
        let mut variant = serde_json::json!({
            "url": config.url().as_str(),
            "model": self.model_for(request).ok(),
        });
        if let Input::Speech(speech) = &request.input {
            let own = config.voice.as_deref().unwrap_or(config.dialect.voice);
            variant["voice"] = speech.voice.as_deref().unwrap_or(own).into();
            variant["format"] = match self.speech_api(variant["model"].as_str().unwrap_or_default())
            {
                SpeechApi::Realtime => "realtime".into(),
                SpeechApi::Speech => config.speech_format.as_str().into(),
            };
        }
        variant
    }

    fn estimate(&self, request: &Request) -> Estimate {
        let mut usage = Usage::default();
        // No token is shorter than a byte.
        let bytes = |text: &str| text.len() as u64;
        match &request.input {
            Input::Text(text) => {
                usage = read_at_most(text);
                // The least that Responses takes.
                let limit = text.max_output_tokens.map(|limit| u64::from(limit.max(16)));
                usage.output_tokens = limit;
            }
            Input::Speech(speech) => {
                usage.input_chars = Some(speech.text.chars().count() as u64);
            }
            Input::Image(_) => usage.images = Some(1),
            Input::Embedding(texts) => {
                usage.input_tokens = Some(texts.texts.iter().map(|text| bytes(text)).sum());
            }
            _ => {}
        }
        let mut estimate = Estimate::default();
        let model = self.model_for(request).ok();
        estimate.cost_nanos =
            model.and_then(|model| catalog::most(&usage, |usage| self.price(&model, usage)));
        estimate.usage = usage;
        estimate
    }

    async fn generate(&self, request: &Request, context: &CallContext) -> Result<Reply> {
        self.make(request, context).await
    }

    async fn poll(&self, operation: &Operation, context: &CallContext) -> Result<Reply> {
        self.asked(operation, context).await
    }

    async fn cancel(&self, operation: &Operation, context: &CallContext) -> Result<()> {
        let id = id_in_path(operation);
        let kind = operation.state.get("kind").and_then(|it| it.as_str());
        let (method, path) = match kind {
            Some(text::background::KIND) => (Method::POST, format!("responses/{id}/cancel")),
            // OpenRouter has no way to stop one.
            Some(video::KIND) if self.config().dialect.videos == Videos::OpenRouter => {
                return Ok(());
            }
            Some(video::KIND) => (Method::DELETE, format!("videos/{id}")),
            _ => return Ok(()),
        };
        let answer = self
            .endpoint
            .send(method, &path, Body::Nothing, context, MAX_TEXT_BYTES);
        stopped(answer.await)
    }
}

fn unsupported(modality: Modality) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "this endpoint makes no {}; name another provider",
            modality.as_str()
        ),
    )
    .with_code("unsupported_modality")
}
