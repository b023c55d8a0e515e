//! How a job goes from state to state.

use std::{mem::discriminant, time::Duration};

use super::{
    far,
    jobs::{Cancel, Entry},
    state::State,
};
use crate::{
    JobId, SessionId,
    queue::{JobState, Outcome, Settle},
};

impl State {
    pub(super) fn settle(&mut self, session: SessionId, settle: &Settle) -> bool {
        let id = settle.lease.job;
        let this = (session, settle.lease.token, discriminant(&settle.outcome));
        let Some(entry) = self.jobs.get(id) else {
            return false;
        };
        if entry.holder != Some(session) || entry.job.token != settle.lease.token {
            return entry.settled == Some(this);
        }
        if let Some(held) = self.sessions.get_mut(&session) {
            held.jobs.remove(&id);
            held.cancelled.remove(&id);
        }
        self.jobs.touch(id, |entry| entry.settled = Some(this));
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
    pub(super) fn give_back(&mut self, id: JobId) {
        self.put_back(id, |entry| {
            entry.job.state = JobState::Available;
            entry.job.attempt -= 1;
        });
    }

    /// Its worker died under it.
    pub(super) fn rescue(&mut self, id: JobId) {
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
        self.jobs.touch(id, |entry| entry.cancel = Cancel::Wanted);
        if let Some(held) = self.sessions.get_mut(&session) {
            held.cancelled.insert(id);
        }
        for waiting in self.waiting.values_mut().filter(|w| w.session == session) {
            waiting.wake();
        }
    }
}
