//! Pieces of text that fit a provider's limit.

use serde::{Deserialize, Serialize};
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::sentences;
use crate::domain::{Block, BlockKind};

/// A paragraph of running text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paragraph<'a> {
    /// Its text.
    pub text: &'a str,
    /// A scene ends behind it.
    pub ends_scene: bool,
}

/// The paragraphs that a narrator reads: spoken blocks, with scene breaks as ends of scenes.
#[must_use]
pub fn paragraphs(blocks: &[Block]) -> Vec<Paragraph<'_>> {
    let mut found: Vec<Paragraph<'_>> = Vec::new();
    for block in blocks {
        if block.kind.is_spoken() && !block.text.trim().is_empty() {
            found.push(Paragraph {
                text: &block.text,
                ends_scene: false,
            });
        } else if block.kind == BlockKind::SceneBreak
            && let Some(last) = found.last_mut()
        {
            last.ends_scene = true;
        }
    }
    found
}

/// What ends with a chunk, and so how long a pause follows when chunks are joined; ordered from
/// the shortest.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// Nothing but a part of a sentence that was too long.
    Clause,
    /// A sentence.
    #[default]
    Sentence,
    /// A paragraph.
    Paragraph,
    /// A scene.
    Scene,
    /// The text that was given.
    Chapter,
}

/// A piece of text within the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// What is sent. Paragraphs in it are apart by a blank line.
    pub text: String,
    /// The sentences in `text`, as byte ranges in order; parts of one that was too long count as
    /// sentences.
    pub sentences: Vec<Range<usize>>,
    /// What ends with it.
    pub ends: Boundary,
}

/// Packs whole sentences into chunks of at most `max_chars` characters (Unicode scalar values).
///
/// A chunk ends with a scene at the latest, and rather with a paragraph when that leaves it at
/// least half full. Only a sentence that is longer than the limit is cut: at the end of a clause,
/// else at a blank, else between graphemes; a grapheme is never cut, not even one longer than the
/// limit. Nothing but white space between chunks is lost.
#[must_use]
pub fn chunks(
    paragraphs: &[Paragraph<'_>],
    language: Option<&str>,
    max_chars: usize,
) -> Vec<Chunk> {
    let mut packer = Packer {
        max_chars: max_chars.max(1),
        ..Packer::default()
    };
    for paragraph in paragraphs {
        packer.paragraph(paragraph.text, language);
        let ends = if paragraph.ends_scene {
            Boundary::Scene
        } else {
            Boundary::Paragraph
        };
        packer.reached = packer.reached.max(ends);
        if paragraph.ends_scene {
            packer.close(Boundary::Scene);
        }
    }
    packer.close(Boundary::Chapter);
    if let Some(last) = packer.chunks.last_mut() {
        last.ends = Boundary::Chapter;
    }
    packer.chunks
}

#[derive(Debug)]
struct Packer {
    max_chars: usize,
    chunks: Vec<Chunk>,
    text: String,
    chars: usize,
    sentences: Vec<Range<usize>>,
    /// What ended with the last piece that was added.
    reached: Boundary,
}

impl Default for Packer {
    fn default() -> Self {
        Self {
            max_chars: 1,
            chunks: Vec::new(),
            text: String::new(),
            chars: 0,
            sentences: Vec::new(),
            reached: Boundary::Sentence,
        }
    }
}

const PARAGRAPH_GAP: &str = "\n\n";

impl Packer {
    fn paragraph(&mut self, text: &str, language: Option<&str>) {
        let whole = text.trim().chars().count();
        let room = self
            .max_chars
            .saturating_sub(self.chars + PARAGRAPH_GAP.len());
        if whole > room && self.chars * 2 >= self.max_chars {
            self.close(Boundary::Paragraph);
        }
        let mut gap = if self.text.is_empty() {
            ""
        } else {
            PARAGRAPH_GAP
        };
        let mut last_end = None;
        for range in sentences(text, language) {
            if let Some(end) = last_end {
                gap = &text[end..range.start];
            }
            last_end = Some(range.end);
            self.sentence(gap, &text[range]);
        }
    }

    fn sentence(&mut self, gap: &str, sentence: &str) {
        let chars = sentence.chars().count();
        if self.add(gap, sentence, chars) {
            return;
        }
        self.close(self.reached);
        if self.add("", sentence, chars) {
            return;
        }
        let mut rest = sentence;
        while !rest.is_empty() {
            let part = &rest[..cut(rest, self.max_chars)];
            rest = rest[part.len()..].trim_start();
            self.push("", part.trim_end());
            if !rest.is_empty() {
                self.close(Boundary::Clause);
            }
        }
        self.reached = Boundary::Sentence;
    }

    /// Adds a sentence if it fits.
    fn add(&mut self, gap: &str, sentence: &str, chars: usize) -> bool {
        let gap = if self.text.is_empty() { "" } else { gap };
        if self.chars + gap.chars().count() + chars > self.max_chars {
            return false;
        }
        self.push(gap, sentence);
        self.reached = Boundary::Sentence;
        true
    }

    fn push(&mut self, gap: &str, part: &str) {
        self.text.push_str(gap);
        let start = self.text.len();
        self.text.push_str(part);
        self.chars += gap.chars().count() + part.chars().count();
        self.sentences.push(start..self.text.len());
    }

    fn close(&mut self, ends: Boundary) {
        if self.text.is_empty() {
            return;
        }
        self.chunks.push(Chunk {
            text: std::mem::take(&mut self.text),
            sentences: std::mem::take(&mut self.sentences),
            ends,
        });
        self.chars = 0;
    }
}

/// Where to cut a sentence that is too long: a byte offset above 0, on a grapheme boundary.
fn cut(text: &str, max_chars: usize) -> usize {
    let (mut chars, mut hard, mut blank, mut clause) = (0, 0, 0, 0);
    for (at, grapheme) in text.grapheme_indices(true) {
        chars += grapheme.chars().count();
        let end = at + grapheme.len();
        if chars > max_chars {
            // Not even one grapheme fits: it goes alone.
            let best = [clause, blank, hard].into_iter().find(|cut| *cut > 0);
            return best.unwrap_or(end);
        }
        hard = end;
        if grapheme.chars().all(char::is_whitespace) {
            blank = end;
        }
        if ends_clause(grapheme, &text[end..]) {
            clause = end;
        }
    }
    text.len()
}

fn ends_clause(grapheme: &str, after: &str) -> bool {
    match grapheme {
        "，" | "、" | "；" | "：" | "—" | "–" => true,
        "," | ";" | ":" => after.starts_with(char::is_whitespace),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(texts: &[&'static str]) -> Vec<Paragraph<'static>> {
        let paragraph = |text: &&'static str| Paragraph {
            text,
            ends_scene: false,
        };
        texts.iter().map(paragraph).collect()
    }

    fn shape(found: &[Chunk]) -> Vec<(&str, Boundary)> {
        found.iter().map(|c| (c.text.as_str(), c.ends)).collect()
    }

    #[test]
    fn packs_sentences_and_paragraphs() {
        let text = plain(&["One two. Three four.", "Five six."]);
        let found = chunks(&text, None, 100);
        assert_eq!(
            shape(&found),
            [("One two. Three four.\n\nFive six.", Boundary::Chapter)]
        );
        let sentences: Vec<_> = found[0]
            .sentences
            .iter()
            .map(|r| &found[0].text[r.clone()])
            .collect();
        assert_eq!(sentences, ["One two.", "Three four.", "Five six."]);
        assert_eq!(
            shape(&chunks(&text, None, 25)),
            [
                ("One two. Three four.", Boundary::Paragraph),
                ("Five six.", Boundary::Chapter)
            ]
        );
        assert_eq!(
            shape(&chunks(&text, None, 12)),
            [
                ("One two.", Boundary::Sentence),
                ("Three four.", Boundary::Paragraph),
                ("Five six.", Boundary::Chapter),
            ]
        );
    }

    #[test]
    fn a_scene_ends_its_chunk() {
        let blocks = [
            Block::new(BlockKind::Paragraph, "One."),
            Block::new(BlockKind::SceneBreak, "* * *"),
            Block::new(BlockKind::Footnote, "Not read."),
            Block::new(BlockKind::Paragraph, "Two."),
        ];
        let found = chunks(&paragraphs(&blocks), None, 100);
        assert_eq!(
            shape(&found),
            [("One.", Boundary::Scene), ("Two.", Boundary::Chapter)]
        );
    }

    #[test]
    fn a_long_sentence_is_cut_at_clauses_then_blanks_then_graphemes() {
        let text = plain(&["When it was dark, the lamps were lit one by one."]);
        assert_eq!(
            shape(&chunks(&text, None, 25)),
            [
                ("When it was dark,", Boundary::Clause),
                ("the lamps were lit one", Boundary::Clause),
                ("by one.", Boundary::Chapter),
            ]
        );
        let family = "👩‍👩‍👧‍👦";
        let text = [Paragraph {
            text: &family.repeat(3),
            ends_scene: false,
        }];
        assert_eq!(chunks(&text, None, 3).len(), 3);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_the_limit_holds(
            texts in prop::collection::vec("[a-zA-Z,;.!? \n—。é]{0,120}", 0..6),
            scenes in prop::collection::vec(any::<bool>(), 6),
            max_chars in 1_usize..80,
        ) {
            let given: Vec<_> = texts.iter().zip(&scenes)
                .map(|(text, ends_scene)| Paragraph { text, ends_scene: *ends_scene })
                .collect();
            let found = chunks(&given, Some("en"), max_chars);
            let visible = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            let joined: String = found.iter().map(|c| c.text.as_str()).collect();
            prop_assert_eq!(visible(&joined), visible(&texts.concat()));
            for chunk in &found {
                prop_assert!(chunk.text.chars().count() <= max_chars, "{:?}", chunk.text);
                let mut last = 0;
                for range in &chunk.sentences {
                    prop_assert!(chunk.text[last..range.start].trim().is_empty());
                    last = range.end;
                }
                prop_assert_eq!(last, chunk.text.len());
            }
            prop_assert!(found.last().is_none_or(|c| c.ends == Boundary::Chapter));
        }

        #[test]
        fn graphemes_stay_whole(text in "(👩‍👧|é|e\u{301}|🇩🇪|a ){1,40}", max_chars in 1_usize..10) {
            let given = [Paragraph { text: &text, ends_scene: false }];
            let found = chunks(&given, None, max_chars);
            let parts: Vec<&str> = found.iter().flat_map(|c| c.text.graphemes(true)).filter(|g| *g != " ").collect();
            let whole: Vec<&str> = text.graphemes(true).filter(|g| *g != " ").collect();
            prop_assert_eq!(parts, whole);
        }
    }
}
