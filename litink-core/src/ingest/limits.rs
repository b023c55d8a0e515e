//! What a file may cost before it is refused.

use crate::{Error, ErrorKind, Result};

/// Ceilings that keep a hostile or broken file from using up the machine.
///
/// # Memory
///
/// Reading needs at most **5 x `max_text_bytes` + 128 bytes x `max_blocks` + 2 x
/// `max_cover_bytes` + 32 MiB** above what the source itself holds, whatever the file says about
/// itself: the file is never read whole unless it is plain text, one document of an EPUB is
/// expanded at a time, and a document is no longer than `max_text_bytes`. With the defaults that
/// is under 510 MiB for the worst file and a few times the text for an honest one. What is held
/// whole (PDF, RTF, a book inside a zip archive) comes on top with its own size, at most
/// `max_whole_bytes`; what a PDF's own compressed streams expand to while a page is read is not
/// bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest file, in bytes as stored. Default 512 MiB: richly illustrated EPUBs reach 300 MiB.
    /// Beyond it: `file_too_large`.
    pub max_file_bytes: u64,
    /// Largest file of a kind that is held whole, in bytes: PDF, RTF, and a book inside a zip
    /// archive. Default 256 MiB. Beyond it: `file_too_large`.
    pub max_whole_bytes: u64,
    /// Most pages of a PDF. Default 20,000. Beyond it: `too_many_pages`.
    pub max_pages: usize,
    /// Most text, in bytes of UTF-8: of the whole book, and of one document with its markup.
    /// Default 64 MiB, a dozen times the longest novels. Beyond it: `text_too_large`.
    pub max_text_bytes: u64,
    /// Most bytes that an archive may expand to. Default 1 GiB. Beyond it: `archive_too_large`.
    pub max_expanded_bytes: u64,
    /// Most entries of an archive. Default 10,000. Beyond it: `too_many_entries`.
    pub max_entries: usize,
    /// Most that one entry of over 1 MiB may grow when expanded, as expanded / stored. Default
    /// 200: prose reaches about 10, deflate cannot pass 1,032. Beyond it: `compression_ratio`.
    pub max_ratio: u64,
    /// Deepest nesting of elements that is followed. Default 256. What lies deeper is read as if
    /// it lay at this depth, and the warning `nesting_flattened` says so.
    pub max_depth: usize,
    /// Most blocks (paragraphs, headings, ...) of a book. Default 1,000,000. Beyond it:
    /// `too_many_blocks`.
    pub max_blocks: usize,
    /// Largest cover image, in bytes. Default 16 MiB. A larger one is left out with the warning
    /// `cover_too_large`.
    pub max_cover_bytes: u64,
}

const MIB: u64 = 1024 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_file_bytes: 512 * MIB,
            max_whole_bytes: 256 * MIB,
            max_pages: 20_000,
            max_text_bytes: 64 * MIB,
            max_expanded_bytes: 1024 * MIB,
            max_entries: 10_000,
            max_ratio: 200,
            max_depth: 256,
            max_blocks: 1_000_000,
            max_cover_bytes: 16 * MIB,
        }
    }
}

impl Limits {
    /// The most memory that reading takes, in bytes, beyond what the source holds (see above).
    #[must_use]
    pub fn memory_bound(&self) -> u64 {
        let text = self.max_text_bytes.saturating_mul(5);
        let blocks = (self.max_blocks as u64).saturating_mul(128);
        text.saturating_add(blocks)
            .saturating_add(self.max_cover_bytes.saturating_mul(2))
            .saturating_add(32 * MIB)
    }

    /// The most bytes that one text document may have.
    pub(crate) fn document_cap(&self) -> u64 {
        self.max_text_bytes.min(self.max_expanded_bytes)
    }
}

/// A [`ErrorKind::LimitExceeded`] with its code and the limit.
pub(crate) fn exceeded(code: &'static str, message: &str, limit: u64) -> Error {
    Error::new(ErrorKind::LimitExceeded, message)
        .with_code(code)
        .with_context("limit", limit)
}

/// The refusal of too much text.
pub(crate) fn text_too_large(limits: &Limits) -> Error {
    exceeded(
        "text_too_large",
        "the text is longer than a book may be; split the file, or raise max_text_bytes",
        limits.max_text_bytes,
    )
}

/// Counts the text and blocks of a book against its limits.
#[derive(Debug)]
pub(crate) struct Meter<'a> {
    limits: &'a Limits,
    text_bytes: u64,
    blocks: usize,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            text_bytes: 0,
            blocks: 0,
        }
    }

    /// Counts one block of `bytes` of text.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<()> {
        self.text_bytes = self.text_bytes.saturating_add(bytes as u64);
        self.blocks += 1;
        if self.text_bytes > self.limits.max_text_bytes {
            return Err(text_too_large(self.limits));
        }
        if self.blocks > self.limits.max_blocks {
            return Err(exceeded(
                "too_many_blocks",
                "the book has more paragraphs than allowed; split the file, or raise max_blocks",
                self.limits.max_blocks as u64,
            ));
        }
        Ok(())
    }
}
