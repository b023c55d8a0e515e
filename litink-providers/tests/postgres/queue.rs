//! Jobs on PostgreSQL beyond the contract: connections that are cut, several processes, jobs in the
//! caller's transaction, and who is told of what.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use litink_core::{
    JobId, UserId,
    queue::{Command, JobState, Limit, NewJob, Outcome, Queue, Settle, Turn, WorkerInfo},
};
use litink_providers::postgres::{PostgresDatabase, PostgresQueue};
use serde_json::json;
use sqlx::{Connection, postgres::PgListener};

use crate::server::{Fresh, run};

const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// A queue as another process has it: with connections of its own.
async fn open(fresh: &Fresh) -> PostgresQueue {
    let database = PostgresDatabase::open(fresh.url().as_str()).await.unwrap();
    PostgresQueue::new(database)
}

fn job(kind: &str) -> NewJob {
    NewJob::new(kind, json!({ "n": 1.0, "nul": "\0" }))
}

fn want(kind: &str, want: u32, wait: Duration) -> Turn {
    Turn {
        want,
        wait,
        kinds: vec![kind.to_owned()],
        ..Turn::default()
    }
}

/// Leases and completes until nothing comes for a while; says how often each job was settled.
async fn work(queue: PostgresQueue, kind: &'static str) -> BTreeMap<JobId, usize> {
    let session = queue.open(&WorkerInfo::default()).await.unwrap().id;
    let (mut done, mut settle, mut received) = (BTreeMap::new(), Vec::<Settle>::new(), 0);
    loop {
        let turn = Turn {
            settle: settle.clone(),
            received,
            ..want(kind, 7, Duration::from_secs(2))
        };
        let brought = queue.exchange(session, &turn).await.unwrap();
        for (settle, accepted) in settle.iter().zip(&brought.settled) {
            assert!(accepted, "nobody else holds it");
            *done.entry(settle.lease.job).or_default() += 1;
        }
        received = brought.number;
        let leased = brought.leased.into_iter().chain(brought.lost);
        settle = leased
            .map(|leased| Settle {
                lease: leased.lease,
                outcome: Outcome::Complete,
            })
            .collect();
        if settle.is_empty() && brought.settled.is_empty() {
            queue.close(session).await.unwrap();
            return done;
        }
    }
}

/// Two processes with two workers each, jobs of three tenants, some of them under a limit; and every
/// connection cut again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_job_is_settled_once_while_connections_are_cut() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let queues = [open(&fresh).await, open(&fresh).await];
    let limit = Command::Limit {
        key: "vendor".into(),
        limit: Some(Limit::concurrency(5)),
    };
    queues[0].control(&limit).await.unwrap();
    let tenants = [UserId::random(), UserId::random(), UserId::random()];
    let jobs: Vec<NewJob> = (0..300)
        .map(|i| {
            let job = job("cut").tenant(tenants[i % 3]);
            if i % 4 == 0 {
                job.limits(["vendor"])
            } else {
                job
            }
        })
        .collect();
    let cutting = async {
        let mut admin = fresh.connect().await;
        for _ in 0..8 {
            run(&mut admin, CUT).await.unwrap();
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    };
    let adding = async {
        for batch in jobs.chunks(20) {
            queues[0].enqueue(batch).await.unwrap();
        }
    };
    let workers = [0, 1, 0, 1].map(|i| tokio::spawn(work(queues[i].clone(), "cut")));
    let (done, (), ()) = tokio::join!(join_all(workers), cutting, adding);
    let mut settled: BTreeMap<JobId, usize> = BTreeMap::new();
    for (job, times) in done.into_iter().flat_map(Result::unwrap) {
        *settled.entry(job).or_default() += times;
    }
    assert_eq!(settled.len(), 300);
    assert!(settled.values().all(|times| *times == 1));
    let stats = queues[1].stats().await.unwrap();
    assert_eq!(stats[0].jobs, BTreeMap::from([(JobState::Completed, 300)]));
    // What was counted under the limit was given back, each once.
    let mut admin = fresh.connect().await;
    let running: i64 = sqlx::query_scalar("SELECT running FROM litink.job_limits")
        .fetch_one(&mut admin)
        .await
        .unwrap();
    assert_eq!(running, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_is_told_at_once_also_after_a_cut() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let (here, there) = (open(&fresh).await, open(&fresh).await);
    let session = there.open(&WorkerInfo::default()).await.unwrap().id;
    let mut received = 0;
    for cut in [false, true] {
        let turn = Turn {
            received,
            ..want("told", 1, Duration::from_secs(60))
        };
        let there = there.clone();
        let waiting = tokio::spawn(async move { there.exchange(session, &turn).await.unwrap() });
        tokio::time::sleep(Duration::from_millis(700)).await;
        if cut {
            let mut admin = fresh.connect().await;
            run(&mut admin, CUT).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1_500)).await;
        }
        let begun = Instant::now();
        here.enqueue(&[job("told")]).await.unwrap();
        let brought = waiting.await.unwrap();
        assert_eq!(brought.leased.len(), 1);
        received = brought.number;
        // Far below the looks of who hears nothing.
        let passed = begun.elapsed();
        assert!(passed < Duration::from_millis(240), "{passed:?}");
    }
}

#[tokio::test]
async fn nobody_is_told_while_nobody_waits() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let queue = open(&fresh).await;
    let mut listener = PgListener::connect(fresh.url().as_str()).await.unwrap();
    listener.listen("litink_jobs").await.unwrap();
    let session = queue.open(&WorkerInfo::default()).await.unwrap().id;
    let turn = want("quiet", 1, Duration::ZERO);
    queue.enqueue(&[job("quiet")]).await.unwrap();
    let received = queue.exchange(session, &turn).await.unwrap().number;
    let told = tokio::time::timeout(Duration::from_millis(500), listener.recv()).await;
    assert!(told.is_err(), "nobody waits");

    let waiting = Turn {
        received,
        ..want("quiet", 1, Duration::from_secs(60))
    };
    let waits = queue.exchange(session, &waiting);
    let enqueues = async {
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        queue.enqueue(&[job("other")]).await.unwrap();
        let told = tokio::time::timeout(Duration::from_millis(300), listener.recv()).await;
        assert!(told.is_err(), "nobody waits for this kind");
        queue.enqueue(&[job("quiet")]).await.unwrap();
        let told = tokio::time::timeout(Duration::from_secs(5), listener.recv()).await;
        told.unwrap().unwrap();
    };
    let (brought, ()) = tokio::join!(waits, enqueues);
    assert_eq!(brought.unwrap().leased.len(), 1);
}

#[tokio::test]
async fn jobs_come_with_the_callers_transaction_or_not_at_all() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let queue = open(&fresh).await;
    let mut connection = fresh.connect().await;
    let (kept, lost) = (job("with"), job("with"));
    let mut transaction = connection.begin().await.unwrap();
    let added = queue
        .enqueue_in(&mut transaction, std::slice::from_ref(&lost))
        .await;
    assert_eq!(added.unwrap()[0].id(), lost.id);
    transaction.rollback().await.unwrap();

    let session = queue.open(&WorkerInfo::default()).await.unwrap().id;
    let waits = want("with", 2, Duration::from_secs(60));
    let waits = queue.exchange(session, &waits);
    let mut connection = fresh.connect().await;
    let commits = async {
        let mut transaction = connection.begin().await.unwrap();
        queue
            .enqueue_in(&mut transaction, std::slice::from_ref(&kept))
            .await
            .unwrap();
        // Others are not held up meanwhile.
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        queue.enqueue(&[job("else")]).await.unwrap();
        assert_eq!(queue.get(&[kept.id]).await.unwrap(), [None]);
        let begun = Instant::now();
        transaction.commit().await.unwrap();
        begun
    };
    let (brought, committed) = tokio::join!(waits, commits);
    let passed = committed.elapsed();
    assert!(passed < Duration::from_millis(240), "{passed:?}");
    let leased = brought.unwrap().leased;
    assert_eq!(leased[0].job.id, kept.id);
    assert_eq!(leased[0].job.args, kept.args, "as it was given");
    assert_eq!(queue.get(&[lost.id]).await.unwrap(), [None]);
}

/// What a job wrote and its end are there together, or neither is; and no heartbeat waits for it.
#[tokio::test]
async fn a_job_ends_with_the_callers_transaction_or_not_at_all() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let queue = open(&fresh).await;
    let mut connection = fresh.connect().await;
    run(&mut connection, "create table mail (job uuid)")
        .await
        .unwrap();
    queue.enqueue(&[job("mail")]).await.unwrap();
    let session = queue.open(&WorkerInfo::default()).await.unwrap().id;
    let turn = want("mail", 1, Duration::ZERO);
    let lease = queue.exchange(session, &turn).await.unwrap().leased[0].lease;
    let settles = [Settle {
        lease,
        outcome: Outcome::Complete,
    }];
    for (ends, state) in [
        ("rollback", JobState::Running),
        ("commit", JobState::Completed),
    ] {
        let mut transaction = connection.begin().await.unwrap();
        let wrote = sqlx::query("insert into mail values ($1)").bind(lease.job.0);
        wrote.execute(&mut *transaction).await.unwrap();
        let settled = queue.settle_in(&mut transaction, session, &settles).await;
        assert_eq!(settled.unwrap(), [true]);
        queue.heartbeat(session).await.unwrap();
        match ends {
            "commit" => transaction.commit().await.unwrap(),
            _ => transaction.rollback().await.unwrap(),
        }
        let known = queue.get(&[lease.job]).await.unwrap();
        assert_eq!(
            known[0].as_ref().map(|job| job.state),
            Some(state),
            "{ends}"
        );
        let mails: i64 = sqlx::query_scalar("select count(*) from mail")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(mails, i64::from(ends == "commit"));
    }
    // Again, it still counts; of another session, it does not; without one, there is nothing to settle.
    let mut transaction = connection.begin().await.unwrap();
    let again = queue.settle_in(&mut transaction, session, &settles).await;
    assert_eq!(again.unwrap(), [true]);
    let other = queue.open(&WorkerInfo::default()).await.unwrap().id;
    let others = queue.settle_in(&mut transaction, other, &settles).await;
    assert_eq!(others.unwrap(), [false]);
    transaction.rollback().await.unwrap();
    queue.close(other).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    let lost = queue.settle_in(&mut transaction, other, &settles).await;
    assert_eq!(lost.unwrap_err().code(), "session_lost");
}

/// Hundreds of workers and one job: one gets it, and nobody fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_wait_one_gets_the_job() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let queue = open(&fresh).await;
    let waiting = join_all((0..60).map(|_| {
        let queue = queue.clone();
        async move {
            let session = queue.open(&WorkerInfo::default()).await.unwrap().id;
            let turn = want("herd", 1, Duration::from_secs(4));
            queue.exchange(session, &turn).await.unwrap().leased.len()
        }
    }));
    let adding = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        queue.enqueue(&[job("herd")]).await.unwrap();
    };
    let (leased, ()) = tokio::join!(waiting, adding);
    assert_eq!(leased.iter().sum::<usize>(), 1);
}

/// A queue that is dropped leaves no connection that listens.
#[tokio::test]
async fn what_listens_goes_with_the_queue() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let queue = Arc::new(open(&fresh).await);
    let session = queue.open(&WorkerInfo::default()).await.unwrap().id;
    let turn = want("gone", 1, Duration::from_millis(1_200));
    queue.exchange(session, &turn).await.unwrap();
    let mut admin = fresh.connect().await;
    let listening = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    let count: i64 = sqlx::query_scalar(listening)
        .fetch_one(&mut admin)
        .await
        .unwrap();
    assert_eq!(count, 1);
    drop(queue);
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let count: i64 = sqlx::query_scalar(listening)
            .fetch_one(&mut admin)
            .await
            .unwrap();
        if count == 0 {
            return;
        }
    }
    panic!("it listens still");
}
