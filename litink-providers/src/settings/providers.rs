use litink_core::{Result, provider::OnAmbiguous};
use serde::Deserialize;

use super::{Secret, bad, given, number};

/// Vendors of speech, text and images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ProviderSettings {
    /// The provider `openai`.
    pub openai: OpenAiSettings,
    /// The provider `anthropic` (`ANTHROPIC_API_KEY`, `ANTHROPIC_BASE_URL`,
    /// `LITINK_ANTHROPIC_TEXT_MODEL`).
    pub anthropic: VendorSettings,
    /// The provider `gemini` (`GEMINI_API_KEY`, `GEMINI_BASE_URL`, `LITINK_GEMINI_TEXT_MODEL`,
    /// `LITINK_GEMINI_SPEECH_MODEL`, `LITINK_GEMINI_VIDEO_MODEL`, `LITINK_GEMINI_VOICE`).
    pub gemini: VendorSettings,
    /// The provider `elevenlabs` (`ELEVENLABS_API_KEY`, `ELEVENLABS_BASE_URL`,
    /// `LITINK_ELEVENLABS_SPEECH_MODEL`, `LITINK_ELEVENLABS_VOICE`).
    pub elevenlabs: VendorSettings,
}

/// A vendor. There is such a provider where a key or an address is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct VendorSettings {
    /// The key.
    pub api_key: Option<Secret>,
    /// The address, with its version (`/v1`, `/v1beta`). Default: the vendor's own.
    pub base_url: Option<String>,
    /// The model for text where a run names none. Default: the catalog's.
    pub text_model: Option<String>,
    /// The model for speech, of vendors that speak. Default: the catalog's.
    pub speech_model: Option<String>,
    /// The model for films, of vendors that make them. Default: the catalog's.
    pub video_model: Option<String>,
    /// The voice where a run names none, of vendors that speak. Default: the catalog's first.
    pub voice: Option<String>,
    /// Tokens that a model may write where a request sets no bound. Default 8192.
    pub max_output_tokens: Option<u32>,
    /// Calls at once in one process. Default 16.
    pub max_concurrency: Option<u32>,
    /// What to do with a call that may have been paid although no answer came: `resend`, or `hold`
    /// until its run is resumed. Default: resend.
    pub on_ambiguous: Option<OnAmbiguous>,
}

impl VendorSettings {
    /// As [`OpenAiSettings::fill`]: a key is sent to its own address only.
    fn fill(&mut self, variables: Self) {
        let other_address = variables.base_url.is_some() && variables.base_url != self.base_url;
        if other_address {
            self.base_url = variables.base_url;
            self.api_key = variables.api_key;
        } else if self.base_url.is_none() || self.api_key.is_none() {
            self.api_key = variables.api_key.or(self.api_key.take());
        }
    }
}

/// OpenAI, or an endpoint shaped after it. There is such a provider where a key or an address is
/// given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OpenAiSettings {
    /// The key (`OPENAI_API_KEY`); servers on this machine want none.
    pub api_key: Option<Secret>,
    /// The address, with `/v1` where it has that (`OPENAI_BASE_URL`). Default
    /// `https://api.openai.com/v1`.
    pub base_url: Option<String>,
    /// The organization that pays (`OPENAI_ORG_ID`). Default: the key's.
    pub organization: Option<String>,
    /// The project that pays (`OPENAI_PROJECT_ID`). Default: the key's.
    pub project: Option<String>,
    /// What the address speaks (`LITINK_OPENAI_DIALECT`): `openai`, `azure`, `openrouter`, `ollama`,
    /// `vllm`, `llamacpp`, `litellm`, `generic`. Default: by the address.
    pub dialect: Option<String>,
    /// The model for speech where a run names none (`LITINK_OPENAI_SPEECH_MODEL`). Default: the
    /// catalog's, where the dialect is `openai`.
    pub speech_model: Option<String>,
    /// The model for text (`LITINK_OPENAI_TEXT_MODEL`).
    pub text_model: Option<String>,
    /// The model for images (`LITINK_OPENAI_IMAGE_MODEL`).
    pub image_model: Option<String>,
    /// The model for vectors (`LITINK_OPENAI_EMBEDDING_MODEL`).
    pub embedding_model: Option<String>,
    /// The model for transcripts (`LITINK_OPENAI_TRANSCRIPTION_MODEL`).
    pub transcription_model: Option<String>,
    /// The model for films (`LITINK_OPENAI_VIDEO_MODEL`), of endpoints that have `/videos`.
    pub video_model: Option<String>,
    /// Whether text of Responses is worked on in the background and asked for by its id. Default no.
    pub background: bool,
    /// The voice where a run names none (`LITINK_OPENAI_VOICE`). Default `alloy`.
    pub voice: Option<String>,
    /// What speech comes as: `wav` (the default), `mp3`, `flac`, `pcm`.
    #[cfg(feature = "openai")]
    pub speech_format: crate::openai::SpeechFormat,
    /// As `speech_format` of a build that has the provider.
    #[cfg(not(feature = "openai"))]
    pub speech_format: Option<String>,
    /// The interface for speech: `speech` or `realtime`. Default: by the model.
    #[cfg(feature = "openai")]
    pub speech_api: Option<crate::openai::SpeechApi>,
    /// As `speech_api` of a build that has the provider.
    #[cfg(not(feature = "openai"))]
    pub speech_api: Option<String>,
    /// The interface for text: `responses` or `chat`. Default: the dialect's.
    #[cfg(feature = "openai")]
    pub text_api: Option<crate::openai::TextApi>,
    /// As `text_api` of a build that has the provider.
    #[cfg(not(feature = "openai"))]
    pub text_api: Option<String>,
    /// Calls at once in one process. Default 16, and 4 for a server on this machine.
    pub max_concurrency: Option<u32>,
    /// What to do with a call that may have been paid although no answer came: `resend`, or `hold`
    /// until its run is resumed. Default: hold images, resend the rest.
    pub on_ambiguous: Option<OnAmbiguous>,
}

impl ProviderSettings {
    /// Takes a variable of litink's own, if it is one of these.
    pub(super) fn set(&mut self, key: &str, name: &str, value: &str) -> Result<bool> {
        let openai = &mut self.openai;
        let text = Some(value.to_owned()).filter(|it| !it.is_empty());
        match key {
            "OPENAI_DIALECT" => openai.dialect = text,
            "OPENAI_SPEECH_MODEL" => openai.speech_model = text,
            "OPENAI_TEXT_MODEL" => openai.text_model = text,
            "OPENAI_IMAGE_MODEL" => openai.image_model = text,
            "OPENAI_EMBEDDING_MODEL" => openai.embedding_model = text,
            "OPENAI_TRANSCRIPTION_MODEL" => openai.transcription_model = text,
            "OPENAI_VIDEO_MODEL" => openai.video_model = text,
            "OPENAI_VOICE" => openai.voice = text,
            "ANTHROPIC_TEXT_MODEL" => self.anthropic.text_model = text,
            "GEMINI_TEXT_MODEL" => self.gemini.text_model = text,
            "GEMINI_SPEECH_MODEL" => self.gemini.speech_model = text,
            "GEMINI_VIDEO_MODEL" => self.gemini.video_model = text,
            "GEMINI_VOICE" => self.gemini.voice = text,
            "ELEVENLABS_SPEECH_MODEL" => self.elevenlabs.speech_model = text,
            "ELEVENLABS_VOICE" => self.elevenlabs.voice = text,
            "OPENAI_MAX_CONCURRENCY" => openai.max_concurrency = Some(number(name, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.openai.max_concurrency == Some(0) {
            return Err(bad("`providers.openai.max_concurrency` is 1 at least"));
        }
        #[cfg(feature = "openai")]
        crate::openai::OpenAiConfig::from_settings(&self.openai)?;
        #[cfg(feature = "anthropic")]
        crate::vendor::VendorConfig::from_settings(&crate::anthropic::VENDOR, &self.anthropic)?;
        #[cfg(feature = "gemini")]
        crate::vendor::VendorConfig::from_settings(&crate::gemini::VENDOR, &self.gemini)?;
        #[cfg(feature = "elevenlabs")]
        crate::vendor::VendorConfig::from_settings(&crate::elevenlabs::VENDOR, &self.elevenlabs)?;
        Ok(())
    }

    /// Takes a variable under a vendor's own name, if it is one.
    pub(super) fn set_vendors(&mut self, name: &str, value: String) {
        let text = |value: String| Some(value).filter(|it| !it.is_empty());
        match name {
            "ANTHROPIC_API_KEY" => self.anthropic.api_key = given(value),
            "ANTHROPIC_BASE_URL" => self.anthropic.base_url = text(value),
            "GEMINI_API_KEY" => self.gemini.api_key = given(value),
            "GEMINI_BASE_URL" => self.gemini.base_url = text(value),
            "ELEVENLABS_API_KEY" => self.elevenlabs.api_key = given(value),
            "ELEVENLABS_BASE_URL" => self.elevenlabs.base_url = text(value),
            _ => self.openai.set_vendors(name, value),
        }
    }

    /// The variables win over the file; see [`OpenAiSettings::fill`] for keys and addresses.
    pub(super) fn fill(&mut self, variables: Self) {
        self.openai.fill(variables.openai);
        self.anthropic.fill(variables.anthropic);
        self.gemini.fill(variables.gemini);
        self.elevenlabs.fill(variables.elevenlabs);
    }
}

impl OpenAiSettings {
    /// Takes a variable under the vendor's own name, if it is one.
    pub(super) fn set_vendors(&mut self, name: &str, value: String) {
        let text = |value: String| Some(value).filter(|it| !it.is_empty());
        match name {
            "OPENAI_API_KEY" => self.api_key = given(value),
            "OPENAI_BASE_URL" => self.base_url = text(value),
            "OPENAI_ORG_ID" => self.organization = text(value),
            "OPENAI_PROJECT_ID" => self.project = text(value),
            _ => {}
        }
    }

    /// The variables win over the file, with one exception: a key is not sent to an address of the
    /// file that has a key of its own, nor the file's key to another address.
    pub(super) fn fill(&mut self, variables: Self) {
        let other_address = variables.base_url.is_some() && variables.base_url != self.base_url;
        if other_address {
            self.base_url = variables.base_url;
            self.api_key = variables.api_key;
        } else if self.base_url.is_none() || self.api_key.is_none() {
            self.api_key = variables.api_key.or(self.api_key.take());
        }
        self.organization = variables.organization.or(self.organization.take());
        self.project = variables.project.or(self.project.take());
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;

    fn openai(text: &str, variables: &[(&str, &str)]) -> (Option<String>, Option<String>) {
        let owned = variables.iter().map(|(a, b)| ((*a).into(), (*b).into()));
        let settings = Settings::parse(text, owned.collect::<Vec<_>>()).unwrap();
        let openai = settings.providers.openai;
        let key = openai.api_key.map(|key| key.reveal().to_owned());
        (openai.base_url, key)
    }

    #[test]
    fn a_key_is_sent_to_its_own_address_only() {
        let file = "[providers.openai]\nbase_url = 'http://tts:8880/v1'\napi_key = 'file'";
        let bare = "[providers.openai]\nbase_url = 'http://tts:8880/v1'";
        let (tts, other) = ("http://tts:8880/v1", "http://other:1/v1");
        let key = ("OPENAI_API_KEY", "env");
        for (text, variables, address, secret) in [
            ("", [].as_slice(), None, None),
            ("", &[key], None, Some("env")),
            ("", &[("OPENAI_API_KEY", "")], None, None),
            (file, &[], Some(tts), Some("file")),
            (file, &[key], Some(tts), Some("file")),
            (file, &[("OPENAI_BASE_URL", other)], Some(other), None),
            (
                file,
                &[("OPENAI_BASE_URL", other), key],
                Some(other),
                Some("env"),
            ),
            (bare, &[key], Some(tts), Some("env")),
        ] {
            let (found, held) = openai(text, variables);
            assert_eq!(found.as_deref(), address, "{text} {variables:?}");
            assert_eq!(held.as_deref(), secret, "{text} {variables:?}");
        }
    }

    #[test]
    fn what_is_misspelt_is_an_error_and_a_key_is_not_shown() {
        let mut bad = vec!["[providers.openai]\nkey = 'a'", "[providers.openia]"];
        if cfg!(feature = "openai") {
            bad.push("[providers.openai]\nbase_url = 'http://example.org'");
            bad.push("[providers.openai]\napi_key = 'a'\ndialect = 'klingon'");
        }
        for text in bad {
            let error = Settings::parse(text, []).unwrap_err();
            assert_eq!(
                error.kind(),
                litink_core::ErrorKind::Configuration,
                "{text}"
            );
        }
        let key = ("OPENAI_API_KEY".to_owned(), "sk-canary".to_owned());
        let settings = Settings::parse("", [key]).unwrap();
        assert!(!format!("{settings:?}").contains("canary"));
    }
}
