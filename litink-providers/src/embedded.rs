//! Everything an engine needs, in one folder and this process: no server.

use std::{path::Path, sync::Arc, time::Duration};

use litink_core::{
    Error, Result,
    cache::{Cache, MemoryCache},
    events::{Events, MemoryEvents},
    queue::Queue,
    repository::Repository,
    storage::Storage,
};

use crate::{
    object_store::{ObjectStorage, make_private_folder},
    sqlite::{SqliteDatabase, SqliteOptions, SqliteQueue, SqliteRepository},
};

/// The embedded backends: rows and jobs in `litink.db`, bytes in `objects/`, hints and values that
/// may be forgotten in memory.
#[derive(Clone, Debug)]
pub struct EmbeddedStores {
    /// Rows.
    pub repository: Arc<dyn Repository>,
    /// Jobs.
    pub queue: Arc<dyn Queue>,
    /// Bytes.
    pub storage: Arc<dyn Storage>,
    /// Hints, within this process only.
    pub events: Arc<dyn Events>,
    /// Values that may be forgotten, within this process only.
    pub cache: Arc<dyn Cache>,
}

impl EmbeddedStores {
    /// Opens the stores of a data folder, which is made (for its owner only) if it does not exist.
    /// Several processes may have the same folder open. `lease` is how long a worker's jobs stay
    /// its own when it is not heard of.
    ///
    /// # Errors
    /// Those of [`SqliteDatabase::open`] and [`ObjectStorage::folder`].
    pub async fn open(data_dir: &Path, lease: Duration) -> Result<Self> {
        make_private_folder(data_dir)?;
        let objects = data_dir.join("objects");
        let storage = tokio::task::spawn_blocking(move || ObjectStorage::folder(&objects));
        let storage = storage.await;
        let storage =
            storage.map_err(|error| Error::internal("a thread ended").with_source(error))??;
        let options = SqliteOptions::new(data_dir.join("litink.db"));
        let database = SqliteDatabase::open_with(options).await?;
        Ok(Self {
            repository: Arc::new(SqliteRepository::new(database.clone())),
            queue: Arc::new(SqliteQueue::new(database).with_lease(lease)),
            storage: Arc::new(storage),
            events: Arc::new(MemoryEvents::new()),
            cache: Arc::new(MemoryCache::new()),
        })
    }
}
