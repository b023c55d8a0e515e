//! Speech (`audio/speech`).

use litink_core::{
    Error, ErrorKind, Result,
    provider::{Generated, Media, Output, SpeechRequest, Usage},
};
use serde_json::{Map, Value, json};

use super::{config::SpeechFormat, provider::Call};
use crate::vendor::media::{audio_kind, is_text, not_audio, wav_of};

/// What the endpoint speaks in one call at most.
const MAX_INPUT_CHARS: usize = 4_096;
/// Half an hour of samples at 48 kHz, above what 4,096 characters can be.
const MAX_BYTES: u64 = 192 << 20;
/// Of samples without a header.
const PCM_RATE: u32 = 24_000;

pub(super) async fn speak(call: &Call<'_>, request: &SpeechRequest) -> Result<Generated> {
    let chars = too_long(&request.text)?;
    let mut warnings = Vec::new();
    let format = call.endpoint.config.speech_format;
    let body = body(call, request, format, &mut warnings);
    let answer = call.json("audio/speech", body, MAX_BYTES).await?;
    let audio = match audio_kind(&answer.bytes) {
        Some(media_type) => {
            if format != SpeechFormat::Pcm && media_type != media_type_of(format) {
                warnings.push(format!(
                    "the endpoint sent {media_type}, not what was asked for"
                ));
            }
            Media::bytes(media_type, answer.bytes.clone())
        }
        None if format == SpeechFormat::Pcm && !is_text(answer.content_type()) => {
            Media::bytes("audio/wav", wav_of(PCM_RATE, &answer.bytes)?)
        }
        // An error in a success, or what is no audio at all.
        None => {
            if is_text(answer.content_type()) {
                answer.json::<Value>()?;
            }
            return Err(not_audio());
        }
    };
    let mut made = Generated::new(Output::Speech {
        audio,
        marks: Vec::new(),
    });
    made.usage = Usage::default();
    made.usage.input_chars = Some(chars as u64);
    made.request_id = answer.request_id();
    made.warnings = warnings;
    Ok(made)
}

/// How many characters a text has, unless they are too many.
pub(super) fn too_long(text: &str) -> Result<usize> {
    let chars = text.chars().count();
    if chars <= MAX_INPUT_CHARS {
        return Ok(chars);
    }
    Err(Error::new(
        ErrorKind::LimitExceeded,
        "the text is longer than the endpoint speaks in one call; split it",
    )
    .with_code("text_too_long")
    .with_context("chars", chars)
    .with_context("limit", MAX_INPUT_CHARS))
}

fn body(
    call: &Call<'_>,
    request: &SpeechRequest,
    format: SpeechFormat,
    warnings: &mut Vec<String>,
) -> Map<String, Value> {
    let config = &call.endpoint.config;
    let voice = request.voice.as_deref().or(config.voice.as_deref());
    let mut body = Map::new();
    body.insert("model".into(), json!(call.model));
    body.insert("input".into(), json!(request.text));
    body.insert("voice".into(), json!(voice.unwrap_or(config.dialect.voice)));
    body.insert("response_format".into(), json!(format.as_str()));
    let style = request.style.as_deref().map(str::trim);
    match style.filter(|style| !style.is_empty()) {
        Some(_) if request.verbatim => warnings
            .push("style is not used: a model that takes direction may use other words".to_owned()),
        // The first generation takes no direction, and refuses it.
        Some(_) if call.model.starts_with("tts-1") => {
            warnings.push("this model takes no direction: style is not used".to_owned());
        }
        Some(style) => drop(body.insert("instructions".into(), json!(style))),
        None => {}
    }
    if let Some(speed) = request
        .speed
        .filter(|speed| (speed - 1.0).abs() > f32::EPSILON)
    {
        // As it is written, not as its bits are.
        let speed: f64 = speed.to_string().parse().unwrap_or(1.0);
        body.insert("speed".into(), json!(speed.clamp(0.25, 4.0)));
    }
    body
}

fn media_type_of(format: SpeechFormat) -> &'static str {
    match format {
        SpeechFormat::Wav | SpeechFormat::Pcm => "audio/wav",
        SpeechFormat::Mp3 => "audio/mpeg",
        SpeechFormat::Flac => "audio/flac",
    }
}
