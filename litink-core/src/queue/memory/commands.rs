//! What operators see of a queue in memory, and what they do to it.

use std::time::Duration;

use uuid::Uuid;

use super::{
    jobs::{Cancel, live_key},
    state::State,
};
use crate::{
    Error, JobId, Result,
    queue::{Command, Job, JobQuery, JobState, KindStats, Selector},
    repository::{Cursor, Page},
};

/// The most jobs that one command for a group touches.
const MAX_GROUP: usize = 10_000;

/// The most jobs that one command for all discarded jobs touches.
const MAX_DISCARDED: usize = 1_000;

impl State {
    pub(super) fn control(&mut self, command: &Command) -> u64 {
        let next = self.next_event();
        let touched = match command {
            Command::Cancel(selector) => self.each(selector, Self::cancel),
            Command::Replay(selector) => self.each(selector, Self::replay),
            Command::Pause { kind } => u64::from(self.paused.insert(kind.clone())),
            Command::Resume { kind } => u64::from(self.paused.remove(kind)),
            Command::Prune { older_than } => self.prune(*older_than),
            Command::Limit { key, limit } => {
                self.jobs.limits.set(key, *limit, self.now);
                1
            }
            Command::Throttle { key, time } => {
                self.jobs.limits.throttle(key, *time, self.now);
                1
            }
            Command::Weigh { tenant, weight } => {
                self.jobs.shares.weigh(*tenant, *weight);
                1
            }
        };
        self.wake();
        self.wake_all_if_sooner(next);
        touched
    }

    fn each(&mut self, selector: &Selector, act: fn(&mut Self, JobId) -> bool) -> u64 {
        let ids = self.select(selector);
        let touched = ids.into_iter().filter(|id| act(self, *id));
        touched.count() as u64
    }

    fn select(&self, selector: &Selector) -> Vec<JobId> {
        match selector {
            Selector::Ids(ids) => ids.clone(),
            Selector::Group(group) => {
                let members = self.jobs.groups.get(group).into_iter().flatten();
                members.map(|(_, id)| *id).take(MAX_GROUP).collect()
            }
            Selector::Key { tenant, kind, key } => {
                let key = (*tenant, kind.clone(), key.clone());
                self.jobs.live.get(&key).copied().into_iter().collect()
            }
            Selector::Discarded { kind } => self
                .jobs
                .discarded
                .iter()
                .map(|(_, id)| *id)
                .filter(|id| {
                    let job = self.job(*id);
                    kind.is_none() || job.map(|job| &job.kind) == kind.as_ref()
                })
                .take(MAX_DISCARDED)
                .collect(),
        }
    }

    fn cancel(&mut self, id: JobId) -> bool {
        match self
            .jobs
            .get(id)
            .map(|entry| (entry.job.state, entry.cancel))
        {
            Some((JobState::Running, Cancel::No)) => self.ask_to_stop(id),
            Some((state, Cancel::No)) if !state.is_final() => {
                self.finish(id, JobState::Cancelled, None);
            }
            _ => return false,
        }
        true
    }

    /// A final job whose key another live job has stays as it is.
    fn replay(&mut self, id: JobId) -> bool {
        let taken = |job: &Job| live_key(job).is_some_and(|key| self.jobs.live.contains_key(&key));
        if !self
            .job(id)
            .is_some_and(|job| job.state.is_final() && !taken(job))
        {
            return false;
        }
        let (now, at) = (self.now, self.timestamp(self.now));
        self.jobs.change(id, |entry| {
            entry.due = now;
            entry.finished = None;
            entry.job.state = JobState::Available;
            entry.job.attempt = 0;
            entry.job.crashes = 0;
            entry.job.error = None;
            entry.job.scheduled_at = at;
            entry.job.finished_at = None;
        });
        true
    }

    fn prune(&mut self, older_than: Duration) -> u64 {
        let mut pruned = 0;
        while let Some((at, id)) = self.jobs.oldest_final()
            && self.now.saturating_duration_since(at) >= older_than
        {
            self.jobs.remove(id);
            pruned += 1;
        }
        self.jobs.limits.sweep(self.now);
        pruned
    }

    pub(super) fn list(&self, query: &JobQuery) -> Result<Page<Job>> {
        let limit = match query.limit {
            0 => 100,
            limit @ 1..=1_000 => limit as usize,
            _ => return Err(Error::invalid("bad_query", "the limit must be 1 to 1000")),
        };
        let before = match &query.after {
            Some(text) => Cursor::decode(text)?.key.cast_unsigned(),
            None => u64::MAX,
        };
        let wanted = |job: &&Job| {
            query.kind.as_ref().is_none_or(|kind| job.kind == *kind)
                && query.tenant.is_none_or(|tenant| job.tenant == Some(tenant))
                && (query.states.is_empty() || query.states.contains(&job.state))
        };
        let mut found = self
            .jobs
            .by_age
            .range(..before)
            .rev()
            .filter_map(|(seq, id)| Some((*seq, self.job(*id)?)))
            .filter(|(_, job)| wanted(job));
        let page: Vec<_> = found.by_ref().take(limit).collect();
        let last = page.last().filter(|_| found.next().is_some());
        // The place of a job is its age here; the id is only there to have the form of a cursor.
        let next = last.map(|(seq, _)| Cursor {
            key: seq.cast_signed(),
            id: Uuid::nil(),
        });
        Ok(Page {
            items: page.into_iter().map(|(_, job)| job.clone()).collect(),
            next: next.map(|cursor| cursor.encode()),
        })
    }

    pub(super) fn stats(&self) -> Vec<KindStats> {
        let without_jobs = self
            .paused
            .iter()
            .filter(|kind| !self.jobs.counts.contains_key(*kind));
        let kinds = self.jobs.counts.keys().chain(without_jobs);
        kinds.map(|kind| self.kind_stats(kind)).collect()
    }

    fn kind_stats(&self, kind: &str) -> KindStats {
        let jobs = self.jobs.counts.get(kind).cloned().unwrap_or_default();
        let lanes = self.jobs.ready.iter();
        let ready = lanes.filter(|(lane, _)| lane.kind == kind);
        let ready = ready.flat_map(|(_, ready)| ready);
        let oldest = ready.map(|(_, due, ..)| *due).min();
        KindStats {
            kind: kind.to_owned(),
            jobs: jobs.into_iter().filter(|(_, count)| *count > 0).collect(),
            oldest_available: oldest.map(|due| self.now.saturating_duration_since(due)),
            paused: self.paused.contains(kind),
        }
    }
}
