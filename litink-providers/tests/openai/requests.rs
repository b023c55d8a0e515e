//! What litink asks for, beside what the vendor's own client asks for to do the same, against one
//! server that keeps the requests. What litink sends is held to that client's types, too.
//!
//! Compared are methods, paths, bodies, and the headers that mean something.

use std::{collections::BTreeMap, process::Stdio, sync::Arc};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use litink_core::{
    GenerationId, LOCAL_USER, Result,
    provider::{
        AspectRatio, CallContext, EmbeddingRequest, GenerationProvider, ImageRequest, Media,
        MediaRef, MediaSource, Request, SpeechRequest, TranscriptionRequest,
    },
    storage::{Area, StorageKey},
    testing::scripted::tone_image,
};
use litink_providers::openai::{OpenAiProvider, TextApi};
use serde_json::{Map, Value, json};
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{
    programs::installed,
    server::{KEY, Seen, Server},
    shapes::text,
};

const AUDIO: &[u8] = b"RIFF\0\0\0\0WAVEfmt ";

#[derive(Debug)]
struct Stored;

#[async_trait]
impl MediaSource for Stored {
    async fn open(&self, media: &MediaRef) -> Result<Media> {
        Ok(match media.media_type.as_str() {
            "image/png" => Media::bytes("image/png", tone_image()),
            _ => Media::bytes("audio/wav", AUDIO),
        })
    }
}

fn stored(media_type: &str) -> MediaRef {
    MediaRef {
        key: StorageKey::new(LOCAL_USER, Area::Images, GenerationId::random(), "a"),
        content_hash: "1".into(),
        media_type: media_type.into(),
    }
}

/// A request without what does not matter: a form as its fields.
#[derive(Debug, PartialEq)]
struct Plain {
    call: String,
    headers: BTreeMap<String, String>,
    body: Value,
}

impl Plain {
    fn of(seen: &Seen) -> Self {
        let mut headers = BTreeMap::new();
        for name in ["authorization", "content-type"] {
            if let Some(value) = seen.headers.get(name) {
                let value = value.to_str().unwrap();
                let value = value.split(';').next().unwrap();
                headers.insert(name.to_owned(), value.to_owned());
            }
        }
        let form = headers.get("content-type").map(String::as_str) == Some("multipart/form-data");
        Self {
            call: format!("{} {}", seen.method, seen.path),
            body: if form { fields(seen) } else { seen.json() },
            headers,
        }
    }
}

/// The fields of a form: texts, and of files their name, type and hash.
fn fields(seen: &Seen) -> Value {
    let kind = seen.headers["content-type"].to_str().unwrap();
    let boundary = kind.split("boundary=").nth(1).unwrap().trim_matches('"');
    let boundary = format!("--{boundary}");
    let mut fields = Map::new();
    let mut rest: &[u8] = &seen.body;
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|it| it == what);
    while let Some(start) = find(rest, boundary.as_bytes()) {
        rest = &rest[start + boundary.len()..];
        let Some(end) = find(rest, boundary.as_bytes()) else {
            break;
        };
        let part = &rest[2..end - 2];
        let split = find(part, b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&part[..split]).into_owned();
        let content = &part[split + 4..];
        let named = |what: &str| {
            let at = head.split(&format!(" {what}=\"")).nth(1)?;
            at.split('"').next().map(str::to_owned)
        };
        let value = match named("filename") {
            None => json!(String::from_utf8_lossy(content)),
            Some(file) => {
                let kind = head
                    .lines()
                    .find_map(|it| it.strip_prefix("Content-Type: "));
                json!([file, kind, blake3::hash(content).to_string()])
            }
        };
        let name = named("name").unwrap();
        let mut all = fields
            .remove(&name)
            .map_or(Vec::new(), |it| it.as_array().cloned().unwrap());
        all.push(value);
        fields.insert(name, Value::Array(all));
    }
    Value::Object(fields)
}

fn operations() -> Vec<(TextApi, Request)> {
    let schema = json!({ "type": "object", "required": ["a"],
        "properties": { "a": { "type": "string" }, "b": { "type": "integer" } } });
    let mut speech = SpeechRequest::new("Hello, Zoë.");
    speech.voice = Some("nova".into());
    speech.style = Some("softly".into());
    speech.speed = Some(1.25);
    let mut image = ImageRequest::default();
    image.prompt = "A clock tower".into();
    image.style = Some("woodcut".into());
    image.aspect = AspectRatio::Cover;
    image.transparent = true;
    let mut edit = image.clone();
    edit.base = Some(stored("image/png"));
    let mut edits = edit.clone();
    edits.references = vec![stored("image/png")];
    let mut texts = EmbeddingRequest::default();
    texts.texts = vec!["one".into(), "two".into()];
    texts.dimensions = Some(3);
    let mut audio = TranscriptionRequest::new(stored("audio/wav"));
    audio.language = Some("en-GB".into());
    let new = TextApi::Responses;
    let newer = Request::new(audio.clone()).model(Some("gpt-transcribe".into()));
    vec![
        (new, text(None)),
        (new, text(Some(schema.clone()))),
        (TextApi::Chat, text(None)),
        (TextApi::Chat, text(Some(schema))),
        (new, Request::new(SpeechRequest::new("Hello."))),
        (new, Request::new(speech)),
        (new, Request::new(image)),
        (new, Request::new(edit)),
        (new, Request::new(edits)),
        (new, Request::new(texts)),
        (new, Request::new(audio)),
        (new, newer),
    ]
}

/// What the vendor's client is to be told to make the same request.
fn told(plain: &Plain) -> Value {
    let op = plain.call.split("/v1/").nth(1).unwrap();
    let mut body = plain.body.as_object().cloned().unwrap_or_default();
    let mut images = 0;
    if matches!(op, "images/edits" | "audio/transcriptions") {
        body.retain(|name, value| {
            let files = matches!(name.as_str(), "image" | "image[]" | "file");
            if files {
                images = value.as_array().unwrap().len();
            }
            !files
        });
        let plain = body
            .into_iter()
            .map(|(name, value)| match name.strip_suffix("[]") {
                Some(list) => (list.to_owned(), value),
                None => (name, value[0].clone()),
            });
        body = plain.collect();
    }
    json!({ "op": op, "body": body, "images": images,
        "png": STANDARD.encode(tone_image()), "file": STANDARD.encode(AUDIO) })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vendors_own_client_asks_for_the_same() {
    let Some(python) = installed("LITINK_TEST_OPENAI_PYTHON") else {
        return;
    };
    let server = Server::start().await;
    for (api, request) in operations() {
        let mut config = server.config("openai");
        config.text_api = api;
        let provider = OpenAiProvider::new(config).unwrap();
        let mut context = CallContext::new(GenerationId::random());
        context.media = Some(Arc::new(Stored));
        // What the answer is worth is not the question: one of a schema does not fit it.
        drop(provider.generate(&request, &context).await);
    }
    server.provider("openai").models().await.unwrap();
    let ours: Vec<_> = server.seen().iter().map(Plain::of).collect();
    assert_eq!(ours.len(), operations().len() + 1);

    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/openai/clients/requests.py"
    );
    let mut process = Command::new(python.join("bin/python"))
        .args([script, &server.url, KEY])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let lines: String = ours.iter().map(|it| format!("{}\n", told(it))).collect();
    let mut stdin = process.stdin.take().unwrap();
    stdin.write_all(lines.as_bytes()).await.unwrap();
    drop(stdin);
    let output = process.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}\n{wrong}");
    for line in said.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["wrong"], json!([]), "{line}");
    }
    let theirs: Vec<_> = server.seen()[ours.len()..].iter().map(Plain::of).collect();
    assert_eq!(theirs.len(), ours.len(), "{wrong}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
}
