//! `litink migrate`.

use std::process::ExitCode;

use clap::Args;
use litink_core::Result;
use litink_providers::{Settings, connect};

use super::print::say;

/// Bring the databases to this version's schema. Every command does that when it opens one, but for a
/// server's whose URL says `migrate=no`.
#[derive(Debug, Args)]
pub struct Migrate {}

impl Migrate {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        for it in connect(settings).await?.connected {
            let what = it.backend.describe();
            match it.backend.migrate().await? {
                Some(done) if done.from == done.to => {
                    say!("{what}: schema version {}, nothing to do", done.to);
                }
                Some(done) => say!("{what}: schema version {}, was {}", done.to, done.from),
                None => {}
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
