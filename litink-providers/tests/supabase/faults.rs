//! Answers that are lost, late, too long or nonsense.

use std::time::{Duration, Instant};

use hyper::Method;
use litink_core::{
    Actor, ErrorKind, Retry, UserId,
    repository::{Change, Commit, Query, Repository, RepositoryExt, Row},
    schema::Table,
};
use litink_providers::supabase::{SupabaseClient, SupabaseRepository};
use serde_json::json;
use uuid::Uuid;

use crate::{
    postgres,
    project::{Fault, Project, secret_key},
};

/// A row with a counter, without a parent.
async fn counter(repository: &SupabaseRepository) -> Uuid {
    let id = Uuid::now_v7();
    let row = json!({
        "id": id, "owner": UserId::random(), "state": "active", "email": "a", "password_hash": "b",
        "failures": 0,
    });
    let row = Row {
        table: Table::Accounts,
        columns: row.as_object().unwrap().clone(),
    };
    let insert = vec![Change::Insert(row)];
    repository.apply(Actor::Service, insert).await.unwrap();
    id
}

fn add_one(id: Uuid, key: Option<Uuid>) -> Commit {
    let changes = vec![Change::Increment {
        table: Table::Accounts,
        id,
        column: "failures".into(),
        by: 1,
        minimum: None,
    }];
    Commit { key, changes }
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_done_once() {
    let Some(database) = postgres::shared().await else {
        return;
    };
    let project = Project::with_rows(&database).await;
    let repository = project.repository();
    let id = counter(&repository).await;
    let mut expected = 0;
    for key in [None, Some(Uuid::now_v7())] {
        for fault in [
            Fault::LoseAnswer,
            Fault::Cut,
            Fault::status(503, "<html>"),
            Fault::status(500, r#"{"code":"40001","message":"m"}"#),
        ] {
            let key = key.map(|_| Uuid::now_v7());
            expected += 1;
            project
                .faults
                .order(Method::POST, "/litink_commit_v1", 2, fault);
            let commit = add_one(id, key);
            let done = repository.commit(Actor::Service, &commit).await.unwrap();
            assert!(!done.replayed, "it asks after its own commit");
            assert_eq!(done.changes[0].value, Some(expected));
            assert_eq!(project.faults.left(), 0);
            if key.is_some() {
                let again = repository.commit(Actor::Service, &commit).await.unwrap();
                assert!(again.replayed);
                assert_eq!(again.changes[0].value, Some(expected));
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_asked_for_again_until_the_deadline() {
    let project = Project::start().await;
    let config = project.config();
    let config = config
        .deadline(Duration::from_millis(900))
        .attempt(Duration::from_millis(300));
    let client = SupabaseClient::new(config).unwrap();
    let repository = SupabaseRepository::new(&client, secret_key());
    let slow = Fault::Slow(Duration::from_secs(60));
    project.faults.order(Method::POST, "/rpc/", 100, slow);
    let begun = Instant::now();
    let error = repository
        .list(Actor::Service, &Query::new(Table::Books))
        .await;
    let error = error.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Timeout, "supabase_timeout")
    );
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    assert!(project.seen("/rpc/").len() >= 2, "asked once only");
}

#[tokio::test]
async fn who_asks_to_wait_is_waited_for_within_the_deadline() {
    let project = Project::start().await;
    let repository = project.repository();
    let wait =
        |seconds: &str| Fault::Answer(429, vec![("retry-after", seconds.into())], "{}".into());
    project.faults.order(Method::POST, "/rpc/", 1, wait("1"));
    let page = Fault::status(200, r#"{"items":[],"more":false}"#);
    project.faults.order(Method::POST, "/rpc/", 1, page);
    let begun = Instant::now();
    let query = Query::new(Table::Books);
    repository.list(Actor::Service, &query).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    project.faults.order(Method::POST, "/rpc/", 1, wait("3600"));
    let begun = Instant::now();
    let error = repository.list(Actor::Service, &query).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(3600)));
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn an_answer_without_end_is_refused() {
    let project = Project::start().await;
    let client = SupabaseClient::new(project.config().max_reply_bytes(1_000)).unwrap();
    let repository = SupabaseRepository::new(&client, secret_key());
    let long = format!("\"{}\"", "x".repeat(2_000));
    project
        .faults
        .order(Method::POST, "/rpc/", 1, Fault::status(200, &long));
    let error = repository
        .list(Actor::Service, &Query::new(Table::Books))
        .await;
    assert_eq!(error.unwrap_err().code(), "reply_too_large");
    // An error may be as long as it likes: its beginning is enough.
    let long = "x".repeat(1 << 20);
    project
        .faults
        .order(Method::POST, "/rpc/", 1, Fault::status(500, &long));
    let error = repository
        .list(Actor::Service, &Query::new(Table::Books))
        .await;
    assert_eq!(error.unwrap_err().code(), "supabase_unavailable");
}

#[tokio::test]
async fn a_project_that_is_not_there_is_a_typed_error() {
    use litink_providers::supabase::SupabaseConfig;
    let config = SupabaseConfig::new("http://127.0.0.1:1").unwrap();
    let client = SupabaseClient::new(config.deadline(Duration::from_millis(500))).unwrap();
    let repository = SupabaseRepository::new(&client, secret_key());
    let error = repository
        .list(Actor::Service, &Query::new(Table::Books))
        .await;
    let error = error.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Unavailable, "supabase_unreachable")
    );
}
