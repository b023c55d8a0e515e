//! Bytes to text, whatever the encoding.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{CoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::limits::{Limits, text_too_large};
use crate::Result;

/// Text, and how its encoding was found out.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) text: String,
    /// The name of the encoding when nothing declared it, so that it had to be guessed.
    pub(crate) guessed: Option<&'static str>,
}

/// How many bytes the guess of an encoding looks at.
const GUESS_BYTES: usize = 1024 * 1024;

/// Decodes by byte order mark, then the shape of UTF-16, then as UTF-8, then by the declaration,
/// then by a guess. Undecodable bytes become U+FFFD. At most `max_text_bytes` come out.
pub(crate) fn decode(bytes: Vec<u8>, limits: &Limits) -> Result<Decoded> {
    if let Some((encoding, _)) = Encoding::for_bom(&bytes) {
        return finish(encoding, false, &bytes, limits);
    }
    // ASCII in UTF-16 is valid UTF-8, full of NULs, so its shape comes first.
    if let Some(encoding) = utf16_by_shape(&bytes) {
        return finish(encoding, true, &bytes, limits);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Decoded {
            text,
            guessed: None,
        }),
        Err(error) => decode_legacy(error.into_bytes(), limits),
    }
}

/// Neither marked nor UTF-8.
fn decode_legacy(bytes: Vec<u8>, limits: &Limits) -> Result<Decoded> {
    if let Some(encoding) = declared(&bytes) {
        return finish(encoding, false, &bytes, limits);
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(&bytes[..bytes.len().min(GUESS_BYTES)], true);
    let encoding = detector.guess(None, Utf8Detection::Allow);
    finish(encoding, true, &bytes, limits)
}

/// UTF-16 without a byte order mark: with one, or when NULs stand on one side only.
pub(crate) fn utf16_by_shape(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [0xFF, 0xFE, 0, 0, ..] => return None,
        [0xFF, 0xFE, ..] => return Some(UTF_16LE),
        [0xFE, 0xFF, ..] => return Some(UTF_16BE),
        _ => {}
    }
    let head = &bytes[..bytes.len().min(4096) & !1];
    if head.len() < 8 {
        return None;
    }
    let nuls = |from: usize| {
        head.iter()
            .skip(from)
            .step_by(2)
            .filter(|b| **b == 0)
            .count()
    };
    let (high, low) = (nuls(0), nuls(1));
    let many = head.len() / 2 / 4;
    match (high, low) {
        (0, low) if low > many => Some(UTF_16LE),
        (high, 0) if high > many => Some(UTF_16BE),
        _ => None,
    }
}

/// The encoding that an XML declaration or a `<meta charset>` names.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_ascii_lowercase();
    let start = head.trim_start();
    if !start.starts_with('<') {
        return None;
    }
    let after = ["encoding=", "charset="]
        .iter()
        .find_map(|key| head.split_once(key).map(|(_, rest)| rest))?;
    let label: String = after
        .trim_start_matches(['"', '\''])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_:.".contains(*c))
        .collect();
    // What is not valid UTF-8 is not UTF-8, whatever it says.
    Encoding::for_label(label.as_bytes()).filter(|encoding| *encoding != UTF_8)
}

fn finish(
    encoding: &'static Encoding,
    guessed: bool,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Decoded> {
    let cap = usize::try_from(limits.max_text_bytes).unwrap_or(usize::MAX);
    let mut decoder = encoding.new_decoder_with_bom_removal();
    let mut text = String::new();
    let mut rest = bytes;
    loop {
        let want = (rest.len() + rest.len() / 8).clamp(64, 1024 * 1024);
        text.reserve(want);
        let (result, read, _) = decoder.decode_to_string(rest, &mut text, true);
        rest = rest.get(read..).unwrap_or_default();
        if text.len() > cap {
            return Err(text_too_large(limits));
        }
        if result == CoderResult::InputEmpty {
            break;
        }
    }
    Ok(Decoded {
        text,
        guessed: guessed.then(|| encoding.name()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> (String, Option<&'static str>) {
        let decoded = decode(bytes.to_vec(), &Limits::default()).unwrap();
        (decoded.text, decoded.guessed)
    }

    #[test]
    fn declared_encodings_are_not_guesses() {
        assert_eq!(text(b"\xEF\xBB\xBFhello"), ("hello".into(), None));
        assert_eq!(text(b"\xFF\xFEh\0i\0"), ("hi".into(), None));
        assert_eq!(text(b"\xFE\xFF\0h\0i"), ("hi".into(), None));
        let latin1 = b"<?xml version='1.0' encoding='iso-8859-1'?><p>caf\xE9</p>";
        assert_eq!(text(latin1).0.split('>').nth(2), Some("café</p"));
        assert_eq!(text(latin1).1, None);
    }

    #[test]
    fn legacy_encodings_are_guessed() {
        let (russian, _, _) = encoding_rs::WINDOWS_1251.encode(
            "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива.",
        );
        let (decoded, guessed) = text(&russian);
        assert!(decoded.starts_with("Все счастливые"), "{decoded}");
        assert_eq!(guessed, Some("windows-1251"));
    }

    #[test]
    fn growth_is_capped() {
        let limits = Limits {
            max_text_bytes: 1000,
            ..Limits::default()
        };
        let error = decode(vec![0xE9; 900], &limits).unwrap_err();
        assert_eq!(error.code(), "text_too_large");
    }
}
