//! Who says each quotation, by the rules of English prose: tags ("said Mira"), then beats ("Mira
//! shrugged."), then pronouns, then turns.

use std::{collections::HashMap, ops::Range};

use litink_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{
    names::{self, Gender, Names, Token, Who},
    quotes::{self, Marks, Quote},
};

/// A quotation and its speaker, as the task `attribution` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// First byte, that of the opening mark, in the user message.
    pub text_start: usize,
    /// Byte after the last, that of the closing mark.
    pub text_end: usize,
    /// The speaker as the text names them ("Mr. Gray", "the old man"; "I" for a narrator who tells
    /// the story); `None` if the rules cannot tell.
    pub speaker: Option<String>,
    /// 0 to 1: 0.95 for a tag, 0.5 for a guess by turns, 0 without a speaker.
    pub confidence: f32,
}

#[derive(Serialize)]
struct Answer<'a> {
    lines: &'a [Line],
}

/// The answer of the task.
pub(super) fn to_json(lines: &[Line]) -> Result<String> {
    serde_json::to_string(&Answer { lines })
        .map_err(|error| Error::internal("lines are not JSON").with_source(error))
}

/// The quotations of a stretch of the message, in its order.
pub(super) fn attribute(message: &str, within: Range<usize>) -> Vec<Line> {
    let marks = Marks::of(&message[within.clone()]);
    let paragraphs: Vec<_> = quotes::paragraphs(message, within.clone())
        .into_iter()
        .map(|range| Paragraph::read(message, range, marks))
        .collect();
    let mut names = Names::learn(&message[within]);
    for gap in paragraphs.iter().flat_map(|paragraph| &paragraph.gaps) {
        names.learn_genders(gap);
    }
    let mut scene = Scene::new(message, names);
    let mut lines = Vec::new();
    for paragraph in &paragraphs {
        scene.read(paragraph, &mut lines);
    }
    unite_names(&mut lines);
    lines
}

/// A paragraph: its quotations, and the narration before, between and after them.
struct Paragraph<'a> {
    quotes: Vec<Quote>,
    gaps: Vec<Vec<Token<'a>>>,
}

impl<'a> Paragraph<'a> {
    fn read(text: &'a str, range: Range<usize>, marks: Marks) -> Self {
        let mut quotes = quotes::quotes(text, range.clone(), marks);
        quotes.retain(|quote| is_speech(text, &range, quote));
        let starts = quotes.iter().map(|quote| quote.range.start);
        let ends = quotes.iter().map(|quote| quote.range.end);
        let gaps = std::iter::once(range.start)
            .chain(ends)
            .zip(starts.chain(std::iter::once(range.end)))
            .map(|(start, end)| names::tokens(text, start..end))
            .collect();
        Self { quotes, gaps }
    }
}

/// Words in quotation marks within a sentence are not always said: the so-called "boat".
fn is_speech(text: &str, paragraph: &Range<usize>, quote: &Quote) -> bool {
    let inner = text[quote.range.clone()].trim_end_matches(['”', '"', '’', '\'', '»', '“', ' ']);
    let before = text[paragraph.start..quote.range.start].trim_end();
    let after = text[quote.range.end..paragraph.end].trim_start();
    !quote.closed
        || inner.ends_with([',', '.', '!', '?', '…', '—', '-', ':', ';'])
        || before.ends_with([',', ':'])
        || (before.is_empty() && after.is_empty())
}

/// What is known of a speaker, and how well.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    who: Who,
    confidence: f32,
}

fn found(who: Who, confidence: f32) -> Option<Found> {
    Some(Found { who, confidence })
}

/// What has been read so far.
struct Scene<'a> {
    message: &'a str,
    names: Names,
    /// Those whom the narration named, the latest last.
    mentioned: Vec<String>,
    /// The last speakers, and how many paragraphs ago each spoke.
    turns: Vec<Turn>,
    /// Whether the last quotation runs on.
    open: bool,
    /// A tag that ended the last paragraph ("Mira said:").
    announced: Option<Found>,
}

struct Turn {
    speaker: Option<String>,
    paragraphs_ago: usize,
    /// Who was spoken to ("Well, Mira?").
    addressed: Option<String>,
}

impl<'a> Scene<'a> {
    fn new(message: &'a str, names: Names) -> Self {
        Self {
            message,
            names,
            mentioned: Vec::new(),
            turns: Vec::new(),
            open: false,
            announced: None,
        }
    }

    fn read(&mut self, paragraph: &Paragraph<'_>, lines: &mut Vec<Line>) {
        for turn in &mut self.turns {
            turn.paragraphs_ago += 1;
        }
        if paragraph.quotes.is_empty() {
            self.narrate(paragraph);
            return;
        }
        let tags: Vec<_> = (0..paragraph.quotes.len())
            .map(|i| self.tag(paragraph, i))
            .collect();
        let common = self.common(paragraph, &tags);
        let mut last = None;
        for (quote, tag) in paragraph.quotes.iter().zip(tags) {
            let (speaker, confidence) = match tag.or_else(|| common.clone()) {
                Some(found) => self.resolve(&found, paragraph),
                None => self.by_turns(paragraph),
            };
            last.clone_from(&speaker);
            lines.push(line(quote, speaker, confidence));
        }
        self.finish(paragraph, last);
    }

    fn narrate(&mut self, paragraph: &Paragraph<'_>) {
        let tokens = paragraph.gaps.concat();
        self.announced = tag_before(&self.names, &tokens);
        self.mention(&tokens);
        self.open = false;
    }

    fn mention(&mut self, tokens: &[Token<'_>]) {
        let mentions = self.names.mentions(tokens);
        self.mentioned.extend(mentions.into_iter().map(|m| m.0));
    }

    fn finish(&mut self, paragraph: &Paragraph<'_>, speaker: Option<String>) {
        self.mention(&paragraph.gaps.concat());
        self.mentioned.extend(speaker.clone());
        self.open = paragraph.quotes.last().is_some_and(|quote| !quote.closed);
        self.announced = None;
        self.turns.push(Turn {
            addressed: self.addressed(paragraph),
            speaker,
            paragraphs_ago: 0,
        });
    }

    /// The tag of one quotation: after it, else before it.
    fn tag(&self, paragraph: &Paragraph<'_>, quote: usize) -> Option<Found> {
        let after = paragraph.gaps.get(quote + 1).map(Vec::as_slice);
        let before = paragraph.gaps.get(quote).map(Vec::as_slice);
        tag_after(&self.names, after?).or_else(|| tag_before(&self.names, before?))
    }

    /// What holds for the quotations of a paragraph that have no tag of their own.
    fn common(&self, paragraph: &Paragraph<'_>, tags: &[Option<Found>]) -> Option<Found> {
        if let Some(tag) = tags.iter().flatten().next() {
            return Some(tag.clone());
        }
        let last = self.turns.last().and_then(|turn| turn.speaker.clone());
        if let Some(speaker) = last.filter(|_| self.open) {
            return found(Who::Named(speaker), 0.8);
        }
        self.announced
            .clone()
            .or_else(|| paragraph.gaps.iter().find_map(|gap| beat(&self.names, gap)))
    }

    fn resolve(&self, found: &Found, paragraph: &Paragraph<'_>) -> (Option<String>, f32) {
        match &found.who {
            Who::Named(name) => (Some(name.clone()), found.confidence),
            Who::Narrator => (Some("I".to_owned()), found.confidence),
            Who::Pronoun(gender) => match self.referent(*gender, paragraph) {
                Some(name) => (Some(name), found.confidence.min(0.65)),
                None => (None, 0.0),
            },
        }
    }

    /// Whom "he" or "she" means: one named in this paragraph's first words, whoever's turn it is,
    /// or the last one named.
    fn referent(&self, gender: Gender, paragraph: &Paragraph<'_>) -> Option<String> {
        let fits = |name: &String| match self.names.gender(name) {
            Some(known) => known == gender,
            None => true,
        };
        let here = self.names.mentions(paragraph.gaps.first()?);
        if let Some((name, _)) = here.into_iter().rev().find(|(name, _)| fits(name)) {
            return Some(name);
        }
        let previous = self.previous_speaker();
        self.whose_turn()
            .map(|turn| turn.0)
            .filter(|name| fits(name))
            .or_else(|| {
                let mut recent = self.mentioned.iter().rev().take(12);
                recent
                    .find(|name| fits(name) && Some(*name) != previous)
                    .cloned()
            })
            .or_else(|| previous.filter(|name| fits(name)).cloned())
    }

    fn by_turns(&self, paragraph: &Paragraph<'_>) -> (Option<String>, f32) {
        let addressed = self.addressed(paragraph);
        match self.whose_turn() {
            Some((name, confidence)) if Some(&name) != addressed.as_ref() => {
                (Some(name), confidence)
            }
            _ => (None, 0.0),
        }
    }

    /// Speakers take turns: A, B, A. One who was spoken to answers.
    fn whose_turn(&self) -> Option<(String, f32)> {
        let last = self.turns.last().filter(|turn| turn.paragraphs_ago <= 2)?;
        if let Some(name) = &last.addressed {
            return Some((name.clone(), 0.55));
        }
        let before = self.turns.iter().rev().nth(1)?;
        let other = before
            .speaker
            .clone()
            .filter(|_| before.paragraphs_ago <= 4);
        other
            .filter(|name| Some(name) != last.speaker.as_ref())
            .map(|name| (name, 0.5))
    }

    fn previous_speaker(&self) -> Option<&String> {
        let last = self.turns.last().filter(|turn| turn.paragraphs_ago <= 2)?;
        last.speaker.as_ref()
    }

    /// A known name between commas or at an end of a quotation: "Well, Mira?"
    fn addressed(&self, paragraph: &Paragraph<'_>) -> Option<String> {
        let vocative = |quote: &Quote| {
            let tokens = names::tokens(self.message, quote.range.clone());
            let named = self.names.mentions(&tokens).into_iter();
            named
                .filter(|(_, start)| is_set_off(&tokens, *start))
                .map(|(name, _)| name)
                .find(|name| self.mentioned.contains(name))
        };
        paragraph.quotes.iter().rev().find_map(vocative)
    }
}

fn line(quote: &Quote, speaker: Option<String>, confidence: f32) -> Line {
    Line {
        text_start: quote.range.start,
        text_end: quote.range.end,
        speaker,
        confidence,
    }
}

/// Whether the name that starts here has punctuation on both sides, of which one is a comma.
fn is_set_off(tokens: &[Token<'_>], start: usize) -> bool {
    let Some(at) = tokens.iter().position(|token| token.start == start) else {
        return false;
    };
    let before = at.checked_sub(1).and_then(|i| tokens.get(i));
    let after = tokens[at..].iter().find(|token| !token.is_word());
    let parted = before.is_none_or(|token| !token.is_word());
    let comma = |token: Option<&Token<'_>>| token.is_some_and(|token| token.text == ",");
    let single = tokens.get(at + 1).is_none_or(|token| !token.is_word());
    parted && single && (comma(before) || comma(after))
}

/// "said Mira", "Mira said softly", "the old man had asked".
fn tag_after(names: &Names, gap: &[Token<'_>]) -> Option<Found> {
    let start = gap.iter().position(Token::is_word)?;
    if gap[..start].iter().any(Token::ends_sentence) {
        return None;
    }
    if gap[start].is_verb() {
        let (who, _) = names.subject_at(gap, start + 1)?;
        return found(who, 0.95);
    }
    let (who, end) = names.subject_at(gap, start)?;
    names::verb_after(gap, end)?;
    found(who, 0.95)
}

/// "Mira turned and said," before the quotation: the last clause ends with a comma, a colon or its
/// verb, and the first one in it speaks.
fn tag_before(names: &Names, gap: &[Token<'_>]) -> Option<Found> {
    let last = gap.last()?;
    let start = gap
        .iter()
        .rposition(Token::ends_sentence)
        .map_or(0, |i| i + 1);
    let clause = &gap[start..];
    let verb = clause.iter().rposition(Token::is_verb);
    let introduces = matches!(last.text, "," | ":" | "—" | "-") || last.is_verb();
    if !introduces || (verb.is_none() && last.text != ":") {
        return None;
    }
    let until = verb.unwrap_or(clause.len());
    let subject = (0..until).find_map(|at| names.subject_at(clause, at));
    let inverted = || names.subject_at(clause, verb? + 1);
    let (who, _) = subject.or_else(inverted)?;
    found(who, if verb.is_some() { 0.9 } else { 0.75 })
}

/// "Mira shrugged." beside a quotation: whoever acts in its paragraph speaks.
fn beat(names: &Names, gap: &[Token<'_>]) -> Option<Found> {
    let mut sentences = gap.split(Token::ends_sentence).rev();
    sentences.find_map(|sentence| {
        let start = sentence.iter().position(Token::is_word)?;
        let (who, end) = names.subject_at(sentence, start)?;
        sentence.get(end).filter(|token| token.is_word())?;
        found(who, 0.65)
    })
}

/// "Brandt" and "Dr. Brandt" are one if no other name ends with Brandt; the more frequent stays.
fn unite_names(lines: &mut [Line]) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for speaker in lines.iter().filter_map(|line| line.speaker.clone()) {
        *counts.entry(speaker).or_default() += 1;
    }
    let mut short: Vec<_> = counts.keys().filter(|name| !name.contains(' ')).collect();
    short.sort();
    let mut same: HashMap<String, String> = HashMap::new();
    for name in short {
        let longer: Vec<_> = counts
            .keys()
            .filter(|other| is_longer(other, name))
            .collect();
        if let [other] = longer.as_slice() {
            let (kept, dropped) = if counts[*other] >= counts[name] {
                (*other, name)
            } else {
                (name, *other)
            };
            same.insert(dropped.clone(), kept.clone());
        }
    }
    for speaker in lines.iter_mut().filter_map(|line| line.speaker.as_mut()) {
        if let Some(kept) = same.get(speaker) {
            speaker.clone_from(kept);
        }
    }
}

fn is_longer(name: &str, short: &str) -> bool {
    let words: Vec<_> = name.split(' ').collect();
    words.len() > 1 && (words.first() == Some(&short) || words.last() == Some(&short))
}

#[cfg(test)]
mod tests;
