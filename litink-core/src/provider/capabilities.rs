use serde::{Deserialize, Serialize};

use super::Modality;

/// What a provider can do, as data: what a modality's entry says is absent is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ProviderCapabilities {
    /// Text, if it makes any.
    pub text: Option<TextCapabilities>,
    /// Speech, if it makes any.
    pub speech: Option<SpeechCapabilities>,
    /// Images, if it makes any.
    pub image: Option<ImageCapabilities>,
    /// Other modalities that it serves.
    pub others: Vec<Modality>,
    /// Calls that may run at once in one process; more wait. Default 64; a program on this machine
    /// says its number of cores.
    pub max_concurrency: u32,
    /// What it makes is a draft to show the pipeline with, not the work of a model.
    pub draft: bool,
    /// What to do when a call's outcome is not known; `None` for the modality's default.
    pub on_ambiguous: Option<OnAmbiguous>,
}

impl ProviderCapabilities {
    /// Whether it serves a modality.
    #[must_use]
    pub fn serves(&self, modality: Modality) -> bool {
        match modality {
            Modality::Text => self.text.is_some(),
            Modality::Speech => self.speech.is_some(),
            Modality::Image => self.image.is_some(),
            other => self.others.contains(&other),
        }
    }

    /// What to do when the outcome of a call of this modality is not known.
    #[must_use]
    pub fn on_ambiguous(&self, modality: Modality) -> OnAmbiguous {
        self.on_ambiguous.unwrap_or(match modality {
            Modality::Image | Modality::Video | Modality::Sound => OnAmbiguous::Hold,
            _ => OnAmbiguous::Resend,
        })
    }

    /// The concurrency to use: the declared one, or the default.
    #[must_use]
    pub fn concurrency(&self) -> usize {
        if self.max_concurrency == 0 {
            64
        } else {
            self.max_concurrency as usize
        }
    }
}

/// What to do with a call that may have been paid although no answer came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnAmbiguous {
    /// Send it again: at most the calls in flight at a crash are paid twice, each reported. The
    /// default for text, speech, transcripts and vectors, whose calls are cheap.
    #[default]
    Resend,
    /// Stop and let the owner decide: the default for images, films and music.
    Hold,
}

/// What a provider of text can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TextCapabilities {
    /// Characters it reads at most; 0 for no limit worth knowing.
    pub max_input_chars: usize,
    /// Whether it keeps to a JSON schema.
    pub json_schema: bool,
}

/// What a provider of speech can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SpeechCapabilities {
    /// Characters it speaks in one call at most. Default 4,096, the limit of OpenAI's endpoint and
    /// of those shaped after it.
    pub max_input_chars: usize,
    /// Its voices; empty when it takes any id.
    pub voices: Vec<Voice>,
    /// Whether it says when each sentence is spoken.
    pub marks: bool,
}

impl Default for SpeechCapabilities {
    fn default() -> Self {
        Self {
            max_input_chars: 4_096,
            voices: Vec::new(),
            marks: false,
        }
    }
}

/// A voice's gender, as its maker describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoiceGender {
    /// A woman's voice.
    Female,
    /// A man's voice.
    Male,
    /// Neither.
    Neutral,
}

/// A voice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voice {
    /// What to name in a request.
    pub id: String,
    /// What to show to people.
    pub name: String,
    /// BCP 47 tags of the languages it speaks; empty for any.
    #[serde(default)]
    pub languages: Vec<String>,
    /// As its maker describes it.
    #[serde(default)]
    pub gender: Option<VoiceGender>,
}

/// What a provider of images can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ImageCapabilities {
    /// Whether it keeps to reference images.
    pub references: bool,
}
