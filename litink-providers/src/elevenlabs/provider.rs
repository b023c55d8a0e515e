use std::sync::Arc;

use async_trait::async_trait;
use litink_core::{
    Error, ErrorKind, Result,
    provider::{
        CallContext, Estimate, Generated, GenerationProvider, Input, Modality, Operation, Output,
        ProviderCapabilities, Reply, Request, SpeechCapabilities, Usage,
    },
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{sound, speech};
use crate::{
    catalog,
    vendor::{
        VendorConfig,
        client::{Answer, Endpoint},
        media::{audio_kind, is_text, not_audio, wav_of},
    },
};

/// What a query may hold as it is.
const WORD: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
/// Ten minutes of music, or of samples at 48 kHz, and their base64.
const MAX_BYTES: u64 = 256 << 20;
/// Of the request, and not of the body.
const OF_THE_QUERY: [&str; 2] = ["output_format", "enable_logging"];

/// Speech, sound effects and music from ElevenLabs.
///
/// Each call is sent once, and nothing of it shows a key.
#[derive(Debug)]
pub struct ElevenLabsProvider {
    endpoint: Endpoint<VendorConfig>,
}

impl ElevenLabsProvider {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `no_tls`) where this system has no certificates.
    pub fn new(config: VendorConfig) -> Result<Self> {
        Ok(Self {
            endpoint: Endpoint::new(config)?,
        })
    }

    /// Where it is, and what is asked for.
    #[must_use]
    pub fn config(&self) -> &VendorConfig {
        &self.endpoint.config
    }

    /// The model of a call; of sounds only where one is named, since the vendor takes its own.
    pub(super) fn model(&self, request: &Request) -> Result<Option<String>> {
        let named = request.model.as_deref();
        match request.modality() {
            Modality::Sound => Ok(named.map(str::to_owned)),
            modality => self.config().model(named, modality).map(Some),
        }
    }

    /// The voice of a request, or one's own, as a part of a path.
    pub(super) fn voice<'a>(&'a self, named: Option<&'a str>) -> Result<&'a str> {
        let voice = named.or_else(|| self.config().own_voice());
        voice.filter(|it| !it.is_empty()).ok_or_else(|| {
            Error::new(
                ErrorKind::Configuration,
                "this vendor wants a voice; name one",
            )
            .with_code("voice_needed")
        })
    }

    /// Asks, with the request's own options where they belong.
    pub(super) async fn ask(
        &self,
        path: &str,
        mut body: Map<String, Value>,
        format: &str,
        request: &Request,
        context: &CallContext,
    ) -> Result<Answer> {
        const OURS: [&str; 5] = [
            "text",
            "prompt",
            "model_id",
            "timestamps",
            "composition_plan",
        ];
        let mut query = vec![("output_format", format_of(request, format))];
        for (key, value) in &request.provider_options {
            match key.as_str() {
                "enable_logging" => query.push(("enable_logging", value.to_string())),
                key if OURS.contains(&key) || OF_THE_QUERY.contains(&key) => {}
                _ => {
                    body.insert(key.clone(), value.clone());
                }
            }
        }
        let query: Vec<_> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, WORD)))
            .collect();
        let path = format!("{path}?{}", query.join("&"));
        self.endpoint
            .json(&path, Value::Object(body), context, MAX_BYTES)
            .await
    }

    /// What all calls have in common at their ends.
    pub(super) fn made(
        &self,
        output: Output,
        model: Option<String>,
        answer: &Answer,
        chars: u64,
    ) -> Generated {
        let mut made = Generated::new(output);
        made.usage.input_chars = Some(counted(answer).unwrap_or(chars));
        made.request_id = answer.request_id();
        made.rates = answer.rates();
        if let Some(model) = &model {
            made.priced_nanos = self.config().price(model, &made.usage);
            made.warnings.extend(self.config().near_end(model));
        }
        made.model = model;
        made
    }
}

/// A part of a path.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, WORD).to_string()
}

/// The format that a call is asked for in.
pub(super) fn format_of(request: &Request, own: &str) -> String {
    let said = request.provider_options.get("output_format");
    said.and_then(Value::as_str).unwrap_or(own).to_owned()
}

/// Characters as the vendor bills them.
fn counted(answer: &Answer) -> Option<u64> {
    let header = answer.headers.get("character-cost")?;
    header.to_str().ok()?.trim().parse().ok()
}

/// Audio of a kind that litink reads; samples get a header.
pub(super) fn audio(bytes: &[u8], format: &str) -> Result<(&'static str, bytes::Bytes)> {
    if let Some(kind) = audio_kind(bytes) {
        return Ok((kind, bytes::Bytes::copy_from_slice(bytes)));
    }
    let rate = format.strip_prefix("pcm_").and_then(|it| it.parse().ok());
    match rate {
        Some(rate) => Ok(("audio/wav", wav_of(rate, bytes)?)),
        None => Err(not_audio()),
    }
}

/// Audio that is the whole answer.
pub(super) fn audio_of(answer: &Answer, format: &str) -> Result<(&'static str, bytes::Bytes)> {
    if is_text(answer.content_type()) {
        // An error in a success, or what is no audio at all.
        answer.json::<Value>()?;
        return Err(not_audio());
    }
    audio(&answer.bytes, format)
}

#[async_trait]
impl GenerationProvider for ElevenLabsProvider {
    fn name(&self) -> &str {
        self.config().vendor.name
    }

    fn capabilities(&self, _model: Option<&str>) -> Arc<ProviderCapabilities> {
        let mut speech = SpeechCapabilities::default();
        speech.marks = true;
        let mut capabilities = ProviderCapabilities::default();
        capabilities.speech = Some(speech);
        capabilities.others = vec![Modality::Sound];
        capabilities.max_concurrency = self.config().max_concurrency;
        capabilities.on_ambiguous = self.config().on_ambiguous;
        Arc::new(capabilities)
    }

    fn variant(&self, request: &Request) -> Value {
        let mut variant = json!({
            "url": self.config().url().as_str(),
            "model": self.model(request).ok().flatten(),
        });
        if let Input::Speech(speech) = &request.input {
            variant["voice"] = self.voice(speech.voice.as_deref()).ok().into();
        }
        variant
    }

    fn estimate(&self, request: &Request) -> Estimate {
        let mut estimate = Estimate::default();
        let Input::Speech(speech) = &request.input else {
            return estimate;
        };
        let mut usage = Usage::default();
        usage.input_chars = Some(speech.text.chars().count() as u64);
        if let Ok(Some(model)) = self.model(request) {
            estimate.cost_nanos = catalog::most(&usage, |usage| self.config().price(&model, usage));
        }
        estimate.usage = usage;
        estimate
    }

    async fn generate(&self, request: &Request, context: &CallContext) -> Result<Reply> {
        let made = match &request.input {
            Input::Speech(speech) => speech::speak(self, request, speech, context).await?,
            Input::Sound(sound) => sound::sound(self, request, sound, context).await?,
            other => {
                let message = format!(
                    "`elevenlabs` makes no {} here; name another provider",
                    other.modality().as_str()
                );
                return Err(
                    Error::new(ErrorKind::Unsupported, message).with_code("unsupported_modality")
                );
            }
        };
        Ok(Reply::Done(Box::new(made)))
    }

    async fn poll(&self, operation: &Operation, _context: &CallContext) -> Result<Reply> {
        Err(Error::not_found("operation", &operation.id))
    }

    async fn cancel(&self, _operation: &Operation, _context: &CallContext) -> Result<()> {
        Ok(())
    }
}
