use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
};

use tempfile::TempDir;
use url::Url;

use super::{Postgres, answers, command, free_port, skip, wait_for};

/// A PgBouncer that lends its connections for a transaction at a time.
#[derive(Debug)]
pub struct PgBouncer {
    pooler: Option<Child>,
    user: Option<(u32, u32)>,
    port: u16,
    folder: TempDir,
}

impl PgBouncer {
    /// Before a server. `None`, said, where the program is not there.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn before(server: &Postgres) -> Option<Self> {
        if !program().is_file() {
            skip("PgBouncer is not installed; apt-get install pgbouncer");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        server.own(folder.path());
        let port = free_port();
        let users = folder.path().join("users");
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\npool_mode = transaction\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n\
             auth_file = {}\nmax_client_conn = 500\ndefault_pool_size = 8\n\
             ignore_startup_parameters = extra_float_digits\n",
            server.port,
            users.display()
        );
        fs::write(&users, "\"postgres\" \"\"\n").expect("users");
        fs::write(folder.path().join("settings"), settings).expect("settings");
        for file in ["users", "settings"] {
            server.own(&folder.path().join(file));
        }
        let mut pooler = Self {
            pooler: None,
            user: server.user,
            port,
            folder,
        };
        pooler.start_again();
        Some(pooler)
    }

    /// The URL of a database behind it.
    ///
    /// # Panics
    /// Where the name is none.
    #[must_use]
    pub fn url(&self, database: &str) -> Url {
        let address = format!("127.0.0.1:{}", self.port);
        let url = format!("postgres://postgres@{address}/{database}?pooler=transaction");
        url.parse().expect("a URL")
    }

    /// Kills it.
    pub fn stop(&mut self) {
        if let Some(mut pooler) = self.pooler.take() {
            let _ = pooler.kill();
            let _ = pooler.wait();
        }
    }

    /// Starts it again, on the same port.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_again(&mut self) {
        let mut pooler = command(program(), self.user);
        pooler.arg("-q").arg(self.folder.path().join("settings"));
        pooler.current_dir(self.folder.path());
        pooler.stderr(Stdio::null());
        self.pooler = Some(pooler.spawn().expect("pgbouncer"));
        wait_for("pgbouncer", || answers(self.port));
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Debian has it off the `PATH` of plain users.
fn program() -> &'static Path {
    Path::new("/usr/sbin/pgbouncer")
}
