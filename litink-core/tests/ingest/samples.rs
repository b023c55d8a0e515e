//! The book that ships with litink.

use litink_core::{
    domain::ChapterKind::{BackMatter, Chapter, FrontMatter},
    domain::{Block, BlockKind},
    ingest::{ParsedBook, ParsedChapter},
};

use crate::files::read;

fn sample(name: &str) -> ParsedBook {
    let path = format!("{}/../examples/books/{name}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(&path).expect("the sample book");
    read(name, &bytes).expect("a readable book")
}

#[test]
fn the_sample_epub() {
    let book = sample("the-lamplighters-map.epub");
    assert_eq!(book.title.as_deref(), Some("The Lamplighter’s Map"));
    assert_eq!(book.language.as_deref(), Some("en"));
    assert_eq!(book.warnings, []);
    assert!(
        book.cover
            .is_some_and(|cover| cover.media_type == "image/png")
    );
    let kinds: Vec<_> = book.chapters.iter().map(|c| (c.kind, c.number)).collect();
    assert_eq!(
        kinds,
        [
            (FrontMatter, None),
            (FrontMatter, None),
            (Chapter, Some(1)),
            (Chapter, Some(2)),
            (Chapter, Some(3)),
            (BackMatter, None),
        ]
    );
    let words: usize = book.chapters.iter().map(|c| c.word_count()).sum();
    assert!((1_200..=1_900).contains(&words), "{words} words");
}

#[test]
fn the_sample_text_has_the_same_chapters() {
    let (text, epub) = (
        sample("the-lamplighters-map.txt"),
        sample("the-lamplighters-map.epub"),
    );
    let chapters = |book: &ParsedBook| -> Vec<_> {
        let title = |c: &ParsedChapter| c.title.as_ref().map(|title| title.to_lowercase());
        let chapters = book.chapters.iter().filter(|c| c.kind == Chapter);
        chapters
            .map(|c| (c.number, title(c), paragraphs(&c.blocks)))
            .collect()
    };
    assert_eq!(chapters(&text), chapters(&epub));
    assert_eq!(text.title.as_deref(), Some("THE LAMPLIGHTER’S MAP"));
    assert_eq!(text.authors, ["the litink authors"]);
    assert_eq!(text.chapters.last().map(|c| c.kind), Some(BackMatter));
}

/// Kinds and texts; the ornament of a scene break is the format's own affair.
fn paragraphs(blocks: &[Block]) -> Vec<(BlockKind, String)> {
    let text = |block: &Block| match block.kind {
        BlockKind::SceneBreak => String::new(),
        _ => block.text.clone(),
    };
    blocks
        .iter()
        .map(|block| (block.kind, text(block)))
        .collect()
}
