//! The contract of generation: text, speech, images and more from a vendor, a program, or a class
//! in Python or JavaScript.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt::{self, Debug},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::{GenerationId, Result, storage::ByteStream};

mod capabilities;
mod cost;
mod deltas;
pub mod layers;
mod rates;
mod request;
mod schema;

pub use capabilities::{
    ImageCapabilities, OnAmbiguous, ProviderCapabilities, SpeechCapabilities, TextCapabilities,
    Voice, VoiceGender,
};
pub use cost::{Cost, CostSource, Estimate, Spent};
pub use deltas::{Deltas, TextEvent, text_stream};
pub use rates::{RateLeft, RateSnapshot};
pub use request::{
    AspectRatio, EmbeddingRequest, ImageRequest, Input, MediaRef, Message, Request, Role,
    SoundKind, SoundRequest, SpeechRequest, TextRequest, TranscriptionRequest, VideoRequest,
};
pub use schema::{SchemaCheck, SchemaMismatch, json_of};

/// A source of generated media.
///
/// # Contract
/// - [`generate`](GenerationProvider::generate) either finishes, or returns an [`Operation`]: a
///   handle that is stored before it is first polled, so that a crash resumes the work and does
///   not pay for it again.
/// - **Dropping a future cancels the call.** Work that cannot be dropped (a thread, another
///   process) watches [`CallContext::cancel`].
/// - **No retries inside.** The engine retries, in one place, by what the error says:
///   [`crate::Error::retry`] and, above all, [`crate::Error::charge`]. A failure after the request
///   was sent, without an answer, is [`crate::Retry::Ambiguous`] with [`crate::Charge::Maybe`].
/// - A setting that the provider does not have is a warning in the result; a modality that it does
///   not have is [`crate::ErrorKind::Unsupported`], found before anything is paid.
/// - Book text in a request is data: never instructions, never rewritten, never logged.
///
/// # Errors
/// See [`crate::ErrorKind`]; `Provider` for replies that make no sense, `RateLimited` with the
/// vendor's own pause, `QuotaExhausted` where waiting does not help, `Configuration` (code
/// `provider_auth`) where the vendor refuses our key: that is the operator's to mend, not the
/// caller's.
///
/// # Implementing
/// Hold it to `litink_core::testing::provider`. `examples/` has a complete provider in each
/// language.
#[async_trait]
pub trait GenerationProvider: Send + Sync + Debug {
    /// The name under which it is registered, stored with each generation: part of what makes two
    /// calls the same call.
    fn name(&self) -> &str;

    /// What it can do with a model (`None`: the one it takes by itself). Cheap, and free to change
    /// as the provider learns.
    fn capabilities(&self, model: Option<&str>) -> Arc<ProviderCapabilities>;

    /// What decides what it makes besides its name and the request: where it asks, and the model,
    /// the voice and the like that it takes where the request names none. It makes two calls
    /// different calls, so that what one endpoint was paid for is not taken for another's. It is
    /// hashed, and kept nowhere; a secret does not belong in it. Default: nothing.
    fn variant(&self, _request: &Request) -> Value {
        Value::Null
    }

    /// The most that a request can use and cost, before it is made: what budgets reserve, and what a
    /// quote says. A bound, and not a guess: where there is none (a price or a length that is not
    /// known), `cost_nanos` is `None`, and where there are budgets the call is not made. Default:
    /// nothing is known.
    fn estimate(&self, _request: &Request) -> Estimate {
        Estimate::default()
    }

    /// Makes one thing, or begins to.
    async fn generate(&self, request: &Request, context: &CallContext) -> Result<Reply>;

    /// Asks how an operation stands.
    ///
    /// # Errors
    /// The retry tells a question that failed from an operation that failed. Anything but
    /// [`crate::Retry::Never`] (a 503, a time-out, a 429) keeps the operation: it is asked for again
    /// later. `Never` ends it: the vendor says that it failed, was stopped or is not known, and what
    /// was paid for it is given up. Only where the error is about the account and not about the
    /// operation (the kinds `Configuration`, `Unauthenticated`, `PermissionDenied` and
    /// `QuotaExhausted`) the operation is kept, too: the run fails, and asks again when it is
    /// resumed.
    async fn poll(&self, operation: &Operation, context: &CallContext) -> Result<Reply>;

    /// Asks the vendor to stop an operation, since its run was stopped or it took too long. One that
    /// is over is no error.
    async fn cancel(&self, operation: &Operation, context: &CallContext) -> Result<()>;
}

/// A kind of thing that a provider makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Modality {
    /// Text from text.
    Text,
    /// Speech from text.
    Speech,
    /// An image from text and images.
    Image,
    /// A film from text and images.
    Video,
    /// Text from speech.
    Transcription,
    /// Vectors from text.
    Embedding,
    /// Music and sound effects from text.
    Sound,
}

impl Modality {
    /// Its name in rows, JSON and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Speech => "speech",
            Self::Image => "image",
            Self::Video => "video",
            Self::Transcription => "transcription",
            Self::Embedding => "embedding",
            Self::Sound => "sound",
        }
    }
}

/// The circumstances of a call, apart from what is asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallContext {
    /// The generation that the call is for; send it as the idempotency key where the vendor has
    /// one.
    pub generation: GenerationId,
    /// 1 for the first call.
    pub attempt: u32,
    /// Fires when the run is cancelled or the worker must stop at once.
    pub cancel: CancellationToken,
    /// The call is given up after this. Default 10 minutes.
    pub timeout: Duration,
    /// Opens the stored media that a request refers to.
    pub media: Option<Arc<dyn MediaSource>>,
    /// Who is told of text as it comes, from providers that stream; `None`, the default, for nobody.
    /// The reply holds the whole text all the same.
    pub deltas: Option<Deltas>,
    /// What a binding or a middleware carries from the caller to the provider.
    pub extensions: Extensions,
}

impl CallContext {
    /// A first call with default limits.
    #[must_use]
    pub fn new(generation: GenerationId) -> Self {
        Self {
            generation,
            attempt: 1,
            cancel: CancellationToken::new(),
            timeout: Duration::from_secs(600),
            media: None,
            deltas: None,
            extensions: Extensions::default(),
        }
    }
}

/// Opens stored media for a provider, bound to the owner of the run that calls it.
#[async_trait]
pub trait MediaSource: Send + Sync + Debug {
    /// The media's bytes.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] where it is gone, or is not the owner's.
    async fn open(&self, media: &MediaRef) -> Result<Media>;
}

/// Values by type, carried along and looked at only by who put them in.
#[derive(Clone, Default)]
pub struct Extensions(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl Extensions {
    /// Puts a value in, in the place of another of its type.
    pub fn insert<T: Any + Send + Sync>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(value));
    }

    /// The value of this type.
    #[must_use]
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

impl Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extensions({})", self.0.len())
    }
}

/// What a call gave.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reply {
    /// It is finished.
    Done(Box<Generated>),
    /// The vendor works on it; ask again with this.
    Pending(Operation),
}

impl Reply {
    /// A finished reply.
    #[must_use]
    pub fn done(output: Output) -> Self {
        Self::Done(Box::new(Generated::new(output)))
    }
}

/// A handle of work that goes on at the vendor's. Stored before it is first polled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Operation {
    /// The vendor's id.
    pub id: String,
    /// Whatever else the provider needs to find it again.
    #[serde(default)]
    pub state: Value,
    /// Ask again not before so many milliseconds have passed. Default 5,000.
    #[serde(default = "default_poll_ms")]
    pub poll_after_ms: u64,
    /// 0 to 1, if the vendor says.
    #[serde(default)]
    pub progress: Option<f32>,
}

impl Operation {
    /// A handle by the vendor's id.
    pub fn new(id: impl Into<String>) -> Self {
        let poll_after_ms = default_poll_ms();
        Self {
            id: id.into(),
            state: Value::Null,
            poll_after_ms,
            progress: None,
        }
    }
}

fn default_poll_ms() -> u64 {
    5_000
}

/// A finished generation.
#[derive(Debug)]
#[non_exhaustive]
pub struct Generated {
    /// What was made.
    pub output: Output,
    /// The provider that made it, where it is another one than was asked: of a ladder, that of the rung.
    pub provider: Option<String>,
    /// The model that made it, as the vendor names it.
    pub model: Option<String>,
    /// What it used.
    pub usage: Usage,
    /// Billionths of a US dollar, as the vendor reports them; `None` where it does not. An unknown
    /// price is never 0.
    pub cost_nanos: Option<i64>,
    /// What a price list makes of `usage`, in the same unit; kept beside what the vendor reports.
    pub priced_nanos: Option<i64>,
    /// Settings that were not honoured, and other things that a person should know.
    pub warnings: Vec<String>,
    /// The vendor's own id of the request.
    pub request_id: Option<String>,
    /// What the answer says of the account's limits.
    pub rates: RateSnapshot,
}

impl Generated {
    /// A generation of which nothing else is reported.
    #[must_use]
    pub fn new(output: Output) -> Self {
        Self {
            output,
            provider: None,
            model: None,
            usage: Usage::default(),
            cost_nanos: None,
            priced_nanos: None,
            warnings: Vec::new(),
            request_id: None,
            rates: RateSnapshot::default(),
        }
    }

    /// What it used and cost, apart from what was made.
    #[must_use]
    pub fn spent(&self) -> Spent {
        Spent {
            usage: self.usage.clone(),
            cost_nanos: self.cost_nanos,
            priced_nanos: self.priced_nanos,
        }
    }

    /// What it cost: what the vendor reports, else what a price list makes of it.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.spent().cost()
    }
}

/// What a call used. `None` means not reported, never zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens read, of every sort.
    pub input_tokens: Option<u64>,
    /// Those of `input_tokens` that came from the vendor's cache of prompts.
    pub cached_input_tokens: Option<u64>,
    /// Those of `input_tokens` that were written to the vendor's cache of prompts.
    pub cache_write_tokens: Option<u64>,
    /// Those of `input_tokens` that are pictures.
    pub input_image_tokens: Option<u64>,
    /// Tokens written, of every sort.
    pub output_tokens: Option<u64>,
    /// Those of `output_tokens` that nobody sees, since the model thought in them.
    pub reasoning_tokens: Option<u64>,
    /// Characters read.
    pub input_chars: Option<u64>,
    /// Audio or video read, in milliseconds.
    pub input_ms: Option<u64>,
    /// Audio or video made, in milliseconds.
    pub output_ms: Option<u64>,
    /// Images made.
    pub images: Option<u64>,
}

impl Usage {
    /// Both together; what neither reports stays unreported.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
        };
        Self {
            input_tokens: sum(self.input_tokens, other.input_tokens),
            cached_input_tokens: sum(self.cached_input_tokens, other.cached_input_tokens),
            cache_write_tokens: sum(self.cache_write_tokens, other.cache_write_tokens),
            input_image_tokens: sum(self.input_image_tokens, other.input_image_tokens),
            output_tokens: sum(self.output_tokens, other.output_tokens),
            reasoning_tokens: sum(self.reasoning_tokens, other.reasoning_tokens),
            input_chars: sum(self.input_chars, other.input_chars),
            input_ms: sum(self.input_ms, other.input_ms),
            output_ms: sum(self.output_ms, other.output_ms),
            images: sum(self.images, other.images),
        }
    }
}

/// What was made.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// Speech.
    Speech {
        /// The audio: WAV, MP3 or FLAC.
        audio: Media,
        /// When each stretch of the text is spoken, if the provider knows.
        marks: Vec<SpeechMark>,
    },
    /// An image.
    Image {
        /// The image: PNG, JPEG or WebP.
        image: Media,
    },
    /// A film.
    Video {
        /// The film: MP4.
        video: Media,
    },
    /// A transcript.
    Transcription {
        /// The text.
        text: String,
        /// When each stretch of it is spoken.
        marks: Vec<SpeechMark>,
    },
    /// Vectors, one for each input.
    Embedding {
        /// The vectors, all of one length.
        vectors: Vec<Vec<f32>>,
    },
    /// Music or a sound effect.
    Sound {
        /// The audio.
        audio: Media,
    },
}

impl Output {
    /// What kind of thing it is.
    #[must_use]
    pub fn modality(&self) -> Modality {
        match self {
            Self::Text { .. } => Modality::Text,
            Self::Speech { .. } => Modality::Speech,
            Self::Image { .. } => Modality::Image,
            Self::Video { .. } => Modality::Video,
            Self::Transcription { .. } => Modality::Transcription,
            Self::Embedding { .. } => Modality::Embedding,
            Self::Sound { .. } => Modality::Sound,
        }
    }
}

/// When a stretch of text is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeechMark {
    /// First byte of the stretch in the text.
    pub text_start: usize,
    /// Byte after its last.
    pub text_end: usize,
    /// When it begins, in milliseconds from the start of the audio.
    pub start_ms: u64,
    /// When it ends.
    pub end_ms: u64,
}

/// Bytes of a media type: small ones at once, large ones as a stream.
pub struct Media {
    /// The media type, as the provider names it. The engine looks at the bytes, too.
    pub media_type: String,
    /// The bytes.
    pub body: MediaBody,
}

/// The bytes of [`Media`].
pub enum MediaBody {
    /// All at once.
    Bytes(Bytes),
    /// As they come.
    Stream(ByteStream),
}

impl Media {
    /// Media that is there at once.
    pub fn bytes(media_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self {
            media_type: media_type.into(),
            body: MediaBody::Bytes(bytes.into()),
        }
    }

    /// Media that comes in pieces.
    pub fn stream(media_type: impl Into<String>, stream: ByteStream) -> Self {
        Self {
            media_type: media_type.into(),
            body: MediaBody::Stream(stream),
        }
    }
}

impl Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Media({}, {:?})", self.media_type, self.body)
    }
}

impl Debug for MediaBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Stream(_) => f.write_str("stream"),
        }
    }
}

/// Settings that only one provider knows, by its name.
pub type ProviderOptions = Map<String, Value>;
