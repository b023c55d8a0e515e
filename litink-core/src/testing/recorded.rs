//! A provider's real calls, written down once and played again: for an application's own tests.
//!
//! ```
//! # use std::sync::Arc;
//! # use litink_core::{GenerationId, provider::{CallContext, GenerationProvider, Request, SpeechRequest}};
//! # use litink_core::testing::scripted::ScriptedProvider;
//! use litink_core::testing::recorded::{RecordedProvider, Recorder};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> litink_core::Result<()> {
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("calls.jsonl");
//! # let vendor = ScriptedProvider::new("vendor");
//! let request = Request::new(SpeechRequest::new("The clocks struck."));
//! let context = CallContext::new(GenerationId::random());
//! // Once, with the vendor and its key:
//! let recorder = Recorder::create(&file, Arc::new(vendor), ["sk-my-key"])?;
//! recorder.generate(&request, &context).await?;
//! // And in each test, without:
//! let recorded = RecordedProvider::open(&file)?;
//! recorded.generate(&request, &context).await?;
//! recorded.finish()?;
//! # Ok(())
//! # }
//! ```
//!
//! A recording is a file of JSON lines. It holds what was asked for and what came back, media and all, and
//! so a book's text; secrets are replaced before they are written: those that are named, words that begin
//! as keys do (`sk-`, `Bearer`), and the values of fields with names such as `api_key`.

use std::{
    collections::VecDeque,
    fmt,
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::{
    Error, ErrorKind, Result,
    provider::{
        CallContext, Estimate, GenerationProvider, Operation, ProviderCapabilities, Reply, Request,
    },
};

mod lines;
mod scrub;

use lines::{Ended, Exchange, Head, Made};
use scrub::Scrub;

/// Changed when older recordings cannot be read.
const FORMAT: u32 = 1;

/// Calls another provider, and writes down what it is asked and what it answers.
pub struct Recorder {
    inner: Arc<dyn GenerationProvider>,
    file: Mutex<File>,
    scrub: Scrub,
}

impl Recorder {
    /// Begins a recording in a new file, or in the place of an old one. The secrets are written nowhere.
    ///
    /// # Errors
    /// Those of the file.
    pub fn create<S: Into<String>>(
        path: impl AsRef<Path>,
        inner: Arc<dyn GenerationProvider>,
        secrets: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.create(true).write(true).truncate(true).open(path)?;
        let recorder = Self {
            file: Mutex::new(file),
            scrub: Scrub::new(secrets.into_iter().map(Into::into)),
            inner,
        };
        recorder.write(&json!(Head {
            format: FORMAT,
            provider: recorder.inner.name().to_owned(),
            capabilities: (*recorder.inner.capabilities(None)).clone(),
        }))?;
        Ok(recorder)
    }

    fn write(&self, line: &Value) -> Result<()> {
        let mut line = self.scrub.value(line).to_string();
        line.push('\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes())?;
        Ok(file.flush()?)
    }

    async fn record(
        &self,
        asked: Value,
        estimate: Estimate,
        reply: Result<Reply>,
    ) -> Result<Reply> {
        let (ended, reply) = match reply {
            Ok(Reply::Done(made)) => {
                let made = Made::of(*made).await?;
                let reply = made.clone().reply()?;
                (Ended::Done(Box::new(made)), Ok(reply))
            }
            Ok(Reply::Pending(operation)) => {
                let ended = Ended::Pending(operation.clone());
                (ended, Ok(Reply::Pending(operation)))
            }
            Err(error) => (Ended::by(&error), Err(error)),
        };
        self.write(&json!(Exchange {
            asked,
            estimate,
            ended,
        }))?;
        reply
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorder({:?})", self.inner)
    }
}

fn of_request(request: &Request) -> Value {
    json!({ "generate": request })
}

fn of_operation(what: &str, operation: &Operation) -> Value {
    json!({ what: operation.id })
}

#[async_trait]
impl GenerationProvider for Recorder {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self, model: Option<&str>) -> Arc<ProviderCapabilities> {
        self.inner.capabilities(model)
    }

    fn estimate(&self, request: &Request) -> Estimate {
        self.inner.estimate(request)
    }

    async fn generate(&self, request: &Request, context: &CallContext) -> Result<Reply> {
        let reply = self.inner.generate(request, context).await;
        let estimate = self.inner.estimate(request);
        self.record(of_request(request), estimate, reply).await
    }

    async fn poll(&self, operation: &Operation, context: &CallContext) -> Result<Reply> {
        let reply = self.inner.poll(operation, context).await;
        let asked = of_operation("poll", operation);
        self.record(asked, Estimate::default(), reply).await
    }

    async fn cancel(&self, operation: &Operation, context: &CallContext) -> Result<()> {
        let stopped = self.inner.cancel(operation, context).await;
        let ended = match &stopped {
            Ok(()) => Ended::Stopped,
            Err(error) => Ended::by(error),
        };
        self.write(&json!(Exchange {
            asked: of_operation("cancel", operation),
            estimate: Estimate::default(),
            ended,
        }))?;
        stopped
    }
}

/// Answers as a recording says: each call once, the same ones in their order. What was not recorded is an
/// error (code `not_recorded`), and so is, in [`RecordedProvider::finish`], what was not asked for.
/// Dropped with calls that were not played, it panics, unless the test fails anyway.
pub struct RecordedProvider {
    head: Head,
    scrub: Scrub,
    left: Mutex<VecDeque<Exchange>>,
    finished: Mutex<bool>,
}

impl RecordedProvider {
    /// Reads a recording.
    ///
    /// # Errors
    /// Those of the file; [`ErrorKind::Corrupt`] (code `bad_recording`) for what is none.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let bad = |line: usize| {
            let message = "this is no recording, or one of another version; record it again";
            let error = Error::new(ErrorKind::Corrupt, message).with_code("bad_recording");
            error.with_context("line", line)
        };
        let mut lines = BufReader::new(File::open(path)?).lines();
        let head = lines.next().ok_or_else(|| bad(1))??;
        let head: Head = serde_json::from_str(&head).map_err(|_| bad(1))?;
        if head.format != FORMAT {
            return Err(bad(1));
        }
        let mut left = VecDeque::new();
        for (index, line) in lines.enumerate() {
            left.push_back(serde_json::from_str(&line?).map_err(|_| bad(index + 2))?);
        }
        Ok(Self {
            head,
            // Those that were named are not known here.
            scrub: Scrub::new([]),
            left: Mutex::new(left),
            finished: Mutex::new(false),
        })
    }

    fn left(&self) -> MutexGuard<'_, VecDeque<Exchange>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls were not played yet.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.left().len()
    }

    /// Says that the test is over.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] (code `not_played`) where calls were not asked for.
    pub fn finish(&self) -> Result<()> {
        *self.finished.lock().unwrap_or_else(PoisonError::into_inner) = true;
        match self.remaining() {
            0 => Ok(()),
            calls => Err(Error::conflict("calls of the recording were not asked for")
                .with_code("not_played")
                .with_context("calls", calls)),
        }
    }

    fn play(&self, asked: &Value) -> Result<Ended> {
        let asked = self.scrub.value(asked);
        let mut left = self.left();
        let found = left.iter().position(|it| it.asked == asked);
        let found = found.and_then(|at| left.remove(at));
        found.map(|it| it.ended).ok_or_else(|| {
            let message = "the recording has no such call, or it was played; record it again";
            Error::new(ErrorKind::Configuration, message).with_code("not_recorded")
        })
    }
}

impl Drop for RecordedProvider {
    fn drop(&mut self) {
        let finished = *self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = self.remaining();
        assert!(
            finished || calls == 0 || std::thread::panicking(),
            "{calls} calls of the recording were not asked for"
        );
    }
}

impl fmt::Debug for RecordedProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RecordedProvider({}, {} left)",
            self.head.provider,
            self.remaining()
        )
    }
}

#[async_trait]
impl GenerationProvider for RecordedProvider {
    fn name(&self) -> &str {
        &self.head.provider
    }

    fn capabilities(&self, _model: Option<&str>) -> Arc<ProviderCapabilities> {
        Arc::new(self.head.capabilities.clone())
    }

    fn estimate(&self, request: &Request) -> Estimate {
        let asked = self.scrub.value(&of_request(request));
        let left = self.left();
        let found = left.iter().find(|it| it.asked == asked);
        found.map(|it| it.estimate.clone()).unwrap_or_default()
    }

    async fn generate(&self, request: &Request, _context: &CallContext) -> Result<Reply> {
        self.play(&of_request(request))?.reply()
    }

    async fn poll(&self, operation: &Operation, _context: &CallContext) -> Result<Reply> {
        self.play(&of_operation("poll", operation))?.reply()
    }

    async fn cancel(&self, operation: &Operation, _context: &CallContext) -> Result<()> {
        match self.play(&of_operation("cancel", operation))? {
            Ended::Stopped => Ok(()),
            other => other.reply().map(drop),
        }
    }
}
