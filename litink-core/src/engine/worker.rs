//! The engine's worker: steps of recipes, as jobs like any other.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::FutureExt;
use serde::de::DeserializeOwned;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Engine;
use crate::{
    Actor, Error, Result, RunId,
    domain::{Run, RunState},
    provider::Extensions,
    queue::{Lease, Outcome},
    repository::Row,
    schema::Table,
    worker::{self, Execution, Failure, Handler, Handling, Leasehold, WorkerBuilder},
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

/// Executes steps until it is told to stop, and whatever else it has handlers for.
#[derive(Debug)]
pub struct Worker {
    steps: Arc<Steps>,
    sweep_every: Duration,
    builder: WorkerBuilder,
}

/// How often to look whether runs in flight were cancelled.
const CANCEL_CHECK: Duration = Duration::from_millis(250);

impl Engine {
    /// A worker of this engine. Any number may run, in any number of processes.
    #[must_use]
    pub fn worker(&self, options: WorkerOptions) -> Worker {
        let steps = Arc::new(Steps {
            engine: self.clone(),
            extensions: options.extensions,
            in_flight: Mutex::default(),
        });
        let mut builder = worker::Worker::builder(Arc::clone(&self.inner.queue))
            .name(options.name)
            .concurrency(options.concurrency)
            .grace(options.grace)
            .cache(Arc::clone(&self.inner.cache));
        for kind in self.step_kinds() {
            builder = builder.handler(kind, Arc::clone(&steps) as Arc<dyn Handler>);
        }
        Worker {
            steps,
            sweep_every: options.sweep_every,
            builder,
        }
    }
}

impl Worker {
    /// Handles jobs of an application's own kind, too, beside the steps; see
    /// [`WorkerBuilder::handle_with`].
    #[must_use]
    pub fn handle<A, F, D>(mut self, kind: &str, handling: Handling, handler: F) -> Self
    where
        A: DeserializeOwned + Send + 'static,
        F: Fn(Execution<A>) -> D + Send + Sync + 'static,
        D: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        self.builder = self.builder.handle_with(kind, handling, handler);
        self
    }

    /// Works until `stop` fires, then lets what is in flight finish for the grace time, and gives
    /// back the rest. When `abandon` fires, it gives back everything at once. Dropping the future
    /// leaves the leases to run out.
    ///
    /// # Errors
    /// Only when no session can be opened at the start; later faults of the queue are waited out.
    pub async fn run(self, stop: CancellationToken, abandon: CancellationToken) -> Result<()> {
        let working = self.builder.build().run(stop, abandon);
        tokio::select! {
            biased;
            worked = working => worked,
            () = sweeper(&self.steps.engine, self.sweep_every) => Ok(()),
            () = self.steps.watch_runs() => Ok(()),
        }
    }
}

async fn sweeper(engine: &Engine, every: Duration) {
    let mut idle = Duration::ZERO;
    loop {
        if let Err(error) = engine.sweep(idle).await {
            tracing::warn!(%error, "the sweep failed and is tried again");
        }
        idle = every;
        sleep(every).await;
    }
}

/// What executes steps.
#[derive(Debug)]
struct Steps {
    engine: Engine,
    extensions: Extensions,
    in_flight: Mutex<InFlight>,
}

/// The steps in flight, by lease, with what stops them.
type InFlight = HashMap<Lease, (RunId, CancellationToken)>;

#[async_trait]
impl Handler for Steps {
    async fn execute(&self, hold: Leasehold) -> Outcome {
        let cancel = hold.stop.token().child_token();
        if let Some(run) = hold.job.group.map(RunId) {
            self.in_flight().insert(hold.lease, (run, cancel.clone()));
        }
        let extensions = self.extensions.clone();
        let step = self.engine.execute(&hold.job, &cancel, extensions);
        let outcome = AssertUnwindSafe(step).catch_unwind().await;
        self.in_flight().remove(&hold.lease);
        let kind = &hold.job.kind;
        let outcome = outcome.unwrap_or_else(|_| {
            tracing::error!(kind, "a step panicked; please report it");
            Outcome::Retry {
                after: Duration::from_secs(5),
                error: "panic".into(),
            }
        });
        let name = worker::outcome_name(&outcome);
        metrics::counter!("litink_steps_total", "kind" => kind.clone(), "outcome" => name)
            .increment(1);
        outcome
    }
}

impl Steps {
    fn in_flight(&self) -> MutexGuard<'_, InFlight> {
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the steps of runs that are no longer running, on any backend, whoever stopped them.
    async fn watch_runs(&self) {
        loop {
            sleep(CANCEL_CHECK).await;
            let mut runs: Vec<RunId> = self.in_flight().values().map(|(run, _)| *run).collect();
            runs.sort_unstable();
            runs.dedup();
            if runs.is_empty() {
                continue;
            }
            let Ok(stopped) = stopped(&self.engine, &runs).await else {
                continue;
            };
            for (run, cancel) in self.in_flight().values() {
                if stopped.contains(run) {
                    cancel.cancel();
                }
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
