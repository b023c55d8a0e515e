//! The server of these tests against what the real storage service (1.11.2) answered to official
//! clients: every recorded exchange of the calls that it has, in their order.
//!
//! Statuses, codes, texts and the shapes of bodies must be the same. Ids, times and hashes were
//! taken out of the record.

use std::collections::HashMap;

use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::project::{Auth, PUBLISHABLE, Project, SECRET};

const RECORD: &str = include_str!("transcripts/storage.jsonl");

#[derive(Deserialize)]
struct Exchange {
    client: String,
    method: String,
    url: String,
    req_headers: HashMap<String, String>,
    req_body: String,
    status: u16,
    res_headers: HashMap<String, String>,
    res_body: String,
}

/// A copy that was not recorded was removed here, so these say less.
const REMOVED_COPIES: &[&str] = &[
    "users/11111111-1111-1111-1111-111111111111/covers/js.png3",
    "users/22222222-2222-2222-2222-222222222222/books/p.txt2",
];

struct Replay {
    project: Project,
    client: Client,
    /// From uploads of the record to ours.
    uploads: HashMap<String, String>,
    /// Ours that was begun last.
    last: Option<String>,
}

impl Replay {
    fn bearer(&self, exchange: &Exchange) -> String {
        let later = chrono::Utc::now().timestamp() + 3600;
        match exchange.client.as_str() {
            // An old service key.
            "curl" => Auth::sign_hs256(&json!({ "role": "service_role", "exp": later })),
            _ => {
                let user: Uuid = "11111111-1111-1111-1111-111111111111".parse().unwrap();
                self.project.auth.sign(&self.project.auth.claims(user))
            }
        }
    }

    /// The record's keys and tokens as ours.
    fn ours(&self, exchange: &Exchange, text: &str) -> String {
        let mut text = text
            .replace("sb_secret_<key>", SECRET)
            .replace("sb_publishable_<key>", PUBLISHABLE);
        if text.contains("<jwt>") {
            text = text.replace("<jwt>", &self.bearer(exchange));
        }
        for (theirs, ours) in &self.uploads {
            text = text.replace(theirs, ours);
        }
        text
    }

    async fn send(&mut self, exchange: &Exchange) -> (u16, HashMap<String, String>, String) {
        let id = exchange.url.rsplit('/').next().unwrap();
        if exchange.method == "PATCH" && exchange.status == 204 {
            // The record does not say of which beginning it is: the last.
            if let Some(last) = &self.last {
                self.uploads
                    .entry(id.to_owned())
                    .or_insert_with(|| last.clone());
            }
        }
        let path = self.ours(exchange, &exchange.url);
        let url = format!("{}{}", self.project.url, path.trim_start_matches('/'));
        let method: Method = exchange.method.parse().unwrap();
        let mut request = self.client.request(method, url);
        for (name, value) in &exchange.req_headers {
            request = request.header(name, self.ours(exchange, value));
        }
        let answer = request
            .body(exchange.req_body.clone())
            .send()
            .await
            .unwrap();
        let headers: HashMap<String, String> = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        if let Some(location) = headers.get("location") {
            self.last = location.rsplit('/').next().map(str::to_owned);
        }
        (
            answer.status().as_u16(),
            headers,
            answer.text().await.unwrap(),
        )
    }
}

/// What must be there, by name and kind; words that decide, as they are.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let decides = ["statusCode", "error", "code", "hasNext", "Key"];
                let kept = decides.contains(&&**name) && !value.is_null();
                (
                    name.clone(),
                    if kept { value.clone() } else { shape(value) },
                )
            })
            .collect(),
        Value::Array(items) => items
            .first()
            .map_or(json!([]), |first| json!([shape(first)])),
        Value::String(_) => "text".into(),
        Value::Number(_) => "number".into(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn what_the_real_service_answered_is_answered_here() {
    litink_providers::init_tls();
    let project = Project::start().await;
    project.bucket().limit = Some(50 << 20);
    let types = ["image/png", "text/plain", "video/mp4"].map(str::to_owned);
    project.bucket().allowed = Some(types.to_vec());
    let mut replay = Replay {
        project,
        client: Client::new(),
        uploads: HashMap::new(),
        last: None,
    };
    // What the record's first list finds was put there by a client that was not recorded.
    let seeded = "users/11111111-1111-1111-1111-111111111111/books/b1/hello.txt";
    let seed = Exchange {
        client: "seed".into(),
        method: "POST".into(),
        url: format!("/storage/v1/object/books/{seeded}"),
        req_headers: [
            ("authorization".to_owned(), format!("Bearer {SECRET}")),
            ("content-type".to_owned(), "text/plain".to_owned()),
        ]
        .into(),
        req_body: "hello".into(),
        status: 200,
        res_headers: HashMap::new(),
        res_body: String::new(),
    };
    assert_eq!(replay.send(&seed).await.0, 200);
    let mut compared = 0;
    for (i, line) in RECORD.lines().enumerate() {
        let exchange: Exchange = serde_json::from_str(line).unwrap();
        let named = format!(
            "{i}: {} {} {}",
            exchange.client, exchange.method, exchange.url
        );
        let (status, headers, body) = replay.send(&exchange).await;
        assert_eq!(status, exchange.status, "{named}: {body}");
        for name in [
            "upload-offset",
            "upload-length",
            "tus-resumable",
            "tus-complete",
            "accept-ranges",
        ] {
            assert_eq!(
                headers.get(name),
                exchange.res_headers.get(name),
                "{named}: {name}"
            );
        }
        for name in ["location", "etag"] {
            // Of `info` it is the framework's, over the JSON, and says nothing of the object.
            if name == "etag" && exchange.url.contains("/object/info/") {
                continue;
            }
            let (ours, theirs) = (headers.get(name), exchange.res_headers.get(name));
            assert!(theirs.is_none() || ours.is_some(), "{named}: no {name}");
        }
        compared += 1;
        if exchange.method == "HEAD"
            || REMOVED_COPIES
                .iter()
                .any(|it| exchange.req_body.contains(it))
        {
            continue;
        }
        match serde_json::from_str::<Value>(&exchange.res_body) {
            Ok(theirs) => {
                let ours = serde_json::from_str(&body).unwrap();
                assert_eq!(shape(&ours), shape(&theirs), "{named}");
            }
            Err(_) => assert_eq!(body, exchange.res_body, "{named}"),
        }
    }
    assert_eq!(compared, 45);
}
