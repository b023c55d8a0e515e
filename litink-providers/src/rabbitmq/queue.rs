use std::{
    collections::HashMap,
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use litink_core::{
    JobId, Result, ResultExt, SessionId,
    queue::{
        Beat, Command, Enqueued, Exchanged, Job, JobQuery, KindStats, Leased, NewJob, Outcome,
        Queue, QueueCapabilities, Session, Turn, WorkerInfo, WorkerState,
    },
    repository::Page,
};
use tokio::time::{Instant, timeout_at};

use super::{
    RabbitServer,
    hub::Group,
    publishing::Hint,
    store::{JobStore, Look},
};

/// How long a turn waits before it looks, while hints come: one can be lost.
const LOOK: Duration = Duration::from_secs(5);
/// How long it waits while none come, at least and at most.
const POLL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_millis(500));
/// The shortest wait for what changes by itself: somebody else may be about to see to it.
const LEAST: Duration = Duration::from_millis(2);
/// The longest wait: thirty years.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
/// So many hints for the jobs of one kind that are added at once: whoever finds as many jobs as it
/// wanted tells the next.
const HINTS: usize = 32;

/// Jobs in a [`JobStore`], and hints of them on RabbitMQ. Clones share the connections.
///
/// What it can do and what jobs survive is the store's: a broker that ends or takes nothing loses
/// no job and keeps nobody from adding one, and until it is back who waits asks the store two to
/// four times a second. Hints travel after the store's answer: those of a process that ends in the
/// same moment may be lost, and its jobs are noticed within five seconds.
#[derive(Clone)]
pub struct RabbitQueue {
    server: RabbitServer,
    store: Arc<dyn JobStore>,
    /// The jobs that were leased through this queue, and whether under a limit.
    held: Arc<Mutex<HashMap<JobId, (SessionId, bool)>>>,
}

impl fmt::Debug for RabbitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitQueue")
            .field("server", &self.server)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl RabbitQueue {
    /// The jobs of a store, with hints by a broker.
    #[must_use]
    pub fn new(server: RabbitServer, store: Arc<dyn JobStore>) -> Self {
        Self {
            server,
            store,
            held: Arc::default(),
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<JobId, (SessionId, bool)>> {
        // Nothing panics while it is locked.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, session: SessionId) {
        self.held().retain(|_, (of, _)| *of != session);
    }

    /// What the end of a turn means to others.
    fn tell_of(&self, session: SessionId, turn: &Turn, exchanged: &Exchanged, waited: bool) {
        let mut news = false;
        {
            let mut held = self.held();
            for settle in &turn.settle {
                // Of one that is not known, nobody knows whether it was under a limit.
                let limited = held.remove(&settle.lease.job).is_none_or(|(_, it)| it);
                let over = matches!(
                    settle.outcome,
                    Outcome::Complete | Outcome::Discard { .. } | Outcome::Cancel
                );
                news |= limited || !over;
            }
            for Leased { job, .. } in exchanged.leased.iter().chain(&exchanged.lost) {
                held.insert(job.id, (session, !job.limits.is_empty()));
            }
        }
        if news {
            self.server.tell(Hint::News);
        }
        // There may be more of what it found.
        if waited
            && is_full(turn, exchanged)
            && let Some(Leased { job, .. }) = exchanged.leased.last()
        {
            let kind = job.kind.clone();
            self.server.tell(Hint::Ready { kind });
        }
    }

    async fn turn(&self, session: SessionId, turn: &Turn) -> Result<Exchanged> {
        let hub = self.server.hub();
        let deadline = Instant::now() + turn.wait.min(LONGEST);
        let group = (turn.want > 0 && !turn.wait.is_zero()).then(|| hub.group(&turn.kinds));
        let mut waits = None;
        loop {
            let mut news = pin!(hub.news.notified());
            let mut ready = pin!(ready(group.as_deref()));
            // From here on nothing is missed, so looking comes after it.
            news.as_mut().enable();
            if let Some(ready) = ready.as_mut().as_pin_mut() {
                ready.enable();
            }
            let mut taken = group.as_ref().map(Group::take);
            let may_wait = Instant::now() < deadline;
            let next = match self.store.look(session, turn, may_wait).await? {
                Look::Over(exchanged) => {
                    if let Some(taken) = &mut taken {
                        match is_full(turn, &exchanged) {
                            true => taken.acknowledge(exchanged.leased.len()),
                            false => taken.acknowledge_all(),
                        }
                    }
                    self.tell_of(session, turn, &exchanged, waits.is_some());
                    return Ok(exchanged);
                }
                Look::Idle(next) => next,
            };
            if let Some(taken) = &mut taken {
                taken.acknowledge_all();
            }
            let hears = hub.hears() && group.as_ref().is_none_or(|group| group.hears());
            if waits.is_none() {
                waits = Some(group.as_ref().map(Group::wait));
            }
            let longest = if hears { LOOK } else { poll() };
            let longest = next.map_or(longest, |next| longest.min(next.max(LEAST)));
            let told = async {
                match ready.as_pin_mut() {
                    Some(ready) => {
                        tokio::select! { () = news => {} () = ready => {} }
                    }
                    None => news.await,
                }
            };
            // Woken or not, the next look finds out what there is.
            let _woken = timeout_at((Instant::now() + longest).min(deadline), told).await;
        }
    }
}

fn ready(group: Option<&Group>) -> Option<tokio::sync::futures::Notified<'_>> {
    group.map(|group| group.ready.notified())
}

fn is_full(turn: &Turn, exchanged: &Exchanged) -> bool {
    turn.want > 0 && exchanged.leased.len() >= turn.want as usize
}

/// Not all at the same time.
fn poll() -> Duration {
    let random = f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0;
    POLL.0 + (POLL.1 - POLL.0).mul_f64(random)
}

#[async_trait]
impl Queue for RabbitQueue {
    fn capabilities(&self) -> QueueCapabilities {
        self.store.capabilities()
    }

    async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        let enqueued = self.store.enqueue(jobs).await?;
        let added = jobs.iter().zip(&enqueued);
        let added = added.filter(|(_, answer)| matches!(answer, Enqueued::Added(_)));
        let (mut later, mut now) = (false, HashMap::<&str, usize>::new());
        for (job, _) in added {
            match job.delay.is_zero() {
                true => *now.entry(&job.kind).or_default() += 1,
                false => later = true,
            }
        }
        for (kind, count) in now {
            for _ in 0..count.min(HINTS) {
                let kind = kind.to_owned();
                self.server.tell(Hint::Ready { kind });
            }
        }
        if later {
            // Who waits must know when it is due.
            self.server.tell(Hint::News);
        }
        Ok(enqueued)
    }

    async fn open(&self, worker: &WorkerInfo) -> Result<Session> {
        self.store.open(worker).await
    }

    async fn exchange(&self, session: SessionId, turn: &Turn) -> Result<Exchanged> {
        let exchanged = self.turn(session, turn).await;
        if exchanged
            .as_ref()
            .is_err_and(|e| e.code() == "session_lost")
        {
            self.forget(session);
        }
        exchanged.operation("queue.exchange")
    }

    async fn heartbeat(&self, session: SessionId) -> Result<Beat> {
        self.store.heartbeat(session).await
    }

    async fn close(&self, session: SessionId) -> Result<()> {
        self.forget(session);
        self.store.close(session).await?;
        self.server.tell(Hint::News);
        Ok(())
    }

    async fn control(&self, command: &Command) -> Result<u64> {
        let touched = self.store.control(command).await;
        // Also of one that failed on its way nobody knows what it did.
        self.server.tell(Hint::News);
        touched
    }

    async fn workers(&self) -> Result<Vec<WorkerState>> {
        self.store.workers().await
    }

    async fn get(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        self.store.get(ids).await
    }

    async fn list(&self, query: &JobQuery) -> Result<Page<Job>> {
        self.store.list(query).await
    }

    async fn stats(&self) -> Result<Vec<KindStats>> {
        self.store.stats().await
    }
}
