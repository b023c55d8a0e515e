//! Waiting without asking again and again, being woken, and messages that are no hints.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::StreamExt;
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions},
    types::FieldTable,
};
use litink_core::{
    backend::Backend,
    queue::{NewJob, Queue, Turn},
};
use litink_providers::rabbitmq::RabbitServer;
use serde_json::json;
use uuid::Uuid;

use crate::server::{self, LEASE, Worker, complete, want};

const URL: &str = "LITINK_TEST_RABBITMQ_WORKER";
const FILE: &str = "LITINK_TEST_RABBITMQ_FILE";
/// Long enough to be listened to.
const SETTLED: Duration = Duration::from_secs(2);

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

/// Not a test: what the other process does. It says how late it got each job, until it gets none.
#[tokio::test]
#[ignore = "run by a_worker_in_another_process_is_woken_in_milliseconds"]
async fn worker() {
    let (Ok(url), Ok(file)) = (std::env::var(URL), std::env::var(FILE)) else {
        return;
    };
    let queue = server::queue(&url, file.as_ref(), LEASE).await;
    let mut worker = Worker::open(&queue).await;
    println!("\nwaits");
    let mut settle = Vec::new();
    loop {
        let turn = Turn {
            settle: std::mem::take(&mut settle),
            ..want("woken", 1, Duration::from_secs(8))
        };
        let exchanged = worker.turn(turn).await.unwrap();
        let Some(leased) = exchanged.leased.first() else {
            if exchanged.settled.is_empty() {
                return;
            }
            continue;
        };
        println!("\nlate {}", now_ms() - leased.job.args.as_u64().unwrap());
        settle.push(complete(leased.lease));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_in_another_process_is_woken_in_milliseconds() {
    const JOBS: usize = 15;
    let Some(url) = server::url() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jobs.db");
    let queue = server::queue(&url, &file, LEASE).await;
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "hints::worker", "--nocapture"])
        .env(URL, &url)
        .env(FILE, &file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "waits"));
    tokio::time::sleep(SETTLED).await;
    for _ in 0..JOBS {
        let job = NewJob::new("woken", json!(now_ms()));
        queue.enqueue(&[job]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(230)).await;
    }
    let late = |line: std::io::Result<String>| line.unwrap().strip_prefix("late ")?.parse().ok();
    let mut late: Vec<u64> = lines.filter_map(late).collect();
    assert!(other.wait().unwrap().success());
    late.sort_unstable();
    println!("a job reached the other process after so many ms: {late:?}");
    assert_eq!(late.len(), JOBS);
    // By itself it looks every five seconds, or where it hears nothing at most four times a second.
    assert!(late[JOBS / 2] < 60, "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_hint_is_a_dead_letter_and_nobody_gets_it_again() {
    let Some(url) = server::url() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let queue = server::queue(&url, &folder.path().join("jobs.db"), LEASE).await;
    let kind = format!("garbage{}", Uuid::new_v4().simple());
    let mut worker = Worker::open(&queue).await;
    let turn = want(&kind, 1, Duration::from_secs(30));
    let waiting = tokio::spawn(async move { worker.turn(turn).await.unwrap().leased.len() });
    tokio::time::sleep(SETTLED).await;

    let beside = Connection::connect(&url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = beside.create_channel().await.unwrap();
    let large = "\0".repeat(1 << 20);
    let strangers = [
        format!("no JSON {kind}"),
        format!("{{\"litink\":99,\"kind\":\"{kind}\"}}"),
        format!("{{\"litink\":1,\"kind\":\"{kind}\",\"command\":\"stop\"}}"),
        format!("{kind}{large}"),
    ];
    for message in &strangers {
        let publish = channel.basic_publish(
            "litink.jobs".into(),
            kind.as_str().into(),
            BasicPublishOptions::default(),
            message.as_bytes(),
            BasicProperties::default(),
        );
        publish.await.unwrap().await.unwrap();
    }
    // Long enough to go round, if it did.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let options = BasicConsumeOptions::default();
    let mut dead = channel
        .basic_consume(
            "litink.dead".into(),
            "".into(),
            options,
            FieldTable::default(),
        )
        .await
        .unwrap();
    let mut found = Vec::new();
    while let Ok(Some(Ok(message))) =
        tokio::time::timeout(Duration::from_secs(1), dead.next()).await
    {
        let body = String::from_utf8_lossy(&message.data).into_owned();
        if body.contains(&kind) {
            message.ack(BasicAckOptions::default()).await.unwrap();
            found.push(body);
        }
    }
    assert_eq!(found.len(), strangers.len(), "each once");
    assert!(strangers.iter().all(|it| found.contains(it)));

    // And hints go on.
    assert!(!waiting.is_finished());
    let other = server::queue(&url, &folder.path().join("jobs.db"), LEASE).await;
    let begun = std::time::Instant::now();
    other
        .enqueue(&[NewJob::new(&kind, json!(0))])
        .await
        .unwrap();
    assert_eq!(waiting.await.unwrap(), 1);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_finds_a_broker_well_and_no_error_shows_a_password() {
    let Some(url) = server::url() else {
        return;
    };
    let open = RabbitServer::open(&url).await.unwrap();
    for check in open.check().await {
        check.outcome.unwrap();
    }
    let mut wrong: url::Url = url.parse().unwrap();
    wrong.set_password(Some("canary")).unwrap();
    let error = RabbitServer::open(wrong.as_str()).await.unwrap_err();
    assert_eq!(error.code(), "rabbitmq_refused", "{error}");
    assert!(!format!("{error:?} {open:?} {}", open.describe()).contains("canary"));
    let mut elsewhere: url::Url = url.parse().unwrap();
    elsewhere.set_path("/nowhere");
    let error = RabbitServer::open(elsewhere.as_str()).await.unwrap_err();
    assert_eq!(error.code(), "rabbitmq_vhost", "{error}");
}
