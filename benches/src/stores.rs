//! Where the benchmarks keep things.

use std::{env, path::PathBuf, sync::Arc};

use litink_core::{
    Result,
    engine::{Engine, EngineBuilder},
    queue::{MemoryQueue, Queue},
    repository::{MemoryRepository, Repository},
};
use litink_providers::{
    Settings, connect,
    sqlite::{SqliteDatabase, SqliteQueue, SqliteRepository},
};
use tempfile::TempDir;

/// A backend to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// In this process, gone with it.
    Memory,
    /// One file, safe from a power cut.
    Sqlite,
}

impl Backend {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Memory, Self::Sqlite];

    /// Its name in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
        }
    }

    /// A new queue. Its folder goes with the second value.
    ///
    /// # Errors
    /// Those of the folder and the database.
    pub async fn queue(self) -> Result<(Arc<dyn Queue>, TempDir)> {
        let folder = folder()?;
        let queue: Arc<dyn Queue> = match self {
            Self::Memory => Arc::new(MemoryQueue::default()),
            Self::Sqlite => Arc::new(SqliteQueue::new(database(&folder).await?)),
        };
        Ok((queue, folder))
    }

    /// A new repository. Its folder goes with the second value.
    ///
    /// # Errors
    /// Those of the folder and the database.
    pub async fn repository(self) -> Result<(Arc<dyn Repository>, TempDir)> {
        let folder = folder()?;
        let repository: Arc<dyn Repository> = match self {
            Self::Memory => Arc::new(MemoryRepository::default()),
            Self::Sqlite => Arc::new(SqliteRepository::new(database(&folder).await?)),
        };
        Ok((repository, folder))
    }

    /// A new engine in the making. Its folder goes with the second value.
    ///
    /// # Errors
    /// Those of the folder and the stores.
    pub async fn engine(self) -> Result<(EngineBuilder, TempDir)> {
        let folder = folder()?;
        let builder = match self {
            Self::Memory => Engine::builder(),
            Self::Sqlite => {
                let mut settings = Settings::in_folder(folder.path().join("data"));
                settings.lease_s = 60.0;
                let stores = connect(&settings).await?;
                Engine::builder()
                    .repository(stores.repository)
                    .queue(stores.queue)
                    .storage(stores.storage)
                    .events(stores.events)
                    .cache(stores.cache)
            }
        };
        Ok((builder, folder))
    }
}

async fn database(folder: &TempDir) -> Result<SqliteDatabase> {
    let path = folder.path().join("litink.db");
    SqliteDatabase::open(&path.to_string_lossy()).await
}

/// A new folder in `LITINK_BENCH_DIR`, the disk to measure. Default: the system's folder for
/// temporary files, which some systems keep in memory.
///
/// # Errors
/// Where it cannot be made.
pub fn folder() -> Result<TempDir> {
    let parent = env::var_os("LITINK_BENCH_DIR").map_or_else(env::temp_dir, PathBuf::from);
    Ok(tempfile::Builder::new()
        .prefix("litink-bench-")
        .tempdir_in(parent)?)
}
