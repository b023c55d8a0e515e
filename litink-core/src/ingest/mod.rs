//! Reading books: a file in, chapters of blocks out.
//!
//! ```
//! use litink_core::ingest::{self, Limits};
//!
//! let text = "CHAPTER I\n\nThe lamp was out.\n\nCHAPTER II\n\nIt was lit again.\n";
//! let book = ingest::read(Some("lamp.txt"), std::io::Cursor::new(text), &Limits::default())?;
//! assert_eq!(book.chapters.len(), 2);
//! assert_eq!(book.chapters[1].blocks[0].text, "It was lit again.");
//! # Ok::<(), litink_core::Error>(())
//! ```
//!
//! [`read`] is synchronous and opens nothing itself: it is for a blocking thread. What a file is
//! is decided by its content. A further format is a folder beside `epub` and `plain` and one arm
//! in `read_as` or `read_archive`; where it is one flow of text, `flow` finds its chapters.

mod archive;
mod block;
mod book;
mod decisions;
mod detect;
mod docx;
mod encoding;
mod epub;
mod fb2;
mod flow;
mod html;
mod language;
mod limits;
mod markdown;
mod markup;
mod metadata;
mod odt;
mod ornament;
mod outline;
mod page;
mod path;
mod pdf;
mod plain;
mod rich;
mod rtf;
mod titles;
mod whole;

use plain::gutenberg;

use std::{
    collections::HashMap,
    io::{Read, Seek, SeekFrom},
    sync::Arc,
};

pub use book::{Cover, Decision, ParsedBook, ParsedChapter, Warning};
pub use detect::Format;
pub use limits::Limits;

use self::{archive::Archive, book::Report, limits::exceeded};
use crate::{
    Error, Result, ResultExt,
    ocr::{OcrLine, PageImage},
};

/// A seekable source as one object.
trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// Reads a book.
///
/// `name` is the file's name, of which only the ending is looked at, and only to warn
/// (`extension_mismatch`) or to word an error. Memory stays within [`Limits::memory_bound`].
///
/// # Errors
///
/// | kind | codes |
/// |---|---|
/// | `InvalidInput` | `empty_file`, `not_text`, `corrupt_archive`, `password_required`, `drm_protected`, `not_an_epub`, `missing_package`, `malformed_package`, `empty_book`, `corrupt_pdf`, `no_text_layer` (a scan), `text_layer_unreadable` |
/// | `Unsupported` | `unsupported_format` (with what was recognised) |
/// | `LimitExceeded` | `file_too_large`, `text_too_large`, `too_many_blocks`, `archive_too_large`, `too_many_entries`, `too_many_pages`, `compression_ratio`, `reading_too_slow` |
/// | others | what the source's own reading failed with |
///
/// What can be got over is a [`Warning`] of the book: `extension_mismatch`, `encoding_guessed`,
/// `gutenberg_frame_removed`, `chapter_unreadable`, `missing_resource`, `unsafe_path`,
/// `missing_container`, `package_incomplete`, `cover_too_large`, `nesting_flattened`,
/// `no_reflowable_text`, `text_layer_poor`, `pages_without_text`, `ocr_doubtful`, `language_doubtful`,
/// `more_warnings`. How title, authors, language and chapters were found, and how sure that is, is
/// in [`ParsedBook::decisions`].
pub fn read<R: Read + Seek>(name: Option<&str>, source: R, limits: &Limits) -> Result<ParsedBook> {
    read_with(name, source, limits, None)
}

/// Has pictures of pages read: the lines of each, in their order. Pages come as they are asked for.
pub type Recognise<'a> =
    dyn Fn(&mut dyn Iterator<Item = Result<PageImage>>) -> Result<Vec<Vec<OcrLine>>> + 'a;

/// Reads a book as [`read`] does, and with `ocr` what is written on the pages of a scan, too. The time
/// that this takes is not counted; pages that `ocr` holds come on top of [`Limits::memory_bound`].
///
/// # Errors
/// As [`read`], and those of `ocr`. `LimitExceeded` (`page_image_too_large`) for a page of more pixels
/// than are held whole.
pub fn read_with<R: Read + Seek>(
    name: Option<&str>,
    mut source: R,
    limits: &Limits,
    ocr: Option<&Recognise<'_>>,
) -> Result<ParsedBook> {
    read_source(name, &mut source, limits, ocr).operation("ingest.read")
}

fn read_source(
    name: Option<&str>,
    source: &mut dyn ReadSeek,
    limits: &Limits,
    ocr: Option<&Recognise<'_>>,
) -> Result<ParsedBook> {
    let len = source.seek(SeekFrom::End(0))?;
    if len == 0 {
        return Err(Error::invalid(
            "empty_file",
            "the file is empty; upload it again",
        ));
    }
    if len > limits.max_file_bytes {
        return Err(exceeded(
            "file_too_large",
            "the file is larger than allowed; make it smaller, or raise max_file_bytes",
            limits.max_file_bytes,
        ));
    }
    source.rewind()?;
    let mut head = Vec::new();
    Read::take(&mut *source, detect::HEAD_BYTES as u64).read_to_end(&mut head)?;
    source.rewind()?;

    let promised = name.and_then(Format::from_name);
    let mut report = Report::default();
    let mut book = read_as(
        detect::sniff(&head),
        source,
        len,
        promised,
        limits,
        ocr,
        &mut report,
    )?;
    let is_text = |format| matches!(format, Format::Text | Format::Markdown | Format::Html);
    if let Some(promised) = promised.filter(|promised| {
        let is_same_sort = is_text(*promised) && is_text(book.format) && *promised != Format::Html;
        *promised != book.format && *promised != Format::Zip && !is_same_sort
    }) {
        report.warn(
            "extension_mismatch",
            format!(
                "the file is named as {} but is {}, and was read as that",
                promised.as_str(),
                book.format.as_str()
            ),
        );
    }
    language::settle(&mut book, &mut report);
    report.finish(&mut book);
    Ok(book)
}

/// Reads a source as what its first bytes say it is.
fn read_as(
    detected: Option<Format>,
    source: &mut dyn ReadSeek,
    len: u64,
    promised: Option<Format>,
    limits: &Limits,
    ocr: Option<&Recognise<'_>>,
    report: &mut Report,
) -> Result<ParsedBook> {
    match detected {
        Some(Format::Zip) => {
            let mut archive = Archive::open(source, len, limits, report)?;
            read_archive(&mut archive, promised, limits, ocr, report)
        }
        // Markdown without headings cannot be told from text but by its name.
        Some(Format::Text) if promised == Some(Format::Markdown) => {
            markdown::read(source, len, limits, report)
        }
        Some(Format::Text) => plain::read(source, len, limits, report),
        Some(Format::Markdown) => markdown::read(source, len, limits, report),
        Some(Format::Html) => page::read(source, len, limits, report),
        Some(Format::Fb2) => fb2::read(source, len, limits, report),
        Some(Format::Rtf) => rtf::read(source, len, limits, report),
        Some(Format::Pdf) => pdf::read(source, len, limits, ocr, report),
        Some(Format::Mobi) => Err(archive::unsupported_kindle()),
        Some(other) => Err(archive::unsupported(other.as_str())),
        None if promised == Some(Format::Text) => Err(plain::not_text()),
        None => Err(archive::unsupported("unknown")),
    }
}

/// What a zip archive holds is for its entries to say.
fn read_archive(
    archive: &mut Archive<'_>,
    promised: Option<Format>,
    limits: &Limits,
    ocr: Option<&Recognise<'_>>,
    report: &mut Report,
) -> Result<ParsedBook> {
    let is_epub = archive.contains("META-INF/container.xml")
        || archive.paths().iter().any(|path| path.ends_with(".opf"));
    if is_epub {
        return epub::read(archive, limits, report);
    }
    if archive.contains(docx::DOCUMENT) {
        return docx::read(archive, limits, report);
    }
    let media_type = archive.read("mimetype", 1024).unwrap_or_default();
    if media_type.starts_with(b"application/vnd.oasis.opendocument.text") {
        return odt::read(archive, limits, report);
    }
    if promised == Some(Format::Epub) || media_type.starts_with(b"application/epub+zip") {
        return Err(Error::invalid(
            "not_an_epub",
            "the archive has no META-INF/container.xml and no package (.opf), so it is no EPUB; \
             make it again from its source",
        ));
    }
    let books = |wanted: fn(Format) -> bool| -> Vec<String> {
        let paths = archive.paths().into_iter();
        let paths = paths.filter(|path| !path.starts_with("__MACOSX/"));
        let named = paths.filter(|path| Format::from_name(path).is_some_and(wanted));
        named.map(str::to_owned).collect()
    };
    let pages = books(|format| format == Format::Html);
    if !pages.is_empty() {
        return page::read_archive(archive, pages, limits, report);
    }
    match books(Format::is_readable).as_slice() {
        [only] => read_inner(archive, only, limits, ocr, report),
        _ => Err(archive::unsupported(Format::Zip.as_str())),
    }
}

/// Reads the one book of an archive (`book.fb2.zip`, `book.epub.zip`). An archive in an archive
/// in an archive is no book.
fn read_inner(
    archive: &mut Archive<'_>,
    path: &str,
    limits: &Limits,
    ocr: Option<&Recognise<'_>>,
    report: &mut Report,
) -> Result<ParsedBook> {
    let bytes = archive.read(path, limits.max_whole_bytes);
    let bytes = bytes.map_err(|fault| archive::entry_error(fault, limits))?;
    let detected = detect::sniff(&bytes[..bytes.len().min(detect::HEAD_BYTES)]);
    let len = bytes.len() as u64;
    let mut source = std::io::Cursor::new(bytes);
    if detected == Some(Format::Zip) {
        let mut inner = Archive::open(&mut source, len, limits, report)?;
        let is_book = ["META-INF/container.xml", docx::DOCUMENT, "content.xml"];
        if !is_book.iter().any(|path| inner.contains(path)) {
            return Err(archive::unsupported(Format::Zip.as_str()));
        }
        let book = read_archive(&mut inner, Format::from_name(path), limits, ocr, report)?;
        return Ok(inside(path, book));
    }
    let book = read_as(
        detected,
        &mut source,
        len,
        Format::from_name(path),
        limits,
        ocr,
        report,
    )?;
    Ok(inside(path, book))
}

/// Says of each block in which entry of the outer archive it is.
fn inside(entry: &str, mut book: ParsedBook) -> ParsedBook {
    // Blocks of one document share its path.
    let mut paths: HashMap<Option<Arc<str>>, Arc<str>> = HashMap::new();
    for block in book.chapters.iter_mut().flat_map(|c| &mut c.blocks) {
        let anchor = block.anchor.get_or_insert_default();
        let path = paths
            .entry(anchor.path.take())
            .or_insert_with_key(|inner| match inner {
                Some(inner) => format!("{entry}!/{inner}").into(),
                None => entry.into(),
            });
        anchor.path = Some(Arc::clone(path));
    }
    book
}
