//! Rich Text Format.

mod reader;
mod words;

use super::{
    Format, ParsedBook, ReadSeek,
    book::Report,
    flow,
    limits::{Limits, text_too_large},
    outline, whole,
};
use crate::Result;

/// Reads a document of `len` bytes; pictures count, so it may be longer than its text.
pub(super) fn read(
    source: &mut dyn ReadSeek,
    len: u64,
    limits: &Limits,
    report: &mut Report,
) -> Result<ParsedBook> {
    if len > limits.max_whole_bytes {
        return Err(text_too_large(limits));
    }
    let bytes = whole::bytes(source, len, limits)?;
    let document = reader::read(&bytes, limits)?;
    if document.flattened {
        report.warn(
            "nesting_flattened",
            "groups nested too deeply were read as if less deep",
        );
    }
    let blocks = document.flow.finish()?;
    let drafts = flow::divide(blocks, document.title.as_deref(), report);
    let chapters = outline::chapters(drafts, document.title.as_deref());
    Ok(ParsedBook {
        title: document.title,
        authors: document.author.into_iter().collect(),
        ..whole::book(Format::Rtf, chapters)
    })
}
