//! SQLite's errors as litink's.

use litink_core::{Error, ErrorKind, Result};
use rusqlite::{ErrorCode, ffi};

/// Turns the error of a `rusqlite` call into litink's.
pub(super) trait DbResult<T> {
    /// See [`database_error`].
    fn db(self) -> Result<T>;
}

impl<T> DbResult<T> for rusqlite::Result<T> {
    fn db(self) -> Result<T> {
        self.map_err(database_error)
    }
}

/// What an error of SQLite means to a caller.
pub(super) fn database_error(error: rusqlite::Error) -> Error {
    let described = match error.sqlite_error() {
        Some(failure) => describe(*failure),
        None => conversion(&error),
    };
    described.with_source(error)
}

/// [`ErrorKind::Corrupt`] with code `database_corrupt`.
pub(super) fn corrupt() -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "the database file is damaged; stop litink, keep a copy of the file, and restore a backup \
         or recover it with `sqlite3 FILE .recover`",
    )
    .with_code("database_corrupt")
}

/// [`ErrorKind::StorageFull`] with code `disk_full`.
pub(super) fn disk_full() -> Error {
    Error::new(
        ErrorKind::StorageFull,
        "the disk is full; make room and run the same again, nothing is lost",
    )
    .with_code("disk_full")
}

fn describe(failure: ffi::Error) -> Error {
    match failure.code {
        ErrorCode::DiskFull => disk_full(),
        ErrorCode::SystemIoFailure if is_full(failure.extended_code) => disk_full(),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => corrupt(),
        ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => not_writable(),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => busy(),
        ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed => Error::new(
            ErrorKind::Unavailable,
            "reading or writing the database file failed; check the disk",
        ),
        _ => Error::internal("a statement of the database failed"),
    }
}

/// A value that is not of the type that the schema says.
fn conversion(error: &rusqlite::Error) -> Error {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => corrupt(),
        _ => Error::internal("a statement of the database failed"),
    }
}

/// Input/output errors that a full disk (or quota) causes besides `SQLITE_FULL`: a write that was
/// cut short, and the shared-memory file that cannot grow.
fn is_full(extended_code: i32) -> bool {
    matches!(
        extended_code,
        ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_SHMSIZE
    )
}

fn not_writable() -> Error {
    Error::new(
        ErrorKind::PermissionDenied,
        "litink may not write its database here; check the rights of the file and its folder",
    )
    .with_code("database_not_writable")
}

fn busy() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "another process holds the database; try again, and look for a process that hangs",
    )
    .with_code("database_busy")
}

/// The writer or a reader is gone, which only a panic in it explains.
pub(super) fn gone() -> Error {
    Error::internal("a thread of the database ended")
}
