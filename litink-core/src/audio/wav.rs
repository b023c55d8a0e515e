//! WAV files with tags and chapter marks.
//!
//! The header is the canonical one of 44 bytes, so that programs which skip 44 bytes and read on
//! still hear speech; tags (`LIST`/`INFO`) and chapter marks (`cue ` with `LIST`/`adtl`/`labl`)
//! follow the samples. Text is UTF-8, as ffmpeg reads and writes it.

use bytes::{BufMut, Bytes};

use super::Pcm;
use crate::{Error, ErrorKind, Result};

/// The bytes before the samples.
pub const HEADER_BYTES: usize = 44;

const BYTES_PER_SAMPLE: u64 = 2;

/// What a WAV file says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WavTags {
    /// The title (`INAM`).
    pub title: Option<String>,
    /// Who wrote it (`IART`).
    pub artist: Option<String>,
    /// A remark (`ICMT`).
    pub comment: Option<String>,
    /// Chapters as first sample and title, in order.
    pub chapters: Vec<(u64, String)>,
}

/// A WAV file of mono 16-bit audio whose length is known before its samples are.
///
/// Write [`WavFile::header`], then the samples as little-endian bytes, then [`WavFile::trailer`].
#[derive(Clone, Debug)]
pub struct WavFile {
    sample_rate: u32,
    data_bytes: u32,
    riff_bytes: u32,
    trailer: Vec<u8>,
}

impl WavFile {
    /// Lays the file out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::LimitExceeded`] with code `wav_too_large` above 4 GiB, which is the most that a
    /// WAV file can say (27 hours at 22,050 Hz).
    pub fn new(sample_rate: u32, total_samples: u64, tags: &WavTags) -> Result<Self> {
        let trailer = trailer(tags);
        let data = total_samples.saturating_mul(BYTES_PER_SAMPLE);
        let riff = data.saturating_add((HEADER_BYTES - 8 + trailer.len()) as u64);
        let riff_bytes = u32::try_from(riff).map_err(|_| too_large(total_samples))?;
        Ok(Self {
            sample_rate,
            data_bytes: data as u32,
            riff_bytes,
            trailer,
        })
    }

    /// The bytes before the samples.
    #[must_use]
    pub fn header(&self) -> Bytes {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.put_slice(b"RIFF");
        out.put_u32_le(self.riff_bytes);
        out.put_slice(b"WAVEfmt ");
        out.put_u32_le(16);
        out.put_u16_le(1); // PCM
        out.put_u16_le(1); // channels
        out.put_u32_le(self.sample_rate);
        out.put_u32_le(self.sample_rate.saturating_mul(2)); // bytes a second
        out.put_u16_le(2); // bytes a frame
        out.put_u16_le(16); // bits a sample
        out.put_slice(b"data");
        out.put_u32_le(self.data_bytes);
        out.into()
    }

    /// The bytes after the samples: tags and chapter marks. Empty without any.
    #[must_use]
    pub fn trailer(&self) -> &[u8] {
        &self.trailer
    }

    /// The size of the whole file in bytes.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        u64::from(self.riff_bytes) + 8
    }
}

/// A whole WAV file in memory.
///
/// # Errors
///
/// As [`WavFile::new`].
pub fn to_bytes(pcm: &Pcm, tags: &WavTags) -> Result<Bytes> {
    let file = WavFile::new(pcm.sample_rate, pcm.samples.len() as u64, tags)?;
    let mut out = Vec::with_capacity(HEADER_BYTES + pcm.samples.len() * 2 + file.trailer.len());
    out.extend_from_slice(&file.header());
    out.extend(pcm.samples.iter().flat_map(|sample| sample.to_le_bytes()));
    out.extend_from_slice(&file.trailer);
    Ok(out.into())
}

fn too_large(samples: u64) -> Error {
    Error::new(
        ErrorKind::LimitExceeded,
        "a WAV file cannot be larger than 4 GiB; choose FLAC, which is lossless too, or M4B",
    )
    .with_code("wav_too_large")
    .with_context("samples", samples)
}

fn trailer(tags: &WavTags) -> Vec<u8> {
    let mut out = Vec::new();
    let info = info(tags);
    if !info.is_empty() {
        list(&mut out, b"INFO", &info);
    }
    if !tags.chapters.is_empty() {
        chunk(&mut out, b"cue ", &cues(tags));
        list(&mut out, b"adtl", &labels(tags));
    }
    out
}

fn info(tags: &WavTags) -> Vec<u8> {
    let mut out = Vec::new();
    let fields = [
        (b"INAM", &tags.title),
        (b"IART", &tags.artist),
        (b"ICMT", &tags.comment),
    ];
    for (name, text) in fields {
        if let Some(text) = text {
            chunk(&mut out, name, &terminated(text));
        }
    }
    out
}

fn cues(tags: &WavTags) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_u32_le(tags.chapters.len() as u32);
    for (id, (start, _)) in (1..).zip(&tags.chapters) {
        let start = u32::try_from(*start).unwrap_or(u32::MAX);
        out.put_u32_le(id);
        out.put_u32_le(start); // position in the play order
        out.put_slice(b"data");
        out.put_u32_le(0); // first byte of the chunk in a wave list; there is none
        out.put_u32_le(0); // first byte of the block in compressed data; there is none
        out.put_u32_le(start); // the sample itself
    }
    out
}

fn labels(tags: &WavTags) -> Vec<u8> {
    let mut out = Vec::new();
    for (id, (_, title)) in (1u32..).zip(&tags.chapters) {
        let mut label = id.to_le_bytes().to_vec();
        label.extend(terminated(title));
        chunk(&mut out, b"labl", &label);
    }
    out
}

fn terminated(text: &str) -> Vec<u8> {
    text.bytes().filter(|byte| *byte != 0).chain([0]).collect()
}

fn list(out: &mut Vec<u8>, form: &[u8; 4], body: &[u8]) {
    chunk(out, b"LIST", &[form.as_slice(), body].concat());
}

/// Chunks begin at even offsets, and the padding is not part of the length.
fn chunk(out: &mut Vec<u8>, name: &[u8; 4], body: &[u8]) {
    out.put_slice(name);
    out.put_u32_le(body.len() as u32);
    out.put_slice(body);
    if body.len() % 2 == 1 {
        out.put_u8(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags() -> WavTags {
        WavTags {
            title: Some("Stolz und Vorurteil".into()),
            artist: Some("Jane Austen".into()),
            comment: None,
            chapters: vec![(0, "Eins".into()), (30, "Zweites – Ü".into())],
        }
    }

    #[test]
    fn the_sizes_add_up_and_marks_point_at_samples() {
        let pcm = Pcm {
            sample_rate: 22_050,
            samples: (0..101).collect(),
        };
        let bytes = to_bytes(&pcm, &tags()).unwrap();
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!(word(4) + 8, bytes.len());
        assert_eq!(&bytes[36..40], b"data");
        assert_eq!(word(40), 202);
        let cue = bytes.windows(4).position(|w| w == b"cue ").unwrap();
        assert_eq!(word(cue + 8), 2);
        assert_eq!((word(cue + 12), word(cue + 32)), (1, 0));
        assert_eq!((word(cue + 36), word(cue + 56)), (2, 30));
        // Every chunk begins where the one before it ends.
        let mut at = 12;
        let mut names = Vec::new();
        while at < bytes.len() {
            names.push(String::from_utf8(bytes[at..at + 4].to_vec()).unwrap());
            at += 8 + word(at + 4) + word(at + 4) % 2;
        }
        assert_eq!(at, bytes.len());
        assert_eq!(names, ["fmt ", "data", "LIST", "cue ", "LIST"]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let pcm = Pcm {
            sample_rate: 22_050,
            samples: (0..5000).collect(),
        };
        let bytes = to_bytes(&pcm, &tags()).unwrap();
        assert_eq!(crate::audio::decode(&bytes, "audio/wav").unwrap(), pcm);
    }

    #[test]
    fn more_than_four_gibibytes_are_refused() {
        let error = WavFile::new(22_050, 1 << 31, &WavTags::default()).unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::LimitExceeded, "wav_too_large")
        );
        assert!(error.message().contains("FLAC"));
        let fits = WavFile::new(22_050, (u64::from(u32::MAX) - 36) / 2, &WavTags::default());
        assert_eq!(fits.unwrap().total_bytes(), u64::from(u32::MAX) + 7);
        assert!(WavFile::new(22_050, u64::MAX, &WavTags::default()).is_err());
    }
}
