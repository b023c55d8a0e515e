use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;

use super::{Admission, Cache, RateRequest, rate::RateState};
use crate::{Error, Result};

/// Values in this process's memory, gone with it. Clones share the store.
///
/// Time is tokio's, so that a test with a paused clock needs no patience.
#[derive(Clone, Default)]
pub struct MemoryCache {
    values: Arc<Mutex<Values>>,
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be tokens.
        f.debug_struct("MemoryCache").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Values {
    by_key: HashMap<String, (Bytes, Instant)>,
    /// At this size the expired values are thrown out.
    sweep_at: usize,
    rates: HashMap<String, RateState>,
    /// The clock of `rates` counts from here.
    began: Option<Instant>,
}

impl MemoryCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn values(&self) -> MutexGuard<'_, Values> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// At so many keys those whose rates say nothing any more are forgotten.
const SWEEP_RATES: usize = 4_096;

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        Ok(self.values().live(key).map(|(value, _)| value.clone()))
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()> {
        self.values().set(key, value, expiry(ttl));
        Ok(())
    }

    async fn replace(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool> {
        let mut values = self.values();
        let as_expected = values.live(key).map(|(value, _)| value.as_ref()) == expected;
        if as_expected {
            values.set(key, value, expiry(ttl));
        }
        Ok(as_expected)
    }

    async fn take(&self, key: &str) -> Result<Option<Bytes>> {
        let taken = self.values().by_key.remove(key);
        Ok(taken.filter(is_live).map(|(value, _)| value))
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64> {
        let mut values = self.values();
        let (sum, expires) = match values.live(key) {
            Some((value, expires)) => (counter(value)?.saturating_add(by), *expires),
            None => (by, expiry(ttl)),
        };
        values.set(key, sum.to_string().into(), expires);
        Ok(sum)
    }

    async fn rate(&self, key: &str, request: &RateRequest) -> Result<Admission> {
        let steps = request.steps()?;
        let mut values = self.values();
        let began = *values.began.get_or_insert_with(Instant::now);
        let now = i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX);
        if values.rates.len() >= SWEEP_RATES {
            values.rates.retain(|_, state| state.ends() > now);
        }
        let state = values.rates.entry(key.to_owned()).or_default();
        Ok(state.carry_out(&steps, now))
    }
}

impl Values {
    fn live(&self, key: &str) -> Option<&(Bytes, Instant)> {
        self.by_key.get(key).filter(|value| is_live(value))
    }

    fn set(&mut self, key: &str, value: Bytes, expires: Instant) {
        const LEAST_SWEEP: usize = 1_024;
        if self.by_key.len() >= self.sweep_at.max(LEAST_SWEEP) {
            self.by_key.retain(|_, value| is_live(value));
            // Twice what is left, so that a sweep costs each value a constant.
            self.sweep_at = self.by_key.len() * 2;
        }
        self.by_key.insert(key.to_owned(), (value, expires));
    }
}

fn is_live((_, expires): &(Bytes, Instant)) -> bool {
    Instant::now() < *expires
}

/// A time that never comes where it cannot be told.
fn expiry(ttl: Duration) -> Instant {
    const YEARS_30: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    Instant::now() + ttl.min(YEARS_30)
}

fn counter(value: &Bytes) -> Result<i64> {
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Error::conflict("this value is no counter").with_code("not_a_counter"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn expired_values_do_not_pile_up() {
        let cache = MemoryCache::new();
        for i in 0..10_000 {
            let key = format!("key {i}");
            cache
                .put(&key, Bytes::new(), Duration::from_secs(1))
                .await
                .unwrap();
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        assert!(cache.values().by_key.len() <= 1_024);
    }
}
