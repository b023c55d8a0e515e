//! The language of a book: tidied when declared, recognised when not.

use super::{ParsedBook, ParsedChapter, book::Report};
use crate::domain::ChapterKind;

/// ISO 639-3 codes of whatlang, with their BCP 47 primary tags where these differ.
const SHORT: &[(&str, &str)] = &[
    ("epo", "eo"),
    ("eng", "en"),
    ("rus", "ru"),
    ("cmn", "zh"),
    ("spa", "es"),
    ("por", "pt"),
    ("ita", "it"),
    ("ben", "bn"),
    ("fra", "fr"),
    ("deu", "de"),
    ("ukr", "uk"),
    ("kat", "ka"),
    ("ara", "ar"),
    ("hin", "hi"),
    ("jpn", "ja"),
    ("heb", "he"),
    ("yid", "yi"),
    ("pol", "pl"),
    ("amh", "am"),
    ("jav", "jv"),
    ("kor", "ko"),
    ("nob", "nb"),
    ("dan", "da"),
    ("swe", "sv"),
    ("fin", "fi"),
    ("tur", "tr"),
    ("nld", "nl"),
    ("hun", "hu"),
    ("ces", "cs"),
    ("ell", "el"),
    ("bul", "bg"),
    ("bel", "be"),
    ("mar", "mr"),
    ("kan", "kn"),
    ("ron", "ro"),
    ("slv", "sl"),
    ("hrv", "hr"),
    ("srp", "sr"),
    ("mkd", "mk"),
    ("lit", "lt"),
    ("lav", "lv"),
    ("est", "et"),
    ("tam", "ta"),
    ("vie", "vi"),
    ("urd", "ur"),
    ("tha", "th"),
    ("guj", "gu"),
    ("uzb", "uz"),
    ("pan", "pa"),
    ("aze", "az"),
    ("ind", "id"),
    ("tel", "te"),
    ("pes", "fa"),
    ("mal", "ml"),
    ("ori", "or"),
    ("mya", "my"),
    ("nep", "ne"),
    ("sin", "si"),
    ("khm", "km"),
    ("tuk", "tk"),
    ("aka", "ak"),
    ("zul", "zu"),
    ("sna", "sn"),
    ("afr", "af"),
    ("lat", "la"),
    ("slk", "sk"),
    ("cat", "ca"),
    ("tgl", "tl"),
    ("hye", "hy"),
    ("cym", "cy"),
];

/// How much text the recognition looks at, in bytes: more makes no better guess.
const SAMPLE_BYTES: usize = 16 * 1024;

/// A declared language as a BCP 47 tag: `EN_us` to `en-US`, `English` and `eng` to `en`; `None`
/// for `und`, `mul` and what is no tag.
pub(crate) fn normalize(declared: &str) -> Option<String> {
    let declared = declared.trim();
    if let Some(code) = whatlang::Lang::all()
        .iter()
        .find(|lang| lang.eng_name().eq_ignore_ascii_case(declared))
    {
        return Some(short(code.code()).to_owned());
    }
    let mut parts = declared.split(['-', '_']);
    let primary = parts.next()?.to_ascii_lowercase();
    let is_tag =
        (2..=3).contains(&primary.len()) && primary.bytes().all(|b| b.is_ascii_lowercase());
    if !is_tag || ["und", "mul", "zxx", "mis"].contains(&primary.as_str()) {
        return None;
    }
    let mut tag = short(&primary).to_owned();
    for part in parts.filter(|part| !part.is_empty() && part.len() <= 8) {
        tag.push('-');
        tag.push_str(&subtag(part));
    }
    Some(tag)
}

/// Region in capitals, script in title case, the rest in lower case (RFC 5646, 2.1.1).
fn subtag(part: &str) -> String {
    match part.len() {
        2 => part.to_ascii_uppercase(),
        4 if part.bytes().all(|b| b.is_ascii_alphabetic()) => {
            part[..1].to_ascii_uppercase() + &part[1..].to_ascii_lowercase()
        }
        _ => part.to_ascii_lowercase(),
    }
}

fn short(code: &str) -> &str {
    SHORT
        .iter()
        .find(|(long, _)| *long == code)
        .map_or(code, |(_, short)| short)
}

/// Below so many bytes of text a doubt about what is declared is not worth a word.
const DOUBT_BYTES: usize = 2_000;

/// Settles the language of a book: as declared, else as the text looks.
pub(crate) fn settle(book: &mut ParsedBook, report: &mut Report) {
    let declared = book.language.as_deref().and_then(normalize);
    let seen = recognize(&book.chapters);
    let (method, confidence) = match (&declared, &seen) {
        (None, None) => ("unknown", 0.0),
        (None, Some((_, confidence, _))) => ("detected", *confidence),
        (Some(_), None) => ("declared", 0.9),
        (Some(declared), Some((seen, _, bytes))) => {
            let primary = declared.split('-').next().unwrap_or_default();
            let is_close =
                |a: &str, b: &str| CLOSE.iter().any(|c| c.contains(&a) && c.contains(&b));
            if primary == seen || is_close(primary, seen) || *bytes < DOUBT_BYTES {
                ("declared", 0.98)
            } else {
                report.warn(
                    "language_doubtful",
                    format!("the file says that its language is {declared}, and looks like {seen}"),
                );
                ("contradicted", 0.4)
            }
        }
    };
    report.decide("language", method, confidence);
    book.language = declared.or_else(|| seen.map(|(language, ..)| language));
}

/// Languages that are easily taken for one another.
const CLOSE: &[&[&str]] = &[
    &["no", "nb", "nn", "da", "sv"],
    &["sr", "hr", "bs", "sh", "mk", "sl"],
    &["cs", "sk"],
    &["id", "ms", "jv"],
    &["es", "pt", "gl", "ca", "it", "la"],
    &["uk", "ru", "be", "bg"],
    &["af", "nl"],
    &["hi", "mr", "ne"],
    &["fa", "ar", "ur"],
    &["he", "yi"],
    &["zh", "ja", "yue"],
];

/// The language that the chapters are written in, when it can be told reliably; how sure that is,
/// and from how many bytes.
fn recognize(chapters: &[ParsedChapter]) -> Option<(String, f64, usize)> {
    let has_story = chapters.iter().any(|c| c.kind == ChapterKind::Chapter);
    let blocks = chapters
        .iter()
        .filter(|c| !has_story || c.kind == ChapterKind::Chapter)
        .flat_map(|c| &c.blocks)
        .filter(|block| block.kind.is_spoken());
    let mut sample = String::new();
    for block in blocks {
        let room = SAMPLE_BYTES.saturating_sub(sample.len());
        if room == 0 {
            break;
        }
        sample.push_str(&block.text[..block.text.floor_char_boundary(room)]);
        sample.push('\n');
    }
    let info = whatlang::detect(&sample)?;
    info.is_reliable().then(|| {
        let language = short(info.lang().code()).to_owned();
        (language, info.confidence().min(0.95), sample.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_languages_are_tidied() {
        let cases = [
            ("en", Some("en")),
            ("EN_us", Some("en-US")),
            ("eng", Some("en")),
            ("English", Some("en")),
            ("zh-hant-tw", Some("zh-Hant-TW")),
            ("und", None),
            ("", None),
            ("x", None),
            ("gsw", Some("gsw")),
        ];
        for (declared, expected) in cases {
            assert_eq!(normalize(declared).as_deref(), expected, "{declared}");
        }
    }
}
