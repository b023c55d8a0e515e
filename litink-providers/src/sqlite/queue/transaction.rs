//! Jobs in a transaction of the caller's.

use std::fmt;

use litink_core::{
    Result, SessionId,
    queue::{Enqueued, NewJob, QueueCapabilities, Settle, validate},
};
use rusqlite::Connection;

use super::{adding, sessions, turns};
use crate::sqlite::writer::Tx;

/// A transaction on the database of a [`SqliteQueue`](super::SqliteQueue), see
/// [`SqliteQueue::transaction`](super::SqliteQueue::transaction).
pub struct SqliteTransaction<'a> {
    tx: &'a Tx<'a>,
    capabilities: QueueCapabilities,
}

impl fmt::Debug for SqliteTransaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteTransaction").finish_non_exhaustive()
    }
}

impl<'a> SqliteTransaction<'a> {
    pub(super) fn new(tx: &'a Tx<'a>, capabilities: QueueCapabilities) -> Self {
        Self { tx, capabilities }
    }

    /// The connection, for tables of the caller's own. The transaction is not to be begun or ended
    /// on it, and litink's tables are only to be read.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        self.tx.connection()
    }

    /// Adds jobs, as [`Queue::enqueue`](litink_core::queue::Queue::enqueue) does.
    ///
    /// # Errors
    /// As those of [`Queue::enqueue`](litink_core::queue::Queue::enqueue).
    pub fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        validate::jobs(jobs, self.capabilities)?;
        adding::add(self.tx, jobs)
    }

    /// Settles jobs of a session, as [`Queue::exchange`](litink_core::queue::Queue::exchange) does;
    /// says which count.
    ///
    /// # Errors
    /// [`litink_core::ErrorKind::Conflict`] (code `session_lost`) where the session has expired; those
    /// of the database.
    pub fn settle(&self, session: SessionId, settles: &[Settle]) -> Result<Vec<bool>> {
        let now = self.tx.now();
        sessions::last_turn(self.tx, session, now)?;
        turns::settle_all(self.tx, session, settles, now)
    }
}
