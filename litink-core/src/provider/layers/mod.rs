//! Providers around providers: the same contract in and out, so that they are put together as one
//! likes. What an engine's own call path does for every provider (paid once, budgets, retries) is no
//! layer.

use super::{GenerationProvider, Request};

mod adaptive;
mod breaker;
mod hedged;
mod ladder;
mod limits;
mod repaired;

pub use adaptive::Adaptive;
pub use breaker::{Breaker, BreakerOptions};
pub use hedged::Hedged;
pub use ladder::{Ladder, Rung};
pub use limits::{CallRates, RateLimited};
pub use repaired::Repaired;

/// A key of the cache that two providers of one name, at two addresses, do not share.
fn place(what: &str, provider: &dyn GenerationProvider, request: &Request) -> String {
    let variant = provider.variant(request);
    let url = variant
        .get("url")
        .map(ToString::to_string)
        .unwrap_or_default();
    let place = blake3::hash(url.as_bytes()).to_hex();
    format!("{what}.{}.{}", provider.name(), &place[..16])
}
