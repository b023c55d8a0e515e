//! Where sentences end.

use std::ops::Range;

/// The sentences of a text, as byte ranges in order.
///
/// Every character that is not white space is in exactly one range; ranges start and end with
/// such a character. Closing quotes and brackets belong to the sentence they close, and a blank
/// line always ends one. `language` is a BCP 47 tag; it only adds abbreviations, so `None` does
/// little harm.
///
/// ```
/// let text = "“Stop!” cried Mr. J. R. Reed at 3.15 p.m. sharp. Nobody did…";
/// let found: Vec<_> = litink_core::text::sentences(text, Some("en"))
///     .into_iter()
///     .map(|range| &text[range])
///     .collect();
/// assert_eq!(
///     found,
///     ["“Stop!” cried Mr. J. R. Reed at 3.15 p.m. sharp.", "Nobody did…"]
/// );
/// ```
#[must_use]
pub fn sentences(text: &str, language: Option<&str>) -> Vec<Range<usize>> {
    let language = language.map_or("", |tag| tag.split(['-', '_']).next().unwrap_or(""));
    let mut found = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let end = match c {
            '\n' => end_of_blank_line(text, at),
            c if is_stop(c) => end_at_stop(text, start, at, language),
            _ => Next::Goes(at + c.len_utf8()),
        };
        match end {
            Next::Goes(next) => at = next,
            Next::Ends(next) => {
                found.extend(trimmed(text, start..next));
                (start, at) = (next, next);
            }
        }
    }
    found.extend(trimmed(text, start..text.len()));
    found
}

/// Where to look next, and whether a sentence ends there.
enum Next {
    Goes(usize),
    Ends(usize),
}

fn trimmed(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let part = text.get(range.clone())?;
    let start = range.start + (part.len() - part.trim_start().len());
    let end = start + part.trim().len();
    (start < end).then_some(start..end)
}

fn end_of_blank_line(text: &str, at: usize) -> Next {
    let rest = &text[at + 1..];
    let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
    match rest[blanks..].starts_with('\n') {
        true => Next::Ends(at + 1 + blanks + 1),
        false => Next::Goes(at + 1),
    }
}

fn is_stop(c: char) -> bool {
    is_wide_stop(c)
        || matches!(
            c,
            '.' | '!' | '?' | '…' | '‼' | '⁇' | '⁈' | '⁉' | '؟' | '۔' | '।' | '॥'
        )
}

/// Stops of scripts that put no blank after them.
fn is_wide_stop(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '．' | '｡')
}

fn is_closing(c: char) -> bool {
    matches!(
        c,
        '"' | '\''
            | '”'
            | '’'
            | '»'
            | '›'
            | ')'
            | ']'
            | '}'
            | '」'
            | '』'
            | '】'
            | '）'
            | '》'
            | '〉'
            | '*'
            | '_'
    )
}

fn is_opening(c: char) -> bool {
    matches!(
        c,
        '"' | '\''
            | '“'
            | '‘'
            | '„'
            | '‚'
            | '«'
            | '‹'
            | '('
            | '['
            | '{'
            | '¿'
            | '¡'
            | '—'
            | '–'
            | '-'
            | '*'
            | '_'
    )
}

fn end_at_stop(text: &str, start: usize, at: usize, language: &str) -> Next {
    let rest = &text[at..];
    let stops = rest.len() - rest.trim_start_matches(is_stop).len();
    let closed = stops + (rest[stops..].len() - rest[stops..].trim_start_matches(is_closing).len());
    let end = at + closed;
    let run = &rest[..stops];
    let after = &text[end..];
    if run.ends_with(is_wide_stop) {
        // 「…。」と言った: what follows a closed quotation at once may belong to it.
        let is_quoted = closed > stops && after.starts_with(['と', 'っ']);
        return if is_quoted {
            Next::Goes(end)
        } else {
            Next::Ends(end)
        };
    }
    if after.is_empty() {
        return Next::Ends(end);
    }
    if !after.starts_with(char::is_whitespace) {
        return Next::Goes(at + stops);
    }
    let next = after
        .trim_start()
        .trim_start_matches(is_opening)
        .trim_start();
    let next = next.chars().next().unwrap_or(' ');
    let is_blank_line = after
        .trim_start_matches([' ', '\t', '\r'])
        .starts_with("\n\n");
    if next.is_lowercase() && !is_blank_line {
        return Next::Goes(end);
    }
    if run == "." && closed == stops && is_abbreviation(&text[start..at], next, language) {
        return Next::Goes(end);
    }
    Next::Ends(end)
}

/// Never the end of a sentence: a name, a number or the like follows.
const BEFORE_NAMES: &[&str] = &[
    "mr", "mrs", "ms", "mx", "dr", "prof", "st", "ste", "rev", "hon", "capt", "cpt", "col", "gen",
    "lt", "sgt", "cpl", "maj", "cmdr", "adm", "messrs", "mme", "mlle", "mgr", "fr", "sr", "sra",
    "srta", "sen", "rep", "gov", "pres", "supt", "insp", "mt", "ft", "e.g", "i.e", "cf", "viz",
    "vs", "v", "ca", "approx", "esp", "incl", "hr", "frl", "dott", "sig", "bzw", "z.b", "d.h",
    "u.a", "vgl", "sog", "p.ej", "c.-à-d", "т.е", "т.к", "св", "им", "ул",
];
/// No end before a digit or a Roman numeral: "No. 5", "vol. II".
const BEFORE_NUMBERS: &[&str] = &[
    "no", "nos", "vol", "vols", "ch", "chap", "p", "pp", "fig", "figs", "sec", "art", "bk", "pt",
    "nr", "bd", "kap", "abb", "núm", "nº", "t", "c", "л", "с", "гл", "jan", "feb", "mar", "apr",
    "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
];

/// Whether the stop behind `before` belongs to its last word; `next` is what follows.
fn is_abbreviation(before: &str, next: char, language: &str) -> bool {
    let word_at = before
        .rfind(|c: char| c.is_whitespace() || is_opening(c) && c != '-' && c != '\'')
        .map_or(0, |i| {
            i + before[i..].chars().next().map_or(0, char::len_utf8)
        });
    let word = &before[word_at..];
    let lower = word.to_lowercase();
    if BEFORE_NAMES.contains(&lower.as_str()) {
        return true;
    }
    let is_number = next.is_numeric() || matches!(next, 'I' | 'V' | 'X' | 'L' | 'C');
    if BEFORE_NUMBERS.contains(&lower.as_str()) && is_number {
        return true;
    }
    if language == "de" && word.len() <= 2 && word.bytes().all(|b| b.is_ascii_digit()) {
        return !word.is_empty();
    }
    is_initial(before[..word_at].trim_end(), word)
}

/// `J.` in "J. R. R. Reed"; but "So did I. Then" ends.
fn is_initial(before: &str, word: &str) -> bool {
    let mut letters = word.chars();
    let (Some(letter), None) = (letters.next(), letters.next()) else {
        return false;
    };
    letter.is_uppercase() && (letter != 'I' || before.ends_with('.') || before.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
        sentences(text, Some(language))
            .into_iter()
            .map(|range| &text[range])
            .collect()
    }

    #[test]
    fn english() {
        let cases: &[(&str, &[&str])] = &[
            ("One. Two! Three?", &["One.", "Two!", "Three?"]),
            (
                "Mr. and Mrs. Dent met Dr. Low in St. Ives. It rained.",
                &["Mr. and Mrs. Dent met Dr. Low in St. Ives.", "It rained."],
            ),
            (
                "J. R. R. Reed wrote it. So did I. Then he left.",
                &["J. R. R. Reed wrote it.", "So did I.", "Then he left."],
            ),
            (
                "It cost 3.50, i.e. Nothing. Fruit, e.g. Apples, was dear.",
                &[
                    "It cost 3.50, i.e. Nothing.",
                    "Fruit, e.g. Apples, was dear.",
                ],
            ),
            (
                "“Who is there?” he asked. “It is I.” She came in.",
                &["“Who is there?” he asked.", "“It is I.”", "She came in."],
            ),
            (
                "He waited... and waited. Then… nothing.",
                &["He waited... and waited.", "Then… nothing."],
            ),
            (
                "See No. 5 and vol. II. Yes. No. Never.",
                &["See No. 5 and vol. II.", "Yes.", "No.", "Never."],
            ),
            (
                "Read more at example.org. (Or don't.) Fine.",
                &["Read more at example.org.", "(Or don't.)", "Fine."],
            ),
            (
                "A heading\n\nA paragraph\nin two lines",
                &["A heading", "A paragraph\nin two lines"],
            ),
            (
                "At 5 p.m. she left. At 6 p.m. He came.",
                &["At 5 p.m. she left.", "At 6 p.m.", "He came."],
            ),
            ("What?! No way!!! Stop", &["What?!", "No way!!!", "Stop"]),
        ];
        for (text, expected) in cases {
            assert_eq!(split(text, "en"), *expected);
        }
    }

    #[test]
    fn other_languages() {
        assert_eq!(
            split("Am 3. Mai kam er. Es war z.B. Montag.", "de"),
            ["Am 3. Mai kam er.", "Es war z.B. Montag."]
        );
        assert_eq!(
            split("灯がついた。「行こう！」と言った。夜だ？はい。", "ja"),
            ["灯がついた。", "「行こう！」と言った。", "夜だ？", "はい。"]
        );
        assert_eq!(
            split("¿Quién es? ¡Soy yo! Entró.", "es"),
            ["¿Quién es?", "¡Soy yo!", "Entró."]
        );
        assert_eq!(split("वह आया। वह गया।", "hi"), ["वह आया।", "वह गया।"]);
    }

    proptest! {
        #[test]
        fn every_visible_character_is_in_one_sentence(text in "[a-zA-Z.!?…\"”'\n 。「」3é\u{301}]{0,200}") {
            let mut covered = String::new();
            let mut last = 0;
            for range in sentences(&text, Some("en")) {
                prop_assert!(range.start >= last && range.start < range.end);
                prop_assert!(text[last..range.start].trim().is_empty());
                last = range.end;
                covered.push_str(&text[range]);
            }
            prop_assert!(text[last..].trim().is_empty());
            let visible = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(visible(&covered), visible(&text));
        }
    }
}
