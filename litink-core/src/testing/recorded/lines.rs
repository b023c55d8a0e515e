//! The lines of a recording.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Charge, Error, ErrorKind, Result, Retry,
    provider::{
        Estimate, Generated, Media, MediaBody, Operation, Output, ProviderCapabilities, Reply,
        SpeechMark, Usage,
    },
};

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) format: u32,
    pub(super) provider: String,
    pub(super) capabilities: ProviderCapabilities,
}

/// Another line: a call and its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Exchange {
    pub(super) asked: Value,
    pub(super) estimate: Estimate,
    pub(super) ended: Ended,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ended {
    Done(Box<Made>),
    Pending(Operation),
    Stopped,
    Failed {
        kind: String,
        code: String,
        message: String,
        retry: Again,
        charge: Charge,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Again {
    Never,
    AfterMs(u64),
    Backoff,
    Ambiguous,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Made {
    output: Written,
    provider: Option<String>,
    model: Option<String>,
    usage: Usage,
    cost_nanos: Option<i64>,
    priced_nanos: Option<i64>,
    warnings: Vec<String>,
    request_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Written {
    Text(String),
    Transcription(String, Vec<SpeechMark>),
    Embedding(Vec<Vec<f32>>),
    Speech(File64, Vec<SpeechMark>),
    Sound(File64),
    Image(File64),
    Video(File64),
}

/// Media as text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct File64 {
    media_type: String,
    base64: String,
}

impl Ended {
    pub(super) fn by(error: &Error) -> Self {
        let retry = match error.retry() {
            Retry::Never => Again::Never,
            Retry::After(time) => {
                Again::AfterMs(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
            }
            Retry::Backoff => Again::Backoff,
            Retry::Ambiguous => Again::Ambiguous,
        };
        Self::Failed {
            kind: error.kind().as_str().to_owned(),
            code: error.code().to_owned(),
            message: error.message().to_owned(),
            retry,
            charge: error.charge(),
        }
    }

    pub(super) fn reply(self) -> Result<Reply> {
        match self {
            Self::Done(made) => made.reply(),
            Self::Pending(operation) => Ok(Reply::Pending(operation)),
            Self::Stopped => Err(Error::internal("a stop is no reply")),
            Self::Failed {
                kind,
                code,
                message,
                retry,
                charge,
            } => {
                let retry = match retry {
                    Again::Never => Retry::Never,
                    Again::AfterMs(ms) => Retry::After(Duration::from_millis(ms)),
                    Again::Backoff => Retry::Backoff,
                    Again::Ambiguous => Retry::Ambiguous,
                };
                let kind = ErrorKind::parse(&kind).unwrap_or(ErrorKind::Provider);
                let error = Error::new(kind, message).with_code(code);
                Err(error.with_retry(retry).with_charge(charge))
            }
        }
    }
}

impl Made {
    pub(super) async fn of(made: Generated) -> Result<Self> {
        Ok(Self {
            output: Written::of(made.output).await?,
            provider: made.provider,
            model: made.model,
            usage: made.usage,
            cost_nanos: made.cost_nanos,
            priced_nanos: made.priced_nanos,
            warnings: made.warnings,
            request_id: made.request_id,
        })
    }

    pub(super) fn reply(self) -> Result<Reply> {
        let mut made = Generated::new(self.output.output()?);
        made.provider = self.provider;
        made.model = self.model;
        made.usage = self.usage;
        made.cost_nanos = self.cost_nanos;
        made.priced_nanos = self.priced_nanos;
        made.warnings = self.warnings;
        made.request_id = self.request_id;
        Ok(Reply::Done(Box::new(made)))
    }
}

impl Written {
    async fn of(output: Output) -> Result<Self> {
        Ok(match output {
            Output::Text { text } => Self::Text(text),
            Output::Transcription { text, marks } => Self::Transcription(text, marks),
            Output::Embedding { vectors } => Self::Embedding(vectors),
            Output::Speech { audio, marks } => Self::Speech(File64::of(audio).await?, marks),
            Output::Sound { audio } => Self::Sound(File64::of(audio).await?),
            Output::Image { image } => Self::Image(File64::of(image).await?),
            Output::Video { video } => Self::Video(File64::of(video).await?),
        })
    }

    fn output(self) -> Result<Output> {
        Ok(match self {
            Self::Text(text) => Output::Text { text },
            Self::Transcription(text, marks) => Output::Transcription { text, marks },
            Self::Embedding(vectors) => Output::Embedding { vectors },
            Self::Speech(file, marks) => {
                let audio = file.media()?;
                Output::Speech { audio, marks }
            }
            Self::Sound(file) => Output::Sound {
                audio: file.media()?,
            },
            Self::Image(file) => Output::Image {
                image: file.media()?,
            },
            Self::Video(file) => Output::Video {
                video: file.media()?,
            },
        })
    }
}

impl File64 {
    async fn of(media: Media) -> Result<Self> {
        let bytes = match media.body {
            MediaBody::Bytes(bytes) => bytes,
            MediaBody::Stream(mut stream) => {
                let mut all = BytesMut::new();
                while let Some(piece) = stream.try_next().await? {
                    all.extend_from_slice(&piece);
                }
                all.freeze()
            }
        };
        Ok(Self {
            media_type: media.media_type,
            base64: STANDARD.encode(&bytes),
        })
    }

    fn media(self) -> Result<Media> {
        let bytes = STANDARD.decode(self.base64).map_err(|error| {
            let message = "media of the recording cannot be read; record it again";
            let error = Error::new(ErrorKind::Corrupt, message).with_source(error);
            error.with_code("bad_recording")
        })?;
        Ok(Media::bytes(self.media_type, Bytes::from(bytes)))
    }
}
