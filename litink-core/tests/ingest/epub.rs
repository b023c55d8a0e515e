//! The structure of EPUBs, as books have it.

use litink_core::{
    domain::{BlockKind, ChapterKind},
    ingest::ParsedBook,
};

use crate::files::*;

/// Section, title, number and first words of each chapter.
fn shape(book: &ParsedBook) -> Vec<String> {
    let line = |chapter: &litink_core::ingest::ParsedChapter| {
        let kind = match chapter.kind {
            ChapterKind::FrontMatter => "F",
            ChapterKind::BackMatter => "B",
            _ => "C",
        };
        let number = chapter.number.map_or(String::new(), |n| n.to_string());
        let text: Vec<&str> = chapter.blocks.iter().map(|b| b.text.as_str()).collect();
        format!(
            "{kind}{number} {}{}: {}",
            chapter
                .section
                .as_ref()
                .map_or(String::new(), |s| format!("[{s}] ")),
            chapter.title.as_deref().unwrap_or("-"),
            text.join("|")
        )
    };
    book.chapters.iter().map(line).collect()
}

/// A book of these documents, in spine order, with this navigation (a list of `<li>`s).
fn made_of(documents: &[(&str, &str)], nav: &str) -> ParsedBook {
    let item = |(path, _): &(&str, &str)| {
        format!(r#"<item id="{path}" href="{path}.xhtml" media-type="application/xhtml+xml"/>"#)
    };
    let manifest: String = documents.iter().map(item).collect();
    let spine: String = documents
        .iter()
        .map(|(p, _)| format!(r#"<itemref idref="{p}"/>"#))
        .collect();
    let opf = format!(
        r#"<package xmlns:dc="x"><metadata><dc:title>Book</dc:title><dc:language>en</dc:language>
        </metadata><manifest><item id="nav" href="nav.xhtml" properties="nav"
        media-type="application/xhtml+xml"/>{manifest}</manifest><spine>{spine}</spine></package>"#
    );
    let nav = format!(r#"<html><nav epub:type="toc"><ol>{nav}</ol></nav></html>"#);
    let mut files = vec![
        ("mimetype".to_owned(), b"application/epub+zip".to_vec()),
        ("META-INF/container.xml".to_owned(), CONTAINER.into()),
        ("OPS/book.opf".to_owned(), opf.into()),
        ("OPS/nav.xhtml".to_owned(), nav.into()),
    ];
    for (path, body) in documents {
        files.push((
            format!("OPS/{path}.xhtml"),
            format!("<html><body>{body}</body></html>").into(),
        ));
    }
    read("a.epub", &pack(&files)).expect("a readable book")
}

#[test]
fn metadata_chapters_and_blocks() {
    let book = read("a.epub", &pack(&book())).unwrap();
    assert_eq!(book.title.as_deref(), Some("Lamps"));
    assert_eq!(book.authors, ["A. Wick"]);
    assert_eq!(book.language.as_deref(), Some("en"));
    assert_eq!(book.identifier.as_deref(), Some("urn:test:1"));
    assert_eq!(
        shape(&book)[1],
        "C2 Chapter 2: It was dark in street number 2.|“Light it,” said Ann."
    );
}

#[test]
fn contents_point_into_files_and_span_them() {
    let book = made_of(
        &[
            (
                "a",
                "<h2 id='one'>I</h2><p>a</p><h2 id='two'>II</h2><p>b</p>",
            ),
            ("b", "<p>still b</p>"),
            ("c", "<h2>III</h2><p>c</p>"),
        ],
        "<li><a href='a.xhtml#one'>I</a></li><li><a href='a.xhtml#two'>II</a></li>
         <li><a href='c.xhtml'>III</a></li>",
    );
    assert_eq!(shape(&book), ["C1 I: a", "C2 II: b|still b", "C3 III: c"]);
}

#[test]
fn parts_become_sections_and_their_pages_go_with_the_first_chapter() {
    let book = made_of(
        &[
            ("p1", "<h1>Part One</h1><p>An epigraph.</p>"),
            ("c1", "<h2>Chapter 1</h2><p>a</p>"),
            ("c2", "<h2>Chapter 2</h2><p>b</p>"),
            ("p2", "<h1>Part Two</h1>"),
            ("c3", "<h2>Chapter 3</h2><h3>Dawn</h3><p>c</p>"),
        ],
        "<li><a href='p1.xhtml'>Part One</a><ol><li><a href='c1.xhtml'>Chapter 1</a></li>
         <li><a href='c2.xhtml'>Chapter 2</a></li></ol></li><li><span>Part Two</span><ol>
         <li><a href='c3.xhtml'>Dawn</a></li></ol></li>",
    );
    assert_eq!(
        shape(&book),
        [
            "C1 [Part One] Chapter 1: An epigraph.|Chapter 1|a",
            "C2 [Part One] Chapter 2: b",
            "C3 [Part Two] Chapter 3: Dawn: c",
        ]
    );
}

#[test]
fn sections_of_a_chapter_are_headings_in_it() {
    let book = made_of(
        &[
            ("a", "<h1>1. Scope</h1><h2 id='x'>1.1. Who</h2><p>a</p>"),
            ("b", "<h1>2. Use</h1><p>b</p>"),
        ],
        "<li><a href='a.xhtml'>1. Scope</a><ol><li><a href='a.xhtml#x'>1.1. Who</a></li></ol></li>
         <li><a href='b.xhtml'>2. Use</a></li>",
    );
    assert_eq!(shape(&book), ["C1 1. Scope: 1.1. Who|a", "C2 2. Use: b"]);
    assert_eq!(book.chapters[0].blocks[0].kind, BlockKind::Heading);
}

#[test]
fn front_and_back_matter_by_type_title_and_place() {
    let book = made_of(
        &[
            ("title", "<p>Book</p><p>by A. Wick</p>"),
            (
                "ded",
                "<section epub:type='dedication'><p>For Ann</p></section>",
            ),
            ("pre", "<h1>Preface</h1><p>p</p>"),
            ("a", "<h1>Dusk</h1><p>a</p>"),
            ("b", "<h1>Dawn</h1><p>b</p>"),
            ("ack", "<h1>Acknowledgements</h1><p>t</p>"),
            (
                "notes",
                "<section epub:type='endnotes'><h1>Remarks</h1><p>n</p></section>",
            ),
        ],
        "<li><a href='pre.xhtml'>Preface</a></li><li><a href='a.xhtml'>Dusk</a></li>
         <li><a href='b.xhtml'>Dawn</a></li><li><a href='ack.xhtml'>Acknowledgements</a></li>
         <li><a href='notes.xhtml'>Remarks</a></li>",
    );
    assert_eq!(
        shape(&book),
        [
            "F -: Book|by A. Wick",
            "F -: For Ann",
            "F Preface: p",
            "C1 Dusk: a",
            "C2 Dawn: b",
            "B Acknowledgements: t",
            "B Remarks: n",
        ]
    );
}

#[test]
fn without_contents_headings_make_the_chapters() {
    let book = made_of(
        &[
            ("a", "<h1>Dusk</h1><p>a</p>"),
            ("b", "<h1>Dawn</h1><p>b</p>"),
        ],
        "",
    );
    assert_eq!(shape(&book), ["C1 Dusk: a", "C2 Dawn: b"]);
    let book = made_of(
        &[(
            "a",
            "<h1>Book</h1><h2>Dusk</h2><p>a</p><h2>Dawn</h2><p>b</p>",
        )],
        "",
    );
    assert_eq!(shape(&book)[1..], ["C1 Dusk: a", "C2 Dawn: b"]);
}

#[test]
fn what_the_contents_pass_over_is_not_lost() {
    let book = made_of(
        &[
            ("a", "<h1>Chapter 1</h1><p>a</p>"),
            ("b", "<h1>Chapter 2</h1><p>b</p>"),
            ("c", "<h1>Chapter 3</h1><p>c</p>"),
            ("d", "<p>colophon</p>"),
        ],
        "<li><a href='a.xhtml'>Chapter 1</a></li><li><a href='c.xhtml'>Chapter 3</a></li>
         <li><a href='gone.xhtml'>Chapter 4</a></li>",
    );
    assert_eq!(
        shape(&book),
        [
            "C1 Chapter 1: a",
            "C2 Chapter 2: b",
            "C3 Chapter 3: c|colophon"
        ]
    );
}

#[test]
fn the_same_file_is_read_once() {
    let twice = package(
        r#"<item id="c1b" href="1.xhtml#x" media-type="application/xhtml+xml"/>"#,
        r#"<itemref idref="c1b"/>"#,
    );
    let book = read("a.epub", &pack(&with(book(), "OPS/book.opf", twice))).unwrap();
    assert_eq!(book.chapters.len(), 3);
}

#[test]
fn the_cover_is_found_wherever_it_is_named() {
    let png = b"\x89PNG\r\n\x1a\nrest".to_vec();
    let item = r#"<item id="img" href="c.png" media-type="image/png"/>"#;
    let epub3 = package(
        &item.replace("<item", r#"<item properties="cover-image""#),
        "",
    );
    let epub2 = package(item, "").replace(
        "</metadata>",
        r#"<meta name="cover" content="img"/></metadata>"#,
    );
    let guide = r#"</spine><guide><reference type="cover" href="cover.xhtml"/></guide>"#;
    let by_page = package("", "").replace("</spine>", guide);
    for opf in [epub3, epub2, by_page] {
        let files = with(book(), "OPS/c.png", png.clone());
        let files = with(files, "OPS/cover.xhtml", "<html><img src='c.png'/></html>");
        let book = read("a.epub", &pack(&with(files, "OPS/book.opf", opf))).unwrap();
        let cover = book.cover.expect("a cover");
        assert_eq!(
            (cover.media_type.as_str(), &cover.bytes),
            ("image/png", &png)
        );
    }
}

#[test]
fn every_letter_of_the_text_is_in_one_block() {
    let body = "<div>loose<p>in p</p>tail<table><tr><td>cell<p>para</p></td></tr></table>
        <ul>stray<li>item<ul><li>nested</li></ul>rest</li></ul><blockquote>quote<p>deep</p>
        </blockquote></div><pre>code  x</pre>after<span>end</span>";
    let book = made_of(&[("a", body), ("b", "<h1>B</h1><p>b</p>")], "");
    let text: String = book.chapters[0]
        .blocks
        .iter()
        .map(|b| b.text.as_str())
        .collect();
    let letters: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
    assert_eq!(
        letters,
        "looseinptailcellparastrayitemnestedrestquotedeepcodexafterend"
    );
}

#[test]
fn the_same_file_gives_the_same_book() {
    let bytes = pack(&book());
    let json = |book: ParsedBook| serde_json::to_string(&book).unwrap();
    let first = json(read("a.epub", &bytes).unwrap());
    assert_eq!(first, json(read("a.epub", &bytes).unwrap()));
    assert!(first.starts_with(r#"{"format":"epub","title":"Lamps""#));
    let back: ParsedBook = serde_json::from_str(&first).unwrap();
    assert_eq!(json(back), first);
}
