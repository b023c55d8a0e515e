//! Lines to paragraphs: hard-wrapped lines are joined, verse keeps its lines.

use super::emphasis;
use crate::{
    Result,
    domain::{Anchor, BlockKind},
    ingest::{
        block::{RawBlock, offset},
        limits::Meter,
        ornament,
    },
};

/// A block, and what its lines looked like.
#[derive(Debug)]
pub(super) struct TextBlock {
    pub(super) block: RawBlock,
    /// The first line as it stood; a heading's number line may be followed by its name.
    pub(super) first_line_bytes: usize,
    pub(super) lines: usize,
}

/// How the paragraphs of a text are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// By blank lines.
    Blank,
    /// By an indented first line.
    Indent,
    /// Each line is one.
    Line,
}

/// Cuts a text into blocks; it starts at the byte `base` of its document.
pub(super) fn blocks(text: &str, base: usize, meter: &mut Meter<'_>) -> Result<Vec<TextBlock>> {
    let (layout, width) = layout(text);
    let mut blocks = Vec::new();
    let mut lines: Vec<&str> = Vec::new();
    // All lines are parts of the text.
    let place = |lines: &[&str]| {
        let first = lines.first().map_or(0, |line| line.as_ptr() as usize);
        Anchor {
            offset: offset((base + first.saturating_sub(text.as_ptr() as usize)) as u64),
            ..Anchor::default()
        }
    };
    for line in text.split(['\n', '\u{0C}']).map(|line| line.trim_end()) {
        meter.tick()?;
        let is_blank = line.trim().is_empty();
        let starts_new = !lines.is_empty()
            && match layout {
                Layout::Blank => false,
                Layout::Line => true,
                Layout::Indent => line.starts_with([' ', '\t', '\u{3000}']),
            };
        if (is_blank || starts_new) && !lines.is_empty() {
            blocks.extend(block(&lines, width, place(&lines), meter)?);
            lines.clear();
        }
        if is_blank {
            continue;
        }
        lines.push(line);
    }
    if !lines.is_empty() {
        blocks.extend(block(&lines, width, place(&lines), meter)?);
    }
    Ok(blocks)
}

/// Lines looked at to find the layout.
const SAMPLE_LINES: usize = 4_000;
/// The longest lines that someone wraps by hand.
const MAX_WRAP: usize = 100;

/// How a text is laid out, and the width it is wrapped at.
fn layout(text: &str) -> (Layout, usize) {
    let lines: Vec<&str> = text.lines().take(SAMPLE_LINES).map(str::trim_end).collect();
    let filled: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|l| !l.trim().is_empty())
        .collect();
    let mut widths: Vec<usize> = filled.iter().map(|l| l.chars().count()).collect();
    widths.sort_unstable();
    let width = widths.get(widths.len() * 9 / 10).copied().unwrap_or(0);
    let blank = lines.len() - filled.len();
    if blank * 20 >= filled.len() && width <= MAX_WRAP || filled.len() < 3 {
        return (Layout::Blank, width);
    }
    let indented = filled
        .iter()
        .filter(|l| l.starts_with([' ', '\t', '\u{3000}']))
        .count();
    if width <= MAX_WRAP && indented * 20 >= filled.len() && indented * 10 < filled.len() * 8 {
        return (Layout::Indent, width);
    }
    let whole = filled.iter().filter(|l| ends_sentence(l)).count();
    if width > MAX_WRAP || whole * 2 > filled.len() {
        return (Layout::Line, width);
    }
    (Layout::Blank, width)
}

/// Whether a line ends a sentence, its closing quotes aside.
pub(in crate::ingest) fn ends_sentence(line: &str) -> bool {
    line.trim_end_matches(['"', '\'', '”', '’', '»', ')', '」', '』'])
        .ends_with(['.', '!', '?', '…', ':', '。', '！', '？'])
}

fn block(
    lines: &[&str],
    width: usize,
    anchor: Anchor,
    meter: &mut Meter<'_>,
) -> Result<Option<TextBlock>> {
    let is_verse = is_verse(lines, width);
    let text = if is_verse { verse(lines) } else { join(lines) };
    let text = emphasis::read(text);
    if text.is_empty() {
        return Ok(None);
    }
    let kind = if ornament::is_scene_break(&text) {
        BlockKind::SceneBreak
    } else if is_verse {
        BlockKind::Verse
    } else {
        BlockKind::Paragraph
    };
    let first = lines.first();
    let first = first.map_or(0, |line| emphasis::read(collapse(line)).len());
    let block = RawBlock::new(kind, 0, text, anchor);
    meter.charge(block.cost())?;
    Ok(Some(TextBlock {
        block,
        first_line_bytes: first,
        lines: lines.len(),
    }))
}

/// Verse: several lines, all indented or all short, each starting with a capital.
fn is_verse(lines: &[&str], width: usize) -> bool {
    if lines.len() < 2 || width < 40 {
        return false;
    }
    let is_short = |line: &&str| line.trim().chars().count() * 10 < width * 8;
    let is_indented = |line: &&str| line.starts_with("  ") || line.starts_with('\t');
    let starts_high = |line: &&str| {
        let first = line.chars().find(|c| c.is_alphanumeric());
        first.is_none_or(|c| !c.is_lowercase())
    };
    let short = lines.iter().all(is_short);
    short && lines.iter().all(is_indented)
        || short && lines.len() >= 3 && lines.iter().all(starts_high)
}

fn verse(lines: &[&str]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| collapse(line)).collect();
    lines.join("\n")
}

/// Joins wrapped lines: by a blank, except after a hyphen or dash and between ideographs.
fn join(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines.iter().map(|line| collapse(line)) {
        if !text.is_empty() && !line.is_empty() && !joins_without_blank(&text, &line) {
            text.push(' ');
        }
        text.push_str(&line);
    }
    text
}

fn joins_without_blank(before: &str, after: &str) -> bool {
    let mut last = before.chars().rev();
    let (last, previous) = (last.next().unwrap_or(' '), last.next().unwrap_or(' '));
    let next = after.chars().next().unwrap_or(' ');
    let is_hyphen = last == '-' && (previous.is_alphanumeric() || previous == '-');
    is_hyphen || matches!(last, '—' | '‐') || is_ideographic(last) && is_ideographic(next)
}

/// Whether two lines meet between characters that know no blanks.
pub(in crate::ingest) fn both_ideographic(before: &str, after: &str) -> bool {
    let last = before.chars().next_back();
    last.is_some_and(is_ideographic) && after.chars().next().is_some_and(is_ideographic)
}

/// Chinese and Japanese characters and their punctuation, which know no blanks.
fn is_ideographic(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{FF00}'..='\u{FFEF}')
}

/// White space as single blanks.
fn collapse(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for word in line.split(|c: char| c.is_whitespace() || c.is_control()) {
        let word = word.trim_matches(['\u{FEFF}', '\u{200B}', '\u{AD}']);
        if word.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Limits;

    fn shape(text: &str) -> Vec<(BlockKind, String)> {
        let limits = Limits::default();
        let blocks = blocks(text, 0, &mut Meter::new(&limits)).unwrap();
        blocks
            .into_iter()
            .map(|b| (b.block.kind, b.block.text))
            .collect()
    }

    fn paragraph(text: &str) -> (BlockKind, String) {
        (BlockKind::Paragraph, text.to_owned())
    }

    #[test]
    fn wrapped_lines_are_joined() {
        let text = "The lamp-\r\nlighter came _late_ that night; he was--\r\nso he said--tired of \
            it all.\r\n\r\n  * * *\r\n\r\nNo one\r\nanswered.\r\n";
        assert_eq!(
            shape(text),
            [
                paragraph(
                    "The lamp-lighter came late that night; he was--so he said--tired of it all."
                ),
                (BlockKind::SceneBreak, "* * *".into()),
                paragraph("No one answered."),
            ]
        );
    }

    #[test]
    fn paragraphs_may_be_lines_or_indents() {
        let line = "A long line that nobody wrapped, since its editor does that on the screen for \
            its reader all by itself.";
        let text = [line; 5].join("\n");
        assert_eq!(shape(&text).len(), 5);
        let indented = "  The first paragraph starts here, and it goes on\nfor another line of \
            text, and then it ends.\n  The second one follows without a blank\nline between them, \
            as in old books.\n"
            .repeat(3);
        assert_eq!(shape(&indented).len(), 6);
    }

    #[test]
    fn verse_keeps_its_lines() {
        let prose = "It was the custom of the house to sing when the lamps were lit at dusk.\n";
        let text = format!(
            "{}\n    Light the lamp,\n    Trim the wick,\n\n{prose}",
            prose.repeat(3)
        );
        assert!(
            shape(&text).contains(&(BlockKind::Verse, "Light the lamp,\nTrim the wick,".into()))
        );
    }

    #[test]
    fn ideographs_join_without_blanks() {
        assert_eq!(
            shape("私は灯台守です。夜になる\nと灯をともす。"),
            [paragraph("私は灯台守です。夜になると灯をともす。")]
        );
    }
}
