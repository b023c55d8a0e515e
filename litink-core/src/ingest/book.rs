//! What reading a book gives.

use serde::{Deserialize, Serialize};

use super::{Format, decisions};
use crate::domain::{Block, ChapterKind, Identifier, Series};
pub use crate::domain::{Decision, Warning};

/// A book as it was read: who wrote it, and its chapters in reading order.
///
/// The same bytes and limits always give the same value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParsedBook {
    /// What the file is, by its content.
    pub format: Format,
    /// The title, when the file tells it.
    pub title: Option<String>,
    /// The authors in the order of the file. Empty when unknown.
    pub authors: Vec<String>,
    /// BCP 47 tag (`en`, `pt-BR`): as declared, else recognised from the text, else `None`.
    pub language: Option<String>,
    /// The unique identifier (ISBN, UUID, URL) as declared.
    pub identifier: Option<String>,
    /// All identifiers that the book declares, that one included, in its order.
    #[serde(default)]
    pub identifiers: Vec<Identifier>,
    /// The series it belongs to, as declared.
    #[serde(default)]
    pub series: Option<Series>,
    /// The publisher, as declared.
    pub publisher: Option<String>,
    /// When it was published, as declared (`2001`, `2001-05-03`, ...): not checked.
    pub published: Option<String>,
    /// A description in plain text, as declared.
    pub description: Option<String>,
    /// The cover, when there is one within the limits.
    pub cover: Option<Cover>,
    /// Everything to be read, in reading order, front and back matter included. Never empty.
    pub chapters: Vec<ParsedChapter>,
    /// What was not as it should be, in the order found; at most 200.
    pub warnings: Vec<Warning>,
    /// What was decided and how sure that is: format, title, authors, language, chapters.
    #[serde(default)]
    pub decisions: Vec<Decision>,
}

/// A cover image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cover {
    /// Recognised from the bytes: `image/jpeg`, `image/png`, `image/gif`, `image/webp` or
    /// `image/svg+xml`.
    pub media_type: String,
    /// The file as it stands in the book. Not decoded, so not checked beyond its first bytes.
    pub bytes: Vec<u8>,
}

/// One chapter, or a piece of front or back matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParsedChapter {
    /// What it is to the reader.
    pub kind: ChapterKind,
    /// Its title as the contents or its own heading has it (`Chapter 1: The Map`). Not repeated
    /// in `blocks`. `None` when it has none.
    pub title: Option<String>,
    /// Its number as its title says, else its place among the chapters. `None` for front and back
    /// matter, prologues, epilogues and the like.
    pub number: Option<u32>,
    /// The parts above it, outermost first (`Volume I / Part Two`). Not repeated in `blocks`.
    pub section: Option<String>,
    /// Its text. Every character of running text of the book is in exactly one block.
    pub blocks: Vec<Block>,
}

impl ParsedChapter {
    /// How many words a narrator would read, by white space; CJK text counts as few.
    #[must_use]
    pub fn word_count(&self) -> usize {
        self.blocks
            .iter()
            .filter(|block| block.kind.is_spoken())
            .map(|block| block.text.split_whitespace().count())
            .sum()
    }
}

/// What reading a book leaves to be said: warnings (beyond a number only the fact that there were
/// more), and what was decided and how.
#[derive(Debug, Default)]
pub(crate) struct Report {
    warnings: Vec<Warning>,
    decisions: Vec<Decision>,
}

impl Report {
    const MAX: usize = 200;
    const MAX_MESSAGE_CHARS: usize = 300;

    pub(crate) fn warn(&mut self, code: &str, message: impl AsRef<str>) {
        let (code, message) = match self.warnings.len() {
            n if n < Self::MAX - 1 => (code, message.as_ref()),
            n if n == Self::MAX - 1 => ("more_warnings", "further warnings were left out"),
            _ => return,
        };
        let warning = Warning {
            code: code.to_owned(),
            message: message.chars().take(Self::MAX_MESSAGE_CHARS).collect(),
        };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Says how something was decided, in place of what was said of it before.
    pub(crate) fn decide(&mut self, code: &str, method: &str, confidence: f64) {
        self.decisions.retain(|decision| decision.code != code);
        self.decisions.push(Decision {
            code: code.to_owned(),
            method: method.to_owned(),
            confidence,
            message: String::new(),
        });
    }

    /// By what something was decided.
    pub(crate) fn method(&self, code: &str) -> Option<&str> {
        let found = self.decisions.iter().find(|decision| decision.code == code);
        found.map(|decision| decision.method.as_str())
    }

    /// Gives what was found to the book.
    pub(crate) fn finish(mut self, book: &mut ParsedBook) {
        decisions::complete(&mut self, book);
        book.warnings = self.warnings;
        book.decisions = self.decisions;
    }

    pub(super) fn decisions(&mut self) -> &mut Vec<Decision> {
        &mut self.decisions
    }
}
