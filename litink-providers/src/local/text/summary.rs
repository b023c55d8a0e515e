//! TextRank: the sentences that share most with the others, in the order of the text.
//!
//! Mihalcea and Tarau, "TextRank: Bringing Order into Texts", EMNLP 2004.

use std::collections::HashSet;

use unicode_segmentation::UnicodeSegmentation;

const SENTENCES: usize = 3;
/// Comparing is quadratic; a chapter's first 400 sentences are about 8,000 words.
const MAX_COMPARED: usize = 400;
const DAMPING: f32 = 0.85;
const ROUNDS: usize = 30;

/// Words that say nothing about what a sentence is about.
const COMMON: &[&str] = &[
    "about", "after", "again", "all", "also", "and", "any", "are", "because", "been", "before",
    "being", "but", "can", "could", "did", "does", "down", "for", "from", "had", "has", "have",
    "her", "here", "hers", "him", "his", "how", "into", "its", "just", "like", "more", "most",
    "much", "must", "never", "not", "now", "off", "one", "only", "other", "our", "out", "over",
    "said", "she", "should", "some", "such", "than", "that", "the", "their", "them", "then",
    "there", "these", "they", "this", "those", "though", "through", "too", "under", "until",
    "upon", "very", "was", "were", "what", "when", "where", "which", "while", "who", "whom",
    "will", "with", "would", "yet", "you", "your",
];

/// A full stop after these does not end a sentence.
const ABBREVIATIONS: &[&str] = &[
    "mr", "mrs", "ms", "dr", "st", "prof", "capt", "col", "gen", "lt", "rev", "hon", "messrs",
    "mme", "mlle", "esq", "jr", "sr", "no", "vol", "vs", "etc",
];

/// Three sentences of a text, fewer where tokens are short, at least one.
pub(super) fn summarise(text: &str, max_tokens: Option<u32>) -> String {
    let mut sentences = sentences(text);
    if sentences.len() > SENTENCES {
        let compared = &sentences[..sentences.len().min(MAX_COMPARED)];
        let chosen = best(compared);
        sentences = chosen.into_iter().map(|i| compared[i].clone()).collect();
    }
    shorten(&sentences, max_tokens)
}

/// Keeps whole sentences within a limit, at about four characters a token.
fn shorten(sentences: &[String], max_tokens: Option<u32>) -> String {
    let limit = max_tokens.map_or(usize::MAX, |tokens| (tokens as usize).saturating_mul(4));
    let mut summary = String::new();
    for sentence in sentences {
        if !summary.is_empty() {
            if summary.len() + sentence.len() >= limit {
                break;
            }
            summary.push(' ');
        }
        summary.push_str(sentence);
    }
    summary
}

/// The sentences, each on one line; paragraphs end them.
fn sentences(text: &str) -> Vec<String> {
    let mut sentences: Vec<String> = Vec::new();
    for paragraph in text.split("\n\n") {
        let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut open = false;
        for piece in line.unicode_sentences() {
            match sentences.last_mut().filter(|_| open) {
                Some(last) => last.push_str(piece),
                None => sentences.push(piece.to_owned()),
            }
            open = goes_on(piece);
        }
    }
    sentences
        .iter()
        .map(|sentence| sentence.trim().to_owned())
        .filter(|sentence| sentence.contains(char::is_alphanumeric))
        .collect()
}

fn goes_on(piece: &str) -> bool {
    let Some(stem) = piece.trim_end().strip_suffix('.') else {
        return false;
    };
    let word = stem.rsplit([' ', '(', '“', '"']).next().unwrap_or_default();
    let initial = word.len() == 1 && word != "I" && word.starts_with(char::is_uppercase);
    initial || ABBREVIATIONS.contains(&word.to_lowercase().as_str())
}

fn best(sentences: &[String]) -> Vec<usize> {
    let words: Vec<_> = sentences.iter().map(|s| content_words(s)).collect();
    let scores = ranks(&words);
    let weight = |i: usize| scores[i] * position(i, sentences.len()) * shape(&sentences[i]);
    let mut order: Vec<usize> = (0..sentences.len()).collect();
    order.sort_by(|&a, &b| weight(b).total_cmp(&weight(a)).then(a.cmp(&b)));
    let mut chosen: Vec<usize> = Vec::new();
    for i in order {
        let new = chosen
            .iter()
            .all(|&other| similarity(&words[i], &words[other]) < 1.0);
        if new && chosen.len() < SENTENCES {
            chosen.push(i);
        }
    }
    chosen.sort_unstable();
    chosen
}

fn content_words(sentence: &str) -> HashSet<String> {
    sentence
        .unicode_words()
        .map(str::to_lowercase)
        .filter(|word| word.chars().count() > 2 && !COMMON.contains(&word.as_str()))
        .collect()
}

/// Shared words, less for long sentences.
fn similarity(a: &HashSet<String>, b: &HashSet<String>) -> f32 {
    let shared = a.intersection(b).count() as f32;
    let length = (a.len() as f32 + 1.0).ln() + (b.len() as f32 + 1.0).ln();
    if length > 0.0 { shared / length } else { 0.0 }
}

fn ranks(words: &[HashSet<String>]) -> Vec<f32> {
    let count = words.len();
    let mut links: Vec<Vec<(usize, f32)>> = vec![Vec::new(); count];
    for a in 0..count {
        for b in a + 1..count {
            let weight = similarity(&words[a], &words[b]);
            if weight > 0.0 {
                links[a].push((b, weight));
                links[b].push((a, weight));
            }
        }
    }
    let total = |links: &[(usize, f32)]| links.iter().map(|link| link.1).sum::<f32>();
    let totals: Vec<f32> = links.iter().map(|links| total(links)).collect();
    let mut scores = vec![1.0; count];
    for _ in 0..ROUNDS {
        scores = links
            .iter()
            .map(|links| {
                let from: f32 = links
                    .iter()
                    .map(|&(other, weight)| scores[other] * weight / totals[other])
                    .sum();
                1.0 - DAMPING + DAMPING * from
            })
            .collect();
    }
    scores
}

/// A text opens with who and where, and closes with what came of it.
fn position(index: usize, count: usize) -> f32 {
    match index {
        0 => 1.5,
        1 | 2 => 1.2,
        _ if index + 2 >= count => 1.2,
        _ => 1.0,
    }
}

/// Speech, fragments and monsters summarise badly.
fn shape(sentence: &str) -> f32 {
    let words = sentence.unicode_words().count();
    let quoted = sentence.contains(['“', '”', '"', '«']);
    let length = match words {
        0..=5 => 0.3,
        6..=45 => 1.0,
        _ => 0.5,
    };
    if quoted { length * 0.5 } else { length }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORY: &str = "Mira kept the lighthouse on the northern rocks. She had kept it for \
        eleven years.\n\n“Nobody comes,” she said.\n\nOne night in autumn a boat broke on the \
        rocks below the lighthouse, and Mira climbed down with a rope. The wind was loud. Dr. A. \
        Brandt, a surveyor, was the only one alive in the boat. He stayed at the lighthouse for a \
        winter and drew the rocks. It was cold. In spring the surveyor left with his maps, and \
        Mira lit the lamp of the lighthouse again.";

    #[test]
    fn three_whole_sentences_of_the_text_in_its_order() {
        let summary = summarise(STORY, None);
        let flat = STORY.split_whitespace().collect::<Vec<_>>().join(" ");
        let chosen = sentences(&summary);
        assert_eq!(chosen.len(), 3, "{summary}");
        let places: Vec<_> = chosen
            .iter()
            .map(|s| flat.find(s.as_str()).unwrap())
            .collect();
        assert!(places.is_sorted(), "{summary}");
        assert!(summary.starts_with("Mira kept the lighthouse"), "{summary}");
        assert!(!summary.contains("It was cold"), "{summary}");
    }

    #[test]
    fn titles_and_initials_end_no_sentence() {
        let found = sentences("I met Mr. J. Smith. He\nwas old. So am I. Are you?");
        assert_eq!(
            found,
            ["I met Mr. J. Smith.", "He was old.", "So am I.", "Are you?"]
        );
    }

    #[test]
    fn short_texts_stay_whole_and_limits_keep_one_sentence() {
        assert_eq!(summarise("One. Two.", None), "One. Two.");
        assert_eq!(
            summarise("One two three.\n\nFour.", Some(1)),
            "One two three."
        );
        assert_eq!(summarise("...", None), "");
    }
}
