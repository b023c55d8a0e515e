//! What every queue checks before it adds jobs or does what it is told.

use super::{Command, MAX_ARGS_BYTES, MAX_BATCH, MAX_LIMITS, NewJob, QueueCapabilities, Rate};
use crate::{Error, ErrorKind, Result};

/// The largest share of a tenant.
const MAX_WEIGHT: u32 = 1_000;

/// Whether a queue with these capabilities can take these jobs.
///
/// # Errors
/// [`ErrorKind::LimitExceeded`] (code `too_many_jobs`, `args_too_large`, or `too_many_limits`),
/// [`ErrorKind::Unsupported`] (code `not_supported_by_queue`); all but the first name the job by
/// its index.
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
        if job.limits.len() > MAX_LIMITS {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                "a job is under too many limits; name one key for what is limited together",
            )
            .with_code("too_many_limits")
            .with_context("job", i)
            .with_context("limit", MAX_LIMITS));
        }
    }
    Ok(())
}

/// Whether a queue with these capabilities can carry out a command.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] (code `bad_limit`, or `bad_weight`), [`ErrorKind::Unsupported`] (code
/// `not_supported_by_queue`).
pub fn command(command: &Command, capabilities: QueueCapabilities) -> Result<()> {
    match command {
        Command::Limit { .. } | Command::Throttle { .. } if !capabilities.limits => {
            Err(unsupported("limits"))
        }
        Command::Weigh { .. } if !capabilities.fairness => Err(unsupported("fairness")),
        Command::Weigh { weight, .. } if !(1..=MAX_WEIGHT).contains(weight) => Err(Error::invalid(
            "bad_weight",
            "a tenant's weight is 1 to 1000",
        )),
        Command::Limit {
            limit: Some(limit), ..
        } => match limit.rate {
            Some(Rate { jobs, per }) if jobs == 0 || per.as_micros() < u128::from(jobs) => {
                Err(Error::invalid(
                    "bad_limit",
                    "a rate is at least one job, and at most one in a microsecond; to let nothing \
                     begin, pause the kind or set a concurrency of 0",
                ))
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The keys of a job's limits as they are stored: sorted, each once.
#[must_use]
pub fn limits(keys: &[String]) -> Vec<String> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys.dedup();
    keys
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
