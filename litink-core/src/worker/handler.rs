//! Handlers: what is done with the jobs of one kind.

use std::{
    fmt, future::Future, marker::PhantomData, panic::AssertUnwindSafe, sync::Arc, time::Duration,
};

use async_trait::async_trait;
use futures::FutureExt;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    execution::Execution,
    failure::{Class, Failure},
    life::Leasehold,
    stopping::StopReason,
};
use crate::{Result, queue::Outcome};

/// What is done with a leased job, whatever its kind.
#[async_trait]
pub(crate) trait Handler: Send + Sync {
    /// Executes a job to its end. Nothing else may settle it.
    async fn execute(&self, hold: Leasehold) -> Outcome;
}

/// How the jobs of a kind are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handling {
    /// When [`Execution::soft_deadline`] comes, counted from the beginning of each execution.
    /// Default never.
    pub soft_deadline: Option<Duration>,
    /// When an execution is dropped, and has failed. Default never. Only what awaits can be dropped:
    /// a handler that computes for long does so in `spawn_blocking`.
    pub hard_deadline: Option<Duration>,
    /// The first pause after a failure; it doubles with each attempt, ± a quarter by chance, so that
    /// what failed together does not come back together. Default 1 s.
    pub backoff: Duration,
    /// The longest pause. Default 5 min.
    pub max_backoff: Duration,
    /// How long an execution that was told to stop may go on before it is dropped. Default 5 s.
    pub stop_grace: Duration,
}

impl Default for Handling {
    fn default() -> Self {
        Self {
            soft_deadline: None,
            hard_deadline: None,
            backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(300),
            stop_grace: Duration::from_secs(5),
        }
    }
}

impl Handling {
    /// Sets both deadlines, the soft one first.
    #[must_use]
    pub fn deadlines(mut self, soft: Duration, hard: Duration) -> Self {
        self.soft_deadline = Some(soft.min(hard));
        self.hard_deadline = Some(hard);
        self
    }

    /// Sets the first and the longest pause after a failure.
    #[must_use]
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        (self.backoff, self.max_backoff) = (first, longest);
        self
    }

    /// Sets how long an execution that was told to stop may go on.
    #[must_use]
    pub fn stop_grace(mut self, grace: Duration) -> Self {
        self.stop_grace = grace;
        self
    }

    /// The pause after the failure of an attempt, from 1.
    fn pause(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(30);
        let doubled = self.backoff.saturating_mul(1 << doublings);
        let jitter = 0.75 + rand::random::<f64>() * 0.5;
        doubled.min(self.max_backoff).mul_f64(jitter)
    }
}

/// A handler that takes its arguments by type.
pub(super) struct Typed<A, F> {
    handling: Handling,
    function: F,
    args: PhantomData<fn() -> A>,
}

impl<A, F> fmt::Debug for Typed<A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typed").finish_non_exhaustive()
    }
}

impl<A, F> Typed<A, F> {
    pub(super) fn new(handling: Handling, function: F) -> Self {
        let args = PhantomData;
        Self {
            handling,
            function,
            args,
        }
    }
}

#[async_trait]
impl<A, F, D> Handler for Typed<A, F>
where
    A: DeserializeOwned + Send + 'static,
    F: Fn(Execution<A>) -> D + Send + Sync + 'static,
    D: Future<Output = Result<(), Failure>> + Send + 'static,
{
    async fn execute(&self, hold: Leasehold) -> Outcome {
        let args = match A::deserialize(&hold.job.args) {
            Ok(args) => args,
            // The same arguments do not fit the next time, either. What they are is not said.
            Err(error) => {
                let error = format!(
                    "the job's arguments do not fit its handler: {}",
                    class(&error)
                );
                return Outcome::Discard { error };
            }
        };
        let begun = Instant::now();
        let at = |deadline: Option<Duration>| deadline.and_then(|it| begun.checked_add(it));
        let (soft, hard) = (
            at(self.handling.soft_deadline),
            at(self.handling.hard_deadline),
        );
        let execution = Execution {
            args,
            hold: hold.clone(),
            soft,
            hard,
            said: Arc::default(),
        };
        // Where the function itself panics, before there is a future, it is a panic as any other.
        let work = async { (self.function)(execution).await };
        let work = AssertUnwindSafe(work).catch_unwind();
        let attempt = hold.job.attempt;
        tokio::select! {
            biased;
            result = work => match result {
                Ok(result) => self.handling.judge(&hold, result),
                Err(_) => {
                    tracing::error!(kind = hold.job.kind, "a handler panicked");
                    self.handling.again(attempt, "the handler panicked")
                }
            },
            () = until(hard) => {
                let took = self.handling.hard_deadline.unwrap_or_default();
                self.handling.again(attempt, format!("not finished after {took:?}"))
            }
            () = async {
                hold.stop.token().cancelled().await;
                sleep(self.handling.stop_grace).await;
            } => stopped(hold.stop.reason()),
        }
    }
}

/// What was wrong with arguments, without a word of theirs.
fn class(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data => "a field is missing or of another type",
        _ => "they cannot be read",
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The outcome of an execution that was told to stop.
fn stopped(reason: Option<StopReason>) -> Outcome {
    match reason {
        Some(StopReason::Cancelled) => Outcome::Cancel,
        // Where the lease is lost nobody listens.
        _ => Outcome::Release,
    }
}

impl Handling {
    fn again(&self, attempt: u32, error: impl Into<String>) -> Outcome {
        Outcome::Retry {
            after: self.pause(attempt),
            error: error.into(),
        }
    }

    fn judge(&self, hold: &Leasehold, result: Result<(), Failure>) -> Outcome {
        let Err(Failure { class, error }) = result else {
            return Outcome::Complete;
        };
        // A failure after being told to stop is what stopping is.
        if hold.stop.reason().is_some() && class != Class::Never {
            return stopped(hold.stop.reason());
        }
        match class {
            Class::Backoff => self.again(hold.job.attempt, error),
            Class::After(after) => Outcome::Retry { after, error },
            Class::Never => Outcome::Discard { error },
            Class::Cancelled => Outcome::Cancel,
            Class::Wait(after) => Outcome::Snooze { after },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let handling = Handling::default().backoff(Duration::from_secs(2), Duration::from_secs(60));
        let at = |attempt| handling.pause(attempt).as_secs_f64();
        assert!((1.5..=2.5).contains(&at(1)));
        assert!((12.0..=20.0).contains(&at(4)));
        assert!((45.0..=75.0).contains(&at(1_000)));
    }
}
