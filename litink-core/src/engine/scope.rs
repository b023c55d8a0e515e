//! What is done in nobody's name is said: every call to the rows and the bytes as a service or a
//! worker is an event of the target `litink::scope`.

use std::{ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use url::Url;
use uuid::Uuid;

use crate::{
    Actor, Result,
    repository::{
        Commit, Committed, Page, Query, Repository, RepositoryCapabilities, Row, Tallied,
    },
    schema::Table,
    storage::{
        ByteStream, Object, ObjectMeta, PutOptions, Storage, StorageCapabilities, StorageKey,
    },
};

/// What an engine's log calls the scope beyond users.
const TARGET: &str = "litink::scope";

/// A backend whose calls beyond a user's scope are said. Everything goes through it, whoever calls.
#[derive(Debug)]
pub(super) struct Said<T: ?Sized>(pub(super) Arc<T>);

/// A service's calls are few, and at `info`; a worker's are every step's, and at `debug`. What they
/// are about is tables, or keys without the files' names (they hold titles), and never a value.
fn say(actor: Actor, operation: &'static str, about: impl FnOnce() -> String) {
    match actor {
        Actor::User(_) => {}
        Actor::Service => {
            if tracing::enabled!(target: TARGET, tracing::Level::INFO) {
                let about = about();
                tracing::info!(target: TARGET, actor = "service", operation, about, "beyond users");
            }
        }
        Actor::Worker => {
            if tracing::enabled!(target: TARGET, tracing::Level::DEBUG) {
                let about = about();
                tracing::debug!(target: TARGET, actor = "worker", operation, about, "beyond users");
            }
        }
    }
}

fn name(table: Table) -> String {
    table.def().name.to_owned()
}

fn place(key: &StorageKey) -> String {
    let key = key.as_str();
    key.rsplit_once('/')
        .map_or(key, |(place, _)| place)
        .to_owned()
}

fn tables(commit: &Commit) -> String {
    let mut names: Vec<_> = commit
        .changes
        .iter()
        .map(|it| it.table().def().name)
        .collect();
    names.dedup();
    names.join(", ")
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Repository for Said<dyn Repository> {
    fn capabilities(&self) -> RepositoryCapabilities {
        self.0.capabilities()
    }

    async fn get(&self, actor: Actor, table: Table, ids: &[Uuid]) -> Result<Vec<Option<Row>>> {
        say(actor, "repository.get", || name(table));
        self.0.get(actor, table, ids).await
    }

    async fn list(&self, actor: Actor, query: &Query) -> Result<Page<Row>> {
        say(actor, "repository.list", || name(query.table));
        self.0.list(actor, query).await
    }

    async fn tally(
        &self,
        actor: Actor,
        query: &Query,
        by: &[&str],
        sum: &[&str],
    ) -> Result<Vec<Tallied>> {
        say(actor, "repository.tally", || name(query.table));
        self.0.tally(actor, query, by, sum).await
    }

    async fn commit(&self, actor: Actor, commit: &Commit) -> Result<Committed> {
        say(actor, "repository.commit", || tables(commit));
        self.0.commit(actor, commit).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Storage for Said<dyn Storage> {
    fn capabilities(&self) -> StorageCapabilities {
        self.0.capabilities()
    }

    async fn put(
        &self,
        actor: Actor,
        key: &StorageKey,
        body: ByteStream,
        options: &PutOptions,
    ) -> Result<ObjectMeta> {
        say(actor, "storage.put", || place(key));
        self.0.put(actor, key, body, options).await
    }

    async fn get(
        &self,
        actor: Actor,
        key: &StorageKey,
        range: Option<Range<u64>>,
    ) -> Result<Object> {
        say(actor, "storage.get", || place(key));
        self.0.get(actor, key, range).await
    }

    async fn head(&self, actor: Actor, key: &StorageKey) -> Result<ObjectMeta> {
        say(actor, "storage.head", || place(key));
        self.0.head(actor, key).await
    }

    async fn list(
        &self,
        actor: Actor,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<ObjectMeta>> {
        say(actor, "storage.list", || prefix.to_owned());
        self.0.list(actor, prefix, after, limit).await
    }

    async fn delete(&self, actor: Actor, key: &StorageKey) -> Result<()> {
        say(actor, "storage.delete", || place(key));
        self.0.delete(actor, key).await
    }

    async fn delete_prefix(&self, actor: Actor, prefix: &str) -> Result<u64> {
        say(actor, "storage.delete_prefix", || prefix.to_owned());
        self.0.delete_prefix(actor, prefix).await
    }

    async fn signed_url(&self, actor: Actor, key: &StorageKey, valid: Duration) -> Result<Url> {
        say(actor, "storage.signed_url", || place(key));
        self.0.signed_url(actor, key, valid).await
    }
}
