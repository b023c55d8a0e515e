//! `/api/v1/session`

use std::time::Duration;

use http_body_util::Full;
use hyper::{Method, header};
use litink_providers::Secret;
use litink_server::ServerConfig;
use serde_json::json;

use crate::app::{Answer, App};

/// A caller without the token, and the cookie of a session.
async fn opened(app: &App) -> String {
    let opened = app
        .post("/api/v1/session", json!({"token": "the-token"}))
        .await;
    assert_eq!(opened.status, 204, "{opened:?}");
    let cookie = opened.header("set-cookie").to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(
        !cookie.contains("the-token"),
        "the cookie does not hold the token"
    );
    cookie.split(';').next().unwrap().to_owned()
}

async fn with(app: &App, method: Method, path: &str, cookie: &str) -> Answer {
    let request = app
        .request(method, path)
        .header(header::COOKIE, format!("a=b; {cookie}"));
    app.send(request.body(Full::default()).unwrap()).await
}

#[tokio::test]
async fn a_session_stands_for_the_token_until_it_is_closed() {
    let app = App {
        token: None,
        ..App::with_token("the-token").await
    };
    let cookie = opened(&app).await;
    assert_eq!(
        with(&app, Method::GET, "/api/v1/books", &cookie)
            .await
            .status,
        200
    );
    let forged = "litink_session=0123456789";
    let refused = with(&app, Method::GET, "/api/v1/books", forged).await;
    assert_eq!(refused.problem(), "401 expired_token");
    assert_eq!(
        with(&app, Method::DELETE, "/api/v1/session", &cookie)
            .await
            .status,
        204
    );
    let refused = with(&app, Method::GET, "/api/v1/books", &cookie).await;
    assert_eq!(refused.problem(), "401 expired_token");
}

#[tokio::test]
async fn a_session_ends_by_itself() {
    let config = ServerConfig {
        access_token: Some(Secret::new("the-token")),
        session_ttl: Duration::from_secs(1),
        ..ServerConfig::default()
    };
    let mut app = App::with_config(config).await;
    let cookie = opened(&app).await;
    app.token = Some("the-token".into());
    let book = app.book().await;
    app.token = None;
    let path = format!("/api/v1/books/{book}");
    assert_eq!(with(&app, Method::GET, &path, &cookie).await.status, 200);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let refused = with(&app, Method::GET, &path, &cookie).await;
    assert_eq!(refused.problem(), "401 expired_token");
}
