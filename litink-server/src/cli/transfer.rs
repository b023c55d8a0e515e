//! `litink export-data` and `litink import-data`.

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use clap::Args;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use litink_core::{Result, engine::Carried};
use litink_providers::Settings;

use super::{
    open,
    print::{self, say},
};

/// Write every row and every file into a folder, to keep or to import elsewhere.
///
/// The folder holds the hashes of passwords, too: keep it as safe as the database. Stop servers and
/// workers first, so that nothing changes meanwhile.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litink export-data backup-2026-11-23
  LITINK_DATABASE_URL=postgres://... litink import-data backup-2026-11-23")]
pub struct ExportData {
    /// The folder; it is made, or empty.
    folder: PathBuf,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
}

/// Read a folder that `export-data` wrote, into whatever litink.toml and LITINK_* name, and compare
/// all that was stored with it. Interrupted, the same command again goes on.
#[derive(Debug, Args)]
pub struct ImportData {
    /// The folder.
    folder: PathBuf,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
}

impl ExportData {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let (engine, bar) = (open(settings).await?, bar());
        let carried = engine
            .export_data(&self.folder, |carried| show(&bar, carried))
            .await?;
        bar.finish_and_clear();
        report(&carried, self.json, "written to", &self.folder)
    }
}

impl ImportData {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let (engine, bar) = (open(settings).await?, bar());
        let carried = engine
            .import_data(&self.folder, |carried| show(&bar, carried))
            .await?;
        bar.finish_and_clear();
        report(
            &carried,
            self.json,
            "stored and compared, from",
            &self.folder,
        )
    }
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar
}

fn show(bar: &ProgressBar, carried: &Carried) {
    bar.set_message(format!(
        "{} rows, {} files, {}",
        carried.rows,
        carried.objects,
        HumanBytes(carried.bytes)
    ));
    bar.tick();
}

fn report(carried: &Carried, json: bool, what: &str, folder: &std::path::Path) -> Result<ExitCode> {
    if json {
        print::json(carried)?;
        return Ok(ExitCode::SUCCESS);
    }
    let existing = match carried.existing {
        0 => String::new(),
        existing => format!(", {existing} of them were there already"),
    };
    say!(
        "{} rows and {} files ({}) {what} {}{existing}",
        carried.rows,
        carried.objects,
        HumanBytes(carried.bytes),
        folder.display()
    );
    Ok(ExitCode::SUCCESS)
}
