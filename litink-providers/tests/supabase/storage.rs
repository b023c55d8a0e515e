//! Bytes in a bucket: the contract's suite, and what happens on the way.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use hyper::Method;
use litink_core::{
    Actor, Error, ErrorKind, UserId,
    backend::Backend,
    storage::{Area, ByteStream, PutOptions, Storage, StorageExt, StorageKey},
};
use litink_providers::supabase::SupabaseStorage;
use uuid::Uuid;

use crate::project::{Fault, Project, secret_key};

mod conformance {
    litink_core::storage_conformance!({
        let project = crate::project::Project::start().await;
        std::sync::Arc::new(project.storage())
    });
}

const ALL: Actor = Actor::Service;
const CHUNK: usize = 6 << 20;

fn new_key(name: &str) -> StorageKey {
    StorageKey::new(UserId::random(), Area::Audio, Uuid::now_v7(), name)
}

/// Bytes that differ from place to place, in pieces of a megabyte.
fn pieces(bytes: usize) -> (ByteStream, Bytes) {
    let all: Bytes = (0..bytes).map(|i| (i % 251) as u8).collect();
    let mut left = all.clone();
    let pieces = std::iter::from_fn(move || {
        let piece = left.split_to(left.len().min(1 << 20));
        (!piece.is_empty()).then_some(Ok(piece))
    });
    (stream::iter(pieces).boxed(), all)
}

async fn get(storage: &dyn Storage, key: &StorageKey) -> Bytes {
    storage.get_bytes(ALL, key, 1 << 30).await.unwrap()
}

#[tokio::test]
async fn a_small_object_goes_whole_and_a_large_one_in_chunks() {
    let project = Project::start().await;
    let storage = project.storage();
    for (bytes, chunks) in [
        (0, 0),
        (CHUNK, 0),
        (CHUNK + 1, 2),
        (3 * CHUNK, 3),
        (3 * CHUNK + 5, 4),
    ] {
        let key = new_key("a.mp3");
        let (body, all) = pieces(bytes);
        let before = project.seen("/upload/resumable/").len();
        let options = PutOptions::media_type("audio/mpeg");
        let meta = storage.put(ALL, &key, body, &options).await.unwrap();
        assert_eq!(
            (meta.bytes, meta.media_type.as_deref()),
            (bytes as u64, Some("audio/mpeg"))
        );
        assert_eq!(get(&storage, &key).await, all);
        let seen = project.seen("/upload/resumable/").split_off(before);
        assert_eq!(seen.len(), chunks, "{bytes} bytes");
        for (i, it) in seen.iter().enumerate() {
            let length: usize = it.headers["content-length"]
                .to_str()
                .unwrap()
                .parse()
                .unwrap();
            assert_eq!(length, CHUNK.min(bytes - i * CHUNK));
        }
        let stored = project.bucket().objects[key.as_str()].metadata.to_string();
        assert!(stored.contains("litink/"), "whose it is: {stored}");
    }
}

#[tokio::test]
async fn an_upload_is_taken_up_after_each_sort_of_cut() {
    let project = Project::start().await;
    let storage = project.storage();
    let faults = [
        (Method::PATCH, Fault::Cut),
        (Method::PATCH, Fault::LoseAnswer),
        (Method::PATCH, Fault::Partial(1_000_000)),
        (Method::PATCH, Fault::status(503, "<html>no</html>")),
        (Method::PATCH, Fault::status(423, "locked")),
        (Method::HEAD, Fault::Cut),
        (Method::POST, Fault::LoseAnswer),
    ];
    for at in 0..3 {
        for (method, fault) in &faults {
            // What is before it goes well.
            let well = Fault::Slow(Duration::ZERO);
            project
                .faults
                .order(Method::PATCH, "/upload/resumable/", at, well);
            project
                .faults
                .order(Method::PATCH, "/upload/resumable/", 1, Fault::LoseAnswer);
            project
                .faults
                .order(method.clone(), "/upload/resumable", 1, fault.clone());
            let key = new_key("a.wav");
            let (body, all) = pieces(2 * CHUNK + 77);
            let options = PutOptions::default();
            let meta = storage.put(ALL, &key, body, &options).await;
            let meta = meta.unwrap_or_else(|error| panic!("{at} {fault:?}: {error:?}"));
            assert_eq!(meta.bytes, all.len() as u64);
            assert!(get(&storage, &key).await == all, "{at} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_small_upload_is_repeated() {
    let project = Project::start().await;
    let storage = project.storage();
    for fault in [
        Fault::Cut,
        Fault::LoseAnswer,
        Fault::status(502, "<html>Bad gateway</html>"),
        Fault::status(
            400,
            r#"{"statusCode":"503","error":"SlowDown","code":"SlowDown"}"#,
        ),
        Fault::status(544, r#"{"statusCode":"544","code":"DatabaseTimeout"}"#),
    ] {
        project
            .faults
            .order(Method::POST, "/object/books/", 2, fault);
        let key = new_key("a.txt");
        storage
            .put_bytes(ALL, &key, "here".into(), "text/plain")
            .await
            .unwrap();
        assert_eq!(project.faults.left(), 0);
        assert_eq!(get(&storage, &key).await, "here");
    }
}

#[tokio::test]
async fn keys_go_to_the_project_only() {
    let project = Project::start().await;
    project.bucket().inner_host = true;
    let storage = project.storage();
    let key = new_key("a.wav");
    let (body, all) = pieces(CHUNK + 1);
    storage
        .put(ALL, &key, body, &PutOptions::default())
        .await
        .unwrap();
    assert!(get(&storage, &key).await == all);
    // Another address is another origin, also on this machine.
    let elsewhere = Project::start().await;
    for status in [301, 302, 307, 308] {
        let location = format!("{}storage/v1/object/books/{key}", elsewhere.url);
        let fault = Fault::Answer(status, vec![("location", location)], String::new());
        project.faults.order(Method::GET, "/object/info/", 1, fault);
        let error = storage.head(ALL, &key).await.unwrap_err();
        assert_eq!(error.code(), "redirected", "{error}");
    }
    assert!(elsewhere.seen("").is_empty(), "a key went elsewhere");
    // Within the project it is followed.
    let location = format!("{}storage/v1/object/info/books/{key}", project.url);
    let fault = Fault::Answer(307, vec![("location", location)], String::new());
    project.faults.order(Method::GET, "/object/info/", 1, fault);
    assert_eq!(
        storage.head(ALL, &key).await.unwrap().bytes,
        all.len() as u64
    );
}

#[tokio::test]
async fn what_the_bucket_refuses_is_told() {
    let project = Project::start().await;
    let storage = project.storage();
    let key = new_key("a.wav");
    project.bucket().limit = Some(CHUNK + 10);
    project.bucket().allowed = Some(vec!["audio/wav".into()]);
    for (bytes, media_type, code) in [
        (CHUNK + 11, "audio/wav", "object_too_large"),
        (10, "text/plain", "media_type_refused"),
        (CHUNK + 1, "text/plain", "media_type_refused"),
    ] {
        let (body, _) = pieces(bytes);
        let options = PutOptions::media_type(media_type);
        let error = storage.put(ALL, &key, body, &options).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert_eq!(error.operation(), Some("storage.put"));
    }
    assert!(project.bucket().objects.is_empty());
    project.bucket().missing = true;
    let error = storage.head(ALL, &key).await.unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        ("no_bucket", ErrorKind::Configuration)
    );
    assert_eq!(storage.ready().await.unwrap_err().code(), "no_bucket");
    storage.make_bucket().await.unwrap();
    storage.make_bucket().await.unwrap();
    storage.ready().await.unwrap();
}

#[tokio::test]
async fn a_file_that_breaks_off_is_not_begun_there() {
    let project = Project::start().await;
    let storage = project.storage();
    let (body, _) = pieces(2 * CHUNK);
    let broken = body.chain(stream::once(async { Err(Error::cancelled()) }));
    let key = new_key("a.wav");
    let options = PutOptions::default();
    let put = storage.put(ALL, &key, broken.boxed(), &options);
    assert_eq!(put.await.unwrap_err().kind(), ErrorKind::Cancelled);
    let (body, _) = pieces(2 * CHUNK);
    let limit = PutOptions::default().max_bytes(CHUNK as u64 + 5);
    let error = storage.put(ALL, &key, body, &limit).await.unwrap_err();
    assert_eq!(error.code(), "object_too_large");
    assert!(project.seen("").is_empty(), "nothing was sent");
}

#[tokio::test]
async fn signed_urls_are_absolute_and_open_without_a_key() {
    let project = Project::start().await;
    let storage = project.storage();
    let key = new_key("a.txt");
    storage
        .put_bytes(ALL, &key, "here".into(), "text/plain")
        .await
        .unwrap();
    let own = Actor::User(key.owner());
    let url = storage
        .signed_url(own, &key, Duration::from_secs(1))
        .await
        .unwrap();
    assert_eq!(url.origin(), project.url.origin());
    let answer = reqwest::get(url.clone()).await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "here");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(reqwest::get(url).await.unwrap().status(), 400);
    for (time, code) in [(0, "bad_validity"), (8 * 24 * 3600, "bad_validity")] {
        let url = storage
            .signed_url(own, &key, Duration::from_secs(time))
            .await;
        assert_eq!(url.unwrap_err().code(), code);
    }
    let other = StorageKey::new(key.owner(), Area::Audio, Uuid::nil(), "b");
    let missing = storage.signed_url(own, &other, Duration::from_secs(9));
    assert_eq!(missing.await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_thousand_and_more_are_listed_and_removed() {
    let project = Project::start().await;
    let storage = project.storage();
    let (user, group) = (UserId::random(), Uuid::now_v7());
    let names: Vec<_> = (0..2_345)
        .map(|i| StorageKey::new(user, Area::Audio, group, &format!("{i}")))
        .collect();
    stream::iter(&names)
        .map(Ok::<_, Error>)
        .try_for_each_concurrent(16, async |key| {
            storage
                .put_bytes(ALL, key, "x".into(), "text/plain")
                .await
                .map(drop)
        })
        .await
        .unwrap();
    let other = new_key("a");
    let foreign = storage.put_bytes(ALL, &other, "x".into(), "text/plain");
    foreign.await.unwrap();
    let root = StorageKey::user_prefix(user);
    // An answer that is lost takes nothing from the count.
    project
        .faults
        .order(Method::DELETE, "/object/books", 1, Fault::LoseAnswer);
    assert_eq!(
        storage
            .delete_prefix(Actor::User(user), &root)
            .await
            .unwrap(),
        2_345
    );
    assert_eq!(project.bucket().objects.len(), 1);
}

#[tokio::test]
async fn what_others_put_there_is_left_alone() {
    let project = Project::start().await;
    let storage = project.storage();
    let key = new_key("a");
    storage
        .put_bytes(ALL, &key, "x".into(), "text/plain")
        .await
        .unwrap();
    let it = project.bucket().objects[key.as_str()].clone();
    for i in 0..5 {
        let name = format!("{}avatar-{i}.png", StorageKey::user_prefix(key.owner()));
        project.bucket().objects.insert(name, it.clone());
    }
    let page = storage.list(ALL, "", None, 1).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(storage.delete_prefix(ALL, "").await.unwrap(), 1);
    assert_eq!(project.bucket().objects.len(), 5);
}

#[tokio::test]
async fn an_object_cut_short_is_an_error() {
    let project = Project::start().await;
    let storage = project.storage();
    let key = new_key("a");
    storage
        .put_bytes(ALL, &key, "0123456789".into(), "text/plain")
        .await
        .unwrap();
    let fault = Fault::status(200, "01234");
    project
        .faults
        .order(Method::GET, "/object/books/", 1, fault);
    // It says another etag, so it is asked for again.
    assert_eq!(get(&storage, &key).await, "0123456789");
    for (range, answer) in [(None, "01234"), (Some(0..3), "0123456789")] {
        let etag = storage.get(ALL, &key, None).await.unwrap();
        drop(etag);
        let etag = reqwest::Client::new()
            .get(format!("{}storage/v1/object/books/{key}", project.url))
            .bearer_auth(crate::project::SECRET)
            .send()
            .await
            .unwrap()
            .headers()["etag"]
            .to_str()
            .unwrap()
            .to_owned();
        let fault = Fault::Answer(200, vec![("etag", etag)], answer.into());
        project
            .faults
            .order(Method::GET, "/object/books/", 1, fault);
        let object = storage.get(ALL, &key, range).await.unwrap();
        let got: Result<Vec<Bytes>, Error> = object.body.try_collect().await;
        assert_eq!(got.unwrap_err().code(), "wrong_length");
    }
}

#[test]
fn a_bucket_has_a_plain_name() {
    let client = litink_providers::supabase::SupabaseClient::new(
        litink_providers::supabase::SupabaseConfig::new("https://x.supabase.co").unwrap(),
    )
    .unwrap();
    for name in ["", ".", "..", "a/b", "a b", "a?b", "é", &"a".repeat(101)] {
        let error = SupabaseStorage::new(&client, secret_key(), name).unwrap_err();
        assert_eq!(error.code(), "bad_bucket", "{name}");
    }
    let _: Arc<dyn Storage> =
        Arc::new(SupabaseStorage::new(&client, secret_key(), "books").unwrap());
}
