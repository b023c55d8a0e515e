//! Postgres's errors as litink's.

use litink_core::{Error, ErrorKind};
use sqlx::postgres::PgDatabaseError;

use crate::sql_functions::states;
pub(super) use crate::sql_functions::states::{timed_out, unreachable};

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
    let error = states::describe(state).with_context("sqlstate", state);
    if states::is_passing(state) {
        Verdict::Again(error)
    } else {
        Verdict::Never(error)
    }
}
