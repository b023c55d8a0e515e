//! What formats that are read whole have in common.

use std::io::Read;

use super::{
    Format, ParsedBook, ParsedChapter, ReadSeek,
    book::Report,
    encoding,
    limits::{Limits, exceeded, text_too_large},
};
use crate::Result;

/// Reads and decodes a text of `len` bytes; too long a one is refused before it is read.
pub(super) fn text(
    source: &mut dyn ReadSeek,
    len: u64,
    limits: &Limits,
    report: &mut Report,
) -> Result<String> {
    if len > limits.max_text_bytes {
        return Err(text_too_large(limits));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
    Read::take(&mut *source, limits.max_text_bytes).read_to_end(&mut bytes)?;
    decode(bytes, limits, report)
}

/// Decodes a text, with a warning when its encoding had to be guessed.
pub(super) fn decode(bytes: Vec<u8>, limits: &Limits, report: &mut Report) -> Result<String> {
    let decoded = encoding::decode(bytes, limits)?;
    if let Some(name) = decoded.guessed {
        report.warn(
            "encoding_guessed",
            format!("the text was read as {name}, which is a guess"),
        );
    }
    Ok(decoded.text)
}

/// Reads a file that has to be held whole.
pub(super) fn bytes(source: &mut dyn ReadSeek, len: u64, limits: &Limits) -> Result<Vec<u8>> {
    if len > limits.max_whole_bytes {
        return Err(exceeded(
            "file_too_large",
            "a file of this kind has to be held in memory and is larger than allowed for that; \
             make it smaller, or raise max_whole_bytes",
            limits.max_whole_bytes,
        ));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
    Read::take(&mut *source, limits.max_whole_bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A book of which only the chapters are known.
pub(super) fn book(format: Format, chapters: Vec<ParsedChapter>) -> ParsedBook {
    ParsedBook {
        format,
        title: None,
        authors: Vec::new(),
        language: None,
        identifier: None,
        identifiers: Vec::new(),
        series: None,
        publisher: None,
        published: None,
        description: None,
        cover: None,
        chapters,
        warnings: Vec::new(),
        decisions: Vec::new(),
    }
}

/// White space collapsed; `None` when nothing is left.
pub(super) fn tidy(text: &str) -> Option<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}
