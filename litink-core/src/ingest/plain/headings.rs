//! Which paragraphs of a plain text are headings.
//!
//! A heading stands alone, is short, and either numbers a division ("CHAPTER IV", "Part Two"), or
//! names one ("Prologue"). Bare numbers count only in a run from 1. What stands close together and
//! comes again later is a contents page.

use std::collections::HashMap;

use super::paragraphs::TextBlock;
use crate::{
    domain::BlockKind,
    ingest::{
        outline::join_title,
        titles::{self, Rank},
    },
};

/// A heading, and how many blocks it takes.
#[derive(Clone, Debug)]
pub(super) struct Heading {
    /// The first of its blocks.
    pub(super) at: usize,
    /// How many blocks it takes: two when its name stands below its number.
    pub(super) blocks: usize,
    pub(super) title: String,
    pub(super) rank: Rank,
    number: Option<u32>,
    bare: bool,
}

/// Finds the headings, in order.
pub(super) fn find(blocks: &[TextBlock]) -> Vec<Heading> {
    let words = words_before(blocks);
    let mut found: Vec<Heading> = (0..blocks.len())
        .filter_map(|at| candidate(blocks, at))
        .collect();
    drop_contents(&mut found, &words);
    drop_stray_numbers(&mut found);
    add_names(&mut found, blocks);
    found
}

fn words_before(blocks: &[TextBlock]) -> Vec<usize> {
    let mut total = 0;
    let mut words = vec![0];
    for block in blocks {
        total += block.block.text.split_whitespace().count();
        words.push(total);
    }
    words
}

/// A longer paragraph is no heading.
const MAX_HEADING_CHARS: usize = 120;
const MAX_HEADING_LINES: usize = 3;

fn candidate(blocks: &[TextBlock], at: usize) -> Option<Heading> {
    let block = blocks.get(at)?;
    let text = block.block.text.as_str();
    let is_short = block.lines <= MAX_HEADING_LINES && text.chars().count() <= MAX_HEADING_CHARS;
    if !is_short || block.block.kind == BlockKind::SceneBreak || ends_in_page_number(text) {
        return None;
    }
    numbered(block, text, at).or_else(|| named(text, at))
}

fn numbered(block: &TextBlock, text: &str, at: usize) -> Option<Heading> {
    let title = text.replace('\n', " ");
    let found = titles::numbered(&title)?;
    let starts_low = text
        .chars()
        .find(|c| c.is_alphabetic())
        .is_some_and(char::is_lowercase);
    // "i" and "iv" are numbers in lower case; "chapter one" is not how a heading looks.
    if starts_low && !found.bare {
        return None;
    }
    // The name on a line of its own below the number needs no punctuation between them.
    let own_line = text
        .get(..block.first_line_bytes)
        .is_some_and(|line| titles::numbered(line).is_some_and(|n| n.rest.is_empty()));
    let separated = found.separated || own_line && block.lines > 1;
    if !is_name(found.rest, separated) || found.bare && !found.rest.is_empty() && !separated {
        return None;
    }
    let number_len = title.trim_end().len() - found.rest.trim_end().len();
    let title = match own_line && !found.rest.is_empty() {
        true => join_title(&[title[..number_len].trim(), found.rest]),
        false => tidy(&title),
    };
    Some(Heading {
        at,
        blocks: 1,
        title,
        rank: found.rank,
        number: Some(found.number),
        bare: found.bare,
    })
}

fn named(text: &str, at: usize) -> Option<Heading> {
    let starts_high = text
        .chars()
        .find(|c| c.is_alphabetic())
        .is_none_or(|c| !c.is_lowercase());
    let is_brief = text.split_whitespace().count() <= 8 && !text.contains('\n');
    let is_sentence = text.ends_with(['!', '?', ',', ';', '"', '”']);
    if !starts_high || !is_brief || is_sentence {
        return None;
    }
    titles::role(text)?;
    Some(Heading {
        at,
        blocks: 1,
        title: tidy(text),
        rank: Rank::Chapter,
        number: None,
        bare: false,
    })
}

/// What may follow a number: nothing, or a name set off or in capitals, but no sentence.
fn is_name(rest: &str, separated: bool) -> bool {
    let Some(first) = rest.chars().find(|c| c.is_alphanumeric()) else {
        return true;
    };
    let is_high = !first.is_lowercase();
    let is_brief = rest.split_whitespace().count() <= 16;
    let is_title_like = separated || is_title_case(rest);
    is_high && is_brief && is_title_like
}

fn is_title_case(text: &str) -> bool {
    let mut words = text.split_whitespace().filter(|w| w.chars().count() > 3);
    let starts_high = |w: &str| {
        w.chars()
            .find(|c| c.is_alphabetic())
            .is_none_or(|c| !c.is_lowercase())
    };
    words.all(starts_high) && !text.ends_with([',', ';'])
}

/// `CHAPTER I ..... 12`: a line of a contents page.
fn ends_in_page_number(text: &str) -> bool {
    let body = text.trim_end_matches(|c: char| c.is_ascii_digit());
    body.len() < text.len() && body.trim_end().ends_with(['.', '·', '…']) && body.contains("..")
}

fn tidy(title: &str) -> String {
    let title = title.trim().trim_matches(['*', '=', '~', '_', ' ']);
    match title.strip_suffix('.') {
        Some(short) if !short.ends_with('.') => short.to_owned(),
        _ => title.to_owned(),
    }
}

/// Fewer words between two headings: they stand on a contents page, or the first is empty.
const CONTENTS_GAP_WORDS: usize = 20;

/// Takes out the lines of contents pages: a run of headings with nothing between them, of which
/// most come again later.
fn drop_contents(found: &mut Vec<Heading>, words: &[usize]) {
    let key = |h: &Heading| match h.number {
        Some(number) if !h.bare => format!("{:?}{number}", h.rank),
        _ => titles::fold(&h.title),
    };
    let keys: Vec<String> = found.iter().map(key).collect();
    let mut last_of: HashMap<&str, usize> = HashMap::new();
    for (i, key) in keys.iter().enumerate() {
        last_of.insert(key, i);
    }
    let is_close = |i: usize| {
        let gap = found
            .get(i + 1)
            .map_or(usize::MAX, |next| words[next.at] - words[found[i].at + 1]);
        gap < CONTENTS_GAP_WORDS
    };
    let mut drop = vec![false; found.len()];
    let mut start = 0;
    while start < found.len() {
        let mut end = start;
        while is_close(end) {
            end += 1;
        }
        // The line after the last close one may be the contents' last, or the first real heading.
        let run = start..=end;
        let again = run
            .clone()
            .filter(|i| last_of[keys[*i].as_str()] > *i)
            .count();
        if end - start >= 2 && again * 2 >= end - start {
            for i in run {
                drop[i] = last_of[keys[i].as_str()] > i || i < end && again == 0;
            }
        }
        start = end + 1;
    }
    let mut drop = drop.into_iter();
    found.retain(|_| !drop.next().unwrap_or(false));
}

/// Bare numbers count only as a run 1, 2, 3, ..., which may start again below a part.
fn drop_stray_numbers(found: &mut Vec<Heading>) {
    let worded = found
        .iter()
        .filter(|h| h.rank == Rank::Chapter && h.number.is_some() && !h.bare);
    let has_words = worded.count() >= 2;
    let mut keep = vec![true; found.len()];
    let mut run: Vec<usize> = Vec::new();
    let mut close = |run: &mut Vec<usize>| {
        if run.len() < 2 || has_words {
            run.iter().for_each(|i| keep[*i] = false);
        }
        run.clear();
    };
    let mut strays = Vec::new();
    for (i, heading) in found.iter().enumerate() {
        if !heading.bare {
            if heading.rank < Rank::Chapter {
                close(&mut run);
            }
            continue;
        }
        let expected = run
            .last()
            .map_or(1, |last| found[*last].number.unwrap_or(0) + 1);
        match heading.number {
            Some(n) if n == expected => run.push(i),
            Some(1) => {
                close(&mut run);
                run.push(i);
            }
            _ => strays.push(i),
        }
    }
    close(&mut run);
    strays.into_iter().for_each(|i| keep[i] = false);
    let mut keep = keep.into_iter();
    found.retain(|_| keep.next().unwrap_or(true));
}

/// Gives a number without a name the short line below it ("CHAPTER I" / "Down the Rabbit-Hole").
fn add_names(found: &mut [Heading], blocks: &[TextBlock]) {
    let starts: Vec<usize> = found.iter().map(|h| h.at).collect();
    for (i, heading) in found.iter_mut().enumerate() {
        let is_bare_number = heading.number.is_some()
            && titles::numbered(&heading.title).is_none_or(|n| n.rest.is_empty());
        let below = heading.at + 1;
        let is_heading = starts.get(i + 1) == Some(&below);
        let follows = blocks.get(below + 1).is_some();
        let Some(next) = blocks
            .get(below)
            .filter(|_| is_bare_number && !is_heading && follows)
        else {
            continue;
        };
        if looks_like_name(next) {
            heading.title = join_title(&[heading.title.as_str(), &tidy(&next.block.text)]);
            heading.blocks = 2;
        }
    }
}

fn looks_like_name(block: &TextBlock) -> bool {
    let text = block.block.text.as_str();
    let is_short = block.lines <= 2 && text.chars().count() <= 80;
    let is_capital = !text.chars().any(char::is_lowercase);
    let starts_open = text.starts_with(['"', '“', '‘', '\'', '«', '—', '-', '[', '(']);
    let ends_open = text.ends_with(['!', '?', ',', ';', ':', '"', '”', '’']);
    let ends_full = text.ends_with('.');
    block.block.kind != BlockKind::SceneBreak
        && is_short
        && text.chars().any(char::is_alphabetic)
        && !starts_open
        && (is_capital || !ends_open && !ends_full && is_title_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{Limits, limits::Meter, plain::paragraphs};

    fn titles_of(text: &str) -> Vec<String> {
        let limits = Limits::default();
        let blocks = paragraphs::blocks(text, 0, &mut Meter::new(&limits)).unwrap();
        find(&blocks).into_iter().map(|h| h.title).collect()
    }

    fn prose(words: usize) -> String {
        let line = "and the lamp burned low in the window of the old house by the river,\n";
        format!("It was late, {}it seemed.\n\n", line.repeat(words / 14 + 1))
    }

    #[test]
    fn a_contents_page_is_not_taken_for_chapters() {
        let mut text = String::from(
            "CONTENTS\n\nCHAPTER I. Dusk\n\nCHAPTER II. Dawn\n\nCHAPTER III. Noon\n\n",
        );
        for (number, name) in [("I", "Dusk"), ("II", "Dawn"), ("III", "Noon")] {
            text += &format!("CHAPTER {number}\n\n{name}\n\n{}", prose(80));
        }
        assert_eq!(
            titles_of(&text),
            [
                "CONTENTS",
                "CHAPTER I: Dusk",
                "CHAPTER II: Dawn",
                "CHAPTER III: Noon"
            ]
        );
    }

    #[test]
    fn bare_numbers_count_only_in_a_run() {
        let run = format!("I\n\n{p}II\n\n{p}III\n\n{p}", p = prose(60));
        assert_eq!(titles_of(&run), ["I", "II", "III"]);
        let stray = format!("{p}1893\n\n{p}7\n\n{p}I\n\n{p}", p = prose(60));
        assert_eq!(titles_of(&stray), Vec::<String>::new());
    }

    #[test]
    fn sentences_are_no_headings() {
        for line in [
            "Chapter 5 of the book tells how the lamp was lit.",
            "Part of the way he walked.",
            "chapter one",
            "Preface this with a smile, he said, and all will be well in the end, I think.",
            "CHAPTER I ........ 12",
            "“Chapter One!”",
        ] {
            let text = format!("{p}{line}\n\n{p}", p = prose(60));
            assert_eq!(titles_of(&text), Vec::<String>::new(), "{line}");
        }
    }

    #[test]
    fn short_real_chapters_stay() {
        let text =
            "CHAPTER 1\n\nOne line.\n\nCHAPTER 2\n\nTwo lines.\n\nCHAPTER 3\n\nThree lines.\n";
        assert_eq!(titles_of(text), ["CHAPTER 1", "CHAPTER 2", "CHAPTER 3"]);
    }

    #[test]
    fn dialogue_below_a_number_is_not_its_name() {
        let text = format!(
            "CHAPTER 1\n\n\"Hello,\" said Ann.\n\n{p}CHAPTER 2\n\n{p}",
            p = prose(60)
        );
        assert_eq!(titles_of(&text), ["CHAPTER 1", "CHAPTER 2"]);
    }
}
