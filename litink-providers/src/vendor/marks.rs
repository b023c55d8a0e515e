//! When what is said, from the times that vendors give for words.

use litink_core::provider::SpeechMark;
use serde::Deserialize;

/// A word, and when it is said.
#[derive(Deserialize)]
pub(crate) struct Timed {
    #[serde(alias = "text", default)]
    pub(crate) word: String,
    /// In seconds.
    pub(crate) start: f64,
    pub(crate) end: f64,
}

/// Where each word, or segment, stands in the text: they come in its order, with other spaces.
pub(crate) fn marks(text: &str, times: &[Timed]) -> Vec<SpeechMark> {
    let mut from = 0;
    let mut last_ms = 0;
    let mut marks = Vec::with_capacity(times.len());
    for timed in times {
        let word = timed.word.trim();
        let Some(at) = text.get(from..).and_then(|rest| rest.find(word)) else {
            continue;
        };
        let sane = timed.start.is_finite() && timed.end.is_finite();
        if word.is_empty() || !sane {
            continue;
        }
        let ms = |seconds: f64| (seconds.max(0.0) * 1_000.0).round() as u64;
        let (text_start, text_end) = (from + at, from + at + word.len());
        // Times that overlap by a breath are put in order.
        let start_ms = ms(timed.start).max(last_ms);
        let end_ms = ms(timed.end).max(start_ms);
        marks.push(SpeechMark {
            text_start,
            text_end,
            start_ms,
            end_ms,
        });
        (from, last_ms) = (text_end, start_ms);
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_the_text_in_their_order() {
        let timed = |word: &str, start, end| Timed {
            word: word.into(),
            start,
            end,
        };
        let text = "The clock. The clock struck Zoë.";
        let times = [
            timed(" The", 0.0, 0.2),
            timed("clock", 0.2, 0.5),
            timed("The", 0.45, 0.7),
            timed("uh", 0.7, 0.8),
            timed("Zoë", 1.0, 1.5),
            timed("clock", f64::NAN, 2.0),
        ];
        let marks = marks(text, &times);
        let words: Vec<_> = marks
            .iter()
            .map(|it| &text[it.text_start..it.text_end])
            .collect();
        assert_eq!(words, ["The", "clock", "The", "Zoë"]);
        assert!(marks.is_sorted_by_key(|it| (it.text_start, it.start_ms)));
        assert_eq!((marks[3].start_ms, marks[3].end_ms), (1_000, 1_500));
    }
}
