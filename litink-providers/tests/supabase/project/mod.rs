//! A server of Supabase's shape: Auth, Storage, and functions over real Postgres, behind one
//! address and its keys, in the test's own runtime.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, body::Incoming, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use litink_providers::supabase::{
    PublishableKey, SecretKey, SupabaseClient, SupabaseConfig, SupabaseRepository, SupabaseStorage,
};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::net::TcpListener;
use url::Url;

mod auth;
mod faults;
mod objects;
mod rest;
mod tus;

pub(crate) use auth::{Auth, Role, Signer};
pub(crate) use faults::{Fault, Faults};
pub(crate) use objects::Bucket;

pub(crate) const SECRET: &str = "sb_secret_canary";
pub(crate) const PUBLISHABLE: &str = "sb_publishable_open";
pub(crate) const BUCKET: &str = "books";

/// What a request came with, for tests to look at.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A request, read whole.
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Without its query.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) type Answered = Response<Full<Bytes>>;

pub(crate) struct State {
    pub(crate) url: Url,
    pub(crate) auth: Auth,
    pub(crate) faults: Faults,
    bucket: Mutex<Bucket>,
    rows: Option<PgPool>,
    seen: Mutex<Vec<Seen>>,
}

/// A running server; gone with its runtime.
#[derive(Clone)]
pub(crate) struct Project(Arc<State>);

impl std::ops::Deref for Project {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

impl State {
    pub(crate) fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap()
    }

    /// The requests until now whose path holds this text.
    pub(crate) fn seen(&self, part: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|it| it.path.contains(part))
            .cloned()
            .collect()
    }
}

impl Project {
    /// Without rows.
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// With the rows of a migrated database.
    pub(crate) async fn with_rows(database: &Url) -> Self {
        let options = sqlx::postgres::PgPoolOptions::new().max_connections(8);
        let rows = options.connect_lazy(database.as_str()).unwrap();
        Self::start_with(Some(rows)).await
    }

    async fn start_with(rows: Option<PgPool>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url: Url = format!("http://{address}").parse().unwrap();
        let state = Arc::new(State {
            auth: Auth::new(&url),
            url,
            faults: Faults::default(),
            bucket: Mutex::default(),
            rows,
            seen: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&serving);
                let service = service_fn(move |request| serve(Arc::clone(&state), request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move {
                    // Cut connections are ordered.
                    connection.await.ok();
                });
            }
        });
        Self(state)
    }

    pub(crate) fn config(&self) -> SupabaseConfig {
        SupabaseConfig::new(self.url.as_str())
            .unwrap()
            .deadline(Duration::from_secs(20))
    }

    pub(crate) fn client(&self) -> SupabaseClient {
        SupabaseClient::new(self.config()).unwrap()
    }

    pub(crate) fn storage(&self) -> SupabaseStorage {
        SupabaseStorage::new(&self.client(), secret_key(), BUCKET).unwrap()
    }

    pub(crate) fn repository(&self) -> SupabaseRepository {
        SupabaseRepository::new(&self.client(), secret_key())
    }
}

pub(crate) fn secret_key() -> SecretKey {
    SecretKey::parse(SECRET).unwrap()
}

pub(crate) fn publishable_key() -> PublishableKey {
    PublishableKey::parse(PUBLISHABLE).unwrap()
}

/// An error here cuts the connection without an answer.
async fn serve(state: Arc<State>, request: Request<Incoming>) -> io::Result<Answered> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let seen = |body| {
        state.seen.lock().unwrap().push(Seen {
            method: parts.method.clone(),
            path: path.clone(),
            query: query.clone(),
            headers: parts.headers.clone(),
            body,
        });
    };
    let fault = state.faults.take(&parts.method, &path);
    if matches!(fault, Some(Fault::Cut | Fault::Slow(_) | Fault::Answer(..))) {
        seen(Bytes::new());
    }
    let cut = || io::Error::other("cut");
    match &fault {
        Some(Fault::Cut) => return Err(cut()),
        Some(Fault::Slow(time)) => tokio::time::sleep(*time).await,
        Some(Fault::Answer(status, headers, text)) => {
            let mut answer = answer(*status, text.clone());
            for (name, value) in headers {
                answer.headers_mut().insert(*name, value.parse().unwrap());
            }
            return Ok(answer);
        }
        _ => {}
    }
    let mut body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    if let Some(Fault::Partial(bytes)) = fault {
        body.truncate(bytes);
    }
    if !matches!(fault, Some(Fault::Slow(_))) {
        seen(body.clone());
    }
    let asked = Asked {
        method: parts.method,
        path,
        query,
        headers: parts.headers,
        body,
    };
    let answered = route(&state, asked).await;
    match fault {
        Some(Fault::LoseAnswer | Fault::Partial(_)) => Err(cut()),
        _ => Ok(answered),
    }
}

async fn route(state: &State, asked: Asked) -> Answered {
    let path = asked.path.clone();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match &segments[..] {
        ["auth", "v1", rest @ ..] => auth::answer(&state.auth, rest, &asked),
        ["storage", "v1", "upload", "resumable", rest @ ..] => tus::answer(state, rest, &asked),
        ["storage", "v1", rest @ ..] => objects::answer(state, rest, &asked),
        ["rest", "v1", "rpc", function] => rest::answer(state, function, &asked).await,
        ["rest", "v1", table] => {
            let message = format!("Could not find the table 'public.{table}' in the schema cache");
            json_answer(404, &json!({ "code": "PGRST205", "message": message }))
        }
        _ => answer(404, "404 Not Found"),
    }
}

pub(crate) fn answer(status: u16, body: impl Into<Bytes>) -> Answered {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

pub(crate) fn json_answer(status: u16, body: &Value) -> Answered {
    let mut answer = answer(status, body.to_string());
    let json = "application/json; charset=utf-8".parse().unwrap();
    answer.headers_mut().insert("content-type", json);
    answer
}

/// What the gateway says of a key that is none.
pub(crate) fn no_key() -> Answered {
    json_answer(401, &json!({ "message": "Invalid API key" }))
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Who asks, by the bearer; the key only admits.
    pub(crate) fn role(&self, auth: &Auth) -> Role {
        let bearer = self.header("authorization");
        let bearer = bearer.and_then(|text| text.strip_prefix("Bearer "));
        auth.role(bearer.or_else(|| self.header("apikey")).unwrap_or_default())
    }

    /// Whether the gateway lets it through.
    pub(crate) fn has_key(&self) -> bool {
        self.header("apikey")
            .is_some_and(|key| [SECRET, PUBLISHABLE].contains(&key))
    }
}
