use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    LOCAL_USER,
    domain::Meta,
    storage::{Area, StorageKey},
};

fn chapter(position: u32, title: Option<&str>, texts: &[&str]) -> Chapter {
    let book = BookId::derived(&[b"book"]);
    let blocks: Vec<_> = texts
        .iter()
        .map(|text| match text.strip_prefix("# ") {
            Some(heading) => Block::new(BlockKind::Heading, heading),
            None => Block::new(BlockKind::Paragraph, *text),
        })
        .collect();
    Chapter {
        meta: Meta::new(Chapter::id_of(book, position), LOCAL_USER),
        book_id: book,
        position,
        kind: ChapterKind::Chapter,
        number: Some(position + 1),
        title: title.map(str::to_owned),
        section: None,
        char_count: characters(&blocks),
        blocks,
    }
}

fn book() -> Book {
    let id = BookId::derived(&[b"book"]);
    let row = json!({
        "id": id, "owner": LOCAL_USER, "version": 1,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        "state": "ready", "title": "A Book", "authors": [], "language": null, "identifier": null,
        "publisher": null, "published": null, "description": null, "format": "text",
        "file_name": "book.txt", "file_key": StorageKey::new(LOCAL_USER, Area::Books, id, "original-book.txt"),
        "file_bytes": 1, "content_hash": "00", "cover_key": null, "chapter_count": 0,
        "char_count": 0, "warnings": [],
    });
    serde_json::from_value(row).unwrap()
}

fn chapters() -> Vec<Chapter> {
    vec![
        chapter(0, Some("One"), &["a1", "a2"]),
        chapter(1, None, &["b1", "# Within", "b2"]),
        chapter(2, Some("Three"), &["c1"]),
    ]
}

fn edits(json: serde_json::Value) -> Vec<Edit> {
    serde_json::from_value(json).unwrap()
}

fn titles(chapters: &[Chapter]) -> Vec<(Option<&str>, Option<u32>, usize)> {
    let line = |it: &Chapter| (it.number, it.blocks.len());
    let lines = chapters.iter().map(|it| (it.title.as_deref(), line(it)));
    lines
        .map(|(title, (number, blocks))| (title, number, blocks))
        .collect()
}

#[test]
fn each_edit_does_what_it_says_and_leaves_the_others_alone() {
    let before = chapters();
    let [one, two, three] = [0, 1, 2].map(|place: usize| before[place].id());
    let (book, after) = apply(
        book(),
        before.clone(),
        &edits(json!([
            { "op": "rename", "chapter": one, "title": " The First " },
            { "op": "split", "chapter": two, "block": 1 },
            { "op": "move", "chapter": three, "to": 0 },
            { "op": "reclassify", "chapter": three, "kind": "front_matter" },
            { "op": "section", "chapter": one, "section": "Part I" },
            { "op": "describe", "authors": ["Ann", "Bo"], "language": "pt-BR" },
        ])),
    )
    .unwrap();
    assert_eq!(
        titles(&after),
        [
            (Some("Three"), None, 1),
            (Some("The First"), Some(1), 2),
            (None, Some(2), 1),
            (Some("Within"), None, 1),
        ]
    );
    assert_eq!(
        [after[0].id(), after[1].id(), after[2].id()],
        [three, one, two]
    );
    assert_eq!(after[0].kind, ChapterKind::FrontMatter);
    assert_eq!(after[1].section.as_deref(), Some("Part I"));
    assert_eq!(
        after.iter().map(|it| it.position).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    assert_eq!(
        (book.title.as_str(), book.language.as_deref()),
        ("A Book", Some("pt-BR"))
    );
    assert_eq!(book.authors, ["Ann", "Bo"]);
    assert_eq!((book.chapter_count, book.char_count), (4, 10));
    let sure = |code: &str| {
        let found = book.decisions.iter().find(|it| it.code == code);
        found.is_some_and(|it| it.method == EDITED)
    };
    assert!(sure("chapters") && sure("authors") && sure("language") && !sure("title"));
}

#[test]
fn a_merge_keeps_the_titles_as_headings_and_a_split_takes_them_out_again() {
    let before = chapters();
    let ids: Vec<_> = before.iter().map(Chapter::id).collect();
    let (book, merged) = apply(
        book(),
        before,
        &[Edit::Merge {
            chapters: ids.clone(),
        }],
    )
    .unwrap();
    assert_eq!(titles(&merged), [(Some("One"), Some(1), 7)]);
    assert_eq!(merged[0].blocks[5], Block::new(BlockKind::Heading, "Three"));
    assert_eq!(merged[0].char_count, 21);
    let split = Edit::Split {
        chapter: ids[0],
        block: 5,
        title: None,
    };
    let split = std::slice::from_ref(&split);
    let (book, cut) = apply(book, merged.clone(), split).unwrap();
    assert_eq!(
        titles(&cut),
        [(Some("One"), Some(1), 5), (Some("Three"), None, 1)]
    );
    // The same split again has the same id, and no id is taken twice.
    assert_eq!(
        apply(book.clone(), merged, split).unwrap().1[1].id(),
        cut[1].id()
    );
    let (_, renumbered) = apply(book, cut, &[Edit::Renumber {}]).unwrap();
    assert_eq!(renumbered[1].number, Some(2));
}

#[test]
fn what_cannot_be_done_says_which_edit_and_why() {
    let ids: Vec<_> = chapters().iter().map(Chapter::id).collect();
    let stranger = ChapterId::derived(&[b"stranger"]);
    let wrong = [
        (
            json!({ "op": "rename", "chapter": stranger, "title": null }),
            "unknown_chapter",
        ),
        (
            json!({ "op": "rename", "chapter": ids[0], "title": " " }),
            "bad_title",
        ),
        (
            json!({ "op": "rename", "chapter": ids[0], "title": "a\nb" }),
            "bad_title",
        ),
        (json!({ "op": "merge", "chapters": [] }), "not_adjacent"),
        (
            json!({ "op": "merge", "chapters": [ids[0]] }),
            "not_adjacent",
        ),
        (
            json!({ "op": "merge", "chapters": [ids[0], ids[2]] }),
            "not_adjacent",
        ),
        (
            json!({ "op": "merge", "chapters": [ids[1], ids[0]] }),
            "not_adjacent",
        ),
        (
            json!({ "op": "merge", "chapters": [ids[0], ids[0]] }),
            "not_adjacent",
        ),
        (
            json!({ "op": "merge", "chapters": [ids[2], stranger] }),
            "unknown_chapter",
        ),
        (
            json!({ "op": "split", "chapter": ids[0], "block": 0 }),
            "bad_split",
        ),
        (
            json!({ "op": "split", "chapter": ids[0], "block": 2 }),
            "bad_split",
        ),
        (
            json!({ "op": "move", "chapter": ids[0], "to": 3 }),
            "bad_position",
        ),
        (
            json!({ "op": "number", "chapter": ids[0], "number": 0 }),
            "bad_number",
        ),
        (
            json!({ "op": "describe", "language": "German" }),
            "bad_language",
        ),
    ];
    for (edit, code) in wrong {
        let fine = json!({ "op": "renumber" });
        let error = apply(book(), chapters(), &edits(json!([fine, edit]))).unwrap_err();
        assert_eq!(error.code(), code, "{edit}");
        assert!(error.context().contains(&("edit", "1".into())), "{error}");
    }
    let many = vec![Edit::Renumber {}; MAX_EDITS + 1];
    let error = apply(book(), chapters(), &many).unwrap_err();
    assert_eq!(error.code(), "too_many_edits");
    // Forgetting a title is not the same as taking it away.
    for bad in [
        json!({ "op": "rename", "chapter": ids[0] }),
        json!({ "op": "renumber", "from": 3 }),
        json!({ "op": "erase", "chapter": ids[0] }),
    ] {
        assert!(
            serde_json::from_value::<Edit>(bad.clone()).is_err(),
            "{bad}"
        );
    }
}

/// Every text of a book, titles included, sorted.
fn texts(chapters: &[Chapter]) -> Vec<String> {
    let titles = chapters.iter().filter_map(|it| it.title.clone());
    let blocks = chapters
        .iter()
        .flat_map(|it| &it.blocks)
        .map(|it| it.text.clone());
    let mut texts: Vec<_> = titles.chain(blocks).collect();
    texts.sort();
    texts
}

proptest! {
    /// Whatever is merged, split and moved: no text is lost or doubled, ids are unique, positions
    /// have no gaps.
    #[test]
    fn no_text_is_lost(steps in proptest::collection::vec((0u8..5, 0usize..8, 0u32..8), 1..30)) {
        let mut book = book();
        let mut now = chapters();
        let before = texts(&now);
        for (what, which, number) in steps {
            let chapter = now[which % now.len()].id();
            let edit = match what {
                0 => Edit::Move { chapter, to: number },
                1 => Edit::Split { chapter, block: number, title: None },
                2 => {
                    let from = which % now.len();
                    let count = 2 + number as usize % 3;
                    let chapters = now[from..].iter().take(count).map(Chapter::id).collect();
                    Edit::Merge { chapters }
                }
                3 => Edit::Reclassify { chapter, kind: ChapterKind::BackMatter },
                _ => Edit::Renumber {},
            };
            if let Ok(after) = apply(book.clone(), now.clone(), &[edit]) {
                (book, now) = after;
                let count = now.iter().map(|it| characters(&it.blocks)).sum::<u64>();
                prop_assert_eq!(book.char_count, count);
            }
            prop_assert_eq!(texts(&now), before.clone());
            let ids: HashSet<_> = now.iter().map(Chapter::id).collect();
            prop_assert_eq!(ids.len(), now.len());
            let positions: Vec<_> = now.iter().map(|it| it.position as usize).collect();
            prop_assert_eq!(positions, (0..now.len()).collect::<Vec<_>>());
        }
    }
}
