//! What the functions of the queue answer.

use std::{collections::BTreeMap, time::Duration};

use litink_core::{
    Error, JobId, Result, SessionId, UserId,
    domain::Timestamp,
    queue::{
        Beat, Enqueued, Exchanged, Job, JobState, KindStats, Lease, Leased, NewJob, WorkerState,
    },
    repository::{Cursor, Page},
};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

/// The columns of a job, in the order of the functions; the last is its turn or its age.
#[derive(Deserialize)]
struct Row(
    JobId,
    Option<Uuid>,
    String,
    Option<UserId>,
    i16,
    u64,
    JobState,
    u32,
    u32,
    u32,
    u32,
    i64,
    i64,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<String>,
    String,
    Option<Vec<String>>,
    i64,
);

impl Row {
    fn job(self) -> Result<(Job, i64)> {
        let job = Job {
            id: self.0,
            group: self.1,
            kind: self.2,
            args: serde_json::from_str(&self.17).map_err(|_| other_form())?,
            tenant: self.3,
            priority: self.4,
            token: self.5,
            state: self.6,
            attempt: self.7,
            max_attempts: self.8,
            crashes: self.9,
            max_crashes: self.10,
            idempotency_key: self.14,
            limits: self.18.unwrap_or_default(),
            trace: self.15,
            error: self.16,
            created_at: time(self.11),
            scheduled_at: time(self.12),
            finished_at: self.13.map(time),
        };
        Ok((job, self.19))
    }
}

/// What a pass of a turn came to.
pub(super) enum Pass {
    Over(Exchanged),
    /// It brought nothing; something changes by itself after this time.
    Idle(Option<Duration>),
}

#[derive(Deserialize)]
struct PassReply {
    number: Option<u64>,
    #[serde(default)]
    settled: Vec<bool>,
    #[serde(default)]
    jobs: Vec<Row>,
    #[serde(default)]
    cancel: Vec<(JobId, u64)>,
    next: Option<i64>,
}

pub(super) fn pass(reply: Value) -> Result<Pass> {
    let reply: PassReply = read(reply)?;
    let Some(number) = reply.number else {
        let next = reply.next.map(|next| next.max(0).unsigned_abs());
        return Ok(Pass::Idle(next.map(Duration::from_micros)));
    };
    let (mut leased, mut lost) = (Vec::new(), Vec::new());
    for row in reply.jobs {
        let (job, turn) = row.job()?;
        let lease = Lease {
            job: job.id,
            token: job.token,
        };
        let of = if turn.unsigned_abs() == number {
            &mut leased
        } else {
            &mut lost
        };
        of.push(Leased { lease, job });
    }
    Ok(Pass::Over(Exchanged {
        number,
        settled: reply.settled,
        leased,
        cancel: reply.cancel.into_iter().map(lease).collect(),
        lost,
    }))
}

fn lease((job, token): (JobId, u64)) -> Lease {
    Lease { job, token }
}

pub(super) fn beat(reply: &Value) -> Result<Beat> {
    let cancel: Vec<(JobId, u64)> = read(reply["cancel"].clone())?;
    Ok(Beat {
        cancel: cancel.into_iter().map(lease).collect(),
    })
}

pub(super) fn enqueued(jobs: &[NewJob], reply: &Value) -> Result<Vec<Enqueued>> {
    let existing: Option<Vec<Option<JobId>>> = read(reply["existing"].clone())?;
    let existing = existing.unwrap_or_else(|| vec![None; jobs.len()]);
    if existing.len() != jobs.len() {
        return Err(other_form());
    }
    let each = jobs.iter().zip(existing);
    let each = each.map(|(job, existing)| match existing {
        Some(id) => Enqueued::Existing(id),
        None => Enqueued::Added(job.id),
    });
    Ok(each.collect())
}

/// Jobs, each with its age.
pub(super) fn jobs(reply: &Value) -> Result<Vec<(Job, i64)>> {
    let rows: Vec<Row> = read(reply.clone())?;
    rows.into_iter().map(Row::job).collect()
}

pub(super) fn page(reply: &Value, limit: usize) -> Result<Page<Job>> {
    let mut found = jobs(reply)?;
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

#[derive(Deserialize)]
struct StatsReply {
    counts: Vec<(String, JobState, u64, Option<u64>)>,
    paused: Vec<String>,
}

pub(super) fn stats(reply: &Value) -> Result<Vec<KindStats>> {
    let reply: StatsReply = read(reply.clone())?;
    let mut kinds: BTreeMap<String, KindStats> = BTreeMap::new();
    let of_kind =
        |kinds: &mut BTreeMap<String, KindStats>, kind: String, edit: &dyn Fn(&mut KindStats)| {
            let stats = kinds.entry(kind.clone()).or_insert_with(|| KindStats {
                kind,
                ..KindStats::default()
            });
            edit(stats);
        };
    for (kind, state, jobs, waited) in reply.counts {
        of_kind(&mut kinds, kind, &|stats| {
            stats.jobs.insert(state, jobs);
            if state == JobState::Available {
                stats.oldest_available = waited.map(Duration::from_micros);
            }
        });
    }
    for kind in reply.paused {
        of_kind(&mut kinds, kind, &|stats| stats.paused = true);
    }
    Ok(kinds.into_values().collect())
}

pub(super) fn workers(reply: Value) -> Result<Vec<WorkerState>> {
    let rows: Vec<(SessionId, String, i64, i64, i64, u64)> = read(reply)?;
    let state = |(session, worker, opened, lease, expires, running): (_, String, _, _, _, _)| {
        WorkerState::stored(session, &worker, [opened, lease, expires], running)
    };
    Ok(rows.into_iter().map(state).collect())
}

fn read<T: serde::de::DeserializeOwned>(reply: Value) -> Result<T> {
    serde_json::from_value(reply).map_err(|_| other_form())
}

pub(super) fn other_form() -> Error {
    Error::internal("jobs come in another form")
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_timestamp_micros(micros).unwrap_or_default()
}
