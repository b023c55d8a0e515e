//! The contract of audio encoders: samples in, an audiobook file out.

mod partial;
mod request;
mod wav;

use std::{fmt, path::Path, str::FromStr};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

pub use partial::PartialFile;
pub use request::{AudiobookTags, ChapterMark, CoverArt, EncodeRequest};
pub use wav::WavEncoder;

use crate::{Error, ErrorKind, Result};

/// The kinds of audio file that litink makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AudioFormat {
    /// AAC in MP4 with chapters: what audiobook players expect.
    M4b,
    /// MP3 with ID3v2.3 chapters: what plays everywhere.
    Mp3,
    /// FLAC: lossless.
    Flac,
    /// WAV: uncompressed, at most 4 GiB; made without any program.
    Wav,
}

impl AudioFormat {
    /// Every format.
    pub const ALL: &'static [Self] = &[Self::M4b, Self::Mp3, Self::Flac, Self::Wav];

    /// The ending of file names, without the dot. It is also the format's name.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::M4b => "m4b",
            Self::Mp3 => "mp3",
            Self::Flac => "flac",
            Self::Wav => "wav",
        }
    }

    /// The media type to serve it with.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::M4b => "audio/mp4",
            Self::Mp3 => "audio/mpeg",
            Self::Flac => "audio/flac",
            Self::Wav => "audio/wav",
        }
    }
}

impl fmt::Display for AudioFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

impl FromStr for AudioFormat {
    type Err = Error;

    /// Reads a format's name, in any case.
    fn from_str(name: &str) -> Result<Self> {
        let known = |format: &&Self| name.eq_ignore_ascii_case(format.extension());
        Self::ALL.iter().find(known).copied().ok_or_else(|| {
            Error::invalid(
                "audio_format",
                "the audio format must be m4b, mp3, flac or wav",
            )
        })
    }
}

/// Encodes one stream of samples as one tagged audio file.
///
/// # Contract
///
/// - `pcm` gives `request.total_samples` mono samples as 16-bit little-endian bytes at
///   `request.sample_rate`, in chunks of any size; a chunk may end inside of a sample. It is read
///   as it is needed, so a whole book never lies in memory.
/// - `output` is in a folder that exists. The file appears there whole or not at all: it is written
///   beside it under another name and renamed. A file that is there already is replaced, and stays
///   as it is when the encoding fails.
/// - Dropping the future stops the work, ends any program that was started and removes what was
///   written.
/// - The file says how long it is, has the chapters at their samples (to the millisecond where the
///   format counts in milliseconds), and carries what of the tags its format has a place for.
/// - The same samples and the same request give the same bytes, as long as the encoder is the same
///   version on the same machine: no time stamps, no random numbers.
/// - Several encodings may run at the same time.
///
/// # Errors
///
/// - [`ErrorKind::Unsupported`], code `audio_format`: not one of [`AudioEncoder::formats`].
/// - [`ErrorKind::InvalidInput`], codes `empty_audio`, `bad_sample_rate`, `bad_chapters`,
///   `bad_cover`: see [`EncodeRequest::validate`]; code `pcm_length`: `pcm` gave more or fewer
///   samples than was said.
/// - [`ErrorKind::LimitExceeded`], code `wav_too_large`.
/// - [`ErrorKind::StorageFull`]: no room for the file.
/// - [`ErrorKind::Timeout`], code `encoder_stalled`: the encoder stopped taking samples.
/// - [`ErrorKind::Unavailable`], code `encoder_failed`: the encoder broke off.
/// - The errors of `pcm`, as they are.
///
/// # Implementing
///
/// Begin with [`EncodeRequest::validate`] and [`supports`], read through
/// [`EncodeRequest::checked`], write to a [`PartialFile`], and hold it to every case of
/// `litink_core::testing::encoder`. [`WavEncoder`] is the example.
#[async_trait]
pub trait AudioEncoder: Send + Sync + fmt::Debug {
    /// Its name in logs and errors (`ffmpeg`, `wav`).
    fn name(&self) -> &str;

    /// The formats that it makes, at least one.
    fn formats(&self) -> Vec<AudioFormat>;

    /// Encodes `pcm` and puts the file at `output`.
    async fn encode(
        &self,
        request: &EncodeRequest,
        pcm: BoxStream<'_, Result<Bytes>>,
        output: &Path,
    ) -> Result<()>;
}

/// Whether the encoder makes the format, as the error of the contract.
///
/// # Errors
///
/// [`ErrorKind::Unsupported`] with code `audio_format`.
pub fn supports(encoder: &dyn AudioEncoder, format: AudioFormat) -> Result<()> {
    if encoder.formats().contains(&format) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        "this encoder does not make this audio format",
    )
    .with_code("audio_format")
    .with_context("encoder", encoder.name())
    .with_context("format", format))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_has_one_name_everywhere() {
        for format in AudioFormat::ALL {
            let json = serde_json::to_string(format).unwrap();
            assert_eq!(json, format!("\"{format}\""));
            assert_eq!(
                format
                    .to_string()
                    .to_uppercase()
                    .parse::<AudioFormat>()
                    .unwrap(),
                *format
            );
        }
        assert_eq!(
            "ogg".parse::<AudioFormat>().unwrap_err().code(),
            "audio_format"
        );
    }
}
