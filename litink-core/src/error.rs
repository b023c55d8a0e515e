//! The one error type of litink.

use serde::{Deserialize, Serialize};
use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

use crate::provider::{RateSnapshot, Spent};

/// A `Result` with litink's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a caller acts on it.
///
/// The kind decides the HTTP status, the command line's exit code and the exception class of each
/// binding. The finer, stable [`Error::code`] says which case of the kind it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What the caller gave cannot be used; change it. (HTTP 422)
    InvalidInput,
    /// The file is of a kind litink does not read, or a setting asks for what is not there. (415)
    Unsupported,
    /// Larger, deeper or longer than a limit that protects the machine. (413)
    LimitExceeded,
    /// No such thing, or none that the actor may see. (404)
    NotFound,
    /// Somebody else changed it first, or it is in a state that does not allow this. (409)
    Conflict,
    /// No valid credentials. (401)
    Unauthenticated,
    /// Valid credentials that do not allow this. (403)
    PermissionDenied,
    /// Too many requests; [`Error::retry`] says when to come back. (429)
    RateLimited,
    /// The account's money or quota is used up; waiting does not help. (402)
    QuotaExhausted,
    /// It took too long. (504)
    Timeout,
    /// A server, a file or a program cannot be reached or is busy now. (503)
    Unavailable,
    /// No room left on the disk, or none allowed. (507)
    StorageFull,
    /// Somebody cancelled it. (499)
    Cancelled,
    /// A generation provider failed or answered nonsense. (502)
    Provider,
    /// Stored data is damaged. (500)
    Corrupt,
    /// The set-up is wrong: a missing program, a bad URL, an unknown key. (500)
    Configuration,
    /// A defect of litink. Please report it. (500)
    Internal,
}

impl ErrorKind {
    /// Every kind, for tables that must be complete (HTTP statuses, exception classes).
    pub const ALL: &'static [Self] = &[
        Self::InvalidInput,
        Self::Unsupported,
        Self::LimitExceeded,
        Self::NotFound,
        Self::Conflict,
        Self::Unauthenticated,
        Self::PermissionDenied,
        Self::RateLimited,
        Self::QuotaExhausted,
        Self::Timeout,
        Self::Unavailable,
        Self::StorageFull,
        Self::Cancelled,
        Self::Provider,
        Self::Corrupt,
        Self::Configuration,
        Self::Internal,
    ];

    /// The kind's stable name in JSON, metrics and bindings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::Unsupported => "unsupported",
            Self::LimitExceeded => "limit_exceeded",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::StorageFull => "storage_full",
            Self::Cancelled => "cancelled",
            Self::Provider => "provider",
            Self::Corrupt => "corrupt",
            Self::Configuration => "configuration",
            Self::Internal => "internal",
        }
    }

    /// The kind with this name, the reverse of [`ErrorKind::as_str`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    fn default_retry(self) -> Retry {
        match self {
            Self::RateLimited | Self::Unavailable | Self::Timeout => Retry::Backoff,
            _ => Retry::Never,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether, and when, trying the same again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// The same again fails the same way.
    Never,
    /// Not before this much time has passed (a vendor's `Retry-After`).
    After(Duration),
    /// After a pause that grows with each attempt.
    Backoff,
    /// The call may have done its work (and cost its money) although no answer came back. Never
    /// repeated blindly: the owner's `hold` or `resend` policy decides.
    Ambiguous,
}

/// Whether money was spent on the call that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Charge {
    /// Nothing was spent.
    #[default]
    No,
    /// Not known; treated as spent.
    Maybe,
    /// It was spent.
    Yes,
}

/// Any failure of litink: what kind, whether to retry, what was being done, and why.
///
/// Messages say what to do next. They never hold a secret, a prompt or a book's text.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    code: Cow<'static, str>,
    retry: Retry,
    charge: Charge,
    operation: Option<&'static str>,
    message: String,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    rates: Option<RateSnapshot>,
    spent: Option<Spent>,
}

impl Error {
    /// An error of a kind, with a sentence for the person who reads it.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            code: Cow::Borrowed(kind.as_str()),
            retry: kind.default_retry(),
            charge: Charge::No,
            operation: None,
            message: message.into(),
            context: Vec::new(),
            source: None,
            rates: None,
            spent: None,
        }))
    }

    /// [`ErrorKind::InvalidInput`] with a stable code.
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message).with_code(code)
    }

    /// [`ErrorKind::NotFound`]: names the sort of thing and its id.
    pub fn not_found(what: &str, id: impl fmt::Display) -> Self {
        Self::new(ErrorKind::NotFound, format!("there is no {what} {id}"))
    }

    /// [`ErrorKind::Conflict`].
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// [`ErrorKind::Internal`], for what cannot happen.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// [`ErrorKind::Cancelled`].
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "cancelled")
    }

    /// Sets the stable, finer code (see ARCHITECTURE.md for the table). Defaults to the kind's name.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.0.code = code.into();
        self
    }

    /// Sets whether to retry; each kind has a sensible default.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Sets whether money was spent. Defaults to [`Charge::No`].
    #[must_use]
    pub fn with_charge(mut self, charge: Charge) -> Self {
        self.0.charge = charge;
        self
    }

    /// Names what was being done (`repository.commit`). The innermost name stays.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Adds a fact (an id, a path, a limit).
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Sets the cause. A binding tunnels its language's own exception through here.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says what the answer told of the vendor's limits.
    #[must_use]
    pub fn with_rates(mut self, rates: RateSnapshot) -> Self {
        if !rates.is_empty() {
            self.0.rates = Some(rates);
        }
        self
    }

    /// Says what the call used and cost although it failed. Counts only with [`Charge::Yes`], which
    /// this sets; without it, what such a call cost is not known.
    #[must_use]
    pub fn with_spent(mut self, spent: Spent) -> Self {
        self.0.charge = Charge::Yes;
        self.0.spent = Some(spent);
        self
    }

    /// What went wrong, as far as a caller acts on it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable, machine-readable case (`drm_protected`, `empty_file`, ...).
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// Whether, and when, to try again.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// Whether money was spent.
    #[must_use]
    pub fn charge(&self) -> Charge {
        self.0.charge
    }

    /// What was being done.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The sentence for a person. Not stable.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The facts, in the order in which they were added.
    #[must_use]
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// What the vendor's answer told of its limits, if it did.
    #[must_use]
    pub fn rates(&self) -> Option<&RateSnapshot> {
        self.0.rates.as_ref()
    }

    /// What the call used and cost although it failed, if its answer told.
    #[must_use]
    pub fn spent(&self) -> Option<&Spent> {
        self.0.spent.as_ref()
    }

    /// The cause as the type that was put in, if it is of that type.
    #[must_use]
    pub fn source_as<T: StdError + 'static>(&self) -> Option<&T> {
        self.0.source.as_deref()?.downcast_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for (i, (key, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{key}: {value}", if i == 0 { " (" } else { ", " })?;
        }
        if !self.0.context.is_empty() {
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Adds what was being done to the error of a `Result`.
pub trait ResultExt<T> {
    /// See [`Error::with_operation`].
    fn operation(self, operation: &'static str) -> Result<T>;
    /// See [`Error::with_context`].
    fn context(self, key: &'static str, value: impl fmt::Display) -> Result<T>;
}

impl<T> ResultExt<T> for Result<T> {
    fn operation(self, operation: &'static str) -> Self {
        self.map_err(|error| error.with_operation(operation))
    }

    fn context(self, key: &'static str, value: impl fmt::Display) -> Self {
        self.map_err(|error| error.with_context(key, value))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let (kind, message) = match error.kind() {
            Io::NotFound => (ErrorKind::NotFound, "the file or folder does not exist"),
            Io::PermissionDenied | Io::ReadOnlyFilesystem => (
                ErrorKind::PermissionDenied,
                "litink may not read or write here; check the rights",
            ),
            Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => (
                ErrorKind::StorageFull,
                "the disk is full; make room and run the same again, nothing is lost",
            ),
            Io::TimedOut => (ErrorKind::Timeout, "reading or writing took too long"),
            _ => (ErrorKind::Unavailable, "reading or writing failed"),
        };
        Self::new(kind, message).with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_that_parses_back() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::parse(kind.as_str()), Some(*kind));
        }
        let names: std::collections::HashSet<_> =
            ErrorKind::ALL.iter().map(|k| k.as_str()).collect();
        assert_eq!(names.len(), ErrorKind::ALL.len());
    }

    #[test]
    fn display_shows_message_and_facts_but_not_the_source() {
        let error = Error::invalid("empty_file", "the file is empty")
            .with_context("file", "a.epub")
            .with_source(std::io::Error::other("secret"));
        assert_eq!(error.to_string(), "the file is empty (file: a.epub)");
        assert_eq!(error.code(), "empty_file");
        assert!(StdError::source(&error).is_some());
    }

    #[test]
    fn a_full_disk_is_told_apart() {
        let error = Error::from(std::io::Error::from(std::io::ErrorKind::StorageFull));
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }
}
