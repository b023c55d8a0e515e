use std::io::Cursor;

use bytes::Bytes;
use zune_jpeg::{JpegDecoder, zune_core::options::DecoderOptions};

use super::unsound;
use crate::Result;

/// Pictures of more pixels are not decoded: 8,192 by 8,192, above what any vendor draws.
const MOST_PIXELS: u64 = 64 << 20;
/// Of fewer pixels on a side, one colour may be meant.
const SMALL: u32 = 16;

/// The media type of an image, by its bytes: PNG, JPEG, WebP or GIF that is whole, and, as far as it is
/// decoded here (PNG, JPEG), not of one colour all over.
pub(in crate::engine::generate) fn image(bytes: &Bytes) -> Result<&'static str> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        png(bytes)?;
        return Ok("image/png");
    }
    if bytes.starts_with(b"\xff\xd8\xff") {
        jpeg(bytes)?;
        return Ok("image/jpeg");
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        webp(bytes)?;
        return Ok("image/webp");
    }
    if bytes.starts_with(b"GIF8") {
        return match bytes.last() {
            // Its trailer.
            Some(b';') => Ok("image/gif"),
            _ => Err(broken()),
        };
    }
    Err(unsound(
        "not_an_image",
        "the provider sent what is no image that litink reads (PNG, JPEG, WebP)",
    ))
}

fn broken() -> crate::Error {
    unsound(
        "broken_image",
        "the provider sent an image that is broken, or ends too early",
    )
}

fn blank() -> crate::Error {
    unsound(
        "blank_image",
        "the provider sent an image of one colour all over",
    )
}

/// Row by row, so that no more than a row is held. Checks sums, and so the end, too.
fn png(bytes: &Bytes) -> Result<()> {
    let decoder = png::Decoder::new(Cursor::new(bytes.as_ref()));
    let mut reader = decoder.read_info().map_err(|_| broken())?;
    let info = reader.info();
    let (width, height) = info.size();
    let pixel = info.bytes_per_pixel();
    // Smaller pixels lie in one byte, whose bits would have to be told apart.
    let whole_bytes = info.bits_per_pixel() >= 8;
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Ok(());
    }
    let mut first: Option<Vec<u8>> = None;
    let mut one_colour = whole_bytes && width.min(height) >= SMALL;
    while let Some(row) = reader.next_row().map_err(|_| broken())? {
        if !one_colour {
            continue;
        }
        let row = row.data();
        let first = first.get_or_insert_with(|| row.get(..pixel).unwrap_or_default().to_vec());
        one_colour = row.chunks_exact(pixel).all(|it| it == first.as_slice());
    }
    // The chunks after the picture, to the very end.
    reader.finish().map_err(|_| broken())?;
    if one_colour { Err(blank()) } else { Ok(()) }
}

fn jpeg(bytes: &Bytes) -> Result<()> {
    // Decoders fill up what is missing, so the mark of the end is looked for; pictures in its head have
    // one, too.
    let last_half = &bytes[bytes.len() / 2..];
    if !last_half.windows(2).any(|it| it == [0xff, 0xd9]) {
        return Err(broken());
    }
    let options = DecoderOptions::default()
        .set_max_width(1 << 15)
        .set_max_height(1 << 15);
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(bytes.as_ref()), options);
    decoder.decode_headers().map_err(|_| broken())?;
    let (width, height) = decoder.dimensions().ok_or_else(broken)?;
    if (width * height) as u64 > MOST_PIXELS {
        return Ok(());
    }
    let pixels = decoder.decode().map_err(|_| broken())?;
    let pixel = pixels.len() / (width * height).max(1);
    let large = width.min(height) >= SMALL as usize;
    let Some(first) = pixels.get(..pixel).filter(|it| large && !it.is_empty()) else {
        return Ok(());
    };
    match pixels.chunks_exact(pixel).all(|it| it == first) {
        true => Err(blank()),
        false => Ok(()),
    }
}

/// By its lengths alone.
fn webp(bytes: &Bytes) -> Result<()> {
    let declared = bytes.get(4..8).and_then(|it| it.try_into().ok());
    let declared = declared.map_or(0, u32::from_le_bytes) as usize;
    let kind = bytes.get(12..16).unwrap_or_default();
    let known = [b"VP8 ".as_slice(), b"VP8L", b"VP8X"].contains(&kind);
    if known && declared >= 12 && declared + 8 <= bytes.len() {
        Ok(())
    } else {
        Err(broken())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PNG of this size, whose pixels are said by place.
    fn drawn(side: u32, at: impl Fn(u32) -> u8) -> Bytes {
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, side, side);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header().unwrap();
        let pixels: Vec<u8> = (0..side * side * 3).map(at).collect();
        writer.write_image_data(&pixels).unwrap();
        writer.finish().unwrap();
        out.into()
    }

    fn code(bytes: &Bytes) -> Option<String> {
        let error = image(bytes).err()?;
        assert_eq!(error.charge(), crate::Charge::Yes);
        assert_eq!(error.retry(), crate::Retry::Backoff);
        Some(error.code().to_owned())
    }

    #[test]
    fn what_is_cut_off_or_changed_anywhere_is_broken() {
        let whole = drawn(32, |at| (at % 251) as u8);
        assert_eq!(code(&whole), None);
        for end in 8..whole.len() {
            let cut = whole.slice(..end);
            assert_eq!(code(&cut).as_deref(), Some("broken_image"), "{end}");
        }
        let mut changed = whole.to_vec();
        changed[60] ^= 1;
        assert_eq!(code(&changed.into()).as_deref(), Some("broken_image"));
    }

    #[test]
    fn one_colour_is_no_picture_but_a_dot_is() {
        assert_eq!(code(&drawn(64, |_| 200)).as_deref(), Some("blank_image"));
        assert_eq!(code(&drawn(64, |at| u8::from(at == 9_000))), None);
        assert_eq!(code(&drawn(8, |_| 200)), None);
    }

    #[test]
    fn other_formats_are_told_by_their_bytes() {
        for bytes in [
            "",
            "{\"error\":1}",
            "<html></html>",
            "BM",
            "RIFF\0\0\0\0WAVE",
        ] {
            let bytes = Bytes::from(bytes);
            assert_eq!(code(&bytes).as_deref(), Some("not_an_image"), "{bytes:?}");
        }
        let mut webp = b"RIFF\x10\0\0\0WEBPVP8L\x04\0\0\0abcd".to_vec();
        assert_eq!(image(&webp.clone().into()).unwrap(), "image/webp");
        webp.pop();
        assert_eq!(code(&webp.into()).as_deref(), Some("broken_image"));
        assert_eq!(image(&Bytes::from_static(b"GIF89a;")).unwrap(), "image/gif");
        // A head alone, of a JPEG that was cut off.
        let head = Bytes::from_static(b"\xff\xd8\xff\xe0\0\x10JFIF\0");
        assert_eq!(code(&head).as_deref(), Some("broken_image"));
    }
}
