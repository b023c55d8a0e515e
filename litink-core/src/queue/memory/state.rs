//! A queue's transitions, without waiting: every function leaves a state that could be stored.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{
    far,
    jobs::{Cancel, Entry, Jobs},
};
use crate::{
    JobId, Result, SessionId,
    domain::Timestamp,
    queue::{
        Enqueued, Exchanged, Job, JobState, Lease, Leased, NewJob, Outcome, Session, Settle, Turn,
        validate,
    },
};

/// All that a queue knows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) jobs: Jobs,
    pub(super) paused: BTreeSet<String>,
    sessions: HashMap<SessionId, Held>,
    expiries: BTreeSet<(Instant, SessionId)>,
    waiting: BTreeMap<u64, Waiting>,
    lease: Duration,
    /// The clock of this queue: the time of the last call.
    pub(super) now: Instant,
    began: (Instant, Timestamp),
    seq: u64,
}

/// A session and what it holds.
#[derive(Debug)]
struct Held {
    expires: Instant,
    jobs: HashSet<JobId>,
    /// Those of its jobs that somebody cancelled.
    cancelled: BTreeSet<JobId>,
}

/// An exchange that waits.
#[derive(Debug)]
struct Waiting {
    session: SessionId,
    kinds: Vec<String>,
    want: u32,
    notify: Arc<Notify>,
    woken: bool,
}

impl Waiting {
    fn wake(&mut self) {
        self.woken = true;
        self.notify.notify_one();
    }
}

impl State {
    pub(super) fn new(lease: Duration) -> Self {
        let now = Instant::now();
        Self {
            jobs: Jobs::default(),
            paused: BTreeSet::new(),
            sessions: HashMap::new(),
            expiries: BTreeSet::new(),
            waiting: BTreeMap::new(),
            lease,
            now,
            began: (now, chrono::Utc::now()),
            seq: 0,
        }
    }

    pub(super) fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(id).map(|entry| &entry.job)
    }

    /// Brings the queue up to a time: what is due is available, what is expired is rescued.
    pub(super) fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
        while let Some((due, id)) = self.jobs.next_due()
            && due <= self.now
        {
            self.jobs
                .change(id, |entry| entry.job.state = JobState::Available);
        }
        while let Some((expires, session)) = self.expiries.first().copied()
            && expires <= self.now
        {
            self.end(session, Self::rescue);
        }
        self.wake();
    }

    pub(super) fn enqueue(&mut self, jobs: &[NewJob]) -> Vec<Enqueued> {
        let next = self.next_event();
        let enqueued = jobs.iter().map(|job| self.add(job)).collect();
        self.wake();
        self.wake_all_if_sooner(next);
        enqueued
    }

    fn add(&mut self, new: &NewJob) -> Enqueued {
        if let Some(key) = &new.idempotency_key {
            let key = (new.tenant, new.kind.clone(), key.clone());
            if let Some(id) = self.jobs.live.get(&key) {
                return Enqueued::Existing(*id);
            }
        }
        self.seq += 1;
        let due = far(self.now, new.delay);
        let job = self.new_job(new, due);
        let id = job.id;
        self.jobs.add(Entry {
            job,
            seq: self.seq,
            due,
            token: 0,
            holder: None,
            cancel: Cancel::No,
            finished: None,
        });
        Enqueued::Added(id)
    }

    fn new_job(&self, new: &NewJob, due: Instant) -> Job {
        Job {
            id: JobId::random(),
            kind: new.kind.clone(),
            args: new.args.clone(),
            tenant: new.tenant,
            priority: new.priority,
            state: if due > self.now {
                JobState::Scheduled
            } else {
                JobState::Available
            },
            attempt: 0,
            max_attempts: new.max_attempts,
            crashes: 0,
            max_crashes: new.max_crashes,
            idempotency_key: new.idempotency_key.clone(),
            trace: new.trace.clone(),
            error: None,
            created_at: self.timestamp(self.now),
            scheduled_at: self.timestamp(due),
            finished_at: None,
        }
    }

    pub(super) fn open(&mut self) -> Session {
        let next = self.next_event();
        let id = SessionId::random();
        let expires = far(self.now, self.lease);
        self.sessions.insert(
            id,
            Held {
                expires,
                jobs: HashSet::new(),
                cancelled: BTreeSet::new(),
            },
        );
        self.expiries.insert((expires, id));
        self.wake_all_if_sooner(next);
        Session {
            id,
            lease: self.lease,
        }
    }

    pub(super) fn heartbeat(&mut self, id: SessionId) -> Result<()> {
        let expires = far(self.now, self.lease);
        let session = self.session(id)?;
        let before = std::mem::replace(&mut session.expires, expires);
        self.expiries.remove(&(before, id));
        self.expiries.insert((expires, id));
        Ok(())
    }

    fn session(&mut self, id: SessionId) -> Result<&mut Held> {
        self.sessions
            .get_mut(&id)
            .ok_or_else(validate::session_lost)
    }

    pub(super) fn close(&mut self, id: SessionId) {
        self.end(id, Self::give_back);
        for waiting in self.waiting.values_mut().filter(|w| w.session == id) {
            waiting.wake();
        }
        self.wake();
    }

    fn end(&mut self, id: SessionId, each: fn(&mut Self, JobId)) {
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        self.expiries.remove(&(session.expires, id));
        for job in session.jobs {
            each(self, job);
        }
    }

    /// One pass of a turn, and whether it brought nothing.
    pub(super) fn exchange(&mut self, id: SessionId, turn: &Turn) -> Result<(Exchanged, bool)> {
        self.session(id)?;
        let settled: Vec<bool> = turn.settle.iter().map(|s| self.settle(id, s)).collect();
        if settled.contains(&true) {
            self.wake();
        }
        let mut leased = Vec::new();
        while leased.len() < turn.want as usize
            && let Some(job) = self.jobs.best(&turn.kinds, &self.paused)
        {
            leased.extend(self.lease(id, job));
        }
        let (cancel, news) = self.cancels(id)?;
        let idle = settled.is_empty() && leased.is_empty() && !news;
        let exchanged = Exchanged {
            settled,
            leased,
            cancel,
            // A pass is not interrupted, so no reply of this queue is ever lost.
            lost: Vec::new(),
        };
        Ok((exchanged, idle))
    }

    fn lease(&mut self, session: SessionId, id: JobId) -> Option<Leased> {
        self.sessions.get_mut(&session)?.jobs.insert(id);
        self.jobs.change(id, |entry| {
            entry.token += 1;
            entry.holder = Some(session);
            entry.job.state = JobState::Running;
            entry.job.attempt += 1;
            Leased {
                lease: Lease {
                    job: id,
                    token: entry.token,
                },
                job: entry.job.clone(),
            }
        })
    }

    /// The jobs of a session that are to stop, and whether there is one that it did not know of.
    fn cancels(&mut self, id: SessionId) -> Result<(Vec<JobId>, bool)> {
        let cancel: Vec<JobId> = self.session(id)?.cancelled.iter().copied().collect();
        let mut news = false;
        for job in &cancel {
            news |= self
                .jobs
                .get(*job)
                .is_some_and(|e| e.cancel == Cancel::Wanted);
            self.jobs.mark(*job, Cancel::Told);
        }
        Ok((cancel, news))
    }

    fn settle(&mut self, session: SessionId, settle: &Settle) -> bool {
        let id = settle.lease.job;
        let holds =
            |entry: &Entry| entry.holder == Some(session) && entry.token == settle.lease.token;
        if !self.jobs.get(id).is_some_and(holds) {
            return false;
        }
        if let Some(held) = self.sessions.get_mut(&session) {
            held.jobs.remove(&id);
            held.cancelled.remove(&id);
        }
        let next = self.next_event();
        match &settle.outcome {
            Outcome::Complete => self.finish(id, JobState::Completed, None),
            Outcome::Cancel => self.finish(id, JobState::Cancelled, None),
            Outcome::Discard { error } => self.finish(id, JobState::Discarded, Some(error.clone())),
            Outcome::Retry { after, error } => self.retry(id, *after, error),
            Outcome::Snooze { after } => self.postpone(id, *after, true, None),
            Outcome::Release => self.give_back(id),
        }
        self.wake_all_if_sooner(next);
        true
    }

    pub(super) fn finish(&mut self, id: JobId, state: JobState, error: Option<String>) {
        let (now, at) = (self.now, self.timestamp(self.now));
        self.jobs.change(id, |entry| {
            entry.holder = None;
            entry.cancel = Cancel::No;
            entry.finished = Some(now);
            entry.job.state = state;
            entry.job.finished_at = Some(at);
            entry.job.error = error.or(entry.job.error.take());
        });
    }

    fn retry(&mut self, id: JobId, after: Duration, error: &str) {
        let used_up = |entry: &Entry| {
            entry.job.attempt >= entry.job.max_attempts && entry.cancel == Cancel::No
        };
        let error = Some(error.to_owned());
        if self.jobs.get(id).is_some_and(used_up) {
            self.finish(id, JobState::Discarded, error);
        } else {
            self.postpone(id, after, false, error);
        }
    }

    fn postpone(&mut self, id: JobId, after: Duration, attempt_back: bool, error: Option<String>) {
        let due = far(self.now, after);
        let at = self.timestamp(due);
        let state = if due > self.now {
            JobState::Retryable
        } else {
            JobState::Available
        };
        self.put_back(id, |entry| {
            entry.due = due;
            entry.job.scheduled_at = at;
            entry.job.state = state;
            entry.job.attempt -= u32::from(attempt_back);
            entry.job.error = error.or(entry.job.error.take());
        });
    }

    /// As if it had never been leased: it keeps its place among the others.
    fn give_back(&mut self, id: JobId) {
        self.put_back(id, |entry| {
            entry.job.state = JobState::Available;
            entry.job.attempt -= 1;
        });
    }

    /// Its worker died under it.
    fn rescue(&mut self, id: JobId) {
        let (now, at) = (self.now, self.timestamp(self.now));
        let crashes = self.jobs.change(id, |entry| {
            entry.job.attempt -= 1;
            entry.job.crashes += 1;
            entry.job.crashes >= entry.job.max_crashes
        });
        if crashes == Some(true) {
            let error = "its workers died under it".to_owned();
            self.finish(id, JobState::Discarded, Some(error));
        } else {
            self.put_back(id, |entry| {
                entry.due = now;
                entry.job.scheduled_at = at;
                entry.job.state = JobState::Available;
            });
        }
    }

    /// Takes a job from its holder; one that somebody cancelled is not executed again.
    fn put_back(&mut self, id: JobId, edit: impl FnOnce(&mut Entry)) {
        let cancelled = |entry: &Entry| entry.cancel != Cancel::No;
        let cancelled = self.jobs.get(id).is_some_and(cancelled);
        self.jobs.change(id, |entry| {
            entry.holder = None;
            edit(entry);
        });
        if cancelled {
            self.finish(id, JobState::Cancelled, None);
        }
    }

    /// Asks the holder of a running job to stop it.
    pub(super) fn ask_to_stop(&mut self, id: JobId) {
        let Some(session) = self.jobs.get(id).and_then(|entry| entry.holder) else {
            return;
        };
        self.jobs.mark(id, Cancel::Wanted);
        if let Some(held) = self.sessions.get_mut(&session) {
            held.cancelled.insert(id);
        }
        for waiting in self.waiting.values_mut().filter(|w| w.session == session) {
            waiting.wake();
        }
    }

    /// Puts an exchange on the list of those that wait.
    pub(super) fn wait(&mut self, session: SessionId, turn: &Turn, notify: Arc<Notify>) -> u64 {
        self.seq += 1;
        let waiting = Waiting {
            session,
            kinds: turn.kinds.clone(),
            want: turn.want,
            notify,
            woken: false,
        };
        self.waiting.insert(self.seq, waiting);
        self.seq
    }

    /// Takes an exchange off the list.
    pub(super) fn stop_waiting(&mut self, id: u64) {
        self.waiting.remove(&id);
        self.wake();
    }

    /// Wakes as many waiting exchanges as there are jobs for, the one that waited longest first.
    pub(super) fn wake(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        for (kind, ready) in &self.jobs.ready {
            if self.paused.contains(kind) {
                continue;
            }
            let mut left = ready.len();
            for waiting in self.waiting.values_mut() {
                if left == 0 {
                    break;
                }
                if waiting.want == 0 || !waiting.kinds.contains(kind) {
                    continue;
                }
                if !waiting.woken {
                    waiting.wake();
                }
                left = left.saturating_sub(waiting.want as usize);
            }
        }
    }

    /// When the state changes next by itself.
    pub(super) fn next_event(&self) -> Option<Instant> {
        let due = self.jobs.next_due().map(|(due, _)| due);
        let expiry = self.expiries.first().map(|(expires, _)| *expires);
        due.into_iter().chain(expiry).min()
    }

    /// Every waiting exchange sleeps until the next event; they look again when it comes sooner.
    fn wake_all_if_sooner(&mut self, before: Option<Instant>) {
        let sooner = self
            .next_event()
            .is_some_and(|next| before.is_none_or(|before| next < before));
        if sooner {
            self.waiting.values_mut().for_each(Waiting::wake);
        }
    }

    /// The time of an instant on the calendar.
    pub(super) fn timestamp(&self, at: Instant) -> Timestamp {
        let (began, time) = self.began;
        chrono::TimeDelta::from_std(at.saturating_duration_since(began))
            .ok()
            .and_then(|passed| time.checked_add_signed(passed))
            .unwrap_or(time)
    }
}
