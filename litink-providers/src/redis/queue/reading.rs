//! What operators see of a queue, read in pieces.

use std::{collections::BTreeMap, time::Duration};

use litink_core::{
    Error, JobId, Result, SessionId,
    queue::{Job, JobQuery, JobState, KindStats, WorkerState},
    repository::{Cursor, Page},
};
use redis::Value;
use uuid::Uuid;

use super::{Arg, RedisServer, error::odd_reply, records, replies, scripts};

/// Jobs that one call looks at, or reads.
const PIECE: usize = 500;
/// And of each kind, where it looks at all of them.
const PIECE_OF_EACH: usize = 100;
/// Pieces of due jobs that one look at the numbers makes available at most.
const ADVANCES: usize = 100;

pub(super) async fn get(server: &RedisServer, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
    let mut jobs = Vec::with_capacity(ids.len());
    for ids in ids.chunks(PIECE) {
        let mut args = vec![Arg::text("get")];
        args.extend(ids.iter().map(|id| Arg::id(id.0)));
        let reply: Vec<Value> = server.run(&scripts::READ, &args).await?;
        let mut values = reply.into_iter();
        let mut next = || values.next().ok_or_else(odd_reply);
        let now = replies::number(next()?)?;
        for _ in ids {
            let (id, record) = (replies::bytes(next()?)?, replies::optional(next()?)?);
            let (body, error) = (replies::optional(next()?)?, replies::optional(next()?)?);
            let read = record.zip(body).map(|(record, body)| {
                records::job(&id, &record, &body, error.as_deref(), Some(now))
            });
            jobs.push(read.transpose()?.map(|(job, _)| job));
        }
    }
    Ok(jobs)
}

/// A kind as the scripts take it: told apart from any kind.
pub(super) fn kind(kind: Option<&str>) -> Arg {
    Arg::Text(kind.map_or(String::new(), |kind| format!("={kind}")))
}

/// The oldest jobs of an index.
pub(super) async fn members(
    server: &RedisServer,
    index: [Arg; 2],
    most: usize,
) -> Result<Vec<JobId>> {
    let mut ids = Vec::new();
    let mut from = "-1".to_owned();
    let [what, of] = index;
    let mut args = vec![Arg::text("members"), what, of];
    loop {
        let piece = PIECE.min(most - ids.len());
        args.truncate(3);
        args.extend([Arg::text(&from), Arg::text(piece)]);
        let (last, found): (String, Vec<Vec<u8>>) = server.run(&scripts::READ, &args).await?;
        for id in &found {
            ids.push(records::id(id)?);
        }
        if found.len() < piece || ids.len() >= most {
            return Ok(ids);
        }
        from = last;
    }
}

/// The size of a page.
fn limit(query: &JobQuery) -> Result<usize> {
    match query.limit {
        0 => Ok(100),
        limit @ 1..=1_000 => Ok(limit as usize),
        _ => Err(Error::invalid("bad_query", "the limit must be 1 to 1000")),
    }
}

pub(super) async fn list(server: &RedisServer, query: &JobQuery) -> Result<Page<Job>> {
    let limit = limit(query)?;
    let after = query.after.as_deref().map(Cursor::decode).transpose()?;
    let before = after.map_or_else(|| "+inf".to_owned(), |cursor| cursor.key.to_string());
    let mut found = scan(server, query, before, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    // The place of a job is its age; the id is only there to have the form of a cursor.
    let next = found.last().filter(|_| more).map(|(_, age)| Cursor {
        key: *age,
        id: Uuid::nil(),
    });
    let ids: Vec<JobId> = found.into_iter().map(|(id, _)| id).collect();
    Ok(Page {
        // One that was forgotten meanwhile is left out.
        items: get(server, &ids).await?.into_iter().flatten().collect(),
        next: next.map(|cursor| cursor.encode()),
    })
}

/// Up to so many jobs that a query asks for, with their ages, newest first.
async fn scan(
    server: &RedisServer,
    query: &JobQuery,
    mut before: String,
    most: usize,
) -> Result<Vec<(JobId, i64)>> {
    let index = match *query.states {
        [JobState::Discarded] => "d:",
        _ => "k:",
    };
    let states = query
        .states
        .iter()
        .map(|it| records::number(*it).to_string());
    let states: String = states.collect();
    let tenant = query
        .tenant
        .map_or(Vec::new(), |it| records::tenant(Some(it)));
    let mut found = Vec::new();
    let piece = query.kind.as_ref().map_or(PIECE_OF_EACH, |_| PIECE);
    loop {
        let args = [
            Arg::text("scan"),
            Arg::text(index),
            kind(query.kind.as_deref()),
            Arg::text(&before),
            Arg::text(piece),
            Arg::text(&states),
            Arg::Bytes(tenant.clone()),
        ];
        let (last, seen, fits): (String, usize, Vec<Vec<u8>>) =
            server.run(&scripts::READ, &args).await?;
        for pair in fits.chunks_exact(2) {
            let age = std::str::from_utf8(&pair[1]).ok();
            let age = age.and_then(|age| age.parse().ok()).ok_or_else(odd_reply)?;
            found.push((records::id(&pair[0])?, age));
        }
        found.truncate(most);
        if seen < piece || found.len() >= most {
            return Ok(found);
        }
        before = last;
    }
}

pub(super) async fn stats(server: &RedisServer) -> Result<Vec<KindStats>> {
    advance(server).await?;
    let reply: Vec<Value> = server.run(&scripts::READ, &[Arg::text("stats")]).await?;
    let [now, counts, oldest, paused] = replies::fields(reply)?;
    let now = replies::number(now)?;
    let mut kinds = BTreeMap::new();
    let mut counts = replies::array(counts)?.into_iter();
    while let (Some(field), Some(jobs)) = (counts.next(), counts.next()) {
        let (field, jobs) = (replies::text(field)?, replies::number(jobs)?);
        let (state, kind) = field.split_at_checked(1).ok_or_else(odd_reply)?;
        let state = state.parse().ok().and_then(records::by_number);
        let state = state.ok_or_else(odd_reply)?;
        let stats = of_kind(&mut kinds, kind.to_owned());
        stats.jobs.insert(state, jobs.max(0).unsigned_abs());
    }
    let mut oldest = replies::array(oldest)?.into_iter();
    while let (Some(kind), Some(since)) = (oldest.next(), oldest.next()) {
        let waited = now - replies::number(since)?;
        let waited = Duration::from_micros(waited.max(0).unsigned_abs());
        of_kind(&mut kinds, replies::text(kind)?).oldest_available = Some(waited);
    }
    for kind in replies::array(paused)? {
        of_kind(&mut kinds, replies::text(kind)?).paused = true;
    }
    Ok(kinds.into_values().collect())
}

pub(super) async fn workers(server: &RedisServer) -> Result<Vec<WorkerState>> {
    let args = [Arg::text("workers")];
    let reply: Vec<Vec<Value>> = server.run(&scripts::READ, &args).await?;
    let mut workers = Vec::with_capacity(reply.len());
    for worker in reply {
        let [id, worker, opened, lease, ends, running] = replies::fields(worker)?;
        let session = Uuid::from_slice(&replies::bytes(id)?).map_err(|_| odd_reply())?;
        let times = [opened, lease, ends].map(replies::number);
        let [opened, lease, ends] = times;
        let (worker, times) = (replies::text(worker)?, [opened?, lease?, ends?]);
        let running = replies::number(running)?.unsigned_abs();
        let state = WorkerState::stored(SessionId(session), &worker, times, running);
        workers.push(state);
    }
    workers.sort_by_key(|worker| (worker.opened_at, worker.session));
    Ok(workers)
}

/// Makes available what is due: without a worker nobody does, and by these numbers somebody decides
/// whether there are to be workers.
async fn advance(server: &RedisServer) -> Result<()> {
    for _ in 0..ADVANCES {
        let args = [Arg::text("advance")];
        let (_, more): (u64, i64) = server.run(&scripts::CONTROL, &args).await?;
        if more == 0 {
            break;
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
