//! What calls made, as it is stored.

use serde::{Deserialize, Serialize};

use crate::{
    Error, ErrorKind, GenerationId, Result, domain::Generation, provider::SpeechMark,
    storage::StorageKey,
};

/// What a provider made, with media in storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "modality", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Asset {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// Speech.
    Speech {
        /// The audio.
        audio: StoredMedia,
        /// How long it plays, counted in samples.
        duration_ms: u64,
        /// When each stretch of the text is spoken, if the provider knows.
        marks: Vec<SpeechMark>,
    },
    /// An image.
    Image {
        /// The image.
        image: StoredMedia,
    },
    /// A film.
    Video {
        /// The film.
        video: StoredMedia,
    },
    /// A transcript.
    Transcription {
        /// The text.
        text: String,
        /// When each stretch of it is spoken.
        marks: Vec<SpeechMark>,
    },
    /// Vectors.
    Embedding {
        /// One for each text.
        vectors: Vec<Vec<f32>>,
    },
    /// Music or a sound effect.
    Sound {
        /// The audio.
        audio: StoredMedia,
        /// How long it plays.
        duration_ms: u64,
    },
}

impl Asset {
    /// What a generation made, if it is completed.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`].
    pub fn of(row: &Generation) -> Result<Option<Self>> {
        let Some(output) = row.output.clone() else {
            return Ok(None);
        };
        serde_json::from_value(output).map(Some).map_err(|error| {
            Error::new(ErrorKind::Corrupt, "a stored generation cannot be read")
                .with_context("generation", row.id())
                .with_source(error)
        })
    }

    /// The stored media, if it is media.
    #[must_use]
    pub fn media(&self) -> Option<&StoredMedia> {
        match self {
            Self::Speech { audio, .. } | Self::Sound { audio, .. } => Some(audio),
            Self::Image { image } => Some(image),
            Self::Video { video } => Some(video),
            Self::Text { .. } | Self::Transcription { .. } | Self::Embedding { .. } => None,
        }
    }
}

/// What a call made, and the row that it is paid by.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The generation.
    pub id: GenerationId,
    /// What it made.
    pub asset: Asset,
}

/// Media in storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMedia {
    /// Where.
    pub key: StorageKey,
    /// Its media type.
    pub media_type: String,
    /// Its size.
    pub bytes: u64,
    /// BLAKE3 of its bytes, in hexadecimal; empty in rows that are older than this field.
    #[serde(default)]
    pub content_hash: String,
}
