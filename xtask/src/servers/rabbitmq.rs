//! A RabbitMQ broker.

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use super::free_port;
use crate::{
    packages,
    shell::{Result, TempDir},
};

/// Where Debian has the program without its wrapper, which wants to be root.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A broker of nobody else's; it and its port mapper live as long as this.
pub(crate) struct RabbitMq {
    server: Child,
    url: String,
    /// Of Erlang's port mapper.
    epmd: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "removed after it has stopped"))]
    folder: TempDir,
}

impl RabbitMq {
    /// Starts one; installs Debian's where there is none.
    pub(crate) fn start() -> Result<Self> {
        if !Path::new(PROGRAM).is_file() {
            packages::ensure(&[packages::RABBITMQ])?;
        }
        let folder = TempDir::new("rabbitmq")?;
        let at = |name: &str| folder.path().join(name);
        let (port, dist, epmd) = (free_port()?, free_port()?, free_port()?.to_string());
        let log = at("out");
        let out = fs::File::create(&log).map_err(|error| error.to_string())?;
        fs::write(at("rabbit.conf"), "disk_free_limit.absolute = 1MB\n")
            .map_err(|error| error.to_string())?;
        let server = Command::new(PROGRAM)
            // Its cookie is there.
            .env("HOME", folder.path())
            .env("RABBITMQ_NODENAME", format!("litink-{port}@localhost"))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", port.to_string())
            .env("RABBITMQ_DIST_PORT", dist.to_string())
            .env("ERL_EPMD_PORT", &epmd)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_MNESIA_BASE", at("mnesia"))
            .env("RABBITMQ_LOG_BASE", at("log"))
            .env("RABBITMQ_CONFIG_FILE", at("rabbit"))
            .env("RABBITMQ_CONF_ENV_FILE", at("none"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins"))
            .env("RABBITMQ_PID_FILE", at("pid"))
            // Erlang takes the place of the script, so that its id is the server's.
            .env("RABBITMQ_ALLOW_INPUT", "1")
            .env("RABBITMQ_SERVER_START_ARGS", "-noinput")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+S 1:1 +sbwt none")
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("rabbitmq-server does not start: {error}"))?;
        let mut started = Self {
            server,
            url: format!("amqp://guest:guest@127.0.0.1:{port}/%2f"),
            epmd,
            folder,
        };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = started.server.try_wait().ok().flatten();
            if ended.is_some() || began.elapsed() > Duration::from_secs(120) {
                let said = fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("rabbitmq-server does not start:\n{said}"));
            }
            sleep(Duration::from_millis(50));
        }
        Ok(started)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        // It holds nothing that matters; the port mapper that it started outlives it.
        let _ = self.server.kill();
        let _ = self.server.wait();
        let mut epmd = Command::new("epmd");
        epmd.arg("-kill").env("ERL_EPMD_PORT", &self.epmd);
        let _ = epmd.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_answers_and_leaves_nothing() {
        let server = RabbitMq::start().unwrap();
        let address = server.url().split(['@', '/']).nth(3).unwrap().to_owned();
        let (folder, epmd) = (server.folder.path().to_path_buf(), server.epmd.clone());
        let mapper = format!("127.0.0.1:{epmd}");
        assert!(TcpStream::connect(&address).is_ok());
        assert!(TcpStream::connect(&mapper).is_ok());
        drop(server);
        assert!(TcpStream::connect(&address).is_err());
        assert!(TcpStream::connect(&mapper).is_err());
        assert!(!folder.exists());
    }
}
