//! What a file is, by its content and never by its name.

use serde::{Deserialize, Serialize};

/// A kind of file that litink recognises; [`Format::is_readable`] tells those it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Format {
    /// EPUB 2 or 3.
    Epub,
    /// Plain text in any common encoding.
    Text,
    /// Markdown.
    Markdown,
    /// PDF.
    Pdf,
    /// Office Open XML text (Word 2007 and later).
    Docx,
    /// OpenDocument text.
    Odt,
    /// Word before 2007, or another OLE file.
    Doc,
    /// Rich Text Format.
    Rtf,
    /// An HTML page.
    Html,
    /// FictionBook.
    Fb2,
    /// Mobipocket and Kindle (MOBI, AZW, AZW3).
    Mobi,
    /// DjVu.
    Djvu,
    /// A zip archive that is none of the above.
    Zip,
    /// Another archive or compressed file (gzip, RAR, 7z, xz, zstd).
    Archive,
    /// A picture.
    Image,
    /// Sound or film.
    Media,
}

impl Format {
    /// The stable name, as in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Epub => "epub",
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Odt => "odt",
            Self::Doc => "doc",
            Self::Rtf => "rtf",
            Self::Html => "html",
            Self::Fb2 => "fb2",
            Self::Mobi => "mobi",
            Self::Djvu => "djvu",
            Self::Zip => "zip",
            Self::Archive => "archive",
            Self::Image => "image",
            Self::Media => "media",
        }
    }

    /// Whether [`read`](super::read) reads it.
    #[must_use]
    pub fn is_readable(self) -> bool {
        matches!(
            self,
            Self::Epub
                | Self::Text
                | Self::Markdown
                | Self::Pdf
                | Self::Docx
                | Self::Odt
                | Self::Rtf
                | Self::Html
                | Self::Fb2
        )
    }

    /// What a file name's ending promises, if it is one that promises something.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        Some(match extension.to_ascii_lowercase().as_str() {
            "epub" | "kepub" => Self::Epub,
            "txt" | "text" => Self::Text,
            "md" | "markdown" | "mkd" => Self::Markdown,
            "pdf" => Self::Pdf,
            "docx" | "docm" => Self::Docx,
            "odt" => Self::Odt,
            "doc" => Self::Doc,
            "rtf" => Self::Rtf,
            "html" | "htm" | "xhtml" => Self::Html,
            "fb2" => Self::Fb2,
            "mobi" | "azw" | "azw3" | "azw8" | "kfx" | "prc" => Self::Mobi,
            "djvu" | "djv" => Self::Djvu,
            "zip" | "cbz" => Self::Zip,
            "gz" | "rar" | "7z" | "cbr" => Self::Archive,
            "jpg" | "jpeg" | "png" | "gif" | "webp" => Self::Image,
            "mp3" | "m4a" | "m4b" | "wav" | "ogg" | "mp4" => Self::Media,
            _ => return None,
        })
    }
}

/// How many bytes from the start [`sniff`] wants to see.
pub(crate) const HEAD_BYTES: usize = 64 * 1024;

/// Bytes at an offset that give a format away.
const MAGIC: &[(usize, &[u8], Format)] = &[
    (0, b"PK\x03\x04", Format::Zip),
    (0, b"PK\x05\x06", Format::Zip),
    (0, b"{\\rtf", Format::Rtf),
    (0, b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", Format::Doc),
    (60, b"BOOKMOBI", Format::Mobi),
    (60, b"TEXtREAd", Format::Mobi),
    (0, b"TPZ", Format::Mobi),
    (0, b"\xEADRMION\xEE", Format::Mobi),
    (0, b"CONT\x02\0", Format::Mobi),
    (0, b"AT&TFORM", Format::Djvu),
    (0, b"\x1F\x8B", Format::Archive),
    (0, b"Rar!\x1A\x07", Format::Archive),
    (0, b"7z\xBC\xAF\x27\x1C", Format::Archive),
    (0, b"\xFD7zXZ\0", Format::Archive),
    (0, b"\x28\xB5\x2F\xFD", Format::Archive),
    (0, b"\x89PNG\r\n\x1A\n", Format::Image),
    (0, b"\xFF\xD8\xFF", Format::Image),
    (0, b"GIF8", Format::Image),
    (8, b"WEBP", Format::Image),
    (8, b"WAVE", Format::Media),
    (4, b"ftyp", Format::Media),
    (0, b"ID3", Format::Media),
    (0, b"OggS", Format::Media),
    (0, b"fLaC", Format::Media),
];

/// What a file is by its first [`HEAD_BYTES`]; `None` when it is nothing known, nor text.
///
/// Every zip archive is [`Format::Zip`] here: what it holds is for its directory to say.
pub(crate) fn sniff(head: &[u8]) -> Option<Format> {
    let magic = MAGIC
        .iter()
        .find(|(at, bytes, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(bytes)));
    if let Some((_, _, format)) = magic {
        return Some(*format);
    }
    // Readers of PDF accept anything before the header within the first kilobyte.
    if head[..head.len().min(1024)]
        .windows(5)
        .any(|w| w == b"%PDF-")
    {
        return Some(Format::Pdf);
    }
    if !looks_like_text(head) {
        return None;
    }
    Some(
        markup_format(head).unwrap_or_else(|| match is_markdown(head) {
            true => Format::Markdown,
            false => Format::Text,
        }),
    )
}

/// HTML or FictionBook, when text starts as one of them.
fn markup_format(head: &[u8]) -> Option<Format> {
    let start: String = head
        .iter()
        .take(2048)
        .filter(|b| **b != 0)
        .map(|b| b.to_ascii_lowercase() as char)
        .collect();
    let start = start.trim_start_matches(|c: char| !c.is_ascii() || c.is_whitespace());
    let is_markup = start.starts_with("<!") || start.starts_with("<?xml");
    let is_fb2 = start.starts_with("<fictionbook");
    if is_fb2 || (is_markup && start.contains("<fictionbook")) {
        return Some(Format::Fb2);
    }
    let is_html = start.starts_with("<!doctype html")
        || start.starts_with("<html")
        || (is_markup && start.contains("<html"));
    is_html.then_some(Format::Html)
}

/// Whether text is Markdown: headings of `#` with blanks around them, and more than one, or one at
/// the very start.
fn is_markdown(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{FEFF}');
    let mut is_code = false;
    let mut after_blank = true;
    let mut headings = 0;
    for (i, line) in text.lines().enumerate() {
        is_code ^= line.starts_with("```") || line.starts_with("~~~");
        let mark = line.trim_start_matches('#');
        let level = line.len() - mark.len();
        let is_heading = (1..=6).contains(&level) && mark.starts_with(' ') && after_blank;
        if is_heading && !is_code {
            headings += if i == 0 { 2 } else { 1 };
        }
        after_blank = line.trim().is_empty() || is_heading || line == "---";
    }
    headings >= 2
}

/// Whether bytes can be text in some encoding: control characters are rare in all of them.
fn looks_like_text(head: &[u8]) -> bool {
    if super::encoding::utf16_by_shape(head).is_some() {
        return true;
    }
    let control = head.iter().filter(|b| is_control(**b)).count();
    !head.contains(&0) && control * 100 <= head.len()
}

/// C0 controls that no text has: tab, line ends, form feed, escape (ISO-2022) and SUB (the end of
/// file of DOS) are left out.
pub(crate) fn is_control(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0B | 0x0E..=0x19 | 0x1C..=0x1F | 0x7F)
}

/// The media type of a cover, by its bytes.
pub(crate) fn image_media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xFF, 0xD8, 0xFF, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("image/webp"),
        _ => {
            let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]);
            head.contains("<svg").then_some("image/svg+xml")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_by_content() {
        let cases: &[(&[u8], Option<Format>)] = &[
            (b"PK\x03\x04rest", Some(Format::Zip)),
            (b"junk\n%PDF-1.7\n", Some(Format::Pdf)),
            (b"{\\rtf1 hello}", Some(Format::Rtf)),
            (b"<!DOCTYPE html><p>x", Some(Format::Html)),
            (b"<?xml version='1.0'?><FictionBook>", Some(Format::Fb2)),
            (b"\n<FictionBook xmlns='x'>", Some(Format::Fb2)),
            (b"Call me Ishmael.", Some(Format::Text)),
            (b"# Moby-Dick\n\nCall me Ishmael.", Some(Format::Markdown)),
            (
                b"#!/bin/sh\n\n# not a heading, a note\nx",
                Some(Format::Text),
            ),
            (b"TPZ0", Some(Format::Mobi)),
            (b"\xFF\xFEh\0i\0", Some(Format::Text)),
            (b"h\0i\0 \0t\0h\0e\0r\0e\0", Some(Format::Text)),
            (b"caf\xE9 au lait", Some(Format::Text)),
            (&[0, 1, 2, 3, 4, 5, 200, 17], None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(sniff(bytes), *expected, "{bytes:?}");
        }
    }
}
