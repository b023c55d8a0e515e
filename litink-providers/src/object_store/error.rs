//! The errors of `object_store` as litink's.

use std::{error::Error as StdError, io};

use litink_core::{Error, ErrorKind};
use object_store::Error as StoreError;

/// What an error of the end of an upload means: the object is not expected to be there, so what is
/// missing is the upload. An operator's rule for unfinished ones removed it, or the server ended it
/// and the answer was lost.
pub(super) fn upload_error(error: StoreError) -> Error {
    match error {
        StoreError::NotFound { .. } if !is_bucket_missing(&error) => Error::new(
            ErrorKind::Unavailable,
            "the storage no longer knew the upload when it was finished; it is to be made again",
        )
        .with_code("upload_lost")
        .with_source(error),
        error => store_error(error),
    }
}

/// What an error of a store means to a caller.
pub(super) fn store_error(error: StoreError) -> Error {
    let described = match &error {
        StoreError::NotFound { path, .. } if !is_bucket_missing(&error) => {
            Error::not_found("object", path)
        }
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => denied(&error),
        other => from_server(other)
            .or_else(|| from_network(other))
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
    // MinIO's status for a full disk or quota; AWS is never full.
    if says(error, "status code: 507") {
        let message = "the storage is full; make room and run the same again, nothing is lost";
        return Some(Error::new(ErrorKind::StorageFull, message).with_code("disk_full"));
    }
    let refused = ["401", "403"].map(|status| format!("status code: {status}"));
    let refused = refused.iter().any(|status| says(error, status));
    refused.then(|| denied(error))
}

/// By what became of the connection.
#[cfg(feature = "s3")]
fn from_network(error: &StoreError) -> Option<Error> {
    use object_store::client::{HttpError, HttpErrorKind};
    let mut cause = error.source();
    while let Some(error) = cause {
        let kind = error.downcast_ref::<HttpError>().map(HttpError::kind);
        if let Some(HttpErrorKind::Timeout) = kind {
            let message = "the storage did not answer in time; try again, and if its server is slow, \
                           raise `silence_s` in `storage_url`";
            return Some(Error::new(ErrorKind::Timeout, message).with_code("storage_timeout"));
        }
        if kind.is_some() {
            let message = "the connection to the storage was cut, or cannot be made; check that the \
                           server runs";
            let error = Error::new(ErrorKind::Unavailable, message);
            return Some(error.with_code("storage_unreachable"));
        }
        cause = error.source();
    }
    None
}

#[cfg(not(feature = "s3"))]
fn from_network(_: &StoreError) -> Option<Error> {
    None
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
    fn a_full_server_is_told_apart() {
        let error = StoreError::Generic {
            store: "S3",
            source: "Server returned non-2xx status code: 507 Insufficient Storage: ".into(),
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
