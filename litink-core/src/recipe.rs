//! Recipes: what can be made from a book, as pure plans and the execution of their steps.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    ChapterId, Error, Result,
    domain::{Book, Chapter, Step},
    engine::StepContext,
    provider::{ProviderCapabilities, Request},
    repository::Change,
};

pub mod audiobook;

/// What can be made from a book.
///
/// # Contract
/// - [`plan`](Recipe::plan) is a pure function: the same book, options and capabilities give the
///   same plan on every machine and in every language. It is printed before anything is paid.
/// - [`execute`](Recipe::execute) is idempotent: a step may be executed again after a crash, and
///   makes the same thing. Paid calls go through [`StepContext::generate`], which pays once.
#[async_trait]
pub trait Recipe: Send + Sync + Debug {
    /// Its name (`audiobook`).
    fn name(&self) -> &'static str;

    /// The kinds of steps it plans and executes.
    fn kinds(&self) -> &'static [&'static str];

    /// Checks options and fills in the defaults, so that the run says all that it was made with.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] (code `bad_options`) naming the option and what it takes.
    fn options(&self, given: &Value) -> Result<Value>;

    /// The name of the provider that the options choose, if the recipe needs one.
    fn provider(&self, options: &Value) -> Option<String>;

    /// The steps, in order; the last one, and no other, has nothing that waits for it.
    fn plan(&self, input: &PlanInput<'_>) -> Result<Plan>;

    /// The calls of providers that a planned step makes, as far as they are known before it is
    /// executed: what a quote is made of. Default: none.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Corrupt`] for a step that this recipe did not plan.
    fn requests(&self, _step: &PlannedStep, _options: &Value) -> Result<Vec<(String, Request)>> {
        Ok(Vec::new())
    }

    /// Does one step.
    async fn execute(&self, step: &Step, context: &StepContext) -> Result<StepOutput>;
}

/// What a plan is made from.
#[derive(Debug)]
pub struct PlanInput<'a> {
    /// The book.
    pub book: &'a Book,
    /// All its chapters with their text, in order.
    pub chapters: &'a [Chapter],
    /// The complete options.
    pub options: &'a Value,
    /// What the chosen provider can do.
    pub provider: &'a ProviderCapabilities,
}

/// The steps of a run, before it is one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The steps, in order.
    pub steps: Vec<PlannedStep>,
    /// Calls of the provider.
    pub calls: u64,
    /// Characters that the provider is given.
    pub characters: u64,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Unique in the plan (`speak/0003/0007`).
    pub key: String,
    /// What to do (`speak`).
    pub kind: String,
    /// The keys of the steps that must complete first.
    pub after: Vec<String>,
    /// The chapter that it works on.
    pub chapter_id: Option<ChapterId>,
    /// Its share in the progress.
    pub weight: u64,
    /// What it needs to know.
    pub input: Value,
}

impl Plan {
    /// Whether it can be run: unique keys, each waiting only for steps before it, and one last step
    /// that all lead to.
    pub fn validate(&self) -> Result<()> {
        let mut seen = std::collections::HashSet::new();
        let mut awaited = std::collections::HashSet::new();
        for step in &self.steps {
            let known = step.after.iter().all(|key| seen.contains(key.as_str()));
            if !known || !seen.insert(step.key.as_str()) {
                return Err(Error::internal("a plan's steps wait for steps before them")
                    .with_context("step", &step.key));
            }
            awaited.extend(step.after.iter().map(String::as_str));
        }
        let last = self.steps.last().map(|step| step.key.as_str());
        let ends: Vec<_> = seen.difference(&awaited).copied().collect();
        if last.is_none() || ends != last.into_iter().collect::<Vec<_>>() {
            return Err(Error::internal(
                "a plan has one last step that all others lead to",
            ));
        }
        Ok(())
    }
}

/// What a step made.
#[derive(Clone, Debug, Default)]
pub struct StepOutput {
    /// For the steps that wait for it.
    pub output: Value,
    /// How long what it made plays, for progress. Default 0.
    pub audio_ms: u64,
    /// Rows to write in the same commit as the completion.
    pub changes: Vec<Change>,
}

impl StepOutput {
    /// An output without rows of its own.
    pub fn new(output: impl Serialize) -> Result<Self> {
        let output = serde_json::to_value(output)
            .map_err(|error| Error::internal("a step's output is JSON").with_source(error))?;
        Ok(Self {
            output,
            audio_ms: 0,
            changes: Vec::new(),
        })
    }
}

/// A provider answered with another kind of thing than it was asked for.
pub(crate) fn wrong_kind(provider: &str, wanted: &str) -> Error {
    Error::new(
        crate::ErrorKind::Provider,
        "the provider made another kind of thing",
    )
    .with_code("wrong_modality")
    .with_context("provider", provider)
    .with_context("wanted", wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(key: &str, after: &[&str]) -> PlannedStep {
        PlannedStep {
            key: key.into(),
            kind: "k".into(),
            after: after.iter().map(|s| (*s).to_owned()).collect(),
            chapter_id: None,
            weight: 0,
            input: Value::Null,
        }
    }

    #[test]
    fn plans_have_one_end_and_look_back_only() {
        let plan = |steps| Plan {
            steps,
            ..Plan::default()
        };
        assert!(
            plan(vec![step("a", &[]), step("b", &["a"])])
                .validate()
                .is_ok()
        );
        let bad = [
            vec![],
            vec![step("a", &[]), step("a", &[])],
            vec![step("a", &["b"]), step("b", &[])],
            vec![step("a", &[]), step("b", &[])],
        ];
        for steps in bad {
            assert!(plan(steps).validate().is_err());
        }
    }
}
