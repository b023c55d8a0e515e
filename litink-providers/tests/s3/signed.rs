//! URLs that open an object for a time.

use std::time::Duration;

use litink_core::{Actor, ErrorKind, UserId, storage::Storage};

use crate::{key, put, server::Server};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_signed_url_opens_its_object_for_its_time() {
    let Some(server) = Server::start("a_signed_url_opens_its_object_for_its_time").await else {
        return;
    };
    let storage = server.storage("p");
    let owner = Actor::User(key("a").owner());
    let name = key("a b.mp3");
    put(&storage, &name, "sound").await.unwrap();
    let url = storage.signed_url(owner, &name, MINUTE).await.unwrap();
    let got = reqwest::get(url.clone()).await.unwrap();
    assert_eq!(got.status(), 200);
    assert_eq!(got.headers()["content-type"], "audio/mpeg");
    assert_eq!(got.text().await.unwrap(), "sound");

    let client = reqwest::Client::new();
    let written = client.put(url.clone()).body("other").send().await.unwrap();
    assert_eq!(written.status(), 403, "it is for reading");
    let mut altered = url.clone();
    altered.set_path(&url.path().replace("a-b", "c-d"));
    assert_eq!(reqwest::get(altered).await.unwrap().status(), 403);

    let short = storage.signed_url(owner, &name, Duration::from_secs(1));
    let short = short.await.unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(reqwest::get(short).await.unwrap().status(), 403);

    let none = key("none");
    let stranger = Actor::User(UserId::random());
    let error = storage.signed_url(stranger, &name, MINUTE).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    let error = storage.signed_url(owner, &none, MINUTE).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    let error = storage.signed_url(owner, &name, MINUTE * 60 * 24 * 8).await;
    assert_eq!(error.unwrap_err().code(), "bad_validity");
}
