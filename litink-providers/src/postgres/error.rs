//! Postgres's errors as litink's.

use litink_core::{Error, ErrorKind};
use sqlx::postgres::PgDatabaseError;

/// What is to be done about an error of a call.
pub(super) enum Verdict {
    /// The same again can do it, and a key makes it safe.
    Again(Error),
    /// It cannot.
    Never(Error),
}

impl Verdict {
    pub(super) fn error(self) -> Error {
        match self {
            Self::Again(error) | Self::Never(error) => error,
        }
    }
}

/// The server's own error, if it is one.
pub(super) fn database_error(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    match error {
        sqlx::Error::Database(error) => error.try_downcast_ref(),
        _ => None,
    }
}

/// What an error means to a caller.
pub(super) fn judge(error: sqlx::Error) -> Verdict {
    use sqlx::Error as Sqlx;
    match error {
        Sqlx::Database(_) => match database_error(&error) {
            Some(raised) => of_server(raised),
            None => Verdict::Never(Error::internal(
                "the database answered with an unknown error",
            )),
        },
        Sqlx::Io(_) | Sqlx::Protocol(_) | Sqlx::WorkerCrashed => {
            Verdict::Again(unreachable().with_source(error))
        }
        Sqlx::PoolTimedOut => Verdict::Never(
            Error::new(
                ErrorKind::Unavailable,
                "no connection to the database was free or could be made in time; check that the \
                 server runs, and raise `connections` in the URL",
            )
            .with_code("database_unreachable"),
        ),
        Sqlx::PoolClosed => Verdict::Never(
            Error::new(ErrorKind::Unavailable, "the database was closed")
                .with_code("database_closed"),
        ),
        Sqlx::Tls(_) => Verdict::Never(
            Error::new(
                ErrorKind::Configuration,
                "no secure connection to the database can be made; check `sslmode` and \
                 `sslrootcert` in the URL",
            )
            .with_code("database_tls")
            .with_source(error),
        ),
        _ => Verdict::Never(
            Error::internal("the database answered in an unexpected way").with_source(error),
        ),
    }
}

/// Without the server's message: it may quote a value.
fn of_server(raised: &PgDatabaseError) -> Verdict {
    let state = raised.code();
    let error = describe(state).with_context("sqlstate", state);
    match state {
        // Deadlock, serialization; the server goes down, or its connections are cut.
        "40001" | "40P01" | "57P01" | "57P02" | "57P03" => Verdict::Again(error),
        _ if state.starts_with("08") => Verdict::Again(error),
        _ => Verdict::Never(error),
    }
}

fn describe(state: &str) -> Error {
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

pub(super) fn unreachable() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the connection to the database was cut, or cannot be made; check that the server runs",
    )
    .with_code("database_unreachable")
}

pub(super) fn timed_out() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "the database did not answer in time; try again",
    )
    .with_code("database_timeout")
}
