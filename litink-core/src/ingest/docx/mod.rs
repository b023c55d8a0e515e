//! Office Open XML text (Word and most others).

mod styles;

use std::{collections::HashMap, sync::Arc};

use self::styles::Sheet;
pub(super) use self::styles::{Role, role_of_name};
use super::{
    Format, ParsedBook,
    archive::{Archive, Fault, corrupt_archive, entry_error},
    block::offset,
    book::Report,
    flow::{self, Flow},
    limits::Limits,
    markup::{Markup, Piece, Tag},
    outline,
    page::Head,
    rich::{Rich, Styles},
    whole,
};
use crate::{
    Result,
    domain::{Anchor, BlockKind, Style},
};

pub(super) const DOCUMENT: &str = "word/document.xml";

/// Reads the document of an archive.
pub(super) fn read(
    archive: &mut Archive<'_>,
    limits: &Limits,
    report: &mut Report,
) -> Result<ParsedBook> {
    let document = part(archive, DOCUMENT, limits, report)?.ok_or_else(corrupt_archive)?;
    let styles = part(archive, "word/styles.xml", limits, report)?;
    let styles = Sheet::read(styles.as_deref().unwrap_or_default());
    let mut notes = HashMap::new();
    for (path, kind) in [("word/footnotes.xml", 'f'), ("word/endnotes.xml", 'e')] {
        if let Some(text) = part(archive, path, limits, report)? {
            read_notes(&text, path, kind, &mut notes);
        }
    }
    let mut head = match part(archive, "docProps/core.xml", limits, report)? {
        Some(core) => metadata(&core),
        None => Head::default(),
    };
    let mut reader = Reader {
        flow: Flow::new(limits),
        styles: &styles,
        notes: &notes,
        open: vec![Paragraph::default()],
        skip: 0,
        table: 0,
        rows: Rich::default(),
        rows_anchor: Anchor::default(),
        in_text: false,
        run: None,
        title: None,
        path: DOCUMENT.into(),
        at: 0,
    };
    let mut pieces = Markup::new(&document);
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
    reader.end_table()?;
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
        identifier: head.identifiers.first().map(|it| it.value.clone()),
        identifiers: head.identifiers,
        ..whole::book(Format::Docx, chapters)
    })
}

/// A part of the package as text; `None` when there is none or it cannot be had.
fn part(
    archive: &mut Archive<'_>,
    path: &str,
    limits: &Limits,
    report: &mut Report,
) -> Result<Option<String>> {
    match archive.read(path, limits.document_cap()) {
        Ok(bytes) => whole::decode(bytes, limits, report).map(Some),
        Err(Fault::Missing) => Ok(None),
        Err(Fault::Damaged) if path != DOCUMENT => {
            let message = format!("{path} is damaged and was left out");
            report.warn("chapter_unreadable", message);
            Ok(None)
        }
        Err(fault) => Err(entry_error(fault, limits)),
    }
}

/// Dublin Core, as Office and OpenDocument have it.
pub(super) fn metadata(text: &str) -> Head {
    let mut head = Head::default();
    let mut value = String::new();
    for piece in Markup::new(text) {
        match piece {
            Piece::Open(_) => value.clear(),
            Piece::Text(text) => value.push_str(&text),
            Piece::Close(name) => {
                let name = match name.as_ref() {
                    "initial-creator" => "creator",
                    name => name,
                };
                // The program's name is no author.
                if value.trim() != "python-docx" {
                    head.take(name, &value);
                }
                value.clear();
            }
        }
    }
    head
}

type Notes = HashMap<(char, String), (Rich, Anchor)>;

/// Texts of the notes, by kind and id.
fn read_notes(text: &str, path: &str, kind: char, notes: &mut Notes) {
    let mut id = None;
    let mut note = Rich::default();
    let mut anchor = Anchor::default();
    let mut in_text = false;
    let mut run = None;
    let path: Arc<str> = path.into();
    let mut pieces = Markup::new(text);
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Open(tag) => match tag.name.as_ref() {
                "footnote" | "endnote" => {
                    note = Rich::default();
                    anchor = Anchor {
                        path: Some(Arc::clone(&path)),
                        offset: offset(pieces.at()),
                        ..Anchor::default()
                    };
                    let is_own = tag.attribute("type").is_none_or(|t| t == "normal");
                    id = tag.attribute("id").filter(|_| is_own);
                }
                "p" | "tab" | "br" => note.push(' ', Styles::default()),
                "t" => in_text = !tag.is_empty,
                _ => style_run(&mut run, &tag),
            },
            Piece::Close(name) => match name.as_ref() {
                "t" => in_text = false,
                "r" => run = None,
                "footnote" | "endnote" => {
                    if let Some(id) = id.take() {
                        notes.insert((kind, id), (std::mem::take(&mut note), anchor.clone()));
                    }
                }
                _ => {}
            },
            Piece::Text(text) if in_text => note.push_str(&text, run.unwrap_or_default()),
            Piece::Text(_) => {}
        }
    }
}

/// What a run's properties say of its styles; `run` is `None` outside of runs.
fn style_run(run: &mut Option<Styles>, tag: &Tag<'_>) {
    let style = match tag.name.as_ref() {
        "r" if !tag.is_empty => {
            *run = Some(Styles::default());
            return;
        }
        "i" => Style::Emphasis,
        "b" => Style::Strong,
        "rstyle" => match tag.attribute("val").as_deref() {
            Some("Emphasis" | "IntenseEmphasis" | "SubtleEmphasis") => Style::Emphasis,
            Some("Strong") => Style::Strong,
            _ => return,
        },
        _ => return,
    };
    let is_off = matches!(
        tag.attribute("val").as_deref(),
        Some("0" | "false" | "none" | "off")
    );
    if let Some(styles) = run {
        *styles = styles.with(style, !is_off);
    }
}

/// A paragraph as it is read; text boxes have some inside others.
#[derive(Debug, Default)]
struct Paragraph {
    text: Rich,
    anchor: Anchor,
    style: Option<String>,
    /// As the paragraph itself says, from 0.
    outline: Option<u8>,
    is_item: bool,
    notes: Vec<(char, String)>,
    images: Vec<String>,
}

struct Reader<'a> {
    flow: Flow<'a>,
    styles: &'a Sheet,
    notes: &'a Notes,
    open: Vec<Paragraph>,
    /// Open elements whose text is not of the book.
    skip: usize,
    table: usize,
    rows: Rich,
    rows_anchor: Anchor,
    in_text: bool,
    /// Styles of the open run.
    run: Option<Styles>,
    title: Option<String>,
    path: Arc<str>,
    at: u64,
}

/// Text boxes in text boxes, deeper than anybody makes them.
const MAX_OPEN: usize = 32;

impl Reader<'_> {
    fn open(&mut self, tag: &Tag<'_>) -> Result<()> {
        let name = tag.name.as_ref();
        let is_left_out = matches!(
            name,
            "fallback" | "del" | "movefrom" | "instrtext" | "sectpr"
        );
        if self.skip > 0 || is_left_out {
            self.skip += usize::from(!tag.is_empty);
            return Ok(());
        }
        match name {
            "p" if self.open.len() < MAX_OPEN && !tag.is_empty => {
                self.open.push(Paragraph {
                    anchor: self.anchor(tag.attribute("paraid")),
                    ..Paragraph::default()
                });
            }
            "tbl" if !tag.is_empty => {
                if self.table == 0 {
                    self.rows_anchor = self.anchor(None);
                }
                self.table += 1;
            }
            "t" => self.in_text = !tag.is_empty,
            "tc" if self.table > 0 && !self.rows.is_empty() && !self.rows.ends_with('\n') => {
                self.rows.push('\t', Styles::default());
            }
            _ => self.note(tag),
        }
        Ok(())
    }

    fn anchor(&self, id: Option<String>) -> Anchor {
        Anchor {
            path: Some(Arc::clone(&self.path)),
            fragment: id.filter(|id| id.len() <= 200).map(Into::into),
            offset: offset(self.at),
            ..Anchor::default()
        }
    }

    /// What stands inside a paragraph.
    fn note(&mut self, tag: &Tag<'_>) {
        style_run(&mut self.run, tag);
        let none = Styles::default();
        let Some(paragraph) = self.open.last_mut() else {
            return;
        };
        match tag.name.as_ref() {
            "pstyle" => paragraph.style = tag.attribute("val"),
            "outlinelvl" => {
                paragraph.outline = tag.attribute("val").and_then(|v| v.parse().ok());
            }
            "numpr" => paragraph.is_item = true,
            "tab" | "ptab" => paragraph.text.push(' ', none),
            "br" | "cr" => paragraph.text.push('\n', none),
            "nobreakhyphen" => paragraph.text.push('-', none),
            "footnotereference" | "endnotereference" => {
                let kind = tag.name.chars().next().unwrap_or('f');
                paragraph
                    .notes
                    .extend(tag.attribute("id").map(|id| (kind, id)));
            }
            "docpr" => paragraph.images.extend(tag.attribute("descr")),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) -> Result<()> {
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        match name {
            "t" => self.in_text = false,
            "r" => self.run = None,
            "p" if self.open.len() > 1 => self.end_paragraph()?,
            "tr" if self.table > 0 => self.rows.push('\n', Styles::default()),
            "tbl" => {
                self.table = self.table.saturating_sub(1);
                if self.table == 0 {
                    self.end_table()?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.in_text
            && self.skip == 0
            && let Some(paragraph) = self.open.last_mut()
        {
            paragraph.text.push_str(text, self.run.unwrap_or_default());
        }
    }

    fn end_paragraph(&mut self) -> Result<()> {
        let Some(mut paragraph) = self.open.pop() else {
            return Ok(());
        };
        if self.table > 0 {
            if !self.rows.ends_with(['\t', '\n']) && !self.rows.is_empty() {
                self.rows.push(' ', Styles::default());
            }
            let text = std::mem::take(&mut paragraph.text);
            let cell = text.blanked(|c| matches!(c, '\n' | '\t'));
            self.rows.append(&cell);
        } else {
            let role = self.styles.role(paragraph.style.as_deref());
            let role = match paragraph.outline {
                Some(level) if level < 9 && !matches!(role, Role::Heading(_) | Role::Title) => {
                    Role::Heading(level + 1)
                }
                _ => role,
            };
            let (kind, level) = match role {
                Role::Title => (BlockKind::Heading, 0),
                Role::Heading(level) => (BlockKind::Heading, level),
                Role::Quote => (BlockKind::Quote, 0),
                Role::Verse => (BlockKind::Verse, 0),
                Role::Code => (BlockKind::Preformatted, 0),
                Role::Item => (BlockKind::ListItem, 0),
                Role::Text if paragraph.is_item => (BlockKind::ListItem, 0),
                Role::Text => (BlockKind::Paragraph, 0),
            };
            if role == Role::Title && self.title.is_none() {
                self.title = whole::tidy(&paragraph.text);
            }
            let Paragraph { text, anchor, .. } = &paragraph;
            self.flow.add(kind, level, text, anchor)?;
        }
        for alt in paragraph.images.iter().filter(|alt| !alt.is_empty()) {
            let alt = Rich::from(alt.as_str());
            self.flow
                .add(BlockKind::Image, 0, &alt, &paragraph.anchor)?;
        }
        for key in &paragraph.notes {
            if let Some((note, anchor)) = self.notes.get(key) {
                self.flow.add(BlockKind::Footnote, 0, note, anchor)?;
            }
        }
        if self.open.is_empty() {
            self.open.push(Paragraph::default());
        }
        Ok(())
    }

    fn end_table(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        self.flow.add(BlockKind::Table, 0, &rows, &self.rows_anchor)
    }
}
