//! When a schedule ticks: cron texts in time zones, and what becomes of ticks that were missed.
//!
//! Pure: times in, times out. A fixed time that a clock change leaves out (02:30 where 02:00 is
//! followed by 03:00) ticks at the first moment after it; one that comes twice ticks the first
//! time. What ticks by interval (`*/10 * * * *`) goes by time that passes: nothing in the gap, and
//! both hours that have the same name.

use std::{collections::VecDeque, str::FromStr};

use chrono::{SubsecRound, TimeDelta};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Year},
};

use crate::{
    Error, Result,
    domain::{CatchUp, Timestamp},
    queue::MAX_BATCH,
};

/// A tick seen later than this was missed, and is left to [`CatchUp`]: longer than a restart or a
/// failover takes, shorter than what anybody would call missing.
pub const LATE: TimeDelta = TimeDelta::seconds(60);

/// A cron text in a time zone.
#[derive(Clone, Debug)]
pub struct Timetable {
    cron: Cron,
    time_zone: Tz,
}

/// What is to be done about a schedule now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// The ticks that make a job each, in order; at most [`MAX_BATCH`].
    pub ticks: Vec<Timestamp>,
    /// Up to where ticks are then dealt with; `None` where there was none.
    pub until: Option<Timestamp>,
}

impl Timetable {
    /// Reads a cron text and the IANA name of a time zone.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidInput`] with code `bad_cron`, `bad_time_zone`, or `never_ticks`
    /// for a day that no calendar has.
    pub fn parse(cron: &str, time_zone: &str) -> Result<Self> {
        let time_zone = Tz::from_str(time_zone).map_err(|_| {
            let message = "there is no such time zone; give an IANA name, such as `UTC` or \
                           `Europe/Berlin`";
            Error::invalid("bad_time_zone", message).with_context("given", short(time_zone))
        })?;
        let parsed = parser().parse(cron).map_err(|error| {
            let message = format!(
                "the cron text cannot be read ({}); it has five fields, minute, hour, day of \
                 month, month and day of week, and may have seconds before them: `30 2 * * MON`",
                short(&error.to_string()).trim_end_matches('.')
            );
            Error::invalid("bad_cron", message).with_context("given", short(cron))
        })?;
        let timetable = Self {
            cron: parsed,
            time_zone,
        };
        // Every day that there is comes within eight years (29 February, around 2100).
        if timetable.search(chrono::Utc::now()).is_none() {
            let message = "the cron text names a day that never comes";
            return Err(Error::invalid("never_ticks", message).with_context("given", short(cron)));
        }
        Ok(timetable)
    }

    /// The name of the time zone, as IANA spells it.
    #[must_use]
    pub fn time_zone(&self) -> &'static str {
        self.time_zone.name()
    }

    /// The first tick after a time; `None` where none comes any more.
    #[must_use]
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        // Where a whole day is left out of a calendar (Samoa, 30 December 2011), the search ends in
        // it, and goes on behind it.
        (0..=25).find_map(|hours| self.search(time + TimeDelta::hours(hours)))
    }

    fn search(&self, after: Timestamp) -> Option<Timestamp> {
        let local = after.trunc_subsecs(0).with_timezone(&self.time_zone);
        let next = self.cron.find_next_occurrence(&local, false).ok()?;
        // Whatever a clock change does, time goes on.
        Some(next.to_utc()).filter(|next| *next > after)
    }

    /// The ticks after `since` that have come by `now`, less those that were missed and are not to
    /// be made up for.
    #[must_use]
    pub fn due(&self, since: Timestamp, now: Timestamp, catch_up: CatchUp) -> Due {
        let edge = since.max(now - LATE);
        let in_time = self.newest(edge, now, MAX_BATCH);
        let missed = edge > since && self.next_after(since).is_some_and(|tick| tick <= edge);
        let mut ticks = match catch_up {
            _ if !missed => Vec::new(),
            CatchUp::Skip => Vec::new(),
            CatchUp::Last if in_time.is_empty() => self.missed(since, edge, 1),
            CatchUp::Last => Vec::new(),
            CatchUp::All(most) => self.missed(since, edge, most as usize),
        };
        let until = in_time.last().copied().or(missed.then_some(edge));
        ticks.extend(in_time);
        ticks.drain(..ticks.len().saturating_sub(MAX_BATCH));
        Due { ticks, until }
    }

    /// The newest ticks of a long time, without going through all of it.
    fn missed(&self, since: Timestamp, until: Timestamp, most: usize) -> Vec<Timestamp> {
        let mut span = LATE;
        loop {
            let from = since.max(until - span);
            let ticks = self.newest(from, until, most);
            if ticks.len() >= most || from == since {
                return ticks;
            }
            span = span * 4;
        }
    }

    /// The newest ticks after `since` and not after `until`.
    fn newest(&self, since: Timestamp, until: Timestamp, most: usize) -> Vec<Timestamp> {
        let mut ticks = VecDeque::new();
        let mut at = since;
        while let Some(tick) = self.next_after(at).filter(|tick| *tick <= until) {
            if ticks.len() == most {
                ticks.pop_front();
            }
            ticks.push_back(tick);
            at = tick;
        }
        ticks.into()
    }
}

/// Seconds may be given; years may not, since a schedule goes on.
fn parser() -> CronParser {
    CronParser::builder().year(Year::Disallowed).build()
}

/// So much of what somebody gave as an error may repeat.
fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn table(cron: &str, time_zone: &str) -> Timetable {
        Timetable::parse(cron, time_zone).unwrap()
    }

    /// The next ticks after a time, as UTC.
    fn next(cron: &str, time_zone: &str, after: &str, count: usize) -> Vec<String> {
        let table = table(cron, time_zone);
        let mut at = at(after);
        let mut ticks = Vec::new();
        for _ in 0..count {
            at = table.next_after(at).unwrap();
            ticks.push(at.format("%m-%dT%H:%M").to_string());
        }
        ticks
    }

    #[test]
    fn a_fixed_time_that_does_not_exist_ticks_once_right_after_the_gap() {
        // Berlin, 29 March 2026: 02:00 is followed by 03:00 (01:00 UTC).
        let ticks = next("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 4);
        assert_eq!(
            ticks,
            ["03-28T01:30", "03-29T01:00", "03-30T00:30", "03-31T00:30"]
        );
    }

    #[test]
    fn a_fixed_time_that_comes_twice_ticks_the_first_time() {
        // Berlin, 25 October 2026: 03:00 is followed by 02:00 (01:00 UTC).
        let ticks = next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(ticks, ["10-25T00:30", "10-26T01:30"]);
        // Also for one that looks in between the two.
        let ticks = next("30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", 1);
        assert_eq!(ticks, ["10-26T01:30"]);
    }

    #[test]
    fn an_interval_goes_by_time_that_passes() {
        let spring = next("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:10:00Z", 4);
        assert_eq!(
            spring,
            ["03-29T00:30", "03-29T01:00", "03-29T01:30", "03-29T02:00"]
        );
        let autumn = next("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:40:00Z", 6);
        assert_eq!(
            autumn,
            [
                "10-25T00:00",
                "10-25T00:30",
                "10-25T01:00",
                "10-25T01:30",
                "10-25T02:00",
                "10-25T02:30"
            ]
        );
    }

    #[test]
    fn clocks_that_change_by_half_an_hour_and_days_that_are_left_out() {
        // Lord Howe, 4 October 2026: 02:00 is followed by 02:30 (15:30 UTC the day before).
        let ticks = next(
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T00:00:00Z",
            2,
        );
        assert_eq!(ticks, ["10-03T15:30", "10-04T15:15"]);
        // Samoa had no 30 December 2011.
        let ticks = next("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", 2);
        assert_eq!(ticks, ["12-29T22:00", "12-30T22:00"]);
        let ticks = next("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", 1);
        assert_eq!(ticks, ["02-29T00:00"]);
    }

    /// Whatever the zone and the hour, ticks rise, and where one looks from makes no difference.
    #[test]
    fn ticks_rise_and_do_not_depend_on_when_one_looks() {
        let crons = ["*/7 * * * *", "30 2 * * *", "0 0 * * *", "15 1-3 * * *"];
        for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
            for cron in crons {
                let table = table(cron, zone);
                for start in ["2026-03-07T00:00:00Z", "2026-10-03T00:00:00Z"] {
                    let (start, mut found) = (at(start), Vec::new());
                    let end = start + TimeDelta::days(30);
                    let mut time = start;
                    while let Some(tick) = table.next_after(time).filter(|tick| *tick < end) {
                        assert!(tick > time, "{zone} {cron} {time}");
                        found.push(tick);
                        time = tick;
                    }
                    for (i, tick) in found.iter().enumerate() {
                        let from = if i == 0 { start } else { found[i - 1] };
                        for part in 1..4 {
                            let between = from + (*tick - from) * part / 4;
                            assert_eq!(table.next_after(between), Some(*tick), "{zone} {cron}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn ticks_in_time_are_due_whatever_the_policy() {
        let table = table("*/10 * * * * *", "UTC");
        let (since, now) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T00:00:35.5Z"));
        for catch_up in [CatchUp::Skip, CatchUp::Last, CatchUp::All(1)] {
            let due = table.due(since, now, catch_up);
            let ticks = [10, 20, 30].map(|second| since + TimeDelta::seconds(second));
            assert_eq!(due.ticks, ticks, "{catch_up}");
            assert_eq!(due.until, Some(ticks[2]));
        }
        let none = table.due(now, now + TimeDelta::seconds(1), CatchUp::Last);
        assert_eq!(none, Due::default());
    }

    #[test]
    fn missed_ticks_are_skipped_or_made_up_for_as_the_policy_says() {
        let table = table("0 * * * *", "UTC");
        // Down from 0:30 to 5:30: five were missed, and none is in time.
        let (since, now) = (at("2026-01-01T00:30:00Z"), at("2026-01-01T05:30:00Z"));
        let ticks = |due: &Due| -> Vec<String> {
            let hour = |tick: &Timestamp| tick.format("%H:%M").to_string();
            due.ticks.iter().map(hour).collect()
        };
        let skip = table.due(since, now, CatchUp::Skip);
        assert!(skip.ticks.is_empty());
        assert!(skip.until >= Some(at("2026-01-01T05:00:00Z")));
        assert_eq!(ticks(&table.due(since, now, CatchUp::Last)), ["05:00"]);
        let all = table.due(since, now, CatchUp::All(3));
        assert_eq!(ticks(&all), ["03:00", "04:00", "05:00"]);
        let all = table.due(since, now, CatchUp::All(500));
        assert_eq!(all.ticks.len(), 5);
        // What was dealt with is dealt with.
        assert_eq!(
            table.due(all.until.unwrap(), now, CatchUp::All(500)),
            Due::default()
        );
        // At 6:00 one is in time, and stands for those before it.
        let now = at("2026-01-01T06:00:01Z");
        assert_eq!(ticks(&table.due(since, now, CatchUp::Last)), ["06:00"]);
        assert_eq!(ticks(&table.due(since, now, CatchUp::Skip)), ["06:00"]);
        assert_eq!(
            ticks(&table.due(since, now, CatchUp::All(2))),
            ["04:00", "05:00", "06:00"]
        );
    }

    #[test]
    fn years_of_missed_seconds_are_not_gone_through_one_by_one() {
        let table = table("* * * * * *", "Europe/Berlin");
        let (since, now) = (at("1990-01-01T00:00:00Z"), at("2026-10-25T01:00:00Z"));
        let begun = std::time::Instant::now();
        let due = table.due(since, now, CatchUp::All(500));
        assert_eq!(due.ticks.len(), 560);
        assert_eq!(due.ticks.last(), Some(&now));
        assert_eq!(due.until, Some(now));
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    }

    #[test]
    fn what_cannot_be_read_says_what_can() {
        for (cron, zone, code) in [
            ("nonsense", "UTC", "bad_cron"),
            ("", "UTC", "bad_cron"),
            ("61 * * * *", "UTC", "bad_cron"),
            ("* * *", "UTC", "bad_cron"),
            ("0 0 0 1 1 * 2020", "UTC", "bad_cron"),
            ("0 0 30 2 *", "UTC", "never_ticks"),
            ("0 0 1 1 * ", "Europe/Atlantis", "bad_time_zone"),
            ("0 0 1 1 *", "", "bad_time_zone"),
        ] {
            let error = Timetable::parse(cron, zone).unwrap_err();
            assert_eq!(error.code(), code, "{cron} {zone}: {error}");
            assert!(error.to_string().len() > 30, "{error}");
        }
        assert_eq!(
            table("@daily", "Europe/Berlin").time_zone(),
            "Europe/Berlin"
        );
    }
}
