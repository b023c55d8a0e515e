//! `litink queues`.

use std::{process::ExitCode, time::Duration};

use clap::{Args, Subcommand};
use litink_core::{
    Result, UserId,
    queue::{Command, JobState, KindStats, Limit, Rate},
};
use litink_providers::Settings;

use super::{
    open,
    print::{self, say},
};

/// How many jobs wait, run and failed, by kind; pause a kind, limit a key, weigh a tenant.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litink queues                                   what waits and runs
  litink queues pause step                        begin no more of these until resumed
  litink queues limit openai --at-once 8 --rate 60/60
  litink queues throttle openai 30                begin none of its jobs for half a minute")]
pub struct Queues {
    #[command(subcommand)]
    command: Option<QueueCommand>,
    /// Print JSON, one a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum QueueCommand {
    /// Begin no more jobs of a kind until it is resumed; what runs goes on.
    Pause {
        /// The kind.
        kind: String,
    },
    /// Go on with a kind.
    Resume {
        /// The kind.
        kind: String,
    },
    /// Bound the jobs under a key; without options, free it.
    Limit {
        /// The key, as jobs name it.
        key: String,
        /// So many at once at most.
        #[arg(long, value_name = "NUMBER")]
        at_once: Option<u32>,
        /// So many in so many seconds at most.
        #[arg(long, value_name = "NUMBER/SECONDS", value_parser = rate)]
        rate: Option<Rate>,
    },
    /// Begin no job under a key for a time; 0 ends it.
    Throttle {
        /// The key, as jobs name it.
        key: String,
        /// For so long.
        #[arg(value_name = "SECONDS", value_parser = seconds)]
        time: Duration,
    },
    /// Give a tenant a larger share than the others, who have 1.
    Weigh {
        /// The tenant.
        tenant: UserId,
        /// The share, 1 to 1000.
        weight: u32,
    },
    /// Forget jobs that have been finished for so many days.
    Prune {
        /// Their least age.
        days: u32,
    },
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok();
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| "a number of seconds, such as 30 or 0.5".into())
}

fn rate(text: &str) -> Result<Rate, String> {
    let parts = text.split_once('/');
    let parts = parts.and_then(|(jobs, per)| Some((jobs.parse().ok()?, seconds(per).ok()?)));
    match parts {
        Some((jobs, per)) => Ok(Rate { jobs, per }),
        None => Err("a number of jobs and of seconds, such as 60/60".into()),
    }
}

impl QueueCommand {
    fn command(self) -> Command {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        match self {
            Self::Pause { kind } => Command::Pause { kind },
            Self::Resume { kind } => Command::Resume { kind },
            Self::Limit { key, at_once, rate } => {
                let limit = Limit {
                    concurrency: at_once,
                    rate,
                };
                let limit = Some(limit).filter(|it| *it != Limit::default());
                Command::Limit { key, limit }
            }
            Self::Throttle { key, time } => Command::Throttle { key, time },
            Self::Weigh { tenant, weight } => Command::Weigh {
                tenant: Some(tenant),
                weight,
            },
            Self::Prune { days } => Command::Prune {
                older_than: DAY * days,
            },
        }
    }
}

impl Queues {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let engine = open(settings).await?;
        if let Some(command) = self.command {
            let touched = engine.queue().control(&command.command()).await?;
            if self.json {
                print::json(&serde_json::json!({ "changed": touched }))?;
            } else {
                say!("{touched} changed");
            }
            return Ok(ExitCode::SUCCESS);
        }
        for stats in engine.queue().stats().await? {
            if self.json {
                print::json(&stats)?;
            } else {
                say!("{}", line(&stats));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn line(stats: &KindStats) -> String {
    let states = JobState::ALL.iter().filter_map(|state| {
        let jobs = stats.jobs.get(state).filter(|jobs| **jobs > 0)?;
        Some(format!("{jobs} {}", state.as_str()))
    });
    let mut states: Vec<String> = states.collect();
    if states.is_empty() {
        states.push("no jobs".into());
    }
    let oldest = stats.oldest_available.map(|time| {
        let seconds = time.as_secs_f64();
        format!("; the oldest waits for {seconds:.0} s")
    });
    let paused = if stats.paused { "; paused" } else { "" };
    let (kind, states) = (&stats.kind, states.join(", "));
    format!("{kind}: {states}{}{paused}", oldest.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_a_number_in_a_time() {
        let per = Duration::from_secs(60);
        assert_eq!(rate("5/60"), Ok(Rate { jobs: 5, per }));
        for text in ["5", "5/", "/60", "-1/60", "5/-1", "5/x", "5/NaN", "5/inf"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_kind_is_a_line() {
        let mut stats = KindStats {
            kind: "step".into(),
            ..KindStats::default()
        };
        assert_eq!(line(&stats), "step: no jobs");
        stats.jobs.insert(JobState::Running, 2);
        stats.jobs.insert(JobState::Available, 30);
        stats.oldest_available = Some(Duration::from_secs(75));
        stats.paused = true;
        assert_eq!(
            line(&stats),
            "step: 30 available, 2 running; the oldest waits for 75 s; paused"
        );
    }
}
