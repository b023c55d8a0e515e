//! Objects in folders.

use std::{fs, path::Path, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use litink_core::{
    Actor, Error, ErrorKind, LOCAL_USER, UserId,
    storage::{Area, ByteStream, PutOptions, Storage, StorageExt, StorageKey},
};
use litink_providers::object_store::ObjectStorage;
use uuid::Uuid;

use crate::folder::{Mount, temporary};

mod folders {
    litink_core::storage_conformance!({
        let folder = crate::folder::kept();
        std::sync::Arc::new(super::ObjectStorage::folder(&folder).unwrap())
    });
}

mod memory {
    litink_core::storage_conformance!(std::sync::Arc::new(super::ObjectStorage::in_memory()));
}

fn key(name: &str) -> StorageKey {
    StorageKey::new(LOCAL_USER, Area::Audio, Uuid::nil(), name)
}

/// Pieces of a megabyte.
fn megabytes(count: usize) -> ByteStream {
    stream::iter((0..count).map(|i| Ok(Bytes::from(vec![i as u8; 1 << 20])))).boxed()
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_streams_in_and_out() {
    let folder = temporary();
    let storage = ObjectStorage::folder(folder.path()).unwrap();
    let options = PutOptions::media_type("audio/flac");
    let meta = storage
        .put(Actor::Worker, &key("a.flac"), megabytes(23), &options)
        .await
        .unwrap();
    assert_eq!(meta.bytes, 23 << 20);
    let range = (5 << 20) - 1..(5 << 20) + 1;
    let mut part = storage
        .get(Actor::Worker, &key("a.flac"), Some(range))
        .await
        .unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = part.body.next().await {
        bytes.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(bytes, [4, 5]);
    assert_eq!(files(folder.path()), ["a.flac"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_on_the_way_leaves_nothing() {
    let folder = temporary();
    let storage = ObjectStorage::folder(folder.path()).unwrap();
    let broken = megabytes(12).chain(stream::once(async { Err(Error::cancelled()) }));
    let error = storage
        .put(
            Actor::Worker,
            &key("a"),
            broken.boxed(),
            &PutOptions::default(),
        )
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let limit = PutOptions::default().max_bytes(11 << 20);
    let error = storage
        .put(Actor::Worker, &key("b"), megabytes(12), &limit)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "object_too_large");
    assert_eq!(files(folder.path()), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_put_leaves_what_was_there() {
    let folder = temporary();
    let storage = ObjectStorage::folder(folder.path()).unwrap();
    let old = Bytes::from_static(b"old");
    storage
        .put_bytes(Actor::Worker, &key("a"), old.clone(), "text/plain")
        .await
        .unwrap();
    let endless = megabytes(12).chain(stream::pending());
    let (name, options) = (key("a"), PutOptions::default());
    let put = storage.put(Actor::Worker, &name, endless.boxed(), &options);
    let timeout = tokio::time::timeout(Duration::from_millis(300), put).await;
    assert!(timeout.is_err());
    for _ in 0..100 {
        if files(folder.path()) == ["a"] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(files(folder.path()), ["a"]);
    let found = storage
        .get_bytes(Actor::Worker, &key("a"), 100)
        .await
        .unwrap();
    assert_eq!(found, old);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_leaves_nothing() {
    let Some(mount) = Mount::new("size=6m", "a_full_disk_is_told_and_leaves_nothing") else {
        return;
    };
    let storage = ObjectStorage::folder(mount.path()).unwrap();
    let error = storage
        .put(
            Actor::Worker,
            &key("a"),
            megabytes(20),
            &PutOptions::default(),
        )
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error:?}");
    assert_eq!(files(mount.path()), Vec::<String>::new());
    let small = Bytes::from(vec![0; 4 << 20]);
    for (name, fits) in [("b", true), ("c", false)] {
        let put = storage
            .put_bytes(Actor::Worker, &key(name), small.clone(), "x/y")
            .await;
        assert_eq!(put.is_ok(), fits, "{put:?}");
    }
    assert_eq!(files(mount.path()), ["b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_others_in_the_folder_are_left_alone() {
    let folder = temporary();
    let storage = ObjectStorage::folder(folder.path()).unwrap();
    fs::write(folder.path().join("README"), "mine").unwrap();
    let bytes = Bytes::from_static(b"x");
    storage
        .put_bytes(Actor::Worker, &key("a"), bytes, "text/plain")
        .await
        .unwrap();
    let listed = storage.list(Actor::Service, "", None, 10).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    assert_eq!(storage.delete_prefix(Actor::Service, "").await.unwrap(), 1);
    assert_eq!(files(folder.path()), ["README"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_cannot_climb_out_of_the_folder() {
    let folder = temporary();
    fs::write(folder.path().join("secret"), "s").unwrap();
    let storage = ObjectStorage::folder(&folder.path().join("objects")).unwrap();
    for prefix in ["..", "../", "users/../..", "/..", "users/%2e%2e"] {
        for actor in [Actor::Service, Actor::User(UserId::random())] {
            let page = storage.list(actor, prefix, None, 10).await.unwrap();
            assert!(page.items.is_empty(), "{prefix}");
            assert_eq!(storage.delete_prefix(actor, prefix).await.unwrap(), 0);
        }
    }
    assert!(folder.path().join("secret").exists());
}
