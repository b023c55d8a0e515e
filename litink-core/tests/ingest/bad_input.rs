//! Each sort of bad input, and what a caller is told.

use std::{
    io::{self, Cursor, Read, Seek, SeekFrom},
    time::{Duration, Instant},
};

use litink_core::{
    ErrorKind,
    ingest::{self, Limits},
};
use zip::CompressionMethod;

use crate::files::*;

const AES: &str = "http://www.w3.org/2001/04/xmlenc#aes256-cbc";

fn encryption(algorithm: &str) -> String {
    format!(
        r#"<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><EncryptedData
        xmlns="http://www.w3.org/2001/04/xmlenc#"><EncryptionMethod Algorithm="{algorithm}"/>
        <CipherData><CipherReference URI="OPS/1.xhtml"/></CipherData></EncryptedData></encryption>"#
    )
}

/// Bytes that are nothing: a fixed pseudo-random row.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Sets the "encrypted" flag of every entry, in the local headers and in the directory.
fn mark_encrypted(mut bytes: Vec<u8>) -> Vec<u8> {
    for i in 0..bytes.len().saturating_sub(10) {
        match &bytes[i..i + 4] {
            b"PK\x03\x04" => bytes[i + 6] |= 1,
            b"PK\x01\x02" => bytes[i + 8] |= 1,
            _ => {}
        }
    }
    bytes
}

/// Damages the text of one stored entry, so that its checksum is wrong.
fn damage(files: &Files, needle: &[u8]) -> Vec<u8> {
    let mut bytes = pack_as(files, CompressionMethod::Stored);
    let at = find(&bytes, needle);
    bytes[at] ^= 0xFF;
    bytes
}

fn many_entries(count: usize) -> Files {
    let mut files = book();
    files.extend((0..count).map(|i| (format!("x/{i}"), Vec::new())));
    files
}

#[test]
fn what_cannot_be_read_is_refused_with_kind_and_code() {
    use ErrorKind::{InvalidInput, LimitExceeded, Unsupported};
    let book_bytes = pack(&book());
    let truncated = book_bytes[..book_bytes.len() - 40].to_vec();
    let no_container = without(book(), "META-INF/container.xml");
    let locked = |with_file: &str| {
        let files = with(book(), "META-INF/encryption.xml", encryption(AES));
        pack(&with(files, with_file, "x"))
    };
    let mobi = [&[b'x'; 60][..], b"BOOKMOBI\0\0"].concat();
    let bomb = with(book(), "OPS/1.xhtml", vec![b' '; 40 << 20]);
    let cases: Vec<(&str, &str, Vec<u8>, ErrorKind, &str)> = vec![
        ("nothing", "a.epub", vec![], InvalidInput, "empty_file"),
        (
            "noise",
            "a.epub",
            noise(5000),
            Unsupported,
            "unsupported_format",
        ),
        (
            "noise without a name",
            "",
            noise(5000),
            Unsupported,
            "unsupported_format",
        ),
        (
            "noise as text",
            "a.txt",
            noise(5000),
            InvalidInput,
            "not_text",
        ),
        (
            "blanks",
            "a.txt",
            b" \n\n ".to_vec(),
            InvalidInput,
            "empty_book",
        ),
        (
            "PDF",
            "a.pdf",
            b"%PDF-1.7\n%x".to_vec(),
            InvalidInput,
            "corrupt_pdf",
        ),
        (
            "PDF as EPUB",
            "a.epub",
            b"%PDF-1.7\n%x".to_vec(),
            InvalidInput,
            "corrupt_pdf",
        ),
        ("MOBI", "a.mobi", mobi, Unsupported, "unsupported_format"),
        (
            "OLE",
            "a.doc",
            b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".to_vec(),
            Unsupported,
            "unsupported_format",
        ),
        (
            "DOCX",
            "a.docx",
            pack(&vec![("word/document.xml".into(), vec![])]),
            InvalidInput,
            "empty_book",
        ),
        (
            "zip",
            "a.zip",
            pack(&vec![("a.bin".into(), vec![])]),
            Unsupported,
            "unsupported_format",
        ),
        (
            "truncated zip",
            "a.epub",
            truncated,
            InvalidInput,
            "corrupt_archive",
        ),
        (
            "head of a zip",
            "a.epub",
            book_bytes[..30].to_vec(),
            InvalidInput,
            "corrupt_archive",
        ),
        (
            "damaged container",
            "a.epub",
            damage(&book(), b"<rootfiles>"),
            InvalidInput,
            "corrupt_archive",
        ),
        (
            "damaged package",
            "a.epub",
            damage(&book(), b"<manifest>"),
            InvalidInput,
            "corrupt_archive",
        ),
        (
            "neither container nor package",
            "a.epub",
            pack(&without(no_container, "OPS/book.opf")),
            InvalidInput,
            "not_an_epub",
        ),
        (
            "container to nowhere",
            "a.epub",
            pack(&without(book(), "OPS/book.opf")),
            InvalidInput,
            "missing_package",
        ),
        (
            "container to outside",
            "a.epub",
            pack(&with(
                book(),
                "META-INF/container.xml",
                CONTAINER.replace("OPS/book.opf", "../../etc/passwd"),
            )),
            InvalidInput,
            "missing_package",
        ),
        (
            "truncated package",
            "a.epub",
            pack(&with(book(), "OPS/book.opf", &package("", "")[..200])),
            InvalidInput,
            "malformed_package",
        ),
        (
            "no text at all",
            "a.epub",
            pack(&(1..=3).fold(book(), |f, n| with(f, &format!("OPS/{n}.xhtml"), "<html/>"))),
            InvalidInput,
            "empty_book",
        ),
        (
            "no documents",
            "a.epub",
            pack(&(1..=3).fold(book(), |f, n| without(f, &format!("OPS/{n}.xhtml")))),
            InvalidInput,
            "empty_book",
        ),
        (
            "bomb",
            "a.epub",
            pack(&bomb),
            LimitExceeded,
            "compression_ratio",
        ),
        (
            "70,000 entries",
            "a.epub",
            pack(&many_entries(70_000)),
            LimitExceeded,
            "too_many_entries",
        ),
        (
            "20,000 entries",
            "a.epub",
            pack(&many_entries(20_000)),
            LimitExceeded,
            "too_many_entries",
        ),
        (
            "DRM of unknown make",
            "a.epub",
            locked("META-INF/other.xml"),
            InvalidInput,
            "drm_protected",
        ),
        (
            "Adobe DRM",
            "a.epub",
            locked("META-INF/rights.xml"),
            InvalidInput,
            "drm_protected",
        ),
        (
            "LCP",
            "a.epub",
            locked("META-INF/license.lcpl"),
            InvalidInput,
            "drm_protected",
        ),
        (
            "password",
            "a.epub",
            mark_encrypted(book_bytes),
            InvalidInput,
            "password_required",
        ),
    ];
    for (what, name, bytes, kind, code) in cases {
        let started = Instant::now();
        let error = read(name, &bytes).expect_err(what);
        assert_eq!(
            (error.kind(), error.code()),
            (kind, code),
            "{what}: {error}"
        );
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "{what} took {:?}",
            started.elapsed()
        );
    }
}

#[test]
fn the_detected_format_and_the_drm_scheme_are_named() {
    let fact = |bytes: &[u8]| {
        let error = read("a", bytes).unwrap_err();
        error
            .context()
            .first()
            .map(|(_, value)| value.clone())
            .unwrap()
    };
    assert_eq!(fact(b"AT&TFORM"), "djvu");
    assert_eq!(fact(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"), "doc");
    assert_eq!(fact(b"TPZ0"), "mobi");
    let locked = with(book(), "META-INF/encryption.xml", encryption(AES));
    assert_eq!(
        fact(&pack(&with(locked, "META-INF/license.lcpl", "{}"))),
        "readium_lcp"
    );
}

#[test]
fn what_can_be_got_over_is_a_warning() {
    let item = |href: &str| {
        let item = format!(r#"<item id="x" href="{href}" media-type="application/xhtml+xml"/>"#);
        with(
            book(),
            "OPS/book.opf",
            package(&item, r#"<itemref idref="x"/>"#),
        )
    };
    let cover = r#"<item id="x" href="c.png" properties="cover-image" media-type="image/png"/>"#;
    let broken_off = package("", "")
        .replace("</spine>", "")
        .replace("</package>", "");
    let latin1 = chapter(
        1,
        "<p>caf\u{e9} cr\u{e8}me br\u{fb}l\u{e9}e d\u{e9}j\u{e0} vu</p>",
    );
    let latin1: Vec<u8> = latin1
        .replace(" encoding=\"utf-8\"", "")
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect();
    let mut escaping = book();
    escaping.push(("../../evil.xhtml".into(), b"x".to_vec()));
    let cases: Vec<(&str, &str, Vec<u8>, &str, usize)> = vec![
        (
            "EPUB as PDF",
            "a.pdf",
            pack(&book()),
            "extension_mismatch",
            3,
        ),
        (
            "EPUB as text",
            "a.txt",
            pack(&book()),
            "extension_mismatch",
            3,
        ),
        (
            "damaged chapter",
            "a.epub",
            damage(&book(), b"number 2"),
            "chapter_unreadable",
            2,
        ),
        (
            "no container",
            "a.epub",
            pack(&without(book(), "META-INF/container.xml")),
            "missing_container",
            3,
        ),
        (
            "missing document",
            "a.epub",
            pack(&without(book(), "OPS/2.xhtml")),
            "missing_resource",
            2,
        ),
        (
            "missing contents",
            "a.epub",
            pack(&without(book(), "OPS/nav.xhtml")),
            "missing_resource",
            3,
        ),
        (
            "missing cover",
            "a.epub",
            pack(&with(book(), "OPS/book.opf", package(cover, ""))),
            "missing_resource",
            3,
        ),
        (
            "link to outside",
            "a.epub",
            pack(&item("../../../etc/passwd")),
            "unsafe_path",
            3,
        ),
        (
            "entry to outside",
            "a.epub",
            pack(&escaping),
            "unsafe_path",
            3,
        ),
        (
            "package cut short",
            "a.epub",
            pack(&with(book(), "OPS/book.opf", broken_off)),
            "package_incomplete",
            3,
        ),
        (
            "undeclared encoding",
            "a.epub",
            pack(&with(book(), "OPS/1.xhtml", latin1)),
            "encoding_guessed",
            3,
        ),
    ];
    for (what, name, bytes, code, chapters) in cases {
        let book = read(name, &bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(
            warning_codes(&book).contains(&code),
            "{what}: {:?}",
            book.warnings
        );
        assert_eq!(book.chapters.len(), chapters, "{what}");
    }
}

#[test]
fn harmless_oddities_need_no_warning() {
    let fonts = encryption("http://www.idpf.org/2008/embedding");
    let no_spine = package("", "").replace("<itemref", "<ignored");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a plain book", pack(&book())),
        (
            "obfuscated fonts",
            pack(&with(book(), "META-INF/encryption.xml", fonts)),
        ),
        (
            "stored entries",
            pack_as(&book(), CompressionMethod::Stored),
        ),
        (
            "UTF-16",
            pack(&with(book(), "OPS/1.xhtml", utf16(&chapter(1, "")))),
        ),
    ];
    for (what, bytes) in cases {
        let book = read("a.epub", &bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(book.warnings, [], "{what}");
        assert_eq!(book.chapters.len(), 3, "{what}");
        assert!(
            book.chapters[0].blocks[0].text.ends_with("number 1."),
            "{what}"
        );
    }
    let book = read("a.epub", &pack(&with(book(), "OPS/book.opf", no_spine))).unwrap();
    assert_eq!(
        book.chapters.len(),
        3,
        "manifest order stands in for a missing spine"
    );
}

fn utf16(text: &str) -> Vec<u8> {
    let text = text.replace("utf-8", "utf-16");
    let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

#[test]
fn entities_are_not_expanded() {
    let laughs = r#"<!DOCTYPE html [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
        <!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY x SYSTEM "file:///etc/passwd">]>
        <html><body><p>before &c; &x; after</p></body></html>"#;
    let book = read("a.epub", &pack(&with(book(), "OPS/1.xhtml", laughs))).unwrap();
    assert_eq!(book.chapters[0].blocks[0].text, "before &c; &x; after");
}

#[test]
fn deep_nesting_is_read_in_time() {
    let markup = format!(
        "<html><body>{}deep{}</body></html>",
        "<b><div>".repeat(100_000),
        "</div></b>".repeat(100_000)
    );
    let started = Instant::now();
    let book = read("a.epub", &pack(&with(book(), "OPS/1.xhtml", markup))).unwrap();
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(book.chapters[0].blocks[0].text, "deep");
    assert!(warning_codes(&book).contains(&"nesting_flattened"));
}

#[test]
fn a_directory_that_lies_about_sizes_does_not_help_a_bomb() {
    let mut bytes = pack(&with(book(), "OPS/1.xhtml", vec![b' '; 30 << 20]));
    let size = (30_u32 << 20).to_le_bytes();
    while let Some(at) = bytes.windows(4).position(|window| window == size) {
        bytes[at..at + 4].copy_from_slice(&1000_u32.to_le_bytes());
    }
    let result = read("a.epub", &bytes);
    let refused = result
        .as_ref()
        .is_err_and(|e| e.kind() == ErrorKind::LimitExceeded);
    let left_out = result.is_ok_and(|book| warning_codes(&book).contains(&"chapter_unreadable"));
    assert!(refused || left_out);
}

#[test]
fn too_much_in_all_is_refused() {
    let limits = Limits {
        max_expanded_bytes: 100_000,
        ..Limits::default()
    };
    let large = with(book(), "OPS/pictures.bin", noise(200_000));
    let error = ingest::read(None, Cursor::new(pack(&large)), &limits).unwrap_err();
    assert_eq!(error.code(), "archive_too_large");

    let limits = Limits {
        max_blocks: 5,
        ..Limits::default()
    };
    let error = ingest::read(None, Cursor::new(pack(&book())), &limits).unwrap_err();
    assert_eq!(error.code(), "too_many_blocks");

    let limits = Limits {
        max_file_bytes: 100,
        ..Limits::default()
    };
    let error = ingest::read(None, Cursor::new(pack(&book())), &limits).unwrap_err();
    assert_eq!(error.code(), "file_too_large");
}

/// A file of 200 MB of text that counts what is read of it.
struct Endless {
    at: u64,
    read: u64,
}

impl Endless {
    const LEN: u64 = 200_000_000;
}

impl Read for Endless {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = usize::try_from(Self::LEN - self.at)
            .unwrap_or(0)
            .min(buf.len());
        buf[..len].fill(b'a');
        self.at += len as u64;
        self.read += len as u64;
        Ok(len)
    }
}

impl Seek for Endless {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => Self::LEN.saturating_add_signed(by),
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
        };
        Ok(self.at)
    }
}

#[test]
fn a_text_that_is_too_long_is_refused_unread() {
    let mut source = Endless { at: 0, read: 0 };
    let error = ingest::read(Some("a.txt"), &mut source, &Limits::default()).unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::LimitExceeded, "text_too_large")
    );
    assert!(source.read <= 64 * 1024, "{} bytes were read", source.read);
}
