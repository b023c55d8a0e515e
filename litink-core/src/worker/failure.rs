//! How an execution fails, by class.

use std::{error::Error as StdError, fmt, time::Duration};

use crate::{Error, ErrorKind, Retry};

/// Why an execution did not come to its end, and what is to become of the job.
///
/// `?` makes one of any error. litink's own [`Error`] says itself whether to try again; any other is
/// tried again after a pause that grows with each attempt, until [`crate::queue::Job::max_attempts`]
/// are used up. The error's text is kept with the job, so it should hold no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub(super) class: Class,
    pub(super) error: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Backoff,
    After(Duration),
    Never,
    Cancelled,
    Wait(Duration),
}

impl Failure {
    fn new(class: Class, error: impl fmt::Display) -> Self {
        let error = error.to_string();
        Self { class, error }
    }

    /// Again, after a pause that grows with each attempt.
    pub fn retry(error: impl fmt::Display) -> Self {
        Self::new(Class::Backoff, error)
    }

    /// Again, after this pause.
    pub fn retry_after(pause: Duration, error: impl fmt::Display) -> Self {
        Self::new(Class::After(pause), error)
    }

    /// For good: the same again fails the same way. The job is discarded, for an operator to look
    /// at and replay.
    pub fn never(error: impl fmt::Display) -> Self {
        Self::new(Class::Never, error)
    }

    /// Not now (a rate limit, a vendor that is not finished): later, no attempt used.
    #[must_use]
    pub fn wait(pause: Duration) -> Self {
        Self::new(Class::Wait(pause), "")
    }

    /// Stopped, because somebody chose so.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(Class::Cancelled, "")
    }

    /// Why, for people.
    #[must_use]
    pub fn error(&self) -> &str {
        &self.error
    }
}

/// `Failure` is not itself an error, so that it can be made of every one.
impl<E: StdError + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let class = match (&error as &dyn std::any::Any).downcast_ref::<Error>() {
            Some(error) => class_of(error),
            None => Class::Backoff,
        };
        Self::new(class, &error)
    }
}

fn class_of(error: &Error) -> Class {
    match (error.kind(), error.retry()) {
        (ErrorKind::Cancelled, _) => Class::Cancelled,
        (ErrorKind::RateLimited, Retry::After(pause)) => Class::Wait(pause),
        (_, Retry::After(pause)) => Class::After(pause),
        (_, Retry::Backoff) => Class::Backoff,
        // What may have been done is not done again blindly.
        (_, Retry::Never | Retry::Ambiguous) => Class::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(error: impl Into<Failure>) -> Class {
        error.into().class
    }

    #[test]
    fn an_error_says_its_class() {
        let second = Duration::from_secs(1);
        let limited = || Error::new(ErrorKind::RateLimited, "slower");
        assert_eq!(class(std::io::Error::other("x")), Class::Backoff);
        assert_eq!(class(limited()), Class::Backoff);
        let told = limited().with_retry(Retry::After(second));
        assert_eq!(class(told), Class::Wait(second));
        let busy = Error::new(ErrorKind::Unavailable, "busy").with_retry(Retry::After(second));
        assert_eq!(class(busy), Class::After(second));
        assert_eq!(class(Error::invalid("bad", "bad")), Class::Never);
        let ambiguous = Error::new(ErrorKind::Timeout, "?").with_retry(Retry::Ambiguous);
        assert_eq!(class(ambiguous), Class::Never);
        assert_eq!(class(Error::cancelled()), Class::Cancelled);
    }
}
