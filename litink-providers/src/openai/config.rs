use std::{fmt, sync::Arc, time::Duration};

use litink_core::{
    Error, ErrorKind, Result,
    provider::{CallContext, Modality, OnAmbiguous},
};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName};
use serde::Deserialize;
use url::Url;

use super::dialect::{Dialect, TextApi};
use crate::{
    Secret,
    catalog::PriceBook,
    settings::{OpenAiSettings, bad},
    url::is_private,
    vendor::{
        client::{Address, plain},
        usable_key,
    },
};

/// The address that stands where none is given.
const DEFAULT_URL: &str = "https://api.openai.com/v1";
/// With this, a call can be found in the vendor's records, whatever became of its answer.
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");
/// Calls at once: a first tier's requests per minute, at the length that speech takes.
const CONCURRENCY: u32 = 16;
/// Of a server on this machine, whose cores they share.
const LOCAL_CONCURRENCY: u32 = 4;

/// Where an endpoint is, what it speaks, and what is asked for where a request does not say.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct OpenAiConfig {
    pub(super) url: Url,
    pub(super) key: Option<Secret>,
    pub(super) organization: Option<String>,
    pub(super) project: Option<String>,
    /// What it speaks.
    pub dialect: &'static Dialect,
    /// The interface that text is asked of. Default: the dialect's.
    pub text_api: TextApi,
    /// The model for text where a request names none. Default: the catalog's, where it applies.
    pub text_model: Option<String>,
    /// The model for speech.
    pub speech_model: Option<String>,
    /// The model for images.
    pub image_model: Option<String>,
    /// The model for vectors.
    pub embedding_model: Option<String>,
    /// The model for transcripts.
    pub transcription_model: Option<String>,
    /// The model for films.
    pub video_model: Option<String>,
    /// Whether text of Responses is worked on in the background and asked for by its id: an answer that
    /// takes long is not lost with its connection. The vendor keeps it until then. Default no.
    pub background: bool,
    /// The voice where a request names none. Default: the dialect's.
    pub voice: Option<String>,
    /// What speech comes as.
    pub speech_format: SpeechFormat,
    /// The interface that speech is asked of. Default: by the model, where the catalog knows it, else
    /// `speech`.
    pub speech_api: Option<SpeechApi>,
    /// Prices that win over the catalog's. Default: none.
    pub prices: Option<Arc<PriceBook>>,
    /// Calls at once. Default 16, and 4 for a server on this machine.
    pub max_concurrency: u32,
    /// What to do when a call's outcome is not known. Default: the modality's.
    pub on_ambiguous: Option<OnAmbiguous>,
    /// The longest that a connection is waited for. Default 10 seconds.
    pub connect: Duration,
    /// An answer that began is given up when nothing more came for so long. Default 60 seconds.
    pub idle: Duration,
}

/// An interface for speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpeechApi {
    /// `audio/speech`.
    Speech,
    /// `realtime`, over a socket: sentence by sentence, and what the model says that it said is compared
    /// with the text.
    Realtime,
}

/// What speech comes as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpeechFormat {
    /// WAV: exact to the sample, and ten times the bytes of MP3. The default.
    #[default]
    Wav,
    /// MP3.
    Mp3,
    /// FLAC.
    Flac,
    /// Samples without a header, 16 bit at 24 kHz, for endpoints that have no WAV.
    Pcm,
}

impl SpeechFormat {
    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
            Self::Flac => "flac",
            Self::Pcm => "pcm",
        }
    }
}

impl OpenAiConfig {
    /// An endpoint by its address, with `/v1` where it has that, and its key, if it wants one.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`]: code `bad_openai_url`; `plain_text` for `http` to a machine
    /// beyond the private network; `bad_openai_key` for a key that no header can hold.
    pub fn new(url: &str, key: Option<Secret>) -> Result<Self> {
        let url = Url::parse(url.trim()).map_err(|_| bad_url())?;
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let host = url.host_str().ok_or_else(bad_url)?;
        match url.scheme() {
            "https" if bare => {}
            "http" if bare && is_private(host) => {}
            "http" if bare => {
                return Err(wrong(
                    "plain_text",
                    "the key and the book would go to another machine in plain text; use `https`",
                ));
            }
            _ => return Err(bad_url()),
        }
        let dialect = Dialect::of(&url);
        let max_concurrency = match crate::url::is_this_host(&url) {
            true => LOCAL_CONCURRENCY,
            false => CONCURRENCY,
        };
        let key = key
            .map(|key| usable_key(&key, "openai", "bad_openai_key"))
            .transpose()?;
        Ok(Self {
            url,
            key,
            organization: None,
            project: None,
            dialect,
            text_api: dialect.text,
            text_model: None,
            speech_model: None,
            image_model: None,
            embedding_model: None,
            transcription_model: None,
            video_model: None,
            background: false,
            voice: None,
            speech_format: SpeechFormat::default(),
            speech_api: None,
            prices: None,
            max_concurrency,
            on_ambiguous: None,
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(60),
        })
    }

    /// As the settings say; `None` where they name neither a key nor an address.
    ///
    /// # Errors
    /// As [`OpenAiConfig::new`], and code `bad_settings`.
    pub fn from_settings(settings: &OpenAiSettings) -> Result<Option<Self>> {
        if settings.api_key.is_none() && settings.base_url.is_none() {
            return Ok(None);
        }
        let url = settings.base_url.as_deref().unwrap_or(DEFAULT_URL);
        let mut config = Self::new(url, settings.api_key.clone())?;
        if let Some(name) = &settings.dialect {
            let found = Dialect::named(name).ok_or_else(|| no_dialect(name))?;
            config = config.dialect(found);
        }
        config.text_api = settings.text_api.unwrap_or(config.text_api);
        config.organization = settings.organization.clone();
        config.project = settings.project.clone();
        config.text_model = settings.text_model.clone();
        config.speech_model = settings.speech_model.clone();
        config.image_model = settings.image_model.clone();
        config.embedding_model = settings.embedding_model.clone();
        config.transcription_model = settings.transcription_model.clone();
        config.video_model = settings.video_model.clone();
        config.background = settings.background;
        config.voice = settings.voice.clone();
        config.speech_format = settings.speech_format;
        config.speech_api = settings.speech_api;
        config.on_ambiguous = settings.on_ambiguous;
        if let Some(calls) = settings.max_concurrency {
            config.max_concurrency = calls.max(1);
        }
        Ok(Some(config))
    }

    /// Sets what it speaks, where its address does not say.
    #[must_use]
    pub fn dialect(mut self, dialect: &'static Dialect) -> Self {
        self.dialect = dialect;
        self.text_api = dialect.text;
        self
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The model of a modality where a request names none.
    pub(super) fn model(&self, modality: Modality) -> Option<&str> {
        match modality {
            Modality::Text => self.text_model.as_deref(),
            Modality::Speech => self.speech_model.as_deref(),
            Modality::Image => self.image_model.as_deref(),
            Modality::Embedding => self.embedding_model.as_deref(),
            Modality::Transcription => self.transcription_model.as_deref(),
            Modality::Video => self.video_model.as_deref(),
            _ => None,
        }
    }
}

impl Address for OpenAiConfig {
    fn url(&self) -> &Url {
        &self.url
    }

    fn connect(&self) -> Duration {
        self.connect
    }

    fn idle(&self) -> Duration {
        self.idle
    }

    fn headers(&self, context: &CallContext) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        let id = format!("{}-{}", context.generation, context.attempt);
        headers.insert(CLIENT_REQUEST_ID, plain(&id)?);
        if let Some(key) = &self.key {
            let name = self.dialect.key_header;
            let mut value = match name {
                "authorization" => plain(&format!("Bearer {}", key.reveal()))?,
                _ => plain(key.reveal())?,
            };
            value.set_sensitive(true);
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap_or(AUTHORIZATION);
            headers.insert(name, value);
        }
        for (name, value) in [
            ("openai-organization", &self.organization),
            ("openai-project", &self.project),
        ] {
            if let Some(value) = value {
                headers.insert(HeaderName::from_static(name), plain(value)?);
            }
        }
        Ok(headers)
    }
}

fn no_dialect(name: &str) -> Error {
    let names: Vec<_> = Dialect::all().iter().map(|it| it.name).collect();
    bad(format!(
        "there is no dialect `{name}` of `openai`; take of {}",
        names.join(", ")
    ))
}

fn bad_url() -> Error {
    wrong(
        "bad_openai_url",
        "the address of the provider `openai` is `https://api.openai.com/v1`, or another such URL, \
         without keys in it",
    )
}

fn wrong(code: &'static str, message: &str) -> Error {
    Error::new(ErrorKind::Configuration, message).with_code(code)
}

impl fmt::Debug for OpenAiConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiConfig")
            .field("url", &self.url.as_str())
            .field("dialect", &self.dialect.name)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_goes_no_further_than_the_private_network() {
        for (url, expected) in [
            ("https://api.openai.com/v1", None),
            ("http://127.0.0.1:8880/v1/", None),
            ("http://tts:8880/v1", None),
            ("http://192.168.1.5:8000/v1", None),
            ("http://example.org/v1", Some("plain_text")),
            ("https://key@example.org/v1", Some("bad_openai_url")),
            ("https://example.org/v1?key=1", Some("bad_openai_url")),
            ("ftp://example.org", Some("bad_openai_url")),
            ("nonsense", Some("bad_openai_url")),
        ] {
            let config = OpenAiConfig::new(url, None);
            let code = config.as_ref().err().map(|it| it.code().to_owned());
            assert_eq!(code.as_deref(), expected, "{url}");
        }
        let config = OpenAiConfig::new("http://tts:8880/v1/", None).unwrap();
        assert_eq!(
            crate::vendor::client::at(config.url(), "audio/speech")
                .unwrap()
                .as_str(),
            "http://tts:8880/v1/audio/speech"
        );
    }

    #[test]
    fn a_key_is_not_shown_and_cannot_break_a_header() {
        let key = Some(Secret::new(" sk-canary\n"));
        let config = OpenAiConfig::new(DEFAULT_URL, key).unwrap();
        assert!(!format!("{config:?}").contains("canary"));
        let broken = OpenAiConfig::new(DEFAULT_URL, Some(Secret::new("sk-can\r\nary")));
        let error = broken.unwrap_err();
        assert_eq!(error.code(), "bad_openai_key");
        assert!(!format!("{error} {error:?}").contains("ary\""));
    }
}
