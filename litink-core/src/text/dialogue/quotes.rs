//! Paragraphs, and the quotations in them.

use std::ops::Range;

/// A quotation with its marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Quote {
    pub(super) range: Range<usize>,
    /// False where it runs on into the next paragraph.
    pub(super) closed: bool,
}

/// Which marks a text quotes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// ‘ ’ or ' ', as British books do: only where there are no others, for apostrophes look the
    /// same.
    single: bool,
    /// »so«, as German books do; else « so ».
    inward: bool,
    /// ”so”, as Swedish and Finnish books do.
    right: bool,
    /// Whether a paragraph that begins with a dash is spoken.
    pub(super) dashes: bool,
}

/// Languages in whose books a dash begins a paragraph for other reasons.
const WITHOUT_DASHES: &[&str] = &["en", "de", "ja", "zh", "ko", "nl"];

impl Marks {
    pub(super) fn of(text: &str, language: &str) -> Self {
        let guillemets = text.chars().filter(|c| matches!(c, '«' | '»' | '‹' | '›'));
        let first = guillemets.into_iter().next();
        Self {
            single: !text.contains(['“', '"', '«', '»', '„', '”', '「', '『', '—', '–']) || {
                language == "en" && !text.contains(['“', '"', '«', '»', '„', '”', '「', '『'])
            },
            inward: matches!(first, Some('»' | '›')) && language != "fr",
            right: text.contains('”') && !text.contains(['“', '„']),
            dashes: !WITHOUT_DASHES.contains(&language),
        }
    }
}

/// The paragraphs: parted by empty lines, or by line breaks where a text has no empty lines.
pub(super) fn paragraphs(text: &str, within: Range<usize>) -> Vec<Range<usize>> {
    let body = &text[within.clone()];
    let by_line = !body.lines().any(|line| line.trim().is_empty());
    let mut paragraphs: Vec<Range<usize>> = Vec::new();
    let (mut position, mut open) = (within.start, false);
    for line in body.split_inclusive('\n') {
        let end = position + line.trim_end().len();
        match paragraphs.last_mut().filter(|_| open && !by_line) {
            Some(last) if end > position => last.end = end,
            _ if end > position => paragraphs.push(position..end),
            _ => {}
        }
        open = end > position;
        position += line.len();
    }
    paragraphs
}

/// The quotations of a paragraph.
pub(super) fn quotes(text: &str, paragraph: Range<usize>, marks: Marks) -> Vec<Quote> {
    let body = &text[paragraph.clone()];
    let mut quotes = Vec::new();
    let mut open: Option<(usize, char)> = None;
    let mut before = None;
    let mut chars = body.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|&(_, c)| c);
        match open {
            None if opens(c, before, next, marks) => open = Some((at, c)),
            Some((start, mark)) if closes(mark, c, before, next) => {
                quotes.push(Quote {
                    range: paragraph.start + start..paragraph.start + at + c.len_utf8(),
                    closed: true,
                });
                open = None;
            }
            _ => {}
        }
        before = Some(c);
    }
    quotes.extend(open.map(|(start, _)| Quote {
        range: paragraph.start + start..paragraph.end,
        closed: false,
    }));
    quotes
}

fn opens(c: char, before: Option<char>, next: Option<char>, marks: Marks) -> bool {
    let begins = !before.is_some_and(char::is_alphanumeric);
    if marks.single {
        return matches!(c, '‘' | '\'' | '‚') && begins && next.is_some_and(|n| !n.is_whitespace());
    }
    match c {
        '“' | '„' | '「' | '『' => true,
        '«' => !marks.inward,
        '»' => marks.inward,
        '”' => marks.right,
        '"' => next.is_some_and(|n| !n.is_whitespace()),
        _ => false,
    }
}

fn closes(mark: char, c: char, before: Option<char>, next: Option<char>) -> bool {
    match mark {
        '“' | '”' => c == '”',
        '«' => c == '»',
        '»' => c == '«',
        '「' => c == '」',
        '『' => c == '』',
        '„' => matches!(c, '“' | '”'),
        '"' => c == '"',
        '‚' => matches!(c, '‘' | '’') && ends_speech(before, next),
        // "the dogs' bowls" and "it's" are not the end, "yes,' he said" is
        '‘' => c == '’' && ends_speech(before, next),
        _ => c == '\'' && ends_speech(before, next),
    }
}

fn ends_speech(before: Option<char>, next: Option<char>) -> bool {
    before.is_some_and(|b| matches!(b, ',' | '.' | '!' | '?' | '…' | '—' | '-' | ';' | ':'))
        && !next.is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let marks = Marks::of(text, "en");
        let paragraphs = paragraphs(text, 0..text.len());
        let all = paragraphs.into_iter().flat_map(|p| quotes(text, p, marks));
        all.map(|quote| &text[quote.range]).collect()
    }

    #[test]
    fn every_pair_of_marks() {
        assert_eq!(found("“One,” he said. “Two.”"), ["“One,”", "“Two.”"]);
        assert_eq!(
            found("\"One,\" he said. \"Two.\""),
            ["\"One,\"", "\"Two.\""]
        );
        assert_eq!(
            found("« Un », dit-il. „Zwei“, sagte er."),
            ["« Un »", "„Zwei“"]
        );
        assert_eq!(
            found("“He called me ‘sir’, Tom!”"),
            ["“He called me ‘sir’, Tom!”"]
        );
    }

    #[test]
    fn apostrophes_are_no_quotations() {
        assert_eq!(
            found("‘It’s the dogs’ bowl,’ said O’Neil. ’Twas late."),
            ["‘It’s the dogs’ bowl,’"]
        );
        assert_eq!(
            found("'Don't go,' said Ann's son. 'I won't.'"),
            ["'Don't go,'", "'I won't.'"]
        );
    }

    #[test]
    fn an_open_quotation_ends_with_its_paragraph() {
        let text = "“One.\n\n“Two.”";
        let first = quotes(text, 0..text.find('\n').unwrap(), Marks::of(text, "en"));
        assert_eq!(first[0].range, 0..7);
        assert!(!first[0].closed);
        assert_eq!(found(text), ["“One.", "“Two.”"]);
    }

    #[test]
    fn paragraphs_by_empty_lines_or_else_by_lines() {
        let lines = |text: &str| {
            let ranges = paragraphs(text, 0..text.len());
            ranges
                .into_iter()
                .map(|r| text[r].to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(lines("a\nb\n\n\nc\n"), ["a\nb", "c"]);
        assert_eq!(lines("a\nb\r\nc"), ["a", "b", "c"]);
    }
}
