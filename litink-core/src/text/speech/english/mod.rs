//! English.

mod abbreviations;
mod calendar;
mod numbers;
mod numerals;
mod quantities;

use std::sync::LazyLock;

use regex::{Captures, Regex};

use self::numbers::Numbers;

/// English as a region writes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct English {
    numbers: Numbers,
    /// Whether 3/4 is in March.
    month_first: bool,
    /// "meters", not "metres".
    american: bool,
}

/// A pattern, and what is said where it is found; `None` leaves it.
struct Rule {
    pattern: Regex,
    say: fn(&English, &Captures<'_>) -> Option<String>,
}

fn rule(pattern: &str, say: fn(&English, &Captures<'_>) -> Option<String>) -> Option<Rule> {
    let pattern = Regex::new(pattern).ok()?;
    Some(Rule { pattern, say })
}

/// In their order: what is more particular first, plain numbers last.
static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let all = [
        abbreviations::rules(),
        numerals::rules(),
        calendar::rules(),
        quantities::rules(),
    ];
    all.into_iter().flatten().flatten().collect()
});

impl English {
    pub(super) fn of(region: &str) -> Self {
        Self {
            numbers: Numbers {
                and: region != "us",
            },
            month_first: matches!(region, "" | "us" | "ca" | "ph"),
            american: region == "us",
        }
    }

    /// One pass of all rules.
    pub(super) fn say(&self, text: &str) -> String {
        let mut said = text.to_owned();
        for rule in RULES.iter() {
            let replaced = rule.pattern.replace_all(&said, |found: &Captures<'_>| {
                let words = (rule.say)(self, found);
                words.unwrap_or_else(|| found[0].to_owned())
            });
            if let std::borrow::Cow::Owned(replaced) = replaced {
                said = replaced;
            }
        }
        self.leftovers(&said)
    }

    /// Words of digits alone that no rule took.
    fn leftovers(&self, text: &str) -> String {
        let mut said = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(char::is_alphanumeric) {
            let word = &rest[start..];
            let length = word
                .find(|c: char| !c.is_alphanumeric())
                .unwrap_or(word.len());
            said.push_str(&rest[..start]);
            let word = &word[..length];
            match self.numbers.whole(word) {
                Some(words) if word.bytes().all(|b| b.is_ascii_digit()) => said.push_str(&words),
                _ => said.push_str(word),
            }
            rest = &rest[start + length..];
        }
        said + rest
    }
}

/// What a group found, or nothing.
fn group<'a>(found: &'a Captures<'_>, name: &str) -> &'a str {
    found.name(name).map_or("", |part| part.as_str())
}

fn number(found: &Captures<'_>, name: &str) -> Option<u64> {
    group(found, name).parse().ok()
}
