//! What the vendor works on by itself: text in the background, and films.

use std::sync::Arc;

use futures::TryStreamExt;
use litink_core::{
    Charge, ErrorKind, GenerationId, Result, Retry,
    provider::{
        CallContext, Generated, GenerationProvider, MediaBody, Operation, Output, Reply, Request,
        VideoRequest,
    },
};
use litink_providers::openai::OpenAiProvider;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    answers::{error, film, video},
    programs::{free_port, installed, start},
    server::{Answer, Server},
    shapes::text,
    streams::text_of,
};

fn context() -> CallContext {
    CallContext::new(GenerationId::random())
}

async fn begun(provider: &OpenAiProvider, request: &Request) -> Operation {
    match provider.generate(request, &context()).await.unwrap() {
        Reply::Pending(operation) => operation,
        other => panic!("{other:?}"),
    }
}

async fn ended(provider: &OpenAiProvider, operation: &Operation) -> Result<Generated> {
    match provider.poll(operation, &context()).await? {
        Reply::Done(made) => Ok(*made),
        other => panic!("{other:?}"),
    }
}

fn background(server: &Server) -> OpenAiProvider {
    let mut config = server.config("openai");
    config.background = true;
    OpenAiProvider::new(config).unwrap()
}

fn response(status: &str, said: &str) -> Value {
    json!({ "id": "resp_7/x", "status": status, "model": "m-1",
        "output": [{ "type": "message", "content": [{ "type": "output_text", "text": said }] }],
        "usage": { "input_tokens": 1000, "output_tokens": 10 } })
}

#[tokio::test]
async fn text_in_the_background_is_asked_for_by_its_id() {
    let server = Server::start().await;
    let provider = background(&server);
    let queued = Answer::json(200, &response("queued", ""));
    server.order(queued.header("openai-poll-after-ms", "750"));
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } },
        "required": ["n"] });
    let operation = begun(&provider, &text(Some(schema))).await;
    assert_eq!(operation.poll_after_ms, 750);
    let sent = server.seen()[0].json();
    assert_eq!(
        (&sent["background"], &sent["store"]),
        (&json!(true), &json!(true))
    );
    // It is stored, and read again by another process.
    let stored = serde_json::to_string(&operation).unwrap();
    assert!(!stored.contains("Hello"), "no book's text: {stored}");
    let operation: Operation = serde_json::from_str(&stored).unwrap();
    let provider = background(&server);
    server.order(Answer::json(200, &response("in_progress", "")));
    assert!(matches!(
        provider.poll(&operation, &context()).await.unwrap(),
        Reply::Pending(_)
    ));
    assert_eq!(server.seen()[1].path, "/v1/responses/resp_7%2Fx");
    server.order(Answer::json(200, &response("completed", r#"{"n": 7}"#)));
    let made = ended(&provider, &operation).await.unwrap();
    assert_eq!(made.usage.output_tokens, Some(10));
    assert!(made.cost().nanos().is_some(), "priced as without");
    assert_eq!(text_of(made), r#"{"n":7}"#);
    for (answer, code, retry) in [
        // The question failed: it is asked again.
        (
            Answer::json(503, &error("x")),
            "provider_overloaded",
            Retry::Backoff,
        ),
        // What is over is over.
        (
            Answer::json(200, &response("failed", "")),
            "provider_failed",
            Retry::Never,
        ),
        (
            Answer::json(200, &response("completed", "prose")),
            "schema_mismatch",
            Retry::Never,
        ),
        (Answer::json(404, &error("")), "not_found", Retry::Never),
    ] {
        server.order(answer);
        let error = ended(&provider, &operation).await.unwrap_err();
        assert_eq!((error.code(), error.retry()), (code, retry));
    }
    for answer in [
        Answer::json(200, &response("cancelled", "")),
        Answer::json(400, &error("")),
        Answer::json(404, &error("")),
    ] {
        server.order(answer);
        provider.cancel(&operation, &context()).await.unwrap();
    }
    let last = server.seen().pop().unwrap();
    assert_eq!(last.path, "/v1/responses/resp_7%2Fx/cancel");
    server.order(Answer::json(503, &error("")));
    provider.cancel(&operation, &context()).await.unwrap_err();
    // One that is done at once is done.
    let made = provider.generate(&text(None), &context()).await.unwrap();
    assert!(matches!(made, Reply::Done(_)));
}

fn clip() -> Request {
    let mut clip = VideoRequest::default();
    clip.prompt = "A clock strikes".into();
    clip.duration_ms = Some(3_200);
    Request::new(clip)
}

#[tokio::test]
async fn a_film_is_begun_asked_for_and_fetched() {
    let server = Server::start().await;
    let provider = server.provider("generic");
    let operation = begun(&provider, &clip()).await;
    let sent = server.seen()[0].json();
    assert_eq!(
        (&sent["seconds"], &sent["size"]),
        (&json!("4"), &json!("1280x720"))
    );
    server.order(Answer::json(200, &video("in_progress", 40)));
    match provider.poll(&operation, &context()).await.unwrap() {
        Reply::Pending(operation) => assert_eq!(operation.progress, Some(0.4)),
        other => panic!("{other:?}"),
    }
    let made = ended(&provider, &operation).await.unwrap();
    assert_eq!(made.usage.output_ms, Some(4_000));
    let Output::Video { video: media } = made.output else {
        panic!("{made:?}");
    };
    let MediaBody::Stream(stream) = media.body else {
        panic!("it is not held");
    };
    let pieces: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), film());
    let key = server.seen().pop().unwrap();
    assert!(
        key.headers.contains_key("authorization"),
        "content wants the key"
    );
    for (code, own, kind) in [
        (
            "moderation_blocked",
            "content_refused",
            ErrorKind::InvalidInput,
        ),
        ("server_error", "provider_failed", ErrorKind::Provider),
    ] {
        let mut failed = video("failed", 30);
        failed["error"] = json!({ "code": code, "message": "canary" });
        server.order(Answer::json(200, &failed));
        let error = ended(&provider, &operation).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), (own, kind));
        assert_eq!(
            (error.retry(), error.charge()),
            (Retry::Never, Charge::Maybe)
        );
        assert!(!format!("{error:?}").contains("canary"));
    }
    server.order(Answer::json(404, &error("")));
    let error = ended(&provider, &operation).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::NotFound, Retry::Never)
    );
    provider.cancel(&operation, &context()).await.unwrap();
    assert_eq!(server.seen().pop().unwrap().method, "DELETE");
    // OpenAI itself makes none any more.
    let error = server
        .provider("openai")
        .generate(&clip(), &context())
        .await;
    assert_eq!(error.unwrap_err().code(), "unsupported_modality");
}

#[tokio::test]
async fn a_film_of_aimock_is_finished() {
    let Some(modules) = installed("LITINK_TEST_OPENAI_NPM") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fixtures.json");
    let fixtures = json!({ "fixtures": [{ "match": { "endpoint": "video" }, "response": {
        "video": { "id": "video_9", "status": "completed", "url": "http://x.invalid/a.mp4" } } }] });
    std::fs::write(&file, fixtures.to_string()).unwrap();
    let port = free_port();
    let mut node = Command::new("node");
    node.arg(modules.join(".bin/llmock"));
    node.args(["-p", &port.to_string(), "-f"]).arg(&file);
    let _running = start(&node, port).await;
    let provider = of_port(port, "generic", |config| {
        config.video_model = Some("sora-2".into());
    });
    let operation = begun(&provider, &clip()).await;
    // It serves no bytes: an operation that is finished, and whose film is not there.
    let error = ended(&provider, &operation).await.unwrap_err();
    assert_eq!(error.code(), "no_such_endpoint", "{error:?}");
}

#[tokio::test]
async fn text_in_the_background_of_mock_ai_api_is_finished() {
    let Some(python) = installed("LITINK_TEST_OPENAI_PYTHON") else {
        return;
    };
    let (port, other) = (free_port(), free_port());
    let mut server = Command::new(python.join("bin/mock-ai-api"));
    server.args(["--openai-port", &port.to_string()]);
    server.args(["--anthropic-port", &other.to_string()]);
    let _running = start(&server, port).await;
    let provider = of_port(port, "openai", |config| config.background = true);
    let reply = provider.generate(&text(None), &context()).await.unwrap();
    let made = match reply {
        // Some versions are done at once.
        Reply::Done(made) => *made,
        Reply::Pending(operation) => ended(&provider, &operation).await.unwrap(),
        other => panic!("{other:?}"),
    };
    assert!(!text_of(made).is_empty());
}

fn of_port(
    port: u16,
    dialect: &str,
    set: impl FnOnce(&mut litink_providers::openai::OpenAiConfig),
) -> OpenAiProvider {
    use litink_providers::{
        Secret,
        openai::{Dialect, OpenAiConfig},
    };
    let url = format!("http://127.0.0.1:{port}/v1");
    let config = OpenAiConfig::new(&url, Some(Secret::new("sk-test"))).unwrap();
    let mut config = config.dialect(Dialect::named(dialect).unwrap());
    set(&mut config);
    OpenAiProvider::new(config).unwrap()
}

mod conformance {
    use super::*;

    litink_core::provider_conformance!(Arc::new(background(&Server::start().await)));
}

#[tokio::test]
async fn openrouters_films_of_aimock_are_finished_and_fetched() {
    let Some(modules) = installed("LITINK_TEST_OPENAI_NPM") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fixtures.json");
    let bytes = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, film());
    let fixtures = json!({ "fixtures": [{ "match": { "endpoint": "video" }, "response": {
        "video": { "id": "v", "status": "completed", "b64": bytes, "cost": 0.25 } } }] });
    std::fs::write(&file, fixtures.to_string()).unwrap();
    let port = free_port();
    let mut node = Command::new("node");
    node.arg(modules.join(".bin/llmock"));
    node.args(["-p", &port.to_string(), "-f"]).arg(&file);
    let _running = start(&node, port).await;
    let config = litink_providers::openai::OpenAiConfig::new(
        &format!("http://127.0.0.1:{port}/api/v1"),
        Some(litink_providers::Secret::new("sk-test")),
    );
    let dialect = litink_providers::openai::Dialect::named("openrouter").unwrap();
    let mut config = config.unwrap().dialect(dialect);
    config.video_model = Some("google/veo-3.1".into());
    let provider = OpenAiProvider::new(config).unwrap();
    let mut operation = begun(&provider, &clip()).await;
    let made = loop {
        match provider.poll(&operation, &context()).await.unwrap() {
            Reply::Pending(again) => operation = again,
            Reply::Done(made) => break made,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(made.cost_nanos, Some(250_000_000));
    let Output::Video { video: media } = made.output else {
        panic!("no film");
    };
    let MediaBody::Stream(stream) = media.body else {
        panic!("it is not held");
    };
    let pieces: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), film());
}
