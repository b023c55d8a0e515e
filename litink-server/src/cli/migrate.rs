//! `litink migrate`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use litink_core::{Error, Result, ResultExt};
use litink_migrations::{POSTGRES_SEED, for_supabase};
use litink_providers::{Settings, connect};

use super::print::say;

/// Bring the databases to this version's schema. Every command does that when it opens one, but for a
/// server's whose URL says `migrate=no`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litink migrate
  litink migrate --supabase .            then: supabase db push
  litink migrate --supabase . --seed     then: supabase db push --include-seed (development only)")]
pub struct Migrate {
    /// Instead, write the migrations that are missing there into DIR/supabase/migrations, for the
    /// Supabase command line. No database is opened. Both ways know of each other: what one applied,
    /// the other does not apply again.
    #[arg(long, value_name = "DIR")]
    supabase: Option<PathBuf>,
    /// And DIR/supabase/seed.sql: a published example book, and an account with a known password.
    #[arg(long, requires = "supabase")]
    seed: bool,
}

impl Migrate {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        if let Some(folder) = &self.supabase {
            write(&folder.join("supabase"), self.seed)?;
            return Ok(ExitCode::SUCCESS);
        }
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

/// Writes the files that are missing; what is there is left as it is.
fn write(folder: &Path, seed: bool) -> Result<()> {
    let migrations = folder.join("migrations");
    let named =
        |path: &Path, error: io::Error| Error::from(error).with_context("path", path.display());
    fs::create_dir_all(&migrations).map_err(|error| named(&migrations, error))?;
    let mut present = Vec::new();
    for entry in fs::read_dir(&migrations).map_err(|error| named(&migrations, error))? {
        let entry = entry.map_err(|error| named(&migrations, error))?;
        present.push(entry.file_name().to_string_lossy().into_owned());
    }
    let now = chrono::Utc::now().format("%Y%m%d%H%M%S").to_string();
    let now = now
        .parse()
        .map_err(|_| Error::internal("a time is a number"))?;
    let files = for_supabase(&present, now);
    if files.is_empty() {
        say!("{}: every migration is there", migrations.display());
    }
    for (name, text) in files {
        create(&migrations.join(name), &text)?;
    }
    if seed {
        let path = folder.join("seed.sql");
        if path.exists() && fs::read_to_string(&path).ok().as_deref() != Some(POSTGRES_SEED) {
            return Err(Error::new(
                litink_core::ErrorKind::Conflict,
                "there is a seed of your own; write litink's elsewhere (--supabase OTHER), and name \
                 both in supabase/config.toml: [db.seed] sql_paths",
            )
            .with_code("file_exists")
            .with_context("path", path.display()));
        }
        if !path.exists() {
            create(&path, POSTGRES_SEED)?;
        }
    }
    Ok(())
}

fn create(path: &Path, text: &str) -> Result<()> {
    let written = fs::File::create_new(path)
        .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    written
        .map_err(Error::from)
        .context("path", path.display())?;
    say!("{}", path.display());
    Ok(())
}
