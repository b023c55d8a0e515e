//! What happened to the jobs of a queue, as those who took part saw it, and whether a queue that
//! keeps its contract can have made it happen.
//!
//! Everybody writes down what they ask before they ask, and what was answered after; whoever is
//! killed in between leaves a question without an answer, of which anything may have come. Times are
//! microseconds of the one clock of the machine. Each check speaks up only where nothing that is
//! allowed explains what was seen.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::{self, Display},
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use litink_core::{
    JobId, SessionId,
    queue::{JobState, Lease, Leased, Limit, Outcome},
};
use serde::{Deserialize, Serialize};

mod check;
#[cfg(test)]
mod tests;

pub use check::check;

/// Microseconds since 1970.
pub type Micros = u64;

/// The time now.
#[must_use]
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0))
}

/// A job in somebody's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// By which right.
    pub lease: Lease,
    /// Which execution it is.
    pub attempt: u32,
    /// How often its worker died.
    pub crashes: u32,
}

impl From<&Leased> for Held {
    fn from(leased: &Leased) -> Self {
        Self {
            lease: leased.lease,
            attempt: leased.job.attempt,
            crashes: leased.job.crashes,
        }
    }
}

/// A job that somebody was told is added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Added {
    /// The job.
    pub job: JobId,
    /// Its idempotency key.
    pub key: Option<String>,
    /// The keys of its limits.
    pub limits: Vec<String>,
    /// Executions that may fail.
    pub max_attempts: u32,
    /// Workers that may die.
    pub max_crashes: u32,
    /// When it was first asked for.
    pub sent: Micros,
    /// When it was acknowledged.
    pub got: Micros,
}

/// One thing that somebody did or saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A job was added.
    Added(Added),
    /// A worker's session began.
    Opened {
        /// The session.
        session: SessionId,
        /// How long it lives without a heartbeat.
        lease: Micros,
        /// When it was asked for.
        sent: Micros,
    },
    /// A heartbeat was acknowledged.
    Beat {
        /// The session.
        session: SessionId,
        /// When it was sent.
        sent: Micros,
    },
    /// A turn is about to be asked for.
    Asked {
        /// The session.
        session: SessionId,
        /// Which of its turns, by the worker's own count.
        turn: u64,
        /// When.
        sent: Micros,
        /// What it settles.
        settle: Vec<(Lease, Outcome)>,
    },
    /// A turn was answered.
    Answered {
        /// The session.
        session: SessionId,
        /// Which of its turns.
        turn: u64,
        /// When.
        got: Micros,
        /// Whether its settles were accepted.
        settled: Vec<bool>,
        /// What it leased.
        leased: Vec<Held>,
        /// What turns leased whose answers were lost.
        lost: Vec<Held>,
    },
    /// A session is about to be closed.
    Closing {
        /// The session.
        session: SessionId,
        /// When.
        sent: Micros,
    },
    /// Somebody is about to ask that jobs be cancelled.
    Cancelling {
        /// The jobs.
        jobs: Vec<JobId>,
    },
    /// A job was seen to be cancelled, for good.
    Cancelled {
        /// The job.
        job: JobId,
        /// When the answer that says so came.
        got: Micros,
    },
    /// How a job was found when nothing went on any more; `None`: not at all.
    Ended {
        /// The job.
        job: JobId,
        /// Its state.
        state: Option<JobState>,
    },
}

/// What somebody writes down; each event is in the file before the next thing is done.
#[derive(Debug)]
pub struct Log(File);

impl Log {
    /// Opens or begins one.
    ///
    /// # Errors
    /// As the file says.
    pub fn append(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self(file))
    }

    /// Writes an event, whole or, where the process is killed in it, in part.
    ///
    /// # Errors
    /// As the file says.
    pub fn write(&self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        (&self.0).write_all(&line)
    }
}

/// Reads what somebody wrote down, but for a last line that was cut off.
///
/// # Errors
/// As the file says, or where a line is no event.
pub fn read(path: &Path) -> io::Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut lines = BufReader::new(File::open(path)?).split(b'\n').peekable();
    while let Some(line) = lines.next() {
        match serde_json::from_slice(&line?) {
            Ok(event) => events.push(event),
            Err(_) if lines.peek().is_none() => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(events)
}

/// Something that the contract does not allow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Which invariant: `I1` to `I12` of the list in [`check`].
    pub invariant: &'static str,
    /// Of which job, if of one.
    pub job: Option<JobId>,
    /// What was seen.
    pub seen: String,
}

/// All that was written down about a job, in order of time.
#[must_use]
pub fn about(events: &[Event], job: JobId) -> Vec<String> {
    let mut lines = Vec::new();
    for event in events {
        let (time, line) = match event {
            Event::Asked {
                session,
                turn,
                sent,
                settle,
            } => {
                let of = settle.iter().find(|(lease, _)| lease.job == job);
                let Some((lease, outcome)) = of else { continue };
                (
                    *sent,
                    format!("{session} {turn} settles {} {outcome:?}", lease.token),
                )
            }
            Event::Answered {
                session,
                turn,
                got,
                leased,
                lost,
                ..
            } => {
                let is = |held: &&Held| held.lease.job == job;
                let (leased, lost) = (leased.iter().find(is), lost.iter().find(is));
                let settled = events.iter().any(|event| {
                    matches!(event, Event::Asked { session: s, turn: t, settle, .. }
                        if s == session && t == turn && settle.iter().any(|(it, _)| it.job == job))
                });
                if leased.or(lost).is_none() && !settled {
                    continue;
                }
                (
                    *got,
                    format!("{session} {turn} leased {leased:?} lost {lost:?}"),
                )
            }
            Event::Added(added) if added.job == job => (added.got, format!("{added:?}")),
            Event::Cancelled { job: of, got } if *of == job => (*got, format!("{event:?}")),
            Event::Cancelling { jobs } if jobs.contains(&job) => (0, "cancelling".to_owned()),
            Event::Ended { job: of, .. } if *of == job => (Micros::MAX, format!("{event:?}")),
            _ => continue,
        };
        lines.push((time, line));
    }
    lines.sort();
    let lines = lines.into_iter();
    lines.map(|(time, line)| format!("{time} {line}")).collect()
}

impl Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.job {
            Some(job) => write!(f, "{}: {job}: {}", self.invariant, self.seen),
            None => write!(f, "{}: {}", self.invariant, self.seen),
        }
    }
}
