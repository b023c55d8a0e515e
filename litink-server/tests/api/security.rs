//! Who is let in, from where.

use http_body_util::Full;
use hyper::{Method, header};
use litink_core::{ErrorKind, engine::Engine};
use litink_server::{ServerConfig, serve};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::{App, BOOK, form, json_body};

#[tokio::test]
async fn off_loopback_it_does_not_start_without_a_token() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    // Even where the settings claim otherwise: the listener decides.
    let config = ServerConfig::default();
    let stop = CancellationToken::new();
    let error = serve(Engine::builder().build(), config, listener, stop)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Configuration, "token_required")
    );
    assert!(error.message().contains("LITINK_ACCESS_TOKEN"));
}

#[tokio::test]
async fn without_the_token_nothing_is_shown() {
    let app = App::with_token("the-token").await;
    assert_eq!(app.get("/api/v1/books").await.status, 200);
    let open = App { token: None, ..app };
    let paths = [
        "/api/v1/books",
        "/api/v1/runs",
        "/api/v1/providers",
        "/api/v1/formats",
        "/metrics",
    ];
    for path in paths {
        let refused = open.get(path).await;
        assert_eq!(refused.problem(), "401 missing_token", "{path}");
        assert_eq!(
            refused.header("www-authenticate"),
            "Bearer realm=\"litink\""
        );
    }
    let upload = open.upload("sea.txt", BOOK.as_bytes()).await;
    assert_eq!(upload.problem(), "401 missing_token");
    for given in ["Bearer wrong", "Basic dGhlLXRva2Vu", "the-token"] {
        let request = open.request(Method::GET, "/api/v1/books");
        let request = request
            .header(header::AUTHORIZATION, given)
            .body(Full::default())
            .unwrap();
        assert_eq!(
            open.send(request).await.problem(),
            "401 bad_token",
            "{given}"
        );
    }
}

#[tokio::test]
async fn other_sites_change_nothing() {
    let app = App::start().await;
    let post = |name: &'static str, value: &str| {
        let request = app
            .request(Method::POST, "/api/v1/books")
            .header(name, value);
        app.send(form(request, "file", "sea.txt", BOOK.as_bytes()))
    };
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:1"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        assert_eq!(
            post(name, value).await.problem(),
            "403 cross_origin",
            "{name}: {value}"
        );
    }
    assert_eq!(app.get("/api/v1/books").await.json()["items"], json!([]));
    let own = format!("http://{}", app.address);
    assert_eq!(post("origin", &own).await.status, 201);
}

#[tokio::test]
async fn an_open_server_answers_to_its_own_names_only() {
    let app = App::start().await;
    let called = |host: &str| {
        let request = hyper::Request::get("/api/v1/books").header(header::HOST, host);
        app.send(request.body(Full::default()).unwrap())
    };
    assert_eq!(called("evil.example").await.problem(), "421 foreign_host");
    assert_eq!(
        called("127.0.0.1.evil.example:80").await.problem(),
        "421 foreign_host"
    );
    assert_eq!(called("localhost:7878").await.status, 200);
    let page = hyper::Request::get("/").header(header::HOST, "evil.example");
    assert_eq!(
        app.send(page.body(Full::default()).unwrap()).await.status,
        421
    );
}

#[tokio::test]
async fn answers_carry_the_headers_that_browsers_heed() {
    let app = App::start().await;
    for path in ["/", "/api/v1/books", "/nowhere", "/docs/"] {
        let answer = app.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert!(
            answer
                .header("content-security-policy")
                .contains("frame-ancestors 'none'")
        );
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
}

#[tokio::test]
async fn a_wrong_token_is_not_repeated_in_the_answer() {
    let app = App::with_token("the-token").await;
    let open = App { token: None, ..app };
    let request = json_body(
        open.request(Method::POST, "/api/v1/session"),
        &json!({"token": "canary"}),
    );
    let refused = open.send(request).await;
    assert_eq!(refused.problem(), "401 bad_token");
    assert!(!refused.text().contains("canary"));
    let request = json_body(
        open.request(Method::POST, "/api/v1/session"),
        &json!({"token": ["canary"]}),
    );
    let refused = open.send(request).await;
    assert!(!refused.text().contains("canary"), "{refused:?}");
}
