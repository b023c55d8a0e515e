//! Adds jobs.

use litink_core::{
    JobId, Result,
    queue::{Enqueued, JobState, NewJob, validate},
};
use rusqlite::OptionalExtension;
use serde_json::json;

use super::micros;
use crate::sqlite::{
    error::{DbResult, database_error},
    writer::Tx,
};

pub(super) fn add(tx: &Tx<'_>, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
    let now = tx.now();
    jobs.iter().map(|job| add_one(tx, job, now)).collect()
}

fn add_one(tx: &Tx<'_>, job: &NewJob, now: i64) -> Result<Enqueued> {
    let due = now + micros(job.delay);
    let state = if due > now {
        JobState::Scheduled
    } else {
        JobState::Available
    };
    let limits = validate::limits(&job.limits);
    let limits = (!limits.is_empty()).then(|| json!(limits).to_string());
    let added = tx
        .prepare(
            "INSERT INTO jobs (
                id, group_id, kind, tenant, priority, state, attempt, max_attempts, crashes,
                max_crashes, created_at, scheduled_at, token, turn, cancel, idempotency_key,
                trace, args, limits
            ) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, 0, ?8, ?9, ?10, 0, 0, 0, ?11, ?12, ?13, ?14)
            ON CONFLICT DO NOTHING",
        )?
        .execute(rusqlite::params![
            job.id.0,
            job.group,
            job.kind,
            job.tenant.map(|tenant| tenant.0),
            job.priority,
            state.as_str(),
            job.max_attempts,
            job.max_crashes,
            now,
            due,
            job.idempotency_key,
            job.trace,
            job.args.to_string(),
            limits,
        ])
        .db()?;
    if added > 0 {
        return Ok(Enqueued::Added(job.id));
    }
    existing(tx, job).map(Enqueued::Existing)
}

/// The job that stands in the way: with this id, else alive with this idempotency key.
fn existing(tx: &Tx<'_>, job: &NewJob) -> Result<JobId> {
    let same_id = tx
        .prepare("SELECT 1 FROM jobs WHERE id = ?")?
        .exists([job.id.0])
        .db()?;
    if same_id {
        return Ok(job.id);
    }
    let key = job.idempotency_key.as_deref().unwrap_or_default();
    let tenant = job.tenant.map(|tenant| tenant.0);
    let found = with_key(tx, &job.kind, key, tenant)?;
    // A row in the way is one of the two; there is no third unique index.
    let found = found.ok_or(rusqlite::Error::QueryReturnedNoRows);
    found.map(|(_, id)| id).map_err(database_error)
}

/// The live job with an idempotency key, as its number and id.
pub(super) fn with_key(
    tx: &Tx<'_>,
    kind: &str,
    key: &str,
    tenant: Option<uuid::Uuid>,
) -> Result<Option<(i64, JobId)>> {
    tx.prepare(
        "SELECT seq, id FROM jobs
        WHERE kind = ?1 AND idempotency_key = ?2 AND ifnull(tenant, x'') = ifnull(?3, x'')
        AND idempotency_key IS NOT NULL
        AND state IN ('available', 'scheduled', 'running', 'retryable')",
    )?
    .query_row((kind, key, tenant), |row| {
        Ok((row.get(0)?, JobId(row.get(1)?)))
    })
    .optional()
    .db()
}
