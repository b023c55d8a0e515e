//! From settings to backends: an arm for each scheme and contract.
//!
//! A new backend is an arm in each of the contracts that it fulfils, its row in [`Support::of`],
//! and, where contracts share a connection, a list of those open in [`Connector`].

use std::sync::Arc;

#[cfg(any(
    feature = "sqlite",
    feature = "object-store",
    feature = "postgres",
    feature = "rabbitmq",
    feature = "redis"
))]
use litink_core::ResultExt;
use litink_core::{
    Error, ErrorKind, Result,
    backend::{Backend, Connected, Contract, InMemory},
    cache::{Cache, MemoryCache},
    events::{Events, MemoryEvents},
    identity::Identity,
    queue::{MemoryQueue, Queue},
    repository::{MemoryRepository, Repository},
    storage::{MemoryStorage, Storage},
};

use crate::{Settings, environment::setting, url::BackendUrl};

#[cfg(feature = "supabase")]
mod project;

/// What the settings name, connected.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Backends {
    /// Rows.
    pub repository: Arc<dyn Repository>,
    /// Bytes.
    pub storage: Arc<dyn Storage>,
    /// Jobs.
    pub queue: Arc<dyn Queue>,
    /// Values that may be forgotten.
    pub cache: Arc<dyn Cache>,
    /// Hints.
    pub events: Arc<dyn Events>,
    /// Who calls, where accounts are kept in one of them; `None` for the one access token.
    pub identity: Option<Arc<dyn Identity>>,
    /// The systems that these are on, for those who run them; each once.
    pub connected: Vec<Connected>,
}

/// Connects to every backend that the settings name. Embedded ones are made where they do not exist,
/// and schemas brought to today's, a server's unless its URL says `migrate=no`.
///
/// # Errors
/// [`ErrorKind::Configuration`] (codes `bad_settings`, `missing_feature`);
/// [`ErrorKind::Unsupported`] (code `not_implemented`); and as each backend's own.
pub async fn connect(settings: &Settings) -> Result<Backends> {
    let addresses = settings.addresses()?;
    let mut connector = Connector::new(settings);
    let repository = connector.repository(&addresses.database).await?;
    let storage = connector.storage(&addresses.storage).await?;
    let queue = connector.queue(&addresses.queue).await?;
    let cache = connector.cache(&addresses.cache).await?;
    let events = connector.events(&addresses.events).await?;
    let mut connected = Vec::new();
    for (contract, backend) in [
        (Contract::Repository, repository.backend),
        (Contract::Storage, storage.backend),
        (Contract::Queue, queue.backend),
        (Contract::Cache, cache.backend),
        (Contract::Events, events.backend),
    ] {
        add(&mut connected, contract, backend);
    }
    let identity = connector.identity()?;
    let identity = identity.map(|part| {
        add(&mut connected, Contract::Identity, part.backend);
        part.given
    });
    Ok(Backends {
        repository: repository.given,
        storage: storage.given,
        queue: queue.given,
        cache: cache.given,
        events: events.given,
        identity,
        connected,
    })
}

/// One backend, connected or not.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The contracts that it is for.
    pub contracts: Vec<Contract>,
    /// Where it is, without secrets.
    pub address: String,
    /// The system, or why there is none.
    pub outcome: Result<Arc<dyn Backend>>,
}

/// As [`connect`], but goes on where one fails: for `litink doctor`.
///
/// # Errors
/// [`ErrorKind::Configuration`] (code `bad_settings`).
pub async fn connect_each(settings: &Settings) -> Result<Vec<Attempt>> {
    let addresses = settings.addresses()?;
    let mut connector = Connector::new(settings);
    let mut attempts: Vec<Attempt> = Vec::new();
    for (contract, url) in addresses.each() {
        let outcome = match contract {
            Contract::Repository => connector.repository(url).await.map(|it| it.backend),
            Contract::Storage => connector.storage(url).await.map(|it| it.backend),
            Contract::Queue => connector.queue(url).await.map(|it| it.backend),
            Contract::Cache => connector.cache(url).await.map(|it| it.backend),
            _ => connector.events(url).await.map(|it| it.backend),
        };
        let address = url.to_string();
        let same = |it: &&mut Attempt| match (&it.outcome, &outcome) {
            (Ok(known), Ok(new)) => Arc::ptr_eq(known, new),
            (Err(known), Err(new)) => it.address == address && known.code() == new.code(),
            _ => false,
        };
        match attempts.iter_mut().find(same) {
            Some(known) => known.contracts.push(contract),
            None => attempts.push(Attempt {
                contracts: vec![contract],
                address,
                outcome,
            }),
        }
    }
    let project = settings.supabase.url.as_deref().unwrap_or_default();
    let outcome = connector.identity().map(|part| Some(part?.backend));
    if let Some(outcome) = outcome.transpose() {
        attempts.push(Attempt {
            contracts: vec![Contract::Identity],
            address: project.to_owned(),
            outcome,
        });
    }
    Ok(attempts)
}

fn add(connected: &mut Vec<Connected>, contract: Contract, backend: Arc<dyn Backend>) {
    match connected
        .iter_mut()
        .find(|it| Arc::ptr_eq(&it.backend, &backend))
    {
        Some(known) => known.contracts.push(contract),
        None => connected.push(Connected::new([contract], backend)),
    }
}

/// A contract fulfilled, and the system that does.
struct Part<T: ?Sized> {
    given: Arc<T>,
    backend: Arc<dyn Backend>,
}

/// What is open already: contracts with the same address share one connection.
struct Connector<'a> {
    settings: &'a Settings,
    memory: Arc<dyn Backend>,
    #[cfg(feature = "sqlite")]
    sqlite: Vec<(crate::url::SqliteUrl, Arc<crate::sqlite::SqliteDatabase>)>,
    #[cfg(feature = "postgres")]
    postgres: Vec<(
        crate::url::ServerUrl,
        Arc<crate::postgres::PostgresDatabase>,
    )>,
    #[cfg(feature = "redis")]
    redis: Vec<(crate::url::ServerUrl, Arc<crate::redis::RedisServer>)>,
    #[cfg(feature = "supabase")]
    supabase: project::Projects,
}

impl<'a> Connector<'a> {
    fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            memory: Arc::new(InMemory),
            #[cfg(feature = "sqlite")]
            sqlite: Vec::new(),
            #[cfg(feature = "postgres")]
            postgres: Vec::new(),
            #[cfg(feature = "redis")]
            redis: Vec::new(),
            #[cfg(feature = "supabase")]
            supabase: project::Projects::default(),
        }
    }

    async fn repository(&mut self, url: &BackendUrl) -> Result<Part<dyn Repository>> {
        match url {
            BackendUrl::Memory => Ok(self.in_memory(Arc::new(MemoryRepository::default()))),
            #[cfg(feature = "sqlite")]
            BackendUrl::Sqlite(file) => {
                let database = self.sqlite(file).await.context("address", url)?;
                Ok(Part {
                    given: Arc::new(crate::sqlite::SqliteRepository::new((*database).clone())),
                    backend: database,
                })
            }
            #[cfg(feature = "postgres")]
            BackendUrl::Postgres(server) => {
                let database = self.postgres(server).await.context("address", url)?;
                Ok(Part {
                    given: Arc::new(crate::postgres::PostgresRepository::new(
                        (*database).clone(),
                    )),
                    backend: database,
                })
            }
            #[cfg(feature = "supabase")]
            BackendUrl::Supabase(server) => {
                let (client, key) = self.supabase.of(self.settings, server)?;
                let mut repository = crate::supabase::SupabaseRepository::new(&client, key);
                if let Some(key) = project::Projects::publishable(self.settings)? {
                    repository = repository.publishable(key);
                }
                let (given, backend) = (Arc::new(repository.clone()), Arc::new(repository));
                Ok(Part { given, backend })
            }
            _ => Err(refused(Contract::Repository, url)),
        }
    }

    async fn storage(&mut self, url: &BackendUrl) -> Result<Part<dyn Storage>> {
        match url {
            BackendUrl::Memory => Ok(self.in_memory(Arc::new(MemoryStorage::default()))),
            #[cfg(feature = "object-store")]
            BackendUrl::File(folder) => {
                self.make_data_dir(folder)?;
                let folder = folder.clone();
                let open = move || crate::object_store::ObjectStorage::folder(&folder);
                let opened = tokio::task::spawn_blocking(open).await;
                let opened =
                    opened.map_err(|e| Error::internal("a thread ended").with_source(e))?;
                let storage = Arc::new(opened.context("address", url)?);
                let (given, backend) = (Arc::clone(&storage), storage);
                Ok(Part { given, backend })
            }
            #[cfg(feature = "s3")]
            BackendUrl::S3(bucket) => {
                let storage = Arc::new(crate::object_store::ObjectStorage::s3(bucket)?);
                let (given, backend) = (Arc::clone(&storage), storage);
                Ok(Part { given, backend })
            }
            #[cfg(feature = "supabase")]
            BackendUrl::Supabase(server) => {
                let (client, key) = self.supabase.of(self.settings, server)?;
                let bucket = self.settings.supabase.bucket.as_deref();
                let bucket = bucket.unwrap_or(project::BUCKET);
                let storage = crate::supabase::SupabaseStorage::new(&client, key, bucket)?;
                let (given, backend) = (Arc::new(storage.clone()), Arc::new(storage));
                Ok(Part { given, backend })
            }
            _ => Err(refused(Contract::Storage, url)),
        }
    }

    async fn queue(&mut self, url: &BackendUrl) -> Result<Part<dyn Queue>> {
        let lease = self.settings.lease();
        match url {
            BackendUrl::Memory => Ok(self.in_memory(Arc::new(MemoryQueue::with_lease(lease)))),
            #[cfg(feature = "sqlite")]
            BackendUrl::Sqlite(file) => {
                let database = self.sqlite(file).await.context("address", url)?;
                let queue = crate::sqlite::SqliteQueue::new((*database).clone());
                Ok(Part {
                    given: Arc::new(queue.with_lease(lease)),
                    backend: database,
                })
            }
            #[cfg(feature = "redis")]
            BackendUrl::Redis(server) => {
                let server = self.redis(server).await.context("address", url)?;
                let queue = crate::redis::RedisQueue::new((*server).clone()).await;
                Ok(Part {
                    given: Arc::new(queue.context("address", url)?.with_lease(lease)),
                    backend: server,
                })
            }
            #[cfg(feature = "postgres")]
            BackendUrl::Postgres(server) => {
                let database = self.postgres(server).await.context("address", url)?;
                let queue = crate::postgres::PostgresQueue::new((*database).clone());
                Ok(Part {
                    given: Arc::new(queue.with_lease(lease)),
                    backend: database,
                })
            }
            #[cfg(feature = "rabbitmq")]
            BackendUrl::Amqp(server) => {
                let store = self.job_store(lease).await?;
                let server = crate::rabbitmq::RabbitServer::open(server.reveal().as_str()).await;
                let server = server.context("address", url)?;
                Ok(Part {
                    given: Arc::new(crate::rabbitmq::RabbitQueue::new(server.clone(), store)),
                    backend: Arc::new(server),
                })
            }
            _ => Err(refused(Contract::Queue, url)),
        }
    }

    /// Where jobs are that RabbitMQ only tells of: in the database.
    #[cfg(feature = "rabbitmq")]
    async fn job_store(
        &mut self,
        lease: std::time::Duration,
    ) -> Result<Arc<dyn crate::rabbitmq::JobStore>> {
        let url = self.settings.addresses()?.database;
        match &url {
            #[cfg(feature = "sqlite")]
            BackendUrl::Sqlite(file) => {
                let database = self.sqlite(file).await.context("address", &url)?;
                let queue = crate::sqlite::SqliteQueue::new((*database).clone());
                Ok(Arc::new(queue.with_lease(lease)))
            }
            #[cfg(feature = "postgres")]
            BackendUrl::Postgres(server) => {
                let database = self.postgres(server).await.context("address", &url)?;
                let queue = crate::postgres::PostgresQueue::new((*database).clone());
                Ok(Arc::new(queue.with_lease(lease)))
            }
            _ => {
                // The build may know no other.
                let _ = lease;
                Err(crate::rabbitmq::no_store())
            }
        }
    }

    async fn cache(&mut self, url: &BackendUrl) -> Result<Part<dyn Cache>> {
        match url {
            BackendUrl::Memory => Ok(self.in_memory(Arc::new(MemoryCache::default()))),
            #[cfg(feature = "redis")]
            BackendUrl::Redis(server) => {
                let server = self.redis(server).await.context("address", url)?;
                Ok(Part {
                    given: Arc::new(crate::redis::RedisCache::new((*server).clone())),
                    backend: server,
                })
            }
            #[cfg(feature = "postgres")]
            BackendUrl::Postgres(server) => {
                let database = self.postgres(server).await.context("address", url)?;
                Ok(Part {
                    given: Arc::new(crate::postgres::PostgresCache::new((*database).clone())),
                    backend: database,
                })
            }
            _ => Err(refused(Contract::Cache, url)),
        }
    }

    async fn events(&mut self, url: &BackendUrl) -> Result<Part<dyn Events>> {
        match url {
            BackendUrl::Memory => Ok(self.in_memory(Arc::new(MemoryEvents::default()))),
            #[cfg(feature = "postgres")]
            BackendUrl::Postgres(server) => {
                let database = self.postgres(server).await.context("address", url)?;
                Ok(Part {
                    given: Arc::new(crate::postgres::PostgresEvents::new((*database).clone())),
                    backend: database,
                })
            }
            #[cfg(feature = "redis")]
            BackendUrl::Redis(server) => {
                let server = self.redis(server).await.context("address", url)?;
                Ok(Part {
                    given: Arc::new(crate::redis::RedisEvents::new((*server).clone())),
                    backend: server,
                })
            }
            _ => Err(refused(Contract::Events, url)),
        }
    }

    /// People of the Supabase project, where the settings name one and the key for them.
    #[cfg(feature = "supabase")]
    fn identity(&mut self) -> Result<Option<Part<dyn Identity>>> {
        let identity = self.supabase.identity(self.settings)?;
        let Some(identity) = identity else {
            return Ok(None);
        };
        let (given, backend) = (Arc::new(identity.clone()), Arc::new(identity));
        Ok(Some(Part { given, backend }))
    }

    #[cfg(not(feature = "supabase"))]
    fn identity(&mut self) -> Result<Option<Part<dyn Identity>>> {
        let supabase = &self.settings.supabase;
        if supabase.url.is_none() || supabase.publishable_key.is_none() {
            return Ok(None);
        }
        Err(Error::new(
            ErrorKind::Configuration,
            "`supabase` says that people sign in with Supabase, and this litink was built without \
             it; build it with the cargo feature `supabase`, or remove `supabase.publishable_key`",
        )
        .with_code("missing_feature"))
    }

    fn in_memory<T: ?Sized>(&self, given: Arc<T>) -> Part<T> {
        let backend = Arc::clone(&self.memory);
        Part { given, backend }
    }

    #[cfg(feature = "sqlite")]
    async fn sqlite(
        &mut self,
        file: &crate::url::SqliteUrl,
    ) -> Result<Arc<crate::sqlite::SqliteDatabase>> {
        if let Some((_, open)) = self.sqlite.iter().find(|(known, _)| known == file) {
            return Ok(Arc::clone(open));
        }
        self.make_data_dir(&file.path)?;
        let options = crate::sqlite::SqliteOptions::from(file.clone());
        let database = Arc::new(crate::sqlite::SqliteDatabase::open_with(options).await?);
        self.sqlite.push((file.clone(), Arc::clone(&database)));
        Ok(database)
    }

    #[cfg(feature = "postgres")]
    async fn postgres(
        &mut self,
        server: &crate::url::ServerUrl,
    ) -> Result<Arc<crate::postgres::PostgresDatabase>> {
        if let Some((_, open)) = self.postgres.iter().find(|(known, _)| known == server) {
            return Ok(Arc::clone(open));
        }
        let location = server.reveal();
        let database = Arc::new(crate::postgres::PostgresDatabase::open(location.as_str()).await?);
        self.postgres.push((server.clone(), Arc::clone(&database)));
        Ok(database)
    }

    #[cfg(feature = "redis")]
    async fn redis(
        &mut self,
        server: &crate::url::ServerUrl,
    ) -> Result<Arc<crate::redis::RedisServer>> {
        if let Some((_, open)) = self.redis.iter().find(|(known, _)| known == server) {
            return Ok(Arc::clone(open));
        }
        let open = crate::redis::RedisServer::open(server.reveal().as_str()).await?;
        let open = Arc::new(open);
        self.redis.push((server.clone(), Arc::clone(&open)));
        Ok(open)
    }

    /// Makes the data folder for what is in it. The folder of another file must be there.
    #[cfg(any(feature = "sqlite", feature = "object-store"))]
    fn make_data_dir(&self, path: &std::path::Path) -> Result<()> {
        let data_dir = &self.settings.data_dir;
        if path.starts_with(data_dir) {
            crate::folder::make_private_folder(data_dir)?;
        }
        Ok(())
    }
}

/// How far a scheme is along in this build.
enum Support {
    /// It works.
    Built,
    /// Its cargo feature was not compiled in.
    Without(&'static str),
}

impl Support {
    fn of(url: &BackendUrl) -> Self {
        match url {
            BackendUrl::Memory => Self::Built,
            BackendUrl::Sqlite(_) if cfg!(feature = "sqlite") => Self::Built,
            BackendUrl::Sqlite(_) => Self::Without("sqlite"),
            BackendUrl::File(_) if cfg!(feature = "object-store") => Self::Built,
            BackendUrl::File(_) => Self::Without("object-store"),
            BackendUrl::Postgres(_) if cfg!(feature = "postgres") => Self::Built,
            BackendUrl::Postgres(_) => Self::Without("postgres"),
            BackendUrl::S3(_) if cfg!(feature = "s3") => Self::Built,
            BackendUrl::S3(_) => Self::Without("s3"),
            BackendUrl::Supabase(_) if cfg!(feature = "supabase") => Self::Built,
            BackendUrl::Supabase(_) => Self::Without("supabase"),
            BackendUrl::Redis(_) if cfg!(feature = "redis") => Self::Built,
            BackendUrl::Redis(_) => Self::Without("redis"),
            BackendUrl::Amqp(_) if cfg!(feature = "rabbitmq") => Self::Built,
            BackendUrl::Amqp(_) => Self::Without("rabbitmq"),
        }
    }
}

/// Why a contract has no arm for an address.
fn refused(contract: Contract, url: &BackendUrl) -> Error {
    let (name, scheme) = (setting(contract), url.scheme());
    match Support::of(url) {
        Support::Without(feature) => Error::new(
            ErrorKind::Configuration,
            format!(
                "`{name}` is a `{scheme}` URL, and this litink was built without it; build it with \
                 the cargo feature `{feature}`, or use another URL (`memory://` keeps nothing)"
            ),
        )
        .with_code("missing_feature"),
        Support::Built => Error::new(
            ErrorKind::Unsupported,
            format!(
                "`{name}` is a `{scheme}` URL, which litink cannot use for it yet; leave it out"
            ),
        )
        .with_code("not_implemented"),
    }
}

#[cfg(test)]
mod tests;
