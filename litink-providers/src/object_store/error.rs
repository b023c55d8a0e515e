//! The errors of `object_store` as litink's.

use std::{error::Error as StdError, io};

use litink_core::{Error, ErrorKind};
use object_store::Error as StoreError;

/// What an error of a store means to a caller.
pub(super) fn store_error(error: StoreError) -> Error {
    let described = match &error {
        StoreError::NotFound { path, .. } if !is_bucket_missing(&error) => {
            Error::not_found("object", path)
        }
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => denied(&error),
        other => from_server(other)
            .or_else(|| from_io(other))
            .unwrap_or_else(|| {
                Error::new(
                    ErrorKind::Unavailable,
                    "reading or writing the storage failed",
                )
            }),
    };
    described.with_source(error)
}

fn denied(error: &StoreError) -> Error {
    if says(error, "RequestTimeTooSkewed") {
        return Error::new(
            ErrorKind::Configuration,
            "the storage refuses this machine's clock; set it by NTP (`timedatectl set-ntp true`)",
        )
        .with_code("clock_skew");
    }
    Error::new(
        ErrorKind::PermissionDenied,
        "litink may not read or write in its storage; check the rights of the folder, or the \
         access key, its secret and what its policy allows",
    )
    .with_code("storage_denied")
}

fn is_bucket_missing(error: &StoreError) -> bool {
    says(error, "<Code>NoSuchBucket</Code>")
}

/// By a server's answer. Of listing, `object_store` gives it as text alone.
fn from_server(error: &StoreError) -> Option<Error> {
    if is_bucket_missing(error) {
        let message = "there is no such bucket; make it, or correct `storage_url`";
        return Some(Error::new(ErrorKind::Configuration, message).with_code("no_bucket"));
    }
    let refused = ["401", "403"].map(|status| format!("status code: {status}"));
    let refused = refused.iter().any(|status| says(error, status));
    refused.then(|| denied(error))
}

/// Whether a text stands in what lies beneath.
fn says(error: &StoreError, text: &str) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.to_string().contains(text) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// By the input/output error that lies beneath, if there is one: a full disk comes so.
fn from_io(error: &StoreError) -> Option<Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            // The system's own error is what tells; its text is the same on every machine.
            let copy = io
                .raw_os_error()
                .map_or_else(|| io::Error::from(io.kind()), io::Error::from_raw_os_error);
            return Some(Error::from(copy));
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_seen_beneath_the_stores_error() {
        let error = StoreError::Generic {
            store: "LocalFileSystem",
            source: Box::new(io::Error::from(io::ErrorKind::StorageFull)),
        };
        assert_eq!(store_error(error).kind(), ErrorKind::StorageFull);
    }

    #[test]
    fn what_says_nothing_is_worth_another_try() {
        let error = StoreError::Generic {
            store: "S3",
            source: "connection reset".into(),
        };
        assert_eq!(store_error(error).kind(), ErrorKind::Unavailable);
    }
}
