//! Redis's errors as litink's.

use litink_core::{Error, ErrorKind};
use redis::RedisError;

/// Whether the same again may do it, a moment later: the connection broke, or the server starts,
/// or another becomes the primary.
pub(super) fn is_passing(error: &RedisError) -> bool {
    (error.is_io_error() && !error.is_timeout())
        || error.is_connection_dropped()
        || matches!(
            error.code(),
            Some("LOADING" | "MASTERDOWN" | "TRYAGAIN" | "READONLY" | "BUSY")
        )
}

/// What an error means to a caller. Without the server's message: it may quote a value.
pub(super) fn of(error: &RedisError) -> Error {
    let new = |kind, code, message: &str| Error::new(kind, message).with_code(code);
    let says = |what: &str| {
        error.code() == Some(what) || error.detail().is_some_and(|text| text.contains(what))
    };
    if says("NOAUTH") || says("WRONGPASS") || error.kind() == redis::ErrorKind::AuthenticationFailed
    {
        return new(
            ErrorKind::Configuration,
            "redis_login_refused",
            "Redis refuses this login; check user and password in the URL",
        );
    }
    if says("NOPERM") {
        return new(
            ErrorKind::Configuration,
            "redis_not_permitted",
            "this user of Redis may not do what litink needs; give it `~{litink}:* &{litink}:* +@all \
             -@dangerous +info`",
        );
    }
    if says("OOM") {
        return new(
            ErrorKind::StorageFull,
            "redis_full",
            "Redis has no memory left; raise `maxmemory`, or prune final jobs",
        );
    }
    if says("MISCONF") {
        return new(
            ErrorKind::StorageFull,
            "redis_disk",
            "Redis cannot write to its disk, and takes no more; make room there",
        );
    }
    if says("READONLY") {
        return new(
            ErrorKind::Unavailable,
            "redis_not_writable",
            "this Redis is a replica; connect to the primary",
        );
    }
    if says("MOVED") || says("CROSSSLOT") || says("CLUSTERDOWN") {
        return cluster();
    }
    if error.is_timeout() {
        return new(
            ErrorKind::Timeout,
            "redis_timeout",
            "Redis did not answer in time; try again",
        );
    }
    if is_passing(error) || error.is_connection_refusal() || error.is_io_error() {
        return unreachable();
    }
    if error.kind() == redis::ErrorKind::InvalidClientConfig {
        return new(
            ErrorKind::Configuration,
            "bad_backend_url",
            "the URL of Redis cannot be used; it is redis://:PASSWORD@HOST:PORT/NUMBER, or rediss:// \
             for TLS",
        );
    }
    Error::internal("Redis answered in an unexpected way").with_context(
        "redis",
        error.code().unwrap_or_else(|| error.category()).to_owned(),
    )
}

pub(super) fn unreachable() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the connection to Redis was cut, or cannot be made; check that the server runs",
    )
    .with_code("redis_unreachable")
}

pub(super) fn cluster() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "this Redis runs as a cluster, which litink does not use; give the URL of one that does not",
    )
    .with_code("redis_cluster")
}

/// A reply that no script of this version gives.
pub(super) fn odd_reply() -> Error {
    Error::internal("a script on Redis answered in another form")
}
