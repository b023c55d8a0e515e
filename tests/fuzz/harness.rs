//! What is asked of a reader, whatever it is given: a book that holds together, or a typed error, in
//! bounded time and memory. `litink-core/tests/ingest/fuzz.rs` asks the same of what was found before.

use std::{
    io::{Cursor, Write as _},
    time::Duration,
};

use litink_core::ingest::{self, Limits, ParsedBook};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// What parts the files of an archive from each other: a line with their path.
const MARK: &[u8] = b"\n%%% ";

/// Small enough that a reader which keeps to them never takes long.
fn limits() -> Limits {
    Limits {
        max_file_bytes: 1 << 20,
        max_whole_bytes: 4 << 20,
        max_text_bytes: 4 << 20,
        max_time: Duration::from_secs(10),
        ..Limits::default()
    }
}

/// Reads what a target is given.
///
/// # Panics
/// Where the book does not hold together.
pub fn read(target: &str, data: &[u8]) {
    let archive;
    let (name, bytes) = match target {
        "docx" | "epub" | "odt" | "zip" => {
            archive = pack(data);
            (format!("a.{target}"), archive.as_slice())
        }
        "markdown" => ("a.md".to_owned(), data),
        "text" => ("a.txt".to_owned(), data),
        other => (format!("a.{other}"), data),
    };
    match ingest::read(Some(&name), Cursor::new(bytes), &limits()) {
        Ok(book) => check(&book),
        Err(error) => {
            assert!(!error.code().is_empty() && !error.to_string().is_empty());
            assert_ne!(error.code(), "reading_too_slow", "within a mebibyte");
        }
    }
}

fn check(book: &ParsedBook) {
    assert!(!book.chapters.is_empty(), "a book without a chapter");
    for chapter in &book.chapters {
        for block in &chapter.blocks {
            for span in &block.spans {
                let (start, end) = (span.start as usize, span.end as usize);
                assert!(start < end, "an empty span");
                assert!(
                    block.text.get(start..end).is_some(),
                    "a span beside the text"
                );
            }
        }
    }
}

/// The archive that a text of marks, paths and contents stands for. It is packed here, so that what is
/// changed is the files and not their compressed bytes.
fn pack(data: &[u8]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut rest = data;
    while let Some(at) = find(rest, MARK) {
        rest = &rest[at + MARK.len()..];
        let end = find(rest, b"\n").unwrap_or(rest.len());
        let path = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = rest.get(end + 1..).unwrap_or_default();
        let content = &rest[..find(rest, MARK).unwrap_or(rest.len())];
        // A path that comes twice is not packed.
        if archive.start_file(path, options).is_ok() {
            let _ = archive.write_all(content);
        }
    }
    archive.finish().map(Cursor::into_inner).unwrap_or_default()
}

/// The text that stands for an archive.
///
/// # Errors
/// Where it is none.
pub fn unpack(bytes: &[u8]) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))?;
    let mut text = Vec::new();
    for i in 0..archive.len() {
        let mut file = archive.by_index(i)?;
        text.extend(MARK);
        text.extend(file.name()?.as_bytes());
        text.push(b'\n');
        std::io::copy(&mut file, &mut text)?;
    }
    Ok(text)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|it| it == wanted)
}
