use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Modality, ProviderOptions};
use crate::storage::StorageKey;

/// What is asked of a provider. Together with the provider's name this is all that makes up a
/// call's fingerprint, so it holds nothing that changes from one attempt to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Request {
    /// The model, as the provider names it; `None` for the provider's only or own choice.
    pub model: Option<String>,
    /// What to make.
    pub input: Input,
    /// Another take of the same: 0, the default, for the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub variant: u32,
    /// Settings that only this provider knows.
    #[serde(default, skip_serializing_if = "ProviderOptions::is_empty")]
    pub provider_options: ProviderOptions,
}

impl Request {
    /// A request without a model's name.
    pub fn new(input: impl Into<Input>) -> Self {
        Self {
            model: None,
            input: input.into(),
            variant: 0,
            provider_options: ProviderOptions::new(),
        }
    }

    /// Names a model.
    #[must_use]
    pub fn model(mut self, model: Option<String>) -> Self {
        self.model = model;
        self
    }

    /// What kind of thing is asked for.
    #[must_use]
    pub fn modality(&self) -> Modality {
        self.input.modality()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Stored media that a request refers to. Its content makes up the call's fingerprint, not its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaRef {
    /// Where it is stored.
    pub key: StorageKey,
    /// BLAKE3 of its bytes, in hexadecimal.
    pub content_hash: String,
    /// Its media type.
    pub media_type: String,
}

/// What to make, by modality.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "modality", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Input {
    /// Text from text.
    Text(TextRequest),
    /// Speech from text.
    Speech(SpeechRequest),
    /// An image.
    Image(ImageRequest),
    /// A film.
    Video(VideoRequest),
    /// Text from speech.
    Transcription(TranscriptionRequest),
    /// Vectors.
    Embedding(EmbeddingRequest),
    /// Music or a sound effect.
    Sound(SoundRequest),
}

impl Input {
    /// What kind of thing is asked for.
    #[must_use]
    pub fn modality(&self) -> Modality {
        match self {
            Self::Text(_) => Modality::Text,
            Self::Speech(_) => Modality::Speech,
            Self::Image(_) => Modality::Image,
            Self::Video(_) => Modality::Video,
            Self::Transcription(_) => Modality::Transcription,
            Self::Embedding(_) => Modality::Embedding,
            Self::Sound(_) => Modality::Sound,
        }
    }
}

macro_rules! inputs {
    ($($variant:ident($request:ident)),* $(,)?) => {$(
        impl From<$request> for Input {
            fn from(request: $request) -> Self {
                Self::$variant(request)
            }
        }
    )*};
}

inputs! {
    Text(TextRequest), Speech(SpeechRequest), Image(ImageRequest), Video(VideoRequest),
    Transcription(TranscriptionRequest), Embedding(EmbeddingRequest), Sound(SoundRequest),
}

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// What to do.
    System,
    /// What to do it with: book text goes here, delimited.
    User,
    /// What the model said before.
    Assistant,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What.
    pub text: String,
}

/// Asks for text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TextRequest {
    /// What this is for (`summary`, `attribution`): a provider without a model works by it.
    pub task: Option<String>,
    /// The conversation.
    pub messages: Vec<Message>,
    /// JSON schema that the text must fit.
    pub schema: Option<Value>,
    /// At most so many tokens.
    pub max_output_tokens: Option<u32>,
}

/// Asks for speech.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SpeechRequest {
    /// What to say, word for word; paragraphs are separated by an empty line.
    pub text: String,
    /// The voice's id; `None` for the provider's first.
    pub voice: Option<String>,
    /// BCP 47 language tag of the text.
    pub language: Option<String>,
    /// How to say it, in words, for providers that take direction.
    pub style: Option<String>,
    /// 1.0 is the voice's own pace; 0.25 to 4.
    pub speed: Option<f32>,
    /// The byte ranges of the sentences in `text`, for providers that give marks by sentence.
    pub sentences: Vec<(usize, usize)>,
    /// No word may be another one: where a model that takes direction might reword, it is given
    /// none, and `style` is a warning.
    pub verbatim: bool,
}

impl SpeechRequest {
    /// Says a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }
}

/// The shape of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AspectRatio {
    /// 16:9.
    #[default]
    Landscape,
    /// 1:1.
    Square,
    /// 9:16.
    Portrait,
    /// 2:3, a book's cover.
    Cover,
}

/// Asks for an image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ImageRequest {
    /// What to show.
    pub prompt: String,
    /// A title, for providers that draw cards.
    pub title: Option<String>,
    /// The style, in words.
    pub style: Option<String>,
    /// The shape.
    pub aspect: AspectRatio,
    /// Stored images to keep to (a character's face).
    pub references: Vec<MediaRef>,
    /// The stored image to change, for an edit.
    pub base: Option<MediaRef>,
    /// Where to change it: transparent pixels of this stored image.
    pub mask: Option<MediaRef>,
    /// A seed, for providers that take one.
    pub seed: Option<u64>,
    /// Whether the background is to be transparent.
    pub transparent: bool,
}

/// Asks for a film.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct VideoRequest {
    /// What to show.
    pub prompt: String,
    /// The shape.
    pub aspect: AspectRatio,
    /// How long, in milliseconds.
    pub duration_ms: Option<u64>,
    /// The stored image that it begins with.
    pub first_frame: Option<MediaRef>,
}

/// Asks for a transcript.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TranscriptionRequest {
    /// The stored audio.
    pub audio: MediaRef,
    /// BCP 47 language tag, if known.
    pub language: Option<String>,
}

impl TranscriptionRequest {
    /// Of a stored audio.
    #[must_use]
    pub fn new(audio: MediaRef) -> Self {
        Self {
            audio,
            language: None,
        }
    }
}

/// Asks for vectors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct EmbeddingRequest {
    /// The texts.
    pub texts: Vec<String>,
    /// Length of the vectors, for models that offer several.
    pub dimensions: Option<u32>,
}

/// What sort of sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoundKind {
    /// Music.
    #[default]
    Music,
    /// A sound effect.
    #[serde(alias = "sound_effect")]
    Effect,
}

/// Asks for music or a sound effect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SoundRequest {
    /// Which.
    pub kind: SoundKind,
    /// What it should be like.
    pub prompt: String,
    /// How long, in milliseconds.
    pub duration_ms: Option<u64>,
}
