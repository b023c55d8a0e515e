/// Numbers that look random and follow from a seed: FNV-1a to mix it, SplitMix64 to draw from it
/// (Steele, Lea, Flood, OOPSLA 2014). Written here because a card must look the same after an
/// upgrade of any crate.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds bytes to the seed; what follows differs from the same bytes cut elsewhere.
    pub(super) fn mix(&mut self, bytes: &[u8]) {
        let length = (bytes.len() as u64).to_le_bytes();
        for byte in bytes.iter().chain(&length) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `count`; 0 for an empty range.
    pub(super) fn below(&mut self, count: usize) -> usize {
        (self.next() % count.max(1) as u64) as usize
    }

    /// From `low` to `high`.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        let unit = (self.next() >> 40) as f32 / (1_u32 << 24) as f32;
        low + (high - low) * unit
    }

    pub(super) fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throws_follow_from_the_seed_alone() {
        let mut dice = Dice::new();
        dice.mix(b"Moby-Dick");
        let mut again = dice.clone();
        let throws: Vec<_> = (0..8).map(|_| dice.below(100)).collect();
        assert_eq!(throws, (0..8).map(|_| again.below(100)).collect::<Vec<_>>());
        assert!((0..1_000).all(|_| (2.0..3.0).contains(&dice.between(2.0, 3.0))));
        assert_eq!(dice.below(0), 0);
    }
}
