//! OpenDocument text (LibreOffice and others); flat `.fodt` files, too.

use std::collections::HashMap;

use super::{
    Format, ParsedBook,
    archive::{Archive, Fault, corrupt_archive, entry_error},
    book::Warnings,
    docx::{self, Role, role_of_name},
    flow::{self, Flow},
    limits::Limits,
    markup::{Markup, Piece, Tag},
    outline, whole,
};
use crate::{Error, Result, domain::BlockKind};

/// Reads the document of an archive.
pub(super) fn read(
    archive: &mut Archive<'_>,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<ParsedBook> {
    let manifest = archive.read("META-INF/manifest.xml", 1024 * 1024);
    if manifest.is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains("encryption-data")) {
        return Err(Error::invalid(
            "password_required",
            "the document is encrypted with a password; save it again without one",
        ));
    }
    let mut part = |path: &str| match archive.read(path, limits.document_cap()) {
        Ok(bytes) => whole::decode(bytes, limits, warnings).map(Some),
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
        rows: String::new(),
        title: None,
    };
    for piece in Markup::new(&content) {
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
    head.title = head.title.or(reader.title);
    let blocks = reader.flow.finish()?;
    let drafts = flow::divide(blocks, head.title.as_deref());
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
    text: String,
    style: String,
    level: Option<u8>,
    notes: Vec<String>,
    images: Vec<String>,
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
    rows: String,
    title: Option<String>,
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
                "s" | "tab" => paragraph.text.push(' '),
                "line-break" => paragraph.text.push('\n'),
                _ => {}
            }
        }
        match name {
            "style" => {
                let (name, parent) = (tag.attribute("name"), tag.attribute("parent-style-name"));
                if let (Some(name), Some(parent)) = (name, parent)
                    && self.styles.len() < MAX_STYLES
                {
                    self.styles.insert(name, parent);
                }
            }
            "p" | "h" if !tag.is_empty && self.open.len() < MAX_OPEN => {
                let level = tag.attribute("outline-level").and_then(|l| l.parse().ok());
                self.open.push(Paragraph {
                    style: tag.attribute("style-name").unwrap_or_default(),
                    level: level.or((name == "h").then_some(1)).filter(|_| name == "h"),
                    ..Paragraph::default()
                });
            }
            "list-item" if !tag.is_empty => self.lists += 1,
            "note-body" if !tag.is_empty => self.notes += 1,
            "index-body" if !tag.is_empty => self.contents += 1,
            "table" if !tag.is_empty => self.tables += 1,
            "table-cell" if !self.rows.is_empty() && !self.rows.ends_with('\n') => {
                self.rows.push('\t');
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
            "table-row" => self.rows.push('\n'),
            "table" => {
                self.tables = self.tables.saturating_sub(1);
                if self.tables == 0 {
                    let rows = std::mem::take(&mut self.rows);
                    self.flow.add(BlockKind::Table, 0, &rows)?;
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
            paragraph.text.push_str(text);
        }
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
        let Some(paragraph) = self.open.pop() else {
            return Ok(());
        };
        if paragraph.style == "!image" {
            match self.open.last_mut() {
                Some(outer) => outer.images.push(paragraph.text),
                None => self.flow.add(BlockKind::Image, 0, &paragraph.text)?,
            }
            return Ok(());
        }
        if self.notes > 0
            && let Some(outer) = self.open.last_mut()
        {
            outer.notes.push(paragraph.text);
            return Ok(());
        }
        if self.tables > 0 {
            if !self.rows.ends_with(['\t', '\n']) && !self.rows.is_empty() {
                self.rows.push(' ');
            }
            self.rows
                .push_str(&paragraph.text.replace(['\n', '\t'], " "));
        } else {
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
            self.flow.add(kind, level, &paragraph.text)?;
        }
        for alt in &paragraph.images {
            self.flow.add(BlockKind::Image, 0, alt)?;
        }
        for note in &paragraph.notes {
            self.flow.add(BlockKind::Footnote, 0, note)?;
        }
        Ok(())
    }
}
