//! Plain text, as it comes.

use litink_core::domain::{BlockKind, ChapterKind};

use crate::files::*;

const PROSE: &str = "The lamp in the window had burned since dusk, and nobody in the street\n\
    remembered who had lit it or why it should be burning still.\n\n";

fn gutenberg(body: &str) -> String {
    format!(
        "The Project Gutenberg eBook of Lamps\n\nTitle: Lamps\n\nAuthor: A. Wick\n\nLanguage: \
         English\n\n*** START OF THE PROJECT GUTENBERG EBOOK LAMPS ***\n\n{body}\n\n*** END OF THE \
         PROJECT GUTENBERG EBOOK LAMPS ***\n\nlicence text\n"
    )
}

#[test]
fn a_gutenberg_text() {
    let prose = PROSE.repeat(3);
    let body = format!(
        "LAMPS\n\nby A. Wick\n\nContents\n\n CHAPTER I. Dusk\n CHAPTER II. Night\n CHAPTER III. \
         Dawn\n\nPREFACE\n\n{prose}CHAPTER I.\nDusk\n\n{prose}CHAPTER II.\nNight\n\n{prose}\
         CHAPTER III.\nDawn\n\n{prose}THE END\n"
    );
    let book = read("lamps.txt", gutenberg(&body).as_bytes()).unwrap();
    assert_eq!(book.title.as_deref(), Some("Lamps"));
    assert_eq!(book.authors, ["A. Wick"]);
    assert_eq!(book.language.as_deref(), Some("en"));
    assert_eq!(warning_codes(&book), ["gutenberg_frame_removed"]);
    let chapters: Vec<_> = book
        .chapters
        .iter()
        .filter(|c| c.kind == ChapterKind::Chapter)
        .collect();
    let found: Vec<_> = chapters
        .iter()
        .map(|c| (c.number, c.title.as_deref().unwrap_or("")))
        .collect();
    assert_eq!(
        found,
        [
            (Some(1), "CHAPTER I: Dusk"),
            (Some(2), "CHAPTER II: Night"),
            (Some(3), "CHAPTER III: Dawn")
        ]
    );
    assert_eq!(chapters[0].blocks.len(), 3);
    let all: String = book
        .chapters
        .iter()
        .flat_map(|c| &c.blocks)
        .map(|b| b.text.as_str())
        .collect();
    assert!(!all.contains("licence text") && all.contains("by A. Wick"));
}

#[test]
fn encodings() {
    let text = format!(
        "CHAPTER 1\n\n{}Déjà vu — “café”.\n\nCHAPTER 2\n\n{PROSE}",
        PROSE.repeat(2)
    );
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let (windows, _, _) = encoding_rs::WINDOWS_1252.encode(&text);
    let marked = [b"\xEF\xBB\xBF", text.as_bytes()].concat();
    for (bytes, codes) in [
        (text.clone().into_bytes(), vec![]),
        (marked, vec![]),
        (windows.into_owned(), vec!["encoding_guessed"]),
        (utf16, vec!["encoding_guessed"]),
    ] {
        let book = read("a.txt", &bytes).unwrap();
        assert_eq!(warning_codes(&book), codes);
        let last = book.chapters[0].blocks.last().unwrap();
        assert_eq!(last.text, "Déjà vu — “café”.");
    }
}

#[test]
fn text_without_headings_is_one_chapter_or_pieces() {
    let book = read("a.txt", PROSE.repeat(10).as_bytes()).unwrap();
    assert_eq!(book.chapters.len(), 1);
    assert_eq!(
        (book.chapters[0].number, book.chapters[0].title.as_deref()),
        (Some(1), None)
    );
    assert_eq!(book.language.as_deref(), Some("en"), "recognised");

    let scene = format!("{}* * *\n\n", PROSE.repeat(20));
    let book = read("a.txt", scene.repeat(40).as_bytes()).unwrap();
    assert_eq!(book.chapters.len(), 4);
    for chapter in &book.chapters[1..] {
        assert_eq!(
            chapter.blocks[0].kind,
            BlockKind::SceneBreak,
            "cut at a scene break"
        );
    }
    let blocks: usize = book.chapters.iter().map(|c| c.blocks.len()).sum();
    assert_eq!(blocks, 40 * 21, "nothing is lost");
}

#[test]
fn other_languages() {
    let german =
        "Es war dunkel in der Straße, und niemand wusste, wer die Lampe angezündet hatte.\n\n";
    let text = format!("Erstes Kapitel\n\n{german}{german}Zweites Kapitel\n\n{german}{german}");
    let book = read("a.txt", text.as_bytes()).unwrap();
    let titles: Vec<_> = book
        .chapters
        .iter()
        .filter_map(|c| c.title.as_deref())
        .collect();
    assert_eq!(titles, ["Erstes Kapitel", "Zweites Kapitel"]);
    assert_eq!(book.language.as_deref(), Some("de"));

    let chinese = "夜深了，街上没有人知道是谁点亮了那盏灯。\n\n".repeat(4);
    let text = format!("第一章 黄昏\n\n{chinese}第二章 黎明\n\n{chinese}");
    let book = read("a.txt", text.as_bytes()).unwrap();
    let numbers: Vec<_> = book.chapters.iter().map(|c| c.number).collect();
    assert_eq!(numbers, [Some(1), Some(2)]);
    assert_eq!(book.language.as_deref(), Some("zh"));
}
