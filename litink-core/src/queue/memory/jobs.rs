//! The jobs of a queue in memory and their indexes, kept in step by one function.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    mem::Discriminant,
};

use tokio::time::Instant;
use uuid::Uuid;

use super::{limits::Limits, shares::Shares};
use crate::{
    JobId, SessionId, UserId,
    queue::{Job, JobState, Outcome},
};

/// Whether somebody wants a running job stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cancel {
    #[default]
    No,
    /// Its worker has not heard of it.
    Wanted,
    /// Its worker has been told, and is told again with every reply until it settles.
    Told,
}

/// A job and what only the queue knows of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) job: Job,
    /// Age: rises with each job that is added.
    pub(super) seq: u64,
    /// When it became available, or will.
    pub(super) due: Instant,
    pub(super) holder: Option<SessionId>,
    /// The turn of its holder in which it was leased.
    pub(super) turn: u64,
    /// The last settle that was accepted, so that the same again is accepted again.
    pub(super) settled: Option<Settled>,
    pub(super) cancel: Cancel,
    pub(super) finished: Option<Instant>,
}

/// A settle that was accepted: by whom, by which token, and how the execution ended.
pub(super) type Settled = (SessionId, u64, Discriminant<Outcome>);

/// Best first: priority, time of availability, age.
type Ready = BTreeSet<(Reverse<i16>, Instant, u64, JobId)>;

/// What decides, beside its place in line, whether a job may begin: jobs of one lane all may, or
/// none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane {
    pub(super) kind: String,
    tenant: Option<UserId>,
    limits: Vec<String>,
}

impl Lane {
    fn of(job: &Job) -> Self {
        Self {
            kind: job.kind.clone(),
            tenant: job.tenant,
            limits: job.limits.clone(),
        }
    }
}

/// A live idempotency key.
pub(super) type LiveKey = (Option<UserId>, String, String);

/// All jobs, by everything that they are looked for by.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    entries: HashMap<JobId, Entry>,
    pub(super) by_age: BTreeMap<u64, JobId>,
    pub(super) ready: BTreeMap<Lane, Ready>,
    pub(super) limits: Limits,
    pub(super) shares: Shares,
    /// Scheduled and retryable jobs by when they are due.
    timed: BTreeSet<(Instant, u64, JobId)>,
    finished: BTreeSet<(Instant, u64, JobId)>,
    pub(super) discarded: BTreeSet<(u64, JobId)>,
    pub(super) groups: HashMap<Uuid, BTreeSet<(u64, JobId)>>,
    pub(super) live: HashMap<LiveKey, JobId>,
    pub(super) counts: BTreeMap<String, BTreeMap<JobState, u64>>,
}

impl Jobs {
    pub(super) fn get(&self, id: JobId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    pub(super) fn add(&mut self, entry: Entry) {
        self.by_age.insert(entry.seq, entry.job.id);
        if let Some(group) = entry.job.group {
            let place = (entry.seq, entry.job.id);
            self.groups.entry(group).or_default().insert(place);
        }
        self.index(&entry);
        self.entries.insert(entry.job.id, entry);
    }

    pub(super) fn remove(&mut self, id: JobId) {
        if let Some(entry) = self.entries.remove(&id) {
            self.unindex(&entry);
            self.by_age.remove(&entry.seq);
            self.leave_group(&entry);
        }
    }

    fn leave_group(&mut self, entry: &Entry) {
        let Some(group) = entry.job.group else {
            return;
        };
        if let Some(members) = self.groups.get_mut(&group) {
            members.remove(&(entry.seq, entry.job.id));
            if members.is_empty() {
                self.groups.remove(&group);
            }
        }
    }

    /// Changes a job: the only way, so that no index is forgotten.
    pub(super) fn change<T>(&mut self, id: JobId, edit: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let mut entry = self.entries.remove(&id)?;
        self.unindex(&entry);
        let result = edit(&mut entry);
        self.index(&entry);
        self.entries.insert(id, entry);
        Some(result)
    }

    /// Changes what no index looks at: neither state nor time, priority or keys.
    pub(super) fn touch(&mut self, id: JobId, edit: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(&id) {
            edit(entry);
        }
    }

    fn index(&mut self, entry: &Entry) {
        let (seq, id) = (entry.seq, entry.job.id);
        match entry.job.state {
            JobState::Available => {
                let place = (Reverse(entry.job.priority), entry.due, seq, id);
                self.ready
                    .entry(Lane::of(&entry.job))
                    .or_default()
                    .insert(place);
            }
            JobState::Scheduled | JobState::Retryable => {
                self.timed.insert((entry.due, seq, id));
            }
            JobState::Running => self.limits.count(&entry.job.limits, 1),
            JobState::Completed | JobState::Cancelled | JobState::Discarded => {
                if let Some(at) = entry.finished {
                    self.finished.insert((at, seq, id));
                }
                if entry.job.state == JobState::Discarded {
                    self.discarded.insert((seq, id));
                }
            }
        }
        if !entry.job.state.is_final()
            && let Some(key) = live_key(&entry.job)
        {
            self.live.insert(key, id);
        }
        self.count(&entry.job, 1);
    }

    fn unindex(&mut self, entry: &Entry) {
        let (seq, id) = (entry.seq, entry.job.id);
        match entry.job.state {
            JobState::Available => {
                let lane = Lane::of(&entry.job);
                if let Some(ready) = self.ready.get_mut(&lane) {
                    ready.remove(&(Reverse(entry.job.priority), entry.due, seq, id));
                    if ready.is_empty() {
                        self.ready.remove(&lane);
                    }
                }
            }
            JobState::Scheduled | JobState::Retryable => {
                self.timed.remove(&(entry.due, seq, id));
            }
            JobState::Running => self.limits.count(&entry.job.limits, -1),
            JobState::Completed | JobState::Cancelled | JobState::Discarded => {
                if let Some(at) = entry.finished {
                    self.finished.remove(&(at, seq, id));
                }
                self.discarded.remove(&(seq, id));
            }
        }
        if !entry.job.state.is_final()
            && let Some(key) = live_key(&entry.job)
        {
            self.live.remove(&key);
        }
        self.count(&entry.job, -1);
    }

    fn count(&mut self, job: &Job, by: i64) {
        if !self.counts.contains_key(&job.kind) {
            self.counts.insert(job.kind.clone(), BTreeMap::new());
        }
        if let Some(counts) = self.counts.get_mut(&job.kind) {
            let count = counts.entry(job.state).or_insert(0);
            *count = count.saturating_add_signed(by);
        }
    }

    /// The best available job of these kinds (none named: of any) that are not paused and that its
    /// limits let begin.
    pub(super) fn best(
        &self,
        kinds: &[String],
        paused: &BTreeSet<String>,
        now: Instant,
    ) -> Option<JobId> {
        // Tenants take turns within a kind; between kinds goes who waits longer.
        let mut of_kinds: BTreeMap<&str, _> = BTreeMap::new();
        for (lane, ready) in &self.ready {
            let wanted = kinds.is_empty() || kinds.contains(&lane.kind);
            if !wanted || paused.contains(&lane.kind) || !self.limits.admit(&lane.limits, now) {
                continue;
            }
            let Some((priority, due, seq, id)) = ready.first().copied() else {
                continue;
            };
            let place = self.shares.place(&lane.kind, lane.tenant);
            let this = (priority, place, due, seq, id);
            let best = of_kinds.entry(&lane.kind).or_insert(this);
            *best = this.min(*best);
        }
        let best = of_kinds.into_values();
        let best = best.min_by_key(|(priority, _, due, seq, _)| (*priority, *due, *seq));
        best.map(|(.., id)| id)
    }

    /// The lanes that have available jobs which may begin, and how many.
    pub(super) fn open_lanes(&self, now: Instant) -> impl Iterator<Item = (&Lane, usize)> {
        let open = self.ready.iter();
        let open = open.filter(move |(lane, _)| self.limits.admit(&lane.limits, now));
        open.map(|(lane, ready)| (lane, ready.len()))
    }

    /// The first job that waits for a time, and when.
    pub(super) fn next_due(&self) -> Option<(Instant, JobId)> {
        self.timed.first().map(|(due, _, id)| (*due, *id))
    }

    /// The job that has been final for longest, and since when.
    pub(super) fn oldest_final(&self) -> Option<(Instant, JobId)> {
        self.finished.first().map(|(at, _, id)| (*at, *id))
    }
}

/// The idempotency key of a job, if it has one.
pub(super) fn live_key(job: &Job) -> Option<LiveKey> {
    let key = job.idempotency_key.clone()?;
    Some((job.tenant, job.kind.clone(), key))
}
