//! The conformance suite of [`GenerationProvider`].
//!
//! ```
//! # use std::sync::Arc;
//! # use litink_core::testing::scripted::ScriptedProvider;
//! litink_core::provider_conformance!(Arc::new(ScriptedProvider::new("vendor")));
//! # fn main() {}
//! ```
//!
//! The cases make real calls: about a dozen small ones for each modality that the provider serves.
//! Hold a provider that costs money to a stand-in of its vendor.

#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{TryStreamExt, future::join_all};

use super::{
    scripted::{tone_image, tone_wav},
    suite::skipped,
};
use crate::{
    ErrorKind, GenerationId, LOCAL_USER, Result, Retry,
    provider::{
        CallContext, EmbeddingRequest, Generated, GenerationProvider, ImageRequest, Input, Media,
        MediaBody, MediaRef, MediaSource, Message, Modality, Operation, Output, Reply, Request,
        Role, SoundRequest, SpeechMark, SpeechRequest, TextRequest, TranscriptionRequest,
        VideoRequest,
    },
    storage::{Area, StorageKey},
};

suite! {
    $ provider_conformance: provider for GenerationProvider;
    what_it_says_of_itself_makes_sense
    each_served_modality_is_made
    a_modality_that_is_not_served_is_unsupported
    marks_lie_in_the_text
    a_setting_that_is_not_known_does_no_harm
    a_dropped_call_does_no_harm
    a_cancelled_call_ends_soon
    calls_run_at_once
    drafts_are_the_same_each_time
    stopping_what_is_over_is_no_error
    an_operation_that_nobody_knows_is_over
}

const MODALITIES: [Modality; 7] = [
    Modality::Text,
    Modality::Speech,
    Modality::Image,
    Modality::Video,
    Modality::Transcription,
    Modality::Embedding,
    Modality::Sound,
];

const TEXT: &str = "It was a bright cold day in May. \u{201c}Où est Zoë?\u{201d} she asked.\n\nNobody \
                    knew; 13 clocks struck.";

/// The stored media of a call, which needs no storage here.
#[derive(Debug)]
struct Sample;

#[async_trait]
impl MediaSource for Sample {
    async fn open(&self, media: &MediaRef) -> Result<Media> {
        Ok(match media.media_type.as_str() {
            "image/png" => Media::bytes("image/png", tone_image()),
            _ => Media::bytes("audio/wav", sample_wav()),
        })
    }
}

fn sample_wav() -> Bytes {
    tone_wav(Duration::from_secs(1), 220.0)
}

fn sample(media_type: &str, name: &str, bytes: &Bytes) -> MediaRef {
    MediaRef {
        key: StorageKey::new(LOCAL_USER, Area::Audio, GenerationId::random(), name),
        content_hash: blake3::hash(bytes).to_string(),
        media_type: media_type.into(),
    }
}

fn new_context() -> CallContext {
    let mut context = CallContext::new(GenerationId::random());
    context.media = Some(Arc::new(Sample));
    context
}

fn request(modality: Modality) -> Request {
    Request::new(match modality {
        Modality::Text => Input::Text(TextRequest {
            task: Some("summary".into()),
            messages: vec![
                message(Role::System, "Say the user's sentence again."),
                message(Role::User, "The clocks struck."),
            ],
            max_output_tokens: Some(64),
            ..TextRequest::default()
        }),
        Modality::Speech => Input::Speech(speech()),
        Modality::Image => Input::Image(ImageRequest {
            prompt: "A clock tower on a bright day".into(),
            title: Some("Clocks".into()),
            ..ImageRequest::default()
        }),
        Modality::Video => Input::Video(VideoRequest {
            prompt: "A clock strikes".into(),
            duration_ms: Some(1_000),
            first_frame: Some(sample("image/png", "first.png", &tone_image())),
            ..VideoRequest::default()
        }),
        Modality::Transcription => {
            let audio = sample("audio/wav", "speech.wav", &sample_wav());
            Input::Transcription(TranscriptionRequest::new(audio))
        }
        Modality::Embedding => Input::Embedding(EmbeddingRequest {
            texts: vec!["one".into(), "two".into(), TEXT.into()],
            ..EmbeddingRequest::default()
        }),
        Modality::Sound => Input::Sound(SoundRequest {
            prompt: "A bell".into(),
            duration_ms: Some(1_000),
            ..SoundRequest::default()
        }),
    })
}

fn message(role: Role, text: &str) -> Message {
    Message {
        role,
        text: text.into(),
    }
}

fn speech() -> SpeechRequest {
    let first = TEXT.find(". ").unwrap() + 1;
    let second = TEXT.find("\n\n").unwrap();
    SpeechRequest {
        language: Some("en".into()),
        sentences: vec![(0, first), (first + 1, second), (second + 2, TEXT.len())],
        ..SpeechRequest::new(TEXT)
    }
}

fn served(provider: &dyn GenerationProvider) -> Vec<Modality> {
    let capabilities = provider.capabilities(None);
    let serves = |modality: &Modality| capabilities.serves(*modality);
    MODALITIES.into_iter().filter(serves).collect()
}

/// Calls and polls until it is finished.
async fn make(provider: &dyn GenerationProvider, request: &Request) -> Result<Generated> {
    let context = new_context();
    let mut reply = provider.generate(request, &context).await?;
    loop {
        match reply {
            Reply::Done(generated) => return Ok(*generated),
            Reply::Pending(operation) => {
                // A handle is stored as JSON before it is polled.
                let stored = serde_json::to_string(&operation).unwrap();
                let operation = serde_json::from_str(&stored).unwrap();
                let pause = Duration::from_millis(operation_pause(&operation));
                tokio::time::sleep(pause).await;
                reply = provider.poll(&operation, &context).await?;
            }
        }
    }
}

fn operation_pause(operation: &Operation) -> u64 {
    operation.poll_after_ms.min(10_000)
}

async fn bytes(media: Media) -> Bytes {
    match media.body {
        MediaBody::Bytes(bytes) => bytes,
        MediaBody::Stream(stream) => {
            let parts: Vec<Bytes> = stream.try_collect().await.unwrap();
            parts.concat().into()
        }
    }
}

/// Everything of an output that must be the same if it is made again.
async fn content(output: Output) -> (Vec<u8>, Vec<SpeechMark>) {
    match output {
        Output::Text { text } => (text.into_bytes(), Vec::new()),
        Output::Speech { audio, marks } => (bytes(audio).await.to_vec(), marks),
        Output::Image { image } => (bytes(image).await.to_vec(), Vec::new()),
        Output::Video { video } => (bytes(video).await.to_vec(), Vec::new()),
        Output::Transcription { text, marks } => (text.into_bytes(), marks),
        Output::Embedding { vectors } => {
            let numbers = vectors.into_iter().flatten();
            (numbers.flat_map(f32::to_le_bytes).collect(), Vec::new())
        }
        Output::Sound { audio } => (bytes(audio).await.to_vec(), Vec::new()),
    }
}

/// A name, limits that can be kept, and voices that can be told apart.
pub async fn what_it_says_of_itself_makes_sense(provider: Arc<dyn GenerationProvider>) {
    assert!(!provider.name().trim().is_empty());
    assert_eq!(provider.name(), provider.name());
    let capabilities = provider.capabilities(None);
    assert!(!served(&*provider).is_empty(), "it serves no modality");
    let own_entry = [Modality::Text, Modality::Speech, Modality::Image];
    let others: HashSet<_> = capabilities.others.iter().collect();
    assert_eq!(
        others.len(),
        capabilities.others.len(),
        "a modality is named twice"
    );
    assert!(own_entry.iter().all(|modality| !others.contains(modality)));
    assert!(capabilities.concurrency() > 0);
    if let Some(speech) = &capabilities.speech {
        assert!(speech.max_input_chars > 0, "it can speak no character");
        let ids: HashSet<&str> = speech
            .voices
            .iter()
            .map(|voice| voice.id.as_str())
            .collect();
        assert_eq!(ids.len(), speech.voices.len(), "two voices have one id");
        assert!(!ids.contains(""));
    }
    let json = serde_json::to_string(&*capabilities).unwrap();
    let again: crate::provider::ProviderCapabilities = serde_json::from_str(&json).unwrap();
    assert_eq!(again, *capabilities);
}

/// Each modality that it serves gives an output of that modality, and media that are what they say.
pub async fn each_served_modality_is_made(provider: Arc<dyn GenerationProvider>) {
    for modality in served(&*provider) {
        let generated = make(&*provider, &request(modality)).await;
        let generated = generated.unwrap_or_else(|error| panic!("{modality:?}: {error}"));
        assert!(generated.cost_nanos.is_none_or(|cost| cost >= 0));
        check_output(modality, generated.output).await;
    }
}

async fn check_output(modality: Modality, output: Output) {
    match (modality, output) {
        (Modality::Text, Output::Text { text }) => assert!(!text.trim().is_empty()),
        (Modality::Speech, Output::Speech { audio, .. })
        | (Modality::Sound, Output::Sound { audio }) => {
            assert!(
                is_audio(&bytes(audio).await),
                "{modality:?}: no WAV, MP3 or FLAC"
            );
        }
        (Modality::Image, Output::Image { image }) => {
            assert!(is_image(&bytes(image).await), "no PNG, JPEG or WebP");
        }
        (Modality::Video, Output::Video { video }) => {
            let bytes = bytes(video).await;
            assert_eq!(bytes.get(4..8), Some(b"ftyp".as_slice()), "no MP4");
        }
        (Modality::Transcription, Output::Transcription { .. }) => {}
        (Modality::Embedding, Output::Embedding { vectors }) => {
            assert_eq!(vectors.len(), 3, "one vector for each text");
            assert!(!vectors[0].is_empty());
            assert!(
                vectors
                    .iter()
                    .all(|vector| vector.len() == vectors[0].len())
            );
            assert!(vectors.iter().flatten().all(|number| number.is_finite()));
        }
        (modality, output) => panic!("{modality:?} gave {output:?}"),
    }
}

fn is_audio(bytes: &[u8]) -> bool {
    let mp3_frame = bytes.len() > 1 && bytes[0] == 0xff && bytes[1] & 0xe0 == 0xe0;
    let wav = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE");
    wav || mp3_frame || bytes.starts_with(b"ID3") || bytes.starts_with(b"fLaC")
}

fn is_image(bytes: &[u8]) -> bool {
    let webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    webp || bytes.starts_with(b"\x89PNG\r\n\x1a\n") || bytes.starts_with(b"\xff\xd8\xff")
}

/// What it does not serve it refuses, at once, as unsupported.
pub async fn a_modality_that_is_not_served_is_unsupported(provider: Arc<dyn GenerationProvider>) {
    let served = served(&*provider);
    for modality in MODALITIES
        .into_iter()
        .filter(|modality| !served.contains(modality))
    {
        let error = make(&*provider, &request(modality)).await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Unsupported,
            "{modality:?}: {error}"
        );
        assert_eq!(error.charge(), crate::Charge::No, "{modality:?}");
        assert!(
            !error.to_string().contains("clock"),
            "the error shows the prompt"
        );
    }
}

/// Marks lie on characters of the text, one after the other, and end after they begin.
pub async fn marks_lie_in_the_text(provider: Arc<dyn GenerationProvider>) {
    let capabilities = provider.capabilities(None);
    let Some(speech) = &capabilities.speech else {
        return skipped("marks_lie_in_the_text", "it does not speak");
    };
    let generated = make(&*provider, &request(Modality::Speech)).await.unwrap();
    let Output::Speech { marks, .. } = generated.output else {
        panic!("it gave no speech");
    };
    assert!(
        !speech.marks || !marks.is_empty(),
        "it says that it gives marks"
    );
    for mark in &marks {
        assert!(
            TEXT.get(mark.text_start..mark.text_end).is_some(),
            "{mark:?}"
        );
        assert!(mark.start_ms <= mark.end_ms, "{mark:?}");
    }
    assert!(marks.is_sorted_by_key(|mark| mark.text_start), "{marks:?}");
    assert!(marks.is_sorted_by_key(|mark| mark.start_ms), "{marks:?}");
}

/// An option of another provider and settings that it may not have are warnings at most.
pub async fn a_setting_that_is_not_known_does_no_harm(provider: Arc<dyn GenerationProvider>) {
    if provider.capabilities(None).speech.is_none() {
        return skipped(
            "a_setting_that_is_not_known_does_no_harm",
            "it does not speak",
        );
    }
    let mut request = Request::new(SpeechRequest {
        style: Some("softly".into()),
        speed: Some(1.1),
        ..speech()
    });
    request.variant = 3;
    let generated = make(&*provider, &request).await.unwrap();
    check_output(Modality::Speech, generated.output).await;
}

/// A call whose future is dropped leaves nothing behind that disturbs the next.
pub async fn a_dropped_call_does_no_harm(provider: Arc<dyn GenerationProvider>) {
    for modality in served(&*provider) {
        let request = request(modality);
        for micros in [0, 100, 3_000] {
            let call = make(&*provider, &request);
            let time = Duration::from_micros(micros);
            drop(tokio::time::timeout(time, call).await);
        }
        let generated = make(&*provider, &request).await.unwrap();
        check_output(modality, generated.output).await;
    }
}

/// A call that is cancelled ends soon: cancelled, or finished if it was faster.
pub async fn a_cancelled_call_ends_soon(provider: Arc<dyn GenerationProvider>) {
    for modality in served(&*provider) {
        let (request, context) = (request(modality), new_context());
        let cancel = context.cancel.clone();
        let call = provider.generate(&request, &context);
        let canceller = async {
            tokio::time::sleep(Duration::from_millis(2)).await;
            cancel.cancel();
        };
        // The engine drops the call, too; what counts is that nothing goes on for ever.
        let both = futures::future::join(call, canceller);
        let ended = tokio::time::timeout(Duration::from_secs(120), both).await;
        let (reply, ()) = ended.unwrap_or_else(|_| panic!("{modality:?} goes on"));
        if let Err(error) = reply {
            assert_eq!(error.kind(), ErrorKind::Cancelled, "{modality:?}: {error}");
        }
    }
}

/// As many calls as it says it can answer at once, up to eight, are all answered.
pub async fn calls_run_at_once(provider: Arc<dyn GenerationProvider>) {
    let Some(modality) = served(&*provider).into_iter().next() else {
        return skipped("calls_run_at_once", "it serves no modality");
    };
    let calls = provider.capabilities(None).concurrency().min(8);
    let tasks = (0..calls).map(|_| {
        let provider = Arc::clone(&provider);
        tokio::spawn(async move { make(&*provider, &request(modality)).await.unwrap() })
    });
    for generated in join_all(tasks).await {
        check_output(modality, generated.unwrap().output).await;
    }
}

/// What calls itself a draft makes the same of the same request, byte for byte.
pub async fn drafts_are_the_same_each_time(provider: Arc<dyn GenerationProvider>) {
    if !provider.capabilities(None).draft {
        return skipped("drafts_are_the_same_each_time", "it makes no drafts");
    }
    for modality in served(&*provider) {
        let request = request(modality);
        let first = make(&*provider, &request).await.unwrap();
        let second = make(&*provider, &request).await.unwrap();
        let (first, second) = (content(first.output).await, content(second.output).await);
        assert!(first == second, "{modality:?}");
    }
}

/// An operation that is over can be stopped without an error.
pub async fn stopping_what_is_over_is_no_error(provider: Arc<dyn GenerationProvider>) {
    let mut stopped = 0;
    for modality in served(&*provider) {
        let context = new_context();
        let reply = provider
            .generate(&request(modality), &context)
            .await
            .unwrap();
        let Reply::Pending(operation) = reply else {
            continue;
        };
        provider.cancel(&operation, &context).await.unwrap();
        provider.cancel(&operation, &context).await.unwrap();
        stopped += 1;
    }
    if stopped == 0 {
        skipped("stopping_what_is_over_is_no_error", "it answers at once");
    }
}

/// Asked for an operation that it never began, it says for good that nothing will come of it: an
/// error that may be tried again would be asked about for a day.
pub async fn an_operation_that_nobody_knows_is_over(provider: Arc<dyn GenerationProvider>) {
    let operation = Operation::new("an operation that nobody knows");
    match provider.poll(&operation, &new_context()).await {
        Ok(Reply::Done(_)) => {}
        Ok(Reply::Pending(_)) => panic!("it is still working on it"),
        Err(error) => assert_eq!(error.retry(), Retry::Never, "{error}"),
    }
}

#[cfg(test)]
mod scripted {
    use std::sync::Arc;

    use crate::{
        provider::{Modality, ProviderCapabilities, SpeechCapabilities},
        testing::scripted::{Script, ScriptedProvider},
    };

    provider_conformance!(Arc::new(ScriptedProvider::new("vendor")));

    mod that_polls {
        use super::*;

        provider_conformance!({
            let speech = SpeechCapabilities {
                marks: true,
                ..SpeechCapabilities::default()
            };
            let capabilities = ProviderCapabilities {
                speech: Some(speech),
                others: vec![Modality::Embedding],
                draft: true,
                ..ProviderCapabilities::default()
            };
            let provider = ScriptedProvider::new("slow").with_capabilities(capabilities);
            let pending = || Script::Pending {
                polls: 2,
                then: Box::new(Script::Answer),
            };
            Arc::new(provider.otherwise(move |_| pending()))
        });
    }
}
