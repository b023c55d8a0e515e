//! How far the compressed streams of a file expand, before the parser expands them.
//!
//! The parser expands a stream at once and has no limit. What deflate says of itself is measured
//! here without keeping what comes out. Streams of an encrypted file cannot be measured.

use std::io::{self, Read};

use flate2::read::ZlibDecoder;

use crate::{
    Result,
    ingest::limits::{Limits, exceeded},
};

/// Deflate makes at most so much of a byte.
const MAX_GROWTH: u64 = 1032;
/// The dictionary of a stream stands so near before it.
const DICTIONARY_BYTES: usize = 512;

/// Refuses a file with a stream that expands to more than what may be held whole.
pub(super) fn check(bytes: &[u8], limits: &Limits) -> Result<()> {
    let cap = limits.max_whole_bytes;
    let mut from = 0;
    while let Some(at) = find(&bytes[from..], b"stream") {
        let at = from + at;
        from = at + b"stream".len();
        if bytes[..at].ends_with(b"end") {
            continue;
        }
        let start = from
            + bytes[from..]
                .iter()
                .take(2)
                .filter(|b| b"\r\n".contains(b))
                .count();
        let body = &bytes[start..];
        let end = find(body, b"endstream").unwrap_or(body.len());
        from = start + end;
        let dictionary = &bytes[at.saturating_sub(DICTIONARY_BYTES)..at];
        let layers = layers(dictionary);
        let most = (end as u64).saturating_mul(MAX_GROWTH.saturating_pow(layers));
        if layers > 0 && most > cap && expanded(&body[..end], layers, cap) > cap {
            return Err(exceeded(
                "archive_too_large",
                "a compressed stream of the PDF expands to more than allowed; if it can be \
                 trusted, raise max_whole_bytes",
                cap,
            ));
        }
    }
    Ok(())
}

/// How many times the stream below a dictionary is deflated.
fn layers(dictionary: &[u8]) -> u32 {
    // What stands before the last object is another's.
    let own = dictionary
        .windows(4)
        .rposition(|w| w == b" obj")
        .unwrap_or(0);
    let text = String::from_utf8_lossy(&dictionary[own..]);
    let count = text.matches("FlateDecode").count() + text.matches("/Fl ").count();
    u32::try_from(count).unwrap_or(u32::MAX).min(8)
}

/// What comes out of a stream, in bytes; counting ends above the cap, and at what is damaged.
fn expanded(body: &[u8], layers: u32, cap: u64) -> u64 {
    let mut reader: Box<dyn Read + '_> = Box::new(body);
    let mut most = 0;
    for _ in 0..layers {
        reader = Box::new(ZlibDecoder::new(reader));
    }
    let mut buffer = [0; 64 * 1024];
    while most <= cap {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => most += read as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    most
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}
