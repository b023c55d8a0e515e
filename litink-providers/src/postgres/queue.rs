use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use litink_core::{
    Error, JobId, Result, ResultExt, SessionId,
    queue::{
        Beat, Command, Durability, Enqueued, Exchanged, Job, JobQuery, KindStats, NewJob, Queue,
        QueueCapabilities, Session, Settle, Turn, WorkerInfo, WorkerState, validate,
    },
    repository::Page,
};
use serde_json::{Value, json};
use sqlx::{PgConnection, types::Json};

use super::{PostgresDatabase, error};
use crate::sql_functions::Refusal;

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
/// - Final jobs are kept in a table of their own until they are pruned ([`Command::Prune`]): a million
///   at once where a whole partition is old enough, which is dropped; the others by five thousand.
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
        let request = requests::enqueue(jobs, true);
        let reply = call_in(connection, "SELECT litink.queue_enqueue($1)", request).await;
        let reply = reply.operation("queue.enqueue")?;
        replies::enqueued(jobs, &reply).operation("queue.enqueue")
    }

    /// Settles jobs of a session in the caller's transaction, as
    /// [`exchange`](Queue::exchange) does: what the job wrote and its end are there together, or
    /// neither is. Says which count. Its role needs the rights of `service_role`.
    ///
    /// Until the transaction ends, nobody else changes these jobs; where they have limits, nobody
    /// begins a job that has any, so keep it short.
    ///
    /// # Errors
    /// [`litink_core::ErrorKind::Conflict`] (code `session_lost`) where the session has expired, and
    /// those of the database; the transaction has failed then.
    pub async fn settle_in(
        &self,
        connection: &mut PgConnection,
        session: SessionId,
        settles: &[Settle],
    ) -> Result<Vec<bool>> {
        let request = requests::settles(session, settles);
        let reply = call_in(connection, "SELECT litink.queue_settle_in($1)", request).await;
        let reply = reply.operation("queue.settle")?;
        serde_json::from_value(reply)
            .map_err(|_| replies::other_form())
            .operation("queue.settle")
    }

    async fn call(&self, statement: &'static str, request: &Value) -> Result<Value> {
        call(&self.database, statement, request).await
    }

    /// The number of jobs that a call says it touched.
    async fn count(&self, statement: &'static str, request: &Value) -> Result<u64> {
        let reply = self.call(statement, request).await;
        reply
            .and_then(|reply| reply.as_u64().ok_or_else(replies::other_form))
            .operation("queue.control")
    }
}

/// The sessions that are alive: id, worker, times in microseconds, and how many jobs each holds.
const WORKERS: &str = "SELECT coalesce(jsonb_agg(jsonb_build_array(s.id, s.worker,
        (extract(epoch FROM s.opened_at) * 1000000)::bigint,
        (extract(epoch FROM s.lease) * 1000000)::bigint,
        (extract(epoch FROM s.expires_at) * 1000000)::bigint,
        (SELECT count(*) FROM litink.jobs j WHERE j.session = s.id)
    ) ORDER BY s.opened_at, s.id), '[]')
    FROM litink.job_sessions s, (SELECT $1::jsonb) _ WHERE s.expires_at > clock_timestamp()";

/// Calls a function of the queue in somebody's transaction.
async fn call_in(
    connection: &mut PgConnection,
    statement: &'static str,
    request: Value,
) -> Result<Value> {
    let query = sqlx::query_scalar::<_, Json<Value>>(statement).persistent(false);
    let reply = query.bind(Json(request)).fetch_one(connection).await;
    let error = match reply {
        Ok(Json(reply)) => return Ok(reply),
        Err(error) => error,
    };
    let refusal = error::database_error(&error)
        .and_then(|raised| Refusal::parse(raised.code(), raised.detail()));
    Err(refusal.map_or_else(|| error::judge(error).error(), refused))
}

/// Calls a function of the queue.
async fn call(
    database: &PostgresDatabase,
    statement: &'static str,
    request: &Value,
) -> Result<Value> {
    database.call(statement, request).await?.map_err(refused)
}

fn refused(refusal: Refusal) -> Error {
    match refusal.code() {
        "session_lost" => validate::session_lost(),
        _ => refusal.of(&[]),
    }
}

#[async_trait]
impl Queue for PostgresQueue {
    fn capabilities(&self) -> QueueCapabilities {
        QueueCapabilities::default()
            .with_durability(Durability::PowerLoss)
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
            json!({ "session": id, "worker": requests::text(&worker.to_text()), "lease": lease });
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
        let reply = self.database.beat("SELECT litink.queue_beat($1)", &request);
        let reply = reply.await.and_then(|reply| reply.map_err(refused));
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
        let is_prune = matches!(command, Command::Prune { .. });
        let mut touched = 0;
        if is_prune {
            // Whole partitions first, one in a transaction.
            loop {
                let dropped = self
                    .count("SELECT litink.queue_history($1)", &request)
                    .await?;
                touched += dropped;
                if dropped == 0 {
                    break;
                }
            }
        }
        loop {
            let now = self
                .count("SELECT litink.queue_control($1)", &request)
                .await?;
            touched += now;
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

    async fn workers(&self) -> Result<Vec<WorkerState>> {
        let reply = self.call(WORKERS, &Value::Null).await;
        reply.and_then(replies::workers).operation("queue.workers")
    }
}
