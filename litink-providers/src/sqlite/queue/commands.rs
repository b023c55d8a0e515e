//! What operators do to a queue.

use std::time::Duration;

use litink_core::{
    Error, ErrorKind, Result,
    queue::{Command, JobState, Limit, Selector},
};

use super::{
    adding::with_key,
    micros,
    transitions::{Place, by_seq, move_to},
};
use crate::sqlite::{database::SqliteDatabase, error::DbResult, writer::Tx};

/// The most jobs that one command for a group, or for all discarded jobs, touches.
const MAX_GROUP: u32 = 10_000;
const MAX_DISCARDED: u32 = 1_000;

/// Jobs pruned in one transaction: others get their turn in between.
const PRUNED: u32 = 5_000;

pub(super) async fn control(database: &SqliteDatabase, command: &Command) -> Result<u64> {
    if let Command::Prune { older_than } = command {
        return prune(database, *older_than).await;
    }
    let command = command.clone();
    database.write(move |tx| apply(tx, &command)).await
}

fn apply(tx: &Tx<'_>, command: &Command) -> Result<u64> {
    let now = tx.now();
    let touched = match command {
        Command::Cancel(selector) => each(tx, selector, |seq| cancel(tx, seq, now))?,
        Command::Replay(selector) => each(tx, selector, |seq| replay(tx, seq, now))?,
        Command::Pause { kind } => tx.execute(
            "INSERT INTO paused_kinds (kind, paused_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (kind, now),
        )?,
        Command::Resume { kind } => {
            tx.execute("DELETE FROM paused_kinds WHERE kind = ?", [kind])?
        }
        Command::Limit { key, limit } => set_limit(tx, key, limit.unwrap_or_default())?,
        Command::Throttle { key, time } => throttle(tx, key, *time, now)?,
        Command::Weigh { tenant, weight } => tx.execute(
            "INSERT INTO job_weights (tenant, weight) VALUES (?1, ?2)
            ON CONFLICT (tenant) DO UPDATE SET weight = ?2",
            (
                tenant.map_or(Vec::new(), |it| it.0.as_bytes().to_vec()),
                weight,
            ),
        )?,
        _ => return Err(unknown()),
    };
    Ok(touched as u64)
}

fn each(
    tx: &Tx<'_>,
    selector: &Selector,
    mut act: impl FnMut(i64) -> Result<bool>,
) -> Result<usize> {
    let mut touched = 0;
    for seq in select(tx, selector)? {
        touched += usize::from(act(seq)?);
    }
    Ok(touched)
}

/// The numbers of the jobs that are meant, oldest first.
fn select(tx: &Tx<'_>, selector: &Selector) -> Result<Vec<i64>> {
    match selector {
        Selector::Ids(ids) => {
            let ids = ids.iter().map(|id| numbers(tx, "id = ?", [id.0], 1));
            Ok(ids.collect::<Result<Vec<_>>>()?.concat())
        }
        Selector::Group(group) => numbers(tx, "group_id = ?", [group], MAX_GROUP),
        Selector::Key { tenant, kind, key } => {
            let found = with_key(tx, kind, key, tenant.map(|tenant| tenant.0))?;
            Ok(found.into_iter().map(|(seq, _)| seq).collect())
        }
        Selector::Discarded { kind: None } => numbers(tx, "state = 'discarded'", [], MAX_DISCARDED),
        Selector::Discarded { kind: Some(kind) } => numbers(
            tx,
            "state = 'discarded' AND kind = ?",
            [kind],
            MAX_DISCARDED,
        ),
        _ => Err(unknown()),
    }
}

fn numbers(
    tx: &Tx<'_>,
    condition: &str,
    params: impl rusqlite::Params,
    limit: u32,
) -> Result<Vec<i64>> {
    tx.prepare(&format!(
        "SELECT seq FROM jobs WHERE {condition} ORDER BY seq LIMIT {limit}"
    ))?
    .query_map(params, |row| row.get(0))
    .and_then(Iterator::collect)
    .db()
}

fn cancel(tx: &Tx<'_>, seq: i64, now: i64) -> Result<bool> {
    let Some(entry) = by_seq(tx, seq)? else {
        return Ok(false);
    };
    match entry.place {
        Place::Waiting => {
            let next = entry.finish(JobState::Cancelled, None);
            move_to(tx, seq, &next, now, None)?;
            Ok(true)
        }
        Place::Running(_) if !entry.cancelled => {
            tx.execute("UPDATE jobs SET cancel = 1 WHERE seq = ?", [seq])?;
            Ok(true)
        }
        Place::Running(_) | Place::Final => Ok(false),
    }
}

/// A final job whose key another live job has stays as it is.
fn replay(tx: &Tx<'_>, seq: i64, now: i64) -> Result<bool> {
    let replayed = tx.execute(
        "UPDATE OR IGNORE jobs SET state = 'available', attempt = 0, crashes = 0, error = NULL,
            scheduled_at = ?2, finished_at = NULL
        WHERE seq = ?1 AND state IN ('completed', 'cancelled', 'discarded')",
        (seq, now),
    )?;
    Ok(replayed > 0)
}

fn set_limit(tx: &Tx<'_>, key: &str, limit: Limit) -> Result<usize> {
    let rate = limit.rate.map(|rate| (rate.jobs, micros(rate.per)));
    tx.execute(
        "INSERT INTO job_limits (key, concurrency, rate_jobs, rate_per) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (key) DO UPDATE SET concurrency = ?2, rate_jobs = ?3, rate_per = ?4",
        (
            key,
            limit.concurrency,
            rate.map(|(jobs, _)| jobs),
            rate.map(|(_, per)| per),
        ),
    )
}

fn throttle(tx: &Tx<'_>, key: &str, time: Duration, now: i64) -> Result<usize> {
    let until = (!time.is_zero()).then(|| now + micros(time));
    tx.execute(
        "INSERT INTO job_limits (key, throttled_until) VALUES (?1, ?2)
        ON CONFLICT (key) DO UPDATE
            SET throttled_until = iif(?2 IS NULL, NULL, max(ifnull(throttled_until, 0), ?2))",
        (key, until),
    )
}

async fn prune(database: &SqliteDatabase, older_than: Duration) -> Result<u64> {
    let mut pruned = 0;
    loop {
        let some = database.write(move |tx| prune_some(tx, older_than)).await?;
        pruned += some as u64;
        if some < PRUNED as usize {
            return Ok(pruned);
        }
    }
}

fn prune_some(tx: &Tx<'_>, older_than: Duration) -> Result<usize> {
    let latest = tx.now() - micros(older_than);
    // Keys that limit nothing, too.
    tx.execute(
        "DELETE FROM job_limits WHERE running = 0 AND concurrency IS NULL AND rate_jobs IS NULL
            AND ifnull(throttled_until, 0) <= ?1 AND ifnull(paid_at, 0) <= ?1",
        [tx.now()],
    )?;
    tx.execute(
        "DELETE FROM jobs WHERE seq IN (
            SELECT seq FROM jobs WHERE finished_at IS NOT NULL AND finished_at <= ? LIMIT ?
        )",
        (latest, PRUNED),
    )
}

fn unknown() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "this version of the SQLite backend does not know this command",
    )
    .with_code("not_supported_by_queue")
}
