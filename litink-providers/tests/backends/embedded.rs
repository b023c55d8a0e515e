//! The embedded stores as the server and the bindings open them.

use bytes::Bytes;
use litink_core::{
    Actor, LOCAL_USER,
    domain::Book,
    queue::NewJob,
    repository::{Change, RepositoryExt},
    storage::{Area, StorageExt, StorageKey},
};
use litink_providers::{Settings, connect};
use serde_json::json;
use uuid::Uuid;

use crate::{folder::temporary, sqlite_writing::book};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_is_there_after_a_restart() {
    let folder = temporary();
    let data = folder.path().join("new/data");
    let stores = connect(&Settings::in_folder(&data)).await.unwrap();
    let book = book("kept");
    let changes = vec![Change::insert(&book).unwrap()];
    stores
        .repository
        .apply(Actor::Worker, changes)
        .await
        .unwrap();
    let job = NewJob::new("k", json!(1));
    stores
        .queue
        .enqueue(std::slice::from_ref(&job))
        .await
        .unwrap();
    let key = StorageKey::new(LOCAL_USER, Area::Books, Uuid::nil(), "a.txt");
    let bytes = Bytes::from_static(b"bytes");
    let put = stores
        .storage
        .put_bytes(Actor::Worker, &key, bytes.clone(), "text/plain");
    put.await.unwrap();
    drop(stores);

    let stores = connect(&Settings::in_folder(&data)).await.unwrap();
    let found: Book = stores
        .repository
        .find(Actor::Worker, book.id())
        .await
        .unwrap();
    assert_eq!(found.title, "kept");
    assert!(stores.queue.get(&[job.id]).await.unwrap()[0].is_some());
    let found = stores
        .storage
        .get_bytes(Actor::Worker, &key, 100)
        .await
        .unwrap();
    assert_eq!(found, bytes);
    assert!(data.join("litink.db").exists() && data.join("objects").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn the_data_folder_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = temporary();
    let data = folder.path().join("data");
    connect(&Settings::in_folder(&data)).await.unwrap();
    let mode = std::fs::metadata(&data).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
