//! Dates, years and times of day.

use regex::Captures;

use super::{English, Rule, group, number, numbers::plural, rule};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// May is as short as it gets.
const MONTH: &str = r"(?<month>January|February|March|April|May|June|July|August|September|October|November|December|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)\b\.?)";

pub(super) fn rules() -> Vec<Option<Rule>> {
    vec![
        rule(
            r"\b(?<year>[0-9]{4})-(?<month>[0-9]{2})-(?<day>[0-9]{2})\b",
            |english, found| {
                english.date(
                    number(found, "month")?,
                    number(found, "day")?,
                    number(found, "year"),
                )
            },
        ),
        rule(
            r"\b(?<one>[0-9]{1,2})(?:/|\.)(?<two>[0-9]{1,2})(?:/|\.)(?<year>[0-9]{4}|[0-9]{2})\b",
            numeric,
        ),
        rule(
            &format!(
                r"\b{MONTH} (?<day>[0-9]{{1,2}})(?:st|nd|rd|th)?(?:,? (?<year>1[0-9]{{3}}|20[0-9]{{2}}))?\b(?<more>[,.:][0-9])?"
            ),
            |english, found| {
                if found.name("more").is_some() {
                    return None;
                }
                english.date(
                    month(group(found, "month"))?,
                    number(found, "day")?,
                    number(found, "year"),
                )
            },
        ),
        rule(
            &format!(
                r"\b(?<the>the )?(?<day>[0-9]{{1,2}})(?:st|nd|rd|th)?(?: of)? {MONTH}(?:,? (?<year>1[0-9]{{3}}|20[0-9]{{2}}))?\b"
            ),
            |english, found| {
                let month = MONTHS.get(month(group(found, "month"))?.checked_sub(1)? as usize)?;
                let day = number(found, "day").filter(|day| (1..=31).contains(day))?;
                let day = english.numbers.ordinal(day);
                let year = number(found, "year").map(|year| english.numbers.year(year));
                let year = year.map_or(String::new(), |year| format!(", {year}"));
                Some(format!("the {day} of {month}{year}"))
            },
        ),
        rule(
            &format!(r"\b{MONTH},? (?<year>1[0-9]{{3}}|20[0-9]{{2}})\b"),
            |english, found| {
                let month = MONTHS.get(month(group(found, "month"))?.checked_sub(1)? as usize)?;
                Some(format!(
                    "{month} {}",
                    english.numbers.year(number(found, "year")?)
                ))
            },
        ),
        rule(
            r"(?:\b(?<century>[0-9]{2})|(?<short>['’]|\b))(?<tens>[0-9]0)['’]?s\b",
            decade,
        ),
        rule(
            r"\b(?<from>1[0-9]{3}|20[0-9]{2}) ?[-–—] ?(?<to>1[0-9]{3}|20[0-9]{2}|[0-9]{2})\b(?<more>[-–—,.:/][0-9])?",
            years,
        ),
        rule(
            r"(?<before>\b(?i:in|since|until|till|during|year|circa|by|from|of|before|after|around|to|early|late|mid|spring|summer|autumn|winter|fall|and|between|for|AD|A\.D\.) |[(])(?<year>1[0-9]{3}|20[0-9]{2})\b(?<after>[ -]\p{Ll}+|[,.:/%][0-9]|%| ?[$€£°]| \p{Lu}\p{L}+)?",
            year,
        ),
        rule(
            r"\b(?<year>[0-9]{3,4})(?<after> (?:AD|BC|BCE|CE|A\.D\.|B\.C\.))",
            |english, found| {
                Some(format!(
                    "{}{}",
                    english.numbers.year(number(found, "year")?),
                    group(found, "after")
                ))
            },
        ),
        rule(
            r"\b(?<hour>[0-9]{1,2})[:.](?<minute>[0-9]{2})(?:[:](?<second>[0-9]{2}))? ?(?<half>[aApP]\.?[mM]\b\.?)",
            time,
        ),
        rule(
            r"\b(?<hour>[0-9]{1,2}):(?<minute>[0-9]{2})(?:[:](?<second>[0-9]{2}))?\b(?<more>[.:]?[0-9])?",
            time,
        ),
        rule(
            r"\b(?<hour>[0-9]{1,2}) ?(?<half>[aApP]\.[mM]\.|[aApP][mM]\b)",
            time,
        ),
        rule(
            r"\b(?<hour>[0-9]{1,2}) ?o['’]clock\b",
            |english, found| {
                let hour = number(found, "hour").filter(|hour| *hour <= 24)?;
                Some(format!("{} o’clock", english.numbers.cardinal(hour)))
            },
        ),
    ]
}

fn month(written: &str) -> Option<u64> {
    let short = written.get(..3)?;
    let place = MONTHS.iter().position(|month| month.starts_with(short))?;
    u64::try_from(place + 1).ok()
}

impl English {
    /// "March fourth, twenty twenty-four".
    fn date(&self, month: u64, day: u64, year: Option<u64>) -> Option<String> {
        let name = MONTHS.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
        let day = (1..=31).contains(&day).then(|| self.numbers.ordinal(day))?;
        let year = year.map(|year| self.numbers.year(year));
        let year = year.map_or(String::new(), |year| format!(", {year}"));
        Some(format!("{name} {day}{year}"))
    }
}

/// 3/4/2024: which is the month is for the region to say, unless the numbers do.
fn numeric(english: &English, found: &Captures<'_>) -> Option<String> {
    let (one, two) = (number(found, "one")?, number(found, "two")?);
    let year = match group(found, "year") {
        short if short.len() == 2 => short.parse::<u64>().ok()? + 1900,
        long => long.parse().ok()?,
    };
    // 17/12/24: nobody says of which century.
    let year = if group(found, "year").len() == 2 {
        year % 100
    } else {
        year
    };
    let month_first = two > 12 || (english.month_first && one <= 12);
    let (month, day) = if month_first { (one, two) } else { (two, one) };
    english.date(month, day, Some(year))
}

/// 1920s, the '60s.
fn decade(english: &English, found: &Captures<'_>) -> Option<String> {
    let tens = number(found, "tens")?;
    match number(found, "century") {
        Some(century) => Some(plural(&english.numbers.year(century * 100 + tens))),
        None if tens >= 20 => Some(plural(&english.numbers.cardinal(tens))),
        None => None,
    }
}

fn years(english: &English, found: &Captures<'_>) -> Option<String> {
    if found.name("more").is_some() {
        return None;
    }
    let (from, to) = (number(found, "from")?, number(found, "to")?);
    let to = if to < 100 {
        english.numbers.cardinal(to)
    } else {
        english.numbers.year(to)
    };
    Some(format!("{} to {to}", english.numbers.year(from)))
}

/// Words that go on after a year, and not after a count.
const GOES_ON: &[&str] = &[
    "and", "to", "or", "the", "he", "she", "it", "when", "was", "were", "with", "as", "at", "by",
    "in", "on", "but", "a", "an", "for", "from", "until", "they", "we", "that", "which", "is",
    "had", "there", "his", "her", "their", "after", "before", "under", "through", "while",
];

/// 1905 after "in" and the like, unless something is counted.
fn year(english: &English, found: &Captures<'_>) -> Option<String> {
    let after = group(found, "after");
    let word = after.trim_start();
    let counts = match word.chars().next() {
        None => false,
        Some(c) if c.is_lowercase() => !GOES_ON.contains(&word) || after.starts_with('-'),
        Some(c) if c.is_uppercase() => false,
        Some(_) => true,
    };
    if counts {
        return None;
    }
    let year = english.numbers.year(number(found, "year")?);
    Some(format!("{}{year}{after}", group(found, "before")))
}

fn time(english: &English, found: &Captures<'_>) -> Option<String> {
    if found.name("more").is_some() {
        return None;
    }
    let hour = number(found, "hour").filter(|hour| *hour <= 24)?;
    let minute = number(found, "minute").unwrap_or(0);
    let half = match group(found, "half").chars().next() {
        Some('a' | 'A') => " a.m.",
        Some(_) => " p.m.",
        None => "",
    };
    if minute > 59 || (!half.is_empty() && hour > 12) {
        return None;
    }
    let hours = english.numbers.cardinal(hour);
    let mut said = match minute {
        0 if half.is_empty() && (1..=12).contains(&hour) => format!("{hours} o’clock"),
        0 if half.is_empty() => format!("{hours} hundred hours"),
        0 => hours,
        1..=9 => format!("{hours} oh {}", english.numbers.cardinal(minute)),
        _ => format!("{hours} {}", english.numbers.cardinal(minute)),
    };
    if let Some(second) = number(found, "second") {
        let unit = if second == 1 { "second" } else { "seconds" };
        said = format!("{said} and {} {unit}", english.numbers.cardinal(second));
    }
    Some(said + half)
}
