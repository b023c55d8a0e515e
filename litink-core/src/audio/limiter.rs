//! Lowers single peaks, so that one plosive does not decide how loud a chapter is.

use std::{f64::consts::PI, ops::Range};

/// How long before and after a peak the level dips, in milliseconds: short enough not to be heard
/// as a change of loudness, long enough not to be heard as a click or as distortion.
const REACH_MS: usize = 5;

/// Lowers every sample above `ceiling` to it, each peak with what is around it, in the shape of a
/// raised cosine. Samples farther than 5 ms from any peak stay as they are.
pub(super) fn limit(samples: &mut [i16], sample_rate: u32, ceiling: u16) {
    let ceiling = ceiling.max(1);
    let reach = (sample_rate as usize * REACH_MS / 1000).max(1);
    let mut at = 0;
    while let Some(above) = next_above(samples, at, ceiling) {
        let peak = loudest(samples, above..above.saturating_add(reach));
        dip(samples, peak, reach, ceiling);
        // A slope of this peak may still be too high: it is looked at again.
        at = above;
    }
}

fn next_above(samples: &[i16], from: usize, ceiling: u16) -> Option<usize> {
    let is_above = |sample: &i16| sample.unsigned_abs() > ceiling;
    Some(from + samples.get(from..)?.iter().position(is_above)?)
}

fn loudest(samples: &[i16], range: Range<usize>) -> usize {
    let range = range.start..range.end.min(samples.len());
    let level = |at: &usize| samples.get(*at).map_or(0, |sample| sample.unsigned_abs());
    range.clone().max_by_key(level).unwrap_or(range.start)
}

fn dip(samples: &mut [i16], peak: usize, reach: usize, ceiling: u16) {
    let level = samples
        .get(peak)
        .map_or(1, |sample| sample.unsigned_abs().max(1));
    let depth = 1.0 - f64::from(ceiling) / f64::from(level);
    let start = peak.saturating_sub(reach);
    for (at, sample) in samples
        .iter_mut()
        .enumerate()
        .skip(start)
        .take(peak + reach - start)
    {
        let distance = at.abs_diff(peak) as f64 / reach as f64;
        let shape = 0.5 + 0.5 * (PI * distance).cos();
        // The cast drops the fraction, so the peak ends at the ceiling or just below it.
        *sample = (f64::from(*sample) * (1.0 - depth * shape)) as i16;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_is_near_a_peak_changes() {
        let mut samples = vec![1_000; 1_000];
        samples[500] = -20_000;
        limit(&mut samples, 24_000, 5_000);
        assert_eq!(samples[500], -5_000);
        assert!(
            samples[..380]
                .iter()
                .chain(&samples[620..])
                .all(|s| *s == 1_000)
        );
        assert!(samples[499] < 260 && samples[440] < 1_000);
    }

    proptest! {
        #[test]
        fn nothing_stays_above_and_nothing_grows(
            before in prop::collection::vec(any::<i16>(), 0..300),
            ceiling in 0u16..33_000,
        ) {
            let mut after = before.clone();
            limit(&mut after, 8_000, ceiling);
            prop_assert!(after.iter().all(|s| s.unsigned_abs() <= ceiling.max(1)));
            for (before, after) in before.iter().zip(&after) {
                prop_assert!(after.unsigned_abs() <= before.unsigned_abs());
            }
        }
    }
}
