//! A book that is one flow of text with headings (HTML, DOCX, PDF, ...) to pieces.
//!
//! One level of the headings makes the chapters; what is above it are parts, what is below stays
//! in the text. Without headings the paragraphs are looked at, as those of a plain text are.

use super::{
    block::RawBlock,
    book::Report,
    gutenberg,
    limits::{Limits, Meter},
    ornament,
    outline::{Draft, is_section_title, join_sections, join_title},
    plain,
    rich::Rich,
    titles::{self, Rank},
};
use crate::{
    Error, Result,
    domain::{Anchor, BlockKind},
};

/// Collects the blocks of a flow.
#[derive(Debug)]
pub(super) struct Flow<'a> {
    meter: Meter<'a>,
    pub(super) blocks: Vec<RawBlock>,
}

impl<'a> Flow<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self {
            meter: Meter::new(limits),
            blocks: Vec::new(),
        }
    }

    /// Adds a block, its white space collapsed where the kind has it so; blanks alone are none.
    pub(super) fn add(
        &mut self,
        kind: BlockKind,
        level: u8,
        text: &Rich,
        anchor: &Anchor,
    ) -> Result<()> {
        let text = match kind {
            BlockKind::Verse | BlockKind::Table => text.lines_of_words(),
            BlockKind::Preformatted => text.slice(0..text.trim_end().len()),
            _ => text.words(),
        };
        if text.is_empty() && !matches!(kind, BlockKind::SceneBreak | BlockKind::Image) {
            return Ok(());
        }
        let is_text = matches!(kind, BlockKind::Paragraph | BlockKind::Heading);
        let kind = match is_text && ornament::is_scene_break(&text) {
            true => BlockKind::SceneBreak,
            false => kind,
        };
        let block = RawBlock::new(kind, level, text, anchor.clone());
        self.meter.charge(block.cost())?;
        self.blocks.push(block);
        Ok(())
    }

    /// Looks at the clock now and then.
    pub(super) fn tick(&mut self) -> Result<()> {
        self.meter.tick()
    }

    /// Counts and takes the blocks of a document that was read elsewhere.
    pub(super) fn meter(&mut self) -> &mut Meter<'a> {
        &mut self.meter
    }

    /// The blocks; an error when nobody could read them.
    pub(super) fn finish(self) -> Result<Vec<RawBlock>> {
        match self.blocks.iter().any(|block| !block.text.is_empty()) {
            true => Ok(self.blocks),
            false => Err(Error::invalid(
                "empty_book",
                "the book has no text that could be read; check the file",
            )),
        }
    }
}

/// Takes the frame of Project Gutenberg off; whether there was one.
pub(super) fn unframe(blocks: &mut Vec<RawBlock>) -> bool {
    const EDGE: usize = 60;
    let start = blocks
        .iter()
        .take(EDGE)
        .position(|b| gutenberg::is_start(&b.text));
    let end = blocks.iter().rposition(|b| gutenberg::is_end(&b.text));
    if let Some(end) = end.filter(|end| *end * 2 > blocks.len()) {
        blocks.truncate(end);
    }
    if let Some(start) = start {
        blocks.drain(..=start.min(blocks.len().saturating_sub(1)));
    }
    start.is_some() || end.is_some()
}

/// Text of a part before its first chapter that is too long to go with that chapter.
const PART_TEXT_WORDS: usize = 60;
/// A longer heading is a paragraph in a heading's clothes.
const MAX_HEADING_CHARS: usize = 200;

#[derive(Clone, Debug, PartialEq)]
enum Place {
    Chapter,
    Section,
    /// Stays in the text.
    Inside,
}

#[derive(Debug)]
struct Head {
    at: usize,
    level: u8,
    title: String,
    /// Blocks that the heading takes: more than one when its name stands below its number.
    blocks: usize,
    place: Place,
}

/// Cuts a flow into pieces; every block is in exactly one, headings become titles and sections.
pub(super) fn divide(
    blocks: Vec<RawBlock>,
    book_title: Option<&str>,
    report: &mut Report,
) -> Vec<Draft> {
    let mut heads = heads(&blocks);
    let chapters = match chapter_level(&heads, book_title) {
        Some(level) => place(&mut heads, level, book_title),
        None => 0,
    };
    if chapters == 0 {
        return plain::divide_blocks(blocks, report);
    }
    report.decide("chapters", "headings", 0.9);
    heads.retain(|head| head.place != Place::Inside);
    cut(blocks, &heads)
}

fn heads(blocks: &[RawBlock]) -> Vec<Head> {
    let mut heads: Vec<Head> = Vec::new();
    let mut at = 0;
    while let Some(block) = blocks.get(at) {
        let is_heading = |b: &RawBlock| {
            b.kind == BlockKind::Heading && b.text.chars().count() <= MAX_HEADING_CHARS
        };
        if !is_heading(block) {
            at += 1;
            continue;
        }
        let mut head = Head {
            at,
            level: block.level,
            title: block.text.clone(),
            blocks: 1,
            place: Place::Inside,
        };
        let is_number = titles::numbered(&block.text).is_some_and(|n| n.rest.is_empty());
        let name = blocks.get(at + 1).filter(|next| is_heading(next));
        let name = name.filter(|next| {
            next.level >= block.level
                && titles::numbered(&next.text).is_none()
                && titles::role(&next.text).is_none()
        });
        // Below "Part One" stands its name only where another heading follows that.
        let is_child = is_section_title(&block.text) && !blocks.get(at + 2).is_some_and(is_heading);
        if let Some(name) = name.filter(|_| is_number && !is_child) {
            head.title = join_title(&[&block.text, &name.text]);
            head.blocks = 2;
        }
        at += head.blocks;
        heads.push(head);
    }
    heads
}

/// The level whose headings are the chapters.
fn chapter_level(heads: &[Head], book_title: Option<&str>) -> Option<u8> {
    let at_level = |level: u8| heads.iter().filter(move |head| head.level == level);
    let worded = |head: &&Head| {
        titles::numbered(&head.title).is_some_and(|n| n.rank == Rank::Chapter && !n.bare)
    };
    let by_words = (0..=9)
        .map(|level| (at_level(level).filter(worded).count(), level))
        .filter(|(count, _)| *count >= 2)
        .max_by_key(|(count, level)| (*count, u8::MAX - *level));
    if let Some((_, level)) = by_words {
        return Some(level);
    }
    let is_title = |head: &Head| book_title.map(titles::fold) == Some(titles::fold(&head.title));
    let mut levels = (0..=9).filter(|level| {
        let chapters = at_level(*level).filter(|h| !is_section_title(&h.title) && !is_title(h));
        let chapters = chapters.count();
        chapters >= 2 && chapters * 2 >= at_level(*level).count()
    });
    let first = levels.next();
    // A book with one chapter, or one chapter and an afterword.
    first.or_else(|| {
        let only = heads
            .iter()
            .find(|h| worded(h) || titles::role(&h.title).is_some());
        only.map(|head| head.level)
    })
}

/// Says of each heading what it is; returns how many are chapters.
fn place(heads: &mut [Head], level: u8, book_title: Option<&str>) -> usize {
    let levels: Vec<u8> = heads.iter().map(|h| h.level).collect();
    let ranks: Vec<bool> = heads.iter().map(|h| is_section_title(&h.title)).collect();
    let book_title = book_title.map(titles::fold);
    let mut chapters = 0;
    for (i, head) in heads.iter_mut().enumerate() {
        let next = levels.get(i + 1).copied();
        let is_first = chapters == 0 && levels[..i].iter().all(|l| *l != head.level);
        let is_alone = levels.iter().filter(|l| **l == head.level).count() == 1;
        let is_book = book_title.as_ref() == Some(&titles::fold(&head.title));
        // A contents page before the first chapter is a piece of its own, however it is set.
        let is_front = chapters == 0 && titles::role(&head.title) == Some(titles::Role::Front);
        head.place = if head.level > level && is_front {
            Place::Chapter
        } else if head.level > level {
            Place::Inside
        } else if ranks[i] && next.is_some_and(|l| l > head.level || !ranks[i + 1]) {
            Place::Section
        } else if head.level < level
            && (is_book || is_first && is_alone && i < 2)
            && titles::role(&head.title).is_none()
            && titles::numbered(&head.title).is_none()
        {
            Place::Inside
        } else if head.level < level && next.is_some_and(|l| l > head.level) {
            Place::Section
        } else {
            chapters += 1;
            Place::Chapter
        };
    }
    chapters
}

fn cut(blocks: Vec<RawBlock>, heads: &[Head]) -> Vec<Draft> {
    let mut rest = blocks.into_iter();
    let first = heads.first().map_or(0, |head| head.at);
    let mut drafts = vec![Draft {
        is_untitled_piece: true,
        blocks: rest.by_ref().take(first).collect(),
        ..Draft::default()
    }];
    // Open parts, outermost first.
    let mut parts: Vec<(u8, Rank, &str)> = Vec::new();
    let mut carried = Vec::new();
    for (i, head) in heads.iter().enumerate() {
        let end = heads.get(i + 1).map_or(usize::MAX, |next| next.at);
        rest.by_ref().take(head.blocks).for_each(drop);
        let own = rest
            .by_ref()
            .take(end.saturating_sub(head.at + head.blocks));
        let own: Vec<RawBlock> = own.collect();
        let rank = titles::numbered(&head.title).map_or(Rank::Chapter, |n| n.rank);
        let encloses =
            |level: u8, outer: Rank| level < head.level || level == head.level && outer < rank;
        // Matter after the work stands in none of its parts.
        let is_outside = titles::role(&head.title).is_some_and(|role| role != titles::Role::Story)
            && head.place == Place::Chapter;
        parts.retain(|(level, outer, _)| {
            encloses(*level, *outer) || is_same_rank(head, rank, *outer)
        });
        let section = parts
            .iter()
            .fold(None, |outer: Option<String>, (_, _, title)| {
                Some(join_sections(outer.as_deref(), title))
            });
        if head.place == Place::Section {
            parts.push((head.level, rank, &head.title));
            if word_count(&own) <= PART_TEXT_WORDS {
                carried.extend(own);
                continue;
            }
        }
        let mut blocks = std::mem::take(&mut carried);
        blocks.extend(own);
        drafts.push(Draft {
            title: Some(head.title.clone()),
            section: section.filter(|_| !is_outside),
            blocks,
            ..Draft::default()
        });
    }
    if let Some(last) = drafts.last_mut() {
        last.blocks.append(&mut carried);
    }
    drafts
}

/// Whether a chapter stands on the level of its part and below it all the same.
fn is_same_rank(head: &Head, rank: Rank, outer: Rank) -> bool {
    head.place == Place::Chapter && rank == Rank::Chapter && outer < Rank::Chapter
}

fn word_count(blocks: &[RawBlock]) -> usize {
    blocks
        .iter()
        .map(|b| b.text.split_whitespace().count())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(lines: &[&str]) -> Vec<RawBlock> {
        let block = |line: &&str| {
            let level = line.bytes().take_while(|b| *b == b'#').count();
            let kind = match level {
                0 => BlockKind::Paragraph,
                _ => BlockKind::Heading,
            };
            RawBlock::plain(kind, level as u8, line.trim_start_matches('#').trim())
        };
        lines.iter().map(block).collect()
    }

    fn shape(lines: &[&str], title: Option<&str>) -> Vec<(String, String)> {
        let drafts = divide(flow(lines), title, &mut Report::default());
        let drafts = drafts.into_iter().filter(|d| !d.blocks.is_empty());
        drafts
            .map(|d| (d.section.unwrap_or_default(), d.title.unwrap_or_default()))
            .collect()
    }

    fn expect(found: Vec<(String, String)>, expected: &[(&str, &str)]) {
        let found: Vec<_> = found
            .iter()
            .map(|(s, t)| (s.as_str(), t.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn parts_and_chapters_by_level() {
        let lines = [
            "# The Lamp",
            "by A. Wick",
            "## Part One",
            "### Chapter 1",
            "### Dusk",
            "x",
            "### Chapter 2",
            "x",
            "#### Below",
            "x",
            "## Part Two",
            "### Chapter 3",
            "x",
            "## Afterword",
            "x",
        ];
        expect(
            shape(&lines, Some("The Lamp")),
            &[
                ("", ""),
                ("Part One", "Chapter 1: Dusk"),
                ("Part One", "Chapter 2"),
                ("Part Two", "Chapter 3"),
                ("", "Afterword"),
            ],
        );
    }

    #[test]
    fn parts_and_chapters_on_one_level() {
        let lines = [
            "# Part One",
            "# Dusk",
            "x",
            "# Dawn",
            "x",
            "# Part Two",
            "# Noon",
            "x",
            "# Notes",
            "x",
        ];
        expect(
            shape(&lines, None),
            &[
                ("Part One", "Dusk"),
                ("Part One", "Dawn"),
                ("Part Two", "Noon"),
                ("", "Notes"),
            ],
        );
    }

    #[test]
    fn a_title_alone_makes_no_chapter() {
        let lines = ["# The Lamp", "CHAPTER I", "x y z.", "CHAPTER II", "x y z."];
        expect(
            shape(&lines, Some("The Lamp")),
            &[("", ""), ("", "CHAPTER I"), ("", "CHAPTER II")],
        );
    }
}
