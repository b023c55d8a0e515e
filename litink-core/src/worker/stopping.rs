//! Why a job in flight is to stop.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Why a job in flight is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// Somebody cancelled it.
    Cancelled,
    /// The worker stops, and its time of grace is over: the job goes back to the queue.
    Draining,
    /// The lease was lost: another worker may have the job already.
    LeaseLost,
}

/// Tells a job in flight to stop. The first reason stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    token: CancellationToken,
    reason: Arc<OnceLock<StopReason>>,
}

impl Stop {
    pub(crate) fn stop(&self, reason: StopReason) {
        let _first = self.reason.set(reason);
        self.token.cancel();
    }

    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }

    pub(crate) fn reason(&self) -> Option<StopReason> {
        self.reason.get().copied()
    }
}
