//! What the functions of the queue are asked.

use std::time::Duration;

use litink_core::{
    Error, ErrorKind, Result, SessionId,
    queue::{Command, JobQuery, NewJob, Outcome, Selector, Settle, Turn, validate},
    repository::Cursor,
};
use serde_json::{Value, json};

/// Jobs pruned in one transaction: others get their turn in between. `queue_control` knows it, too.
pub(super) const PRUNED: u64 = 5_000;

/// A time in microseconds; one that never comes where it cannot be told.
pub(super) fn micros(time: Duration) -> i64 {
    const YEARS_30: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    // Thirty years of microseconds are far below what 64 bits hold.
    time.min(YEARS_30).as_micros() as i64
}

/// A text for people, as PostgreSQL can hold it.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

pub(super) fn enqueue(jobs: &[NewJob], in_transaction: bool) -> Value {
    let jobs = jobs.iter().enumerate().map(|(i, job)| {
        let limits = validate::limits(&job.limits);
        json!({
            "i": i,
            "id": job.id,
            "group_id": job.group,
            "tenant": job.tenant,
            "delay": micros(job.delay),
            "max_attempts": job.max_attempts,
            "max_crashes": job.max_crashes,
            "priority": job.priority,
            "kind": job.kind,
            "limits": (!limits.is_empty()).then_some(limits),
            "idempotency_key": job.idempotency_key,
            "trace": job.trace,
            // As text: what `jsonb` makes of JSON is not what was given.
            "args": job.args.to_string(),
        })
    });
    json!({ "jobs": jobs.collect::<Vec<_>>(), "in_transaction": in_transaction })
}

pub(super) fn settles(session: SessionId, settles: &[Settle]) -> Value {
    let settles: Vec<Value> = settles.iter().map(settle).collect();
    json!({ "session": session, "settle": settles })
}

pub(super) fn turn(session: SessionId, turn: &Turn, may_wait: bool, listens: bool) -> Value {
    let settle: Vec<Value> = turn.settle.iter().map(settle).collect();
    json!({
        "session": session,
        "settle": settle,
        "want": turn.want,
        "kinds": turn.kinds,
        "received": number(turn.received),
        "wait": may_wait,
        "listens": listens,
    })
}

fn settle(settle: &Settle) -> Value {
    let (how, after, error) = match &settle.outcome {
        Outcome::Complete => ("complete", Duration::ZERO, None),
        Outcome::Retry { after, error } => ("retry", *after, Some(error)),
        Outcome::Snooze { after } => ("snooze", *after, None),
        Outcome::Discard { error } => ("discard", Duration::ZERO, Some(error)),
        Outcome::Cancel => ("cancel", Duration::ZERO, None),
        // Release, and what the contract may add before this backend knows it: nothing is lost by
        // executing it again.
        _ => ("release", Duration::ZERO, None),
    };
    let error = error.map(|error| text(error));
    let token = number(settle.lease.token);
    json!([settle.lease.job, token, how, micros(after), error])
}

/// A number as PostgreSQL's.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn control(command: &Command) -> Result<Value> {
    Ok(match command {
        Command::Cancel(which) => json!({ "command": "cancel", "selector": selector(which)? }),
        Command::Replay(which) => json!({ "command": "replay", "selector": selector(which)? }),
        Command::Pause { kind } => json!({ "command": "pause", "kind": kind }),
        Command::Resume { kind } => json!({ "command": "resume", "kind": kind }),
        Command::Prune { older_than } => {
            json!({ "command": "prune", "older_than": micros(*older_than) })
        }
        Command::Limit { key, limit } => {
            let limit = limit.unwrap_or_default();
            json!({
                "command": "limit",
                "key": key,
                "concurrency": limit.concurrency,
                "rate_jobs": limit.rate.map(|rate| rate.jobs),
                "rate_per": limit.rate.map(|rate| micros(rate.per)),
            })
        }
        Command::Throttle { key, time } => {
            json!({ "command": "throttle", "key": key, "time": micros(*time) })
        }
        Command::Weigh { tenant, weight } => {
            json!({ "command": "weigh", "tenant": tenant, "weight": weight })
        }
        _ => return Err(unknown()),
    })
}

fn selector(selector: &Selector) -> Result<Value> {
    Ok(match selector {
        Selector::Ids(ids) => json!({ "ids": ids }),
        Selector::Group(group) => json!({ "group": group }),
        Selector::Key { tenant, kind, key } => {
            json!({ "tenant": tenant, "kind": kind, "key": key })
        }
        Selector::Discarded { kind } => json!({ "discarded": true, "kind": kind }),
        _ => return Err(unknown()),
    })
}

pub(super) fn list(query: &JobQuery, limit: usize) -> Result<Value> {
    let after = query.after.as_deref().map(Cursor::decode).transpose()?;
    let states: Vec<&str> = query.states.iter().map(|state| state.as_str()).collect();
    Ok(json!({
        "kind": query.kind,
        "tenant": query.tenant,
        "states": states,
        "before": after.map_or(i64::MAX, |cursor| cursor.key),
        // One more, to know whether there is more.
        "limit": limit + 1,
    }))
}

fn unknown() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "this version of the Postgres backend does not know this command",
    )
    .with_code("not_supported_by_queue")
}
