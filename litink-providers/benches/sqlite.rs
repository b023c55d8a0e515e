//! What the SQLite backend does in a second, on the disk of `LITINK_BENCH_DIR` (default: cargo's
//! folder for temporary files). Prints a table; compares with nothing.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use litink_core::{
    Actor, LOCAL_USER,
    domain::{Generation, GenerationState, Meta},
    provider::Modality,
    queue::{NewJob, Outcome, Queue, Settle, Turn, WorkerInfo},
    repository::{Change, Commit, Repository},
};
use litink_providers::sqlite::{
    Durability, SqliteDatabase, SqliteOptions, SqliteQueue, SqliteRepository,
};
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

const TIME: Duration = Duration::from_secs(2);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = std::env::var_os("LITINK_BENCH_DIR").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).into());
    for durability in [Durability::PowerLoss, Durability::ProcessCrash] {
        println!("{durability:?}");
        runtime.block_on(all(&folder, durability));
    }
}

async fn all(folder: &Path, durability: Durability) {
    for callers in [1, 64, 256] {
        let (database, _kept) = open(folder, durability).await;
        let rate = commits(SqliteRepository::new(database), callers).await;
        println!("  {callers:>4} callers: {rate:>9.0} commits/s of one insert");
    }
    for (callers, batch) in [(1, 1), (64, 1), (1, 1_000)] {
        let (database, _kept) = open(folder, durability).await;
        let rate = enqueues(SqliteQueue::new(database), callers, batch).await;
        println!("  {callers:>4} callers: {rate:>9.0} jobs/s enqueued, {batch} at a time");
    }
    for (workers, batch) in [(1, 1), (1, 64), (1, 256), (4, 64)] {
        let (database, _kept) = open(folder, durability).await;
        let rate = executions(SqliteQueue::new(database), workers, batch, 60_000).await;
        println!("  {workers:>4} workers: {rate:>9.0} no-op jobs/s, {batch} a turn");
    }
    let (database, _kept) = open(folder, durability).await;
    let rate = executions(SqliteQueue::new(database), 1, 256, 1_000_000).await;
    println!("     1 worker:  {rate:>9.0} no-op jobs/s, 256 a turn, before a backlog of a million");
    let (database, _kept) = open(folder, durability).await;
    let (median, worst) = pick_up(SqliteQueue::new(database)).await;
    println!("  a waiting worker has a job after {median:?} (median), {worst:?} (95 of 100)");
}

async fn open(folder: &Path, durability: Durability) -> (SqliteDatabase, TempDir) {
    let folder = tempfile::tempdir_in(folder).expect("a folder");
    let options = SqliteOptions::new(folder.path().join("litink.db")).durability(durability);
    let database = SqliteDatabase::open_with(options).await;
    (database.expect("a database"), folder)
}

/// Calls `work` over and over by so many callers; gives the sum of what they return per second.
async fn rate<F>(callers: usize, work: impl Fn() -> F) -> f64
where
    F: Future<Output = usize> + Send + 'static,
{
    let begun = Instant::now();
    let done = Arc::new(AtomicUsize::new(0));
    let call = async || {
        while begun.elapsed() < TIME {
            let count = tokio::spawn(work()).await.expect("a call");
            done.fetch_add(count, Ordering::Relaxed);
        }
    };
    join_all((0..callers).map(|_| call())).await;
    done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

async fn commits(repository: SqliteRepository, callers: usize) -> f64 {
    rate(callers, || {
        let repository = repository.clone();
        async move {
            let changes = vec![Change::insert(&generation()).expect("a row")];
            let commit = Commit::new(changes);
            let committed = repository.commit(Actor::Worker, &commit).await;
            committed.expect("a commit").changes.len()
        }
    })
    .await
}

fn generation() -> Generation {
    Generation {
        meta: Meta::new(Uuid::now_v7(), LOCAL_USER),
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

async fn enqueues(queue: SqliteQueue, callers: usize, batch: usize) -> f64 {
    rate(callers, || {
        let queue = queue.clone();
        async move {
            let jobs: Vec<NewJob> = (0..batch).map(job).collect();
            queue.enqueue(&jobs).await.expect("enqueued").len()
        }
    })
    .await
}

fn job(i: usize) -> NewJob {
    NewJob::new("noop", json!({"step": i}))
}

async fn executions(queue: SqliteQueue, workers: usize, batch: u32, jobs: usize) -> f64 {
    for begin in (0..jobs).step_by(1_000) {
        let jobs: Vec<NewJob> = (begin..begin + 1_000).map(job).collect();
        queue.enqueue(&jobs).await.expect("enqueued");
    }
    let begun = Instant::now();
    let work = async || {
        let session = queue.open(&WorkerInfo::default()).await.expect("a session");
        let mut turn = Turn {
            want: batch,
            ..Turn::default()
        };
        let mut done = 0;
        loop {
            let exchanged = queue.exchange(session.id, &turn).await.expect("a turn");
            done += exchanged.settled.len();
            if exchanged.leased.is_empty() || begun.elapsed() > TIME {
                return done;
            }
            turn.received = exchanged.number;
            let complete = |lease| Settle {
                lease,
                outcome: Outcome::Complete,
            };
            turn.settle = exchanged.leased.iter().map(|l| complete(l.lease)).collect();
        }
    };
    let done: usize = join_all((0..workers).map(|_| work())).await.iter().sum();
    done as f64 / begun.elapsed().as_secs_f64()
}

async fn pick_up(queue: SqliteQueue) -> (Duration, Duration) {
    let session = queue.open(&WorkerInfo::default()).await.expect("a session");
    let mut times = Vec::new();
    let mut received = 0;
    for i in 0..100 {
        let theirs = queue.clone();
        let waiting = tokio::spawn(async move {
            let turn = Turn {
                want: 1,
                wait: Duration::from_secs(10),
                received,
                ..Turn::default()
            };
            let exchanged = theirs.exchange(session.id, &turn).await.expect("a turn");
            (exchanged.number, Instant::now())
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        queue.enqueue(&[job(i)]).await.expect("enqueued");
        // From the acknowledgement on; the enqueue has its own row.
        let added = Instant::now();
        let (number, woken) = waiting.await.expect("a turn");
        received = number;
        times.push(woken.saturating_duration_since(added));
    }
    times.sort_unstable();
    (times[50], times[95])
}
