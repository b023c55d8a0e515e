use std::{fmt, str::FromStr};

use litink_core::{Error, Result, engine::Budgets};
use serde::Deserialize;

use super::{bad, number};

/// What calls may cost, in US dollars (`"0.25"`); nothing for no limit. See
/// [`litink_core::engine::Budgets`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BudgetSettings {
    /// Of one call (`LITINK_BUDGET_CALL`).
    pub call: Option<Dollars>,
    /// Of one run (`LITINK_BUDGET_RUN`).
    pub run: Option<Dollars>,
    /// Of one user, in all (`LITINK_BUDGET_USER`).
    pub user: Option<Dollars>,
    /// Of one day in UTC, all users together (`LITINK_BUDGET_DAY`).
    pub day: Option<Dollars>,
}

impl BudgetSettings {
    /// Takes a variable, if it is one of these.
    pub(super) fn set(&mut self, key: &str, name: &str, value: &str) -> Result<bool> {
        let limit = match key {
            "BUDGET_CALL" => &mut self.call,
            "BUDGET_RUN" => &mut self.run,
            "BUDGET_USER" => &mut self.user,
            "BUDGET_DAY" => &mut self.day,
            _ => return Ok(false),
        };
        *limit = match value {
            "" => None,
            value => Some(number(name, value)?),
        };
        Ok(true)
    }

    /// As the engine takes them.
    #[must_use]
    pub fn limits(&self) -> Budgets {
        let mut budgets = Budgets::default();
        budgets.call_nanos = self.call.map(Dollars::nanos);
        budgets.run_nanos = self.run.map(Dollars::nanos);
        budgets.user_nanos = self.user.map(Dollars::nanos);
        budgets.day_nanos = self.day.map(Dollars::nanos);
        budgets
    }
}

/// An amount of US dollars, exact to a billionth: read as `5`, `0.25` or `"0.25"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "Written")]
pub struct Dollars(i64);

impl Dollars {
    /// Of so many billionths.
    #[must_use]
    pub fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// In billionths.
    #[must_use]
    pub fn nanos(self) -> i64 {
        self.0
    }
}

/// As people write amounts in a file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Whole(i64),
    Number(f64),
    Text(String),
}

impl TryFrom<Written> for Dollars {
    type Error = Error;
    fn try_from(written: Written) -> Result<Self> {
        match written {
            Written::Whole(number) => number.to_string().parse(),
            // The shortest text that is this number is what somebody wrote.
            Written::Number(number) => number.to_string().parse(),
            Written::Text(text) => text.parse(),
        }
    }
}

impl FromStr for Dollars {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            bad("an amount is US dollars of 0 or more, with at most nine digits after the point")
        };
        let text = text.trim();
        let text = text.strip_prefix('$').unwrap_or(text);
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |it: &str| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 9 {
            return Err(wrong());
        }
        let whole: i64 = whole.parse().map_err(|_| wrong())?;
        let part: i64 = format!("{part:0<9}").parse().map_err(|_| wrong())?;
        let nanos = whole
            .checked_mul(1_000_000_000)
            .and_then(|it| it.checked_add(part));
        nanos.map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Dollars {
    /// `$0.25`, `$0.000105`: at least two digits after the point, and no zeros for nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        let part = format!("{:09}", nanos % 1_000_000_000);
        let kept = part.trim_end_matches('0').len().max(2);
        write!(f, "{sign}${}.{}", nanos / 1_000_000_000, &part[..kept])
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Settings, *};

    #[test]
    fn amounts_are_exact() {
        for (text, nanos) in [
            ("5", Some(5_000_000_000)),
            ("0.1", Some(100_000_000)),
            (" $1.000000001 ", Some(1_000_000_001)),
            ("0.0000000001", None),
            ("-1", None),
            ("1e3", None),
            ("", None),
            (".5", None),
            ("9999999999999", None),
        ] {
            assert_eq!(
                text.parse::<Dollars>().ok().map(Dollars::nanos),
                nanos,
                "{text}"
            );
        }
        for (nanos, text) in [
            (0, "$0.00"),
            (105_000, "$0.000105"),
            (1_500_000_000, "$1.50"),
            (-70_000_000, "-$0.07"),
        ] {
            assert_eq!(Dollars(nanos).to_string(), text);
        }
    }

    #[test]
    fn budgets_come_from_the_file_and_from_variables() {
        let file = "[budgets]\ncall = 0.1\nrun = '2.50'\nday = 7";
        let variables = [("LITINK_BUDGET_RUN", "3"), ("LITINK_BUDGET_DAY", "")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let limits = Settings::parse(file, variables).unwrap().budgets.limits();
        assert_eq!(limits.call_nanos, Some(100_000_000));
        assert_eq!(limits.run_nanos, Some(3_000_000_000));
        assert_eq!((limits.user_nanos, limits.day_nanos), (None, None));
        assert!(Settings::parse("[budgets]\nrun = -1", []).is_err());
    }
}
