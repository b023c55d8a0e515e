//! One session's life: turns, heartbeats, jobs in flight.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    QUEUE_PAUSE, Worker, heart,
    stopping::{Stop, StopReason},
    trace::{self, TraceParent},
};
use crate::{
    JobId,
    queue::{Exchanged, Job, Lease, Leased, Outcome, Session, Settle, Turn},
};

/// The longest wait of one turn; an idle worker asks again after it.
const TURN_WAIT: Duration = Duration::from_secs(20);
/// The pause after a panic that a handler did not see.
const PANIC_PAUSE: Duration = Duration::from_secs(5);

/// A job that this worker holds, for as long as its execution lasts.
#[derive(Clone, Debug)]
pub(crate) struct Leasehold {
    pub(crate) job: Arc<Job>,
    pub(crate) lease: Lease,
    pub(crate) stop: Stop,
    pub(super) trace: TraceParent,
    pub(super) worker: Arc<Worker>,
}

pub(super) enum Ended {
    Stopped,
    SessionLost,
}

/// A job in flight.
#[derive(Debug)]
struct Flight {
    lease: Lease,
    stop: Stop,
}

/// The jobs in flight.
#[derive(Clone, Debug, Default)]
struct Flights(Arc<Mutex<HashMap<JobId, Flight>>>);

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, lease: Lease) -> Stop {
        let stop = Stop::default();
        let flight = Flight {
            lease,
            stop: stop.clone(),
        };
        self.lock().insert(lease.job, flight);
        stop
    }

    /// A newer lease of the same job in this process has its own flight.
    fn end(&self, lease: Lease) {
        let mut flights = self.lock();
        if flights.get(&lease.job).is_some_and(|it| it.lease == lease) {
            flights.remove(&lease.job);
        }
    }

    fn stop_all(&self, reason: StopReason) {
        for flight in self.lock().values() {
            flight.stop.stop(reason);
        }
    }

    fn cancel(&self, leases: &[Lease]) {
        let flights = self.lock();
        for lease in leases {
            let flight = flights.get(&lease.job).filter(|it| it.lease == *lease);
            if let Some(flight) = flight {
                flight.stop.stop(StopReason::Cancelled);
            }
        }
    }
}

/// One session's life.
pub(super) struct Life<'a> {
    worker: &'a Arc<Worker>,
    session: Session,
    stop: &'a CancellationToken,
    abandon: &'a CancellationToken,
    kinds: Vec<String>,
    flights: Flights,
    lost: CancellationToken,
}

impl<'a> Life<'a> {
    pub(super) fn new(
        worker: &'a Arc<Worker>,
        session: Session,
        stop: &'a CancellationToken,
        abandon: &'a CancellationToken,
    ) -> Self {
        Self {
            worker,
            session,
            stop,
            abandon,
            kinds: worker.kinds(),
            flights: Flights::default(),
            lost: CancellationToken::new(),
        }
    }

    pub(super) async fn live(self) -> Ended {
        // On a task of its own, and where it can on a thread of its own: neither a busy turn nor a
        // handler that blocks its thread may keep a heartbeat waiting.
        let runtime = match self.worker.queue.capabilities().heartbeats_apart {
            true => heart::beats(),
            false => Handle::current(),
        };
        let mut attendant = JoinSet::new();
        let beating = beat(
            Arc::clone(self.worker),
            self.session,
            self.flights.clone(),
            self.lost.clone(),
        );
        attendant.spawn_on(beating, &runtime);
        let mut jobs = JoinSet::new();
        let ended = self.turns(&mut jobs).await;
        let reason = match ended {
            Ended::Stopped => StopReason::Draining,
            Ended::SessionLost => StopReason::LeaseLost,
        };
        self.flights.stop_all(reason);
        while jobs.join_next().await.is_some() {}
        drop(attendant);
        if matches!(ended, Ended::Stopped)
            && let Err(error) = self.worker.queue.close(self.session.id).await
        {
            tracing::debug!(%error, "the session was not closed; it runs out by itself");
        }
        ended
    }

    async fn turns(&self, jobs: &mut JoinSet<()>) -> Ended {
        let (done, mut finished) = mpsc::unbounded_channel::<Settle>();
        let (mut settle, mut received) = (Vec::new(), 0);
        let mut drain_until: Option<Instant> = None;
        loop {
            gather(&mut finished, &mut settle).await;
            while jobs.try_join_next().is_some() {}
            let in_flight = self.flights.lock().len();
            if self.lost.is_cancelled() {
                return Ended::SessionLost;
            }
            if self.stop.is_cancelled() || self.abandon.is_cancelled() {
                let until = *drain_until.get_or_insert_with(|| Instant::now() + self.worker.grace);
                if Instant::now() >= until || self.abandon.is_cancelled() {
                    self.flights.stop_all(StopReason::Draining);
                }
                if in_flight == 0 && settle.is_empty() {
                    return Ended::Stopped;
                }
            }
            let turn = self.turn(&mut settle, in_flight, received, drain_until.is_some());
            let waits = turn.settle.is_empty();
            let exchange = self.worker.queue.exchange(self.session.id, &turn);
            let exchanged = tokio::select! {
                biased;
                exchanged = exchange => exchanged,
                // Something to settle ends the wait; what the turn leased meanwhile comes as lost.
                Some(next) = finished.recv(), if waits => {
                    settle.push(next);
                    continue;
                }
                () = self.stop.cancelled(), if waits && drain_until.is_none() => continue,
                () = self.abandon.cancelled(), if waits && !self.abandon.is_cancelled() => continue,
                () = self.lost.cancelled() => return Ended::SessionLost,
            };
            match exchanged {
                Ok(exchanged) => {
                    received = exchanged.number;
                    self.take(exchanged, &done, jobs);
                }
                Err(error) if error.code() == "session_lost" => return Ended::SessionLost,
                Err(error) => {
                    tracing::warn!(%error, "the queue cannot be reached; trying again");
                    settle.splice(0..0, turn.settle);
                    sleep(QUEUE_PAUSE).await;
                }
            }
        }
    }

    fn turn(
        &self,
        settle: &mut Vec<Settle>,
        in_flight: usize,
        received: u64,
        draining: bool,
    ) -> Turn {
        let free = (self.worker.concurrency as usize).saturating_sub(in_flight);
        let want = match draining {
            true => 0,
            false => u32::try_from(free).unwrap_or(u32::MAX),
        };
        let wait = match (settle.is_empty(), draining) {
            (true, false) => TURN_WAIT,
            // A draining worker looks at its clock from time to time.
            (true, true) => Duration::from_millis(100),
            (false, _) => Duration::ZERO,
        };
        Turn {
            settle: std::mem::take(settle),
            want,
            kinds: self.kinds.clone(),
            wait,
            received,
        }
    }

    fn take(
        &self,
        exchanged: Exchanged,
        done: &mpsc::UnboundedSender<Settle>,
        jobs: &mut JoinSet<()>,
    ) {
        let accepted = exchanged.settled.iter().filter(|it| **it).count();
        let refused = exchanged.settled.len() - accepted;
        if refused > 0 {
            tracing::warn!(
                refused,
                "jobs were settled too late; another worker has them"
            );
        }
        for leased in exchanged.leased.into_iter().chain(exchanged.lost) {
            self.begin(leased, done.clone(), jobs);
        }
        self.flights.cancel(&exchanged.cancel);
    }

    fn begin(&self, leased: Leased, done: mpsc::UnboundedSender<Settle>, jobs: &mut JoinSet<()>) {
        let Leased { lease, job } = leased;
        let Some(handler) = self.worker.handlers.get(&job.kind).cloned() else {
            // The queue gives only what was asked for; it is not this worker's to judge.
            let outcome = Outcome::Release;
            let _ = done.send(Settle { lease, outcome });
            return;
        };
        let flights = self.flights.clone();
        let (_, trace) = trace::place(&job);
        let span = (self.worker.spans)(&job, &trace);
        let hold = Leasehold {
            job: Arc::new(job),
            lease,
            stop: flights.begin(lease),
            trace,
            worker: Arc::clone(self.worker),
        };
        let execution = async move {
            let job = Arc::clone(&hold.job);
            let execution = AssertUnwindSafe(handler.execute(hold)).catch_unwind();
            let outcome = execution.await.unwrap_or_else(|_| {
                tracing::error!(kind = job.kind, "a job panicked; please report it");
                Outcome::Retry {
                    after: PANIC_PAUSE,
                    error: "panic".into(),
                }
            });
            let (kind, outcome_name) = (job.kind.clone(), name(&outcome));
            metrics::counter!("litink_jobs_total", "kind" => kind, "outcome" => outcome_name)
                .increment(1);
            flights.end(lease);
            let _ = done.send(Settle { lease, outcome });
        };
        jobs.spawn(execution.instrument(span));
    }
}

/// The name of an outcome in metrics.
pub(crate) fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "complete",
        Outcome::Retry { .. } => "retry",
        Outcome::Snooze { .. } => "snooze",
        Outcome::Release => "release",
        Outcome::Discard { .. } => "discard",
        Outcome::Cancel => "cancel",
    }
}

/// Keeps the session alive. When it cannot for as long as a lease lasts, or the queue says that the
/// session is over, the worker must stop its jobs: others may begin them.
async fn beat(worker: Arc<Worker>, session: Session, flights: Flights, lost: CancellationToken) {
    let mut ticks = interval(session.lease / 3);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut alive_until = Instant::now() + session.lease;
    loop {
        ticks.tick().await;
        let asked = Instant::now();
        match timeout(session.lease / 3, worker.queue.heartbeat(session.id)).await {
            Ok(Ok(beat)) => {
                alive_until = asked + session.lease;
                flights.cancel(&beat.cancel);
            }
            Ok(Err(error)) if error.code() == "session_lost" => break,
            Ok(Err(error)) => tracing::warn!(%error, "a heartbeat failed"),
            Err(_) => tracing::warn!("a heartbeat was not answered"),
        }
        if Instant::now() >= alive_until {
            break;
        }
    }
    lost.cancel();
    flights.stop_all(StopReason::LeaseLost);
}

/// Takes what is finished. Jobs that end as soon as they are let, end first: a turn for many costs a
/// store much less than many turns.
async fn gather(finished: &mut mpsc::UnboundedReceiver<Settle>, settle: &mut Vec<Settle>) {
    loop {
        let before = settle.len();
        tokio::task::yield_now().await;
        while let Ok(next) = finished.try_recv() {
            settle.push(next);
        }
        if settle.len() == before {
            return;
        }
    }
}
