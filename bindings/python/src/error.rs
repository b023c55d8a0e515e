//! Errors of the engine to exceptions, and exceptions of providers to errors.

use std::{error::Error as StdError, fmt, time::Duration};

use litink_core::{Charge, Error, ErrorKind, Retry};
use pyo3::{
    exceptions::{PyRuntimeError, PyTimeoutError},
    intern,
    prelude::*,
    types::PyDict,
};

/// An exception of Python, on its way through the engine and back as the same object.
#[derive(Debug)]
pub(crate) struct HostError(pub(crate) PyErr);

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The class alone is in the error's message; what the exception says may be book text.
        f.write_str("an exception of Python")
    }
}

impl StdError for HostError {}

/// The exception for an error: the provider's own object where one caused it, else the class of
/// its kind in `litink.errors`.
pub(crate) fn to_python(py: Python<'_>, error: &Error) -> PyErr {
    match host(error) {
        Some(HostError(own)) => own.clone_ref(py),
        None => made(py, error).unwrap_or_else(|failed| failed),
    }
}

fn host(error: &Error) -> Option<&HostError> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(host) = cause.downcast_ref() {
            return Some(host);
        }
        next = cause.source();
    }
    None
}

fn made(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let context = PyDict::new(py);
    for (key, value) in error.context() {
        context.set_item(key, value)?;
    }
    let (retry, retry_after) = retry_name(error.retry());
    let fields = PyDict::new(py);
    fields.set_item("kind", error.kind().as_str())?;
    fields.set_item("code", error.code())?;
    fields.set_item("context", context)?;
    fields.set_item("retry", retry)?;
    fields.set_item("retry_after", retry_after)?;
    fields.set_item("charge", charge_name(error.charge()))?;
    let class = py
        .import(intern!(py, "litink.errors"))?
        .call_method1(intern!(py, "class_of"), (error.kind().as_str(),))?;
    let exception = class.call((error.message(),), Some(&fields))?;
    let err = PyErr::from_value(exception);
    if let Some(source) = error.source() {
        err.set_cause(py, Some(PyRuntimeError::new_err(source.to_string())));
    }
    Ok(err)
}

fn retry_name(retry: Retry) -> (&'static str, Option<f64>) {
    match retry {
        Retry::After(after) => ("after", Some(after.as_secs_f64())),
        Retry::Backoff => ("backoff", None),
        Retry::Ambiguous => ("ambiguous", None),
        _ => ("never", None),
    }
}

fn charge_name(charge: Charge) -> &'static str {
    match charge {
        Charge::No => "no",
        Charge::Maybe => "maybe",
        Charge::Yes => "yes",
    }
}

/// The error for what a provider raised. `stopped` says whether litink itself stopped the call.
///
/// A `LitinkError` says of itself what it is. Everything else is the provider's failure: never
/// tried again by itself, since a defect stays one, and charged for all that is known.
pub(crate) fn from_provider(py: Python<'_>, raised: PyErr, stopped: bool) -> Error {
    if is_asyncio_cancelled(py, &raised) {
        return cancelled(stopped);
    }
    let error = steered(py, &raised).unwrap_or_else(|| plain(py, &raised));
    error.with_source(HostError(raised))
}

/// `asyncio.CancelledError` is not carried on: raised at whoever waits for the run, it would look
/// as if they had been cancelled. Without litink's doing (a loop that ended, a scope inside the
/// provider) it is an outage: stopped calls are given back and begun again without end, outages
/// only so many times.
fn cancelled(stopped: bool) -> Error {
    if stopped {
        return Error::cancelled();
    }
    Error::new(
        ErrorKind::Unavailable,
        "the provider's task was cancelled, and not by litink",
    )
    .with_code("provider_task_cancelled")
    .with_charge(Charge::Maybe)
}

fn is_asyncio_cancelled(py: Python<'_>, raised: &PyErr) -> bool {
    let class = py
        .import(intern!(py, "asyncio"))
        .and_then(|asyncio| asyncio.getattr(intern!(py, "CancelledError")));
    class.is_ok_and(|class| raised.matches(py, class).unwrap_or(false))
}

fn plain(py: Python<'_>, raised: &PyErr) -> Error {
    let class = raised
        .get_type(py)
        .name()
        .map_or_else(|_| "?".into(), |name| name.to_string());
    if raised.is_instance_of::<PyTimeoutError>(py) {
        return Error::new(ErrorKind::Timeout, "the provider ran out of time")
            .with_code("provider_timeout")
            .with_context("exception", class)
            .with_retry(Retry::Ambiguous)
            .with_charge(Charge::Maybe);
    }
    Error::new(ErrorKind::Provider, "the provider raised an exception")
        .with_code("provider_exception")
        .with_context("exception", class)
        .with_charge(Charge::Maybe)
}

fn steered(py: Python<'_>, raised: &PyErr) -> Option<Error> {
    let base = py
        .import(intern!(py, "litink.errors"))
        .ok()?
        .getattr("LitinkError")
        .ok()?;
    let value = raised.value(py);
    if !value.is_instance(&base).ok()? {
        return None;
    }
    let text = |name: &str| value.getattr(name).and_then(|v| v.extract::<String>()).ok();
    let kind = ErrorKind::parse(&text("kind")?).unwrap_or(ErrorKind::Provider);
    let mut error = Error::new(kind, text("message").unwrap_or_default());
    if let Some(code) = text("code") {
        error = error.with_code(code);
    }
    let after = value
        .getattr("retry_after")
        .and_then(|v| v.extract::<Option<f64>>())
        .ok()?;
    if let Some(retry) = retry_of(text("retry").as_deref(), after) {
        error = error.with_retry(retry);
    }
    Some(error.with_charge(match text("charge").as_deref() {
        Some("yes") => Charge::Yes,
        Some("no") => Charge::No,
        _ => Charge::Maybe,
    }))
}

/// `None` leaves the kind's own default.
fn retry_of(name: Option<&str>, after: Option<f64>) -> Option<Retry> {
    let after = after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match (after, name) {
        (Some(after), _) => Some(Retry::After(after)),
        (None, Some("never")) => Some(Retry::Never),
        (None, Some("backoff")) => Some(Retry::Backoff),
        (None, Some("ambiguous")) => Some(Retry::Ambiguous),
        (None, _) => None,
    }
}
