//! Resumable uploads. Here statuses are real, and texts plain.

use std::collections::HashMap;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::{Bytes, BytesMut};
use serde_json::json;
use uuid::Uuid;

use super::{Answered, Asked, BUCKET, Role, State, answer as plain, objects};

pub(crate) struct Upload {
    key: String,
    length: usize,
    bytes: BytesMut,
    media_type: String,
    metadata: serde_json::Value,
}

impl Upload {
    pub(crate) fn offset(&self) -> usize {
        self.bytes.len()
    }
}

pub(super) fn answer(state: &State, path: &[&str], asked: &Asked) -> Answered {
    let mut answer = respond(state, path, asked);
    answer
        .headers_mut()
        .insert("tus-resumable", "1.0.0".parse().unwrap());
    answer
}

fn respond(state: &State, path: &[&str], asked: &Asked) -> Answered {
    let role = asked.role(&state.auth);
    match (asked.method.as_str(), path) {
        ("OPTIONS", _) => plain(204, ""),
        ("POST", []) => begin(state, &role, asked),
        ("HEAD", [id]) => match state.bucket().uploads.get(*id) {
            Some(upload) => with(
                200,
                "",
                &[
                    ("upload-offset", upload.offset().to_string()),
                    ("upload-length", upload.length.to_string()),
                    ("cache-control", "no-store".into()),
                ],
            ),
            None => plain(404, ""),
        },
        ("PATCH", [id]) => go_on(state, &role, id, asked),
        ("DELETE", [id]) => match state.bucket().uploads.remove(*id) {
            Some(_) => plain(204, ""),
            None => plain(404, ""),
        },
        _ => plain(404, "404 Not Found"),
    }
}

fn with(status: u16, body: &'static str, headers: &[(&'static str, String)]) -> Answered {
    let mut answer = plain(status, body);
    for (name, value) in headers {
        answer.headers_mut().insert(*name, value.parse().unwrap());
    }
    answer
}

fn begin(state: &State, role: &Role, asked: &Asked) -> Answered {
    let metadata: HashMap<&str, String> = asked
        .header("upload-metadata")
        .unwrap_or_default()
        .split(',')
        .filter_map(|pair| {
            let (name, value) = pair.trim().split_once(' ')?;
            let value = STANDARD.decode(value).ok()?;
            Some((name, String::from_utf8(value).ok()?))
        })
        .collect();
    let get = |name: &str| metadata.get(name).cloned().unwrap_or_default();
    let (key, media_type) = (get("objectName"), get("contentType"));
    let mut bucket = state.bucket();
    if get("bucketName") != BUCKET || bucket.missing || *role == Role::Nobody {
        return plain(404, "Bucket not found");
    }
    if !objects::is_key(&key) {
        return plain(400, "Invalid key");
    }
    if !objects::may(role, &key) {
        return plain(403, "new row violates row-level security policy");
    }
    let Some(length) = asked
        .header("upload-length")
        .and_then(|text| text.parse().ok())
    else {
        return plain(
            400,
            "Upload-Length or Upload-Defer-Length header required\n",
        );
    };
    match bucket.refuses(&media_type, length) {
        Some("EntityTooLarge") => return plain(413, "Maximum size exceeded\n"),
        Some(_) => return plain(415, "mime type is not supported"),
        None => {}
    }
    if bucket.objects.contains_key(&key) && asked.header("x-upsert") != Some("true") {
        return plain(409, "The resource already exists");
    }
    let id = URL_SAFE_NO_PAD.encode(format!("{BUCKET}/{key}/{}", Uuid::new_v4()));
    let metadata = serde_json::from_str(&get("metadata")).unwrap_or_else(|_| json!({}));
    let upload = Upload {
        key,
        length,
        bytes: BytesMut::new(),
        media_type,
        metadata,
    };
    bucket.uploads.insert(id.clone(), upload);
    let base = if bucket.inner_host {
        "http://storage:5000/upload/resumable".to_owned()
    } else {
        format!("{}storage/v1/upload/resumable", state.url)
    };
    with(201, "", &[("location", format!("{base}/{id}"))])
}

fn go_on(state: &State, role: &Role, id: &str, asked: &Asked) -> Answered {
    let mut bucket = state.bucket();
    let Some(upload) = bucket.uploads.get_mut(id) else {
        return plain(400, "Invalid upload id");
    };
    if !objects::may(role, &upload.key) {
        return plain(403, "new row violates row-level security policy");
    }
    let offset = asked
        .header("upload-offset")
        .and_then(|text| text.parse().ok());
    if offset != Some(upload.offset()) {
        return plain(409, "Upload-Offset conflict\n");
    }
    upload.bytes.extend_from_slice(&asked.body);
    let offset = ("upload-offset", upload.offset().to_string());
    if upload.offset() < upload.length {
        return with(204, "", &[offset]);
    }
    let (key, bytes) = (upload.key.clone(), Bytes::copy_from_slice(&upload.bytes));
    let (media_type, metadata) = (upload.media_type.clone(), upload.metadata.clone());
    if bucket.objects.contains_key(&key) && asked.header("x-upsert") != Some("true") {
        return plain(409, "The resource already exists");
    }
    bucket.store(&key, bytes, &media_type, metadata);
    with(204, "", &[offset, ("tus-complete", "1".into())])
}
