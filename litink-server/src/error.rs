//! Errors as RFC 9457 problems: the one place where a kind becomes a status.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use litink_core::{Error, ErrorKind, Retry};
use serde::Serialize;
use utoipa::ToSchema;

use crate::observe::RequestId;

/// What went wrong (RFC 9457), with litink's own kind and code.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `urn:litink:problem:` and the code: the same case always has the same type.
    #[serde(rename = "type")]
    #[schema(example = "urn:litink:problem:not_found")]
    pub(crate) type_uri: String,
    /// What the kind means.
    #[schema(example = "No such thing")]
    pub(crate) title: &'static str,
    /// The HTTP status.
    #[schema(example = 404)]
    pub(crate) status: u16,
    /// What happened this time, and what to do. For people; not stable.
    pub(crate) detail: String,
    /// The stable, finer case.
    #[schema(example = "not_found")]
    pub(crate) code: String,
    /// What a caller can do about it.
    #[schema(example = "not_found")]
    pub(crate) kind: &'static str,
    /// The request's id, as in the log and in `x-request-id`.
    pub(crate) instance: String,
    /// Facts: ids, limits.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub(crate) context: BTreeMap<&'static str, String>,
}

/// The media type of a problem.
pub(crate) const PROBLEM: &str = "application/problem+json";

/// The answer to a request that failed.
#[derive(Debug)]
pub(crate) struct ApiError {
    error: Error,
    status: StatusCode,
}

impl ApiError {
    /// A fault of the request itself, with the status that HTTP has for it.
    pub(crate) fn request(status: StatusCode, code: &'static str, message: String) -> Self {
        let error = Error::new(kind(status), message).with_code(code);
        Self { error, status }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let status = status(error.kind());
        Self { error, status }
    }
}

/// The status of a kind. The kinds' documentation says the same.
pub(crate) fn status(kind: ErrorKind) -> StatusCode {
    let status = match kind {
        ErrorKind::InvalidInput => 422,
        ErrorKind::Unsupported => 415,
        ErrorKind::LimitExceeded => 413,
        ErrorKind::NotFound => 404,
        ErrorKind::Conflict => 409,
        ErrorKind::Unauthenticated => 401,
        ErrorKind::PermissionDenied => 403,
        ErrorKind::RateLimited => 429,
        ErrorKind::QuotaExhausted => 402,
        ErrorKind::Timeout => 504,
        ErrorKind::Unavailable => 503,
        ErrorKind::StorageFull => 507,
        ErrorKind::Cancelled => 499,
        ErrorKind::Provider => 502,
        _ => 500,
    };
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The kind of an answer that only has a status.
fn kind(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 => ErrorKind::Unauthenticated,
        403 | 421 => ErrorKind::PermissionDenied,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        413 => ErrorKind::LimitExceeded,
        415 => ErrorKind::Unsupported,
        429 => ErrorKind::RateLimited,
        503 => ErrorKind::Unavailable,
        504 => ErrorKind::Timeout,
        400..=499 => ErrorKind::InvalidInput,
        _ => ErrorKind::Internal,
    }
}

fn title(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidInput => "What was given cannot be used",
        ErrorKind::Unsupported => "Not supported",
        ErrorKind::LimitExceeded => "Beyond a limit",
        ErrorKind::NotFound => "No such thing",
        ErrorKind::Conflict => "Not in this state",
        ErrorKind::Unauthenticated => "No valid credentials",
        ErrorKind::PermissionDenied => "Not allowed",
        ErrorKind::RateLimited => "Too many requests",
        ErrorKind::QuotaExhausted => "The quota is used up",
        ErrorKind::Timeout => "It took too long",
        ErrorKind::Unavailable => "Not available now",
        ErrorKind::StorageFull => "No room left",
        ErrorKind::Cancelled => "Cancelled",
        ErrorKind::Provider => "A provider failed",
        ErrorKind::Corrupt => "Stored data is damaged",
        ErrorKind::Configuration => "The set-up is wrong",
        _ => "A defect of litink",
    }
}

impl Problem {
    fn of(error: &Error, status: StatusCode) -> Self {
        let hidden = error.kind() == ErrorKind::Internal;
        let detail = if hidden {
            "something in litink failed; the log has more under this request's id".to_owned()
        } else {
            error.message().to_owned()
        };
        let facts = error.context().iter().filter(|_| !hidden);
        Self {
            type_uri: format!("urn:litink:problem:{}", error.code()),
            title: title(error.kind()),
            status: status.as_u16(),
            detail,
            code: error.code().to_owned(),
            kind: error.kind().as_str(),
            instance: String::new(),
            context: facts.map(|(key, value)| (*key, value.clone())).collect(),
        }
    }

    /// As an event of a stream, which has no status line.
    pub(crate) fn of_error(error: &Error, id: &RequestId) -> Self {
        let instance = id.to_string();
        Self {
            instance,
            ..Self::of(error, status(error.kind()))
        }
    }
}

/// What [`render`] finds in the answer of a handler that failed.
#[derive(Clone)]
struct Failed(Arc<Error>);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response
            .extensions_mut()
            .insert(Failed(Arc::new(self.error)));
        response
    }
}

/// Marks an answer with an error's status that is no problem.
#[derive(Clone, Copy)]
pub(crate) struct AsItIs;

/// Writes every failed answer as a problem with the request's id, and logs the faults that are
/// ours, once. Answers of axum and its layers have only a status; they become problems, too.
pub(crate) async fn render(id: RequestId, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let as_it_is = response.extensions().get::<AsItIs>().is_some();
    if !(status.is_client_error() || status.is_server_error()) || as_it_is {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let error = match parts.extensions.remove::<Failed>() {
        Some(failed) => failed.0,
        None => Arc::new(by_status(status)),
    };
    if status.is_server_error() {
        let cause = std::error::Error::source(&*error).map(ToString::to_string);
        tracing::error!(request_id = %id, kind = %error.kind(), code = error.code(), %error, cause,
            "a request failed");
    }
    let instance = id.to_string();
    let problem = Problem {
        instance,
        ..Problem::of(&error, status)
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
    parts.headers.remove(header::CONTENT_LENGTH);
    add_advice(&mut parts.headers, &error, status);
    Response::from_parts(parts, body.into())
}

fn add_advice(headers: &mut axum::http::HeaderMap, error: &Error, status: StatusCode) {
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer realm=\"litink\"");
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    let pause = match error.retry() {
        Retry::After(pause) => Some(pause.as_secs().max(1)),
        Retry::Backoff if status.as_u16() == 503 || status.as_u16() == 429 => Some(1),
        _ => None,
    };
    if let Some(seconds) = pause {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

fn by_status(status: StatusCode) -> Error {
    let (code, message) = match status.as_u16() {
        404 => (
            "unknown_route",
            "there is nothing at this address; see /docs",
        ),
        405 => (
            "method_not_allowed",
            "this address does not take this method; see /docs",
        ),
        413 => (
            "body_too_large",
            "the request is larger than is allowed here",
        ),
        _ => return Error::new(kind(status), "the request cannot be answered"),
    };
    Error::new(kind(status), message).with_code(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_every_kind_is_the_documented_one() {
        let table: Vec<_> = ErrorKind::ALL
            .iter()
            .map(|kind| format!("{kind} {}", status(*kind).as_u16()))
            .collect();
        insta::assert_snapshot!(table.join("\n"), @r"
        invalid_input 422
        unsupported 415
        limit_exceeded 413
        not_found 404
        conflict 409
        unauthenticated 401
        permission_denied 403
        rate_limited 429
        quota_exhausted 402
        timeout 504
        unavailable 503
        storage_full 507
        cancelled 499
        provider 502
        corrupt 500
        configuration 500
        internal 500
        ");
    }

    #[test]
    fn a_defect_shows_no_detail() {
        let error = Error::internal("canary").with_context("row", "canary");
        let problem = Problem::of(&error, status(error.kind()));
        let shown = serde_json::to_string(&problem).unwrap();
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(problem.status, 500);
    }
}
