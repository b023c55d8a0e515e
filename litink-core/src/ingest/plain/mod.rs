//! Plain text, as it comes from Project Gutenberg, from editors and from conversions.

mod divide;
mod gutenberg;
mod headings;
mod paragraphs;

use std::io::Read;

use super::{
    Format, Limits, ParsedBook, ReadSeek,
    book::Warnings,
    detect, encoding,
    limits::{Meter, text_too_large},
    outline,
};
use crate::{Error, Result};

/// Reads a text of `len` bytes. Too long a one is refused before any of it is read.
pub(super) fn read(
    source: &mut dyn ReadSeek,
    len: u64,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<ParsedBook> {
    if len > limits.max_text_bytes {
        return Err(text_too_large(limits));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
    Read::take(&mut *source, limits.max_text_bytes).read_to_end(&mut bytes)?;
    let decoded = encoding::decode(bytes, limits)?;
    if let Some(name) = decoded.guessed {
        warnings.push(
            "encoding_guessed",
            format!("the text was read as {name}, which is a guess"),
        );
    }
    if !is_text(&decoded.text) {
        return Err(not_text());
    }
    let framed = gutenberg::unframe(&decoded.text);
    if framed.was_framed {
        warnings.push(
            "gutenberg_frame_removed",
            "Project Gutenberg's header and licence were left out",
        );
    }
    let blocks = paragraphs::blocks(framed.body, &mut Meter::new(limits))?;
    if blocks.is_empty() {
        return Err(Error::invalid(
            "empty_book",
            "the file has no text but blanks; check the file",
        ));
    }
    let drafts = divide::divide(blocks);
    Ok(ParsedBook {
        format: Format::Text,
        chapters: outline::chapters(drafts, framed.title.as_deref()),
        title: framed.title,
        authors: framed.authors,
        language: framed.language,
        identifier: None,
        publisher: None,
        published: framed.published,
        description: None,
        cover: None,
        warnings: Vec::new(),
    })
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
