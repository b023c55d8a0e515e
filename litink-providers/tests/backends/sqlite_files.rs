//! What can be wrong with a file or its folder.

use std::{
    fs::{self, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::Path,
};

use litink_core::{
    Actor, ErrorKind, LOCAL_USER, Result,
    queue::{NewJob, Queue},
    repository::{Change, Commit, Query, Repository},
    schema::Table,
};
use litink_providers::sqlite::{SqliteDatabase, SqliteOptions, SqliteQueue, SqliteRepository};
use serde_json::json;

use crate::{
    folder::{Mount, open, temporary},
    sqlite_writing::{book, write_books},
};

async fn try_open(path: &Path) -> Result<SqliteDatabase> {
    SqliteDatabase::open_with(SqliteOptions::new(path)).await
}

#[tokio::test]
async fn a_file_of_something_else_is_corrupt() {
    let folder = temporary();
    let path = folder.path().join("litink.db");
    fs::write(
        &path,
        "this is no database, although it is long enough for one".repeat(100),
    )
    .unwrap();
    let error = try_open(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(error.code(), "database_corrupt");
    assert!(error.to_string().contains("backup"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_within_is_found_and_told() {
    let folder = temporary();
    let path = folder.path().join("litink.db");
    let database = open(&path).await;
    write_books(&SqliteRepository::new(database.clone()), 500).await;
    database.sound().await.unwrap();
    close(database, &path).await;

    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    // Behind the schema, which must be readable for a database to open at all.
    for page in pages / 2..pages {
        file.seek(SeekFrom::Start(page * 4096)).unwrap();
        file.write_all(&[0xA5; 4096]).unwrap();
    }
    drop(file);

    let database = open(&path).await;
    assert_eq!(
        database.sound().await.unwrap_err().code(),
        "database_corrupt"
    );
    let repository = SqliteRepository::new(database);
    let query = Query::new(Table::Books).limit(1000).heavy();
    let error = repository.list(Actor::Service, &query).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

/// Waits until the last connection has put everything into the one file.
async fn close(database: SqliteDatabase, path: &Path) {
    drop(database);
    let log = path.with_extension("db-wal");
    for _ in 0..500 {
        if !log.exists() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the log is still there");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = temporary();
    let path = folder.path().join("litink.db");
    drop(open(&path).await);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute(
            "INSERT INTO schema_migrations VALUES (1000, 'from the future', 0)",
            [],
        )
        .unwrap();
    let error = try_open(&path).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Configuration, "schema_too_new")
    );
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let folder = temporary();
    let error = try_open(&folder.path().join("none/litink.db"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Configuration, "folder_missing")
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_read_only_folder_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let folder = temporary();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(folder.path().join("probe"), "").is_ok() {
        // Root may write everywhere, but not to a file system that is read-only.
        let Some(mount) = Mount::new("size=2m", "a_read_only_folder_is_told") else {
            return;
        };
        drop(open(&mount.path().join("old.db")).await);
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        mount.remount("ro");
        assert_not_writable(&mount.path().join("new.db")).await;
        assert_not_writable(&mount.path().join("old.db")).await;
    } else {
        assert_not_writable(&folder.path().join("litink.db")).await;
    }
}

async fn assert_not_writable(path: &Path) {
    let error = try_open(path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert_eq!(error.code(), "database_not_writable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_and_heals() {
    let Some(mount) = Mount::new("size=2m", "a_full_disk_loses_nothing_and_heals") else {
        return;
    };
    let ballast = mount.path().join("ballast");
    fs::write(&ballast, vec![0; 512 * 1024]).unwrap();
    let database = open(&mount.path().join("litink.db")).await;
    let repository = SqliteRepository::new(database.clone());
    let queue = SqliteQueue::new(database.clone());

    let mut written = Vec::new();
    let error = loop {
        let book = book(&"x".repeat(10_000));
        let commit = Commit::new(vec![Change::insert(&book).unwrap()]);
        match repository.commit(Actor::Worker, &commit).await {
            Ok(_) => written.push(book.meta.id),
            Err(error) => break error,
        }
        assert!(written.len() < 1_000, "the disk was never full");
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error:?}");
    assert!(!written.is_empty());
    let job = NewJob::new("k", json!("x".repeat(60_000)));
    let error = queue.enqueue(std::slice::from_ref(&job)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error:?}");

    fs::remove_file(&ballast).unwrap();
    queue.enqueue(&[job]).await.unwrap();
    let rows = repository
        .get(Actor::Worker, Table::Books, &written)
        .await
        .unwrap();
    assert!(rows.iter().all(Option::is_some));
    let all = Query::new(Table::Books).owner(LOCAL_USER).limit(1000);
    let listed = repository.list(Actor::Worker, &all).await.unwrap();
    assert_eq!(listed.items.len(), written.len());
    database.sound().await.unwrap();
}
