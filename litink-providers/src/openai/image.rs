//! Images (`images/generations`), and images after others (`images/edits`).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use litink_core::{
    Charge, Error, ErrorKind, Result, Retry,
    provider::{AspectRatio, Generated, ImageRequest, Media, MediaRef, Output},
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{dialect::Images as Shape, provider::Call, text::Tokens};
use crate::vendor::{
    client::{Answer, Body, nonsense},
    fetch::fetch,
    media::stored,
    multipart::Form,
};

const MAX_BYTES: u64 = 96 << 20;
/// Of an image that is sent.
const MAX_SENT: u64 = 50 << 20;
const MAX_SENT_IMAGES: usize = 16;

#[derive(Deserialize)]
struct Images {
    data: Vec<Image>,
    #[serde(default)]
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Image {
    #[serde(default)]
    b64_json: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    revised_prompt: Option<String>,
}

pub(super) async fn draw(call: &Call<'_>, request: &ImageRequest) -> Result<Generated> {
    let mut warnings = Vec::new();
    let routed = call.endpoint.config.dialect.images == Shape::OpenRouter;
    if request.seed.is_some() && !routed {
        warnings.push("the endpoint takes no seed: seed is not used".to_owned());
    }
    let given = request.base.iter().chain(&request.references);
    if routed {
        let body = routed_body(call, request, given.collect(), &mut warnings).await?;
        let answer = call.json("images", body, MAX_BYTES).await?;
        return drawn(call, &answer, warnings).await;
    }
    let body = body(call, request, &mut warnings);
    let answer = if given.clone().next().is_none() {
        call.json("images/generations", body, MAX_BYTES).await?
    } else if call.endpoint.config.dialect.edits {
        let form = form(call, request, body, given.collect()).await?;
        let path = "images/edits";
        call.send(Method::POST, path, Body::Form(form), MAX_BYTES)
            .await?
    } else {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "this endpoint makes no images after others; leave them out, or name another provider",
        )
        .with_code("no_references"));
    };
    drawn(call, &answer, warnings).await
}

async fn drawn(call: &Call<'_>, answer: &Answer, mut warnings: Vec<String>) -> Result<Generated> {
    let images: Images = answer.json()?;
    let image = images.data.into_iter().next().ok_or_else(nonsense)?;
    if image.revised_prompt.is_some() {
        warnings.push("the vendor changed the prompt".to_owned());
    }
    let bytes = bytes_of(call, image.b64_json, image.url).await?;
    let media_type = kind_of(&bytes).ok_or_else(not_an_image)?;
    let mut made = Generated::new(Output::Image {
        image: Media::bytes(media_type, bytes),
    });
    let tokens = images.usage.unwrap_or_default();
    made.cost_nanos = tokens.cost_nanos();
    made.usage = tokens.usage();
    made.usage.images = Some(1);
    made.request_id = answer.request_id();
    made.warnings = warnings;
    Ok(made)
}

fn prompt(request: &ImageRequest) -> String {
    match request.style.as_deref().map(str::trim) {
        Some(style) if !style.is_empty() => format!("{}\n\nStyle: {style}", request.prompt),
        _ => request.prompt.clone(),
    }
}

/// As OpenRouter takes it (`images`): shapes by their ratio, and others' images as data URLs.
async fn routed_body(
    call: &Call<'_>,
    request: &ImageRequest,
    images: Vec<&MediaRef>,
    warnings: &mut Vec<String>,
) -> Result<Map<String, Value>> {
    if images.len() > MAX_SENT_IMAGES {
        return Err(too_many());
    }
    let ratio = match request.aspect {
        AspectRatio::Square => "1:1",
        AspectRatio::Cover => "2:3",
        AspectRatio::Portrait => "9:16",
        _ => "16:9",
    };
    let mut body = Map::new();
    body.insert("model".into(), json!(call.model));
    body.insert("prompt".into(), json!(prompt(request)));
    body.insert("aspect_ratio".into(), json!(ratio));
    if let Some(seed) = request.seed {
        body.insert("seed".into(), json!(seed));
    }
    if request.transparent {
        body.insert("background".into(), json!("transparent"));
    }
    if request.mask.is_some() {
        warnings.push("the endpoint takes no mask: mask is not used".to_owned());
    }
    let mut sent = Vec::with_capacity(images.len());
    for image in images {
        let bytes = stored(call.context, image, MAX_SENT).await?;
        sent.push(json!({ "type": "image_url", "image_url": {
            "url": data_url(&image.media_type, &bytes) } }));
    }
    if !sent.is_empty() {
        body.insert("input_references".into(), json!(sent));
    }
    Ok(body)
}

pub(super) fn data_url(media_type: &str, bytes: &[u8]) -> String {
    format!(
        "data:{};base64,{}",
        plain_type(media_type),
        STANDARD.encode(bytes)
    )
}

fn too_many() -> Error {
    Error::new(
        ErrorKind::LimitExceeded,
        "these are more images than one call takes",
    )
    .with_code("too_many_images")
    .with_context("limit", MAX_SENT_IMAGES)
}

fn body(call: &Call<'_>, request: &ImageRequest, warnings: &mut Vec<String>) -> Map<String, Value> {
    let prompt = prompt(request);
    let size = match request.aspect {
        AspectRatio::Square => "1024x1024",
        AspectRatio::Cover => "1024x1536",
        AspectRatio::Portrait => {
            warnings.push("the picture is 2:3, the nearest to 9:16 that every model has".into());
            "1024x1536"
        }
        _ => {
            warnings.push("the picture is 3:2, the nearest to 16:9 that every model has".into());
            "1536x1024"
        }
    };
    let mut body = Map::new();
    body.insert("model".into(), json!(call.model));
    body.insert("prompt".into(), json!(prompt));
    body.insert("size".into(), json!(size));
    if call.endpoint.config.dialect.catalog {
        body.insert("output_format".into(), json!("png"));
    }
    if request.transparent {
        body.insert("background".into(), json!("transparent"));
    }
    body
}

async fn form(
    call: &Call<'_>,
    request: &ImageRequest,
    mut body: Map<String, Value>,
    images: Vec<&MediaRef>,
) -> Result<Form> {
    if images.len() > MAX_SENT_IMAGES {
        return Err(too_many());
    }
    call.with_options(&mut body);
    let mut form = Form::new();
    for (name, value) in &body {
        form = match value {
            Value::String(text) => form.text(name, text),
            other => form.text(name, &other.to_string()),
        };
    }
    let name = if images.len() == 1 {
        "image"
    } else {
        "image[]"
    };
    for (i, image) in images.into_iter().enumerate() {
        let bytes = stored(call.context, image, MAX_SENT).await?;
        let file = format!("image-{i}.{}", ending(&image.media_type));
        form = form.file(name, &file, plain_type(&image.media_type), &bytes);
    }
    if let Some(mask) = &request.mask {
        let bytes = stored(call.context, mask, MAX_SENT).await?;
        form = form.file("mask", "mask.png", "image/png", &bytes);
    }
    Ok(form)
}

fn plain_type(media_type: &str) -> &'static str {
    match media_type {
        "image/jpeg" => "image/jpeg",
        "image/webp" => "image/webp",
        _ => "image/png",
    }
}

fn ending(media_type: &str) -> &'static str {
    plain_type(media_type).trim_start_matches("image/")
}

async fn bytes_of(call: &Call<'_>, base64: Option<String>, url: Option<String>) -> Result<Bytes> {
    let decoded = |text: &str| STANDARD.decode(text.trim()).map_err(|_| not_an_image());
    match (base64, url) {
        (Some(text), _) => decoded(&text).map(Bytes::from),
        (None, Some(url)) => match url.strip_prefix("data:").and_then(|it| it.split_once(',')) {
            Some((_, text)) => decoded(text).map(Bytes::from),
            None => fetch(&call.endpoint.config, &url, MAX_BYTES, call.context).await,
        },
        (None, None) => Err(not_an_image()),
    }
}

fn kind_of(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else {
        None
    }
}

fn not_an_image() -> Error {
    Error::new(
        ErrorKind::Provider,
        "the provider answered, but not with an image that litink reads (PNG, JPEG, WebP)",
    )
    .with_code("not_an_image")
    .with_retry(Retry::Ambiguous)
    .with_charge(Charge::Yes)
}
