//! The hash that litink names contents by.

use std::path::Path;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;

use crate::Result;

/// The first 16 digits of a content hash, for names of objects: enough to tell apart what one group
/// holds.
pub(crate) fn short(content_hash: &str) -> &str {
    content_hash.get(..16).unwrap_or(content_hash)
}

/// BLAKE3 of a file's bytes, in hexadecimal: what `content_hash` holds everywhere.
///
/// # Errors
/// Those of reading the file.
pub async fn content_hash(path: &Path) -> Result<String> {
    let mut file = tokio::fs::File::open(path).await?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = BytesMut::with_capacity(256 * 1024);
    while file.read_buf(&mut buffer).await? > 0 {
        hasher.update(&buffer);
        buffer.clear();
    }
    Ok(hasher.finalize().to_hex().to_string())
}
