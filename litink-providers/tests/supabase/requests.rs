//! What litink asks for, beside what Supabase's own clients ask for to do the same: sixty
//! operations, each with supabase-js (tus-js-client for uploads in chunks) and with litink, against
//! one server that keeps the requests.
//!
//! Compared are methods, paths, queries, headers and bodies; what is litink's own on purpose is a
//! line of `DIFFERENCES`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{StreamExt, stream};
use litink_core::{
    Actor, UserId,
    identity::Identity,
    repository::{Change, Commit, Order, Query, Repository},
    schema::Table,
    storage::{PutOptions, Storage, StorageKey},
};
use litink_providers::supabase::{IdentityOptions, SupabaseIdentity};
use serde_json::{Value, json};
use tokio::process::Command;
use uuid::Uuid;

use crate::{
    clients::{installed, output, script},
    postgres,
    project::{Auth, BUCKET, PUBLISHABLE, Project, SECRET, Seen, publishable_key},
};

/// Of connections and programs, not of what is asked for.
const NOT_COMPARED: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "connection",
    "content-length",
    "host",
    "sec-fetch-mode",
    "user-agent",
    "x-client-info",
];

/// A header that one side sends and the other does not, for requests whose path has this beginning,
/// and why.
const DIFFERENCES: &[(&str, &str, &str)] = &[(
    "/storage/v1/object/books/",
    "cache-control",
    "supabase-js lets an object be kept for an hour; litink says nothing, which makes it no-cache, \
     since an export is replaced in its place",
)];

/// A request without what does not matter.
#[derive(Clone, Debug, PartialEq)]
struct Request {
    call: String,
    query: BTreeSet<String>,
    headers: BTreeMap<String, String>,
    body: Value,
}

impl Request {
    fn of(seen: &Seen) -> Self {
        let mut headers = BTreeMap::new();
        for (name, value) in &seen.headers {
            if !NOT_COMPARED.contains(&name.as_str()) {
                headers.insert(
                    name.to_string(),
                    plain(name.as_str(), value.to_str().unwrap()),
                );
            }
        }
        let json = seen
            .headers
            .get("content-type")
            .is_some_and(|it| it.as_bytes().starts_with(b"application/json"));
        let body = match json {
            true => serde_json::from_slice(&seen.body).unwrap_or_default(),
            false => {
                json!({ "bytes": seen.body.len(), "blake3": blake3::hash(&seen.body).to_string() })
            }
        };
        Self {
            call: format!("{} {}", seen.method, without_id(&seen.path)),
            query: seen
                .query
                .split('&')
                .filter(|it| !it.is_empty())
                .map(str::to_owned)
                .collect(),
            headers,
            body,
        }
    }

    /// What differs from another.
    fn beside(&self, other: &Self) -> String {
        let mut lines = vec![self.call.clone()];
        let names: BTreeSet<_> = self.headers.keys().chain(other.headers.keys()).collect();
        for name in names {
            let (here, there) = (self.headers.get(name), other.headers.get(name));
            if here != there {
                lines.push(format!("  {name}: {here:?} and not {there:?}"));
            }
        }
        if self.query != other.query {
            lines.push(format!("  ?{:?} and not {:?}", self.query, other.query));
        }
        if self.body != other.body {
            lines.push(format!("  {} and not {}", self.body, other.body));
        }
        lines.join("\n")
    }

    /// Without the headers in which it may differ from the other.
    fn settled(mut self, used: &mut BTreeSet<usize>, other: &Self) -> Self {
        for (i, (beginning, header, _)) in DIFFERENCES.iter().enumerate() {
            let here = self.call.contains(beginning) && self.headers.contains_key(*header);
            if here && !other.headers.contains_key(*header) {
                self.headers.remove(*header);
                used.insert(i);
            }
        }
        self
    }
}

/// The server makes the ids of uploads.
fn without_id(path: &str) -> &str {
    const UPLOADS: &str = "/storage/v1/upload/resumable/";
    if path.starts_with(UPLOADS) {
        UPLOADS
    } else {
        path
    }
}

/// The value of a header: what is encoded, decoded; lists, sorted.
fn plain(name: &str, value: &str) -> String {
    let decoded = |text: &str| {
        let bytes = STANDARD.decode(text).unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    };
    match name {
        "x-metadata" => decoded(value),
        "upload-metadata" => {
            let mut pairs: Vec<String> = value
                .split(',')
                .map(|pair| {
                    let (name, value) = pair.trim().split_once(' ').unwrap_or((pair, ""));
                    format!("{name}={}", decoded(value))
                })
                .collect();
            pairs.sort();
            pairs.join(",")
        }
        _ => value.to_owned(),
    }
}

/// What both sides do, in order: for each operation, what litink asked for and what the other
/// clients are to be told.
struct Both {
    project: Project,
    from: usize,
    ours: Vec<Vec<Request>>,
    theirs: Vec<Value>,
}

impl Both {
    /// Takes the requests since the last call as those of one operation.
    fn did(&mut self, operation: Value) {
        let seen = self.project.seen("");
        let requests = seen[self.from..].iter().map(Request::of).collect();
        self.from = seen.len();
        self.ours.push(requests);
        self.theirs.push(operation);
    }

    /// As `did`, for a function of the database: with the arguments that litink gave.
    fn called(&mut self) {
        let seen = self.project.seen("");
        let [last] = &seen[self.from..] else {
            panic!("one call, one request: {:?}", &seen[self.from..]);
        };
        let name = last.path.rsplit('/').next().unwrap();
        let body: Value = serde_json::from_slice(&last.body).unwrap_or_default();
        self.did(json!({ "op": "rpc", "name": name, "body": body }));
    }
}

async fn rows(both: &mut Both) {
    let rows = both.project.repository();
    let (actor, user) = (Actor::Service, UserId::random());
    let ids = [Uuid::now_v7(), Uuid::now_v7()];
    rows.schema_version().await.unwrap();
    both.called();
    for ids in [&ids[..1], &ids[..]] {
        rows.get(actor, Table::Books, ids).await.unwrap();
        both.called();
    }
    rows.get(Actor::User(user), Table::Runs, &ids)
        .await
        .unwrap();
    both.called();
    let queries = [
        Query::new(Table::Books),
        Query::new(Table::Books)
            .owner(user)
            .order(Order::Oldest)
            .limit(7),
        Query::new(Table::Chapters)
            .parent(ids[0])
            .order(Order::Position),
        Query::new(Table::Runs).states(["running", "failed"]),
        Query::new(Table::Exports).parent(ids[0]).limit(1_000),
        Query::new(Table::Steps)
            .idle_for(Duration::from_secs(90))
            .heavy(),
    ];
    for query in queries {
        for actor in [actor, Actor::User(user)] {
            rows.list(actor, &query).await.unwrap();
            both.called();
        }
    }
    let steps = Query::new(Table::Steps).parent(ids[0]);
    rows.tally(actor, &steps, &["state"], &["weight"])
        .await
        .unwrap();
    both.called();
    for change in [
        Change::Check {
            table: Table::Books,
            id: ids[0],
            states: vec!["ready".to_owned()],
        },
        Change::Delete {
            table: Table::Books,
            id: ids[0],
            version: Some(1),
        },
    ] {
        let commit = Commit::new(vec![change]).with_key(Uuid::now_v7());
        // There is no such row; it is asked for all the same.
        rows.commit(actor, &commit).await.unwrap_err();
        both.called();
    }
}

async fn objects(both: &mut Both) {
    let objects = both.project.storage();
    let user = UserId::random();
    let actor = Actor::Service;
    let metadata = json!({ "by": concat!("litink/", env!("CARGO_PKG_VERSION")) });
    objects.make_bucket().await.unwrap();
    both.did(json!({ "op": "make_bucket" }));
    for (name, media_type, bytes) in [
        ("books/b1/book.epub", "application/epub+zip", &b"PK"[..]),
        ("books/b1/text.txt", "text/plain; charset=utf-8", b"a text"),
        ("covers/b1/cover.png", "image/png", b"\x89PNG"),
        ("audio/r1/00001.wav", "audio/wav", b"RIFF"),
        ("exports/r1/Book_1-final.m4b", "audio/mp4", b"ftyp"),
        ("exports/r1/empty.vtt", "text/vtt", b""),
        ("images/b1/1.webp", "image/webp", b"RIFF"),
        ("videos/r1/clip-1.mp4", "video/mp4", b"ftyp"),
    ] {
        let key: StorageKey = format!("users/{user}/{name}").parse().unwrap();
        let options = PutOptions::media_type(media_type);
        let body = stream::iter([Ok(Bytes::from_static(bytes))]).boxed();
        objects.put(actor, &key, body, &options).await.unwrap();
        both.did(json!({
            "op": "put", "object": key.as_str(), "type": media_type,
            "bytes": STANDARD.encode(bytes), "metadata": metadata,
        }));
        objects.head(actor, &key).await.unwrap();
        both.did(json!({ "op": "head", "object": key.as_str() }));
        if !bytes.is_empty() {
            objects.get(actor, &key, None).await.unwrap();
            both.did(json!({ "op": "get", "object": key.as_str() }));
        }
        objects
            .signed_url(actor, &key, Duration::from_secs(60))
            .await
            .unwrap();
        both.did(json!({ "op": "signed_url", "object": key.as_str(), "seconds": 60 }));
    }
    for limit in [1_000, 2] {
        let prefix = format!("users/{user}/exports/");
        objects.list(actor, &prefix, None, limit).await.unwrap();
        both.did(json!({ "op": "list", "body": {
            "prefix": prefix, "limit": limit, "with_delimiter": false,
        }}));
    }
    let large: StorageKey = format!("users/{user}/exports/r1/large.mp4")
        .parse()
        .unwrap();
    let length = (13 << 20) + 5;
    let body = stream::iter([Ok(Bytes::from(vec![0; length]))]).boxed();
    objects
        .put(actor, &large, body, &PutOptions::media_type("video/mp4"))
        .await
        .unwrap();
    both.did(json!({
        "op": "put_in_chunks", "object": large.as_str(), "type": "video/mp4", "length": length,
        "metadata": metadata,
    }));
    for name in [
        "books/b1/text.txt",
        "covers/b1/cover.png",
        "images/b1/nothing.png",
    ] {
        let key: StorageKey = format!("users/{user}/{name}").parse().unwrap();
        objects.delete(actor, &key).await.unwrap();
        both.did(json!({ "op": "delete", "object": key.as_str() }));
    }
    let prefix = format!("users/{user}/audio/");
    objects.delete_prefix(actor, &prefix).await.unwrap();
    both.did(json!({
        "op": "delete_below",
        "list": { "prefix": prefix, "limit": 1_000, "with_delimiter": false },
        "objects": [format!("{prefix}r1/00001.wav")],
    }));
}

async fn people(both: &mut Both) {
    let claims = both.project.auth.claims(Uuid::new_v4());
    for token in [both.project.auth.sign(&claims), Auth::sign_hs256(&claims)] {
        let identity = SupabaseIdentity::new(
            &both.project.client(),
            publishable_key(),
            IdentityOptions::default(),
        );
        identity.authenticate(Some(&token)).await.unwrap();
        both.did(json!({ "op": "authenticate", "token": token }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn litink_asks_as_official_clients_do() {
    let Some(modules) = installed("LITINK_TEST_NODE_MODULES") else {
        return;
    };
    let Some(database) = postgres::shared().await else {
        return;
    };
    let project = Project::with_rows(&database).await;
    let mut both = Both {
        project: project.clone(),
        from: 0,
        ours: Vec::new(),
        theirs: Vec::new(),
    };
    rows(&mut both).await;
    objects(&mut both).await;
    people(&mut both).await;
    assert!(both.ours.len() >= 60, "{} operations", both.ours.len());

    // The other clients find what litink found.
    *project.bucket() = Default::default();
    let input: Vec<String> = both.theirs.iter().map(Value::to_string).collect();
    let mut node = Command::new("node");
    node.arg(script("requests.mjs")).arg(modules).args([
        project.url.as_str().trim_end_matches('/'),
        SECRET,
        PUBLISHABLE,
        BUCKET,
    ]);
    output(&mut node, &input.join("\n")).await;
    let seen = project.seen("");
    let theirs: Vec<Vec<Request>> = seen[both.from..]
        .split(|it| it.path.starts_with("/mark/"))
        .skip(1)
        .map(|requests| requests.iter().map(Request::of).collect())
        .collect();
    assert_eq!(theirs.len(), both.ours.len());

    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    for ((operation, ours), theirs) in both.theirs.iter().zip(&both.ours).zip(&theirs) {
        let calls = |requests: &[Request]| -> Vec<String> {
            requests.iter().map(|it| it.call.clone()).collect()
        };
        if calls(ours) != calls(theirs) {
            let (ours, theirs) = (calls(ours), calls(theirs));
            wrong.push(format!("{operation}: {ours:?} and not {theirs:?}"));
            continue;
        }
        for (our, their) in ours.iter().zip(theirs) {
            let (left, right) = (
                our.clone().settled(&mut used, their),
                their.clone().settled(&mut used, our),
            );
            if left != right {
                wrong.push(left.beside(&right));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let unused: Vec<_> = (0..DIFFERENCES.len())
        .filter(|i| !used.contains(i))
        .collect();
    assert!(unused.is_empty(), "no difference any more: {unused:?}");
    eprintln!("{} operations compared", both.ours.len());
    drop(Arc::new(project));
}
