//! Every answer that is an error is a problem.

use std::time::Duration;

use http_body_util::Full;
use hyper::Method;
use litink_server::ServerConfig;
use serde_json::json;

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
        request_timeout: Duration::ZERO,
        ..ServerConfig::default()
    };
    let hasty = App::with_config(config).await;
    let late = hasty.get("/api/v1/books").await;
    assert!(late.status == 504 || late.status == 200, "{late:?}");
}
