//! Subtitles: WebVTT and SubRip (SRT) from measured sentences.

mod layout;

use std::{fmt::Write, time::Duration};

pub use layout::{Layout, lay_out};

/// Text and when it is spoken.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cue {
    /// When it begins, from the beginning of the audio.
    pub start: Duration,
    /// When it ends.
    pub end: Duration,
    /// What is shown, lines separated by `\n`, not escaped.
    pub text: String,
}

/// The cues as a WebVTT file (<https://www.w3.org/TR/webvtt1/>), media type `text/vtt`.
///
/// `&`, `<` and `>` are escaped. Cues are written as they are given: pass them through [`lay_out`]
/// first.
#[must_use]
pub fn to_vtt(cues: &[Cue]) -> String {
    let mut out = String::from("WEBVTT\n");
    for cue in cues {
        let (start, end) = (clock(cue.start, '.'), clock(cue.end, '.'));
        let text = without_empty_lines(&escaped(&cue.text));
        // Writing to a String does not fail.
        let _ = write!(out, "\n{start} --> {end}\n{text}\n");
    }
    out
}

/// The cues as a SubRip file, media type `application/x-subrip`.
///
/// The format has no escapes. An arrow `-->` in the text, which would break the file, becomes `→`.
#[must_use]
pub fn to_srt(cues: &[Cue]) -> String {
    let mut out = String::new();
    for (number, cue) in (1..).zip(cues) {
        let (start, end) = (clock(cue.start, ','), clock(cue.end, ','));
        let text = without_empty_lines(&cue.text.replace("-->", "→"));
        let separator = if number == 1 { "" } else { "\n" };
        let _ = write!(out, "{separator}{number}\n{start} --> {end}\n{text}\n");
    }
    out
}

fn clock(time: Duration, point: char) -> String {
    let ms = time.as_millis();
    let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{h:02}:{m:02}:{s:02}{point}{:03}", ms % 1000)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// An empty line ends a cue in both formats.
fn without_empty_lines(text: &str) -> String {
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cue(start_ms: u64, end_ms: u64, text: &str) -> Cue {
        Cue {
            start: Duration::from_millis(start_ms),
            end: Duration::from_millis(end_ms),
            text: text.into(),
        }
    }

    #[test]
    fn vtt_escapes_and_keeps_cues_apart() {
        let cues = [
            cue(0, 1500, "Q & A <b>\n\nx --> y"),
            cue(3_723_004, 3_724_000, "Ende"),
        ];
        assert_eq!(
            to_vtt(&cues),
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nQ &amp; A &lt;b&gt;\nx --&gt; y\n\n\
             01:02:03.004 --> 01:02:04.000\nEnde\n"
        );
        assert_eq!(to_vtt(&[]), "WEBVTT\n");
    }

    #[test]
    fn srt_is_numbered() {
        let cues = [
            cue(0, 1500, "a --> b"),
            cue(360_000_000, 360_000_001, "Ende"),
        ];
        assert_eq!(
            to_srt(&cues),
            "1\n00:00:00,000 --> 00:00:01,500\na → b\n\n2\n100:00:00,000 --> 100:00:00,001\nEnde\n"
        );
    }
}
