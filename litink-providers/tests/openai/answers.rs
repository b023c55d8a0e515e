//! What such a server ordinarily answers.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use litink_core::testing::scripted::{tone_image, tone_wav};
use serde_json::{Value, json};

use crate::server::{Answer, Seen};

pub(crate) fn ordinary(seen: &Seen) -> Answer {
    let body = seen.json();
    let path = seen.path.trim_start_matches("/v1/");
    let answer = match path {
        "models" => Answer::json(
            200,
            &json!({ "object": "list", "data": [
                { "id": "a-model", "object": "model", "created": 1, "owned_by": "me" },
                { "id": "old", "object": "model", "shutdown_date": "2020-01-01" },
            ] }),
        ),
        "responses" => Answer::json(200, &response(&body)),
        "chat/completions" => Answer::json(200, &completion(&body)),
        "audio/speech" => speech(&body),
        "images" | "images/generations" | "images/edits" => Answer::json(
            200,
            &json!({
                "created": 1, "data": [{ "b64_json": STANDARD.encode(tone_image()) }],
                "size": "1x1",
                "usage": { "input_tokens": 20, "output_tokens": 100, "total_tokens": 120,
                           "input_tokens_details": { "text_tokens": 20, "image_tokens": 0 } },
            }),
        ),
        "embeddings" => Answer::json(200, &embeddings(&body)),
        "audio/transcriptions" => Answer::json(
            200,
            &json!({
                "text": "The clocks struck.", "language": "english", "duration": 1.0,
                "words": [{ "word": "The", "start": 0.0, "end": 0.2 },
                          { "word": "clocks", "start": 0.2, "end": 0.5 },
                          { "word": "struck", "start": 0.5, "end": 0.9 }],
                "usage": { "type": "duration", "seconds": 1 },
            }),
        ),
        "videos" => Answer::json(200, &video("queued", 0)),
        "videos/video_1" => Answer::json(200, &video("completed", 100)),
        "videos/video_1/content" => {
            let kind = vec![("content-type", "video/mp4".to_owned())];
            Answer::Full(200, kind, film())
        }
        _ => Answer::json(
            404,
            &json!({ "error": { "message": "no", "type": "x", "code": null } }),
        ),
    };
    answer.header("x-request-id", "req_1")
}

fn speech(body: &Value) -> Answer {
    let text = body["input"].as_str().unwrap_or_default();
    let time = Duration::from_millis(60 * text.chars().count() as u64);
    let audio = tone_wav(time, 220.0);
    let kind = vec![("content-type", "audio/wav".to_owned())];
    match body["response_format"].as_str() {
        Some("pcm") => Answer::Full(200, vec![], audio.slice(44..)),
        _ => Answer::Full(200, kind, audio),
    }
}

fn response(body: &Value) -> Value {
    let said = body["input"].as_array().and_then(|all| all.last());
    let text = said.and_then(|it| it["content"].as_str()).unwrap_or("?");
    json!({
        "id": "resp_1", "object": "response", "status": "completed", "error": null,
        "incomplete_details": null, "model": body["model"], "service_tier": "default",
        "output": [
            { "type": "reasoning", "id": "rs_1", "summary": [] },
            { "type": "message", "role": "assistant", "status": "completed",
              "content": [{ "type": "output_text", "text": text, "annotations": [] }] },
        ],
        "usage": { "input_tokens": 1000, "input_tokens_details": { "cached_tokens": 400 },
                   "output_tokens": 10, "output_tokens_details": { "reasoning_tokens": 4 },
                   "total_tokens": 1010 },
    })
}

fn completion(body: &Value) -> Value {
    let said = body["messages"].as_array().and_then(|all| all.last());
    let text = said.and_then(|it| it["content"].as_str()).unwrap_or("?");
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": body["model"],
        "choices": [{ "index": 0, "finish_reason": "stop", "logprobs": null,
                      "message": { "role": "assistant", "content": text, "refusal": null } }],
        "usage": { "prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12,
                   "cost": 0.000_012_5 },
    })
}

pub(crate) fn video(status: &str, progress: u8) -> Value {
    json!({ "id": "video_1", "object": "video", "status": status, "progress": progress,
            "model": "a-model", "seconds": "4", "size": "1280x720", "error": null })
}

/// What begins as a film does.
pub(crate) fn film() -> Bytes {
    Bytes::from_static(b"\0\0\0\x14ftypisom\0\0\x02\0mp42\0\0\0\x0cmdatfilm")
}

fn embeddings(body: &Value) -> Value {
    let texts = body["input"].as_array().cloned().unwrap_or_default();
    let base64 = body["encoding_format"] == "base64";
    let vector = |text: &Value| {
        let length = text.as_str().unwrap_or_default().len() as f32;
        [length, 0.5, -1.0]
    };
    let one = |(index, text): (usize, &Value)| {
        let numbers = vector(text);
        let bytes: Vec<u8> = numbers.iter().flat_map(|it| it.to_le_bytes()).collect();
        let embedding = if base64 {
            json!(STANDARD.encode(bytes))
        } else {
            json!(numbers)
        };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    };
    let mut data: Vec<_> = texts.iter().enumerate().map(one).collect();
    // An answer may be in any order.
    data.reverse();
    json!({ "object": "list", "data": data, "model": body["model"],
            "usage": { "prompt_tokens": 5, "total_tokens": 5 } })
}

/// A fault's usual body.
pub(crate) fn error(code: &str) -> Value {
    json!({ "error": { "message": "it quotes sk-canary and the book", "type": "x", "code": code } })
}

pub(crate) fn html() -> Bytes {
    Bytes::from_static(b"<html><body>502 canary</body></html>")
}
