use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;
use litink_core::{
    Result, SessionId,
    queue::{Exchanged, Queue, Turn},
};

/// A queue that keeps jobs and leaves the waiting to somebody else.
#[async_trait]
pub trait JobStore: Queue + Debug {
    /// One turn that does not wait. Where it `may_wait` and brings nothing, it changes nothing.
    async fn look(&self, session: SessionId, turn: &Turn, may_wait: bool) -> Result<Look>;
}

/// What a look brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Look {
    /// The turn is over.
    Over(Exchanged),
    /// Nothing; the state changes by itself after so long at the earliest, `None` for not at all.
    Idle(Option<Duration>),
}
