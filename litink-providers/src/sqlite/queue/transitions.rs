//! How a job goes from state to state: pure functions, and the one statement that stores where it
//! went.

use litink_core::{
    Result, SessionId,
    queue::{JobState, Outcome},
};
use rusqlite::{OptionalExtension, Row};

use super::micros;
use crate::sqlite::{error::DbResult, writer::Tx};

/// A job as far as a transition looks at it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) seq: i64,
    pub(super) place: Place,
    attempt: u32,
    max_attempts: u32,
    crashes: u32,
    max_crashes: u32,
    scheduled_at: i64,
    pub(super) token: i64,
    /// Somebody wants it stopped.
    pub(super) cancelled: bool,
    pub(super) settled: Option<(uuid::Uuid, i64, String)>,
}

/// Where a job stands, coarsely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Waiting,
    Running(uuid::Uuid),
    Final,
}

const ENTRY: &str = "seq, state, session, attempt, max_attempts, crashes, max_crashes,
    scheduled_at, token, cancel, settled_by, settled_token, settled_as";

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let state: String = row.get(1)?;
    let session: Option<uuid::Uuid> = row.get(2)?;
    let is_final = JobState::parse(&state).is_some_and(JobState::is_final);
    let settled_by: Option<uuid::Uuid> = row.get(10)?;
    let settled = match settled_by {
        Some(session) => Some((session, row.get(11)?, row.get(12)?)),
        None => None,
    };
    Ok(Entry {
        seq: row.get(0)?,
        place: match session {
            Some(session) => Place::Running(session),
            None if is_final => Place::Final,
            None => Place::Waiting,
        },
        attempt: row.get(3)?,
        max_attempts: row.get(4)?,
        crashes: row.get(5)?,
        max_crashes: row.get(6)?,
        scheduled_at: row.get(7)?,
        token: row.get(8)?,
        cancelled: row.get::<_, i64>(9)? != 0,
        settled,
    })
}

/// The job with this id.
pub(super) fn by_id(tx: &Tx<'_>, id: uuid::Uuid) -> Result<Option<Entry>> {
    tx.prepare(&format!("SELECT {ENTRY} FROM jobs WHERE id = ?"))?
        .query_row([id], entry)
        .optional()
        .db()
}

/// The job with this number.
pub(super) fn by_seq(tx: &Tx<'_>, seq: i64) -> Result<Option<Entry>> {
    tx.prepare(&format!("SELECT {ENTRY} FROM jobs WHERE seq = ?"))?
        .query_row([seq], entry)
        .optional()
        .db()
}

/// Up to `limit` jobs that a session holds.
pub(super) fn held(tx: &Tx<'_>, session: SessionId, limit: u32) -> Result<Vec<Entry>> {
    tx.prepare(&format!(
        "SELECT {ENTRY} FROM jobs WHERE session = ? AND state = 'running' LIMIT ?"
    ))?
    .query_map((session.0, limit), entry)
    .and_then(Iterator::collect)
    .db()
}

/// Where a job goes when it is not leased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) state: JobState,
    attempt: u32,
    crashes: u32,
    scheduled_at: i64,
    /// `None` keeps the one before.
    error: Option<String>,
}

impl Entry {
    /// The end of one execution.
    pub(super) fn settle(&self, outcome: &Outcome, now: i64) -> Next {
        match outcome {
            Outcome::Complete => self.finish(JobState::Completed, None),
            Outcome::Cancel => self.finish(JobState::Cancelled, None),
            Outcome::Discard { error } => self.finish(JobState::Discarded, Some(error.clone())),
            Outcome::Retry { after, error } => {
                let error = Some(error.clone());
                if self.attempt >= self.max_attempts && !self.cancelled {
                    return self.finish(JobState::Discarded, error);
                }
                self.again(self.attempt, now + micros(*after), now, error)
            }
            Outcome::Snooze { after } => {
                self.again(self.attempt_back(), now + micros(*after), now, None)
            }
            // Release, and what the contract may add before this backend knows it: nothing is lost
            // by executing it again.
            _ => self.give_back(),
        }
    }

    pub(super) fn finish(&self, state: JobState, error: Option<String>) -> Next {
        Next {
            state,
            attempt: self.attempt,
            crashes: self.crashes,
            scheduled_at: self.scheduled_at,
            error,
        }
    }

    /// As if it had never been leased: it keeps its place among the others.
    pub(super) fn give_back(&self) -> Next {
        let next = self.finish(JobState::Available, None);
        self.unless_cancelled(Next {
            attempt: self.attempt_back(),
            ..next
        })
    }

    /// Its worker died under it.
    pub(super) fn rescue(&self, now: i64) -> Next {
        let crashed = Next {
            attempt: self.attempt_back(),
            crashes: self.crashes + 1,
            ..self.finish(JobState::Available, None)
        };
        if crashed.crashes >= self.max_crashes {
            return Next {
                state: JobState::Discarded,
                error: Some("its workers died under it".into()),
                ..crashed
            };
        }
        self.unless_cancelled(Next {
            scheduled_at: now,
            ..crashed
        })
    }

    fn again(&self, attempt: u32, due: i64, now: i64, error: Option<String>) -> Next {
        let state = if due > now {
            JobState::Retryable
        } else {
            JobState::Available
        };
        self.unless_cancelled(Next {
            attempt,
            scheduled_at: due,
            ..self.finish(state, error)
        })
    }

    /// One that somebody cancelled is not executed again.
    fn unless_cancelled(&self, next: Next) -> Next {
        let state = if self.cancelled {
            JobState::Cancelled
        } else {
            next.state
        };
        Next { state, ..next }
    }

    fn attempt_back(&self) -> u32 {
        self.attempt.saturating_sub(1)
    }
}

/// The settle that moved a job: session, token, and how.
pub(super) type Settled<'a> = (uuid::Uuid, i64, &'a str);

/// Stores where a job went. It is held by nobody then.
pub(super) fn move_to(
    tx: &Tx<'_>,
    seq: i64,
    next: &Next,
    now: i64,
    settled: Option<Settled<'_>>,
) -> Result<()> {
    let finished_at = next.state.is_final().then_some(now);
    let (by, token, how) = match settled {
        Some((by, token, how)) => (Some(by), Some(token), Some(how)),
        None => (None, None, None),
    };
    tx.prepare(
        "UPDATE jobs SET state = ?2, attempt = ?3, crashes = ?4, scheduled_at = ?5,
            finished_at = ?6, error = ifnull(?7, error), session = NULL, cancel = 0,
            settled_by = ifnull(?8, settled_by), settled_token = ifnull(?9, settled_token),
            settled_as = ifnull(?10, settled_as)
        WHERE seq = ?1",
    )?
    .execute(rusqlite::params![
        seq,
        next.state.as_str(),
        next.attempt,
        next.crashes,
        next.scheduled_at,
        finished_at,
        next.error,
        by,
        token,
        how,
    ])
    .db()?;
    Ok(())
}

/// An outcome's name, for telling a settle from its repetition.
pub(super) fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "complete",
        Outcome::Retry { .. } => "retry",
        Outcome::Snooze { .. } => "snooze",
        Outcome::Release => "release",
        Outcome::Discard { .. } => "discard",
        Outcome::Cancel => "cancel",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn running() -> Entry {
        Entry {
            seq: 1,
            place: Place::Running(uuid::Uuid::nil()),
            attempt: 1,
            max_attempts: 2,
            crashes: 0,
            max_crashes: 2,
            scheduled_at: 10,
            token: 1,
            cancelled: false,
            settled: None,
        }
    }

    fn retry(seconds: u64) -> Outcome {
        Outcome::Retry {
            after: Duration::from_secs(seconds),
            error: "e".into(),
        }
    }

    #[test]
    fn a_retry_waits_until_the_attempts_are_used_up() {
        let next = running().settle(&retry(1), 100);
        assert_eq!(
            (next.state, next.attempt, next.scheduled_at),
            (JobState::Retryable, 1, 1_000_100)
        );
        let now = running().settle(&retry(0), 100);
        assert_eq!((now.state, now.scheduled_at), (JobState::Available, 100));
        let last = Entry {
            attempt: 2,
            ..running()
        }
        .settle(&retry(1), 100);
        assert_eq!(
            (last.state, last.error.as_deref()),
            (JobState::Discarded, Some("e"))
        );
    }

    #[test]
    fn release_snooze_and_crash_give_the_attempt_back() {
        let snooze = Outcome::Snooze {
            after: Duration::from_secs(1),
        };
        assert_eq!(running().settle(&snooze, 100).attempt, 0);
        let released = running().settle(&Outcome::Release, 100);
        assert_eq!((released.attempt, released.scheduled_at), (0, 10));
        let crashed = running().rescue(100);
        assert_eq!(
            (crashed.attempt, crashed.crashes, crashed.scheduled_at),
            (0, 1, 100)
        );
        let poison = Entry {
            crashes: 1,
            ..running()
        }
        .rescue(100);
        assert_eq!(poison.state, JobState::Discarded);
    }

    #[test]
    fn what_is_cancelled_is_not_executed_again() {
        let cancelled = Entry {
            cancelled: true,
            attempt: 2,
            ..running()
        };
        for next in [
            cancelled.settle(&retry(1), 100),
            cancelled.settle(&Outcome::Release, 100),
            cancelled.rescue(100),
            cancelled.give_back(),
        ] {
            assert_eq!(next.state, JobState::Cancelled);
        }
        assert_eq!(
            cancelled.settle(&Outcome::Complete, 100).state,
            JobState::Completed
        );
    }
}
