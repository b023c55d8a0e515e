//! SIGTERM and Ctrl-C.

use tokio_util::sync::CancellationToken;

/// When to stop, and when to stop at once.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Fires at the first signal.
    pub stop: CancellationToken,
    /// Fires at the second.
    pub abandon: CancellationToken,
}

/// Listens for SIGTERM and Ctrl-C from now on, which no longer end the process by themselves.
#[must_use]
pub fn signals() -> Signals {
    let signals = Signals::default();
    let Signals { stop, abandon } = signals.clone();
    let mut listening = Listening::new();
    tokio::spawn(async move {
        for token in [stop, abandon] {
            listening.next().await;
            token.cancel();
        }
    });
    signals
}

/// Listening before anything else is done: a signal that comes at once is not missed.
#[cfg(unix)]
struct Listening(Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Listening {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self(signal(SignalKind::terminate()).ok())
    }

    async fn next(&mut self) {
        let terminate = async {
            match &mut self.0 {
                Some(terminate) => terminate.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate => {}
        }
    }
}

#[cfg(not(unix))]
struct Listening;

#[cfg(not(unix))]
impl Listening {
    fn new() -> Self {
        Self
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
