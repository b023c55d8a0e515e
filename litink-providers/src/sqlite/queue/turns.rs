//! One pass of a worker's turn.

use litink_core::{
    Result, SessionId,
    queue::{Exchanged, Lease, Leased, Outcome, Settle, Turn},
};
use rusqlite::Connection;

use super::{
    rows::{COLUMNS, leased},
    sessions::{cancels, last_turn, rescue},
    sharing::best,
    transitions::{Place, by_id, move_to, name},
};
use crate::sqlite::{error::DbResult, writer::Tx};

/// The most jobs that one turn makes available because they are due; the next turn goes on.
const PROMOTED: u32 = 1_000;

/// What a pass came to.
pub(super) enum Pass {
    /// The turn is over. Others may have something to do now, if `news`.
    Over { exchanged: Exchanged, news: bool },
    /// It brought nothing, and changed nothing.
    Idle,
}

pub(super) fn pass(tx: &Tx<'_>, session: SessionId, turn: &Turn, may_wait: bool) -> Result<Pass> {
    let now = tx.now();
    let number = last_turn(tx, session, now)? + 1;
    let promoted = promote(tx, now)?;
    let rescued = rescue(tx, now)?;
    let settled = settle_all(tx, session, &turn.settle, now)?;
    // What this turn settled is not lost any more, what it leases not yet.
    let lost = lost(tx, session, turn.received)?;
    let leased = lease(tx, session, turn, number)?;
    let cancel = cancels(tx, session)?;
    let told = tell(tx, session, &cancel)?;
    let nothing = settled.is_empty() && leased.is_empty() && lost.is_empty() && !told;
    if nothing && may_wait {
        return Ok(Pass::Idle);
    }
    tx.execute(
        "UPDATE job_sessions SET turn = ?2 WHERE id = ?1",
        (session.0, number),
    )?;
    let put_back = |settle: &Settle| !matches!(settle.outcome, Outcome::Complete);
    let news = promoted || rescued || turn.settle.iter().any(put_back) || makes_room(tx, &settled)?;
    let exchanged = Exchanged {
        number: number.unsigned_abs(),
        settled,
        leased,
        cancel,
        lost,
    };
    Ok(Pass::Over { exchanged, news })
}

/// Whether the end of an execution may let another begin, under a limit.
fn makes_room(tx: &Tx<'_>, settled: &[bool]) -> Result<bool> {
    if !settled.contains(&true) {
        return Ok(false);
    }
    let mut limits = tx.prepare("SELECT 1 FROM job_limits")?;
    limits.exists([]).db()
}

/// What is due is available; says whether there was any.
fn promote(tx: &Tx<'_>, now: i64) -> Result<bool> {
    let promoted = tx.execute(
        "UPDATE jobs SET state = 'available' WHERE seq IN (
            SELECT seq FROM jobs
            WHERE state IN ('scheduled', 'retryable') AND scheduled_at <= ?
            ORDER BY scheduled_at LIMIT ?
        )",
        (now, PROMOTED),
    )?;
    Ok(promoted > 0)
}

/// What the session leased in turns whose replies did not arrive.
fn lost(tx: &Tx<'_>, session: SessionId, received: u64) -> Result<Vec<Leased>> {
    let received = i64::try_from(received).unwrap_or(i64::MAX);
    let sql = format!(
        "SELECT {COLUMNS} FROM jobs WHERE session = ? AND state = 'running' AND turn > ?
        ORDER BY seq"
    );
    let mut statement = tx.prepare(&sql)?;
    let found = statement
        .query_map((session.0, received), |row| Ok(leased(row)))
        .db()?;
    found.map(|row| row.db()?).collect()
}

pub(super) fn settle_all(
    tx: &Tx<'_>,
    session: SessionId,
    settles: &[Settle],
    now: i64,
) -> Result<Vec<bool>> {
    settles
        .iter()
        .map(|settle| settle_one(tx, session, settle, now))
        .collect()
}

fn settle_one(tx: &Tx<'_>, session: SessionId, settle: &Settle, now: i64) -> Result<bool> {
    let Some(entry) = by_id(tx, settle.lease.job.0)? else {
        return Ok(false);
    };
    let Ok(token) = i64::try_from(settle.lease.token) else {
        return Ok(false);
    };
    let how = name(&settle.outcome);
    if entry.place != Place::Running(session.0) || entry.token != token {
        return Ok(entry
            .settled
            .is_some_and(|(by, of, was)| (by, of, was.as_str()) == (session.0, token, how)));
    }
    let next = entry.settle(&settle.outcome, now);
    move_to(tx, entry.seq, &next, now, Some((session.0, token, how)))?;
    Ok(true)
}

fn lease(tx: &Tx<'_>, session: SessionId, turn: &Turn, number: i64) -> Result<Vec<Leased>> {
    if turn.want == 0 {
        return Ok(Vec::new());
    }
    let sql = format!(
        "UPDATE jobs SET state = 'running', session = ?2, turn = ?3, token = token + 1,
            attempt = attempt + 1, cancel = 0
        WHERE seq = ?1 RETURNING {COLUMNS}"
    );
    let mut statement = tx.prepare(&sql)?;
    let mut jobs = Vec::new();
    for seq in best(tx, &turn.kinds, turn.want)? {
        let job = statement
            .query_row((seq, session.0, number), |row| Ok(leased(row)))
            .db()?;
        jobs.push(job?);
    }
    Ok(jobs)
}

/// Of these kinds (none: of those that have an available job), the ones that are not paused.
pub(super) fn open_kinds(connection: &Connection, kinds: &[String]) -> Result<Vec<String>> {
    let wanted = if kinds.is_empty() {
        kinds_with_jobs(connection)?
    } else {
        kinds.to_vec()
    };
    let mut paused = connection
        .prepare_cached("SELECT 1 FROM paused_kinds WHERE kind = ?")
        .db()?;
    let mut open = Vec::with_capacity(wanted.len());
    for kind in wanted {
        if !open.contains(&kind) && !paused.exists([&kind]).db()? {
            open.push(kind);
        }
    }
    Ok(open)
}

/// By leaps over the index, one for each kind, however many jobs there are.
fn kinds_with_jobs(connection: &Connection) -> Result<Vec<String>> {
    connection
        .prepare_cached(
            "WITH RECURSIVE found (kind) AS (
                SELECT min(kind) FROM jobs WHERE state = 'available'
                UNION ALL
                SELECT (
                    SELECT min(kind) FROM jobs WHERE state = 'available' AND kind > found.kind
                ) FROM found WHERE found.kind IS NOT NULL
            )
            SELECT kind FROM found WHERE kind IS NOT NULL",
        )
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .db()
}

/// Notes that a worker was told what to stop; says whether there was something new.
fn tell(tx: &Tx<'_>, session: SessionId, cancel: &[Lease]) -> Result<bool> {
    if cancel.is_empty() {
        return Ok(false);
    }
    let told = tx.execute(
        "UPDATE jobs SET cancel = 2 WHERE session = ? AND state = 'running' AND cancel = 1",
        [session.0],
    )?;
    Ok(told > 0)
}
