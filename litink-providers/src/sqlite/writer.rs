//! The one writer: everything that wants to be written at the same time is written in one
//! transaction, so that a flush to the disk is paid once for all.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant, SystemTime},
};

use litink_core::{Error, Result};
use rusqlite::{CachedStatement, Connection};
use tokio::sync::oneshot;

use super::{
    error::{DbResult, database_error, gone},
    options::Durability,
};

/// The most callers that share a transaction; more than that, and the first waits too long.
const MAX_GROUP: usize = 256;

/// A group is closed after this, whoever still comes.
const MAX_GROUP_TIME: Duration = Duration::from_millis(20);

/// How long a group waits for those who were in the group before: their answers are just on their
/// way. A tenth of what a flush to a disk costs.
const LINGER: Duration = Duration::from_micros(300);

/// Microseconds since 1970 on this machine's clock, which is the store's.
pub(super) fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |time| {
        i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
    })
}

/// What a caller's writing is done on.
pub(super) struct Tx<'a> {
    connection: &'a Connection,
    clock: &'a Cell<i64>,
}

impl Tx<'_> {
    /// A statement, compiled once for each connection.
    pub(super) fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>> {
        self.connection.prepare_cached(sql).db()
    }

    /// The connection, for what reads too.
    pub(super) fn connection(&self) -> &Connection {
        self.connection
    }

    /// Executes a statement; says how many rows it touched.
    pub(super) fn execute(&self, sql: &str, params: impl rusqlite::Params) -> Result<usize> {
        self.prepare(sql)?.execute(params).db()
    }

    /// The store's clock.
    pub(super) fn now(&self) -> i64 {
        now_micros()
    }

    /// The store's clock, later with each call: what is written later is newer.
    pub(super) fn tick(&self) -> i64 {
        self.clock.set(now_micros().max(self.clock.get() + 1));
        self.clock.get()
    }
}

/// One caller's writing.
trait Work: Send {
    /// Does it; says whether it is to be kept.
    fn run(&mut self, tx: &Tx<'_>) -> bool;
    /// Answers: what it gave, or why the group could not be written.
    fn answer(self: Box<Self>, failure: Option<Error>);
}

struct Pending<T, F> {
    body: Option<F>,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Work for Pending<T, F>
where
    T: Send,
    F: FnOnce(&Tx<'_>) -> Result<T> + Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let Some(body) = self.body.take() else {
            return false;
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| body(tx)))
            .unwrap_or_else(|_| Err(Error::internal("a write to the database panicked")));
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        keep
    }

    fn answer(self: Box<Self>, failure: Option<Error>) {
        let answer = match (self.outcome, failure) {
            // Its own failure says more than that of the group.
            (Some(Err(error)), _) => Err(error),
            (_, Some(failure)) => Err(failure),
            (Some(outcome), None) => outcome,
            (None, None) => Err(gone()),
        };
        // Whoever no longer waits has no use for the answer; what was written stays written.
        drop(self.reply.send(answer));
    }
}

/// A handle on the writer's thread, which ends when the last handle is gone and all is written.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Sender<Box<dyn Work>>,
}

impl Writer {
    /// Begins writing on a connection.
    pub(super) fn start(connection: Connection, durability: Durability) -> Result<Self> {
        let (queue, receiver) = channel();
        let group = Group {
            connection,
            receiver,
            clock: Cell::new(0),
            linger: match durability {
                Durability::PowerLoss => LINGER,
                Durability::ProcessCrash => Duration::ZERO,
            },
        };
        thread::Builder::new()
            .name("litink-sqlite".into())
            .spawn(move || group.serve())
            .map_err(Error::from)?;
        Ok(Self { queue })
    }

    /// Has something written: whole or not at all, whatever becomes of this future once it was
    /// polled.
    pub(super) async fn write<T, F>(&self, body: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let pending = Pending {
            body: Some(body),
            outcome: None,
            reply,
        };
        self.queue.send(Box::new(pending)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

struct Group {
    connection: Connection,
    receiver: Receiver<Box<dyn Work>>,
    clock: Cell<i64>,
    linger: Duration,
}

impl Group {
    fn serve(self) {
        let mut before = 1;
        while let Ok(first) = self.receiver.recv() {
            before = self.write_group(first, before);
        }
    }

    /// Writes one group; says how many shared it.
    fn write_group(&self, first: Box<dyn Work>, before: usize) -> usize {
        let mut works = Vec::with_capacity(before);
        let result = self.run_group(first, before, &mut works);
        let count = works.len();
        match result {
            Ok(()) => works.into_iter().for_each(|work| work.answer(None)),
            Err(error) => {
                let failed = |work: Box<dyn Work>| work.answer(Some(same_error(&error)));
                works.into_iter().for_each(failed);
            }
        }
        count
    }

    fn run_group(
        &self,
        first: Box<dyn Work>,
        before: usize,
        works: &mut Vec<Box<dyn Work>>,
    ) -> rusqlite::Result<()> {
        let begun = self.execute("BEGIN IMMEDIATE");
        if begun.is_err() {
            // Those who wait behind it would each wait as long for the same answer.
            works.push(first);
            works.extend(self.receiver.try_iter());
            return begun;
        }
        let started = Instant::now();
        let mut next = Some(first);
        while let Some(work) = next {
            works.push(work);
            self.run_one(works)?;
            next = self.next(works.len(), before, started);
        }
        let committed = self.execute("COMMIT");
        if committed.is_err() && !self.connection.is_autocommit() {
            self.execute("ROLLBACK")?;
        }
        committed
    }

    /// Runs the last of the works so that it leaves nothing behind if it fails.
    fn run_one(&self, works: &mut [Box<dyn Work>]) -> rusqlite::Result<()> {
        let Some(work) = works.last_mut() else {
            return Ok(());
        };
        self.execute("SAVEPOINT caller")?;
        let tx = Tx {
            connection: &self.connection,
            clock: &self.clock,
        };
        let keep = work.run(&tx);
        if self.connection.is_autocommit() {
            // A full disk or a failing one makes SQLite take back the whole transaction.
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL),
                None,
            ));
        }
        if !keep {
            self.execute("ROLLBACK TO caller")?;
        }
        self.execute("RELEASE caller")
    }

    /// The next of the group, if it is to have one more.
    fn next(&self, count: usize, before: usize, started: Instant) -> Option<Box<dyn Work>> {
        if count >= MAX_GROUP || started.elapsed() > MAX_GROUP_TIME {
            return None;
        }
        match self.receiver.try_recv() {
            Ok(work) => Some(work),
            Err(_) if count < before => self.receiver.recv_timeout(self.linger).ok(),
            Err(_) => None,
        }
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}

/// The same failure for each of a group.
fn same_error(error: &rusqlite::Error) -> Error {
    match error {
        rusqlite::Error::SqliteFailure(failure, message) => {
            database_error(rusqlite::Error::SqliteFailure(*failure, message.clone()))
        }
        other => Error::internal(format!("the transaction failed: {other}")),
    }
}
