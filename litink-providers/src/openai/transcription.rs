//! Transcripts (`audio/transcriptions`).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use litink_core::{
    Result,
    provider::{Generated, Output, TranscriptionRequest},
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{dialect::Audio, provider::Call, text::Tokens};
use crate::vendor::{
    client::Body,
    marks::{Timed, marks},
    media::stored,
    multipart::Form,
};

/// What the endpoint takes.
const MAX_SENT: u64 = 25 << 20;
const MAX_BYTES: u64 = 32 << 20;

#[derive(Deserialize)]
struct Transcript {
    text: String,
    #[serde(default)]
    words: Option<Vec<Timed>>,
    #[serde(default)]
    segments: Option<Vec<Timed>>,
    #[serde(default)]
    duration: Option<Seconds>,
    #[serde(default)]
    usage: Option<Tokens>,
}

/// A number, or a number in quotes, as whisper-1 once said it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

pub(super) async fn hear(call: &Call<'_>, request: &TranscriptionRequest) -> Result<Generated> {
    let bytes = stored(call.context, &request.audio, MAX_SENT).await?;
    let ending = ending(&request.audio.media_type);
    // BCP 47 to ISO 639-1.
    let language = request.language.as_deref();
    let language = language.and_then(|tag| tag.split('-').next());
    let mut body = Map::new();
    body.insert("model".into(), json!(call.model));
    if let Some(language) = language {
        body.insert("language".into(), json!(language));
    }
    let timed = has_times(call);
    let form = call.endpoint.config.dialect.transcription == Audio::Form;
    let body = if form {
        let format = if timed { "verbose_json" } else { "json" };
        body.insert("response_format".into(), json!(format));
        call.with_options(&mut body);
        let mut form = Form::new();
        for (name, value) in &body {
            form = match value {
                Value::String(text) => form.text(name, text),
                other => form.text(name, &other.to_string()),
            };
        }
        if timed {
            form = form.text("timestamp_granularities[]", "word");
        }
        let media_type = format!("audio/{ending}");
        Body::Form(form.file("file", &format!("audio.{ending}"), &media_type, &bytes))
    } else {
        let audio = json!({ "data": STANDARD.encode(&bytes), "format": ending });
        body.insert("input_audio".into(), audio);
        call.with_options(&mut body);
        Body::Json(Value::Object(body))
    };
    let path = "audio/transcriptions";
    let answer = call.send(Method::POST, path, body, MAX_BYTES).await?;
    let heard: Transcript = answer.json()?;
    let times = heard.words.filter(|it| !it.is_empty()).or(heard.segments);
    let marks = marks(&heard.text, &times.unwrap_or_default());
    let wanted_times = marks.is_empty() && !heard.text.trim().is_empty();
    let mut made = Generated::new(Output::Transcription {
        text: heard.text,
        marks,
    });
    if wanted_times {
        made.warnings
            .push("this model does not say when each word is spoken".to_owned());
    }
    let tokens = heard.usage.unwrap_or_default();
    made.cost_nanos = tokens.cost_nanos();
    made.usage = tokens.usage();
    if made.usage.input_ms.is_none() {
        made.usage.input_ms = heard.duration.and_then(|it| it.ms());
    }
    made.request_id = answer.request_id();
    Ok(made)
}

impl Seconds {
    fn ms(&self) -> Option<u64> {
        let seconds = match self {
            Self::Number(number) => *number,
            Self::Text(text) => text.parse().ok()?,
        };
        (seconds.is_finite() && seconds >= 0.0).then(|| (seconds * 1_000.0).round() as u64)
    }
}

/// Of OpenAI's own models, only the first gives times, and the others refuse to be asked.
fn has_times(call: &Call<'_>) -> bool {
    !call.endpoint.config.dialect.catalog || call.model.starts_with("whisper")
}

fn ending(media_type: &str) -> &'static str {
    match media_type.split(';').next().unwrap_or_default().trim() {
        "audio/mpeg" | "audio/mp3" => "mp3",
        "audio/flac" | "audio/x-flac" => "flac",
        "audio/mp4" | "audio/m4a" => "m4a",
        "audio/ogg" => "ogg",
        "audio/webm" => "webm",
        _ => "wav",
    }
}
