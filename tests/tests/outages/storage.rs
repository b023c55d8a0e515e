//! Bytes over a network that cuts, loses, hangs and crawls. Every backend that is reached over one is
//! told the same story.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future::join_all, stream};
use litink_core::{
    Actor, ErrorKind, Result, UserId,
    backend::Backend,
    storage::{Area, ByteStream, PutOptions, Storage, StorageExt, StorageKey},
};
use litink_providers::{object_store::ObjectStorage, url::BackendUrl};
use litink_tests::{
    proxy::{Proxy, Trouble},
    servers::Seaweed,
};
use uuid::Uuid;

use crate::repository::{LANES, insist};

/// In more parts than one, which S3 takes from 5 MiB on.
const LARGE: usize = (5 << 20) + 77;

fn s3(url: &str) -> ObjectStorage {
    let BackendUrl::S3(url) = BackendUrl::parse(url).unwrap() else {
        panic!("no bucket");
    };
    ObjectStorage::s3(&url).unwrap()
}

/// Bytes that are the same each time, and different at each place.
fn bytes(length: usize) -> Bytes {
    static LARGEST: LazyLock<Bytes> = LazyLock::new(|| {
        let mut out = vec![0; LARGE];
        blake3::Hasher::new().finalize_xof().fill(&mut out);
        out.into()
    });
    LARGEST.slice(..length)
}

fn streamed(bytes: &Bytes) -> ByteStream {
    let pieces: Vec<Result<Bytes>> = bytes
        .chunks(256 << 10)
        .map(|it| Ok(Bytes::copy_from_slice(it)))
        .collect();
    stream::iter(pieces).boxed()
}

async fn read(
    storage: &dyn Storage,
    actor: Actor,
    key: &StorageKey,
    range: Option<std::ops::Range<u64>>,
) -> Result<Vec<u8>> {
    let object = storage.get(actor, key, range).await?;
    let pieces: Vec<Bytes> = object.body.try_collect().await?;
    Ok(pieces.concat())
}

/// Stores, reads, lists and removes; whatever is answered is whole. Says how many calls failed.
async fn story(storage: &dyn Storage, large: usize) -> usize {
    let owner = UserId::random();
    let actor = Actor::User(owner);
    let key = |name: &str| StorageKey::new(owner, Area::Exports, Uuid::nil(), name);
    let (small, big) = (bytes(3_000), bytes(large));
    let mut errors = 0;
    let files = [(key("small"), &small), (key("large"), &big)];
    for (key, bytes) in &files {
        let options = PutOptions::default();
        let put = || storage.put(actor, key, streamed(bytes), &options);
        let (stored, failed) = insist(put).await;
        assert_eq!(stored.bytes, bytes.len() as u64, "{key}");
        errors += failed;
    }
    for (key, bytes) in &files {
        let (found, failed) = insist(|| read(storage, actor, key, None)).await;
        assert!(found == **bytes, "{key} is not what was stored");
        errors += failed;
    }
    let range = (large as u64 / 3)..(large as u64 / 3 + 200_000);
    let part = big.slice(large / 3..large / 3 + 200_000);
    let (found, failed) = insist(|| read(storage, actor, &files[1].0, Some(range.clone()))).await;
    assert!(found == part, "a range is not what was stored");
    errors += failed;
    let prefix = StorageKey::user_prefix(owner);
    let (listed, failed) = insist(|| storage.list(actor, &prefix, None, 10)).await;
    let names: Vec<_> = listed
        .items
        .iter()
        .map(|it| (it.key.as_str(), it.bytes))
        .collect();
    let [(small_key, _), (big_key, _)] = &files;
    assert_eq!(
        names,
        [
            (big_key.as_str(), large as u64),
            (small_key.as_str(), 3_000)
        ]
    );
    errors += failed;
    errors += insist(|| storage.delete(actor, small_key)).await.1;
    errors += insist(|| storage.delete_prefix(actor, &prefix)).await.1;
    let (gone, failed) = insist(|| storage.exists(actor, big_key)).await;
    assert!(!gone);
    errors + failed
}

#[tokio::test]
async fn s3_cut_at_each_place_of_each_call_loses_and_doubles_nothing() {
    let Some(server) = Seaweed::start() else {
        return;
    };
    let endpoint = server.endpoint();
    let proxy = Proxy::before_url(&endpoint).await.unwrap();
    let through = |proxy: &Proxy| s3(&server.url(&proxy.instead(&endpoint), "cuts"));
    assert_eq!(story(&through(&proxy), LARGE).await, 0);
    let cuts = proxy.cuts();
    assert!(cuts.len() > 40, "{}", cuts.len());
    let lane = async |lane: usize| {
        let proxy = Proxy::before_url(&endpoint).await.unwrap();
        let mut failed = 0;
        for cut in cuts.iter().skip(lane).step_by(LANES) {
            proxy.set(*cut);
            failed += story(&through(&proxy), LARGE).await;
            assert!(proxy.fired(), "{cut:?} was not reached");
        }
        failed
    };
    let failed: usize = join_all((0..LANES).map(lane)).await.iter().sum();
    println!(
        "{} cuts: {failed} calls had to be made again by the caller",
        cuts.len()
    );
    let all = s3(&server.url(&endpoint, "cuts"));
    let left = all.list(Actor::Service, "", None, 1_000).await.unwrap();
    assert_eq!(
        left.items.len(),
        0,
        "nothing is left behind: {:?}",
        left.items
    );
}

/// The time in which an answer must come does not run out while a part is still on its way.
#[tokio::test]
async fn a_slow_s3_is_waited_for_and_one_that_hangs_is_not() {
    let Some(server) = Seaweed::start() else {
        return;
    };
    let endpoint = server.endpoint();
    let proxy = Proxy::before_url(&endpoint).await.unwrap();
    let url = server.url(&proxy.instead(&endpoint), "slow") + "&silence_s=1";
    let storage = s3(&url);
    proxy.set(Trouble::Slow {
        latency: Duration::from_millis(5),
        bytes_per_s: 3 << 20,
    });
    let owner = UserId::random();
    let actor = Actor::User(owner);
    let key = StorageKey::new(owner, Area::Exports, Uuid::nil(), "a.txt");
    let begun = Instant::now();
    let options = PutOptions::default();
    let put = storage.put(actor, &key, streamed(&bytes(LARGE)), &options);
    assert_eq!(put.await.unwrap().bytes, LARGE as u64, "slow is not broken");
    assert!(begun.elapsed() > Duration::from_secs(1), "it was not slow");
    let found = read(&storage, actor, &key, None).await.unwrap();
    assert!(found == bytes(LARGE));
    proxy.set(Trouble::Hang);
    let begun = Instant::now();
    let (put, get, list, ready) = tokio::join!(
        storage.put_bytes(actor, &key, bytes(200), "text/plain"),
        storage.get_bytes(actor, &key, 1 << 30),
        storage.list(actor, "", None, 10),
        storage.ready(),
    );
    for error in [
        put.unwrap_err(),
        get.unwrap_err(),
        list.unwrap_err(),
        ready.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert_eq!(error.code(), "storage_timeout", "{error:?}");
    }
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    proxy.set(Trouble::None);
    proxy.cut();
    let found = storage.get_bytes(actor, &key, 1 << 30).await.unwrap();
    assert!([LARGE, 200].contains(&found.len()), "whole, old or new");
}

/// An operator who removes unfinished uploads may meet one that is on its way.
#[tokio::test]
async fn an_upload_that_is_removed_under_way_is_to_be_made_again() {
    let Some(server) = Seaweed::start() else {
        return;
    };
    let storage = s3(&server.url(&server.endpoint(), "removed"));
    let owner = UserId::random();
    let actor = Actor::User(owner);
    let key = StorageKey::new(owner, Area::Exports, Uuid::nil(), "a.wav");
    let all = bytes(LARGE);
    let (first, last) = (all.slice(..LARGE - 77), all.slice(LARGE - 77..));
    let operator = Arc::new(server);
    let server = Arc::clone(&operator);
    let removing = async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let said = operator.shell("s3.clean.uploads -timeAgo=1ms");
        assert!(said.contains("purge"), "{said}");
        Ok(last)
    };
    let body = stream::once(async { Ok(first) }).chain(stream::once(removing));
    let options = PutOptions::default();
    let put = storage.put(actor, &key, body.boxed(), &options).await;
    let error = put.unwrap_err();
    assert_eq!(error.code(), "upload_lost", "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    drop(server);
}
