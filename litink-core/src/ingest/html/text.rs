//! Text to blocks: white space, breaks, tables, images, the marks of notes.

use super::{Builder, context::Context};
use crate::{
    Result,
    domain::{Anchor, BlockKind},
    ingest::{
        block::RawBlock,
        markup::Tag,
        ornament,
        rich::{self, Rich, Styles},
    },
};

/// Between two blocks inside a table's cell; never in a book's own text.
const CELL_BREAK: char = '\u{2029}';
/// A table with a longer cell is a page layout, and its cells are paragraphs.
const LAYOUT_CELL_CHARS: usize = 600;

impl Builder<'_, '_> {
    pub(super) fn text(&mut self, text: &str) {
        let context = self.context();
        if context.skip {
            return;
        }
        if context.svg {
            push_collapsed(&mut self.svg_text, text);
            return;
        }
        if self.text.is_empty() && self.start.is_none() && !text.trim().is_empty() {
            self.start = Some(self.at);
        }
        if context.pre && !context.table {
            let visible = text.chars().filter(|c| *c != '\r');
            self.text.write(context.styles, |out| out.extend(visible));
            return;
        }
        let before = self.text.len();
        self.push_collapsed(text, context.styles);
        if self.text[before..].contains(|c: char| !c.is_whitespace()) {
            self.after_break = false;
        }
    }

    fn push_collapsed(&mut self, text: &str, styles: Styles) {
        self.text.write(styles, |out| push_collapsed(out, text));
    }

    fn push_char(&mut self, c: char) {
        self.text.push(c, Styles::default());
    }

    /// One is a blank (a line's end in verse), two are the end of a paragraph.
    pub(super) fn line_break(&mut self) -> Result<()> {
        let context = self.context();
        if context.verse || context.pre {
            self.end_line();
        } else if context.table {
            self.separate(CELL_BREAK);
        } else if self.after_break && context.kind != BlockKind::Heading {
            self.flush()?;
        } else {
            self.push_collapsed(" ", context.styles);
            self.after_break = true;
        }
        Ok(())
    }

    fn end_line(&mut self) {
        if !self.context().pre {
            self.text.trim_back();
        }
        if !self.text.is_empty() {
            self.push_char('\n');
        }
    }

    pub(super) fn separate(&mut self, separator: char) {
        let end = self.text.trim_end_matches([' ', CELL_BREAK]).len();
        self.text.truncate(end);
        // An empty first cell still takes its place, a row's first cell needs no separator.
        let starts_row = separator == '\t' && self.text.ends_with('\n');
        if !self.text.is_empty() && !starts_row {
            self.push_char(separator);
        }
    }

    pub(super) fn scene_break(&mut self) -> Result<()> {
        self.flush()?;
        let anchor = self.take_anchor();
        self.add(BlockKind::SceneBreak, 0, Rich::default(), anchor)
    }

    pub(super) fn image(&mut self, tag: &Tag<'_>) {
        if self.context().svg {
            return;
        }
        let alt = tag.qualified("alt").unwrap_or_default();
        let alt = alt.trim();
        let is_initial = alt.chars().count() == 1 && alt.chars().all(char::is_alphabetic);
        if is_initial && self.text.is_empty() {
            self.text.push_str(alt, Styles::default());
        } else if tag.qualified("role").as_deref() != Some("presentation") {
            let mut text = String::new();
            push_collapsed(&mut text, alt);
            self.images.push(text);
        }
    }

    pub(super) fn finish_svg(&mut self) {
        if !self.parent_context().svg {
            let mut text = std::mem::take(&mut self.svg_text);
            text.truncate(text.trim_end().len());
            self.images.push(text);
        }
    }

    /// Takes back a note's number (`<sup><a href="#n1">1</a></sup>`): nobody reads it aloud.
    pub(super) fn drop_note_reference(&mut self) {
        let Some(frame) = self.stack.last() else {
            return;
        };
        let (flushes, start) = frame.mark;
        let in_link = frame.context.link;
        let Some(text) = self.text.get(start..).filter(|_| flushes == self.flushes) else {
            return;
        };
        let bracketed = text.trim().starts_with('[') && text.trim().ends_with(']');
        let is_raised = frame.context.sup && in_link;
        if is_note_mark(text) && (is_raised || frame.is_note_link && bracketed) {
            self.text.truncate(start);
        }
    }

    /// The end of a block: of a line in a stanza, of a part of a cell in a table.
    pub(super) fn break_block(&mut self, is_opening: bool) -> Result<()> {
        let context = self.context();
        if context.table {
            if !self.text.ends_with(['\t', '\n', CELL_BREAK]) {
                self.separate(CELL_BREAK);
            }
            return Ok(());
        }
        let is_line = context.stanza && (is_opening || self.parent_context().stanza);
        if is_line {
            if !self.text.ends_with('\n') {
                self.end_line();
            }
            return Ok(());
        }
        self.flush()
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        let context = self.context();
        self.flushes += 1;
        self.after_break = false;
        if self.text.is_empty() && self.images.is_empty() {
            return Ok(());
        }
        let mut text = std::mem::take(&mut self.text);
        text.trim_back();
        let text = text.blanked(|c| context.table && c == CELL_BREAK);
        let is_filled = !text.trim().is_empty();
        if !is_filled && self.images.is_empty() {
            return Ok(());
        }
        let anchor = self.take_anchor();
        if is_filled {
            let (kind, level) = block_kind(context, &text);
            self.add(kind, level, text, anchor.clone())?;
        }
        for alt in std::mem::take(&mut self.images) {
            self.add(BlockKind::Image, 0, alt.into(), anchor.clone())?;
        }
        Ok(())
    }

    pub(super) fn flush_table(&mut self) -> Result<()> {
        let text = std::mem::take(&mut self.text);
        let anchor = self.take_anchor();
        self.flush()?;
        let is_footnote = self.context().footnote;
        let kind = |kind| {
            if is_footnote {
                BlockKind::Footnote
            } else {
                kind
            }
        };
        let is_layout = |cell: &str| cell.len() > LAYOUT_CELL_CHARS;
        if text.split(['\t', '\n']).any(is_layout) {
            let cells = text.pieces(|c| matches!(c, '\t' | '\n' | CELL_BREAK));
            for cell in cells.iter().map(|cell| cell.trimmed(char::is_whitespace)) {
                if !cell.is_empty() {
                    self.add(kind(BlockKind::Paragraph), 0, cell, anchor.clone())?;
                }
            }
            return Ok(());
        }
        let rows = text.pieces(|c| c == '\n').into_iter();
        let rows = rows.map(|row| row.trimmed(|c| matches!(c, ' ' | CELL_BREAK)));
        let rows: Vec<Rich> = rows.filter(|row| !row.trim().is_empty()).collect();
        let table = Rich::join(&rows, '\n').blanked(|c| c == CELL_BREAK);
        if !table.is_empty() {
            self.add(kind(BlockKind::Table), 0, table, anchor)?;
        }
        Ok(())
    }

    fn add(&mut self, kind: BlockKind, level: u8, text: Rich, anchor: Anchor) -> Result<()> {
        let block = RawBlock::new(kind, level, text, anchor);
        self.meter.charge(block.cost())?;
        self.document.blocks.push(block);
        Ok(())
    }
}

fn block_kind(context: Context, text: &str) -> (BlockKind, u8) {
    let plain = matches!(
        context.kind,
        BlockKind::Paragraph | BlockKind::Heading | BlockKind::Quote
    );
    if plain && ornament::is_scene_break(text) {
        return (BlockKind::SceneBreak, 0);
    }
    match context.kind {
        _ if context.footnote => (BlockKind::Footnote, 0),
        BlockKind::Heading => (BlockKind::Heading, context.level),
        BlockKind::Paragraph | BlockKind::Quote if context.verse => (BlockKind::Verse, 0),
        kind => (kind, 0),
    }
}

fn is_note_mark(text: &str) -> bool {
    let mark = text.trim().trim_matches(['[', ']', '(', ')', '{', '}']);
    let count = mark.chars().count();
    (1..=4).contains(&count)
        && (mark.chars().all(|c| c.is_numeric())
            || mark.chars().all(|c| "*∗†‡§¶#".contains(c))
            || count == 1 && mark.chars().all(|c| c.is_ascii_lowercase()))
}

/// Adds text with runs of white space as one blank, and without invisible characters.
fn push_collapsed(out: &mut String, text: &str) {
    let mut blank = out.is_empty() || out.ends_with([' ', '\n', '\t', CELL_BREAK]);
    let mut run = 0;
    for (i, c) in text.char_indices() {
        let keep = !c.is_whitespace() && !is_invisible(c);
        if keep {
            blank = false;
            continue;
        }
        out.push_str(&text[run..i]);
        run = i + c.len_utf8();
        if c.is_whitespace() && !blank {
            out.push(' ');
            blank = true;
        }
    }
    out.push_str(&text[run..]);
}

/// What no text keeps.
fn is_invisible(c: char) -> bool {
    rich::is_invisible(c) || c.is_control()
}
