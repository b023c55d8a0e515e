//! Lines to paragraphs: running heads out, hyphens undone.

use std::collections::{HashMap, HashSet};

use super::Paragraph;
use crate::{
    domain::BlockKind,
    ingest::{plain, titles},
};

/// A line on a page; y grows downwards.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) x: f64,
    pub(super) end: f64,
    pub(super) y: f64,
    pub(super) size: f64,
}

/// The text of a file.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) paragraphs: Vec<Paragraph>,
    /// The size of most of it.
    pub(super) body: f64,
}

/// Makes paragraphs of the lines of all pages; `None` when there are none.
pub(super) fn paragraphs(mut pages: Vec<Vec<Line>>) -> Option<Text> {
    let body = body_size(&pages)?;
    drop_running_heads(&mut pages, body);
    let measure = Measure::of(&pages, body);
    let words = words(&pages);
    let mut builder = Builder {
        measure,
        words,
        left: 0.0,
        paragraphs: Vec::new(),
        last: None,
    };
    for (page, lines) in pages.iter().enumerate() {
        builder.left = left_margin(lines, body);
        for line in lines {
            builder.add(line, page);
        }
    }
    Some(Text {
        paragraphs: builder.paragraphs,
        body,
    })
}

/// In tenths of a point, so that sizes can be counted.
fn tenths(size: f64) -> i64 {
    (size * 10.0).round() as i64
}

fn body_size(pages: &[Vec<Line>]) -> Option<f64> {
    let mut chars: HashMap<i64, usize> = HashMap::new();
    for line in pages.iter().flatten() {
        *chars.entry(tenths(line.size)).or_default() += line.text.len();
    }
    let (size, _) = chars
        .into_iter()
        .max_by_key(|(size, count)| (*count, *size))?;
    Some(size as f64 / 10.0)
}

/// Lines at the top or bottom that may be running heads.
const EDGE_LINES: usize = 2;
/// On so many pages a line at the same height is a running head.
const MIN_REPEATS: usize = 3;

/// Takes out what stands at the same height of several pages and differs at most in numbers.
fn drop_running_heads(pages: &mut [Vec<Line>], body: f64) {
    let mut seen: HashMap<(String, i64), usize> = HashMap::new();
    let keys: Vec<Vec<(usize, (String, i64))>> = pages
        .iter()
        .map(|lines| {
            let edges = edges(lines).into_iter();
            edges
                .filter(|i| lines[*i].size <= body * 1.1)
                .filter_map(|i| Some((i, key(&lines[i])?)))
                .collect()
        })
        .collect();
    for (_, key) in keys.iter().flatten() {
        *seen.entry(key.clone()).or_default() += 1;
    }
    for (lines, keys) in pages.iter_mut().zip(keys) {
        let drop: HashSet<usize> = keys
            .into_iter()
            .filter(|(_, key)| seen.get(key).is_some_and(|n| *n >= MIN_REPEATS))
            .map(|(i, _)| i)
            .collect();
        let mut at = 0;
        lines.retain(|_| {
            at += 1;
            !drop.contains(&(at - 1))
        });
    }
}

/// The highest and lowest lines of a page that stand apart from the others, by index.
fn edges(lines: &[Line]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by(|a, b| lines[*a].y.total_cmp(&lines[*b].y));
    let mut edges = apart(lines, &order);
    order.reverse();
    for i in apart(lines, &order) {
        if !edges.contains(&i) {
            edges.push(i);
        }
    }
    edges
}

/// The first lines of an order, as far as a gap divides them from the next.
fn apart(lines: &[Line], order: &[usize]) -> Vec<usize> {
    let gap = |count: usize| {
        let (last, next) = (
            &lines[order[count - 1]],
            order.get(count).map(|i| &lines[*i]),
        );
        next.is_none_or(|next| (next.y - last.y).abs() > 1.5 * last.size)
    };
    let count = (1..=EDGE_LINES.min(order.len()))
        .rev()
        .find(|count| gap(*count));
    order[..count.unwrap_or(0)].to_vec()
}

/// What a running head has in common with those of other pages: words and height.
fn key(line: &Line) -> Option<(String, i64)> {
    let height = (line.y / 3.0).round() as i64;
    let text = line.text.trim();
    // "Chapter 1", "Chapter 2" at the top of pages are headings; "Chapter 1" on three is not.
    if titles::numbered(text).is_some_and(|n| !n.bare) {
        return Some((text.to_lowercase(), height));
    }
    let is_number = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        !word.is_empty() && titles::number(word).is_some() && !word.contains(char::is_uppercase)
    };
    let words = text.split_whitespace().map(|word| match is_number(word) {
        true => "#".to_owned(),
        false => word.to_lowercase(),
    });
    let key = words.collect::<Vec<_>>().join(" ");
    (key.chars().count() <= 100).then_some((key, height))
}

/// How the body of the book is set.
#[derive(Clone, Copy, Debug)]
struct Measure {
    /// From one line of a paragraph to the next.
    leading: f64,
    /// Where most lines end.
    right: f64,
    /// Whether paragraphs start indented.
    indents: bool,
    body: f64,
}

impl Measure {
    fn of(pages: &[Vec<Line>], body: f64) -> Self {
        let is_body = |line: &&Line| (line.size - body).abs() < body * 0.05;
        let mut gaps: HashMap<i64, usize> = HashMap::new();
        let mut rights: Vec<f64> = Vec::new();
        let (mut indented, mut starts) = (0, 0);
        for lines in pages {
            let left = left_margin(lines, body);
            for pair in lines.windows(2) {
                let gap = pair[1].y - pair[0].y;
                if is_body(&&pair[0]) && is_body(&&pair[1]) && gap > 0.0 && gap < body * 4.0 {
                    *gaps.entry(tenths(gap)).or_default() += 1;
                }
                if is_body(&&pair[1]) && plain::ends_sentence(&pair[0].text) {
                    starts += 1;
                    let indent = pair[1].x - left;
                    indented += usize::from(indent > body * 0.6 && indent < body * 5.0);
                }
            }
            rights.extend(lines.iter().filter(is_body).map(|l| l.end));
        }
        rights.sort_by(f64::total_cmp);
        // The smallest gap that is common: block paragraphs have larger ones between them.
        let most = gaps.values().copied().max().unwrap_or(0);
        let common = gaps.iter().filter(|(_, count)| **count * 4 >= most);
        let leading = common.map(|(gap, _)| *gap).min();
        Self {
            leading: leading.map_or(body * 1.2, |gap| gap as f64 / 10.0),
            right: rights
                .get(rights.len() * 8 / 10)
                .copied()
                .unwrap_or(f64::MAX),
            indents: indented * 4 >= starts && indented > 0,
            body,
        }
    }
}

/// Where most lines of a page start.
fn left_margin(lines: &[Line], body: f64) -> f64 {
    let mut starts: HashMap<i64, usize> = HashMap::new();
    for line in lines.iter().filter(|l| (l.size - body).abs() < body * 0.05) {
        *starts.entry(line.x.round() as i64).or_default() += 1;
    }
    let most = starts.into_iter().max_by_key(|(x, count)| (*count, -*x));
    most.map_or(f64::MAX, |(x, _)| x as f64)
}

/// Words as they stand inside lines, so that a hyphen at a line's end can be judged.
fn words(pages: &[Vec<Line>]) -> HashSet<String> {
    let mut words = HashSet::new();
    for line in pages.iter().flatten() {
        let mut inner: Vec<&str> = line.text.split_whitespace().collect();
        inner.pop();
        for word in inner {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric());
            if !word.is_empty() {
                words.insert(word.to_lowercase());
            }
        }
    }
    words
}

struct Builder {
    measure: Measure,
    words: HashSet<String>,
    /// Where most lines of the page start.
    left: f64,
    paragraphs: Vec<Paragraph>,
    last: Option<(Line, usize)>,
}

impl Builder {
    fn add(&mut self, line: &Line, page: usize) {
        let goes_on = self
            .last
            .as_ref()
            .is_some_and(|(last, last_page)| self.goes_on(last, line, *last_page == page));
        match self.paragraphs.last_mut().filter(|_| goes_on) {
            Some(paragraph) => join(&mut paragraph.text, &line.text, &self.words),
            None => self.paragraphs.push(Paragraph {
                kind: BlockKind::Paragraph,
                level: 0,
                text: line.text.clone(),
                page,
                size: line.size,
            }),
        }
        self.last = Some((line.clone(), page));
    }

    /// Whether a line belongs to the paragraph of the line before it.
    fn goes_on(&self, last: &Line, line: &Line, same_page: bool) -> bool {
        let Measure {
            leading,
            right,
            indents,
            body,
        } = self.measure;
        if (last.size - line.size).abs() > 0.08 * last.size.max(line.size) {
            return false;
        }
        if ends_with_page_number(&last.text) {
            return false;
        }
        let is_short = last.end < right - body * 4.0;
        let ends = plain::ends_sentence(&last.text);
        let starts_low = line.text.starts_with(char::is_lowercase);
        if !same_page {
            let is_indented = line.x > self.left + body * 0.6;
            let is_title = titles::numbered(&line.text).is_some_and(|n| !n.bare)
                || titles::role(&line.text).is_some();
            let may = !is_indented && !is_title && (!ends || indents);
            return starts_low || may && !is_short;
        }
        let gap = line.y - last.y;
        let leading = leading * (line.size / body).max(1.0);
        if gap > leading * 1.35 || gap < -body {
            // Another column goes on at the top of the page.
            return gap < -body && (starts_low || !ends && !is_short);
        }
        let indent = line.x - last.x;
        let is_heading = line.size > body * 1.1;
        if is_heading {
            return true;
        }
        if indent > body * 0.6 && (ends || is_short || !starts_low) && !last_is_label(&last.text) {
            return false;
        }
        !(is_short && (ends || !starts_low))
    }
}

/// "1." or "•" hang before their text.
fn last_is_label(text: &str) -> bool {
    text.chars().count() <= 3
}

/// `The Map ........ 12`, `The Map 12`: lines of a contents page are not run together.
fn ends_with_page_number(text: &str) -> bool {
    let body = text.trim_end_matches(|c: char| c.is_ascii_digit());
    body.len() < text.len() && body.trim_end().ends_with(['.', '·', '…']) && body.contains(". .")
        || body.contains("....") && body.len() < text.len()
}

/// Adds a line, undoing the hyphen that its break put there.
fn join(text: &mut String, line: &str, words: &HashSet<String>) {
    if text.ends_with('\u{AD}') {
        text.pop();
        text.push_str(line);
        return;
    }
    let starts_low = line.starts_with(char::is_lowercase);
    if text.ends_with(['-', '\u{2010}']) && starts_low {
        let before = text.trim_end_matches(['-', '\u{2010}']);
        let head = before
            .rsplit(char::is_whitespace)
            .next()
            .unwrap_or_default();
        let tail = line.split(char::is_whitespace).next().unwrap_or_default();
        let clean = |word: String| {
            word.trim_matches(|c: char| !c.is_alphanumeric())
                .to_lowercase()
        };
        let whole = clean(format!("{head}{tail}"));
        let hyphened = clean(format!("{head}-{tail}"));
        // The book's own words decide; a compound has a hyphen of its own before this one.
        let keeps = words.contains(&hyphened) && !words.contains(&whole)
            || head.contains('-') && !words.contains(&whole);
        if !keeps {
            text.truncate(before.len());
        }
        text.push_str(line);
        return;
    }
    let joins = text.ends_with(['-', '—', '\u{2010}']) || plain::both_ideographic(text, line);
    if !joins {
        text.push(' ');
    }
    text.push_str(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hyphens_of_line_breaks_are_undone() {
        let words: HashSet<String> = ["lamplighter", "well-known"].map(str::to_owned).into();
        for (before, line, expected) in [
            ("the lamp-", "lighter came", "the lamplighter came"),
            ("the well-", "known lamp", "the well-known lamp"),
            ("some-", "thing", "something"),
            ("so he said—", "tired", "so he said—tired"),
            ("Anne-", "Marie", "Anne-Marie"),
            ("one", "two", "one two"),
        ] {
            let mut text = before.to_owned();
            join(&mut text, line, &words);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn running_heads_go_and_headings_stay() {
        let line = |text: &str, y: f64| Line {
            text: text.to_owned(),
            x: 50.0,
            end: 300.0,
            y,
            size: 10.0,
        };
        let page = |n: usize| {
            vec![
                line(&format!("{n} THE LAMP"), 20.0),
                line(&format!("Chapter {n}"), 60.0),
                line("It was dark.", 80.0),
                line(&format!("It was late in street {n}0."), 90.0),
                line(&format!("- {n} -"), 700.0),
            ]
        };
        let mut pages: Vec<Vec<Line>> = (1..=4).map(page).collect();
        drop_running_heads(&mut pages, 10.0);
        let texts: Vec<&str> = pages[1].iter().map(|l| l.text.as_str()).collect();
        assert_eq!(
            texts,
            ["Chapter 2", "It was dark.", "It was late in street 20."]
        );
    }
}
