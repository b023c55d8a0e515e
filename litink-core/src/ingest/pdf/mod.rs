//! PDF: glyphs to lines, lines to paragraphs, headings by outline and size. Pages that are pictures are
//! given to a reader of such.
//!
//! hayro reads the file and says where each glyph stands; everything about reading order is here.

mod glyphs;
mod headings;
mod layout;
mod outline;
mod scan;
mod streams;
mod strings;

use std::{
    cell::RefCell,
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    time::Instant,
};

use hayro_interpret::hayro_syntax::{DecryptionError, LoadPdfError, Pdf, PdfData};

use self::layout::Line;
use super::{
    Format, ParsedBook, ReadSeek, Recognise,
    book::Report,
    flow::{self, Flow},
    limits::{Limits, exceeded, too_slow},
    outline as chapters, whole,
};
use crate::{
    Error, Result,
    domain::{Anchor, BlockKind},
};

/// Reads a file of `len` bytes.
pub(super) fn read(
    source: &mut dyn ReadSeek,
    len: u64,
    limits: &Limits,
    ocr: Option<&Recognise<'_>>,
    report: &mut Report,
) -> Result<ParsedBook> {
    let bytes = whole::bytes(source, len, limits)?;
    let has_header = bytes.windows(5).take(1024).any(|w| w == b"%PDF-");
    streams::check(&bytes, limits)?;
    let deadline = Instant::now() + limits.max_time;
    let own = limits.clone();
    let data = PdfData::from(bytes);
    let copy = data.clone();
    let document = on_large_stack(limits, move || parse(copy, &own, deadline))?;
    let mut document = document.filter(|_| has_header).ok_or_else(corrupt)??;
    match ocr {
        Some(ocr) if document.is_scanned() => document.recognise(data, ocr, limits, report)?,
        _ => document.check_text(report)?,
    }
    let Document {
        pages,
        marks,
        title,
        author,
        language,
        ..
    } = document;
    let Some(text) = layout::paragraphs(pages) else {
        return Err(no_text_layer());
    };
    if title.is_none() {
        report.decide("title", "largest_type", 0.6);
    }
    let title = title.or_else(|| headings::title(&text));
    let mut flow = Flow::new(limits);
    for block in headings::mark(text, &marks) {
        let anchor = Anchor {
            page: u32::try_from(block.page + 1).ok(),
            ..Anchor::default()
        };
        flow.add(block.kind, block.level, &block.text.into(), &anchor)?;
    }
    let blocks = flow.finish()?;
    let drafts = flow::divide(blocks, title.as_deref(), report);
    if report.method("chapters") == Some("headings") {
        match marks.len() {
            // An outline of one line is the title.
            0 | 1 => report.decide("chapters", "type_sizes", 0.75),
            _ => report.decide("chapters", "outline", 0.95),
        }
    }
    let chapters = chapters::chapters(drafts, title.as_deref());
    Ok(ParsedBook {
        title,
        authors: author.into_iter().collect(),
        language,
        ..whole::book(Format::Pdf, chapters)
    })
}

/// What was taken out of a file.
struct Document {
    /// Lines of each page.
    pages: Vec<Vec<Line>>,
    marks: Vec<outline::Mark>,
    title: Option<String>,
    author: Option<String>,
    language: Option<String>,
    chars: usize,
    /// Glyphs of which nobody says what they mean.
    unknown: usize,
    pages_without_text: usize,
}

/// Above this share of unknown glyphs a text is not worth reading; above the second, a warning.
const MAX_UNKNOWN_PERCENT: usize = 20;
const WARN_UNKNOWN_PERCENT: usize = 1;
/// Fewer characters on a page are a page number, or a stamp.
const PAGE_CHARS: usize = 30;
/// Below this confidence what was read on pictures is doubtful.
const DOUBTFUL: f64 = 0.7;

fn chars(lines: &[Line]) -> usize {
    lines.iter().map(|line| line.text.chars().count()).sum()
}

impl Document {
    fn has_no_text(&self) -> bool {
        let glyphs = self.chars + self.unknown;
        glyphs == 0 || glyphs < self.pages.len().saturating_mul(PAGE_CHARS) / 2
    }

    /// Whether the book, or most of it, is pictures of pages.
    fn is_scanned(&self) -> bool {
        self.has_no_text() || self.pages_without_text * 2 > self.pages.len()
    }

    /// Has the pages without text read by somebody who can.
    fn recognise(
        &mut self,
        data: PdfData,
        ocr: &Recognise<'_>,
        limits: &Limits,
        report: &mut Report,
    ) -> Result<()> {
        let is_bare = |lines: &[Line]| chars(lines) < PAGE_CHARS;
        let bare = self.pages.iter().enumerate().filter(|(_, it)| is_bare(it));
        let wanted: HashSet<usize> = bare.map(|(index, _)| index).collect();
        let given = RefCell::new(Vec::new());
        let mut pictures = scan::pictures(data, wanted, limits)?.inspect(|picture| {
            if let Ok(picture) = picture {
                let index = (picture.number as usize).saturating_sub(1);
                given.borrow_mut().push((index, picture.dpi));
            }
        });
        let read = ocr(&mut pictures)?;
        let (mut sum, mut count) = (0.0, 0_u32);
        for (lines, (index, dpi)) in read.into_iter().zip(given.take()) {
            for line in &lines {
                sum += f64::from(line.confidence);
                count += 1;
            }
            if let Some(page) = self.pages.get_mut(index) {
                *page = scan::lines(lines, dpi);
            }
        }
        if count == 0 {
            return Err(no_text_layer());
        }
        scan::settle_sizes(&mut self.pages);
        let confidence = (sum / f64::from(count)).clamp(0.0, 1.0);
        report.decide("text", "ocr", confidence);
        if confidence < DOUBTFUL {
            let message = "much of what is written on the pages could not be read for sure; is its \
                           language among `ocr_languages`?";
            report.warn("ocr_doubtful", message);
        }
        Ok(())
    }

    /// Whether there is text enough, and whether it can be told what it says.
    fn check_text(&self, report: &mut Report) -> Result<()> {
        if self.has_no_text() {
            return Err(no_text_layer());
        }
        let glyphs = self.chars + self.unknown;
        if self.unknown * 100 > glyphs * MAX_UNKNOWN_PERCENT {
            return Err(Error::invalid(
                "text_layer_unreadable",
                "the fonts of this PDF do not say which characters their shapes are; run it \
                 through OCR (such as ocrmypdf), or use an EPUB",
            )
            .with_context("unknown_percent", self.unknown * 100 / glyphs));
        }
        if self.unknown * 100 > glyphs * WARN_UNKNOWN_PERCENT {
            report.warn(
                "text_layer_poor",
                format!("{} of {glyphs} characters could not be told", self.unknown),
            );
        }
        if self.pages_without_text * 2 > self.pages.len() {
            report.warn(
                "pages_without_text",
                format!(
                    "{} of {} pages are pictures, and what is written on them was left out",
                    self.pages_without_text,
                    self.pages.len()
                ),
            );
        }
        Ok(())
    }
}

/// Deep enough for the nesting that the parser allows itself.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Runs the parser where neither deep recursion nor a panic of it reaches further; `None` when it
/// panicked. When the time is over nobody waits for it: it ends with the page that it is at.
fn on_large_stack<T: Send + 'static>(
    limits: &Limits,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
    builder.spawn(move || {
        // Nobody listens any more when the time is over.
        let _ = sender.send(catch_unwind(AssertUnwindSafe(run)).ok());
    })?;
    match receiver.recv_timeout(limits.max_time) {
        Ok(found) => Ok(found),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(too_slow(limits)),
        Err(mpsc::RecvTimeoutError::Disconnected) => Ok(None),
    }
}

fn parse(data: PdfData, limits: &Limits, deadline: Instant) -> Result<Document> {
    let pdf = Pdf::new(data).map_err(load_error)?;
    let count = pdf.pages().len();
    if count == 0 {
        return Err(corrupt());
    }
    if count > limits.max_pages {
        return Err(exceeded(
            "too_many_pages",
            "the PDF has more pages than allowed; split it, or raise max_pages",
            limits.max_pages as u64,
        ));
    }
    let found = glyphs::read(&pdf, limits, deadline)?;
    let info = pdf.metadata();
    Ok(Document {
        chars: found.pages.iter().map(|it| chars(it)).sum(),
        unknown: found.unknown,
        pages_without_text: found.pages.iter().filter(|p| chars(p) < PAGE_CHARS).count(),
        pages: found.pages,
        marks: outline::read(&pdf),
        title: info.title.as_deref().and_then(strings::title),
        author: info.author.as_deref().and_then(strings::decode),
        language: outline::language(&pdf),
    })
}

fn load_error(error: LoadPdfError) -> Error {
    match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => Error::invalid(
            "password_required",
            "the PDF is locked with a password; save it again without one",
        ),
        LoadPdfError::Decryption(_) => Error::invalid(
            "drm_protected",
            "the PDF is encrypted in a way that litink does not know (DRM?); use a copy without it",
        ),
        LoadPdfError::Invalid => corrupt(),
    }
}

fn corrupt() -> Error {
    Error::invalid(
        "corrupt_pdf",
        "the PDF is damaged or was cut short; get it again from where it came from",
    )
}

fn no_text_layer() -> Error {
    Error::invalid(
        "no_text_layer",
        "the PDF is a scan: its pages are pictures without text; install tesseract (the Debian package \
         `tesseract-ocr`), or run it through OCR (such as ocrmypdf) first",
    )
}

/// A paragraph or heading with where it stood.
#[derive(Debug)]
struct Paragraph {
    kind: BlockKind,
    level: u8,
    text: String,
    page: usize,
    size: f64,
}
