//! What stands in a book: chapters of blocks.

use std::{ops::Range, sync::Arc};

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

/// How a stretch of text stands out, so that a voice can give it its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Style {
    /// Set apart by italics: a stressed word, a title, a foreign word.
    Emphasis,
    /// Set apart by weight.
    Strong,
}

/// A stretch of a block's text that stands out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Where it starts, in bytes of the text in UTF-8; always between two characters.
    pub start: u32,
    /// Where it ends, behind its last byte. Above `start`.
    pub end: u32,
    /// How it stands out.
    pub style: Style,
}

impl Span {
    /// Its bytes in the block's text.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Where a block starts in the original file, so that a reader can be led back there. What a
/// format does not know is `None`; in JSON it is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The page, from 1: of a PDF by its place, of an EPUB as its own page marks number them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// The document inside an archive (`OEBPS/ch1.xhtml`). Of a book in an archive both paths,
    /// joined by `!/` (`book.epub!/OEBPS/ch1.xhtml`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Arc<str>>,
    /// The id of the innermost element that starts here, where one has an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragment: Option<Arc<str>>,
    /// Bytes of the document, or of the file where there is no archive, before the block. In RTF
    /// of the file as it is, else of its text in UTF-8 without a byte order mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u32>,
}

impl Anchor {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A block of text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Its text, white space collapsed (but for verse, tables and preformatted text).
    pub text: String,
    /// What stands out in it, by start, then end. Spans of one style do not overlap; none is
    /// empty, or starts or ends with white space.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
    /// Where it came from. `None` for blocks that were written, or read before litink kept it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Anchor>,
}

impl Block {
    /// A block of a kind, without emphasis and of unknown origin.
    pub fn new(kind: BlockKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            spans: Vec::new(),
            anchor: None,
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

/// One thing that the import decided, and how sure it is of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What was decided: `format`, `title`, `authors`, `language`, `chapters`.
    pub code: String,
    /// By what: `declared`, `navigation`, `headings`, `detected`, `length`, ...
    pub method: String,
    /// From 0 (a guess) to 1 (the book says so itself).
    pub confidence: f64,
    /// A sentence for a person, without the book's text.
    pub message: String,
}

/// A series that a book belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// The book's place in it, as declared: `3`, `2.5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
}

/// One of the names by which catalogues know a book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identifier {
    /// `isbn`, `doi`, `uuid`, `url`, ... in lower case; `None` where neither the book nor the
    /// identifier's shape says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// The identifier, without the scheme in front of it.
    pub value: String,
}
