use std::{collections::BTreeMap, time::Duration};

use crate::{Error, ErrorKind, Result};

/// So much in a time, as vendors say it: requests a minute, tokens a minute.
///
/// A full bucket holds `amount`, which may be taken at once, and fills evenly within `per`: any
/// stretch of time `t` sees at most `amount + amount * t / per` taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How much, at least 1.
    pub amount: u64,
    /// In which time, at least a microsecond.
    pub per: Duration,
}

impl RateLimit {
    /// So much in a minute.
    #[must_use]
    pub const fn per_minute(amount: u64) -> Self {
        Self {
            amount,
            per: Duration::from_secs(60),
        }
    }

    fn window(self) -> i64 {
        micros(self.per).max(1)
    }

    /// The time in which so much flows in, rounded up.
    fn time_of(self, amount: u64) -> i64 {
        let (window, all) = (i128::from(self.window()), i128::from(self.amount.max(1)));
        let time = (i128::from(amount) * window + all - 1) / all;
        i64::try_from(time).unwrap_or(i64::MAX)
    }
}

/// One limit of a key, and what is done to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateUse {
    /// Its name under the key: `requests`, `tokens`.
    pub name: String,
    /// How much may be taken.
    pub rate: RateLimit,
    /// What is taken; below 0, what is given back.
    pub cost: i64,
    /// What the vendor said is left; counted where it is less than what we believed.
    pub remaining: Option<u64>,
}

/// What is taken from the limits of a key, given back, or learned about them, in one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateRequest {
    /// The limits, each name once; all are taken from, or none.
    pub limits: Vec<RateUse>,
    /// Book ahead where those before us keep us waiting for at most so long; longer, take nothing.
    /// What is given back or learned is so in any case.
    pub max_wait: Duration,
    /// Nobody takes anything for so long ("Retry-After"). What was said before is not shortened.
    pub throttle: Option<Duration>,
}

impl RateRequest {
    /// Takes from a limit.
    #[must_use]
    pub fn take(mut self, name: impl Into<String>, rate: RateLimit, cost: u64) -> Self {
        self.limits.push(RateUse {
            name: name.into(),
            rate,
            cost: i64::try_from(cost).unwrap_or(i64::MAX),
            remaining: None,
        });
        self
    }

    /// Corrects what was taken by what was used: takes the rest, or gives it back.
    #[must_use]
    pub fn correct(self, name: impl Into<String>, rate: RateLimit, taken: u64, used: u64) -> Self {
        let mut corrected = self.take(name, rate, 0);
        if let Some(last) = corrected.limits.last_mut() {
            let cost = i128::from(used) - i128::from(taken);
            last.cost = i64::try_from(cost).unwrap_or(i64::MAX);
        }
        corrected.max_wait = Duration::MAX;
        corrected
    }

    /// Believes a vendor that says how much is left.
    #[must_use]
    pub fn resync(self, name: impl Into<String>, rate: RateLimit, remaining: u64) -> Self {
        let mut synced = self.take(name, rate, 0);
        if let Some(last) = synced.limits.last_mut() {
            last.remaining = Some(remaining);
        }
        synced
    }

    /// Nobody takes anything for so long.
    #[must_use]
    pub fn throttle(mut self, time: Duration) -> Self {
        self.throttle = Some(time);
        self
    }

    /// Books ahead where those before us keep us waiting for at most so long.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// As a backend carries it out.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] (code `cost_above_limit`) for a cost that the limit never has;
    /// [`ErrorKind::InvalidInput`] (code `bad_rate`) for a limit of nothing, or one named twice.
    pub fn steps(&self) -> Result<RateSteps> {
        let mut steps = Vec::with_capacity(self.limits.len());
        for (i, it) in self.limits.iter().enumerate() {
            let twice = self.limits[..i].iter().any(|other| other.name == it.name);
            if it.rate.amount == 0 || it.rate.per.is_zero() || twice {
                let message = "a rate is at least 1 in a time above 0, and each limit has a name of \
                               its own";
                return Err(Error::invalid("bad_rate", message).with_context("limit", &it.name));
            }
            let taken = u64::try_from(it.cost).unwrap_or(0);
            if taken > it.rate.amount && self.max_wait != Duration::MAX {
                let message = "this takes more at once than the limit ever has; make it smaller, or \
                               raise the limit";
                let error = Error::new(ErrorKind::LimitExceeded, message);
                let error = error.with_code("cost_above_limit");
                return Err(error
                    .with_context("limit", &it.name)
                    .with_context("cost", it.cost)
                    .with_context("amount", it.rate.amount));
            }
            let add = it.rate.time_of(it.cost.unsigned_abs());
            let used = it
                .remaining
                .map(|left| it.rate.window() - it.rate.time_of(left.min(it.rate.amount)));
            steps.push(RateStep {
                name: it.name.clone(),
                window: it.rate.window(),
                add: if it.cost < 0 { -add } else { add },
                least: used.unwrap_or(0),
            });
        }
        Ok(RateSteps {
            limits: steps,
            max_wait: micros(self.max_wait),
            throttle: self.throttle.map_or(0, micros),
        })
    }
}

/// A [`RateRequest`] in microseconds of a store's clock, so that a store only adds and compares.
///
/// Each limit is one time in the store: until when all that was taken is paid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateSteps {
    /// The limits.
    pub limits: Vec<RateStep>,
    /// As [`RateRequest::max_wait`].
    pub max_wait: i64,
    /// As [`RateRequest::throttle`]; 0 for none.
    pub throttle: i64,
}

/// What is done to one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateStep {
    /// Its name.
    pub name: String,
    /// How far ahead of the clock it may be paid for: the time of a full bucket.
    pub window: i64,
    /// By how much it is paid for longer.
    pub add: i64,
    /// It is paid for at least so long from now.
    pub least: i64,
}

/// Whether it was taken, and when to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Whether it was taken. What was taken and is not used is given back by a negative cost.
    pub admitted: bool,
    /// If admitted, begin after this; else ask again after this.
    pub wait: Duration,
}

/// What a store keeps of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RateState {
    paid_until: BTreeMap<String, i64>,
    throttled_until: i64,
}

impl RateState {
    /// The reference: what every store does, in its own language.
    pub(super) fn carry_out(&mut self, steps: &RateSteps, now: i64) -> Admission {
        if steps.throttle > 0 {
            self.throttled_until = self.throttled_until.max(now.saturating_add(steps.throttle));
        }
        let throttled = self.throttled_until - now;
        let (mut before, mut after) = (throttled, throttled);
        let mut paid = Vec::with_capacity(steps.limits.len());
        for step in &steps.limits {
            let until = self.paid_until.get(&step.name).copied().unwrap_or(now);
            let until = until.max(now).max(now.saturating_add(step.least));
            let next = until.saturating_add(step.add);
            paid.push((until, next));
            if step.add > 0 {
                before = before.max(until - step.window - now);
                after = after.max(next - step.window - now);
            }
        }
        let admitted = before <= steps.max_wait;
        for (step, (until, next)) in steps.limits.iter().zip(paid) {
            let until = if admitted || step.add < 0 {
                next
            } else {
                until
            };
            self.paid_until.insert(step.name.clone(), until);
        }
        let wait = if admitted { after } else { before };
        Admission {
            admitted,
            wait: Duration::from_micros(u64::try_from(wait).unwrap_or(0)),
        }
    }

    /// After this it says no more than none at all.
    pub(super) fn ends(&self) -> i64 {
        let paid = self.paid_until.values().copied().max().unwrap_or(0);
        paid.max(self.throttled_until)
    }
}

/// Thirty years at most: far below what a double holds exactly.
fn micros(time: Duration) -> i64 {
    const YEARS_30: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    time.min(YEARS_30).as_micros() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_never_be_had_and_what_is_no_rate_are_refused() {
        let rate = RateLimit::per_minute(10);
        let none = RateLimit::per_minute(0);
        for (request, code) in [
            (
                RateRequest::default().take("a", rate, 11),
                "cost_above_limit",
            ),
            (RateRequest::default().take("a", none, 0), "bad_rate"),
            (
                RateRequest::default().take("a", rate, 1).take("a", rate, 1),
                "bad_rate",
            ),
        ] {
            assert_eq!(request.steps().unwrap_err().code(), code);
        }
        // What was used was used.
        let used = RateRequest::default().correct("a", rate, 1, 100);
        assert_eq!(
            used.steps().unwrap().limits[0].add,
            9 * 60_000_000 + 54_000_000
        );
    }
}
