//! What the API answers with: the domain's fields under the domain's names, without what is
//! nobody's business (owners, storage keys).

use chrono::{DateTime, Utc};
use litink_core::{
    domain::{Block, Book, Chapter, Export, Run, Warning},
    engine::Progress,
    provider::GenerationProvider,
    recipe::Plan,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

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
        }
    }
}

/// A block of a chapter's text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BlockView {
    /// `paragraph`, `heading`, `quote`, `verse`, `list_item`, `table`, `scene_break`, `image`,
    /// `footnote` or `preformatted`.
    #[schema(value_type = String, example = "paragraph")]
    kind: Value,
    text: String,
}

impl From<Block> for BlockView {
    fn from(block: Block) -> Self {
        Self {
            kind: name(block.kind),
            text: block.text,
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
