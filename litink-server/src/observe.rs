//! Request ids, the log of requests, and their metrics.

use std::{convert::Infallible, fmt, time::Instant};

use axum::{
    extract::{FromRequestParts, MatchedPath, Request},
    http::{HeaderName, HeaderValue, request::Parts},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;

/// The header that carries a request's id, in and out.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request's id: the caller's own if it is a plain one, else a new UUID.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(String);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A longer id of a caller is replaced.
const MAX_ID: usize = 64;

impl RequestId {
    fn of(request: &Request) -> Self {
        let plain = |id: &&str| {
            let safe = |c: u8| c.is_ascii_alphanumeric() || b"-_.:".contains(&c);
            !id.is_empty() && id.len() <= MAX_ID && id.bytes().all(safe)
        };
        let given = request
            .headers()
            .get(&REQUEST_ID)
            .and_then(|id| id.to_str().ok());
        let id = given.filter(plain).map(str::to_owned);
        Self(id.unwrap_or_else(|| uuid::Uuid::now_v7().to_string()))
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let id = parts.extensions.get::<Self>().cloned();
        Ok(id.unwrap_or_else(|| Self(String::new())))
    }
}

/// The outermost layer: gives the request its id, and logs and counts the answer. Paths are logged
/// by their template only: a query or an id says what somebody reads.
pub(crate) async fn observe(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(&request);
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let route = route.unwrap_or_else(|| "unmatched".into());
    let span = tracing::info_span!("request", request_id = %id, %method, route);
    request.extensions_mut().insert(id.clone());
    let began = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let (took, status) = (began.elapsed(), response.status().as_u16());
    span.in_scope(|| tracing::info!(status, ms = took.as_millis(), "answered"));
    let labels = [
        ("method", method.to_string()),
        ("route", route),
        ("status", status.to_string()),
    ];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_duration_seconds", &labels).record(took.as_secs_f64());
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}
