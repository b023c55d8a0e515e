//! The timetable: what services add, change, remove and have done now.

use std::time::Duration;

use serde_json::{Value, json};

use super::Engine;
use crate::{
    Actor, Error, ErrorKind, JobId, LOCAL_USER, Result,
    domain::{CatchUp, Meta, Schedule, ScheduleState, Timestamp},
    events::{Event, Topic},
    queue::NewJob,
    repository::{Change, Order, Query, RepositoryExt},
    schema::Table,
    timetable::Timetable,
};

mod built_in;
mod scheduler;

pub(super) use built_in::KINDS;
pub use scheduler::{Scheduler, SchedulerOptions};

/// What a schedule is to be.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ScheduleSpec {
    /// Its name: 1 to 64 letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// When it ticks; see [`Schedule::cron`].
    pub cron: String,
    /// In which time zone. Default `UTC`.
    pub time_zone: String,
    /// The kind of its jobs.
    pub kind: String,
    /// What its jobs are given. Default null.
    pub args: Value,
    /// The priority of its jobs. Default 0.
    pub priority: i16,
    /// What becomes of missed ticks. Default the last of them.
    pub catch_up: CatchUp,
    /// Whether it fires. Default yes.
    pub state: ScheduleState,
}

impl ScheduleSpec {
    /// A job of this kind at each tick, in UTC.
    pub fn new(name: impl Into<String>, cron: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            cron: cron.into(),
            time_zone: "UTC".into(),
            kind: kind.into(),
            args: Value::Null,
            priority: 0,
            catch_up: CatchUp::default(),
            state: ScheduleState::default(),
        }
    }

    /// In which time zone.
    #[must_use]
    pub fn time_zone(mut self, time_zone: impl Into<String>) -> Self {
        self.time_zone = time_zone.into();
        self
    }

    /// What its jobs are given.
    #[must_use]
    pub fn args(mut self, args: Value) -> Self {
        self.args = args;
        self
    }

    /// The priority of its jobs.
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// What becomes of missed ticks.
    #[must_use]
    pub fn catch_up(mut self, catch_up: CatchUp) -> Self {
        self.catch_up = catch_up;
        self
    }

    /// Whether it fires.
    #[must_use]
    pub fn state(mut self, state: ScheduleState) -> Self {
        self.state = state;
        self
    }

    fn schedule(self) -> Result<Schedule> {
        let schedule = Schedule {
            meta: Meta::new(Schedule::id_of(&self.name), LOCAL_USER),
            name: self.name,
            state: self.state,
            cron: self.cron,
            time_zone: self.time_zone,
            kind: self.kind,
            args: self.args,
            priority: self.priority,
            catch_up: self.catch_up,
            revision: 1,
            // The time of creation, which the store sets, is later.
            done_until: Timestamp::UNIX_EPOCH,
            last_tick: None,
            last_job: None,
        };
        check(&schedule)?;
        Ok(schedule)
    }
}

/// What is to change of a schedule; `None` leaves it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ScheduleChange {
    /// See [`Schedule::cron`].
    pub cron: Option<String>,
    /// See [`Schedule::time_zone`].
    pub time_zone: Option<String>,
    /// See [`Schedule::kind`].
    pub kind: Option<String>,
    /// See [`Schedule::args`].
    pub args: Option<Value>,
    /// See [`Schedule::priority`].
    pub priority: Option<i16>,
    /// See [`Schedule::catch_up`].
    pub catch_up: Option<CatchUp>,
    /// See [`Schedule::state`].
    pub state: Option<ScheduleState>,
}

impl ScheduleChange {
    /// Pause it, or go on with it.
    #[must_use]
    pub fn state(state: ScheduleState) -> Self {
        Self {
            state: Some(state),
            ..Self::default()
        }
    }

    /// The schedule after it.
    fn applied(&self, schedule: &Schedule) -> Schedule {
        let mut changed = schedule.clone();
        let text = |to: &mut String, from: &Option<String>| {
            if let Some(from) = from {
                to.clone_from(from);
            }
        };
        text(&mut changed.cron, &self.cron);
        text(&mut changed.time_zone, &self.time_zone);
        text(&mut changed.kind, &self.kind);
        if let Some(args) = &self.args {
            changed.args.clone_from(args);
        }
        changed.priority = self.priority.unwrap_or(changed.priority);
        changed.catch_up = self.catch_up.unwrap_or(changed.catch_up);
        changed.state = self.state.unwrap_or(changed.state);
        changed
    }
}

/// The most schedules that there may be, what one page of a list holds.
const MAX_SCHEDULES: usize = crate::repository::MAX_LIMIT as usize;

/// Whether a schedule can be kept.
fn check(schedule: &Schedule) -> Result<Timetable> {
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let length = schedule.name.len();
    if !(1..=64).contains(&length) || !schedule.name.chars().all(named) {
        let message = "a schedule's name is 1 to 64 letters, digits, `.`, `_` and `-`";
        return Err(Error::invalid("bad_schedule_name", message));
    }
    let timetable = Timetable::parse(&schedule.cron, &schedule.time_zone)?;
    let job = job(schedule, JobId::random());
    crate::queue::validate::jobs(&[job], crate::queue::QueueCapabilities::default())?;
    Ok(timetable)
}

fn job(schedule: &Schedule, id: JobId) -> NewJob {
    NewJob::new(schedule.kind.clone(), schedule.args.clone())
        .id(id)
        .group(schedule.id())
        .priority(schedule.priority)
}

impl Engine {
    /// Every schedule, oldest first.
    ///
    /// # Errors
    /// The repository's.
    pub async fn schedules(&self) -> Result<Vec<Schedule>> {
        let query = Query::new(Table::Schedules)
            .owner(LOCAL_USER)
            .order(Order::Oldest);
        self.repository().all(Actor::Service, query).await
    }

    /// The schedule of a name.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] (code `unknown_schedule`).
    pub async fn schedule(&self, name: &str) -> Result<Schedule> {
        let id = Schedule::id_of(name);
        let found = self.repository().find_optional(Actor::Service, id).await?;
        found.ok_or_else(|| {
            Error::not_found("schedule", name.chars().take(64).collect::<String>())
                .with_code("unknown_schedule")
        })
    }

    /// Adds a schedule. It ticks for the first time after now.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] (code `schedule_exists`); [`ErrorKind::LimitExceeded`] (code
    /// `too_many_schedules`); [`ErrorKind::InvalidInput`] as [`Timetable::parse`] says, and with
    /// code `bad_schedule_name`; also for names that begin with `litink.`.
    pub async fn add_schedule(&self, spec: ScheduleSpec) -> Result<Schedule> {
        let schedule = spec.schedule()?;
        if schedule.is_built_in() {
            let message = "names that begin with `litink.` are litink's own; choose another";
            return Err(Error::invalid("bad_schedule_name", message));
        }
        let there = self.schedules().await?;
        let taken = there.iter().any(|other| other.name == schedule.name);
        if there.len() >= MAX_SCHEDULES && !taken {
            let message = "there are too many schedules; remove those that are not needed";
            return Err(Error::new(ErrorKind::LimitExceeded, message)
                .with_code("too_many_schedules")
                .with_context("limit", MAX_SCHEDULES));
        }
        self.insert_schedule(&schedule).await?;
        self.tell_schedulers().await;
        self.schedule(&schedule.name).await
    }

    async fn insert_schedule(&self, schedule: &Schedule) -> Result<()> {
        let change = Change::insert(schedule)?;
        match self.repository().apply(Actor::Service, vec![change]).await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == "already_exists" => {
                let message =
                    "there is a schedule of this name; change that one, or choose another";
                Err(Error::conflict(message)
                    .with_code("schedule_exists")
                    .with_context("name", &schedule.name))
            }
            Err(error) => Err(error),
        }
    }

    /// Changes a schedule that is still at a revision, or at any. One that is resumed, or ticks at
    /// other times than before, does so from now on: nothing is made up for.
    ///
    /// # Errors
    /// As [`Engine::schedule`] and [`Engine::add_schedule`]; [`ErrorKind::Conflict`] (code
    /// `schedule_changed`) where it is at another revision.
    pub async fn change_schedule(
        &self,
        name: &str,
        revision: Option<u64>,
        change: &ScheduleChange,
    ) -> Result<Schedule> {
        loop {
            let (schedule, now) = self.touch(name, revision).await?;
            let changed = change.applied(&schedule);
            check(&changed)?;
            let times = |s: &Schedule| (s.cron.clone(), s.time_zone.clone(), s.state);
            let mut set = vec![
                ("state", json!(changed.state)),
                ("cron", json!(changed.cron)),
                ("time_zone", json!(changed.time_zone)),
                ("kind", json!(changed.kind)),
                ("args", changed.args.clone()),
                ("priority", json!(changed.priority)),
                ("catch_up", json!(changed.catch_up)),
                ("revision", json!(schedule.revision + 1)),
            ];
            if times(&schedule) != times(&changed) {
                set.push(("done_until", json!(schedule.done_until.max(now))));
            }
            if self.applied(Change::update(&schedule, set)).await? {
                self.tell_schedulers().await;
                return self.schedule(name).await;
            }
        }
    }

    /// Removes a schedule that is still at a revision, or at any. Its jobs stay.
    ///
    /// # Errors
    /// As [`Engine::change_schedule`]; [`ErrorKind::Conflict`] (code `built_in_schedule`) for
    /// litink's own.
    pub async fn remove_schedule(&self, name: &str, revision: Option<u64>) -> Result<()> {
        loop {
            let schedule = self.at_revision(name, revision).await?;
            if schedule.is_built_in() {
                let message = "this schedule is litink's own; pause it instead";
                return Err(Error::conflict(message).with_code("built_in_schedule"));
            }
            if self.applied(Change::delete(&schedule)).await? {
                self.tell_schedulers().await;
                return Ok(());
            }
        }
    }

    /// Has a schedule's job done now, whatever its times and state. The same key is the same job.
    ///
    /// # Errors
    /// As [`Engine::schedule`], and the queue's.
    pub async fn run_schedule(&self, name: &str, key: Option<&str>) -> Result<JobId> {
        let schedule = self.schedule(name).await?;
        let id = key.map_or_else(JobId::random, |key| {
            JobId::derived(&[b"now", schedule.meta.id.as_bytes(), key.as_bytes()])
        });
        let added = self.queue().enqueue(&[job(&schedule, id)]).await?;
        Ok(added.first().map_or(id, |added| added.id()))
    }

    /// When a schedule ticks next; `None` while it is paused, or where its row cannot be read.
    #[must_use]
    pub fn next_tick(&self, schedule: &Schedule) -> Option<Timestamp> {
        if schedule.state != ScheduleState::Active {
            return None;
        }
        let timetable = Timetable::parse(&schedule.cron, &schedule.time_zone).ok()?;
        let since = schedule.done_until.max(chrono::Utc::now());
        timetable.next_after(since)
    }

    /// The schedule, if it is at this revision.
    async fn at_revision(&self, name: &str, revision: Option<u64>) -> Result<Schedule> {
        let schedule = self.schedule(name).await?;
        if revision.is_none_or(|revision| revision == schedule.revision) {
            return Ok(schedule);
        }
        let message = "somebody changed the schedule meanwhile; look at it again, and repeat the \
                       change with its revision";
        Err(Error::conflict(message)
            .with_code("schedule_changed")
            .with_context("revision", schedule.revision))
    }

    /// The schedule as it is, and what the store's clock says: what it stamps a change with.
    async fn touch(&self, name: &str, revision: Option<u64>) -> Result<(Schedule, Timestamp)> {
        loop {
            let schedule = self.at_revision(name, revision).await?;
            if self.applied(Change::update(&schedule, [])).await? {
                let touched = self.at_revision(name, revision).await?;
                let now = touched.meta.updated_at;
                return Ok((touched, now));
            }
        }
    }

    /// Whether a change was made; `false` where a tick or an editor was first.
    async fn applied(&self, change: Change) -> Result<bool> {
        match self.repository().apply(Actor::Service, vec![change]).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == "version_conflict" => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn tell_schedulers(&self) {
        let event = Event {
            topic: Topic::schedules(),
            payload: Value::Null,
        };
        if let Err(error) = self.events().publish(&event).await {
            tracing::debug!(%error, "a hint was not published; schedulers look by themselves");
        }
    }
}

/// Ages in arguments of litink's own jobs: whole seconds.
fn age(args: &Value, name: &str, default: Duration) -> Duration {
    let given = args.get(name).and_then(Value::as_u64);
    given.map_or(default, Duration::from_secs)
}
