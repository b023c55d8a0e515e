//! Rows over a network that cuts, loses, hangs and crawls. Every backend that is reached over one is
//! told the same story.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use litink_core::{
    Actor, ErrorKind, Result, Retry, UserId,
    repository::{Change, Commit, Committed, Query, Repository, Row},
    schema::Table,
};
use litink_providers::postgres::{PostgresDatabase, PostgresRepository};
use litink_tests::{
    proxy::{Proxy, Trouble},
    servers::{shared_pgbouncer, shared_postgres},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::runtime::Runtime;
use url::Url;
use uuid::Uuid;

/// An empty database on the shared server, which goes with the test.
pub(crate) struct Fresh {
    server: Url,
    name: String,
}

impl Fresh {
    pub(crate) async fn new(what: &str) -> Option<Self> {
        let server = shared_postgres()?;
        let name = format!("litink_outages_{what}_{}", std::process::id());
        let fresh = Self { server, name };
        fresh
            .admin(&format!("CREATE DATABASE {}", fresh.name))
            .await;
        Some(fresh)
    }

    pub(crate) fn url(&self) -> Url {
        on(&self.server, &self.name)
    }

    async fn admin(&self, sql: &str) {
        execute(&self.server, sql).await;
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let server = self.server.clone();
        let dropping = std::thread::spawn(move || {
            Runtime::new().unwrap().block_on(execute(&server, &drop));
        });
        dropping.join().ok();
    }
}

pub(crate) async fn execute(url: &Url, sql: &str) {
    let mut admin = PgConnection::connect(url.as_str()).await.unwrap();
    admin.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    admin.close().await.ok();
}

pub(crate) fn on(url: &Url, database: &str) -> Url {
    let mut url = url.clone();
    url.set_path(database);
    url
}

/// A row with a counter, without a parent.
pub(crate) fn counter(owner: UserId) -> (Uuid, Change) {
    let id = Uuid::now_v7();
    let row = json!({
        "id": id, "owner": owner, "state": "active", "email": id.to_string(),
        "password_hash": "b", "failures": 0,
    });
    let columns = row.as_object().unwrap().clone();
    let table = Table::Accounts;
    (id, Change::Insert(Row { table, columns }))
}

pub(crate) fn add_one(id: Uuid) -> Change {
    Change::Increment {
        table: Table::Accounts,
        id,
        column: "failures".into(),
        by: 1,
        minimum: None,
    }
}

/// Makes a call until it is done. What an outage gives meanwhile says so and invites another try.
pub(crate) async fn insist<T, F: Future<Output = Result<T>>>(
    mut call: impl FnMut() -> F,
) -> (T, usize) {
    let mut errors = 0;
    loop {
        let error = match call().await {
            Ok(done) => return (done, errors),
            Err(error) => error,
        };
        errors += 1;
        let outage = [ErrorKind::Unavailable, ErrorKind::Timeout];
        assert!(outage.contains(&error.kind()), "{error:?}");
        assert_eq!(error.retry(), Retry::Backoff, "{error:?}");
        assert!(errors < 10, "{error:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Inserts, counts up, looks and removes; every call is done once, however often it is made. Says how
/// many calls failed.
async fn story(rows: &dyn Repository) -> usize {
    let (owner, table) = (UserId::random(), Table::Accounts);
    let (id, insert) = counter(owner);
    let ids = [id];
    let mut errors = 0;
    let commit = async |changes: Vec<Change>| -> (Committed, usize) {
        let commit = Commit::new(changes).with_key(Uuid::now_v7());
        insist(|| rows.commit(Actor::Service, &commit)).await
    };
    errors += commit(vec![insert]).await.1;
    for expected in 1..=2 {
        let (added, failed) = commit(vec![add_one(id)]).await;
        assert_eq!(added.changes[0].value, Some(expected), "added once");
        errors += failed;
    }
    // Without a key only a call that is answered says that it was done.
    let plain = Commit::new(vec![add_one(id)]);
    if rows.commit(Actor::Service, &plain).await.is_err() {
        errors += 1;
    } else {
        let (found, failed) = insist(|| rows.get(Actor::Service, table, &ids)).await;
        let found = found[0].as_ref().unwrap();
        assert_eq!(found.columns["failures"], json!(3), "added once");
        errors += failed;
    }
    let query = Query::new(table).owner(owner);
    let (listed, failed) = insist(|| rows.list(Actor::Service, &query)).await;
    assert_eq!(listed.items.len(), 1);
    let (tallied, more) =
        insist(|| rows.tally(Actor::Service, &query, &["state"], &["failures"])).await;
    assert_eq!(tallied.len(), 1);
    assert!(
        tallied[0].sums[0] >= 2 && tallied[0].sums[0] <= 3,
        "{tallied:?}"
    );
    let delete = Change::Delete {
        table,
        id,
        version: None,
    };
    let removed = commit(vec![delete]).await;
    let (gone, last) = insist(|| rows.get(Actor::Service, table, &ids)).await;
    assert_eq!(gone, [None]);
    errors + failed + more + removed.1 + last
}

/// So many tellings at once, each with a proxy of its own: they mostly wait.
pub(crate) const LANES: usize = 12;

/// Tells the story once undisturbed, and then again with a cut at each place of each of its calls,
/// from the first byte of a connection on. `open` is given the URL with a proxy before its server.
async fn cut_everywhere<F>(server: &Url, open: impl Fn(Url) -> F)
where
    F: Future<Output = Result<Arc<dyn Repository>>>,
{
    let proxy = Proxy::before_url(server).await.unwrap();
    story(&*open(proxy.instead(server)).await.unwrap()).await;
    let cuts = proxy.cuts();
    assert!(cuts.len() > 40, "{}", cuts.len());
    let lane = async |lane: usize| {
        let proxy = Proxy::before_url(server).await.unwrap();
        let (mut failed, mut missed) = (0, 0);
        for cut in cuts.iter().skip(lane).step_by(LANES) {
            proxy.set(*cut);
            let (rows, errors) = insist(|| open(proxy.instead(server))).await;
            failed += errors + story(&*rows).await;
            missed += usize::from(!proxy.fired());
        }
        (failed, missed)
    };
    let told = join_all((0..LANES).map(lane)).await;
    let failed: usize = told.iter().map(|(failed, _)| failed).sum();
    // A pooler's conversation is not the same to the byte each time.
    let missed: usize = told.iter().map(|(_, missed)| missed).sum();
    assert!(
        missed * 20 < cuts.len(),
        "{missed} of {} not reached",
        cuts.len()
    );
    println!(
        "{} cuts: {failed} calls had to be made again by the caller",
        cuts.len()
    );
    // Only opening tells its caller at once; calls are repeated below.
    assert!(failed * 2 < cuts.len(), "{failed} of {}", cuts.len());
}

async fn postgres(url: &Url) -> Result<Arc<dyn Repository>> {
    let database = PostgresDatabase::open(url.as_str()).await?;
    Ok(Arc::new(PostgresRepository::new(database)))
}

#[tokio::test]
async fn postgres_cut_at_each_place_of_each_call_does_everything_once() {
    let Some(fresh) = Fresh::new("cuts").await else {
        return;
    };
    postgres(&fresh.url()).await.unwrap();
    cut_everywhere(&fresh.url(), async |mut url| {
        url.set_query(Some("connections=1"));
        postgres(&url).await
    })
    .await;
}

#[tokio::test]
async fn postgres_behind_a_pooler_cut_at_each_place_does_everything_once() {
    let Some(fresh) = Fresh::new("pooled").await else {
        return;
    };
    let Some(pooler) = shared_pgbouncer() else {
        return;
    };
    postgres(&fresh.url()).await.unwrap();
    cut_everywhere(&on(&pooler, &fresh.name), async |mut url| {
        url.set_query(Some("connections=1&pooler=transaction"));
        postgres(&url).await
    })
    .await;
}

#[tokio::test]
async fn a_slow_postgres_is_waited_for_and_one_that_hangs_is_not() {
    let Some(fresh) = Fresh::new("slow").await else {
        return;
    };
    postgres(&fresh.url()).await.unwrap();
    let proxy = Proxy::before_url(&fresh.url()).await.unwrap();
    let mut url = proxy.instead(&fresh.url());
    url.set_query(Some("connections=1&deadline_s=1"));
    proxy.set(Trouble::Slow {
        latency: Duration::from_millis(15),
        bytes_per_s: 64 << 10,
    });
    let rows = postgres(&url).await.unwrap();
    assert_eq!(story(&*rows).await, 0, "slow is not broken");

    let (id, insert) = counter(UserId::random());
    let commit = |changes| Commit::new(changes).with_key(Uuid::now_v7());
    rows.commit(Actor::Service, &commit(vec![insert]))
        .await
        .unwrap();
    // The connection is back in the pool when it has said that it is well.
    tokio::time::sleep(Duration::from_millis(200)).await;
    proxy.set(Trouble::Hang);
    let add = commit(vec![add_one(id)]);
    let begun = Instant::now();
    let error = rows.commit(Actor::Service, &add).await.unwrap_err();
    assert_eq!(error.code(), "database_timeout", "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let error = postgres(&url).await.unwrap_err();
    assert_eq!(error.code(), "database_timeout", "opening: {error:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );

    proxy.set(Trouble::None);
    proxy.cut();
    let done = rows.commit(Actor::Service, &add).await.unwrap();
    assert_eq!(done.changes[0].value, Some(1), "asked again, done once");
    assert!(rows.commit(Actor::Service, &add).await.unwrap().replayed);
}
