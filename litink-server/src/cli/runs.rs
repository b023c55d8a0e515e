//! `litink runs`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use litink_core::{Result, RunId, domain::Run, engine::Engine};
use litink_providers::Settings;

use super::{
    ACTOR, open,
    print::{self, say},
};

/// List runs, newest first; show, cancel or resume one.
#[derive(Debug, Args)]
pub struct Runs {
    #[command(subcommand)]
    command: Option<RunCommand>,
    /// Print JSON, one a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum RunCommand {
    /// How far a run is, and what it made.
    Show {
        /// The run.
        id: RunId,
    },
    /// Stop a run; what is finished stays.
    Cancel {
        /// The run.
        id: RunId,
    },
    /// Go on with a run that failed or was stopped. A worker (`litink work`, `litink serve`) does
    /// the work.
    Resume {
        /// The run.
        id: RunId,
    },
}

impl Runs {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let engine = open(settings).await?;
        match self.command {
            None => self.list(&engine).await?,
            Some(RunCommand::Show { id }) => self.show(&engine, id).await?,
            Some(RunCommand::Cancel { id }) => self.print(&engine.cancel(ACTOR, id).await?)?,
            Some(RunCommand::Resume { id }) => self.print(&engine.resume(ACTOR, id).await?)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn list(&self, engine: &Engine) -> Result<()> {
        let mut after = None;
        loop {
            let page = engine.runs(ACTOR, None, after, 100).await?;
            page.items.iter().try_for_each(|run| self.print(run))?;
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn print(&self, run: &Run) -> Result<()> {
        if self.json {
            return print::json(run);
        }
        let error = run
            .error
            .as_ref()
            .map(|error| format!("  {}", error.message));
        let error = error.filter(|_| run.state == litink_core::domain::RunState::Failed);
        say!(
            "{}  {:<9}  {} of book {}{}",
            run.id(),
            run.state.as_str(),
            run.recipe,
            run.book_id,
            error.unwrap_or_default()
        );
        Ok(())
    }

    async fn show(&self, engine: &Engine, id: RunId) -> Result<()> {
        let run = engine.run(ACTOR, id).await?;
        let progress = engine.progress(ACTOR, id).await?;
        let exports = engine.exports(ACTOR, id).await?;
        if self.json {
            print::json(&run)?;
            print::json(&progress)?;
            return exports.iter().try_for_each(print::json);
        }
        self.print(&run)?;
        say!(
            "  {:.0} %, {} of {} steps",
            progress.fraction * 100.0,
            progress.steps_completed,
            progress.steps_total
        );
        for export in exports {
            say!("  {} ({} bytes)", export.file_name, export.bytes);
        }
        Ok(())
    }
}
