//! Speech over a socket, from a server of our own whose events are those of the vendor's types, and from
//! aimock, which sends no audio.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{SinkExt, StreamExt};
use litink_core::{
    Charge, GenerationId, Retry,
    provider::{CallContext, GenerationProvider, Output, Reply, Request, SpeechRequest},
};
use litink_providers::{
    Secret,
    openai::{Dialect, OpenAiConfig, OpenAiProvider},
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    process::Command,
};
use tokio_tungstenite::{accept_async, tungstenite::Message};

use crate::programs::{free_port, installed, start};

fn provider(port: u16) -> OpenAiProvider {
    let url = format!("http://127.0.0.1:{port}/v1");
    let config = OpenAiConfig::new(&url, Some(Secret::new("sk-canary"))).unwrap();
    let mut config = config.dialect(Dialect::named("openai").unwrap());
    config.speech_model = Some("gpt-realtime-2.1-mini".into());
    OpenAiProvider::new(config).unwrap()
}

fn request() -> Request {
    let mut speech = SpeechRequest::new("One clock. It said: WRONG twice.");
    speech.sentences = vec![(0, 10), (11, 32)];
    Request::new(speech)
}

/// Says what it is asked to say; the sentence with `WRONG` in other words, so many times.
async fn serve(stream: TcpStream, mut wrong: u32) {
    let mut socket = accept_async(stream).await.unwrap();
    let created = json!({ "type": "session.created", "session": { "id": "sess_1" } });
    socket
        .send(Message::text(created.to_string()))
        .await
        .unwrap();
    while let Some(Ok(Message::Text(text))) = socket.next().await {
        let event: Value = serde_json::from_str(&text).unwrap();
        let mut answers = Vec::new();
        match event["type"].as_str().unwrap() {
            "session.update" => {
                assert_eq!(
                    event["session"]["audio"]["output"]["format"]["rate"],
                    24_000
                );
                answers.push(json!({ "type": "session.updated", "session": {} }));
            }
            "response.create" => {
                let response = &event["response"];
                assert_eq!(response["conversation"], "none");
                let said = response["input"][0]["content"][0]["text"].as_str().unwrap();
                let mut told = said.to_owned();
                if said.contains("WRONG") && wrong > 0 {
                    wrong -= 1;
                    told = "Sure! I will say that.".to_owned();
                }
                let audio = STANDARD.encode([7_u8; 48_000]);
                answers.push(json!({ "type": "response.something_new" }));
                answers.push(json!({ "type": "response.output_audio.delta", "delta": audio }));
                answers.push(json!({ "type": "response.output_audio_transcript.done",
                    "transcript": told }));
                answers.push(json!({ "type": "response.done", "response": {
                    "status": "completed",
                    "usage": { "input_tokens": 10, "output_tokens": 20 } } }));
            }
            other => panic!("{other}"),
        }
        for answer in answers {
            socket
                .send(Message::text(answer.to_string()))
                .await
                .unwrap();
        }
    }
}

async fn server(wrong: u32) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, wrong));
        }
    });
    port
}

mod conformance {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn marks_lie_in_the_text() {
        let provider = Arc::new(provider(server(0).await));
        litink_core::testing::provider::marks_lie_in_the_text(provider).await;
    }
}

#[tokio::test]
async fn a_sentence_in_other_words_is_said_again_and_paid_again() {
    let provider = provider(server(2).await);
    assert!(provider.capabilities(None).speech.as_ref().unwrap().marks);
    let context = CallContext::new(GenerationId::random());
    let reply = provider.generate(&request(), &context).await.unwrap();
    let Reply::Done(made) = reply else {
        panic!("{reply:?}");
    };
    // Two sentences, of which one was said three times.
    assert_eq!(made.usage.output_tokens, Some(80));
    assert_eq!(
        made.priced_nanos, None,
        "a price that nobody knows is not 0"
    );
    assert_eq!(made.request_id.as_deref(), Some("sess_1"));
    assert!(made.warnings.iter().any(|it| it.starts_with("2 times")));
    let Output::Speech { marks, .. } = made.output else {
        panic!("no speech");
    };
    let times: Vec<_> = marks.iter().map(|it| (it.start_ms, it.end_ms)).collect();
    assert_eq!(times, [(0, 1_000), (1_000, 2_000)]);
}

#[tokio::test]
async fn one_that_never_says_the_text_is_an_error_that_was_paid() {
    let provider = provider(server(9).await);
    let context = CallContext::new(GenerationId::random());
    let error = provider.generate(&request(), &context).await.unwrap_err();
    assert_eq!(
        (error.code(), error.charge()),
        ("not_verbatim", Charge::Yes)
    );
    assert_eq!(error.retry(), Retry::Backoff);
    assert_eq!(error.spent().unwrap().usage.output_tokens, Some(80));
    assert!(!format!("{error:?} {provider:?}").contains("canary"));
}

#[tokio::test]
async fn aimock_opens_a_session_and_answers_without_audio() {
    let Some(modules) = installed("LITINK_TEST_OPENAI_NPM") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fixtures.json");
    let fixtures =
        json!({ "fixtures": [{ "match": {}, "response": { "content": "One clock." } }] });
    std::fs::write(&file, fixtures.to_string()).unwrap();
    let port = free_port();
    let mut node = Command::new("node");
    node.arg(modules.join(".bin/llmock"));
    node.args(["-p", &port.to_string(), "-f"]).arg(&file);
    let _running = start(&node, port).await;
    let context = CallContext::new(GenerationId::random());
    let error = provider(port)
        .generate(&request(), &context)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "empty_reply", "{error:?}");
}
