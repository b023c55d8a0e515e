//! Pages that are pictures: what is painted on each, for somebody who can read it.

use std::{
    collections::HashSet,
    iter,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
};

use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageData, ImageDrawProps,
    InterpreterCache, InterpreterSettings, LumaData, Paint, SoftMask, TransformExt as _,
    font::GlyphRun,
    hayro_syntax::{Pdf, PdfData, page::Page},
    interpret_page,
    kurbo::{Affine, BezPath, Point, Rect},
};

use super::{STACK_BYTES, corrupt, layout::Line, strings};
use crate::{
    Result,
    ingest::limits::{Limits, exceeded, too_slow},
    ocr::{OcrLine, PageImage},
};

/// A point of the page.
const POINTS_PER_INCH: f64 = 72.0;
/// Nothing is gained by more, and nothing can be read with less.
const DPI: (f64, f64) = (72.0, 600.0);
/// Sizes that differ by less are one: they are measured on the picture.
const SAME_SIZE: f64 = 0.12;

/// The pictures of these pages, each made when it is asked for; none where nothing is painted.
///
/// # Errors
/// `page_image_too_large`, `reading_too_slow` (a page takes longer than a whole book may), `corrupt_pdf`.
/// The error is the last item.
pub(super) fn pictures(
    data: PdfData,
    wanted: HashSet<usize>,
    limits: &Limits,
) -> Result<impl Iterator<Item = Result<PageImage>> + use<>> {
    // One waits while another is read.
    let (sender, receiver) = mpsc::sync_channel(0);
    let (own, limits) = (limits.clone(), limits.clone());
    std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let paint = AssertUnwindSafe(|| paint_all(data, &wanted, &own, &sender));
            if catch_unwind(paint).is_err() {
                let _ = sender.send(Some(Err(corrupt())));
            }
        })?;
    let mut is_over = false;
    Ok(iter::from_fn(move || {
        if is_over {
            return None;
        }
        let next = receiver
            .recv_timeout(limits.max_time)
            .unwrap_or_else(|_| Some(Err(too_slow(&limits))));
        is_over = !matches!(next, Some(Ok(_)));
        next
    }))
}

/// Sends picture after picture, and `None` at the end, as long as somebody takes them.
fn paint_all(
    data: PdfData,
    wanted: &HashSet<usize>,
    limits: &Limits,
    sender: &mpsc::SyncSender<Option<Result<PageImage>>>,
) {
    let Ok(pdf) = Pdf::new(data) else {
        let _ = sender.send(Some(Err(corrupt())));
        return;
    };
    let cache = InterpreterCache::new();
    let pages = pdf.pages().iter().enumerate();
    for (index, page) in pages.filter(|(index, _)| wanted.contains(index)) {
        let painted = paint(&pdf, page, &cache, limits).transpose();
        let numbered = painted.map(|picture| {
            picture.map(|picture| PageImage {
                number: u32::try_from(index + 1).unwrap_or(u32::MAX),
                ..picture
            })
        });
        if numbered.is_some_and(|it| sender.send(Some(it)).is_err()) {
            return;
        }
    }
    let _ = sender.send(None);
}

fn paint<'a>(
    pdf: &'a Pdf,
    page: &'a Page<'a>,
    cache: &'a InterpreterCache<'a>,
    limits: &Limits,
) -> Result<Option<PageImage>> {
    let (width, height) = page.render_dimensions();
    let (width, height) = (f64::from(width), f64::from(height));
    let bounds = Rect::new(0.0, 0.0, width, height);
    let mut context = Context::new(
        page.initial_transform(true).to_kurbo(),
        bounds,
        cache,
        pdf.xref(),
        InterpreterSettings::default(),
    );
    let mut collector = Collector {
        layers: Vec::new(),
        left: limits.max_whole_bytes,
        is_full: false,
    };
    interpret_page(page, &mut context, &mut collector);
    if collector.is_full {
        return Err(page_too_large(limits));
    }
    let Some(scale) = collector
        .layers
        .iter()
        .map(Layer::resolution)
        .reduce(f64::max)
    else {
        return Ok(None);
    };
    let scale = scale.clamp(DPI.0 / POINTS_PER_INCH, DPI.1 / POINTS_PER_INCH);
    let (columns, rows) = ((width * scale).ceil(), (height * scale).ceil());
    if !(columns >= 1.0 && rows >= 1.0) {
        return Ok(None);
    }
    if columns * rows > limits.max_whole_bytes as f64 {
        return Err(page_too_large(limits));
    }
    let (columns, rows) = (columns as u32, rows as u32);
    let mut luma = vec![u8::MAX; columns as usize * rows as usize];
    for layer in &collector.layers {
        layer.paint(&mut luma, columns, scale);
    }
    Ok(Some(PageImage {
        number: 0,
        width: columns,
        height: rows,
        dpi: (scale * POINTS_PER_INCH).round() as u32,
        luma,
    }))
}

fn page_too_large(limits: &Limits) -> crate::Error {
    exceeded(
        "page_image_too_large",
        "the pictures of a page have more pixels than are held whole; scan it with fewer, or raise \
         max_whole_bytes",
        limits.max_whole_bytes,
    )
}

/// A picture on a page.
struct Layer {
    width: u32,
    height: u32,
    luma: Vec<u8>,
    /// How much of each pixel covers what is below; all, where there is none.
    alpha: Option<Vec<u8>>,
    /// From its pixels to the points of the page.
    transform: Affine,
}

impl Layer {
    /// Its pixels to a point of the page.
    fn resolution(&self) -> f64 {
        let [a, b, c, d, ..] = self.transform.as_coeffs();
        let pixel = a.hypot(b).min(c.hypot(d));
        if pixel > 0.0 { 1.0 / pixel } else { 0.0 }
    }

    /// Paints it over a page of so many pixels to a point, taking the nearest of its own.
    fn paint(&self, page: &mut [u8], columns: u32, scale: f64) {
        let placed = Affine::scale(scale) * self.transform;
        if placed.determinant().abs() < f64::EPSILON {
            return;
        }
        let back = placed.inverse();
        let extent = Rect::new(0.0, 0.0, f64::from(self.width), f64::from(self.height));
        let covered = placed.transform_rect_bbox(extent);
        let rows = page.len() / columns as usize;
        let span = |from: f64, to: f64, most: usize| {
            let most = most as f64;
            from.floor().clamp(0.0, most) as usize..to.ceil().clamp(0.0, most) as usize
        };
        for y in span(covered.y0, covered.y1, rows) {
            for x in span(covered.x0, covered.x1, columns as usize) {
                let at = back * Point::new(x as f64 + 0.5, y as f64 + 0.5);
                if !extent.contains(at) {
                    continue;
                }
                let own = at.y as usize * self.width as usize + at.x as usize;
                let Some(value) = self.luma.get(own).copied() else {
                    continue;
                };
                let alpha = self.alpha.as_ref().and_then(|it| it.get(own)).copied();
                let alpha = u32::from(alpha.unwrap_or(u8::MAX));
                let pixel = &mut page[y * columns as usize + x];
                let mixed = u32::from(value) * alpha + u32::from(*pixel) * (255 - alpha);
                *pixel = (mixed / 255) as u8;
            }
        }
    }
}

/// Takes the pictures of a page, as long as they have no more pixels than may be.
struct Collector {
    layers: Vec<Layer>,
    left: u64,
    is_full: bool,
}

/// As bright as an eye sees it.
fn luma(red: u8, green: u8, blue: u8) -> u8 {
    let sum = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue);
    (sum / 1000) as u8
}

fn grey(image: ImageData) -> (LumaData, (f32, f32)) {
    match image {
        ImageData::Luma(data) => {
            let factors = data.scale_factors;
            (data, factors)
        }
        ImageData::Rgb(data) => {
            let pixels = data.data.chunks_exact(3);
            let grey = LumaData {
                data: pixels.map(|it| luma(it[0], it[1], it[2])).collect(),
                width: data.width,
                height: data.height,
                interpolate: data.interpolate,
                scale_factors: data.scale_factors,
            };
            (grey, data.scale_factors)
        }
    }
}

impl Device<'_> for Collector {
    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'_>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'_>>, _: BlendMode) {}
    fn draw_glyph_run(&mut self, _: &GlyphRun<'_, '_>, _: DrawProps<'_>, _: &DrawMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}

    fn draw_image(&mut self, image: Image<'_, '_>, props: ImageDrawProps<'_>) {
        let pixels = u64::from(image.width()) * u64::from(image.height());
        // In colour it is held with three bytes a pixel for a moment.
        let Some(left) = self.left.checked_sub(pixels.saturating_mul(3)) else {
            self.is_full = true;
            return;
        };
        self.left = left;
        let mut add = |image: LumaData, alpha: Option<Vec<u8>>, factors: (f32, f32)| {
            let factors = Affine::scale_non_uniform(factors.0.into(), factors.1.into());
            self.layers.push(Layer {
                width: image.width,
                height: image.height,
                luma: image.data,
                alpha,
                transform: props.transform * factors,
            });
        };
        match image {
            Image::Raster(raster) => raster.with_rgba(
                |image, alpha| {
                    let (image, factors) = grey(image);
                    // A mask of another size covers what it likes; what is below is white anyway.
                    let fits = |it: &LumaData| it.data.len() == image.data.len();
                    let alpha = alpha.filter(fits).map(|it| it.data);
                    add(image, alpha, factors);
                },
                None,
            ),
            Image::Stencil(stencil) => stencil.with_stencil(
                |mask, paint| {
                    let [red, green, blue, _] = match paint {
                        Paint::Color(color) => color.to_rgba().to_rgba8(),
                        Paint::Pattern(_) => [0, 0, 0, u8::MAX],
                    };
                    let factors = mask.scale_factors;
                    let alpha = mask.data.clone();
                    let painted = LumaData {
                        data: vec![luma(red, green, blue); mask.data.len()],
                        ..mask
                    };
                    add(painted, Some(alpha), factors);
                },
                None,
            ),
        }
    }
}

/// What was read on a picture of so many pixels to an inch, in points.
pub(super) fn lines(read: Vec<OcrLine>, dpi: u32) -> Vec<Line> {
    let scale = POINTS_PER_INCH / f64::from(dpi.max(1));
    let points = |pixels: f32| f64::from(pixels) * scale;
    let lines = read.into_iter().map(|line| Line {
        text: strings::repair(line.text.trim()),
        x: points(line.left),
        end: points(line.right.max(line.left)),
        y: points(line.baseline),
        size: points(line.size).max(1.0),
    });
    lines.filter(|line| !line.text.is_empty()).collect()
}

/// Gives the lines of the running text one size: what is measured on pictures varies.
pub(super) fn settle_sizes(pages: &mut [Vec<Line>]) {
    let mut sizes: Vec<f64> = pages.iter().flatten().map(|line| line.size).collect();
    sizes.sort_by(f64::total_cmp);
    let Some(usual) = sizes.get(sizes.len() / 2).copied() else {
        return;
    };
    for line in pages.iter_mut().flatten() {
        if (line.size - usual).abs() <= usual * SAME_SIZE {
            line.size = usual;
        }
    }
}
