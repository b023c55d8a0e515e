use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use litink_core::{
    Error, JobId, Result, ResultExt, SessionId,
    queue::{
        Beat, Command, Durability, Enqueued, Exchanged, Job, JobQuery, KindStats, NewJob, Queue,
        QueueCapabilities, Session, Turn, WorkerInfo, validate,
    },
    repository::Page,
};
use serde_json::{Value, json};
use sqlx::{PgConnection, types::Json};

use super::{PostgresDatabase, error};

mod replies;
mod requests;
mod waiting;

use waiting::Wakes;

/// The lease of [`PostgresQueue::new`]: a worker that dies is replaced within it, and a heartbeat
/// every 5 s may fail twice in a row.
const DEFAULT_LEASE: Duration = Duration::from_secs(15);

/// Jobs in PostgreSQL, across processes. Clones share the connection that listens.
///
/// - A turn is one call of a function, one round trip, one transaction. Workers of one kind of job
///   take what others have not locked; where limits or several tenants are concerned, they choose
///   one after another.
/// - While a turn waits, one connection listens for all of this process; behind a pooler by
///   transaction, where nobody can listen, waiting turns look two to four times a second instead.
/// - Final jobs are kept in a table of their own until they are pruned ([`Command::Prune`]), five
///   thousand in a transaction.
/// - The clock is the server's. What is acknowledged is on its disk, as far as its
///   `synchronous_commit` and `fsync` say so.
#[derive(Clone, Debug)]
pub struct PostgresQueue {
    database: PostgresDatabase,
    wakes: Arc<Wakes>,
    lease: Duration,
}

impl PostgresQueue {
    /// The jobs of a database, with leases of 15 seconds.
    #[must_use]
    pub fn new(database: PostgresDatabase) -> Self {
        Self {
            wakes: Arc::new(Wakes::new(database.clone())),
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

    /// Adds jobs in the caller's transaction, as [`enqueue`](Queue::enqueue) does: they are there if
    /// it commits, and workers are told then. Its role needs the rights of `service_role`.
    ///
    /// # Errors
    /// As those of [`enqueue`](Queue::enqueue); the transaction has failed then.
    pub async fn enqueue_in(
        &self,
        connection: &mut PgConnection,
        jobs: &[NewJob],
    ) -> Result<Vec<Enqueued>> {
        validate::jobs(jobs, self.capabilities())?;
        let query = sqlx::query_scalar::<_, Json<Value>>("SELECT litink.queue_enqueue($1)")
            .persistent(false);
        let Json(reply) = query
            .bind(Json(requests::enqueue(jobs, true)))
            .fetch_one(connection)
            .await
            .map_err(|error| error::judge(error).error())
            .operation("queue.enqueue")?;
        replies::enqueued(jobs, &reply).operation("queue.enqueue")
    }

    async fn call(&self, statement: &'static str, request: &Value) -> Result<Value> {
        call(&self.database, statement, request).await
    }
}

/// Calls a function of the queue.
async fn call(
    database: &PostgresDatabase,
    statement: &'static str,
    request: &Value,
) -> Result<Value> {
    database
        .call(statement, request)
        .await?
        .map_err(|refusal| match refusal.code() {
            "session_lost" => validate::session_lost(),
            _ => refusal.of(&[]),
        })
}

#[async_trait]
impl Queue for PostgresQueue {
    fn capabilities(&self) -> QueueCapabilities {
        QueueCapabilities::default()
            .with_durability(Durability::PowerLoss)
            .with_shared(true)
            .with_limits(true)
            .with_fairness(true)
    }

    async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        validate::jobs(jobs, self.capabilities())?;
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let request = requests::enqueue(jobs, false);
        let reply = self.call("SELECT litink.queue_enqueue($1)", &request).await;
        reply
            .and_then(|reply| replies::enqueued(jobs, &reply))
            .operation("queue.enqueue")
    }

    async fn open(&self, worker: &WorkerInfo) -> Result<Session> {
        let id = SessionId::random();
        let lease = requests::micros(self.lease);
        let request =
            json!({ "session": id, "worker": requests::text(&worker.name), "lease": lease });
        self.call("SELECT litink.queue_open($1)", &request)
            .await
            .operation("queue.open")?;
        Ok(Session {
            id,
            lease: self.lease,
        })
    }

    async fn exchange(&self, session: SessionId, turn: &Turn) -> Result<Exchanged> {
        waiting::exchange(&self.database, &self.wakes, session, turn)
            .await
            .operation("queue.exchange")
    }

    async fn heartbeat(&self, session: SessionId) -> Result<Beat> {
        let request = json!({ "session": session });
        let reply = self.call("SELECT litink.queue_beat($1)", &request).await;
        reply
            .and_then(|reply| replies::beat(&reply))
            .operation("queue.heartbeat")
    }

    async fn close(&self, session: SessionId) -> Result<()> {
        let request = json!({ "session": session });
        let closed = self.call("SELECT litink.queue_close($1)", &request).await;
        closed.map(drop).operation("queue.close")
    }

    async fn control(&self, command: &Command) -> Result<u64> {
        validate::command(command, self.capabilities())?;
        let request = requests::control(command)?;
        let mut touched = 0;
        loop {
            let reply = self.call("SELECT litink.queue_control($1)", &request).await;
            let now = reply
                .and_then(|reply| reply.as_u64().ok_or_else(replies::other_form))
                .operation("queue.control")?;
            touched += now;
            let is_prune = matches!(command, Command::Prune { .. });
            if !is_prune || now < requests::PRUNED {
                return Ok(touched);
            }
        }
    }

    async fn get(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        let request = json!({ "ids": ids });
        let reply = self.call("SELECT litink.queue_read($1)", &request).await;
        let jobs = reply
            .and_then(|reply| replies::jobs(&reply))
            .operation("queue.get")?;
        let by_id: std::collections::HashMap<JobId, Job> =
            jobs.into_iter().map(|(job, _)| (job.id, job)).collect();
        Ok(ids.iter().map(|id| by_id.get(id).cloned()).collect())
    }

    async fn list(&self, query: &JobQuery) -> Result<Page<Job>> {
        let limit = match query.limit {
            0 => 100,
            limit @ 1..=1_000 => limit as usize,
            _ => return Err(Error::invalid("bad_query", "the limit must be 1 to 1000")),
        };
        let request = requests::list(query, limit)?;
        let reply = self.call("SELECT litink.queue_read($1)", &request).await;
        reply
            .and_then(|reply| replies::page(&reply, limit))
            .operation("queue.list")
    }

    async fn stats(&self) -> Result<Vec<KindStats>> {
        let reply = self
            .call("SELECT litink.queue_stats($1)", &Value::Null)
            .await;
        reply
            .and_then(|reply| replies::stats(&reply))
            .operation("queue.stats")
    }
}
