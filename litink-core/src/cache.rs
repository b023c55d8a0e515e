//! The contract of values that may be forgotten: cooldowns, sessions, single-use tokens.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use crate::Result;

mod memory;
mod rate;

pub use memory::MemoryCache;
pub use rate::{Admission, RateLimit, RateRequest, RateStep, RateSteps, RateUse};

/// Values with a time to live, shared by all processes on the same store.
///
/// # Contract
/// - A value is gone when its time is over, and may be gone earlier (eviction, a restart): nothing
///   is lost by that but work.
/// - [`take`](Cache::take) gives a value to one caller only, however many ask at once.
/// - [`replace`](Cache::replace) compares and sets in one: of many callers who expect the same, one
///   succeeds.
/// - [`increment`](Cache::increment) is atomic; the time to live counts from the first.
/// - [`rate`](Cache::rate) is atomic, and goes by the store's clock alone: however many processes
///   take from a limit, together they keep it. What a lost answer took is lost with it, and flows in
///   again. Rates have keys of their own.
///
/// # Errors
/// [`crate::ErrorKind::Unavailable`] when the store cannot be reached;
/// [`crate::ErrorKind::Conflict`] (code `not_a_counter`) for an increment of another value.
///
/// # Implementing
/// Hold it to `litink_core::testing::cache`.
#[async_trait]
pub trait Cache: Send + Sync + Debug {
    /// The value, if it is still there.
    async fn get(&self, key: &str) -> Result<Option<Bytes>>;
    /// Sets a value for a time.
    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()>;
    /// Sets a value for a time if it now is as expected (`None`: if there is none); says whether it
    /// did.
    async fn replace(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool>;
    /// Removes a value and gives it.
    async fn take(&self, key: &str) -> Result<Option<Bytes>>;
    /// Adds to a counter (0 where there is none) and gives the sum. A counter is its decimal text.
    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64>;
    /// Takes from the rate limits of a key, all or none, gives back, or learns about them. Who
    /// comes next is decided by what was taken before, and not by how much is asked for, so that
    /// small ones do not keep large ones out.
    ///
    /// # Errors
    /// As [`RateRequest::steps`].
    async fn rate(&self, key: &str, request: &RateRequest) -> Result<Admission>;
}
