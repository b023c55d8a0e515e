//! Whether a book is locked.

use crate::{
    Error, Result,
    ingest::{
        archive::{Archive, Fault},
        markup::{Markup, Piece},
    },
};

/// Algorithms that only obfuscate fonts (EPUB 3.3, 4.2.6.3; Adobe's older one): text is not locked.
const FONT_OBFUSCATION: [&str; 2] = [
    "http://www.idpf.org/2008/embedding",
    "http://ns.adobe.com/pdf/enc#RC",
];

/// Files that give a DRM scheme away.
const SCHEMES: [(&str, &str); 3] = [
    ("META-INF/license.lcpl", "readium_lcp"),
    ("META-INF/sinf.xml", "apple_fairplay"),
    ("META-INF/rights.xml", "adobe_adept"),
];

const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// # Errors
///
/// `drm_protected` when anything but fonts is encrypted.
pub(super) fn check(archive: &mut Archive<'_>) -> Result<()> {
    let encryption = match archive.read("META-INF/encryption.xml", MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(Fault::Fatal(error)) => return Err(error),
        Err(_) => return Ok(()),
    };
    if !locks_content(&String::from_utf8_lossy(&encryption)) {
        return Ok(());
    }
    let scheme = SCHEMES.iter().find(|(path, _)| archive.contains(path));
    let scheme = scheme.map_or("unknown", |(_, scheme)| *scheme);
    Err(Error::invalid(
        "drm_protected",
        "the book is locked by copy protection (DRM); use a copy without it",
    )
    .with_context("scheme", scheme))
}

/// Only the method of the data counts; that of the key says nothing about what is locked.
fn locks_content(encryption: &str) -> bool {
    let mut in_key = 0_usize;
    Markup::new(encryption).any(|piece| match piece {
        Piece::Open(tag) if tag.name == "encryptedkey" && !tag.is_empty => {
            in_key += 1;
            false
        }
        Piece::Close(name) if name == "encryptedkey" => {
            in_key = in_key.saturating_sub(1);
            false
        }
        Piece::Open(tag) if tag.name == "encryptionmethod" && in_key == 0 => {
            let algorithm = tag.attribute("algorithm").unwrap_or_default();
            !FONT_OBFUSCATION.contains(&algorithm.as_str())
        }
        _ => false,
    })
}
