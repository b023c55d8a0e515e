//! Replies that were paid for and cannot be kept.

use bytes::Bytes;
use futures::StreamExt;
use litink_core::{
    Charge, Error, ErrorKind,
    domain::GenerationState,
    engine::Asset,
    provider::{
        Generated, Input, Media, Modality, Output, Request, TextRequest,
        layers::{Ladder, Rung},
    },
    storage::StorageExt,
    testing::scripted::{Script, ScriptedProvider, tone_image, tone_wav},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};

use crate::bench::{ACTOR, Bench, One, image, options, speech};

fn away() -> Error {
    Error::new(ErrorKind::Unavailable, "no storage")
}

#[tokio::test]
async fn an_image_that_was_not_stored_is_held_as_paid() {
    let provider = ScriptedProvider::new("vendor");
    let bench = Bench::new(&provider, One::call(image()));
    bench.storage.fails_with([away()]);
    let run = bench.start().await;
    let error = bench.fails(run, "held").await;
    assert_eq!(error.charge(), Charge::Yes);
    let row = bench.row().await;
    assert_eq!(row.state, GenerationState::Held);
    assert_eq!(row.error.unwrap().charge, Charge::Yes);
    assert_eq!(provider.calls().len(), 1, "it is not paid again unasked");
    bench.resumes(run).await;
    assert_eq!(provider.calls().len(), 2);
    bench.end().await;
}

#[tokio::test]
async fn speech_that_was_not_stored_is_sent_again_and_said_to_be_paid() {
    let provider = ScriptedProvider::new("vendor");
    let mut options = options();
    options.max_attempts = 1;
    let bench = Bench::with(&provider, One::call(speech()), options, |builder| builder);
    bench.storage.fails_with([away()]);
    let run = bench.start().await;
    let error = bench.fails(run, "unavailable").await;
    assert_eq!(error.charge(), Charge::Yes);
    assert_eq!(bench.row().await.error.unwrap().charge, Charge::Yes);
    bench.resumes(run).await;
    assert_eq!(provider.calls().len(), 2);
    bench.end().await;
}

/// A film or speech whose bytes stop coming.
fn stalls() -> Script {
    let beginning = futures::stream::once(async { Ok(Bytes::from_static(b"RIFF")) });
    let body = beginning.chain(futures::stream::pending()).boxed();
    Script::output(Output::Speech {
        audio: Media::stream("audio/wav", body),
        marks: Vec::new(),
    })
}

#[tokio::test]
async fn a_stream_that_stalls_is_given_up_and_sent_again() {
    let provider = ScriptedProvider::new("vendor").then(stalls());
    let bench = Bench::new(&provider, One::call(speech()));
    let run = bench.start().await;
    bench.completes(run).await;
    assert_eq!(provider.calls().len(), 2);
    bench.end().await;

    let provider = ScriptedProvider::new("vendor").otherwise(|_| stalls());
    let bench = Bench::new(&provider, One::call(speech()));
    let run = bench.start().await;
    bench.fails(run, "stalled").await;
    bench.end().await;
}

#[tokio::test]
async fn a_stream_that_stalls_keeps_its_operation() {
    let provider = ScriptedProvider::new("vendor").then(Script::Polls(vec![stalls()]));
    let bench = Bench::new(&provider, One::call(speech()));
    let run = bench.start().await;
    bench.completes(run).await;
    assert_eq!((provider.calls().len(), provider.polls()), (1, 2));
    bench.end().await;
}

#[tokio::test]
async fn a_stream_may_take_longer_than_a_call() {
    let wav = tone_wav(Duration::from_millis(500), 220.0);
    let chunks: Vec<Bytes> = wav
        .chunks(wav.len() / 5 + 1)
        .map(Bytes::copy_from_slice)
        .collect();
    let slow = futures::stream::iter(chunks).then(|chunk| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(chunk)
    });
    let script = Script::output(Output::Speech {
        audio: Media::stream("audio/wav", slow.boxed()),
        marks: Vec::new(),
    });
    let provider = ScriptedProvider::new("vendor").then(script);
    let bench = Bench::new(&provider, One::call(speech()));
    let run = bench.start().await;
    bench.completes(run).await;
    let asset = Asset::of(&bench.row().await).unwrap().unwrap();
    let media = asset.media().unwrap();
    let stored = bench
        .engine
        .storage()
        .get_bytes(ACTOR, &media.key, 1 << 20)
        .await
        .unwrap();
    assert_eq!(stored, wav);
    assert_eq!(media.content_hash, blake3::hash(&wav).to_string());
    assert!(
        media.key.name().contains(&media.content_hash[..16]),
        "{:?}",
        media.key
    );
    bench.end().await;
}

#[tokio::test]
async fn another_kind_of_thing_is_never_stored() {
    let provider = ScriptedProvider::new("vendor").then(Script::text("no speech"));
    let bench = Bench::new(&provider, One::call(speech()));
    let run = bench.start().await;
    let error = bench.fails(run, "wrong_modality").await;
    assert_eq!(error.charge(), Charge::Yes);
    assert_eq!(provider.calls().len(), 1);
    let row = bench.row().await;
    assert_eq!((row.state, row.output), (GenerationState::Failed, None));
    bench.resumes(run).await;
    bench.end().await;
}

#[tokio::test]
async fn a_call_that_the_vendor_stopped_is_not_sent_again_for_ever() {
    let provider = ScriptedProvider::new("vendor").otherwise(|_| Script::Fail(Error::cancelled()));
    let bench = Bench::new(&provider, One::call(speech()));
    let run = bench.start().await;
    bench.fails(run, "stopped_by_vendor").await;
    assert_eq!(provider.calls().len(), 1);
    bench.end().await;
}

fn picture(media_type: &str, bytes: impl Into<Bytes>) -> Script {
    Script::output(Output::Image {
        image: Media::bytes(media_type, bytes),
    })
}

#[tokio::test]
async fn an_image_that_is_none_or_is_cut_off_is_paid_and_asked_for_again() {
    let cut = tone_image().slice(..50);
    for (bad, code) in [
        (picture("image/png", "<html></html>"), "not_an_image"),
        (picture("image/png", cut), "broken_image"),
        (picture("image/png", ""), "not_an_image"),
    ] {
        let provider = ScriptedProvider::new("vendor").then(Script::costing(7, bad));
        let mut options = options();
        options.max_attempts = 1;
        let bench = Bench::with(&provider, One::call(image()), options, |builder| builder);
        let run = bench.start().await;
        let error = bench.fails(run, code).await;
        assert_eq!(error.charge(), Charge::Yes);
        assert_eq!(bench.row().await.cost_nanos, Some(7), "it was paid");
        bench.resumes(run).await;
        assert_eq!(provider.calls().len(), 2);
        bench.end().await;
    }
    // What a provider calls it is not what it is.
    let provider = ScriptedProvider::new("vendor").then(picture("image/jpeg", tone_image()));
    let bench = Bench::new(&provider, One::call(image()));
    let run = bench.start().await;
    bench.completes(run).await;
    let asset = Asset::of(&bench.row().await).unwrap().unwrap();
    let media = asset.media().unwrap();
    assert_eq!(media.media_type, "image/png");
    assert!(media.key.as_str().ends_with(".png"), "{}", media.key);
    bench.end().await;
}

#[tokio::test]
async fn text_that_does_not_fit_its_schema_is_not_used() {
    let mut text = TextRequest::default();
    text.schema = Some(json!({ "type": "object", "required": ["number"] }));
    let request = Request::new(Input::Text(text));
    let provider = ScriptedProvider::new("vendor").otherwise(|_| Script::text("Seven."));
    let bench = Bench::new(&provider, One::call(request.clone()));
    let run = bench.start().await;
    let error = bench.fails(run, "schema_mismatch").await;
    assert_eq!(error.charge(), Charge::Yes);
    assert!(!error.to_string().contains("Seven"));
    bench.end().await;
    let provider = ScriptedProvider::new("vendor").otherwise(|_| Script::text(r#"{"number": 7}"#));
    let bench = Bench::new(&provider, One::call(request));
    let run = bench.start().await;
    bench.completes(run).await;
    bench.end().await;
}

#[tokio::test]
async fn what_a_failed_reply_used_is_counted_as_it_says() {
    let mut made = Generated::new(Output::Text { text: "x".into() });
    made.usage.input_tokens = Some(30);
    made.cost_nanos = Some(12);
    let cut = Error::new(ErrorKind::Provider, "cut").with_spent(made.spent());
    let provider = ScriptedProvider::new("vendor").then(Script::Fail(cut));
    let bench = Bench::new(&provider, One::call(speech()));
    let run = bench.start().await;
    bench.fails(run, "provider").await;
    let row = bench.row().await;
    assert_eq!(row.cost_nanos, Some(12));
    assert_eq!(row.usage.unwrap().input_tokens, Some(30));
    bench.end().await;
}

#[tokio::test]
async fn what_a_ladder_made_is_said_to_be_of_the_rung_that_made_it() {
    let (first, second) = (
        ScriptedProvider::new("first"),
        ScriptedProvider::new("second"),
    );
    let first = first.then(Script::Fail(away()));
    let rung = |provider: &ScriptedProvider, model: &str| Rung {
        provider: Arc::new(provider.clone()),
        model: Some(model.to_owned()),
    };
    let rungs = vec![rung(&first, "a"), rung(&second, "b")];
    let ladder = Ladder::new("vendor", Modality::Speech, rungs).unwrap();
    let unused = ScriptedProvider::new("vendor");
    let bench = Bench::new(&unused, One::call(speech()));
    bench.engine.register_provider(Arc::new(ladder));
    let run = bench.start().await;
    bench.completes(run).await;
    let row = bench.row().await;
    assert_eq!(
        (row.provider.as_str(), row.model.as_deref()),
        ("second", Some("b"))
    );
    assert!(unused.calls().is_empty());
    bench.end().await;
}
