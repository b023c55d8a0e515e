//! What a file may cost: time, and what the streams of a PDF expand to.

use std::{
    io::{Cursor, Write},
    time::{Duration, Instant},
};

use flate2::{Compression, write::ZlibEncoder};
use litink_core::{
    ErrorKind,
    ingest::{self, Limits},
};

use crate::files::*;

#[test]
fn each_format_gives_up_when_its_time_is_over() {
    let document =
        "<w:document><w:body><w:p><w:r><w:t>It was dark.</w:t></w:r></w:p></w:body></w:document>";
    let pdf = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/books/pdf-typst.pdf");
    let odt = vec![
        (
            "mimetype".to_owned(),
            b"application/vnd.oasis.opendocument.text".to_vec(),
        ),
        (
            "content.xml".to_owned(),
            b"<office:text><text:p>It was dark.</text:p></office:text>".to_vec(),
        ),
    ];
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("a.txt", b"It was dark.\n\nIt was late.\n".to_vec()),
        ("a.md", b"# One\n\nIt was dark.\n\n# Two\n\nx\n".to_vec()),
        ("a.html", b"<!DOCTYPE html><p>It was dark.</p>".to_vec()),
        (
            "a.fb2",
            b"<?xml version='1.0'?><FictionBook><body><p>It was dark.</p></body></FictionBook>"
                .to_vec(),
        ),
        ("a.rtf", b"{\\rtf1 It was dark.\\par}".to_vec()),
        ("a.epub", pack(&book())),
        (
            "a.docx",
            pack(&vec![("word/document.xml".to_owned(), document.into())]),
        ),
        ("a.odt", pack(&odt)),
        ("a.pdf", std::fs::read(pdf).unwrap()),
    ];
    let limits = Limits {
        max_time: Duration::ZERO,
        ..Limits::default()
    };
    for (name, bytes) in files {
        let error = ingest::read(Some(name), Cursor::new(bytes), &limits).unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::LimitExceeded, "reading_too_slow"),
            "{name}"
        );
    }
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("a stream in memory");
    encoder.finish().expect("a stream in memory")
}

/// A PDF of one page whose content is this stream.
fn pdf(stream: &[u8], filter: &str) -> Vec<u8> {
    let mut out = b"%PDF-1.4\n".to_vec();
    let mut places = Vec::new();
    let content = [
        format!("<</Length {}/Filter {filter}>>stream\n", stream.len()).into_bytes(),
        stream.to_vec(),
        b"\nendstream".to_vec(),
    ];
    let objects: [Vec<u8>; 5] = [
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 400]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>".to_vec(),
        content.concat(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Times-Roman>>".to_vec(),
    ];
    for (i, object) in objects.iter().enumerate() {
        places.push(out.len());
        out.extend(format!("{} 0 obj\n", i + 1).into_bytes());
        out.extend(object);
        out.extend(b"\nendobj\n");
    }
    let start = out.len();
    out.extend(b"xref\n0 6\n0000000000 65535 f \n");
    for place in places {
        out.extend(format!("{place:010} 00000 n \n").into_bytes());
    }
    out.extend(format!("trailer<</Size 6/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n").into_bytes());
    out
}

#[test]
fn a_pdf_bomb_is_refused_before_it_is_expanded() {
    let text =
        b"BT /F 10 Tf 50 350 Td (The lamp was out, and nobody in the street knew why.) Tj ET\n";
    let read = |bytes: Vec<u8>| {
        let limits = Limits {
            max_whole_bytes: 8 << 20,
            ..Limits::default()
        };
        ingest::read(Some("a.pdf"), Cursor::new(bytes), &limits)
    };
    let honest = read(pdf(&deflated(text), "/FlateDecode")).unwrap();
    assert_eq!(honest.chapters[0].blocks.len(), 1);
    let blanks = [text.as_slice(), &vec![b' '; 64 << 20]].concat();
    let started = Instant::now();
    for (stream, filter) in [
        (deflated(&blanks), "/FlateDecode"),
        (deflated(&deflated(&blanks)), "[/FlateDecode /FlateDecode]"),
    ] {
        let error = read(pdf(&stream, filter)).unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::LimitExceeded, "archive_too_large"),
            "{filter}"
        );
    }
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn the_default_limits_keep_within_a_gibibyte() {
    let bound = Limits::default().memory_bound();
    assert!(bound < 1 << 30, "{bound}");
    let more = Limits {
        max_whole_bytes: 1 << 30,
        ..Limits::default()
    };
    assert!(more.memory_bound() > 3 << 30);
}
