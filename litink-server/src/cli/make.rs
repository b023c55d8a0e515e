//! `litink make`: import, run and export in one go.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use futures::{StreamExt, TryStreamExt};
use litink_core::{
    Error, ErrorKind, Result,
    domain::{Book, Export, Run, RunState},
    engine::{Engine, RunSpec, UsageQuery},
    recipe::audiobook::{AudiobookOptions, OutputFormat},
};
use litink_providers::Settings;
use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt;

use super::{ACTOR, exit, interrupt::Interrupt, open, report::Report};

/// Make an audiobook of a book.
///
/// The same command again does nothing twice: what is finished is taken as it is, what was
/// interrupted goes on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litink make book.epub
  litink make book.epub --chapters 1-3 --formats m4b,mp3,vtt --out ~/Audiobooks
  OPENAI_API_KEY=... litink make book.epub --provider openai --voice nova
  litink make book.epub --json | jq -r 'select(.event==\"export\") | .path'")]
pub struct Make {
    #[command(flatten)]
    chosen: Chosen,
    /// Where the finished files go.
    #[arg(long, default_value = "audiobooks", value_name = "DIR")]
    out: PathBuf,
    /// Print events as JSON, one a line, for programs.
    #[arg(long)]
    pub(super) json: bool,
}

/// What to make of which book, and who makes it.
#[derive(Debug, Args)]
pub(super) struct Chosen {
    /// The book: EPUB, PDF, DOCX, ODT, RTF, HTML, Markdown, FB2 or plain text.
    pub(super) book: PathBuf,
    /// What to make of it.
    #[arg(long, default_value = "audiobook")]
    recipe: String,
    /// Who speaks. `local` needs no key and no network, and sounds like a draft; `openai` wants
    /// OPENAI_API_KEY, or OPENAI_BASE_URL for another endpoint of its shape.
    #[arg(long, default_value = "local")]
    provider: String,
    /// The provider's model.
    #[arg(long)]
    model: Option<String>,
    /// The voice; `litink voices` lists them.
    #[arg(long)]
    voice: Option<String>,
    /// Which chapters, from 1: `1-3,5`. Default: all.
    #[arg(long)]
    chapters: Option<String>,
    /// Narrate front and back matter, too.
    #[arg(long)]
    all: bool,
    /// What to make: m4b, mp3, flac, wav, vtt, srt.
    #[arg(long, value_delimiter = ',', default_values_t = AudiobookOptions::default().formats)]
    formats: Vec<OutputFormat>,
    /// The pace: 1 is the voice's own, 0.25 to 4.
    #[arg(long)]
    speed: Option<f32>,
    /// Put numbers, dates, units and abbreviations into words first, for voices that read them
    /// wrongly. English, and the numbers of German, French, Spanish and Italian.
    #[arg(long)]
    normalise: bool,
}

impl Chosen {
    pub(super) fn spec(&self, book: &Book) -> RunSpec {
        RunSpec::audiobook(book.id())
            .recipe(&self.recipe)
            .options(self.options())
    }

    fn options(&self) -> Value {
        let mut options = Map::new();
        options.insert("provider".into(), json!(self.provider));
        options.insert("formats".into(), json!(self.formats));
        if self.all {
            options.insert("include".into(), json!("all"));
        }
        if self.normalise {
            options.insert("normalise".into(), json!(true));
        }
        let given = [
            ("model", json!(self.model)),
            ("voice", json!(self.voice)),
            ("chapters", json!(self.chapters)),
            ("speed", json!(self.speed)),
        ];
        options.extend(
            given
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        Value::Object(options)
    }

    /// What to do about a provider that is known, and not set up.
    pub(super) fn explained(&self, error: Error) -> Error {
        let (key, url, built) = match self.provider.as_str() {
            "openai" => (
                "OPENAI_API_KEY",
                "OPENAI_BASE_URL",
                cfg!(feature = "openai"),
            ),
            "anthropic" => (
                "ANTHROPIC_API_KEY",
                "ANTHROPIC_BASE_URL",
                cfg!(feature = "anthropic"),
            ),
            "gemini" => (
                "GEMINI_API_KEY",
                "GEMINI_BASE_URL",
                cfg!(feature = "gemini"),
            ),
            "elevenlabs" => (
                "ELEVENLABS_API_KEY",
                "ELEVENLABS_BASE_URL",
                cfg!(feature = "elevenlabs"),
            ),
            _ => return error,
        };
        if error.code() != "unknown_provider" {
            return error;
        }
        let name = &self.provider;
        let message = if built {
            format!(
                "the provider `{name}` wants a key ({key}), or the address of a server that wants none \
                 ({url})"
            )
        } else {
            format!(
                "this litink was built without the provider `{name}`; build it with the cargo feature \
                 `{name}`"
            )
        };
        Error::new(ErrorKind::Configuration, message).with_code("provider_not_configured")
    }
}

/// How long an interrupted run lets its calls in flight finish: they may be paid already.
const GRACE: Duration = Duration::from_secs(10);

impl Make {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let interrupt = Interrupt::listen();
        let engine = open(settings).await?;
        for format in self
            .chosen
            .formats
            .iter()
            .filter_map(|format| format.audio())
        {
            engine.encoder(format)?;
        }
        writable(&self.out).await?;
        let mut report = Report::new(self.json);
        let imported = engine.import_file(ACTOR, &self.chosen.book).await?;
        let chapters = engine.chapters(ACTOR, imported.book.id(), false).await?;
        report.imported(&imported, &chapters)?;
        let quote = engine.quote(ACTOR, &self.chosen.spec(&imported.book)).await;
        let quote = quote.map_err(|error| self.chosen.explained(error))?;
        report.quoted(&quote)?;
        let run = self.start(&engine, &imported.book).await?;
        report.started(&run)?;
        if run.state != RunState::Completed
            && !self
                .work(&engine, settings, &run, &interrupt, &mut report)
                .await?
        {
            report.interrupted()?;
            return Ok(ExitCode::from(exit::INTERRUPTED));
        }
        for export in engine.exports(ACTOR, run.id()).await? {
            let (path, written) = save(&engine, &export, &self.out).await?;
            report.exported(&export, &path, written)?;
        }
        let query = UsageQuery::default().run(Some(run.id()));
        let usage = engine.usage(ACTOR, &query).await?;
        report.cost(&quote, &usage.into_iter().next().unwrap_or_default())?;
        report.done()?;
        Ok(ExitCode::SUCCESS)
    }

    async fn start(&self, engine: &Engine, book: &Book) -> Result<Run> {
        let started = engine.start(ACTOR, &self.chosen.spec(book), None).await;
        let run = started.map_err(|error| self.chosen.explained(error))?.run;
        match run.state {
            RunState::Completed => Ok(run),
            // New, or left by a command that was interrupted or failed.
            _ => engine.resume(ACTOR, run.id()).await,
        }
    }

    /// Works until the run is final; `false` where it was interrupted.
    async fn work(
        &self,
        engine: &Engine,
        settings: &Settings,
        run: &Run,
        interrupt: &Interrupt,
        report: &mut Report,
    ) -> Result<bool> {
        let mut options = litink_providers::worker_options(settings);
        options.grace = GRACE;
        let worker = engine
            .worker(options)
            .run(interrupt.stop.child_token(), interrupt.abandon.clone());
        let mut worker = tokio::spawn(worker);
        let mut watch = std::pin::pin!(engine.watch(ACTOR, run.id(), 0));
        loop {
            tokio::select! {
                biased;
                () = interrupt.stop.cancelled() => {
                    report.stopping()?;
                    joined(worker.await)?;
                    let run = engine.run(ACTOR, run.id()).await?;
                    return Ok(run.state == RunState::Completed);
                }
                // It ends by itself only where it cannot begin: nobody else would make anything.
                ended = &mut worker => {
                    joined(ended)?;
                    return Err(Error::internal("the worker stopped"));
                }
                progress = watch.next() => match progress {
                    Some(progress) => report.progress(&progress?)?,
                    None => break,
                },
            }
        }
        // Final: the worker has nothing more of this run.
        interrupt.stop.cancel();
        joined(worker.await)?;
        engine.wait(ACTOR, run.id()).await?;
        Ok(true)
    }
}

fn joined(ended: std::result::Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    ended.map_err(|error| Error::internal("the worker stopped").with_source(error))?
}

/// Whether finished files can be put there: asked before anything is made, and maybe paid.
async fn writable(folder: &Path) -> Result<()> {
    let there = |error: std::io::Error| Error::from(error).with_context("out", folder.display());
    if tokio::fs::metadata(folder)
        .await
        .is_ok_and(|it| !it.is_dir())
    {
        return Err(
            Error::invalid("not_a_folder", "`--out` is a file; name a folder")
                .with_context("out", folder.display()),
        );
    }
    tokio::fs::create_dir_all(folder).await.map_err(there)?;
    let probe = folder.join(format!(".litink-{}", std::process::id()));
    tokio::fs::write(&probe, b"").await.map_err(there)?;
    tokio::fs::remove_file(&probe).await.map_err(there)
}

/// Saves a finished file; says whether it was written, or was there already. A file of the same name
/// that is another one stays, and this one gets a number.
async fn save(engine: &Engine, export: &Export, folder: &Path) -> Result<(PathBuf, bool)> {
    let there = |error: std::io::Error| Error::from(error).with_context("out", folder.display());
    tokio::fs::create_dir_all(folder).await.map_err(there)?;
    let mut path = folder.join(&export.file_name);
    for number in 2.. {
        if same(&path, export).await {
            return Ok((path, false));
        }
        if !tokio::fs::try_exists(&path).await.map_err(there)? {
            break;
        }
        path = folder.join(numbered(&export.file_name, number));
    }
    let reader = engine.open_export(ACTOR, export.id(), None).await?;
    let partial = folder.join(format!(".{}.part", export.file_name));
    let written = write(&partial, reader.object.body).await;
    if let Err(error) = written {
        let _ = tokio::fs::remove_file(&partial).await;
        return Err(error.with_context("out", folder.display()));
    }
    tokio::fs::rename(&partial, &path).await.map_err(there)?;
    Ok((path, true))
}

/// `Title (2).m4b`.
fn numbered(name: &str, number: u32) -> String {
    match name.rsplit_once('.') {
        Some((stem, ending)) => format!("{stem} ({number}).{ending}"),
        None => format!("{name} ({number})"),
    }
}

async fn same(path: &Path, export: &Export) -> bool {
    match tokio::fs::metadata(path).await {
        Ok(metadata) if metadata.len() == export.bytes => {}
        _ => return false,
    }
    let hash = litink_core::content_hash(path).await;
    hash.is_ok_and(|hash| hash == export.content_hash)
}

async fn write(path: &Path, mut body: litink_core::storage::ByteStream) -> Result<()> {
    let mut file = tokio::fs::File::create(path).await?;
    while let Some(chunk) = body.try_next().await? {
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    file.sync_all().await?;
    Ok(())
}
