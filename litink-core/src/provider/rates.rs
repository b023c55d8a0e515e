use std::time::Duration;

/// What a vendor's answer says of the account's limits, as far as it says anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateSnapshot {
    /// Each limit once.
    pub limits: Vec<RateLeft>,
}

/// What is left of one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLeft {
    /// As in [`super::layers::CallRates`]: `requests`, `tokens`, `images`; others as the vendor names
    /// them.
    pub name: String,
    /// How much there is when nothing was taken, if it says.
    pub amount: Option<u64>,
    /// How much is left.
    pub remaining: u64,
    /// After so long all of it is there again, if it says.
    pub resets: Option<Duration>,
}

impl RateSnapshot {
    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }
}

impl RateLeft {
    /// What is left of a limit.
    pub fn new(name: impl Into<String>, remaining: u64) -> Self {
        Self {
            name: name.into(),
            amount: None,
            remaining,
            resets: None,
        }
    }

    /// How much there is when nothing was taken.
    #[must_use]
    pub fn of(mut self, amount: Option<u64>) -> Self {
        self.amount = amount;
        self
    }

    /// After how long all of it is there again.
    #[must_use]
    pub fn resets(mut self, after: Option<Duration>) -> Self {
        self.resets = after;
        self
    }

    /// After how long so much is there, where limits fill evenly, as those of the vendors do. `None`
    /// where it is there now, or nobody knows.
    #[must_use]
    pub fn wait_for(&self, cost: u64) -> Option<Duration> {
        let missing = cost.checked_sub(self.remaining).filter(|it| *it > 0)?;
        let resets = self.resets?;
        let taken = self.amount?.checked_sub(self.remaining)?.max(1);
        let share = (missing as f64 / taken as f64).min(1.0);
        Some(resets.mul_f64(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_fills_evenly() {
        let minute = Some(Duration::from_secs(60));
        let left = RateLeft::new("requests", 0).of(Some(60)).resets(minute);
        assert_eq!(left.wait_for(1), Some(Duration::from_secs(1)));
        assert_eq!(left.wait_for(100), minute, "no longer than the whole");
        let left = RateLeft::new("tokens", 20).of(Some(100)).resets(minute);
        assert_eq!(left.wait_for(20), None);
        assert_eq!(left.wait_for(60), Some(Duration::from_secs(30)));
        assert_eq!(RateLeft::new("tokens", 0).wait_for(1), None);
        // A vendor that says nonsense is not waited for without an end.
        let odd = RateLeft::new("tokens", 50).of(Some(10)).resets(minute);
        assert_eq!(odd.wait_for(60), None);
    }
}
