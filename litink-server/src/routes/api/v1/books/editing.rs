//! `/api/v1/books/{id}/edits`

use axum::extract::State;
use litink_core::{BookId, ChapterId, domain::ChapterKind, editing::Edit};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    access::Authenticated,
    error::{ApiError, Problem},
    extract::{Json, Path},
    state::AppState,
    views::{BookView, ChapterView},
};

/// What to change of a book, all or nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EditsRequest {
    /// The version of the book that was looked at: another's change since is refused with 409.
    version: u64,
    /// At most 1,000, applied in their order.
    edits: Vec<EditRequest>,
}

/// One change of a book's structure.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum EditRequest {
    /// Says what the book is; what is left out stays.
    Describe {
        title: Option<String>,
        /// All of them, in order.
        authors: Option<Vec<String>>,
        /// BCP 47 tag.
        #[schema(example = "en")]
        language: Option<String>,
    },
    /// Gives a chapter another title; null for none.
    Rename {
        chapter: Uuid,
        #[serde(deserialize_with = "nullable")]
        #[schema(required = true)]
        title: Option<String>,
    },
    /// Says what a chapter is. What is no chapter has no number.
    Reclassify { chapter: Uuid, kind: KindRequest },
    /// Gives a chapter another number, from 1; null for none.
    Number {
        chapter: Uuid,
        #[serde(deserialize_with = "nullable")]
        #[schema(required = true)]
        number: Option<u32>,
    },
    /// Numbers everything of kind `chapter` from 1, in order.
    Renumber {},
    /// Says in which part, act or volume a chapter stands; null for none.
    Section {
        chapter: Uuid,
        #[serde(deserialize_with = "nullable")]
        #[schema(required = true)]
        section: Option<String>,
    },
    /// Puts a chapter at another position, from 0.
    Move { chapter: Uuid, to: u32 },
    /// Makes one chapter of several that follow each other: the first, longer. The titles of the
    /// others become headings in its text.
    Merge { chapters: Vec<Uuid> },
    /// Cuts a chapter in two before one of its blocks, from 1. Without a title, a heading that the
    /// second part begins with becomes its title.
    Split {
        chapter: Uuid,
        block: u32,
        title: Option<String>,
    },
}

/// What a chapter is to the reader.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum KindRequest {
    Chapter,
    FrontMatter,
    BackMatter,
}

impl From<KindRequest> for ChapterKind {
    fn from(kind: KindRequest) -> Self {
        match kind {
            KindRequest::Chapter => Self::Chapter,
            KindRequest::FrontMatter => Self::FrontMatter,
            KindRequest::BackMatter => Self::BackMatter,
        }
    }
}

impl From<EditRequest> for Edit {
    fn from(edit: EditRequest) -> Self {
        match edit {
            EditRequest::Describe {
                title,
                authors,
                language,
            } => Self::Describe {
                title,
                authors,
                language,
            },
            EditRequest::Rename { chapter, title } => Self::Rename {
                chapter: ChapterId(chapter),
                title,
            },
            EditRequest::Reclassify { chapter, kind } => Self::Reclassify {
                chapter: ChapterId(chapter),
                kind: kind.into(),
            },
            EditRequest::Number { chapter, number } => Self::Number {
                chapter: ChapterId(chapter),
                number,
            },
            EditRequest::Renumber {} => Self::Renumber {},
            EditRequest::Section { chapter, section } => Self::Section {
                chapter: ChapterId(chapter),
                section,
            },
            EditRequest::Move { chapter, to } => Self::Move {
                chapter: ChapterId(chapter),
                to,
            },
            EditRequest::Merge { chapters } => Self::Merge {
                chapters: chapters.into_iter().map(ChapterId).collect(),
            },
            EditRequest::Split {
                chapter,
                block,
                title,
            } => Self::Split {
                chapter: ChapterId(chapter),
                block,
                title,
            },
        }
    }
}

fn nullable<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

/// A book after it was changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EditedView {
    /// The book, at its new version.
    book: BookView,
    /// Its chapters in order, without their text.
    chapters: Vec<ChapterView>,
}

/// Change the structure of a book: merge, split, rename, move and reclassify its chapters.
///
/// All edits are applied, or none. What was made of the book stays as it is; a run that is started
/// afterwards is another run, in which chapters that were not changed cost nothing.
#[utoipa::path(post, path = "/{id}/edits", tag = "books", operation_id = "edit_book",
    params(("id" = Uuid, Path)), request_body = EditsRequest,
    responses(
        (status = 200, description = "The book as it is now", body = EditedView),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Changed in between, or still being imported", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "An edit that cannot be done; its index is in the context", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn edit(
    State(state): State<AppState>,
    caller: Authenticated,
    Path(id): Path<Uuid>,
    Json(request): Json<EditsRequest>,
) -> Result<axum::Json<EditedView>, ApiError> {
    let edits: Vec<Edit> = request.edits.into_iter().map(Into::into).collect();
    let edited = state
        .engine
        .edit_book(caller.actor, BookId(id), request.version, &edits)
        .await?;
    Ok(axum::Json(EditedView {
        book: edited.book.into(),
        chapters: edited.chapters.into_iter().map(Into::into).collect(),
    }))
}
