use std::{fmt, time::Duration};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use litink_core::{
    Error, Result, ResultExt,
    cache::{Admission, Cache, RateRequest},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::PostgresDatabase;

/// Values in PostgreSQL, across processes, in an unlogged table: quick to write, and gone when the
/// server crashes. The clock is the server's.
#[derive(Clone)]
pub struct PostgresCache {
    database: PostgresDatabase,
}

impl fmt::Debug for PostgresCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresCache")
            .field("place", &self.database.place())
            .finish_non_exhaustive()
    }
}

impl PostgresCache {
    /// The values of a database.
    #[must_use]
    pub fn new(database: PostgresDatabase) -> Self {
        Self { database }
    }

    async fn call(&self, mut request: Value) -> Result<Value> {
        // The same when it is repeated because the answer was lost.
        request["call"] = json!(Uuid::new_v4());
        let statement = "SELECT litink.cache_call($1)";
        let reply = self.database.call(statement, &request).await?;
        reply.map_err(|refusal| match refusal.code() {
            "not_a_counter" => {
                Error::conflict("the value is no counter").with_code("not_a_counter")
            }
            _ => refusal.of(&[]),
        })
    }
}

#[async_trait]
impl Cache for PostgresCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let reply = self.call(json!({ "op": "get", "key": key })).await;
        reply.and_then(|reply| value(&reply)).operation("cache.get")
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()> {
        let value = STANDARD.encode(value);
        let request = json!({ "op": "put", "key": key, "value": value, "ttl": micros(ttl) });
        self.call(request).await.map(drop).operation("cache.put")
    }

    async fn replace(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool> {
        let request = json!({
            "op": "replace",
            "key": key,
            "expected": expected.map(|expected| STANDARD.encode(expected)),
            "value": STANDARD.encode(value),
            "ttl": micros(ttl),
        });
        let reply = self.call(request).await;
        reply
            .and_then(|reply| reply.as_bool().ok_or_else(other_form))
            .operation("cache.replace")
    }

    async fn take(&self, key: &str) -> Result<Option<Bytes>> {
        let reply = self.call(json!({ "op": "take", "key": key })).await;
        reply
            .and_then(|reply| value(&reply))
            .operation("cache.take")
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64> {
        let request = json!({ "op": "increment", "key": key, "by": by, "ttl": micros(ttl) });
        let reply = self.call(request).await;
        reply
            .and_then(|reply| reply.as_i64().ok_or_else(other_form))
            .operation("cache.increment")
    }

    async fn rate(&self, key: &str, request: &RateRequest) -> Result<Admission> {
        let steps = request.steps()?;
        let limits = steps.limits.iter().map(|step| {
            json!({ "name": step.name, "window": step.window, "add": step.add, "least": step.least })
        });
        let request = json!({
            "key": key,
            "limits": limits.collect::<Vec<_>>(),
            "max_wait": steps.max_wait,
            "throttle": steps.throttle,
            "call": Uuid::new_v4(),
        });
        let statement = "SELECT litink.cache_rate($1)";
        let reply = self.database.call(statement, &request).await;
        let reply = reply.and_then(|reply| reply.map_err(|refusal| refusal.of(&[])));
        let reply = reply.operation("cache.rate")?;
        let wait = reply["wait"].as_u64();
        match (reply["admitted"].as_bool(), wait.map(Duration::from_micros)) {
            (Some(admitted), Some(wait)) => Ok(Admission { admitted, wait }),
            _ => Err(other_form()),
        }
    }
}

/// A time in microseconds; one that never comes where it cannot be told.
fn micros(ttl: Duration) -> i64 {
    const YEARS_30: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    // Thirty years of microseconds are far below what 64 bits hold.
    ttl.min(YEARS_30).as_micros() as i64
}

fn value(reply: &Value) -> Result<Option<Bytes>> {
    let Some(text) = reply.as_str() else {
        return Ok(None);
    };
    // In lines, as PostgreSQL writes it.
    let text = text.replace('\n', "");
    let bytes = STANDARD.decode(text).map_err(|_| other_form())?;
    Ok(Some(bytes.into()))
}

fn other_form() -> Error {
    Error::internal("values of the cache come in another form")
}
