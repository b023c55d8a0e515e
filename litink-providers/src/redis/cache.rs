use std::{fmt, sync::LazyLock, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use litink_core::{
    Error, Result, ResultExt,
    cache::{Admission, Cache, RateRequest},
};
use redis::{Cmd, Script};

use super::{
    RedisServer, error,
    server::{Arg, PREFIX},
};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("cache.lua")));

/// Values on Redis, shared by all processes. Clones share the connection.
///
/// Redis may evict them when its memory is full, if its policy is not `noeviction`.
#[derive(Clone)]
pub struct RedisCache {
    server: RedisServer,
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisCache").field(&self.server).finish()
    }
}

impl RedisCache {
    /// The values of a server.
    #[must_use]
    pub fn new(server: RedisServer) -> Self {
        Self { server }
    }
}

/// A time to live in milliseconds: at least one, since Redis takes no less.
fn millis(ttl: Duration) -> u64 {
    const YEARS_30: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    // Thirty years of milliseconds are far below what 64 bits hold.
    (ttl.min(YEARS_30).as_millis() as u64).max(1)
}

fn command(name: &str, key: &str) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(format!("{PREFIX}c:{key}"));
    command
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let got: Result<Option<Vec<u8>>> = self.server.ask(&command("GET", key)).await;
        Ok(got.operation("cache.get")?.map(Bytes::from))
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()> {
        let mut set = command("SET", key);
        set.arg(value.as_ref()).arg("PX").arg(millis(ttl));
        self.server.ask(&set).await.operation("cache.put")
    }

    async fn replace(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool> {
        let mut args = vec![
            Arg::text("replace"),
            Arg::text(key),
            Arg::Bytes(value.to_vec()),
            Arg::text(millis(ttl)),
        ];
        args.extend(expected.map(|expected| Arg::Bytes(expected.to_vec())));
        self.server
            .run_once(&SCRIPT, &args)
            .await
            .map_err(|error| error::of(&error))
            .operation("cache.replace")
    }

    async fn take(&self, key: &str) -> Result<Option<Bytes>> {
        let taken: Result<Option<Vec<u8>>> = self.server.ask_once(&command("GETDEL", key)).await;
        Ok(taken.operation("cache.take")?.map(Bytes::from))
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64> {
        let args = [
            Arg::text("increment"),
            Arg::text(key),
            Arg::text(by),
            Arg::text(millis(ttl)),
        ];
        let sum: redis::RedisResult<i64> = self.server.run_once(&SCRIPT, &args).await;
        sum.map_err(|error| {
            let text = error.detail().unwrap_or_default();
            if text.contains("not an integer") || text.contains("overflow") {
                return Error::conflict("this value is no counter, or would be too large for one")
                    .with_code("not_a_counter");
            }
            error::of(&error)
        })
        .operation("cache.increment")
    }

    async fn rate(&self, key: &str, request: &RateRequest) -> Result<Admission> {
        let steps = request.steps()?;
        let mut args = vec![
            Arg::text("rate"),
            Arg::text(key),
            Arg::text(steps.max_wait),
            Arg::text(steps.throttle),
        ];
        for step in &steps.limits {
            args.push(Arg::text(&step.name));
            args.extend([step.window, step.add, step.least].map(Arg::text));
        }
        // Taken twice is taken once too often; a broken connection is for the caller to try again.
        let taken: Result<(i64, String)> = self
            .server
            .run_once(&SCRIPT, &args)
            .await
            .map_err(|error| error::of(&error));
        let (admitted, wait) = taken.operation("cache.rate")?;
        Ok(Admission {
            admitted: admitted == 1,
            wait: Duration::from_micros(wait.parse().unwrap_or(0)),
        })
    }
}
