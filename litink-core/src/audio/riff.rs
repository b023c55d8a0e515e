//! Mends the headers of WAV files that were streamed.
//!
//! A program that writes WAV to a pipe cannot know the length when it writes the header. Vendors
//! and espeak-ng put 0, 0xFFFFFFFF or 0x7FFFF000 there instead. The samples are taken from the
//! bytes that are really there and given a true header.

use bytes::{Bytes, BytesMut};

use super::decode::{broken, empty};
use crate::Result;

const CHUNK_HEADER: usize = 8;
/// The "WAVE" form begins after "RIFF" and the length.
const FIRST_CHUNK: usize = 12;
/// From here on a declared length means "unknown": no speech reply is a gibibyte long, and
/// programs write round numbers just below 1, 2 or 4 GiB.
const UNKNOWN_LENGTH: usize = 0x3fff_0000;

/// Whether the bytes begin like a WAV file.
pub(super) fn is_wav(bytes: &[u8]) -> bool {
    bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE")
}

/// The same audio with only `fmt ` and `data`, and with true lengths.
pub(super) fn with_true_lengths(bytes: &Bytes) -> Result<Bytes> {
    let found = find_chunks(bytes)?;
    let block = check_format(&found.format)?;
    let whole = found.data.len() / block * block;
    if whole == 0 {
        return Err(empty());
    }
    Ok(rebuild(&found.format, &found.data[..whole]))
}

struct Chunks {
    format: Bytes,
    data: Bytes,
}

fn find_chunks(bytes: &Bytes) -> Result<Chunks> {
    let mut format = None;
    let mut at = FIRST_CHUNK;
    while let Some(header) = bytes.get(at..at + CHUNK_HEADER) {
        let declared = u32_at(header, 4);
        let body = at + CHUNK_HEADER;
        if header.starts_with(b"data") {
            let data = data_of(bytes, body, declared)?;
            let format = format.ok_or_else(|| broken("the WAV has no format"))?;
            return Ok(Chunks { format, data });
        }
        let end = body.saturating_add(declared);
        if end > bytes.len() {
            break;
        }
        if header.starts_with(b"fmt ") {
            format = Some(bytes.slice(body..end));
        }
        at = end + declared % 2;
    }
    if format.is_some() {
        Err(empty())
    } else {
        Err(broken("the WAV has no format"))
    }
}

fn data_of(bytes: &Bytes, start: usize, declared: usize) -> Result<Bytes> {
    let there = bytes.len() - start;
    let riff = u32_at(bytes, 4);
    let streamed = declared >= UNKNOWN_LENGTH || (declared == 0 && riff + 8 != bytes.len());
    if streamed {
        return Ok(bytes.slice(start..));
    }
    if declared > there {
        return Err(broken("the WAV ends before its declared length")
            .with_context("declared_bytes", declared)
            .with_context("received_bytes", there));
    }
    Ok(bytes.slice(start..start + declared))
}

/// Checks what the decoder computes with, and returns the bytes of one sample of all channels.
fn check_format(format: &[u8]) -> Result<usize> {
    let too_short = || broken("the WAV's format is too short");
    let channels = u16_at(format, 2).ok_or_else(too_short)?;
    let block = u16_at(format, 12).ok_or_else(too_short)?;
    let bits = u16_at(format, 14).ok_or_else(too_short)?;
    let plausible = (1..=32).contains(&channels) && (1..=64).contains(&bits) && block > 0;
    if !plausible {
        return Err(broken("the WAV's format makes no sense"));
    }
    Ok(usize::from(block))
}

fn rebuild(format: &[u8], data: &[u8]) -> Bytes {
    let total = 4 + CHUNK_HEADER + format.len() + CHUNK_HEADER + data.len();
    let mut out = BytesMut::with_capacity(total + 8);
    chunk(&mut out, b"RIFF", total);
    out.extend_from_slice(b"WAVE");
    chunk(&mut out, b"fmt ", format.len());
    out.extend_from_slice(format);
    chunk(&mut out, b"data", data.len());
    out.extend_from_slice(data);
    out.freeze()
}

fn chunk(out: &mut BytesMut, name: &[u8; 4], len: usize) {
    out.extend_from_slice(name);
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    bytes
        .get(at..at + 4)
        .and_then(|b| b.try_into().ok())
        .map_or(0, |b| u32::from_le_bytes(b) as usize)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_le_bytes(pair))
}
