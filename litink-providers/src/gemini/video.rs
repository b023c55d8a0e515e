//! Films (Veo): begun with `predictLongRunning`, asked for by the operation's name, and fetched.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use litink_core::{
    Charge, Error, ErrorKind, Result, Retry,
    provider::{
        AspectRatio, CallContext, Estimate, Generated, Media, Operation, Output, Reply, Request,
        Usage, VideoRequest,
    },
};
use percent_encoding::utf8_percent_encode;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    provider::GeminiProvider,
    text::{NAME, named},
};
use crate::vendor::{
    client::{Body, nonsense},
    fetch,
    media::stored,
    operation::unknown,
};

/// What operations of this sort are called in their state.
const KIND: &str = "film";
/// What is said of a film.
const MAX_BYTES: u64 = 4 << 20;
/// The picture that a film begins with.
const MAX_FRAME_BYTES: u64 = 20 << 20;
/// Far above what eight seconds are.
const MAX_FILM_BYTES: u64 = 4 << 30;
const POLL_MS: u64 = 10_000;
/// The sharpness that the catalog's prices are of.
const RESOLUTION: &str = "720p";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    name: Option<String>,
    done: Option<bool>,
    error: Option<Value>,
    response: Option<Ended>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Ended {
    generate_video_response: Option<Films>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Films {
    generated_samples: Option<Vec<Sample>>,
    rai_media_filtered_count: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sample {
    video: Option<Film>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Film {
    uri: Option<String>,
}

/// What is asked for of a film, the request's own options among it.
fn parameters(
    request: &Request,
    video: &VideoRequest,
    warnings: &mut Vec<String>,
) -> Map<String, Value> {
    let ratio = match video.aspect {
        AspectRatio::Portrait => "9:16",
        AspectRatio::Cover => {
            warnings.push("the film is 9:16, the nearest to 2:3 that the vendor has".into());
            "9:16"
        }
        AspectRatio::Square => {
            warnings.push("the film is 16:9: the vendor has no square one".into());
            "16:9"
        }
        _ => "16:9",
    };
    let seconds = match video.duration_ms {
        Some(..=4_000) => 4,
        Some(..=6_000) => 6,
        _ => 8,
    };
    let mut parameters = Map::new();
    parameters.insert("aspectRatio".into(), json!(ratio));
    parameters.insert("durationSeconds".into(), json!(seconds));
    parameters.insert("resolution".into(), json!(RESOLUTION));
    for (key, value) in &request.provider_options {
        parameters.insert(key.clone(), value.clone());
    }
    // One is asked for, and one is paid.
    parameters.insert("sampleCount".into(), json!(1));
    parameters
}

/// How long it is, and what it costs where that is known.
fn used(
    provider: &GeminiProvider,
    model: &str,
    parameters: &Map<String, Value>,
) -> (Usage, Option<i64>) {
    let mut usage = Usage::default();
    let seconds = parameters.get("durationSeconds").and_then(Value::as_u64);
    usage.output_ms = seconds.map(|it| it.saturating_mul(1_000));
    let listed = parameters.get("resolution").and_then(Value::as_str) == Some(RESOLUTION);
    let priced = provider.config().price(model, &usage).filter(|_| listed);
    (usage, priced)
}

pub(super) fn estimate(
    provider: &GeminiProvider,
    request: &Request,
    video: &VideoRequest,
) -> Estimate {
    let mut estimate = Estimate::default();
    if let Ok(model) = provider.model(request) {
        let parameters = parameters(request, video, &mut Vec::new());
        (estimate.usage, estimate.cost_nanos) = used(provider, &model, &parameters);
    }
    estimate
}

pub(super) async fn begin(
    provider: &GeminiProvider,
    request: &Request,
    video: &VideoRequest,
    context: &CallContext,
) -> Result<Reply> {
    let model = provider.model(request)?;
    let mut warnings = Vec::new();
    let parameters = parameters(request, video, &mut warnings);
    let mut instance = json!({ "prompt": video.prompt });
    if let Some(frame) = &video.first_frame {
        let bytes = stored(context, frame, MAX_FRAME_BYTES).await?;
        instance["image"] = json!({
            "bytesBase64Encoded": STANDARD.encode(&bytes),
            "mimeType": frame.media_type,
        });
    }
    let (usage, priced) = used(provider, &model, &parameters);
    let body = json!({ "instances": [instance], "parameters": parameters });
    let path = format!("{}:predictLongRunning", named(&model));
    let answer = provider
        .endpoint()
        .json(&path, body, context, MAX_BYTES)
        .await?;
    let said: Said = answer.json()?;
    let name = said.name.filter(|it| is_name(it)).ok_or_else(nonsense)?;
    warnings.extend(provider.config().near_end(&model));
    let mut operation = Operation::new(name);
    operation.poll_after_ms = POLL_MS;
    operation.state = json!({
        "kind": KIND,
        "model": model,
        "ms": usage.output_ms,
        "priced": priced,
        "warnings": warnings,
    });
    Ok(Reply::Pending(operation))
}

pub(super) async fn poll(
    provider: &GeminiProvider,
    operation: &Operation,
    context: &CallContext,
) -> Result<Reply> {
    let state = &operation.state;
    if state.get("kind").and_then(Value::as_str) != Some(KIND) || !is_name(&operation.id) {
        return Err(Error::not_found("operation", &operation.id));
    }
    let answer = provider
        .endpoint()
        .send(
            Method::GET,
            &path(&operation.id),
            Body::Nothing,
            context,
            MAX_BYTES,
        )
        .await
        .map_err(|error| unknown(error, operation))?;
    // Its own error is no error of the question.
    let said: Said = serde_json::from_slice(&answer.bytes).map_err(|_| nonsense())?;
    if said.error.is_some_and(|it| !it.is_null()) {
        return Err(over(
            ErrorKind::Provider,
            "provider_failed",
            "the vendor failed at the film; try again, or name another model",
        ));
    }
    if said.done != Some(true) {
        let mut operation = operation.clone();
        operation.poll_after_ms = POLL_MS;
        return Ok(Reply::Pending(operation));
    }
    let films = said.response.and_then(|it| it.generate_video_response);
    let films = films.unwrap_or_default();
    let first = films
        .generated_samples
        .unwrap_or_default()
        .into_iter()
        .next();
    let uri = first.and_then(|it| it.video).and_then(|it| it.uri);
    let Some(uri) = uri else {
        return Err(match films.rai_media_filtered_count {
            Some(1..) => over(
                ErrorKind::InvalidInput,
                "content_refused",
                "the vendor's rules of content do not allow this film; change what is asked for",
            ),
            _ => over(
                ErrorKind::Provider,
                "bad_reply",
                "the vendor says that the film is finished, and not where it is",
            ),
        });
    };
    let film = fetch::open(provider.endpoint(), &uri, MAX_FILM_BYTES, context).await?;
    let mut made = Generated::new(Output::Video {
        video: Media::stream("video/mp4", film),
    });
    made.usage.output_ms = state.get("ms").and_then(Value::as_u64);
    made.priced_nanos = state.get("priced").and_then(Value::as_i64);
    made.model = state
        .get("model")
        .and_then(Value::as_str)
        .map(str::to_owned);
    made.request_id = answer.request_id();
    made.rates = answer.rates();
    let warnings = state.get("warnings").and_then(Value::as_array);
    let warnings = warnings.into_iter().flatten().filter_map(Value::as_str);
    made.warnings.extend(warnings.map(str::to_owned));
    Ok(Reply::Done(Box::new(made)))
}

/// `models/veo-x/operations/y`, or `operations/y`: parts of a path, and nothing that leaves it.
fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.len() <= 256
            && part.bytes().any(|byte| byte != b'.')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    name.len() <= 1_024 && name.split('/').all(part)
}

fn path(name: &str) -> String {
    let parts = name
        .split('/')
        .map(|it| utf8_percent_encode(it, NAME).to_string());
    parts.collect::<Vec<_>>().join("/")
}

/// It will not be finished. Whether it was paid, nobody says.
fn over(kind: ErrorKind, code: &'static str, message: &str) -> Error {
    Error::new(kind, message)
        .with_code(code)
        .with_retry(Retry::Never)
        .with_charge(Charge::Maybe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operations_name_leads_nowhere_else() {
        for name in ["operations/a-1", "models/veo-3.1/operations/x_y"] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            "a//b",
            "../models",
            "a/../b",
            "a?key=1",
            "https://x/y",
            "a b",
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
