use std::sync::Arc;

use async_trait::async_trait;
use litink_core::{
    Error, ErrorKind, Result,
    provider::{
        CallContext, Estimate, GenerationProvider, Input, Modality, Operation,
        ProviderCapabilities, Reply, Request, SpeechCapabilities, Voice,
    },
};
use serde_json::Value;

use super::{GenerateContent, VENDOR, speech, video};
use crate::{
    catalog::Catalog,
    vendor::{TextProvider, VendorConfig, client::Endpoint},
};

/// Text, speech and films from Gemini.
///
/// Each call is sent once, and nothing of it shows a key.
#[derive(Debug)]
pub struct GeminiProvider {
    text: TextProvider<GenerateContent>,
}

impl GeminiProvider {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `no_tls`) where this system has no certificates.
    pub fn new(config: VendorConfig) -> Result<Self> {
        Ok(Self {
            text: TextProvider::new(config)?,
        })
    }

    /// Where it is, and what is asked for.
    #[must_use]
    pub fn config(&self) -> &VendorConfig {
        self.text.config()
    }

    pub(super) fn endpoint(&self) -> &Endpoint<VendorConfig> {
        self.text.endpoint()
    }

    pub(super) fn model(&self, request: &Request) -> Result<String> {
        let named = request.model.as_deref();
        self.config().model(named, request.modality())
    }

    fn voices(&self) -> Vec<Voice> {
        let own = self.config().voice.as_deref();
        let known = Catalog::of(VENDOR.name).map_or(&[][..], |it| &it.voices);
        let mut ids: Vec<&str> = own.into_iter().collect();
        for id in known {
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

#[async_trait]
impl GenerationProvider for GeminiProvider {
    fn name(&self) -> &str {
        VENDOR.name
    }

    fn capabilities(&self, model: Option<&str>) -> Arc<ProviderCapabilities> {
        let mut capabilities = (*self.text.capabilities(model)).clone();
        let mut speech = SpeechCapabilities::default();
        speech.voices = self.voices();
        capabilities.speech = Some(speech);
        capabilities.others.push(Modality::Video);
        Arc::new(capabilities)
    }

    fn variant(&self, request: &Request) -> Value {
        let mut variant = serde_json::json!({
            "url": self.config().url().as_str(),
            "model": self.model(request).ok(),
        });
        if let Input::Speech(speech) = &request.input {
            let voice = speech
                .voice
                .as_deref()
                .or_else(|| self.config().own_voice());
            variant["voice"] = voice.into();
        }
        variant
    }

    fn estimate(&self, request: &Request) -> Estimate {
        match &request.input {
            Input::Speech(speech) => speech::estimate(self, request, speech),
            Input::Video(video) => video::estimate(self, request, video),
            _ => self.text.estimate(request),
        }
    }

    async fn generate(&self, request: &Request, context: &CallContext) -> Result<Reply> {
        match &request.input {
            Input::Text(_) => self.text.generate(request, context).await,
            Input::Speech(speech) => {
                let made = speech::speak(self, request, speech, context).await?;
                Ok(Reply::Done(Box::new(made)))
            }
            Input::Video(video) => video::begin(self, request, video, context).await,
            other => {
                let message = format!(
                    "`gemini` makes no {} here; name another provider",
                    other.modality().as_str()
                );
                Err(Error::new(ErrorKind::Unsupported, message).with_code("unsupported_modality"))
            }
        }
    }

    async fn poll(&self, operation: &Operation, context: &CallContext) -> Result<Reply> {
        video::poll(self, operation, context).await
    }

    /// The API has no way to stop a film: it goes on at the vendor's, and is fetched when its run does.
    async fn cancel(&self, _operation: &Operation, _context: &CallContext) -> Result<()> {
        Ok(())
    }
}
