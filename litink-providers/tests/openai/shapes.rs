//! What is asked for and what is read, where servers differ.

use std::sync::Arc;

use litink_core::{
    Charge, ErrorKind, GenerationId, Result, Retry,
    provider::{
        CallContext, Generated, GenerationProvider, ImageRequest, Message, Modality, Output, Reply,
        Request, Role, SpeechRequest, TextRequest,
    },
};
use litink_providers::openai::{OpenAiProvider, SpeechFormat, TextApi};
use serde_json::{Value, json};

use crate::server::{Answer, Server};

pub(crate) async fn made(provider: &OpenAiProvider, request: &Request) -> Result<Generated> {
    let context = CallContext::new(GenerationId::random());
    match provider.generate(request, &context).await? {
        Reply::Done(made) => Ok(*made),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn text(schema: Option<Value>) -> Request {
    let mut text = TextRequest::default();
    text.task = Some("a task".into());
    for (role, said) in [
        (Role::System, "Be brief."),
        (Role::User, "<text>\nHello.\n</text>"),
    ] {
        text.messages.push(Message {
            role,
            text: said.into(),
        });
    }
    text.schema = schema;
    text.max_output_tokens = Some(64);
    Request::new(text)
}

fn said(made: Generated) -> String {
    match made.output {
        Output::Text { text } => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn usage_cost_and_the_vendors_id_come_with_the_text() {
    let server = Server::start().await;
    let made = made(&server.provider("openai"), &text(None)).await.unwrap();
    assert_eq!(made.usage.input_tokens, Some(1000));
    assert_eq!(made.usage.cached_input_tokens, Some(400));
    assert_eq!(made.usage.reasoning_tokens, Some(4));
    // 600 at 0.10, 400 at 0.01 and 10 at 0.50 dollars a million.
    assert_eq!(made.cost().nanos(), Some(69_000));
    assert_eq!(made.request_id.as_deref(), Some("req_1"));
    assert_eq!(said(made), "<text>\nHello.\n</text>");
    let seen = &server.seen()[0];
    assert_eq!(seen.headers["authorization"], "Bearer sk-canary");
    assert!(seen.headers.contains_key("x-client-request-id"));
    assert_eq!(seen.json()["store"], false);
}

#[tokio::test]
async fn what_the_endpoint_says_of_the_cost_wins_and_an_unknown_one_is_none() {
    let server = Server::start().await;
    let found = made(&server.provider("openrouter"), &text(None))
        .await
        .unwrap();
    assert_eq!(found.cost().nanos(), Some(12_500));
    let mut config = server.config("openai");
    config.text_model = Some("of-tomorrow".into());
    let provider = OpenAiProvider::new(config).unwrap();
    let found = made(&provider, &text(None)).await.unwrap();
    assert_eq!(found.cost().nanos(), None);
    // Another tier has other prices.
    let body = json!({ "status": "completed", "service_tier": "priority", "output": [
        { "type": "message", "content": [{ "type": "output_text", "text": "Hi." }] }],
        "usage": { "input_tokens": 1, "output_tokens": 1 } });
    server.order(Answer::json(200, &body));
    let found = made(&server.provider("openai"), &text(None)).await.unwrap();
    assert_eq!(found.cost().nanos(), None);
    let speech = Request::new(SpeechRequest::new("Hello."));
    let found = made(&server.provider("openai"), &speech).await.unwrap();
    assert_eq!(
        (found.usage.input_chars, found.cost().nanos()),
        (Some(6), None)
    );
    let speech = speech.model(Some("tts-1".into()));
    let found = made(&server.provider("openai"), &speech).await.unwrap();
    assert_eq!(found.cost().nanos(), Some(90_000));
}

#[tokio::test]
async fn an_estimate_is_no_less_than_what_is_used() {
    let server = Server::start().await;
    let provider = server.provider("openai");
    let estimate = provider.estimate(&text(None));
    assert_eq!(estimate.usage.output_tokens, Some(64));
    // 64 written at 0.50 dollars a million, and what is read.
    assert!(estimate.cost_nanos.unwrap() > 32_000);
    let unbounded = provider.estimate(&Request::new(TextRequest::default()));
    assert_eq!(unbounded.cost_nanos, None);
    let speech = Request::new(SpeechRequest::new("Hello.")).model(Some("tts-1".into()));
    assert_eq!(provider.estimate(&speech).cost_nanos, Some(90_000));
    assert_eq!(
        provider
            .estimate(&Request::new(ImageRequest::default()))
            .cost_nanos,
        None
    );
}

#[tokio::test]
async fn a_schema_is_asked_for_strictly_and_the_answer_is_held_to_it() {
    let server = Server::start().await;
    let schema = json!({ "type": "object", "required": ["title"],
        "properties": { "title": { "type": "string" }, "note": { "type": "string" } } });
    let answer = |text: &str| json!({ "choices": [{ "message": { "content": text }, "finish_reason": "stop" }] });
    let provider = server.provider("generic");
    for (text_back, expected) in [
        (r#"{"title":"a","note":null}"#, Some(r#"{"title":"a"}"#)),
        ("```json\n{\"title\":\"a\"}\n```", Some(r#"{"title":"a"}"#)),
        (r#"{"name":"a"}"#, None),
        ("Sure! Here it is.", None),
    ] {
        server.order(Answer::json(200, &answer(text_back)));
        let found = made(&provider, &text(Some(schema.clone()))).await;
        match expected {
            Some(expected) => assert_eq!(said(found.unwrap()), expected),
            None => {
                let error = found.unwrap_err();
                assert_eq!(error.code(), "schema_mismatch");
                assert_eq!(
                    (error.retry(), error.charge()),
                    (Retry::Backoff, Charge::Yes)
                );
            }
        }
    }
    let asked = server.seen()[0].json();
    let format = &asked["response_format"]["json_schema"];
    assert_eq!(format["name"], "atask");
    assert_eq!(format["strict"], true);
    assert_eq!(format["schema"]["required"], json!(["note", "title"]));
    assert_eq!(asked["max_completion_tokens"], 64);
    let made = made(&server.provider("llamacpp"), &text(Some(schema))).await;
    assert_eq!(made.unwrap_err().code(), "schema_mismatch");
    let asked = server.seen().pop().unwrap().json();
    assert_eq!(asked["response_format"]["type"], "json_object");
    assert_eq!(asked["max_tokens"], 64);
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_error_that_was_paid() {
    let server = Server::start().await;
    let choice = |finish: &str, refusal: Value| {
        json!({ "choices": [{ "finish_reason": finish, "message": {
            "content": "half", "refusal": refusal } }] })
    };
    let response = |status: &str, reason: &str, part: Value| {
        json!({ "status": status, "incomplete_details": { "reason": reason },
                "output": [{ "type": "message", "content": [part] }] })
    };
    let half = json!({ "type": "output_text", "text": "half" });
    for (dialect, body, code) in [
        ("generic", choice("length", Value::Null), "output_truncated"),
        (
            "generic",
            choice("content_filter", Value::Null),
            "content_refused",
        ),
        ("generic", choice("stop", json!("No.")), "refused"),
        (
            "openai",
            response("incomplete", "max_output_tokens", half.clone()),
            "output_truncated",
        ),
        (
            "openai",
            response("incomplete", "content_filter", half),
            "content_refused",
        ),
        (
            "openai",
            response(
                "completed",
                "",
                json!({ "type": "refusal", "refusal": "No." }),
            ),
            "refused",
        ),
    ] {
        server.order(Answer::json(200, &body));
        let error = made(&server.provider(dialect), &text(None))
            .await
            .unwrap_err();
        assert_eq!(
            (error.code(), error.charge()),
            (code, Charge::Yes),
            "{body}"
        );
        assert_eq!(error.kind(), ErrorKind::Provider);
        assert_eq!(error.retry(), Retry::Never);
    }
}

#[tokio::test]
async fn odd_servers_are_understood() {
    let server = Server::start().await;
    let provider = server.provider("generic");
    for body in [
        json!({ "choices": [{ "message": { "content": "Hi." }, "finish_reason": "eos" }] }),
        json!({ "choices": [{ "message": { "content": "Hi." }, "finish_reason": "" }], "id": 7,
                "model": "", "usage": null, "service_tier": null, "created": null }),
        json!({ "choices": [{ "message": { "content": [{ "type": "text", "text": "Hi." }] } }],
                "usage": { "prompt_tokens": 1, "prompt_tokens_details": null, "odd": {} } }),
    ] {
        server.order(Answer::json(200, &body));
        let made = made(&provider, &text(None))
            .await
            .unwrap_or_else(|e| panic!("{body}: {e}"));
        assert_eq!(said(made), "Hi.");
    }
}

#[tokio::test]
async fn a_voice_a_style_and_a_pace_are_asked_for() {
    let server = Server::start().await;
    let mut speech = SpeechRequest::new("Hello.");
    speech.voice = Some("nova".into());
    speech.style = Some("softly".into());
    speech.speed = Some(1.1);
    let asked = |speech: &SpeechRequest, model: Option<&str>| {
        let request = Request::new(speech.clone()).model(model.map(str::to_owned));
        let server = server.clone();
        async move {
            let found = made(&server.provider("openai"), &request).await.unwrap();
            (server.seen().pop().unwrap().json(), found.warnings)
        }
    };
    let (body, _) = asked(&speech, None).await;
    assert_eq!(
        body,
        json!({ "model": "gpt-4o-mini-tts", "input": "Hello.", "voice": "nova",
                "instructions": "softly", "speed": 1.1, "response_format": "wav" })
    );
    let (body, warnings) = asked(&speech, Some("tts-1")).await;
    assert!(body.get("instructions").is_none());
    assert!(
        warnings.iter().any(|it| it.contains("style")),
        "{warnings:?}"
    );
    speech.verbatim = true;
    let (body, warnings) = asked(&speech, None).await;
    assert!(body.get("instructions").is_none());
    assert!(
        warnings.iter().any(|it| it.contains("other words")),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn samples_without_a_header_become_wav_and_a_lie_about_the_format_is_seen() {
    let server = Server::start().await;
    for (format, wanted) in [(SpeechFormat::Pcm, 0), (SpeechFormat::Mp3, 1)] {
        let mut config = server.config("generic");
        config.speech_format = format;
        let provider = OpenAiProvider::new(config).unwrap();
        let request = Request::new(SpeechRequest::new("Hello, you."));
        let made = made(&provider, &request).await.unwrap();
        let Output::Speech { audio, .. } = made.output else {
            panic!("no speech");
        };
        assert_eq!(audio.media_type, "audio/wav", "{format:?}");
        let lies = made.warnings.iter().filter(|it| it.contains("asked for"));
        assert_eq!(lies.count(), wanted, "{format:?}");
    }
}

#[tokio::test]
async fn dialects_differ_as_their_data_says() {
    let server = Server::start().await;
    made(&server.provider("azure"), &text(None)).await.unwrap();
    let seen = server.seen().pop().unwrap();
    assert_eq!(seen.headers["api-key"], "sk-canary");
    assert!(!seen.headers.contains_key("authorization"));
    let mut config = server.config("azure");
    config.text_api = TextApi::Chat;
    made(&OpenAiProvider::new(config).unwrap(), &text(None))
        .await
        .unwrap();
    assert_eq!(server.seen().pop().unwrap().path, "/v1/chat/completions");

    let ollama = server.provider("ollama").capabilities(None);
    assert!(ollama.text.is_some() && ollama.speech.is_none() && ollama.image.is_none());
    assert!(ollama.serves(Modality::Embedding) && !ollama.serves(Modality::Transcription));
    // Without a model there is nothing to serve with.
    let mut config = server.config("generic");
    config.speech_model = None;
    let provider = OpenAiProvider::new(config).unwrap();
    assert!(provider.capabilities(None).speech.is_none());
    assert!(provider.capabilities(Some("kokoro")).speech.is_some());
    let error = made(&provider, &Request::new(SpeechRequest::new("Hi."))).await;
    assert_eq!(error.unwrap_err().code(), "model_needed");
    let models = provider.models().await.unwrap();
    assert_eq!(models.len(), 2);
    assert!(models[1].warning().unwrap().contains("2020-01-01"));
}

#[tokio::test]
async fn an_image_is_fetched_from_public_places_only() {
    let server = Server::start().await;
    let provider: Arc<OpenAiProvider> = Arc::new(server.provider("openai"));
    let image = Request::new(ImageRequest::default());
    for url in [
        "http://127.0.0.1:9/x.png",
        "https://127.0.0.1/x.png",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/x.png",
        "https://[::1]/x.png",
        "https://localhost/x.png",
        "http://example.org/x.png",
        "file:///etc/passwd",
    ] {
        server.order(Answer::json(200, &json!({ "data": [{ "url": url }] })));
        let error = made(&provider, &image).await.unwrap_err();
        let code = error.code();
        assert!(
            code == "address_refused" || code == "bad_reply",
            "{url}: {error}"
        );
    }
    let own = format!("{}/image.png", server.url);
    server.order(Answer::json(200, &json!({ "data": [{ "url": own }] })));
    let png = litink_core::testing::scripted::tone_image();
    server.order(Answer::Full(200, vec![], png));
    made(&provider, &image).await.unwrap();
    let fetched = server.seen().pop().unwrap();
    assert_eq!(fetched.path, "/v1/image.png");
    assert!(!fetched.headers.contains_key("authorization"));
    let svg = json!({ "data": [{ "b64_json": "PHN2Zz4=" }] });
    server.order(Answer::json(200, &svg));
    assert_eq!(
        made(&provider, &image).await.unwrap_err().code(),
        "not_an_image"
    );
}

#[tokio::test]
async fn openrouters_images_keep_to_others_in_json() {
    use litink_core::provider::AspectRatio;
    let server = Server::start().await;
    let provider = server.provider("openrouter");
    assert!(
        provider
            .capabilities(None)
            .image
            .as_ref()
            .unwrap()
            .references
    );
    let mut image = ImageRequest::default();
    image.prompt = "A clock tower".into();
    image.aspect = AspectRatio::Cover;
    image.seed = Some(7);
    let found = made(&provider, &Request::new(image)).await.unwrap();
    assert!(found.warnings.is_empty(), "{:?}", found.warnings);
    let seen = server.seen().remove(0);
    assert_eq!(seen.path, "/v1/images");
    let sent = serde_json::json!({ "model": "a-model", "prompt": "A clock tower",
        "aspect_ratio": "2:3", "seed": 7 });
    assert_eq!(seen.json(), sent);
}
