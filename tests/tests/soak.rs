//! Very many jobs through one Postgres, while the table of those that live stays small: whatever is
//! over can be vacuumed away, as often as the server looks. It looks every second here; once a
//! minute, as it does by itself, a million jobs at 4,300 a second left 190 MB and at most 640,000
//! dead rows, the same after 350,000 jobs as after all.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use litink_core::queue::{Command, NewJob, Outcome, Queue, Settle, Turn, WorkerInfo};
use litink_providers::{Secret, Settings};
use litink_tests::servers::Postgres;
use serde_json::json;
use sqlx::{Connection, PgConnection, Row};

const WORKERS: usize = 4;
/// So many wait at any time.
const WAITING: usize = 2_000;
/// What two thousand jobs and the dead rows of a few seconds take. A job that left its rows behind
/// would take 500 bytes.
const MOST_BYTES: i64 = 24 << 20;

/// How many jobs: `LITINK_TEST_OPERATIONS`, or few enough for every run of the tests.
fn number_of_jobs() -> usize {
    let asked = std::env::var("LITINK_TEST_OPERATIONS").ok();
    asked.and_then(|it| it.parse().ok()).unwrap_or(60_000)
}

async fn work(queue: Arc<dyn Queue>, done: Arc<AtomicUsize>, number: usize) {
    let session = queue.open(&WorkerInfo::default()).await.unwrap();
    let mut turn = Turn {
        want: 100,
        kinds: vec!["soak".into()],
        wait: Duration::from_millis(500),
        ..Turn::default()
    };
    while done.load(Ordering::Relaxed) < number {
        let exchanged = queue.exchange(session.id, &turn).await.unwrap();
        let settled = exchanged.settled.iter().filter(|it| **it).count();
        assert_eq!(settled, turn.settle.len(), "a settle was refused");
        done.fetch_add(settled, Ordering::Relaxed);
        turn.received = exchanged.number;
        let completed = |leased: &litink_core::queue::Leased| Settle {
            lease: leased.lease,
            outcome: Outcome::Complete,
        };
        turn.settle = exchanged.leased.iter().map(completed).collect();
        queue.heartbeat(session.id).await.unwrap();
    }
    queue.close(session.id).await.unwrap();
}

/// Dead rows and bytes, with indexes, of the table of jobs.
async fn measure(connection: &mut PgConnection) -> (i64, i64) {
    let row = sqlx::query(
        "SELECT pg_stat_get_dead_tuples('litink.jobs'::regclass),
            pg_total_relation_size('litink.jobs')",
    );
    let row = row.fetch_one(connection).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_jobs_stays_small() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::in_folder(folder.path());
    let url = server.url("postgres");
    settings.database_url = Some(Secret::new(url.to_string()));
    let queue = litink_providers::connect(&settings).await.unwrap().queue;
    let mut connection = PgConnection::connect(url.as_str()).await.unwrap();

    for often in [
        "ALTER SYSTEM SET autovacuum_naptime = 1",
        "SELECT pg_reload_conf()",
    ] {
        sqlx::query(often).execute(&mut connection).await.unwrap();
    }

    let (number, done) = (number_of_jobs(), Arc::<AtomicUsize>::default());
    let workers = (0..WORKERS).map(|_| tokio::spawn(work(queue.clone(), done.clone(), number)));
    let workers: Vec<_> = workers.collect();
    let (begun, mut added, mut shown, mut most) = (Instant::now(), 0, 0, (0, 0));
    while done.load(Ordering::Relaxed) < number {
        let finished = done.load(Ordering::Relaxed);
        if added < number && added - finished < WAITING {
            let jobs: Vec<_> = (0..500.min(number - added))
                .map(|_| NewJob::new("soak", json!({ "chapter": "01a209ba-19e6-7083-8d9f" })))
                .collect();
            queue.enqueue(&jobs).await.unwrap();
            added += jobs.len();
        } else {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if finished >= shown + number / 20 {
            shown = finished;
            let (dead, bytes) = measure(&mut connection).await;
            most = (most.0.max(dead), most.1.max(bytes));
            let rate = finished as f64 / begun.elapsed().as_secs_f64();
            println!("{finished} jobs, {rate:.0} a second, {dead} dead rows, {bytes} bytes");
            // What is over is forgotten meanwhile, as the built-in schedule does.
            let older_than = Duration::from_secs(5);
            queue.control(&Command::Prune { older_than }).await.unwrap();
        }
    }
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(done.load(Ordering::Relaxed), number);
    println!("at most {} dead rows, {} bytes", most.0, most.1);
    assert!(most.1 > 0 && most.1 < MOST_BYTES, "{} bytes", most.1);
}
