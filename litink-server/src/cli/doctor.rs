//! `litink doctor`.

use std::process::ExitCode;

use clap::Args;
use litink_core::{Error, ErrorKind, Result, ResultExt, backend::Check};
use litink_providers::{Attempt, Environment, Settings, connect_each, local::Programs};
use serde::Serialize;

use super::{
    exit,
    print::{self, say},
};

/// Check what is needed on this machine, and say what to do.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Print the checks as JSON, one a line.
    #[arg(long)]
    json: bool,
}

/// One line.
#[derive(Debug, Serialize)]
struct Line {
    /// What was looked at: a program, or a backend's contracts and address.
    name: String,
    /// What about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<&'static str>,
    ok: bool,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

impl Line {
    fn new(name: impl Into<String>, check: Option<&'static str>, found: Result<String>) -> Self {
        let (ok, detail, code) = match found {
            Ok(detail) => (true, detail, None),
            Err(error) => (false, error.to_string(), Some(error.code().to_owned())),
        };
        Self {
            name: name.into(),
            check,
            ok,
            detail,
            code,
        }
    }

    fn print(&self) {
        let word = if self.ok { "ok  " } else { "FAIL" };
        let check = self.check.map(|it| format!(": {it}")).unwrap_or_default();
        let code = self.code.as_ref().map(|it| format!(" [{it}]"));
        let code = code.unwrap_or_default();
        say!("{word} {}{check}: {}{code}", self.name, self.detail);
    }
}

impl Doctor {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let mut lines = vec![Line::new("environment", None, environment(settings))];
        for attempt in connect_each(settings).await? {
            lines.extend(backend(attempt).await);
        }
        lines.push(Line::new(
            "ffmpeg (M4B, MP3, FLAC)",
            None,
            ffmpeg(settings).await,
        ));
        lines.push(Line::new(
            "tesseract (scans)",
            None,
            tesseract(settings).await,
        ));
        lines.push(Line::new("speech (local provider)", None, speech()));
        #[cfg(feature = "openai")]
        lines.extend(openai(settings).await);
        for line in &lines {
            if self.json {
                print::json(line)?;
            } else {
                line.print();
            }
        }
        let failed = exit::code(ErrorKind::Configuration);
        Ok(if lines.iter().all(|line| line.ok) {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(failed)
        })
    }
}

fn environment(settings: &Settings) -> Result<String> {
    Ok(format!("{}", Environment::detect(settings)?))
}

/// What a backend says of itself, or why there is none.
async fn backend(attempt: Attempt) -> Vec<Line> {
    let names: Vec<_> = attempt.contracts.iter().map(|it| it.as_str()).collect();
    let names = names.join(", ");
    match attempt.outcome {
        Err(error) => {
            let name = format!("{names} ({})", attempt.address);
            vec![Line::new(name, Some(Check::REACHABLE), Err(error))]
        }
        Ok(backend) => {
            let name = format!("{names} ({})", backend.describe());
            let checks = backend.check().await.into_iter();
            let lines = checks.map(|it| Line::new(&*name, Some(it.name), it.outcome));
            lines.collect()
        }
    }
}

async fn ffmpeg(settings: &Settings) -> Result<String> {
    let encoder = litink_providers::encoder(settings)?;
    let program = encoder.program().display().to_string();
    encoder.version().await.context("program", &program)?;
    Ok(program)
}

/// What reads scanned books; without it all others are read all the same.
async fn tesseract(settings: &Settings) -> Result<String> {
    match litink_providers::tesseract(settings) {
        Ok(program) => program.check().await,
        Err(error) => Ok(error.message().to_owned()),
    }
}

/// What the provider `openai` is, and whether it answers: the list of its models costs nothing.
#[cfg(feature = "openai")]
async fn openai(settings: &Settings) -> Option<Line> {
    let provider = match litink_providers::openai_provider(settings) {
        Ok(provider) => provider?,
        Err(error) => return Some(Line::new("provider openai", None, Err(error))),
    };
    let config = provider.config();
    let (url, dialect) = (config.url(), config.dialect.name);
    let name = format!("provider openai ({url}, dialect {dialect})");
    let found = match provider.models().await {
        // Many servers list nothing; only a call would tell more.
        Err(error) if error.code() == "no_such_endpoint" => {
            Ok("it answers, and lists no models".to_owned())
        }
        Err(error) => Err(error),
        Ok(models) => {
            let warnings: Vec<_> = models.iter().filter_map(|it| it.warning()).collect();
            let soon = match warnings.len() {
                0 => String::new(),
                some => format!(", {some} of them shut down within 60 days"),
            };
            Ok(format!("{} models{soon}", models.len()))
        }
    };
    Some(Line::new(name, None, found))
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
