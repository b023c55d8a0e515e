//! Connections that are cut, and answers that are lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, future::join_all};
use litink_core::{
    Actor, UserId,
    events::{Event, Events, Topic},
    repository::{Change, Commit, Repository, RepositoryExt, Row},
    schema::Table,
};
use litink_providers::postgres::{PostgresDatabase, PostgresEvents, PostgresRepository};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;
use uuid::Uuid;

use crate::server::{Fresh, run};

/// A row with a counter, without a parent.
async fn counter(repository: &PostgresRepository) -> Uuid {
    let id = Uuid::now_v7();
    let row = json!({
        "id": id, "owner": UserId::random(), "state": "active", "email": "a", "password_hash": "b",
        "failures": 0,
    });
    let row = Row {
        table: Table::Accounts,
        columns: row.as_object().unwrap().clone(),
    };
    let insert = vec![Change::Insert(row)];
    repository.apply(Actor::Service, insert).await.unwrap();
    id
}

fn add_one(id: Uuid) -> Commit {
    Commit::new(vec![Change::Increment {
        table: Table::Accounts,
        id,
        column: "failures".into(),
        by: 1,
        minimum: None,
    }])
}

async fn count(repository: &PostgresRepository, id: Uuid) -> i64 {
    let rows = repository.get(Actor::Service, Table::Accounts, &[id]).await;
    rows.unwrap()[0].as_ref().unwrap().columns["failures"]
        .as_i64()
        .unwrap()
}

const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_while_connections_are_cut() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let database = PostgresDatabase::open(fresh.url().as_str()).await.unwrap();
    let repository = PostgresRepository::new(database);
    let id = counter(&repository).await;
    let cutting = async {
        let mut admin = fresh.connect().await;
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(40)).await;
            run(&mut admin, CUT).await.unwrap();
        }
    };
    let adding = join_all((0..8).map(|_| {
        let repository = repository.clone();
        tokio::spawn(async move {
            for _ in 0..40 {
                let commit = add_one(id);
                let done = repository.commit(Actor::Service, &commit).await.unwrap();
                assert!(!done.replayed);
            }
        })
    }));
    let (added, ()) = tokio::join!(adding, cutting);
    added.into_iter().for_each(Result::unwrap);
    assert_eq!(count(&repository, id).await, 320);
}

/// Passes bytes on, until it is told to swallow the next answer and hang up.
async fn proxy(server: &Url) -> (Url, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let armed = Arc::new(AtomicBool::new(false));
    let address = (
        server.host_str().unwrap().to_owned(),
        server.port().unwrap_or(5432),
    );
    let swallow = Arc::clone(&armed);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let upstream = TcpStream::connect(address.clone()).await.unwrap();
            tokio::spawn(pass_on(client, upstream, Arc::clone(&swallow)));
        }
    });
    let mut url = server.clone();
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(port)).unwrap();
    (url, armed)
}

async fn pass_on(client: TcpStream, upstream: TcpStream, swallow: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = upstream.into_split();
    let asking = async {
        tokio::io::copy(&mut from_client, &mut to_server).await.ok();
    };
    let answering = async {
        let mut bytes = [0; 16 * 1024];
        loop {
            let read = from_server.read(&mut bytes).await.unwrap_or(0);
            if read == 0 || swallow.swap(false, Ordering::SeqCst) {
                return;
            }
            if to_client.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = asking => {}
        () = answering => {}
    }
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_done_once() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let (url, swallow) = proxy(&fresh.url()).await;
    let database = PostgresDatabase::open(&format!("{url}?connections=1"))
        .await
        .unwrap();
    let repository = PostgresRepository::new(database);
    let id = counter(&repository).await;
    for (i, key) in [None, Some(Uuid::now_v7())].into_iter().enumerate() {
        let commit = Commit { key, ..add_one(id) };
        tokio::time::sleep(Duration::from_millis(100)).await;
        swallow.store(true, Ordering::SeqCst);
        let done = repository.commit(Actor::Service, &commit).await.unwrap();
        assert!(!swallow.load(Ordering::SeqCst), "no answer was lost");
        assert!(!done.replayed, "it asks after its own commit");
        let expected = i64::try_from(i).unwrap() + 1;
        assert_eq!(done.changes[0].value, Some(expected));
        assert_eq!(count(&repository, id).await, expected);
        if key.is_some() {
            let again = repository.commit(Actor::Service, &commit).await.unwrap();
            assert!(again.replayed);
        }
    }
}

#[tokio::test]
async fn events_go_on_after_a_cut_and_miss_nothing() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let database = PostgresDatabase::open(fresh.url().as_str()).await.unwrap();
    let events = PostgresEvents::new(database);
    let topic = Topic::runs(UserId::random());
    let mut stream = events.subscribe(&topic).await.unwrap();
    let mut admin = fresh.connect().await;
    for i in 0..30 {
        if i % 10 == 5 {
            run(&mut admin, CUT).await.unwrap();
        }
        let payload = json!(i);
        let topic = topic.clone();
        events.publish(&Event { topic, payload }).await.unwrap();
    }
    for i in 0..30 {
        let next = tokio::time::timeout(Duration::from_secs(30), stream.next()).await;
        assert_eq!(next.unwrap().unwrap().payload, json!(i));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_typed_error() {
    for (url, code) in [
        ("postgres://postgres@127.0.0.1:1/x", "database_unreachable"),
        ("postgres://postgres@127.0.0.1:99999/x", "bad_database_url"),
    ] {
        let error = PostgresDatabase::open(url).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let mut url = fresh.url();
    url.set_path("no_such_database");
    let error = PostgresDatabase::open(url.as_str()).await.unwrap_err();
    assert_eq!(error.code(), "database_missing", "{error}");
}
