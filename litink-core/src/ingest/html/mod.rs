//! XHTML to blocks, in one pass and without a tree: linear in time, flat in memory.

mod context;
mod text;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use self::context::{Context, is_block, is_heading, is_void};
use super::{
    block::{RawBlock, offset},
    limits::{Limits, Meter},
    markup::{Markup, Piece, Tag},
    rich::Rich,
};
use crate::{Result, domain::Anchor};

/// What one document of a book holds.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) blocks: Vec<RawBlock>,
    /// Where the wanted ids stand: index of the block that starts at, or holds, the id.
    pub(crate) anchors: HashMap<String, usize>,
    /// `epub:type` and `role` of the sectioning elements, with the block they start at.
    pub(crate) types: Vec<(usize, String)>,
    /// Something was nested deeper than the limit.
    pub(crate) flattened: bool,
}

/// Reads the document at a path of an archive (or one that is the file); of the places of its ids
/// only the `wanted` ones are remembered.
pub(crate) fn read_document(
    markup: &str,
    path: Option<&Arc<str>>,
    wanted: &HashSet<String>,
    limits: &Limits,
    meter: &mut Meter<'_>,
) -> Result<Document> {
    let mut builder = Builder {
        wanted,
        path,
        max_depth: limits.max_depth,
        meter,
        document: Document::default(),
        stack: Vec::new(),
        overflow: 0,
        text: Rich::default(),
        flushes: 0,
        after_break: false,
        images: Vec::new(),
        svg_text: String::new(),
        at: 0,
        start: None,
        id: None,
        page: None,
    };
    let mut pieces = Markup::new(markup);
    while let Some(piece) = pieces.next() {
        builder.meter.tick()?;
        builder.at = pieces.at();
        match piece {
            Piece::Open(tag) => builder.open(&tag)?,
            Piece::Close(name) => builder.close(&name)?,
            Piece::Text(text) => builder.text(&text),
        }
    }
    builder.flush()?;
    Ok(builder.document)
}

#[derive(Debug)]
struct Frame {
    name: String,
    context: Context,
    /// Where the text stood when the element opened, to take a note reference back.
    mark: (usize, usize),
    is_note_link: bool,
}

struct Builder<'a, 'm> {
    wanted: &'a HashSet<String>,
    path: Option<&'a Arc<str>>,
    max_depth: usize,
    meter: &'a mut Meter<'m>,
    document: Document,
    stack: Vec<Frame>,
    /// Open elements beyond the depth limit.
    overflow: usize,
    text: Rich,
    flushes: usize,
    after_break: bool,
    images: Vec<String>,
    svg_text: String,
    /// Where the piece being read starts in the document.
    at: u64,
    /// Where the next block starts, once something of it was seen.
    start: Option<u64>,
    /// The id of the innermost element that starts with the next block.
    id: Option<Arc<str>>,
    /// The page of print, where the document marks them.
    page: Option<u32>,
}

/// More sections of one document say nothing new.
const MAX_TYPES: usize = 4_096;
/// Longer ids are somebody's joke.
const MAX_ID_BYTES: usize = 200;
/// How far up an end tag looks for its start tag.
const MAX_UNCLOSED: usize = 64;

impl Builder<'_, '_> {
    fn context(&self) -> Context {
        self.stack.last().map_or(Context::default(), |f| f.context)
    }

    fn open(&mut self, tag: &Tag<'_>) -> Result<()> {
        let name = tag.name.as_ref();
        if self.context().skip {
            self.push(tag, self.context(), false);
            return Ok(());
        }
        if is_block(name) {
            self.close_implied(name)?;
            self.break_block(true)?;
            if self.text.is_empty() && !self.context().table {
                self.start = Some(self.at);
            }
        }
        self.note_attributes(tag);
        match name {
            "br" => self.line_break()?,
            "hr" => self.scene_break()?,
            "img" | "image" => self.image(tag),
            "tr" if self.context().table => self.separate('\n'),
            "td" | "th" if self.context().table => self.separate('\t'),
            _ => {}
        }
        let (context, is_note_link) = self.context().child(tag);
        if name == "table" && !self.context().table {
            self.flush()?;
        }
        self.push(tag, context, is_note_link);
        Ok(())
    }

    /// Remembers an id that the contents point to, and what a section says it is.
    fn note_attributes(&mut self, tag: &Tag<'_>) {
        let at = self.document.blocks.len();
        let has_id = tag.mentions("id");
        if has_id || !self.wanted.is_empty() && tag.mentions("name") {
            let id = tag.qualified("id");
            if let Some(id) = id.as_deref().filter(|id| id.len() <= MAX_ID_BYTES)
                && self.text.is_empty()
            {
                self.id = Some(id.into());
            }
            for id in [id, tag.qualified("name")].into_iter().flatten() {
                if self.wanted.contains(&id) {
                    self.document.anchors.entry(id).or_insert(at);
                }
            }
        }
        if tag.mentions("pagebreak") {
            self.page = page_number(tag).or(self.page);
        }
        if matches!(
            tag.name.as_ref(),
            "body" | "section" | "div" | "article" | "nav" | "aside"
        ) {
            let types = [tag.qualified("epub:type"), tag.qualified("role")];
            let types: Vec<String> = types.into_iter().flatten().collect();
            if !types.is_empty() && self.document.types.len() < MAX_TYPES {
                self.document.types.push((at, types.join(" ")));
            }
        }
    }

    /// Where the block that was collected started; the next one starts anew.
    fn take_anchor(&mut self) -> Anchor {
        Anchor {
            page: self.page,
            path: self.path.cloned(),
            fragment: self.id.take(),
            offset: offset(self.start.take().unwrap_or(self.at)),
        }
    }

    fn push(&mut self, tag: &Tag<'_>, context: Context, is_note_link: bool) {
        if tag.is_empty || is_void(&tag.name) {
            return;
        }
        if self.stack.len() >= self.max_depth {
            self.overflow += 1;
            self.document.flattened = true;
            return;
        }
        self.stack.push(Frame {
            name: tag.name.clone().into_owned(),
            context,
            mark: (self.flushes, self.text.len()),
            is_note_link,
        });
    }

    /// HTML lets `</p>`, `</li>` and the like be left out.
    fn close_implied(&mut self, opening: &str) -> Result<()> {
        let Some(top) = self.stack.last() else {
            return Ok(());
        };
        let ends = match top.name.as_str() {
            "p" => true,
            "li" => opening == "li",
            "dt" | "dd" => matches!(opening, "dt" | "dd"),
            "td" | "th" => matches!(opening, "td" | "th" | "tr"),
            "tr" => opening == "tr",
            _ => false,
        };
        if ends {
            self.pop()?;
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<()> {
        if is_void(name) {
            return Ok(());
        }
        if self.overflow > 0 {
            self.overflow -= 1;
            return if is_block(name) {
                self.break_block(true)
            } else {
                Ok(())
            };
        }
        let open = self.stack.iter().rev().take(MAX_UNCLOSED);
        // The end of any heading ends the open one (HTML standard, 13.2.6.4.7).
        let is_end = |open: &str| open == name || is_heading(name) && is_heading(open);
        let Some(above) = open.map(|f| f.name.as_str()).position(is_end) else {
            return Ok(());
        };
        for _ in 0..=above {
            self.pop()?;
        }
        Ok(())
    }

    fn pop(&mut self) -> Result<()> {
        // The block is finished while its own context still holds.
        let Some(frame) = self.stack.last() else {
            return Ok(());
        };
        if frame.context.skip {
            self.stack.pop();
            return Ok(());
        }
        if frame.is_note_link || frame.name == "sup" {
            self.drop_note_reference();
        }
        let name = self
            .stack
            .last()
            .map(|f| f.name.clone())
            .unwrap_or_default();
        match name.as_str() {
            "svg" => self.finish_svg(),
            "table" if !self.parent_context().table => self.flush_table()?,
            name if is_block(name) => self.break_block(false)?,
            _ => {}
        }
        self.stack.pop();
        Ok(())
    }

    fn parent_context(&self) -> Context {
        let parent = self.stack.len().checked_sub(2);
        parent.map_or(Context::default(), |i| self.stack[i].context)
    }
}

/// The number of a page mark (`epub:type="pagebreak"`): its title, its label, or in its id.
fn page_number(tag: &Tag<'_>) -> Option<u32> {
    let told = [tag.qualified("title"), tag.qualified("aria-label")];
    let told = told.into_iter().flatten().find_map(|t| digits(&t));
    told.or_else(|| digits(&tag.qualified("id")?))
}

fn digits(text: &str) -> Option<u32> {
    let end = text.trim_end_matches([' ', '.']);
    let start = end.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    end[start..].parse().ok()
}

#[cfg(test)]
mod tests;
