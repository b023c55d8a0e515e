//! From pieces of text with titles to chapters: kinds, numbers, titles said once.

use super::{
    ParsedChapter,
    block::RawBlock,
    titles::{self, Rank, Role},
};
use crate::domain::{Block, BlockKind, ChapterKind};

/// A piece of the book between two cuts.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) title: Option<String>,
    pub(crate) section: Option<String>,
    /// What the book itself says the piece is.
    pub(crate) kind: Option<ChapterKind>,
    /// Neither the contents nor a heading says that a piece starts here.
    pub(crate) is_untitled_piece: bool,
    pub(crate) blocks: Vec<RawBlock>,
}

impl Draft {
    fn words(&self) -> usize {
        self.blocks
            .iter()
            .map(|b| b.text.split_whitespace().count())
            .sum()
    }

    fn role(&self) -> Option<Role> {
        self.title.as_deref().and_then(titles::role)
    }

    fn number(&self) -> Option<u32> {
        titles::numbered(self.title.as_deref()?).map(|n| n.number)
    }
}

/// Below so many words, an untitled piece before the first chapter is front matter.
const FRONT_PIECE_WORDS: usize = 2_000;
/// A piece titled like the book itself with fewer words is its title page.
const TITLE_PAGE_WORDS: usize = 500;

/// Makes chapters of pieces in reading order. Pieces without text, titled or not, are left out.
pub(crate) fn chapters(mut drafts: Vec<Draft>, book_title: Option<&str>) -> Vec<ParsedChapter> {
    drafts.retain(|draft| !draft.blocks.is_empty());
    for draft in &mut drafts {
        settle_title(draft);
    }
    let kinds = kinds(&drafts, book_title);
    let numbers = numbers(&drafts, &kinds);
    let parts = drafts.into_iter().zip(kinds).zip(numbers);
    parts
        .map(|((draft, kind), number)| ParsedChapter {
            kind,
            number,
            title: draft.title,
            section: draft.section,
            blocks: draft.blocks.into_iter().map(Block::from).collect(),
        })
        .filter(|chapter| chapter.title.is_some() || !chapter.blocks.is_empty())
        .collect()
}

fn kinds(drafts: &[Draft], book_title: Option<&str>) -> Vec<ChapterKind> {
    let book_title = book_title.map(titles::fold);
    let numbered = |draft: &Draft| draft.role().is_none() && draft.number().is_some();
    let has_numbers = drafts.iter().filter(|d| numbered(d)).count() >= 2;
    let is_title_page = |draft: &Draft| {
        let title = draft.title.as_deref().map(titles::fold);
        title.is_some() && title == book_title && draft.words() < TITLE_PAGE_WORDS
    };
    let is_story = |draft: &Draft| match (draft.kind, draft.role()) {
        (Some(kind), _) => kind == ChapterKind::Chapter,
        (None, Some(Role::Story)) => true,
        (None, Some(Role::Introduction)) => !has_numbers || draft.number().is_some(),
        (None, Some(_)) => false,
        (None, None) if is_title_page(draft) => false,
        (None, None) => !draft.is_untitled_piece || draft.words() >= FRONT_PIECE_WORDS,
    };
    let first = drafts.iter().position(is_story);
    let place = |i: usize| match first {
        Some(first) if i > first => ChapterKind::BackMatter,
        _ => ChapterKind::FrontMatter,
    };
    let kind = |(i, draft): (usize, &Draft)| match (draft.kind, draft.role()) {
        (Some(kind), _) => kind,
        (None, Some(Role::Front)) => ChapterKind::FrontMatter,
        (None, Some(Role::Back)) => ChapterKind::BackMatter,
        (None, Some(Role::Either)) => place(i),
        _ if is_story(draft) => ChapterKind::Chapter,
        (None, None) if first.is_some_and(|first| i > first) => ChapterKind::Chapter,
        _ => ChapterKind::FrontMatter,
    };
    let mut kinds: Vec<ChapterKind> = drafts.iter().enumerate().map(kind).collect();
    // A book has at least one chapter: what there is most of.
    if first.is_none()
        && let Some((i, _)) = drafts
            .iter()
            .enumerate()
            .max_by_key(|(_, draft)| draft.words())
    {
        kinds[i] = ChapterKind::Chapter;
    }
    kinds
}

/// The numbers that titles give, or the places of the chapters when no title gives one.
fn numbers(drafts: &[Draft], kinds: &[ChapterKind]) -> Vec<Option<u32>> {
    let counts = |i: usize| kinds[i] == ChapterKind::Chapter && drafts[i].role().is_none();
    let given = |i: usize| drafts[i].number().filter(|_| counts(i));
    let any_given = (0..drafts.len()).any(|i| given(i).is_some());
    let mut place = 0;
    let number = |i| {
        if any_given || !counts(i) {
            return given(i);
        }
        place += 1;
        Some(place)
    };
    (0..drafts.len()).map(number).collect()
}

/// A title is at most this many leading headings ("Chapter 1", "The Map", a subtitle).
const MAX_TITLE_HEADINGS: usize = 3;
const MAX_TITLE_BYTES: usize = 200;

/// Brings together the title of the contents and the headings at the start of the text, so that
/// each word of them is said once.
fn settle_title(draft: &mut Draft) {
    drop_section_headings(draft);
    let Some(start) = draft.blocks.iter().position(|b| b.kind != BlockKind::Image) else {
        return;
    };
    let headings = leading_headings(&draft.blocks[start..]);
    let Some(title) = draft.title.clone() else {
        if headings > 0 {
            let own = draft.blocks.remove(start).text;
            draft.title = Some(own);
            join_number_and_name(draft, start);
        }
        return;
    };
    let taken = headings_of_title(&draft.blocks[start..], headings, &title);
    if let Some((count, own)) = taken {
        draft.title = Some(own);
        draft.blocks.drain(start..start + count);
        join_number_and_name(draft, start);
    }
}

/// How many leading blocks the title of the contents repeats, and the fuller wording of both.
fn headings_of_title(blocks: &[RawBlock], headings: usize, title: &str) -> Option<(usize, String)> {
    let folded = titles::fold(title);
    let texts: Vec<&str> = blocks
        .iter()
        .take(headings.max(1))
        .map(|b| b.text.as_str())
        .collect();
    let own = |count: usize| titles::fold(&texts[..count].concat());
    let fits = |count: &usize| {
        let bytes: usize = texts[..*count].iter().map(|t| t.len()).sum();
        bytes <= MAX_TITLE_BYTES && !own(*count).is_empty()
    };
    let counts = || (1..=texts.len()).filter(fits);
    if let Some(count) = counts().find(|count| own(*count) == folded) {
        return Some((count, title.to_owned()));
    }
    if headings == 0 || folded.is_empty() {
        return None;
    }
    if let Some(count) = counts().rev().find(|count| folded.contains(&own(*count))) {
        return Some((count, title.to_owned()));
    }
    let count = counts().find(|count| own(*count).contains(&folded))?;
    Some((count, join_title(&texts[..count])))
}

fn leading_headings(blocks: &[RawBlock]) -> usize {
    let headings = blocks.iter().take(MAX_TITLE_HEADINGS);
    headings
        .take_while(|b| b.kind == BlockKind::Heading)
        .count()
}

/// "Chapter 1" alone takes the heading below it as its name.
fn join_number_and_name(draft: &mut Draft, start: usize) {
    let Some(title) = &draft.title else { return };
    let is_number = titles::numbered(title).is_some_and(|n| n.rest.is_empty());
    let next = draft
        .blocks
        .get(start)
        .filter(|b| b.kind == BlockKind::Heading);
    if let Some(next) = next.filter(|_| is_number) {
        draft.title = Some(join_title(&[title.as_str(), next.text.as_str()]));
        draft.blocks.remove(start);
    }
}

/// `Chapter 1` and `The Map` make `Chapter 1: The Map`.
pub(crate) fn join_title(parts: &[&str]) -> String {
    let mut title = String::new();
    for part in parts.iter().map(|p| p.trim()).filter(|p| !p.is_empty()) {
        if !title.is_empty() {
            let trimmed = title.trim_end_matches(['.', ':', ' ', '—']).len();
            title.truncate(trimmed);
            title.push_str(": ");
        }
        title.push_str(part);
    }
    title
}

/// A part's own heading is in `section` and need not be said again.
fn drop_section_headings(draft: &mut Draft) {
    let Some(section) = draft.section.as_deref().map(titles::fold) else {
        return;
    };
    while let Some(first) = draft.blocks.first() {
        let own = titles::fold(&first.text);
        let is_title = draft.title.as_deref().map(titles::fold).as_ref() == Some(&own);
        let repeats = first.kind == BlockKind::Heading && !own.is_empty() && section.contains(&own);
        if !repeats || is_title {
            return;
        }
        draft.blocks.remove(0);
    }
}

/// `Volume I` and `Part Two` make `Volume I / Part Two`.
pub(crate) fn join_sections(outer: Option<&str>, inner: &str) -> String {
    match outer {
        Some(outer) => format!("{outer} / {inner}"),
        None => inner.to_owned(),
    }
}

/// Whether a title names a division above the chapter.
pub(crate) fn is_section_title(title: &str) -> bool {
    titles::numbered(title).is_some_and(|n| n.rank < Rank::Chapter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(title: &str, headings: &[&str], words: usize) -> Draft {
        let heading = |text: &&str| RawBlock::plain(BlockKind::Heading, 1, text);
        let mut blocks: Vec<RawBlock> = headings.iter().map(heading).collect();
        blocks.push(RawBlock::plain(
            BlockKind::Paragraph,
            0,
            &"word ".repeat(words),
        ));
        Draft {
            title: (!title.is_empty()).then(|| title.to_owned()),
            blocks,
            ..Draft::default()
        }
    }

    #[test]
    fn a_title_is_said_once() {
        let cases: [(&str, &[&str], &str, usize); 8] = [
            (
                "The Map",
                &["Chapter 1", "The Map"],
                "Chapter 1: The Map",
                1,
            ),
            (
                "Chapter 1: The Map",
                &["Chapter 1", "The Map"],
                "Chapter 1: The Map",
                1,
            ),
            ("Chapter 1", &["CHAPTER 1."], "Chapter 1", 1),
            ("", &["Chapter 1", "The Map"], "Chapter 1: The Map", 1),
            (
                "Chapter 1",
                &["Chapter 1", "The Map"],
                "Chapter 1: The Map",
                1,
            ),
            ("2. Scope", &["2. Scope", "2.1. Who"], "2. Scope", 2),
            ("A Tale", &["Another"], "A Tale", 2),
            ("", &[], "", 1),
        ];
        for (title, headings, expected, blocks) in cases {
            let chapter = &chapters(vec![draft(title, headings, 9)], None)[0];
            assert_eq!(chapter.title.as_deref().unwrap_or(""), expected);
            assert_eq!(chapter.blocks.len(), blocks, "{title}");
        }
    }

    #[test]
    fn kinds_and_numbers() {
        let titles = [
            "My Book",
            "Copyright",
            "Introduction",
            "Prologue",
            "Chapter 1",
            "Chapter 2",
            "Epilogue",
            "Acknowledgements",
            "Index",
        ];
        let drafts = titles.iter().map(|t| draft(t, &[], 50)).collect();
        let found: Vec<_> = chapters(drafts, Some("My Book"))
            .iter()
            .map(|c| (c.kind, c.number))
            .collect();
        use ChapterKind::{BackMatter as B, Chapter as C, FrontMatter as F};
        assert_eq!(
            found,
            [
                (F, None),
                (F, None),
                (F, None),
                (C, None),
                (C, Some(1)),
                (C, Some(2)),
                (C, None),
                (B, None),
                (B, None),
            ]
        );
    }

    #[test]
    fn chapters_without_numbers_are_counted() {
        let drafts = ["Preface", "Dawn", "Dusk"]
            .map(|t| draft(t, &[], 50))
            .into();
        let numbers: Vec<_> = chapters(drafts, None).iter().map(|c| c.number).collect();
        assert_eq!(numbers, [None, Some(1), Some(2)]);
    }

    #[test]
    fn a_book_of_front_matter_only_still_has_a_chapter() {
        let drafts = vec![draft("Copyright", &[], 5), draft("Preface", &[], 500)];
        assert_eq!(chapters(drafts, None)[1].kind, ChapterKind::Chapter);
    }
}
