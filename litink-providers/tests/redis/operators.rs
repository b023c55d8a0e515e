//! What those who run litink see.

use std::time::Duration;

use litink_core::{
    backend::Backend,
    queue::{JobState, NewJob, Queue},
};
use litink_providers::redis::{RedisQueue, RedisServer};

use serde_json::json;

use crate::server::Own;

async fn check(server: &RedisServer) -> Vec<(&'static str, Result<String, String>)> {
    let checks = server.check().await.into_iter();
    let told = |outcome: litink_core::Result<String>| outcome.map_err(|it| it.code().to_owned());
    checks.map(|it| (it.name, told(it.outcome))).collect()
}

#[tokio::test]
async fn checks_say_what_a_server_does_to_jobs() {
    let Some(server) = Own::start(&["--appendfsync", "always"]) else {
        return;
    };
    let open = RedisServer::open(&server.url()).await.unwrap();
    let names: Vec<_> = check(&open).await.into_iter().map(|it| it.0).collect();
    assert_eq!(names, ["reachable", "version", "write", "clock"]);
    RedisQueue::new(open.clone()).await.unwrap();
    let checks = check(&open).await;
    let names: Vec<_> = checks.iter().map(|it| it.0).collect();
    assert_eq!(
        names,
        [
            "reachable",
            "version",
            "eviction",
            "persistence",
            "write",
            "clock"
        ]
    );
    assert!(checks.iter().all(|it| it.1.is_ok()), "{checks:?}");
    open.ready().await.unwrap();

    let mut beside = server.connect();
    for (name, value) in [("appendonly", "no"), ("maxmemory-policy", "volatile-lru")] {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET")
            .arg(name)
            .arg(value)
            .exec(&mut beside)
            .unwrap();
    }
    let bad: Vec<_> = check(&open)
        .await
        .into_iter()
        .filter(|it| it.1.is_err())
        .collect();
    assert_eq!(
        bad,
        [
            ("eviction", Err("redis_evicts".to_owned())),
            ("persistence", Err("redis_not_durable".to_owned()))
        ]
    );
    assert_eq!(open.ready().await.unwrap_err().code(), "redis_evicts");
}

#[tokio::test]
async fn a_wrong_password_says_so_and_not_what_it_was() {
    let Some(server) = Own::start(&[]) else {
        return;
    };
    let mut set = redis::cmd("CONFIG");
    set.arg("SET").arg("requirepass").arg("right");
    set.exec(&mut server.connect()).unwrap();
    for login in ["", ":canary@"] {
        let url = server.url().replace("//", &format!("//{login}"));
        let error = RedisServer::open(&url).await.unwrap_err();
        assert_eq!(error.code(), "redis_login_refused", "{login}");
        assert!(!format!("{error:?}").contains("canary"));
    }
    let url = server.url().replace("//", "//:right@");
    let open = RedisServer::open(&url).await.unwrap();
    assert!(!open.describe().contains("right"), "{}", open.describe());
    assert!(!format!("{open:?}").contains("right"));
}

#[tokio::test]
async fn what_is_due_counts_as_available_without_any_worker() {
    let Some(server) = Own::start(&[]) else {
        return;
    };
    let queue = server.queue().await;
    let jobs: Vec<NewJob> = (0..1_000)
        .map(|i| NewJob::new("kind", json!(i)).delay(Duration::from_millis(400)))
        .collect();
    queue.enqueue(&jobs).await.unwrap();
    let count = async |state| {
        let stats = queue.stats().await.unwrap();
        stats[0].jobs.get(&state).copied().unwrap_or_default()
    };
    assert_eq!(count(JobState::Scheduled).await, 1_000);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(count(JobState::Available).await, 1_000);
    assert_eq!(count(JobState::Scheduled).await, 0);
}
