//! What every handler can reach.

use std::sync::Arc;

use async_trait::async_trait;
use litink_core::{
    Actor, LOCAL_USER, Result,
    engine::Engine,
    identity::{Caller, Identity, StaticIdentity},
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
        let identity = identity(&config)?;
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

/// Who is let in: the bearer of the access token, people with accounts, or, where there is neither,
/// everybody.
fn identity(config: &ServerConfig) -> Result<Arc<dyn Identity>> {
    let actor = Actor::User(LOCAL_USER);
    let token = config.access_token.as_ref();
    let operator = token.map(|token| StaticIdentity::new(token.reveal(), actor));
    Ok(match (operator.transpose()?, &config.identity) {
        (None, None) => Arc::new(StaticIdentity::open(actor)),
        (Some(operator), None) => Arc::new(operator),
        (None, Some(people)) => Arc::clone(people),
        (Some(operator), Some(people)) => Arc::new(Either {
            operator,
            people: Arc::clone(people),
        }),
    })
}

/// The one who runs the server, and the people who use it.
#[derive(Debug)]
struct Either {
    operator: StaticIdentity,
    people: Arc<dyn Identity>,
}

#[async_trait]
impl Identity for Either {
    async fn authenticate(&self, token: Option<&str>) -> Result<Caller> {
        match self.operator.authenticate(token).await {
            Ok(caller) => Ok(caller),
            Err(_) => self.people.authenticate(token).await,
        }
    }
}
