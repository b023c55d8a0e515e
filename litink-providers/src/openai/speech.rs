//! Speech (`audio/speech`).

use bytes::{Bytes, BytesMut};
use litink_core::{
    Charge, Error, ErrorKind, Result, Retry,
    audio::wav::{WavFile, WavTags},
    provider::{Generated, Media, Output, SpeechRequest, Usage},
};
use serde_json::{Map, Value, json};

use super::{config::SpeechFormat, provider::Call};

/// What the endpoint speaks in one call at most.
const MAX_INPUT_CHARS: usize = 4_096;
/// Half an hour of samples at 48 kHz, above what 4,096 characters can be.
const MAX_BYTES: u64 = 192 << 20;
/// Of samples without a header.
const PCM_RATE: u32 = 24_000;

pub(super) async fn speak(call: &Call<'_>, request: &SpeechRequest) -> Result<Generated> {
    let chars = request.text.chars().count();
    if chars > MAX_INPUT_CHARS {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            "the text is longer than the endpoint speaks in one call; split it",
        )
        .with_code("text_too_long")
        .with_context("chars", chars)
        .with_context("limit", MAX_INPUT_CHARS));
    }
    let mut warnings = Vec::new();
    let format = call.endpoint.config.speech_format;
    let body = body(call, request, format, &mut warnings);
    let answer = call.json("audio/speech", body, MAX_BYTES).await?;
    let audio = match kind_of(&answer.bytes) {
        Some(media_type) => {
            if format != SpeechFormat::Pcm && media_type != media_type_of(format) {
                warnings.push(format!(
                    "the endpoint sent {media_type}, not what was asked for"
                ));
            }
            Media::bytes(media_type, answer.bytes.clone())
        }
        None if format == SpeechFormat::Pcm && !is_text(answer.content_type()) => {
            Media::bytes("audio/wav", with_header(&answer.bytes)?)
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

/// What bytes are, by how they begin.
fn kind_of(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE") {
        return Some("audio/wav");
    }
    if bytes.starts_with(b"fLaC") {
        return Some("audio/flac");
    }
    let frame = bytes.len() > 1 && bytes[0] == 0xff && bytes[1] & 0xe6 == 0xe2;
    (bytes.starts_with(b"ID3") || frame).then_some("audio/mpeg")
}

fn media_type_of(format: SpeechFormat) -> &'static str {
    match format {
        SpeechFormat::Wav | SpeechFormat::Pcm => "audio/wav",
        SpeechFormat::Mp3 => "audio/mpeg",
        SpeechFormat::Flac => "audio/flac",
    }
}

fn is_text(content_type: &str) -> bool {
    content_type.contains("json") || content_type.starts_with("text/")
}

fn with_header(samples: &Bytes) -> Result<Bytes> {
    let count = samples.len() / 2;
    if count == 0 {
        return Err(not_audio());
    }
    let header = WavFile::new(PCM_RATE, count as u64, &WavTags::default())?.header();
    let mut bytes = BytesMut::with_capacity(header.len() + count * 2);
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(&samples[..count * 2]);
    Ok(bytes.freeze())
}

fn not_audio() -> Error {
    Error::new(
        ErrorKind::Provider,
        "the provider answered, but not with audio that litink reads (WAV, MP3, FLAC)",
    )
    .with_code("not_audio")
    .with_retry(Retry::Ambiguous)
    .with_charge(Charge::Maybe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_say_what_they_are() {
        assert_eq!(kind_of(b"RIFF\0\0\0\0WAVEfmt "), Some("audio/wav"));
        assert_eq!(kind_of(b"fLaC"), Some("audio/flac"));
        assert_eq!(kind_of(b"ID3\x04"), Some("audio/mpeg"));
        assert_eq!(kind_of(&[0xff, 0xfb, 0x90]), Some("audio/mpeg"));
        // AAC in ADTS is not MP3.
        assert_eq!(kind_of(&[0xff, 0xf1, 0x50]), None);
        assert_eq!(kind_of(b"{\"error\":{}}"), None);
        assert_eq!(kind_of(b""), None);
    }

    #[test]
    fn samples_get_a_header() {
        let wav = with_header(&Bytes::from(vec![1; 4801])).unwrap();
        let probe = litink_core::audio::probe(&wav, "audio/wav").unwrap();
        assert_eq!((probe.samples, probe.sample_rate), (2400, PCM_RATE));
        assert_eq!(
            with_header(&Bytes::from_static(&[1])).unwrap_err().code(),
            "not_audio"
        );
    }
}
