//! What goes wrong on the way: each class once, sent once, and no key in any word of it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use litink_core::{
    Charge, Error, ErrorKind, GenerationId, Retry,
    provider::{
        CallContext, EmbeddingRequest, GenerationProvider, ImageRequest, Request, SpeechRequest,
    },
};
use litink_providers::{
    Secret,
    openai::{OpenAiConfig, OpenAiProvider},
};

use crate::{
    answers::{error, html},
    programs::free_port,
    server::{Answer, KEY, Server},
    shapes::{made, text},
};

fn shows_nothing(error: &Error) {
    let mut said = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        said += &format!(" {source} {source:?}");
        cause = source.source();
    }
    for secret in [KEY, "canary", "Hello", "the book"] {
        assert!(!said.contains(secret), "{said}");
    }
}

fn every() -> Vec<Request> {
    let mut texts = EmbeddingRequest::default();
    texts.texts.push("Hello.".into());
    let mut image = ImageRequest::default();
    image.prompt = "Hello.".into();
    vec![
        text(None),
        Request::new(SpeechRequest::new("Hello.")),
        Request::new(image),
        Request::new(texts),
    ]
}

#[tokio::test]
async fn each_fault_is_told_apart_and_nothing_is_sent_twice() {
    let server = Server::start().await;
    let provider = server.provider("openai");
    let full = |status, code: &str| Answer::json(status, &error(code));
    let after = |name, value: &str| full(429, "rate_limit_exceeded").header(name, value);
    let seconds = Duration::from_secs;
    for (answer, code, retry, charge) in [
        (
            after("retry-after", "3"),
            "rate_limited",
            Retry::After(seconds(3)),
            Charge::No,
        ),
        (
            after("retry-after-ms", "1500"),
            "rate_limited",
            Retry::After(Duration::from_millis(1500)),
            Charge::No,
        ),
        (
            full(429, "insufficient_quota"),
            "provider_quota",
            Retry::Never,
            Charge::No,
        ),
        (
            full(500, "server_error"),
            "provider_failed",
            Retry::Backoff,
            Charge::Maybe,
        ),
        (
            full(503, "slow_down").header("retry-after", "2"),
            "provider_overloaded",
            Retry::After(seconds(2)),
            Charge::No,
        ),
        (
            Answer::Full(502, vec![], html()),
            "provider_failed",
            Retry::Backoff,
            Charge::Maybe,
        ),
        (
            full(504, ""),
            "provider_timeout",
            Retry::Ambiguous,
            Charge::Maybe,
        ),
        (
            full(401, "invalid_api_key"),
            "provider_auth",
            Retry::Never,
            Charge::No,
        ),
        (
            full(400, "context_length_exceeded"),
            "context_too_long",
            Retry::Never,
            Charge::No,
        ),
        (
            full(400, "content_policy_violation"),
            "content_refused",
            Retry::Never,
            Charge::No,
        ),
        (
            full(404, "model_not_found"),
            "model_not_found",
            Retry::Never,
            Charge::No,
        ),
        (
            full(307, "").header("location", "http://127.0.0.1:9/"),
            "redirected",
            Retry::Never,
            Charge::No,
        ),
        (Answer::Cut, "provider_cut", Retry::Ambiguous, Charge::Maybe),
        (
            Answer::CutBody(Bytes::from_static(b"{\"da")),
            "provider_cut",
            Retry::Ambiguous,
            Charge::Yes,
        ),
        (
            Answer::Stall(Bytes::from_static(b"{\"da")),
            "stalled",
            Retry::Ambiguous,
            Charge::Yes,
        ),
        (
            full(200, "server_error"),
            "provider_failed",
            Retry::Backoff,
            Charge::Maybe,
        ),
    ] {
        for request in every() {
            let before = server.seen().len();
            server.order(answer.clone());
            let error = made(&provider, &request).await.unwrap_err();
            assert_eq!(error.code(), code, "{answer:?} {error:?}");
            assert_eq!(error.retry(), retry, "{answer:?}");
            assert_eq!(error.charge(), charge, "{answer:?}");
            assert_eq!(server.seen().len(), before + 1, "{answer:?}");
            shows_nothing(&error);
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_nonsense_is_no_success() {
    let server = Server::start().await;
    let provider = server.provider("openai");
    for bytes in [
        "",
        "{malformed json: <",
        "null",
        "[]",
        "{}",
        "{\"data\":5}",
        "<html></html>",
    ] {
        for request in every() {
            let kind = vec![("content-type", "application/json".to_owned())];
            server.order(Answer::Full(200, kind, Bytes::from(bytes)));
            let error = made(&provider, &request).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Provider, "{bytes}: {error:?}");
            assert_ne!(error.charge(), Charge::No, "{bytes}");
            shows_nothing(&error);
        }
    }
}

#[tokio::test]
async fn an_answer_without_an_end_is_given_up() {
    let server = Server::start().await;
    server.order(Answer::Endless);
    let error = made(&server.provider("openai"), &text(None))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.charge()),
        ("reply_too_large", Charge::Yes)
    );
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_as_long_as_the_call_may_take() {
    let server = Server::start().await;
    let provider = server.provider("openai");
    // Longer than an answer that began may be silent.
    server.order(Answer::Slow(Duration::from_millis(900)));
    made(&provider, &text(None)).await.unwrap();
    server.order(Answer::Slow(Duration::from_secs(60)));
    let mut context = CallContext::new(GenerationId::random());
    context.timeout = Duration::from_millis(300);
    let begun = Instant::now();
    let error = provider.generate(&text(None), &context).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(error.code(), "provider_timeout");
    assert_eq!(
        (error.retry(), error.charge()),
        (Retry::Ambiguous, Charge::Maybe)
    );
    assert_eq!(server.seen().len(), 2, "nothing is sent again by itself");
}

#[tokio::test]
async fn a_server_that_is_not_there_costs_nothing() {
    let url = format!("http://127.0.0.1:{}/v1", free_port());
    let config = OpenAiConfig::new(&url, Some(Secret::new(KEY))).unwrap();
    let mut config = config;
    config.text_model = Some("a-model".into());
    let provider = OpenAiProvider::new(config).unwrap();
    assert!(!format!("{provider:?}").contains(KEY));
    let error = made(&provider, &text(None)).await.unwrap_err();
    assert_eq!(error.code(), "provider_unreachable");
    assert_eq!(
        (error.retry(), error.charge()),
        (Retry::Backoff, Charge::No)
    );
    shows_nothing(&error);
}

#[tokio::test]
async fn what_is_left_of_limits_comes_with_replies_and_with_errors() {
    let server = Server::start().await;
    let provider = server.provider("openai");
    for request in every() {
        let limits = |answer: Answer| {
            answer
                .header("x-ratelimit-limit-requests", "500")
                .header("x-ratelimit-remaining-requests", "120")
                .header("x-ratelimit-reset-requests", "6m0s")
        };
        server.order(limits(full_of(429, "rate_limit_exceeded")).header("retry-after", "1"));
        let error = made(&provider, &request).await.unwrap_err();
        let told = error.rates().unwrap();
        let [left] = told.limits.as_slice() else {
            panic!("{told:?}");
        };
        let pair = (left.name.as_str(), left.remaining);
        assert_eq!(pair, ("requests", 120));
        assert_eq!(left.amount, Some(500));
        assert_eq!(left.resets, Some(Duration::from_secs(360)));
        let ordinary = server.ordinary(&server.seen().pop().unwrap());
        server.order(limits(ordinary));
        let made = made(&provider, &request).await.unwrap();
        assert_eq!(&made.rates, told);
    }
}

fn full_of(status: u16, code: &str) -> Answer {
    Answer::json(status, &error(code))
}

#[tokio::test]
async fn more_texts_than_a_call_takes_are_refused_before_it_is_made() {
    let server = Server::start().await;
    let mut texts = EmbeddingRequest::default();
    texts.texts = vec!["Hello.".into(); 2_049];
    let error = made(&server.provider("openai"), &Request::new(texts)).await;
    assert_eq!(error.unwrap_err().code(), "too_many_texts");
    assert!(server.seen().is_empty());
}
