//! The card's composition.

use std::fmt::Write;

use super::{
    Dice, ornament,
    palette::Palette,
    typeset::{Block, FAMILY, Face, Frame},
};

/// What a card shows. Texts hold only characters that the font has; empty ones are left out.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) title: String,
    pub(super) prompt: String,
    pub(super) style: String,
    /// Width and height in pixels.
    pub(super) size: (u32, u32),
}

/// A rectangle: left, top, width, height.
#[derive(Clone, Copy, Debug)]
struct Area(f32, f32, f32, f32);

impl Card {
    /// The card as SVG.
    pub(super) fn svg(&self, dice: &mut Dice) -> String {
        let (width, height) = (self.size.0 as f32, self.size.1 as f32);
        let palette = Palette::choose(dice);
        let (picture, panel) = areas(width, height);
        let Area(x, y, w, h) = picture;
        let art = ornament::draw(dice, palette, w, h);
        let mut svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"><rect width="{width}" height="{height}" fill="{}"/><svg x="{x}" y="{y}" width="{w}" height="{h}">{art}</svg>"#,
            palette.paper
        );
        self.write_panel(&mut svg, palette, panel);
        svg.push_str("</svg>");
        svg
    }

    fn write_panel(&self, svg: &mut String, palette: &Palette, panel: Area) {
        let Area(left, top, width, height) = panel;
        let unit = unit(panel);
        let margin = unit * 0.11;
        let ink = palette.ink;
        let (inner, foot) = (width - 2.0 * margin, unit * 0.12);
        let room = height - margin - foot - unit * 0.06;
        let centre = left + width / 2.0;
        let title = self.title_frame(inner, room, unit).set(&self.title);
        let rest = room - title.height();
        let prompt = self.prompt_frame(inner, rest, unit).set(&self.prompt);
        let rule = if self.title.is_empty() || self.prompt.is_empty() {
            0.0
        } else {
            unit * 0.13
        };
        let used = title.height() + rule + prompt.height();
        let mut y = top + margin * 0.8 + (room - used).max(0.0) / 2.0;
        y = write_block(svg, &title, Face::Regular, ink, 1.0, (centre, y));
        if rule > 0.0 {
            write_rule(svg, palette, (centre, y + rule / 2.0), unit);
        }
        write_block(svg, &prompt, Face::Italic, ink, 0.86, (centre, y + rule));
        self.write_foot(svg, palette, panel, margin);
    }

    fn title_frame(&self, width: f32, room: f32, unit: f32) -> Frame {
        let share = match self.prompt.chars().count() {
            0 => 0.95,
            1..=80 => 0.62,
            _ => 0.42,
        };
        Frame {
            face: Face::Regular,
            width,
            height: room * share,
            largest: unit * 0.185,
            smallest: unit * 0.06,
            leading: 1.08,
            most_lines: 5,
        }
    }

    fn prompt_frame(&self, width: f32, rest: f32, unit: f32) -> Frame {
        let alone = self.title.is_empty();
        let rule = if alone { 0.0 } else { unit * 0.13 };
        Frame {
            face: Face::Italic,
            width,
            height: (rest - rule).max(unit * 0.06),
            largest: unit * if alone { 0.085 } else { 0.064 },
            smallest: unit * 0.036,
            leading: 1.28,
            most_lines: 9,
        }
    }

    /// The style on the left, "draft" on the right.
    fn write_foot(&self, svg: &mut String, palette: &Palette, panel: Area, margin: f32) {
        let Area(left, top, width, height) = panel;
        let size = unit(panel) * 0.036;
        let baseline = top + height - margin * 0.55;
        let ink = palette.ink;
        write_text(
            svg,
            "draft",
            Face::Italic,
            (size, ink, 0.55),
            "end",
            (left + width - margin, baseline),
        );
        if self.style.is_empty() {
            return;
        }
        let frame = Frame {
            face: Face::Italic,
            width: width - 2.0 * margin - Face::Italic.width("draft", size) - size * 2.0,
            height: size * 1.2,
            largest: size,
            smallest: size,
            leading: 1.0,
            most_lines: 1,
        };
        for line in frame.set(&self.style).lines {
            write_text(
                svg,
                &line,
                Face::Italic,
                (size, ink, 0.7),
                "start",
                (left + margin, baseline),
            );
        }
    }
}

/// What sizes are measured by: a panel's width, less in a flat panel.
fn unit(panel: Area) -> f32 {
    let Area(_, _, width, height) = panel;
    width.min(height * 1.25)
}

/// The picture's place and the text's.
fn areas(width: f32, height: f32) -> (Area, Area) {
    if width > height {
        let split = (width * 0.46).round();
        (
            Area(width - split, 0.0, split, height),
            Area(0.0, 0.0, width - split, height),
        )
    } else {
        let share = if width == height { 0.5 } else { 0.56 };
        let split = (height * share).round();
        (
            Area(0.0, 0.0, width, split),
            Area(0.0, split, width, height - split),
        )
    }
}

/// Centred lines; returns where they end.
fn write_block(
    svg: &mut String,
    block: &Block,
    face: Face,
    ink: &str,
    opacity: f32,
    (centre, top): (f32, f32),
) -> f32 {
    let mut y = top;
    for line in &block.lines {
        let baseline = y + (block.step - block.size) / 2.0 + block.size * 0.78;
        write_text(
            svg,
            line,
            face,
            (block.size, ink, opacity),
            "middle",
            (centre, baseline),
        );
        y += block.step;
    }
    y
}

fn write_rule(svg: &mut String, palette: &Palette, (x, y): (f32, f32), unit: f32) {
    let (reach, gap, tip) = (unit * 0.15, unit * 0.025, unit * 0.011);
    let tone = palette.tones[1];
    let (a, b, c, d) = (x - reach, x - gap, x + gap, x + reach);
    let (up, down, left, right) = (y - tip, y + tip, x - tip, x + tip);
    let thin = unit * 0.0035;
    let _ = write!(
        svg,
        r#"<path d="M{a:.1} {y:.1}H{b:.1}M{c:.1} {y:.1}H{d:.1}" stroke="{tone}" stroke-width="{thin:.2}"/><path d="M{x:.1} {up:.1}L{right:.1} {y:.1}L{x:.1} {down:.1}L{left:.1} {y:.1}Z" fill="{tone}"/>"#
    );
}

fn write_text(
    svg: &mut String,
    text: &str,
    face: Face,
    (size, ink, opacity): (f32, &str, f32),
    anchor: &str,
    (x, y): (f32, f32),
) {
    let style = match face {
        Face::Regular => "normal",
        Face::Italic => "italic",
    };
    let text = escaped(text);
    let _ = write!(
        svg,
        r#"<text x="{x:.1}" y="{y:.1}" font-family="{FAMILY}" font-size="{size:.1}" font-style="{style}" fill="{ink}" fill-opacity="{opacity}" text-anchor="{anchor}" xml:space="preserve">{text}</text>"#
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let card = Card {
            title: "</text><image href=\"file:///etc/passwd\"/>".to_owned(),
            prompt: "Tom & <Jerry>".to_owned(),
            style: "&lt;".to_owned(),
            size: (1_280, 720),
        };
        let svg = card.svg(&mut Dice::new());
        assert!(!svg.contains("<image"), "{svg}");
        assert!(
            svg.contains("Tom &amp; &lt;Jerry&gt;") && svg.contains("&amp;lt;"),
            "{svg}"
        );
    }
}
