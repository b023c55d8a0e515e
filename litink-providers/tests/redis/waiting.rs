//! Waiting without asking again and again, and being woken.

use std::time::{Duration, Instant};

use litink_core::queue::{NewJob, Queue, Turn};
use serde_json::json;

use crate::server::{Own, Worker, want};

fn commands(connection: &mut redis::Connection) -> i64 {
    let info: redis::InfoDict = redis::cmd("INFO").arg("stats").query(connection).unwrap();
    info.get("total_commands_processed").unwrap()
}

/// How often scripts were called.
fn calls(connection: &mut redis::Connection) -> i64 {
    let info: String = redis::cmd("INFO")
        .arg("commandstats")
        .query(connection)
        .unwrap();
    let line = info
        .lines()
        .find(|line| line.starts_with("cmdstat_evalsha:"))
        .unwrap();
    let calls = line.split(['=', ',']).nth(1).unwrap();
    calls.parse().unwrap()
}

#[tokio::test]
async fn who_waits_leaves_the_server_alone_and_is_woken_in_milliseconds() {
    let Some(server) = Own::start(&[]) else {
        return;
    };
    // As two processes: they share no memory.
    let (here, there) = (server.queue().await, server.queue().await);
    let mut beside = server.connect();
    let mut worker = Worker::open(&here).await;
    let waiting = tokio::spawn(async move {
        let exchanged = worker.turn(want(1, Duration::from_secs(20))).await.unwrap();
        (exchanged.leased.len(), Instant::now())
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (before, all) = (calls(&mut beside), commands(&mut beside));
    tokio::time::sleep(Duration::from_secs(4)).await;
    let (asked, all) = (calls(&mut beside) - before, commands(&mut beside) - all);
    assert!(asked <= 1, "{asked} calls in 4 s");
    println!("{asked} scripts and {all} commands of any kind in 4 s");
    let begun = Instant::now();
    there
        .enqueue(&[NewJob::new("kind", json!(0))])
        .await
        .unwrap();
    let (leased, at) = waiting.await.unwrap();
    let took = at.duration_since(begun);
    println!("woken after {took:?}");
    assert_eq!(leased, 1);
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[tokio::test]
async fn of_many_who_wait_one_is_woken_for_one_job() {
    const WORKERS: usize = 50;
    let Some(server) = Own::start(&[]) else {
        return;
    };
    let queue = server.queue().await;
    let mut waiting = Vec::new();
    for _ in 0..WORKERS {
        let mut worker = Worker::open(&queue).await;
        let turn = want(1, Duration::from_secs(3));
        waiting.push(tokio::spawn(async move {
            worker.turn(turn).await.unwrap().leased.len()
        }));
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    let mut beside = server.connect();
    let before = calls(&mut beside);
    queue
        .enqueue(&[NewJob::new("kind", json!(0))])
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = calls(&mut beside) - before;
    // Enqueue, the turn of the one, and the new keeper of the time.
    assert!(asked <= 5, "{asked} calls for one job");
    let mut leased = 0;
    for waiting in waiting {
        leased += waiting.await.unwrap();
    }
    assert_eq!(leased, 1);
}

#[tokio::test]
async fn a_due_job_reaches_who_waits_for_its_kind_whoever_keeps_the_time() {
    let Some(server) = Own::start(&[]) else {
        return;
    };
    let (one, two) = (server.queue().await, server.queue().await);
    let wait_for = |queue, kind: &str| {
        let kinds = vec![kind.to_owned()];
        async move {
            let mut worker = Worker::open(&queue).await;
            let turn = Turn {
                kinds,
                ..want(1, Duration::from_secs(20))
            };
            let leased = worker.turn(turn).await.unwrap().leased;
            (leased.len(), Instant::now())
        }
    };
    // The first one keeps the time, and wants nothing of it; then it ends without a word.
    let keeper = tokio::spawn(wait_for(one.clone(), "other"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let waiting = tokio::spawn(wait_for(two.clone(), "kind"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    for aborts in [false, true] {
        let begun = Instant::now();
        let delay = Duration::from_millis(600);
        two.enqueue(&[NewJob::new("kind", json!(0)).delay(delay)])
            .await
            .unwrap();
        if aborts {
            keeper.abort();
            let (leased, at) = wait_for(two.clone(), "kind").await;
            assert_eq!(leased, 1);
            assert!(at.duration_since(begun) < delay * 3);
            let waited = waiting.await.unwrap();
            assert_eq!(waited.0, 1);
            return;
        }
        // Whoever waited first.
        tokio::time::sleep(delay + Duration::from_millis(300)).await;
        assert!(waiting.is_finished(), "nobody woke it");
    }
}
