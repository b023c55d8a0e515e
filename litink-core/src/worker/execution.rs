//! What a handler is given.

use std::{
    future::pending,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::{
    life::Leasehold,
    progress::{self, Progress},
    stopping::StopReason,
    trace::TraceParent,
};
use crate::queue::{Enqueued, Job, NewJob, Queue};

/// How often progress is written at most; what is said in between is left out.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// One execution of a job: its arguments, and what goes on around it.
#[derive(Debug)]
pub struct Execution<A> {
    /// The job's arguments, read.
    pub args: A,
    pub(super) hold: Leasehold,
    pub(super) soft: Option<Instant>,
    pub(super) hard: Option<Instant>,
    pub(super) said: Arc<Mutex<Option<Instant>>>,
}

impl<A> Execution<A> {
    /// The job as it was leased.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.hold.job
    }

    /// Which attempt this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.hold.job.attempt
    }

    /// Whether a failure is the last that the job may have.
    #[must_use]
    pub fn is_last_attempt(&self) -> bool {
        self.hold.job.attempt >= self.hold.job.max_attempts
    }

    /// Comes when the execution is to stop: cancelled, its worker draining, its lease lost. A
    /// handler that goes on is dropped a little later ([`super::Handling::stop_grace`]).
    pub async fn stopped(&self) -> StopReason {
        self.hold.stop.token().cancelled().await;
        self.hold.stop.reason().unwrap_or(StopReason::Cancelled)
    }

    /// Why the execution is to stop, if it is.
    #[must_use]
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.hold.stop.reason()
    }

    /// Whether somebody cancelled the job.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.stop_reason() == Some(StopReason::Cancelled)
    }

    /// Comes when the soft deadline is over: time to put away what is done, and to end. Never,
    /// where there is none.
    pub async fn soft_deadline(&self) {
        match self.soft {
            Some(soft) => sleep_until(soft).await,
            None => pending().await,
        }
    }

    /// How long until the hard deadline, at which the execution is dropped; `None` where there is
    /// none.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let hard = self.hard?;
        Some(hard.saturating_duration_since(Instant::now()))
    }

    /// Says how far it is. Cheap to call often: it is written four times a second at most, and
    /// always when all is done. A cache that is away is no failure.
    pub async fn progress(&self, done: u64, total: Option<u64>, message: Option<&str>) {
        if !self.says_now(total == Some(done)) {
            return;
        }
        let progress = Progress {
            done,
            total,
            message: message.map(str::to_owned),
            at: chrono::Utc::now(),
        };
        let worker = &self.hold.worker;
        if let Err(error) = progress::keep(&*worker.cache, self.hold.lease, &progress).await {
            tracing::debug!(%error, "progress was not written");
        }
    }

    fn says_now(&self, must: bool) -> bool {
        let now = Instant::now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let says = must || said.is_none_or(|said| now >= said + PROGRESS_EVERY);
        if says {
            *said = Some(now);
        }
        says
    }

    /// Where this execution stands in its trace: a child of who enqueued the job. Send it along as
    /// `traceparent` with what the handler calls.
    #[must_use]
    pub fn trace(&self) -> TraceParent {
        self.hold.trace
    }

    /// The queue that the job came from.
    #[must_use]
    pub fn queue(&self) -> &Arc<dyn Queue> {
        &self.hold.worker.queue
    }

    /// Adds jobs that follow from this one, in its trace. Give them ids that are derived
    /// ([`crate::JobId::derived`]) from this job's, and an execution that is repeated adds nothing
    /// twice.
    ///
    /// # Errors
    /// As [`Queue::enqueue`].
    pub async fn enqueue(&self, jobs: Vec<NewJob>) -> crate::Result<Vec<Enqueued>> {
        let trace = |job: NewJob| match job.trace {
            Some(_) => job,
            None => job.trace(self.hold.trace),
        };
        let jobs: Vec<NewJob> = jobs.into_iter().map(trace).collect();
        self.queue().enqueue(&jobs).await
    }
}
