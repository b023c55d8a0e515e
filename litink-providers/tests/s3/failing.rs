//! What goes wrong with a bucket says what to do, and shows no secret.

use std::time::{Duration, Instant};

use litink_core::{
    Error, ErrorKind,
    backend::{Backend, Check},
};

use crate::{
    key, put,
    server::{BUCKET, KEY, READER, SECRET, Server, free_ports, open},
};

fn shows_no_secret(error: &Error, secret: &str) {
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        text += &format!(" {source} {source:?}");
        cause = source.source();
    }
    assert!(!text.contains(secret), "{text}");
}

#[tokio::test]
async fn wrong_keys_and_buckets_are_told_apart() {
    let Some(server) = Server::start("wrong_keys_and_buckets_are_told_apart").await else {
        return;
    };
    let nobody = format!("nobody:{SECRET}");
    let wrong = format!("{KEY}:{SECRET}-not");
    for keys in [nobody, wrong] {
        let storage = open(&server.url(&keys, BUCKET));
        assert!(!format!("{storage:?}").contains(SECRET));
        let refused = put(&storage, &key("a"), "x").await;
        for error in [refused.unwrap_err(), storage.ready().await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
            assert_eq!(error.code(), "storage_denied");
            assert!(error.to_string().contains("access key"), "{error}");
            shows_no_secret(&error, SECRET);
        }
    }
    let elsewhere = open(&server.url(&format!("{KEY}:{SECRET}"), "no-such-bucket"));
    let error = elsewhere.ready().await.unwrap_err();
    assert_eq!(error.code(), "no_bucket", "{error:?}");

    let reader = open(&server.url(READER, BUCKET));
    reader.ready().await.unwrap();
    let checks = reader.check().await;
    let write = checks.iter().find(|it| it.name == Check::WRITE).unwrap();
    let error = write.outcome.as_ref().unwrap_err();
    assert_eq!(error.code(), "storage_denied", "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_soon() {
    let [port] = free_ports();
    let endpoint = format!("http://127.0.0.1:{port}");
    let url = format!("s3://{KEY}:{SECRET}@{BUCKET}?endpoint={endpoint}");
    let begun = Instant::now();
    let error = open(&url).ready().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    shows_no_secret(&error, SECRET);
}
