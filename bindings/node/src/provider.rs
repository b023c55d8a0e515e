//! Providers that are written in JavaScript.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use litink_core::{
    Charge, Error, ErrorKind, Result, Retry,
    provider::{
        CallContext, Generated, GenerationProvider, Media, Operation, Output, ProviderCapabilities,
        Reply, Request, SpeechMark, Usage,
    },
};
use napi::{
    Status,
    bindgen_prelude::{Buffer, Function, Promise},
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;
use serde::Deserialize;

use crate::{engine::to_json, error::Thrown};

/// A call on its way to JavaScript.
#[napi(object)]
#[derive(Debug, Default)]
pub struct Ask {
    /// Names the call, so that it can be aborted.
    pub id: u32,
    /// `generate`, `poll`, `cancel`; or `abort`, for the call with this id. Those go the same way, so
    /// that an abort never overtakes its call.
    pub method: String,
    /// The request or the operation, as JSON.
    pub input: String,
    /// The generation's id.
    pub generation: String,
    /// 1 for the first call.
    pub attempt: u32,
}

/// What came back.
#[napi(object)]
pub struct Answer {
    /// What it is, as JSON; see `Told`.
    pub told: String,
    /// The bytes, where it is media.
    pub media: Option<Buffer>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Answer({} bytes)",
            self.media.as_ref().map_or(0, |media| media.len())
        )
    }
}

/// Weak, so that a registered provider does not keep the process alive.
type CallFunction = ThreadsafeFunction<Ask, Promise<Answer>, Ask, Status, false, true>;

static NEXT_CALL: AtomicU32 = AtomicU32::new(1);

/// A provider in JavaScript, on the thread that registered it.
pub(crate) struct JsProvider {
    name: String,
    capabilities: Arc<ProviderCapabilities>,
    call: Arc<CallFunction>,
}

impl fmt::Debug for JsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsProvider({})", self.name)
    }
}

/// Aborts the call's signal when the call is dropped before its end.
struct AbortOnDrop {
    call: Option<Arc<CallFunction>>,
    ask: Ask,
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            let ask = std::mem::take(&mut self.ask);
            call.call(ask, ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

impl JsProvider {
    pub(crate) fn new(
        name: String,
        capabilities: ProviderCapabilities,
        call: &Function<'_, Ask, Promise<Answer>>,
    ) -> napi::Result<Self> {
        let call = call.build_threadsafe_function().weak::<true>().build()?;
        Ok(Self {
            name,
            capabilities: Arc::new(capabilities),
            call: Arc::new(call),
        })
    }

    async fn ask(&self, method: &str, input: String, context: &CallContext) -> Result<Replied> {
        let id = NEXT_CALL.fetch_add(1, Ordering::Relaxed);
        let ask = Ask {
            id,
            method: method.to_owned(),
            input,
            generation: context.generation.to_string(),
            attempt: context.attempt,
        };
        let abort = Ask {
            id,
            method: "abort".to_owned(),
            ..Ask::default()
        };
        let mut guard = AbortOnDrop {
            call: Some(self.call.clone()),
            ask: abort,
        };
        // Not `call_async`, with which an exception on the way ends the process.
        let answer = async { self.call.call_async_catch(ask).await?.await };
        let answer = answer.await.map_err(|error| self.unreachable(&error));
        guard.call = None;
        let read = answer.and_then(|answer| self.read(answer));
        read.map_err(|error| {
            error
                .with_context("provider", &self.name)
                .with_context("generation", context.generation)
        })
    }

    fn read(&self, answer: Answer) -> Result<Replied> {
        let told: Told = serde_json::from_str(&answer.told).map_err(|error| {
            Error::new(
                ErrorKind::Provider,
                format!("the provider's reply does not fit: {error}"),
            )
            .with_code("bad_reply")
            .with_charge(Charge::Maybe)
        })?;
        told.replied(answer.media)
    }

    /// The facade's function never rejects, so this is the thread that is gone.
    fn unreachable(&self, error: &napi::Error) -> Error {
        Error::new(
            ErrorKind::Unavailable,
            "the JavaScript thread of this provider is gone",
        )
        .with_code("provider_gone")
        .with_retry(Retry::Backoff)
        .with_context("status", error.status)
    }
}

#[async_trait]
impl GenerationProvider for JsProvider {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self, _model: Option<&str>) -> Arc<ProviderCapabilities> {
        self.capabilities.clone()
    }

    async fn generate(&self, request: &Request, context: &CallContext) -> Result<Reply> {
        self.ask("generate", to_json(request)?, context)
            .await?
            .reply()
    }

    async fn poll(&self, operation: &Operation, context: &CallContext) -> Result<Reply> {
        self.ask("poll", to_json(operation)?, context)
            .await?
            .reply()
    }

    async fn cancel(&self, operation: &Operation, context: &CallContext) -> Result<()> {
        self.ask("cancel", to_json(operation)?, context)
            .await
            .map(drop)
    }
}

/// A reply, or the confirmation that an operation was stopped.
enum Replied {
    Reply(Reply),
    Stopped,
}

impl Replied {
    fn reply(self) -> Result<Reply> {
        match self {
            Self::Reply(reply) => Ok(reply),
            Self::Stopped => Err(
                Error::new(ErrorKind::Provider, "the provider gave no reply")
                    .with_code("bad_reply"),
            ),
        }
    }
}

/// A reply as the facade describes it, its bytes apart.
#[derive(Deserialize)]
struct Told {
    #[serde(flatten)]
    what: What,
    model: Option<String>,
    #[serde(default)]
    usage: Usage,
    cost_nanos: Option<i64>,
    #[serde(default)]
    warnings: Vec<String>,
    request_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum What {
    Thrown {
        error: Thrown,
    },
    Stopped,
    Pending(Operation),
    Text {
        text: String,
    },
    Speech {
        media_type: String,
        #[serde(default)]
        marks: Vec<SpeechMark>,
    },
    Image {
        media_type: String,
    },
    Video {
        media_type: String,
    },
    Transcription {
        text: String,
        #[serde(default)]
        marks: Vec<SpeechMark>,
    },
    Embedding {
        vectors: Vec<Vec<f32>>,
    },
    Sound {
        media_type: String,
    },
}

impl Told {
    fn replied(self, media: Option<Buffer>) -> Result<Replied> {
        let media = |media_type: String| {
            let bytes = media
                .map(Vec::from)
                .filter(|bytes| !bytes.is_empty())
                .ok_or_else(|| {
                    Error::new(ErrorKind::Provider, "the provider's reply holds no bytes")
                        .with_code("bad_reply")
                        .with_charge(Charge::Maybe)
                })?;
            Ok::<_, Error>(Media::bytes(media_type, bytes))
        };
        let output = match self.what {
            What::Thrown { error } => return Err(error.into()),
            What::Stopped => return Ok(Replied::Stopped),
            What::Pending(operation) => return Ok(Replied::Reply(Reply::Pending(operation))),
            What::Text { text } => Output::Text { text },
            What::Speech { media_type, marks } => Output::Speech {
                audio: media(media_type)?,
                marks,
            },
            What::Image { media_type } => Output::Image {
                image: media(media_type)?,
            },
            What::Video { media_type } => Output::Video {
                video: media(media_type)?,
            },
            What::Transcription { text, marks } => Output::Transcription { text, marks },
            What::Embedding { vectors } => Output::Embedding { vectors },
            What::Sound { media_type } => Output::Sound {
                audio: media(media_type)?,
            },
        };
        let mut generated = Generated::new(output);
        generated.model = self.model;
        generated.usage = self.usage;
        generated.cost_nanos = self.cost_nanos;
        generated.warnings = self.warnings;
        generated.request_id = self.request_id;
        Ok(Replied::Reply(Reply::Done(Box::new(generated))))
    }
}
