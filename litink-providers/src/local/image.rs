//! Title cards: an ornament, a title, the prompt and the style, drawn as SVG and rendered.
//!
//! No noise filters: `feTurbulence` takes ten times as long as all the rest.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use litink_core::{
    Error, Result,
    provider::{AspectRatio, Generated, ImageRequest, Media, Output, Usage},
};
use resvg::{tiny_skia, usvg};

mod card;
mod dice;
mod ornament;
mod palette;
mod typeset;

use card::Card;
use dice::Dice;
use typeset::Face;

static FONTS: LazyLock<Arc<usvg::fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = usvg::fontdb::Database::new();
    for face in Face::ALL {
        fonts.load_font_data(face.file().to_vec());
    }
    Arc::new(fonts)
});

/// Draws a card. Settings that need a painter are warnings.
pub(super) fn draw(request: &ImageRequest, variant: u32) -> Result<Generated> {
    let mut missing = 0;
    let mut shown = |text: Option<&str>| {
        let (text, lost) = typeset::showable(text.unwrap_or_default());
        missing += lost;
        text
    };
    let card = Card {
        title: shown(request.title.as_deref()),
        prompt: shown(Some(&request.prompt)),
        style: shown(request.style.as_deref()),
        size: size(request.aspect),
    };
    let png = render(&card.svg(&mut dice(request, variant)))?;
    let mut warnings = unused(request);
    if missing > 0 {
        warnings.push(format!(
            "the card's font has Latin, Greek and Cyrillic letters: {missing} characters of other \
             scripts are not shown"
        ));
    }
    Ok(generated(png, warnings))
}

fn generated(png: Vec<u8>, warnings: Vec<String>) -> Generated {
    let image = Media::bytes("image/png", Bytes::from(png));
    let mut usage = Usage::default();
    usage.images = Some(1);
    let mut made = Generated::new(Output::Image { image });
    made.model = Some("card".to_owned());
    made.usage = usage;
    made.warnings = warnings;
    made
}

/// Width and height in pixels.
fn size(aspect: AspectRatio) -> (u32, u32) {
    match aspect {
        AspectRatio::Square => (1_024, 1_024),
        AspectRatio::Portrait => (720, 1_280),
        AspectRatio::Cover => (1_000, 1_500),
        _ => (1_280, 720),
    }
}

/// The same request throws the same dice, in every process and version.
fn dice(request: &ImageRequest, variant: u32) -> Dice {
    let mut dice = Dice::new();
    for text in [
        request.title.as_deref(),
        Some(request.prompt.as_str()),
        request.style.as_deref(),
    ] {
        dice.mix(text.unwrap_or_default().as_bytes());
    }
    dice.mix(&request.seed.unwrap_or_default().to_le_bytes());
    dice.mix(&variant.to_le_bytes());
    dice
}

fn unused(request: &ImageRequest) -> Vec<String> {
    let settings = [
        (!request.references.is_empty(), "references"),
        (request.base.is_some(), "base"),
        (request.mask.is_some(), "mask"),
        (request.transparent, "transparent"),
    ];
    let unused = settings.into_iter().filter(|(given, _)| *given);
    unused
        .map(|(_, name)| format!("cards of the local provider do not use {name}"))
        .collect()
}

fn render(svg: &str) -> Result<Vec<u8>> {
    let options = usvg::Options {
        fontdb: Arc::clone(&FONTS),
        font_family: typeset::FAMILY.to_owned(),
        ..usvg::Options::default()
    };
    let tree = usvg::Tree::from_str(svg, &options)
        .map_err(|error| Error::internal("a card is not valid SVG").with_source(error))?;
    let size = tree.size().to_int_size();
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height())
        .ok_or_else(|| Error::internal("a card has no size"))?;
    resvg::render(
        &tree,
        tiny_skia::Transform::identity(),
        &mut pixels.as_mut(),
    );
    pixels
        .encode_png()
        .map_err(|error| Error::internal("a card cannot be written as PNG").with_source(error))
}

#[cfg(test)]
mod tests;
