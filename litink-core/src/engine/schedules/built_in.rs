//! litink's own schedules, and the jobs that they make: the housekeeping of an engine.

use std::time::Duration;

use serde_json::json;

use super::{ScheduleSpec, age};
use crate::{
    Actor, Error, Result, RunId,
    domain::{
        CatchUp, Failure, Generation, GenerationState, Run, RunState, Session, Step, StepState,
    },
    engine::{Engine, generate::abandoned, runs},
    queue::{Command, Job, Outcome},
    repository::{Change, MAX_LIMIT, Order, Query, RepositoryExt},
    schema::Table,
};

const SWEEP: &str = "litink.sweep";
const RECONCILE: &str = "litink.reconcile";
const RELEASE: &str = "litink.release";
const EXPIRE: &str = "litink.expire";

/// The kinds of their jobs, which any worker does.
pub(crate) const KINDS: &[&str] = &[SWEEP, RECONCILE, RELEASE, EXPIRE];

/// What nobody has touched for so long is looked at: ten times what a worker takes to notice that
/// another died.
const IDLE: Duration = Duration::from_secs(300);
/// How long finished jobs are known: far longer than any scheduler can be paused between reading a
/// schedule and adding its job.
const KEEP_JOBS: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long sessions are known that are over, so that an old refresh token is told from a made-up
/// one.
const KEEP_SESSIONS: Duration = Duration::from_secs(30 * 24 * 3600);

/// Litink's own schedules. What an operator changes of them stays so.
pub(super) fn schedules() -> [ScheduleSpec; 4] {
    let own = |name: &str, cron: &str| ScheduleSpec::new(name, cron, name);
    [
        own(SWEEP, "*/5 * * * *")
            .args(json!({ "idle_s": IDLE.as_secs() }))
            .catch_up(CatchUp::Skip),
        own(RECONCILE, "2-59/10 * * * *")
            .args(json!({ "idle_s": IDLE.as_secs() }))
            .catch_up(CatchUp::Skip),
        own(RELEASE, "7-59/10 * * * *")
            .args(json!({ "idle_s": IDLE.as_secs() }))
            .catch_up(CatchUp::Skip),
        own(EXPIRE, "17 3 * * *")
            .args(json!({
                "jobs_s": KEEP_JOBS.as_secs(),
                "sessions_s": KEEP_SESSIONS.as_secs(),
            }))
            .catch_up(CatchUp::Last),
    ]
}

impl Engine {
    /// Does a job of litink's own; `None` for any other.
    pub(in crate::engine) async fn keep_house(&self, job: &Job) -> Option<Outcome> {
        let done = match job.kind.as_str() {
            SWEEP => self.sweep(age(&job.args, "idle_s", IDLE)).await,
            RECONCILE => self.reconcile(age(&job.args, "idle_s", IDLE)).await,
            RELEASE => self.release(age(&job.args, "idle_s", IDLE)).await,
            EXPIRE => {
                let jobs = age(&job.args, "jobs_s", KEEP_JOBS);
                let sessions = age(&job.args, "sessions_s", KEEP_SESSIONS);
                self.expire(jobs, sessions).await
            }
            _ => return None,
        };
        Some(match done {
            Ok(touched) => {
                tracing::debug!(kind = job.kind, touched, "housekeeping");
                Outcome::Complete
            }
            Err(error) => {
                tracing::warn!(%error, kind = job.kind, "housekeeping failed and is tried again");
                Outcome::Retry {
                    after: Duration::from_secs(30),
                    error: error.code().to_owned(),
                }
            }
        })
    }

    /// Ends the runs that go on by their row although a step of theirs was given up: whoever gave
    /// it up died before it said so. Says how many.
    ///
    /// # Errors
    /// The repository's.
    pub async fn reconcile(&self, idle: Duration) -> Result<usize> {
        let mut query = Query::new(Table::Runs)
            .states([RunState::Running.as_str()])
            .idle_for(idle)
            .order(Order::Oldest)
            .limit(MAX_LIMIT);
        let mut ended = 0;
        loop {
            let page = self.repository().page::<Run>(Actor::Worker, &query).await?;
            for run in &page.items {
                ended += usize::from(self.end_if_given_up(run, idle).await?);
            }
            match page.next {
                Some(next) => query = query.after(Some(next)),
                None => return Ok(ended),
            }
        }
    }

    async fn end_if_given_up(&self, run: &Run, idle: Duration) -> Result<bool> {
        let query = Query::new(Table::Steps)
            .parent(run.id())
            .states([StepState::Failed.as_str()])
            .idle_for(idle)
            .limit(1);
        let page = self
            .repository()
            .page::<Step>(Actor::Worker, &query)
            .await?;
        let Some(step) = page.items.first() else {
            return Ok(false);
        };
        let mut set = runs::ended(RunState::Failed);
        let unknown = || Failure::from(&Error::internal("a step was given up"));
        set.push(("error", json!(step.error.clone().unwrap_or_else(unknown))));
        // Its version: one that is resumed at this moment goes on.
        if !self.applied(Change::update(run, set)).await? {
            return Ok(false);
        }
        let id: RunId = run.id();
        let run: Run = self.repository().find(Actor::Worker, id).await?;
        self.tell(&run).await;
        Ok(true)
    }

    /// Ends the reservations of calls that nobody waits for any more: whoever made them died, and
    /// their run is over. As such a call may have been paid, it counts as what was held back for it,
    /// and is sent again only as any other ambiguous call. Says how many.
    ///
    /// # Errors
    /// The repository's.
    pub async fn release(&self, idle: Duration) -> Result<usize> {
        let states = [GenerationState::Started, GenerationState::Pending];
        let mut query = Query::new(Table::Generations)
            .states(states.map(GenerationState::as_str))
            .idle_for(idle)
            .order(Order::Oldest)
            .limit(MAX_LIMIT);
        let mut released = 0;
        loop {
            let page = self
                .repository()
                .page::<Generation>(Actor::Worker, &query)
                .await?;
            for call in &page.items {
                released += usize::from(self.release_one(call).await?);
            }
            match page.next {
                Some(next) => query = query.after(Some(next)),
                None => return Ok(released),
            }
        }
    }

    async fn release_one(&self, call: &Generation) -> Result<bool> {
        let Some(changes) = abandoned(call) else {
            return Ok(false);
        };
        if let Some(id) = call.run_id {
            let run: Option<Run> = self.repository().find_optional(Actor::Worker, id).await?;
            let goes_on = |run: Run| match call.state {
                // The vendor still works for it, and a failed run can be resumed.
                GenerationState::Pending => {
                    matches!(run.state, RunState::Running | RunState::Failed)
                }
                _ => !run.state.is_final(),
            };
            if run.is_some_and(goes_on) {
                return Ok(false);
            }
        }
        match self.repository().apply(Actor::Worker, changes).await {
            Ok(_) => Ok(true),
            // Somebody goes on with it.
            Err(error) if error.code() == "version_conflict" => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Forgets finished jobs, and sessions of accounts, that are older than this. Says how many.
    ///
    /// # Errors
    /// The queue's and the repository's.
    pub async fn expire(&self, jobs: Duration, sessions: Duration) -> Result<usize> {
        let prune = Command::Prune { older_than: jobs };
        let jobs = self.queue().control(&prune).await?;
        let sessions = self.expire_sessions(sessions).await?;
        Ok(usize::try_from(jobs)
            .unwrap_or(usize::MAX)
            .saturating_add(sessions))
    }

    async fn expire_sessions(&self, age: Duration) -> Result<usize> {
        let keep_from = chrono::Utc::now()
            - chrono::TimeDelta::from_std(age).unwrap_or(chrono::TimeDelta::MAX / 2);
        let mut query = Query::new(Table::Sessions)
            .idle_for(age)
            .order(Order::Oldest)
            .limit(MAX_LIMIT);
        let mut forgotten = 0;
        loop {
            let page = self
                .repository()
                .page::<Session>(Actor::Service, &query)
                .await?;
            let over = page.items.iter().filter(|it| it.expires_at < keep_from);
            for session in over {
                forgotten += usize::from(self.applied(Change::delete(session)).await?);
            }
            match page.next {
                Some(next) => query = query.after(Some(next)),
                None => return Ok(forgotten),
            }
        }
    }
}
