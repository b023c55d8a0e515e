use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use litink_core::{Error, Result, ResultExt};
use serde_json::Value;
use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool,
    postgres::{PgListener, PgPoolOptions},
    types::Json,
};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{
    error::{self, Verdict},
    migrate,
    options::{Pooler, PostgresOptions},
};
use crate::sql_functions::Refusal;

/// For how long after a cut connection the others are tried before they are used.
const SUSPICIOUS: Duration = Duration::from_secs(10);
/// A connection that was idle for longer is tried before it is used.
const IDLE: Duration = Duration::from_secs(30);
/// How long to look for the reason why the pool made no connection.
const PROBE: Duration = Duration::from_secs(2);
/// For how long a call is repeated that a cut connection or a deadlock ended: a server's restart.
const KEEP_TRYING: Duration = Duration::from_secs(10);

/// An open PostgreSQL database: a pool of connections. Clones share it.
///
/// - Each call is one statement and one transaction; dropping its future leaves it done whole or
///   not at all.
/// - Connections that were cut, deadlocks and the like are repeated for up to ten seconds; commits
///   carry a key, so nothing is done twice.
/// - Every call has a deadline ([`PostgresOptions::deadline`]), after which it fails with
///   [`litink_core::ErrorKind::Timeout`].
#[derive(Clone, Debug)]
pub struct PostgresDatabase {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    /// One connection, made by who calls first: it is that runtime's.
    beats: PgPool,
    options: PostgresOptions,
    health: Arc<Health>,
    /// The schema's version before this opened it.
    found: u32,
}

/// When a connection was last found cut, in milliseconds of `begun`; 0 for never.
#[derive(Debug)]
struct Health {
    begun: Instant,
    cut_at: AtomicU64,
}

impl Health {
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn cut(&self) {
        self.cut_at.store(self.now().max(1), Ordering::Relaxed);
    }

    fn is_suspicious(&self) -> bool {
        let cut_at = self.cut_at.load(Ordering::Relaxed);
        cut_at > 0 && self.now() - cut_at < SUSPICIOUS.as_millis() as u64
    }
}

impl PostgresDatabase {
    /// Opens the database of a URL ([`PostgresOptions::parse`]), and brings it to today's schema.
    ///
    /// # Errors
    /// [`litink_core::ErrorKind::Configuration`] (codes `bad_database_url`,
    /// `database_login_refused`, `database_missing`, `database_not_prepared`,
    /// `database_not_permitted`, `database_tls`, `schema_too_new`, `schema_too_old`,
    /// `foreign_database`); [`litink_core::ErrorKind::Unavailable`] (`database_unreachable`,
    /// `too_many_connections`).
    pub async fn open(location: &str) -> Result<Self> {
        Self::open_with(PostgresOptions::parse(location)?).await
    }

    /// As [`open`](Self::open).
    pub async fn open_with(options: PostgresOptions) -> Result<Self> {
        let place = options.place();
        let opening = timeout(options.deadline, open(options));
        let opened = opening.await.unwrap_or_else(|_| Err(error::timed_out()));
        let inner = opened
            .operation("postgres.open")
            .context("database", place)?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The version of the database's schema.
    ///
    /// # Errors
    /// As those of any call.
    pub async fn schema_version(&self) -> Result<u32> {
        let version = self
            .call(
                "SELECT to_jsonb(public.litink_schema_version()) FROM (SELECT $1::jsonb) _",
                &Value::Null,
            )
            .await?
            .map_err(|_| Error::internal("a version was refused"))?;
        let version = version.as_u64().and_then(|version| version.try_into().ok());
        version.ok_or_else(|| Error::internal("a version is a number"))
    }

    /// Where it is, without secrets.
    pub(super) fn place(&self) -> String {
        self.inner.options.place()
    }

    /// The schema's version before this opened it; 0 for none.
    pub(super) fn found_version(&self) -> u32 {
        self.inner.found
    }

    /// Closes all connections; calls that follow fail.
    pub async fn close(&self) {
        self.inner.pool.close().await;
        self.inner.beats.close().await;
    }

    /// Calls a function of the database: one JSON value in, one out, or the function's refusal.
    pub(super) async fn call(
        &self,
        statement: &'static str,
        request: &Value,
    ) -> Result<Result<Value, Refusal>> {
        self.ask_on(&self.inner.pool, statement, request).await
    }

    /// As [`call`](Self::call), on a connection that nothing else stands before, and that lives on
    /// the runtime of whoever called this first.
    pub(super) async fn beat(
        &self,
        statement: &'static str,
        request: &Value,
    ) -> Result<Result<Value, Refusal>> {
        self.ask_on(&self.inner.beats, statement, request).await
    }

    async fn ask_on(
        &self,
        pool: &PgPool,
        statement: &'static str,
        request: &Value,
    ) -> Result<Result<Value, Refusal>> {
        let begun = Instant::now();
        let deadline = begun + self.inner.options.deadline;
        let mut pause = Duration::from_millis(10);
        loop {
            let attempt = timeout_at(deadline, self.attempt(pool, statement, request)).await;
            let error = match attempt {
                Ok(Ok(reply)) => return Ok(Ok(reply)),
                Ok(Err(error)) => error,
                Err(_) => return Err(error::timed_out()),
            };
            if let Some(refusal) = error::database_error(&error)
                .and_then(|raised| Refusal::parse(raised.code(), raised.detail()))
            {
                return Ok(Err(refusal));
            }
            if matches!(error, sqlx::Error::PoolTimedOut)
                && let Some(reason) = self.no_connection().await
            {
                return Err(reason);
            }
            match error::judge(error) {
                Verdict::Again(error) => {
                    self.inner.health.cut();
                    let next = Instant::now() + pause;
                    if next > deadline || next - begun > KEEP_TRYING {
                        return Err(error);
                    }
                    tracing::debug!(%error, "a call of the database is repeated");
                    sleep(jittered(pause)).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                Verdict::Never(error) => return Err(error),
            }
        }
    }

    /// A transaction in which nothing was said yet, for looking at things as another role.
    pub(super) async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Postgres>> {
        let Inner { pool, options, .. } = &*self.inner;
        let mut transaction = pool
            .begin()
            .await
            .map_err(|error| error::judge(error).error())?;
        settings(options, true)
            .persistent(false)
            .execute(&mut *transaction)
            .await
            .map_err(|error| error::judge(error).error())?;
        Ok(transaction)
    }

    /// Whether notifications reach this process.
    pub(super) fn can_listen(&self) -> bool {
        self.inner.options.pooler == Pooler::None
    }

    /// A connection of its own, beside the pool, that listens on a channel.
    pub(super) async fn listener(&self, channel: &str) -> Result<PgListener> {
        let options = &self.inner.options;
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(options.deadline.min(KEEP_TRYING))
            .connect_lazy_with(options.connection());
        let listen = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.listen(channel).await?;
            Ok(listener)
        };
        listen.await.map_err(|error| error::judge(error).error())
    }

    /// Why no connection can be made, if none can: the pool waits in silence for one to succeed.
    async fn no_connection(&self) -> Option<Error> {
        let options = &self.inner.options;
        let connect = async {
            let mut connection = options.connection().connect().await?;
            set_up(&mut connection, options).await?;
            connection.close().await
        };
        let connected = timeout(PROBE, connect).await.ok()?;
        connected.err().map(|error| error::judge(error).error())
    }

    async fn attempt(
        &self,
        pool: &PgPool,
        statement: &'static str,
        request: &Value,
    ) -> sqlx::Result<Value> {
        let options = &self.inner.options;
        let query = sqlx::query_scalar::<_, Json<Value>>(statement).bind(Json(request));
        if options.pooler == Pooler::None {
            return Ok(query.fetch_one(pool).await?.0);
        }
        // What was set for the session may have been set on another connection.
        let mut transaction = pool.begin().await?;
        settings(options, true)
            .persistent(false)
            .execute(&mut *transaction)
            .await?;
        let Json(reply) = query.persistent(false).fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(reply)
    }
}

/// Half to one and a half, so that those who collided do not again.
fn jittered(pause: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_bytes()[0];
    pause.mul_f64(0.5 + f64::from(random) / 255.0)
}

async fn open(options: PostgresOptions) -> Result<Inner> {
    let mut first = options
        .connection()
        .connect()
        .await
        .map_err(|error| error::judge(error).error())?;
    let found = migrate::prepare(&mut first, options.migrate).await?;
    first.close().await.ok();
    let health = Arc::new(Health {
        begun: Instant::now(),
        cut_at: AtomicU64::new(0),
    });
    let inner = Inner {
        pool: pool(&options, options.connections, Arc::clone(&health)),
        beats: pool(&options, 1, Arc::clone(&health)),
        options,
        health,
        found,
    };
    // Whether the role can be taken.
    drop(
        inner
            .pool
            .acquire()
            .await
            .map_err(|error| error::judge(error).error())?,
    );
    Ok(inner)
}

fn pool(options: &PostgresOptions, connections: u32, health: Arc<Health>) -> PgPool {
    let for_session = options.clone();
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(options.deadline.min(KEEP_TRYING))
        .test_before_acquire(false)
        .before_acquire(move |connection, meta| {
            let doubtful = health.is_suspicious() || meta.idle_for > IDLE;
            Box::pin(async move {
                if doubtful {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(move |connection, _| {
            let options = for_session.clone();
            Box::pin(async move { set_up(connection, &options).await })
        })
        .connect_lazy_with(options.connection())
}

async fn set_up(connection: &mut PgConnection, options: &PostgresOptions) -> sqlx::Result<()> {
    if options.pooler == Pooler::None {
        settings(options, false)
            .persistent(false)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// The role in which all is done, and when the server gives up. Set for the session, or for the
/// transaction.
fn settings(
    options: &PostgresOptions,
    local: bool,
) -> sqlx::query::Query<'static, sqlx::Postgres, sqlx::postgres::PgArguments> {
    sqlx::query(
        "SELECT set_config('role', 'service_role', $1), set_config('statement_timeout', $2, $1)",
    )
    .bind(local)
    .bind(options.deadline.as_millis().to_string())
}
