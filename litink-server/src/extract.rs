//! Extractors whose rejections are problems.

use axum::{
    extract::{
        FromRequest, FromRequestParts, OptionalFromRequestParts,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{HeaderMap, request::Parts},
};
use litink_core::Error;

use crate::error::ApiError;

/// A JSON body. 400 for what is no JSON, 415 for another media type, 422 for JSON of another shape,
/// 413 for too much.
#[derive(Debug, FromRequest)]
#[from_request(via(axum::Json), rejection(ApiError))]
pub(crate) struct Json<T>(pub(crate) T);

/// Parameters in the path. 400 for what is no id.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub(crate) struct Path<T>(pub(crate) T);

/// Parameters in the query (not called `Query`, which utoipa takes for axum's). 400 for what they cannot be.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub(crate) struct Params<T>(pub(crate) T);

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let code = match rejection.status().as_u16() {
            413 => "body_too_large",
            415 => "not_json",
            _ => "bad_json",
        };
        Self::request(rejection.status(), code, rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::request(rejection.status(), "bad_path", rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::request(rejection.status(), "bad_query", rejection.body_text())
    }
}

/// The `Idempotency-Key` header.
#[derive(Debug)]
pub(crate) struct IdempotencyKey(pub(crate) String);

/// Room for any UUID, hash or name of a caller's own.
const MAX_KEY: usize = 200;

impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, ApiError> {
        let Some(value) = parts.headers.get("idempotency-key") else {
            return Ok(None);
        };
        let key = value.to_str().unwrap_or_default().trim();
        if key.is_empty() || key.len() > MAX_KEY {
            let message = "an `Idempotency-Key` is 1 to 200 visible ASCII characters";
            return Err(Error::invalid("bad_idempotency_key", message).into());
        }
        Ok(Some(Self(key.to_owned())))
    }
}

/// A header as text; `None` where it is missing or not text.
pub(crate) fn header(
    headers: &HeaderMap,
    name: impl axum::http::header::AsHeaderName,
) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A page of a list.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// How many items, 1 to 200. Default 50.
    #[param(default = 50, minimum = 1, maximum = 200)]
    pub(crate) limit: Option<u32>,
    /// The `next` of the page before.
    pub(crate) after: Option<String>,
}

/// Few enough that a page of rows is small, many enough to fill a screen.
const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

/// The wanted number of items, checked.
pub(crate) fn limit(wanted: Option<u32>) -> Result<u32, Error> {
    match wanted.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        _ => Err(Error::invalid("bad_query", "`limit` is 1 to 200")),
    }
}
