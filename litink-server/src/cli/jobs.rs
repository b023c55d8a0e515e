//! `litink jobs`.

use std::process::ExitCode;

use clap::Args;
use litink_core::{
    Error, JobId, Result,
    engine::Engine,
    queue::{self, Command, Job, JobQuery, JobState, Selector},
};
use litink_providers::Settings;

use super::{
    open,
    print::{self, say},
};

/// List the jobs of the queue, newest first; cancel them, or have them done again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litink jobs --failed                   those that were given up, and why
  litink jobs --failed --replay          have all of these done again
  litink jobs --kind step --state running,available --json
  litink jobs 018f0f6e-7c1e-7000-8000-000000000000 --cancel

States: available, scheduled, running, retryable, completed, cancelled, discarded.")]
pub struct Jobs {
    /// Only these.
    ids: Vec<JobId>,
    /// Only of this kind.
    #[arg(long, conflicts_with = "ids")]
    kind: Option<String>,
    /// Only in these states, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = state, conflicts_with = "ids")]
    state: Vec<JobState>,
    /// Only those that were given up: the same as `--state discarded`.
    #[arg(long, conflicts_with_all = ["ids", "state"])]
    failed: bool,
    /// Have them done again, from the first attempt; with --failed or ids.
    #[arg(long)]
    replay: bool,
    /// Stop them: waiting ones at once, running ones through their worker; with ids.
    #[arg(long, requires = "ids", conflicts_with = "replay")]
    cancel: bool,
    /// List so many at most.
    #[arg(long, default_value_t = 100, value_name = "NUMBER")]
    limit: usize,
    /// Print JSON, one a line.
    #[arg(long)]
    json: bool,
}

fn state(name: &str) -> Result<JobState, String> {
    let names = || JobState::ALL.iter().map(|state| state.as_str());
    let known = names().collect::<Vec<_>>().join(", ");
    JobState::parse(name).ok_or_else(|| format!("the states are {known}"))
}

impl Jobs {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let engine = open(settings).await?;
        match self.command()? {
            Some(command) => self.carry_out(&engine, &command).await?,
            None if self.ids.is_empty() => self.list(&engine).await?,
            None => self.show(&engine).await?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn command(&self) -> Result<Option<Command>> {
        let ids = || Selector::Ids(self.ids.clone());
        Ok(match (self.cancel, self.replay) {
            (true, _) => Some(Command::Cancel(ids())),
            (_, true) if !self.ids.is_empty() => Some(Command::Replay(ids())),
            (_, true) if self.failed => {
                let kind = self.kind.clone();
                Some(Command::Replay(Selector::Discarded { kind }))
            }
            (_, true) => {
                return Err(Error::invalid(
                    "nothing_to_replay",
                    "say which jobs are to be done again: --failed, or their ids",
                ));
            }
            _ => None,
        })
    }

    async fn carry_out(&self, engine: &Engine, command: &Command) -> Result<()> {
        let queue = &**engine.queue();
        let touched = match command {
            Command::Replay(Selector::Discarded { kind }) => {
                queue::replay_discarded(queue, kind.as_deref()).await?
            }
            command => queue.control(command).await?,
        };
        let what = if self.cancel { "cancelled" } else { "replayed" };
        if self.json {
            return print::json(&serde_json::json!({ what: touched }));
        }
        say!("{what} {touched}");
        Ok(())
    }

    async fn show(&self, engine: &Engine) -> Result<()> {
        let found = engine.queue().get(&self.ids).await?;
        for (id, job) in self.ids.iter().zip(found) {
            match job {
                Some(job) => self.print(&job)?,
                None => return Err(Error::not_found("job", id)),
            }
        }
        Ok(())
    }

    async fn list(&self, engine: &Engine) -> Result<()> {
        let mut query = JobQuery {
            kind: self.kind.clone(),
            states: self.state.clone(),
            ..JobQuery::default()
        };
        if self.failed {
            query.states = vec![JobState::Discarded];
        }
        let mut left = self.limit;
        while left > 0 {
            query.limit = u32::try_from(left.min(1_000)).unwrap_or(1_000);
            let page = engine.queue().list(&query).await?;
            left = left.saturating_sub(page.items.len());
            page.items.iter().try_for_each(|job| self.print(job))?;
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        Ok(())
    }

    fn print(&self, job: &Job) -> Result<()> {
        if self.json {
            return print::json(job);
        }
        let error = job.error.as_ref().map(|error| format!("  {error}"));
        say!(
            "{}  {:<9}  {}  attempt {} of {}, {} crashes{}",
            job.id,
            job.state.as_str(),
            job.kind,
            job.attempt,
            job.max_attempts,
            job.crashes,
            error.unwrap_or_default()
        );
        Ok(())
    }
}
