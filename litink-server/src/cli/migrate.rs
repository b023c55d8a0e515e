//! `litink migrate`.

use std::process::ExitCode;

use clap::Args;
use litink_core::Result;
use litink_providers::{Settings, connect};

use super::print::say;

/// Bring the databases to this version's schema. An embedded one is brought there by every command
/// that opens it, a server's by this one alone.
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
