//! Ctrl-C and SIGTERM: the first stops cleanly, the second at once, whatever is still running.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::exit::INTERRUPTED;

/// How long the second waits for what it stopped: programs that were started are ended with it.
const AT_ONCE: Duration = Duration::from_millis(700);

/// When to stop, and when to stop at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt {
    pub(super) stop: CancellationToken,
    pub(super) abandon: CancellationToken,
}

impl Interrupt {
    /// Listens for signals from now on.
    pub(super) fn listen() -> Self {
        let interrupt = Self::default();
        let Self { stop, abandon } = interrupt.clone();
        tokio::spawn(async move {
            for token in [stop, abandon] {
                signal().await;
                token.cancel();
            }
            tokio::time::sleep(AT_ONCE).await;
            // Steps are given back by the end of their lease; nothing is lost by this.
            std::process::exit(i32::from(INTERRUPTED));
        });
        interrupt
    }
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}
