//! What is spoken in a text, and by whom.

mod attribution;
mod dashes;
mod eastern;
mod lexicon;
mod names;
mod quotes;

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A piece of direct speech.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Its bytes in the text, its marks included. Speech that narration interrupts is several spans.
    pub range: Range<usize>,
    /// The speaker as the text names them ("Mr. Gray", "the old man"; "I", "ich", "je" for a
    /// narrator who tells the story); `None` where the rules cannot tell.
    pub speaker: Option<String>,
    /// 0 to 1: 0.95 for a tag ("said Mira"), 0.65 for what a pronoun or a gesture says, 0.5 for a
    /// guess by turns, 0 without a speaker. A ranking, not a probability.
    pub confidence: f32,
}

/// The direct speech of a text, in its order, with who says it, by rules.
///
/// Paragraphs are parted by empty lines, or by line breaks where there are no empty lines: a
/// chapter's blocks joined by `"\n\n"` are such a text. The rules know the quotation marks of
/// “English”, „German“, »German books«, « French », ”Swedish” and 「Japanese」, speech that begins
/// with a dash (French, Spanish, Italian, Russian and others, not English or German), and the verbs
/// and pronouns of English, German, French, Spanish, Italian, Russian, Chinese and Japanese; in
/// other languages spans are found, and their speakers mostly not. `language` is a BCP 47 tag; `None`
/// has it recognised, as English where the text is too short for that.
///
/// ```
/// let text = "“Is it lit?” asked Mira.\n\n“It is,” said Tom.\n\n“Good.”";
/// let spans = litink_core::text::dialogue(text, Some("en"));
/// let speakers: Vec<_> = spans.iter().filter_map(|span| span.speaker.as_deref()).collect();
/// assert_eq!(speakers, ["Mira", "Tom", "Mira"]);
/// assert!(spans[2].confidence < spans[0].confidence);
/// ```
#[must_use]
pub fn dialogue(text: &str, language: Option<&str>) -> Vec<Span> {
    let language = match language {
        Some(tag) => tag.split(['-', '_']).next().unwrap_or("").to_lowercase(),
        None => recognise(text).to_owned(),
    };
    attribution::attribute(text, &language)
}

/// How much of a text its language is recognised by, in bytes.
const SAMPLE_BYTES: usize = 16 * 1024;

fn recognise(text: &str) -> &'static str {
    use whatlang::{Detector, Lang, Script};
    let known = vec![
        Lang::Eng,
        Lang::Deu,
        Lang::Fra,
        Lang::Spa,
        Lang::Ita,
        Lang::Rus,
        Lang::Cmn,
        Lang::Jpn,
    ];
    let sample = &text[..text.floor_char_boundary(SAMPLE_BYTES)];
    let Some(found) = Detector::with_allowlist(known).detect(sample) else {
        return "en";
    };
    if found.script() == Script::Latin && !found.is_reliable() {
        return "en";
    }
    match found.lang() {
        Lang::Deu => "de",
        Lang::Fra => "fr",
        Lang::Spa => "es",
        Lang::Ita => "it",
        Lang::Rus => "ru",
        Lang::Cmn => "zh",
        Lang::Jpn => "ja",
        _ => "en",
    }
}

#[cfg(test)]
mod tests;
