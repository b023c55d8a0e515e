//! Text that comes as events: whole, cut off, damaged, and in pieces that end anywhere.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt;
use litink_core::{
    Charge, GenerationId, Result, Retry,
    provider::{
        CallContext, Deltas, Generated, GenerationProvider, Output, Reply, Request, TextEvent,
        text_stream,
    },
};
use litink_providers::openai::{OpenAiProvider, TextApi};
use serde_json::{Value, json};

use crate::{
    server::{Answer, Server},
    shapes::text,
};

/// What a call gave, and the pieces that came before.
pub(crate) async fn streamed(
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

pub(crate) fn text_of(made: Generated) -> String {
    match made.output {
        Output::Text { text } => text,
        other => panic!("{other:?}"),
    }
}

fn events(all: &[Value], named: bool) -> String {
    let event = |data: &Value| match data["type"].as_str().filter(|_| named) {
        Some(name) => format!("event: {name}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    };
    all.iter().map(event).collect()
}

fn responses() -> String {
    let usage = json!({ "input_tokens": 1000, "output_tokens": 10,
        "input_tokens_details": { "cached_tokens": 400 } });
    let delta = |text: &str| json!({ "type": "response.output_text.delta", "delta": text });
    let output = json!([{ "type": "message",
        "content": [{ "type": "output_text", "text": "Où est Zoë?" }] }]);
    let all = [
        json!({ "type": "response.created", "response": { "status": "in_progress" } }),
        json!({ "type": "response.new_thing", "delta": "not text" }),
        delta("Où est"),
        delta(" Zoë?"),
        json!({ "type": "response.completed", "response": {
            "status": "completed", "model": "m-1", "output": output, "usage": usage } }),
    ];
    events(&all, true)
}

fn chat() -> String {
    let chunk = |delta: Value, reason: Value| {
        json!({ "id": "c", "model": "m-1",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }], "usage": null })
    };
    let usage = json!({ "id": "c", "choices": [], "usage": { "prompt_tokens": 1000,
        "completion_tokens": 10, "prompt_tokens_details": { "cached_tokens": 400 } } });
    let all = [
        chunk(json!({ "role": "assistant", "content": "" }), Value::Null),
        chunk(json!({ "content": "Où est" }), Value::Null),
        chunk(json!({ "content": " Zoë?" }), Value::Null),
        chunk(json!({}), json!("stop")),
        usage,
    ];
    format!(": hello\n\n{}data: [DONE]\n\n", events(&all, false))
}

fn of(server: &Server, api: TextApi) -> OpenAiProvider {
    let mut config = server.config("openai");
    config.text_api = api;
    OpenAiProvider::new(config).unwrap()
}

fn answer(body: &str) -> Answer {
    let kind = (
        "content-type",
        "text/event-stream; charset=utf-8".to_owned(),
    );
    Answer::Full(200, vec![kind], Bytes::from(body.to_owned()))
}

const BOTH: [TextApi; 2] = [TextApi::Responses, TextApi::Chat];

fn body(api: TextApi) -> String {
    match api {
        TextApi::Responses => responses(),
        TextApi::Chat => chat(),
    }
}

#[tokio::test]
async fn pieces_come_first_and_the_whole_with_its_usage_last() {
    let server = Server::start().await;
    for api in BOTH {
        server.order(
            answer(&body(api))
                .header("x-request-id", "req_9")
                .header("x-ratelimit-remaining-requests", "7"),
        );
        let (made, pieces) = streamed(&of(&server, api), &text(None)).await;
        let made = made.unwrap();
        assert_eq!(pieces, ["Où est", " Zoë?"]);
        assert_eq!(made.usage.input_tokens, Some(1000));
        assert_eq!(made.usage.cached_input_tokens, Some(400));
        assert_eq!(made.cost().nanos(), Some(69_000), "as without a stream");
        assert_eq!(made.model.as_deref(), Some("m-1"));
        assert_eq!(made.request_id.as_deref(), Some("req_9"));
        assert_eq!(made.rates.limits[0].remaining, 7);
        assert_eq!(text_of(made), "Où est Zoë?");
        let seen = server.seen().pop().unwrap().json();
        assert_eq!(seen["stream"], true);
        assert_eq!(
            seen.pointer("/stream_options/include_usage").is_some(),
            api == TextApi::Chat
        );
    }
    // A server that does not stream answers at once.
    let (made, pieces) = streamed(&of(&server, TextApi::Chat), &text(None)).await;
    assert_eq!(text_of(made.unwrap()), "<text>\nHello.\n</text>");
    assert!(pieces.is_empty());
}

#[tokio::test]
async fn a_part_is_never_taken_for_the_whole() {
    let server = Server::start().await;
    for api in BOTH {
        let whole = body(api);
        let ended = match api {
            TextApi::Responses => whole.find("event: response.completed").unwrap(),
            TextApi::Chat => whole.find("\"stop\"").unwrap(),
        };
        let ends = (0..ended)
            .filter(|end| whole.is_char_boundary(*end))
            .step_by(7);
        for end in ends {
            server.order(answer(&whole[..end]));
            let (made, _) = streamed(&of(&server, api), &text(None)).await;
            let error = made.unwrap_err();
            assert!(
                ["stream_truncated", "bad_reply"].contains(&error.code()),
                "{end}: {error:?}"
            );
            assert_eq!(
                (error.charge(), error.retry()),
                (Charge::Yes, Retry::Ambiguous)
            );
        }
        server.order(Answer::CutBody(Bytes::from(whole[..ended].to_owned())));
        let (made, _) = streamed(&of(&server, api), &text(None)).await;
        assert_eq!(made.unwrap_err().code(), "provider_cut");
        let broken = whole.replacen("\"delta\"", "\"del", 1);
        server.order(answer(&broken));
        let (made, _) = streamed(&of(&server, api), &text(None)).await;
        let error = made.unwrap_err();
        assert_eq!((error.code(), error.charge()), ("bad_reply", Charge::Yes));
        assert!(!format!("{error:?}").contains("Zo"));
    }
}

#[tokio::test]
async fn an_error_among_the_events_is_one_and_silence_is_given_up() {
    let server = Server::start().await;
    let limit = json!({ "type": "error", "error": { "code": "rate_limit_exceeded", "message":
        "canary" } });
    for (error, code) in [
        (limit, "provider_failed"),
        (
            json!({ "error": { "code": 429, "message": "canary" } }),
            "rate_limited",
        ),
    ] {
        server.order(answer(&events(&[error], true)));
        let (made, _) = streamed(&of(&server, TextApi::Responses), &text(None)).await;
        let error = made.unwrap_err();
        assert_eq!(error.code(), code);
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
    let begun = Bytes::from("data: {\"choices\":[]}\n\n");
    server.order(Answer::Stall(begun));
    let request = text(None);
    let provider = of(&server, TextApi::Chat);
    let context = CallContext::new(GenerationId::random());
    let error = provider.generate(&request, &context).await.unwrap_err();
    assert_eq!((error.code(), error.charge()), ("stalled", Charge::Yes));
}

#[tokio::test]
async fn what_was_cut_off_at_its_limit_says_what_it_used() {
    let server = Server::start().await;
    let incomplete = json!({ "status": "incomplete", "output": [{ "type": "message",
        "content": [{ "type": "output_text", "text": "It goes on" }] }],
        "incomplete_details": { "reason": "max_output_tokens" },
        "usage": { "input_tokens": 1000, "output_tokens": 64 } });
    let provider = of(&server, TextApi::Responses);
    for streams in [true, false] {
        let error = if streams {
            let last = json!({ "type": "response.incomplete", "response": incomplete });
            server.order(answer(&events(&[last], true)));
            streamed(&provider, &text(None)).await.0.unwrap_err()
        } else {
            server.order(Answer::json(200, &incomplete));
            let context = CallContext::new(GenerationId::random());
            let reply = provider.generate(&text(None), &context).await;
            reply.unwrap_err()
        };
        assert_eq!(
            (error.code(), error.charge()),
            ("output_truncated", Charge::Yes)
        );
        let spent = error.spent().unwrap();
        assert_eq!(spent.usage.output_tokens, Some(64));
        // A thousand at 0.10 and 64 at 0.50 dollars a million, and not the bound.
        assert_eq!(spent.cost().nanos(), Some(132_000), "streams: {streams}");
    }
}

#[tokio::test]
async fn a_call_is_a_stream_for_who_wants_one() {
    let server = Server::start().await;
    server.order(answer(&chat()));
    let provider = Arc::new(of(&server, TextApi::Chat));
    let context = CallContext::new(GenerationId::random());
    let events: Vec<_> = text_stream(provider, text(None), context).collect().await;
    let mut said = String::new();
    for event in &events[..events.len() - 1] {
        let Ok(TextEvent::Delta(piece)) = event else {
            panic!("{event:?}");
        };
        said.push_str(piece);
    }
    assert_eq!(said, "Où est Zoë?");
    assert!(matches!(
        events.last(),
        Some(Ok(TextEvent::Ended(Reply::Done(_))))
    ));
}
