//! What Storage refuses.

use litink_core::{Error, ErrorKind};

use crate::supabase::client::Failed;

pub(super) fn error(failed: Failed) -> Error {
    let Failed::Refused(refused) = failed else {
        return failed.error();
    };
    let error = |kind, code, message: &str| Error::new(kind, message).with_code(code);
    match (refused.code(), refused.status) {
        ("NoSuchBucket", _) => error(
            ErrorKind::Configuration,
            "no_bucket",
            "there is no such bucket, or the key may not see it; make it, or correct its name",
        ),
        ("NoSuchKey" | "not_found", _) => {
            Error::new(ErrorKind::NotFound, "there is no such object")
        }
        ("KeyAlreadyExists" | "BucketAlreadyExists" | "Duplicate", _) => {
            Error::conflict("it exists already").with_code("already_exists")
        }
        ("AccessDenied", _) => error(
            ErrorKind::PermissionDenied,
            "storage_denied",
            "litink may not read or write in its bucket; use the project's secret key",
        ),
        ("InvalidMimeType", _) | (_, 415) => error(
            ErrorKind::Configuration,
            "media_type_refused",
            "the bucket does not take this media type; remove its list of allowed types, or add it",
        ),
        ("EntityTooLarge", _) | (_, 413) => error(
            ErrorKind::LimitExceeded,
            "object_too_large",
            "the bucket takes no object as large as this; raise its limit and the project's",
        ),
        ("InvalidRange", _) | (_, 416) => {
            Error::invalid("bad_range", "the range lies outside the object")
        }
        _ => refused.error(),
    }
}
