//! All that a queue in memory knows, its sessions and their turns. No function here waits.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    far,
    jobs::{Cancel, Entry, Jobs},
    waiting::Waiting,
};
use crate::{
    JobId, Result, SessionId,
    domain::Timestamp,
    queue::{
        Beat, Enqueued, Exchanged, Job, JobState, Lease, Leased, NewJob, Session, Turn, WorkerInfo,
        WorkerState, validate,
    },
};

/// All that a queue knows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) jobs: Jobs,
    pub(super) paused: BTreeSet<String>,
    pub(super) sessions: HashMap<SessionId, Held>,
    pub(super) expiries: BTreeSet<(Instant, SessionId)>,
    pub(super) waiting: BTreeMap<u64, Waiting>,
    lease: Duration,
    /// The clock of this queue: the time of the last call.
    pub(super) now: Instant,
    began: (Instant, Timestamp),
    pub(super) seq: u64,
}

/// A session and what it holds.
#[derive(Debug)]
pub(super) struct Held {
    info: WorkerInfo,
    opened: Instant,
    expires: Instant,
    pub(super) jobs: HashSet<JobId>,
    /// Those of its jobs that somebody cancelled.
    pub(super) cancelled: BTreeSet<JobId>,
    /// The number of its last turn.
    turn: u64,
    /// Leases by turn whose replies it has not yet confirmed.
    unconfirmed: VecDeque<(u64, JobId)>,
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
        if self.jobs.get(new.id).is_some() {
            return Enqueued::Existing(new.id);
        }
        if let Some(key) = &new.idempotency_key {
            let key = (new.tenant, new.kind.clone(), key.clone());
            if let Some(id) = self.jobs.live.get(&key) {
                return Enqueued::Existing(*id);
            }
        }
        self.seq += 1;
        let due = far(self.now, new.delay);
        let job = self.new_job(new, due);
        self.jobs.add(Entry {
            job,
            seq: self.seq,
            due,
            holder: None,
            turn: 0,
            settled: None,
            cancel: Cancel::No,
            finished: None,
        });
        Enqueued::Added(new.id)
    }

    fn new_job(&self, new: &NewJob, due: Instant) -> Job {
        Job {
            id: new.id,
            group: new.group,
            kind: new.kind.clone(),
            args: new.args.clone(),
            tenant: new.tenant,
            priority: new.priority,
            token: 0,
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
            limits: validate::limits(&new.limits),
            trace: new.trace.clone(),
            error: None,
            created_at: self.timestamp(self.now),
            scheduled_at: self.timestamp(due),
            finished_at: None,
        }
    }

    pub(super) fn open(&mut self, info: &WorkerInfo) -> Session {
        let next = self.next_event();
        let id = SessionId::random();
        let expires = far(self.now, self.lease);
        self.sessions.insert(
            id,
            Held {
                info: info.clone(),
                opened: self.now,
                expires,
                jobs: HashSet::new(),
                cancelled: BTreeSet::new(),
                turn: 0,
                unconfirmed: VecDeque::new(),
            },
        );
        self.expiries.insert((expires, id));
        self.wake_all_if_sooner(next);
        Session {
            id,
            lease: self.lease,
        }
    }

    pub(super) fn heartbeat(&mut self, id: SessionId) -> Result<Beat> {
        let expires = far(self.now, self.lease);
        let session = self.session(id)?;
        let before = std::mem::replace(&mut session.expires, expires);
        self.expiries.remove(&(before, id));
        self.expiries.insert((expires, id));
        let cancel = self.cancels(id)?;
        Ok(Beat { cancel })
    }

    pub(super) fn workers(&self) -> Vec<WorkerState> {
        let state = |(id, held): (&SessionId, &Held)| WorkerState {
            session: *id,
            info: held.info.clone(),
            opened_at: self.timestamp(held.opened),
            // Each heartbeat is for another lease.
            seen_at: self.timestamp(held.expires - self.lease),
            expires_at: self.timestamp(held.expires),
            running: held.jobs.len() as u64,
        };
        let mut workers: Vec<WorkerState> = self.sessions.iter().map(state).collect();
        workers.sort_unstable_by_key(|it| (it.opened_at, it.session));
        workers
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

    /// One pass of a turn, and whether it brought nothing and waits, if it may.
    pub(super) fn exchange(
        &mut self,
        id: SessionId,
        turn: &Turn,
        may_wait: bool,
    ) -> Result<(Exchanged, bool)> {
        let lost = self.lost(id, turn.received)?;
        let settled: Vec<bool> = turn.settle.iter().map(|s| self.settle(id, s)).collect();
        if settled.contains(&true) {
            self.wake();
        }
        let number = self.session(id)?.turn + 1;
        let mut leased = Vec::new();
        while leased.len() < turn.want as usize
            && let Some(job) = self.jobs.best(&turn.kinds, &self.paused, self.now)
        {
            leased.extend(self.lease(id, job, number));
        }
        let cancel = self.cancels(id)?;
        let told = self.tell(&cancel);
        let lost = lost.into_iter();
        let lost: Vec<Leased> = lost
            .filter_map(|(turn, job)| self.held(id, turn, job))
            .collect();
        let nothing = settled.is_empty() && leased.is_empty() && lost.is_empty() && !told;
        let waits = nothing && may_wait;
        if !waits {
            self.session(id)?.turn = number;
        }
        let exchanged = Exchanged {
            number,
            settled,
            leased,
            cancel,
            lost,
        };
        Ok((exchanged, waits))
    }

    /// The jobs leased in turns after the last one whose reply was received.
    fn lost(&mut self, id: SessionId, received: u64) -> Result<Vec<(u64, JobId)>> {
        let unconfirmed = &mut self.session(id)?.unconfirmed;
        while unconfirmed
            .front()
            .is_some_and(|(turn, _)| *turn <= received)
        {
            unconfirmed.pop_front();
        }
        Ok(unconfirmed.iter().copied().collect())
    }

    /// A job that the session holds still, by the lease of that turn.
    fn held(&self, session: SessionId, turn: u64, id: JobId) -> Option<Leased> {
        let entry = self.jobs.get(id)?;
        (entry.holder == Some(session) && entry.turn == turn).then(|| leased(entry))
    }

    fn lease(&mut self, session: SessionId, id: JobId, turn: u64) -> Option<Leased> {
        let held = self.sessions.get_mut(&session)?;
        held.jobs.insert(id);
        held.unconfirmed.push_back((turn, id));
        let job = &self.jobs.get(id)?.job;
        let (kind, tenant, limits) = (job.kind.clone(), job.tenant, job.limits.clone());
        self.jobs.shares.served(&kind, tenant);
        self.jobs.limits.begin(&limits, self.now);
        self.jobs.change(id, |entry| {
            entry.holder = Some(session);
            entry.turn = turn;
            entry.job.token += 1;
            entry.job.state = JobState::Running;
            entry.job.attempt += 1;
            leased(entry)
        })
    }

    /// The leases of a session that are to stop.
    fn cancels(&mut self, id: SessionId) -> Result<Vec<Lease>> {
        let jobs: Vec<JobId> = self.session(id)?.cancelled.iter().copied().collect();
        let entries = jobs.iter().filter_map(|job| self.jobs.get(*job));
        Ok(entries.map(lease_of).collect())
    }

    /// Whether there is one among them that its worker had not heard of in a turn.
    fn tell(&mut self, cancel: &[Lease]) -> bool {
        let mut news = false;
        for lease in cancel {
            let entry = self.jobs.get(lease.job);
            news |= entry.is_some_and(|entry| entry.cancel == Cancel::Wanted);
            self.jobs
                .touch(lease.job, |entry| entry.cancel = Cancel::Told);
        }
        news
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

fn lease_of(entry: &Entry) -> Lease {
    Lease {
        job: entry.job.id,
        token: entry.job.token,
    }
}

fn leased(entry: &Entry) -> Leased {
    Leased {
        lease: lease_of(entry),
        job: entry.job.clone(),
    }
}
