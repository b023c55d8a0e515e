use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use litink_core::{Error, ErrorKind, Result, ResultExt};
use rusqlite::{Connection, OpenFlags};

use super::{
    error::{DbResult, corrupt, gone},
    migrate,
    options::SqliteOptions,
    readers::Readers,
    watcher::{Watch, Watcher},
    writer::{Tx, Writer},
};

/// An open SQLite database: one writer, a few readers. Clones share it.
///
/// - Everything written at the same time shares one transaction and one flush to the disk; each
///   caller's part succeeds or fails for itself.
/// - Dropping the future of a write does not stop it; it is written whole or not at all.
/// - Other processes may have the same file open; who writes waits for the other for up to half a
///   minute, then fails with [`ErrorKind::Unavailable`] (code `database_busy`).
#[derive(Clone, Debug)]
pub struct SqliteDatabase {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// The schema's version before it was opened; 0 for a new file.
    found_version: u32,
    durability: super::Durability,
    // Dropped in this order: the writer's connection closes last, and puts the log back into the
    // one file, which connections that only read cannot.
    watcher: Watcher,
    readers: Readers,
    writer: Writer,
}

impl SqliteDatabase {
    /// Opens the file of a path or URL ([`SqliteOptions::parse`]), making it if it does not exist,
    /// and brings it to today's schema.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (codes `bad_backend_url`, `folder_missing`, `schema_too_new`,
    /// `foreign_database`); [`ErrorKind::Corrupt`] (`database_corrupt`);
    /// [`ErrorKind::PermissionDenied`] (`database_not_writable`); [`ErrorKind::StorageFull`]
    /// (`disk_full`).
    pub async fn open(location: &str) -> Result<Self> {
        Self::open_with(SqliteOptions::parse(location)?).await
    }

    /// As [`open`](Self::open).
    pub async fn open_with(options: SqliteOptions) -> Result<Self> {
        let path = options.path.display().to_string();
        let opening = tokio::task::spawn_blocking(move || open(options));
        let inner = opening.await.map_err(|error| gone().with_source(error))?;
        let inner = inner.operation("sqlite.open").context("file", path)?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// What its commits survive.
    pub(super) fn durability(&self) -> super::Durability {
        self.inner.durability
    }

    /// Reads the whole file for damage; slow for a large one.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] with code `database_corrupt`, and what SQLite found.
    pub async fn sound(&self) -> Result<()> {
        let found = self
            .read(|connection| {
                let mut statement = connection.prepare("PRAGMA quick_check(1)").db()?;
                statement.query_row([], |row| row.get::<_, String>(0)).db()
            })
            .await?;
        if found == "ok" {
            Ok(())
        } else {
            Err(corrupt().with_context("found", found))
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    pub(super) fn found_version(&self) -> u32 {
        self.inner.found_version
    }

    /// Writes, whole or not at all.
    pub(super) async fn write<T, F>(&self, body: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T> + Send + 'static,
    {
        self.inner.writer.write(body).await
    }

    /// Reads in one snapshot.
    pub(super) async fn read<T, F>(&self, body: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        self.inner.readers.read(body).await
    }

    /// Tells those who wait in this process that something changed.
    pub(super) fn announce(&self) {
        self.inner.watcher.announce();
    }

    /// Looks for changes by other processes while what is returned lives.
    pub(super) fn watch(&self) -> Watch {
        self.inner.watcher.watch()
    }
}

fn open(options: SqliteOptions) -> Result<Inner> {
    require_folder(&options.path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&options.path, flags).db()?;
    configure(&connection)?;
    let found_version = migrate::prepare(&mut connection, options.durability)?;
    Ok(Inner {
        path: options.path.clone(),
        found_version,
        watcher: Watcher::start(&options.path)?,
        durability: options.durability,
        writer: Writer::start(connection, options.durability)?,
        readers: Readers::new(options.path, options.readers),
    })
}

/// SQLite does not tell a missing folder from one without rights.
fn require_folder(path: &Path) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_none_or(Path::exists) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Configuration,
        "the folder of the database does not exist; make it first",
    )
    .with_code("folder_missing"))
}

/// What every connection is told.
pub(super) fn configure(connection: &Connection) -> Result<()> {
    connection.set_prepared_statement_cache_capacity(128);
    connection.busy_handler(Some(wait_for_other)).db()
}

/// Waits for another process's transaction. SQLite's own handler sleeps up to 100 ms at a time,
/// in which a busy writer takes the lock again and again; this one gets its turn.
fn wait_for_other(attempt: i32) -> bool {
    const ATTEMPTS: i32 = 6_000;
    let pause = if attempt < 10 { 1 } else { 5 };
    std::thread::sleep(Duration::from_millis(pause));
    attempt < ATTEMPTS
}
