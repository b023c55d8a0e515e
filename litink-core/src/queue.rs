//! The contract of jobs: what is to be done next, by whom, and until when they hold it.

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{JobId, Result, SessionId, UserId, domain::Timestamp, repository::Page};

mod memory;
mod operating;
pub mod validate;
mod workers;

pub use memory::MemoryQueue;
pub use operating::{job, replay_discarded};
pub use workers::{WorkerInfo, WorkerState};

/// A job queue, useful on its own.
///
/// # Contract
/// - **At least once, settled once.** Between an acknowledged [`enqueue`](Queue::enqueue) and a
///   final state no job is lost, as far as the store keeps its acknowledged writes. A job may be
///   executed again after a crash; a settle is accepted only with the job's newest lease token, and
///   an old one is refused for that item alone.
/// - **A lease is a session and a token.** A session is one life of one process
///   ([`open`](Queue::open)); it lives as long as [`heartbeat`](Queue::heartbeat) comes within
///   [`Session::lease`], whatever the number of jobs it holds. Tokens rise with each lease of a
///   job.
/// - **One turn, one round trip.** [`exchange`](Queue::exchange) settles what is finished, leases
///   up to `want` jobs, waits for them up to `wait`, and brings the jobs to stop. It also rescues
///   the jobs of sessions that ended without closing: they are available again with `crashes` one
///   higher, and discarded at `max_crashes`.
/// - **Attempts.** A job's `attempt` is 0 when enqueued, 1 in its first execution. A release, a
///   snooze and a crash give the attempt back.
/// - **Order.** By priority (higher first). Within one kind and priority, tenants take turns by
///   their weight ([`Command::Weigh`], 1 by default): one with a hundred thousand jobs does not
///   keep another waiting, and one that was idle gains nothing by it. Within one tenant by the time
///   at which a job became available, then by age. No promise beyond one store.
/// - **Limits.** A job begins only when all of its [`NewJob::limits`] let it, and until then keeps
///   nobody else waiting and uses no attempt. How many run at once is counted by the store, so it
///   holds across workers, and whatever ends an execution makes room.
/// - **Idempotency.** While a job is live, another with the same tenant, kind and key is not added;
///   the answer names the live one. A job's id is its caller's: adding an id that the store still
///   knows, live or final, adds nothing (so an enqueue whose reply was lost is safe to repeat).
///   A settle that was accepted is accepted again, and changes nothing the second time, until the
///   job is leased anew.
/// - **Store clock only.** Delays, leases and order go by the store's clock.
/// - **Lost replies.** Turns are numbered within a session; the next turn says which one was
///   received last, and leases of later ones come back as `lost`. So dropping an `exchange` future
///   is safe at any moment.
/// - **Cancel** of a running job reaches its worker by the next turn or heartbeat, whichever is
///   first, and ends the wait of a waiting turn, also of one that wants no jobs.
///
/// What a backend cannot do it refuses ([`crate::ErrorKind::Unsupported`], code
/// `not_supported_by_queue`) as its capabilities say; it never pretends.
///
/// # Errors
/// [`crate::ErrorKind::Conflict`] (code `session_lost`) when the session expired: stop all its jobs
/// and open another; [`crate::ErrorKind::LimitExceeded`] (code `args_too_large` or
/// `too_many_jobs`);
/// [`crate::ErrorKind::Unavailable`], [`crate::ErrorKind::StorageFull`].
///
/// # Implementing
/// Hold it to `litink_core::testing::queue`.
#[async_trait]
pub trait Queue: Send + Sync + Debug {
    /// What this backend can do.
    fn capabilities(&self) -> QueueCapabilities;

    /// Adds jobs, at most [`MAX_BATCH`], all or none; one answer each, in order.
    async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>>;

    /// Begins a worker's session.
    async fn open(&self, worker: &WorkerInfo) -> Result<Session>;

    /// One turn of a worker: settle, lease, wait.
    async fn exchange(&self, session: SessionId, turn: &Turn) -> Result<Exchanged>;

    /// Keeps the session, and with it all its leases, alive for another [`Session::lease`].
    async fn heartbeat(&self, session: SessionId) -> Result<Beat>;

    /// Ends a session: what it still holds is available again at once, the attempt given back.
    async fn close(&self, session: SessionId) -> Result<()>;

    /// Carries out an operator's command; says how many jobs it touched.
    async fn control(&self, command: &Command) -> Result<u64>;

    /// The jobs with these ids, in their order.
    async fn get(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>>;

    /// One page of jobs, newest first.
    async fn list(&self, query: &JobQuery) -> Result<Page<Job>>;

    /// Jobs by kind and state, and the age of the oldest available one.
    async fn stats(&self) -> Result<Vec<KindStats>>;

    /// The workers whose sessions are alive, those that were opened first first.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unsupported`] (code `not_supported_by_queue`) where the backend does not
    /// know.
    async fn workers(&self) -> Result<Vec<WorkerState>> {
        Err(validate::unsupported("workers"))
    }
}

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// Nothing: it is in this process's memory.
    #[default]
    Memory,
    /// Most crashes, and of any at most the writes of the last seconds are lost: it is written to a
    /// log that reaches the disk every second.
    LastSeconds,
    /// The end of any process, the store's included.
    ProcessCrash,
    /// The loss of power: it is on a disk before it is acknowledged.
    PowerLoss,
}

/// What a queue can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueCapabilities {
    /// What acknowledged jobs survive.
    pub durability: Durability,
    /// Whether other processes see the same queue.
    pub shared: bool,
    /// Whether [`NewJob::limits`] are kept.
    pub limits: bool,
    /// Whether tenants are served by weight.
    pub fairness: bool,
    /// Whether [`Queue::heartbeat`] has connections of its own, so that it goes on from another
    /// runtime while the one of the other calls is blocked.
    pub heartbeats_apart: bool,
}

impl QueueCapabilities {
    /// Sets `durability`.
    #[must_use]
    pub const fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets `shared`.
    #[must_use]
    pub const fn with_shared(mut self, shared: bool) -> Self {
        self.shared = shared;
        self
    }

    /// Sets `limits`.
    #[must_use]
    pub const fn with_limits(mut self, limits: bool) -> Self {
        self.limits = limits;
        self
    }

    /// Sets `fairness`.
    #[must_use]
    pub const fn with_fairness(mut self, fairness: bool) -> Self {
        self.fairness = fairness;
        self
    }

    /// Sets `heartbeats_apart`.
    #[must_use]
    pub const fn with_heartbeats_apart(mut self, apart: bool) -> Self {
        self.heartbeats_apart = apart;
        self
    }
}

/// The largest `args` of a job, as JSON. Pass ids, not books.
pub const MAX_ARGS_BYTES: usize = 64 * 1024;

/// The most jobs that one call adds: what any backend does in one short, atomic piece of work.
pub const MAX_BATCH: usize = 1_000;

/// The most limits that one job is under.
pub const MAX_LIMITS: usize = 4;

/// A job to be added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NewJob {
    /// Its id. Default random; derive it (from a cron entry and its tick, say) to add a job once
    /// only, however often it is asked for.
    pub id: JobId,
    /// What it belongs to (a run), so that the whole can be named by [`Selector::Group`].
    pub group: Option<Uuid>,
    /// Which handler executes it.
    pub kind: String,
    /// What the handler needs to know: at most [`MAX_ARGS_BYTES`].
    pub args: Value,
    /// On whose behalf: the tenant of fairness and of the idempotency key.
    pub tenant: Option<UserId>,
    /// Higher goes first. Default 0.
    pub priority: i16,
    /// Not before so much time has passed. Default none.
    pub delay: Duration,
    /// Executions that may fail before it is discarded. Default 5.
    pub max_attempts: u32,
    /// Times its worker may die under it before it is discarded. Default 3, so that one unlucky
    /// deployment discards nothing and a poisonous job does not go round for ever.
    pub max_crashes: u32,
    /// Only one live job of this tenant and kind has this key.
    pub idempotency_key: Option<String>,
    /// Keys of the limits that it is under ([`Command::Limit`]), where capabilities say `limits`; at
    /// most [`MAX_LIMITS`]. A key without a limit holds nothing back.
    pub limits: Vec<String>,
    /// W3C `traceparent` of who enqueued it.
    pub trace: Option<String>,
}

impl NewJob {
    /// A job of a kind.
    pub fn new(kind: impl Into<String>, args: Value) -> Self {
        Self {
            id: JobId::random(),
            group: None,
            kind: kind.into(),
            args,
            tenant: None,
            priority: 0,
            delay: Duration::ZERO,
            max_attempts: 5,
            max_crashes: 3,
            idempotency_key: None,
            limits: Vec::new(),
            trace: None,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(mut self, id: JobId) -> Self {
        self.id = id;
        self
    }

    /// What it belongs to.
    #[must_use]
    pub fn group(mut self, group: impl Into<Uuid>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// On whose behalf.
    #[must_use]
    pub fn tenant(mut self, tenant: UserId) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Higher goes first.
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// Not before so much time has passed.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Executions that may fail, and workers that may die, before it is discarded.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32, crashes: u32) -> Self {
        self.max_attempts = attempts;
        self.max_crashes = crashes;
        self
    }

    /// Keys of the limits that it is under.
    #[must_use]
    pub fn limits<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.limits = keys.into_iter().map(Into::into).collect();
        self
    }

    /// W3C `traceparent` of who enqueues it; its execution is a child of that.
    #[must_use]
    pub fn trace(mut self, traceparent: impl std::fmt::Display) -> Self {
        self.trace = Some(traceparent.to_string());
        self
    }

    /// Only one live job of this tenant and kind has this key.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }
}

/// What became of a job that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enqueued {
    /// It was added.
    Added(JobId),
    /// A job with its id, or a live one with its idempotency key, was there already.
    Existing(JobId),
}

impl Enqueued {
    /// The job, added now or before.
    #[must_use]
    pub fn id(self) -> JobId {
        match self {
            Self::Added(id) | Self::Existing(id) => id,
        }
    }
}

/// One life of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Random.
    pub id: SessionId,
    /// How long it lives without a heartbeat. Beat three times as often.
    pub lease: Duration,
}

/// The right to execute and settle a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// Rises with each lease of the job.
    pub token: u64,
}

/// What a worker brings to a turn, and wants from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// What is finished, each job once: of several settles of a job in one turn, it is not promised
    /// which are accepted.
    pub settle: Vec<Settle>,
    /// Lease at most so many jobs; 0 for none.
    pub want: u32,
    /// Only of these kinds; empty for any.
    pub kinds: Vec<String>,
    /// Wait so long for a job, a cancel or (with `want` 0) a cancel alone, if there is none and
    /// nothing to settle. Zero: do not wait.
    pub wait: Duration,
    /// [`Exchanged::number`] of the last turn of this session whose reply arrived; 0 before that.
    pub received: u64,
}

/// The end of one execution.
#[derive(Clone, Debug, PartialEq)]
pub struct Settle {
    /// Of which job, by which right.
    pub lease: Lease,
    /// How it ended.
    pub outcome: Outcome,
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Done.
    Complete,
    /// Failed; again after a pause, unless the attempts are used up: then discarded.
    Retry {
        /// The pause.
        after: Duration,
        /// Why, for people.
        error: String,
    },
    /// Not now (a rate limit, a vendor that is not finished): later, no attempt used.
    Snooze {
        /// The pause.
        after: Duration,
    },
    /// Given back as if never leased.
    Release,
    /// Failed for good.
    Discard {
        /// Why, for people.
        error: String,
    },
    /// Stopped because somebody chose so.
    Cancel,
}

/// What a turn brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exchanged {
    /// The turn's number in its session, from 1, rising.
    pub number: u64,
    /// For each settle, in order: whether it was accepted; `false` means that the lease is gone and
    /// nothing changed. (It was lost; or, where a backend asked again after a connection broke, it
    /// was ended by this very settle, and the job leased anew before the second time.)
    pub settled: Vec<bool>,
    /// The jobs leased.
    pub leased: Vec<Leased>,
    /// Held jobs to stop, because somebody cancelled them: stop, then settle as `Cancel`. Given
    /// again until they are settled.
    pub cancel: Vec<Lease>,
    /// Leases of turns after [`Turn::received`], whose replies were lost: the worker executes or
    /// releases them.
    pub lost: Vec<Leased>,
}

/// What a heartbeat brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// As [`Exchanged::cancel`].
    pub cancel: Vec<Lease>,
}

/// A job that the session now holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Leased {
    /// The right to settle it.
    pub lease: Lease,
    /// The job, as of now.
    pub job: Job,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// May be leased.
    Available,
    /// Not before its time, never executed.
    Scheduled,
    /// Leased.
    Running,
    /// Failed or snoozed; not before its time.
    Retryable,
    /// Done. Final.
    Completed,
    /// Somebody stopped it. Final.
    Cancelled,
    /// Attempts or crashes used up, or failed for good: the dead letters. Final until replayed.
    Discarded,
}

impl JobState {
    /// Every state.
    pub const ALL: &'static [Self] = &[
        Self::Available,
        Self::Scheduled,
        Self::Running,
        Self::Retryable,
        Self::Completed,
        Self::Cancelled,
        Self::Discarded,
    ];

    /// Its name in rows and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Retryable => "retryable",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Discarded => "discarded",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|state| state.as_str() == name)
    }

    /// Whether nothing more happens by itself.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Discarded)
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What it belongs to.
    pub group: Option<Uuid>,
    /// Which handler executes it.
    pub kind: String,
    /// What the handler needs to know.
    pub args: Value,
    /// On whose behalf.
    pub tenant: Option<UserId>,
    /// Higher goes first.
    pub priority: i16,
    /// Of its last lease; 0 before the first.
    pub token: u64,
    /// Where it stands.
    pub state: JobState,
    /// Executions begun: 0 when enqueued, 1 in the first.
    pub attempt: u32,
    /// Executions that may fail before it is discarded.
    pub max_attempts: u32,
    /// Times its worker died under it.
    pub crashes: u32,
    /// Times its worker may die before it is discarded.
    pub max_crashes: u32,
    /// Its idempotency key.
    pub idempotency_key: Option<String>,
    /// Keys of the limits that it is under, sorted, each once.
    pub limits: Vec<String>,
    /// W3C `traceparent` of who enqueued it.
    pub trace: Option<String>,
    /// Why the last execution failed, for people.
    pub error: Option<String>,
    /// When it was added.
    pub created_at: Timestamp,
    /// Not before this.
    pub scheduled_at: Timestamp,
    /// When it became final.
    pub finished_at: Option<Timestamp>,
}

/// Which jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Selector {
    /// These.
    Ids(Vec<JobId>),
    /// All that belong to this; at most ten thousand.
    Group(Uuid),
    /// The live one of this tenant and kind with this idempotency key.
    Key {
        /// The tenant.
        tenant: Option<UserId>,
        /// The kind.
        kind: String,
        /// The key.
        key: String,
    },
    /// All discarded ones, of a kind or of any; at most a thousand at a time, oldest first.
    Discarded {
        /// The kind.
        kind: Option<String>,
    },
}

/// An operator's command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Command {
    /// Stops jobs: waiting ones at once, running ones through their worker's next turn. A running
    /// one that its worker gives back in whatever way is cancelled, not executed again.
    Cancel(Selector),
    /// Makes final jobs available again, attempts and crashes from 0.
    Replay(Selector),
    /// Leases no more jobs of this kind until resumed; survives restarts.
    Pause {
        /// The kind.
        kind: String,
    },
    /// Ends a pause.
    Resume {
        /// The kind.
        kind: String,
    },
    /// Forgets final jobs older than this.
    Prune {
        /// Their least age.
        older_than: Duration,
    },
    /// Sets the limit of a key, or removes it; at once, for waiting jobs, too. Survives restarts.
    Limit {
        /// The key, as in [`NewJob::limits`].
        key: String,
        /// The limit; `None` for none.
        limit: Option<Limit>,
    },
    /// Begins no job under this key for so long: a vendor said "too many requests". What was said
    /// before is not shortened; a zero time ends it.
    Throttle {
        /// The key, as in [`NewJob::limits`].
        key: String,
        /// For how long.
        time: Duration,
    },
    /// Sets how large a tenant's share is, 1 (the default) to 1,000, beside other tenants that have
    /// jobs of the same kind and priority. Survives restarts.
    Weigh {
        /// The tenant; `None` for jobs without one.
        tenant: Option<UserId>,
        /// The share.
        weight: u32,
    },
}

/// A bound on the jobs under one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// At most so many run at once; `None` for any number.
    pub concurrency: Option<u32>,
    /// At most so many begin in a time; `None` for any number.
    pub rate: Option<Rate>,
}

/// So many in a time: any stretch of time `t` sees at most `jobs + jobs * t / per` begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// How many, at least 1; so many may begin at once.
    pub jobs: u32,
    /// In which time, a microsecond for each of them at least.
    pub per: Duration,
}

impl Limit {
    /// At most so many at once.
    #[must_use]
    pub const fn concurrency(jobs: u32) -> Self {
        Self {
            concurrency: Some(jobs),
            rate: None,
        }
    }

    /// At most so many in a time.
    #[must_use]
    pub const fn rate(jobs: u32, per: Duration) -> Self {
        Self {
            concurrency: None,
            rate: Some(Rate { jobs, per }),
        }
    }
}

/// A page of jobs, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobQuery {
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only of this tenant.
    pub tenant: Option<UserId>,
    /// Only in these states; empty for any.
    pub states: Vec<JobState>,
    /// Only after this one: [`Page::next`] of the page before.
    pub after: Option<String>,
    /// At most so many, 1 to 1,000; 0 stands for 100.
    pub limit: u32,
}

/// Numbers for dashboards and autoscaling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindStats {
    /// The kind.
    pub kind: String,
    /// Jobs by state; states without jobs may be absent.
    pub jobs: BTreeMap<JobState, u64>,
    /// How long the oldest available job has been waiting.
    pub oldest_available: Option<Duration>,
    /// Whether it is paused.
    pub paused: bool,
}
