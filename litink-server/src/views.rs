//! What the API answers with: the domain's fields under the domain's names, without what is
//! nobody's business (owners, storage keys).

use chrono::{DateTime, Utc};
use litink_core::{
    domain::{
        Block, Book, Chapter, Decision, Export, Identifier, Run, Schedule, ScheduleState, Series,
        Warning,
    },
    engine::Progress,
    provider::GenerationProvider,
    recipe::Plan,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

mod jobs;

pub(crate) use jobs::{JobView, QueueView, WorkerView};
mod quote;
mod usage;

pub(crate) use quote::QuoteView;
pub(crate) use usage::{BudgetView, UsageView};

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PageView<T> {
    /// The items, newest first.
    pub(crate) items: Vec<T>,
    /// Give it as `after` to get the next page; null at the end.
    pub(crate) next: Option<String>,
}

impl<T> PageView<T> {
    /// The page with each item as its view.
    pub(crate) fn of<U: Into<T>>(page: litink_core::repository::Page<U>) -> Self {
        Self {
            items: page.items.into_iter().map(Into::into).collect(),
            next: page.next,
        }
    }
}

/// What was guessed, left out or not honoured.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WarningView {
    /// Stable and machine-readable.
    #[schema(example = "extension_mismatch")]
    code: String,
    /// A sentence for a person.
    message: String,
}

impl From<Warning> for WarningView {
    fn from(warning: Warning) -> Self {
        Self {
            code: warning.code,
            message: warning.message,
        }
    }
}

/// A book that was imported.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BookView {
    id: Uuid,
    /// Rises with every change.
    version: u64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// `ready`.
    #[schema(value_type = String, example = "ready")]
    state: Value,
    /// The title; the file's name where the book has none.
    title: String,
    /// The authors, in the book's order.
    authors: Vec<String>,
    /// BCP 47 tag: the book's own, or detected.
    #[schema(example = "en")]
    language: Option<String>,
    /// ISBN, URN or whatever the book calls itself.
    identifier: Option<String>,
    publisher: Option<String>,
    /// As the book writes it.
    published: Option<String>,
    description: Option<String>,
    /// What the file was read as: `epub`, `text`.
    #[schema(example = "epub")]
    format: String,
    /// The name under which the file came.
    file_name: String,
    /// Its size.
    file_bytes: u64,
    /// BLAKE3 of the file, in hexadecimal.
    content_hash: String,
    /// Whether `/cover` has an image.
    has_cover: bool,
    /// Number of chapters, front and back matter included.
    chapter_count: u32,
    /// Characters of text.
    char_count: u64,
    /// What the import guessed or left out.
    warnings: Vec<WarningView>,
    /// All identifiers that the book declares.
    identifiers: Vec<IdentifierView>,
    /// The series it belongs to.
    series: Option<SeriesView>,
    /// How title, authors, language and chapters were found, and how sure that is.
    decisions: Vec<DecisionView>,
}

/// One of the names by which catalogues know a book.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IdentifierView {
    /// `isbn`, `doi`, `uuid`, `url`, ...; null where nothing says.
    #[schema(example = "isbn")]
    scheme: Option<String>,
    #[schema(example = "9780141439518")]
    value: String,
}

/// A series of books.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeriesView {
    name: String,
    /// The book's place in it, as declared: `3`, `2.5`.
    position: Option<String>,
}

/// One thing that the import decided.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecisionView {
    /// `format`, `title`, `authors`, `language` or `chapters`.
    #[schema(example = "chapters")]
    code: String,
    /// By what: `declared`, `navigation`, `headings`, `detected`, `length`, ...
    #[schema(example = "navigation")]
    method: String,
    /// From 0 (a guess) to 1 (the book says so itself).
    confidence: f64,
    /// A sentence for a person.
    message: String,
}

impl From<Book> for BookView {
    fn from(book: Book) -> Self {
        Self {
            id: book.meta.id,
            version: book.meta.version,
            created_at: book.meta.created_at,
            updated_at: book.meta.updated_at,
            state: name(book.state),
            title: book.title,
            authors: book.authors,
            language: book.language,
            identifier: book.identifier,
            publisher: book.publisher,
            published: book.published,
            description: book.description,
            format: book.format,
            file_name: book.file_name,
            file_bytes: book.file_bytes,
            content_hash: book.content_hash,
            has_cover: book.cover_key.is_some(),
            chapter_count: book.chapter_count,
            char_count: book.char_count,
            warnings: book.warnings.into_iter().map(Into::into).collect(),
            identifiers: book
                .identifiers
                .into_iter()
                .map(|Identifier { scheme, value }| IdentifierView { scheme, value })
                .collect(),
            series: book
                .series
                .map(|Series { name, position }| SeriesView { name, position }),
            decisions: book.decisions.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Decision> for DecisionView {
    fn from(decision: Decision) -> Self {
        Self {
            code: decision.code,
            method: decision.method,
            confidence: decision.confidence,
            message: decision.message,
        }
    }
}

/// A stretch of a block's text that stands out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpanView {
    /// Where it starts, in bytes of the text in UTF-8.
    start: u32,
    /// Where it ends, behind its last byte.
    end: u32,
    /// `emphasis` or `strong`.
    #[schema(value_type = String, example = "emphasis")]
    style: Value,
}

/// Where a block starts in the original file. What a format does not know is left out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnchorView {
    /// The page, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<u32>,
    /// The document inside an archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "OEBPS/ch1.xhtml")]
    path: Option<String>,
    /// The id of the element that starts here.
    #[serde(skip_serializing_if = "Option::is_none")]
    fragment: Option<String>,
    /// Bytes of the document before the block.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u32>,
}

/// A block of a chapter's text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BlockView {
    /// `paragraph`, `heading`, `quote`, `verse`, `list_item`, `table`, `scene_break`, `image`,
    /// `footnote` or `preformatted`.
    #[schema(value_type = String, example = "paragraph")]
    kind: Value,
    text: String,
    /// What stands out in it; left out where nothing does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    spans: Vec<SpanView>,
    /// Where it came from; left out where nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    anchor: Option<AnchorView>,
}

impl From<Block> for BlockView {
    fn from(block: Block) -> Self {
        Self {
            kind: name(block.kind),
            text: block.text,
            spans: block
                .spans
                .into_iter()
                .map(|span| SpanView {
                    start: span.start,
                    end: span.end,
                    style: name(span.style),
                })
                .collect(),
            anchor: block.anchor.map(|anchor| AnchorView {
                page: anchor.page,
                path: anchor.path.as_deref().map(Into::into),
                fragment: anchor.fragment.as_deref().map(Into::into),
                offset: anchor.offset,
            }),
        }
    }
}

/// A chapter, or a piece of front or back matter.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChapterView {
    id: Uuid,
    book_id: Uuid,
    /// Place in the book, from 0.
    position: u32,
    /// `chapter`, `front_matter` or `back_matter`.
    #[schema(value_type = String, example = "chapter")]
    kind: Value,
    /// From 1; null unless it is a chapter.
    number: Option<u32>,
    /// The title, as the book writes it.
    title: Option<String>,
    /// The title to show: its own, else `Chapter N`, else null.
    display_title: Option<String>,
    /// The part, act or volume that it stands in.
    section: Option<String>,
    /// Characters of text.
    char_count: u64,
    /// The text; empty unless it was asked for.
    blocks: Vec<BlockView>,
}

impl From<Chapter> for ChapterView {
    fn from(chapter: Chapter) -> Self {
        Self {
            display_title: chapter.display_title(),
            id: chapter.meta.id,
            book_id: chapter.book_id.0,
            position: chapter.position,
            kind: name(chapter.kind),
            number: chapter.number,
            title: chapter.title,
            section: chapter.section,
            char_count: chapter.char_count,
            blocks: chapter.blocks.into_iter().map(Into::into).collect(),
        }
    }
}

/// Why a run failed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailureView {
    /// What a caller can do about it, as in a problem.
    #[schema(example = "provider")]
    kind: String,
    /// The stable, finer case.
    code: String,
    /// A sentence for a person.
    message: String,
    /// Whether money was spent on it: `no`, `maybe` or `yes`.
    #[schema(value_type = String, example = "no")]
    charge: Value,
}

impl From<litink_core::domain::Failure> for FailureView {
    fn from(failure: litink_core::domain::Failure) -> Self {
        let charge = name(failure.charge);
        Self {
            kind: failure.kind,
            code: failure.code,
            message: failure.message,
            charge,
        }
    }
}

/// One making of a recipe from a book.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunView {
    id: Uuid,
    /// Rises with every change.
    version: u64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    book_id: Uuid,
    /// `running`, `completed`, `failed` or `cancelled`.
    #[schema(example = "running")]
    state: &'static str,
    /// The recipe's name.
    #[schema(example = "audiobook")]
    recipe: String,
    /// The recipe's options, complete.
    #[schema(value_type = Object)]
    options: Value,
    /// The key under which it was asked for.
    idempotency_key: Option<String>,
    /// Number of steps.
    step_count: u32,
    /// Why it failed.
    error: Option<FailureView>,
    /// When it became final.
    finished_at: Option<DateTime<Utc>>,
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        Self {
            id: run.meta.id,
            version: run.meta.version,
            created_at: run.meta.created_at,
            updated_at: run.meta.updated_at,
            book_id: run.book_id.0,
            state: run.state.as_str(),
            recipe: run.recipe,
            options: run.options,
            idempotency_key: run.idempotency_key,
            step_count: run.step_count,
            error: run.error.map(Into::into),
            finished_at: run.finished_at,
        }
    }
}

/// How far a run is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProgressView {
    run_id: Uuid,
    /// `running`, `completed`, `failed` or `cancelled`.
    #[schema(example = "running")]
    state: &'static str,
    /// Rises with every change: the id of the progress event.
    revision: u64,
    /// 0 to 1; 1 exactly when everything is made.
    fraction: f64,
    /// Completed steps.
    steps_completed: u32,
    /// Steps.
    steps_total: u32,
    /// Speech made so far.
    audio_ms: u64,
    /// The chapters that it works on, in order.
    chapters: Vec<ChapterProgressView>,
    /// Why it failed.
    error: Option<FailureView>,
}

/// How far a chapter is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChapterProgressView {
    chapter_id: Uuid,
    /// 0 to 1.
    fraction: f64,
    /// Speech made so far.
    audio_ms: u64,
}

impl From<Progress> for ProgressView {
    fn from(progress: Progress) -> Self {
        let chapters = progress
            .chapters
            .into_iter()
            .map(|chapter| ChapterProgressView {
                chapter_id: chapter.chapter_id.0,
                fraction: chapter.fraction,
                audio_ms: chapter.audio_ms,
            });
        Self {
            run_id: progress.run_id.0,
            state: progress.state.as_str(),
            revision: progress.revision,
            fraction: progress.fraction,
            steps_completed: progress.steps_completed,
            steps_total: progress.steps_total,
            audio_ms: progress.audio_ms,
            chapters: chapters.collect(),
            error: progress.error.map(Into::into),
        }
    }
}

/// One finished file of a run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportView {
    id: Uuid,
    created_at: DateTime<Utc>,
    run_id: Uuid,
    /// Place among the run's files.
    position: u32,
    /// `m4b`, `mp3`, `vtt`, ...
    #[schema(example = "m4b")]
    format: String,
    /// The name under which to save it.
    file_name: String,
    #[schema(example = "audio/mp4")]
    media_type: String,
    /// Its size.
    bytes: u64,
    /// BLAKE3 of its bytes, in hexadecimal: the `ETag` of its content.
    content_hash: String,
    /// How long it plays; null for what does not play.
    duration_ms: Option<u64>,
}

impl From<Export> for ExportView {
    fn from(export: Export) -> Self {
        Self {
            id: export.meta.id,
            created_at: export.meta.created_at,
            run_id: export.run_id.0,
            position: export.position,
            format: export.format,
            file_name: export.file_name,
            media_type: export.media_type,
            bytes: export.bytes,
            content_hash: export.content_hash,
            duration_ms: export.duration_ms,
        }
    }
}

/// What a run would do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlanView {
    /// Calls of the provider.
    calls: u64,
    /// Characters that the provider is given.
    characters: u64,
    /// The steps, in order. What they are given is book text, and left out.
    steps: Vec<PlannedStepView>,
}

/// One step of a plan.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlannedStepView {
    /// Unique in the plan.
    #[schema(example = "speak/0003/0007")]
    key: String,
    /// What to do.
    #[schema(example = "speak")]
    kind: String,
    /// The keys of the steps that must complete first.
    after: Vec<String>,
    /// The chapter that it works on.
    chapter_id: Option<Uuid>,
    /// Its share in the progress.
    weight: u64,
}

impl From<Plan> for PlanView {
    fn from(plan: Plan) -> Self {
        let steps = plan.steps.into_iter().map(|step| PlannedStepView {
            key: step.key,
            kind: step.kind,
            after: step.after,
            chapter_id: step.chapter_id.map(Into::into),
            weight: step.weight,
        });
        Self {
            calls: plan.calls,
            characters: plan.characters,
            steps: steps.collect(),
        }
    }
}

/// A registered provider.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderView {
    /// What to name in a run's options.
    #[schema(example = "local")]
    name: String,
    /// What it can do with the model that it takes by itself; null where it lacks a modality.
    #[schema(value_type = Object)]
    capabilities: Value,
}

impl From<&dyn GenerationProvider> for ProviderView {
    fn from(provider: &dyn GenerationProvider) -> Self {
        let capabilities = serde_json::to_value(&*provider.capabilities(None)).unwrap_or_default();
        Self {
            name: provider.name().to_owned(),
            capabilities,
        }
    }
}

/// A kind of file that can be asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FormatView {
    /// What to name in a run's options.
    #[schema(example = "m4b")]
    pub(crate) name: &'static str,
    pub(crate) media_type: &'static str,
    /// Whether it can be made on this machine.
    pub(crate) available: bool,
    /// What to do where it cannot.
    pub(crate) missing: Option<String>,
}

/// The serde name of an enum's value.
fn name(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// At each tick of a clock, a job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleView {
    /// Its name.
    #[schema(example = "nightly")]
    name: String,
    /// Rises with each edit; give it with the next one.
    revision: u64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// Whether its ticks go by without a job.
    paused: bool,
    /// Whether it is litink's own, which can be paused but not removed.
    built_in: bool,
    /// Minute, hour, day of month, month, day of week; with seconds before them where there are six.
    #[schema(example = "30 2 * * *")]
    cron: String,
    /// The IANA time zone in which it ticks.
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    /// The kind of its jobs.
    #[schema(example = "report")]
    kind: String,
    /// What its jobs are given.
    #[schema(value_type = Object)]
    args: Value,
    /// The priority of its jobs.
    priority: i16,
    /// What becomes of missed ticks: `skip`, `last` or `all:100`.
    #[schema(example = "last")]
    catch_up: String,
    /// When it ticks next; null while it is paused.
    next_tick: Option<DateTime<Utc>>,
    /// The newest tick that made a job.
    last_tick: Option<DateTime<Utc>>,
    /// That job.
    last_job_id: Option<Uuid>,
}

impl ScheduleView {
    pub(crate) fn of(schedule: Schedule, next_tick: Option<DateTime<Utc>>) -> Self {
        Self {
            revision: schedule.revision,
            created_at: schedule.meta.created_at,
            updated_at: schedule.meta.updated_at,
            paused: schedule.state == ScheduleState::Paused,
            built_in: schedule.is_built_in(),
            cron: schedule.cron,
            time_zone: schedule.time_zone,
            kind: schedule.kind,
            args: schedule.args,
            priority: schedule.priority,
            catch_up: schedule.catch_up.to_string(),
            next_tick,
            last_tick: schedule.last_tick,
            last_job_id: schedule.last_job.map(|job| job.0),
            name: schedule.name,
        }
    }
}
