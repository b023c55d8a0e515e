//! How long tests with random operations go on, and from which numbers.

/// `LITINK_TEST_SEED` for one, else so many of today's.
pub(crate) fn seeds(number: u64) -> Vec<u64> {
    if let Ok(seed) = std::env::var("LITINK_TEST_SEED") {
        return vec![seed.parse().unwrap()];
    }
    let begin = u64::from_le_bytes(*uuid::Uuid::new_v4().as_bytes().first_chunk().unwrap());
    (0..number).map(|i| begin.wrapping_add(i)).collect()
}

/// `LITINK_TEST_OPERATIONS` for a longer run.
pub(crate) fn operations(default: usize) -> usize {
    let longer = std::env::var("LITINK_TEST_OPERATIONS").ok();
    longer.map_or(default, |it| it.parse().unwrap())
}
