//! OpenDocument text (LibreOffice and others); flat `.fodt` files, too.

use std::{collections::HashMap, sync::Arc};

use super::{
    Format, ParsedBook,
    archive::{Archive, Fault, corrupt_archive, entry_error},
    block::offset,
    book::Report,
    docx::{self, Role, role_of_name},
    flow::{self, Flow},
    limits::Limits,
    markup::{Markup, Piece, Tag},
    outline,
    rich::{Rich, Styles},
    whole,
};
use crate::{
    Error, Result,
    domain::{Anchor, BlockKind, Style},
};

/// Reads the document of an archive.
pub(super) fn read(
    archive: &mut Archive<'_>,
    limits: &Limits,
    report: &mut Report,
) -> Result<ParsedBook> {
    let manifest = archive.read("META-INF/manifest.xml", 1024 * 1024);
    if manifest.is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains("encryption-data")) {
        return Err(Error::invalid(
            "password_required",
            "the document is encrypted with a password; save it again without one",
        ));
    }
    let mut part = |path: &str| match archive.read(path, limits.document_cap()) {
        Ok(bytes) => whole::decode(bytes, limits, report).map(Some),
        Err(Fault::Missing) => Ok(None),
        Err(fault) => Err(entry_error(fault, limits)),
    };
    let content = part("content.xml")?.ok_or_else(corrupt_archive)?;
    let meta = part("meta.xml").ok().flatten().unwrap_or_default();
    let mut reader = Reader {
        flow: Flow::new(limits),
        styles: HashMap::new(),
        open: Vec::new(),
        skip: 0,
        lists: 0,
        notes: 0,
        contents: 0,
        tables: 0,
        rows: Rich::default(),
        rows_anchor: Anchor::default(),
        text_styles: HashMap::new(),
        style: String::new(),
        spans: Vec::new(),
        title: None,
        path: "content.xml".into(),
        at: 0,
    };
    let mut pieces = Markup::new(&content);
    while let Some(piece) = pieces.next() {
        reader.flow.tick()?;
        reader.at = pieces.at();
        match piece {
            Piece::Open(tag) => reader.open(&tag),
            Piece::Close(name) => reader.close(&name)?,
            Piece::Text(text) => reader.text(&text),
        }
    }
    while !reader.open.is_empty() {
        reader.end_paragraph()?;
    }
    let mut head = docx::metadata(&meta);
    if head.title.is_none() && reader.title.is_some() {
        report.decide("title", "heading", 0.8);
    }
    head.title = head.title.or(reader.title);
    let blocks = reader.flow.finish()?;
    let drafts = flow::divide(blocks, head.title.as_deref(), report);
    let chapters = outline::chapters(drafts, head.title.as_deref());
    Ok(ParsedBook {
        title: head.title,
        authors: head.authors,
        language: head.language,
        description: head.description,
        ..whole::book(Format::Odt, chapters)
    })
}

/// A paragraph as it is read; a note stands inside another.
#[derive(Debug, Default)]
struct Paragraph {
    text: Rich,
    anchor: Anchor,
    style: String,
    level: Option<u8>,
    notes: Vec<(Rich, Anchor)>,
    images: Vec<Rich>,
}

struct Reader<'a> {
    flow: Flow<'a>,
    /// Automatic styles to the named ones that they change.
    styles: HashMap<String, String>,
    open: Vec<Paragraph>,
    skip: usize,
    lists: usize,
    notes: usize,
    contents: usize,
    tables: usize,
    rows: Rich,
    rows_anchor: Anchor,
    /// What automatic styles of text look like.
    text_styles: HashMap<String, Styles>,
    /// The style being defined.
    style: String,
    /// Styles of the open spans.
    spans: Vec<Styles>,
    title: Option<String>,
    path: Arc<str>,
    at: u64,
}

const MAX_OPEN: usize = 32;
/// More automatic styles say nothing new.
const MAX_STYLES: usize = 65_536;

impl Reader<'_> {
    fn open(&mut self, tag: &Tag<'_>) {
        let name = tag.name.as_ref();
        let is_left_out = matches!(
            name,
            "tracked-changes"
                | "annotation"
                | "note-citation"
                | "forms"
                | "script"
                | "ruby-text"
                | "font-face-decls"
                | "sequence-decls"
        ) || name == "title" && self.open.is_empty();
        if name == "desc" && self.skip == 0 && !tag.is_empty {
            // The alternative text of a picture becomes a paragraph of its own.
            self.open.push(Paragraph {
                anchor: self.anchor(tag),
                style: "!image".into(),
                ..Paragraph::default()
            });
            return;
        }
        if self.skip > 0 || is_left_out {
            self.skip += usize::from(!tag.is_empty);
            return;
        }
        if tag.is_empty
            && let Some(paragraph) = self.open.last_mut()
        {
            match name {
                "s" | "tab" => paragraph.text.push(' ', Styles::default()),
                "line-break" => paragraph.text.push('\n', Styles::default()),
                _ => {}
            }
        }
        match name {
            "style" => {
                let (name, parent) = (tag.attribute("name"), tag.attribute("parent-style-name"));
                let is_text = tag.attribute("family").as_deref() == Some("text");
                self.style = name.clone().filter(|_| is_text).unwrap_or_default();
                if let (Some(name), Some(parent)) = (name, parent)
                    && self.styles.len() < MAX_STYLES
                {
                    self.styles.insert(name, parent);
                }
            }
            "text-properties" if !self.style.is_empty() && self.text_styles.len() < MAX_STYLES => {
                let name = std::mem::take(&mut self.style);
                self.text_styles.insert(name, text_styles(tag));
            }
            "span" if !tag.is_empty => {
                let name = tag.attribute("style-name").unwrap_or_default();
                let outer = self.spans.last().copied().unwrap_or_default();
                self.spans.push(outer.or(self.styles_of(&name)));
            }
            "p" | "h" if !tag.is_empty && self.open.len() < MAX_OPEN => {
                let level = tag.attribute("outline-level").and_then(|l| l.parse().ok());
                self.open.push(Paragraph {
                    anchor: self.anchor(tag),
                    style: tag.attribute("style-name").unwrap_or_default(),
                    level: level.or((name == "h").then_some(1)).filter(|_| name == "h"),
                    ..Paragraph::default()
                });
            }
            "list-item" if !tag.is_empty => self.lists += 1,
            "note-body" if !tag.is_empty => self.notes += 1,
            "index-body" if !tag.is_empty => self.contents += 1,
            "table" if !tag.is_empty => {
                if self.tables == 0 {
                    self.rows_anchor = self.anchor(tag);
                }
                self.tables += 1;
            }
            "table-cell" if !self.rows.is_empty() && !self.rows.ends_with('\n') => {
                self.rows.push('\t', Styles::default());
            }
            _ => {}
        }
    }

    fn close(&mut self, name: &str) -> Result<()> {
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        match name {
            "p" | "h" | "desc" => self.end_paragraph()?,
            "list-item" => self.lists = self.lists.saturating_sub(1),
            "note-body" => self.notes = self.notes.saturating_sub(1),
            "index-body" => self.contents = self.contents.saturating_sub(1),
            "span" => drop(self.spans.pop()),
            "table-row" => self.rows.push('\n', Styles::default()),
            "table" => {
                self.tables = self.tables.saturating_sub(1);
                if self.tables == 0 {
                    let rows = std::mem::take(&mut self.rows);
                    self.flow
                        .add(BlockKind::Table, 0, &rows, &self.rows_anchor)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.skip == 0
            && let Some(paragraph) = self.open.last_mut()
        {
            let styles = self.spans.last().copied().unwrap_or_default();
            paragraph.text.push_str(text, styles);
        }
    }

    fn anchor(&self, tag: &Tag<'_>) -> Anchor {
        let id = tag.qualified("xml:id").filter(|id| id.len() <= 200);
        Anchor {
            path: Some(Arc::clone(&self.path)),
            fragment: id.map(Into::into),
            offset: offset(self.at),
            ..Anchor::default()
        }
    }

    /// What a style of text looks like: as it says, or as the one that it changes is named.
    fn styles_of(&self, name: &str) -> Styles {
        let own = self.text_styles.get(name).copied().unwrap_or_default();
        let parent = self.styles.get(name).map_or(name, String::as_str);
        let named = match parent {
            "Emphasis" => Styles::default().with(Style::Emphasis, true),
            "Strong_20_Emphasis" => Styles::default().with(Style::Strong, true),
            _ => Styles::default(),
        };
        own.or(named)
    }

    fn role(&self, paragraph: &Paragraph) -> Role {
        let mut style = paragraph.style.as_str();
        let own = role_of_name(style);
        let own = match self.styles.get(style) {
            Some(parent) if own == Role::Text => {
                style = parent;
                role_of_name(style)
            }
            _ => own,
        };
        match (own, paragraph.level) {
            (Role::Title, _) => Role::Title,
            (_, Some(level)) => Role::Heading(u8::clamp(level, 1, 9)),
            (role, None) => role,
        }
    }

    fn end_paragraph(&mut self) -> Result<()> {
        let Some(mut paragraph) = self.open.pop() else {
            return Ok(());
        };
        if paragraph.style == "!image" {
            match self.open.last_mut() {
                Some(outer) => outer.images.push(paragraph.text),
                None => {
                    let Paragraph { text, anchor, .. } = &paragraph;
                    self.flow.add(BlockKind::Image, 0, text, anchor)?;
                }
            }
            return Ok(());
        }
        if self.notes > 0
            && let Some(outer) = self.open.last_mut()
        {
            outer.notes.push((paragraph.text, paragraph.anchor));
            return Ok(());
        }
        if self.tables > 0 {
            if !self.rows.ends_with(['\t', '\n']) && !self.rows.is_empty() {
                self.rows.push(' ', Styles::default());
            }
            let text = std::mem::take(&mut paragraph.text);
            let cell = text.blanked(|c| matches!(c, '\n' | '\t'));
            self.rows.append(&cell);
        } else {
            if paragraph.style == "Horizontal_20_Line" && paragraph.text.trim().is_empty() {
                let none = Rich::default();
                self.flow
                    .add(BlockKind::SceneBreak, 0, &none, &paragraph.anchor)?;
            }
            let role = self.role(&paragraph);
            let (kind, level) = match role {
                _ if self.contents > 0 => (BlockKind::ListItem, 0),
                Role::Title => (BlockKind::Heading, 0),
                Role::Heading(level) => (BlockKind::Heading, level),
                Role::Quote => (BlockKind::Quote, 0),
                Role::Verse => (BlockKind::Verse, 0),
                Role::Code => (BlockKind::Preformatted, 0),
                Role::Item => (BlockKind::ListItem, 0),
                Role::Text if self.lists > 0 => (BlockKind::ListItem, 0),
                Role::Text => (BlockKind::Paragraph, 0),
            };
            if role == Role::Title && self.title.is_none() {
                self.title = whole::tidy(&paragraph.text);
            }
            let Paragraph { text, anchor, .. } = &paragraph;
            self.flow.add(kind, level, text, anchor)?;
        }
        for alt in &paragraph.images {
            self.flow.add(BlockKind::Image, 0, alt, &paragraph.anchor)?;
        }
        for (note, anchor) in &paragraph.notes {
            self.flow.add(BlockKind::Footnote, 0, note, anchor)?;
        }
        Ok(())
    }
}

/// What a style says of slant and weight.
fn text_styles(tag: &Tag<'_>) -> Styles {
    let slant = tag.attribute("font-style").unwrap_or_default();
    let weight = tag.attribute("font-weight").unwrap_or_default();
    let is_bold = weight == "bold" || weight.parse::<u16>().is_ok_and(|weight| weight >= 600);
    Styles::default()
        .with(
            Style::Emphasis,
            matches!(slant.as_str(), "italic" | "oblique"),
        )
        .with(Style::Strong, is_bold)
}
