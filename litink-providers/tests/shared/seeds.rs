//! How long tests with random operations go on, and from which numbers.

/// So many, the same every time; `LITINK_TEST_SEED` for one of one's own.
pub(crate) fn seeds(number: u64) -> Vec<u64> {
    match std::env::var("LITINK_TEST_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=number).collect(),
    }
}

/// `LITINK_TEST_OPERATIONS` for a longer run.
pub(crate) fn operations(default: usize) -> usize {
    let longer = std::env::var("LITINK_TEST_OPERATIONS").ok();
    longer.map_or(default, |it| it.parse().unwrap())
}
