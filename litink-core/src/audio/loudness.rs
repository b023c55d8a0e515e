//! Loudness: EBU R128 by one gain for a whole chapter, so that its dynamics stay.

use ebur128::{EbuR128, Mode};

use super::{Pcm, limiter};
use crate::{Error, Result};

/// The rounding to 16 bits may raise the true peak by less than this, in decibels.
const PEAK_MARGIN_DB: f64 = 0.01;

/// How often the limiter runs at most. It sees samples only, while a true peak lies between two of
/// them, so its first result may still be a little too high.
const LIMITER_ROUNDS: usize = 3;

/// What is left over after the limiter and costs gain instead, in decibels: nobody hears it.
const NEAR_ENOUGH_DB: f64 = 0.1;

/// How loud a chapter shall be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoudnessTarget {
    /// Integrated loudness in LUFS. Default -18 of mono speech, which is as loud as stereo at -18:
    /// between the -16 of podcasts and the -23 of broadcasting, and inside of the -23 to -18 dB RMS
    /// that audiobook shops ask for.
    pub lufs: f64,
    /// The highest true peak in dBTP. Default -1.5, so that AAC and MP3, which overshoot, do not
    /// clip. It wins: a chapter whose peaks leave no room stays quieter than `lufs`.
    pub max_true_peak_db: f64,
    /// By how many decibels single peaks may be lowered to make room for the gain. Default 6:
    /// voices peak up to 22 dB above their loudness (espeak-ng does), and without it the one
    /// loudest plosive would decide how loud a chapter is. 0 applies nothing but the gain.
    pub max_limiting_db: f64,
    /// The highest gain in decibels. Default 30; more would raise the noise of a voice that is
    /// nearly silent.
    pub max_gain_db: f64,
}

impl Default for LoudnessTarget {
    fn default() -> Self {
        Self {
            lufs: -18.0,
            max_true_peak_db: -1.5,
            max_limiting_db: 6.0,
            max_gain_db: 30.0,
        }
    }
}

/// How loud audio was, and what was done about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loudness {
    /// Integrated loudness before, in LUFS. `None` for silence and for less than 400 ms, which
    /// EBU R128 does not measure.
    pub measured_lufs: Option<f64>,
    /// True peak before, in dBTP. `None` for digital silence.
    pub true_peak_db: Option<f64>,
    /// By how many decibels the highest peak was lowered before the gain; 0 when none was.
    pub limited_db: f64,
    /// The gain that was applied to all samples, in decibels. Without a measured loudness it is 0,
    /// or below 0 where the peaks ask for it.
    pub gain_db: f64,
}

/// Measures the loudness, lowers peaks that leave no room, and applies one gain to all samples.
///
/// # Errors
///
/// [`ErrorKind::Internal`](crate::ErrorKind::Internal) for a sample rate that cannot be measured
/// (below 16 Hz or above 2.8 MHz), which [`decode`](super::decode()) never returns.
pub fn normalise(pcm: &mut Pcm, target: LoudnessTarget) -> Result<Loudness> {
    let before = measure(pcm)?;
    let mut now = before;
    for _ in 0..LIMITER_ROUNDS {
        let lower_db = excess(&now, target).min(target.max_limiting_db - now.limited_db);
        if lower_db < NEAR_ENOUGH_DB {
            break;
        }
        lower_peaks(pcm, lower_db);
        now = Loudness {
            limited_db: now.limited_db + lower_db,
            ..measure(pcm)?
        };
    }
    let gain_db = wanted(&now, target).min(headroom(&now, target));
    apply(&mut pcm.samples, gain_db);
    Ok(Loudness {
        limited_db: now.limited_db,
        gain_db,
        ..before
    })
}

fn lower_peaks(pcm: &mut Pcm, by_db: f64) {
    let peak = pcm
        .samples
        .iter()
        .map(|sample| sample.unsigned_abs())
        .max()
        .unwrap_or(0);
    let ceiling = f64::from(peak) * 10f64.powf(-by_db / 20.0);
    limiter::limit(&mut pcm.samples, pcm.sample_rate, ceiling as u16);
}

/// How far the gain for the target would raise the peak too high, in decibels.
fn excess(loudness: &Loudness, target: LoudnessTarget) -> f64 {
    wanted(loudness, target) - headroom(loudness, target)
}

fn wanted(loudness: &Loudness, target: LoudnessTarget) -> f64 {
    let gain = loudness
        .measured_lufs
        .map_or(0.0, |lufs| target.lufs - lufs);
    gain.min(target.max_gain_db)
}

fn headroom(loudness: &Loudness, target: LoudnessTarget) -> f64 {
    let room = target.max_true_peak_db - PEAK_MARGIN_DB;
    loudness.true_peak_db.map_or(0.0, |peak| room - peak)
}

fn measure(pcm: &Pcm) -> Result<Loudness> {
    let failed = |error| Error::internal("the loudness could not be measured").with_source(error);
    let mode = Mode::I | Mode::TRUE_PEAK;
    let mut meter = EbuR128::new(1, pcm.sample_rate, mode).map_err(failed)?;
    meter.add_frames_i16(&pcm.samples).map_err(failed)?;
    let lufs = meter.loudness_global().map_err(failed)?;
    let peak_db = 20.0 * meter.true_peak(0).map_err(failed)?.log10();
    Ok(Loudness {
        measured_lufs: Some(lufs).filter(|lufs| lufs.is_finite()),
        true_peak_db: Some(peak_db).filter(|peak| peak.is_finite()),
        limited_db: 0.0,
        gain_db: 0.0,
    })
}

fn apply(samples: &mut [i16], gain_db: f64) {
    if gain_db == 0.0 {
        return;
    }
    let gain = 10f64.powf(gain_db / 20.0) as f32;
    for sample in samples {
        // A cast from float to integer saturates.
        *sample = (f32::from(*sample) * gain).round() as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(amplitude: f64, seconds: f64) -> Pcm {
        let samples = (0..(24_000.0 * seconds) as usize)
            .map(|i| {
                (amplitude * (i as f64 * 997.0 * std::f64::consts::TAU / 24_000.0).sin()) as i16
            })
            .collect();
        Pcm {
            sample_rate: 24_000,
            samples,
        }
    }

    /// A full-scale 997 Hz sine in one channel is -3.01 LUFS by the definition of ITU-R BS.1770,
    /// so its mean square gives the loudness without a meter.
    fn lufs_of_sine(pcm: &Pcm) -> f64 {
        let sum: f64 = pcm
            .samples
            .iter()
            .map(|s| (f64::from(*s) / 32_768.0).powi(2))
            .sum();
        10.0 * (sum / pcm.samples.len() as f64).log10()
    }

    #[test]
    fn quiet_and_loud_sines_end_at_the_target() {
        for amplitude in [600.0, 4_000.0, 30_000.0] {
            let mut pcm = sine(amplitude, 5.0);
            normalise(&mut pcm, LoudnessTarget::default()).unwrap();
            let lufs = lufs_of_sine(&pcm);
            assert!((lufs + 18.0).abs() < 0.1, "{amplitude}: {lufs}");
        }
    }

    #[test]
    fn a_peak_limits_the_gain() {
        let mut pcm = sine(300.0, 5.0);
        pcm.samples[60_000] = 20_000;
        let target = LoudnessTarget {
            max_limiting_db: 0.0,
            ..LoudnessTarget::default()
        };
        let loudness = normalise(&mut pcm, target).unwrap();
        let after = measure(&pcm).unwrap();
        assert!(loudness.gain_db < 4.0);
        let peak = after.true_peak_db.unwrap();
        assert!((-1.6..=-1.5).contains(&peak), "{peak}");
    }

    #[test]
    fn a_single_peak_is_lowered_rather_than_the_chapter() {
        let mut pcm = sine(2_800.0, 5.0);
        for at in [10_000, 60_000, 60_100, 110_000] {
            pcm.samples[at..at + 30].fill(20_000);
        }
        let loudness = normalise(&mut pcm, LoudnessTarget::default()).unwrap();
        assert!(loudness.limited_db > 1.0, "{loudness:?}");
        let lufs = lufs_of_sine(&pcm);
        assert!((lufs + 18.0).abs() < 0.5, "{lufs}");
        let peak = measure(&pcm).unwrap().true_peak_db.unwrap();
        assert!(peak <= -1.5, "{peak}");
    }

    #[test]
    fn silence_and_snippets_keep_their_level() {
        let mut silence = Pcm {
            sample_rate: 24_000,
            samples: vec![0; 48_000],
        };
        let loudness = normalise(&mut silence, LoudnessTarget::default()).unwrap();
        assert_eq!((loudness.measured_lufs, loudness.gain_db), (None, 0.0));
        assert!(silence.samples.iter().all(|s| *s == 0));

        let mut snippet = sine(3_000.0, 0.2);
        let before = snippet.clone();
        normalise(&mut snippet, LoudnessTarget::default()).unwrap();
        assert_eq!(snippet, before);

        let mut nothing = Pcm {
            sample_rate: 24_000,
            samples: vec![],
        };
        assert_eq!(
            normalise(&mut nothing, LoudnessTarget::default())
                .unwrap()
                .gain_db,
            0.0
        );
    }

    #[test]
    fn noise_is_not_raised_without_bound() {
        let mut pcm = sine(40.0, 2.0);
        let loudness = normalise(&mut pcm, LoudnessTarget::default()).unwrap();
        assert_eq!(loudness.gain_db, 30.0);
    }
}
