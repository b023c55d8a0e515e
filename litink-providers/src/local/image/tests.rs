use litink_core::provider::MediaBody;

use super::*;

fn request(aspect: AspectRatio) -> ImageRequest {
    let mut request = ImageRequest::default();
    request.title = Some("The Lighthouse Keeper's Daughter".to_owned());
    request.prompt = "Mira climbs down to the wreck with a rope and a lamp".to_owned();
    request.style = Some("ink and watercolour".to_owned());
    request.aspect = aspect;
    request
}

fn png(request: &ImageRequest, variant: u32) -> Bytes {
    match draw(request, variant).unwrap().output {
        Output::Image { image } => match image.body {
            MediaBody::Bytes(bytes) => bytes,
            MediaBody::Stream(_) => panic!("a card is there at once"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn cards_have_the_size_of_their_shape_and_colours() {
    for (aspect, width, height) in [
        (AspectRatio::Landscape, 1_280, 720),
        (AspectRatio::Square, 1_024, 1_024),
        (AspectRatio::Portrait, 720, 1_280),
        (AspectRatio::Cover, 1_000, 1_500),
    ] {
        let pixels = tiny_skia::Pixmap::decode_png(&png(&request(aspect), 0)).unwrap();
        assert_eq!((pixels.width(), pixels.height()), (width, height));
        let colours: std::collections::HashSet<_> = pixels
            .pixels()
            .iter()
            .map(|p| (p.red(), p.green(), p.blue()))
            .collect();
        assert!(colours.len() > 50, "{}", colours.len());
    }
}

#[test]
fn the_same_request_gives_the_same_bytes_and_another_variant_others() {
    let request = request(AspectRatio::Landscape);
    assert_eq!(png(&request, 0), png(&request, 0));
    assert_ne!(png(&request, 0), png(&request, 1));
}

#[test]
fn letters_reach_the_card_in_three_scripts() {
    let mut empty = request(AspectRatio::Square);
    empty.title = None;
    let mut dice = dice(&empty, 0);
    let card = |title: &str, dice: &mut Dice| {
        let title = title.to_owned();
        let (prompt, style, size) = (String::new(), String::new(), (1_024, 1_024));
        let card = Card {
            title,
            prompt,
            style,
            size,
        };
        render(&card.svg(&mut dice.clone())).unwrap()
    };
    let blank = card("", &mut dice);
    let mut seen = std::collections::HashSet::from([blank]);
    for title in ["Emma", "Ωδή", "Война"] {
        assert!(seen.insert(card(title, &mut dice)), "{title} does not show");
    }
}

#[test]
fn what_a_card_cannot_do_is_said() {
    let mut request = request(AspectRatio::Cover);
    request.title = Some("紅樓夢".to_owned());
    request.transparent = true;
    let warnings = draw(&request, 0).unwrap().warnings;
    assert!(
        warnings.iter().any(|w| w.contains("transparent")),
        "{warnings:?}"
    );
    assert!(
        warnings.iter().any(|w| w.contains("3 characters")),
        "{warnings:?}"
    );
}

#[test]
fn odd_texts_are_drawn_all_the_same() {
    for text in [
        "",
        "\u{0}\u{1b}[31m",
        "]]>&<!--",
        &"long ".repeat(2_000),
        &"x".repeat(5_000),
    ] {
        let mut request = request(AspectRatio::Portrait);
        request.title = Some(text.to_owned());
        request.prompt = text.to_owned();
        request.style = Some(text.to_owned());
        assert!(draw(&request, 0).is_ok(), "{}", text.len());
    }
}
