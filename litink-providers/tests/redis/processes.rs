//! Two processes at work: this test's program runs itself.

use std::{
    collections::HashSet,
    process::{Command, Stdio},
    time::Duration,
};

use litink_core::queue::{JobState, NewJob, Queue, Turn};
use serde_json::json;

use crate::server::{self, Own, Worker, complete, want};

const URL: &str = "LITINK_TEST_REDIS_WORKER";

/// Not a test: what the other processes do. It ends when there has been nothing to do for four seconds,
/// and prints the jobs that it settled.
#[tokio::test]
#[ignore = "run by two_processes_share_a_queue_and_one_may_be_killed"]
async fn worker() {
    let Ok(url) = std::env::var(URL) else {
        return;
    };
    let queue = server::queue(&url).await.with_lease(Duration::from_secs(2));
    let mut worker = Worker::open(&queue).await;
    let (beating, session) = (queue.clone(), worker.session);
    tokio::spawn(async move {
        while beating.heartbeat(session).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    let mut held: Vec<litink_core::queue::Leased> = Vec::new();
    loop {
        let turn = Turn {
            settle: held.iter().map(|it| complete(it.lease)).collect(),
            ..want(10, Duration::from_secs(4))
        };
        let exchanged = worker.turn(turn).await.unwrap();
        let idle = held.is_empty() && exchanged.leased.is_empty();
        for (job, settled) in held.iter().zip(exchanged.settled) {
            assert!(settled, "a lease was lost");
            println!("done {}", job.job.id);
        }
        held = exchanged.leased;
        if idle {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn two_processes_share_a_queue_and_one_may_be_killed() {
    const JOBS: usize = 3_000;
    let Some(server) = Own::start(&[]) else {
        return;
    };
    let queue = server.queue().await;
    let mut added = HashSet::new();
    for _ in 0..JOBS / 1_000 {
        let jobs: Vec<NewJob> = (0..1_000).map(|i| NewJob::new("kind", json!(i))).collect();
        queue.enqueue(&jobs).await.unwrap();
        added.extend(jobs.into_iter().map(|job| job.id));
    }
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "processes::worker", "--nocapture"])
            .env(URL, server.url())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap()
    };
    let (mut dies, one, two) = (start(), start(), start());
    tokio::time::sleep(Duration::from_millis(600)).await;
    dies.kill().unwrap();
    dies.wait().unwrap();
    let mut done = Vec::new();
    for process in [one, two] {
        let ended = process.wait_with_output().unwrap();
        assert!(ended.status.success());
        let text = String::from_utf8(ended.stdout).unwrap();
        let lines = text.lines().filter_map(|line| line.split("done ").nth(1));
        done.push(lines.count());
    }
    println!("settled by those that lived: {done:?}");
    assert!(done.iter().all(|done| *done > 100), "{done:?}");
    let ids: Vec<_> = added.into_iter().collect();
    for job in queue.get(&ids).await.unwrap() {
        let job = job.unwrap();
        assert_eq!(job.state, JobState::Completed);
        assert!(job.crashes <= 1, "{job:?}");
    }
}
