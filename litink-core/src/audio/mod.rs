//! Speech as samples: decoding what a provider replied, joining parts into chapters, WAV, subtitles.
//!
//! Everything here is a pure function of bytes and samples: no file, no process, no clock. All
//! times are sample counts of mono audio until they are shown to a person, so marks never drift.
//! These functions keep a processor busy; call them from a blocking thread, not from an async task.

mod decode;
mod join;
mod limiter;
mod loudness;
mod riff;
pub mod subtitle;
mod trim;
pub mod wav;

pub use decode::{DEFAULT_MAX_DURATION, Probe, decode, decode_limited, probe};
pub use join::{JoinOptions, JoinedChapter, Joiner, Part, PartSpan, SampleSpan};
pub use loudness::{Loudness, LoudnessTarget, normalise};

use std::time::Duration;

/// Mono audio of 16 bits: what every part is decoded to and every chapter is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pcm {
    /// Samples a second, in hertz. Never 0 in audio that [`decode`] returned.
    pub sample_rate: u32,
    /// The samples, full scale at ±32768.
    pub samples: Vec<i16>,
}

impl Pcm {
    /// How long it lasts.
    #[must_use]
    pub fn duration(&self) -> Duration {
        duration_of(self.samples.len() as u64, self.sample_rate)
    }

    /// The samples as little-endian bytes (`s16le`), what an
    /// [`AudioEncoder`](crate::encoder::AudioEncoder) takes.
    #[must_use]
    pub fn to_le_bytes(&self) -> bytes::Bytes {
        self.samples
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect()
    }
}

/// The time that a number of samples takes, rounded down to the nanosecond; zero at a rate of 0.
#[must_use]
pub fn duration_of(samples: u64, sample_rate: u32) -> Duration {
    if sample_rate == 0 {
        return Duration::ZERO;
    }
    let rate = u64::from(sample_rate);
    let nanos = (samples % rate) * 1_000_000_000 / rate;
    Duration::from_secs(samples / rate) + Duration::from_nanos(nanos)
}

/// The number of samples nearest to a time.
#[must_use]
pub fn samples_in(duration: Duration, sample_rate: u32) -> u64 {
    let rate = u128::from(sample_rate);
    let samples = (duration.as_nanos() * rate + 500_000_000) / 1_000_000_000;
    u64::try_from(samples).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_hour_is_an_hour() {
        assert_eq!(
            duration_of(22_050 * 3600, 22_050),
            Duration::from_secs(3600)
        );
        assert_eq!(samples_in(Duration::from_millis(250), 22_050), 5513);
        assert_eq!(duration_of(1, 0), Duration::ZERO);
    }

    #[test]
    fn bytes_are_little_endian() {
        let pcm = Pcm {
            sample_rate: 8000,
            samples: vec![1, -2],
        };
        assert_eq!(pcm.to_le_bytes().as_ref(), [1, 0, 0xfe, 0xff]);
    }

    proptest! {
        #[test]
        fn samples_survive_the_way_to_time_and_back(n in 0u64..10_000_000_000, rate in 4000u32..192_000) {
            prop_assert_eq!(samples_in(duration_of(n, rate), rate), n);
        }
    }
}
