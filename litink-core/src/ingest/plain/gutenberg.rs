//! The frame that Project Gutenberg puts around a text: header before, licence after.

/// A text without its frame, and what the frame said about it.
#[derive(Debug, Default)]
pub(super) struct Framed<'a> {
    pub(super) body: &'a str,
    pub(super) was_framed: bool,
    pub(super) title: Option<String>,
    pub(super) authors: Vec<String>,
    pub(super) language: Option<String>,
    pub(super) published: Option<String>,
}

/// How much of the start may be header, in bytes: old headers hold a long legal text.
const HEADER_BYTES: usize = 32 * 1024;
/// How much of the end may be licence.
const LICENCE_BYTES: usize = 64 * 1024;

/// Takes the frame off, if the text has one.
pub(super) fn unframe(text: &str) -> Framed<'_> {
    let text = text.trim_start_matches('\u{FEFF}');
    let head_end = text.floor_char_boundary(HEADER_BYTES);
    let start = line_ends(&text[..head_end])
        .find(|(line, _)| is_start(line))
        .map(|(_, end)| end);
    let tail_start = text.ceil_char_boundary(text.len().saturating_sub(LICENCE_BYTES));
    let tail_start = tail_start.max(start.unwrap_or(0));
    let end = line_ends(&text[tail_start..])
        .find(|(line, _)| is_end(line))
        .map(|(line, end)| tail_start + end - line.len());
    let body_start = start.unwrap_or(0);
    // The end's own line break is counted with the line, so it may overshoot by it.
    let body_end = end.map_or(text.len(), |end| {
        text.floor_char_boundary(end.max(body_start))
    });
    let mut framed = Framed {
        body: &text[body_start..body_end],
        was_framed: start.is_some() || end.is_some(),
        ..Framed::default()
    };
    if let Some(start) = start {
        framed.read_header(&text[..start]);
    }
    framed
}

/// Lines with their line break, and where they end.
fn line_ends(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut end = 0;
    text.split_inclusive('\n').map(move |line| {
        end += line.len();
        (line, end)
    })
}

pub(in crate::ingest) fn is_start(line: &str) -> bool {
    let line = line.trim().to_ascii_uppercase();
    let line = line.trim_start_matches(['*', ' ']);
    [
        "START OF THE PROJECT GUTENBERG",
        "START OF THIS PROJECT GUTENBERG",
        "END*THE SMALL PRINT",
        "END THE SMALL PRINT",
    ]
    .iter()
    .any(|mark| line.starts_with(mark))
}

pub(in crate::ingest) fn is_end(line: &str) -> bool {
    let line = line.trim().to_ascii_uppercase();
    let line = line.trim_start_matches(['*', ' ']);
    [
        "END OF THE PROJECT GUTENBERG",
        "END OF THIS PROJECT GUTENBERG",
        "END OF PROJECT GUTENBERG",
    ]
    .iter()
    .any(|mark| line.starts_with(mark))
}

impl Framed<'_> {
    fn read_header(&mut self, header: &str) {
        let mut lines = header.lines().peekable();
        while let Some(line) = lines.next() {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            let mut value = value.trim().to_owned();
            // A long title goes on in indented lines.
            while let Some(more) = lines.next_if(|l| l.starts_with(' ') && !l.trim().is_empty()) {
                value = format!("{value} {}", more.trim());
            }
            self.take(key.trim(), value);
        }
    }

    fn take(&mut self, key: &str, value: String) {
        if value.is_empty() {
            return;
        }
        match key.to_ascii_lowercase().as_str() {
            "title" => {
                self.title.get_or_insert(value);
            }
            "author" => self.authors.push(value),
            "language" => {
                self.language.get_or_insert(value);
            }
            "original publication" => {
                self.published.get_or_insert(value);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_header_and_licence_off() {
        let text = "\u{FEFF}The Project Gutenberg eBook of Lamps\r\n\r\nTitle: Lamps,\r\n    \
            or Light\r\n\r\nAuthor: A. Wick\r\n\r\nLanguage: English\r\n\r\n*** START OF THE \
            PROJECT GUTENBERG EBOOK LAMPS ***\r\n\r\nIt was dark.\r\n\r\n*** END OF THE PROJECT \
            GUTENBERG EBOOK LAMPS ***\r\nlicence\r\n";
        let framed = unframe(text);
        assert_eq!(framed.body.trim(), "It was dark.");
        assert_eq!(framed.title.as_deref(), Some("Lamps, or Light"));
        assert_eq!(framed.authors, ["A. Wick"]);
        assert_eq!(framed.language.as_deref(), Some("English"));
    }

    #[test]
    fn other_text_stays_whole() {
        let text = "Title: no header\n\nText.\n";
        let framed = unframe(text);
        assert_eq!(
            (framed.body, framed.title, framed.was_framed),
            (text, None, false)
        );
    }
}
