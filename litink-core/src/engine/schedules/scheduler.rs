//! The scheduler: at each tick one job, however many schedulers run, stop and die.

use std::time::{Duration, Instant, SystemTime};

use chrono::TimeDelta;
use futures::{StreamExt, stream::BoxStream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{built_in, job};
use crate::{
    Result,
    domain::{Schedule, ScheduleState, Timestamp},
    engine::Engine,
    events::{Event, Topic},
    repository::Change,
    timetable::{Due, Timetable},
};

/// Settings of a scheduler.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SchedulerOptions {
    /// Whether litink's own schedules are added where they are missing. Default yes.
    pub built_in: bool,
    /// How often to look for changes that no hint told of. Default 30 s, or 5 s where hints do not
    /// reach other processes.
    pub look_every: Option<Duration>,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self {
            built_in: true,
            look_every: None,
        }
    }
}

/// Adds the jobs of the timetable until it is told to stop.
#[derive(Debug)]
pub struct Scheduler {
    engine: Engine,
    options: SchedulerOptions,
}

/// How often to ask the store what time it is. Between, its time goes on by this machine's
/// monotonic clock, which nobody sets.
const ASK_CLOCK: Duration = Duration::from_secs(300);
/// If this machine's two clocks came apart by more, one was set, or it slept: ask again.
const DRIFT: Duration = Duration::from_secs(1);
/// What was read longer ago is read again before a job is added by it.
const FRESH: Duration = Duration::from_secs(10);
/// How soon to come back when the store or the queue cannot be reached.
const PAUSE: Duration = Duration::from_secs(1);
/// A schedule that is done until later than this from now was moved by a clock that was wrong.
const FUTURE: TimeDelta = TimeDelta::days(1);
/// How often to look: where hints come, and where they do not.
const LOOK: Duration = Duration::from_secs(30);
const LOOK_ALONE: Duration = Duration::from_secs(5);

impl Engine {
    /// A scheduler of this engine. Any number may run, in any number of processes.
    #[must_use]
    pub fn scheduler(&self, options: SchedulerOptions) -> Scheduler {
        Scheduler {
            engine: self.clone(),
            options,
        }
    }
}

impl Scheduler {
    /// Fires what is due, and sleeps until the next tick or a hint, until `stop` fires. Faults of
    /// the store and the queue are waited out.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.rounds() => {}
        }
    }

    async fn rounds(&self) {
        let (mut clock, mut hints) = (None, None);
        loop {
            let pause = match self.round(&mut clock, &mut hints).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "schedules wait: the store or the queue cannot be reached");
                    // Whatever it knew of the time, it may be long ago.
                    clock = None;
                    PAUSE
                }
            };
            let hint = async {
                match &mut hints {
                    Some(stream) => stream.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                hint = hint => if hint.is_none() {
                    hints = None;
                    sleep(PAUSE).await;
                },
            }
        }
    }

    /// One look at the whole timetable; how long there is nothing to do then.
    async fn round(
        &self,
        clock: &mut Option<StoreClock>,
        hints: &mut Option<BoxStream<'static, Event>>,
    ) -> Result<Duration> {
        if hints.is_none() {
            // Before looking, so that no change comes between.
            let subscribed = self.engine.events().subscribe(&Topic::schedules()).await;
            *hints = subscribed.ok();
        }
        let clock = match clock {
            Some(clock) if clock.holds() => clock,
            _ => clock.insert(self.ask_clock().await?),
        };
        let read = Instant::now();
        let schedules = self.engine.schedules().await?;
        let mut next = None;
        for schedule in schedules {
            if schedule.state != ScheduleState::Active {
                continue;
            }
            let timetable = match Timetable::parse(&schedule.cron, &schedule.time_zone) {
                Ok(timetable) => timetable,
                Err(error) => {
                    tracing::warn!(%error, schedule = schedule.name, "a schedule does not fire");
                    continue;
                }
            };
            // Stopped, or asleep, since it was read: others may have gone on meanwhile.
            if read.elapsed() > FRESH || !clock.holds() {
                return Ok(Duration::ZERO);
            }
            let until = self.attend(&schedule, &timetable, clock.now()).await?;
            next = timetable.next_after(until).into_iter().chain(next).min();
        }
        let shared = self.engine.events().capabilities().shared;
        let look = if shared { LOOK } else { LOOK_ALONE };
        let look = self.options.look_every.unwrap_or(look);
        let wait = next.map(|tick| (tick - clock.now()).to_std().unwrap_or_default());
        Ok(wait.map_or(look, |wait| wait.min(look)))
    }

    /// Fires what is due of one schedule; says after when its next tick comes.
    async fn attend(
        &self,
        schedule: &Schedule,
        timetable: &Timetable,
        now: Timestamp,
    ) -> Result<Timestamp> {
        if schedule.done_until > now + FUTURE {
            tracing::warn!(
                schedule = schedule.name,
                until = %schedule.done_until,
                "a clock was wrong when this schedule ticked last; it goes on from now"
            );
            let set = [("done_until", serde_json::json!(now))];
            self.engine.applied(Change::update(schedule, set)).await?;
            return Ok(now);
        }
        let since = since(schedule, now);
        let due = timetable.due(since, now, schedule.catch_up);
        let Some(until) = due.until else {
            return Ok(since.max(now));
        };
        self.fire(schedule, &due, until).await?;
        Ok(until)
    }

    /// First the jobs, by ids that follow from their ticks; then, from the version that was read,
    /// the row. Whoever dies between the two leaves a tick that the next one fires again, to no
    /// effect.
    async fn fire(&self, schedule: &Schedule, due: &Due, until: Timestamp) -> Result<()> {
        let mut set = vec![("done_until", serde_json::json!(until))];
        if let Some(last) = due.ticks.last() {
            let jobs: Vec<_> = due
                .ticks
                .iter()
                .map(|tick| job(schedule, schedule.job_of(*tick)))
                .collect();
            self.engine.queue().enqueue(&jobs).await?;
            set.push(("last_tick", serde_json::json!(last)));
            set.push(("last_job", serde_json::json!(schedule.job_of(*last))));
        }
        // Another was first, or an editor: the next round sees.
        self.engine.applied(Change::update(schedule, set)).await?;
        Ok(())
    }

    /// What time it is in the store, by the stamp of a change that sets nothing; and litink's own
    /// schedules, one of which it is made on.
    async fn ask_clock(&self) -> Result<StoreClock> {
        if self.options.built_in {
            for spec in built_in::schedules() {
                match self.engine.insert_schedule(&spec.schedule()?).await {
                    Ok(()) => {}
                    Err(error) if error.code() == "schedule_exists" => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let [name, ..] = built_in::schedules().map(|spec| spec.name);
        match self.engine.touch(&name, None).await {
            Ok((_, now)) => Ok(StoreClock::at(now)),
            Err(error) if error.code() == "unknown_schedule" => {
                Ok(StoreClock::at(chrono::Utc::now()))
            }
            Err(error) => Err(error),
        }
    }
}

/// From when ticks count: what is done is done, and nothing is owed from before the row was there
/// (it may have come from another store, whose jobs this queue does not know).
fn since(schedule: &Schedule, now: Timestamp) -> Timestamp {
    match schedule.meta.created_at {
        made if made > now + FUTURE => schedule.done_until,
        made => schedule.done_until.max(made),
    }
}

/// The store's time, carried on by this machine's monotonic clock.
#[derive(Debug)]
struct StoreClock {
    told: Timestamp,
    at: Instant,
    wall: SystemTime,
}

impl StoreClock {
    /// What the store said before now; so it is never taken to be later than it is.
    fn at(told: Timestamp) -> Self {
        Self {
            told,
            at: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    fn now(&self) -> Timestamp {
        self.told + TimeDelta::from_std(self.at.elapsed()).unwrap_or_default()
    }

    fn holds(&self) -> bool {
        let (passed, wall) = (self.at.elapsed(), self.wall.elapsed());
        let drift = wall.map_or(Duration::MAX, |wall| wall.abs_diff(passed));
        passed < ASK_CLOCK && drift < DRIFT
    }
}
