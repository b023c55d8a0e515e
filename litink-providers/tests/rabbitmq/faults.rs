//! What the broker may do to those who work.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::StreamExt;
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use litink_core::{
    JobId,
    backend::Backend,
    queue::{JobState, NewJob, Queue, Turn},
};
use litink_providers::rabbitmq::{RabbitQueue, RabbitServer};
use serde_json::json;

use crate::server::{Own, Worker, complete, want};

const KIND: &str = "kind";

/// Leases and completes until it is told to end; says how often each job was settled.
async fn work(queue: RabbitQueue, over: Arc<AtomicBool>) -> HashMap<JobId, u32> {
    let mut worker = Worker::open(&queue).await;
    let (beating, session) = (queue.clone(), worker.session);
    let beats = tokio::spawn(async move {
        while beating.heartbeat(session).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
    });
    let (mut done, mut settle) = (HashMap::new(), Vec::new());
    while !over.load(Ordering::SeqCst) {
        let turn = Turn {
            settle: std::mem::take(&mut settle),
            ..want(KIND, 5, Duration::from_secs(1))
        };
        let settled = turn.settle.clone();
        let exchanged = worker.turn(turn).await.unwrap();
        for (settle, accepted) in settled.iter().zip(exchanged.settled) {
            assert!(accepted, "a lease was lost");
            *done.entry(settle.lease.job).or_default() += 1;
        }
        assert_eq!(exchanged.lost, []);
        for leased in exchanged.leased {
            assert_eq!((leased.job.token, leased.job.crashes), (1, 0));
            settle.push(complete(leased.lease));
        }
        if !settle.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    beats.abort();
    done
}

async fn until_done(queue: &RabbitQueue, ids: &[JobId], longest: Duration) {
    let begun = Instant::now();
    loop {
        let jobs = queue.get(ids).await.unwrap();
        let open = jobs.iter().flatten();
        let open = open.filter(|job| job.state != JobState::Completed).count();
        assert_eq!(jobs.iter().flatten().count(), ids.len());
        if open == 0 {
            return;
        }
        assert!(begun.elapsed() < longest, "{open} are not done");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How long after its enqueue an idle worker with connections of its own has a job; the middle of
/// five.
async fn wakes_after(here: &RabbitQueue, there: &RabbitQueue) -> Duration {
    let mut times = Vec::new();
    for _ in 0..5 {
        let mut worker = Worker::open(there).await;
        let waiting = tokio::spawn(async move {
            let turn = want("wakes", 1, Duration::from_secs(20));
            assert_eq!(worker.turn(turn).await.unwrap().leased.len(), 1);
            Instant::now()
        });
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let begun = Instant::now();
        here.enqueue(&[NewJob::new("wakes", json!(0))])
            .await
            .unwrap();
        times.push(waiting.await.unwrap().duration_since(begun));
    }
    times.sort_unstable();
    println!("woken after {times:?}");
    times[2]
}

const SOON: Duration = Duration::from_millis(60);

async fn three(server: &Own, file: &Path) -> [RabbitQueue; 3] {
    [
        server.queue(file).await,
        server.queue(file).await,
        server.queue(file).await,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_broker_that_is_killed_amid_work_loses_no_job_and_gives_none_twice() {
    let Some(mut server) = Own::start(&[]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jobs.db");
    let [adds, one, two] = three(&server, &file).await;
    let over = Arc::new(AtomicBool::new(false));
    let workers = [&one, &two].map(|queue| tokio::spawn(work(queue.clone(), Arc::clone(&over))));
    let (mut ids, mut longest) = (Vec::new(), Duration::ZERO);
    for round in 0..200 {
        match round {
            60 => server.kill(),
            100 => {
                server = tokio::task::spawn_blocking(move || {
                    server.start_again();
                    server
                })
                .await
                .unwrap();
            }
            _ => {}
        }
        let jobs = [0, 1].map(|i| NewJob::new(KIND, json!(i)));
        let begun = Instant::now();
        adds.enqueue(&jobs).await.unwrap();
        longest = longest.max(begun.elapsed());
        ids.extend(jobs.map(|job| job.id));
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    until_done(&adds, &ids, Duration::from_secs(20)).await;
    over.store(true, Ordering::SeqCst);
    let mut done: HashMap<JobId, u32> = HashMap::new();
    for worker in workers {
        for (job, times) in worker.await.unwrap() {
            *done.entry(job).or_default() += times;
        }
    }
    println!("the longest enqueue took {longest:?}");
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    assert!(done.values().all(|times| *times == 1));
    // The broker is listened to again, once the pause between attempts is over.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let woken = wakes_after(&adds, &one).await;
    assert!(woken < SOON, "{woken:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_broker_without_memory_keeps_no_job_from_being_added_and_done() {
    let Some(server) = Own::start(&[]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let [adds, one, two] = three(&server, &folder.path().join("jobs.db")).await;
    let over = Arc::new(AtomicBool::new(false));
    let workers = [&one, &two].map(|queue| tokio::spawn(work(queue.clone(), Arc::clone(&over))));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let limit = |share: &str| server.control(&["set_vm_memory_high_watermark", share]);
    limit("0.0001");
    let (mut ids, mut longest) = (Vec::new(), Duration::ZERO);
    for round in 0..300 {
        let jobs = [0, 1].map(|i| NewJob::new(KIND, json!(i)));
        let begun = Instant::now();
        adds.enqueue(&jobs).await.unwrap();
        longest = longest.max(begun.elapsed());
        ids.extend(jobs.map(|job| job.id));
        if round % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    println!("the longest enqueue took {longest:?}");
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    // Who waits looks by itself.
    until_done(&adds, &ids, Duration::from_secs(30)).await;
    let blocked = server.control(&["list_connections", "state"]);
    assert!(blocked.contains("blocked"), "{blocked}");
    let seen = RabbitServer::open(&server.url())
        .await
        .unwrap()
        .check()
        .await;
    let codes: Vec<_> = seen
        .iter()
        .filter_map(|it| Some(it.outcome.as_ref().err()?.code()))
        .collect();
    assert_eq!(codes, ["rabbitmq_blocked"]);
    limit("0.4");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let woken = wakes_after(&adds, &one).await;
    assert!(woken < SOON, "{woken:?}");
    over.store(true, Ordering::SeqCst);
    for worker in workers {
        assert!(worker.await.unwrap().values().all(|times| *times == 1));
    }
}

/// Half an hour is a second here, so this job takes three hours.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_job_outlasts_the_brokers_patience_with_consumers() {
    const JOB: Duration = Duration::from_secs(6);
    let settings = ["consumer_timeout = 1000"];
    let Some(server) = Own::start(&settings) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let [adds, one, two] = three(&server, &folder.path().join("jobs.db")).await;
    let mut worker = Worker::open(&one).await;
    let (beating, session) = (one.clone(), worker.session);
    let beats = tokio::spawn(async move {
        while beating.heartbeat(session).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let waiting = tokio::spawn(async move {
        let turn = want(KIND, 1, Duration::from_secs(20));
        let leased = worker.turn(turn).await.unwrap().leased.remove(0);
        (worker, leased)
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    adds.enqueue(&[NewJob::new(KIND, json!(0))]).await.unwrap();
    let (mut worker, leased) = waiting.await.unwrap();
    // Meanwhile nobody else gets it.
    let mut other = Worker::open(&two).await;
    let nothing = other.turn(want(KIND, 1, JOB)).await.unwrap();
    assert_eq!(nothing.leased, []);
    let turn = Turn {
        settle: vec![complete(leased.lease)],
        ..Turn::default()
    };
    assert_eq!(worker.turn(turn).await.unwrap().settled, [true]);
    let job = adds.get(&[leased.job.id]).await.unwrap().remove(0).unwrap();
    assert_eq!(
        (job.state, job.token, job.crashes),
        (JobState::Completed, 1, 0)
    );
    beats.abort();
    assert!(!server.log().contains("timed out"), "a channel was closed");

    // That the broker has no more patience than this: a consumer that does not acknowledge.
    let beside = Connection::connect(&server.url(), ConnectionProperties::default())
        .await
        .unwrap();
    let channel = beside.create_channel().await.unwrap();
    let mut quorum = FieldTable::default();
    quorum.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare("slow".into(), durable, quorum)
        .await
        .unwrap();
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = channel
        .basic_consume("slow".into(), "".into(), options, none)
        .await
        .unwrap();
    let options = BasicPublishOptions::default();
    let publish = channel.basic_publish(
        "".into(),
        "slow".into(),
        options,
        b"",
        BasicProperties::default(),
    );
    publish.await.unwrap().await.unwrap();
    let _held = consumer.next().await.unwrap().unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(10), consumer.next())
        .await
        .unwrap();
    // 406, as for anybody who is too slow.
    let said = format!("{closed:?}");
    assert!(
        said.contains("timed out") || said.contains("PRECONDITION"),
        "{said}"
    );
}
