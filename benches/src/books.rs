//! Books of any size, the same each time.

use std::{
    io::{Cursor, Write},
    path::{Path, PathBuf},
};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

const WORDS: [&str; 24] = [
    "the", "lamp", "was", "out", "and", "nobody", "on", "quay", "knew", "which", "of", "keepers",
    "had", "gone", "down", "before", "harbour", "evening", "a", "map", "under", "glass", "slowly",
    "turned",
];

/// The book that ships with the project.
#[must_use]
pub fn example() -> PathBuf {
    root().join("examples/books/the-lamplighters-map.epub")
}

/// The folder of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Plain text of about so many bytes, with a chapter every 20 kB.
#[must_use]
pub fn text(bytes: usize) -> String {
    let mut prose = Prose(7);
    let mut text = String::with_capacity(bytes + 30_000);
    let mut chapter = 0;
    while text.len() < bytes {
        chapter += 1;
        text.push_str(&format!("CHAPTER {chapter}\n\n"));
        let end = text.len() + 20_000;
        while text.len() < end {
            text.push_str(&prose.paragraph());
            text.push_str("\n\n");
        }
    }
    text
}

/// An EPUB 3 of so many chapters of so many bytes of text each.
///
/// # Errors
/// Those of the archive's writer; in memory there are none.
pub fn epub(chapters: usize, chapter_bytes: usize) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    archive.start_file("mimetype", stored)?;
    archive.write_all(b"application/epub+zip")?;
    archive.start_file("META-INF/container.xml", deflated)?;
    archive.write_all(CONTAINER.as_bytes())?;
    archive.start_file("OEBPS/package.opf", deflated)?;
    archive.write_all(package(chapters).as_bytes())?;
    archive.start_file("OEBPS/nav.xhtml", deflated)?;
    archive.write_all(navigation(chapters).as_bytes())?;
    let mut prose = Prose(11);
    for number in 1..=chapters {
        archive.start_file(format!("OEBPS/c{number}.xhtml"), deflated)?;
        archive.write_all(chapter(number, chapter_bytes, &mut prose).as_bytes())?;
    }
    Ok(archive.finish()?.into_inner())
}

const CONTAINER: &str = r#"<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OEBPS/package.opf" media-type="application/oebps-package+xml"/>
</rootfiles></container>"#;

fn package(chapters: usize) -> String {
    let item =
        |n| format!(r#"<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>"#);
    let items: String = (1..=chapters).map(item).collect();
    let spine: String = (1..=chapters)
        .map(|n| format!(r#"<itemref idref="c{n}"/>"#))
        .collect();
    format!(
        r#"<?xml version="1.0"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">bench</dc:identifier>
<dc:title>Generated</dc:title><dc:language>en</dc:language><dc:creator>Nobody</dc:creator>
<meta property="dcterms:modified">2026-01-01T00:00:00Z</meta></metadata>
<manifest><item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
{items}</manifest><spine>{spine}</spine></package>"#
    )
}

fn navigation(chapters: usize) -> String {
    let entry = |n| format!(r#"<li><a href="c{n}.xhtml">Chapter {n}</a></li>"#);
    let entries: String = (1..=chapters).map(entry).collect();
    format!(
        r#"<?xml version="1.0"?>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops">
<head><title>Contents</title></head><body><nav epub:type="toc"><ol>{entries}</ol></nav></body>
</html>"#
    )
}

fn chapter(number: usize, bytes: usize, prose: &mut Prose) -> String {
    let mut body = format!("<h1>Chapter {number}</h1>\n");
    while body.len() < bytes {
        body.push_str(&format!("<p>{}</p>\n", prose.paragraph()));
    }
    format!(
        r#"<?xml version="1.0"?>
<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Chapter {number}</title></head>
<body>{body}</body></html>"#
    )
}

/// Sentences from a generator of its own, so that a book never changes with a library.
struct Prose(u64);

impl Prose {
    fn draw(&mut self, below: usize) -> usize {
        // Knuth's MMIX constants; the high bits are the good ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % below
    }

    fn paragraph(&mut self) -> String {
        let sentences: Vec<String> = (0..3 + self.draw(4)).map(|_| self.sentence()).collect();
        sentences.join(" ")
    }

    fn sentence(&mut self) -> String {
        let mut words = vec!["When"];
        for _ in 0..6 + self.draw(14) {
            words.push(WORDS[self.draw(WORDS.len())]);
        }
        format!("{}.", words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use litink_core::ingest::{self, Limits};

    use super::*;

    #[test]
    fn generated_books_are_read_with_all_their_chapters() {
        let epub = epub(60, 2_000).unwrap();
        let book = ingest::read(Some("b.epub"), Cursor::new(epub), &Limits::default()).unwrap();
        assert_eq!(book.chapters.len(), 60);
        assert_eq!(book.warnings.len(), 0);
        let text = text(200_000);
        let book = ingest::read(Some("b.txt"), Cursor::new(text), &Limits::default()).unwrap();
        assert_eq!(book.chapters.len(), 10);
    }
}
