use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use litink_core::{
    Error, ErrorKind, Result,
    provider::{
        CallContext, Estimate, Generated, GenerationProvider, ImageCapabilities, Input, Modality,
        Operation, ProviderCapabilities, Reply, Request, SpeechCapabilities, TextCapabilities,
        Usage, Voice,
    },
};

use super::{
    catalog::{Catalog, retired, today},
    client::{Answer, Endpoint},
    config::OpenAiConfig,
    dialect::Audio,
    embedding, image, models,
    models::ModelInfo,
    speech, text, transcription,
};

/// Text, speech, images, vectors and transcripts from OpenAI, or from an endpoint shaped after it.
///
/// Each call is sent once, and nothing of it shows a key. What OpenAI retires is said 60 days before,
/// as a warning of each result.
#[derive(Debug)]
pub struct OpenAiProvider {
    endpoint: Endpoint,
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

    /// The most that a request can use and cost, as far as a bound and a price are known.
    #[must_use]
    pub fn estimate(&self, request: &Request) -> Estimate {
        let mut usage = Usage::default();
        // No token is shorter than a byte.
        let bytes = |text: &str| text.len() as u64;
        match &request.input {
            Input::Text(text) => {
                let read = text
                    .messages
                    .iter()
                    .map(|message| bytes(&message.text) + 16);
                let schema = text
                    .schema
                    .as_ref()
                    .map_or(0, |it| bytes(&it.to_string()) * 2);
                usage.input_tokens = Some(read.sum::<u64>() + schema);
                usage.output_tokens = text.max_output_tokens.map(u64::from);
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
        estimate.cost_nanos = model.and_then(|model| self.price(&model, &usage));
        estimate.usage = usage;
        estimate
    }

    /// What the catalog makes of usage.
    fn price(&self, model: &str, usage: &Usage) -> Option<i64> {
        let catalog = self.config().dialect.catalog;
        let catalog = Catalog::built_in().ok().filter(|_| catalog)?;
        catalog.cost(model, usage, today())
    }

    /// The model that a modality is asked of where a request names none.
    fn own_model(&self, modality: Modality) -> Option<String> {
        let config = self.config();
        let of_catalog = || {
            let catalog = Catalog::built_in()
                .ok()
                .filter(|_| config.dialect.catalog)?;
            catalog.choose(modality, today())
        };
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

    fn known(&self, model: &str) -> Option<&'static super::ModelFacts> {
        let catalog = self.config().dialect.catalog;
        Catalog::built_in().ok().filter(|_| catalog)?.model(model)
    }

    fn makes(&self, modality: Modality) -> bool {
        let dialect = self.config().dialect;
        match modality {
            Modality::Text => true,
            Modality::Speech => dialect.speech,
            Modality::Image => dialect.images,
            Modality::Embedding => dialect.embeddings,
            Modality::Transcription => dialect.transcription != Audio::None,
            _ => false,
        }
    }

    /// Whether there is a model to ask for it.
    fn serves(&self, modality: Modality, model: Option<&str>) -> bool {
        self.makes(modality) && (model.is_some() || self.own_model(modality).is_some())
    }

    async fn make(&self, request: &Request, context: &CallContext) -> Result<Generated> {
        let modality = request.modality();
        if !self.makes(modality) {
            return Err(unsupported(modality));
        }
        let call = Call {
            endpoint: &self.endpoint,
            model: self.model_for(request)?,
            request,
            context,
            priced: AtomicBool::new(true),
        };
        let mut made = match &request.input {
            Input::Text(text) => text::write(&call, text).await?,
            Input::Speech(speech) => speech::speak(&call, speech).await?,
            Input::Image(image) => image::draw(&call, image).await?,
            Input::Embedding(texts) => embedding::embed(&call, texts).await?,
            Input::Transcription(audio) => transcription::hear(&call, audio).await?,
            _ => return Err(unsupported(modality)),
        };
        if made.cost_nanos.is_none() && call.priced.load(Ordering::Relaxed) {
            made.cost_nanos = self.price(&call.model, &made.usage);
        }
        let soon = self.known(&call.model).and_then(|it| it.warning(today()));
        made.warnings.extend(soon);
        if made.model.is_none() {
            made.model = Some(call.model);
        }
        Ok(made)
    }

    fn voices(&self) -> Vec<Voice> {
        let config = self.config();
        let Some(catalog) = Catalog::built_in().ok().filter(|_| config.dialect.catalog) else {
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
    pub(super) endpoint: &'a Endpoint,
    pub(super) model: String,
    pub(super) request: &'a Request,
    pub(super) context: &'a CallContext,
    /// Whether the catalog's prices are those of this call.
    pub(super) priced: AtomicBool,
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
        self.endpoint
            .json(path, body, self.context, max_bytes)
            .await
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
            capabilities.speech = Some(speech);
        }
        if self.serves(Modality::Image, model) {
            let mut image = ImageCapabilities::default();
            image.references = config.dialect.edits;
            capabilities.image = Some(image);
        }
        for modality in [Modality::Transcription, Modality::Embedding] {
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
            variant["format"] = config.speech_format.as_str().into();
        }
        variant
    }

    async fn generate(&self, request: &Request, context: &CallContext) -> Result<Reply> {
        let made = self.make(request, context).await?;
        Ok(Reply::Done(Box::new(made)))
    }

    async fn poll(&self, operation: &Operation, _context: &CallContext) -> Result<Reply> {
        Err(Error::not_found("operation", &operation.id))
    }

    async fn cancel(&self, _operation: &Operation, _context: &CallContext) -> Result<()> {
        Ok(())
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
