//! From a provider's bytes to samples.

use std::{io::Cursor, time::Duration};

use bytes::Bytes;
use symphonia::core::{
    codecs::audio::{AudioDecoder, AudioDecoderOptions},
    errors::Error as SymphoniaError,
    formats::{FormatOptions, FormatReader, TrackType, probe::Hint},
    io::MediaSourceStream,
    meta::MetadataOptions,
};

use super::{Pcm, duration_of, riff};
use crate::{Error, ErrorKind, Result};

/// The longest audio that [`decode`] accepts: 2 hours, 20 times the longest reply of any speech
/// service today, and 346 MB of memory at 24 kHz.
pub const DEFAULT_MAX_DURATION: Duration = Duration::from_secs(2 * 3600);

/// Rates outside of this are broken headers, not speech.
const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// Audio whose loudest sample is below this (-60 dBFS) holds nothing that anybody hears.
const SILENT_BELOW: u16 = 33;

/// What one reply holds, without keeping its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Samples a second, in hertz.
    pub sample_rate: u32,
    /// How many samples it has, after mixing to one channel.
    pub samples: u64,
    /// The loudest sample's absolute value, 0 to 32768.
    pub peak: u16,
}

impl Probe {
    /// How long it lasts.
    #[must_use]
    pub fn duration(&self) -> Duration {
        duration_of(self.samples, self.sample_rate)
    }

    /// Whether nothing in it reaches -60 dBFS.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.peak < SILENT_BELOW
    }
}

/// Decodes WAV, MP3, FLAC or headerless PCM to mono, up to [`DEFAULT_MAX_DURATION`].
///
/// `media_type` is what the provider said (`audio/mpeg`); it only helps to tell the format, and an
/// empty one is fine. Headerless samples are read when it says so and gives the rate:
/// `audio/pcm;rate=24000` and `audio/L16;codec=pcm;rate=24000` (16 bits, little-endian, as vendors
/// send it, whatever RFC 2586 says of the byte order), `channels` defaulting to 1.
///
/// WAV headers with the lengths of a stream (0, 0xFFFFFFFF, 0x7FFFF000) are read to the end of the
/// bytes. Several channels are averaged.
///
/// # Errors
///
/// [`ErrorKind::Provider`] with code `empty_audio` (no samples) or `broken_audio` (not audio, cut
/// off, or more than a fiftieth of it undecodable); [`ErrorKind::Unsupported`] with code
/// `audio_format` for a format litink does not decode; [`ErrorKind::LimitExceeded`] with code
/// `audio_too_long`.
pub fn decode(bytes: &Bytes, media_type: &str) -> Result<Pcm> {
    decode_limited(bytes, media_type, DEFAULT_MAX_DURATION)
}

/// [`decode`] with a limit of one's own.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_limited(bytes: &Bytes, media_type: &str, max: Duration) -> Result<Pcm> {
    let mut samples = Vec::new();
    let sample_rate = decode_into(bytes, media_type, max, &mut |mono| {
        samples.extend_from_slice(mono);
    })?;
    Ok(Pcm {
        sample_rate,
        samples,
    })
}

/// Measures audio: decodes all of it, keeps none of it.
///
/// # Errors
///
/// As [`decode`].
pub fn probe(bytes: &Bytes, media_type: &str) -> Result<Probe> {
    let (mut samples, mut peak) = (0, 0);
    let sample_rate = decode_into(bytes, media_type, DEFAULT_MAX_DURATION, &mut |mono| {
        samples += mono.len() as u64;
        peak = mono.iter().map(|s| s.unsigned_abs()).fold(peak, u16::max);
    })?;
    Ok(Probe {
        sample_rate,
        samples,
        peak,
    })
}

pub(super) fn broken(message: &'static str) -> Error {
    Error::new(
        ErrorKind::Provider,
        format!("the audio is broken: {message}"),
    )
    .with_code("broken_audio")
}

pub(super) fn empty() -> Error {
    Error::new(
        ErrorKind::Provider,
        "the audio is empty: the provider spoke nothing",
    )
    .with_code("empty_audio")
}

type Sink<'a> = &'a mut dyn FnMut(&[i16]);

fn decode_into(bytes: &Bytes, media_type: &str, max: Duration, sink: Sink<'_>) -> Result<u32> {
    if bytes.is_empty() {
        return Err(empty());
    }
    if let Some(raw) = RawFormat::parse(media_type) {
        return raw.decode(bytes, max, sink);
    }
    let bytes = if riff::is_wav(bytes) {
        riff::with_true_lengths(bytes)?
    } else {
        bytes.clone()
    };
    decode_container(bytes, media_type, max, sink)
}

/// Headerless 16-bit samples.
struct RawFormat {
    sample_rate: Option<u32>,
    channels: usize,
}

impl RawFormat {
    fn parse(media_type: &str) -> Option<Self> {
        let mut fields = media_type.split(';').map(str::trim);
        let name = fields.next()?.to_ascii_lowercase();
        if !matches!(name.as_str(), "audio/pcm" | "audio/l16") {
            return None;
        }
        let parameters: Vec<_> = fields.filter_map(|field| field.split_once('=')).collect();
        let number = |key: &str| {
            let (_, value) = parameters
                .iter()
                .find(|(k, _)| k.eq_ignore_ascii_case(key))?;
            value.trim_matches('"').parse::<u32>().ok()
        };
        let channels = number("channels").unwrap_or(1).clamp(1, 32) as usize;
        Some(Self {
            sample_rate: number("rate"),
            channels,
        })
    }

    fn decode(&self, bytes: &[u8], max: Duration, sink: Sink<'_>) -> Result<u32> {
        let rate = self.sample_rate.ok_or_else(|| {
            broken("headerless PCM needs its rate in the media type (audio/pcm;rate=24000)")
        })?;
        let mut mixer = Mixer::new(rate, max)?;
        let samples: Vec<i16> = bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| i16::from_le_bytes(*pair))
            .collect();
        mixer.mix(&samples, self.channels, sink)?;
        mixer.finish()
    }
}

fn decode_container(bytes: Bytes, media_type: &str, max: Duration, sink: Sink<'_>) -> Result<u32> {
    let mut reader = open(bytes, media_type)?;
    let (track, rate, mut decoder) = start(reader.as_mut())?;
    let mut mixer = Mixer::new(rate, max)?;
    let mut health = Health::default();
    let mut interleaved: Vec<i16> = Vec::new();
    while let Some(packet) = reader.next_packet().or_else(end_of_stream)? {
        if packet.track_id != track {
            continue;
        }
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            Err(SymphoniaError::DecodeError(_) | SymphoniaError::IoError(_)) => {
                health.failed += 1;
                continue;
            }
            Err(error) => return Err(broken("it cannot be decoded").with_source(error)),
        };
        health.decoded += 1;
        decoded.copy_to_vec_interleaved(&mut interleaved);
        mixer.mix(&interleaved, decoded.num_planes(), sink)?;
    }
    health.check()?;
    mixer.finish()
}

fn open(bytes: Bytes, media_type: &str) -> Result<Box<dyn FormatReader>> {
    let head = bytes.slice(..bytes.len().min(16));
    let mut hint = Hint::new();
    hint.mime_type(media_type);
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    symphonia::default::get_probe()
        .probe(
            &hint,
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .map_err(|error| unreadable(&head).with_source(error))
}

fn start(reader: &mut dyn FormatReader) -> Result<(u32, u32, Box<dyn AudioDecoder>)> {
    let track = reader
        .default_track(TrackType::Audio)
        .ok_or_else(|| broken("it has no sound"))?;
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio())
        .ok_or_else(|| broken("its codec is not known"))?;
    let rate = parameters
        .sample_rate
        .ok_or_else(|| broken("it states no sample rate"))?;
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|error| unsupported("its codec").with_source(error))?;
    Ok((track.id, rate, decoder))
}

/// The formats worth a better sentence than "broken": a vendor was asked for the wrong one.
fn unreadable(head: &[u8]) -> Error {
    if head.starts_with(b"OggS") {
        return unsupported("Ogg (Opus or Vorbis)");
    }
    if head.get(4..8) == Some(b"ftyp") {
        return unsupported("MP4 (AAC)");
    }
    if head.starts_with(b"\x1aE\xdf\xa3") {
        return unsupported("WebM");
    }
    if matches!(head.first(), Some(b'{' | b'<')) {
        return broken("the provider sent text (JSON or HTML) in its place");
    }
    broken("it is neither WAV, MP3 nor FLAC")
}

fn unsupported(what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("litink does not decode {what}; ask the provider for WAV, MP3 or FLAC"),
    )
    .with_code("audio_format")
}

/// A file that ends inside a packet has ended; what was decoded before it counts.
fn end_of_stream<T>(error: SymphoniaError) -> Result<Option<T>> {
    match error {
        SymphoniaError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        SymphoniaError::ResetRequired => Ok(None),
        error => Err(broken("it cannot be read").with_source(error)),
    }
}

/// How much of a stream could be decoded. The first packets of an MP3 that was cut from a longer
/// one always fail, since they refer to packets before them.
#[derive(Default)]
struct Health {
    decoded: u64,
    failed: u64,
}

impl Health {
    fn check(&self) -> Result<()> {
        if self.failed > 2 + self.decoded / 50 {
            return Err(broken("too much of it cannot be decoded")
                .with_context("broken_packets", self.failed)
                .with_context("good_packets", self.decoded));
        }
        Ok(())
    }
}

/// Averages the channels, and watches the length.
struct Mixer {
    sample_rate: u32,
    max_samples: u64,
    samples: u64,
    mono: Vec<i16>,
}

impl Mixer {
    fn new(sample_rate: u32, max: Duration) -> Result<Self> {
        if !SAMPLE_RATES.contains(&sample_rate) {
            return Err(broken("its sample rate makes no sense").with_context("hz", sample_rate));
        }
        let max_samples = super::samples_in(max, sample_rate);
        Ok(Self {
            sample_rate,
            max_samples,
            samples: 0,
            mono: Vec::new(),
        })
    }

    fn mix(&mut self, interleaved: &[i16], channels: usize, sink: Sink<'_>) -> Result<()> {
        let channels = channels.max(1);
        self.samples += (interleaved.len() / channels) as u64;
        if self.samples > self.max_samples {
            return Err(too_long(self.max_samples, self.sample_rate));
        }
        if channels == 1 {
            sink(interleaved);
            return Ok(());
        }
        self.mono.clear();
        self.mono
            .extend(interleaved.chunks_exact(channels).map(average));
        sink(&self.mono);
        Ok(())
    }

    fn finish(self) -> Result<u32> {
        if self.samples == 0 {
            Err(empty())
        } else {
            Ok(self.sample_rate)
        }
    }
}

fn average(frame: &[i16]) -> i16 {
    let sum: i32 = frame.iter().map(|sample| i32::from(*sample)).sum();
    let mean = sum / i32::try_from(frame.len()).unwrap_or(1);
    // The mean of 16-bit values is one.
    mean as i16
}

fn too_long(max_samples: u64, sample_rate: u32) -> Error {
    let limit = duration_of(max_samples, sample_rate);
    Error::new(
        ErrorKind::LimitExceeded,
        "the audio is longer than litink accepts in one reply",
    )
    .with_code("audio_too_long")
    .with_context("limit_s", limit.as_secs())
}

#[cfg(test)]
mod tests;
