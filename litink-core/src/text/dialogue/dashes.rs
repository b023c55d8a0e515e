//! Speech after a dash: `—Hola —dijo Ana—. ¿Vienes?`, `— Иду, — сказал он. — Жди.`, `— Oui, dit-il.`

use std::ops::Range;

use super::{
    attribution,
    names::{self, Names, Token},
    quotes::Quote,
};

fn is_dash(c: char) -> bool {
    matches!(c, '—' | '–' | '―')
}

/// Whether a paragraph is spoken from its first word on.
pub(super) fn begins(paragraph: &str) -> bool {
    let rest = paragraph.trim_start();
    rest.starts_with(is_dash) || rest.starts_with("- ")
}

/// What is said in such a paragraph. The narration in it begins with a dash and ends with one.
pub(super) fn quotes(text: &str, paragraph: Range<usize>, names: &Names) -> Vec<Quote> {
    let body = &text[paragraph.clone()];
    let mut cuts: Vec<usize> = body
        .char_indices()
        .filter(|(at, c)| is_dash(*c) || is_hyphen(body, *at, *c))
        .map(|(at, _)| paragraph.start + at)
        .collect();
    let Some(mut start) = (!cuts.is_empty()).then(|| cuts.remove(0)) else {
        return Vec::new();
    };
    let mut said = Vec::new();
    let mut narrates = false;
    for (i, cut) in cuts.iter().copied().enumerate() {
        let after = cut + text[cut..].chars().next().map_or(1, char::len_utf8);
        if narrates {
            start = skip(text, after, paragraph.end);
            narrates = false;
        } else {
            let next = cuts.get(i + 1).copied();
            let aside = Aside {
                before: &text[start..cut],
                text: &text[after..next.unwrap_or(paragraph.end)],
                is_closed: next.is_some(),
            };
            if aside.is_narration(names) {
                said.extend(quote(text, start..cut));
                narrates = true;
            }
        }
    }
    if !narrates {
        said.extend(quote(text, start..paragraph.end));
    }
    said
}

/// A hyphen with blanks around it stands for a dash where a book has no better ones.
fn is_hyphen(body: &str, at: usize, c: char) -> bool {
    c == '-' && body[at..].starts_with("- ") && (at == 0 || body[..at].ends_with(' '))
}

/// What stands between two dashes.
struct Aside<'a> {
    before: &'a str,
    text: &'a str,
    is_closed: bool,
}

impl Aside<'_> {
    fn is_narration(&self, names: &Names) -> bool {
        let tokens = names::tokens(self.text, 0..self.text.len());
        let Some(first) = tokens.first() else {
            return false;
        };
        if names.is_verb(first) || attribution::tag_after(names, &tokens).is_some() {
            return true;
        }
        // Spanish: the dash hangs on what it encloses.
        let hangs = self.before.ends_with(' ') && !self.text.starts_with(char::is_whitespace);
        let has_ended = self.before.trim_end().ends_with(['.', '!', '?', '…']);
        let acts = || {
            let subject = names.subject_at(&tokens, 0);
            subject.is_some_and(|(_, end)| tokens.get(end).is_some_and(Token::is_word))
        };
        hangs || (has_ended && self.is_closed && acts())
    }
}

/// Past what closes the narration.
fn skip(text: &str, start: usize, end: usize) -> usize {
    let rest = &text[start..end];
    let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || ".,;:".contains(c));
    end - trimmed.len()
}

fn quote(text: &str, range: Range<usize>) -> Option<Quote> {
    let said = text[range.clone()].trim_end();
    said.contains(char::is_alphanumeric).then(|| Quote {
        range: range.start..range.start + said.len(),
        closed: true,
    })
}

/// A quotation without the tags that stand in it without marks: « Oui, dit-il, je viens. »
pub(super) fn without_tags(text: &str, whole: Quote, names: &Names) -> Vec<Quote> {
    let tokens = names::tokens(text, whole.range.clone());
    let (mut parts, mut start, mut at) = (Vec::new(), whole.range.start, 1);
    while at < tokens.len() {
        let Some(end) = tag_at(&tokens, at, names) else {
            at += 1;
            continue;
        };
        parts.extend(quote(text, start..tokens[at].start));
        let stop = tokens[end..].iter().position(|token| !token.is_word());
        match stop
            .map(|stop| end + stop)
            .filter(|stop| stop + 1 < tokens.len())
        {
            Some(stop) => {
                start = tokens[stop + 1].start;
                at = stop + 1;
            }
            None => {
                start = whole.range.end;
                break;
            }
        }
    }
    if parts.is_empty() {
        return vec![whole];
    }
    parts.extend(quote(text, start..whole.range.end).map(|rest| Quote {
        closed: whole.closed,
        ..rest
    }));
    parts
}

/// Where a tag ends that begins at a token: behind a mark a verb of saying and who does it.
fn tag_at(tokens: &[Token<'_>], at: usize, names: &Names) -> Option<usize> {
    let before = tokens.get(at.checked_sub(1)?)?;
    let parted = matches!(before.text, "," | "!" | "?" | "…");
    if !parted || !names.is_verb(&tokens[at]) {
        return None;
    }
    names.subject_at(tokens, at + 1).map(|(_, end)| end)
}
