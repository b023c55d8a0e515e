//! FictionBook 2: sections with titles, notes in a body of their own.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Cover, Format, ParsedBook, ReadSeek,
    block::offset,
    book::Report,
    detect,
    flow::{self, Flow},
    limits::Limits,
    markup::{Markup, Piece, Tag},
    metadata, outline,
    rich::{Rich, Styles},
    titles, whole,
};
use crate::{
    Result,
    domain::{Anchor, BlockKind, Series, Style},
};

/// Reads a book of `len` bytes.
pub(super) fn read(
    source: &mut dyn ReadSeek,
    len: u64,
    limits: &Limits,
    report: &mut Report,
) -> Result<ParsedBook> {
    let text = whole::text(source, len, limits, report)?;
    let mut reader = Reader::new(limits);
    let mut pieces = Markup::new(&text);
    while let Some(piece) = pieces.next() {
        reader.flow.tick()?;
        reader.at = pieces.at();
        match piece {
            Piece::Open(tag) => reader.open(&tag)?,
            Piece::Close(name) => reader.close(&name)?,
            Piece::Text(text) => reader.text(&text),
        }
    }
    reader.end_paragraph()?;
    let cover = reader.cover(limits, report);
    let blocks = reader.flow.finish()?;
    let title = whole::tidy(&reader.book.title);
    let drafts = flow::divide(blocks, title.as_deref(), report);
    let chapters = outline::chapters(drafts, title.as_deref());
    let book = reader.book;
    Ok(ParsedBook {
        title,
        authors: book.authors,
        language: whole::tidy(&book.language),
        identifier: whole::tidy(&book.isbn).or_else(|| whole::tidy(&book.id)),
        identifiers: [(Some("isbn"), &book.isbn), (None, &book.id)]
            .into_iter()
            .filter_map(|(scheme, value)| metadata::identifier(scheme, value))
            .collect(),
        series: book.series,
        publisher: whole::tidy(&book.publisher),
        published: whole::tidy(&book.year).or_else(|| whole::tidy(&book.date)),
        description: whole::tidy(&book.annotation),
        cover,
        ..whole::book(Format::Fb2, chapters)
    })
}

#[derive(Debug, Default)]
struct Book {
    title: String,
    authors: Vec<String>,
    name: Vec<String>,
    language: String,
    id: String,
    isbn: String,
    publisher: String,
    year: String,
    date: String,
    annotation: String,
    cover: Option<String>,
    series: Option<Series>,
}

struct Reader<'a> {
    flow: Flow<'a>,
    book: Book,
    /// Names of the open elements.
    path: Vec<String>,
    max_depth: usize,
    overflow: usize,
    text: Rich,
    /// Lines of a stanza or of a title.
    lines: Vec<Rich>,
    is_notes: bool,
    /// Open elements in which text is left out (a note's number).
    skip: usize,
    binary: Option<String>,
    image: Option<String>,
    /// Where the piece being read starts.
    at: u64,
    /// Where the next block starts, and the id of the innermost element that starts there.
    start: Option<u64>,
    id: Option<Arc<str>>,
    /// How many blocks stood before the last empty line after a paragraph, and where it is.
    gap: Option<(usize, u64)>,
}

/// More open elements are looked at only this far up.
const LOOK_UP: usize = 64;

impl<'a> Reader<'a> {
    fn new(limits: &'a Limits) -> Self {
        Self {
            flow: Flow::new(limits),
            book: Book::default(),
            path: Vec::new(),
            max_depth: limits.max_depth,
            overflow: 0,
            text: Rich::default(),
            lines: Vec::new(),
            is_notes: false,
            skip: 0,
            binary: None,
            image: None,
            at: 0,
            start: None,
            id: None,
            gap: None,
        }
    }

    fn anchor(&mut self) -> Anchor {
        Anchor {
            fragment: self.id.take(),
            offset: offset(self.start.take().unwrap_or(self.at)),
            ..Anchor::default()
        }
    }

    /// The styles of the elements that are open inside the paragraph.
    fn styles(&self) -> Styles {
        let open = self.path.iter().rev().take(LOOK_UP);
        let inner = open.take_while(|name| !matches!(name.as_str(), "p" | "v" | "section"));
        inner.fold(Styles::default(), |styles, name| match name.as_str() {
            "emphasis" => styles.with(Style::Emphasis, true),
            "strong" => styles.with(Style::Strong, true),
            _ => styles,
        })
    }

    fn is_in(&self, name: &str) -> bool {
        self.path
            .iter()
            .rev()
            .take(LOOK_UP)
            .any(|open| open == name)
    }

    /// Depth of sections, for the level of a title.
    fn depth(&self) -> u8 {
        let sections = self.path.iter().filter(|name| *name == "section").count();
        u8::try_from(sections).unwrap_or(9).min(9)
    }

    fn open(&mut self, tag: &Tag<'_>) -> Result<()> {
        let name = tag.name.as_ref();
        match name {
            "body" => {
                let named = tag
                    .qualified("name")
                    .unwrap_or_default()
                    .to_ascii_lowercase();
                self.is_notes = matches!(named.as_str(), "notes" | "footnotes" | "comments");
            }
            "p" | "v" | "subtitle" | "text-author" | "table" | "tr" if !self.is_in("table") => {
                self.end_paragraph()?;
            }
            "td" | "th" if !self.text.is_empty() && !self.text.ends_with('\n') => {
                self.text.push('\t', Styles::default());
            }
            "image" => self.open_image(tag)?,
            "empty-line" => {
                self.end_paragraph()?;
                if self.ends_in_paragraph() {
                    self.gap = Some((self.flow.blocks.len(), self.at));
                }
            }
            "binary" => {
                let id = tag.qualified("id").unwrap_or_default();
                let wanted = self.book.cover.as_deref() == Some(id.as_str());
                self.binary = wanted.then_some(id);
                self.text.truncate(0);
            }
            "sequence" if self.book.series.is_none() && !self.is_in("body") => {
                let name = tag.qualified("name").as_deref().and_then(whole::tidy);
                self.book.series = name.map(|name| Series {
                    name,
                    position: tag.qualified("number").as_deref().and_then(whole::tidy),
                });
            }
            "title" | "stanza" => {
                self.end_paragraph()?;
                self.lines.clear();
            }
            _ => {}
        }
        if self.text.trim().is_empty() && self.lines.is_empty() && !tag.is_empty {
            self.start = Some(self.at);
            let id = tag.qualified("id").filter(|id| id.len() <= 200);
            self.id = id.map(Arc::from).or(self.id.take());
        }
        if tag.is_empty {
            return Ok(());
        }
        if self.path.len() >= self.max_depth {
            self.overflow += 1;
            return Ok(());
        }
        let is_note = name == "a" && tag.qualified("type").as_deref() == Some("note");
        if is_note || self.skip > 0 {
            self.skip += 1;
        }
        self.path.push(name.to_owned());
        Ok(())
    }

    fn open_image(&mut self, tag: &Tag<'_>) -> Result<()> {
        let href = tag.attribute("href").unwrap_or_default();
        if self.is_in("coverpage") {
            let id = href.trim_start_matches('#').to_owned();
            self.book.cover.get_or_insert(id);
        } else if self.is_in("body") && !self.is_in("p") {
            let alt = tag.qualified("alt").or_else(|| tag.qualified("title"));
            let anchor = self.anchor();
            let alt = Rich::from(alt.unwrap_or_default());
            self.flow.add(BlockKind::Image, 0, &alt, &anchor)?;
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<()> {
        if self.overflow > 0 {
            self.overflow -= 1;
            return Ok(());
        }
        let open = self.path.iter().rev().take(LOOK_UP);
        let Some(above) = open.map(String::as_str).position(|open| open == name) else {
            return Ok(());
        };
        self.finish(name)?;
        for _ in 0..=above {
            self.path.pop();
            self.skip = self.skip.saturating_sub(1);
        }
        Ok(())
    }

    /// What an element's end means, while it is still open.
    fn finish(&mut self, name: &str) -> Result<()> {
        if !self.is_in("body") {
            return self.finish_metadata(name);
        }
        match name {
            "p" | "v" | "subtitle" | "text-author" => self.end_paragraph()?,
            "tr" if !self.text.is_empty() => self.text.push('\n', Styles::default()),
            "table" => {
                let text = std::mem::take(&mut self.text);
                let anchor = self.anchor();
                self.flow.add(BlockKind::Table, 0, &text, &anchor)?;
            }
            "stanza" => {
                let text = Rich::join(&std::mem::take(&mut self.lines), '\n');
                let anchor = self.anchor();
                self.flow.add(BlockKind::Verse, 0, &text, &anchor)?;
            }
            "title" => {
                self.end_paragraph()?;
                let lines = std::mem::take(&mut self.lines);
                let lines: Vec<&str> = lines.iter().map(|line| &**line).collect();
                let depth = self.depth();
                let text = outline::join_title(&lines);
                let book = titles::fold(&self.book.title);
                // The title page: author and title.
                let is_book = depth == 0 && !book.is_empty() && titles::fold(&text).contains(&book);
                let kind = match (self.is_notes, is_book) {
                    (true, _) => BlockKind::Footnote,
                    (false, true) => BlockKind::Paragraph,
                    (false, false) => BlockKind::Heading,
                };
                let anchor = self.anchor();
                self.flow.add(kind, depth, &text.into(), &anchor)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn finish_metadata(&mut self, name: &str) -> Result<()> {
        if name == "binary" {
            if let Some(id) = self.binary.take() {
                self.book.cover = Some(id);
                self.image = Some(self.text.to_string());
            }
            self.text.truncate(0);
            return Ok(());
        }
        let text = std::mem::take(&mut self.text);
        let text = text.trim();
        let book = &mut self.book;
        let parent = |name: &str| self.path.iter().any(|open| open == name);
        match name {
            "book-title" if parent("title-info") => book.title = text.to_owned(),
            "first-name" | "middle-name" | "last-name" | "nickname"
                if parent("title-info") && !parent("translator") && !text.is_empty() =>
            {
                book.name.push(text.to_owned());
            }
            "author" if parent("title-info") => {
                let name = std::mem::take(&mut book.name).join(" ");
                book.authors.extend(whole::tidy(&name));
            }
            "lang" if parent("title-info") => book.language = text.to_owned(),
            "date" if parent("title-info") => book.date = text.to_owned(),
            "id" if parent("document-info") => book.id = text.to_owned(),
            "isbn" => book.isbn = text.to_owned(),
            "publisher" => book.publisher = text.to_owned(),
            "year" if parent("publish-info") => book.year = text.to_owned(),
            "p" if parent("annotation") && parent("title-info") => {
                book.annotation.push_str(text);
                book.annotation.push(' ');
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        let is_wanted = !self.is_in("binary") || self.binary.is_some();
        if self.skip == 0 && is_wanted {
            let styles = self.styles();
            self.text.push_str(text, styles);
        }
    }

    fn end_paragraph(&mut self) -> Result<()> {
        let text = std::mem::take(&mut self.text);
        if !self.is_in("body") || text.trim().is_empty() {
            return Ok(());
        }
        if self.is_in("title") || self.is_in("stanza") {
            self.lines.push(text.words());
            return Ok(());
        }
        let (kind, level) = if self.is_notes {
            (BlockKind::Footnote, 0)
        } else if self.is_in("subtitle") {
            (BlockKind::Heading, self.depth().saturating_add(1).max(6))
        } else if self.is_in("cite") || self.is_in("epigraph") {
            (BlockKind::Quote, 0)
        } else if self.is_in("v") {
            (BlockKind::Verse, 0)
        } else {
            (BlockKind::Paragraph, 0)
        };
        if kind == BlockKind::Paragraph {
            self.end_scene()?;
        }
        let anchor = self.anchor();
        self.flow.add(kind, level, &text, &anchor)
    }

    fn ends_in_paragraph(&self) -> bool {
        let last = self.flow.blocks.last();
        last.is_some_and(|block| block.kind == BlockKind::Paragraph)
    }

    /// An empty line between two paragraphs parts scenes; beside anything else it is only space.
    fn end_scene(&mut self) -> Result<()> {
        let Some((blocks, at)) = self.gap.take() else {
            return Ok(());
        };
        if blocks != self.flow.blocks.len() {
            return Ok(());
        }
        let anchor = Anchor {
            offset: offset(at),
            ..Anchor::default()
        };
        let none = Rich::default();
        self.flow.add(BlockKind::SceneBreak, 0, &none, &anchor)
    }

    fn cover(&mut self, limits: &Limits, report: &mut Report) -> Option<Cover> {
        let mut encoded = self.image.take()?;
        encoded.retain(|c| !c.is_whitespace());
        if encoded.len() as u64 / 4 * 3 > limits.max_cover_bytes {
            report.warn("cover_too_large", "the cover is too large and was left out");
            return None;
        }
        let bytes = STANDARD.decode(encoded).ok()?;
        let media_type = detect::image_media_type(&bytes)?.to_owned();
        Some(Cover { media_type, bytes })
    }
}
