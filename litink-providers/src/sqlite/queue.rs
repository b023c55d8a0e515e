use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use litink_core::{
    JobId, Result, ResultExt, SessionId,
    queue::{
        Beat, Command, Durability, Enqueued, Exchanged, Job, JobQuery, KindStats, NewJob, Queue,
        QueueCapabilities, Session, Turn, WorkerInfo, WorkerState, validate,
    },
    repository::{Cursor, Page},
};

use super::database::SqliteDatabase;

mod adding;
mod commands;
mod reading;
mod rows;
mod sessions;
mod sharing;
mod transaction;
mod transitions;
mod turns;
mod waiting;

pub use transaction::SqliteTransaction;

/// The lease of [`SqliteQueue::new`]: a worker that dies is replaced within it, and a heartbeat
/// every 5 s may fail twice in a row.
const DEFAULT_LEASE: Duration = Duration::from_secs(15);

/// Jobs in SQLite, shared by all processes that have the file open.
///
/// A turn is one transaction, shared with whoever writes at the same time. Who waits is woken at
/// once by this process, and within 50 ms by another. Final jobs stay until they are pruned
/// ([`Command::Prune`]). The clock is this machine's.
#[derive(Clone, Debug)]
pub struct SqliteQueue {
    database: SqliteDatabase,
    lease: Duration,
}

impl SqliteQueue {
    /// The jobs of a database, with leases of 15 seconds.
    #[must_use]
    pub fn new(database: SqliteDatabase) -> Self {
        Self {
            database,
            lease: DEFAULT_LEASE,
        }
    }

    /// Sets how long the sessions opened here live without a heartbeat. Default 15 s.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Does statements of the caller's and changes of jobs in one transaction: all of them, or none
    /// where `body` fails. It is on its disk, as far as the database's durability goes, when this
    /// returns; others that write at the same time share the flush.
    ///
    /// # Errors
    /// Those of `body`, and those of the database.
    pub async fn transaction<T, F>(&self, body: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&SqliteTransaction<'_>) -> Result<T> + Send + 'static,
    {
        let capabilities = self.capabilities();
        let done = self
            .database
            .write(move |tx| body(&SqliteTransaction::new(tx, capabilities)))
            .await
            .operation("queue.transaction")?;
        self.database.announce();
        Ok(done)
    }
}

#[async_trait]
impl Queue for SqliteQueue {
    fn capabilities(&self) -> QueueCapabilities {
        let durability = match self.database.durability() {
            super::Durability::PowerLoss => Durability::PowerLoss,
            super::Durability::ProcessCrash => Durability::ProcessCrash,
        };
        QueueCapabilities::default()
            .with_durability(durability)
            .with_shared(true)
            .with_limits(true)
            .with_fairness(true)
            .with_heartbeats_apart(true)
    }

    async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        validate::jobs(jobs, self.capabilities())?;
        let jobs = jobs.to_vec();
        let enqueued = self
            .database
            .write(move |tx| adding::add(tx, &jobs))
            .await
            .operation("queue.enqueue")?;
        self.database.announce();
        Ok(enqueued)
    }

    async fn open(&self, worker: &WorkerInfo) -> Result<Session> {
        let (worker, lease) = (worker.to_text(), self.lease);
        let session = self
            .database
            .write(move |tx| sessions::open(tx, &worker, lease))
            .await
            .operation("queue.open")?;
        // Who waits must know when this one expires.
        self.database.announce();
        Ok(session)
    }

    async fn exchange(&self, session: SessionId, turn: &Turn) -> Result<Exchanged> {
        let turn = Arc::new(turn.clone());
        waiting::exchange(&self.database, session, turn)
            .await
            .operation("queue.exchange")
    }

    async fn heartbeat(&self, session: SessionId) -> Result<Beat> {
        self.database
            .write(move |tx| sessions::heartbeat(tx, session))
            .await
            .operation("queue.heartbeat")
    }

    async fn close(&self, session: SessionId) -> Result<()> {
        self.database
            .write(move |tx| sessions::close(tx, session))
            .await
            .operation("queue.close")?;
        self.database.announce();
        Ok(())
    }

    async fn control(&self, command: &Command) -> Result<u64> {
        validate::command(command, self.capabilities())?;
        let touched = commands::control(&self.database, command).await;
        self.database.announce();
        touched.operation("queue.control")
    }

    async fn get(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        let ids = ids.to_vec();
        self.database
            .read(move |connection| reading::get(connection, &ids))
            .await
            .operation("queue.get")
    }

    async fn list(&self, query: &JobQuery) -> Result<Page<Job>> {
        let limit = reading::limit(query)?;
        let after = query.after.as_deref().map(Cursor::decode).transpose()?;
        let query = query.clone();
        self.database
            .read(move |connection| reading::list(connection, &query, after, limit))
            .await
            .operation("queue.list")
    }

    async fn stats(&self) -> Result<Vec<KindStats>> {
        self.database
            .read(reading::stats)
            .await
            .operation("queue.stats")
    }

    async fn workers(&self) -> Result<Vec<WorkerState>> {
        self.database
            .read(reading::workers)
            .await
            .operation("queue.workers")
    }
}

/// A time from now in microseconds; one that never comes where it cannot be told.
fn micros(time: Duration) -> i64 {
    const YEARS_30: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    // Thirty years of microseconds are far below what 64 bits hold.
    time.min(YEARS_30).as_micros() as i64
}
