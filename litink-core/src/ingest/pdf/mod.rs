//! PDF with a text layer: glyphs to lines, lines to paragraphs, headings by outline and size.
//!
//! hayro reads the file and says where each glyph stands; everything about reading order is here.

mod glyphs;
mod headings;
mod layout;
mod outline;
mod strings;

use std::panic::{AssertUnwindSafe, catch_unwind};

use hayro_interpret::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};

use self::layout::Line;
use super::{
    Format, ParsedBook, ReadSeek,
    book::Warnings,
    flow::{self, Flow},
    limits::{Limits, exceeded, text_too_large},
    outline as chapters, whole,
};
use crate::{Error, Result, domain::BlockKind};

/// Reads a file of `len` bytes.
pub(super) fn read(
    source: &mut dyn ReadSeek,
    len: u64,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<ParsedBook> {
    let bytes = whole::bytes(source, len, limits)?;
    let has_header = bytes.windows(5).take(1024).any(|w| w == b"%PDF-");
    let document = on_large_stack(|| parse(bytes, limits))?;
    let document = document.filter(|_| has_header).ok_or_else(corrupt)??;
    document.check_text(warnings)?;
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
    let title = title.or_else(|| headings::title(&text));
    let mut flow = Flow::new(limits);
    for block in headings::mark(text, &marks) {
        flow.add(block.kind, block.level, &block.text)?;
    }
    let blocks = flow.finish()?;
    let drafts = flow::divide(blocks, title.as_deref());
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

impl Document {
    /// Whether there is text enough, and whether it can be told what it says.
    fn check_text(&self, warnings: &mut Warnings) -> Result<()> {
        let glyphs = self.chars + self.unknown;
        if glyphs == 0 || glyphs < self.pages.len().saturating_mul(PAGE_CHARS) / 2 {
            return Err(no_text_layer());
        }
        if self.unknown * 100 > glyphs * MAX_UNKNOWN_PERCENT {
            return Err(Error::invalid(
                "text_layer_unreadable",
                "the fonts of this PDF do not say which characters their shapes are; run it \
                 through OCR (such as ocrmypdf), or use an EPUB",
            )
            .with_context("unknown_percent", self.unknown * 100 / glyphs));
        }
        if self.unknown * 100 > glyphs * WARN_UNKNOWN_PERCENT {
            warnings.push(
                "text_layer_poor",
                format!("{} of {glyphs} characters could not be told", self.unknown),
            );
        }
        if self.pages_without_text * 2 > self.pages.len() {
            warnings.push(
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
/// panicked.
fn on_large_stack<T: Send>(run: impl FnOnce() -> T + Send) -> Result<Option<T>> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
        let handle = builder.spawn_scoped(scope, || catch_unwind(AssertUnwindSafe(run)).ok())?;
        Ok(handle.join().ok().flatten())
    })
}

fn parse(bytes: Vec<u8>, limits: &Limits) -> Result<Document> {
    let pdf = Pdf::new(bytes).map_err(load_error)?;
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
    let found = glyphs::read(&pdf, limits.max_text_bytes).ok_or_else(|| text_too_large(limits))?;
    let chars = |lines: &Vec<Line>| -> usize { lines.iter().map(|l| l.text.chars().count()).sum() };
    let info = pdf.metadata();
    Ok(Document {
        chars: found.pages.iter().map(chars).sum(),
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
        "the PDF is a scan: its pages are pictures without text; run it through OCR (such as \
         ocrmypdf) first",
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
