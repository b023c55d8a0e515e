//! The limits of keys: who is under one, and whether another job may begin.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::far;
use crate::queue::{Limit, Rate};

/// All keys that something is known of.
#[derive(Debug, Default)]
pub(super) struct Limits {
    keys: HashMap<String, Key>,
}

#[derive(Debug, Default)]
struct Key {
    limit: Limit,
    running: u32,
    /// When what has begun is paid for by the rate: one job costs `per / jobs`, and up to `per` may
    /// be owed.
    paid_at: Option<Instant>,
    throttled: Option<Instant>,
}

impl Key {
    /// From when on the rate and the throttle let another one begin.
    fn opens(&self) -> Option<Instant> {
        let rate = self.limit.rate.zip(self.paid_at);
        let rate = rate.and_then(|(rate, paid)| (paid + cost(rate)).checked_sub(rate.per));
        rate.max(self.throttled)
    }

    fn admits(&self, now: Instant) -> bool {
        let room = self
            .limit
            .concurrency
            .is_none_or(|most| self.running < most);
        room && self.opens().is_none_or(|opens| opens <= now)
    }

    fn is_idle(&self, now: Instant) -> bool {
        let past = |at: Option<Instant>| at.is_none_or(|at| at <= now);
        self.limit == Limit::default()
            && self.running == 0
            && past(self.paid_at)
            && past(self.throttled)
    }
}

fn cost(rate: Rate) -> Duration {
    rate.per / rate.jobs.max(1)
}

impl Limits {
    pub(super) fn admit(&self, keys: &[String], now: Instant) -> bool {
        let mut known = keys.iter().filter_map(|key| self.keys.get(key));
        known.all(|key| key.admits(now))
    }

    /// A job under these keys begins.
    pub(super) fn begin(&mut self, keys: &[String], now: Instant) {
        for key in keys {
            let key = self.keys.entry(key.clone()).or_default();
            if let Some(rate) = key.limit.rate {
                let from = key.paid_at.map_or(now, |at| at.max(now));
                key.paid_at = Some(from + cost(rate));
            }
        }
    }

    /// So many more, or fewer, run under these keys.
    pub(super) fn count(&mut self, keys: &[String], by: i32) {
        for key in keys {
            let key = self.keys.entry(key.clone()).or_default();
            key.running = key.running.saturating_add_signed(by);
        }
    }

    pub(super) fn set(&mut self, key: &str, limit: Option<Limit>, now: Instant) {
        let known = self.keys.entry(key.to_owned()).or_default();
        known.limit = limit.unwrap_or_default();
        self.forget(key, now);
    }

    pub(super) fn throttle(&mut self, key: &str, time: Duration, now: Instant) {
        let known = self.keys.entry(key.to_owned()).or_default();
        known.throttled = if time.is_zero() {
            None
        } else {
            known.throttled.max(Some(far(now, time)))
        };
        self.forget(key, now);
    }

    /// When a rate or a throttle opens next.
    pub(super) fn next_opening(&self, now: Instant) -> Option<Instant> {
        let opens = self.keys.values().filter_map(Key::opens);
        opens.filter(|at| *at > now).min()
    }

    /// Forgets what is no limit any more.
    fn forget(&mut self, key: &str, now: Instant) {
        if self.keys.get(key).is_some_and(|key| key.is_idle(now)) {
            self.keys.remove(key);
        }
    }

    /// Forgets every key without a limit under which nothing runs.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.keys.retain(|_, key| !key.is_idle(now));
    }
}
