//! What operators see of a queue.

use std::{collections::BTreeMap, time::Duration};

use litink_core::{
    Error, JobId, Result, SessionId,
    queue::{Job, JobQuery, JobState, KindStats, WorkerState},
    repository::{Cursor, Page},
};
use rusqlite::{Connection, OptionalExtension, params_from_iter, types::Value as SqlValue};
use uuid::Uuid;

use super::rows::{READ_COLUMNS, job};
use crate::sqlite::{
    error::{DbResult, corrupt, database_error},
    writer::now_micros,
};

pub(super) fn get(connection: &Connection, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
    let now = now_micros();
    let sql = format!("SELECT {READ_COLUMNS} FROM jobs WHERE id = ?2");
    let mut statement = connection.prepare_cached(&sql).db()?;
    let mut jobs = Vec::with_capacity(ids.len());
    for id in ids {
        let found = statement
            .query_row((now, id.0), |row| Ok(job(row)))
            .optional()
            .db()?;
        jobs.push(found.transpose()?);
    }
    Ok(jobs)
}

/// The size of a page.
pub(super) fn limit(query: &JobQuery) -> Result<usize> {
    match query.limit {
        0 => Ok(100),
        limit @ 1..=1_000 => Ok(limit as usize),
        _ => Err(Error::invalid("bad_query", "the limit must be 1 to 1000")),
    }
}

pub(super) fn list(
    connection: &Connection,
    query: &JobQuery,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Page<Job>> {
    let (filter, params) = filter(query, after);
    let sql = format!(
        "SELECT {READ_COLUMNS}, seq FROM jobs{filter} ORDER BY seq DESC LIMIT {}",
        limit + 1
    );
    let mut statement = connection.prepare_cached(&sql).db()?;
    let mut rows = statement.query(params_from_iter(params)).db()?;
    let mut found: Vec<(Job, i64)> = Vec::new();
    while let Some(row) = rows.next().map_err(database_error)? {
        found.push((job(row)?, row.get(19).db()?));
    }
    let more = found.len() > limit;
    found.truncate(limit);
    // The place of a job is its age; the id is only there to have the form of a cursor.
    let next = found.last().filter(|_| more).map(|(_, seq)| Cursor {
        key: *seq,
        id: Uuid::nil(),
    });
    Ok(Page {
        items: found.into_iter().map(|(job, _)| job).collect(),
        next: next.map(|cursor| cursor.encode()),
    })
}

/// The conditions, and the parameters of the whole statement; the first is the time.
fn filter(query: &JobQuery, after: Option<Cursor>) -> (String, Vec<SqlValue>) {
    let mut conditions: Vec<String> = vec!["?1 IS NOT NULL".into()];
    let mut params = vec![SqlValue::Integer(now_micros())];
    if let Some(kind) = &query.kind {
        conditions.push("kind = ?".into());
        params.push(SqlValue::Text(kind.clone()));
    }
    if let Some(tenant) = query.tenant {
        conditions.push("tenant = ?".into());
        params.push(SqlValue::Blob(tenant.0.as_bytes().to_vec()));
    }
    if !query.states.is_empty() {
        let states: Vec<&str> = query.states.iter().map(|state| state.as_str()).collect();
        conditions.push(format!(
            "CASE WHEN state IN ('scheduled', 'retryable') AND scheduled_at <= ?1
                THEN 'available' ELSE state END IN ('{}')",
            states.join("', '")
        ));
    }
    if let Some(cursor) = after {
        conditions.push("seq < ?".into());
        params.push(SqlValue::Integer(cursor.key));
    }
    (format!(" WHERE {}", conditions.join(" AND ")), params)
}

pub(super) fn stats(connection: &Connection) -> Result<Vec<KindStats>> {
    let now = now_micros();
    let mut kinds = BTreeMap::new();
    count(connection, now, &mut kinds)?;
    let paused: Vec<String> = connection
        .prepare_cached("SELECT kind FROM paused_kinds")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .db()?;
    for kind in paused {
        of_kind(&mut kinds, kind).paused = true;
    }
    Ok(kinds.into_values().collect())
}

pub(super) fn workers(connection: &Connection) -> Result<Vec<WorkerState>> {
    connection
        .prepare_cached(
            "SELECT s.id, s.worker, s.opened_at, s.lease, s.expires_at,
                (SELECT count(*) FROM jobs j WHERE j.session = s.id AND j.state = 'running')
            FROM job_sessions s WHERE s.expires_at > ? ORDER BY s.opened_at, s.id",
        )
        .and_then(|mut statement| {
            let rows = statement.query_map([now_micros()], |row| {
                let (worker, running): (String, i64) = (row.get(1)?, row.get(5)?);
                let times = [row.get(2)?, row.get(3)?, row.get(4)?];
                let session = SessionId(row.get(0)?);
                let running = running.unsigned_abs();
                Ok(WorkerState::stored(session, &worker, times, running))
            })?;
            rows.collect()
        })
        .db()
}

fn count(connection: &Connection, now: i64, kinds: &mut BTreeMap<String, KindStats>) -> Result<()> {
    let mut statement = connection
        .prepare_cached(
            "SELECT kind, CASE WHEN state IN ('scheduled', 'retryable') AND scheduled_at <= ?1
                THEN 'available' ELSE state END AS now, count(*), min(scheduled_at)
            FROM jobs GROUP BY kind, now",
        )
        .db()?;
    let mut rows = statement.query([now]).db()?;
    while let Some(row) = rows.next().map_err(database_error)? {
        let state: String = row.get(1).db()?;
        let state = JobState::parse(&state).ok_or_else(corrupt)?;
        let (jobs, oldest): (u64, i64) =
            (row.get::<_, i64>(2).db()?.unsigned_abs(), row.get(3).db()?);
        let stats = of_kind(kinds, row.get(0).db()?);
        stats.jobs.insert(state, jobs);
        if state == JobState::Available {
            let waited = now.saturating_sub(oldest).max(0).unsigned_abs();
            stats.oldest_available = Some(Duration::from_micros(waited));
        }
    }
    Ok(())
}

fn of_kind(kinds: &mut BTreeMap<String, KindStats>, kind: String) -> &mut KindStats {
    kinds.entry(kind.clone()).or_insert_with(|| KindStats {
        kind,
        ..KindStats::default()
    })
}
