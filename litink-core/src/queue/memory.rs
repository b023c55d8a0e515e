//! Jobs in memory: the reference that every other queue is compared with.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::{
    Beat, Command, Enqueued, Exchanged, Job, JobQuery, KindStats, NewJob, Queue, QueueCapabilities,
    Session, Turn, WorkerInfo, WorkerState, validate,
};
use crate::{JobId, Result, SessionId, repository::Page};

mod commands;
mod jobs;
mod limits;
mod shares;
mod state;
mod transitions;
mod waiting;

use state::State;

/// The lease of [`MemoryQueue::new`]: a worker that dies is replaced within it, and a heartbeat
/// every 5 s may fail twice in a row.
const DEFAULT_LEASE: Duration = Duration::from_secs(15);

/// Jobs in this process's memory, gone with it. Clones share the queue.
///
/// Time is tokio's, so that a test with a paused clock needs no patience. Final jobs stay until
/// they are pruned.
#[derive(Clone, Debug)]
pub struct MemoryQueue {
    state: Arc<Mutex<State>>,
}

impl Default for MemoryQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryQueue {
    /// An empty queue with a lease of 15 seconds.
    #[must_use]
    pub fn new() -> Self {
        Self::with_lease(DEFAULT_LEASE)
    }

    /// An empty queue whose sessions live for this long without a heartbeat.
    #[must_use]
    pub fn with_lease(lease: Duration) -> Self {
        Self {
            state: Arc::new(Mutex::new(State::new(lease))),
        }
    }

    /// The state, brought up to now: what is due is available, what is expired is rescued.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.advance(Instant::now());
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One pass of a turn. The waiter is there if the pass brought nothing and may wait.
    fn pass(
        &self,
        session: SessionId,
        turn: &Turn,
        may_wait: bool,
    ) -> Result<(Exchanged, Option<Waiter>)> {
        let mut state = self.state();
        let (exchanged, waits) = state.exchange(session, turn, may_wait)?;
        let waiter = waits.then(|| {
            let notify = Arc::new(Notify::new());
            Waiter {
                id: state.wait(session, turn, Arc::clone(&notify)),
                wake_at: state.next_event(),
                notify,
                state: Arc::clone(&self.state),
            }
        });
        Ok((exchanged, waiter))
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    fn capabilities(&self) -> QueueCapabilities {
        QueueCapabilities::default()
            .with_limits(true)
            .with_fairness(true)
    }

    async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        validate::jobs(jobs, self.capabilities())?;
        Ok(self.state().enqueue(jobs))
    }

    async fn open(&self, worker: &WorkerInfo) -> Result<Session> {
        Ok(self.state().open(worker))
    }

    async fn exchange(&self, session: SessionId, turn: &Turn) -> Result<Exchanged> {
        let deadline = far(Instant::now(), turn.wait);
        loop {
            let may_wait = Instant::now() < deadline;
            let (exchanged, waiter) = self.pass(session, turn, may_wait)?;
            let Some(waiter) = waiter else {
                return Ok(exchanged);
            };
            let until = waiter.wake_at.map_or(deadline, |at| at.min(deadline));
            // Woken or not, the next pass finds out what there is.
            let _woken = timeout_at(until, waiter.notify.notified()).await;
        }
    }

    async fn heartbeat(&self, session: SessionId) -> Result<Beat> {
        self.state().heartbeat(session)
    }

    async fn close(&self, session: SessionId) -> Result<()> {
        self.state().close(session);
        Ok(())
    }

    async fn control(&self, command: &Command) -> Result<u64> {
        validate::command(command, self.capabilities())?;
        Ok(self.state().control(command))
    }

    async fn get(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        let state = self.state();
        Ok(ids.iter().map(|id| state.job(*id).cloned()).collect())
    }

    async fn list(&self, query: &JobQuery) -> Result<Page<Job>> {
        self.state().list(query)
    }

    async fn stats(&self) -> Result<Vec<KindStats>> {
        Ok(self.state().stats())
    }

    async fn workers(&self) -> Result<Vec<WorkerState>> {
        Ok(self.state().workers())
    }
}

/// An exchange that waits. Dropping it, for whatever reason, takes it off the list and passes a
/// wake-up that it did not use on to another.
struct Waiter {
    id: u64,
    /// When the state changes by itself: a job is due, a session expires.
    wake_at: Option<Instant>,
    notify: Arc<Notify>,
    state: Arc<Mutex<State>>,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.stop_waiting(self.id);
    }
}

/// `now + time`, or a time that never comes where that cannot be told.
fn far(now: Instant, time: Duration) -> Instant {
    const YEARS_30: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    now + time.min(YEARS_30)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::queue::{Outcome, Settle};

    fn want_one(wait: Duration) -> Turn {
        Turn {
            want: 1,
            wait,
            ..Turn::default()
        }
    }

    fn job(delay: Duration) -> NewJob {
        NewJob::new("kind", Value::Null).delay(delay)
    }

    /// Waits in a task of its own, and says how many jobs came, and when.
    fn wait_for_one(
        queue: &MemoryQueue,
        session: SessionId,
    ) -> tokio::task::JoinHandle<(usize, Instant)> {
        let queue = queue.clone();
        tokio::spawn(async move {
            let turn = want_one(Duration::from_secs(3_600));
            let exchanged = queue.exchange(session, &turn).await.unwrap();
            (exchanged.leased.len(), Instant::now())
        })
    }

    async fn open(queue: &MemoryQueue) -> SessionId {
        queue.open(&WorkerInfo::default()).await.unwrap().id
    }

    /// Lets every other task come to its rest.
    async fn settle_down() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    const DAY: Duration = Duration::from_secs(24 * 3_600);

    #[tokio::test(start_paused = true)]
    async fn a_waiting_turn_wakes_to_the_millisecond_for_a_job_added_meanwhile() {
        let queue = MemoryQueue::with_lease(DAY);
        queue
            .enqueue(&[job(Duration::from_secs(60))])
            .await
            .unwrap();
        let waiting = wait_for_one(&queue, open(&queue).await);
        settle_down().await;
        let begun = Instant::now();
        queue.enqueue(&[job(Duration::from_secs(5))]).await.unwrap();
        let (jobs, at) = waiting.await.unwrap();
        assert_eq!((jobs, (at - begun).as_millis()), (1, 5_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_turn_wakes_when_a_job_that_another_snoozed_is_due() {
        let queue = MemoryQueue::with_lease(DAY);
        queue.enqueue(&[job(Duration::ZERO)]).await.unwrap();
        let other = open(&queue).await;
        let turn = want_one(Duration::ZERO);
        let lease = queue.exchange(other, &turn).await.unwrap().leased[0].lease;
        let waiting = wait_for_one(&queue, open(&queue).await);
        settle_down().await;
        let begun = Instant::now();
        let outcome = Outcome::Snooze {
            after: Duration::from_secs(7),
        };
        let settle = Turn {
            settle: vec![Settle { lease, outcome }],
            ..Turn::default()
        };
        queue.exchange(other, &settle).await.unwrap();
        let (jobs, at) = waiting.await.unwrap();
        assert_eq!((jobs, (at - begun).as_millis()), (1, 7_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wake_up_that_is_not_used_reaches_another() {
        let queue = MemoryQueue::with_lease(DAY);
        let first = wait_for_one(&queue, open(&queue).await);
        settle_down().await;
        let second = wait_for_one(&queue, open(&queue).await);
        settle_down().await;
        let begun = Instant::now();
        queue.enqueue(&[job(Duration::ZERO)]).await.unwrap();
        // The first one is woken, and dropped before it looks.
        first.abort();
        let (jobs, at) = second.await.unwrap();
        assert_eq!((jobs, at - begun), (1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_lives_exactly_as_long_as_its_lease() {
        let lease = Duration::from_secs(15);
        let queue = MemoryQueue::with_lease(lease);
        let session = open(&queue).await;
        for _ in 0..3 {
            tokio::time::advance(lease - Duration::from_millis(1)).await;
            queue.heartbeat(session).await.unwrap();
        }
        tokio::time::advance(lease).await;
        let error = queue.heartbeat(session).await.unwrap_err();
        assert_eq!(error.code(), "session_lost");
    }

    #[tokio::test]
    async fn waits_and_leases_leave_nothing_behind() {
        let queue = MemoryQueue::new();
        let session = open(&queue).await;
        let mut received = 0;
        for _ in 0..100 {
            queue.enqueue(&[job(Duration::ZERO)]).await.unwrap();
            let turn = Turn {
                received,
                ..want_one(Duration::ZERO)
            };
            let exchanged = queue.exchange(session, &turn).await.unwrap();
            received = exchanged.number;
            let settle = Turn {
                settle: vec![Settle {
                    lease: exchanged.leased[0].lease,
                    outcome: Outcome::Complete,
                }],
                received,
                ..Turn::default()
            };
            received = queue.exchange(session, &settle).await.unwrap().number;
        }
        let wait = want_one(Duration::from_millis(1));
        queue.exchange(session, &wait).await.unwrap();
        let prune = Command::Prune {
            older_than: Duration::ZERO,
        };
        assert_eq!(queue.control(&prune).await.unwrap(), 100);
        queue.close(session).await.unwrap();
        let left = format!("{:?}", queue.lock());
        assert!(
            !left.contains("job:") && !left.contains("session:"),
            "{left}"
        );
    }
}
