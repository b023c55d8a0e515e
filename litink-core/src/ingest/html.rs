//! XHTML to blocks, in one pass and without a tree: linear in time, flat in memory.

use std::collections::{HashMap, HashSet};

use super::{
    limits::{Limits, Meter},
    markup::{Markup, Piece, Tag},
    ornament,
};
use crate::{Result, domain::BlockKind};

/// A block before it is known to which chapter it belongs.
#[derive(Debug)]
pub(crate) struct RawBlock {
    pub(crate) kind: BlockKind,
    /// Of a heading, 1 to 6; else 0.
    pub(crate) level: u8,
    pub(crate) text: String,
}

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

/// Reads a document; of its ids only the `wanted` ones are remembered.
pub(crate) fn read_document(
    markup: &str,
    wanted: &HashSet<String>,
    limits: &Limits,
    meter: &mut Meter<'_>,
) -> Result<Document> {
    let mut builder = Builder {
        wanted,
        max_depth: limits.max_depth,
        meter,
        document: Document::default(),
        stack: Vec::new(),
        overflow: 0,
        text: String::new(),
        flushes: 0,
        after_break: false,
        images: Vec::new(),
        svg_text: String::new(),
    };
    for piece in Markup::new(markup) {
        match piece {
            Piece::Open(tag) => builder.open(&tag)?,
            Piece::Close(name) => builder.close(&name)?,
            Piece::Text(text) => builder.text(&text),
        }
    }
    builder.flush()?;
    Ok(builder.document)
}

/// What holds for the text inside an element; children inherit it.
#[derive(Clone, Copy, Debug, Default)]
struct Context {
    kind: BlockKind,
    level: u8,
    skip: bool,
    pre: bool,
    verse: bool,
    stanza: bool,
    footnote: bool,
    table: bool,
    svg: bool,
    /// Inside a link to a place in the book.
    link: bool,
    sup: bool,
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
    max_depth: usize,
    meter: &'a mut Meter<'m>,
    document: Document,
    stack: Vec<Frame>,
    /// Open elements beyond the depth limit.
    overflow: usize,
    text: String,
    flushes: usize,
    after_break: bool,
    images: Vec<String>,
    svg_text: String,
}

/// More sections of one document say nothing new.
const MAX_TYPES: usize = 4_096;
/// Between two blocks inside a table's cell; never in a book's own text.
const CELL_BREAK: char = '\u{2029}';
/// A table with a longer cell is a page layout, and its cells are paragraphs.
const LAYOUT_CELL_CHARS: usize = 600;
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
        let (context, is_note_link) = self.child_context(tag);
        if name == "table" && !self.context().table {
            self.flush()?;
        }
        self.push(tag, context, is_note_link);
        Ok(())
    }

    /// Remembers an id that the contents point to, and what a section says it is.
    fn note_attributes(&mut self, tag: &Tag<'_>) {
        let at = self.document.blocks.len();
        if !self.wanted.is_empty() && (tag.mentions("id") || tag.mentions("name")) {
            let ids = [tag.qualified("id"), tag.qualified("name")];
            for id in ids.into_iter().flatten() {
                if self.wanted.contains(&id) {
                    self.document.anchors.entry(id).or_insert(at);
                }
            }
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

    /// What holds inside the element, and whether it is a link to a note.
    fn child_context(&self, tag: &Tag<'_>) -> (Context, bool) {
        let mut context = self.context();
        let mut is_note_link = false;
        match tag.name.as_ref() {
            "head" | "script" | "style" | "template" | "rt" | "rp" | "audio" | "video"
            | "canvas" | "iframe" | "datalist" | "metadata" => context.skip = true,
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                context.kind = BlockKind::Heading;
                context.level = tag.name.as_bytes().get(1).map_or(0, |b| b - b'0');
            }
            "blockquote" => context.kind = BlockKind::Quote,
            "li" | "dt" | "dd" => context.kind = BlockKind::ListItem,
            "pre" => {
                context.kind = BlockKind::Preformatted;
                context.pre = true;
            }
            "table" => context.table = true,
            "svg" => context.svg = true,
            "sup" => context.sup = true,
            _ => {}
        }
        if tag.mentions("type") || tag.mentions("role") {
            read_types(tag, &mut context);
        }
        if tag.mentions("class") {
            read_class(tag, &mut context);
        }
        if tag.name == "a" {
            is_note_link = mark_link(tag, &mut context);
        }
        (context, is_note_link)
    }

    fn text(&mut self, text: &str) {
        let context = self.context();
        if context.skip {
            return;
        }
        if context.svg {
            push_collapsed(&mut self.svg_text, text);
            return;
        }
        if context.pre && !context.table {
            self.text.extend(text.chars().filter(|c| *c != '\r'));
            return;
        }
        let before = self.text.len();
        push_collapsed(&mut self.text, text);
        if self.text[before..].contains(|c: char| !c.is_whitespace()) {
            self.after_break = false;
        }
    }

    /// One is a blank (a line's end in verse), two are the end of a paragraph.
    fn line_break(&mut self) -> Result<()> {
        let context = self.context();
        if context.verse || context.pre {
            self.end_line();
        } else if context.table {
            self.separate(CELL_BREAK);
        } else if self.after_break && context.kind != BlockKind::Heading {
            self.flush()?;
        } else {
            push_collapsed(&mut self.text, " ");
            self.after_break = true;
        }
        Ok(())
    }

    fn end_line(&mut self) {
        if !self.context().pre {
            trim_end(&mut self.text);
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    fn separate(&mut self, separator: char) {
        trim_blanks(&mut self.text);
        // An empty first cell still takes its place, a row's first cell needs no separator.
        let starts_row = separator == '\t' && self.text.ends_with('\n');
        if !self.text.is_empty() && !starts_row {
            self.text.push(separator);
        }
    }

    fn scene_break(&mut self) -> Result<()> {
        self.flush()?;
        self.add(BlockKind::SceneBreak, 0, String::new())
    }

    fn image(&mut self, tag: &Tag<'_>) {
        if self.context().svg {
            return;
        }
        let alt = tag.qualified("alt").unwrap_or_default();
        let alt = alt.trim();
        let is_initial = alt.chars().count() == 1 && alt.chars().all(char::is_alphabetic);
        if is_initial && self.text.is_empty() {
            self.text.push_str(alt);
        } else if tag.qualified("role").as_deref() != Some("presentation") {
            let mut text = String::new();
            push_collapsed(&mut text, alt);
            self.images.push(text);
        }
    }

    fn finish_svg(&mut self) {
        if !self.parent_context().svg {
            let mut text = std::mem::take(&mut self.svg_text);
            trim_end(&mut text);
            self.images.push(text);
        }
    }

    /// Takes back a note's number (`<sup><a href="#n1">1</a></sup>`): nobody reads it aloud.
    fn drop_note_reference(&mut self) {
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
    fn break_block(&mut self, is_opening: bool) -> Result<()> {
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

    fn flush(&mut self) -> Result<()> {
        let context = self.context();
        self.flushes += 1;
        self.after_break = false;
        let mut text = std::mem::take(&mut self.text);
        if context.pre {
            text.truncate(text.trim_end().len());
        } else {
            trim_end(&mut text);
        }
        if context.table {
            text = text.replace(CELL_BREAK, " ");
        }
        if !text.trim().is_empty() {
            let (kind, level) = block_kind(context, &text);
            self.add(kind, level, text)?;
        }
        for alt in std::mem::take(&mut self.images) {
            self.add(BlockKind::Image, 0, alt)?;
        }
        Ok(())
    }

    fn flush_table(&mut self) -> Result<()> {
        let text = std::mem::take(&mut self.text);
        self.flush()?;
        let separators = ['\t', '\n', CELL_BREAK];
        let footnote = self.context().footnote;
        if text
            .split(['\t', '\n'])
            .any(|cell| cell.len() > LAYOUT_CELL_CHARS)
        {
            let kind = if footnote {
                BlockKind::Footnote
            } else {
                BlockKind::Paragraph
            };
            for cell in text
                .split(separators)
                .map(str::trim)
                .filter(|c| !c.is_empty())
            {
                self.add(kind, 0, cell.to_owned())?;
            }
            return Ok(());
        }
        let rows = text
            .split('\n')
            .map(|row| row.trim_matches([' ', CELL_BREAK]));
        let rows: Vec<&str> = rows.filter(|row| !row.trim().is_empty()).collect();
        let table = rows.join("\n").replace(CELL_BREAK, " ");
        if !table.is_empty() {
            let kind = if footnote {
                BlockKind::Footnote
            } else {
                BlockKind::Table
            };
            self.add(kind, 0, table)?;
        }
        Ok(())
    }

    fn add(&mut self, kind: BlockKind, level: u8, mut text: String) -> Result<()> {
        self.meter.charge(text.len())?;
        text.shrink_to_fit();
        self.document.blocks.push(RawBlock { kind, level, text });
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

/// Applies `epub:type` and `role`.
fn read_types(tag: &Tag<'_>, context: &mut Context) {
    let types = format!(
        "{} {}",
        tag.qualified("epub:type").unwrap_or_default(),
        tag.qualified("role").unwrap_or_default()
    );
    for word in types.to_ascii_lowercase().split_ascii_whitespace() {
        match word.trim_start_matches("doc-") {
            "noteref" | "backlink" | "pagebreak" | "page-list" | "landmarks" | "pagelist" => {
                context.skip = true;
            }
            "footnote" | "endnote" | "rearnote" | "footnotes" | "rearnotes" => {
                context.footnote = true;
            }
            "z3998:verse" | "z3998:poem" | "z3998:song" | "z3998:hymn" => context.verse = true,
            _ => {}
        }
    }
}

/// Applies the telling words of `class`.
fn read_class(tag: &Tag<'_>, context: &mut Context) {
    let class = tag.qualified("class").unwrap_or_default();
    for word in class.to_ascii_lowercase().split_ascii_whitespace() {
        match word {
            "footnote" | "footnotes" | "endnote" | "endnotes" => {
                context.footnote |= tag.name != "a" && tag.name != "sup" && tag.name != "span";
            }
            "verse" | "poem" | "poetry" => context.verse |= is_block(&tag.name),
            "stanza" | "linegroup" | "lg" => {
                context.verse = true;
                context.stanza = true;
            }
            _ => {}
        }
    }
}

/// Whether a link leads to a place (so perhaps to a note); marks its context.
fn mark_link(tag: &Tag<'_>, context: &mut Context) -> bool {
    let leads_to_place = tag.qualified("href").is_some_and(|href| href.contains('#'));
    context.link |= leads_to_place;
    if !leads_to_place {
        return false;
    }
    let class = tag
        .qualified("class")
        .unwrap_or_default()
        .to_ascii_lowercase();
    // A class of note references makes any short mark one, raised or not.
    context.sup |= [
        "noteref",
        "footnoteref",
        "fnref",
        "footnote-ref",
        "footnote-reference",
    ]
    .iter()
    .any(|name| class.contains(name));
    true
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

/// Soft hyphens, zero-width spaces, byte order marks and control characters.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200B}' | '\u{2060}' | '\u{FEFF}') || c.is_control()
}

fn trim_end(text: &mut String) {
    text.truncate(text.trim_end().len());
}

fn trim_blanks(text: &mut String) {
    text.truncate(text.trim_end_matches([' ', CELL_BREAK]).len());
}

fn is_heading(name: &str) -> bool {
    matches!(name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
}

fn is_void(name: &str) -> bool {
    matches!(
        name,
        "br" | "hr"
            | "img"
            | "meta"
            | "link"
            | "input"
            | "col"
            | "area"
            | "base"
            | "wbr"
            | "param"
            | "source"
            | "track"
            | "embed"
    )
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "div"
            | "section"
            | "article"
            | "header"
            | "footer"
            | "main"
            | "figure"
            | "figcaption"
            | "blockquote"
            | "ul"
            | "ol"
            | "li"
            | "dl"
            | "dt"
            | "dd"
            | "table"
            | "caption"
            | "thead"
            | "tbody"
            | "tfoot"
            | "tr"
            | "td"
            | "th"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "pre"
            | "hr"
            | "address"
            | "aside"
            | "nav"
            | "body"
            | "html"
            | "form"
            | "fieldset"
            | "center"
            | "details"
            | "summary"
            | "hgroup"
            | "legend"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(markup: &str) -> Document {
        let limits = Limits::default();
        let wanted = ["a1".to_owned(), "a2".to_owned()].into();
        read_document(markup, &wanted, &limits, &mut Meter::new(&limits)).unwrap()
    }

    fn shape(markup: &str) -> Vec<(BlockKind, String)> {
        let blocks = read(markup).blocks;
        blocks.into_iter().map(|b| (b.kind, b.text)).collect()
    }

    fn one(markup: &str, kind: BlockKind, text: &str) {
        assert_eq!(shape(markup), [(kind, text.to_owned())], "{markup}");
    }

    #[test]
    fn kinds() {
        one(
            "<p>a\n  <i>b</i>&#160;c&shy;d</p>",
            BlockKind::Paragraph,
            "a b cd",
        );
        one("<h2>One<br/>Two</h2>", BlockKind::Heading, "One Two");
        one("<blockquote><p>q</p></blockquote>", BlockKind::Quote, "q");
        one("<ul><li><p>x</p></li></ul>", BlockKind::ListItem, "x");
        one("<pre>a\n  b\n</pre>", BlockKind::Preformatted, "a\n  b");
        one("<hr/>", BlockKind::SceneBreak, "");
        one("<p>* * *</p>", BlockKind::SceneBreak, "* * *");
        one(
            "<p><img src='x' alt='A map'/></p>",
            BlockKind::Image,
            "A map",
        );
        one(
            "<aside epub:type='footnote'><p>n</p></aside>",
            BlockKind::Footnote,
            "n",
        );
        one("text in the body", BlockKind::Paragraph, "text in the body");
        one(
            "<table><tr><th>a</th><th>b</th></tr><tr><td><p>1</p><p>2</p></td><td>3</td></tr></table>",
            BlockKind::Table,
            "a\tb\n1 2\t3",
        );
        one(
            "<div class='stanza'><p>one</p><p>two</p></div>",
            BlockKind::Verse,
            "one\ntwo",
        );
        one(
            "<p epub:type='z3998:verse'><span>one</span><br/><span>two</span></p>",
            BlockKind::Verse,
            "one\ntwo",
        );
    }

    #[test]
    fn what_nobody_reads_aloud_is_left_out() {
        let kind = BlockKind::Paragraph;
        one("<p>word<sup><a href='#n1'>12</a></sup>.</p>", kind, "word.");
        one(
            "<p>word<a href='n.xhtml#n1'><sup>*</sup></a>.</p>",
            kind,
            "word.",
        );
        one(
            "<p>word<a epub:type='noteref' href='#n'>1</a>.</p>",
            kind,
            "word.",
        );
        one("<p>word<a href='#n'>[3]</a>.</p>", kind, "word.");
        one(
            "<p><ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>字</p>",
            kind,
            "漢字",
        );
        one("<p>a<span epub:type='pagebreak'>12</span>b</p>", kind, "ab");
        one(
            "<head><title>T</title></head><script>x()</script><p>a</p>",
            kind,
            "a",
        );
    }

    #[test]
    fn what_only_looks_like_a_note_stays() {
        let kind = BlockKind::Paragraph;
        one("<p>10<sup>2</sup> m</p>", kind, "102 m");
        one(
            "<p>see <a href='#c2'>chapter 2</a></p>",
            kind,
            "see chapter 2",
        );
        one("<p>page <a href='#p'>12</a></p>", kind, "page 12");
    }

    #[test]
    fn careless_markup_keeps_its_paragraphs() {
        let p = |text: &str| (BlockKind::Paragraph, text.to_owned());
        assert_eq!(
            shape("<p>a<p>b<div>c</div>d"),
            [p("a"), p("b"), p("c"), p("d")]
        );
        assert_eq!(shape("<div>a<br><br>b<br>c</div>"), [p("a"), p("b c")]);
        assert_eq!(shape("<p>a <img src='x'/>b</p><p/>")[0], p("a b"));
        assert_eq!(shape("<p><img src='t' alt='T'/>his</p>"), [p("This")]);
    }

    #[test]
    fn anchors_point_at_their_block() {
        let document = read("<p>0</p><div id='a1'><h2>1</h2></div><p>2 <a id='a2'/>x</p>");
        let expected = [("a1".to_owned(), 1), ("a2".to_owned(), 2)];
        assert_eq!(document.anchors, expected.into());
    }

    #[test]
    fn deep_nesting_is_flattened_in_time() {
        let markup = "<div>".repeat(200_000) + "deep" + &"</div>".repeat(200_000) + "<p>after</p>";
        let started = std::time::Instant::now();
        let document = read(&markup);
        assert!(document.flattened);
        let texts: Vec<_> = document.blocks.iter().map(|b| b.text.as_str()).collect();
        assert_eq!(texts, ["deep", "after"]);
        assert!(started.elapsed().as_secs() < 2);
    }
}
