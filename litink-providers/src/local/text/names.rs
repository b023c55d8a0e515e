//! Words of the narration, and who they name.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::lexicon::{
    ARTICLES, BETWEEN, FEMALE, MALE, NOT_NAMES, PARTICLES, PHRASE_ENDS, SPEECH_VERBS, TITLES,
};

/// A word or a mark of punctuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) start: usize,
}

impl Token<'_> {
    fn lower(&self) -> String {
        self.text.to_lowercase()
    }

    pub(super) fn is_word(&self) -> bool {
        self.text.starts_with(char::is_alphanumeric)
    }

    fn is_capital(&self) -> bool {
        self.text.starts_with(char::is_uppercase)
    }

    pub(super) fn ends_sentence(&self) -> bool {
        matches!(self.text, "." | "!" | "?" | ";" | "…")
    }

    pub(super) fn is_verb(&self) -> bool {
        SPEECH_VERBS.contains(&self.lower().as_str())
    }

    fn is_one_of(&self, words: &[&str]) -> bool {
        words.contains(&self.lower().as_str())
    }
}

/// The tokens of a stretch. A full stop after a title is part of the title.
pub(super) fn tokens(text: &str, within: Range<usize>) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut chars = text[within.clone()].char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let start = within.start + at;
        let mut end = start + c.len_utf8();
        if c.is_alphanumeric() {
            while let Some((at, c)) =
                chars.next_if(|&(at, c)| continues(text, within.start + at, c))
            {
                end = within.start + at + c.len_utf8();
            }
        } else if c.is_whitespace() || c == '.' && tokens.last().is_some_and(|t| is_title(t, start))
        {
            continue;
        }
        tokens.push(Token {
            text: &text[start..end],
            start,
        });
    }
    tokens
}

fn continues(text: &str, at: usize, c: char) -> bool {
    let joins = matches!(c, '\'' | '’' | '-' | '‐');
    let next = text[at + c.len_utf8()..].chars().next();
    c.is_alphanumeric() || (joins && next.is_some_and(char::is_alphanumeric))
}

fn is_title(token: &Token<'_>, stop_at: usize) -> bool {
    let initial = token.text.chars().count() == 1 && token.text != "I";
    token.start + token.text.len() == stop_at
        && token.is_capital()
        && (initial || (token.text.len() < 6 && token.is_one_of(TITLES)))
}

/// A man or a woman.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gender {
    Male,
    Female,
}

/// Who a subject names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Named(String),
    Pronoun(Gender),
    /// The narrator: "I".
    Narrator,
}

/// What the text tells about its names.
#[derive(Debug, Default)]
pub(super) struct Names {
    lower: HashSet<String>,
    within_sentences: HashSet<String>,
    genders: HashMap<String, i32>,
}

impl Names {
    /// Learns which capitalised words are names: those that are not also written small, or stand
    /// within sentences.
    pub(super) fn learn(text: &str) -> Self {
        let mut names = Self::default();
        let tokens = tokens(text, 0..text.len());
        for (i, token) in tokens.iter().enumerate().filter(|(_, t)| t.is_word()) {
            if !token.is_capital() {
                names.lower.insert(token.lower());
            } else if i > 0 && tokens[i - 1].is_word() && !tokens[i - 1].is_capital() {
                names.within_sentences.insert(token.text.to_owned());
            }
        }
        names
    }

    /// Learns genders from the pronoun that follows a name in its sentence.
    pub(super) fn learn_genders(&mut self, narration: &[Token<'_>]) {
        for sentence in narration.split(Token::ends_sentence) {
            let mentions = self.mentions(sentence);
            let [(name, at)] = mentions.as_slice() else {
                continue;
            };
            let after = sentence.iter().filter(|token| token.start > *at);
            if let Some(gender) = after.filter_map(pronoun_gender).next() {
                let vote = if gender == Gender::Male { 1 } else { -1 };
                *self.genders.entry(name.clone()).or_default() += vote;
            }
        }
    }

    /// What is known of a name's gender: its title decides, then the votes of the text.
    pub(super) fn gender(&self, name: &str) -> Option<Gender> {
        for word in name.split([' ', '.']).map(str::to_lowercase) {
            if MALE.contains(&word.as_str()) {
                return Some(Gender::Male);
            }
            if FEMALE.contains(&word.as_str()) {
                return Some(Gender::Female);
            }
        }
        match self.genders.get(name).copied().unwrap_or_default() {
            0 => None,
            votes if votes > 0 => Some(Gender::Male),
            _ => Some(Gender::Female),
        }
    }

    /// The names in a stretch, with their places; not those of owners ("Mira's").
    pub(super) fn mentions(&self, tokens: &[Token<'_>]) -> Vec<(String, usize)> {
        let mut mentions = Vec::new();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match self.name_at(tokens, at) {
                Some((name, next)) => {
                    mentions.push((name, token.start));
                    at = next;
                }
                None => at += 1,
            }
        }
        mentions
    }

    /// The subject that begins at a token, and the token after it.
    pub(super) fn subject_at(&self, tokens: &[Token<'_>], at: usize) -> Option<(Who, usize)> {
        let who = match tokens.get(at)?.text {
            "he" | "He" => Who::Pronoun(Gender::Male),
            "she" | "She" => Who::Pronoun(Gender::Female),
            "I" => Who::Narrator,
            _ => {
                let named = self.name_at(tokens, at).or_else(|| phrase_at(tokens, at));
                return named.map(|(name, next)| (Who::Named(name), next));
            }
        };
        Some((who, at + 1))
    }

    fn name_at(&self, tokens: &[Token<'_>], start: usize) -> Option<(String, usize)> {
        let mut at = start;
        while tokens
            .get(at)
            .is_some_and(|t| t.is_capital() && t.is_one_of(TITLES))
        {
            at += 1;
        }
        let first = at;
        let mut end = at;
        while let Some(token) = tokens.get(at) {
            if token.is_capital() && (at > first || first > start || self.is_name(token)) {
                end = at + 1;
            } else if at == first || !token.is_one_of(PARTICLES) {
                break;
            }
            at += 1;
        }
        let last = tokens.get(end.checked_sub(1)?)?;
        if end == first || last.text.ends_with("'s") || last.text.ends_with("’s") {
            return None;
        }
        Some((written(&tokens[start..end]), end))
    }

    fn is_name(&self, token: &Token<'_>) -> bool {
        let lower = token.lower();
        !NOT_NAMES.contains(&lower.as_str())
            && lower.chars().count() > 1
            && (self.within_sentences.contains(token.text) || !self.lower.contains(&lower))
    }
}

fn pronoun_gender(token: &Token<'_>) -> Option<Gender> {
    match token.text {
        "he" | "his" | "him" | "himself" => Some(Gender::Male),
        "she" | "her" | "hers" | "herself" => Some(Gender::Female),
        _ => None,
    }
}

/// "the old man": an article and up to three small words.
fn phrase_at(tokens: &[Token<'_>], start: usize) -> Option<(String, usize)> {
    if !tokens.get(start)?.is_one_of(ARTICLES) {
        return None;
    }
    let words = tokens[start + 1..].iter().take(3);
    let count = words
        .take_while(|t| t.is_word() && !t.is_verb() && !t.is_one_of(PHRASE_ENDS))
        .count();
    let end = start + 1 + count;
    (count > 0).then(|| (written(&tokens[start..end]).to_lowercase(), end))
}

/// As it is printed, with the stops of titles.
fn written(tokens: &[Token<'_>]) -> String {
    let word = |token: &Token<'_>| {
        let stop = matches!(
            token.text,
            "Mr" | "Mrs" | "Ms" | "Dr" | "Capt" | "Prof" | "Rev"
        );
        let initial = token.text.chars().count() == 1;
        let end = if stop || initial { "." } else { "" };
        format!("{}{end}", token.text)
    };
    tokens.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Where the verb of saying stands that a subject which ends at `at` belongs to, if at once or after
/// adverbs.
pub(super) fn verb_after(tokens: &[Token<'_>], mut at: usize) -> Option<usize> {
    let end = at + 4;
    while at < end {
        let token = tokens.get(at)?;
        if token.is_verb() {
            return Some(at);
        }
        if !token.is_one_of(BETWEEN) && !token.text.ends_with("ly") {
            return None;
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mentions(text: &str) -> Vec<String> {
        let found = Names::learn(text).mentions(&tokens(text, 0..text.len()));
        found.into_iter().map(|mention| mention.0).collect()
    }

    #[test]
    fn names_with_titles_initials_and_particles() {
        assert_eq!(
            mentions("Then Mr. J. Smith met Captain Ahab and Anna von Stein. Mira's dog ran."),
            ["Mr. J. Smith", "Captain Ahab", "Anna von Stein"]
        );
    }

    #[test]
    fn words_that_begin_sentences_are_no_names() {
        let text = "Rain fell. The rain was cold. Nothing moved. Rose saw that Rose rose.";
        assert_eq!(mentions(text), ["Rose", "Rose"]);
    }

    #[test]
    fn titles_and_pronouns_tell_genders() {
        let text = "Mira lifted her lamp. Tom lost his hat. Tom and Ann lost his hat.";
        let mut names = Names::learn(text);
        names.learn_genders(&tokens(text, 0..text.len()));
        assert_eq!(names.gender("Mira"), Some(Gender::Female));
        assert_eq!(names.gender("Tom"), Some(Gender::Male));
        assert_eq!(names.gender("Mrs. Gray"), Some(Gender::Female));
        assert_eq!(names.gender("the old man"), Some(Gender::Male));
        assert_eq!(names.gender("Ann"), None);
    }
}
