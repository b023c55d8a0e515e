use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use litink_core::{Error, ErrorKind, Result};
use redis::{
    Client, Cmd, FromRedisValue, RedisError, RedisResult, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::Instant;

use super::{error, listening::Listener};

/// What all keys begin with: one hash tag, so that all are on one node.
pub(super) const PREFIX: &str = "{litink}:";

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take: that to the largest batch of jobs, over a slow network.
const ANSWER: Duration = Duration::from_secs(20);
/// For how long a call is tried again after a connection broke: a restart, or a failover.
const AGAIN: Duration = Duration::from_secs(5);
/// The pauses between the tries.
const PAUSE: Duration = Duration::from_millis(50);

/// The oldest version with all that the scripts use.
const OLDEST: (u32, u32) = (6, 2);

/// A Redis or Valkey server. Clones share its connections.
///
/// A broken connection is made again, and what was being asked is asked again for up to 5 s: most
/// calls may be repeated; those of a cache that may not fail at once.
#[derive(Clone)]
pub struct RedisServer {
    connection: ConnectionManager,
    /// Of heartbeats alone, which must not stand behind large answers; made at the first.
    beats: ConnectionManager,
    listener: Arc<Listener>,
    place: String,
    number: i64,
    holds_jobs: Arc<AtomicBool>,
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisServer").field(&self.place).finish()
    }
}

impl RedisServer {
    /// Connects to `redis://[USER][:PASSWORD@]HOST[:PORT][/NUMBER]`, or `rediss://` for TLS.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] (code `redis_unreachable`); [`ErrorKind::Configuration`] (codes
    /// `bad_backend_url`, `redis_login_refused`); [`ErrorKind::Unsupported`] (codes
    /// `redis_too_old`, `redis_cluster`).
    pub async fn open(url: &str) -> Result<Self> {
        crate::init_tls();
        let client = Client::open(url).map_err(|error| error::of(&error))?;
        let info = client.get_connection_info();
        let (place, number) = (info.addr().to_string(), info.redis_settings().db());
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER))
            .set_number_of_retries(3)
            .set_min_delay(PAUSE)
            .set_max_delay(PAUSE * 10);
        let beats = ConnectionManager::new_lazy_with_config(client.clone(), config.clone());
        let beats = beats.map_err(|error| error::of(&error))?;
        let connecting = ConnectionManager::new_with_config(client.clone(), config);
        let connection = connecting.await.map_err(|error| error::of(&error))?;
        let server = Self {
            connection,
            beats,
            listener: Listener::new(client),
            place: format!("{place}/{number}"),
            number,
            holds_jobs: Arc::default(),
        };
        server.facts().await?.usable()?;
        Ok(server)
    }

    /// Host, port and number, for people.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The number of the database: messages do not heed it.
    pub(super) fn number(&self) -> i64 {
        self.number
    }

    pub(super) fn listener(&self) -> &Arc<Listener> {
        &self.listener
    }

    /// Whether a queue is on it, which must not be evicted.
    pub(super) fn holds_jobs(&self) -> bool {
        self.holds_jobs.load(Ordering::Relaxed)
    }

    pub(super) fn hold_jobs(&self) {
        self.holds_jobs.store(true, Ordering::Relaxed);
    }

    /// A script, sent by its hash; the server forgets scripts at a restart, and is told anew.
    pub(super) async fn run<T: FromRedisValue>(&self, script: &Script, args: &[Arg]) -> Result<T> {
        run(&self.connection, script, args).await
    }

    /// The same beside everything else.
    pub(super) async fn beat<T: FromRedisValue>(&self, script: &Script, args: &[Arg]) -> Result<T> {
        run(&self.beats, script, args).await
    }

    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        let asked = self.try_ask(command).await;
        asked.map_err(|error| error::of(&error))
    }

    /// As [`ask`](Self::ask), but never twice: for what a repetition would do twice.
    pub(super) async fn ask_once<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        let asked = command.query_async(&mut self.connection.clone()).await;
        asked.map_err(|error| error::of(&error))
    }

    /// As [`run`](Self::run), but never twice.
    pub(super) async fn run_once<T: FromRedisValue>(
        &self,
        script: &Script,
        args: &[Arg],
    ) -> RedisResult<T> {
        run_once(&self.connection, script, args).await
    }

    pub(super) async fn try_ask<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let mut tries = Tries::new();
        loop {
            match command.query_async(&mut self.connection.clone()).await {
                Err(error) if tries.pause(&error).await => leave(&self.connection, &error).await,
                asked => return asked,
            }
        }
    }

    /// What the server says of itself.
    pub(super) async fn facts(&self) -> Result<Facts> {
        let text: String = self.ask(&redis::cmd("INFO")).await?;
        Ok(Facts::read(&text))
    }

    /// How often it writes its log to the disk, where it may be asked.
    pub(super) async fn fsync(&self) -> Option<String> {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg("appendfsync");
        let pair: Vec<String> = self.try_ask(&command).await.ok()?;
        pair.into_iter().nth(1)
    }
}

async fn run_once<T: FromRedisValue>(
    connection: &ConnectionManager,
    script: &Script,
    args: &[Arg],
) -> RedisResult<T> {
    let mut invocation = script.key(PREFIX);
    for arg in args {
        invocation.arg(arg.as_bytes());
    }
    invocation.invoke_async(&mut connection.clone()).await
}

async fn run<T: FromRedisValue>(
    connection: &ConnectionManager,
    script: &Script,
    args: &[Arg],
) -> Result<T> {
    let mut tries = Tries::new();
    loop {
        match run_once(connection, script, args).await {
            Err(error) if tries.pause(&error).await => leave(connection, &error).await,
            ran => return ran.map_err(|error| error::of(&error)),
        }
    }
}

/// Has a server close the connection that was the primary and is not any more: the next one goes
/// where the address leads now. Left open, it would lead to the replica for good.
async fn leave(connection: &ConnectionManager, error: &RedisError) {
    if error.code() == Some("READONLY") {
        let quit = redis::cmd("QUIT").exec_async(&mut connection.clone()).await;
        tracing::debug!(?quit, "this Redis has become a replica");
    }
}

/// The tries of one call.
struct Tries {
    until: Instant,
    pause: Duration,
}

impl Tries {
    fn new() -> Self {
        Self {
            until: Instant::now() + AGAIN,
            pause: PAUSE,
        }
    }

    /// Waits before another try; whether there is to be one.
    async fn pause(&mut self, error: &RedisError) -> bool {
        if !error::is_passing(error) || Instant::now() + self.pause >= self.until {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE * 10);
        true
    }
}

/// An argument of a script.
#[derive(Debug)]
pub(super) enum Arg {
    /// Text or a number, as text.
    Text(String),
    /// As it is.
    Bytes(Vec<u8>),
}

impl Arg {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    pub(super) fn text(value: impl ToString) -> Self {
        Self::Text(value.to_string())
    }

    pub(super) fn id(id: uuid::Uuid) -> Self {
        Self::Bytes(id.as_bytes().to_vec())
    }
}

/// What a server says of itself (`INFO`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The version of Redis that it is compatible with.
    pub(super) version: String,
    /// Valkey's own version, if it is one.
    pub(super) valkey: Option<String>,
    cluster: bool,
    /// What it does when its memory is full.
    pub(super) policy: String,
    /// Whether it keeps a log of every write.
    pub(super) aof: bool,
}

impl Facts {
    fn read(text: &str) -> Self {
        let mut facts = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.trim_end().split_once(':') else {
                continue;
            };
            match name {
                "redis_version" => value.clone_into(&mut facts.version),
                "valkey_version" => facts.valkey = Some(value.to_owned()),
                "redis_mode" => facts.cluster = value == "cluster",
                "maxmemory_policy" => value.clone_into(&mut facts.policy),
                "aof_enabled" => facts.aof = value == "1",
                _ => {}
            }
        }
        facts
    }

    /// Whether litink can work with such a server.
    pub(super) fn usable(&self) -> Result<()> {
        let mut numbers = self
            .version
            .split('.')
            .map(|part| part.parse().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if version < OLDEST {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "this Redis is too old; litink needs Redis 6.2, or Valkey 7.2",
            )
            .with_code("redis_too_old")
            .with_context("version", &self.version));
        }
        if self.cluster {
            return Err(error::cluster());
        }
        Ok(())
    }

    /// Whether jobs may be trusted to it: it never throws away what nobody asked it to.
    pub(super) fn keeps_jobs(&self) -> Result<()> {
        if self.policy == "noeviction" {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Configuration,
            "this Redis throws keys away when its memory is full, and would throw jobs away; set \
             `maxmemory-policy noeviction`, and use another server for what may be evicted",
        )
        .with_code("redis_evicts")
        .with_context("maxmemory_policy", &self.policy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(version: &str, mode: &str, policy: &str) -> Facts {
        Facts::read(&format!(
            "# Server\r\nredis_version:{version}\r\nredis_mode:{mode}\r\n\r\n# Memory\r\n\
             maxmemory_policy:{policy}\r\naof_enabled:1\r\n"
        ))
    }

    #[test]
    fn old_servers_and_clusters_are_refused() {
        for (version, mode, code) in [
            ("6.2.0", "standalone", None),
            ("7.0.15", "sentinel", None),
            ("10.1", "standalone", None),
            ("6.0.16", "standalone", Some("redis_too_old")),
            ("", "standalone", Some("redis_too_old")),
            ("7.2.4", "cluster", Some("redis_cluster")),
        ] {
            let usable = facts(version, mode, "noeviction").usable();
            let found = usable.err().map(|error| error.code().to_owned());
            assert_eq!(found.as_deref(), code, "{version} {mode}");
        }
    }

    #[test]
    fn jobs_are_kept_where_nothing_is_evicted() {
        assert!(
            facts("7.0.0", "standalone", "noeviction")
                .keeps_jobs()
                .is_ok()
        );
        for policy in ["allkeys-lru", "volatile-ttl", ""] {
            let error = facts("7.0.0", "standalone", policy)
                .keeps_jobs()
                .unwrap_err();
            assert_eq!(error.code(), "redis_evicts");
        }
    }
}
