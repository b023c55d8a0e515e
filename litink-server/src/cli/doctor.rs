//! `litink doctor`.

use std::process::ExitCode;

use bytes::Bytes;
use clap::Args;
use litink_core::{
    Actor, Error, ErrorKind, LOCAL_USER, Result,
    engine::Engine,
    repository::Query,
    schema::Table,
    storage::{Area, StorageExt, StorageKey},
};
use litink_providers::{Settings, local::Programs};

use super::{
    exit, open,
    print::{self, say},
};

/// Check what is needed on this machine, and say what to do.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Print the checks as JSON, one a line.
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
#[derive(Debug, serde::Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
}

impl Check {
    fn of(name: &'static str, outcome: Result<String>) -> Self {
        match outcome {
            Ok(detail) => Self {
                name,
                ok: true,
                detail,
            },
            Err(error) => Self {
                name,
                ok: false,
                detail: format!("{error} [{}]", error.code()),
            },
        }
    }
}

impl Doctor {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let mut checks = Vec::new();
        match open(settings).await {
            Ok(engine) => {
                let folder = settings.data_dir.display().to_string();
                checks.push(Check::of("data folder", Ok(folder)));
                checks.push(Check::of("database", database(&engine).await));
                checks.push(Check::of("storage", storage(&engine).await));
                checks.push(Check::of("queue", queue(&engine).await));
            }
            Err(error) => checks.push(Check::of("data folder", Err(error))),
        }
        checks.push(Check::of("ffmpeg (M4B, MP3, FLAC)", ffmpeg(settings)));
        checks.push(Check::of("speech (local provider)", speech()));
        for check in &checks {
            if self.json {
                print::json(check)?;
            } else {
                say!(
                    "{} {}: {}",
                    if check.ok { "ok  " } else { "FAIL" },
                    check.name,
                    check.detail
                );
            }
        }
        let well = checks.iter().all(|check| check.ok);
        let failed = exit::code(ErrorKind::Configuration);
        Ok(if well {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(failed)
        })
    }
}

async fn database(engine: &Engine) -> Result<String> {
    engine
        .repository()
        .list(Actor::Service, &Query::new(Table::Books).limit(1))
        .await?;
    Ok(format!(
        "reachable, schema version {}",
        litink_providers::schema_version()
    ))
}

/// Writes, reads back and removes an object.
async fn storage(engine: &Engine) -> Result<String> {
    let group = uuid::Uuid::new_v4();
    let key = StorageKey::new(LOCAL_USER, Area::Exports, group, "doctor.txt");
    let wrote = Bytes::from_static(b"litink doctor");
    engine
        .storage()
        .put_bytes(Actor::Service, &key, wrote.clone(), "text/plain")
        .await?;
    let read = engine
        .storage()
        .get_bytes(Actor::Service, &key, 1024)
        .await?;
    engine.storage().delete(Actor::Service, &key).await?;
    if read == wrote {
        Ok("written, read and removed an object".into())
    } else {
        Err(Error::new(
            ErrorKind::Corrupt,
            "an object came back changed",
        ))
    }
}

async fn queue(engine: &Engine) -> Result<String> {
    let stats = engine.queue().stats().await?;
    let jobs: u64 = stats.iter().flat_map(|kind| kind.jobs.values()).sum();
    Ok(format!("reachable, {jobs} jobs known"))
}

fn ffmpeg(settings: &Settings) -> Result<String> {
    litink_providers::encoder(settings).map(|encoder| encoder.program().display().to_string())
}

fn speech() -> Result<String> {
    let programs = Programs::find();
    if !programs.can_speak() {
        let message = "no synthesizer is installed; as root: apt-get install espeak-ng";
        return Err(Error::new(ErrorKind::Configuration, message).with_code("missing_program"));
    }
    let paths = programs.iter().filter_map(|program| program.path.as_ref());
    Ok(paths
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", "))
}
