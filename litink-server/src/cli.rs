//! The command line: one file a command.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Parser, Subcommand};
use litink_core::{Actor, Error, LOCAL_USER, Result};
use litink_providers::{Settings, connect, open};

use self::print::say;

mod books;
mod doctor;
mod exit;
mod import;
mod interrupt;
mod jobs;
mod make;
mod migrate;
mod print;
mod queues;
mod quote;
mod report;
mod runs;
mod schedules;
mod serve;
mod transfer;
mod usage;
mod users;
mod voices;
mod work;
mod workers;

/// On the command line one acts for the one owner of the embedded engine.
const ACTOR: Actor = Actor::User(LOCAL_USER);

/// Turn a book into an audiobook: read it, have it narrated, get one file with chapters and cover.
#[derive(Debug, Parser)]
#[command(name = "litink", version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// The settings file. Default: litink.toml in this folder, if it is there.
    #[arg(long, global = true, value_name = "FILE", env = "LITINK_CONFIG")]
    pub config: Option<PathBuf>,
    /// The folder where books, runs and finished work are kept. Default: litink-data.
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Examples:
  litink make moby-dick.epub                      an audiobook, with the offline draft voice
  litink make book.epub --chapters 1-3 --out ~/Audiobooks
  litink make book.txt --formats mp3,vtt --voice espeak:en-gb
  litink quote book.epub --provider openai        what that would cost, before it is spent
  litink voices                                   which voices there are
  litink serve                                    a page and an API on http://127.0.0.1:7878
  litink doctor                                   what is missing on this machine

Settings come from litink.toml and from variables, which win over it:
  LITINK_DATA_DIR LITINK_IN_MEMORY LITINK_FFMPEG LITINK_LEASE_S LITINK_CONCURRENCY
  LITINK_CALL_TIMEOUT_S LITINK_MAX_ATTEMPTS LITINK_MAX_FILE_BYTES LITINK_BIND LITINK_ACCESS_TOKEN
  LITINK_DATABASE_URL LITINK_STORAGE_URL LITINK_QUEUE_URL LITINK_CACHE_URL LITINK_EVENTS_URL
  LITINK_SUPABASE_URL LITINK_SUPABASE_PUBLISHABLE_KEY LITINK_SUPABASE_SECRET_KEY
  LITINK_TRUSTED_PROXIES LITINK_ACCOUNTS LITINK_JWT_SECRET LITINK_SIGN_UP LITINK_TOKEN_S
  LITINK_REFRESH_DAYS LITINK_SESSION_CHECK_S
  LITINK_BUDGET_CALL LITINK_BUDGET_RUN LITINK_BUDGET_USER LITINK_BUDGET_DAY LITINK_PRICES
  OPENAI_API_KEY OPENAI_BASE_URL OPENAI_ORG_ID OPENAI_PROJECT_ID LITINK_OPENAI_DIALECT
  LITINK_OPENAI_SPEECH_MODEL LITINK_OPENAI_TEXT_MODEL LITINK_OPENAI_IMAGE_MODEL
  LITINK_OPENAI_EMBEDDING_MODEL LITINK_OPENAI_TRANSCRIPTION_MODEL LITINK_OPENAI_VIDEO_MODEL
  LITINK_OPENAI_VOICE
  LITINK_OPENAI_MAX_CONCURRENCY
  ANTHROPIC_API_KEY ANTHROPIC_BASE_URL LITINK_ANTHROPIC_TEXT_MODEL
  GEMINI_API_KEY GEMINI_BASE_URL LITINK_GEMINI_{TEXT,SPEECH,VIDEO}_MODEL LITINK_GEMINI_VOICE
  ELEVENLABS_API_KEY ELEVENLABS_BASE_URL LITINK_ELEVENLABS_SPEECH_MODEL LITINK_ELEVENLABS_VOICE
  LITINK_LOG (error, warn, info, debug; default warn)

Exit codes:
  0  done                       3  the book or an option cannot be used
  1  a defect of litink         4  something on this machine is missing, full or not allowed
  2  a misspelt command line    5  a provider failed
  130  interrupted; the same command again goes on where it was";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an audiobook of a book: import, run and export in one go.
    Make(make::Make),
    /// What making a book would call for and cost, before anything is spent.
    Quote(quote::QuoteCommand),
    /// What calls used and cost: by user, run, provider, model or kind of thing.
    Usage(usage::UsageCommand),
    /// Read a book and keep it, without making anything yet.
    Import(import::Import),
    /// List the books that were imported, or show one with its chapters.
    Books(books::Books),
    /// List runs; show, cancel or resume one.
    Runs(runs::Runs),
    /// List the jobs of the queue; cancel them, or have them done again.
    Jobs(jobs::Jobs),
    /// How many jobs wait, run and failed; pause a kind, limit a key.
    Queues(queues::Queues),
    /// List what is done at times of a clock; add, change, pause and remove it.
    Schedules(schedules::Schedules),
    /// Who works on the queue now.
    Workers(workers::Workers),
    /// List the voices of a provider.
    Voices(voices::Voices),
    /// Serve the API and a page, and work on the runs that are asked for.
    Serve(serve::Serve),
    /// Add, list and disable the users of a server with accounts.
    Users(users::Users),
    /// Work on runs, without serving: as many of these as one likes.
    Work(work::Work),
    /// Check what is needed on this machine, and say what to do.
    Doctor(doctor::Doctor),
    /// Bring the database to this version's schema.
    Migrate(migrate::Migrate),
    /// Write every row and every file into a folder, to keep or to import elsewhere.
    ExportData(transfer::ExportData),
    /// Read such a folder into whatever the settings name, and compare.
    ImportData(transfer::ImportData),
    /// Print the OpenAPI description of the HTTP API.
    Openapi,
}

/// Runs a command to its end.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    init_log();
    let json = matches!(&cli.command, Command::Make(make) if make.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return exit::report(&error.into(), json),
    };
    let done = runtime.block_on(dispatch(cli));
    // What still runs on blocking threads (a program being waited for) must not hold the exit up.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    match done {
        Ok(code) => code,
        Err(error) => exit::report(&error, json),
    }
}

async fn dispatch(cli: Cli) -> Result<ExitCode> {
    if matches!(cli.command, Command::Openapi) {
        return print_openapi();
    }
    let mut settings = Settings::load(cli.config.as_deref())?;
    if let Some(data) = cli.data {
        settings.data_dir = data;
    }
    match cli.command {
        Command::Make(command) => command.run(&settings).await,
        Command::Quote(command) => command.run(&settings).await,
        Command::Usage(command) => command.run(&settings).await,
        Command::Import(command) => command.run(&settings).await,
        Command::Books(command) => command.run(&settings).await,
        Command::Runs(command) => command.run(&settings).await,
        Command::Jobs(command) => command.run(&settings).await,
        Command::Queues(command) => command.run(&settings).await,
        Command::Schedules(command) => command.run(&settings).await,
        Command::Workers(command) => command.run(&settings).await,
        Command::Voices(command) => command.run(&settings).await,
        Command::Serve(command) => command.run(&settings).await,
        Command::Users(command) => command.run(&settings).await,
        Command::Work(command) => command.run(&settings).await,
        Command::Doctor(command) => command.run(&settings).await,
        Command::Migrate(command) => command.run(&settings).await,
        Command::ExportData(command) => command.run(&settings).await,
        Command::ImportData(command) => command.run(&settings).await,
        Command::Openapi => print_openapi(),
    }
}

fn print_openapi() -> Result<ExitCode> {
    let text = crate::openapi()
        .to_pretty_json()
        .map_err(|error| Error::internal("the description is JSON").with_source(error))?;
    say!("{text}");
    Ok(ExitCode::SUCCESS)
}

/// Colours are for terminals, and for those who want them (no-color.org).
fn colours() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
}

fn init_log() {
    use tracing_subscriber::EnvFilter;
    let filter = std::env::var("LITINK_LOG").unwrap_or_else(|_| "warn".into());
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn"));
    let writer = Arc::new(std::io::stderr());
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours())
        .with_writer(writer)
        .try_init();
}
