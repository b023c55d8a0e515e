//! Who is measured, and how each is started.

use std::{
    ffi::OsStr,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::contest;
use crate::{Result, peers, peers::Peers, process::Running};

/// What is needed to start peers; each is there or says why it is not.
pub(crate) struct Field<'a> {
    python: std::result::Result<&'a Peers, &'a String>,
    node: Result<PathBuf>,
    rust: Result<PathBuf>,
    /// Of a Postgres server that the command started.
    postgres: Result<String>,
}

/// One of those who are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    LitinkRedis,
    LitinkPostgres,
    LitinkSqlite,
    /// A job after the other, as without group commit.
    LitinkSqliteSingle,
    Celery,
    BullMq,
    BullMqRust,
    Apalis,
    Graphile,
    GraphileTuned,
}

impl Who {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LitinkRedis => "litink, Redis",
            Self::LitinkPostgres => "litink, Postgres",
            Self::LitinkSqlite => "litink, SQLite",
            Self::LitinkSqliteSingle => "litink, SQLite, one by one",
            Self::Celery => "Celery, Redis",
            Self::BullMq => "BullMQ, Redis",
            Self::BullMqRust => "bullmq-official, Redis",
            Self::Apalis => "apalis-redis",
            Self::Graphile => "graphile-worker, Postgres",
            Self::GraphileTuned => "graphile-worker tuned, Postgres",
        }
    }

    /// A round's jobs: of the slow ones as few as give stable ratios, and of apalis no more than it
    /// starts with.
    pub(crate) fn jobs(self) -> usize {
        match self {
            Self::LitinkRedis | Self::LitinkPostgres | Self::LitinkSqlite => 40_000,
            Self::GraphileTuned => 20_000,
            Self::BullMqRust | Self::BullMq => 10_000,
            Self::Apalis => 6_000,
            Self::Celery | Self::Graphile => 3_000,
            Self::LitinkSqliteSingle => 1_000,
        }
    }
}

impl<'a> Field<'a> {
    pub(crate) fn prepare(python: std::result::Result<&'a Peers, &'a String>) -> Self {
        let postgres = std::env::var("LITINK_BENCH_POSTGRES_URL");
        Self {
            python,
            node: node_peers(),
            rust: rust_peers(),
            postgres: postgres.map_err(|_| "there is no Postgres".into()),
        }
    }

    /// Lets one do so many jobs at so many at once, on a server of its own, and gives what it says.
    pub(crate) fn measure(&self, who: Who, what: &str, jobs: usize, at_once: u32) -> Result<Value> {
        match who {
            Who::LitinkPostgres | Who::Graphile | Who::GraphileTuned => {
                let url = database(self.postgres.as_deref().map_err(Clone::clone)?)?;
                self.start(
                    who,
                    &[what, &url, &jobs.to_string(), &at_once.to_string(), ""],
                )
            }
            Who::LitinkSqlite | Who::LitinkSqliteSingle => {
                let single = who == Who::LitinkSqliteSingle;
                let (what, at_once) = if single {
                    ("single", 1)
                } else {
                    (what, at_once)
                };
                let folder = litink_benches::stores::folder().map_err(|error| error.to_string())?;
                let path = folder.path().join("litink.db");
                let path = path.to_string_lossy();
                self.start(
                    who,
                    &[what, &path, &jobs.to_string(), &at_once.to_string(), ""],
                )
            }
            _ => {
                let (server, port) = redis()?;
                let url = format!("redis://127.0.0.1:{port}");
                let (jobs, at_once) = (jobs.to_string(), at_once.to_string());
                self.start(who, &[what, &url, &jobs, &at_once, &server.id()])
            }
        }
    }

    fn start(&self, who: Who, arguments: &[&str]) -> Result<Value> {
        let mut command = match who {
            Who::LitinkRedis
            | Who::LitinkPostgres
            | Who::LitinkSqlite
            | Who::LitinkSqliteSingle => {
                let program = std::env::current_exe().map_err(|error| error.to_string())?;
                let mut command = Command::new(program);
                command.arg(contest::CHILD);
                command
            }
            Who::Celery => {
                let mut command = self.python.map_err(Clone::clone)?.python();
                command.arg(peers::folder().join("queue_celery.py"));
                command
            }
            Who::BullMq | Who::Graphile | Who::GraphileTuned => {
                let script = match who {
                    Who::BullMq => "queue_bullmq.mjs",
                    _ => "queue_graphile.mjs",
                };
                let mut command = Command::new("node");
                command.arg(peers::folder().join(script));
                command.arg(self.node.as_ref().map_err(Clone::clone)?);
                if who != Who::BullMq {
                    command.env("TUNED", if who == Who::Graphile { "" } else { "1" });
                }
                command
            }
            Who::BullMqRust | Who::Apalis => {
                let mut command = Command::new(self.rust.as_ref().map_err(Clone::clone)?);
                command.arg(if who == Who::Apalis {
                    "apalis"
                } else {
                    "bullmq"
                });
                command
            }
        };
        let output = command.args(arguments).stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout);
        let last = said.trim().lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|_| "it gave no result".into())
    }
}

/// A Redis of its own for each run, that keeps nothing.
fn redis() -> Result<(Running, u16)> {
    let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr());
    let port = free.map_err(|error| error.to_string())?.port();
    let server = Running::start(
        Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"]),
    )?;
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if begun.elapsed() > Duration::from_secs(10) {
            return Err("redis-server does not answer".into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok((server, port))
}

/// A new database of the server: its URL.
fn database(server: &str) -> Result<String> {
    let name = format!("bench_{}", uuid::Uuid::new_v4().simple());
    let status = Command::new("psql")
        .args(["--quiet", "--dbname", server, "--command"])
        .arg(format!("create database {name}"))
        .stdout(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => {}
        _ => return Err("psql cannot make a database".into()),
    }
    let (rest, _) = server.rsplit_once('/').ok_or("the URL has no database")?;
    Ok(format!("{rest}/{name}"))
}

/// A folder below the target folder of this program, kept from run to run.
fn kept(name: &str) -> Result<PathBuf> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = program.parent().ok_or("this program has no folder")?;
    Ok(target.join(name))
}

fn run(mut command: Command, what: &str) -> Result<()> {
    let name = command.get_program().to_owned();
    eprintln!("queue: {what} ...");
    match command.stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("{what} failed")),
        Err(_) => Err(format!("{} is not installed", Path::new(&name).display())),
    }
}

fn node_peers() -> Result<PathBuf> {
    let folder = kept("queue-peers-node")?;
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let mut install = Command::new("npm");
    install.args(["install", "--silent", "--no-fund", "--no-audit", "--prefix"]);
    install.arg(&folder);
    install.args([
        "bullmq@6.7.0",
        "ioredis@6",
        "graphile-worker@0.17.3",
        "pg@8",
    ]);
    run(install, "installing bullmq and graphile-worker")?;
    Ok(folder)
}

fn rust_peers() -> Result<PathBuf> {
    let folder = kept("queue-peers-rust")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsStr::new("cargo").to_owned());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--quiet", "--manifest-path"]);
    build.arg(peers::folder().join("rust/Cargo.toml"));
    build.arg("--target-dir").arg(&folder);
    run(build, "building bullmq-official and apalis")?;
    Ok(folder.join("release/queue-peers"))
}
