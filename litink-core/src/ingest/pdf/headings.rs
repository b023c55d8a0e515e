//! Which paragraphs are headings: the outline says so, or their size.

use super::{Paragraph, layout::Text, outline::Mark};
use crate::{domain::BlockKind, ingest::titles};

/// This much larger than the body is a heading.
const HEADING: f64 = 1.12;
const MAX_HEADING_CHARS: usize = 160;
/// Levels below those that an outline gives.
const BELOW: u8 = 9;

/// Marks the headings.
pub(super) fn mark(text: Text, marks: &[Mark]) -> Vec<Paragraph> {
    let Text {
        mut paragraphs,
        body,
    } = text;
    by_size(&mut paragraphs, body);
    // An outline of one line is the title.
    if marks.len() < 2 {
        return paragraphs;
    }
    for paragraph in paragraphs
        .iter_mut()
        .filter(|p| p.kind == BlockKind::Heading)
    {
        paragraph.level = BELOW;
    }
    by_outline(paragraphs, marks)
}

/// The largest words of the first page, when they are larger than any others there.
pub(super) fn title(text: &Text) -> Option<String> {
    let first = text.paragraphs.first()?.page;
    let page = || text.paragraphs.iter().filter(|p| p.page == first);
    let largest = page().map(|p| p.size).max_by(f64::total_cmp)?;
    let title = page().find(|p| p.size >= largest)?;
    let fits = largest > text.body * HEADING
        && title.text.chars().count() <= MAX_HEADING_CHARS
        && titles::numbered(&title.text).is_none()
        && titles::role(&title.text).is_none();
    fits.then(|| title.text.clone())
}

fn by_size(paragraphs: &mut [Paragraph], body: f64) {
    let is_heading = |p: &Paragraph| {
        p.size > body * HEADING
            && p.text.chars().count() <= MAX_HEADING_CHARS
            && p.text.chars().filter(|c| c.is_alphanumeric()).count()
                > 1 - usize::from(titles::numbered(&p.text).is_some())
    };
    let mut sizes: Vec<i64> = paragraphs
        .iter()
        .filter(|p| is_heading(p))
        .map(|p| step(p.size))
        .collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    sizes.dedup();
    for paragraph in paragraphs.iter_mut().filter(|p| is_heading(p)) {
        let level = sizes.iter().position(|s| *s == step(paragraph.size));
        paragraph.kind = BlockKind::Heading;
        paragraph.level = u8::try_from(level.unwrap_or(0) + 1)
            .unwrap_or(BELOW)
            .min(BELOW);
    }
}

/// Sizes that differ by less than half a point are one.
fn step(size: f64) -> i64 {
    (size * 2.0).round() as i64
}

/// A heading may take so many lines below another ("Chapter 1", "The Map").
const MAX_LINES: usize = 3;

fn by_outline(paragraphs: Vec<Paragraph>, marks: &[Mark]) -> Vec<Paragraph> {
    let mut places: Vec<(usize, usize, &Mark)> = Vec::new();
    let mut from = 0;
    for mark in marks {
        if let Some((at, count)) = find(&paragraphs, mark, from) {
            places.push((at, count, mark));
            from = at + count;
        }
    }
    let mut out = Vec::with_capacity(paragraphs.len());
    let mut places = places.into_iter().peekable();
    let mut skip = 0;
    for (i, paragraph) in paragraphs.into_iter().enumerate() {
        while let Some((_, count, mark)) = places.next_if(|(at, ..)| *at == i) {
            skip = skip.max(count);
            out.push(Paragraph {
                kind: BlockKind::Heading,
                level: mark.level,
                text: mark.title.clone(),
                page: mark.page,
                size: paragraph.size,
            });
        }
        match skip {
            0 => out.push(paragraph),
            _ => skip -= 1,
        }
    }
    out
}

/// Where a line of the outline stands, and how many paragraphs say what it says.
fn find(paragraphs: &[Paragraph], mark: &Mark, from: usize) -> Option<(usize, usize)> {
    let wanted = titles::fold(&mark.title);
    let start = from.max(paragraphs.partition_point(|p| p.page < mark.page));
    let page = paragraphs.get(start..)?;
    let len = page.partition_point(|p| p.page <= mark.page);
    let folded: Vec<String> = page[..len].iter().map(|p| titles::fold(&p.text)).collect();
    for at in 0..len {
        let mut own = String::new();
        for count in 1..=MAX_LINES.min(len - at) {
            own.push_str(&folded[at + count - 1]);
            if own.len() > wanted.len() + 40 {
                break;
            }
            let is_same = own == wanted
                || !wanted.is_empty()
                    && own.ends_with(&wanted)
                    && own.len() <= wanted.len() + 20
                    && page[at].kind == BlockKind::Heading;
            if is_same {
                return Some((start + at, count));
            }
        }
        // The heading may leave the number out.
        let is_part = page[at].kind == BlockKind::Heading
            && !folded[at].is_empty()
            && wanted.ends_with(&folded[at]);
        if is_part {
            return Some((start + at, 1));
        }
    }
    (start < paragraphs.len() && len > 0).then_some((start, 0))
}
