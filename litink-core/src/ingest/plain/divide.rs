//! Blocks of a plain text to pieces: by headings, or else by length.

use super::{
    headings::{self, Heading},
    paragraphs::TextBlock,
};
use crate::{
    domain::BlockKind,
    ingest::{
        block::RawBlock,
        book::Report,
        outline::{Draft, join_sections},
        titles::Rank,
    },
};

/// Words of a piece of a text that has no headings: about half an hour of listening.
const PIECE_WORDS: usize = 5_000;
/// Text of a part before its first chapter that is too long to go with that chapter.
const PART_TEXT_WORDS: usize = 60;

/// Cuts a text into pieces; every block is in exactly one, headings become titles.
pub(super) fn divide(blocks: Vec<TextBlock>, report: &mut Report) -> Vec<Draft> {
    let headings = headings::find(&blocks);
    let blocks: Vec<RawBlock> = blocks.into_iter().map(|b| b.block).collect();
    if !headings.iter().any(|h| h.rank <= Rank::Chapter) {
        report.decide("chapters", "length", 0.2);
        return by_length(blocks);
    }
    report.decide("chapters", "heading_lines", 0.8);
    by_headings(blocks, &headings)
}

fn by_headings(blocks: Vec<RawBlock>, headings: &[Heading]) -> Vec<Draft> {
    let mut rest = blocks.into_iter();
    let mut drafts = Vec::new();
    let first = headings.first().map_or(0, |h| h.at);
    drafts.push(Draft {
        is_untitled_piece: true,
        blocks: rest.by_ref().take(first).collect(),
        ..Draft::default()
    });
    // Open parts, outermost first.
    let mut parts: Vec<(Rank, &str)> = Vec::new();
    let mut carried = Vec::new();
    for (i, heading) in headings.iter().enumerate() {
        let end = headings.get(i + 1).map_or(usize::MAX, |next| next.at);
        rest.by_ref().take(heading.blocks).for_each(drop);
        let own: Vec<RawBlock> = rest
            .by_ref()
            .take(end - heading.at - heading.blocks)
            .collect();
        parts.retain(|(rank, _)| *rank < heading.rank);
        if is_part(headings, i) {
            parts.push((heading.rank, &heading.title));
            if words(&own) <= PART_TEXT_WORDS {
                carried.extend(own);
                continue;
            }
        }
        let section = parts.iter().filter(|(rank, _)| *rank < heading.rank);
        let section = section.fold(None, |outer: Option<String>, (_, title)| {
            Some(join_sections(outer.as_deref(), title))
        });
        let mut blocks = std::mem::take(&mut carried);
        blocks.extend(own);
        drafts.push(Draft {
            title: Some(heading.title.clone()),
            section,
            blocks,
            ..Draft::default()
        });
    }
    if let Some(last) = drafts.last_mut() {
        last.blocks.append(&mut carried);
    }
    drafts
}

/// Whether chapters follow below a heading before one of its own rank.
fn is_part(headings: &[Heading], i: usize) -> bool {
    let rank = headings[i].rank;
    let next = headings.get(i + 1);
    rank < Rank::Chapter && next.is_some_and(|next| next.rank > rank)
}

fn words(blocks: &[RawBlock]) -> usize {
    blocks
        .iter()
        .map(|b| b.text.split_whitespace().count())
        .sum()
}

/// Cuts at a scene break, or else between paragraphs, near every [`PIECE_WORDS`] words.
fn by_length(blocks: Vec<RawBlock>) -> Vec<Draft> {
    let total = words(&blocks);
    let pieces = (total + PIECE_WORDS / 2) / PIECE_WORDS;
    let target = total / pieces.max(1);
    let mut drafts = vec![Draft::default()];
    let mut count = 0;
    for block in blocks {
        let is_break = block.kind == BlockKind::SceneBreak;
        let is_due = count >= target || is_break && count * 10 >= target * 8;
        if pieces > 1 && is_due && drafts.len() < pieces {
            drafts.push(Draft::default());
            count = 0;
        }
        count += block.text.split_whitespace().count();
        if let Some(draft) = drafts.last_mut() {
            draft.blocks.push(block);
        }
    }
    drafts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{Limits, limits::Meter, plain::paragraphs};

    fn pieces(text: &str) -> Vec<(Option<String>, Option<String>, usize)> {
        let limits = Limits::default();
        let drafts = divide(
            paragraphs::blocks(text, 0, &mut Meter::new(&limits)).unwrap(),
            &mut Report::default(),
        );
        let drafts = drafts.into_iter().filter(|d| !d.blocks.is_empty());
        drafts
            .map(|d| (d.section, d.title, d.blocks.len()))
            .collect()
    }

    #[test]
    fn parts_become_sections() {
        let body = "He lit the lamp and went.\n\nIt was cold.\n\n";
        let text = format!(
            "PART ONE\n\nCHAPTER I\n\n{body}CHAPTER II\n\n{body}PART TWO\n\nCHAPTER I\n\n{body}"
        );
        let found = pieces(&text);
        let names: Vec<_> = found
            .iter()
            .map(|(s, t, n)| (s.as_deref().unwrap_or(""), t.as_deref().unwrap_or(""), *n))
            .collect();
        assert_eq!(
            names,
            [
                ("PART ONE", "CHAPTER I", 2),
                ("PART ONE", "CHAPTER II", 2),
                ("PART TWO", "CHAPTER I", 2)
            ]
        );
    }

    #[test]
    fn text_without_headings_is_cut_by_length_at_paragraphs() {
        let paragraph = format!("{}.\n\n", "word ".repeat(199).trim());
        assert_eq!(pieces(&paragraph.repeat(20)).len(), 1);
        let found = pieces(&paragraph.repeat(100));
        assert_eq!(found.len(), 4);
        assert_eq!(found.iter().map(|(.., n)| n).sum::<usize>(), 100);
    }
}
