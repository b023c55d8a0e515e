use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Entity, Meta, Timestamp};
use crate::{Error, JobId, ScheduleId, schema::Table};

/// Whether a schedule fires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScheduleState {
    /// Each tick makes a job.
    #[default]
    Active,
    /// Ticks go by, and are not made up for when it is resumed.
    Paused,
}

impl ScheduleState {
    /// Its name in rows and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
        }
    }
}

/// The most ticks that [`CatchUp::All`] makes up for: what one call adds to a queue, with room for
/// those that are in time.
pub const MAX_CATCH_UP: u32 = 500;

/// What becomes of ticks that no scheduler was there for: those seen more than a minute late. As
/// text `skip`, `last` or `all:100`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum CatchUp {
    /// Nothing.
    Skip,
    /// One job for all of them, the newest, unless a tick in time is there to do as much.
    #[default]
    Last,
    /// A job for each, or for the newest of them if they are more than this: 1 to
    /// [`MAX_CATCH_UP`].
    All(u32),
}

impl fmt::Display for CatchUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skip => f.write_str("skip"),
            Self::Last => f.write_str("last"),
            Self::All(most) => write!(f, "all:{most}"),
        }
    }
}

impl FromStr for CatchUp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let most = |text: &str| text.strip_prefix("all:")?.parse().ok();
        match text {
            "skip" => Ok(Self::Skip),
            "last" => Ok(Self::Last),
            "all" => Ok(Self::All(MAX_CATCH_UP)),
            _ => match most(text) {
                Some(most @ 1..=MAX_CATCH_UP) => Ok(Self::All(most)),
                _ => Err(Error::invalid(
                    "bad_catch_up",
                    format!(
                        "what becomes of missed ticks is `skip`, `last`, or `all:` and how many at \
                         most, 1 to {MAX_CATCH_UP}: `all:100`"
                    ),
                )
                .with_context("given", text.chars().take(64).collect::<String>())),
            },
        }
    }
}

impl From<CatchUp> for String {
    fn from(catch_up: CatchUp) -> Self {
        catch_up.to_string()
    }
}

impl TryFrom<String> for CatchUp {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

/// A line of the timetable: at each tick of a clock, a job. Written by services alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Id (of the name), owner (always the local one), version, times. The version rises with each
    /// tick, too.
    #[serde(flatten)]
    pub meta: Meta,
    /// Its name, which never changes. Names that begin with `litink.` are litink's own.
    pub name: String,
    /// Whether it fires.
    pub state: ScheduleState,
    /// Five fields from minute to day of week, or six with seconds first; `@daily` and the like.
    pub cron: String,
    /// The IANA name of the time zone in which the fields are read. Default `UTC`.
    pub time_zone: String,
    /// The kind of its jobs.
    pub kind: String,
    /// What its jobs are given.
    pub args: Value,
    /// The priority of its jobs. Default 0.
    pub priority: i16,
    /// What becomes of missed ticks.
    pub catch_up: CatchUp,
    /// 1 when added, one more with each edit, but not with ticks: what an editor compares.
    pub revision: u64,
    /// Every tick up to here has its job, or was left out. Moved on only after the job was
    /// acknowledged by the queue, and only from the version that was read.
    pub done_until: Timestamp,
    /// The newest tick that made a job.
    pub last_tick: Option<Timestamp>,
    /// The job of that tick.
    pub last_job: Option<JobId>,
}

impl Entity for Schedule {
    const TABLE: Table = Table::Schedules;
    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl Schedule {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> ScheduleId {
        ScheduleId(self.meta.id)
    }

    /// The id of the schedule with this name, so that there is one of a name.
    #[must_use]
    pub fn id_of(name: &str) -> ScheduleId {
        ScheduleId::derived(&[name.as_bytes()])
    }

    /// The id of the job of a tick, whoever enqueues it, and however often.
    #[must_use]
    pub fn job_of(&self, tick: Timestamp) -> JobId {
        JobId::derived(&[
            b"tick",
            self.meta.id.as_bytes(),
            &tick.timestamp_micros().to_le_bytes(),
        ])
    }

    /// Whether it is litink's own, which is paused rather than removed.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        self.name.starts_with(Self::BUILT_IN)
    }

    /// How the names of litink's own begin.
    pub const BUILT_IN: &'static str = "litink.";
}
