//! Makes the files that the tests read.

use std::io::{Cursor, Write};

use litink_core::{
    Result,
    ingest::{self, Limits, ParsedBook},
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Paths and bytes of an archive, in order.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

pub(crate) fn read(name: &str, bytes: &[u8]) -> Result<ParsedBook> {
    ingest::read(Some(name), Cursor::new(bytes), &Limits::default())
}

pub(crate) fn warning_codes(book: &ParsedBook) -> Vec<&str> {
    book.warnings
        .iter()
        .map(|warning| warning.code.as_str())
        .collect()
}

pub(crate) const CONTAINER: &str = r#"<?xml version="1.0"?><container version="1.0"
    xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile
    full-path="OPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"#;

/// A book of three chapters, as an EPUB 3 with a navigation document.
pub(crate) fn book() -> Files {
    let mut files = vec![
        ("mimetype".to_owned(), b"application/epub+zip".to_vec()),
        ("META-INF/container.xml".to_owned(), CONTAINER.into()),
        ("OPS/book.opf".to_owned(), package("", "").into()),
        ("OPS/nav.xhtml".to_owned(), nav().into()),
    ];
    for n in 1..=3 {
        files.push((format!("OPS/{n}.xhtml"), chapter(n, "").into()));
    }
    files
}

/// The package document, with more in its manifest and spine.
pub(crate) fn package(manifest: &str, spine: &str) -> String {
    format!(
        r#"<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0"
        unique-identifier="id"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
        <dc:identifier id="id">urn:test:1</dc:identifier><dc:title>Lamps</dc:title>
        <dc:creator>A. Wick</dc:creator><dc:language>en</dc:language></metadata><manifest>
        <item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>
        <item id="c1" href="1.xhtml" media-type="application/xhtml+xml"/>
        <item id="c2" href="2.xhtml" media-type="application/xhtml+xml"/>
        <item id="c3" href="3.xhtml" media-type="application/xhtml+xml"/>{manifest}</manifest>
        <spine><itemref idref="c1"/><itemref idref="c2"/><itemref idref="c3"/>{spine}</spine>
        </package>"#
    )
}

pub(crate) fn nav() -> String {
    let lines: String = (1..=3)
        .map(|n| format!(r#"<li><a href="{n}.xhtml">Chapter {n}</a></li>"#))
        .collect();
    format!(
        r#"<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops">
        <body><nav epub:type="toc"><ol>{lines}</ol></nav></body></html>"#
    )
}

pub(crate) fn chapter(n: usize, more: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"
        xmlns:epub="http://www.idpf.org/2007/ops"><head><title>{n}</title></head><body>
        <h1>Chapter {n}</h1><p>It was dark in street number {n}.</p><p>“Light it,” said Ann.</p>
        {more}</body></html>"#
    )
}

/// Replaces one file of a book, or adds it.
pub(crate) fn with(mut files: Files, path: &str, bytes: impl Into<Vec<u8>>) -> Files {
    let bytes = bytes.into();
    match files.iter_mut().find(|(p, _)| p == path) {
        Some(file) => file.1 = bytes,
        None => files.push((path.to_owned(), bytes)),
    }
    files
}

pub(crate) fn without(mut files: Files, path: &str) -> Files {
    files.retain(|(p, _)| p != path);
    files
}

/// Packs files with deflate.
pub(crate) fn pack(files: &Files) -> Vec<u8> {
    pack_as(files, CompressionMethod::Deflated)
}

pub(crate) fn pack_as(files: &Files, method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (path, bytes) in files {
        zip.start_file(path.as_str(), options)
            .expect("an archive in memory");
        zip.write_all(bytes).expect("an archive in memory");
    }
    zip.finish().expect("an archive in memory").into_inner()
}

/// Where a needle first stands.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> usize {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
        .expect("needle in the file")
}
