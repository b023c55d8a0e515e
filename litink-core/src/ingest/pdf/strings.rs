//! Strings of PDF to text.

/// UTF-16 with its mark, UTF-8 with its mark, else Latin-1 (near enough to PDFDocEncoding).
pub(super) fn decode(bytes: &[u8]) -> Option<String> {
    let text = match bytes {
        [0xFE, 0xFF, rest @ ..] => {
            let units = rest
                .chunks_exact(2)
                .map(|p| u16::from_be_bytes([p[0], p[1]]));
            char::decode_utf16(units)
                .map(|c| c.unwrap_or('\u{FFFD}'))
                .collect()
        }
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        bytes => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().map(|b| char::from(*b)).collect(),
        },
    };
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    crate::ingest::whole::tidy(&text)
}

/// The title, unless a program put its own file's name there.
pub(super) fn title(bytes: &[u8]) -> Option<String> {
    let title = decode(bytes)?;
    let low = title.to_lowercase();
    let is_junk = low.starts_with("microsoft word")
        || low.starts_with("untitled")
        || [
            ".doc", ".docx", ".tex", ".dvi", ".indd", ".qxd", ".pdf", ".odt", ".rtf",
        ]
        .iter()
        .any(|ending| low.ends_with(ending));
    (!is_junk).then_some(title)
}

/// Ligatures taken apart; NULs and private characters left out.
pub(super) fn repair(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{FB00}' => out.push_str("ff"),
            '\u{FB01}' => out.push_str("fi"),
            '\u{FB02}' => out.push_str("fl"),
            '\u{FB03}' => out.push_str("ffi"),
            '\u{FB04}' => out.push_str("ffl"),
            '\u{FB05}' | '\u{FB06}' => out.push_str("st"),
            '\u{A0}' | '\u{2000}'..='\u{200A}' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{E000}'..='\u{F8FF}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_decoded() {
        assert_eq!(decode(b"\xFE\xFF\0L\0a\x04\x40").as_deref(), Some("Laр"));
        assert_eq!(decode(b"caf\xE9").as_deref(), Some("café"));
        assert_eq!(title(b"Microsoft Word - x.doc"), None);
        assert_eq!(repair("ﬁn\u{A0}o\0ﬄ"), "fin offl");
    }
}
