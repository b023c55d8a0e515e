use std::sync::{Arc, Mutex};

use litink_core::{
    Charge, Error, GenerationId, Result, Retry,
    provider::{
        CallContext, Cost, Deltas, EmbeddingRequest, Generated, GenerationProvider, Message,
        Output, Reply, Request, Role, TextRequest,
    },
};
use litink_providers::{
    Secret,
    anthropic::{self, AnthropicProvider},
    gemini::{self, GeminiProvider},
    vendor::{TextProvider, TextVendor, VendorConfig},
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::programs::{Running, free_port, installed, start};

const KEY: &str = "sk-canary";

fn request(said: &str, schema: Option<Value>) -> Request {
    let mut text = TextRequest::default();
    let message = |role, text: &str| Message {
        role,
        text: text.to_owned(),
    };
    text.messages = vec![
        message(Role::System, "Be brief."),
        message(Role::User, said),
    ];
    text.schema = schema;
    text.max_output_tokens = Some(64);
    Request::new(text)
}

async fn made(provider: &dyn GenerationProvider, request: &Request) -> Result<Generated> {
    let context = CallContext::new(GenerationId::random());
    match provider.generate(request, &context).await? {
        Reply::Done(made) => Ok(*made),
        other => panic!("{other:?}"),
    }
}

/// What a call gave, and the pieces that came before.
async fn streamed(
    provider: &dyn GenerationProvider,
    request: &Request,
) -> (Result<Generated>, Vec<String>) {
    let pieces = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&pieces);
    let mut context = CallContext::new(GenerationId::random());
    context.deltas = Some(Deltas::new(move |piece| {
        told.lock().unwrap().push(piece.to_owned());
    }));
    let reply = provider.generate(request, &context).await;
    let made = reply.map(|reply| match reply {
        Reply::Done(made) => *made,
        other => panic!("{other:?}"),
    });
    let pieces = pieces.lock().unwrap().clone();
    (made, pieces)
}

fn text_of(made: Generated) -> String {
    match made.output {
        Output::Text { text } => text,
        other => panic!("{other:?}"),
    }
}

/// aimock, which answers with what is told here.
async fn aimock() -> Option<(Running, tempfile::TempDir)> {
    let modules = installed("LITINK_TEST_OPENAI_NPM")?;
    let folder = tempfile::tempdir().unwrap();
    let usage = json!({ "input_tokens": 1_000, "output_tokens": 10, "prompt_tokens": 1_000,
        "completion_tokens": 10, "total_tokens": 1_010 });
    let says = |word: &str, content: &str, more: Value| {
        let mut response = json!({ "content": content, "usage": usage });
        response
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "match": { "endpoint": "chat", "userMessage": word }, "response": response })
    };
    let mut fixtures = vec![
        says("number", r#"{"number": 7}"#, json!({})),
        says("prose", "Seven, of course.", json!({})),
        says(
            "long",
            "It goes on and",
            json!({ "finishReason": "length" }),
        ),
    ];
    fixtures.push(json!({ "match": { "endpoint": "chat" },
        "response": { "content": "Hello.", "usage": usage } }));
    let file = folder.path().join("fixtures.json");
    std::fs::write(&file, json!({ "fixtures": fixtures }).to_string()).unwrap();
    let port = free_port();
    let mut node = Command::new("node");
    node.arg(modules.join(".bin/llmock"));
    node.args(["-p", &port.to_string(), "-f"]).arg(&file);
    Some((start(&node, port).await, folder))
}

fn provider<V: TextVendor>(port: u16, version: &str) -> TextProvider<V> {
    let url = format!("http://127.0.0.1:{port}/{version}");
    let config = VendorConfig::new(V::VENDOR, Some(&url), Some(Secret::new(KEY)));
    TextProvider::new(config.unwrap()).unwrap()
}

fn claude(running: &Running) -> AnthropicProvider {
    provider(running.port, "v1")
}

fn google(running: &Running) -> GeminiProvider {
    gemini(running.port, "v1beta")
}

fn gemini(port: u16, version: &str) -> GeminiProvider {
    let url = format!("http://127.0.0.1:{port}/{version}");
    let config = VendorConfig::new(&gemini::VENDOR, Some(&url), Some(Secret::new(KEY)));
    GeminiProvider::new(config.unwrap()).unwrap()
}

macro_rules! conformance {
    ($name:ident, $provider:ident) => {
        mod $name {
            use super::*;

            litink_core::provider_conformance!({
                let Some((running, folder)) = aimock().await else {
                    return;
                };
                let made = $provider(&running);
                // As long as the test's process.
                std::mem::forget(folder);
                Box::leak(Box::new(running));
                Arc::new(made)
            });
        }
    };
}

conformance!(anthropic_with_aimock, claude);

async fn refusal(
    running: &Running,
    provider: &dyn GenerationProvider,
    status: u16,
    kind: &str,
) -> Error {
    litink_providers::init_tls();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{}/__aimock/error", running.port);
    let body = json!({ "status": status,
        "body": { "message": "canary", "type": kind, "code": kind } });
    let order = client.post(url).header("content-type", "application/json");
    let ordered = order.body(body.to_string()).send().await.unwrap();
    assert!(ordered.status().is_success());
    let error = made(provider, &request("Hello?", None)).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
    error
}

/// What each of the two does alike.
async fn is_understood(running: &Running, provider: &dyn GenerationProvider) {
    let schema = json!({ "type": "object", "properties": { "number": { "type": "integer" } },
        "required": ["number"], "additionalProperties": false });
    let found = made(provider, &request("Hello?", None)).await.unwrap();
    let usage = (found.usage.input_tokens, found.usage.output_tokens);
    assert_eq!(usage, (Some(1_000), Some(10)));
    assert!(matches!(found.cost(), Cost::Priced(nanos) if nanos > 0));
    let most = provider.estimate(&request(&"word ".repeat(1_000), None));
    assert!(most.cost_nanos.unwrap() > found.cost().nanos().unwrap());
    assert_eq!(text_of(found), "Hello.");
    let found = made(provider, &request("a number", Some(schema.clone()))).await;
    assert_eq!(text_of(found.unwrap()), r#"{"number":7}"#);
    // In pieces it is the same text, and as dear.
    let (found, pieces) = streamed(provider, &request("Hello?", None)).await;
    let found = found.unwrap();
    assert!(found.usage.output_tokens.unwrap() > 0);
    assert!(found.cost().nanos().is_some());
    assert_eq!(pieces.concat(), "Hello.");
    assert_eq!(text_of(found), "Hello.");
    let (error, _) = streamed(provider, &request("a long one", None)).await;
    assert_eq!(error.unwrap_err().code(), "output_truncated");
    // A model that says it takes schemas, and answers in prose.
    let error = made(provider, &request("prose", Some(schema)))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.charge()),
        ("schema_mismatch", Charge::Yes)
    );
    let error = made(provider, &request("a long one", None))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.charge()),
        ("output_truncated", Charge::Yes)
    );
    let unknown = Request::new(EmbeddingRequest::default());
    assert_eq!(
        made(provider, &unknown).await.unwrap_err().code(),
        "unsupported_modality"
    );
    let gone = request("Hello?", None).model(Some(match provider.name() {
        "anthropic" => "claude-mythos-preview".to_owned(),
        _ => "gemini-3.1-flash-lite-preview".to_owned(),
    }));
    assert_eq!(
        made(provider, &gone).await.unwrap_err().code(),
        "model_retired"
    );

    for (status, kind, code, charge) in [
        (401, "authentication_error", "provider_auth", Charge::No),
        (403, "permission_error", "provider_denied", Charge::No),
        (413, "request_too_large", "context_too_long", Charge::No),
        (429, "rate_limit_error", "rate_limited", Charge::No),
        (500, "api_error", "provider_failed", Charge::Maybe),
        (503, "overloaded_error", "provider_overloaded", Charge::No),
        (504, "timeout_error", "provider_timeout", Charge::Maybe),
    ] {
        let error = refusal(running, provider, status, kind).await;
        assert_eq!((error.code(), error.charge()), (code, charge), "{status}");
        assert_eq!(status == 504, error.retry() == Retry::Ambiguous, "{status}");
    }
}

/// What was asked for, as the stand-in read it.
async fn read(running: &Running) -> String {
    let url = format!("http://127.0.0.1:{}/__aimock/journal", running.port);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn anthropic_is_understood_by_aimock() {
    let Some((running, _folder)) = aimock().await else {
        return;
    };
    let provider = claude(&running);
    is_understood(&running, &provider).await;
    let journal = read(&running).await;
    for told in ["/v1/messages", "Be brief.", "anthropic-version"] {
        assert!(journal.contains(told), "{told}");
    }
    assert!(!format!("{provider:?}").contains(KEY));
}

#[tokio::test]
async fn gemini_is_understood_by_aimock() {
    let Some((running, _folder)) = aimock().await else {
        return;
    };
    let provider = google(&running);
    is_understood(&running, &provider).await;
    let journal = read(&running).await;
    for told in [":generateContent", "Be brief."] {
        assert!(journal.contains(told), "{told}");
    }
}

#[tokio::test]
async fn anthropic_is_understood_by_mock_ai_api() {
    let Some(python) = installed("LITINK_TEST_OPENAI_PYTHON") else {
        return;
    };
    let (other, port) = (free_port(), free_port());
    let mut server = Command::new(python.join("bin/mock-ai-api"));
    server.args([
        "--openai-port",
        &other.to_string(),
        "--anthropic-port",
        &port.to_string(),
    ]);
    let running = start(&server, port).await;
    let found = made(&claude(&running), &request("Hello?", None))
        .await
        .unwrap();
    assert!(found.usage.input_tokens.unwrap() > 0);
    assert!(found.usage.output_tokens.unwrap() > 0);
    assert!(!text_of(found).is_empty());
}

/// llmock, which makes up what fits a schema, and judges how its faults are taken.
#[tokio::test]
async fn both_are_understood_by_llmock() {
    let Some(python) = installed("LITINK_TEST_OPENAI_PYTHON") else {
        return;
    };
    let port = free_port();
    let mut server = Command::new(python.join("bin/llmock"));
    server.args(["serve", "-p", &port.to_string()]);
    let running = start(&server, port).await;
    let anthropic: AnthropicProvider = provider(running.port, "anthropic/v1");
    let gemini = gemini(running.port, "gemini/v1beta");
    let all: [&dyn GenerationProvider; 2] = [&anthropic, &gemini];
    for provider in all {
        let found = made(provider, &request("Hello?", None)).await.unwrap();
        let usage = (
            found.usage.input_tokens.unwrap(),
            found.usage.output_tokens.unwrap(),
        );
        assert!(usage.0 > 0 && usage.1 > 0, "{usage:?}");
        assert!(matches!(found.cost(), Cost::Priced(nanos) if nanos > 0));
        assert!(!text_of(found).is_empty(), "{}", provider.name());
        let (found, pieces) = streamed(provider, &request("Hello?", None)).await;
        let found = found.unwrap();
        assert!(found.usage.output_tokens.unwrap() > 0);
        assert_eq!(text_of(found), pieces.concat());
        // A stream that is cut off, or damaged, is no success.
        for kind in ["truncate", "disconnect", "malformed"] {
            let fault = json!({ "behaviors": [{ "type": "stream_fault", "kind": kind,
                "after_chunks": 2 }] });
            order(&running, "/_llmock/scenario", &fault).await;
            let (made, _) = streamed(provider, &request("Hello?", None)).await;
            let error = made.unwrap_err();
            assert_ne!(error.charge(), Charge::No, "{kind}: {error:?}");
            order(&running, "/_llmock/reset", &json!({})).await;
        }
    }
}

/// `POST` to a server's own controls.
async fn order(running: &Running, path: &str, body: &Value) {
    let url = format!("http://127.0.0.1:{}{path}", running.port);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let order = client.post(url).header("content-type", "application/json");
    let answer = order.body(body.to_string()).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
}

#[test]
fn addresses_and_keys_are_looked_at() {
    for vendor in [&anthropic::VENDOR, &gemini::VENDOR] {
        for (url, code) in [
            ("https://gateway.example/v1", None),
            ("http://127.0.0.1:4000/v1/", None),
            ("http://example.org/v1", Some("plain_text")),
            ("https://example.org/v1?key=1", Some("bad_provider_url")),
            ("nonsense", Some("bad_provider_url")),
        ] {
            let config = VendorConfig::new(vendor, Some(url), None);
            assert_eq!(config.as_ref().err().map(Error::code), code, "{url}");
        }
        let broken = VendorConfig::new(vendor, None, Some(Secret::new("a\r\nb")));
        assert_eq!(broken.unwrap_err().code(), "bad_provider_key");
    }
}
