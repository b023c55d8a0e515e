//! From sentences to what fits on a screen.

use std::{ops::Range, time::Duration};

use unicode_segmentation::UnicodeSegmentation;

use super::Cue;

/// How much text is shown at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Columns of a line. Default 42, the line of broadcasters' and streaming services' style
    /// guides. Chinese, Japanese and Korean characters take two columns.
    pub columns: usize,
    /// Lines of a cue. Default 2.
    pub lines: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            columns: 42,
            lines: 2,
        }
    }
}

/// Breaks sentences into cues that fit: long sentences become several cues, each with the share of
/// the sentence's time that its share of the text has.
///
/// Times come out in whole milliseconds, in order, not overlapping, each cue at least 1 ms long,
/// whatever came in. White space is collapsed; sentences without text are left out.
#[must_use]
pub fn lay_out(sentences: &[Cue], layout: Layout) -> Vec<Cue> {
    let mut cues = Vec::with_capacity(sentences.len());
    let mut clock = 0;
    for sentence in sentences {
        let atoms = atoms(&sentence.text, layout.columns.max(2));
        let pages = pages(&atoms, layout);
        let start = millis(sentence.start).max(clock);
        let end = millis(sentence.end).max(start);
        let total: u64 = atoms.iter().map(|atom| atom.width as u64).sum();
        let mut shown = 0;
        for page in pages {
            let page = &atoms[page];
            shown += page.iter().map(|atom| atom.width as u64).sum::<u64>();
            let from = start.max(clock);
            clock = (start + share(end - start, shown, total)).max(from + 1);
            cues.push(cue(from, clock, &broken_into_lines(page, layout)));
        }
    }
    cues
}

fn cue(start_ms: u64, end_ms: u64, text: &str) -> Cue {
    Cue {
        start: Duration::from_millis(start_ms),
        end: Duration::from_millis(end_ms),
        text: text.to_owned(),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2)
}

fn share(of: u64, part: u64, total: u64) -> u64 {
    let share = u128::from(of) * u128::from(part) / u128::from(total.max(1));
    u64::try_from(share).unwrap_or(of)
}

/// A piece of text that is never broken.
#[derive(Debug)]
struct Atom<'a> {
    text: &'a str,
    width: usize,
    /// Whether white space stood before it.
    spaced: bool,
}

fn atoms(text: &str, columns: usize) -> Vec<Atom<'_>> {
    let mut atoms = Vec::new();
    for word in text.split_whitespace() {
        let breaks_anywhere = word.chars().any(is_wide) || width(word) > columns;
        if breaks_anywhere {
            atoms.extend(pieces(word, columns));
        } else {
            atoms.push(Atom {
                text: word,
                width: width(word),
                spaced: true,
            });
        }
    }
    atoms
}

/// A run of text without spaces, broken where its script allows: around each wide character, but
/// not before closing and not after opening punctuation; else after a full line.
fn pieces(word: &str, columns: usize) -> Vec<Atom<'_>> {
    let mut pieces: Vec<Atom<'_>> = Vec::new();
    let mut start = 0;
    let mut glue = false;
    for (at, grapheme) in word.grapheme_indices(true) {
        let piece = &word[start..at];
        let full = width(piece) + width(grapheme) > columns;
        let allowed = !glue && !is_closing(grapheme) && (is_wide_str(grapheme) || ends_wide(piece));
        if at > start && (full || allowed) {
            pieces.push(Atom {
                text: piece,
                width: width(piece),
                spaced: start == 0,
            });
            start = at;
        }
        glue = is_opening(grapheme);
    }
    let rest = &word[start..];
    pieces.push(Atom {
        text: rest,
        width: width(rest),
        spaced: start == 0,
    });
    pieces
}

/// Ranges of atoms, each of which fits in one cue. Of all breaks that fit, the one that leaves
/// pages of even size is taken, rather at punctuation.
fn pages(atoms: &[Atom<'_>], layout: Layout) -> Vec<Range<usize>> {
    let mut pages = Vec::new();
    let mut start = 0;
    while start < atoms.len() {
        let end = start + page_len(&atoms[start..], layout);
        pages.push(start..end);
        start = end;
    }
    pages
}

fn page_len(atoms: &[Atom<'_>], layout: Layout) -> usize {
    let most = fitting(atoms, layout);
    if most == atoms.len() {
        return most;
    }
    let total: usize = atoms.iter().map(cost).sum();
    let capacity = layout.columns.max(2) * layout.lines.max(1);
    let ideal = total / total.div_ceil(capacity).max(2);
    let mut filled = 0;
    let mut best = (usize::MAX, most);
    for (i, atom) in atoms.iter().take(most).enumerate() {
        filled += cost(atom);
        let penalty = if ends_clause(atom.text) {
            0
        } else {
            capacity / 4
        };
        best = best.min((filled.abs_diff(ideal) + penalty, i + 1));
    }
    best.1
}

/// How many atoms fit in the lines of one cue; at least one.
fn fitting(atoms: &[Atom<'_>], layout: Layout) -> usize {
    let mut taken = 0;
    for _ in 0..layout.lines.max(1) {
        taken += line_len(&atoms[taken..], layout.columns.max(2));
    }
    taken.max(1).min(atoms.len())
}

fn line_len(atoms: &[Atom<'_>], columns: usize) -> usize {
    let mut filled = 0;
    for (i, atom) in atoms.iter().enumerate() {
        filled += if i == 0 { atom.width } else { cost(atom) };
        if filled > columns {
            return i.max(1);
        }
    }
    atoms.len()
}

fn broken_into_lines(page: &[Atom<'_>], layout: Layout) -> String {
    let columns = even_columns(page, layout);
    let mut lines = Vec::new();
    let mut rest = page;
    while !rest.is_empty() {
        let (line, after) = rest.split_at(line_len(rest, columns));
        lines.push(joined(line));
        rest = after;
    }
    lines.join("\n")
}

/// The narrowest lines in which the page still has as few lines as in full ones, so that the last
/// line is not a single word.
fn even_columns(page: &[Atom<'_>], layout: Layout) -> usize {
    let full = layout.columns.max(2);
    let count = |columns: usize| {
        let (mut rest, mut lines) = (page, 0);
        while !rest.is_empty() {
            rest = &rest[line_len(rest, columns)..];
            lines += 1;
        }
        lines
    };
    let widest = page
        .iter()
        .map(|atom| atom.width)
        .max()
        .unwrap_or(full)
        .min(full);
    let fewest = count(full);
    (widest..full)
        .find(|columns| count(*columns) == fewest)
        .unwrap_or(full)
}

fn joined(line: &[Atom<'_>]) -> String {
    let mut text = String::new();
    for atom in line {
        if atom.spaced && !text.is_empty() {
            text.push(' ');
        }
        text.push_str(atom.text);
    }
    text
}

fn cost(atom: &Atom<'_>) -> usize {
    atom.width + usize::from(atom.spaced)
}

fn width(text: &str) -> usize {
    text.graphemes(true)
        .map(|g| if is_wide_str(g) { 2 } else { 1 })
        .sum()
}

fn is_wide_str(grapheme: &str) -> bool {
    grapheme.chars().next().is_some_and(is_wide)
}

fn ends_wide(text: &str) -> bool {
    text.chars().next_back().is_some_and(is_wide)
}

/// The East Asian wide blocks that occur in books, and emoji.
fn is_wide(c: char) -> bool {
    matches!(u32::from(c),
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff
        | 0xfe30..=0xfe4f | 0xff00..=0xff60 | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff | 0x20000..=0x3fffd)
}

fn is_opening(grapheme: &str) -> bool {
    matches!(
        grapheme,
        "「" | "『" | "（" | "《" | "〈" | "【" | "〔" | "“" | "‘" | "(" | "["
    )
}

fn is_closing(grapheme: &str) -> bool {
    const CLOSING: &str = "」』）》〉】〕”’、。，．：；！？…‥ー々)],.:;!?";
    CLOSING.contains(grapheme)
}

fn ends_clause(text: &str) -> bool {
    const MARKS: &[char] = &[
        '.', ',', ';', ':', '!', '?', '…', '—', '–', '、', '。', '，', '；', '：', '！', '？', '،',
        '؛', '؟',
    ];
    const QUOTES: &[char] = &['”', '’', '"', '\'', '»', '」', '』', ')', '）'];
    text.trim_end_matches(QUOTES).ends_with(MARKS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sentence(start_ms: u64, end_ms: u64, text: &str) -> Cue {
        cue(start_ms, end_ms, text)
    }

    const AUSTEN: &str = "It is a truth universally acknowledged, that a single man in possession \
                          of a good fortune, must be in want of a wife.";

    #[test]
    fn a_short_sentence_is_one_line() {
        let cues = lay_out(
            &[sentence(0, 900, " Call\n me  Ishmael. ")],
            Layout::default(),
        );
        assert_eq!(cues, [sentence(0, 900, "Call me Ishmael.")]);
    }

    #[test]
    fn a_long_sentence_is_cut_at_a_comma_and_its_time_shared() {
        let cues = lay_out(&[sentence(1000, 8000, AUSTEN)], Layout::default());
        assert_eq!(
            cues.iter().map(|c| c.text.as_str()).collect::<Vec<_>>(),
            [
                "It is a truth universally acknowledged,",
                "that a single man in possession of a\ngood fortune, must be in want of a wife."
            ]
        );
        assert_eq!(cues[0].start, Duration::from_millis(1000));
        assert_eq!(cues[0].end, cues[1].start);
        assert_eq!(cues[1].end, Duration::from_millis(8000));
        // 34 of 95 letters.
        assert_eq!(cues[0].end.as_millis(), 1000 + 7000 * 34 / 95);
    }

    #[test]
    fn chinese_breaks_between_characters_but_not_before_a_full_stop() {
        let text = "凡是有钱的单身汉，总想娶位太太，这已经成了一条举世公认的真理。".repeat(2);
        let cues = lay_out(&[sentence(0, 9000, &text)], Layout::default());
        let lines: Vec<_> = cues.iter().flat_map(|cue| cue.text.lines()).collect();
        assert!(lines.len() >= 3);
        assert!(lines.iter().all(|line| width(line) <= 42), "{lines:?}");
        assert!(
            lines.iter().all(|line| !line.starts_with(['，', '。'])),
            "{lines:?}"
        );
        assert_eq!(lines.concat(), text);
    }

    proptest! {
        #[test]
        fn cues_are_monotone_fit_and_lose_no_text(
            sentences in prop::collection::vec(
                (0u64..20_000, 0u64..20_000, "[a-zé,. 真。「」-]{0,300}"), 0..12),
            columns in 2usize..50, lines in 1usize..4,
        ) {
            let sentences: Vec<_> =
                sentences.iter().map(|(s, e, text)| sentence(*s, *e, text)).collect();
            let layout = Layout { columns, lines };
            let cues = lay_out(&sentences, layout);
            let mut last = Duration::ZERO;
            for cue in &cues {
                prop_assert!(last <= cue.start && cue.start < cue.end);
                last = cue.end;
                prop_assert!(!cue.text.is_empty());
                prop_assert!(cue.text.lines().count() <= lines, "{:?}", cue);
                prop_assert!(cue.text.lines().all(|l| width(l) <= columns), "{:?}", cue);
            }
            let letters = |cues: &[Cue]| -> String {
                cues.iter().flat_map(|c| c.text.chars()).filter(|c| !c.is_whitespace()).collect()
            };
            prop_assert_eq!(letters(&cues), letters(&sentences));
        }
    }
}
