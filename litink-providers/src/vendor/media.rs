//! Bytes that come and go: what they are, samples with a header, stored media that are sent.

use bytes::{Bytes, BytesMut};
#[cfg(any(feature = "gemini", feature = "openai"))]
use futures::TryStreamExt;
#[cfg(any(feature = "gemini", feature = "openai"))]
use litink_core::provider::{CallContext, MediaBody, MediaRef};
use litink_core::{
    Charge, Error, ErrorKind, Result, Retry,
    audio::wav::{WavFile, WavTags},
};

/// What bytes are, by how they begin.
pub(crate) fn audio_kind(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE") {
        return Some("audio/wav");
    }
    if bytes.starts_with(b"fLaC") {
        return Some("audio/flac");
    }
    let frame = bytes.len() > 1 && bytes[0] == 0xff && bytes[1] & 0xe6 == 0xe2;
    (bytes.starts_with(b"ID3") || frame).then_some("audio/mpeg")
}

/// Stored media, as far as an endpoint takes them.
#[cfg(any(feature = "gemini", feature = "openai"))]
pub(crate) async fn stored(context: &CallContext, media: &MediaRef, limit: u64) -> Result<Bytes> {
    let source = context.media.as_ref();
    let source = source.ok_or_else(|| Error::internal("the call has no way to stored media"))?;
    let too_large = || {
        Error::new(
            ErrorKind::LimitExceeded,
            "this file is larger than the endpoint takes; give it a smaller one",
        )
        .with_code("request_too_large")
        .with_context("limit_bytes", limit)
    };
    match source.open(media).await?.body {
        MediaBody::Bytes(bytes) if bytes.len() as u64 > limit => Err(too_large()),
        MediaBody::Bytes(bytes) => Ok(bytes),
        MediaBody::Stream(mut stream) => {
            let mut bytes = BytesMut::new();
            while let Some(piece) = stream.try_next().await? {
                if (bytes.len() + piece.len()) as u64 > limit {
                    return Err(too_large());
                }
                bytes.extend_from_slice(&piece);
            }
            Ok(bytes.freeze())
        }
    }
}

/// Whether an answer is of words, and no audio.
pub(crate) fn is_text(content_type: &str) -> bool {
    content_type.contains("json") || content_type.starts_with("text/")
}

/// Samples of 16 bits and one channel, with a header.
pub(crate) fn wav_of(rate: u32, samples: &[u8]) -> Result<Bytes> {
    let count = samples.len() / 2;
    if count == 0 {
        return Err(not_audio());
    }
    let header = WavFile::new(rate, count as u64, &WavTags::default())?.header();
    let mut bytes = BytesMut::with_capacity(header.len() + count * 2);
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(&samples[..count * 2]);
    Ok(bytes.freeze())
}

/// A success that holds something else.
pub(crate) fn not_audio() -> Error {
    Error::new(
        ErrorKind::Provider,
        "the provider answered, but not with audio that litink reads (WAV, MP3, FLAC)",
    )
    .with_code("not_audio")
    .with_retry(Retry::Ambiguous)
    .with_charge(Charge::Maybe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_say_what_they_are() {
        assert_eq!(audio_kind(b"RIFF\0\0\0\0WAVEfmt "), Some("audio/wav"));
        assert_eq!(audio_kind(b"fLaC"), Some("audio/flac"));
        assert_eq!(audio_kind(b"ID3\x04"), Some("audio/mpeg"));
        assert_eq!(audio_kind(&[0xff, 0xfb, 0x90]), Some("audio/mpeg"));
        // AAC in ADTS is not MP3.
        assert_eq!(audio_kind(&[0xff, 0xf1, 0x50]), None);
        assert_eq!(audio_kind(b"{\"error\":{}}"), None);
        assert_eq!(audio_kind(b""), None);
    }

    #[test]
    fn samples_get_a_header() {
        let wav = wav_of(24_000, &[1; 4801]).unwrap();
        let probe = litink_core::audio::probe(&wav, "audio/wav").unwrap();
        assert_eq!((probe.samples, probe.sample_rate), (2400, 24_000));
        assert_eq!(wav_of(24_000, &[1]).unwrap_err().code(), "not_audio");
    }
}
