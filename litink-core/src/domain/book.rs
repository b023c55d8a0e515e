use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Block, ChapterKind, Decision, Entity, Identifier, Meta, Series, Warning};
use crate::{BookId, ChapterId, UserId, schema::Table, storage::StorageKey};

/// Whether a book can be worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BookState {
    /// Its chapters are being stored; importing the file again goes on with it.
    Importing,
    /// Read, and ready for recipes.
    #[default]
    #[serde(alias = "READY")]
    Ready,
}

impl BookState {
    /// Its name in rows and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Importing => "importing",
            Self::Ready => "ready",
        }
    }
}

/// Who, besides its owner, may read a book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Visibility {
    /// Nobody.
    #[default]
    Private,
    /// Every user: the book and its chapters, not what was made of them.
    #[serde(alias = "PUBLISHED")]
    Published,
}

/// A book that was imported. Its id follows from its owner and the bytes of its file, so importing
/// the same file again gives the same book.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Book {
    /// Id, owner, version, times.
    #[serde(flatten)]
    pub meta: Meta,
    /// Whether it can be worked on.
    pub state: BookState,
    /// The title; the file's name where the book has none.
    pub title: String,
    /// The authors, in the book's order. May be empty.
    pub authors: Vec<String>,
    /// BCP 47 language tag: the book's own, or detected; `None` when neither is known.
    pub language: Option<String>,
    /// ISBN, URN or whatever the book calls itself.
    pub identifier: Option<String>,
    /// The publisher.
    pub publisher: Option<String>,
    /// Date of publication, as the book writes it.
    pub published: Option<String>,
    /// The book's own description.
    pub description: Option<String>,
    /// What the file was read as: `epub`, `text`, ...
    pub format: String,
    /// The name under which the file came.
    pub file_name: String,
    /// Where the original file is stored.
    pub file_key: StorageKey,
    /// Its size.
    pub file_bytes: u64,
    /// BLAKE3 of the file, in hexadecimal.
    pub content_hash: String,
    /// Where the cover is stored, if the book has one.
    pub cover_key: Option<StorageKey>,
    /// Number of chapters, front and back matter included.
    pub chapter_count: u32,
    /// Characters of text in all chapters.
    pub char_count: u64,
    /// What the import guessed or had to leave out.
    pub warnings: Vec<Warning>,
    /// Who else may read it. Default: nobody.
    #[serde(default)]
    pub visibility: Visibility,
    /// All identifiers that the book declares. Empty for books imported before litink kept them.
    #[serde(default, deserialize_with = "super::null_is_default")]
    pub identifiers: Vec<Identifier>,
    /// The series it belongs to.
    #[serde(default)]
    pub series: Option<Series>,
    /// How the import found title, authors, language and chapters, and how sure it was. Empty for
    /// books imported before litink kept it.
    #[serde(default, deserialize_with = "super::null_is_default")]
    pub decisions: Vec<Decision>,
}

impl Entity for Book {
    const TABLE: Table = Table::Books;
    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl Book {
    /// The book's id.
    #[must_use]
    pub fn id(&self) -> BookId {
        BookId(self.meta.id)
    }

    /// The id that a file of this content has for this owner.
    #[must_use]
    pub fn id_of(owner: UserId, content_hash: &str) -> BookId {
        BookId::derived(&[owner.0.as_bytes(), content_hash.as_bytes()])
    }
}

/// A chapter of a book, or a piece of its front or back matter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chapter {
    /// Id, owner, version, times.
    #[serde(flatten)]
    pub meta: Meta,
    /// The book.
    pub book_id: BookId,
    /// Place in the book, from 0, front and back matter included.
    pub position: u32,
    /// Chapter, front matter or back matter.
    pub kind: ChapterKind,
    /// From 1; `None` unless it is a chapter.
    pub number: Option<u32>,
    /// The title, as the book writes it.
    pub title: Option<String>,
    /// The part, act or volume that it stands in.
    pub section: Option<String>,
    /// Characters of text.
    pub char_count: u64,
    /// The text. Empty when it was left out of a list.
    #[serde(default, deserialize_with = "super::null_is_default")]
    pub blocks: Vec<Block>,
}

impl Entity for Chapter {
    const TABLE: Table = Table::Chapters;
    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl Chapter {
    /// The chapter's id.
    #[must_use]
    pub fn id(&self) -> ChapterId {
        ChapterId(self.meta.id)
    }

    /// The id of the chapter at a place of a book.
    #[must_use]
    pub fn id_of(book: BookId, position: u32) -> ChapterId {
        ChapterId::derived(&[Uuid::from(book).as_bytes(), &position.to_le_bytes()])
    }

    /// The title to show and to speak: its own, else "Chapter N", else nothing.
    #[must_use]
    pub fn display_title(&self) -> Option<String> {
        let title = self
            .title
            .as_deref()
            .map(str::trim)
            .filter(|title| !title.is_empty());
        title
            .map(str::to_owned)
            .or_else(|| self.number.map(|number| format!("Chapter {number}")))
    }
}
