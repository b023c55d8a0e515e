//! A provider whose speech is made once, and a recipe of nothing but speech: what is left is what
//! the engine itself costs.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use litink_core::{
    Error, GenerationId, Result,
    audio::{self, Pcm},
    domain::Step,
    engine::StepContext,
    provider::{
        CallContext, GenerationProvider, Media, Operation, Output, ProviderCapabilities, Reply,
        Request, SpeechCapabilities, SpeechRequest,
    },
    recipe::{Plan, PlanInput, PlannedStep, Recipe, StepOutput},
};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// Answers every call with the same tenth of a second of sound.
#[derive(Clone, Debug)]
pub struct ConstantProvider {
    delay: Duration,
    wav: Bytes,
    capabilities: Arc<ProviderCapabilities>,
}

impl ConstantProvider {
    /// Answers after `delay`; zero answers at once, without a timer.
    ///
    /// # Errors
    /// None in practice: the sound is as long as a WAV may be.
    pub fn new(delay: Duration) -> Result<Self> {
        let pcm = Pcm {
            sample_rate: 8_000,
            samples: (0..800).map(|i: i16| (i % 40) * 400 - 8_000).collect(),
        };
        let mut capabilities = ProviderCapabilities::default();
        capabilities.speech = Some(SpeechCapabilities::default());
        capabilities.max_concurrency = 1024;
        Ok(Self {
            delay,
            wav: audio::wav::to_bytes(&pcm, &audio::wav::WavTags::default())?,
            capabilities: Arc::new(capabilities),
        })
    }

    /// One call, without an engine.
    ///
    /// # Errors
    /// None.
    pub async fn bare(&self, number: usize) -> Result<Reply> {
        self.generate(&request(number), &CallContext::new(GenerationId::random()))
            .await
    }
}

#[async_trait]
impl GenerationProvider for ConstantProvider {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn capabilities(&self, _model: Option<&str>) -> Arc<ProviderCapabilities> {
        Arc::clone(&self.capabilities)
    }

    async fn generate(&self, _request: &Request, _context: &CallContext) -> Result<Reply> {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        Ok(Reply::done(Output::Speech {
            audio: Media::bytes("audio/wav", self.wav.clone()),
            marks: Vec::new(),
        }))
    }

    async fn poll(&self, operation: &Operation, _context: &CallContext) -> Result<Reply> {
        Err(Error::not_found("operation", &operation.id))
    }

    async fn cancel(&self, _operation: &Operation, _context: &CallContext) -> Result<()> {
        Ok(())
    }
}

fn request(number: usize) -> Request {
    Request::new(SpeechRequest::new(format!("Sentence {number}.")))
}

/// Independent steps of one call each, and a last step that says when they are done.
#[derive(Debug, Default)]
pub struct Speech {
    done: Arc<Notify>,
    again: Arc<Mutex<Duration>>,
}

impl Speech {
    /// Told when the last step of a run is executed.
    #[must_use]
    pub fn done(&self) -> Arc<Notify> {
        Arc::clone(&self.done)
    }

    /// What it took to ask for the first call's result again, all the times of the option `again`.
    #[must_use]
    pub fn again(&self) -> Arc<Mutex<Duration>> {
        Arc::clone(&self.again)
    }
}

/// The recipe's name.
pub const RECIPE: &str = "bench";

#[async_trait]
impl Recipe for Speech {
    fn name(&self) -> &'static str {
        RECIPE
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["speak", "finish"]
    }

    fn options(&self, given: &Value) -> Result<Value> {
        Ok(given.clone())
    }

    fn provider(&self, _options: &Value) -> Option<String> {
        Some("constant".into())
    }

    fn plan(&self, input: &PlanInput<'_>) -> Result<Plan> {
        let count = input.options["steps"].as_u64().unwrap_or(1);
        let mut steps: Vec<PlannedStep> = (0..count)
            .map(|i| step(format!("speak/{i}"), "speak", Vec::new(), json!(i)))
            .collect();
        let all = steps.iter().map(|step| step.key.clone()).collect();
        let again = input.options["again"].clone();
        steps.push(step("finish".into(), "finish", all, again));
        Ok(Plan {
            steps,
            calls: count,
            characters: 0,
        })
    }

    async fn execute(&self, step: &Step, context: &StepContext) -> Result<StepOutput> {
        if step.kind == "finish" {
            let begun = Instant::now();
            for _ in 0..step.input.as_u64().unwrap_or(0) {
                context.generate("constant", &request(0)).await?;
            }
            *self.again.lock().unwrap_or_else(PoisonError::into_inner) = begun.elapsed();
            self.done.notify_one();
            return StepOutput::new(Value::Null);
        }
        let number = step
            .input
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(0);
        let made = context.generate("constant", &request(number)).await?;
        StepOutput::new(json!({ "generation": made.id }))
    }
}

fn step(key: String, kind: &str, after: Vec<String>, input: Value) -> PlannedStep {
    PlannedStep {
        key,
        kind: kind.into(),
        after,
        chapter_id: None,
        weight: 1,
        input,
    }
}
