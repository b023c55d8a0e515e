//! A worker for jobs of one's own kinds, on any queue, with or without an engine.
//!
//! ```
//! # use std::{sync::Arc, time::Duration};
//! # use litink_core::{queue::{MemoryQueue, NewJob, Queue}, worker::{Execution, Handling, Worker}};
//! # use serde::Deserialize;
//! # use serde_json::json;
//! # use tokio_util::sync::CancellationToken;
//! #[derive(Deserialize)]
//! struct Email {
//!     to: String,
//! }
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let queue = Arc::new(MemoryQueue::new());
//! let (sent, mut outbox) = tokio::sync::mpsc::unbounded_channel();
//! let worker = Worker::builder(queue.clone())
//!     .name("mailer")
//!     .concurrency(64)
//!     .handle("email", move |job: Execution<Email>| {
//!         let sent = sent.clone();
//!         async move {
//!             sent.send(job.args.to)?;
//!             Ok(())
//!         }
//!     })
//!     .build();
//! let stop = CancellationToken::new();
//! let working = tokio::spawn(worker.run(stop.clone(), CancellationToken::new()));
//!
//! let email = NewJob::new("email", json!({ "to": "ada@example.com" }));
//! queue.enqueue(&[email]).await.unwrap();
//! assert_eq!(outbox.recv().await.unwrap(), "ada@example.com");
//! stop.cancel();
//! working.await.unwrap().unwrap();
//! # });
//! ```
//!
//! [`Worker::run_until_signal`] is what a program's `main` awaits: the first SIGTERM or Ctrl-C lets
//! jobs in flight finish, the second gives them back at once.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    Result,
    cache::{Cache, MemoryCache},
    queue::{Job, Queue, Session, WorkerInfo},
};

mod execution;
mod failure;
mod handler;
mod heart;
mod life;
mod progress;
mod signals;
mod stopping;
mod trace;

pub use execution::Execution;
pub use failure::Failure;
pub use handler::Handling;
pub use progress::{Progress, progress};
pub use signals::{Signals, signals};
pub use stopping::StopReason;
pub use trace::TraceParent;

pub(crate) use handler::Handler;
pub(crate) use life::{Leasehold, name as outcome_name};

use life::{Ended, Life};

/// How soon to come back when the queue cannot be reached.
const QUEUE_PAUSE: Duration = Duration::from_secs(1);

/// Makes the span in which a job is executed.
type Spans = Arc<dyn Fn(&Job, &TraceParent) -> tracing::Span + Send + Sync>;

/// Executes jobs of the kinds that it has handlers for, until it is told to stop.
///
/// Any number may run, in any number of processes, on one queue; each opens a session of its own.
/// A job whose process dies is executed again by another (with [`Job::crashes`] one higher), so a
/// handler may begin twice, and is to be safe to repeat.
pub struct Worker {
    queue: Arc<dyn Queue>,
    cache: Arc<dyn Cache>,
    handlers: BTreeMap<String, Arc<dyn Handler>>,
    name: String,
    concurrency: u32,
    grace: Duration,
    spans: Spans,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("name", &self.name)
            .field("kinds", &self.kinds())
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

/// Puts a worker together.
#[derive(Debug)]
#[must_use]
pub struct WorkerBuilder(Worker);

impl Worker {
    /// Begins to put a worker on this queue together.
    pub fn builder(queue: Arc<dyn Queue>) -> WorkerBuilder {
        WorkerBuilder(Self {
            queue,
            cache: Arc::new(MemoryCache::default()),
            handlers: BTreeMap::new(),
            name: format!("pid {}", std::process::id()),
            concurrency: 256,
            grace: Duration::from_secs(25),
            spans: Arc::new(trace::span),
        })
    }

    /// The kinds that it has handlers for.
    #[must_use]
    pub fn kinds(&self) -> Vec<String> {
        self.handlers.keys().cloned().collect()
    }

    /// Works until SIGTERM or Ctrl-C, then lets what is in flight finish for the grace time, and
    /// gives back the rest. A second signal gives everything back at once.
    ///
    /// # Errors
    /// As [`Worker::run`].
    pub async fn run_until_signal(self) -> Result<()> {
        let Signals { stop, abandon } = signals();
        self.run(stop, abandon).await
    }

    /// Works until `stop` fires, then lets what is in flight finish for the grace time, and gives
    /// back the rest. When `abandon` fires, it gives back everything at once. Dropping the future
    /// leaves the leases to run out.
    ///
    /// # Errors
    /// Only when no session can be opened at the start; later faults of the queue are waited out.
    pub async fn run(self, stop: CancellationToken, abandon: CancellationToken) -> Result<()> {
        let worker = Arc::new(self);
        let mut session = worker.queue.open(&worker.info()).await?;
        loop {
            match Life::new(&worker, session, &stop, &abandon).live().await {
                Ended::Stopped => return Ok(()),
                Ended::SessionLost => {
                    tracing::warn!("the session was lost; its jobs were stopped");
                    let Some(next) = worker.reopen(&stop).await else {
                        return Ok(());
                    };
                    session = next;
                }
            }
        }
    }

    fn info(&self) -> WorkerInfo {
        WorkerInfo::here(&self.name).kinds(self.kinds())
    }

    async fn reopen(&self, stop: &CancellationToken) -> Option<Session> {
        let info = self.info();
        loop {
            let opened = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                opened = self.queue.open(&info) => opened,
            };
            match opened {
                Ok(session) => return Some(session),
                Err(error) => tracing::warn!(%error, "no session; the queue cannot be reached"),
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep(QUEUE_PAUSE) => {}
            }
        }
    }
}

impl WorkerBuilder {
    /// A name for people. Default the process' id.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.0.name = name.into();
        self
    }

    /// Jobs in flight at once. Default 256: they mostly wait for others.
    pub fn concurrency(mut self, jobs: u32) -> Self {
        self.0.concurrency = jobs;
        self
    }

    /// How long a stopping worker lets its jobs finish before it gives them back. Default 25 s,
    /// within the half minute that container platforms allow.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.0.grace = grace;
        self
    }

    /// Where [`Execution::progress`] is kept, for whoever asks [`progress()`]. Default this
    /// process' memory.
    pub fn cache(mut self, cache: Arc<dyn Cache>) -> Self {
        self.0.cache = cache;
        self
    }

    /// Makes the span of each execution. An application that exports traces sets its parent here,
    /// by [`Job::trace`]; the default is a span `job` with the ids as fields (`trace_id`,
    /// `parent_span_id`, `span_id`).
    pub fn spans(
        mut self,
        spans: impl Fn(&Job, &TraceParent) -> tracing::Span + Send + Sync + 'static,
    ) -> Self {
        self.0.spans = Arc::new(spans);
        self
    }

    /// Registers a handler of a kind, in the place of another of that kind, with the default
    /// [`Handling`].
    pub fn handle<A, F, D>(self, kind: impl Into<String>, handler: F) -> Self
    where
        A: DeserializeOwned + Send + 'static,
        F: Fn(Execution<A>) -> D + Send + Sync + 'static,
        D: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        self.handle_with(kind, Handling::default(), handler)
    }

    /// Registers a handler of a kind with its own deadlines and pauses.
    pub fn handle_with<A, F, D>(
        self,
        kind: impl Into<String>,
        handling: Handling,
        handler: F,
    ) -> Self
    where
        A: DeserializeOwned + Send + 'static,
        F: Fn(Execution<A>) -> D + Send + Sync + 'static,
        D: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let handler = handler::Typed::new(handling, handler);
        self.handler(kind.into(), Arc::new(handler))
    }

    pub(crate) fn handler(mut self, kind: String, handler: Arc<dyn Handler>) -> Self {
        self.0.handlers.insert(kind, handler);
        self
    }

    /// The worker.
    #[must_use]
    pub fn build(self) -> Worker {
        self.0
    }
}
