//! Recordings.

use std::{path::PathBuf, sync::Arc, time::Duration};

use litink_core::{
    Charge, Error, ErrorKind, GenerationId, Result, Retry,
    provider::{CallContext, GenerationProvider, MediaBody, Output, Reply, Request},
    testing::{
        recorded::{RecordedProvider, Recorder},
        scripted::{Script, ScriptedProvider},
    },
};
use serde_json::json;

use crate::bench::{image, speech};

async fn call(provider: &dyn GenerationProvider, request: &Request) -> Result<Reply> {
    let context = CallContext::new(GenerationId::random());
    provider.generate(request, &context).await
}

fn bytes(reply: Reply) -> bytes::Bytes {
    let Reply::Done(made) = reply else {
        panic!("{reply:?}");
    };
    let (Output::Speech { audio: media, .. } | Output::Image { image: media }) = made.output else {
        panic!("{:?}", made.output);
    };
    match media.body {
        MediaBody::Bytes(bytes) => bytes,
        MediaBody::Stream(_) => panic!("a stream"),
    }
}

fn limited() -> Error {
    Error::new(ErrorKind::RateLimited, "slow down, sk-canary-of-a-key")
        .with_code("rate_limited")
        .with_retry(Retry::After(Duration::from_millis(1_500)))
        .with_charge(Charge::Maybe)
}

/// A recording of four calls, with what they gave.
async fn recording() -> (tempfile::TempDir, PathBuf, bytes::Bytes) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.jsonl");
    let pending = Script::Pending {
        polls: 0,
        then: Box::new(Script::Answer),
    };
    let vendor = ScriptedProvider::new("vendor")
        .with_cost_nanos(7)
        .then(Script::Fail(limited()))
        .then(Script::Answer)
        .then(pending);
    let recorder = Recorder::create(&path, Arc::new(vendor), ["canary-secret"]).unwrap();
    let mut keyed = speech();
    let options = json!({ "api_key": "canary-1", "note": "canary-secret" });
    keyed.provider_options = options.as_object().unwrap().clone();
    call(&recorder, &keyed).await.unwrap_err();
    let spoken = bytes(call(&recorder, &speech()).await.unwrap());
    let Reply::Pending(operation) = call(&recorder, &image()).await.unwrap() else {
        panic!("it is pending");
    };
    let context = CallContext::new(GenerationId::random());
    recorder.poll(&operation, &context).await.unwrap();
    (folder, path, spoken)
}

#[tokio::test]
async fn what_was_recorded_is_played_and_holds_no_secret() {
    let (_folder, path, spoken) = recording().await;
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written.lines().count(), 5);
    assert!(!written.contains("canary"), "{written}");
    let recorded = RecordedProvider::open(&path).unwrap();
    assert_eq!(recorded.name(), "vendor");
    assert!(recorded.capabilities(None).speech.is_some());
    assert_eq!(recorded.estimate(&speech()).cost_nanos, Some(7));
    // In another order.
    assert_eq!(bytes(call(&recorded, &speech()).await.unwrap()), spoken);
    let Reply::Pending(operation) = call(&recorded, &image()).await.unwrap() else {
        panic!("it is pending");
    };
    let context = CallContext::new(GenerationId::random());
    let reply = recorded.poll(&operation, &context).await.unwrap();
    assert!(!bytes(reply).is_empty());
    let error = recorded.finish().unwrap_err();
    assert_eq!(error.code(), "not_played");
    assert_eq!(recorded.remaining(), 1);
    // What was asked for twice was recorded once.
    let error = call(&recorded, &speech()).await.unwrap_err();
    assert_eq!(error.code(), "not_recorded");
    let mut keyed = speech();
    let options = json!({ "api_key": "another", "note": "[secret]" });
    keyed.provider_options = options.as_object().unwrap().clone();
    let error = call(&recorded, &keyed).await.unwrap_err();
    assert_eq!(
        (error.code(), error.kind(), error.charge()),
        ("rate_limited", ErrorKind::RateLimited, Charge::Maybe)
    );
    assert_eq!(error.retry(), Retry::After(Duration::from_millis(1_500)));
    recorded.finish().unwrap();
}

#[tokio::test]
async fn one_that_is_not_played_to_its_end_fails_the_test() {
    let (_folder, path, _) = recording().await;
    let dropped = std::panic::catch_unwind(|| drop(RecordedProvider::open(&path).unwrap()));
    assert!(dropped.is_err());
    std::fs::write(&path, "{}\n").unwrap();
    assert_eq!(
        RecordedProvider::open(&path).unwrap_err().code(),
        "bad_recording"
    );
}
