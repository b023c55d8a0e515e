//! Large objects: in parts, without holding them, and without leaving parts behind.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use litink_core::{
    Actor, Error, ErrorKind,
    storage::{ByteStream, PutOptions, Storage, StorageExt},
};
use object_store::{
    aws::AmazonS3Builder,
    path::Path,
    signer::{SignedUrlOptions, Signer},
};

use crate::{
    key, put,
    server::{BUCKET, KEY, SECRET, Server},
};

const MB: usize = 1 << 20;

fn megabytes(count: usize) -> ByteStream {
    let piece = |i| Ok(Bytes::from(vec![(i % 251) as u8; MB]));
    stream::iter((0..count).map(piece)).boxed()
}

/// The uploads in parts that the server has open, by its own account.
async fn uploads(server: &Server) -> usize {
    let bucket = AmazonS3Builder::new()
        .with_endpoint(format!("http://127.0.0.1:{}", server.port))
        .with_bucket_name(BUCKET)
        .with_access_key_id(KEY)
        .with_secret_access_key(SECRET)
        .with_allow_http(true)
        .build()
        .unwrap();
    let options = SignedUrlOptions::default().with_query([("uploads", "")]);
    let (root, minute) = (Path::default(), Duration::from_secs(60));
    let url = bucket.signed_url_opts(reqwest::Method::GET, &root, minute, &options);
    let answer = reqwest::get(url.await.unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.unwrap();
    assert!(text.contains("ListMultipartUploadsResult"), "{text}");
    text.matches("<Upload>").count()
}

async fn until_uploads(server: &Server, expected: usize) {
    let begun = Instant::now();
    while uploads(server).await != expected {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "still not {expected}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_on_the_way_leaves_no_parts() {
    let Some(server) = Server::start("what_ends_on_the_way_leaves_no_parts").await else {
        return;
    };
    let storage = server.storage("p");
    let name = key("a");
    put(&storage, &name, "old").await.unwrap();

    let broken = megabytes(12).chain(stream::once(async { Err(Error::cancelled()) }));
    let options = PutOptions::default();
    let put = storage.put(Actor::Service, &name, broken.boxed(), &options);
    assert_eq!(put.await.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(uploads(&server).await, 0);

    let limit = PutOptions::default().max_bytes(11 * MB as u64);
    let put = storage.put(Actor::Service, &name, megabytes(12), &limit);
    assert_eq!(put.await.unwrap_err().code(), "object_too_large");
    assert_eq!(uploads(&server).await, 0);

    let endless = megabytes(12).chain(stream::pending()).boxed();
    let dropped = {
        let (storage, name) = (storage.clone(), name.clone());
        let put = async move {
            let options = PutOptions::default();
            storage.put(Actor::Service, &name, endless, &options).await
        };
        tokio::spawn(put)
    };
    until_uploads(&server, 1).await;
    dropped.abort();
    until_uploads(&server, 0).await;

    let found = storage.get_bytes(Actor::Service, &name, 100).await;
    assert_eq!(found.unwrap(), "old", "the key is as before");
}

/// The most that this process has held.
fn peak_mb() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kb: usize = line
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    kb >> 10
}

/// `LITINK_TEST_S3_MB` says how much; CI is content with less than a gigabyte.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_streams_with_flat_memory() {
    let Some(server) = Server::start("a_large_file_streams_with_flat_memory").await else {
        return;
    };
    let wanted = std::env::var("LITINK_TEST_S3_MB").ok();
    let count: usize = wanted.map_or(256, |it| it.parse().unwrap());
    let (storage, name) = (server.storage("p"), key("a"));
    let options = PutOptions::media_type("audio/mp4");
    // Once before, so that what is held from the first part on is not counted.
    let put = storage.put(Actor::Service, &name, megabytes(32), &options);
    put.await.unwrap();
    let before = peak_mb();

    let begun = Instant::now();
    let put = storage.put(Actor::Service, &name, megabytes(count), &options);
    let meta = put.await.unwrap();
    assert_eq!(meta.bytes, (count * MB) as u64);
    let up = begun.elapsed();
    let begun = Instant::now();
    let object = storage.get(Actor::Service, &name, None).await.unwrap();
    let got = object
        .body
        .try_fold(0, async |sum, piece| Ok(sum + piece.len()));
    assert_eq!(got.await.unwrap(), count * MB);
    let down = begun.elapsed();

    let grown = peak_mb() - before;
    let rate = |took: Duration| count as f64 / took.as_secs_f64();
    eprintln!(
        "{count} MB: up {:.0} MB/s, down {:.0} MB/s, peak {before} MB, then {grown} MB more",
        rate(up),
        rate(down),
    );
    assert!(grown < 48, "{grown} MB more were held");
}
