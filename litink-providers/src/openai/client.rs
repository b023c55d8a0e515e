//! One call, sent once: phases told apart, the answer bounded, nothing shown.

use std::{fmt, time::Duration};

use bytes::{Bytes, BytesMut};
use litink_core::{Charge, Error, ErrorKind, Result, Retry, provider::CallContext};
use reqwest::{
    Client, Method, Response,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::{
    config::OpenAiConfig,
    refused::{Refused, request_id},
};

const USER_AGENT: &str = concat!("litink/", env!("CARGO_PKG_VERSION"));
/// With this, a call can be found in the vendor's records, whatever became of its answer.
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");
/// No error is longer, and none is waited for longer.
const ERROR_BYTES: u64 = 64 << 10;
const ERROR_PATIENCE: Duration = Duration::from_secs(10);

/// The connections to an endpoint.
pub(super) struct Endpoint {
    http: Client,
    pub(super) config: OpenAiConfig,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.fmt(f)
    }
}

/// What is sent.
pub(super) enum Body {
    Nothing,
    Json(Value),
    Form(super::multipart::Form),
}

/// An answer that is a success.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) bytes: Bytes,
}

impl Endpoint {
    pub(super) fn new(config: OpenAiConfig) -> Result<Self> {
        crate::init_tls();
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(config.connect)
            // A paid call is not sent somewhere else, nor its key.
            .redirect(Policy::none())
            .referer(false);
        if config.url.scheme() == "http" {
            // Of this machine or its network, and no proxy is to see the key.
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| {
            Error::new(
                ErrorKind::Configuration,
                "no secure connection can be made from this machine; install the package \
                 ca-certificates",
            )
            .with_code("no_tls")
            .with_source(error.without_url())
        })?;
        Ok(Self { http, config })
    }

    /// A JSON request whose answer is JSON.
    pub(super) async fn json(
        &self,
        path: &str,
        body: Value,
        context: &CallContext,
        max_bytes: u64,
    ) -> Result<Answer> {
        self.send(Method::POST, path, Body::Json(body), context, max_bytes)
            .await
    }

    /// Sends a call, once; it ends when it is cancelled, or after the context's time.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Body,
        context: &CallContext,
        max_bytes: u64,
    ) -> Result<Answer> {
        let reads = method == Method::GET;
        let call = self.exchange(method, path, body, context, max_bytes);
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err(Error::cancelled().with_charge(Charge::Maybe)),
            ended = timeout(context.timeout, call) => match ended {
                Ok(answer) => answer,
                Err(_) if reads => Err(silent()),
                Err(_) => Err(ambiguous(silent(), Charge::Maybe)),
            },
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Body,
        context: &CallContext,
        max_bytes: u64,
    ) -> Result<Answer> {
        let reads = method == Method::GET;
        let url = self.config.at(path)?;
        let mut request = self
            .http
            .request(method, url)
            .headers(self.headers(context)?);
        request = match body {
            Body::Nothing => request,
            Body::Json(body) => {
                let bytes = serde_json::to_vec(&body)
                    .map_err(|error| Error::internal("a request is JSON").with_source(error))?;
                request.header(CONTENT_TYPE, "application/json").body(bytes)
            }
            Body::Form(form) => {
                let (content_type, bytes) = form.finish();
                request.header(CONTENT_TYPE, content_type).body(bytes)
            }
        };
        let lost = |error: reqwest::Error, charge| match (reads || error.is_connect(), charge) {
            (true, _) => unreachable(error),
            (false, charge) => ambiguous(cut(error), charge),
        };
        let sent = request.send().await;
        let mut response = sent.map_err(|error| lost(error, Charge::Maybe))?;
        let (status, headers) = (response.status(), response.headers().clone());
        if !status.is_success() {
            let body = timeout(
                ERROR_PATIENCE,
                read(&mut response, ERROR_BYTES, ERROR_PATIENCE),
            );
            // One that says more than fits, or nothing to the end, has said enough.
            let body = body
                .await
                .ok()
                .and_then(std::result::Result::ok)
                .unwrap_or_default();
            return Err(Refused::read(status.as_u16(), &headers, &body).error());
        }
        let bytes = read(&mut response, max_bytes, self.config.idle)
            .await
            .map_err(|failed| match failed {
                Failed::Cut(error) => lost(error, Charge::Yes),
                Failed::Stalled => ambiguous(stalled(), Charge::Yes),
                Failed::TooLarge => too_large(max_bytes),
            })?;
        Ok(Answer { headers, bytes })
    }

    fn headers(&self, context: &CallContext) -> Result<HeaderMap> {
        let config = &self.config;
        let mut headers = HeaderMap::new();
        let id = format!("{}-{}", context.generation, context.attempt);
        headers.insert(CLIENT_REQUEST_ID, plain(&id)?);
        if let Some(key) = &config.key {
            let name = config.dialect.key_header;
            let mut value = match name {
                "authorization" => plain(&format!("Bearer {}", key.reveal()))?,
                _ => plain(key.reveal())?,
            };
            value.set_sensitive(true);
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap_or(AUTHORIZATION);
            headers.insert(name, value);
        }
        for (name, value) in [
            ("openai-organization", &config.organization),
            ("openai-project", &config.project),
        ] {
            if let Some(value) = value {
                headers.insert(HeaderName::from_static(name), plain(value)?);
            }
        }
        Ok(headers)
    }
}

fn plain(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| {
        Error::new(
            ErrorKind::Configuration,
            "a setting of the provider `openai` holds characters that no header can",
        )
        .with_code("bad_header")
    })
}

impl Answer {
    /// The body as JSON; an error that hides in it is one.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        let value: Value = serde_json::from_slice(&self.bytes).map_err(|_| nonsense())?;
        if let Some(refused) = Refused::hidden(&self.headers, &value) {
            return Err(refused.error());
        }
        // Without the cause: it may quote what it could not read.
        serde_json::from_value(value).map_err(|_| nonsense())
    }

    pub(super) fn content_type(&self) -> &str {
        let value = self.headers.get(CONTENT_TYPE);
        value.and_then(|it| it.to_str().ok()).unwrap_or_default()
    }

    pub(super) fn request_id(&self) -> Option<String> {
        request_id(&self.headers)
    }
}

enum Failed {
    Cut(reqwest::Error),
    Stalled,
    TooLarge,
}

/// The body, as far as it is bounded and comes.
async fn read(response: &mut Response, max_bytes: u64, idle: Duration) -> Result<Bytes, Failed> {
    let mut bytes = BytesMut::new();
    loop {
        let piece = timeout(idle, response.chunk()).await;
        let piece = piece.map_err(|_| Failed::Stalled)?.map_err(Failed::Cut)?;
        let Some(piece) = piece else {
            return Ok(bytes.freeze());
        };
        if (bytes.len() + piece.len()) as u64 > max_bytes {
            return Err(Failed::TooLarge);
        }
        bytes.extend_from_slice(&piece);
    }
}

fn ambiguous(error: Error, charge: Charge) -> Error {
    error.with_retry(Retry::Ambiguous).with_charge(charge)
}

/// Nothing was sent, or nothing that costs.
fn unreachable(error: reqwest::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the provider cannot be reached; check its address and this machine's network",
    )
    .with_code("provider_unreachable")
    .with_source(error.without_url())
}

fn cut(error: reqwest::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the connection was cut after the call was sent; whether it was done is not known",
    )
    .with_code("provider_cut")
    .with_source(error.without_url())
}

fn silent() -> Error {
    Error::new(ErrorKind::Timeout, "the provider did not answer in time")
        .with_code("provider_timeout")
}

fn stalled() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "the provider began to answer, and then sent nothing more",
    )
    .with_code("stalled")
}

fn too_large(max_bytes: u64) -> Error {
    Error::new(
        ErrorKind::Provider,
        "the provider sent more than such a call can give",
    )
    .with_code("reply_too_large")
    .with_charge(Charge::Yes)
    .with_context("limit_bytes", max_bytes)
}

/// A success that cannot be read: paid, most likely, and another try may be better.
pub(super) fn nonsense() -> Error {
    Error::new(
        ErrorKind::Provider,
        "the provider's answer cannot be read; check that its address is that of such an endpoint",
    )
    .with_code("bad_reply")
    .with_retry(Retry::Ambiguous)
    .with_charge(Charge::Maybe)
}
