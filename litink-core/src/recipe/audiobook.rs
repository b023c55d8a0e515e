//! `audiobook`: a book read aloud, in one file with chapter marks, and subtitles.
//!
//! ```text
//! speak/0003/0000 ─┐
//! speak/0003/0001 ─┴─ chapter/0003 ─┐
//! speak/0004/0000 ─── chapter/0004 ─┼─ package/m4b ─┬─ finish
//!                             cover ─┘  package/vtt ─┘
//! ```

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Plan, PlanInput, PlannedStep, Recipe, StepOutput};
use crate::{Error, Result, domain::Step, engine::StepContext, provider::Request};

mod chapter;
mod cover;
mod options;
mod package;
mod plan;
mod speak;

pub use options::{AudiobookOptions, Include, OutputFormat};

/// The recipe `audiobook`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Audiobook;

/// The recipe's name.
pub const NAME: &str = "audiobook";

#[async_trait]
impl Recipe for Audiobook {
    fn name(&self) -> &'static str {
        NAME
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["speak", "chapter", "cover", "package", "finish"]
    }

    fn options(&self, given: &Value) -> Result<Value> {
        to_json(&AudiobookOptions::parse(given)?)
    }

    fn provider(&self, options: &Value) -> Option<String> {
        AudiobookOptions::parse(options)
            .ok()
            .map(|options| options.provider)
    }

    fn plan(&self, input: &PlanInput<'_>) -> Result<Plan> {
        plan::plan(input)
    }

    fn requests(&self, step: &PlannedStep, options: &Value) -> Result<Vec<(String, Request)>> {
        // A cover is drawn for nothing, or not at all.
        if step.kind != "speak" {
            return Ok(Vec::new());
        }
        let options = AudiobookOptions::parse(options)?;
        let input: speak::SpeakInput = from_json(&step.input)?;
        let request = input.request(&options);
        Ok(vec![(options.provider, request)])
    }

    async fn execute(&self, step: &Step, context: &StepContext) -> Result<StepOutput> {
        let options = AudiobookOptions::parse(&context.run().options)?;
        match step.kind.as_str() {
            "speak" => speak::execute(step, &options, context).await,
            "chapter" => chapter::execute(step, context).await,
            "cover" => cover::execute(context, &options).await,
            "package" => package::execute(step, &options, context).await,
            "finish" => package::finish(context).await,
            other => Err(
                Error::internal("a step of a kind that this recipe does not have")
                    .with_context("kind", other),
            ),
        }
    }
}

fn to_json(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| Error::internal("not JSON").with_source(error))
}

fn from_json<T: DeserializeOwned>(value: &Value) -> Result<T> {
    T::deserialize(value).map_err(|error| {
        Error::new(
            crate::ErrorKind::Corrupt,
            "a stored step cannot be read by this version",
        )
        .with_source(error)
    })
}
