//! Changes of a book's structure by hand, before or after something is made of it.
//!
//! [`crate::engine::Engine::edit_book`] applies a list of [`Edit`]s to a book at one version, all
//! or none. A chapter that no edit names keeps its id, number and text, so that what was generated
//! for it is found again, and nothing is paid twice.

use std::collections::HashSet;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    BookId, ChapterId, Error, ErrorKind, Result,
    domain::{Block, BlockKind, Book, Chapter, ChapterKind, Decision, Meta},
};

/// The most characters of a title, section, author or language.
pub const MAX_TITLE_CHARS: usize = 1_000;

/// The most edits of one call.
pub const MAX_EDITS: usize = 1_000;

/// The method of a [`Decision`] that a person took.
pub(crate) const EDITED: &str = "edited";

/// One change of a book's structure. In JSON an object with the name under `op`:
/// `{"op": "rename", "chapter": "...", "title": "The Pool of Tears"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Edit {
    /// Says what the book is; what is left out stays.
    Describe {
        /// The title.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// All authors, in their order.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        authors: Option<Vec<String>>,
        /// BCP 47 tag, such as `en` or `pt-BR`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        language: Option<String>,
    },
    /// Gives a chapter another title, or none.
    Rename {
        /// The chapter.
        chapter: ChapterId,
        /// The title; `null` for none.
        #[serde(deserialize_with = "nullable")]
        title: Option<String>,
    },
    /// Says whether something is a chapter, front or back matter. What is no chapter has no
    /// number; what becomes one has none until `number` or `renumber` gives it one.
    Reclassify {
        /// The chapter.
        chapter: ChapterId,
        /// What it is.
        kind: ChapterKind,
    },
    /// Gives a chapter another number, or none. An untitled chapter is spoken as "Chapter N".
    Number {
        /// The chapter; it must be of kind `chapter`.
        chapter: ChapterId,
        /// From 1; `null` for none.
        #[serde(deserialize_with = "nullable")]
        number: Option<u32>,
    },
    /// Numbers everything of kind `chapter` from 1, in order. No other edit changes the number of
    /// a chapter that it does not name.
    Renumber {},
    /// Says in which part, act or volume a chapter stands, or in none.
    Section {
        /// The chapter.
        chapter: ChapterId,
        /// The name of the part; `null` for none.
        #[serde(deserialize_with = "nullable")]
        section: Option<String>,
    },
    /// Puts a chapter elsewhere.
    Move {
        /// The chapter.
        chapter: ChapterId,
        /// The position that it has afterwards, from 0.
        to: u32,
    },
    /// Makes one chapter of several that follow each other. It is the first, longer: its id, kind,
    /// number and title stay. The titles of the others become headings in its text.
    Merge {
        /// Two chapters or more, in their order.
        chapters: Vec<ChapterId>,
    },
    /// Cuts a chapter in two before one of its blocks. The first part keeps id, title and number;
    /// the second is of the same kind and section, without a number.
    Split {
        /// The chapter.
        chapter: ChapterId,
        /// The index, from 1, of the block that the second part begins with.
        block: u32,
        /// The title of the second part. Where there is none and it begins with a heading, the
        /// heading is taken out of the text and becomes the title.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
}

impl Edit {
    /// The chapters whose text it needs.
    pub(crate) fn texts(&self) -> &[ChapterId] {
        match self {
            Self::Merge { chapters } => chapters,
            Self::Split { chapter, .. } => std::slice::from_ref(chapter),
            _ => &[],
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

/// Applies edits, one after the other, to the chapters of a book in their order. Chapters that are
/// merged or split must have their text; others keep what they have.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] with the index of the edit as context `edit` and a code:
/// `unknown_chapter`, `not_adjacent`, `bad_split`, `bad_position`, `bad_number`, `bad_title`, `bad_language`.
/// [`ErrorKind::LimitExceeded`] (code `too_many_edits`).
pub fn apply(book: Book, chapters: Vec<Chapter>, edits: &[Edit]) -> Result<(Book, Vec<Chapter>)> {
    if edits.len() > MAX_EDITS {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            "these are too many edits for one call; send them in several",
        )
        .with_code("too_many_edits")
        .with_context("limit", MAX_EDITS));
    }
    let mut editor = Editor { book, chapters };
    for (index, edit) in edits.iter().enumerate() {
        editor
            .edit(edit)
            .map_err(|error| error.with_context("edit", index))?;
    }
    let Editor {
        mut book,
        mut chapters,
    } = editor;
    for (chapter, position) in chapters.iter_mut().zip(0..) {
        chapter.position = position;
    }
    book.chapter_count = u32::try_from(chapters.len()).unwrap_or(u32::MAX);
    book.char_count = chapters.iter().map(|chapter| chapter.char_count).sum();
    Ok((book, chapters))
}

struct Editor {
    book: Book,
    chapters: Vec<Chapter>,
}

impl Editor {
    fn edit(&mut self, edit: &Edit) -> Result<()> {
        match edit {
            Edit::Describe {
                title,
                authors,
                language,
            } => return self.describe(title.as_deref(), authors.as_deref(), language.as_deref()),
            Edit::Rename { chapter, title } => {
                self.chapter(*chapter)?.title = title.as_deref().map(name).transpose()?;
            }
            Edit::Reclassify { chapter, kind } => {
                let chapter = self.chapter(*chapter)?;
                chapter.kind = *kind;
                if *kind != ChapterKind::Chapter {
                    chapter.number = None;
                }
            }
            Edit::Number { chapter, number } => {
                let chapter = self.chapter(*chapter)?;
                if *number == Some(0) || (number.is_some() && chapter.kind != ChapterKind::Chapter)
                {
                    return Err(Error::invalid(
                        "bad_number",
                        "only what is of kind `chapter` has a number, from 1; reclassify it first",
                    ));
                }
                chapter.number = *number;
            }
            Edit::Renumber {} => self.renumber(),
            Edit::Section { chapter, section } => {
                self.chapter(*chapter)?.section = section.as_deref().map(name).transpose()?;
            }
            Edit::Move { chapter, to } => self.move_to(*chapter, *to)?,
            Edit::Merge { chapters } => self.merge(chapters)?,
            Edit::Split {
                chapter,
                block,
                title,
            } => self.split(*chapter, *block, title.as_deref())?,
        }
        self.decided("chapters", "the chapters were changed by hand");
        Ok(())
    }

    fn describe(
        &mut self,
        title: Option<&str>,
        authors: Option<&[String]>,
        language: Option<&str>,
    ) -> Result<()> {
        if let Some(title) = title {
            self.book.title = name(title)?;
            self.decided("title", "the title was given by hand");
        }
        if let Some(authors) = authors {
            let authors = authors.iter().map(|author| name(author));
            self.book.authors = authors.collect::<Result<_>>()?;
            self.decided("authors", "the authors were given by hand");
        }
        if let Some(language) = language {
            self.book.language = Some(tag(language)?);
            self.decided("language", "the language was given by hand");
        }
        Ok(())
    }

    fn renumber(&mut self) {
        let chapters = self.chapters.iter_mut();
        let chapters = chapters.filter(|chapter| chapter.kind == ChapterKind::Chapter);
        for (chapter, number) in chapters.zip(1..) {
            chapter.number = Some(number);
        }
    }

    fn move_to(&mut self, id: ChapterId, to: u32) -> Result<()> {
        let from = self.place(id)?;
        let to = to as usize;
        if to >= self.chapters.len() {
            return Err(Error::invalid(
                "bad_position",
                "there is no such position in this book; the first is 0",
            )
            .with_context("chapters", self.chapters.len()));
        }
        let chapter = self.chapters.remove(from);
        self.chapters.insert(to, chapter);
        Ok(())
    }

    fn merge(&mut self, ids: &[ChapterId]) -> Result<()> {
        let apart = || {
            Error::invalid(
                "not_adjacent",
                "name two chapters or more that follow each other, in their order; move them \
                 together first",
            )
        };
        let [first, rest @ ..] = ids else {
            return Err(apart());
        };
        let start = self.place(*first)?;
        for (id, place) in rest.iter().zip(start + 1..) {
            if self.place(*id)? != place {
                return Err(apart());
            }
        }
        if rest.is_empty() {
            return Err(apart());
        }
        let others: Vec<_> = self.chapters.drain(start + 1..start + ids.len()).collect();
        let merged = &mut self.chapters[start];
        for other in others {
            if let Some(title) = other.title {
                let said = other.blocks.first().is_some_and(|block| {
                    block.kind == BlockKind::Heading && block.text.trim() == title.trim()
                });
                if !said {
                    merged.blocks.push(Block::new(BlockKind::Heading, title));
                }
            }
            merged.blocks.extend(other.blocks);
        }
        merged.char_count = characters(&merged.blocks);
        Ok(())
    }

    fn split(&mut self, id: ChapterId, block: u32, title: Option<&str>) -> Result<()> {
        let place = self.place(id)?;
        let title = title.map(name).transpose()?;
        let known: HashSet<_> = self.chapters.iter().map(Chapter::id).collect();
        let chapter = &mut self.chapters[place];
        let at = block as usize;
        if at == 0 || at >= chapter.blocks.len() {
            return Err(Error::invalid(
                "bad_split",
                "a chapter is cut before one of its blocks, and not before the first: read it \
                 with its text, and take an index from 1",
            )
            .with_context("blocks", chapter.blocks.len()));
        }
        let mut blocks = chapter.blocks.split_off(at);
        chapter.char_count = characters(&chapter.blocks);
        let id = new_id(chapter.book_id, &blocks, &known)?;
        let heading = blocks
            .first()
            .is_some_and(|first| first.kind == BlockKind::Heading && !first.text.trim().is_empty());
        let title = match title {
            None if heading => Some(blocks.remove(0).text),
            title => title,
        };
        let second = Chapter {
            meta: Meta::new(id, chapter.meta.owner),
            book_id: chapter.book_id,
            position: 0,
            kind: chapter.kind,
            number: None,
            title,
            section: chapter.section.clone(),
            char_count: characters(&blocks),
            blocks,
        };
        self.chapters.insert(place + 1, second);
        Ok(())
    }

    fn place(&self, id: ChapterId) -> Result<usize> {
        let place = self.chapters.iter().position(|chapter| chapter.id() == id);
        place.ok_or_else(|| {
            Error::invalid(
                "unknown_chapter",
                "this book has no such chapter now; read its chapters again",
            )
            .with_context("chapter", id)
        })
    }

    fn chapter(&mut self, id: ChapterId) -> Result<&mut Chapter> {
        let place = self.place(id)?;
        Ok(&mut self.chapters[place])
    }

    /// Says that a person decided something: nobody is surer.
    fn decided(&mut self, code: &str, message: &str) {
        let decisions = &mut self.book.decisions;
        let decision = Decision {
            code: code.to_owned(),
            method: EDITED.to_owned(),
            confidence: 1.0,
            message: message.to_owned(),
        };
        match decisions.iter_mut().find(|known| known.code == code) {
            Some(known) => *known = decision,
            None => decisions.push(decision),
        }
    }
}

/// The id of the second part of a split: it follows from what stands in it, so that the same
/// split of the same book has the same id everywhere.
fn new_id(book: BookId, blocks: &[Block], known: &HashSet<ChapterId>) -> Result<ChapterId> {
    let text = serde_json::to_vec(blocks)
        .map_err(|error| Error::internal("blocks are JSON").with_source(error))?;
    let ids = (0u64..).map(|ordinal| {
        ChapterId::derived(&[book.0.as_bytes(), b"split", &text, &ordinal.to_le_bytes()])
    });
    let mut free = ids.filter(|id| !known.contains(id));
    free.next()
        .ok_or_else(|| Error::internal("there is always another number"))
}

fn characters(blocks: &[Block]) -> u64 {
    let characters = blocks.iter().map(|block| block.text.chars().count() as u64);
    characters.sum()
}

/// A name of something: one line that is not empty.
fn name(text: &str) -> Result<String> {
    let text = text.trim();
    let fits = (1..=MAX_TITLE_CHARS).contains(&text.chars().count());
    if fits && !text.contains(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(Error::invalid(
        "bad_title",
        "a title or name is one line of 1 to 1000 characters; for none, give null",
    ))
}

/// A language tag, as far as its shape says.
fn tag(text: &str) -> Result<String> {
    let text = text.trim();
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    let language = (2..=3).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic());
    let rest = parts.all(|part| {
        (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    if language && rest && text.len() <= 35 {
        return Ok(text.to_owned());
    }
    Err(Error::invalid(
        "bad_language",
        "a language is a BCP 47 tag, such as `en` or `pt-BR`",
    ))
}

#[cfg(test)]
mod tests;
