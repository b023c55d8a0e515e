//! Pictures of plain geometry, each in a rectangle of its own.

use std::fmt::Write;

use super::{Dice, palette::Palette};

/// Draws one of the ornaments into a `width` by `height` rectangle at the origin.
pub(super) fn draw(dice: &mut Dice, palette: &Palette, width: f32, height: f32) -> String {
    let drawings = [hills, peaks, rays, tiles, scales, orbits];
    let drawing = drawings[dice.below(drawings.len())];
    let mut art = Art {
        svg: String::new(),
        width,
        height,
        palette,
    };
    drawing(&mut art, dice);
    art.svg
}

struct Art<'a> {
    svg: String,
    width: f32,
    height: f32,
    palette: &'a Palette,
}

impl Art<'_> {
    fn push(&mut self, shape: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.svg.write_fmt(shape);
    }

    fn sky(&mut self) {
        let [top, low] = self.palette.sky;
        let (width, height) = (self.width, self.height);
        self.push(format_args!(
            r#"<linearGradient id="sky" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{top}"/><stop offset="1" stop-color="{low}"/></linearGradient><rect width="{width}" height="{height}" fill="url(#sky)"/>"#
        ));
    }

    fn disc(&mut self, x: f32, y: f32, radius: f32, fill: &str, opacity: f32) {
        self.push(format_args!(
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius:.1}" fill="{fill}" fill-opacity="{opacity}"/>"#
        ));
    }

    fn ring(&mut self, x: f32, y: f32, radius: f32, stroke: f32, opacity: f32) {
        let light = self.palette.light;
        self.push(format_args!(
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius:.1}" fill="none" stroke="{light}" stroke-width="{stroke:.1}" stroke-opacity="{opacity}"/>"#
        ));
    }

    fn path(&mut self, data: &str, fill: &str) {
        self.push(format_args!(r#"<path d="{data}" fill="{fill}"/>"#));
    }

    /// The shorter side.
    fn unit(&self) -> f32 {
        self.width.min(self.height)
    }

    fn sun(&mut self, dice: &mut Dice) {
        let radius = self.unit() * dice.between(0.11, 0.17);
        let x = self.width * dice.between(0.25, 0.75);
        let y = self.height * dice.between(0.26, 0.42);
        let light = self.palette.light;
        for (grown, opacity) in [(2.3, 0.10), (1.6, 0.16), (1.0, 1.0)] {
            self.disc(x, y, radius * grown, light, opacity);
        }
    }

    fn stars(&mut self, dice: &mut Dice, count: usize) {
        let light = self.palette.light;
        for _ in 0..count {
            let x = self.width * dice.between(0.03, 0.97);
            let y = self.height * dice.between(0.03, 0.6);
            let radius = self.unit() * dice.between(0.0015, 0.004);
            let opacity = dice.between(0.4, 0.9);
            self.disc(x, y, radius, light, opacity);
        }
    }
}

/// Layers of soft hills under a sun.
fn hills(art: &mut Art<'_>, dice: &mut Dice) {
    art.sky();
    art.sun(dice);
    for (layer, tone) in art.palette.tones.into_iter().enumerate() {
        let base = art.height * (0.50 + 0.135 * layer as f32);
        let swing = art.height * dice.between(0.06, 0.12);
        let data = wave(art, dice, base, swing);
        art.path(&data, tone);
    }
}

/// A closed shape below a smooth line.
fn wave(art: &Art<'_>, dice: &mut Dice, base: f32, swing: f32) -> String {
    let crests = 3;
    let step = art.width / crests as f32;
    let mut y = base + dice.between(-swing, swing);
    let mut data = format!("M0 {y:.1}");
    for i in 0..crests {
        let (left, right) = (step * i as f32, step * (i + 1) as f32);
        let next = base + dice.between(-swing, swing);
        let middle = f32::midpoint(left, right);
        let _ = write!(
            data,
            "C{middle:.1} {y:.1} {middle:.1} {next:.1} {right:.1} {next:.1}"
        );
        y = next;
    }
    let _ = write!(data, "V{:.1}H0Z", art.height);
    data
}

/// Sharp mountains, one side lit, under a moon.
fn peaks(art: &mut Art<'_>, dice: &mut Dice) {
    art.sky();
    art.stars(dice, 40);
    art.sun(dice);
    for (layer, tone) in art.palette.tones.into_iter().enumerate() {
        let depth = layer as f32;
        let foot = art.height * (0.9 + 0.12 * depth);
        let count = 2 + layer;
        let step = art.width / count as f32;
        for i in 0..=count {
            let x = step * i as f32 + dice.between(-0.25, 0.25) * step;
            let tall = art.height * (0.18 + dice.between(0.24, 0.40) * (1.0 - 0.16 * depth));
            let half = step * dice.between(0.62, 0.85);
            mountain(art, tone, (x, foot), tall, half);
        }
        let (width, height) = (art.width, art.height);
        art.path(&format!("M0 {foot:.1}H{width}V{height}H0Z"), tone);
    }
}

fn mountain(art: &mut Art<'_>, tone: &str, (x, foot): (f32, f32), tall: f32, half: f32) {
    let top = foot - tall;
    let (left, right) = (x - half, x + half);
    art.path(
        &format!("M{left:.1} {foot:.1}L{x:.1} {top:.1}L{right:.1} {foot:.1}Z"),
        tone,
    );
    let light = art.palette.light;
    let ridge = x - half * 0.12;
    let low = foot - tall * 0.5;
    art.push(format_args!(
        r#"<path d="M{x:.1} {top:.1}L{right:.1} {foot:.1}H{x:.1}L{ridge:.1} {low:.1}Z" fill="{light}" fill-opacity="0.10"/>"#
    ));
}

/// A sunburst over concentric arches.
fn rays(art: &mut Art<'_>, dice: &mut Dice) {
    art.sky();
    let (x, y) = (art.width / 2.0, art.height * dice.between(0.86, 1.0));
    let far = art.width.hypot(art.height);
    let count = 12 + 2 * dice.below(5);
    let light = art.palette.light;
    for i in 0..count {
        let from = std::f32::consts::PI * (i as f32 + 0.25) / count as f32;
        let to = std::f32::consts::PI * (i as f32 + 0.75) / count as f32;
        let (ax, ay) = (x - far * from.cos(), y - far * from.sin());
        let (bx, by) = (x - far * to.cos(), y - far * to.sin());
        art.push(format_args!(
            r#"<path d="M{x:.1} {y:.1}L{ax:.1} {ay:.1}L{bx:.1} {by:.1}Z" fill="{light}" fill-opacity="0.16"/>"#
        ));
    }
    let arches = [0.46, 0.37, 0.28, 0.19].into_iter().zip(art.palette.tones);
    let unit = art.unit();
    for (radius, tone) in arches {
        art.disc(x, y, unit * radius * 1.25, tone, 1.0);
        art.ring(x, y, unit * (radius * 1.25 - 0.018), unit * 0.005, 0.55);
    }
    art.disc(x, y, unit * 0.12, light, 1.0);
}

/// Squares of quarter circles.
fn tiles(art: &mut Art<'_>, dice: &mut Dice) {
    let columns = (art.width / (art.unit() / 4.0)).round().max(3.0);
    let side = art.width / columns;
    let rows = (art.height / side).ceil() as usize;
    let [sky, horizon] = art.palette.sky;
    let grounds = [
        sky,
        horizon,
        art.palette.paper,
        art.palette.tones[0],
        art.palette.tones[2],
    ];
    let inks = [
        art.palette.tones[1],
        art.palette.tones[3],
        art.palette.light,
        art.palette.tones[0],
    ];
    for row in 0..rows {
        for column in 0..columns as usize {
            let ground = grounds[dice.below(grounds.len())];
            let mut ink = inks[dice.below(inks.len())];
            if ink == ground {
                ink = art.palette.tones[3];
            }
            tile(
                art,
                dice,
                (column as f32 * side, row as f32 * side, side),
                (ground, ink),
            );
        }
    }
}

fn tile(
    art: &mut Art<'_>,
    dice: &mut Dice,
    (x, y, side): (f32, f32, f32),
    (ground, ink): (&str, &str),
) {
    let turn = 90 * dice.below(4);
    let half = side / 2.0;
    // A hair larger than its place: edges that meet show no seam.
    let over = side + 0.6;
    let shape = match dice.below(5) {
        0 => format!("M0 0H{side:.1}A{side:.1} {side:.1} 0 0 1 0 {side:.1}Z"),
        1 => format!(
            "M0 0H{side:.1}A{side:.1} {side:.1} 0 0 1 0 {side:.1}ZM{half:.1} 0A{half:.1} {half:.1} 0 0 1 0 {half:.1}V0Z"
        ),
        2 => format!("M0 {half:.1}A{half:.1} {half:.1} 0 0 1 {side:.1} {half:.1}Z"),
        3 => format!("M0 0L{side:.1} {side:.1}H0Z"),
        _ => format!(
            "M0 0A{side:.1} {side:.1} 0 0 1 {side:.1} {side:.1}A{side:.1} {side:.1} 0 0 1 0 0Z"
        ),
    };
    art.push(format_args!(
        r#"<g transform="translate({x:.1} {y:.1})"><rect width="{over:.1}" height="{over:.1}" fill="{ground}"/><path d="{shape}" fill="{ink}" fill-rule="evenodd" transform="rotate({turn} {half:.1} {half:.1})"/></g>"#
    ));
}

/// Overlapping waves of concentric circles.
fn scales(art: &mut Art<'_>, dice: &mut Dice) {
    art.sky();
    if dice.coin() {
        art.stars(dice, 30);
    }
    art.sun(dice);
    let radius = art.width / (5.0 + dice.below(3) as f32) / 2.0 * 1.15;
    let first = art.height * dice.between(0.50, 0.58);
    let rows = ((art.height - first) / (radius * 0.5)).ceil() as usize + 2;
    for row in 0..rows {
        let y = first + row as f32 * radius * 0.5;
        let shift = if row % 2 == 0 { 0.0 } else { radius };
        let columns = (art.width / (radius * 2.0)).ceil() as usize + 1;
        for column in 0..=columns {
            let x = column as f32 * radius * 2.0 - shift;
            scale(art, (x, y + radius), radius, row);
        }
    }
}

fn scale(art: &mut Art<'_>, (x, y): (f32, f32), radius: f32, row: usize) {
    let tones = art.palette.tones;
    let light = art.palette.light;
    for (i, part) in [1.0, 0.78, 0.56, 0.34].into_iter().enumerate() {
        let tone = if i % 2 == 0 {
            tones[(row / 2 + 1).min(3)]
        } else {
            light
        };
        let opacity = if i % 2 == 0 { 1.0 } else { 0.8 };
        art.disc(x, y, radius * part, tone, opacity);
    }
}

/// Planets on rings around a sun.
fn orbits(art: &mut Art<'_>, dice: &mut Dice) {
    art.sky();
    art.stars(dice, 60);
    let unit = art.unit();
    let (x, y) = (
        art.width * dice.between(0.35, 0.65),
        art.height * dice.between(0.42, 0.58),
    );
    let light = art.palette.light;
    art.disc(x, y, unit * 0.17, light, 0.14);
    art.disc(x, y, unit * 0.11, light, 1.0);
    for ring in 0..6 {
        let radius = unit * (0.2 + 0.1 * ring as f32);
        art.ring(x, y, radius, unit * 0.003, 0.55);
        let angle = dice.between(0.0, std::f32::consts::TAU);
        let size = unit * dice.between(0.015, 0.045);
        let tone = art.palette.tones[dice.below(4)];
        let (px, py) = (x + radius * angle.cos(), y + radius * angle.sin());
        art.disc(px, py, size * 1.35, art.palette.sky[1], 1.0);
        art.disc(px, py, size, tone, 1.0);
    }
}
