use std::{
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Child,
    time::Duration,
};

use tempfile::TempDir;
use url::Url;

use super::{command, free_port, on_path, skip, wait_for};

/// A Redis server that writes each command to its disk before it answers.
#[derive(Debug)]
pub struct Redis {
    server: Option<Child>,
    program: PathBuf,
    port: u16,
    folder: TempDir,
}

impl Redis {
    /// `None`, said, where the program is not there.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let Some(program) = on_path("redis-server") else {
            skip("Redis is not installed; apt-get install redis-server");
            return None;
        };
        let mut server = Self {
            server: None,
            program,
            port: free_port(),
            folder: tempfile::tempdir().expect("a folder"),
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
        let url = format!("redis://127.0.0.1:{}", self.port);
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
        let mut server = command(&self.program, None);
        server
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args([
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
            ])
            .arg("--dir")
            .arg(self.folder.path());
        self.server = Some(server.spawn().expect("redis-server"));
        let port = self.port;
        wait_for("redis", || ready(port).is_some_and(|ready| ready));
    }
}

/// Whether it answers, and does not still read what it had written.
fn ready(port: u16) -> Option<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    stream.write_all(b"PING\r\n").ok()?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).ok()?;
    Some(&answer == b"+PONG")
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}
