//! The conformance suite of [`Storage`](crate::storage::Storage).
//!
//! ```
//! # use std::sync::Arc;
//! # use litink_core::storage::MemoryStorage;
//! litink_core::storage_conformance!(Arc::new(MemoryStorage::new()));
//! # fn main() {}
//! ```

#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

use super::suite::skipped;
use crate::{
    Actor, Error, ErrorKind, Result, UserId,
    storage::{Area, ByteStream, PutOptions, Storage, StorageExt, StorageKey},
};

suite! {
    $ storage_conformance: storage for Storage;
    what_was_put_is_got
    an_object_is_replaced
    an_empty_object_is_an_object
    ranges_are_cut_to_the_object
    a_large_object_streams_through
    a_failed_put_leaves_what_was_there
    an_object_that_passes_the_limit_is_refused
    a_dropped_put_leaves_the_old_or_the_new
    concurrent_puts_leave_one_of_them_whole
    an_object_outlives_its_readers_replacement
    what_does_not_exist_is_not_found
    users_reach_only_their_own_objects
    lists_are_by_key_and_page_by_page
    prefixes_are_whole_segments
    a_prefix_is_deleted_with_all_below_it
    signed_urls_are_given_or_refused
}

const ALL: Actor = Actor::Service;

/// Above any buffer that a backend may have.
const LARGE: usize = 64 << 20;

fn new_key(name: &str) -> StorageKey {
    StorageKey::new(UserId::random(), Area::Audio, Uuid::now_v7(), name)
}

async fn put(storage: &dyn Storage, key: &StorageKey, text: &str) {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    storage
        .put_bytes(ALL, key, bytes, "text/plain")
        .await
        .unwrap();
}

async fn text(storage: &dyn Storage, key: &StorageKey) -> String {
    let bytes = storage.get_bytes(ALL, key, 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn pieces(pieces: Vec<Result<Bytes>>) -> ByteStream {
    stream::iter(pieces).boxed()
}

async fn keys(storage: &dyn Storage, actor: Actor, prefix: &str) -> Vec<String> {
    let page = storage.list(actor, prefix, None, 1_000).await.unwrap();
    page.items
        .into_iter()
        .map(|meta| meta.key.to_string())
        .collect()
}

/// Bytes in several pieces come back as they were, with size, type and time.
pub async fn what_was_put_is_got(storage: Arc<dyn Storage>) {
    let key = new_key("Kapitel 1.mp3");
    let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let parts = all
        .chunks(7_777)
        .map(|part| Ok(Bytes::copy_from_slice(part)));
    let body = pieces(parts.chain([Ok(Bytes::new())]).collect());
    let options = PutOptions::media_type("audio/mpeg");
    let meta = storage.put(ALL, &key, body, &options).await.unwrap();
    assert_eq!((&meta.key, meta.bytes), (&key, 100_000));
    let head = storage.head(ALL, &key).await.unwrap();
    assert_eq!((&head.key, head.bytes), (&key, 100_000));
    if let Some(media_type) = head.media_type {
        assert_eq!(media_type, "audio/mpeg");
    }
    let age = chrono::Utc::now() - head.modified_at;
    assert!(age.num_minutes().abs() < 10, "its clock is off by {age}");
    let object = storage.get(ALL, &key, None).await.unwrap();
    assert_eq!(
        (object.meta.bytes, object.range.clone()),
        (100_000, 0..100_000)
    );
    let got: Vec<Bytes> = object.body.try_collect().await.unwrap();
    assert_eq!(got.concat(), all);
}

/// Putting to a key that exists replaces the object, also by a shorter one.
pub async fn an_object_is_replaced(storage: Arc<dyn Storage>) {
    let key = new_key("a.txt");
    for content in ["first and long", "second", ""] {
        put(&*storage, &key, content).await;
        assert_eq!(text(&*storage, &key).await, content);
        assert_eq!(
            storage.head(ALL, &key).await.unwrap().bytes,
            content.len() as u64
        );
    }
}

/// An object may be empty.
pub async fn an_empty_object_is_an_object(storage: Arc<dyn Storage>) {
    let key = new_key("empty");
    let empty = stream::empty().boxed();
    let meta = storage
        .put(ALL, &key, empty, &PutOptions::default())
        .await
        .unwrap();
    assert_eq!(meta.bytes, 0);
    let object = storage.get(ALL, &key, None).await.unwrap();
    assert_eq!((object.meta.bytes, object.range), (0, 0..0));
    let got: Vec<Bytes> = object.body.try_collect().await.unwrap();
    assert!(got.concat().is_empty());
    assert!(storage.exists(ALL, &key).await.unwrap());
}

/// A range brings its bytes; a partly covered one is cut, one beyond the end is refused.
pub async fn ranges_are_cut_to_the_object(storage: Arc<dyn Storage>) {
    let key = new_key("digits");
    let body = pieces(vec![Ok("0123".into()), Ok("4".into()), Ok("56789".into())]);
    storage
        .put(ALL, &key, body, &PutOptions::default())
        .await
        .unwrap();
    let get = async |range: Range<u64>| {
        let object = storage.get(ALL, &key, Some(range)).await?;
        assert_eq!(object.meta.bytes, 10, "the size is that of the whole");
        let range = object.range.clone();
        let got: Vec<Bytes> = object.body.try_collect().await?;
        Ok::<_, Error>((range, String::from_utf8(got.concat()).unwrap()))
    };
    for (range, expected) in [
        (0..10, "0123456789"),
        (0..1, "0"),
        (3..6, "345"),
        (9..10, "9"),
        (8..100, "89"),
        (2..u64::MAX, "23456789"),
        (4..4, ""),
    ] {
        let end = range.end.min(10);
        let got = get(range.clone()).await.unwrap();
        assert_eq!(got, (range.start..end, expected.to_owned()), "{range:?}");
    }
    let backwards = Range { start: 5, end: 3 };
    for range in [10..11, 10..10, 11..20, u64::MAX..u64::MAX, backwards] {
        let error = get(range.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{range:?}: {error}");
        assert_eq!(error.code(), "bad_range", "{range:?}");
    }
}

/// A large object comes back in pieces, and the same.
pub async fn a_large_object_streams_through(storage: Arc<dyn Storage>) {
    const PIECE: usize = 1 << 20;
    let key = new_key("large.bin");
    let piece = |i: usize| -> Bytes {
        let seed = u8::try_from(i % 251).unwrap();
        (0..PIECE)
            .map(|at| seed.wrapping_add(u8::try_from(at % 241).unwrap()))
            .collect()
    };
    let mut sent = blake3::Hasher::new();
    (0..LARGE / PIECE).for_each(|i| {
        sent.update(&piece(i));
    });
    let body = stream::iter(0..LARGE / PIECE)
        .map(move |i| Ok(piece(i)))
        .boxed();
    let meta = storage
        .put(ALL, &key, body, &PutOptions::default())
        .await
        .unwrap();
    assert_eq!(meta.bytes, LARGE as u64);
    let mut object = storage.get(ALL, &key, None).await.unwrap();
    let (mut got, mut largest) = (blake3::Hasher::new(), 0);
    while let Some(piece) = object.body.try_next().await.unwrap() {
        got.update(&piece);
        largest = largest.max(piece.len());
    }
    assert_eq!(got.finalize(), sent.finalize());
    assert!(
        largest <= LARGE / 4,
        "a piece of {largest} bytes is no stream"
    );
    let middle = LARGE as u64 / 2;
    let object = storage
        .get(ALL, &key, Some(middle - 1..middle + 1))
        .await
        .unwrap();
    let two: Vec<Bytes> = object.body.try_collect().await.unwrap();
    assert_eq!(two.concat().len(), 2);
    storage.delete(ALL, &key).await.unwrap();
}

/// When the stream fails, its error comes back, and the key is as before.
pub async fn a_failed_put_leaves_what_was_there(storage: Arc<dyn Storage>) {
    let key = new_key("a.txt");
    let broken = || {
        let part = Bytes::from(vec![b'x'; 100_000]);
        let error = Error::new(ErrorKind::Provider, "cut off").with_code("cut_off");
        pieces(vec![Ok(part), Err(error)])
    };
    let options = PutOptions::default();
    let error = storage
        .put(ALL, &key, broken(), &options)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "cut_off", "{error}");
    assert!(!storage.exists(ALL, &key).await.unwrap());
    put(&*storage, &key, "old").await;
    storage
        .put(ALL, &key, broken(), &options)
        .await
        .unwrap_err();
    assert_eq!(text(&*storage, &key).await, "old");
    assert_eq!(keys(&*storage, ALL, key.as_str()).await, [key.as_str()]);
}

/// As many bytes as the limit are stored; one more is refused, and the key is as before.
pub async fn an_object_that_passes_the_limit_is_refused(storage: Arc<dyn Storage>) {
    let key = new_key("a.txt");
    let options = PutOptions::media_type("text/plain").max_bytes(6);
    let body = |last: &'static str| pieces(vec![Ok("abc".into()), Ok(last.into())]);
    storage.put(ALL, &key, body("def"), &options).await.unwrap();
    let error = storage
        .put(ALL, &key, body("defg"), &options)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    assert_eq!(error.code(), "object_too_large");
    assert_eq!(text(&*storage, &key).await, "abcdef");
}

/// A put whose future is dropped leaves the old object or the whole new one.
pub async fn a_dropped_put_leaves_the_old_or_the_new(storage: Arc<dyn Storage>) {
    let new = "n".repeat(300_000);
    for micros in [0, 50, 500, 2_000, 20_000] {
        let key = new_key("a.txt");
        put(&*storage, &key, "old").await;
        let part = Bytes::copy_from_slice(&new.as_bytes()[..100_000]);
        let body = stream::iter([part.clone(), part.clone(), part]).then(|part| async move {
            tokio::time::sleep(Duration::from_millis(3)).await;
            Ok(part)
        });
        let options = PutOptions::default();
        let put = storage.put(ALL, &key, body.boxed(), &options);
        let ended = tokio::time::timeout(Duration::from_micros(micros), put).await;
        // What was sent may still be on its way.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let found = text(&*storage, &key).await;
        let whole = found == new;
        assert!(
            whole || found == "old",
            "{} bytes after {micros} us",
            found.len()
        );
        assert!(
            whole || ended.is_err(),
            "it was acknowledged, and is not there"
        );
    }
}

/// Of two puts at once to one key one remains, whole.
pub async fn concurrent_puts_leave_one_of_them_whole(storage: Arc<dyn Storage>) {
    let key = new_key("a.txt");
    let tasks = ["a", "b", "c", "d"].map(|letter| {
        let (storage, key) = (Arc::clone(&storage), key.clone());
        let parts = vec![Bytes::from(letter.repeat(50_000)); 4];
        tokio::spawn(async move {
            let body = stream::iter(parts).then(|part| async move {
                tokio::task::yield_now().await;
                Ok(part)
            });
            storage
                .put(ALL, &key, body.boxed(), &PutOptions::default())
                .await
                .unwrap();
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
    let found = text(&*storage, &key).await;
    assert_eq!(found.len(), 200_000);
    assert_eq!(found, found[..1].repeat(200_000), "two objects were mixed");
}

/// Who reads an object while it is replaced gets the old or an error, never a mixture.
pub async fn an_object_outlives_its_readers_replacement(storage: Arc<dyn Storage>) {
    let key = new_key("a.txt");
    let (old, new) = ("o".repeat(400_000), "n".repeat(400_000));
    put(&*storage, &key, &old).await;
    let object = storage.get(ALL, &key, None).await.unwrap();
    put(&*storage, &key, &new).await;
    let got: Result<Vec<Bytes>> = object.body.try_collect().await;
    if let Ok(got) = got {
        let got = String::from_utf8(got.concat()).unwrap();
        assert!(got == old || got == new, "two objects were mixed");
    }
    assert_eq!(text(&*storage, &key).await, new);
}

/// Reading what does not exist fails; deleting it does not.
pub async fn what_does_not_exist_is_not_found(storage: Arc<dyn Storage>) {
    let key = new_key("missing");
    let is_missing = |error: Error| assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    is_missing(storage.head(ALL, &key).await.unwrap_err());
    is_missing(storage.get(ALL, &key, None).await.unwrap_err());
    is_missing(storage.get(ALL, &key, Some(0..1)).await.unwrap_err());
    storage.delete(ALL, &key).await.unwrap();
    put(&*storage, &key, "there").await;
    storage.delete(ALL, &key).await.unwrap();
    is_missing(storage.head(ALL, &key).await.unwrap_err());
    storage.delete(ALL, &key).await.unwrap();
}

/// Another user's objects are as if they did not exist, for every verb.
pub async fn users_reach_only_their_own_objects(storage: Arc<dyn Storage>) {
    let key = new_key("a.txt");
    put(&*storage, &key, "secret").await;
    let stranger = Actor::User(UserId::random());
    let prefix = StorageKey::user_prefix(key.owner());
    let is_missing = |error: Error| assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    is_missing(storage.head(stranger, &key).await.unwrap_err());
    is_missing(storage.get(stranger, &key, None).await.unwrap_err());
    if storage.capabilities().signed_urls {
        let url = storage.signed_url(stranger, &key, Duration::from_secs(60));
        is_missing(url.await.unwrap_err());
    }
    for prefix in [prefix.as_str(), "users", "users/", ""] {
        assert!(
            keys(&*storage, stranger, prefix).await.is_empty(),
            "{prefix}"
        );
        assert_eq!(
            storage.delete_prefix(stranger, prefix).await.unwrap(),
            0,
            "{prefix}"
        );
    }
    storage.delete(stranger, &key).await.unwrap();
    let forged = stream::once(async { Ok(Bytes::from("forged")) }).boxed();
    let options = PutOptions::default();
    let error = storage
        .put(stranger, &key, forged, &options)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    for actor in [Actor::User(key.owner()), Actor::Worker, Actor::Service] {
        let bytes = storage.get_bytes(actor, &key, 100).await.unwrap();
        assert_eq!(bytes, "secret", "{actor:?}");
        assert_eq!(keys(&*storage, actor, &prefix).await, [key.as_str()]);
    }
}

/// A list is sorted by key; its pages are the list, whatever their size.
pub async fn lists_are_by_key_and_page_by_page(storage: Arc<dyn Storage>) {
    let (user, group) = (UserId::random(), Uuid::now_v7());
    let prefix = StorageKey::group_prefix(user, Area::Audio, group);
    let names = ["b", "a.10", "a.9", "a", "Z", "a-1", "_"];
    let mut expected = Vec::new();
    for name in names {
        let key = StorageKey::new(user, Area::Audio, group, name);
        put(&*storage, &key, name).await;
        expected.push(key.to_string());
    }
    expected.sort_unstable();
    assert_eq!(keys(&*storage, ALL, &prefix).await, expected);
    for limit in [1, 2, 6, 7, 8] {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = storage
                .list(ALL, &prefix, after.as_deref(), limit)
                .await
                .unwrap();
            assert!(page.items.len() <= limit as usize);
            assert!(!page.items.is_empty(), "an empty page, {limit} at a time");
            all.extend(page.items.into_iter().map(|meta| meta.key.to_string()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(all, expected, "{limit} at a time");
    }
    let page = storage.list(ALL, &prefix, None, 10).await.unwrap();
    assert_eq!(page.items[0].bytes, page.items[0].key.name().len() as u64);
}

/// A prefix ends where a segment ends, with or without its slash.
pub async fn prefixes_are_whole_segments(storage: Arc<dyn Storage>) {
    let (user, group) = (UserId::random(), Uuid::now_v7());
    let key = |area, name| StorageKey::new(user, area, group, name);
    for key in [
        key(Area::Audio, "a"),
        key(Area::Audio, "ab"),
        key(Area::Images, "a"),
    ] {
        put(&*storage, &key, "x").await;
    }
    let root = StorageKey::user_prefix(user);
    let one = key(Area::Audio, "a").to_string();
    for (prefix, expected) in [
        (root.clone(), 3),
        (root.trim_end_matches('/').to_owned(), 3),
        (format!("{root}audio"), 2),
        (format!("{root}audio/"), 2),
        (format!("{root}audi"), 0),
        (format!("{root}audio/{group}"), 2),
        (format!("{root}audio/{}", &group.to_string()[..8]), 0),
        (one, 1),
    ] {
        assert_eq!(
            keys(&*storage, ALL, &prefix).await.len(),
            expected,
            "{prefix}"
        );
    }
}

/// Deleting a prefix removes what is below it and says how many, and touches nothing beside it.
pub async fn a_prefix_is_deleted_with_all_below_it(storage: Arc<dyn Storage>) {
    let (user, group) = (UserId::random(), Uuid::now_v7());
    let key = |area, name: &str| StorageKey::new(user, area, group, name);
    for i in 0..12 {
        put(&*storage, &key(Area::Audio, &format!("{i}.mp3")), "x").await;
    }
    let beside = key(Area::Images, "a");
    put(&*storage, &beside, "x").await;
    let root = StorageKey::user_prefix(user);
    let cut = format!("{root}audi");
    assert_eq!(storage.delete_prefix(ALL, &cut).await.unwrap(), 0);
    let audio = StorageKey::group_prefix(user, Area::Audio, group);
    let own = Actor::User(user);
    assert_eq!(storage.delete_prefix(own, &audio).await.unwrap(), 12);
    assert_eq!(storage.delete_prefix(own, &audio).await.unwrap(), 0);
    assert_eq!(keys(&*storage, ALL, &root).await, [beside.as_str()]);
    assert_eq!(storage.delete_prefix(ALL, &root).await.unwrap(), 1);
}

/// A storage gives signed URLs, or says that it does not.
pub async fn signed_urls_are_given_or_refused(storage: Arc<dyn Storage>) {
    let key = new_key("a.txt");
    put(&*storage, &key, "x").await;
    let valid = Duration::from_secs(60);
    let url = storage
        .signed_url(Actor::User(key.owner()), &key, valid)
        .await;
    if storage.capabilities().signed_urls {
        let url = url.unwrap();
        assert!(url.has_host() || url.scheme() == "file", "{}", url.scheme());
        skipped(
            "signed_urls_are_given_or_refused",
            "the URL itself is not opened",
        );
    } else {
        let error = url.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert_eq!(error.code(), "no_signed_urls");
    }
}

#[cfg(test)]
mod memory {
    use std::sync::Arc;

    use crate::storage::MemoryStorage;

    storage_conformance!(Arc::new(MemoryStorage::new()));
}
