//! The worker: takes jobs from the queue, keeps them, executes steps, gives back what it cannot
//! finish.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::Engine;
use crate::{
    Actor, Error, JobId, Result, RunId,
    domain::{Run, RunState},
    provider::Extensions,
    queue::{Exchanged, Lease, Leased, Outcome, Session, Settle, Turn, WorkerInfo},
    repository::Row,
    schema::Table,
};

/// Settings of a worker.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkerOptions {
    /// A name for people. Default the host's pid.
    pub name: String,
    /// Steps in flight at once. Default 256: they mostly wait for vendors, and each provider limits
    /// its own calls.
    pub concurrency: u32,
    /// How long a stopping worker lets its steps finish before it gives them back. Default 25 s,
    /// within the half minute that container platforms allow.
    pub grace: Duration,
    /// How often to look for work that was committed and never hinted at. Default 30 s.
    pub sweep_every: Duration,
    /// Carried to every provider call.
    pub extensions: Extensions,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            name: format!("pid {}", std::process::id()),
            concurrency: 256,
            grace: Duration::from_secs(25),
            sweep_every: Duration::from_secs(30),
            extensions: Extensions::default(),
        }
    }
}

/// Executes steps until it is told to stop.
#[derive(Debug)]
pub struct Worker {
    engine: Engine,
    options: WorkerOptions,
}

/// The longest wait of one turn; an idle worker asks again after it.
const TURN_WAIT: Duration = Duration::from_secs(20);
/// How soon to come back when the queue cannot be reached.
const QUEUE_PAUSE: Duration = Duration::from_secs(1);
/// How often to look whether runs in flight were cancelled.
const CANCEL_CHECK: Duration = Duration::from_millis(250);

impl Engine {
    /// A worker of this engine. Any number may run, in any number of processes.
    #[must_use]
    pub fn worker(&self, options: WorkerOptions) -> Worker {
        Worker {
            engine: self.clone(),
            options,
        }
    }
}

impl Worker {
    /// Works until `stop` fires, then lets what is in flight finish for the grace time, and gives
    /// back the rest. When `abandon` fires, it gives back everything at once. Dropping the future
    /// leaves the leases to run out.
    ///
    /// # Errors
    /// Only when no session can be opened at the start; later faults of the queue are waited out.
    pub async fn run(self, stop: CancellationToken, abandon: CancellationToken) -> Result<()> {
        let mut session = self.engine.queue().open(&self.info()).await?;
        let sweeper = self.sweeper(&stop);
        tokio::pin!(sweeper);
        loop {
            let life = Life::new(&self, session, &stop, &abandon);
            tokio::select! {
                biased;
                ended = life.live() => match ended {
                    Ended::Stopped => return Ok(()),
                    Ended::SessionLost => {
                        tracing::warn!("the session was lost; its steps were stopped");
                        let Some(next) = self.reopen(&stop).await else { return Ok(()) };
                        session = next;
                    }
                },
                () = &mut sweeper => return Ok(()),
            }
        }
    }

    fn info(&self) -> WorkerInfo {
        WorkerInfo {
            name: self.options.name.clone(),
        }
    }

    async fn reopen(&self, stop: &CancellationToken) -> Option<Session> {
        loop {
            match self.engine.queue().open(&self.info()).await {
                Ok(session) => return Some(session),
                Err(error) => tracing::warn!(%error, "no session; the queue cannot be reached"),
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep(QUEUE_PAUSE) => {}
            }
        }
    }

    async fn sweeper(&self, _stop: &CancellationToken) {
        let mut idle = Duration::ZERO;
        loop {
            if let Err(error) = self.engine.sweep(idle).await {
                tracing::warn!(%error, "the sweep failed and is tried again");
            }
            idle = self.options.sweep_every;
            sleep(self.options.sweep_every).await;
        }
    }
}

enum Ended {
    Stopped,
    SessionLost,
}

/// A job in flight.
#[derive(Debug)]
struct Flight {
    lease: Lease,
    run: Option<RunId>,
    cancel: CancellationToken,
}

/// One session's life.
struct Life<'a> {
    worker: &'a Worker,
    session: Session,
    stop: &'a CancellationToken,
    abandon: &'a CancellationToken,
    flights: Arc<Mutex<HashMap<JobId, Flight>>>,
    lost: CancellationToken,
}

impl<'a> Life<'a> {
    fn new(
        worker: &'a Worker,
        session: Session,
        stop: &'a CancellationToken,
        abandon: &'a CancellationToken,
    ) -> Self {
        let (flights, lost) = (Arc::default(), CancellationToken::new());
        Self {
            worker,
            session,
            stop,
            abandon,
            flights,
            lost,
        }
    }

    async fn live(self) -> Ended {
        // On their own tasks: a busy turn must never keep a heartbeat waiting.
        let mut attendants = JoinSet::new();
        attendants.spawn(beat(
            self.worker.engine.clone(),
            self.session,
            Arc::clone(&self.flights),
            self.lost.clone(),
        ));
        attendants.spawn(watch_runs(
            self.worker.engine.clone(),
            Arc::clone(&self.flights),
        ));
        let mut steps = JoinSet::new();
        let ended = self.turns(&mut steps).await;
        self.cancel_all().await;
        while steps.join_next().await.is_some() {}
        drop(attendants);
        if matches!(ended, Ended::Stopped)
            && let Err(error) = self.worker.engine.queue().close(self.session.id).await
        {
            tracing::debug!(%error, "the session was not closed; it runs out by itself");
        }
        ended
    }

    async fn turns(&self, steps: &mut JoinSet<()>) -> Ended {
        let (done, mut finished) = mpsc::unbounded_channel::<Settle>();
        let (mut settle, mut received) = (Vec::new(), 0);
        let mut drain_until: Option<Instant> = None;
        loop {
            while let Ok(next) = finished.try_recv() {
                settle.push(next);
            }
            while steps.try_join_next().is_some() {}
            let in_flight = self.flights.lock().await.len();
            if self.lost.is_cancelled() {
                return Ended::SessionLost;
            }
            if self.stop.is_cancelled() || self.abandon.is_cancelled() {
                let until =
                    *drain_until.get_or_insert_with(|| Instant::now() + self.worker.options.grace);
                let over = Instant::now() >= until || self.abandon.is_cancelled();
                if over {
                    self.cancel_all().await;
                }
                if in_flight == 0 && settle.is_empty() {
                    return Ended::Stopped;
                }
            }
            let turn = self.turn(&mut settle, in_flight, received, drain_until.is_some());
            let waits = turn.settle.is_empty();
            let exchange = self.worker.engine.queue().exchange(self.session.id, &turn);
            let exchanged = tokio::select! {
                biased;
                exchanged = exchange => exchanged,
                // Something to settle ends the wait; what the turn leased meanwhile comes as lost.
                Some(next) = finished.recv(), if waits => {
                    settle.push(next);
                    continue;
                }
                () = self.stop.cancelled(), if waits && drain_until.is_none() => continue,
                () = self.abandon.cancelled(), if waits && drain_until.is_some() => continue,
                () = self.lost.cancelled() => return Ended::SessionLost,
            };
            match exchanged {
                Ok(exchanged) => {
                    received = exchanged.number;
                    self.take(exchanged, &done, steps).await;
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
        let free = (self.worker.options.concurrency as usize).saturating_sub(in_flight);
        let want = if draining {
            0
        } else {
            u32::try_from(free).unwrap_or(u32::MAX)
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
            kinds: self.worker.engine.step_kinds(),
            wait,
            received,
        }
    }

    async fn take(
        &self,
        exchanged: Exchanged,
        done: &mpsc::UnboundedSender<Settle>,
        steps: &mut JoinSet<()>,
    ) {
        let refused = exchanged
            .settled
            .iter()
            .filter(|accepted| !**accepted)
            .count();
        if refused > 0 {
            tracing::warn!(
                refused,
                "jobs were settled too late; another worker has them"
            );
        }
        for leased in exchanged.leased.into_iter().chain(exchanged.lost) {
            self.begin(leased, done.clone(), steps).await;
        }
        let flights = self.flights.lock().await;
        cancel_flights(&flights, &exchanged.cancel);
    }

    async fn begin(
        &self,
        leased: Leased,
        done: mpsc::UnboundedSender<Settle>,
        steps: &mut JoinSet<()>,
    ) {
        let Leased { lease, job } = leased;
        let cancel = CancellationToken::new();
        let flight = Flight {
            lease,
            run: job.group.map(RunId),
            cancel: cancel.clone(),
        };
        self.flights.lock().await.insert(lease.job, flight);
        let engine = self.worker.engine.clone();
        let extensions = self.worker.options.extensions.clone();
        let flights = Arc::clone(&self.flights);
        steps.spawn(async move {
            let step = AssertUnwindSafe(engine.execute(&job, &cancel, extensions));
            let outcome = step.catch_unwind().await.unwrap_or_else(|_| {
                tracing::error!(kind = job.kind, "a step panicked; please report it");
                Outcome::Retry {
                    after: Duration::from_secs(5),
                    error: "panic".into(),
                }
            });
            metrics::counter!("litink_steps_total", "kind" => job.kind, "outcome" => name(&outcome))
                .increment(1);
            let mut flights = flights.lock().await;
            // A newer lease of the same job in this process has its own flight.
            if flights
                .get(&lease.job)
                .is_some_and(|flight| flight.lease == lease)
            {
                flights.remove(&lease.job);
            }
            drop(flights);
            let _ = done.send(Settle { lease, outcome });
        });
    }

    async fn cancel_all(&self) {
        for flight in self.flights.lock().await.values() {
            flight.cancel.cancel();
        }
    }
}

fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "complete",
        Outcome::Retry { .. } => "retry",
        Outcome::Snooze { .. } => "snooze",
        Outcome::Release => "release",
        Outcome::Discard { .. } => "discard",
        Outcome::Cancel => "cancel",
    }
}

fn cancel_flights(flights: &HashMap<JobId, Flight>, leases: &[Lease]) {
    for lease in leases {
        if let Some(flight) = flights
            .get(&lease.job)
            .filter(|flight| flight.lease == *lease)
        {
            flight.cancel.cancel();
        }
    }
}

/// Keeps the session alive. When it cannot for as long as a lease lasts, or the queue says that the
/// session is over, the worker must stop its steps: others may begin them.
async fn beat(
    engine: Engine,
    session: Session,
    flights: Arc<Mutex<HashMap<JobId, Flight>>>,
    lost: CancellationToken,
) {
    let mut ticks = interval(session.lease / 3);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut alive_until = Instant::now() + session.lease;
    loop {
        ticks.tick().await;
        let asked = Instant::now();
        match timeout(session.lease / 3, engine.queue().heartbeat(session.id)).await {
            Ok(Ok(beat)) => {
                alive_until = asked + session.lease;
                cancel_flights(&*flights.lock().await, &beat.cancel);
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
    for flight in flights.lock().await.values() {
        flight.cancel.cancel();
    }
}

/// Stops the steps of runs that are no longer running, on any backend, whoever stopped them.
async fn watch_runs(engine: Engine, flights: Arc<Mutex<HashMap<JobId, Flight>>>) {
    loop {
        sleep(CANCEL_CHECK).await;
        let mut runs: Vec<RunId> = flights
            .lock()
            .await
            .values()
            .filter_map(|f| f.run)
            .collect();
        runs.sort_unstable();
        runs.dedup();
        if runs.is_empty() {
            continue;
        }
        let Ok(stopped) = stopped(&engine, &runs).await else {
            continue;
        };
        for flight in flights.lock().await.values() {
            if flight.run.is_some_and(|run| stopped.contains(&run)) {
                flight.cancel.cancel();
            }
        }
    }
}

/// Which of these runs were cancelled or deleted. The steps of a failed run may finish: what they
/// make is wanted when it is resumed.
async fn stopped(engine: &Engine, runs: &[RunId]) -> Result<Vec<RunId>, Error> {
    let ids: Vec<_> = runs.iter().map(|run| run.0).collect();
    let rows = engine
        .repository()
        .get(Actor::Worker, Table::Runs, &ids)
        .await?;
    let cancelled = |row: Option<Row>| match row.map(Row::entity::<Run>) {
        None => true,
        Some(run) => run.is_ok_and(|run| run.state == RunState::Cancelled),
    };
    Ok(runs
        .iter()
        .zip(rows)
        .filter(|(_, row)| cancelled(row.clone()))
        .map(|(id, _)| *id)
        .collect())
}
