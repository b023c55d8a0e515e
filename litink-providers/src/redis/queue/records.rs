//! Jobs as they are stored: a head that changes, a tail that does not, and a body.

use chrono::DateTime;
use litink_core::{
    Error, ErrorKind, JobId, Result, UserId,
    domain::Timestamp,
    queue::{Job, JobState, Lease, NewJob, validate},
};
use uuid::Uuid;

use super::{Arg, micros};

/// The arguments that add a job: id, delay, priority, max_attempts, max_crashes, tail, body.
pub(super) fn new_job(job: &NewJob) -> [Arg; 7] {
    [
        Arg::id(job.id.0),
        Arg::text(micros(job.delay)),
        Arg::text(job.priority),
        Arg::text(job.max_attempts),
        Arg::text(job.max_crashes),
        Arg::Bytes(tail(job)),
        Arg::Bytes(body(job)),
    ]
}

/// Kind, tenant, group, idempotency key and limits.
fn tail(job: &NewJob) -> Vec<u8> {
    let mut tail = Vec::new();
    put(&mut tail, job.kind.as_bytes());
    put_id(&mut tail, job.tenant.map(|tenant| tenant.0));
    put_id(&mut tail, job.group);
    // An empty key is one, too.
    let key = job.idempotency_key.as_ref().map(|key| format!("={key}"));
    put(&mut tail, key.unwrap_or_default().as_bytes());
    let mut limits = Vec::new();
    for key in validate::limits(&job.limits) {
        put(&mut limits, key.as_bytes());
    }
    put(&mut tail, &limits);
    tail
}

/// Trace and arguments.
fn body(job: &NewJob) -> Vec<u8> {
    let mut body = Vec::new();
    let trace = job.trace.as_ref().map(|trace| format!("={trace}"));
    put(&mut body, trace.unwrap_or_default().as_bytes());
    body.extend(job.args.to_string().into_bytes());
    body
}

fn put(bytes: &mut Vec<u8>, text: &[u8]) {
    // What does not fit is refused by the server, which takes no argument as long.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    bytes.extend(length.to_be_bytes());
    bytes.extend(text);
}

fn put_id(bytes: &mut Vec<u8>, id: Option<Uuid>) {
    match id {
        Some(id) => {
            bytes.push(16);
            bytes.extend(id.as_bytes());
        }
        None => bytes.push(0),
    }
}

/// The name by which a tenant is known.
pub(super) fn tenant(tenant: Option<UserId>) -> Vec<u8> {
    tenant.map_or(Vec::new(), |it| it.0.as_bytes().to_vec())
}

/// The field of a live idempotency key, as the scripts make it.
pub(super) fn unique(of: Option<UserId>, kind: &str, key: &str) -> Vec<u8> {
    let mut field = Vec::new();
    put(&mut field, kind.as_bytes());
    put_id(&mut field, of.map(|it| it.0));
    field.extend(key.as_bytes());
    field
}

pub(super) fn id(bytes: &[u8]) -> Result<JobId> {
    Uuid::from_slice(bytes).map(JobId).map_err(|_| corrupt())
}

/// A job, and the lease that it is under.
pub(super) fn job(
    id: &[u8],
    record: &[u8],
    body: &[u8],
    error: Option<&[u8]>,
    now: Option<i64>,
) -> Result<(Job, Lease)> {
    read(id, record, body, error, now).ok_or_else(corrupt)
}

fn read(
    id: &[u8],
    record: &[u8],
    body: &[u8],
    error: Option<&[u8]>,
    now: Option<i64>,
) -> Option<(Job, Lease)> {
    let id = JobId(Uuid::from_slice(id).ok()?);
    let mut head = Bytes(record);
    let state = head.number(1)?;
    let _cancel = head.take(1)?;
    let failed = head.number(1)? == 1;
    let token = head.number(6)?;
    let attempt = head.count()?;
    let _turn_and_session = head.take(6 + 16)?;
    let finished = head.number(8)?;
    let _settled = head.take(6 + 1 + 16)?;
    let priority = i16::from_be_bytes(head.take(2)?.try_into().ok()?);
    let _age = head.take(6)?;
    let (max_attempts, crashes, max_crashes) = (head.count()?, head.count()?, head.count()?);
    let (due, created) = (head.number(8)?, head.number(8)?);
    let mut tail = head;
    let kind = tail.text(4)?;
    let (tenant, group) = (tail.id()?, tail.id()?);
    let key = tail.text(4)?;
    let mut limits = Bytes(tail.piece(4)?);
    let mut keys = Vec::new();
    while !limits.0.is_empty() {
        keys.push(limits.text(4)?);
    }
    let mut body = Bytes(body);
    let trace = body.text(4)?;
    let job = Job {
        id,
        group,
        kind,
        args: serde_json::from_slice(body.0).ok()?,
        tenant: tenant.map(UserId),
        priority,
        token,
        state: state_of(state, due, now)?,
        attempt,
        max_attempts,
        crashes,
        max_crashes,
        idempotency_key: key.strip_prefix('=').map(Into::into),
        limits: keys,
        trace: trace.strip_prefix('=').map(Into::into),
        error: error
            .filter(|_| failed)
            .map(|error| String::from_utf8_lossy(error).into_owned()),
        created_at: timestamp(created)?,
        scheduled_at: timestamp(due)?,
        finished_at: match finished {
            0 => None,
            at => Some(timestamp(at)?),
        },
    };
    let lease = Lease { job: id, token };
    Some((job, lease))
}

/// A state by its number; what is due by now is available, although no turn has seen it yet.
fn state_of(number: u64, due: u64, now: Option<i64>) -> Option<JobState> {
    let state = by_number(number)?;
    let waits = matches!(state, JobState::Scheduled | JobState::Retryable);
    let due = now.is_some_and(|now| due <= now.unsigned_abs());
    Some(if waits && due {
        JobState::Available
    } else {
        state
    })
}

/// The state of a number, which is its place among all of them.
pub(super) fn by_number(number: u64) -> Option<JobState> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    JobState::ALL.get(index).copied()
}

/// The number of a state.
pub(super) fn number(state: JobState) -> usize {
    let place = JobState::ALL.iter().position(|it| *it == state);
    place.map_or(0, |place| place + 1)
}

fn timestamp(micros: u64) -> Option<Timestamp> {
    DateTime::from_timestamp_micros(i64::try_from(micros).ok()?)
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, size: usize) -> Option<u64> {
        let bytes = self.take(size)?;
        Some(
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        )
    }

    fn count(&mut self) -> Option<u32> {
        u32::try_from(self.number(4)?).ok()
    }

    /// What a number of so many bytes says the length of.
    fn piece(&mut self, size: usize) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number(size)?).ok()?;
        self.take(length)
    }

    fn text(&mut self, size: usize) -> Option<String> {
        String::from_utf8(self.piece(size)?.to_vec()).ok()
    }

    #[expect(
        clippy::option_option,
        reason = "it may be unreadable, or there may be none"
    )]
    fn id(&mut self) -> Option<Option<Uuid>> {
        match self.piece(1)? {
            [] => Some(None),
            id => Uuid::from_slice(id).ok().map(Some),
        }
    }
}

pub(super) fn corrupt() -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "a job on Redis cannot be read; it was written by something else than this litink",
    )
}
