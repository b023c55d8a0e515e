//! A provider that does as it is told: for an application's own tests.
//!
//! ```
//! use std::time::Duration;
//! use litink_core::{Error, ErrorKind};
//! use litink_core::testing::scripted::{Script, ScriptedProvider};
//!
//! let provider = ScriptedProvider::new("vendor")
//!     .then(Script::Fail(Error::new(ErrorKind::RateLimited, "slow down")))
//!     .then(Script::Pending { polls: 3, then: Box::new(Script::Answer) })
//!     .then(Script::Hang)
//!     .otherwise(|_request| Script::after(Duration::from_millis(5), Script::Answer));
//! // ... give a clone to the engine, make a run, and then:
//! assert_eq!(provider.calls().len(), 0);
//! ```

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use uuid::Uuid;

use crate::{
    Error, ErrorKind, Result,
    provider::{
        CallContext, Estimate, Generated, GenerationProvider, ImageCapabilities, Modality,
        Operation, Output, ProviderCapabilities, Reply, Request, SpeechCapabilities,
        TextCapabilities, Voice,
    },
};

mod answers;

pub use answers::{tone_image, tone_wav};

/// What to do with one call.
#[derive(Debug)]
#[non_exhaustive]
pub enum Script {
    /// Answer by what was asked for: text with a fixed sentence, speech with a tone as long as the
    /// text, an image with one grey pixel, and so on. The same request gives the same answer.
    Answer,
    /// Answer with this.
    Done(Box<Generated>),
    /// Fail with this.
    Fail(Error),
    /// Never answer; when the call's `cancel` fires, fail with [`ErrorKind::Cancelled`].
    Hang,
    /// Go on with another script after this time.
    After(Duration, Box<Script>),
    /// Go on with another script, whose answer costs this, in billionths of a US dollar.
    Costing(i64, Box<Script>),
    /// Give an operation that is pending for so many polls, and then goes on with another script.
    /// Forgotten operations (a provider made anew after a crash) end with [`Script::Answer`].
    Pending {
        /// Polls that find it still pending.
        polls: u32,
        /// What the poll after them does.
        then: Box<Script>,
    },
    /// Give an operation, each poll of which plays the next of these, and [`Script::Answer`] when
    /// there are no more.
    Polls(Vec<Script>),
}

impl Script {
    /// Answer with this output.
    #[must_use]
    pub fn output(output: Output) -> Self {
        Self::Done(Box::new(Generated::new(output)))
    }

    /// Answer with this text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::output(Output::Text { text: text.into() })
    }

    /// Go on with another script after this time.
    #[must_use]
    pub fn after(time: Duration, script: Self) -> Self {
        Self::After(time, Box::new(script))
    }

    /// Go on with another script, whose answer costs this, in billionths of a US dollar.
    #[must_use]
    pub fn costing(nanos: i64, script: Self) -> Self {
        Self::Costing(nanos, Box::new(script))
    }
}

type Otherwise = Box<dyn Fn(&Request) -> Script + Send + Sync>;

/// A provider that does as it is told, and remembers what it was asked. Clones are the same
/// provider.
#[derive(Clone)]
pub struct ScriptedProvider {
    name: Arc<str>,
    capabilities: Arc<ProviderCapabilities>,
    cost_nanos: Option<i64>,
    estimate_nanos: Option<i64>,
    ms_per_char: u64,
    otherwise: Arc<Otherwise>,
    told: Arc<Mutex<Told>>,
}

#[derive(Default)]
struct Told {
    scripts: VecDeque<Script>,
    pending: HashMap<String, (u32, Script)>,
    calls: Vec<Request>,
    polls: usize,
    cancelled: Vec<Operation>,
    running: usize,
    most_running: usize,
    dropped: usize,
}

impl ScriptedProvider {
    /// A provider that answers every call. It serves all modalities but video.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        let voice = |id: &str| Voice {
            id: id.into(),
            name: id.into(),
            languages: Vec::new(),
            gender: None,
        };
        let speech = SpeechCapabilities {
            voices: vec![voice("alto"), voice("bass")],
            ..SpeechCapabilities::default()
        };
        let capabilities = ProviderCapabilities {
            text: Some(TextCapabilities::default()),
            speech: Some(speech),
            image: Some(ImageCapabilities::default()),
            others: vec![
                Modality::Transcription,
                Modality::Embedding,
                Modality::Sound,
            ],
            draft: true,
            ..ProviderCapabilities::default()
        };
        Self {
            name: name.into(),
            capabilities: Arc::new(capabilities),
            cost_nanos: None,
            estimate_nanos: None,
            ms_per_char: 60,
            otherwise: Arc::new(Box::new(|_| Script::Answer)),
            told: Arc::default(),
        }
    }

    /// What it says it can do.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: ProviderCapabilities) -> Self {
        self.capabilities = Arc::new(capabilities);
        self
    }

    /// What each of its own answers costs, in billionths of a US dollar. Default: not reported.
    #[must_use]
    pub fn with_cost_nanos(mut self, nanos: i64) -> Self {
        self.cost_nanos = Some(nanos);
        self
    }

    /// What it says that each call costs at most. Default: what its answers cost, if that is set.
    #[must_use]
    pub fn with_estimate_nanos(mut self, nanos: i64) -> Self {
        self.estimate_nanos = Some(nanos);
        self
    }

    /// How long it speaks for each character. Default 60 milliseconds, a narrator's pace; fewer
    /// make a test of a long book faster.
    #[must_use]
    pub fn with_ms_per_char(mut self, ms: u64) -> Self {
        self.ms_per_char = ms;
        self
    }

    /// What to do with the next call that is not spoken for.
    #[must_use]
    pub fn then(self, script: Script) -> Self {
        self.told().scripts.push_back(script);
        self
    }

    /// What to do with every call after those. Default [`Script::Answer`].
    #[must_use]
    pub fn otherwise(
        mut self,
        script: impl Fn(&Request) -> Script + Send + Sync + 'static,
    ) -> Self {
        self.otherwise = Arc::new(Box::new(script));
        self
    }

    /// The calls of `generate` so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Request> {
        self.told().calls.clone()
    }

    /// How often each distinct request was made: no number above 1 is what "paid once" means.
    #[must_use]
    pub fn calls_by_request(&self) -> HashMap<String, usize> {
        let mut calls = HashMap::new();
        for request in &self.told().calls {
            // Whatever makes two calls different is in the request's JSON.
            let key = serde_json::to_string(request).unwrap_or_default();
            *calls.entry(key).or_insert(0) += 1;
        }
        calls
    }

    /// How often `poll` was called.
    #[must_use]
    pub fn polls(&self) -> usize {
        self.told().polls
    }

    /// The operations that it was asked to stop.
    #[must_use]
    pub fn cancelled(&self) -> Vec<Operation> {
        self.told().cancelled.clone()
    }

    /// Calls that are being answered now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.told().running
    }

    /// The most calls that were being answered at once.
    #[must_use]
    pub fn most_running(&self) -> usize {
        self.told().most_running
    }

    /// Calls whose future was dropped before it was finished.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.told().dropped
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn perform(
        &self,
        script: Script,
        request: &Request,
        context: &CallContext,
    ) -> Result<Reply> {
        let mut script = script;
        let mut cost = None;
        let costing = |mut generated: Generated, cost: Option<i64>| {
            generated.cost_nanos = cost.or(generated.cost_nanos);
            done(generated)
        };
        loop {
            match script {
                Script::Answer => {
                    let answer = self.answer(request, context).await?;
                    return Ok(costing(answer, cost));
                }
                Script::Done(generated) => return Ok(costing(*generated, cost)),
                Script::Costing(nanos, next) => {
                    cost = Some(nanos);
                    script = *next;
                }
                Script::Fail(error) => return Err(error),
                Script::Hang => {
                    context.cancel.cancelled().await;
                    return Err(Error::cancelled());
                }
                Script::After(time, next) => {
                    tokio::time::sleep(time).await;
                    script = *next;
                }
                Script::Pending { polls, then } => return self.begin(polls, *then, request),
                polls @ Script::Polls(_) => return self.begin(0, polls, request),
            }
        }
    }

    fn begin(&self, polls: u32, then: Script, request: &Request) -> Result<Reply> {
        let request = serde_json::to_value(request)
            .map_err(|error| Error::internal("a request is JSON").with_source(error))?;
        let mut operation = Operation::new(Uuid::now_v7().to_string());
        operation.state = json!({ "request": request });
        operation.poll_after_ms = 10;
        let id = operation.id.clone();
        self.told().pending.insert(id, (polls, then));
        Ok(Reply::Pending(operation))
    }

    /// The script of an operation, if it is no longer pending.
    fn due(&self, operation: &Operation) -> Option<Script> {
        let mut told = self.told();
        told.polls += 1;
        match told.pending.remove(&operation.id) {
            Some((0, Script::Polls(mut scripts))) => {
                if scripts.is_empty() {
                    return Some(Script::Answer);
                }
                let next = scripts.remove(0);
                told.pending
                    .insert(operation.id.clone(), (0, Script::Polls(scripts)));
                Some(next)
            }
            Some((0, script)) => Some(script),
            Some((polls, script)) => {
                told.pending
                    .insert(operation.id.clone(), (polls - 1, script));
                None
            }
            None => Some(Script::Answer),
        }
    }
}

fn done(generated: Generated) -> Reply {
    Reply::Done(Box::new(generated))
}

#[async_trait]
impl GenerationProvider for ScriptedProvider {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self, _model: Option<&str>) -> Arc<ProviderCapabilities> {
        Arc::clone(&self.capabilities)
    }

    fn estimate(&self, _request: &Request) -> Estimate {
        let most = self.estimate_nanos.or(self.cost_nanos);
        most.map_or_else(Estimate::default, Estimate::at_most)
    }

    async fn generate(&self, request: &Request, context: &CallContext) -> Result<Reply> {
        if !self.capabilities.serves(request.modality()) {
            return Err(unsupported());
        }
        let script = {
            let mut told = self.told();
            told.calls.push(request.clone());
            told.scripts.pop_front()
        };
        let script = script.unwrap_or_else(|| (self.otherwise)(request));
        let running = Running::begin(&self.told);
        let reply = self.perform(script, request, context).await;
        running.end();
        reply
    }

    async fn poll(&self, operation: &Operation, context: &CallContext) -> Result<Reply> {
        let request = operation.state.get("request").cloned().unwrap_or_default();
        let request: Request = serde_json::from_value(request).map_err(|error| {
            Error::new(
                ErrorKind::Provider,
                "this operation is not of this provider",
            )
            .with_source(error)
        })?;
        match self.due(operation) {
            Some(script) => self.perform(script, &request, context).await,
            None => Ok(Reply::Pending(operation.clone())),
        }
    }

    async fn cancel(&self, operation: &Operation, _context: &CallContext) -> Result<()> {
        let mut told = self.told();
        told.pending.remove(&operation.id);
        told.cancelled.push(operation.clone());
        Ok(())
    }
}

fn unsupported() -> Error {
    Error::new(ErrorKind::Unsupported, "this provider does not make this")
        .with_code("unsupported_modality")
}

impl fmt::Debug for ScriptedProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedProvider")
            .field("name", &self.name)
            .field("calls", &self.told().calls.len())
            .finish_non_exhaustive()
    }
}

/// A call that is being answered.
struct Running<'a> {
    told: &'a Mutex<Told>,
    ended: bool,
}

impl<'a> Running<'a> {
    fn begin(told: &'a Mutex<Told>) -> Self {
        let mut now = told.lock().unwrap_or_else(PoisonError::into_inner);
        now.running += 1;
        now.most_running = now.most_running.max(now.running);
        Self { told, ended: false }
    }

    fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.running -= 1;
        told.dropped += usize::from(!self.ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        GenerationId,
        provider::{SpeechRequest, TextRequest},
    };

    fn context() -> CallContext {
        CallContext::new(GenerationId::random())
    }

    fn request() -> Request {
        Request::new(SpeechRequest::new("A sentence."))
    }

    #[tokio::test]
    async fn scripts_are_played_in_order_and_calls_are_counted() {
        let provider = ScriptedProvider::new("vendor")
            .then(Script::Fail(Error::new(ErrorKind::RateLimited, "later")))
            .then(Script::text("told"));
        let error = provider.generate(&request(), &context()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        let text = Request::new(TextRequest::default());
        let Reply::Done(generated) = provider.generate(&text, &context()).await.unwrap() else {
            panic!("it is finished");
        };
        assert!(matches!(generated.output, Output::Text { text } if text == "told"));
        provider.generate(&request(), &context()).await.unwrap();
        assert_eq!(provider.calls().len(), 3);
        let mut counts: Vec<usize> = provider.calls_by_request().into_values().collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 2]);
    }

    #[tokio::test]
    async fn an_operation_is_pending_for_its_polls_and_outlives_its_provider() {
        let then = Box::new(Script::Answer);
        let provider = ScriptedProvider::new("vendor").then(Script::Pending { polls: 2, then });
        let reply = provider.generate(&request(), &context()).await.unwrap();
        let Reply::Pending(operation) = reply else {
            panic!("it is pending");
        };
        for pending in [true, true, false] {
            let reply = provider.poll(&operation, &context()).await.unwrap();
            assert_eq!(matches!(reply, Reply::Pending(_)), pending);
        }
        let anew = ScriptedProvider::new("vendor");
        let reply = anew.poll(&operation, &context()).await.unwrap();
        assert!(matches!(reply, Reply::Done(_)));
        assert_eq!((provider.polls(), anew.calls().len()), (3, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_call_ends_when_it_is_cancelled_or_dropped() {
        let provider = ScriptedProvider::new("vendor").otherwise(|_| Script::Hang);
        let (request, context) = (request(), context());
        let call = provider.generate(&request, &context);
        assert!(
            tokio::time::timeout(Duration::from_secs(60), call)
                .await
                .is_err()
        );
        assert_eq!((provider.running(), provider.dropped()), (0, 1));
        context.cancel.cancel();
        let error = provider.generate(&request, &context).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!((provider.most_running(), provider.dropped()), (1, 1));
    }
}
