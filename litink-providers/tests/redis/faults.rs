//! What the server may do to those who work.

use std::{collections::HashSet, time::Duration};

use litink_core::{
    ErrorKind, JobId,
    queue::{Durability, JobState, NewJob, Queue, Turn},
};
use litink_providers::redis::{RedisQueue, RedisServer};
use serde_json::json;

use crate::server::{Own, Worker, complete, want};

const SOON: Duration = Duration::from_secs(10);

async fn add(queue: &RedisQueue, count: usize) -> Vec<JobId> {
    let jobs: Vec<NewJob> = (0..count).map(|i| NewJob::new("kind", json!(i))).collect();
    queue.enqueue(&jobs).await.unwrap();
    jobs.into_iter().map(|job| job.id).collect()
}

#[tokio::test]
async fn a_server_that_forgets_its_scripts_is_told_them_again() {
    let Some(server) = Own::start(&[]) else {
        return;
    };
    let (queue, mut beside) = (server.queue().await, server.connect());
    let flush = |connection: &mut redis::Connection| {
        redis::cmd("SCRIPT").arg("FLUSH").exec(connection).unwrap();
    };
    flush(&mut beside);
    add(&queue, 2).await;
    flush(&mut beside);
    let mut worker = Worker::open(&queue).await;
    flush(&mut beside);
    let leased = worker.turn(want(1, Duration::ZERO)).await.unwrap().leased;
    flush(&mut beside);
    queue.heartbeat(worker.session).await.unwrap();
    let turn = Turn {
        settle: vec![complete(leased[0].lease)],
        ..want(1, Duration::ZERO)
    };
    flush(&mut beside);
    let exchanged = worker.turn(turn).await.unwrap();
    assert_eq!((exchanged.settled, exchanged.leased.len()), (vec![true], 1));
    flush(&mut beside);
    assert_eq!(
        queue.stats().await.unwrap()[0].jobs[&JobState::Completed],
        1
    );
}

#[tokio::test]
async fn a_server_that_is_killed_and_starts_again_loses_nothing_that_it_acknowledged() {
    let Some(mut server) = Own::start(&[]) else {
        return;
    };
    let queue = server.queue().await;
    assert_eq!(queue.capabilities().durability, Durability::LastSeconds);
    let ids = add(&queue, 200).await;
    let mut worker = Worker::open(&queue).await;
    let leased = worker.turn(want(50, Duration::ZERO)).await.unwrap().leased;
    let settle: Vec<_> = leased[..20].iter().map(|it| complete(it.lease)).collect();
    let turn = Turn {
        settle,
        ..Turn::default()
    };
    worker.turn(turn).await.unwrap();
    // One that waits while the server ends.
    let mut other = Worker::open(&queue).await;
    let waiting = tokio::spawn(async move {
        let kinds = vec!["later".to_owned()];
        let turn = Turn {
            kinds,
            ..want(1, SOON)
        };
        other.turn(turn).await.unwrap().leased.len()
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.kill();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!waiting.is_finished());
    server.start_again();

    // The same session goes on with the same leases.
    let settle: Vec<_> = leased[20..].iter().map(|it| complete(it.lease)).collect();
    let turn = Turn {
        settle,
        ..want(500, Duration::ZERO)
    };
    let exchanged = worker.turn(turn).await.unwrap();
    assert_eq!(exchanged.settled, [true; 30]);
    assert_eq!(exchanged.lost, []);
    let rest: HashSet<_> = exchanged.leased.iter().map(|it| it.job.id).collect();
    assert_eq!(rest, ids[50..].iter().copied().collect());
    queue
        .enqueue(&[NewJob::new("later", json!(0))])
        .await
        .unwrap();
    assert_eq!(waiting.await.unwrap(), 1);
}

#[tokio::test]
async fn a_server_that_stays_away_is_an_error_in_bounded_time() {
    let Some(mut server) = Own::start(&[]) else {
        return;
    };
    let queue = server.queue().await;
    server.kill();
    let begun = std::time::Instant::now();
    let error = queue.stats().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(error.code(), "redis_unreachable");
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn connections_that_are_cut_lose_no_job_and_give_none_twice() {
    const JOBS: usize = 600;
    let Some(server) = Own::start(&[]) else {
        return;
    };
    let queue = server.queue().await;
    let ids: HashSet<JobId> = add(&queue, JOBS).await.into_iter().collect();
    let mut beside = server.connect();
    let cutting = tokio::task::spawn_blocking(move || {
        for _ in 0..60 {
            for kind in ["normal", "pubsub"] {
                let mut kill = redis::cmd("CLIENT");
                kill.arg("KILL").arg("TYPE").arg(kind);
                kill.arg("SKIPME").arg("yes").exec(&mut beside).unwrap();
            }
            std::thread::sleep(Duration::from_millis(17));
        }
    });
    let mut worker = Worker::open(&queue).await;
    let (mut done, mut settle) = (HashSet::new(), Vec::new());
    while done.len() < JOBS {
        let turn = Turn {
            settle: settle.clone(),
            ..want(3, Duration::from_millis(50))
        };
        let Ok(exchanged) = worker.turn(turn).await else {
            continue;
        };
        assert!(exchanged.settled.iter().all(|it| *it), "{exchanged:?}");
        let got = exchanged.leased.iter().chain(&exchanged.lost);
        settle = got.map(|it| complete(it.lease)).collect();
        for leased in exchanged.leased.iter().chain(&exchanged.lost) {
            assert_eq!(leased.lease.token, 1, "leased a second time");
            assert!(done.insert(leased.job.id), "given twice");
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    assert_eq!(done, ids);
    cutting.await.unwrap();
}

#[tokio::test]
async fn a_server_that_evicts_takes_no_queue() {
    let Some(server) = Own::start(&["--maxmemory-policy", "allkeys-lru"]) else {
        return;
    };
    let open = RedisServer::open(&server.url()).await.unwrap();
    let error = RedisQueue::new(open).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(error.code(), "redis_evicts");
    assert!(
        error.to_string().contains("maxmemory-policy noeviction"),
        "{error}"
    );
}

#[tokio::test]
async fn a_full_server_refuses_jobs_and_lets_go_of_them() {
    let Some(server) = Own::start(&[]) else {
        return;
    };
    let (queue, mut beside) = (server.queue().await, server.connect());
    add(&queue, 10).await;
    let limit = |beside: &mut redis::Connection, bytes: &str| {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET")
            .arg("maxmemory")
            .arg(bytes)
            .exec(beside)
            .unwrap();
    };
    limit(&mut beside, "1mb");
    let error = queue
        .enqueue(&[NewJob::new("kind", json!(0))])
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::StorageFull, "redis_full")
    );
    limit(&mut beside, "0");
    let mut worker = Worker::open(&queue).await;
    assert_eq!(
        worker
            .turn(want(20, Duration::ZERO))
            .await
            .unwrap()
            .leased
            .len(),
        10
    );
}
