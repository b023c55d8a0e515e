//! The server, and databases on it.

use std::sync::atomic::{AtomicU32, Ordering};

use litink_providers::postgres::PostgresDatabase;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions,
};
use url::Url;

/// The server's URL, if there is one.
pub(crate) fn url() -> Option<Url> {
    if let Ok(url) = std::env::var("LITINK_TEST_POSTGRES_URL") {
        return Some(url.parse().unwrap());
    }
    skip("LITINK_TEST_POSTGRES_URL is not set, so there is no server to test with");
    None
}

/// Says what is left out; a run that demands its programs fails.
pub(crate) fn skip(why: &str) {
    let required = std::env::var("LITINK_REQUIRE_PROGRAMS").as_deref() == Ok("1");
    assert!(!required, "{why}");
    eprintln!("skipped: {why}");
}

/// A connection as whoever the URL names: the administrator of a test server.
pub(crate) async fn connect(url: &Url) -> PgConnection {
    let options: PgConnectOptions = url.as_str().parse().unwrap();
    options.disable_statement_logging().connect().await.unwrap()
}

/// Runs statements that are made here.
pub(crate) async fn run(connection: &mut PgConnection, sql: &str) -> sqlx::Result<()> {
    let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql)));
    done.await.map(|_| ())
}

/// A migrated database that all tests share; made by the first that asks.
pub(crate) async fn shared() -> Option<Url> {
    let url = url()?;
    let mut admin = connect(&url).await;
    run(&mut admin, "SELECT pg_advisory_lock(77)")
        .await
        .unwrap();
    let made = run(&mut admin, "CREATE DATABASE litink_test_shared").await;
    let shared = on(&url, "litink_test_shared");
    if made.is_ok() {
        PostgresDatabase::open(shared.as_str()).await.unwrap();
    }
    admin.close().await.unwrap();
    Some(shared)
}

/// The same database through a PgBouncer that gives each transaction another connection. Without
/// one, litink does as if it were there.
pub(crate) fn pooled(database: Url) -> Url {
    let Ok(pooler) = std::env::var("LITINK_TEST_PGBOUNCER_URL") else {
        skip("LITINK_TEST_PGBOUNCER_URL is not set, so the pooler is only assumed");
        return database;
    };
    on(&pooler.parse().unwrap(), database.path())
}

/// The same server, another database.
fn on(url: &Url, database: &str) -> Url {
    let mut url = url.clone();
    url.set_path(database);
    url
}

/// An empty database of one test's own, which goes with the test.
pub(crate) struct Fresh {
    server: Url,
    name: String,
}

impl Fresh {
    pub(crate) async fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = url()?;
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("litink_test_{}_{next}", std::process::id());
        let mut admin = connect(&server).await;
        run(
            &mut admin,
            &format!("CREATE DATABASE {name} TEMPLATE template0"),
        )
        .await
        .unwrap();
        Some(Self { server, name })
    }

    pub(crate) fn url(&self) -> Url {
        on(&self.server, &self.name)
    }

    /// Brings it to today's schema.
    pub(crate) async fn migrate(&self) {
        let opened = PostgresDatabase::open(self.url().as_str()).await;
        opened.unwrap().close().await;
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        connect(&self.url()).await
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let mut admin = connect(&server).await;
                let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                run(&mut admin, &drop).await.ok();
            });
        });
        dropping.join().ok();
    }
}
