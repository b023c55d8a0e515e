//! What a book keeps besides its words: what stands out in them, where they came from, what else
//! is said of it, and how sure its reader was.

use litink_core::{
    domain::{Anchor, Block, BlockKind, Identifier, Series, Style},
    ingest::ParsedBook,
};

use crate::files::*;

const HTML: &str = include_str!("kinds.html");
const MARKDOWN: &str = include_str!("kinds.md");
const FB2: &str = include_str!("kinds.fb2");
const DOCUMENT: &str = r#"<w:document><w:body>
    <w:p w14:paraId="0A1B"><w:r><w:t xml:space="preserve">The lamp was </w:t></w:r><w:r><w:rPr><w:i/></w:rPr><w:t>o</w:t></w:r><w:r><w:rPr><w:i/></w:rPr><w:t xml:space="preserve">ut </w:t></w:r><w:r><w:rPr><w:b w:val="0"/><w:rStyle w:val="Strong"/></w:rPr><w:t>why</w:t></w:r></w:p>
    <w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:rPr><w:i/></w:rPr><w:t>hemp</w:t></w:r></w:p></w:tc></w:tr></w:tbl>
    </w:body></w:document>"#;
const CONTENT: &str = r#"<office:document-content><office:automatic-styles>
    <style:style style:name="T1" style:family="text"><style:text-properties fo:font-style="italic"/></style:style>
    <style:style style:name="T2" style:family="text" style:parent-style-name="Strong_20_Emphasis"/></office:automatic-styles>
    <office:text><text:p>The lamp was <text:span text:style-name="T1">out</text:span>, and
    nobody knew <text:span text:style-name="T2">why</text:span>.</text:p><text:p text:style-name="Horizontal_20_Line"/>
    <text:list><text:list-item><text:p>of <text:span text:style-name="Emphasis">hemp</text:span></text:p></text:list-item></text:list></office:text></office:document-content>"#;
const RTF: &[u8] = b"{\\rtf1\\ansi The lamp was {\\i out}, and nobody knew \\b why\\b0 .\\par \
    of {\\i he\\u109?p\\par}}";

fn blocks(book: &ParsedBook) -> impl Iterator<Item = &Block> {
    book.chapters.iter().flat_map(|c| &c.blocks)
}

fn marked(book: &ParsedBook) -> Vec<(&str, Style)> {
    let of_block = |b: &Block| -> Vec<_> {
        let spans = b.spans.iter();
        spans.map(|s| (s.range(), s.style)).collect()
    };
    blocks(book)
        .flat_map(|b| {
            of_block(b)
                .into_iter()
                .map(|(range, style)| (&b.text[range], style))
        })
        .collect()
}

/// The block that starts with these words.
fn starting<'a>(book: &'a ParsedBook, words: &str) -> &'a Block {
    let found = blocks(book).find(|b| b.text.starts_with(words));
    found.unwrap_or_else(|| panic!("{words:?} in {:?}", blocks(book).collect::<Vec<_>>()))
}

fn anchor<'a>(book: &'a ParsedBook, words: &str) -> &'a Anchor {
    starting(book, words).anchor.as_ref().expect("an anchor")
}

fn office(path: &str, content: &str) -> Vec<u8> {
    let mut files = vec![(path.to_owned(), content.into())];
    if path == "content.xml" {
        let kind = b"application/vnd.oasis.opendocument.text".to_vec();
        files.push(("mimetype".into(), kind));
    }
    pack(&files)
}

fn every_format() -> Vec<(&'static str, ParsedBook)> {
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("a.html", HTML.into()),
        ("a.md", MARKDOWN.into()),
        ("a.fb2", FB2.into()),
        ("a.docx", office("word/document.xml", DOCUMENT)),
        ("a.odt", office("content.xml", CONTENT)),
        ("a.rtf", RTF.into()),
    ];
    files
        .into_iter()
        .map(|(name, bytes)| (name, read(name, &bytes).expect(name)))
        .collect()
}

#[test]
fn every_format_keeps_what_stands_out() {
    for (name, book) in every_format() {
        let found = marked(&book);
        let words: Vec<&str> = found.iter().map(|(word, _)| *word).collect();
        let expected: &[&str] = match name {
            "a.fb2" => &["out", "why", "lamp"],
            _ => &["out", "why", "hemp"],
        };
        assert_eq!(words, expected, "{name}");
        for (word, style) in found {
            let expected = if word == "why" {
                Style::Strong
            } else {
                Style::Emphasis
            };
            assert_eq!(style, expected, "{name}: {word}");
        }
    }
    let text = "It was _late_ in the _harbour\nstreet_ of snake_case.\n\nNobody came.\n";
    let book = read("a.txt", text.as_bytes()).unwrap();
    let expected = [
        ("late", Style::Emphasis),
        ("harbour street", Style::Emphasis),
    ];
    assert_eq!(marked(&book), expected);
}

#[test]
fn every_kind_of_block_is_told_apart() {
    use BlockKind::*;
    for (name, kinds) in [
        (
            "a.html",
            [
                Quote,
                Verse,
                ListItem,
                Table,
                SceneBreak,
                Image,
                Preformatted,
                Footnote,
            ]
            .as_slice(),
        ),
        (
            "a.md",
            &[
                Quote,
                ListItem,
                Table,
                SceneBreak,
                Image,
                Preformatted,
                Footnote,
            ],
        ),
        (
            "a.fb2",
            &[Quote, Verse, Table, SceneBreak, Image, Heading, Footnote],
        ),
    ] {
        let (_, book) = every_format()
            .into_iter()
            .find(|(n, _)| *n == name)
            .unwrap();
        for kind in kinds {
            assert!(blocks(&book).any(|b| b.kind == *kind), "{name}: {kind:?}");
        }
        assert_eq!(
            starting(&book, "A map of the harbour").kind,
            Image,
            "{name}"
        );
        assert_eq!(
            starting(&book, "It had been the wind").kind,
            Footnote,
            "{name}"
        );
        let table = blocks(&book).find(|b| b.kind == Table).unwrap();
        assert!(
            table.text.ends_with("Day\tTide\nMonday\tlate"),
            "{name}: {table:?}"
        );
        let spoken = starting(&book, "The lamp was out");
        assert_eq!(
            spoken.text, "The lamp was out, and nobody knew why.",
            "{name}"
        );
    }
}

#[test]
fn blocks_point_back_into_the_file() {
    let sources: [(&str, &[u8]); 4] = [
        ("a.html", HTML.as_bytes()),
        ("a.md", MARKDOWN.as_bytes()),
        ("a.fb2", FB2.as_bytes()),
        ("a.rtf", RTF),
    ];
    let books = every_format();
    let book = |name: &str| &books.iter().find(|(n, _)| *n == name).unwrap().1;
    for (name, source) in sources {
        for block in blocks(book(name)).filter(|b| b.kind == BlockKind::Paragraph) {
            let at = block.anchor.as_ref().and_then(|a| a.offset).expect(name) as usize;
            let word = block.text.split([' ', ',']).next().unwrap();
            let near = &source[at..(at + 60).min(source.len())];
            let near = String::from_utf8_lossy(near);
            assert!(near.contains(word), "{name}: {word:?} at {near:?}");
        }
    }
    assert_eq!(
        anchor(book("a.html"), "The lamp").fragment.as_deref(),
        Some("p1")
    );
    assert_eq!(
        anchor(book("a.fb2"), "The lamp").fragment.as_deref(),
        Some("p1")
    );
    let docx = anchor(book("a.docx"), "The lamp");
    assert_eq!(docx.path.as_deref(), Some("word/document.xml"));
    assert_eq!(docx.fragment.as_deref(), Some("0A1B"));
    assert_eq!(docx.offset, DOCUMENT.find("<w:p ").map(|at| at as u32));
    let odt = anchor(book("a.odt"), "The lamp");
    assert_eq!(odt.offset, CONTENT.find("<text:p>").map(|at| at as u32));

    let more = "<p id='x'>Far away.</p>";
    let files = with(self::book(), "OPS/2.xhtml", chapter(2, more));
    let epub = read("a.epub", &pack(&files)).unwrap();
    let far = anchor(&epub, "Far away");
    assert_eq!(
        (far.path.as_deref(), far.fragment.as_deref()),
        (Some("OPS/2.xhtml"), Some("x"))
    );
    assert_eq!(
        far.offset,
        chapter(2, more).find("<p id").map(|at| at as u32)
    );

    let zipped = pack(&vec![("in/b.epub".into(), pack(&files))]);
    let path = anchor(&read("a.zip", &zipped).unwrap(), "Far away")
        .path
        .clone();
    assert_eq!(path.as_deref(), Some("in/b.epub!/OPS/2.xhtml"));
    let zipped = pack(&vec![("b.txt".into(), b"The lamp was out.".to_vec())]);
    let path = anchor(&read("a.zip", &zipped).unwrap(), "The lamp")
        .path
        .clone();
    assert_eq!(path.as_deref(), Some("b.txt"));

    let text = "\u{FEFF}CHAPTER I\n\nThe lamp\nwas out.\n\n\u{201C}Light it,\u{201D} said Ann.\n\nCHAPTER II\n\nIt was lit.\n";
    let text_book = read("a.txt", text.as_bytes()).unwrap();
    for words in ["The lamp", "\u{201C}Light it", "It was lit"] {
        let at = text.find(words).map(|at| at as u32 - 3);
        assert_eq!(anchor(&text_book, words).offset, at, "{words}");
    }
    let pdf = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/books/pdf-typst.pdf"
    ));
    let pdf = read("a.pdf", &pdf.unwrap()).unwrap();
    let pages: Vec<u32> = blocks(&pdf)
        .map(|b| b.anchor.as_ref().unwrap().page.unwrap())
        .collect();
    assert!(
        pages.is_sorted() && pages[0] >= 1 && pages.last() > Some(&5),
        "{pages:?}"
    );
}

#[test]
fn stored_blocks_of_older_versions_are_read_and_plain_ones_stay_short() {
    let old = r#"{"kind":"paragraph","text":"The lamp."}"#;
    let block: Block = serde_json::from_str(old).unwrap();
    assert_eq!(block, Block::new(BlockKind::Paragraph, "The lamp."));
    assert_eq!(serde_json::to_string(&block).unwrap(), old);
    for (name, book) in every_format() {
        let json = serde_json::to_string(&book).unwrap();
        assert!(
            !json.contains(r#""page":null"#) && !json.contains(r#""spans":[]"#),
            "{name}"
        );
        assert_eq!(
            serde_json::from_str::<ParsedBook>(&json).unwrap(),
            book,
            "{name}"
        );
    }
}

#[test]
fn identifiers_and_series_are_read_where_they_are_declared() {
    let isbn = Identifier {
        scheme: Some("isbn".into()),
        value: "978-0-306-40615-7".into(),
    };
    for (name, book) in every_format() {
        if let "a.html" | "a.md" | "a.fb2" = name {
            assert_eq!(book.identifiers.first(), Some(&isbn), "{name}");
            assert_eq!(
                book.identifier.as_deref(),
                Some("978-0-306-40615-7"),
                "{name}"
            );
        }
    }
    let fb2 = read("a.fb2", FB2.as_bytes()).unwrap();
    assert_eq!(fb2.identifiers[1].scheme.as_deref(), Some("uuid"));
    let series = |name: &str, position: Option<&str>| Series {
        name: name.into(),
        position: position.map(Into::into),
    };
    assert_eq!(fb2.series, Some(series("Lamps of the Coast", Some("2"))));
    let html = read("a.html", HTML.as_bytes()).unwrap();
    assert_eq!(html.series, Some(series("Lamps of the Coast", None)));

    let with_metadata = |more: &str| {
        let opf = package("", "").replace("</metadata>", &format!("{more}</metadata>"));
        read("a.epub", &pack(&with(book(), "OPS/book.opf", opf))).unwrap()
    };
    let epub = with_metadata(
        r##"<dc:identifier opf:scheme="ISBN">9780306406157</dc:identifier>
        <dc:identifier id="d">10.1000/182</dc:identifier><meta refines="#d" property="identifier-type">06</meta>
        <meta property="belongs-to-collection" id="s">The set</meta><meta refines="#s" property="collection-type">set</meta>
        <meta property="belongs-to-collection" id="c">Lamps</meta><meta refines="#c" property="collection-type">series</meta>
        <meta refines="#c" property="group-position">2.5</meta><dc:date opf:event="modification">2020</dc:date>"##,
    );
    assert_eq!(epub.series, Some(series("Lamps", Some("2.5"))));
    assert_eq!(epub.published, None);
    let found: Vec<_> = epub
        .identifiers
        .iter()
        .map(|i| (i.scheme.as_deref(), i.value.as_str()))
        .collect();
    let expected = [
        (None, "urn:test:1"),
        (Some("isbn"), "9780306406157"),
        (Some("doi"), "10.1000/182"),
    ];
    assert_eq!(found, expected);
    let calibre = with_metadata(
        "<meta name='calibre:series' content='Lamps'/><meta name='calibre:series_index' content='3.0'/>",
    );
    assert_eq!(calibre.series, Some(series("Lamps", Some("3"))));
}

#[test]
fn a_zipped_page_has_the_cover_beside_it() {
    let files = vec![
        ("book/index.html".to_owned(), HTML.into()),
        ("book/cover.PNG".to_owned(), b"\x89PNG\r\n\x1a\n".to_vec()),
    ];
    let book = read("a.zip", &pack(&files)).unwrap();
    assert!(
        book.cover
            .as_ref()
            .is_some_and(|c| c.media_type == "image/png")
    );
    let path = blocks(&book)
        .next()
        .unwrap()
        .anchor
        .as_ref()
        .unwrap()
        .path
        .clone();
    assert_eq!(path.as_deref(), Some("book/index.html"));
}

/// How something was decided, and how sure that was.
fn decided(book: &ParsedBook, code: &str) -> (String, f64) {
    let decision = book.decisions.iter().find(|d| d.code == code).expect(code);
    assert!((0.0..=1.0).contains(&decision.confidence), "{decision:?}");
    assert!(!decision.message.is_empty());
    (decision.method.clone(), decision.confidence)
}

#[test]
fn the_reader_says_how_it_decided_and_how_sure_it_is() {
    let epub = read("a.epub", &pack(&book())).unwrap();
    let codes: Vec<&str> = epub.decisions.iter().map(|d| d.code.as_str()).collect();
    assert_eq!(
        codes,
        ["format", "title", "authors", "language", "chapters"]
    );
    let (method, sure) = decided(&epub, "chapters");
    assert!(method == "navigation" && sure > 0.95, "{method} {sure}");
    assert_eq!(decided(&epub, "title").0, "declared");

    let files = without(book(), "OPS/nav.xhtml");
    assert_eq!(
        decided(&read("a.epub", &pack(&files)).unwrap(), "chapters").0,
        "headings"
    );
    let headings = read("a.html", HTML.as_bytes()).unwrap();
    assert_eq!(decided(&headings, "chapters").0, "headings");

    let prose = "The lamp in the window had burned all night, and nobody knew who had lit it.\n\n";
    let long = read("a.txt", prose.repeat(1_000).as_bytes()).unwrap();
    let (method, cut) = decided(&long, "chapters");
    assert!(method == "length" && cut < 0.3, "{method} {cut}");
    assert_eq!(decided(&long, "title"), ("unknown".into(), 0.0));
    assert_eq!(decided(&long, "language").0, "detected");
    let chapters = |numbers: &[u32]| -> String {
        numbers
            .iter()
            .map(|n| format!("CHAPTER {n}\n\n{prose}{prose}"))
            .collect()
    };
    let complete = read("a.txt", chapters(&[1, 2, 3, 4]).as_bytes()).unwrap();
    let gap = read("a.txt", chapters(&[1, 2, 4, 5]).as_bytes()).unwrap();
    let sure = |book| decided(book, "chapters").1;
    assert!(sure(&complete) > sure(&gap) && sure(&gap) > cut);

    let opf = package("", "").replace("<dc:language>en", "<dc:language>de");
    let text: String = prose.repeat(40);
    let files = with(book(), "OPS/book.opf", opf);
    let files = with(files, "OPS/1.xhtml", chapter(1, &format!("<p>{text}</p>")));
    let doubtful = read("a.epub", &pack(&files)).unwrap();
    assert_eq!(decided(&doubtful, "language").0, "contradicted");
    assert_eq!(doubtful.language.as_deref(), Some("de"));
    assert!(warning_codes(&doubtful).contains(&"language_doubtful"));
}

#[test]
fn page_marks_number_the_blocks_of_an_epub() {
    let more = "<span epub:type='pagebreak' title='12'/><p>Far.</p><p>a<a epub:type='pagebreak' \
        id='p13'/>b</p><p>End.</p>";
    let epub = read(
        "a.epub",
        &pack(&with(book(), "OPS/2.xhtml", chapter(2, more))),
    )
    .unwrap();
    let page = |words: &str| anchor(&epub, words).page;
    assert_eq!(
        (
            page("Far."),
            page("End."),
            page("It was dark in street number 2")
        ),
        (Some(12), Some(13), None)
    );
}
