//! Connections for reading: they see what was committed, and never wait for the writer.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use litink_core::Result;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::{
    database::configure,
    error::{DbResult, gone},
};

/// A bounded set of connections, opened when first needed.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, count: usize) -> Self {
        Self {
            path,
            permits: Arc::new(Semaphore::new(count.max(1))),
            idle: Arc::default(),
        }
    }

    /// Reads on a thread where blocking is allowed, all statements in one snapshot. The connection
    /// goes back by itself, even when this future is dropped.
    pub(super) async fn read<T, F>(&self, body: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| gone())?;
        let idle = Arc::clone(&self.idle);
        let path = self.path.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let pooled = lock(&idle).pop();
            let connection = pooled.map_or_else(|| open(&path), Ok)?;
            let result = in_snapshot(&connection, body);
            lock(&idle).push(connection);
            drop(permit);
            result
        });
        reading.await.map_err(|error| gone().with_source(error))?
    }
}

fn lock(idle: &Mutex<Vec<Connection>>) -> std::sync::MutexGuard<'_, Vec<Connection>> {
    // Nothing can panic between taking a connection from the list and the list's being whole.
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection that cannot write.
pub(super) fn open(path: &std::path::Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).db()?;
    configure(&connection)?;
    Ok(connection)
}

fn in_snapshot<T>(
    connection: &Connection,
    body: impl FnOnce(&Connection) -> Result<T>,
) -> Result<T> {
    let snapshot = connection.unchecked_transaction().db()?;
    let result = body(&snapshot);
    snapshot.finish().db()?;
    result
}
