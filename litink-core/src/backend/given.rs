//! Asks any backend through its contract alone.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

use super::{Backend, Check, Contract};
use crate::{
    Actor, Error, ErrorKind, LOCAL_USER, Result,
    cache::Cache,
    events::Events,
    queue::Queue,
    repository::{Query, Repository},
    schema::Table,
    storage::{Area, Storage, StorageExt, StorageKey},
};

/// A backend of which only the contract is known: one in memory, or an application's own.
#[derive(Debug)]
pub(crate) enum Given {
    Repository(Arc<dyn Repository>),
    Storage(Arc<dyn Storage>),
    Queue(Arc<dyn Queue>),
    Cache(Arc<dyn Cache>),
    Events(Arc<dyn Events>),
}

impl Given {
    pub(crate) fn contract(&self) -> Contract {
        match self {
            Self::Repository(_) => Contract::Repository,
            Self::Storage(_) => Contract::Storage,
            Self::Queue(_) => Contract::Queue,
            Self::Cache(_) => Contract::Cache,
            Self::Events(_) => Contract::Events,
        }
    }
}

#[async_trait]
impl Backend for Given {
    fn describe(&self) -> String {
        match self {
            Self::Storage(storage) if !storage.capabilities().durable => "in memory".into(),
            Self::Events(events) if !events.capabilities().shared => "in this process".into(),
            _ => "given by the program".into(),
        }
    }

    async fn ready(&self) -> Result<()> {
        match self {
            Self::Repository(repository) => {
                let query = Query::new(Table::Books).limit(1);
                repository.list(Actor::Service, &query).await.map(drop)
            }
            Self::Storage(storage) => {
                let key = StorageKey::new(LOCAL_USER, Area::Exports, Uuid::nil(), "ready");
                storage.exists(Actor::Service, &key).await.map(drop)
            }
            Self::Queue(queue) => queue.stats().await.map(drop),
            Self::Cache(cache) => cache.get("litink:ready").await.map(drop),
            Self::Events(_) => Ok(()),
        }
    }

    async fn check(&self) -> Vec<Check> {
        let answers = self.ready().await.map(|()| "answers".to_owned());
        let reached = answers.is_ok();
        let mut checks = vec![Check::new(Check::REACHABLE, answers)];
        if let (true, Self::Storage(storage)) = (reached, self) {
            checks.push(Check::storage(&**storage).await);
        }
        checks
    }
}

impl Check {
    /// Whether a storage keeps what it is given: an object is written, read back and removed.
    pub async fn storage(storage: &dyn Storage) -> Self {
        Self::new(Self::WRITE, write(storage).await)
    }
}

async fn write(storage: &dyn Storage) -> Result<String> {
    let key = StorageKey::new(LOCAL_USER, Area::Exports, Uuid::new_v4(), "doctor.txt");
    let wrote = Bytes::from_static(b"litink doctor");
    storage
        .put_bytes(Actor::Service, &key, wrote.clone(), "text/plain")
        .await?;
    let read = storage.get_bytes(Actor::Service, &key, 1024).await;
    storage.delete(Actor::Service, &key).await?;
    if read? == wrote {
        return Ok("wrote, read and removed an object".into());
    }
    Err(Error::new(
        ErrorKind::Corrupt,
        "an object came back changed; check the disk or the server of the storage",
    ))
}

/// What is kept in this process's memory, and gone with it: always well.
#[derive(Clone, Copy, Debug, Default)]
pub struct InMemory;

#[async_trait]
impl Backend for InMemory {
    fn describe(&self) -> String {
        "in memory".into()
    }

    async fn ready(&self) -> Result<()> {
        Ok(())
    }

    async fn check(&self) -> Vec<Check> {
        let outcome = Ok("in this process; gone with it".into());
        vec![Check::new(Check::REACHABLE, outcome)]
    }
}
