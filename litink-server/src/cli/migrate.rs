//! `litink migrate`.

use std::process::ExitCode;

use clap::Args;
use litink_core::Result;
use litink_providers::Settings;

use super::{open, print::say};

/// Bring the database to this version's schema. The other commands do so, too, when they open it.
#[derive(Debug, Args)]
pub struct Migrate {}

impl Migrate {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        open(settings).await?;
        let version = litink_providers::schema_version();
        say!("{}: schema version {version}", settings.data_dir.display());
        Ok(ExitCode::SUCCESS)
    }
}
