//! Lines of text that fit a box.

use skrifa::{FontRef, MetadataProvider, instance::LocationRef, prelude::Size};

/// The family's name in the font files.
pub(super) const FAMILY: &str = "EB Garamond";

/// A face of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    Regular,
    Italic,
}

impl Face {
    pub(super) const ALL: [Self; 2] = [Self::Regular, Self::Italic];

    pub(super) fn file(self) -> &'static [u8] {
        match self {
            Self::Regular => include_bytes!("../../../assets/fonts/EBGaramond12-Regular.otf"),
            Self::Italic => include_bytes!("../../../assets/fonts/EBGaramond12-Italic.otf"),
        }
    }

    /// The width of a line at a size, without kerning (which makes it a little narrower).
    pub(super) fn width(self, text: &str, size: f32) -> f32 {
        let Ok(font) = FontRef::new(self.file()) else {
            return 0.0;
        };
        let metrics = font.glyph_metrics(Size::new(size), LocationRef::default());
        let glyphs = font.charmap();
        let advance = |c| metrics.advance_width(glyphs.map(c)?);
        text.chars().filter_map(advance).sum()
    }

    fn has(self, c: char) -> bool {
        FontRef::new(self.file()).is_ok_and(|font| font.charmap().map(c).is_some())
    }
}

/// More does not fit on any card.
const MOST_CHARS: usize = 1_000;

/// The text on one line, without what both faces have no glyph for; and how many characters those
/// were.
pub(super) fn showable(text: &str) -> (String, usize) {
    let mut missing = 0;
    let shown: String = text
        .chars()
        .take(MOST_CHARS)
        .map(|c| {
            if c.is_whitespace() || c.is_control() {
                ' '
            } else {
                c
            }
        })
        .filter(|&c| {
            let has = Face::ALL.iter().all(|face| face.has(c));
            missing += usize::from(!has && c.is_alphanumeric());
            has
        })
        .collect();
    let words: Vec<_> = shown.split_whitespace().collect();
    (words.join(" "), missing)
}

/// A box for text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) face: Face,
    pub(super) width: f32,
    pub(super) height: f32,
    /// Font sizes in pixels: the smallest is used only to make it fit.
    pub(super) largest: f32,
    pub(super) smallest: f32,
    /// Distance of lines, in font sizes.
    pub(super) leading: f32,
    pub(super) most_lines: usize,
}

/// Text in lines.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    pub(super) lines: Vec<String>,
    pub(super) size: f32,
    /// Distance of lines in pixels.
    pub(super) step: f32,
}

impl Block {
    pub(super) fn height(&self) -> f32 {
        self.lines.len() as f32 * self.step
    }
}

impl Frame {
    /// Sets a text as large as it fits; at the smallest size the rest becomes an ellipsis.
    pub(super) fn set(&self, text: &str) -> Block {
        let mut size = self.largest;
        while size > self.smallest && !self.fits(text, size) {
            size -= 2.0;
        }
        let most = self.most(size);
        let mut lines = self.wrap(text, size, self.width);
        if lines.len() > most {
            lines.truncate(most);
            if let Some(last) = lines.last_mut() {
                *last = self.ellipsis(last, size);
            }
        } else {
            lines = self.balanced(text, size, lines);
        }
        let step = size * self.leading;
        Block { lines, size, step }
    }

    fn most(&self, size: f32) -> usize {
        let by_height = (self.height / (size * self.leading)) as usize;
        by_height.clamp(1, self.most_lines)
    }

    /// Words are whole and lines few enough.
    fn fits(&self, text: &str, size: f32) -> bool {
        let whole = text
            .split(' ')
            .all(|word| self.face.width(word, size) <= self.width);
        whole && self.wrap(text, size, self.width).len() <= self.most(size)
    }

    fn wrap(&self, text: &str, size: f32, width: f32) -> Vec<String> {
        let space = self.face.width(" ", size);
        let mut lines: Vec<String> = Vec::new();
        let mut used = f32::INFINITY;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let length = self.face.width(word, size);
            match lines.last_mut() {
                Some(line) if used + space + length <= width => {
                    line.push(' ');
                    line.push_str(word);
                    used += space + length;
                }
                _ => {
                    lines.extend(self.cut(word, size, width));
                    used = lines.last().map_or(0.0, |line| self.face.width(line, size));
                }
            }
        }
        lines
    }

    /// A word that is wider than a line, in pieces.
    fn cut(&self, word: &str, size: f32, width: f32) -> Vec<String> {
        if self.face.width(word, size) <= width {
            return vec![word.to_owned()];
        }
        let mut pieces = vec![String::new()];
        for c in word.chars() {
            let last = pieces.last().map_or("", String::as_str);
            let longer = format!("{last}{c}");
            if last.is_empty() || self.face.width(&longer, size) <= width {
                pieces.pop();
                pieces.push(longer);
            } else {
                pieces.push(c.to_string());
            }
        }
        pieces
    }

    /// The narrowest setting of as many lines, so that no word stands alone on the last.
    fn balanced(&self, text: &str, size: f32, lines: Vec<String>) -> Vec<String> {
        let mut best = lines;
        let mut width = self.width * 0.97;
        while width > self.width * 0.5 {
            let whole = text
                .split(' ')
                .all(|word| self.face.width(word, size) <= width);
            let narrower = self.wrap(text, size, width);
            if !whole || narrower.len() > best.len() {
                break;
            }
            best = narrower;
            width *= 0.96;
        }
        best
    }

    fn ellipsis(&self, line: &str, size: f32) -> String {
        let mut kept = line.to_owned();
        loop {
            let trimmed = kept.trim_end_matches([' ', ',', ';', ':', '.', '—', '-']);
            let shortened = format!("{trimmed}…");
            if trimmed.is_empty() || self.face.width(&shortened, size) <= self.width {
                return shortened;
            }
            kept = trimmed.to_owned();
            kept.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame {
        face: Face::Regular,
        width: 400.0,
        height: 200.0,
        largest: 80.0,
        smallest: 20.0,
        leading: 1.1,
        most_lines: 4,
    };

    fn fits(block: &Block) -> bool {
        let width = |line: &String| Face::Regular.width(line, block.size);
        block.height() <= FRAME.height && block.lines.iter().all(|l| width(l) <= FRAME.width)
    }

    #[test]
    fn short_text_is_large_and_long_text_small_and_all_of_it_stays_inside() {
        let short = FRAME.set("Emma");
        assert_eq!((short.size, short.lines.len()), (80.0, 1));
        let long = FRAME.set("The Strange Case of Dr Jekyll and Mr Hyde");
        assert!(long.size < 80.0 && fits(&long), "{long:?}");
        assert_eq!(
            long.lines.join(" "),
            "The Strange Case of Dr Jekyll and Mr Hyde"
        );
    }

    #[test]
    fn lines_are_of_like_length_and_words_whole() {
        let block = FRAME.set("Moby-Dick; or, The Whale");
        let words = block.lines.iter().flat_map(|line| line.split(' '));
        assert_eq!(
            words.collect::<Vec<_>>(),
            ["Moby-Dick;", "or,", "The", "Whale"]
        );
        let last = block.lines.last().unwrap();
        assert!(last.contains(' '), "{block:?}");
    }

    #[test]
    fn what_does_not_fit_ends_with_an_ellipsis() {
        let block = FRAME.set(&"a story without an end ".repeat(60));
        assert!(fits(&block), "{block:?}");
        assert!(block.lines.last().unwrap().ends_with('…'));
        let word = FRAME.set(&"x".repeat(3_000));
        assert!(fits(&word) && word.lines.last().unwrap().ends_with('…'));
    }

    #[test]
    fn three_scripts_show_and_others_are_counted() {
        for text in ["Æneid Ženský Łódź", "Η Οδύσσεια ᾠδή", "Война и мир, Їжак"]
        {
            assert_eq!(showable(text), (text.to_owned(), 0));
        }
        assert_eq!(showable("a\u{0}\n 紅樓夢 b"), ("a b".to_owned(), 3));
    }
}
