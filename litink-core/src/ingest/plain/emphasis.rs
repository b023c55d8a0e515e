//! Emphasis as plain text writes it: `_between underscores_`, as Project Gutenberg has it.

use crate::{
    domain::Style,
    ingest::rich::{Rich, Styles},
};

/// Takes the marks out and says what stood between them. Underscores inside words belong to them,
/// and a row of nothing else is an ornament.
pub(super) fn read(text: String) -> Rich {
    if !text.contains('_') {
        return text.into();
    }
    let marks = marks(&text);
    let mut rich = Rich::default();
    let mut at = 0;
    let mut is_on = false;
    for (i, mark) in marks.iter().enumerate() {
        rich.push_str(&text[at..mark.at], styles(is_on));
        at = mark.at + 1;
        // What nobody closes was not meant.
        is_on = !is_on && mark.opens && marks[i + 1..].iter().any(|next| next.closes);
    }
    rich.push_str(&text[at..], styles(is_on));
    rich
}

fn styles(is_on: bool) -> Styles {
    Styles::default().with(Style::Emphasis, is_on)
}

struct Mark {
    at: usize,
    opens: bool,
    closes: bool,
}

/// The underscores at the edges of words.
fn marks(text: &str) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut start = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let has_letters = word.contains(char::is_alphanumeric);
        for (at, _) in word.match_indices('_').filter(|_| has_letters) {
            let before = word[..at].chars().next_back();
            let after = word[at + 1..].chars().next();
            let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            if is_letter(before) && is_letter(after) {
                continue;
            }
            marks.push(Mark {
                at: start + at,
                opens: after.is_some_and(|c| !c.is_whitespace()),
                closes: before.is_some(),
            });
        }
        start += word.len();
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underscores_are_emphasis_or_belong_to_words() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("it was _late_ now", "it was late now", &["late"]),
            (
                "_Of the_ lamp, \u{201C}_No!_\u{201D}",
                "Of the lamp, \u{201C}No!\u{201D}",
                &["Of the", "No!"],
            ),
            ("a snake_case word", "a snake_case word", &[]),
            ("_ _ _", "_ _ _", &[]),
            ("an _open end", "an open end", &[]),
            ("_one\ntwo_", "one\ntwo", &["one\ntwo"]),
        ];
        for (text, plain, emphasized) in cases {
            let (found, spans) = read((*text).to_owned()).into_parts();
            assert_eq!(found, *plain);
            let words: Vec<&str> = spans.iter().map(|s| &found[s.range()]).collect();
            assert_eq!(&words, emphasized, "{text}");
        }
    }
}
