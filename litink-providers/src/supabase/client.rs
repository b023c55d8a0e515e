//! Calls over HTTP: a deadline on each, repeated where that is safe, bounded answers.

use std::{fmt, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use litink_core::{Error, ErrorKind, Result};
use reqwest::{
    Client, Method, Response,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::{
    SupabaseConfig,
    keys::Scope,
    refused::{Refused, not_supabase, timed_out, unreachable},
};

/// With this, Auth's errors have one shape.
const API_VERSION: HeaderName = HeaderName::from_static("x-supabase-api-version");
const API_VERSION_VALUE: HeaderValue = HeaderValue::from_static("2024-01-01");
const USER_AGENT: &str = concat!("litink/", env!("CARGO_PKG_VERSION"));

/// Attempts of one call at most: with their pauses, a restart of a service.
const ATTEMPTS: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// After a migration, the REST interface reads the schema anew in about a second.
const SCHEMA_PAUSE: Duration = Duration::from_millis(1_500);
/// No error of a service is longer.
const ERROR_BYTES: u64 = 64 << 10;
const REDIRECTS: usize = 3;

/// The connections to a project. Clones share them.
///
/// - Every call has a deadline, and answers about rows a largest size ([`SupabaseConfig`]).
/// - What is safe to repeat is repeated after a cut connection, an answer that does not come, 429,
///   502, 503 and 504, deadlocks and the like, with growing random pauses or as `Retry-After` says.
/// - Redirects are followed within the project's address only.
/// - Nothing of it shows a key or a token: no `Debug`, no error, no log line.
#[derive(Clone)]
pub struct SupabaseClient {
    inner: Arc<Inner>,
}

struct Inner {
    http: Client,
    config: SupabaseConfig,
}

impl fmt::Debug for SupabaseClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SupabaseClient")
            .field(&self.inner.config)
            .finish()
    }
}

/// Whether a call may be made twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It reads, or does the same a second time, or is done once by its key.
    Safe,
    /// Only where nothing was sent.
    Unsent,
}

/// A call to be made.
pub(super) struct Call {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Bytes>,
    repeat: Repeat,
    attempt: Duration,
    max_bytes: u64,
    stream: bool,
}

/// An answer that is a success.
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) bytes: Bytes,
    /// The answer, for one that streams.
    pub(super) rest: Option<Response>,
    pub(super) attempts: u32,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum Failed {
    /// The service says no.
    Refused(Refused),
    /// Nothing came of it.
    Lost {
        error: Error,
        /// Whether something may have arrived there.
        sent: bool,
    },
    /// What came cannot be used.
    Unusable(Error),
}

impl Failed {
    /// As an error, where no service knows better.
    pub(super) fn error(self) -> Error {
        match self {
            Self::Refused(refused) => refused.error(),
            Self::Lost { error, .. } | Self::Unusable(error) => error,
        }
    }

    fn may_repeat(&self, repeat: Repeat) -> bool {
        match self {
            Self::Refused(refused) => repeat == Repeat::Safe && refused.is_passing(),
            Self::Lost { sent, .. } => repeat == Repeat::Safe || !sent,
            Self::Unusable(_) => false,
        }
    }
}

impl Call {
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Result<Self> {
        let value = HeaderValue::from_str(value).map_err(|_| {
            Error::invalid("bad_header", "it holds characters that no header can")
                .with_context("header", name)
        })?;
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(self)
    }

    pub(super) fn json(self, body: &serde_json::Value) -> Result<Self> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Error::internal("a request is JSON").with_source(error))?;
        self.body(body.into())
            .header("content-type", "application/json")
    }

    pub(super) fn body(mut self, body: Bytes) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// For a body of bytes, which takes longer to send.
    pub(super) fn attempt(mut self, attempt: Duration) -> Self {
        self.attempt = attempt;
        self
    }

    pub(super) fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The body of the answer is not read.
    pub(super) fn stream(mut self) -> Self {
        self.stream = true;
        self
    }

    fn deadline(&self, config: &SupabaseConfig) -> Duration {
        config.deadline.max(self.attempt)
    }
}

impl SupabaseClient {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `no_tls`) where this system has no certificates.
    pub fn new(config: SupabaseConfig) -> Result<Self> {
        crate::init_tls();
        let origin = config.url().origin();
        let same_origin = Policy::custom(move |attempt| {
            if attempt.url().origin() == origin && attempt.previous().len() <= REDIRECTS {
                attempt.follow()
            } else {
                attempt.stop()
            }
        });
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(config.connect)
            .read_timeout(config.idle)
            .redirect(same_origin)
            .referer(false);
        if config.url().scheme() == "http" {
            // Only this machine is spoken to so, and no proxy is to see the keys.
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
        Ok(Self {
            inner: Arc::new(Inner { http, config }),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn config(&self) -> &SupabaseConfig {
        &self.inner.config
    }

    /// A call of a path below the project's address, safe to repeat.
    pub(super) fn call(&self, method: Method, path: &str) -> Result<Call> {
        let config = &self.inner.config;
        Ok(Call {
            method,
            url: config.at(path)?,
            headers: HeaderMap::new(),
            body: None,
            repeat: Repeat::Safe,
            attempt: config.attempt,
            max_bytes: 8 << 20,
            stream: false,
        })
    }

    /// Makes a call in a scope.
    pub(super) async fn send(&self, scope: &Scope, call: Call) -> Result<Answer, Failed> {
        let mut headers = scope.headers().map_err(Failed::Unusable)?;
        if call.url.path().contains("/auth/v1/") {
            headers.insert(API_VERSION, API_VERSION_VALUE);
        }
        headers.extend(call.headers.clone());
        let deadline = Instant::now() + call.deadline(&self.inner.config);
        let (mut attempts, mut schema_read) = (0, false);
        loop {
            attempts += 1;
            let left = deadline.saturating_duration_since(Instant::now());
            let attempt = self.once(&call, headers.clone());
            let failed = match timeout(left.min(call.attempt), attempt).await {
                Ok(Ok(answer)) => return Ok(Answer { attempts, ..answer }),
                Ok(Err(failed)) => failed,
                Err(_) => Failed::Lost {
                    error: timed_out(),
                    sent: true,
                },
            };
            let pause = match &failed {
                Failed::Refused(refused) if refused.is_stale_schema() && !schema_read => {
                    schema_read = true;
                    Some(SCHEMA_PAUSE)
                }
                failed if !failed.may_repeat(call.repeat) || attempts == ATTEMPTS => None,
                Failed::Refused(refused) => {
                    Some(refused.retry_after.unwrap_or_else(|| jittered(attempts)))
                }
                _ => Some(jittered(attempts)),
            };
            let Some(pause) = pause else {
                return Err(failed);
            };
            if Instant::now() + pause >= deadline {
                return Err(failed);
            }
            let refused = match &failed {
                Failed::Refused(refused) => Some((refused.status, refused.code())),
                _ => None,
            };
            tracing::debug!(attempts, ?refused, ?pause, "a call of Supabase is repeated");
            sleep(pause).await;
        }
    }

    async fn once(&self, call: &Call, headers: HeaderMap) -> Result<Answer, Failed> {
        let mut request = self
            .inner
            .http
            .request(call.method.clone(), call.url.clone())
            .headers(headers);
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status();
        let headers = response.headers().clone();
        if !status.is_success() {
            // One that says more than fits has said enough.
            let body = read(&mut response, ERROR_BYTES).await;
            let body = body.unwrap_or_default();
            return Err(Failed::Refused(Refused::read(status, &headers, &body)));
        }
        let (bytes, rest) = if call.stream {
            (Bytes::new(), Some(response))
        } else {
            (read(&mut response, call.max_bytes).await?, None)
        };
        Ok(Answer {
            headers,
            bytes,
            rest,
            attempts: 0,
        })
    }
}

impl Answer {
    /// The body as JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        // Without the cause: it may quote what it could not read.
        serde_json::from_slice(&self.bytes).map_err(|_| not_supabase())
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

async fn read(response: &mut Response, max_bytes: u64) -> Result<Bytes, Failed> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(lost)? {
        if (bytes.len() + piece.len()) as u64 > max_bytes {
            return Err(Failed::Unusable(
                Error::new(
                    ErrorKind::LimitExceeded,
                    "Supabase's answer is larger than is read; ask for fewer rows",
                )
                .with_code("reply_too_large")
                .with_context("limit_bytes", max_bytes),
            ));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

fn lost(error: reqwest::Error) -> Failed {
    Failed::Lost {
        sent: !error.is_connect(),
        error: transport(error),
    }
}

/// A connection's error. Its URL may hold a token.
pub(super) fn transport(error: reqwest::Error) -> Error {
    let described = if error.is_timeout() {
        timed_out()
    } else {
        unreachable()
    };
    described.with_source(error.without_url())
}

/// Anything from nothing to a pause that doubles, so that those who collided do not again.
pub(super) fn jittered(attempts: u32) -> Duration {
    let longest = FIRST_PAUSE
        .saturating_mul(1 << attempts.min(10))
        .min(LONGEST_PAUSE);
    let [a, b, ..] = *uuid::Uuid::new_v4().as_bytes();
    longest.mul_f64(f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX))
}
