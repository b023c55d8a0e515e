//! Very many jobs, at a cost for each that does not rise.

use std::time::{Duration, Instant};

use litink_core::queue::{JobQuery, JobState, MAX_BATCH, NewJob, Queue, Turn};
use litink_providers::redis::RedisQueue;
use serde_json::json;

use crate::server::{Own, Worker, complete, want};

async fn fill(queue: &RedisQueue, count: usize, delay: Duration) {
    for _ in 0..count / MAX_BATCH {
        let jobs: Vec<NewJob> = (0..MAX_BATCH)
            .map(|i| NewJob::new("kind", json!(i)).delay(delay))
            .collect();
        queue.enqueue(&jobs).await.unwrap();
    }
}

/// The server's own processor time.
fn spent(connection: &mut redis::Connection) -> f64 {
    let info: redis::InfoDict = redis::cmd("INFO").arg("cpu").query(connection).unwrap();
    info.get::<f64>("used_cpu_user").unwrap() + info.get::<f64>("used_cpu_sys").unwrap()
}

/// Leases and settles so many jobs; the server's processor time for each, in microseconds.
async fn work(queue: &RedisQueue, server: &Own, count: usize) -> f64 {
    let mut connection = server.connect();
    let mut worker = Worker::open(queue).await;
    let before = spent(&mut connection);
    let (mut done, mut settle) = (0, Vec::new());
    while done < count {
        let turn = Turn {
            settle,
            ..want(100, Duration::from_secs(5))
        };
        let leased = worker.turn(turn).await.unwrap().leased;
        assert!(!leased.is_empty(), "there are more");
        settle = leased.iter().map(|it| complete(it.lease)).collect();
        done += leased.len();
    }
    let turn = Turn {
        settle,
        ..Turn::default()
    };
    worker.turn(turn).await.unwrap();
    worker.queue.close(worker.session).await.unwrap();
    (spent(&mut connection) - before) * 1e6 / count as f64
}

/// The cheapest of three thousand-job pieces: what else the machine does makes one dear, not all.
async fn cheapest(queue: &RedisQueue, server: &Own) -> f64 {
    let mut cheapest = f64::INFINITY;
    for _ in 0..3 {
        cheapest = work(queue, server, 1_000).await.min(cheapest);
    }
    cheapest
}

/// The call that took the server longest, in microseconds.
fn slowest(connection: &mut redis::Connection) -> i64 {
    let log: Vec<redis::Value> = redis::cmd("SLOWLOG")
        .arg("GET")
        .arg(-1)
        .query(connection)
        .unwrap();
    let took = |entry: &redis::Value| match entry {
        redis::Value::Array(fields) => redis::from_redis_value_ref::<i64>(&fields[2]).unwrap(),
        _ => 0,
    };
    log.iter().map(took).max().unwrap_or(0)
}

#[tokio::test]
async fn a_hundred_thousand_waiting_jobs_cost_no_more_each() {
    let slow = [
        "--slowlog-log-slower-than",
        "20000",
        "--slowlog-max-len",
        "1000",
    ];
    let Some(server) = Own::start(&slow) else {
        return;
    };
    let queue = server.queue().await;
    fill(&queue, 4_000, Duration::ZERO).await;
    work(&queue, &server, 1_000).await;
    let few = cheapest(&queue, &server).await;
    let begun = Instant::now();
    fill(&queue, 100_000, Duration::ZERO).await;
    let filled = begun.elapsed();
    let many = cheapest(&queue, &server).await;
    let worst = slowest(&mut server.connect());
    println!(
        "{few:.1} us a job of few, {many:.1} us a job of 100,000; added in {filled:?}; the longest \
         call {worst} us"
    );
    // What looked at all that wait would cost twenty times as much.
    assert!(
        many < few * 3.0,
        "{few} us, and {many} us with many waiting"
    );

    let stats = queue.stats().await.unwrap();
    assert_eq!(stats[0].jobs[&JobState::Available], 97_000);
    let query = JobQuery {
        states: vec![JobState::Available],
        limit: 1_000,
        ..JobQuery::default()
    };
    assert_eq!(queue.list(&query).await.unwrap().items.len(), 1_000);
}

#[tokio::test]
async fn very_many_that_are_due_at_once_come_bit_by_bit() {
    const JOBS: usize = 30_000;
    let slow = [
        "--slowlog-log-slower-than",
        "50000",
        "--slowlog-max-len",
        "1000",
    ];
    let Some(server) = Own::start(&slow) else {
        return;
    };
    let queue = server.queue().await;
    fill(&queue, JOBS, Duration::from_secs(2)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let each = work(&queue, &server, JOBS).await;
    println!("{each:.1} us a job");
    // A piece of work that grew with what is due would take the server a second.
    let worst = slowest(&mut server.connect());
    assert!(worst < 500_000, "a call took {worst} us");
}
