//! Rows on Postgres beside SQLAlchemy with asyncpg, and over REST beside supabase-py: the same tables
//! of the same server, the same commits by as many callers, the same lists.

use std::{
    env,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use litink_benches::stores::Backend;
use litink_core::{
    Actor, Error, LOCAL_USER,
    domain::{Account, AccountState, Generation, GenerationState, Meta},
    provider::Modality,
    repository::{Change, Commit, Query, Repository},
    schema::Table,
};
use litink_providers::{
    postgres::{PostgresDatabase, PostgresRepository},
    supabase::{SecretKey, SupabaseClient, SupabaseConfig, SupabaseRepository},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::{
    Result,
    peers::Peers,
    process,
    servers::Servers,
    table::{Row, number},
};

/// Commits at once. Each adds a row and changes another that is as it was read.
const CALLERS: usize = 8;
const COMMITS: usize = 4_000;
const LISTS: usize = 1_000;
const URL: &str = "LITINK_BENCH_POSTGRES_URL";

struct Measured {
    commits_s: f64,
    commit_us: f64,
    list_ms: f64,
    list_us: f64,
}

pub(crate) fn rows(peers: std::result::Result<&Peers, &String>) -> Result<Vec<Row>> {
    eprintln!("postgres: litink on SQLite and Postgres, then SQLAlchemy with asyncpg ...");
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let sqlite = runtime.block_on(async {
        let (repository, _folder) = Backend::Sqlite.repository().await.map_err(text)?;
        measure(repository).await
    })?;
    let mut rows = vec![Row::alone(
        format!("sqlite, commit of 2 changes by {CALLERS}; CPU of each; list of 20 rows"),
        format!(
            "{} /s, {} us, {} ms",
            number(sqlite.commits_s),
            number(sqlite.commit_us),
            number(sqlite.list_ms)
        ),
    )];
    let Ok(url) = env::var(URL) else {
        rows.push(Row::alone("postgres", format!("skipped: {URL} is not set")));
        return Ok(rows);
    };
    let ours = runtime.block_on(async {
        let database = PostgresDatabase::open(&url).await.map_err(text)?;
        let measured = measure(Arc::new(PostgresRepository::new(database.clone()))).await;
        database.close().await;
        measured
    })?;
    let theirs = peers.map_err(Clone::clone).and_then(|peers| {
        let url = [url.clone()];
        said_by(peers, "postgres_commits.py", &url, [COMMITS, LISTS])
    });
    rows.extend(beside("postgres", "SQLAlchemy + asyncpg", &ours, &theirs));
    Ok(rows)
}

/// Over REST, of `@supabase/lite`.
pub(crate) fn rest_rows(
    servers: std::result::Result<&Servers, &String>,
    peers: std::result::Result<&Peers, &String>,
) -> Result<Vec<Row>> {
    eprintln!("rest: litink on @supabase/lite, then supabase-py ...");
    let servers = servers.map_err(Clone::clone)?;
    let (url, secret) = (servers.get("lite")?, servers.get("lite_secret")?);
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let config = SupabaseConfig::new(&url).map_err(text)?;
    let client = SupabaseClient::new(config).map_err(text)?;
    let key = SecretKey::parse(&secret).map_err(text)?;
    let repository = Arc::new(SupabaseRepository::new(&client, key));
    let counts = [COMMITS / 10, LISTS / 10];
    let ours = runtime.block_on(measure_some(repository, counts))?;
    let theirs = peers.map_err(Clone::clone);
    let theirs = theirs.and_then(|peers| said_by(peers, "rest_commits.py", &[url, secret], counts));
    Ok(beside("REST", "supabase-py", &ours, &theirs))
}

fn beside(where_: &str, peer: &str, ours: &Measured, theirs: &Result<Measured>) -> Vec<Row> {
    let row = |what: &str, of: fn(&Measured) -> f64, unit| {
        let what = format!("{where_}, {what}; peer: {peer}");
        let peer = theirs.as_ref().map(of).map_err(Clone::clone);
        Row::beside(what, of(ours), &peer, unit)
    };
    let commit = format!("commit of 2 changes by {CALLERS}");
    vec![
        row(
            &format!("{commit}: CPU of the client"),
            |m| m.commit_us,
            "us",
        ),
        row(
            &format!("{commit}: a commit every"),
            |m| 1e6 / m.commits_s,
            "us",
        ),
        row("list 20 rows: CPU of the client", |m| m.list_us, "us"),
        row("list 20 rows: median latency", |m| m.list_ms, "ms"),
    ]
}

fn text(error: Error) -> String {
    error.to_string()
}

async fn measure(repository: Arc<dyn Repository>) -> Result<Measured> {
    measure_some(repository, [COMMITS, LISTS]).await
}

async fn measure_some(
    repository: Arc<dyn Repository>,
    [count, lists]: [usize; 2],
) -> Result<Measured> {
    commits(&repository, count / 10).await?;
    let (before, begun) = (process::cpu("self")?, Instant::now());
    commits(&repository, count).await?;
    let (took, cpu) = (begun.elapsed(), process::cpu("self")? - before);
    let mut latencies = Vec::new();
    let before = process::cpu("self")?;
    for _ in 0..lists {
        let begun = Instant::now();
        let query = Query::new(Table::Generations).owner(LOCAL_USER).limit(20);
        let page = repository.list(Actor::User(LOCAL_USER), &query).await;
        let items = page.map_err(text)?.items;
        for row in items {
            row.entity::<Generation>().map_err(text)?;
        }
        latencies.push(begun.elapsed());
    }
    let list_cpu = process::cpu("self")? - before;
    latencies.sort();
    Ok(Measured {
        commits_s: count as f64 / took.as_secs_f64(),
        commit_us: each(cpu, count),
        list_ms: latencies[lists / 2].as_secs_f64() * 1e3,
        list_us: each(list_cpu, lists),
    })
}

fn each(cpu: Duration, count: usize) -> f64 {
    cpu.as_secs_f64() * 1e6 / count as f64
}

async fn commits(repository: &Arc<dyn Repository>, count: usize) -> Result<()> {
    let caller = |repository: Arc<dyn Repository>| async move {
        // Like a run whose version is a fence: every commit needs the version of the one before.
        let mut fence = Account {
            meta: Meta::new(Uuid::new_v4(), LOCAL_USER),
            state: AccountState::Active,
            email: "bench".into(),
            password_hash: String::new(),
            failures: 0,
            locked_until: None,
        };
        let add = Commit::new(vec![Change::insert(&fence)?]);
        let added = repository.commit(Actor::Service, &add).await?;
        fence.meta.version = added.changes[0].version;
        for number in 0..count / CALLERS {
            let commit = Commit::new(vec![
                Change::insert(&generation())?,
                Change::update(&fence, [("failures", json!(number))]),
            ]);
            let done = repository.commit(Actor::Service, &commit).await?;
            fence.meta.version = done.changes[1].version;
        }
        Ok::<_, Error>(())
    };
    let callers = (0..CALLERS).map(|_| tokio::spawn(caller(Arc::clone(repository))));
    let ended = try_join_all(callers)
        .await
        .map_err(|error| error.to_string())?;
    ended
        .into_iter()
        .collect::<litink_core::Result<()>>()
        .map_err(text)
}

fn generation() -> Generation {
    Generation {
        meta: Meta::new(Uuid::new_v4(), LOCAL_USER),
        state: GenerationState::Started,
        fingerprint: "0".repeat(64),
        provider: "p".into(),
        model: Some("m".into()),
        modality: Modality::Speech,
        run_id: None,
        step_id: None,
        attempt: 1,
        operation: None,
        output: None,
        usage: None,
        cost_nanos: None,
        request_id: None,
        error: None,
        metered: litink_core::domain::Metered::default(),
    }
}

/// What a script measured, which is given these counts after its own arguments.
fn said_by(
    peers: &Peers,
    script: &str,
    arguments: &[String],
    [commits, lists]: [usize; 2],
) -> Result<Measured> {
    let counts = [CALLERS, commits, lists].map(|count| count.to_string());
    let printed = peers.output(script, &[arguments, &counts[..]].concat())?;
    let said: Value = serde_json::from_str(&printed).map_err(|error| error.to_string())?;
    let field = |name: &str| {
        let value = said.get(name).and_then(Value::as_f64);
        value.ok_or_else(|| format!("{script} said no {name}"))
    };
    Ok(Measured {
        commits_s: field("commits_s")?,
        commit_us: field("commit_us")?,
        list_ms: field("list_ms")?,
        list_us: field("list_us")?,
    })
}
