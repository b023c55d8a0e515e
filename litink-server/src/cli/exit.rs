//! Errors for people, and their exit codes.

use std::{error::Error as _, process::ExitCode};

use litink_core::{Error, ErrorKind};
use serde_json::json;

use super::print::say;

/// Interrupted, as shells have it.
pub(super) const INTERRUPTED: u8 = 130;

/// The exit code of a kind of error; `litink --help` lists them.
pub(super) fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidInput
        | ErrorKind::Unsupported
        | ErrorKind::LimitExceeded
        | ErrorKind::NotFound
        | ErrorKind::Conflict => 3,
        ErrorKind::Configuration
        | ErrorKind::PermissionDenied
        | ErrorKind::Unauthenticated
        | ErrorKind::StorageFull
        | ErrorKind::Unavailable
        | ErrorKind::Corrupt => 4,
        ErrorKind::Provider
        | ErrorKind::RateLimited
        | ErrorKind::QuotaExhausted
        | ErrorKind::Timeout => 5,
        ErrorKind::Cancelled => INTERRUPTED,
        _ => 1,
    }
}

/// Says what went wrong and gives the exit code.
pub(super) fn report(error: &Error, as_json: bool) -> ExitCode {
    if as_json {
        let event = json!({
            "event": "error",
            "kind": error.kind().as_str(),
            "code": error.code(),
            "message": error.to_string(),
        });
        say!("{event}");
    } else {
        eprintln!("error: {error} [{}]", error.code());
        let mut cause = error.source();
        while let Some(source) = cause {
            eprintln!("  because: {source}");
            cause = source.source();
        }
    }
    ExitCode::from(code(error.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_defects_exit_with_1() {
        for kind in ErrorKind::ALL {
            assert_eq!(code(*kind) == 1, *kind == ErrorKind::Internal, "{kind}");
        }
    }
}
