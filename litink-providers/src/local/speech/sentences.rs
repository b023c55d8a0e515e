//! What is spoken in one go, and the pause before it.

use std::ops::Range;

use litink_core::{Error, Result};

/// A pause between two sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    Sentence,
    Paragraph,
}

/// A stretch of text that is spoken in one go.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    /// The range that was asked for.
    pub(super) marked: Range<usize>,
    /// The range with what stands between it and the next, so that nothing is left out.
    pub(super) spoken: Range<usize>,
    pub(super) pause_before: Pause,
}

/// The sentences of a text by the ranges asked for; without any, the text as one.
pub(super) fn split(text: &str, ranges: &[(usize, usize)]) -> Result<Vec<Sentence>> {
    check(text, ranges)?;
    let whole = [(0, text.len())];
    let ranges = if ranges.is_empty() { &whole } else { ranges };
    let sentence = |i: usize, &(start, end): &(usize, usize)| Sentence {
        marked: start..end,
        spoken: if i == 0 { 0 } else { start }..ranges.get(i + 1).map_or(text.len(), |next| next.0),
        pause_before: pause_before(text, start),
    };
    Ok(ranges
        .iter()
        .enumerate()
        .map(|(i, range)| sentence(i, range))
        .collect())
}

fn check(text: &str, ranges: &[(usize, usize)]) -> Result<()> {
    let mut last = 0;
    for (i, &(start, end)) in ranges.iter().enumerate() {
        if start < last || end < start || text.get(start..end).is_none() {
            return Err(Error::invalid(
                "bad_sentence_range",
                "sentence ranges are byte ranges of the text, in its order, and do not overlap",
            )
            .with_context("sentence", i));
        }
        last = end;
    }
    Ok(())
}

fn pause_before(text: &str, start: usize) -> Pause {
    let before = &text[..start];
    let gap = &before[before.trim_end().len()..];
    if gap.matches('\n').count() > 1 {
        Pause::Paragraph
    } else {
        Pause::Sentence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_range_covers_is_spoken_all_the_same() {
        let text = "  One. Two -- three.\n\nFour!";
        let sentences = split(text, &[(2, 6), (7, 10), (22, 27)]).unwrap();
        let spoken: Vec<_> = sentences.iter().map(|s| &text[s.spoken.clone()]).collect();
        assert_eq!(spoken, ["  One. ", "Two -- three.\n\n", "Four!"]);
        assert_eq!(sentences[1].marked, 7..10);
        assert_eq!(sentences[1].pause_before, Pause::Sentence);
        assert_eq!(sentences[2].pause_before, Pause::Paragraph);
    }

    #[test]
    fn without_ranges_the_text_is_one_sentence() {
        let sentences = split("Hello. You.", &[]).unwrap();
        assert_eq!(sentences.len(), 1);
        assert_eq!(sentences[0].spoken, 0..11);
    }

    #[test]
    fn ranges_that_are_not_of_the_text_are_refused() {
        for bad in [
            &[(0, 99)][..],
            &[(3, 2)],
            &[(0, 4), (2, 5)],
            &[(4, 5), (0, 2)],
            &[(0, 1), (usize::MAX, usize::MAX)],
            // in the middle of a letter
            &[(0, 2)],
        ] {
            let error = split("aé two", bad).unwrap_err();
            assert_eq!(error.code(), "bad_sentence_range", "{bad:?}");
        }
    }
}
