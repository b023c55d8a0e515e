//! Errors, both ways: the one place in which they cross.

use std::time::Duration;

use litink_core::{Charge, Error, ErrorKind, Retry};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// An error on its way to JavaScript. An `async` function of napi can only reject with a message,
/// so the message is JSON, which the facade makes an instance of `LitinkError` of.
pub(crate) fn to_js(error: &Error) -> napi::Error {
    let context: Map<String, Value> = error
        .context()
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Value::from(value.as_str())))
        .collect();
    let (retry, retry_after) = match error.retry() {
        Retry::After(after) => ("after", Some(after.as_secs_f64())),
        Retry::Backoff => ("backoff", None),
        Retry::Ambiguous => ("ambiguous", None),
        _ => ("never", None),
    };
    let described = json!({
        "kind": error.kind().as_str(),
        "code": error.code(),
        "message": error.to_string(),
        "context": context,
        "retry": retry,
        "retry_after": retry_after,
        "charge": error.charge(),
    });
    napi::Error::from_reason(described.to_string())
}

/// What a provider in JavaScript threw, as the facade describes it.
#[derive(Debug, Deserialize)]
pub(crate) struct Thrown {
    /// The kind's name.
    pub(crate) kind: String,
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    /// `never`, `backoff` or `ambiguous`; the kind's default without it.
    pub(crate) retry: Option<String>,
    /// Seconds to wait before the next attempt; wins over `retry`.
    pub(crate) retry_after: Option<f64>,
    pub(crate) charge: Option<Charge>,
}

impl From<Thrown> for Error {
    fn from(thrown: Thrown) -> Self {
        // A provider that says "cancelled" without having been cancelled would be asked for ever.
        let kind = ErrorKind::parse(&thrown.kind)
            .filter(|kind| *kind != ErrorKind::Cancelled)
            .unwrap_or(ErrorKind::Provider);
        let mut error = Self::new(kind, thrown.message);
        if let Some(code) = thrown.code {
            error = error.with_code(code);
        }
        let after = thrown
            .retry_after
            .and_then(|after| Duration::try_from_secs_f64(after).ok());
        let retry = match (after, thrown.retry.as_deref()) {
            (Some(after), _) => Some(Retry::After(after)),
            (None, Some("never")) => Some(Retry::Never),
            (None, Some("backoff")) => Some(Retry::Backoff),
            (None, Some("ambiguous")) => Some(Retry::Ambiguous),
            (None, _) => None,
        };
        if let Some(retry) = retry {
            error = error.with_retry(retry);
        }
        error.with_charge(thrown.charge.unwrap_or_default())
    }
}
