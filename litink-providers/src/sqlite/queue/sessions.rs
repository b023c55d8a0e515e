//! The lives of workers.

use std::time::Duration;

use litink_core::{
    JobId, Result, SessionId,
    queue::{Beat, Lease, Session, validate::session_lost},
};
use rusqlite::OptionalExtension;

use super::{
    micros,
    transitions::{held, move_to},
};
use crate::sqlite::{error::DbResult, writer::Tx};

/// The most sessions, and jobs of each, that one turn rescues; the next turn goes on.
const RESCUED_SESSIONS: u32 = 16;
const RESCUED_JOBS: u32 = 1_000;

pub(super) fn open(tx: &Tx<'_>, worker: &str, lease: Duration) -> Result<Session> {
    let id = SessionId::random();
    let now = tx.now();
    tx.execute(
        "INSERT INTO job_sessions (id, worker, opened_at, lease, expires_at, turn)
        VALUES (?1, ?2, ?3, ?4, ?3 + ?4, 0)",
        (id.0, worker, now, micros(lease)),
    )?;
    Ok(Session { id, lease })
}

pub(super) fn heartbeat(tx: &Tx<'_>, id: SessionId) -> Result<Beat> {
    let now = tx.now();
    let alive = tx.execute(
        "UPDATE job_sessions SET expires_at = ?2 + lease WHERE id = ?1 AND expires_at > ?2",
        (id.0, now),
    )?;
    if alive == 0 {
        return Err(session_lost());
    }
    let cancel = cancels(tx, id)?;
    Ok(Beat { cancel })
}

pub(super) fn close(tx: &Tx<'_>, id: SessionId) -> Result<()> {
    let now = tx.now();
    for entry in held(tx, id, u32::MAX)? {
        move_to(tx, entry.seq, &entry.give_back(), now, None)?;
    }
    tx.execute("DELETE FROM job_sessions WHERE id = ?", [id.0])?;
    Ok(())
}

/// The number of the last turn of a session that is alive.
pub(super) fn last_turn(tx: &Tx<'_>, id: SessionId, now: i64) -> Result<i64> {
    tx.prepare("SELECT turn FROM job_sessions WHERE id = ? AND expires_at > ?")?
        .query_row((id.0, now), |row| row.get(0))
        .optional()
        .db()?
        .ok_or_else(session_lost)
}

/// The leases of a session that are to stop.
pub(super) fn cancels(tx: &Tx<'_>, id: SessionId) -> Result<Vec<Lease>> {
    tx.prepare(
        "SELECT id, token FROM jobs WHERE session = ? AND state = 'running' AND cancel > 0
        ORDER BY seq",
    )?
    .query_map([id.0], |row| {
        Ok(Lease {
            job: JobId(row.get(0)?),
            token: row.get::<_, i64>(1)?.unsigned_abs(),
        })
    })
    .and_then(Iterator::collect)
    .db()
}

/// Brings back what sessions held that ended without closing; says whether there was any.
pub(super) fn rescue(tx: &Tx<'_>, now: i64) -> Result<bool> {
    let expired: Vec<SessionId> = tx
        .prepare("SELECT id FROM job_sessions WHERE expires_at <= ? LIMIT ?")?
        .query_map((now, RESCUED_SESSIONS), |row| row.get(0).map(SessionId))
        .and_then(Iterator::collect)
        .db()?;
    for session in &expired {
        rescue_session(tx, *session, now)?;
    }
    Ok(!expired.is_empty())
}

fn rescue_session(tx: &Tx<'_>, session: SessionId, now: i64) -> Result<()> {
    let jobs = held(tx, session, RESCUED_JOBS)?;
    for entry in &jobs {
        move_to(tx, entry.seq, &entry.rescue(now), now, None)?;
    }
    if jobs.len() < RESCUED_JOBS as usize {
        tx.execute("DELETE FROM job_sessions WHERE id = ?", [session.0])?;
    }
    Ok(())
}
