//! `/health` and `/metrics`

use litink_core::engine::Engine;
use litink_server::ServerConfig;
use serde_json::json;

use crate::app::App;

#[tokio::test]
async fn it_lives_and_is_ready() {
    let app = App::with_token("a-token").await;
    let app = App { token: None, ..app };
    assert_eq!(
        app.get("/health/live").await.json(),
        json!({"status": "ok", "checks": {}})
    );
    let ready = app.get("/health/ready").await;
    assert_eq!(ready.status, 200);
    let checks = json!({
        "repository": "ok", "storage": "ok", "queue": "ok", "cache": "ok", "events": "ok",
    });
    assert_eq!(ready.json(), json!({"status": "ok", "checks": checks}));
}

#[tokio::test]
async fn requests_are_counted_by_route_and_not_by_path() {
    let app = App::start().await;
    let book = app.book().await;
    app.get(&format!("/api/v1/books/{book}")).await;
    app.get("/nowhere/at-all").await;
    let metrics = app.get("/metrics").await.text();
    let counted = r#"http_requests_total{method="GET",route="/api/v1/books/{id}",status="200"}"#;
    assert!(metrics.contains(counted), "{metrics}");
    assert!(
        metrics.contains(r#"route="unmatched",status="404""#),
        "{metrics}"
    );
    assert!(
        metrics.contains("http_request_duration_seconds_bucket"),
        "{metrics}"
    );
    assert!(
        !metrics.contains(&book) && !metrics.contains("nowhere"),
        "{metrics}"
    );
}

#[tokio::test]
async fn the_queue_is_measured() {
    let engine = Engine::builder().build();
    let app = App::of(ServerConfig::default(), engine.clone()).await;
    engine
        .queue()
        .enqueue(&[litink_core::queue::NewJob::new("measured", json!({}))])
        .await
        .unwrap();
    let metrics = app.get("/metrics").await.text();
    for line in [
        "litink_jobs{kind=\"measured\",state=\"available\"} 1",
        "litink_jobs{kind=\"measured\",state=\"running\"} 0",
        "litink_jobs_oldest_seconds{kind=\"measured\"}",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}
