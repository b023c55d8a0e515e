//! The server that the suites share, and servers of one test's own.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use litink_core::{
    SessionId,
    queue::{Exchanged, Lease, Outcome, Queue, Settle, Turn, WorkerInfo},
};
use litink_providers::redis::{RedisQueue, RedisServer};
use tempfile::TempDir;

/// The shared server's URL, if there is one.
pub(crate) fn url() -> Option<String> {
    if let Ok(url) = std::env::var("LITINK_TEST_REDIS_URL") {
        return Some(url);
    }
    skip("LITINK_TEST_REDIS_URL is not set, so there is no server to test with");
    None
}

/// Says what is left out; a run that demands its programs fails.
fn skip(why: &str) {
    let required = std::env::var("LITINK_REQUIRE_PROGRAMS").as_deref() == Ok("1");
    assert!(!required, "{why}");
    eprintln!("skipped: {why}");
}

/// A server of one test's own, which writes a log and is gone with the test.
pub(crate) struct Own {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Drop for Own {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Own {
    /// `None` where the program is not there.
    pub(crate) fn start(settings: &[&str]) -> Option<Self> {
        let found = std::env::split_paths(&std::env::var_os("PATH")?)
            .map(|folder| folder.join("redis-server"))
            .find(|program| program.is_file());
        let Some(program) = found else {
            skip("there is no program redis-server; install Debian's package of this name");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let process = run(&program, &folder, port, settings);
        let server = Self {
            process,
            port,
            folder,
        };
        server.wait();
        Some(server)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// As `kill -9` ends it.
    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again, with what it has on its disk.
    pub(crate) fn start_again(&mut self) {
        self.process = run(&PathBuf::from("redis-server"), &self.folder, self.port, &[]);
        self.wait();
    }

    fn wait(&self) {
        let begun = Instant::now();
        let client = redis::Client::open(self.url()).unwrap();
        let answers = || {
            let mut connection = client.get_connection().ok()?;
            redis::cmd("PING").query::<String>(&mut connection).ok()
        };
        while answers().is_none() {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "it does not start"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A connection beside litink's.
    pub(crate) fn connect(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_connection().unwrap()
    }

    pub(crate) async fn queue(&self) -> RedisQueue {
        queue(&self.url()).await
    }
}

pub(crate) async fn queue(url: &str) -> RedisQueue {
    let server = RedisServer::open(url).await.unwrap();
    RedisQueue::new(server).await.unwrap()
}

fn run(program: &PathBuf, folder: &TempDir, port: u16, settings: &[&str]) -> Child {
    Command::new(program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "yes"])
        .args(settings)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A worker that keeps count of its turns.
pub(crate) struct Worker {
    pub(crate) queue: RedisQueue,
    pub(crate) session: SessionId,
    pub(crate) received: u64,
}

impl Worker {
    pub(crate) async fn open(queue: &RedisQueue) -> Self {
        let session = queue.open(&WorkerInfo::default()).await.unwrap();
        Self {
            queue: queue.clone(),
            session: session.id,
            received: 0,
        }
    }

    pub(crate) async fn turn(&mut self, turn: Turn) -> litink_core::Result<Exchanged> {
        let received = self.received;
        let turn = Turn { received, ..turn };
        let exchanged = self.queue.exchange(self.session, &turn).await?;
        self.received = exchanged.number;
        Ok(exchanged)
    }
}

pub(crate) fn want(want: u32, wait: Duration) -> Turn {
    Turn {
        want,
        wait,
        ..Turn::default()
    }
}

pub(crate) fn complete(lease: Lease) -> Settle {
    Settle {
        lease,
        outcome: Outcome::Complete,
    }
}
