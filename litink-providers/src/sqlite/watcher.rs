//! Notices what other processes write to the same file.

use std::{
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use litink_core::{Error, Result};
use rusqlite::Connection;
use tokio::sync::{Notify, futures::Notified};

use super::{error::DbResult, readers};

/// How often to look. Asking SQLite costs a few microseconds, so twenty times a second is nothing,
/// and nobody waits for another process's job longer than it takes to notice.
const INTERVAL: Duration = Duration::from_millis(50);

/// Wakes who waits for a change of the database: at once for changes of this process (it says so),
/// within 50 ms for those of another. Looks only while somebody waits.
#[derive(Debug)]
pub(super) struct Watcher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: usize,
    closed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Two plain fields cannot be left half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    pub(super) fn start(path: &Path) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let connection = readers::open(path)?;
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("litink-watcher".into())
            .spawn(move || watch(&connection, &theirs))
            .map_err(Error::from)?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Something changed that somebody may wait for.
    pub(super) fn announce(&self) {
        self.shared.changed.notify_waiters();
    }

    /// Begins to look for changes, until what is returned is dropped.
    pub(super) fn watch(&self) -> Watch {
        self.shared.state().waiting += 1;
        self.shared.work.notify_one();
        Watch {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // Microseconds: it sleeps, or asks SQLite for one number.
            let _ended = thread.join();
        }
    }
}

/// Somebody waits.
#[derive(Debug)]
pub(super) struct Watch {
    shared: Arc<Shared>,
}

impl Watch {
    /// The next change. Enable it before looking at the database, so that none is missed.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.shared.changed.notified()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.state().waiting -= 1;
    }
}

fn watch(connection: &Connection, shared: &Shared) {
    let mut before = None;
    while wait_for_work(shared) {
        let now = data_version(connection).ok();
        // An error is shown by whoever reads next; here it only means "look again".
        if now != before || now.is_none() {
            shared.changed.notify_waiters();
        }
        before = now;
    }
}

/// Sleeps one interval, or as long as nobody waits; `false` at the end.
fn wait_for_work(shared: &Shared) -> bool {
    let mut state = shared.state();
    while state.waiting == 0 && !state.closed {
        state = shared
            .work
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner);
    }
    let (state, _) = shared
        .work
        .wait_timeout_while(state, INTERVAL, |state| !state.closed)
        .unwrap_or_else(PoisonError::into_inner);
    !state.closed
}

/// Changes whenever another connection, of this process or another, commits.
fn data_version(connection: &Connection) -> Result<i64> {
    connection
        .prepare_cached("PRAGMA data_version")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .db()
}
