//! Objects in a bucket of a real S3-compatible server: the contract's suite, and what is S3's own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod failing;
mod server;
mod signed;
mod streaming;

use std::sync::Arc;

use bytes::Bytes;
use litink_core::{
    Actor, LOCAL_USER, Result,
    backend::{Backend, Check},
    storage::{Area, ObjectMeta, Storage, StorageExt, StorageKey},
    testing,
};
use litink_providers::object_store::ObjectStorage;
use server::Server;
use uuid::Uuid;

fn key(name: &str) -> StorageKey {
    StorageKey::new(LOCAL_USER, Area::Audio, Uuid::nil(), name)
}

async fn put(storage: &ObjectStorage, key: &StorageKey, text: &'static str) -> Result<ObjectMeta> {
    let bytes = Bytes::from_static(text.as_bytes());
    storage
        .put_bytes(Actor::Service, key, bytes, "audio/mpeg")
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_contract_is_kept() {
    let Some(server) = Server::start("the_contract_is_kept").await else {
        return;
    };
    testing::storage::run_all(Arc::new(server.storage("litink/test"))).await;
}

#[tokio::test]
async fn prefixes_of_one_bucket_do_not_cross() {
    let Some(server) = Server::start("prefixes_of_one_bucket_do_not_cross").await else {
        return;
    };
    let [all, a, ab] = ["", "a", "a/b"].map(|prefix| server.storage(prefix));
    for (storage, text) in [(&all, "all"), (&a, "a"), (&ab, "ab")] {
        put(storage, &key("x"), text).await.unwrap();
    }
    for (storage, text) in [(&all, "all"), (&a, "a"), (&ab, "ab")] {
        let got = storage.get_bytes(Actor::Service, &key("x"), 10).await;
        assert_eq!(got.unwrap(), Bytes::from(text));
        let listed = storage.list(Actor::Service, "", None, 10).await.unwrap();
        assert_eq!(listed.items.len(), 1, "{text}");
    }
    for prefix in ["..", "../..", "/..", "users/../..", "%2e%2e"] {
        assert_eq!(ab.delete_prefix(Actor::Service, prefix).await.unwrap(), 0);
    }
    assert_eq!(ab.delete_prefix(Actor::Service, "").await.unwrap(), 1);
    assert_eq!(a.delete_prefix(Actor::Service, "").await.unwrap(), 1);
    assert!(all.exists(Actor::Service, &key("x")).await.unwrap());
}

#[tokio::test]
async fn the_doctor_finds_a_bucket_well() {
    let Some(server) = Server::start("the_doctor_finds_a_bucket_well").await else {
        return;
    };
    let storage = server.storage("p");
    storage.ready().await.unwrap();
    let checks = storage.check().await;
    let names: Vec<_> = checks.iter().map(|it| it.name).collect();
    assert_eq!(names, [Check::REACHABLE, Check::WRITE, Check::CLOCK]);
    for check in checks {
        assert!(check.outcome.is_ok(), "{check:?}");
    }
    let left = storage.list(Actor::Service, "", None, 10).await.unwrap();
    assert!(left.items.is_empty(), "it removes what it wrote");
    assert!(
        storage
            .describe()
            .contains("s3://books/p on http://127.0.0.1:")
    );
}
