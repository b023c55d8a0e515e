//! What a file may cost before it is refused.

use std::time::{Duration, Instant};

use crate::{Error, ErrorKind, Result};

/// Ceilings that keep a hostile or broken file from using up the machine.
///
/// # Memory
///
/// Reading needs at most **5 x `max_text_bytes` + 384 bytes x `max_blocks` + 2 x
/// `max_cover_bytes` + 3 x `max_whole_bytes` + 32 MiB** above what the source itself holds,
/// whatever the file says about itself: with the defaults under 1 GiB for the worst file, and a
/// few times the text for an honest one. The file is never read whole unless it is text, a PDF, RTF
/// or a book inside a zip archive; one document of an EPUB is expanded at a time, and a document
/// is no longer than `max_text_bytes`. `max_whole_bytes` counts three times for a PDF alone: the
/// file, and one of its streams while it is expanded. Streams of a PDF that is encrypted (and
/// opens without a password), and those not compressed by deflate, are not measured first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest file, in bytes as stored. Default 512 MiB: richly illustrated EPUBs reach 300 MiB.
    /// Beyond it: `file_too_large`.
    pub max_file_bytes: u64,
    /// Largest file of a kind that is held whole, in bytes: PDF, RTF, and a book inside a zip
    /// archive; and the most that one compressed stream of a PDF may expand to. Default 128 MiB.
    /// Beyond it: `file_too_large`, `archive_too_large`.
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
    /// Most blocks (paragraphs, headings, ...) of a book. Default 500,000, thirty times the longest
    /// novels. Beyond it:
    /// `too_many_blocks`.
    pub max_blocks: usize,
    /// Largest cover image, in bytes. Default 16 MiB. A larger one is left out with the warning
    /// `cover_too_large`.
    pub max_cover_bytes: u64,
    /// Longest time that reading may take. Default 5 minutes: the largest PDFs take half a minute
    /// on a slow machine. It is looked at between the pieces of a document and the pages of a PDF,
    /// so that it may be passed by one of them. Beyond it: `reading_too_slow`.
    pub max_time: Duration,
}

const MIB: u64 = 1024 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_file_bytes: 512 * MIB,
            max_whole_bytes: 128 * MIB,
            max_pages: 20_000,
            max_text_bytes: 64 * MIB,
            max_expanded_bytes: 1024 * MIB,
            max_entries: 10_000,
            max_ratio: 200,
            max_depth: 256,
            max_blocks: 500_000,
            max_cover_bytes: 16 * MIB,
            max_time: Duration::from_secs(300),
        }
    }
}

impl Limits {
    /// The most memory that reading takes, in bytes, beyond what the source holds (see above).
    #[must_use]
    pub fn memory_bound(&self) -> u64 {
        let text = self.max_text_bytes.saturating_mul(5);
        let blocks = (self.max_blocks as u64).saturating_mul(384);
        text.saturating_add(blocks)
            .saturating_add(self.max_cover_bytes.saturating_mul(2))
            .saturating_add(self.max_whole_bytes.saturating_mul(3))
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

/// The refusal of what takes too long.
pub(crate) fn too_slow(limits: &Limits) -> Error {
    let seconds = limits.max_time.as_secs();
    exceeded(
        "reading_too_slow",
        "reading the file took longer than a book can; if it can be trusted, raise max_time",
        seconds,
    )
}

/// Counts the text and blocks of a book against its limits.
#[derive(Debug)]
pub(crate) struct Meter<'a> {
    limits: &'a Limits,
    text_bytes: u64,
    blocks: usize,
    started: Instant,
    ticks: u32,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            text_bytes: 0,
            blocks: 0,
            started: Instant::now(),
            ticks: 0,
        }
    }

    /// Looks at the clock now and then: called for each piece of a document.
    pub(crate) fn tick(&mut self) -> Result<()> {
        const EACH: u32 = 1024;
        self.ticks = self.ticks.wrapping_add(1);
        match self.ticks % EACH == 1 && self.started.elapsed() > self.limits.max_time {
            true => Err(too_slow(self.limits)),
            false => Ok(()),
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
