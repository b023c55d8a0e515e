use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use litink_core::{
    JobId, Result, ResultExt, SessionId,
    queue::{
        Beat, Command, Durability, Enqueued, Exchanged, Job, JobQuery, KindStats, NewJob, Queue,
        QueueCapabilities, Session, Turn, WorkerInfo, WorkerState, validate,
    },
    repository::Page,
};

use super::{RedisServer, error, server::Arg};

mod commands;
mod reading;
mod records;
mod replies;
mod scripts;
mod turns;
mod waiting;

use waiting::Waiters;

/// The lease of [`RedisQueue::new`]: a worker that dies is replaced within it, and a heartbeat
/// every 5 s may fail twice in a row.
const DEFAULT_LEASE: Duration = Duration::from_secs(15);

/// Jobs on Redis, shared by all processes that use the same server and number.
///
/// A turn is one script, one round trip; what one turn does beyond its own jobs (promoting what is
/// due, rescuing what dead workers held) is bounded. Who waits is woken by a message, and looks by
/// itself every 5 s. Final jobs stay until they are pruned ([`Command::Prune`]). The clock is the
/// server's.
///
/// What acknowledged jobs survive is the server's to say: with `appendfsync always` the loss of
/// power, with `appendonly yes` alone the end of the server's process, and of its machine but for the
/// last second, without it nothing.
#[derive(Clone)]
pub struct RedisQueue {
    server: RedisServer,
    lease: Duration,
    durability: Durability,
    waiters: Arc<Waiters>,
}

impl fmt::Debug for RedisQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisQueue").field(&self.server).finish()
    }
}

impl RedisQueue {
    /// The jobs of a server, with leases of 15 seconds.
    ///
    /// # Errors
    /// [`litink_core::ErrorKind::Configuration`] (code `redis_evicts`) where the server's
    /// `maxmemory-policy` is not `noeviction`; [`litink_core::ErrorKind::Unavailable`].
    pub async fn new(server: RedisServer) -> Result<Self> {
        server.hold_jobs();
        let facts = server.facts().await?;
        facts.keeps_jobs()?;
        let durability = match (facts.aof, server.fsync().await.as_deref()) {
            (false, _) => Durability::Memory,
            (true, Some("always")) => Durability::PowerLoss,
            (true, _) => Durability::LastSeconds,
        };
        Ok(Self {
            server,
            lease: DEFAULT_LEASE,
            durability,
            waiters: Waiters::new(),
        })
    }

    /// Sets how long the sessions opened here live without a heartbeat. Default 15 s.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }
}

#[async_trait]
impl Queue for RedisQueue {
    fn capabilities(&self) -> QueueCapabilities {
        QueueCapabilities::default()
            .with_durability(self.durability)
            .with_shared(true)
            .with_limits(true)
            .with_fairness(true)
            .with_heartbeats_apart(true)
    }

    async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        validate::jobs(jobs, self.capabilities())?;
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let args: Vec<Arg> = jobs.iter().flat_map(records::new_job).collect();
        let answers: Vec<Vec<u8>> = self
            .server
            .run(&scripts::ENQUEUE, &args)
            .await
            .operation("queue.enqueue")?;
        let answer = |(job, answer): (&NewJob, Vec<u8>)| match &*answer {
            [] => Ok(Enqueued::Added(job.id)),
            known => records::id(known).map(Enqueued::Existing),
        };
        jobs.iter().zip(answers).map(answer).collect()
    }

    async fn open(&self, worker: &WorkerInfo) -> Result<Session> {
        let (id, lease) = (SessionId::random(), self.lease);
        let args = [
            Arg::text("open"),
            Arg::id(id.0),
            Arg::text(micros(lease)),
            Arg::text(worker.to_text()),
        ];
        let opened: Result<redis::Value> = self.server.run(&scripts::SESSIONS, &args).await;
        opened.operation("queue.open")?;
        Ok(Session { id, lease })
    }

    async fn exchange(&self, session: SessionId, turn: &Turn) -> Result<Exchanged> {
        turns::exchange(self, session, turn)
            .await
            .operation("queue.exchange")
    }

    async fn heartbeat(&self, session: SessionId) -> Result<Beat> {
        let args = [Arg::text("beat"), Arg::id(session.0)];
        let beat: Result<redis::Value> = self.server.beat(&scripts::SESSIONS, &args).await;
        let beat = match beat.operation("queue.heartbeat")? {
            redis::Value::Nil => return Err(validate::session_lost()),
            beat => beat,
        };
        let cancel = replies::leases(beat).operation("queue.heartbeat")?;
        Ok(Beat { cancel })
    }

    async fn close(&self, session: SessionId) -> Result<()> {
        let args = [Arg::text("close"), Arg::id(session.0)];
        loop {
            let more: Result<Vec<i64>> = self.server.run(&scripts::SESSIONS, &args).await;
            if more.operation("queue.close")? != [1] {
                return Ok(());
            }
        }
    }

    async fn control(&self, command: &Command) -> Result<u64> {
        validate::command(command, self.capabilities())?;
        commands::control(&self.server, command)
            .await
            .operation("queue.control")
    }

    async fn get(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        reading::get(&self.server, ids).await.operation("queue.get")
    }

    async fn list(&self, query: &JobQuery) -> Result<Page<Job>> {
        reading::list(&self.server, query)
            .await
            .operation("queue.list")
    }

    async fn stats(&self) -> Result<Vec<KindStats>> {
        reading::stats(&self.server).await.operation("queue.stats")
    }

    async fn workers(&self) -> Result<Vec<WorkerState>> {
        reading::workers(&self.server)
            .await
            .operation("queue.workers")
    }
}

/// A time in microseconds; one that never comes where it cannot be told.
fn micros(time: Duration) -> i64 {
    const YEARS_30: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    // Thirty years of microseconds are far below what 64 bits hold.
    time.min(YEARS_30).as_micros() as i64
}
