//! A server on a free loopback port with everything in memory, and a client for it.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, body::Incoming, header};
use hyper_util::rt::TokioIo;
use litink_core::{
    Result,
    engine::Engine,
    testing::scripted::{Script, ScriptedProvider},
};
use litink_providers::{
    Secret,
    accounts::{AccountOptions, LocalAccounts},
};
use litink_server::{ServerConfig, serve};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::{net::TcpListener, net::TcpStream, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// A server, its worker, and a client.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<String>,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<Result<()>>,
}

/// A book of two chapters.
pub(crate) const BOOK: &str = "The Sea\n\nby A. Sailor\n\nChapter 1\n\nThe sea was calm. Nobody \
    spoke for a while.\n\nChapter 2\n\nThen a gull cried. It was time to go home.\n";

impl App {
    pub(crate) async fn start() -> Self {
        Self::with(
            ServerConfig::default(),
            ScriptedProvider::new("script").with_ms_per_char(1),
        )
        .await
    }

    /// With a provider that answers each call only after a time.
    pub(crate) async fn slow(pause: Duration) -> Self {
        let provider = ScriptedProvider::new("script").with_ms_per_char(1);
        let provider = provider.otherwise(move |_| Script::after(pause, Script::Answer));
        Self::with(ServerConfig::default(), provider).await
    }

    pub(crate) async fn with_config(config: ServerConfig) -> Self {
        Self::with(config, ScriptedProvider::new("script").with_ms_per_char(1)).await
    }

    pub(crate) async fn with_token(token: &'static str) -> Self {
        let access_token = Some(Secret::new(token));
        let config = ServerConfig {
            access_token,
            ..ServerConfig::default()
        };
        let mut app = Self::with_config(config).await;
        app.token = Some(token.into());
        app
    }

    /// With accounts in the server's own rows.
    pub(crate) async fn with_accounts(
        config: ServerConfig,
        options: AccountOptions,
        pause: Duration,
    ) -> (Self, Arc<LocalAccounts>) {
        let provider = ScriptedProvider::new("script").with_ms_per_char(1);
        let provider = provider.otherwise(move |_| Script::after(pause, Script::Answer));
        let engine = Engine::builder().provider(Arc::new(provider)).build();
        Self::with_accounts_on(config, options, engine).await
    }

    /// With accounts in the rows of an engine.
    pub(crate) async fn with_accounts_on(
        mut config: ServerConfig,
        options: AccountOptions,
        engine: Engine,
    ) -> (Self, Arc<LocalAccounts>) {
        let (rows, cache) = (Arc::clone(engine.repository()), Arc::clone(engine.cache()));
        let secret = Secret::new("a secret of the tests, of 32 bytes and more");
        let accounts = Arc::new(LocalAccounts::new(rows, cache, &secret, options).unwrap());
        config.identity = Some(Arc::clone(&accounts) as _);
        config.accounts = Some(Arc::clone(&accounts) as _);
        (Self::of(config, engine).await, accounts)
    }

    async fn with(config: ServerConfig, provider: ScriptedProvider) -> Self {
        let engine = Engine::builder().provider(Arc::new(provider)).build();
        Self::of(config, engine).await
    }

    /// Of an engine of one's own.
    pub(crate) async fn of(config: ServerConfig, engine: Engine) -> Self {
        let stop = CancellationToken::new();
        let worker = engine.worker(Default::default());
        tokio::spawn(worker.run(stop.clone(), CancellationToken::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(serve(engine, config, listener, stop.clone()));
        Self {
            address,
            token: None,
            stop,
            served,
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string());
        match &self.token {
            Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    /// The answer as soon as its headers are there.
    pub(crate) async fn open(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let (head, body) = self.open(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(
            self.request(Method::GET, path)
                .body(Full::default())
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(json_body(self.request(Method::POST, path), &body))
            .await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(json_body(self.request(Method::PUT, path), &body))
            .await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        let request = self.request(Method::DELETE, path);
        self.send(request.body(Full::default()).unwrap()).await
    }

    pub(crate) async fn upload(&self, name: &str, content: &[u8]) -> Answer {
        self.send(form(
            self.request(Method::POST, "/api/v1/books"),
            "file",
            name,
            content,
        ))
        .await
    }

    /// Imports the book of two chapters and gives its id.
    pub(crate) async fn book(&self) -> String {
        let answer = self.upload("sea.txt", BOOK.as_bytes()).await;
        assert!(answer.status < 300, "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Begins a run of that book and gives its id.
    pub(crate) async fn run(&self, book: &str) -> String {
        let answer = self.post("/api/v1/runs", spec(book)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// The events of a run, to the end of the stream.
    pub(crate) async fn events(&self, run: &str, last: Option<&str>) -> Vec<Event> {
        let mut request = self.request(Method::GET, &format!("/api/v1/runs/{run}/events"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let whole = self.send(request.body(Full::default()).unwrap());
        let answer = tokio::time::timeout(Duration::from_secs(20), whole)
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), "text/event-stream");
        answer
            .text()
            .split("\n\n")
            .filter_map(Event::parse)
            .collect()
    }

    /// Makes a run to its end and gives its files.
    pub(crate) async fn made(&self) -> Vec<Value> {
        let run = self.run(&self.book().await).await;
        let last = self.events(&run, None).await.pop().unwrap();
        assert_eq!(last.data["state"], "completed", "{}", last.data);
        let exports = self
            .get(&format!("/api/v1/runs/{run}/exports"))
            .await
            .json();
        exports.as_array().unwrap().clone()
    }
}

/// What to make of a book without any program.
pub(crate) fn spec(book: &str) -> Value {
    json!({
        "book_id": book,
        "recipe": "audiobook",
        "options": { "provider": "script", "formats": ["wav", "vtt"] },
    })
}

pub(crate) fn json_body(
    request: hyper::http::request::Builder,
    body: &Value,
) -> Request<Full<Bytes>> {
    let request = request.header(header::CONTENT_TYPE, "application/json");
    request.body(Full::from(body.to_string())).unwrap()
}

/// A form with one file.
pub(crate) fn form(
    request: hyper::http::request::Builder,
    field: &str,
    name: &str,
    content: &[u8],
) -> Request<Full<Bytes>> {
    let mut body = format!(
        "--edge\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--edge--\r\n");
    let kind = "multipart/form-data; boundary=edge";
    request
        .header(header::CONTENT_TYPE, kind)
        .body(Full::from(body))
        .unwrap()
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    /// The header, or an empty text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Status and code of a problem, whose form is checked.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        let code = problem["code"].as_str().unwrap();
        assert_eq!(problem["type"], format!("urn:litink:problem:{code}"));
        assert_eq!(problem["instance"], self.header("x-request-id"));
        assert!(!problem["title"].as_str().unwrap().is_empty());
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        let kind = problem["kind"].as_str().unwrap();
        assert!(litink_core::ErrorKind::parse(kind).is_some());
        format!("{} {code}", self.status)
    }
}

/// A server-sent event.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

impl Event {
    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        Some(Self {
            name: field("event: ")?.into(),
            id: field("id: ").unwrap_or_default().into(),
            data: serde_json::from_str(field("data: ")?).unwrap(),
        })
    }
}
