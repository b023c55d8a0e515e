use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use url::Url;

use super::{command, free_ports, skip, wait_for};

/// A RabbitMQ broker with its own port mapper.
#[derive(Debug)]
pub struct RabbitMq {
    server: Option<Child>,
    program: PathBuf,
    /// Of AMQP, of Erlang, and of its port mapper.
    ports: [u16; 3],
    folder: TempDir,
}

impl RabbitMq {
    /// `None`, said, where the program is not there.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        // Debian's wrapper on `PATH` wants to be root.
        let program = PathBuf::from("/usr/lib/rabbitmq/bin/rabbitmq-server");
        if !program.is_file() {
            skip("RabbitMQ is not installed; apt-get install rabbitmq-server");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(
            folder.path().join("rabbit.conf"),
            "disk_free_limit.absolute = 1MB\n",
        )
        .expect("settings");
        let mut server = Self {
            server: None,
            program,
            ports: free_ports(),
            folder,
        };
        server.start_again();
        Some(server)
    }

    /// Its URL.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn url(&self) -> Url {
        let url = format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.ports[0]);
        url.parse().expect("a URL")
    }

    /// Kills it.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Starts it again, on the same port and data.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_again(&mut self) {
        let [port, dist, mapper] = self.ports.map(|port| port.to_string());
        let at = |name: &str| self.folder.path().join(name);
        let mut server = command(&self.program, None);
        server
            .env("HOME", self.folder.path())
            .env("RABBITMQ_NODENAME", format!("litink-{port}@localhost"))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", &port)
            .env("RABBITMQ_DIST_PORT", dist)
            .env("ERL_EPMD_PORT", mapper)
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
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+S 1:1 +sbwt none")
            .stderr(Stdio::null());
        self.server = Some(server.spawn().expect("rabbitmq-server"));
        let port = self.ports[0];
        wait_for("rabbitmq", || greets(port).is_some());
    }
}

/// Whether it answers a client that speaks another protocol: it names its own.
fn greets(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(b"AMQP\x00\x00\x00\x00").ok()?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).ok()?;
    (&answer == b"AMQP").then_some(())
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        self.stop();
        let mut mapper = Command::new("epmd");
        mapper
            .arg("-kill")
            .env("ERL_EPMD_PORT", self.ports[2].to_string());
        let _ = mapper.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
