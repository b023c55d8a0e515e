//! One call, sent once: phases told apart, the answer bounded, nothing shown.

use std::{fmt, time::Duration};

use bytes::{Bytes, BytesMut};
#[cfg(feature = "openai")]
use futures::StreamExt;
#[cfg(feature = "openai")]
use litink_core::storage::ByteStream;
use litink_core::{
    Charge, Error, ErrorKind, Result, Retry,
    provider::{CallContext, RateSnapshot},
};
use reqwest::{
    Client, Method, Response,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
    redirect::Policy,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;
use url::Url;

use super::{
    multipart::Form,
    rates,
    refused::{Refused, request_id},
};

/// Where a vendor is, and what each request to it says.
pub(crate) trait Address: fmt::Debug + Send + Sync {
    /// The address, without a slash at its end or with one.
    fn url(&self) -> &Url;
    /// The longest that a connection is waited for.
    fn connect(&self) -> Duration;
    /// An answer that began is given up when nothing more came for so long.
    fn idle(&self) -> Duration;
    /// The key, and whatever else the vendor wants to be told each time.
    fn headers(&self, context: &CallContext) -> Result<HeaderMap>;
}

const USER_AGENT: &str = concat!("litink/", env!("CARGO_PKG_VERSION"));
/// No error is longer, and none is waited for longer.
const ERROR_BYTES: u64 = 64 << 10;
const ERROR_PATIENCE: Duration = Duration::from_secs(10);

/// The connections to an endpoint.
pub(crate) struct Endpoint<A> {
    http: Client,
    pub(crate) config: A,
}

impl<A: fmt::Debug> fmt::Debug for Endpoint<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.fmt(f)
    }
}

/// What is sent.
pub(crate) enum Body {
    Nothing,
    Json(Value),
    Form(Form),
}

/// An answer that is a success.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl<A: Address> Endpoint<A> {
    pub(crate) fn new(config: A) -> Result<Self> {
        crate::init_tls();
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(config.connect())
            // A paid call is not sent somewhere else, nor its key.
            .redirect(Policy::none())
            .referer(false);
        if config.url().scheme() == "http" {
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
    #[cfg(any(feature = "anthropic", feature = "elevenlabs", feature = "gemini"))]
    pub(crate) async fn json(
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
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Body,
        context: &CallContext,
        max_bytes: u64,
    ) -> Result<Answer> {
        let reads = method == Method::GET;
        let call = async {
            let response = self.begin(method, path, body, context).await?;
            self.rest(response, max_bytes, reads).await
        };
        self.within(context, reads, call).await
    }

    /// Ends a call that is cancelled, or after the context's time.
    pub(super) async fn within(
        &self,
        context: &CallContext,
        reads: bool,
        call: impl Future<Output = Result<Answer>>,
    ) -> Result<Answer> {
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

    /// Sends a call, until its answer begins, which is a success.
    pub(super) async fn begin(
        &self,
        method: Method,
        path: &str,
        body: Body,
        context: &CallContext,
    ) -> Result<Response> {
        let reads = method == Method::GET;
        let url = at(self.config.url(), path)?;
        let mut request = self
            .http
            .request(method, url)
            .headers(self.config.headers(context)?);
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
        let sent = request.send().await;
        let mut response = sent.map_err(|error| lost(error, reads, Charge::Maybe))?;
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
            let refused = Refused::read(status.as_u16(), &headers, &body);
            return Err(refused.error().with_rates(rates::snapshot(&headers)));
        }
        Ok(response)
    }

    /// An answer whose bytes are taken as they come, for what is too large to be held. Costs nothing
    /// to be asked for again.
    #[cfg(feature = "openai")]
    pub(crate) async fn open(&self, path: &str, context: &CallContext) -> Result<ByteStream> {
        let begun = self.begin(Method::GET, path, Body::Nothing, context);
        let response = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(Error::cancelled()),
            begun = timeout(context.timeout, begun) => begun.unwrap_or_else(|_| Err(silent()))?,
        };
        let idle = self.config.idle();
        let next = move |mut response: Response| async move {
            let piece = match timeout(idle, response.chunk()).await {
                Ok(Ok(piece)) => Ok(piece?),
                Ok(Err(error)) => Err(unreachable(error)),
                Err(_) => Err(stalled()),
            };
            Some((piece, response))
        };
        Ok(futures::stream::unfold(response, next).boxed())
    }

    /// The rest of an answer that began.
    pub(super) async fn rest(
        &self,
        mut response: Response,
        max_bytes: u64,
        reads: bool,
    ) -> Result<Answer> {
        let headers = response.headers().clone();
        let bytes = read(&mut response, max_bytes, self.config.idle())
            .await
            .map_err(|error| failed(error, max_bytes, reads))?;
        Ok(Answer { headers, bytes })
    }
}

fn lost(error: reqwest::Error, reads: bool, charge: Charge) -> Error {
    match reads || error.is_connect() {
        true => unreachable(error),
        false => ambiguous(cut(error), charge),
    }
}

/// An answer that began, and did not come to its end.
pub(super) fn failed(failed: Failed, max_bytes: u64, reads: bool) -> Error {
    match failed {
        Failed::Cut(error) => lost(error, reads, Charge::Yes),
        Failed::Stalled => ambiguous(stalled(), Charge::Yes),
        Failed::TooLarge => too_large(max_bytes),
    }
}

/// The URL of a path below an address, such as `audio/speech`.
pub(crate) fn at(url: &Url, path: &str) -> Result<Url> {
    let base = url.as_str().trim_end_matches('/');
    Url::parse(&format!("{base}/{path}")).map_err(|_| {
        Error::new(
            ErrorKind::Configuration,
            "the address of the provider and what is asked of it make no URL",
        )
        .with_code("bad_provider_url")
    })
}

/// What a header holds.
pub(crate) fn plain(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| {
        Error::new(
            ErrorKind::Configuration,
            "a setting of the provider holds characters that no header can",
        )
        .with_code("bad_header")
    })
}

impl Answer {
    /// The body as JSON; an error that hides in it is one.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        let value: Value = serde_json::from_slice(&self.bytes).map_err(|_| nonsense())?;
        if let Some(refused) = Refused::hidden(&self.headers, &value) {
            return Err(refused.error());
        }
        // Without the cause: it may quote what it could not read.
        serde_json::from_value(value).map_err(|_| nonsense())
    }

    /// An error that hides in a success.
    #[cfg(any(feature = "anthropic", feature = "gemini"))]
    pub(crate) fn refused_in_success(&self) -> Result<()> {
        let value: Value = serde_json::from_slice(&self.bytes).map_err(|_| nonsense())?;
        Refused::hidden(&self.headers, &value).map_or(Ok(()), |refused| Err(refused.error()))
    }

    pub(crate) fn content_type(&self) -> &str {
        let value = self.headers.get(CONTENT_TYPE);
        value.and_then(|it| it.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn request_id(&self) -> Option<String> {
        request_id(&self.headers)
    }

    /// What it says of the account's limits.
    pub(crate) fn rates(&self) -> RateSnapshot {
        rates::snapshot(&self.headers)
    }
}

pub(super) enum Failed {
    Cut(reqwest::Error),
    Stalled,
    TooLarge,
}

/// The body, as far as it is bounded and comes.
pub(super) async fn read(
    response: &mut Response,
    max_bytes: u64,
    idle: Duration,
) -> Result<Bytes, Failed> {
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
pub(crate) fn nonsense() -> Error {
    Error::new(
        ErrorKind::Provider,
        "the provider's answer cannot be read; check that its address is that of such an endpoint",
    )
    .with_code("bad_reply")
    .with_retry(Retry::Ambiguous)
    .with_charge(Charge::Maybe)
}
