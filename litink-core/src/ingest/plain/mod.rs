//! Plain text, as it comes from Project Gutenberg, from editors and from conversions.

mod divide;
mod emphasis;
pub(super) mod gutenberg;
mod headings;
mod paragraphs;

use std::io::Read;

pub(super) use self::paragraphs::{both_ideographic, ends_sentence};
use super::{
    Format, Limits, ParsedBook, ReadSeek,
    block::RawBlock,
    book::Report,
    detect, encoding,
    limits::{Meter, text_too_large},
    outline::{self, Draft},
    whole,
};
use crate::{Error, Result};

/// Reads a text of `len` bytes. Too long a one is refused before any of it is read.
pub(super) fn read(
    source: &mut dyn ReadSeek,
    len: u64,
    limits: &Limits,
    report: &mut Report,
) -> Result<ParsedBook> {
    if len > limits.max_text_bytes {
        return Err(text_too_large(limits));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
    Read::take(&mut *source, limits.max_text_bytes).read_to_end(&mut bytes)?;
    let decoded = encoding::decode(bytes, limits)?;
    if let Some(name) = decoded.guessed {
        report.warn(
            "encoding_guessed",
            format!("the text was read as {name}, which is a guess"),
        );
    }
    if !is_text(&decoded.text) {
        return Err(not_text());
    }
    let framed = gutenberg::unframe(&decoded.text);
    if framed.was_framed {
        report.warn(
            "gutenberg_frame_removed",
            "Project Gutenberg's header and licence were left out",
        );
    }
    let start = framed.body.as_ptr() as usize - decoded.text.as_ptr() as usize;
    let blocks = paragraphs::blocks(framed.body, start, &mut Meter::new(limits))?;
    if blocks.is_empty() {
        return Err(Error::invalid(
            "empty_book",
            "the file has no text but blanks; check the file",
        ));
    }
    let drafts = divide::divide(blocks, report);
    let (title, authors) = match framed.title {
        Some(title) => (Some(title), framed.authors),
        None => {
            report.decide("title", "title_page", 0.6);
            report.decide("authors", "title_page", 0.6);
            title_page(&drafts)
        }
    };
    let chapters = outline::chapters(drafts, title.as_deref());
    Ok(ParsedBook {
        title,
        authors,
        language: framed.language,
        published: framed.published,
        ..whole::book(Format::Text, chapters)
    })
}

/// Divides paragraphs that come from another format and have no headings of their own.
pub(super) fn divide_blocks(blocks: Vec<RawBlock>, report: &mut Report) -> Vec<Draft> {
    let text_block = |block: RawBlock| paragraphs::TextBlock {
        first_line_bytes: block.text.lines().next().map_or(0, str::len),
        lines: block.text.lines().count(),
        block,
    };
    divide::divide(blocks.into_iter().map(text_block).collect(), report)
}

/// More words before the first heading are no title page.
const TITLE_PAGE_WORDS: usize = 60;
const MAX_TITLE_CHARS: usize = 100;

/// Title and author from the few lines before the first heading: its first, and `by ...`.
fn title_page(drafts: &[Draft]) -> (Option<String>, Vec<String>) {
    let Some(page) = drafts.first().filter(|page| page.is_untitled_piece) else {
        return (None, Vec::new());
    };
    let texts = || page.blocks.iter().map(|block| block.text.as_str());
    let words: usize = texts().map(|text| text.split_whitespace().count()).sum();
    let title = texts()
        .next()
        .filter(|title| title.chars().count() <= MAX_TITLE_CHARS);
    if words > TITLE_PAGE_WORDS || title.is_none() {
        return (None, Vec::new());
    }
    let by = |text: &str| {
        let start = text
            .get(..3)
            .filter(|start| start.eq_ignore_ascii_case("by "));
        start.map(|_| text[3..].trim().to_owned())
    };
    (title.map(str::to_owned), texts().filter_map(by).collect())
}

/// The refusal of what is called text but is none.
pub(super) fn not_text() -> Error {
    Error::invalid(
        "not_text",
        "the file is named as text but holds binary data; check the file",
    )
}

/// Control characters and undecodable bytes are rare in text.
fn is_text(text: &str) -> bool {
    let control = text.bytes().filter(|b| detect::is_control(*b)).count();
    let broken = text.matches('\u{FFFD}').count();
    control * 200 <= text.len() && broken * 20 <= text.len()
}
