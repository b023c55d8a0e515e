//! Object storage as those who run litink see it.

use async_trait::async_trait;
use bytes::Bytes;
use chrono::Utc;
use futures::TryStreamExt;
use litink_core::{
    Actor, LOCAL_USER, Result,
    backend::{Backend, Check},
    storage::{Area, Storage, StorageExt, StorageKey},
};
use object_store::path::Path;
use uuid::Uuid;

use super::{ObjectStorage, error::store_error};

#[async_trait]
impl Backend for ObjectStorage {
    fn describe(&self) -> String {
        self.place.clone()
    }

    /// Lists what is nowhere: that asks for the bucket and for credentials, and brings nothing.
    async fn ready(&self) -> Result<()> {
        let nowhere = Path::from(StorageKey::group_prefix(
            LOCAL_USER,
            Area::Exports,
            Uuid::nil(),
        ));
        let mut found = self.probe.list(Some(&nowhere));
        found.try_next().await.map(drop).map_err(store_error)
    }

    async fn check(&self) -> Vec<Check> {
        let reachable = self.ready().await.map(|()| "answers".to_owned());
        let reached = reachable.is_ok();
        let mut checks = vec![Check::new(Check::REACHABLE, reachable)];
        if reached {
            checks.push(Check::storage(self).await);
        }
        if reached && self.capabilities.signed_urls {
            checks.extend(self.clock().await);
        }
        checks
    }
}

impl ObjectStorage {
    /// The server's clock, by the time that it gives a new object; nothing where it takes none.
    async fn clock(&self) -> Option<Check> {
        let key = StorageKey::new(LOCAL_USER, Area::Exports, Uuid::new_v4(), "doctor.txt");
        let before = Utc::now();
        let bytes = Bytes::from_static(b"litink doctor");
        let put = self.put_bytes(Actor::Service, &key, bytes, "text/plain");
        let there = put.await.ok()?.modified_at;
        let after = Utc::now();
        let removed = self.delete(Actor::Service, &key).await;
        if let Err(error) = removed {
            tracing::warn!(%error, "an object of the doctor was left in the storage");
        }
        Some(Check::clock(there, before, after))
    }
}
