//! `litink work`.

use std::process::ExitCode;

use clap::Args;
use litink_core::{Result, engine::SchedulerOptions};
use litink_providers::Settings;

use super::{interrupt::Interrupt, open};

/// Work on runs until interrupted. The first interrupt lets steps in flight finish, the second
/// gives them back at once.
#[derive(Debug, Args)]
pub struct Work {
    /// Steps in flight at once. Default: the settings' `concurrency`.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: Option<u32>,
}

impl Work {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let interrupt = Interrupt::listen();
        let engine = open(settings).await?;
        let mut options = litink_providers::worker_options(settings);
        options.concurrency = self.concurrency.unwrap_or(options.concurrency);
        eprintln!("{}", settings.start_line()?);
        // Ends with the process: what it has not said yet, the next one says.
        tokio::spawn(
            engine
                .scheduler(SchedulerOptions::default())
                .run(interrupt.stop.clone()),
        );
        engine
            .worker(options)
            .run(interrupt.stop, interrupt.abandon)
            .await?;
        Ok(ExitCode::SUCCESS)
    }
}
