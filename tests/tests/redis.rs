//! The real program with its jobs, values and hints on Redis: a server and workers are other
//! processes, and share nothing else but rows and bytes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use litink_tests::{
    book,
    http::Client,
    litink,
    servers::{free_port, shared_redis},
};
use serde_json::{Value, json};
use url::Url;

/// Ends with the test, however that ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(data: &Path, redis: &Url, arguments: &[&str]) -> Process {
    let mut command = litink(data);
    for name in ["LITINK_QUEUE_URL", "LITINK_CACHE_URL", "LITINK_EVENTS_URL"] {
        command.env(name, redis.as_str());
    }
    command.args(arguments).env("LITINK_LEASE_S", "1");
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    Process(command.spawn().unwrap())
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_book_is_made_by_workers_that_find_their_jobs_on_redis() {
    let Some(mut redis) = shared_redis() else {
        return;
    };
    // Apart from the jobs of other tests.
    redis.set_path("/9");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let bind = format!("127.0.0.1:{}", free_port());
    let _server = start(&data, &redis, &["serve", "--work=false", "--bind", &bind]);
    let client = Client::new(&bind);
    let get = |path: &str| client.get(path).ok().filter(|it| it.status == 200);
    until("the server is ready", || get("/health/ready"));

    let lamplighters = book("the-lamplighters-map.txt");
    let uploaded = client.upload("/api/v1/books", &lamplighters).unwrap();
    let spec = json!({
        "book_id": uploaded.json()["id"], "recipe": "audiobook",
        "options": { "formats": ["wav", "vtt"] },
    });
    let run = client.post("/api/v1/runs", &spec).unwrap().json();
    let run = run["id"].as_str().unwrap().to_owned();
    // The first worker is killed at work; another finds out.
    let first = start(&data, &redis, &["work"]);
    std::thread::sleep(Duration::from_millis(700));
    drop(first);
    let _workers = [(); 2].map(|()| start(&data, &redis, &["work"]));
    let state = until("the run ends", || {
        let state: Value = get(&format!("/api/v1/runs/{run}"))?.json()["state"].clone();
        (state != "running").then_some(state)
    });
    assert_eq!(state, "completed");

    let doctor = |redis: &Url| {
        let mut command = litink(&data);
        command
            .arg("doctor")
            .env("LITINK_QUEUE_URL", redis.as_str());
        let said = command.output().unwrap();
        String::from_utf8(said.stdout).unwrap()
    };
    let said = doctor(&redis);
    assert!(
        said.contains("eviction") && said.contains("noeviction"),
        "{said}"
    );
    let nowhere: Url = "redis://:canary@127.0.0.1:1".parse().unwrap();
    let said = doctor(&nowhere);
    assert!(said.contains("check that the server runs"), "{said}");
    assert!(!said.contains("canary"), "{said}");
}
