//! What operators see of the queue: jobs, their kinds, and who works on them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use litink_core::queue::{Job, JobState, KindStats, WorkerState};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobView {
    id: Uuid,
    /// Which handler executes it.
    #[schema(example = "email")]
    kind: String,
    /// `available`, `scheduled`, `running`, `retryable`, or for good `completed`, `cancelled`,
    /// `discarded` (it has failed).
    #[schema(example = "discarded")]
    state: &'static str,
    /// What it is given.
    #[schema(value_type = Object)]
    args: Value,
    /// What it belongs to, such as a run.
    group: Option<Uuid>,
    /// On whose behalf.
    tenant: Option<Uuid>,
    /// Higher goes first.
    priority: i16,
    /// Executions begun: 0 when enqueued, 1 in the first.
    attempt: u32,
    /// Executions that may fail before it is discarded.
    max_attempts: u32,
    /// Times its worker died under it.
    crashes: u32,
    /// Times its worker may die before it is discarded.
    max_crashes: u32,
    /// While it is live, no other job of its tenant and kind has this key.
    idempotency_key: Option<String>,
    /// Keys of the limits that it is under.
    limits: Vec<String>,
    /// W3C `traceparent` of who enqueued it.
    trace: Option<String>,
    /// Why the last execution failed.
    error: Option<String>,
    created_at: DateTime<Utc>,
    /// It does not begin before.
    scheduled_at: DateTime<Utc>,
    /// When it was completed, cancelled or discarded.
    finished_at: Option<DateTime<Utc>>,
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        Self {
            id: job.id.0,
            kind: job.kind,
            state: job.state.as_str(),
            args: job.args,
            group: job.group,
            tenant: job.tenant.map(|tenant| tenant.0),
            priority: job.priority,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            crashes: job.crashes,
            max_crashes: job.max_crashes,
            idempotency_key: job.idempotency_key,
            limits: job.limits,
            trace: job.trace,
            error: job.error,
            created_at: job.created_at,
            scheduled_at: job.scheduled_at,
            finished_at: job.finished_at,
        }
    }
}

/// The jobs of one kind, counted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueView {
    /// The kind.
    #[schema(example = "email")]
    kind: String,
    /// How many there are in each state.
    #[schema(value_type = BTreeMap<String, u64>)]
    jobs: BTreeMap<&'static str, u64>,
    /// For how many seconds the oldest that could begin has been waiting; null where none is.
    oldest_available_s: Option<f64>,
    /// Whether none begins until the kind is resumed.
    paused: bool,
}

impl From<KindStats> for QueueView {
    fn from(stats: KindStats) -> Self {
        let count = |state: &JobState| stats.jobs.get(state).copied().unwrap_or_default();
        let jobs = JobState::ALL.iter();
        Self {
            jobs: jobs.map(|state| (state.as_str(), count(state))).collect(),
            oldest_available_s: stats.oldest_available.map(|age| age.as_secs_f64()),
            paused: stats.paused,
            kind: stats.kind,
        }
    }
}

/// Who works.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorkerView {
    /// Its session: one life of one worker.
    session: Uuid,
    /// What it calls itself; two may say the same.
    #[schema(example = "mailer")]
    name: String,
    /// The machine, or container, that it runs on, where it says so.
    host: Option<String>,
    /// Its process there.
    pid: Option<u32>,
    /// The kinds of job that it asks for; empty for any.
    kinds: Vec<String>,
    /// Jobs that it holds.
    running: u64,
    opened_at: DateTime<Utc>,
    /// Its last heartbeat.
    seen_at: DateTime<Utc>,
    /// Without another heartbeat its jobs go to others then.
    expires_at: DateTime<Utc>,
}

impl From<WorkerState> for WorkerView {
    fn from(worker: WorkerState) -> Self {
        Self {
            session: worker.session.0,
            name: worker.info.name,
            host: worker.info.host,
            pid: worker.info.pid,
            kinds: worker.info.kinds,
            running: worker.running,
            opened_at: worker.opened_at,
            seen_at: worker.seen_at,
            expires_at: worker.expires_at,
        }
    }
}
