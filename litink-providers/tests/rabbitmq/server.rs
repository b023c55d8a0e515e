//! The broker that the suites share, and brokers of one test's own.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use litink_core::{
    SessionId,
    queue::{Exchanged, Lease, Outcome, Queue, Settle, Turn, WorkerInfo},
};
use litink_providers::{
    rabbitmq::{RabbitQueue, RabbitServer},
    sqlite::{SqliteDatabase, SqliteOptions, SqliteQueue},
};
use tempfile::TempDir;

/// Where Debian has the programs without their wrapper, which wants to be root.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";

/// The shared broker's URL, if there is one.
pub(crate) fn url() -> Option<String> {
    if let Ok(url) = std::env::var("LITINK_TEST_RABBITMQ_URL") {
        return Some(url);
    }
    skip("LITINK_TEST_RABBITMQ_URL is not set, so there is no broker to test with");
    None
}

/// Says what is left out; a run that demands its programs fails.
pub(crate) fn skip(why: &str) {
    let required = std::env::var("LITINK_REQUIRE_PROGRAMS").as_deref() == Ok("1");
    assert!(!required, "{why}");
    eprintln!("skipped: {why}");
}

/// A broker of one test's own, gone with the test, its port mapper too.
pub(crate) struct Own {
    process: Option<Child>,
    /// Of AMQP, of Erlang, and of its port mapper.
    ports: [u16; 3],
    folder: TempDir,
}

impl Drop for Own {
    fn drop(&mut self) {
        self.kill();
        let mut end = Command::new("epmd");
        end.arg("-kill")
            .env("ERL_EPMD_PORT", self.ports[2].to_string());
        let _ = end.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

impl Own {
    /// With more lines in its settings. `None` where the program is not there.
    pub(crate) fn start(settings: &[&str]) -> Option<Self> {
        if !Path::new(PROGRAMS).join("rabbitmq-server").is_file() {
            skip("there is no program rabbitmq-server; install Debian's package of this name");
            return None;
        }
        // All at once, so that they are different ones.
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.map(|listener| listener.local_addr().unwrap().port());
        let folder = tempfile::tempdir().unwrap();
        let mut text = "disk_free_limit.absolute = 1MB\n".to_owned();
        for line in settings {
            text.push_str(line);
            text.push('\n');
        }
        fs::write(folder.path().join("rabbit.conf"), text).unwrap();
        let mut server = Self {
            process: None,
            ports,
            folder,
        };
        server.start_again();
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.ports[0])
    }

    /// As `kill -9` ends it.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it again, with what it has on its disk.
    pub(crate) fn start_again(&mut self) {
        let mut server = Command::new("setpriv");
        server.args(["--pdeathsig", "KILL", "--"]);
        server.arg(Path::new(PROGRAMS).join("rabbitmq-server"));
        self.environment(&mut server);
        let log = fs::File::create(self.folder.path().join("out")).unwrap();
        server.stdin(Stdio::null()).stdout(log);
        self.process = Some(server.stderr(Stdio::null()).spawn().unwrap());
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.ports[0])).is_err() {
            let waited = begun.elapsed();
            assert!(waited < Duration::from_secs(120), "it does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn environment(&self, command: &mut Command) {
        let [port, dist, epmd] = self.ports.map(|port| port.to_string());
        let at = |name: &str| self.folder.path().join(name);
        command
            // The cookie is there.
            .env("HOME", self.folder.path())
            .env("RABBITMQ_NODENAME", format!("litink-{port}@localhost"))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", &port)
            .env("RABBITMQ_DIST_PORT", dist)
            .env("ERL_EPMD_PORT", epmd)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_MNESIA_BASE", at("mnesia"))
            .env("RABBITMQ_LOG_BASE", at("log"))
            .env("RABBITMQ_CONFIG_FILE", at("rabbit"))
            .env("RABBITMQ_CONF_ENV_FILE", at("none"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins"))
            .env("RABBITMQ_PID_FILE", at("pid"))
            // Erlang takes the place of the script, so that it ends with this.
            .env("RABBITMQ_ALLOW_INPUT", "1")
            .env("RABBITMQ_SERVER_START_ARGS", "-noinput")
            // Whether a consumer is too slow it asks twice a second, not once a minute.
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "+S 1:1 +sbwt none -rabbit channel_tick_interval 500",
            );
    }

    /// Runs an administrator's command.
    pub(crate) fn control(&self, arguments: &[&str]) -> String {
        let mut control = Command::new(Path::new(PROGRAMS).join("rabbitmqctl"));
        self.environment(&mut control);
        let output = control.args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}");
        said
    }

    /// What it wrote into its log.
    pub(crate) fn log(&self) -> String {
        let files = fs::read_dir(self.folder.path().join("log")).unwrap();
        let files = files.filter_map(|file| fs::read_to_string(file.ok()?.path()).ok());
        files.collect()
    }

    pub(crate) async fn queue(&self, file: &Path) -> RabbitQueue {
        queue(&self.url(), file, LEASE).await
    }
}

pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// A queue as another process has it: with connections of its own, over one file.
pub(crate) async fn queue(url: &str, file: &Path, lease: Duration) -> RabbitQueue {
    let database = SqliteDatabase::open_with(SqliteOptions::new(file))
        .await
        .unwrap();
    let store = Arc::new(SqliteQueue::new(database).with_lease(lease));
    RabbitQueue::new(RabbitServer::open(url).await.unwrap(), store)
}

/// A worker that keeps count of its turns.
pub(crate) struct Worker {
    pub(crate) queue: RabbitQueue,
    pub(crate) session: SessionId,
    pub(crate) received: u64,
}

impl Worker {
    pub(crate) async fn open(queue: &RabbitQueue) -> Self {
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

pub(crate) fn want(kind: &str, want: u32, wait: Duration) -> Turn {
    Turn {
        want,
        wait,
        kinds: vec![kind.to_owned()],
        ..Turn::default()
    }
}

pub(crate) fn complete(lease: Lease) -> Settle {
    Settle {
        lease,
        outcome: Outcome::Complete,
    }
}
