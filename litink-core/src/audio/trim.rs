//! Where the speech of a part begins and ends, and edges without clicks.

use std::{f64::consts::PI, ops::Range};

/// The samples from the first to the last that reach `threshold`, with up to `keep` samples of what
/// is around them. `None` when nothing reaches it.
pub(super) fn speech(samples: &[i16], threshold: u16, keep: usize) -> Option<Range<usize>> {
    let is_sound = |sample: &i16| sample.unsigned_abs() >= threshold;
    let first = samples.iter().position(is_sound)?;
    let last = samples.iter().rposition(is_sound)?;
    Some(first.saturating_sub(keep)..(last + 1 + keep).min(samples.len()))
}

/// Lets the first and the last `fade` samples (at most half of all) rise and fall with a raised
/// cosine, so that what is put before and after may be silence.
pub(super) fn fade_edges(samples: &mut [i16], fade: usize) {
    let fade = fade.min(samples.len() / 2);
    fade_in(samples.iter_mut().take(fade), fade);
    fade_in(samples.iter_mut().rev().take(fade), fade);
}

fn fade_in<'a>(edge: impl Iterator<Item = &'a mut i16>, fade: usize) {
    for (i, sample) in edge.enumerate() {
        let weight = 0.5 - 0.5 * (PI * (i as f64 + 0.5) / fade as f64).cos();
        *sample = (f64::from(*sample) * weight) as i16;
    }
}

/// The sample value at a level below full scale.
pub(super) fn amplitude(dbfs: f64) -> u16 {
    (10f64.powf(dbfs / 20.0) * 32_768.0).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_cut_but_for_what_is_kept() {
        let mut samples = vec![3; 100];
        samples[40..60].fill(-5000);
        assert_eq!(speech(&samples, 100, 10), Some(30..70));
        assert_eq!(speech(&samples, 100, 50), Some(0..100));
        assert_eq!(speech(&[3; 100], 100, 10), None);
        assert_eq!(speech(&[i16::MIN], 100, 10), Some(0..1));
    }

    #[test]
    fn edges_begin_and_end_near_zero_and_the_middle_stays() {
        let mut samples = vec![10_000; 200];
        fade_edges(&mut samples, 50);
        assert!(samples[0] < 10 && samples[199] < 10);
        assert!(samples[50..150].iter().all(|s| *s == 10_000));
        let mut short = vec![10_000; 3];
        fade_edges(&mut short, 50);
        assert_eq!(short[1], 10_000);
    }

    #[test]
    fn levels_are_amplitudes() {
        assert_eq!(amplitude(-50.0), 104);
        assert_eq!(amplitude(0.0), 32_768);
    }
}
