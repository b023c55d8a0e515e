//! Who says each quotation, by the rules of prose: tags ("said Mira"), then beats ("Mira
//! shrugged."), then pronouns, then turns.

use std::{collections::HashMap, ops::Range};

use super::{
    Span, dashes, eastern,
    lexicon::Lexicon,
    names::{self, Gender, Names, Token, Who},
    quotes::{self, Marks, Quote},
};

/// The quotations of a text, in its order.
pub(super) fn attribute(text: &str, language: &str) -> Vec<Span> {
    let marks = Marks::of(text, language);
    let lexicon = Lexicon::of(language);
    let mut names = Names::learn(text, lexicon);
    let east = eastern::Rules::of(language);
    let paragraphs: Vec<_> = quotes::paragraphs(text, 0..text.len())
        .into_iter()
        .map(|range| Paragraph::read(text, range, marks, &names))
        .collect();
    for gap in paragraphs.iter().flat_map(|paragraph| &paragraph.gaps) {
        names.learn_genders(gap);
    }
    let mut scene = Scene::new(text, names, east);
    scene.learn(&paragraphs);
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
    fn read(text: &'a str, range: Range<usize>, marks: Marks, names: &Names) -> Self {
        let dashed = marks.dashes && dashes::begins(&text[range.clone()]);
        let mut quotes = if dashed {
            dashes::quotes(text, range.clone(), names)
        } else {
            let mut quotes = quotes::quotes(text, range.clone(), marks);
            quotes.retain(|quote| is_speech(text, &range, quote));
            quotes
        };
        if names.lexicon.tags_within {
            let whole = std::mem::take(&mut quotes).into_iter();
            quotes = whole
                .flat_map(|quote| dashes::without_tags(text, quote, names))
                .collect();
        }
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
    let inner = text[quote.range.clone()].trim_end_matches([
        '”', '"', '’', '\'', '»', '«', '“', '‘', '‹', '›', '」', '』', ' ', '\u{a0}', '\u{202f}',
    ]);
    let before = text[paragraph.start..quote.range.start].trim_end();
    let after = text[quote.range.end..paragraph.end].trim_start();
    !quote.closed
        || inner.ends_with([
            ',', '.', '!', '?', '…', '—', '-', ':', ';', '。', '！', '？', '，', '、', '～',
        ])
        || before.ends_with([',', ':', '，', '：'])
        || before.ends_with(['。', '！', '？'])
        || (before.is_empty() && inner.starts_with('「'))
        || after.starts_with(['と', 'っ'])
        // „Ja“, sagte er: the comma stands outside
        || (before.is_empty() && (after.is_empty() || after.starts_with(',')))
}

/// What is known of a speaker, and how well.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) who: Who,
    pub(super) confidence: f32,
}

pub(super) fn found(who: Who, confidence: f32) -> Option<Found> {
    Some(Found { who, confidence })
}

/// What has been read so far.
struct Scene<'a> {
    text: &'a str,
    names: Names,
    east: Option<eastern::Rules>,
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
    fn new(text: &'a str, names: Names, east: Option<eastern::Rules>) -> Self {
        Self {
            text,
            names,
            east,
            mentioned: Vec::new(),
            turns: Vec::new(),
            open: false,
            announced: None,
        }
    }

    /// Has the rules that know no names collect them from all tags first.
    fn learn(&mut self, paragraphs: &[Paragraph<'_>]) {
        if self.east.is_none() {
            return;
        }
        for paragraph in paragraphs {
            for quote in 0..paragraph.quotes.len() {
                self.tag(paragraph, quote);
            }
        }
    }

    fn read(&mut self, paragraph: &Paragraph<'_>, lines: &mut Vec<Span>) {
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
        self.announced = match &mut self.east {
            Some(east) => east.tag_before(&tokens),
            None => tag_before(&self.names, &tokens),
        };
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
    fn tag(&mut self, paragraph: &Paragraph<'_>, quote: usize) -> Option<Found> {
        let after = paragraph.gaps.get(quote + 1)?;
        let before = paragraph.gaps.get(quote)?;
        match &mut self.east {
            Some(east) => east.tag_after(after).or_else(|| east.tag_before(before)),
            None => tag_after(&self.names, after).or_else(|| tag_before(&self.names, before)),
        }
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
            Who::Narrator => {
                let word = match &self.east {
                    Some(east) => east.narrator(),
                    None => self.names.lexicon.narrator.first().copied().unwrap_or("I"),
                };
                (Some(word.to_owned()), found.confidence)
            }
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
            let tokens = names::tokens(self.text, quote.range.clone());
            let named = self.names.mentions(&tokens).into_iter();
            named
                .filter(|(_, start)| is_set_off(&tokens, *start))
                .map(|(name, _)| name)
                .find(|name| self.mentioned.contains(name))
        };
        paragraph.quotes.iter().rev().find_map(vocative)
    }
}

fn line(quote: &Quote, speaker: Option<String>, confidence: f32) -> Span {
    Span {
        range: quote.range.clone(),
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
pub(super) fn tag_after(names: &Names, gap: &[Token<'_>]) -> Option<Found> {
    let start = gap.iter().position(Token::is_word)?;
    if gap[..start].iter().any(Token::ends_sentence) {
        return None;
    }
    let verb = names.past_adverbs(gap, start);
    if gap.get(verb).is_some_and(|token| names.is_verb(token)) {
        let behind = names.subject_behind(gap, verb + 1);
        let late = || names.subject_behind(gap, names.past_adverbs(gap, verb + 1));
        let (who, _) = behind.or_else(late)?;
        return found(who, 0.95);
    }
    let (who, end) = names.subject_at(gap, start)?;
    names.verb_after(gap, end)?;
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
    let verb = clause.iter().rposition(|token| names.is_verb(token));
    let introduces = matches!(last.text, "," | ":" | "—" | "-") || names.is_verb(last);
    if !introduces || (verb.is_none() && last.text != ":") {
        return None;
    }
    let until = verb.unwrap_or(clause.len());
    let subject = (0..until).find_map(|at| names.subject_at(clause, at));
    let inverted = || names.subject_behind(clause, verb? + 1);
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
fn unite_names(lines: &mut [Span]) {
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
