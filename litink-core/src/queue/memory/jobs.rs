//! The jobs of a queue in memory and their indexes, kept in step by one function.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use tokio::time::Instant;

use crate::{
    JobId, SessionId, UserId,
    queue::{Job, JobState},
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
    pub(super) token: u64,
    pub(super) holder: Option<SessionId>,
    pub(super) cancel: Cancel,
    pub(super) finished: Option<Instant>,
}

/// Best first: priority, time of availability, age.
type Ready = BTreeSet<(Reverse<i16>, Instant, u64, JobId)>;

/// A live idempotency key.
pub(super) type LiveKey = (Option<UserId>, String, String);

/// All jobs, by everything that they are looked for by.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    entries: HashMap<JobId, Entry>,
    pub(super) by_age: BTreeMap<u64, JobId>,
    pub(super) ready: BTreeMap<String, Ready>,
    /// Scheduled and retryable jobs by when they are due.
    timed: BTreeSet<(Instant, u64, JobId)>,
    finished: BTreeSet<(Instant, u64, JobId)>,
    pub(super) discarded: BTreeSet<(u64, JobId)>,
    pub(super) live: HashMap<LiveKey, JobId>,
    pub(super) counts: BTreeMap<String, BTreeMap<JobState, u64>>,
}

impl Jobs {
    pub(super) fn get(&self, id: JobId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    pub(super) fn add(&mut self, entry: Entry) {
        self.by_age.insert(entry.seq, entry.job.id);
        self.index(&entry);
        self.entries.insert(entry.job.id, entry);
    }

    pub(super) fn remove(&mut self, id: JobId) {
        if let Some(entry) = self.entries.remove(&id) {
            self.unindex(&entry);
            self.by_age.remove(&entry.seq);
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

    /// Changes what no index looks at.
    pub(super) fn mark(&mut self, id: JobId, cancel: Cancel) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.cancel = cancel;
        }
    }

    fn index(&mut self, entry: &Entry) {
        let (seq, id) = (entry.seq, entry.job.id);
        match entry.job.state {
            JobState::Available => {
                let place = (Reverse(entry.job.priority), entry.due, seq, id);
                if let Some(ready) = self.ready.get_mut(&entry.job.kind) {
                    ready.insert(place);
                } else {
                    let ready = Ready::from([place]);
                    self.ready.insert(entry.job.kind.clone(), ready);
                }
            }
            JobState::Scheduled | JobState::Retryable => {
                self.timed.insert((entry.due, seq, id));
            }
            JobState::Running => {}
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
                if let Some(ready) = self.ready.get_mut(&entry.job.kind) {
                    ready.remove(&(Reverse(entry.job.priority), entry.due, seq, id));
                }
            }
            JobState::Scheduled | JobState::Retryable => {
                self.timed.remove(&(entry.due, seq, id));
            }
            JobState::Running => {}
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

    /// The best available job of these kinds that are not paused.
    pub(super) fn best(&self, kinds: &[String], paused: &BTreeSet<String>) -> Option<JobId> {
        kinds
            .iter()
            .filter(|kind| !paused.contains(*kind))
            .filter_map(|kind| self.ready.get(kind)?.first())
            .min()
            .map(|(.., id)| *id)
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
