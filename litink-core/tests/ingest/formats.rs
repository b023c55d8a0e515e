//! What each format besides EPUB and text says, and what of it is left out.

use litink_core::{
    domain::{BlockKind, ChapterKind},
    ingest::{Format, ParsedBook},
};

use crate::files::*;

fn blocks(book: &ParsedBook) -> Vec<(BlockKind, &str)> {
    let blocks = book.chapters.iter().flat_map(|c| &c.blocks);
    blocks.map(|b| (b.kind, b.text.as_str())).collect()
}

/// A PDF of one page with this content.
fn pdf(content: &str, more: &str) -> Vec<u8> {
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 400]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>"
            .to_owned(),
        format!("<</Length {}>>stream\n{content}\nendstream", content.len()),
        "<</Type/Font/Subtype/Type1/BaseFont/Times-Roman>>".to_owned(),
    ];
    let mut out = String::from("%PDF-1.4\n");
    let mut places = Vec::new();
    for (i, object) in objects.iter().enumerate() {
        places.push(out.len());
        out += &format!("{} 0 obj\n{object}\nendobj\n", i + 1);
    }
    let start = out.len();
    out += "xref\n0 6\n0000000000 65535 f \n";
    for place in places {
        out += &format!("{place:010} 00000 n \n");
    }
    out += &format!("trailer<</Size 6/Root 1 0 R{more}>>\nstartxref\n{start}\n%%EOF\n");
    out.into_bytes()
}

#[test]
fn a_pdf_is_read_and_a_scan_is_told_from_it() {
    let text =
        "BT /F 10 Tf 50 350 Td (The lamp-) Tj 0 -12 Td (lighter came, and he was cold.) Tj ET";
    let book = read("a.pdf", &pdf(text, "")).unwrap();
    assert_eq!(book.format, Format::Pdf);
    assert_eq!(
        blocks(&book),
        [(
            BlockKind::Paragraph,
            "The lamplighter came, and he was cold."
        )]
    );

    let scan = pdf("0 0 300 400 re f", "");
    assert_eq!(read("a.pdf", &scan).unwrap_err().code(), "no_text_layer");
    let whole = pdf(text, "");
    for end in [9, 40, 120] {
        let error = read("a.pdf", &whole[..end]).unwrap_err();
        assert!(
            ["corrupt_pdf", "no_text_layer"].contains(&error.code()),
            "{end}: {error}"
        );
    }
    let locked = "/ID[<00><00>]/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<0000000000000000000000000000000000000000000000000000000000000000>/U<0000000000000000000000000000000000000000000000000000000000000000>>>";
    assert_eq!(
        read("a.pdf", &pdf(text, locked)).unwrap_err().code(),
        "password_required"
    );
    let drm = "/ID[<00><00>]/Encrypt<</Filter/EBX_HANDLER/V 4>>";
    let code = read("a.pdf", &pdf(text, drm))
        .unwrap_err()
        .code()
        .to_owned();
    assert!(
        ["drm_protected", "corrupt_pdf"].contains(&code.as_str()),
        "{code}"
    );
}

#[test]
fn a_docx_keeps_notes_apart_and_leaves_out_what_was_deleted() {
    let document = r#"<w:document><w:body>
        <w:p><w:pPr><w:pStyle w:val="H"/></w:pPr><w:r><w:t>Chapter 1</w:t></w:r></w:p>
        <w:p><w:r><w:t xml:space="preserve">The lamp </w:t></w:r><w:del><w:r><w:delText>x</w:delText><w:t>was red</w:t></w:r></w:del>
        <w:ins><w:r><w:t>was out</w:t></w:r></w:ins><w:r><w:footnoteReference w:id="2"/></w:r><w:r><w:t>.</w:t></w:r></w:p>
        <w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>An item</w:t></w:r></w:p>
        <w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc></w:tr></w:tbl>
        <w:p><w:r><w:instrText>PAGE</w:instrText></w:r></w:p>
        <w:p><w:pPr><w:pStyle w:val="H"/></w:pPr><w:r><w:t>Chapter 2</w:t></w:r></w:p>
        <w:p><w:r><w:t>It was lit.</w:t></w:r></w:p></w:body></w:document>"#;
    let files = vec![
        ("word/document.xml".to_owned(), document.into()),
        (
            "word/styles.xml".to_owned(),
            r#"<w:style w:styleId="H"><w:name w:val="heading 1"/></w:style>"#.into(),
        ),
        (
            "word/footnotes.xml".to_owned(),
            r#"<w:footnote w:id="2"><w:p><w:r><w:t>A note.</w:t></w:r></w:p></w:footnote>"#.into(),
        ),
    ];
    let book = read("a.docx", &pack(&files)).unwrap();
    assert_eq!(book.chapters.len(), 2);
    assert_eq!(
        blocks(&book),
        [
            (BlockKind::Paragraph, "The lamp was out."),
            (BlockKind::Footnote, "A note."),
            (BlockKind::ListItem, "An item"),
            (BlockKind::Table, "a\tb"),
            (BlockKind::Paragraph, "It was lit."),
        ]
    );
}

#[test]
fn an_odt_keeps_notes_apart_and_a_locked_one_is_refused() {
    let content = r#"<office:text><text:h text:outline-level="1">Chapter 1</text:h>
        <text:p>The lamp<text:s/>was out<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>A note.</text:p></text:note-body></text:note>.</text:p>
        <text:tracked-changes><text:p>gone</text:p></text:tracked-changes>
        <text:h text:outline-level="1">Chapter 2</text:h><text:p>It was lit.</text:p></office:text>"#;
    let files = vec![
        (
            "mimetype".to_owned(),
            "application/vnd.oasis.opendocument.text".into(),
        ),
        ("content.xml".to_owned(), content.into()),
    ];
    let book = read("a.odt", &pack(&files)).unwrap();
    assert_eq!(
        blocks(&book),
        [
            (BlockKind::Paragraph, "The lamp was out."),
            (BlockKind::Footnote, "A note."),
            (BlockKind::Paragraph, "It was lit."),
        ]
    );
    let locked = with(
        files,
        "META-INF/manifest.xml",
        "<manifest:encryption-data/>",
    );
    assert_eq!(
        read("a.odt", &pack(&locked)).unwrap_err().code(),
        "password_required"
    );
}

#[test]
fn rtf_is_decoded_and_its_destinations_left_out() {
    let text =
        b"{\\rtf1\\ansi\\ansicpg1251{\\fonttbl{\\f0\\fcharset204 Arial;}}{\\*\\generator x;}\
        {\\info{\\title T}}{\\header head}\\f0 \\'cb\\'e0\\'ec\\'ef\\'e0 \\u8212?\\par \
        The {\\b lamp}\\~was{\\v hidden} out{\\footnote A note.}.\\par}";
    let book = read("a.rtf", text).unwrap();
    assert_eq!(book.title.as_deref(), Some("T"));
    assert_eq!(
        blocks(&book),
        [
            (BlockKind::Paragraph, "Лампа —"),
            (BlockKind::Paragraph, "The lamp was out."),
            (BlockKind::Footnote, "A note."),
        ]
    );
    let deep = format!(
        "{{\\rtf1 {}x{}\\par}}",
        "{".repeat(100_000),
        "}".repeat(100_000)
    );
    let book = read("a.rtf", deep.as_bytes()).unwrap();
    assert_eq!(warning_codes(&book), ["nesting_flattened"]);
}

#[test]
fn fb2_has_a_cover_and_notes() {
    let text = "<?xml version='1.0'?><FictionBook><description><title-info><book-title>T</book-title>\
        <coverpage><image l:href='#c'/></coverpage></title-info></description><body><section>\
        <title><p>1</p></title><p>The lamp<a type='note' l:href='#n'>[1]</a> was out.</p>\
        <poem><stanza><v>Light the lamp,</v><v>Trim the wick.</v></stanza></poem></section></body>\
        <body name='notes'><section><p>A note.</p></section></body>\
        <binary id='c' content-type='image/gif'>R0lGODlhAQ==</binary></FictionBook>";
    let book = read("a.fb2", text.as_bytes()).unwrap();
    assert!(book.cover.is_some_and(|c| c.media_type == "image/gif"));
    let book = read("a.fb2", text.as_bytes()).unwrap();
    assert_eq!(
        blocks(&book),
        [
            (BlockKind::Paragraph, "The lamp was out."),
            (BlockKind::Verse, "Light the lamp,\nTrim the wick."),
            (BlockKind::Footnote, "A note."),
        ]
    );
}

#[test]
fn an_empty_line_of_fb2_parts_scenes_and_is_space_elsewhere() {
    let text = "<FictionBook><body><section><title><p>1</p></title><empty-line/><p>The lamp was out.</p>\
        <p>The wick was wet.</p><empty-line/><empty-line/><p>It was lit again.</p><empty-line/><subtitle>The oil</subtitle>\
        <p>There was little.</p><p>It lasted.</p><empty-line/></section></body></FictionBook>";
    let book = read("a.fb2", text.as_bytes()).unwrap();
    assert_eq!(
        blocks(&book),
        [
            (BlockKind::Paragraph, "The lamp was out."),
            (BlockKind::Paragraph, "The wick was wet."),
            (BlockKind::SceneBreak, ""),
            (BlockKind::Paragraph, "It was lit again."),
            (BlockKind::Heading, "The oil"),
            (BlockKind::Paragraph, "There was little."),
            (BlockKind::Paragraph, "It lasted."),
        ]
    );
}

#[test]
fn names_promise_and_content_decides() {
    let text = "# One\n\nThe lamp.\n\n# Two\n\nThe wick.\n";
    let book = read("a.txt", text.as_bytes()).unwrap();
    assert_eq!((book.format, book.chapters.len()), (Format::Markdown, 2));
    assert_eq!(book.warnings, []);
    let book = read("a.pdf", text.as_bytes()).unwrap();
    assert_eq!(warning_codes(&book), ["extension_mismatch"]);
    let page = "<!DOCTYPE html><title>T</title><h1>Preface</h1><p>x<h1>Chapter 1</h1><p>y";
    let book = read("a.epub", page.as_bytes()).unwrap();
    assert_eq!(book.format, Format::Html);
    assert_eq!(book.chapters[0].kind, ChapterKind::FrontMatter);
    let inner = pack(&vec![("a.txt".into(), b"The lamp was out.".to_vec())]);
    let nested = pack(&vec![("a.zip".into(), inner.clone())]);
    assert_eq!(read("a.zip", &inner).unwrap().format, Format::Text);
    assert_eq!(
        read("a.zip", &nested).unwrap_err().code(),
        "unsupported_format"
    );
    let two = pack(&vec![
        ("a.txt".into(), b"x".to_vec()),
        ("b.txt".into(), b"y".to_vec()),
    ]);
    assert_eq!(
        read("a.zip", &two).unwrap_err().code(),
        "unsupported_format"
    );
}
