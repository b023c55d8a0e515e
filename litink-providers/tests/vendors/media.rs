//! Speech, sounds and films, from aimock and, for what it does not serve, from a server of our own that
//! answers as the types of the vendors' SDKs say.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::TryStreamExt;
use litink_core::{
    Charge, ErrorKind, GenerationId, Retry, audio,
    provider::{
        CallContext, Cost, Generated, GenerationProvider, MediaBody, Operation, Output, Reply,
        Request, SoundKind, SoundRequest, SpeechRequest, VideoRequest,
    },
    testing::scripted::tone_wav,
};
use litink_providers::{
    Secret,
    elevenlabs::{self, ElevenLabsProvider},
    gemini::{self, GeminiProvider},
    vendor::VendorConfig,
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    programs::{Running, free_port, installed, start},
    server::{Answer, Seen, Server},
};

const KEY: &str = "xi-canary";
const FILM: &[u8] = b"\0\0\0\x14ftypisom\0\0\x02\0mp42\0\0\0\x0cmdatfilm";

fn context() -> CallContext {
    CallContext::new(GenerationId::random())
}

fn eleven(url: &str) -> ElevenLabsProvider {
    let url = format!("{url}/v1");
    let key = Some(Secret::new(KEY));
    ElevenLabsProvider::new(VendorConfig::new(&elevenlabs::VENDOR, Some(&url), key).unwrap())
        .unwrap()
}

fn google(url: &str) -> GeminiProvider {
    let url = format!("{url}/v1beta");
    let key = Some(Secret::new(KEY));
    GeminiProvider::new(VendorConfig::new(&gemini::VENDOR, Some(&url), key).unwrap()).unwrap()
}

fn json(status: u16, body: &Value) -> Answer {
    let kind = ("content-type", "application/json".to_owned());
    (status, vec![kind], Bytes::from(body.to_string()))
}

fn samples(text: &str) -> Bytes {
    let time = Duration::from_millis(60 * text.chars().count().max(10) as u64);
    tone_wav(time, 220.0).slice(44..)
}

/// As the vendors answer, by the types of their SDKs.
fn ordinary(seen: &Seen, own: &str) -> Answer {
    let path = seen.path.split('?').next().unwrap();
    let text = seen.body["text"].as_str().unwrap_or_default();
    if text.contains("too much") {
        return json(
            401,
            &json!({ "detail": { "status": "quota_exceeded", "message": KEY } }),
        );
    }
    if path.ends_with("/with-timestamps") {
        let characters: Vec<_> = text.chars().map(String::from).collect();
        let time = |i: usize| i as f64 * 0.06;
        let starts: Vec<_> = (0..characters.len()).map(time).collect();
        let ends: Vec<_> = (1..=characters.len()).map(time).collect();
        let mut answer = json(
            200,
            &json!({ "audio_base64": STANDARD.encode(samples(text)), "alignment": {
                "characters": characters, "character_start_times_seconds": starts,
                "character_end_times_seconds": ends } }),
        );
        answer.1.push(("character-cost", "7".to_owned()));
        answer.1.push(("request-id", "req_1".to_owned()));
        return answer;
    }
    if path.ends_with("/sound-generation") || path.ends_with("/music") {
        let wav = tone_wav(Duration::from_secs(1), 220.0);
        return (200, vec![("content-type", "audio/wav".to_owned())], wav);
    }
    if path.ends_with(":predictLongRunning") {
        return json(200, &json!({ "name": "models/veo/operations/op-1" }));
    }
    if path.ends_with("/operations/op-1") {
        let uri = format!("{own}/v1beta/files/film:download?alt=media");
        return json(
            200,
            &json!({ "name": "models/veo/operations/op-1", "done": true, "response": {
                "generateVideoResponse": { "generatedSamples": [{ "video": { "uri": uri } }] } } }),
        );
    }
    if path.ends_with("film:download") {
        let there = format!("{own}/kept");
        return (302, vec![("location", there)], Bytes::new());
    }
    if path.ends_with("/kept") {
        return (200, Vec::new(), Bytes::from_static(FILM));
    }
    if path.ends_with(":generateContent") {
        let said = seen.body["contents"][0]["parts"][0]["text"].as_str();
        let said = said.unwrap_or_default();
        let audio = seen.body["generationConfig"]["responseModalities"][0] == "AUDIO";
        let part = match audio {
            true => json!({ "inlineData": { "mimeType": "audio/L16;codec=pcm;rate=24000",
                "data": STANDARD.encode(samples(said)) } }),
            false => json!({ "text": said }),
        };
        return json(
            200,
            &json!({ "candidates": [{ "content": { "parts": [part] }, "finishReason": "STOP" }],
                "usageMetadata": { "promptTokenCount": 10, "candidatesTokenCount": 100 } }),
        );
    }
    json(
        404,
        &json!({ "error": { "message": "no", "status": "NOT_FOUND" } }),
    )
}

mod elevenlabs_by_the_suite {
    use super::*;

    litink_core::provider_conformance!(Arc::new(eleven(&Server::start(ordinary).await.url)));
}

mod gemini_by_the_suite {
    use super::*;

    litink_core::provider_conformance!(Arc::new(google(&Server::start(ordinary).await.url)));
}

async fn done(provider: &dyn GenerationProvider, request: &Request) -> Generated {
    match provider.generate(request, &context()).await.unwrap() {
        Reply::Done(made) => *made,
        other => panic!("{other:?}"),
    }
}

fn sound(kind: SoundKind) -> Request {
    let mut sound = SoundRequest::default();
    sound.kind = kind;
    sound.prompt = "A bell".into();
    sound.duration_ms = Some(100);
    Request::new(sound)
}

#[tokio::test]
async fn elevenlabs_says_when_each_sentence_is_said_and_what_it_counted() {
    let server = Server::start(ordinary).await;
    let provider = eleven(&server.url);
    let text = "One two. Three.";
    let mut speech = SpeechRequest::new(text);
    speech.sentences = vec![(0, 8), (9, 15)];
    let made = done(&provider, &Request::new(speech)).await;
    assert_eq!(made.usage.input_chars, Some(7), "the vendor's count");
    assert_eq!(made.request_id.as_deref(), Some("req_1"));
    assert!(matches!(made.cost(), Cost::Priced(nanos) if nanos == 7 * 180_000));
    let Output::Speech {
        audio: media,
        marks,
    } = made.output
    else {
        panic!("no speech");
    };
    let times: Vec<_> = marks.iter().map(|it| (it.start_ms, it.end_ms)).collect();
    assert_eq!(times, [(0, 480), (540, 900)]);
    let MediaBody::Bytes(bytes) = media.body else {
        panic!("a stream");
    };
    assert_eq!(
        audio::probe(&bytes, &media.media_type).unwrap().sample_rate,
        24_000
    );
    let seen = server.seen().remove(0);
    assert!(
        seen.path.contains("output_format=pcm_24000"),
        "{}",
        seen.path
    );
    assert_eq!(seen.headers["xi-api-key"], KEY);
    assert_eq!(seen.body["model_id"], "eleven_multilingual_v2");
    // What is not priced is not free.
    let made = done(&provider, &sound(SoundKind::Music)).await;
    assert_eq!(made.cost(), Cost::Unknown);
    assert!(made.warnings[0].contains("3000"), "{:?}", made.warnings);
    let much = Request::new(SpeechRequest::new("too much"));
    let error = provider.generate(&much, &context()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::QuotaExhausted, "provider_quota")
    );
    assert_eq!((error.retry(), error.charge()), (Retry::Never, Charge::No));
    assert!(!format!("{error} {error:?} {provider:?}").contains("canary"));
}

#[tokio::test]
async fn gemini_films_are_begun_asked_for_and_fetched_with_the_key_at_home_only() {
    let server = Server::start(ordinary).await;
    let provider = google(&server.url);
    let mut film = VideoRequest::default();
    film.prompt = "A clock strikes".into();
    film.duration_ms = Some(5_000);
    let request = Request::new(film);
    let bound = provider.estimate(&request).cost_nanos;
    assert_eq!(bound, Some(600_000_000), "six seconds at ten cents");
    let reply = provider.generate(&request, &context()).await.unwrap();
    let Reply::Pending(operation) = reply else {
        panic!("{reply:?}");
    };
    let stored = serde_json::to_string(&operation).unwrap();
    assert!(
        !stored.contains("clock") && !stored.contains(KEY),
        "{stored}"
    );
    let operation: Operation = serde_json::from_str(&stored).unwrap();
    let reply = provider.poll(&operation, &context()).await.unwrap();
    let Reply::Done(made) = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(
        (made.usage.output_ms, made.priced_nanos),
        (Some(6_000), bound)
    );
    let Output::Video { video } = made.output else {
        panic!("no film");
    };
    let MediaBody::Stream(stream) = video.body else {
        panic!("it is not held");
    };
    let pieces: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), FILM);
    assert_eq!(server.seen()[0].body["parameters"]["durationSeconds"], 6);
}

/// The operation says that its film is on this machine's network, or nowhere, or failed.
#[tokio::test]
async fn a_film_is_not_fetched_from_a_private_address() {
    fn elsewhere(seen: &Seen, own: &str) -> Answer {
        let uri = match seen.path.rsplit('/').next().unwrap() {
            "private" => "http://169.254.169.254/film",
            "named" => "https://localhost/film",
            "failed" => {
                let error = json!({ "code": 13, "message": KEY });
                return json(200, &json!({ "done": true, "error": error }));
            }
            "filtered" => {
                let films = json!({ "raiMediaFilteredCount": 1 });
                let response = json!({ "generateVideoResponse": films });
                return json(200, &json!({ "done": true, "response": response }));
            }
            _ => return ordinary(seen, own),
        };
        let films = json!({ "generatedSamples": [{ "video": { "uri": uri } }] });
        let response = json!({ "generateVideoResponse": films });
        json(200, &json!({ "done": true, "response": response }))
    }
    let provider = google(&Server::start(elsewhere).await.url);
    for (id, code) in [
        ("private", "address_refused"),
        ("named", "address_refused"),
        ("failed", "provider_failed"),
        ("filtered", "content_refused"),
        ("gone", "not_found"),
    ] {
        let mut operation = Operation::new(format!("operations/{id}"));
        operation.state = json!({ "kind": "film" });
        let error = provider.poll(&operation, &context()).await.unwrap_err();
        assert_eq!((error.code(), error.retry()), (code, Retry::Never), "{id}");
        assert!(!format!("{error:?}").contains(KEY));
    }
}

/// aimock, with a second of sound.
async fn aimock() -> Option<(Running, tempfile::TempDir)> {
    let modules = installed("LITINK_TEST_OPENAI_NPM")?;
    let folder = tempfile::tempdir().unwrap();
    let tone = STANDARD.encode(tone_wav(Duration::from_secs(1), 220.0));
    let audio = json!({ "audio": tone, "format": "wav" });
    let fixtures = json!({ "fixtures": [
        { "match": { "endpoint": "elevenlabs-tts" }, "response": audio },
        { "match": { "endpoint": "audio-gen" }, "response": audio },
        { "match": { "endpoint": "chat" }, "response": audio },
        { "match": { "endpoint": "video" }, "response": {
            "video": { "id": "v", "status": "completed", "url": "http://10.0.0.1/film" } } },
    ] });
    let file = folder.path().join("fixtures.json");
    std::fs::write(&file, fixtures.to_string()).unwrap();
    let port = free_port();
    let mut node = Command::new("node");
    node.arg(modules.join(".bin/llmock"));
    node.args(["-p", &port.to_string(), "-f"]).arg(&file);
    Some((start(&node, port).await, folder))
}

#[tokio::test]
async fn speech_sounds_and_films_are_understood_by_aimock() {
    let Some((running, _folder)) = aimock().await else {
        return;
    };
    let url = format!("http://127.0.0.1:{}", running.port);
    let provider = eleven(&url);
    let mut speech = Request::new(SpeechRequest::new("Hello."));
    let plain = Value::Bool(false);
    speech.provider_options.insert("timestamps".into(), plain);
    let made = done(&provider, &speech).await;
    assert!(matches!(made.output, Output::Speech { .. }));
    for kind in [SoundKind::Effect, SoundKind::Music] {
        let made = done(&provider, &sound(kind)).await;
        assert!(matches!(made.output, Output::Sound { .. }), "{kind:?}");
    }
    let provider = google(&url);
    let made = done(&provider, &Request::new(SpeechRequest::new("Hello."))).await;
    assert!(matches!(made.output, Output::Speech { .. }));
    let mut film = VideoRequest::default();
    film.prompt = "A clock strikes".into();
    let reply = provider.generate(&Request::new(film), &context()).await;
    let Reply::Pending(mut operation) = reply.unwrap() else {
        panic!("it is not done at once");
    };
    // Its film is where no film is fetched from.
    let error = loop {
        match provider.poll(&operation, &context()).await {
            Ok(Reply::Pending(again)) => operation = again,
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "address_refused", "{error:?}");
}
