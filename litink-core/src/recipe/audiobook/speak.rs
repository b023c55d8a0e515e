use serde::{Deserialize, Serialize};

use super::{AudiobookOptions, from_json};
use crate::{
    GenerationId, Result,
    domain::Step,
    engine::{Asset, StepContext},
    provider::{Request, SpeechRequest},
    recipe::StepOutput,
    text::Boundary,
};

/// What a `speak` step has to say.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SpeakInput {
    pub(super) text: String,
    /// Byte ranges in `text`.
    pub(super) sentences: Vec<(usize, usize)>,
    /// What comes after it: how long to pause.
    pub(super) ends: Boundary,
    pub(super) language: Option<String>,
}

impl SpeakInput {
    /// What the provider is asked for.
    pub(super) fn request(self, options: &AudiobookOptions) -> Request {
        let mut speech = SpeechRequest::new(self.text);
        speech.voice = options.voice.clone();
        speech.language = self.language;
        speech.style = options.style.clone();
        speech.speed = options.speed;
        speech.sentences = self.sentences;
        Request::new(speech).model(options.model.clone())
    }
}

/// What it made.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SpeakOutput {
    pub(super) generation: GenerationId,
}

pub(super) async fn execute(
    step: &Step,
    options: &AudiobookOptions,
    context: &StepContext,
) -> Result<StepOutput> {
    let input: SpeakInput = from_json(&step.input)?;
    let request = input.request(options);
    let made = context.generate(&options.provider, &request).await?;
    let Asset::Speech { duration_ms, .. } = made.asset else {
        return Err(super::super::wrong_kind(&options.provider, "speech"));
    };
    let mut output = StepOutput::new(SpeakOutput {
        generation: made.id,
    })?;
    output.audio_ms = duration_ms;
    Ok(output)
}
