//! Text with what stands out in it, so that emphasis lives through the collapsing of white space
//! and the joining of lines and cells.

use std::ops::{Deref, Range};

use crate::domain::{Span, Style};

/// The styles of a stretch of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Styles(u8);

impl Styles {
    const ALL: [(Style, u8); 2] = [(Style::Emphasis, 1), (Style::Strong, 2)];

    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The same with a style switched on or off.
    pub(super) fn with(self, style: Style, is_on: bool) -> Self {
        let bit = Self::ALL.iter().find(|(s, _)| *s == style);
        let bit = bit.map_or(0, |(_, bit)| *bit);
        Self(if is_on { self.0 | bit } else { self.0 & !bit })
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[derive(Clone, Copy, Debug)]
struct Run {
    start: usize,
    end: usize,
    styles: Styles,
}

/// Text, and its runs of styles: ordered, apart, on character boundaries, none without a style.
#[derive(Clone, Debug, Default)]
pub(super) struct Rich {
    text: String,
    runs: Vec<Run>,
}

impl Deref for Rich {
    type Target = str;
    fn deref(&self) -> &str {
        &self.text
    }
}

impl From<String> for Rich {
    fn from(text: String) -> Self {
        Self {
            text,
            runs: Vec::new(),
        }
    }
}

impl From<&str> for Rich {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Rich {
    pub(super) fn push(&mut self, c: char, styles: Styles) {
        self.write(styles, |text| text.push(c));
    }

    pub(super) fn push_str(&mut self, part: &str, styles: Styles) {
        self.write(styles, |text| text.push_str(part));
    }

    /// Gives a style to whatever is written behind the text.
    pub(super) fn write(&mut self, styles: Styles, write: impl FnOnce(&mut String)) {
        let start = self.text.len();
        write(&mut self.text);
        self.mark(start..self.text.len(), styles);
    }

    /// Marks the end of the text.
    fn mark(&mut self, range: Range<usize>, styles: Styles) {
        if styles.is_none() || range.is_empty() {
            return;
        }
        match self.runs.last_mut() {
            Some(last) if last.end == range.start && last.styles == styles => last.end = range.end,
            _ => self.runs.push(Run {
                start: range.start,
                end: range.end,
                styles,
            }),
        }
    }

    pub(super) fn append(&mut self, other: &Rich) {
        let base = self.text.len();
        self.text.push_str(&other.text);
        for run in &other.runs {
            self.mark(base + run.start..base + run.end, run.styles);
        }
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.text.truncate(len);
        let len = self.text.len();
        while let Some(last) = self.runs.last_mut() {
            if last.start < len {
                last.end = last.end.min(len);
                return;
            }
            self.runs.pop();
        }
    }

    pub(super) fn trim_back(&mut self) {
        self.truncate(self.text.trim_end().len());
    }

    pub(super) fn slice(&self, range: Range<usize>) -> Rich {
        let mut part = Rich::from(&self.text[range.clone()]);
        let first = self.runs.partition_point(|run| run.end <= range.start);
        for run in self.runs.iter().skip(first) {
            if run.start >= range.end {
                break;
            }
            let (start, end) = (run.start.max(range.start), run.end.min(range.end));
            part.mark(start - range.start..end - range.start, run.styles);
        }
        part
    }

    pub(super) fn trimmed(&self, is_blank: impl Fn(char) -> bool) -> Rich {
        let start = self.text.len() - self.text.trim_start_matches(&is_blank).len();
        let end = self.text.trim_end_matches(&is_blank).len();
        self.slice(start..end.max(start))
    }

    pub(super) fn pieces(&self, is_separator: impl Fn(char) -> bool) -> Vec<Rich> {
        let mut parts = Vec::new();
        let mut start = 0;
        for (at, separator) in self.text.match_indices(is_separator) {
            parts.push(self.slice(start..at));
            start = at + separator.len();
        }
        parts.push(self.slice(start..self.text.len()));
        parts
    }

    pub(super) fn join<'a>(parts: impl IntoIterator<Item = &'a Rich>, separator: char) -> Rich {
        let mut whole = Rich::default();
        for (i, part) in parts.into_iter().enumerate() {
            if i > 0 {
                whole.push(separator, Styles::default());
            }
            whole.append(part);
        }
        whole
    }

    /// Each character with its styles.
    pub(super) fn chars_styled(&self) -> impl Iterator<Item = (usize, char, Styles)> {
        let mut runs = self.runs.iter().peekable();
        self.text.char_indices().map(move |(at, c)| {
            while runs.next_if(|run| run.end <= at).is_some() {}
            let run = runs.peek().filter(|run| run.start <= at);
            (at, c, run.map_or(Styles::default(), |run| run.styles))
        })
    }

    /// The same with each of some characters as a blank.
    pub(super) fn blanked(self, is_blank: impl Fn(char) -> bool) -> Rich {
        if !self.text.contains(&is_blank) {
            return self;
        }
        let mut out = Rich::default();
        for (_, c, styles) in self.chars_styled() {
            out.push(if is_blank(c) { ' ' } else { c }, styles);
        }
        out
    }

    /// White space and control characters as single blanks, invisible characters gone.
    pub(super) fn words(&self) -> Rich {
        if self.runs.is_empty() {
            return words(&self.text).into();
        }
        let mut out = Rich::default();
        let mut last = Styles::default();
        let mut is_apart = false;
        for (_, c, styles) in self.chars_styled() {
            if c.is_whitespace() || c.is_control() {
                is_apart = true;
            } else if !is_invisible(c) {
                if is_apart && !out.is_empty() {
                    out.push(' ', last.and(styles));
                }
                out.push(c, styles);
                (last, is_apart) = (styles, false);
            }
        }
        out
    }

    /// White space collapsed line by line, and cell by cell; no empty lines.
    pub(super) fn lines_of_words(&self) -> Rich {
        let cells = |line: &Rich| {
            let cells: Vec<Rich> = line.pieces(|c| c == '\t').iter().map(Rich::words).collect();
            Rich::join(&cells, '\t')
        };
        let lines: Vec<Rich> = self.pieces(|c| c == '\n').iter().map(cells).collect();
        Rich::join(lines.iter().filter(|l| !l.trim().is_empty()), '\n')
    }

    /// The text, and its spans as [`crate::domain::Block`] has them.
    pub(super) fn into_parts(self) -> (String, Vec<Span>) {
        let Self { mut text, runs } = self;
        let mut spans: Vec<Span> = Vec::new();
        for (style, bit) in Styles::ALL {
            let mut of_style: Vec<Range<usize>> = Vec::new();
            for run in runs.iter().filter(|run| run.styles.0 & bit != 0) {
                match of_style.last_mut() {
                    Some(last) if last.end == run.start => last.end = run.end,
                    _ => of_style.push(run.start..run.end),
                }
            }
            spans.extend(of_style.into_iter().filter_map(|range| {
                let part = &text[range.clone()];
                let start = range.start + part.len() - part.trim_start().len();
                let end = range.start + part.trim_end().len();
                // Emphasis of a mark alone says nothing to a voice.
                let is_told = text.get(start..end)?.contains(char::is_alphanumeric);
                is_told.then_some(Span {
                    start: u32::try_from(start).ok()?,
                    end: u32::try_from(end).ok()?,
                    style,
                })
            }));
        }
        spans.sort_by_key(|span| (span.start, span.end));
        spans.shrink_to_fit();
        text.shrink_to_fit();
        (text, spans)
    }
}

/// Soft hyphens, zero-width spaces and byte order marks.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200B}' | '\u{2060}' | '\u{FEFF}')
}

fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        let start = out.len();
        if !out.is_empty() && !word.is_empty() {
            out.push(' ');
        }
        let begun = out.len();
        out.extend(word.chars().filter(|c| !is_invisible(*c)));
        if out.len() == begun {
            out.truncate(start);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rich(parts: &[(String, u8)]) -> Rich {
        let mut rich = Rich::default();
        for (text, bits) in parts {
            rich.push_str(text, Styles(bits & 3));
        }
        rich
    }

    /// The styles of each character that is no white space.
    fn letters(rich: &Rich) -> Vec<(char, u8)> {
        rich.chars_styled()
            .filter(|(_, c, _)| !c.is_whitespace() && !c.is_control() && !is_invisible(*c))
            .map(|(_, c, styles)| (c, styles.0))
            .collect()
    }

    fn parts() -> impl Strategy<Value = Vec<(String, u8)>> {
        prop::collection::vec(("[ab\u{E9}\u{4E00}\u{AD}.\t\n  ]{0,6}", 0u8..4), 0..8)
    }

    fn check_spans(text: &str, spans: &[Span]) {
        for span in spans {
            let part = text.get(span.range()).expect("on character boundaries");
            assert!(!part.is_empty() && part.trim() == part, "{part:?}");
        }
        assert!(spans.is_sorted_by_key(|span| (span.start, span.end)));
        for style in [Style::Emphasis, Style::Strong] {
            let own: Vec<_> = spans.iter().filter(|s| s.style == style).collect();
            assert!(own.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }
    }

    proptest! {
        #[test]
        fn spans_are_inside_and_in_order(parts in parts(), cut in 0usize..30) {
            let mut rich = rich(&parts);
            let cut = rich.floor_char_boundary(cut);
            for rich in [rich.words(), rich.lines_of_words(), rich.slice(0..cut), rich.trimmed(char::is_whitespace)] {
                let (text, spans) = rich.into_parts();
                check_spans(&text, &spans);
            }
            rich.truncate(cut);
            rich.append(&Rich::from("tail"));
            let (text, spans) = rich.into_parts();
            check_spans(&text, &spans);
        }

        #[test]
        fn collapsing_changes_no_letter_and_no_style(parts in parts()) {
            let rich = rich(&parts);
            prop_assert_eq!(letters(&rich.words()), letters(&rich));
            prop_assert_eq!(letters(&rich.lines_of_words()), letters(&rich));
            let plain = Rich::from(&*rich);
            prop_assert_eq!(&*rich.words(), &*plain.words());
            let cells = rich.pieces(|c| c == '\n');
            prop_assert_eq!(letters(&Rich::join(&cells, '\n')), letters(&rich));
        }

        #[test]
        fn every_styled_word_is_in_a_span(parts in parts()) {
            let rich = rich(&parts).words();
            let letters = rich.chars_styled().map(|(at, c, s)| (at, c, s.0)).collect::<Vec<_>>();
            let (_, spans) = rich.into_parts();
            for (at, c, styles) in letters.into_iter().filter(|(_, c, _)| c.is_alphanumeric()) {
                for (style, bit) in Styles::ALL {
                    let is_in = spans.iter().any(|s| s.style == style && s.range().contains(&at));
                    prop_assert_eq!(is_in, styles & bit != 0, "{} at {}", c, at);
                }
            }
        }
    }
}
