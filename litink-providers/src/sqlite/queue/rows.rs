//! Jobs as SQLite stores them.

use litink_core::{
    JobId, Result, UserId,
    domain::Timestamp,
    queue::{Job, JobState, Lease, Leased},
};
use rusqlite::Row;

use super::sharing::keys;
use crate::sqlite::error::{DbResult, corrupt};

/// What [`job`] reads, in its order. `?1` is the store's time: a job that is due is available even
/// where nobody has written so yet.
pub(super) const READ_COLUMNS: &str = "id, group_id, kind, tenant, priority, token,
    CASE WHEN state IN ('scheduled', 'retryable') AND scheduled_at <= ?1
        THEN 'available' ELSE state END,
    attempt, max_attempts, crashes, max_crashes, created_at, scheduled_at, finished_at,
    idempotency_key, trace, error, args, limits";

/// The same in a statement that has just written the state.
pub(super) const COLUMNS: &str = "id, group_id, kind, tenant, priority, token, state,
    attempt, max_attempts, crashes, max_crashes, created_at, scheduled_at, finished_at,
    idempotency_key, trace, error, args, limits";

/// The job of a row of [`COLUMNS`].
pub(super) fn job(row: &Row<'_>) -> Result<Job> {
    let state = row.get_ref(6).db()?.as_str().ok().and_then(JobState::parse);
    let args = row.get_ref(17).db()?.as_str().ok();
    let args = args.and_then(|text| serde_json::from_str(text).ok());
    let (Some(state), Some(args)) = (state, args) else {
        return Err(corrupt().with_context("table", "jobs"));
    };
    let limits = row
        .get_ref(18)
        .db()?
        .as_str_or_null()
        .map_err(|_| corrupt())?;
    let limits = keys(limits)?;
    plain_columns(row, state, args, limits).db()
}

fn plain_columns(
    row: &Row<'_>,
    state: JobState,
    args: serde_json::Value,
    limits: Vec<String>,
) -> rusqlite::Result<Job> {
    Ok(Job {
        id: JobId(row.get(0)?),
        group: row.get(1)?,
        kind: row.get(2)?,
        args,
        tenant: row.get::<_, Option<_>>(3)?.map(UserId),
        priority: row.get(4)?,
        token: row.get::<_, i64>(5)?.unsigned_abs(),
        state,
        attempt: row.get(7)?,
        max_attempts: row.get(8)?,
        crashes: row.get(9)?,
        max_crashes: row.get(10)?,
        created_at: time(row.get(11)?),
        scheduled_at: time(row.get(12)?),
        finished_at: row.get::<_, Option<_>>(13)?.map(time),
        idempotency_key: row.get(14)?,
        limits,
        trace: row.get(15)?,
        error: row.get(16)?,
    })
}

/// The job of a row, as leased.
pub(super) fn leased(row: &Row<'_>) -> Result<Leased> {
    let job = job(row)?;
    let lease = Lease {
        job: job.id,
        token: job.token,
    };
    Ok(Leased { lease, job })
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_timestamp_micros(micros).unwrap_or_default()
}
