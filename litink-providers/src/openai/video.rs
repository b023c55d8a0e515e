//! Films (`videos`), as OpenAI had them until September 2026 and gateways and local servers still do:
//! begun, asked for, and fetched when they are finished.

use litink_core::{
    Charge, Error, ErrorKind, Result, Retry,
    provider::{AspectRatio, Generated, Media, Operation, Output, Reply, Usage, VideoRequest},
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{dialect::Videos, image::data_url, provider::Call, text::Tokens};
use crate::vendor::{
    client::{Answer, Body, at, nonsense},
    fetch,
    media::stored,
    multipart::Form,
    operation::{id_in_path, poll_after, unknown},
};

/// What operations of this sort are called in their state.
pub(super) const KIND: &str = "video";
/// What is said of a film.
const MAX_BYTES: u64 = 1 << 20;
/// The picture that a film begins with.
const MAX_FRAME_BYTES: u64 = 25 << 20;
/// A film of minutes, in the best of qualities.
const MAX_FILM_BYTES: u64 = 8 << 30;
/// How often a film is asked for where the server does not say.
const POLL_MS: u64 = 5_000;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Video {
    id: Option<String>,
    status: Option<String>,
    progress: Option<f32>,
    model: Option<String>,
    seconds: Option<Value>,
    error: Option<Value>,
    usage: Option<Tokens>,
}

pub(super) async fn begin(call: &Call<'_>, request: &VideoRequest) -> Result<Reply> {
    let answer = match call.endpoint.config.dialect.videos {
        Videos::OpenRouter => routed(call, request).await?,
        _ => asked(call, request).await?,
    };
    let video: Video = said(&answer)?;
    let id = video.id.clone().filter(|it| !it.is_empty());
    let mut operation = Operation::new(id.ok_or_else(nonsense)?);
    operation.state = json!({ "kind": KIND, "model": call.model });
    Ok(Reply::Pending(stands(operation, &video, &answer)))
}

/// As OpenRouter takes it.
async fn routed(call: &Call<'_>, request: &VideoRequest) -> Result<Answer> {
    let ratio = match request.aspect {
        AspectRatio::Square => "1:1",
        AspectRatio::Portrait => "9:16",
        AspectRatio::Cover => "2:3",
        _ => "16:9",
    };
    let mut body = Map::new();
    body.insert("model".into(), json!(call.model));
    body.insert("prompt".into(), json!(request.prompt));
    body.insert("aspect_ratio".into(), json!(ratio));
    if let Some(ms) = request.duration_ms {
        body.insert("duration".into(), json!(ms.div_ceil(1_000).max(1)));
    }
    if let Some(frame) = &request.first_frame {
        let bytes = stored(call.context, frame, MAX_FRAME_BYTES).await?;
        let url = data_url(&frame.media_type, &bytes);
        let frame = json!([{ "type": "image_url", "image_url": { "url": url },
            "frame_type": "first_frame" }]);
        body.insert("frame_images".into(), frame);
    }
    call.json("videos", body, MAX_BYTES).await
}

async fn asked(call: &Call<'_>, request: &VideoRequest) -> Result<Answer> {
    let mut body = Map::new();
    body.insert("model".into(), json!(call.model));
    body.insert("prompt".into(), json!(request.prompt));
    let size = match request.aspect {
        AspectRatio::Square => "1024x1024",
        AspectRatio::Portrait | AspectRatio::Cover => "720x1280",
        _ => "1280x720",
    };
    body.insert("size".into(), json!(size));
    if let Some(ms) = request.duration_ms {
        body.insert(
            "seconds".into(),
            json!(ms.div_ceil(1_000).max(1).to_string()),
        );
    }
    match &request.first_frame {
        None => call.json("videos", body, MAX_BYTES).await,
        Some(frame) => {
            call.with_options(&mut body);
            let mut form = Form::new();
            for (name, value) in &body {
                form = match value {
                    Value::String(text) => form.text(name, text),
                    other => form.text(name, &other.to_string()),
                };
            }
            let bytes = stored(call.context, frame, MAX_FRAME_BYTES).await?;
            let form = form.file("input_reference", "first", &frame.media_type, &bytes);
            call.send(Method::POST, "videos", Body::Form(form), MAX_BYTES)
                .await
        }
    }
}

/// Asks how it stands, and opens it when it is finished.
pub(super) async fn poll(call: &Call<'_>, operation: &Operation) -> Result<Reply> {
    let path = format!("videos/{}", id_in_path(operation));
    let answer = call
        .send(Method::GET, &path, Body::Nothing, MAX_BYTES)
        .await
        .map_err(|error| unknown(error, operation))?;
    let video: Video = said(&answer)?;
    match video.status.as_deref() {
        Some("completed" | "succeeded") => {}
        Some("failed" | "cancelled" | "expired") => return Err(over(&video)),
        // Whatever other word a server has for it, it goes on.
        _ => return Ok(Reply::Pending(stands(operation.clone(), &video, &answer))),
    }
    let film = match call.endpoint.config.dialect.videos {
        // It leads to where the film is kept, which gets no key.
        Videos::OpenRouter => {
            let url = at(
                &call.endpoint.config.url,
                &format!("{path}/content?index=0"),
            )?;
            fetch::open(call.endpoint, url.as_str(), MAX_FILM_BYTES, call.context).await?
        }
        _ => {
            let path = format!("{path}/content");
            call.endpoint.open(&path, call.context).await?
        }
    };
    let mut made = Generated::new(Output::Video {
        video: Media::stream("video/mp4", film),
    });
    made.usage = Usage::default();
    made.cost_nanos = video.usage.as_ref().and_then(Tokens::cost_nanos);
    let seconds = match &video.seconds {
        Some(Value::String(text)) => text.parse().ok(),
        Some(Value::Number(number)) => number.as_f64(),
        _ => None,
    };
    let seconds = seconds.filter(|it: &f64| it.is_finite() && *it >= 0.0);
    made.usage.output_ms = seconds.map(|it| (it * 1_000.0).round() as u64);
    made.model = video.model.filter(|it| !it.is_empty());
    made.request_id = answer.request_id();
    Ok(Reply::Done(Box::new(made)))
}

/// What is said of a film; its own `error` is no error of the question.
fn said(answer: &Answer) -> Result<Video> {
    let mut value: Value = serde_json::from_slice(&answer.bytes).map_err(|_| nonsense())?;
    let known = value.get("status").is_some_and(Value::is_string);
    if !known {
        return answer.json();
    }
    let error = value.as_object_mut().and_then(|it| it.remove("error"));
    let mut video: Video = serde_json::from_value(value).map_err(|_| nonsense())?;
    video.error = error.filter(|it| !it.is_null());
    Ok(video)
}

fn stands(mut operation: Operation, video: &Video, answer: &Answer) -> Operation {
    operation.poll_after_ms = poll_after(answer, POLL_MS);
    let progress = video.progress.filter(|it| it.is_finite());
    operation.progress = progress.map(|percent| (percent / 100.0).clamp(0.0, 1.0));
    operation
}

/// It will not be finished. Whether it was paid, nobody says.
fn over(video: &Video) -> Error {
    let code = video.error.as_ref().and_then(|it| it.get("code")?.as_str());
    let code = code.unwrap_or_default();
    let content = ["moderation", "content", "policy"]
        .iter()
        .any(|word| code.contains(word));
    let error = if content {
        Error::invalid(
            "content_refused",
            "the vendor's rules of content do not allow this film; change what is asked for",
        )
    } else {
        Error::new(
            ErrorKind::Provider,
            "the vendor failed at the film; try again, or name another model",
        )
        .with_code("provider_failed")
    };
    error.with_retry(Retry::Never).with_charge(Charge::Maybe)
}
