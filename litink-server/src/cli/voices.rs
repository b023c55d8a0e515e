//! `litink voices`.

use std::process::ExitCode;

use clap::Args;
use litink_core::{Error, ErrorKind, Result};
use litink_providers::Settings;

use super::{
    open,
    print::{self, say},
};

/// List the voices of a provider.
#[derive(Debug, Args)]
pub struct Voices {
    /// The provider.
    #[arg(long, default_value = "local")]
    provider: String,
    /// Print JSON, one a line.
    #[arg(long)]
    json: bool,
}

impl Voices {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let mut settings = settings.clone();
        settings.in_memory = true;
        let provider = open(&settings).await?.provider(&self.provider)?;
        let capabilities = provider.capabilities(None);
        let Some(speech) = &capabilities.speech else {
            return Err(
                Error::new(ErrorKind::Unsupported, "this provider does not speak")
                    .with_context("provider", &self.provider),
            );
        };
        for voice in &speech.voices {
            if self.json {
                print::json(voice)?;
            } else {
                say!(
                    "{:<20} {} ({})",
                    voice.id,
                    voice.name,
                    voice.languages.join(", ")
                );
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
