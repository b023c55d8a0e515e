//! Bytes over a network that cuts, loses, hangs and crawls. Every backend that is reached over one is
//! told the same story.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future::join_all, stream};
use litink_core::{
    Actor, ErrorKind, Result, Retry, UserId,
    storage::{Area, ByteStream, PutOptions, Storage, StorageExt, StorageKey},
};
use litink_providers::{object_store::ObjectStorage, url::BackendUrl};
use litink_tests::{
    proxy::{Proxy, Trouble},
    servers::Seaweed,
};
use url::Url;
use uuid::Uuid;

use crate::repository::{LANES, insist};

/// In more parts than one, which S3 takes from 5 MiB on.
const LARGE: usize = (11 << 20) + 77;

pub(crate) fn s3(url: &str) -> ObjectStorage {
    let BackendUrl::S3(url) = BackendUrl::parse(url).unwrap() else {
        panic!("no bucket");
    };
    ObjectStorage::s3(&url).unwrap()
}

/// Bytes that are the same each time, and different at each place.
fn bytes(seed: u8, length: usize) -> Bytes {
    let mut out = vec![0; length];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[seed]).finalize_xof().fill(&mut out);
    out.into()
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
    let (small, big) = (bytes(1, 3_000), bytes(2, large));
    let mut errors = 0;
    for (name, bytes) in [("small", &small), ("large", &big)] {
        let options = PutOptions::default();
        let put = insist(|| storage.put(actor, &key(name), streamed(bytes), &options));
        let put = async {
            let (meta, failed) = put.await;
            (meta.bytes, failed)
        };
        let (stored, failed) = put.await;
        assert_eq!(stored, bytes.len() as u64, "{name}");
        errors += failed;
    }
    for (name, bytes) in [("small", &small), ("large", &big)] {
        let (found, failed) = insist(|| read(storage, actor, &key(name), None)).await;
        assert!(found == *bytes, "{name} is not what was stored");
        errors += failed;
    }
    let range = (large as u64 / 3)..(large as u64 / 3 + 200_000);
    let part = big.slice(large / 3..large / 3 + 200_000);
    let (found, failed) = insist(|| read(storage, actor, &key("large"), Some(range.clone()))).await;
    assert!(found == part, "a range is not what was stored");
    errors += failed;
    let prefix = StorageKey::user_prefix(owner);
    let (listed, failed) = insist(|| storage.list(actor, &prefix, None, 10)).await;
    let names: Vec<_> = listed
        .items
        .iter()
        .map(|it| (it.key.as_str(), it.bytes))
        .collect();
    let (small_key, big_key) = (key("small"), key("large"));
    assert_eq!(
        names,
        [
            (big_key.as_str(), large as u64),
            (small_key.as_str(), 3_000)
        ]
    );
    errors += failed;
    errors += insist(|| storage.delete(actor, &small_key)).await.1;
    errors += insist(|| storage.delete_prefix(actor, &prefix)).await.1;
    let (gone, failed) = insist(|| storage.exists(actor, &big_key)).await;
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
            let begun = Instant::now();
            let errors = story(&through(&proxy), LARGE).await;
            println!("{cut:?} {errors} {:?}", begun.elapsed());
            failed += errors;
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
