//! The contract of hints: "look again", across processes.

use std::fmt::Debug;

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, ErrorKind, Result, UserId};

mod memory;

pub use memory::MemoryEvents;

/// Publish and subscribe, for progress that should be seen at once.
///
/// # Contract
/// - **Hints, not truth.** An event may be lost (a slow subscriber, a cut connection), never
///   altered. Who must not miss a change reads the repository, and uses events only to do so
///   sooner.
/// - A subscriber gets what is published after `subscribe` returned, in the order of publication
///   by one publisher.
/// - A subscriber that falls behind loses the oldest events; it never slows a publisher down.
/// - The payload is small (at most 4 KiB as JSON): ids, not contents.
///
/// # Errors
/// [`crate::ErrorKind::Unavailable`]; [`crate::ErrorKind::LimitExceeded`] (code
/// `payload_too_large`). A subscription that breaks ends its stream.
///
/// # Implementing
/// Hold it to `litink_core::testing::events`.
#[async_trait]
pub trait Events: Send + Sync + Debug {
    /// What this backend can do.
    fn capabilities(&self) -> EventsCapabilities;
    /// Tells every subscriber of the event's topic.
    async fn publish(&self, event: &Event) -> Result<()>;
    /// What is published on a topic from now on.
    async fn subscribe(&self, topic: &Topic) -> Result<BoxStream<'static, Event>>;
}

/// The largest payload, as JSON: what fits a Postgres notification with room to spare.
pub const MAX_PAYLOAD_BYTES: usize = 4096;

/// What an events backend can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventsCapabilities {
    /// Whether events reach other processes. Where not, waiters also look at the repository from
    /// time to time.
    pub shared: bool,
}

impl EventsCapabilities {
    /// Sets `shared`.
    #[must_use]
    pub const fn with_shared(mut self, shared: bool) -> Self {
        self.shared = shared;
        self
    }
}

/// What events are about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Topic(String);

impl Topic {
    /// The runs of a user.
    #[must_use]
    pub fn runs(user: UserId) -> Self {
        Self(format!("user:{user}:runs"))
    }

    /// The timetable: somebody changed it.
    #[must_use]
    pub fn schedules() -> Self {
        Self("schedules".into())
    }

    /// The topic as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One hint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What it is about.
    pub topic: Topic,
    /// A small JSON value.
    pub payload: Value,
}

impl Event {
    /// Whether the payload is small enough. Every backend calls this first.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] with code `payload_too_large`.
    pub fn validate(&self) -> Result<()> {
        let bytes = self.payload.to_string().len();
        if bytes <= MAX_PAYLOAD_BYTES {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::LimitExceeded,
            "the payload of an event is too large; send an id",
        )
        .with_code("payload_too_large")
        .with_context("bytes", bytes)
        .with_context("limit_bytes", MAX_PAYLOAD_BYTES))
    }
}
