//! What every handler can reach.

use std::sync::Arc;

use litink_core::{
    Actor, LOCAL_USER, Result,
    engine::Engine,
    identity::{Identity, StaticIdentity},
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::ServerConfig;

/// The server's state; cloning it is cheap.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) engine: Engine,
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) identity: Arc<dyn Identity>,
    pub(crate) metrics: PrometheusHandle,
    /// Requests that may still be taken up.
    pub(crate) slots: Arc<Semaphore>,
    /// Fires when the server stops: event streams end then.
    pub(crate) stop: CancellationToken,
}

impl AppState {
    pub(crate) fn new(
        engine: Engine,
        config: ServerConfig,
        metrics: PrometheusHandle,
        stop: CancellationToken,
    ) -> Result<Self> {
        let actor = Actor::User(LOCAL_USER);
        let identity: Arc<dyn Identity> = match (&config.identity, &config.access_token) {
            (Some(identity), _) => Arc::clone(identity),
            (None, Some(token)) => Arc::new(StaticIdentity::new(token.reveal(), actor)?),
            (None, None) => Arc::new(StaticIdentity::open(actor)),
        };
        let slots = Arc::new(Semaphore::new(config.max_concurrent_requests));
        let config = Arc::new(config);
        Ok(Self {
            engine,
            config,
            identity,
            metrics,
            slots,
            stop,
        })
    }
}
