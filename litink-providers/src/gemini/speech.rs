//! Speech, through `generateContent`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use litink_core::{
    Result, Retry,
    provider::{
        CallContext, Estimate, Generated, Media, Output, Request, SpeechRequest, Spent, Usage,
    },
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    provider::GeminiProvider,
    text::{Tokens, ended, named},
};
use crate::{
    catalog,
    vendor::{
        client::nonsense,
        media::{audio_kind, not_audio, wav_of},
        said::{Ended, paid, used},
    },
};

/// Tokens that are spoken at most, ten minutes of them: without a bound there is no most that a call can
/// cost.
const MAX_OUTPUT_TOKENS: u64 = 16_384;
/// As many minutes of samples, in base64.
const MAX_BYTES: u64 = 64 << 20;
/// Of samples whose type does not say.
const RATE: u32 = 24_000;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Response {
    candidates: Option<Vec<Candidate>>,
    prompt_feedback: Option<Value>,
    usage_metadata: Option<Tokens>,
    model_version: Option<String>,
    response_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Candidate {
    content: Option<Content>,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Content {
    parts: Option<Vec<Part>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Part {
    inline_data: Option<Inline>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Inline {
    mime_type: String,
    data: String,
}

pub(super) fn estimate(
    provider: &GeminiProvider,
    request: &Request,
    speech: &SpeechRequest,
) -> Estimate {
    let mut usage = Usage::default();
    let style = speech.style.as_deref().unwrap_or_default();
    // No token is shorter than a byte.
    usage.input_tokens = Some((speech.text.len() + style.len()) as u64 + 64);
    usage.output_tokens = Some(MAX_OUTPUT_TOKENS);
    let mut estimate = Estimate::default();
    if let Ok(model) = provider.model(request) {
        let price = |usage: &Usage| provider.config().price(&model, usage);
        estimate.cost_nanos = catalog::most(&usage, price);
    }
    estimate.usage = usage;
    estimate
}

pub(super) async fn speak(
    provider: &GeminiProvider,
    request: &Request,
    speech: &SpeechRequest,
    context: &CallContext,
) -> Result<Generated> {
    let model = provider.model(request)?;
    let mut warnings = Vec::new();
    let body = body(provider, request, speech, &mut warnings);
    let path = format!("{}:generateContent", named(&model));
    let answer = provider
        .endpoint()
        .json(&path, Value::Object(body), context, MAX_BYTES)
        .await?;
    answer.refused_in_success()?;
    let response: Response = serde_json::from_slice(&answer.bytes).map_err(|_| nonsense())?;
    let tokens = response.usage_metadata.unwrap_or_default();
    let mut spent = Spent::new(tokens.usage());
    match tokens.tier() {
        // Others have other prices than those of the lists.
        Some(tier) => warnings.push(format!("served in the tier {tier}")),
        None => spent.priced_nanos = provider.config().price(&model, &spent.usage),
    }
    let candidate = response.candidates.unwrap_or_default().into_iter().next();
    let blocked = response.prompt_feedback.is_some();
    let found = match candidate {
        Some(candidate) => candidate.spoken(),
        None if blocked => Err(refused()),
        None => Err(nonsense()),
    };
    let (kind, bytes) = found.map_err(|error| used(error, &spent).with_rates(answer.rates()))?;
    let mut made = Generated::new(Output::Speech {
        audio: Media::bytes(kind, bytes),
        marks: Vec::new(),
    });
    made.usage = spent.usage;
    made.priced_nanos = spent.priced_nanos;
    made.rates = answer.rates();
    made.request_id = answer.request_id().or(response.response_id);
    made.warnings = warnings;
    made.warnings.extend(provider.config().near_end(&model));
    made.model = response
        .model_version
        .filter(|it| !it.is_empty())
        .or(Some(model));
    Ok(made)
}

fn body(
    provider: &GeminiProvider,
    request: &Request,
    speech: &SpeechRequest,
    warnings: &mut Vec<String>,
) -> Map<String, Value> {
    let mut part = json!({ "text": speech.text });
    let style = speech.style.as_deref().map(str::trim);
    match style.filter(|it| !it.is_empty()) {
        Some(_) if speech.verbatim => warnings
            .push("style is not used: a model that takes direction may use other words".to_owned()),
        // Beside the text and not in it, where it might be read aloud.
        Some(style) => part["speechMetadata"] = json!({ "style": style }),
        None => {}
    }
    if speech
        .speed
        .is_some_and(|it| (it - 1.0).abs() > f32::EPSILON)
    {
        warnings.push("the vendor takes no speed: speed is not used".to_owned());
    }
    if request.variant > 0 {
        warnings.push("another take is left to chance: models take no number for it".to_owned());
    }
    let voice = speech.voice.as_deref();
    let voice = voice.or_else(|| provider.config().own_voice());
    let mut config = json!({});
    if let Some(voice) = voice {
        config["voiceConfig"] = json!({ "prebuiltVoiceConfig": { "voiceName": voice } });
    }
    if let Some(language) = &speech.language {
        config["languageCode"] = json!(language);
    }
    let mut generation = json!({
        "responseModalities": ["AUDIO"],
        "speechConfig": config,
    });
    if let Some(fields) = generation.as_object_mut() {
        let given = request.provider_options.get("generationConfig");
        for (key, value) in given.and_then(Value::as_object).into_iter().flatten() {
            if key != "responseModalities" {
                fields.insert(key.clone(), value.clone());
            }
        }
        // It bounds the price.
        fields.insert("maxOutputTokens".into(), json!(MAX_OUTPUT_TOKENS));
    }
    let mut body = Map::new();
    let contents = json!([{ "role": "user", "parts": [part] }]);
    body.insert("contents".into(), contents);
    body.insert("generationConfig".into(), generation);
    for (key, value) in &request.provider_options {
        if !body.contains_key(key) {
            body.insert(key.clone(), value.clone());
        }
    }
    body
}

impl Candidate {
    /// Audio of a kind that litink reads, of all its parts.
    fn spoken(self) -> Result<(&'static str, Bytes)> {
        match ended(self.finish_reason.as_deref()) {
            Ended::Cut => {
                return Err(paid(
                    "output_truncated",
                    "the model stopped before the text was spoken; give it less at once",
                ));
            }
            Ended::Filtered | Ended::Refused => return Err(refused()),
            Ended::Whole => {}
        }
        let parts = self.content.and_then(|it| it.parts).unwrap_or_default();
        let mut bytes = Vec::new();
        let mut rate = RATE;
        for part in parts.into_iter().filter_map(|it| it.inline_data) {
            let piece = STANDARD.decode(part.data.trim());
            bytes.extend(piece.map_err(|_| not_audio())?);
            rate = rate_of(&part.mime_type).unwrap_or(rate);
        }
        if bytes.is_empty() {
            let message = "the model spoke nothing; try again, or give it another text";
            return Err(paid("empty_reply", message).with_retry(Retry::Backoff));
        }
        match audio_kind(&bytes) {
            Some(kind) => Ok((kind, bytes.into())),
            None => Ok(("audio/wav", wav_of(rate, &bytes)?)),
        }
    }
}

/// Of `audio/L16;codec=pcm;rate=24000`.
fn rate_of(media_type: &str) -> Option<u32> {
    let said = media_type
        .split(';')
        .find_map(|it| it.trim().strip_prefix("rate="));
    said?
        .parse()
        .ok()
        .filter(|rate| (8_000..=192_000).contains(rate))
}

fn refused() -> litink_core::Error {
    paid(
        "content_refused",
        "the vendor's rules of content stopped the answer; change what is asked for",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(text: &str) -> Result<(&'static str, Bytes)> {
        let candidate: Candidate = serde_json::from_str(text).unwrap();
        candidate.spoken()
    }

    #[test]
    fn samples_get_a_header_and_ends_are_told_apart() {
        let data = STANDARD.encode([7_u8; 4_800]);
        let (kind, wav) = spoken(&format!(
            r#"{{"content":{{"parts":[{{"text":"hm"}},{{"inlineData":{{"mimeType":
            "audio/L16;codec=pcm;rate=16000","data":"{data}"}}}}]}},"finishReason":"STOP"}}"#
        ))
        .unwrap();
        let probe = litink_core::audio::probe(&wav, kind).unwrap();
        assert_eq!((probe.sample_rate, probe.samples), (16_000, 2_400));
        for (text, code) in [
            (r#"{"finishReason":"MAX_TOKENS"}"#, "output_truncated"),
            (r#"{"finishReason":"SAFETY"}"#, "content_refused"),
            (r#"{"finishReason":"STOP"}"#, "empty_reply"),
            (
                r#"{"content":{"parts":[{"inlineData":{"data":"?"}}]}}"#,
                "not_audio",
            ),
        ] {
            assert_eq!(spoken(text).unwrap_err().code(), code, "{text}");
        }
    }
}
