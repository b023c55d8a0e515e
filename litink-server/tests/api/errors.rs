//! Every answer that is an error is a problem.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http_body_util::Full;
use hyper::Method;
use litink_core::{
    Actor, Result,
    engine::Engine,
    repository::{
        Commit, Committed, Page, Query, Repository, RepositoryCapabilities, Row, Tallied,
    },
    schema::Table,
};
use litink_server::ServerConfig;
use serde_json::json;
use uuid::Uuid;

use crate::app::{App, json_body};

#[tokio::test]
async fn what_axum_refuses_is_a_problem_too() {
    let app = App::start().await;
    assert_eq!(app.get("/nowhere").await.problem(), "404 unknown_route");
    assert_eq!(
        app.get("/api/v1/nowhere").await.problem(),
        "404 unknown_route"
    );
    assert_eq!(app.get("/api/v1/books/7").await.problem(), "400 bad_path");
    assert_eq!(
        app.get("/api/v1/books?limit=x").await.problem(),
        "400 bad_query"
    );
    assert_eq!(
        app.get("/api/v1/books?limit=0").await.problem(),
        "422 bad_query"
    );
    assert_eq!(
        app.get("/api/v1/books?limit=201").await.problem(),
        "422 bad_query"
    );
    assert_eq!(
        app.get("/api/v1/books?nonsense=1").await.problem(),
        "400 bad_query"
    );
    assert_eq!(app.get("/api/v1/books?after=nonsense").await.status, 422);
    let wrong = app.get("/api/v1/plans").await;
    assert_eq!(wrong.problem(), "405 method_not_allowed");
    assert_eq!(wrong.header("allow"), "POST");
}

#[tokio::test]
async fn bodies_that_are_no_json_of_ours() {
    let app = App::start().await;
    let post = || app.request(Method::POST, "/api/v1/runs");
    let bad = post()
        .header("content-type", "application/json")
        .body(Full::from("{"))
        .unwrap();
    assert_eq!(app.send(bad).await.problem(), "400 bad_json");
    let text = post().body(Full::from("{}")).unwrap();
    assert_eq!(app.send(text).await.problem(), "415 not_json");
    let large = json!({"book_id": "x".repeat(300_000)});
    assert_eq!(
        app.send(json_body(post(), &large)).await.problem(),
        "413 body_too_large"
    );
}

#[tokio::test]
async fn a_request_keeps_its_id() {
    let app = App::start().await;
    let request = |id: &str| {
        let request = app
            .request(Method::GET, "/nowhere")
            .header("x-request-id", id);
        app.send(request.body(Full::default()).unwrap())
    };
    assert_eq!(request("mine-1").await.header("x-request-id"), "mine-1");
    let replaced = request("<script>").await;
    assert_ne!(replaced.header("x-request-id"), "<script>");
    replaced.problem();
}

#[tokio::test]
async fn a_full_server_and_a_slow_request() {
    let config = ServerConfig {
        max_concurrent_requests: 0,
        ..ServerConfig::default()
    };
    let full = App::with_config(config).await;
    let refused = full.get("/api/v1/books").await;
    assert_eq!(refused.problem(), "503 too_many_requests");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(full.get("/health/live").await.status, 200);

    let config = ServerConfig {
        request_timeout: Duration::from_millis(50),
        ..ServerConfig::default()
    };
    let hasty = App::of(config, engine_on(Ill::Hangs)).await;
    let late = hasty.get("/api/v1/books").await;
    assert_eq!(late.status, 504, "{late:?}");
    assert_eq!(hasty.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_server_goes_on() {
    let app = App::of(ServerConfig::default(), engine_on(Ill::Panics)).await;
    for _ in 0..2 {
        let refused = app.get("/api/v1/books").await;
        assert_eq!(refused.status, 500, "{refused:?}");
        let problem = refused.problem();
        assert!(!problem.contains("secret"), "{problem}");
    }
    assert_eq!(app.get("/health/live").await.status, 200);
}

fn engine_on(ill: Ill) -> Engine {
    Engine::builder().repository(Arc::new(ill)).build()
}

/// Rows that are never answered.
#[derive(Debug)]
enum Ill {
    Hangs,
    Panics,
}

impl Ill {
    async fn answer<T>(&self) -> Result<T> {
        match self {
            Self::Hangs => std::future::pending().await,
            Self::Panics => panic!("a secret of the house"),
        }
    }
}

#[async_trait]
impl Repository for Ill {
    fn capabilities(&self) -> RepositoryCapabilities {
        RepositoryCapabilities::new()
    }

    async fn get(&self, _: Actor, _: Table, _: &[Uuid]) -> Result<Vec<Option<Row>>> {
        self.answer().await
    }

    async fn list(&self, _: Actor, _: &Query) -> Result<Page<Row>> {
        self.answer().await
    }

    async fn tally(&self, _: Actor, _: &Query, _: &[&str], _: &[&str]) -> Result<Vec<Tallied>> {
        self.answer().await
    }

    async fn commit(&self, _: Actor, _: &Commit) -> Result<Committed> {
        self.answer().await
    }
}
