use serde::{Deserialize, Serialize};

use super::Usage;

/// What a call cost, in billionths of a US dollar, and who says so. What nobody knows is
/// [`Cost::Unknown`], never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", content = "nanos", rename_all = "snake_case")]
pub enum Cost {
    /// The vendor says so: it wins over what a price list makes of it.
    Reported(i64),
    /// A price list makes it of the usage.
    Priced(i64),
    /// Neither is known.
    Unknown,
}

impl Cost {
    /// The amount, if it is known.
    #[must_use]
    pub fn nanos(self) -> Option<i64> {
        match self {
            Self::Reported(nanos) | Self::Priced(nanos) => Some(nanos),
            Self::Unknown => None,
        }
    }

    /// Who says so.
    #[must_use]
    pub fn source(self) -> CostSource {
        match self {
            Self::Reported(_) => CostSource::Reported,
            Self::Priced(_) => CostSource::Priced,
            Self::Unknown => CostSource::Unknown,
        }
    }

    /// Of two calls together: unknown where one is, and reported only where both are. A sum that no
    /// number holds is unknown, too.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let (Some(a), Some(b)) = (self.nanos(), other.nanos()) else {
            return Self::Unknown;
        };
        match (a.checked_add(b), self, other) {
            (Some(sum), Self::Reported(_), Self::Reported(_)) => Self::Reported(sum),
            (Some(sum), _, _) => Self::Priced(sum),
            (None, _, _) => Self::Unknown,
        }
    }
}

/// What a call used and cost, apart from what it made: of a call that failed, too, where its answer
/// says so ([`crate::Error::with_spent`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spent {
    /// What it used.
    pub usage: Usage,
    /// Billionths of a US dollar, as the vendor reports them.
    pub cost_nanos: Option<i64>,
    /// What a price list makes of `usage`, in the same unit.
    pub priced_nanos: Option<i64>,
}

impl Spent {
    /// Of a call that used this.
    #[must_use]
    pub fn new(usage: Usage) -> Self {
        Self {
            usage,
            ..Self::default()
        }
    }

    /// What it cost: what the vendor reports, else what a price list makes of it.
    #[must_use]
    pub fn cost(&self) -> Cost {
        match (self.cost_nanos, self.priced_nanos) {
            (Some(nanos), _) => Cost::Reported(nanos),
            (None, Some(nanos)) => Cost::Priced(nanos),
            (None, None) => Cost::Unknown,
        }
    }

    /// Of two calls together. What is not known of one is not known of both.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let sum = |a: Option<i64>, b: Option<i64>| a?.checked_add(b?);
        let both = self.cost().plus(other.cost());
        let reported = sum(self.cost_nanos, other.cost_nanos);
        Self {
            usage: self.usage.plus(&other.usage),
            cost_nanos: reported,
            // Where only one of them is reported, the sum is no vendor's word.
            priced_nanos: match reported {
                Some(_) => sum(self.priced_nanos, other.priced_nanos),
                None => both.nanos(),
            },
        }
    }
}

/// Who says what a call cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostSource {
    /// The vendor.
    Reported,
    /// A price list.
    Priced,
    /// Nobody.
    Unknown,
}

impl CostSource {
    /// Its name in rows and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Priced => "priced",
            Self::Unknown => "unknown",
        }
    }
}

/// The most that a call can use and cost, before it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Estimate {
    /// What it uses at most; `None` where no bound is known.
    pub usage: Usage,
    /// Billionths of a US dollar, at most; `None` where the price or a bound is not known, never 0.
    pub cost_nanos: Option<i64>,
}

impl Estimate {
    /// Of a call that costs nothing.
    #[must_use]
    pub fn free() -> Self {
        Self::at_most(0)
    }

    /// Of a call that costs no more than this.
    #[must_use]
    pub fn at_most(nanos: i64) -> Self {
        Self {
            usage: Usage::default(),
            cost_nanos: Some(nanos),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_stays_unknown() {
        let (reported, priced) = (Cost::Reported(2), Cost::Priced(3));
        assert_eq!(reported.plus(reported), Cost::Reported(4));
        assert_eq!(reported.plus(priced), Cost::Priced(5));
        assert_eq!(priced.plus(Cost::Unknown), Cost::Unknown);
        assert_eq!(Cost::Unknown.plus(reported).nanos(), None);
        assert_eq!(Cost::Priced(i64::MAX).plus(reported), Cost::Unknown);
        let of = |cost_nanos, priced_nanos| Spent {
            cost_nanos,
            priced_nanos,
            ..Spent::default()
        };
        for (a, b, both) in [
            (of(Some(2), Some(3)), of(Some(2), None), Cost::Reported(4)),
            (of(Some(2), Some(3)), of(None, Some(4)), Cost::Priced(6)),
            (of(Some(2), Some(3)), of(None, None), Cost::Unknown),
        ] {
            assert_eq!(a.plus(&b).cost(), both);
            assert_eq!(b.plus(&a).cost(), both);
        }
    }
}
