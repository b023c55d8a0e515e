//! 16-bit mono PCM, and the WAV files that it comes from and goes into.

use litink_core::{Error, ErrorKind, Result};

/// espeak-ng's rate, for audio that is nothing but silence.
pub(super) const DEFAULT_RATE: u32 = 22_050;

const HEADER_BYTES: usize = 44;

/// Mono samples of 16 bits, little-endian as in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pcm {
    /// Samples a second.
    pub(super) rate: u32,
    data: Vec<u8>,
}

impl Pcm {
    pub(super) fn new(rate: u32) -> Self {
        let data = Vec::new();
        Self { rate, data }
    }

    /// Reads a WAV file. Sizes in its header are not believed: a program that writes to a pipe
    /// cannot know them.
    pub(super) fn from_wav(file: &[u8]) -> Result<Self> {
        let mut rest = match file {
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'A',
                b'V',
                b'E',
                rest @ ..,
            ] => rest,
            _ => return Err(not_wav()),
        };
        let mut rate = None;
        while let Some((name, body)) = rest.split_first_chunk::<4>() {
            let (size, body) = body.split_first_chunk::<4>().ok_or_else(not_wav)?;
            let size = u32::from_le_bytes(*size) as usize;
            match name {
                b"fmt " => rate = Some(mono_rate(body)?),
                b"data" => return Self::from_data(rate, body, size),
                _ => {}
            }
            rest = body.get(size + size % 2..).ok_or_else(not_wav)?;
        }
        Err(not_wav())
    }

    fn from_data(rate: Option<u32>, body: &[u8], size: usize) -> Result<Self> {
        let data = body.get(..size).unwrap_or(body);
        Ok(Self {
            rate: rate.ok_or_else(not_wav)?,
            data: data[..data.len() & !1].to_vec(),
        })
    }

    pub(super) fn append(&mut self, other: &Self) -> Result<()> {
        if self.rate != other.rate {
            return Err(Error::internal("one voice spoke at two sample rates"));
        }
        self.data.extend_from_slice(&other.data);
        Ok(())
    }

    /// Adds silence.
    pub(super) fn pause(&mut self, millis: u64) {
        let samples = millis * u64::from(self.rate) / 1_000;
        self.data.resize(self.data.len() + samples as usize * 2, 0);
    }

    /// Without the silence at both ends.
    pub(super) fn trimmed(self) -> Self {
        let (rate, data) = (self.rate, trimmed(&self.data).to_vec());
        Self { rate, data }
    }

    /// What stands between stretches of silence of at least so many milliseconds, trimmed.
    pub(super) fn parts(&self, silence_ms: u64) -> Vec<Self> {
        let shortest = (silence_ms * u64::from(self.rate) / 1_000) as usize;
        let mut parts = Vec::new();
        let (mut start, mut silent) = (0, 0);
        for (at, sample) in self.data.chunks_exact(2).enumerate() {
            if is_silent(sample) {
                silent += 1;
                continue;
            }
            if silent >= shortest {
                parts.push(&self.data[start * 2..at * 2]);
                start = at;
            }
            silent = 0;
        }
        parts.push(&self.data[start * 2..]);
        parts
            .into_iter()
            .map(trimmed)
            .filter(|data| !data.is_empty())
            .map(|data| Self {
                rate: self.rate,
                data: data.to_vec(),
            })
            .collect()
    }

    pub(super) fn bytes(&self) -> usize {
        self.data.len()
    }

    pub(super) fn millis(&self) -> u64 {
        (self.data.len() / 2) as u64 * 1_000 / u64::from(self.rate)
    }

    pub(super) fn into_wav(self) -> Vec<u8> {
        let size = u32::try_from(self.data.len()).unwrap_or(u32::MAX - HEADER_BYTES as u32);
        let mut file = Vec::with_capacity(HEADER_BYTES + self.data.len());
        file.extend_from_slice(b"RIFF");
        file.extend_from_slice(&(size + HEADER_BYTES as u32 - 8).to_le_bytes());
        file.extend_from_slice(b"WAVEfmt ");
        file.extend_from_slice(&16_u32.to_le_bytes());
        // PCM, one channel
        file.extend_from_slice(&[1, 0, 1, 0]);
        file.extend_from_slice(&self.rate.to_le_bytes());
        file.extend_from_slice(&(self.rate * 2).to_le_bytes());
        // two bytes a frame, 16 bits a sample
        file.extend_from_slice(&[2, 0, 16, 0]);
        file.extend_from_slice(b"data");
        file.extend_from_slice(&size.to_le_bytes());
        file.extend_from_slice(&self.data);
        file
    }
}

/// Nearly zero: espeak-ng's voices with an echo rest at 2, not at 0.
fn is_silent(sample: &[u8]) -> bool {
    matches!(sample, [low, high] if i16::from_le_bytes([*low, *high]).unsigned_abs() <= 4)
}

fn trimmed(data: &[u8]) -> &[u8] {
    let silent = |sample: &&[u8]| is_silent(sample);
    let before = data.chunks_exact(2).take_while(silent).count() * 2;
    let rest = data.get(before..).unwrap_or_default();
    let after = rest.chunks_exact(2).rev().take_while(silent).count() * 2;
    &rest[..rest.len() - after]
}

/// The sample rate, if it is what the programs are known to write.
fn mono_rate(format: &[u8]) -> Result<u32> {
    match format {
        [1, 0, 1, 0, a, b, c, d, _, _, _, _, _, _, 16, 0, ..] => {
            let rate = u32::from_le_bytes([*a, *b, *c, *d]);
            (8_000..=48_000)
                .contains(&rate)
                .then_some(rate)
                .ok_or_else(not_wav)
        }
        _ => Err(not_wav()),
    }
}

fn not_wav() -> Error {
    Error::new(
        ErrorKind::Provider,
        "the speech program wrote something else than 16-bit mono WAV; try another version of it",
    )
    .with_code("not_wav")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(count: usize) -> Pcm {
        Pcm {
            rate: 16_000,
            data: (0..count * 2).map(|i| i as u8).collect(),
        }
    }

    #[test]
    fn what_is_written_reads_back_whatever_the_header_says_of_its_size() {
        let mut file = samples(500).into_wav();
        assert_eq!(Pcm::from_wav(&file).unwrap(), samples(500));
        file[40..44].copy_from_slice(&0x7fff_f000_u32.to_le_bytes());
        assert_eq!(Pcm::from_wav(&file).unwrap(), samples(500));
    }

    #[test]
    fn anything_else_is_an_error_not_a_panic() {
        let file = samples(20).into_wav();
        for end in 0..HEADER_BYTES {
            assert!(Pcm::from_wav(&file[..end]).is_err(), "{end}");
        }
        let mut stereo = file.clone();
        stereo[22] = 2;
        assert_eq!(Pcm::from_wav(&stereo).unwrap_err().code(), "not_wav");
        let mut silly = file;
        silly[24..28].copy_from_slice(&0_u32.to_le_bytes());
        assert!(Pcm::from_wav(&silly).is_err());
    }

    #[test]
    fn long_silence_parts_and_short_silence_does_not() {
        let sound = |value: u8| vec![value; 200];
        let quiet = |samples: usize| [2, 0].repeat(samples);
        let data = [
            quiet(90),
            sound(1),
            quiet(20),
            sound(2),
            quiet(50),
            sound(3),
            quiet(80),
        ];
        let audio = Pcm {
            rate: 1_000,
            data: data.concat(),
        };
        let parts = audio.parts(50);
        let expected = [[sound(1), quiet(20), sound(2)].concat(), sound(3)];
        let data: Vec<_> = parts.into_iter().map(|part| part.data).collect();
        assert_eq!(data, expected);
        assert_eq!(audio.parts(51).len(), 1);
        assert_eq!(Pcm::new(1_000).parts(50), []);
        assert!(Pcm::new(1_000).trimmed().data.is_empty());
    }

    #[test]
    fn time_is_counted_in_samples() {
        let mut audio = Pcm::new(22_050);
        audio.pause(1_000);
        assert_eq!((audio.bytes(), audio.millis()), (44_100, 1_000));
        assert!(audio.append(&samples(1)).is_err());
    }
}
