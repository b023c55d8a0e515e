//! Where each glyph stands, and the lines that they make.

use std::time::Instant;

use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps,
    InterpreterCache, InterpreterSettings, SoftMask, TransformExt as _,
    font::{Glyph, GlyphRun},
    hayro_cmap::BfString,
    hayro_syntax::{Pdf, object::Dict},
    interpret_page,
    kurbo::{Affine, BezPath, Point, Rect},
};

use super::{layout::Line, strings};
use crate::{
    Result,
    ingest::limits::{Limits, text_too_large, too_slow},
};

/// The text of a file.
pub(super) struct Found {
    pub(super) pages: Vec<Vec<Line>>,
    pub(super) unknown: usize,
}

/// Reads all pages.
///
/// # Errors
///
/// `text_too_large`, `reading_too_slow`.
pub(super) fn read(pdf: &Pdf, limits: &Limits, deadline: Instant) -> Result<Found> {
    let cache = InterpreterCache::new();
    let mut pages = Vec::new();
    let mut unknown = 0;
    let mut left = limits.max_text_bytes;
    for page in pdf.pages().iter() {
        if Instant::now() > deadline {
            return Err(too_slow(limits));
        }
        let (width, height) = page.render_dimensions();
        let bounds = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
        let mut context = Context::new(
            page.initial_transform(true).to_kurbo(),
            bounds,
            &cache,
            pdf.xref(),
            InterpreterSettings::default(),
        );
        let mut collector = Collector {
            bounds,
            left,
            ..Collector::default()
        };
        interpret_page(page, &mut context, &mut collector);
        collector.end_line();
        if collector.is_full {
            return Err(text_too_large(limits));
        }
        left = collector.left;
        unknown += collector.unknown;
        pages.push(collector.lines);
    }
    Ok(Found { pages, unknown })
}

/// A character or a ligature on the page.
#[derive(Debug)]
struct Char {
    text: String,
    x: f64,
    end: f64,
    y: f64,
    size: f64,
}

#[derive(Debug, Default)]
struct Collector {
    bounds: Rect,
    lines: Vec<Line>,
    line: Vec<Char>,
    /// For each open marked content whether it is an artifact, such as a running head.
    artifacts: Vec<bool>,
    unknown: usize,
    left: u64,
    is_full: bool,
}

/// How far from the baseline of a line a glyph may stand, by size: notes are raised.
const BASELINE: f64 = 0.45;
/// A gap that is a blank, by size.
const BLANK: f64 = 0.17;
/// A gap that starts another column or cell, by size.
const COLUMN: f64 = 4.0;

impl Collector {
    fn add(&mut self, char: Char) {
        let bytes = char.text.len() as u64;
        if self.left < bytes {
            self.is_full = true;
            return;
        }
        self.left -= bytes;
        if let Some(last) = self.line.last() {
            let size = last.size.max(char.size);
            let is_off = (char.y - last.y).abs() > BASELINE * size;
            let is_far = char.x - last.end > COLUMN * size || last.x - char.x > 30.0 * size;
            if is_off || is_far {
                self.end_line();
            }
        }
        self.line.push(char);
    }

    fn end_line(&mut self) {
        let chars = std::mem::take(&mut self.line);
        self.lines.extend(line(chars));
    }

    fn is_artifact(&self) -> bool {
        self.artifacts.contains(&true)
    }
}

/// Puts the characters of a line together, with the blanks that are only gaps.
fn line(mut chars: Vec<Char>) -> Option<Line> {
    let rtl = chars.iter().filter(|c| is_rtl(&c.text)).count();
    if rtl * 2 > chars.len() {
        chars.sort_by(|a, b| b.x.total_cmp(&a.x));
        turn_numbers(&mut chars);
    }
    let mut text = String::new();
    let mut last: Option<&Char> = None;
    for char in &chars {
        if let Some(last) = last {
            let gap = (char.x - last.end).max(last.x - char.end);
            let has_blank = text.ends_with(char::is_whitespace) || char.text.starts_with(' ');
            if gap > BLANK * last.size.max(char.size) && !has_blank {
                text.push(' ');
            }
        }
        text.push_str(&char.text);
        last = Some(char);
    }
    let text = strings::repair(text.trim());
    let seen = || chars.iter().filter(|c| !c.text.trim().is_empty());
    // The size that most of the line has.
    let mut sizes: Vec<f64> = seen().map(|c| c.size).collect();
    sizes.sort_by(f64::total_cmp);
    let size = *sizes.get(sizes.len() / 2)?;
    let y = seen().find(|c| (c.size - size).abs() < 0.01)?.y;
    (!text.is_empty()).then(|| Line {
        text,
        x: seen().map(|c| c.x).fold(f64::MAX, f64::min),
        end: seen().map(|c| c.end).fold(f64::MIN, f64::max),
        y,
        size,
    })
}

fn is_rtl(text: &str) -> bool {
    text.chars()
        .any(|c| matches!(c, '\u{590}'..='\u{8FF}' | '\u{FB1D}'..='\u{FEFC}'))
}

/// Numbers and Latin words in a line from right to left read from left to right.
fn turn_numbers(chars: &mut [Char]) {
    let is_left = |c: &Char| {
        c.text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '.')
    };
    let mut at = 0;
    while at < chars.len() {
        let run = chars[at..].iter().take_while(|c| is_left(c)).count();
        if let Some(run) = chars.get_mut(at..at + run) {
            run.reverse();
        }
        at += run.max(1);
    }
}

impl Device<'_> for Collector {
    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'_>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'_>>, _: BlendMode) {}
    fn draw_image(&mut self, _: Image<'_, '_>, _: ImageDrawProps<'_>) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}

    fn begin_marked_content(&mut self, tag: &[u8], _: Option<&Dict<'_>>) {
        self.artifacts.push(tag == b"Artifact");
    }

    fn end_marked_content(&mut self) {
        self.artifacts.pop();
    }

    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, '_>, props: DrawProps<'_>, _: &DrawMode) {
        if self.is_artifact() || self.is_full {
            return;
        }
        for glyph in run.glyphs() {
            let transform: Affine = props.transform * glyph.transform();
            let start = transform * Point::ZERO;
            if !self.bounds.inflate(1.0, 1.0).contains(start) {
                continue;
            }
            let advance = match &**glyph {
                Glyph::Outline(outline) => outline.advance_width(),
                Glyph::Type3(glyph) => glyph.advance_width(),
            };
            let end = transform * Point::new(f64::from(advance.unwrap_or(0.0)), 0.0);
            let [_, _, c, d, ..] = transform.as_coeffs();
            // Glyphs are drawn in thousandths of the font's size.
            let size = c.hypot(d) * 1000.0;
            let text = match glyph.as_unicode() {
                Some(BfString::Char(c)) => c.to_string(),
                Some(BfString::String(text)) => text.to_string(),
                None => {
                    self.unknown += 1;
                    continue;
                }
            };
            self.add(Char {
                text,
                x: start.x,
                end: end.x.max(start.x),
                y: start.y,
                size: if size.is_finite() && size > 0.1 {
                    size
                } else {
                    1.0
                },
            });
        }
    }
}
