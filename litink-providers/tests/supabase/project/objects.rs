//! Objects in memory, answered as Supabase Storage answers: what is refused comes as 400, with the
//! status in the body.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answered, Asked, BUCKET, Role, State, answer as plain, json_answer, tus::Upload};

#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) bytes: Bytes,
    pub(crate) media_type: String,
    /// What `x-metadata` brought.
    pub(crate) metadata: Value,
    id: Uuid,
    version: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Default)]
pub(crate) struct Bucket {
    pub(crate) objects: BTreeMap<String, Stored>,
    pub(crate) uploads: HashMap<String, Upload>,
    /// Other media types are refused.
    pub(crate) allowed: Option<Vec<String>>,
    /// Larger objects are refused.
    pub(crate) limit: Option<usize>,
    /// Uploads are said to be at a host of the inner network.
    pub(crate) inner_host: bool,
    /// There is no such bucket.
    pub(crate) missing: bool,
    signed: HashMap<String, (String, DateTime<Utc>)>,
}

impl Bucket {
    pub(super) fn store(
        &mut self,
        key: &str,
        bytes: Bytes,
        media_type: &str,
        metadata: Value,
    ) -> Uuid {
        let now = Utc::now();
        let before = self.objects.get(key);
        let stored = Stored {
            bytes,
            media_type: media_type.to_owned(),
            metadata,
            id: before.map_or_else(Uuid::new_v4, |it| it.id),
            version: Uuid::new_v4(),
            created_at: before.map_or(now, |it| it.created_at),
            updated_at: now,
        };
        let id = stored.id;
        self.objects.insert(key.to_owned(), stored);
        id
    }

    /// What speaks against an object of this type and size.
    pub(super) fn refuses(&self, media_type: &str, bytes: usize) -> Option<&'static str> {
        if self
            .allowed
            .as_ref()
            .is_some_and(|allowed| !allowed.iter().any(|it| it == media_type))
        {
            return Some("InvalidMimeType");
        }
        self.limit
            .is_some_and(|limit| bytes > limit)
            .then_some("EntityTooLarge")
    }
}

/// Whether a role may see or write an object.
pub(super) fn may(role: &Role, key: &str) -> bool {
    match role {
        Role::Service => true,
        Role::User(user) => key.starts_with(&format!("users/{user}/")),
        Role::Anon | Role::Nobody => false,
    }
}

pub(super) fn is_key(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_/!.*'() &$=@;:+,?-".contains(&byte);
    key.bytes().all(plain) && key.split('/').all(|segment| !matches!(segment, "." | ".."))
}

pub(super) fn refuse(code: &str) -> Answered {
    let (status, error, message) = match code {
        "NoSuchKey" => ("404", "not_found", "Object not found"),
        "NoSuchBucket" => ("404", "Bucket not found", "Bucket not found"),
        "KeyAlreadyExists" | "BucketAlreadyExists" => {
            ("409", "Duplicate", "The resource already exists")
        }
        "AccessDenied" => (
            "403",
            "Unauthorized",
            "new row violates row-level security policy",
        ),
        "InvalidMimeType" => ("415", "invalid_mime_type", "mime type is not supported"),
        "EntityTooLarge" => (
            "413",
            "Payload too large",
            "The object exceeded the maximum allowed size",
        ),
        "InvalidJWT" => ("400", "InvalidJWT", "\"exp\" claim timestamp check failed"),
        _ => ("400", code, code),
    };
    json_answer(
        400,
        &json!({ "statusCode": status, "error": error, "message": message, "code": code }),
    )
}

pub(super) fn answer(state: &State, path: &[&str], asked: &Asked) -> Answered {
    let role = asked.role(&state.auth);
    let mut bucket = state.bucket();
    let key = |from: usize| path[from.min(path.len())..].join("/");
    let method = asked.method.as_str();
    if let ("GET", ["object", "sign", BUCKET, ..]) = (method, path) {
        return signed_read(&bucket, &key(3), asked);
    }
    if let [.., "bucket"] = path {
        return the_bucket(&mut bucket, method, &role);
    }
    let named = path.contains(&BUCKET);
    if role == Role::Nobody || bucket.missing || !named {
        return refuse("NoSuchBucket");
    }
    match (method, path) {
        ("POST", ["object", "list-v2", BUCKET]) => list(&bucket, &role, &asked.json()),
        ("POST", ["object", "sign", BUCKET, _, ..]) => sign(&mut bucket, &role, &key(3), asked),
        ("GET", ["object", "info", BUCKET, ..]) => match seen(&bucket, &role, &key(3)) {
            Some(it) => json_answer(200, &info(&key(3), it)),
            None => refuse("NoSuchKey"),
        },
        ("GET" | "HEAD", ["object", "authenticated", BUCKET, ..]) => {
            read(&bucket, &role, &key(3), asked)
        }
        ("GET" | "HEAD", ["object", BUCKET, _, ..]) => read(&bucket, &role, &key(2), asked),
        ("POST" | "PUT", ["object", BUCKET, _, ..]) => write(&mut bucket, &role, &key(2), asked),
        ("DELETE", ["object", BUCKET]) => remove(&mut bucket, &role, &asked.json()),
        ("DELETE", ["object", BUCKET, ..]) => {
            if seen(&bucket, &role, &key(2)).is_none() {
                return refuse("NoSuchKey");
            }
            bucket.objects.remove(&key(2));
            json_answer(200, &json!({ "message": "Successfully deleted" }))
        }
        _ => plain(404, "404 Not Found"),
    }
}

fn seen<'a>(bucket: &'a Bucket, role: &Role, key: &str) -> Option<&'a Stored> {
    bucket.objects.get(key).filter(|_| may(role, key))
}

fn the_bucket(bucket: &mut Bucket, method: &str, role: &Role) -> Answered {
    if *role != Role::Service {
        return refuse("AccessDenied");
    }
    match method {
        "POST" if bucket.missing => {
            bucket.missing = false;
            json_answer(200, &json!({ "name": BUCKET }))
        }
        "POST" => refuse("BucketAlreadyExists"),
        _ => {
            let now = time(Utc::now());
            let it = json!({
                "id": BUCKET, "name": BUCKET, "owner": "", "public": false, "type": "STANDARD",
                "file_size_limit": bucket.limit, "allowed_mime_types": bucket.allowed,
                "created_at": now, "updated_at": now,
            });
            json_answer(200, &json!([it]))
        }
    }
}

fn write(bucket: &mut Bucket, role: &Role, key: &str, asked: &Asked) -> Answered {
    if !is_key(key) {
        return refuse("InvalidKey");
    }
    let upsert = asked.method == "PUT" || asked.header("x-upsert") == Some("true");
    if !may(role, key) {
        return refuse("AccessDenied");
    }
    let said = asked
        .header("content-type")
        .unwrap_or("application/octet-stream");
    let (media_type, bytes, in_form) = match said.split_once("boundary=") {
        Some((_, boundary)) => form(&asked.body, boundary),
        None => (said.to_owned(), asked.body.clone(), None),
    };
    if let Some(code) = bucket.refuses(&media_type, bytes.len()) {
        return refuse(code);
    }
    if bucket.objects.contains_key(key) && !upsert {
        return refuse("KeyAlreadyExists");
    }
    let metadata = asked.header("x-metadata").and_then(metadata_of).or(in_form);
    let metadata = metadata.unwrap_or_else(|| json!({}));
    let id = bucket.store(key, bytes, &media_type, metadata);
    json_answer(200, &json!({ "Key": format!("{BUCKET}/{key}"), "Id": id }))
}

pub(super) fn metadata_of(text: &str) -> Option<Value> {
    serde_json::from_slice(&STANDARD.decode(text).ok()?).ok()
}

/// The file of a form, which is its last part, and what its field `metadata` says, as official
/// clients send them.
fn form(body: &[u8], boundary: &str) -> (String, Bytes, Option<Value>) {
    let text = String::from_utf8_lossy(body);
    let end = text.rfind(&format!("--{boundary}--")).unwrap();
    let separator = format!("--{boundary}");
    let parts = text[..end].split(&separator).filter_map(|part| {
        part.split_once("\r\n\r\n")
            .or_else(|| part.split_once("\n\n"))
    });
    let (mut file, mut metadata) = (None, None);
    for (head, content) in parts {
        let content = content.trim_end_matches(['\r', '\n']);
        if head.contains("name=\"metadata\"") {
            let plain = serde_json::from_str(content).ok();
            metadata = plain.or_else(|| metadata_of(content));
        }
        file = Some((head, content));
    }
    let (head, content) = file.unwrap();
    let media_type = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-type:")
                .map(str::to_owned)
        })
        .unwrap_or_default();
    let content = content.to_owned();
    (media_type.trim().to_owned(), content.into(), metadata)
}

fn read(bucket: &Bucket, role: &Role, key: &str, asked: &Asked) -> Answered {
    match seen(bucket, role, key) {
        Some(it) => content(it, asked),
        None => refuse("NoSuchKey"),
    }
}

fn content(it: &Stored, asked: &Asked) -> Answered {
    let whole = it.bytes.len();
    let mut answer = match asked.header("range") {
        None => plain(200, it.bytes.clone()),
        Some(range) => match range_of(range, whole) {
            Some((from, to)) => {
                let mut answer = plain(206, it.bytes.slice(from..to));
                let range = format!("bytes {from}-{}/{whole}", to - 1);
                answer
                    .headers_mut()
                    .insert("content-range", range.parse().unwrap());
                answer
            }
            None => {
                return json_answer(416, &json!({ "statusCode": "416", "code": "InvalidRange" }));
            }
        },
    };
    if asked.header("if-none-match") == Some(&*etag(&it.bytes)) {
        answer = plain(304, "");
    }
    let headers = [
        ("content-type", it.media_type.clone()),
        ("etag", etag(&it.bytes)),
        ("accept-ranges", "bytes".into()),
        ("cache-control", "no-cache".into()),
        (
            "last-modified",
            it.updated_at.to_rfc2822().replace("+0000", "GMT"),
        ),
    ];
    for (name, value) in headers {
        answer.headers_mut().insert(name, value.parse().unwrap());
    }
    answer
}

fn range_of(range: &str, whole: usize) -> Option<(usize, usize)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = match (from, to) {
        ("", last) => (whole.checked_sub(last.parse().ok()?)?, whole),
        (from, "") => (from.parse().ok()?, whole),
        (from, to) => (
            from.parse().ok()?,
            to.parse::<usize>().ok()?.saturating_add(1).min(whole),
        ),
    };
    (from < to).then_some((from, to))
}

fn etag(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let hex: String = digest.as_ref()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{hex}\"")
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn info(key: &str, it: &Stored) -> Value {
    json!({
        "id": it.id, "name": key, "version": it.version, "bucket_id": BUCKET,
        "size": it.bytes.len(), "content_type": it.media_type, "cache_control": "no-cache",
        "etag": etag(&it.bytes), "metadata": it.metadata, "last_modified": time(it.updated_at),
        "created_at": time(it.created_at),
    })
}

fn listing(key: &str, it: &Stored) -> Value {
    json!({
        "id": it.id, "name": key, "updated_at": time(it.updated_at),
        "created_at": time(it.created_at), "last_accessed_at": time(it.updated_at),
        "metadata": {
            "eTag": etag(&it.bytes), "size": it.bytes.len(), "mimetype": it.media_type,
            "cacheControl": "no-cache", "lastModified": time(it.updated_at),
            "contentLength": it.bytes.len(), "httpStatusCode": 200,
        },
    })
}

fn list(bucket: &Bucket, role: &Role, asked: &Value) -> Answered {
    let prefix = asked["prefix"].as_str().unwrap_or_default();
    let limit = asked["limit"].as_u64().unwrap_or(1_000).min(1_000) as usize;
    let after = asked["cursor"].as_str().map(|cursor| {
        let cursor = String::from_utf8(STANDARD.decode(cursor).unwrap()).unwrap();
        cursor.trim_start_matches("l:").to_owned()
    });
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let found = bucket.objects.range((from, Bound::Unbounded));
    let mut found = found.filter(|(key, _)| key.starts_with(prefix) && may(role, key));
    let page: Vec<_> = found.by_ref().take(limit).collect();
    let more = found.next().is_some();
    let objects: Vec<Value> = page.iter().map(|(key, it)| listing(key, it)).collect();
    let mut body = json!({ "hasNext": more, "folders": [], "objects": objects });
    if let Some((last, _)) = page.last().filter(|_| more) {
        body["nextCursor"] = STANDARD.encode(format!("l:{last}")).into();
        body["nextCursorKey"] = json!(last);
    }
    json_answer(200, &body)
}

fn remove(bucket: &mut Bucket, role: &Role, asked: &Value) -> Answered {
    let keys = asked["prefixes"].as_array().unwrap();
    if keys.len() > 1_000 {
        return refuse("InvalidRequest");
    }
    let mut removed = Vec::new();
    for key in keys
        .iter()
        .filter_map(Value::as_str)
        .filter(|key| may(role, key))
    {
        if let Some(it) = bucket.objects.remove(key) {
            let mut row = listing(key, &it);
            for (name, value) in [
                ("bucket_id", json!(BUCKET)),
                ("owner", json!("")),
                ("owner_id", json!("")),
                ("version", json!(it.version)),
                ("user_metadata", it.metadata),
            ] {
                row[name] = value;
            }
            removed.push(row);
        }
    }
    json_answer(200, &removed.into())
}

fn sign(bucket: &mut Bucket, role: &Role, key: &str, asked: &Asked) -> Answered {
    if seen(bucket, role, key).is_none() {
        return refuse("NoSuchKey");
    }
    // The Python client sends a text.
    let seconds = &asked.json()["expiresIn"];
    let seconds = seconds
        .as_u64()
        .or_else(|| seconds.as_str()?.parse().ok())
        .unwrap_or(0);
    if seconds == 0 {
        return refuse("InvalidRequest");
    }
    let token = Uuid::new_v4().simple().to_string();
    let until = Utc::now() + Duration::from_secs(seconds);
    bucket.signed.insert(token.clone(), (key.to_owned(), until));
    let url = format!("/object/sign/{BUCKET}/{key}?token={token}");
    json_answer(200, &json!({ "signedURL": url }))
}

fn signed_read(bucket: &Bucket, key: &str, asked: &Asked) -> Answered {
    let token = asked.query.strip_prefix("token=").unwrap_or_default();
    match bucket.signed.get(token) {
        Some((signed, until)) if signed == key && Utc::now() < *until => {
            match bucket.objects.get(key) {
                Some(it) => content(it, asked),
                None => refuse("NoSuchKey"),
            }
        }
        _ => refuse("InvalidJWT"),
    }
}
