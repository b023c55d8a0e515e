//! What stands in a book: chapters of blocks.

use serde::{Deserialize, Serialize};

/// What a chapter is to the reader. Front and back matter are kept and labelled, never lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChapterKind {
    /// Part of the work itself (also a prologue or an epilogue).
    #[default]
    Chapter,
    /// Before the work: title page, copyright, dedication, contents, foreword, preface.
    FrontMatter,
    /// After the work: notes, glossary, bibliography, index, about the author, licence.
    BackMatter,
}

/// What a block of text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BlockKind {
    /// Running text.
    #[default]
    Paragraph,
    /// A heading below the chapter's own title.
    Heading,
    /// A quotation set apart.
    Quote,
    /// Lines of verse, separated by `\n`.
    Verse,
    /// One item of a list.
    ListItem,
    /// A table as text: cells separated by tabs, rows by `\n`.
    Table,
    /// A break between scenes; its text is empty or the ornament.
    SceneBreak,
    /// An image; its text is the alternative text.
    Image,
    /// A footnote or endnote, kept apart from the running text.
    Footnote,
    /// Preformatted text, such as code.
    Preformatted,
}

impl BlockKind {
    /// Whether a narrator reads it aloud by default.
    #[must_use]
    pub fn is_spoken(self) -> bool {
        !matches!(self, Self::SceneBreak | Self::Image | Self::Footnote)
    }
}

/// A block of text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Its text, white space collapsed (but for verse, tables and preformatted text).
    pub text: String,
}

impl Block {
    /// A block of a kind.
    pub fn new(kind: BlockKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }
}

/// Something that a person should know about a result: what was guessed, left out or not honoured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Stable and machine-readable (`extension_mismatch`).
    pub code: String,
    /// A sentence for a person, without the book's text.
    pub message: String,
}
