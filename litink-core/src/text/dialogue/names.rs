//! Words of the narration, and who they name.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::lexicon::{ABBREVIATED_TITLES, Lexicon, PARTICLES};

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

    pub(super) fn is_one_of(&self, words: &[&str]) -> bool {
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
        let cut = start + inverted_at(&text[start..end]).unwrap_or(end - start);
        tokens.push(Token {
            text: &text[start..cut],
            start,
        });
        if cut < end {
            let hyphens = text[cut..end].rfind('-').map_or(0, |at| at + 1);
            tokens.push(Token {
                text: &text[cut + hyphens..end],
                start: cut + hyphens,
            });
        }
    }
    tokens
}

/// Where the verb ends in `dit-il`, `demanda-t-elle`.
fn inverted_at(word: &str) -> Option<usize> {
    let tails = ["-t-il", "-t-elle", "-il", "-elle", "-je"];
    let tail = tails.iter().find(|tail| word.ends_with(*tail))?;
    Some(word.len() - tail.len()).filter(|at| *at > 0)
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
        && (initial || (token.text.len() < 6 && token.is_one_of(ABBREVIATED_TITLES)))
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
#[derive(Debug)]
pub(super) struct Names {
    pub(super) lexicon: &'static Lexicon,
    verbs: HashSet<&'static str>,
    /// Capitalised words that are none: nouns of German.
    nouns: HashSet<String>,
    lower: HashSet<String>,
    within_sentences: HashSet<String>,
    genders: HashMap<String, i32>,
}

impl Names {
    /// Learns which capitalised words are names: those that are not also written small, or stand
    /// within sentences.
    pub(super) fn learn(text: &str, lexicon: &'static Lexicon) -> Self {
        let mut names = Self {
            lexicon,
            verbs: lexicon.verbs.iter().copied().collect(),
            nouns: HashSet::new(),
            lower: HashSet::new(),
            within_sentences: HashSet::new(),
            genders: HashMap::new(),
        };
        let tokens = tokens(text, 0..text.len());
        for (i, token) in tokens.iter().enumerate().filter(|(_, t)| t.is_word()) {
            if !token.is_capital() {
                names.lower.insert(token.lower());
                continue;
            }
            let Some(before) = i.checked_sub(1).and_then(|i| tokens.get(i)) else {
                continue;
            };
            if before.is_one_of(lexicon.determiners) {
                names.nouns.insert(token.text.to_owned());
            } else if before.is_word() && !before.is_capital() {
                names.within_sentences.insert(token.text.to_owned());
            }
        }
        names
    }

    /// Whether it is a verb of saying.
    pub(super) fn is_verb(&self, token: &Token<'_>) -> bool {
        self.verbs.contains(token.lower().as_str())
    }

    /// Learns genders from the pronoun that follows a name in its sentence.
    pub(super) fn learn_genders(&mut self, narration: &[Token<'_>]) {
        for sentence in narration.split(Token::ends_sentence) {
            let mentions = self.mentions(sentence);
            let [(name, at)] = mentions.as_slice() else {
                continue;
            };
            let after = sentence.iter().filter(|token| token.start > *at);
            if let Some(gender) = after.filter_map(|token| self.pronoun_gender(token)).next() {
                let vote = if gender == Gender::Male { 1 } else { -1 };
                *self.genders.entry(name.clone()).or_default() += vote;
            }
        }
    }

    /// What is known of a name's gender: its title decides, then the votes of the text.
    pub(super) fn gender(&self, name: &str) -> Option<Gender> {
        for word in name.split([' ', '.']).map(str::to_lowercase) {
            if self.lexicon.male.contains(&word.as_str()) {
                return Some(Gender::Male);
            }
            if self.lexicon.female.contains(&word.as_str()) {
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
        let token = tokens.get(at)?;
        let who = if token.is_one_of(self.lexicon.he) {
            Who::Pronoun(Gender::Male)
        } else if token.is_one_of(self.lexicon.she) {
            Who::Pronoun(Gender::Female)
        } else if self.is_narrator(token) {
            Who::Narrator
        } else {
            let named = self.name_at(tokens, at);
            let named = named.or_else(|| self.phrase_at(tokens, at));
            return named.map(|(name, next)| (Who::Named(name), next));
        };
        Some((who, at + 1))
    }

    fn is_narrator(&self, token: &Token<'_>) -> bool {
        // "I" is never small, the others mostly are.
        let words = self.lexicon.narrator;
        words.contains(&token.text) || (words != ["I"] && token.is_one_of(words))
    }

    /// The subject right behind a verb of saying; also a noun without an article.
    pub(super) fn subject_behind(&self, tokens: &[Token<'_>], at: usize) -> Option<(Who, usize)> {
        let bare = || {
            let end = self.phrase_end(tokens, at, 2);
            let phrase = (self.lexicon.bare_nouns && end > at).then(|| &tokens[at..end])?;
            Some((Who::Named(self.phrase(phrase)), end))
        };
        self.subject_at(tokens, at).or_else(bare)
    }

    /// "the old man": an article and up to three small words.
    fn phrase_at(&self, tokens: &[Token<'_>], start: usize) -> Option<(String, usize)> {
        let first = tokens.get(start)?;
        // l'homme, l’uomo
        let elided = self.lexicon.tags_within
            && (first.text.starts_with("l'") || first.text.starts_with("l’"));
        if !elided && !first.is_one_of(self.lexicon.articles) {
            return None;
        }
        // il signor Conti, la señora Vega
        let titled = tokens
            .get(start + 1)
            .is_some_and(|next| self.is_title(next));
        if let Some(name) = titled.then(|| self.name_at(tokens, start + 1)).flatten() {
            return Some(name);
        }
        let end = self.phrase_end(tokens, start + 1, 3);
        (elided || end > start + 1).then(|| (self.phrase(&tokens[start..end]), end))
    }

    fn phrase_end(&self, tokens: &[Token<'_>], start: usize, most: usize) -> usize {
        let words = tokens.iter().skip(start).take(most);
        let is_part = |t: &&Token<'_>| {
            t.is_word() && !self.is_verb(t) && !t.is_one_of(self.lexicon.phrase_ends)
        };
        start + words.take_while(is_part).count()
    }

    /// In lower case, but for German, which writes its nouns so.
    fn phrase(&self, tokens: &[Token<'_>]) -> String {
        match self.lexicon.determiners {
            [] => written(tokens).to_lowercase(),
            _ => written(tokens),
        }
    }

    fn pronoun_gender(&self, token: &Token<'_>) -> Option<Gender> {
        if self.lexicon.his.contains(&token.text) {
            return Some(Gender::Male);
        }
        let is_hers = self.lexicon.hers.contains(&token.text);
        is_hers.then_some(Gender::Female)
    }

    fn is_between(&self, token: &Token<'_>) -> bool {
        let adverb = self.lexicon.adverb;
        token.is_one_of(self.lexicon.between)
            || (!adverb.is_empty() && token.text.ends_with(adverb))
    }

    /// The token at or behind this one that is no adverb, if near.
    pub(super) fn past_adverbs(&self, tokens: &[Token<'_>], at: usize) -> usize {
        let near = tokens.iter().skip(at).take(3);
        let adverbs = near.take_while(|token| token.is_word() && self.is_between(token));
        at + adverbs.count()
    }

    /// Where the verb of saying stands that a subject which ends at `at` belongs to, if at once or
    /// after adverbs.
    pub(super) fn verb_after(&self, tokens: &[Token<'_>], mut at: usize) -> Option<usize> {
        let end = at + 4;
        while at < end {
            let token = tokens.get(at)?;
            if self.is_verb(token) {
                return Some(at);
            }
            if !self.is_between(token) {
                return None;
            }
            at += 1;
        }
        None
    }

    fn name_at(&self, tokens: &[Token<'_>], start: usize) -> Option<(String, usize)> {
        let mut at = start;
        while tokens.get(at).is_some_and(|t| self.is_title(t)) {
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

    /// A title is written small in the languages that capitalise little else.
    fn is_title(&self, token: &Token<'_>) -> bool {
        (token.is_capital() || self.lexicon.names_within_sentences)
            && token.is_one_of(self.lexicon.titles)
    }

    fn is_name(&self, token: &Token<'_>) -> bool {
        let lower = token.lower();
        let within = self.within_sentences.contains(token.text);
        !self.lexicon.not_names.contains(&lower.as_str())
            && lower.chars().count() > 1
            && !self.nouns.contains(token.text)
            && (within || (!self.lexicon.names_within_sentences && !self.lower.contains(&lower)))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mentions(text: &str) -> Vec<String> {
        let found = Names::learn(text, Lexicon::of("en")).mentions(&tokens(text, 0..text.len()));
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
        let mut names = Names::learn(text, Lexicon::of("en"));
        names.learn_genders(&tokens(text, 0..text.len()));
        assert_eq!(names.gender("Mira"), Some(Gender::Female));
        assert_eq!(names.gender("Tom"), Some(Gender::Male));
        assert_eq!(names.gender("Mrs. Gray"), Some(Gender::Female));
        assert_eq!(names.gender("the old man"), Some(Gender::Male));
        assert_eq!(names.gender("Ann"), None);
    }
}
