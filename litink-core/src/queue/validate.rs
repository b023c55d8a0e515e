//! What every queue checks before it adds jobs.

use super::{MAX_ARGS_BYTES, MAX_BATCH, NewJob, QueueCapabilities};
use crate::{Error, ErrorKind, Result};

/// Whether a queue with these capabilities can take these jobs.
///
/// # Errors
/// [`ErrorKind::LimitExceeded`] (code `too_many_jobs`, or `args_too_large`),
/// [`ErrorKind::Unsupported`] (code `not_supported_by_queue`); the last two name the job by its
/// index.
pub fn jobs(jobs: &[NewJob], capabilities: QueueCapabilities) -> Result<()> {
    if jobs.len() > MAX_BATCH {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            "too many jobs at once; add them in batches",
        )
        .with_code("too_many_jobs")
        .with_context("jobs", jobs.len())
        .with_context("limit", MAX_BATCH));
    }
    for (i, job) in jobs.iter().enumerate() {
        let bytes = job.args.to_string().len();
        if bytes > MAX_ARGS_BYTES {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                "the arguments of a job are too large; store them, and pass their id",
            )
            .with_code("args_too_large")
            .with_context("job", i)
            .with_context("bytes", bytes)
            .with_context("limit_bytes", MAX_ARGS_BYTES));
        }
        if !job.limits.is_empty() && !capabilities.limits {
            return Err(unsupported("limits").with_context("job", i));
        }
    }
    Ok(())
}

/// [`ErrorKind::Unsupported`] with code `not_supported_by_queue`.
#[must_use]
pub fn unsupported(what: &'static str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "this queue cannot do that; see its capabilities",
    )
    .with_code("not_supported_by_queue")
    .with_context("what", what)
}

/// [`ErrorKind::Conflict`] with code `session_lost`.
#[must_use]
pub fn session_lost() -> Error {
    Error::conflict("the session has expired; stop its jobs and open another")
        .with_code("session_lost")
}
