//! What headers say of pauses and limits: for how long to wait, what is left, and when it is all there
//! again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use litink_core::provider::{RateLeft, RateSnapshot};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// A pause that is asked for is kept up to this; nobody means more.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);
/// No vendor has more limits than this.
const MOST_LIMITS: usize = 16;

pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// For how long an answer says to wait: `retry-after-ms`, `Retry-After` as seconds or a date, or when
/// a limit is reset that is used up. A date that is past is no pause, and what cannot be read says
/// nothing.
pub(super) fn pause(headers: &HeaderMap) -> Option<Duration> {
    let in_ms = header(headers, "retry-after-ms").and_then(|text| number(text, 0.001));
    let after = || {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let date = || Some(until(DateTime::parse_from_rfc2822(text).ok()?.to_utc()));
        number(text, 1.0)
            .or_else(date)
            .or_else(|| go_duration(text))
    };
    in_ms.or_else(after).or_else(|| {
        let used_up = snapshot(headers).limits.into_iter();
        used_up
            .filter(|it| it.remaining == 0)
            .filter_map(|it| it.resets)
            .max()
    })
}

/// What an answer says of the account's limits: `x-ratelimit-{limit,remaining,reset}-NAME` as OpenAI
/// says it, `anthropic-ratelimit-NAME-{limit,remaining,reset}`, and `x-ratelimit-{limit,remaining,
/// reset}` of gateways, which are of calls. Numbers below 0 are what gateways say that do not know.
pub(super) fn snapshot(headers: &HeaderMap) -> RateSnapshot {
    let mut found = RateSnapshot::default();
    for key in headers.keys() {
        let key = key.as_str();
        let name = key
            .strip_prefix("x-ratelimit-remaining-")
            .map(|name| (name, Shape::OpenAi));
        let name = name.or_else(|| {
            let name = key.strip_prefix("anthropic-ratelimit-")?;
            Some((name.strip_suffix("-remaining")?, Shape::Anthropic))
        });
        let bare = (key == "x-ratelimit-remaining").then_some(("requests", Shape::Bare));
        let Some((name, shape)) = name.or(bare) else {
            continue;
        };
        let read = |what: &str| header(headers, &shape.key(name, what));
        let amount = |what: &str| read(what).and_then(|text| text.parse::<i64>().ok());
        let Some(remaining) = amount("remaining").and_then(|it| u64::try_from(it).ok()) else {
            continue;
        };
        let name = name.replace('-', "_");
        let known = found.limits.iter().any(|it| it.name == name);
        if name.len() > 64 || known || found.limits.len() == MOST_LIMITS {
            continue;
        }
        let limit = amount("limit").and_then(|it| u64::try_from(it).ok());
        let left = RateLeft::new(name, remaining)
            .of(limit.filter(|it| *it > 0))
            .resets(read("reset").and_then(reset));
        found.limits.push(left);
    }
    found
}

#[derive(Clone, Copy)]
enum Shape {
    OpenAi,
    Anthropic,
    Bare,
}

impl Shape {
    fn key(self, name: &str, what: &str) -> String {
        match self {
            Self::OpenAi => format!("x-ratelimit-{what}-{name}"),
            Self::Anthropic => format!("anthropic-ratelimit-{name}-{what}"),
            Self::Bare => format!("x-ratelimit-{what}"),
        }
    }
}

/// `6m0s`, seconds, a time since 1970 in seconds or milliseconds, or a date as in RFC 3339.
fn reset(text: &str) -> Option<Duration> {
    if let Ok(number) = text.parse::<f64>() {
        let since = |seconds: f64| {
            let at = DateTime::from_timestamp_millis((seconds * 1_000.0) as i64)?;
            Some(until(at))
        };
        return match number {
            it if !it.is_finite() || it < 0.0 => None,
            it if it > 1e11 => since(it / 1_000.0),
            it if it > 1e9 => since(it),
            it => Some(bounded(it)),
        };
    }
    let date = || Some(until(DateTime::parse_from_rfc3339(text).ok()?.to_utc()));
    go_duration(text).or_else(date)
}

fn until(at: DateTime<Utc>) -> Duration {
    let left = (at - Utc::now()).to_std().unwrap_or_default();
    left.min(LONGEST_PAUSE)
}

fn bounded(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.min(LONGEST_PAUSE.as_secs_f64()))
}

fn number(text: &str, unit: f64) -> Option<Duration> {
    let seconds = text.parse::<f64>().ok()? * unit;
    (seconds.is_finite() && seconds >= 0.0).then(|| bounded(seconds))
}

/// `6m0s`, `93ms`, `1h2m3.5s`.
pub(super) fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|it: char| !it.is_ascii_digit() && it != '.')?;
        let (number, after) = rest.split_at(end);
        let unit_end = after
            .find(|it: char| it.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let unit = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * unit;
        rest = next;
    }
    let sane = f64::is_finite(seconds) && !text.is_empty();
    sane.then(|| bounded(seconds))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn read(given: &[(&'static str, &str)]) -> RateSnapshot {
        let pair = |(name, value): &(&'static str, &str)| {
            let value = HeaderValue::from_str(value).unwrap();
            (HeaderName::from_static(name), value)
        };
        let mut found = snapshot(&given.iter().map(pair).collect());
        found.limits.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    #[test]
    fn go_durations_are_read() {
        for (text, expected) in [
            ("93ms", Some(93)),
            ("6m0s", Some(360_000)),
            ("1h2m3s", Some(3_723_000)),
            ("", None),
            ("5", None),
            ("x", None),
        ] {
            let found = go_duration(text).map(|it| it.as_millis());
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_is_left_is_read_of_each_vendor() {
        let openai = read(&[
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", "499"),
            ("x-ratelimit-reset-requests", "120ms"),
            ("x-ratelimit-limit-tokens", "-1"),
            ("x-ratelimit-remaining-tokens", "7"),
            ("x-ratelimit-reset-tokens", "never"),
            ("x-ratelimit-remaining-images", "-1"),
        ]);
        let requests = RateLeft::new("requests", 499)
            .of(Some(500))
            .resets(Some(Duration::from_millis(120)));
        assert_eq!(openai.limits, [requests, RateLeft::new("tokens", 7)]);

        let soon = (Utc::now() + chrono::Duration::seconds(40)).to_rfc3339();
        let anthropic = read(&[
            ("anthropic-ratelimit-input-tokens-limit", "1000"),
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            ("anthropic-ratelimit-input-tokens-reset", &soon),
            ("anthropic-ratelimit-requests-remaining", "many"),
        ]);
        let [tokens] = anthropic.limits.as_slice() else {
            panic!("{anthropic:?}");
        };
        assert_eq!(
            (tokens.name.as_str(), tokens.amount),
            ("input_tokens", Some(1_000))
        );
        let resets = tokens.resets.unwrap().as_secs();
        assert!((38..=40).contains(&resets), "{resets}");

        let later = (Utc::now() + chrono::Duration::seconds(30)).timestamp_millis();
        for text in [later.to_string(), (later / 1_000).to_string(), "30".into()] {
            let gateway = read(&[
                ("x-ratelimit-limit", "20"),
                ("x-ratelimit-remaining", "3"),
                ("x-ratelimit-reset", &text),
            ]);
            assert_eq!(gateway.limits[0].name, "requests");
            let resets = gateway.limits[0].resets.unwrap().as_secs();
            assert!((28..=30).contains(&resets), "{text} {resets}");
        }
        assert!(read(&[("x-request-id", "1")]).is_empty());
    }
}
