//! Postgres's own errors, by SQLSTATE. Without the server's messages: they may quote a value.

use litink_core::{Error, ErrorKind};

/// Whether the same again can do it: deadlock, serialization; the server goes down, or its
/// connections are cut.
pub(crate) fn is_passing(state: &str) -> bool {
    matches!(state, "40001" | "40P01" | "57P01" | "57P02" | "57P03")
        || (state.len() == 5 && state.starts_with("08"))
}

/// What a state means to a caller.
pub(crate) fn describe(state: &str) -> Error {
    let error = |kind, code, message: &str| Error::new(kind, message).with_code(code);
    match state {
        "53100" => error(
            ErrorKind::StorageFull,
            "disk_full",
            "the database's disk is full; make room and run the same again, nothing is lost",
        ),
        "53300" => error(
            ErrorKind::Unavailable,
            "too_many_connections",
            "the database takes no more connections; lower `connections` in the URL, or raise \
             max_connections of the server",
        ),
        "40001" | "40P01" | "55P03" => error(
            ErrorKind::Unavailable,
            "database_busy",
            "others kept changing the same rows; try again",
        ),
        "57014" => timed_out(),
        "28P01" | "28000" => error(
            ErrorKind::Configuration,
            "database_login_refused",
            "the database refuses this login; check user, password and database in the URL",
        ),
        "3D000" => error(
            ErrorKind::Configuration,
            "database_missing",
            "the server has no database of this name; make it first",
        ),
        "25006" => error(
            ErrorKind::PermissionDenied,
            "database_not_writable",
            "the database is read-only; connect to the primary server",
        ),
        "42501" => error(
            ErrorKind::Configuration,
            "database_not_permitted",
            "this login may not do what litink needs; use the one that owns the tables, or one \
             that is a member of `service_role`",
        ),
        "42883" | "42P01" | "3F000" | "42703" => error(
            ErrorKind::Configuration,
            "schema_missing",
            "the database does not have this version's tables and functions; run `litink migrate`",
        ),
        "XX001" | "XX002" => error(
            ErrorKind::Corrupt,
            "database_corrupt",
            "the database is damaged; stop litink, and restore a backup",
        ),
        _ if ["08", "53", "57", "58"].contains(&&state[..2.min(state.len())]) => unreachable(),
        _ => Error::internal("a statement of the database failed"),
    }
}

pub(crate) fn unreachable() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the connection to the database was cut, or cannot be made; check that the server runs",
    )
    .with_code("database_unreachable")
}

pub(crate) fn timed_out() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "the database did not answer in time; try again",
    )
    .with_code("database_timeout")
}
