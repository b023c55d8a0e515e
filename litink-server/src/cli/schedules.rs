//! `litink schedules`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use litink_core::{
    Error, Result,
    domain::{CatchUp, Schedule, ScheduleState, Timestamp},
    engine::{Engine, ScheduleChange, ScheduleSpec},
};
use litink_providers::Settings;
use serde_json::Value;

use super::{
    open,
    print::{self, say},
};
use crate::views::ScheduleView;

/// List the schedules: at each tick of a clock a job. Add, change, pause and remove them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litink schedules                                          what ticks when
  litink schedules add nightly '30 2 * * *' report --time-zone Europe/Berlin --args '{\"pages\": 3}'
  litink schedules add pulse '*/10 * * * * *' ping --catch-up skip
  litink schedules edit nightly --cron '0 4 * * MON-FRI' --catch-up all:7
  litink schedules pause litink.sweep
  litink schedules run-now nightly

Times are five fields, minute, hour, day of month, month, day of week, or six with seconds first.
Where a clock change leaves a fixed time out, it ticks right after; where it comes twice, once.
`litink serve` and `litink work` make the jobs, each tick once, however many of them run.")]
pub struct Schedules {
    #[command(subcommand)]
    command: Option<ScheduleCommand>,
    /// Print JSON, one a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ScheduleCommand {
    /// Add one. It ticks for the first time after now.
    Add {
        /// Its name: letters, digits, `.`, `_` and `-`.
        name: String,
        /// When it ticks.
        cron: String,
        /// The kind of its jobs: which handler does them.
        kind: String,
        #[command(flatten)]
        options: Options,
        /// Add it paused.
        #[arg(long)]
        paused: bool,
    },
    /// Change one; what is not given stays.
    Edit {
        /// Its name.
        name: String,
        /// When it ticks.
        #[arg(long)]
        cron: Option<String>,
        /// The kind of its jobs.
        #[arg(long)]
        kind: Option<String>,
        #[command(flatten)]
        options: Options,
        /// Only if it is still at this revision.
        #[arg(long)]
        revision: Option<u64>,
    },
    /// Remove one; its jobs stay. litink's own are paused instead.
    Remove {
        /// Its name.
        name: String,
    },
    /// Let its ticks go by.
    Pause {
        /// Its name.
        name: String,
    },
    /// Go on with it, from now.
    Resume {
        /// Its name.
        name: String,
    },
    /// Have its job done now, whatever its times.
    RunNow {
        /// Its name.
        name: String,
    },
}

#[derive(Debug, Args)]
struct Options {
    /// The IANA time zone of its times. Default of a new one: UTC.
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// What its jobs are given.
    #[arg(long, value_name = "JSON", value_parser = json)]
    args: Option<Value>,
    /// The priority of its jobs; higher goes first. Default of a new one: 0.
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i16>,
    /// What becomes of ticks that nobody was there for: skip, last, or all:NUMBER for a job each, so
    /// many at most. Default of a new one: last.
    #[arg(long, value_name = "POLICY", value_parser = catch_up)]
    catch_up: Option<CatchUp>,
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("this is no JSON: {error}"))
}

fn catch_up(text: &str) -> Result<CatchUp, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

impl Options {
    fn spec(self, spec: ScheduleSpec) -> ScheduleSpec {
        let zone = self.time_zone.unwrap_or_else(|| spec.time_zone.clone());
        let (priority, catch_up) = (spec.priority, spec.catch_up);
        spec.time_zone(zone)
            .args(self.args.unwrap_or_default())
            .priority(self.priority.unwrap_or(priority))
            .catch_up(self.catch_up.unwrap_or(catch_up))
    }

    fn change(self) -> ScheduleChange {
        let mut change = ScheduleChange::default();
        change.time_zone = self.time_zone;
        change.args = self.args;
        change.priority = self.priority;
        change.catch_up = self.catch_up;
        change
    }
}

impl Schedules {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let engine = open(settings).await?;
        let Some(command) = self.command else {
            let schedules = engine.schedules().await?;
            if !self.json && schedules.is_empty() {
                say!("no schedules; `litink serve` and `litink work` add litink's own");
            }
            for schedule in schedules {
                show(&engine, schedule, self.json)?;
            }
            return Ok(ExitCode::SUCCESS);
        };
        match command.carry_out(&engine).await? {
            Done::Schedule(schedule) => show(&engine, *schedule, self.json)?,
            Done::Said(what, value) if self.json => {
                print::json(&serde_json::json!({ what: value }))?;
            }
            Done::Said(what, value) => say!("{what} {value}"),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What a command leaves to show.
enum Done {
    Schedule(Box<Schedule>),
    Said(&'static str, String),
}

impl ScheduleCommand {
    async fn carry_out(self, engine: &Engine) -> Result<Done> {
        let state = |state| ScheduleChange::state(state);
        let (name, revision, change) = match self {
            Self::Add {
                name,
                cron,
                kind,
                options,
                paused,
            } => {
                let mut spec = options.spec(ScheduleSpec::new(name, cron, kind));
                if paused {
                    spec.state = ScheduleState::Paused;
                }
                let added = engine.add_schedule(spec).await?;
                return Ok(Done::Schedule(Box::new(added)));
            }
            Self::Remove { name } => {
                engine.remove_schedule(&name, None).await?;
                return Ok(Done::Said("removed", name));
            }
            Self::RunNow { name } => {
                let job = engine.run_schedule(&name, None).await?;
                return Ok(Done::Said("job", job.to_string()));
            }
            Self::Edit {
                name,
                cron,
                kind,
                options,
                revision,
            } => {
                let mut change = options.change();
                change.cron = cron;
                change.kind = kind;
                (name, revision, change)
            }
            Self::Pause { name } => (name, None, state(ScheduleState::Paused)),
            Self::Resume { name } => (name, None, state(ScheduleState::Active)),
        };
        let changed = engine.change_schedule(&name, revision, &change).await?;
        Ok(Done::Schedule(Box::new(changed)))
    }
}

fn show(engine: &Engine, schedule: Schedule, json: bool) -> Result<()> {
    let next = engine.next_tick(&schedule);
    if json {
        return print::json(&ScheduleView::of(schedule, next));
    }
    say!("{}", line(&schedule, next));
    Ok(())
}

fn line(schedule: &Schedule, next: Option<Timestamp>) -> String {
    let time = |time: Timestamp| time.format("%Y-%m-%d %H:%M:%SZ").to_string();
    let next = match (schedule.state, next) {
        (ScheduleState::Paused, _) => "paused".to_owned(),
        (_, Some(next)) => format!("next {}", time(next)),
        (_, None) => "never".to_owned(),
    };
    let last = schedule
        .last_tick
        .map_or_else(|| "never yet".to_owned(), time);
    let Schedule {
        name,
        cron,
        time_zone,
        kind,
        catch_up,
        ..
    } = schedule;
    format!("{name}: {cron} ({time_zone}), {kind}, catch up {catch_up}; {next}; last {last}")
}

#[cfg(test)]
mod tests {
    use litink_core::{LOCAL_USER, domain::Meta};

    use super::*;

    #[test]
    fn a_schedule_is_a_line() {
        let mut schedule = Schedule {
            meta: Meta::new(Schedule::id_of("nightly"), LOCAL_USER),
            name: "nightly".into(),
            state: ScheduleState::Active,
            cron: "30 2 * * *".into(),
            time_zone: "Europe/Berlin".into(),
            kind: "report".into(),
            args: Value::Null,
            priority: 0,
            catch_up: CatchUp::All(7),
            revision: 1,
            done_until: Timestamp::UNIX_EPOCH,
            last_tick: None,
            last_job: None,
        };
        let next: Timestamp = "2026-11-24T01:30:00Z".parse().unwrap();
        assert_eq!(
            line(&schedule, Some(next)),
            "nightly: 30 2 * * * (Europe/Berlin), report, catch up all:7; \
             next 2026-11-24 01:30:00Z; last never yet"
        );
        schedule.state = ScheduleState::Paused;
        schedule.last_tick = Some(next);
        assert!(line(&schedule, None).ends_with("; paused; last 2026-11-24 01:30:00Z"));
    }
}
