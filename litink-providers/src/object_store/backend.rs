//! Object storage as those who run litink see it.

use async_trait::async_trait;
use litink_core::{
    Actor, LOCAL_USER, Result,
    backend::{Backend, Check},
    storage::{Area, StorageExt, StorageKey},
};
use uuid::Uuid;

use super::ObjectStorage;

#[async_trait]
impl Backend for ObjectStorage {
    fn describe(&self) -> String {
        self.place.clone()
    }

    async fn ready(&self) -> Result<()> {
        let key = StorageKey::new(LOCAL_USER, Area::Exports, Uuid::nil(), "ready");
        self.exists(Actor::Service, &key).await.map(drop)
    }

    async fn check(&self) -> Vec<Check> {
        let reachable = self.ready().await.map(|()| "answers".to_owned());
        let reached = reachable.is_ok();
        let mut checks = vec![Check::new(Check::REACHABLE, reachable)];
        if reached {
            checks.push(Check::storage(self).await);
        }
        checks
    }
}
