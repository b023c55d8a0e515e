//! The task `attribution`: `litink_core::text::dialogue` as JSON.

use std::ops::Range;

use litink_core::{Error, Result, text};
use serde::{Deserialize, Serialize};

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
struct Answer {
    lines: Vec<Line>,
}

/// Who says what in a stretch of the message.
pub(super) fn answer(message: &str, within: Range<usize>) -> Result<String> {
    let spans = text::dialogue(&message[within.clone()], None).into_iter();
    let lines = spans
        .map(|span| Line {
            text_start: within.start + span.range.start,
            text_end: within.start + span.range.end,
            speaker: span.speaker,
            confidence: span.confidence,
        })
        .collect();
    serde_json::to_string(&Answer { lines })
        .map_err(|error| Error::internal("lines are not JSON").with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_json_of_lines_in_bytes_of_the_message() {
        let text = "<text>\n“Hi,” said Mo.\n</text>";
        let json = answer(text, 7..text.len() - 8).unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["lines"][0]["text_start"], 7);
        assert_eq!(value["lines"][0]["text_end"], 16);
        assert_eq!(value["lines"][0]["speaker"], "Mo");
    }
}
