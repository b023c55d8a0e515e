use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use super::place;
use crate::{
    Charge, Error, ErrorKind, Result, Retry,
    cache::Cache,
    provider::{
        CallContext, Estimate, GenerationProvider, Operation, ProviderCapabilities, Reply, Request,
    },
};

/// When calls are held back.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BreakerOptions {
    /// Failures, all processes together, after which a provider is left alone. Default 8.
    pub failures: u32,
    /// Within this time of each other. Default 30 seconds.
    pub within: Duration,
    /// For how long it is left alone. Default 15 seconds.
    pub cooldown: Duration,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self {
            failures: 8,
            within: Duration::from_secs(30),
            cooldown: Duration::from_secs(15),
        }
    }
}

/// Leaves a provider alone that cannot be reached, or does not answer, for a while; then one call, of
/// all processes on the same cache, finds out whether it is back.
///
/// A call that is held back costs nothing and is no failure of its step: it comes again after the
/// pause. What the provider refuses for a reason of its own (a request that is wrong, a limit, a
/// quota) does not count. Where the cache cannot be reached, every call goes through.
#[derive(Debug)]
pub struct Breaker {
    inner: Arc<dyn GenerationProvider>,
    cache: Arc<dyn Cache>,
    options: BreakerOptions,
}

/// Whether a call may be made.
enum Gate {
    Open,
    /// It is the one that finds out.
    Trial,
    Shut,
}

impl Breaker {
    /// Around a provider.
    #[must_use]
    pub fn new(
        inner: Arc<dyn GenerationProvider>,
        cache: Arc<dyn Cache>,
        options: BreakerOptions,
    ) -> Self {
        Self {
            inner,
            cache,
            options,
        }
    }

    fn key(&self, what: &str, request: &Request) -> String {
        place(&format!("breaker.{what}"), &*self.inner, request)
    }

    async fn gate(&self, request: &Request) -> Result<Gate> {
        if self.cache.get(&self.key("shut", request)).await?.is_some() {
            return Ok(Gate::Shut);
        }
        if self
            .cache
            .get(&self.key("failed", request))
            .await?
            .is_none()
        {
            return Ok(Gate::Open);
        }
        let one = Bytes::from_static(b"1");
        let trial = self.key("trial", request);
        let first = self.cache.replace(&trial, None, one, self.options.cooldown);
        Ok(if first.await? {
            Gate::Trial
        } else {
            Gate::Shut
        })
    }

    async fn failed(&self, request: &Request, trial: bool) -> Result<()> {
        let count = self.key("count", request);
        let sum = self.cache.increment(&count, 1, self.options.within).await?;
        if !trial && sum < i64::from(self.options.failures) {
            return Ok(());
        }
        tracing::warn!(
            provider = self.inner.name(),
            "a provider is left alone for a while"
        );
        let (one, cooldown) = (Bytes::from_static(b"1"), self.options.cooldown);
        // Known to have failed for longer than it is left alone, so that one call goes first.
        let known = cooldown.saturating_mul(8);
        self.cache
            .put(&self.key("failed", request), one.clone(), known)
            .await?;
        self.cache
            .put(&self.key("shut", request), one, cooldown)
            .await?;
        self.cache.take(&self.key("trial", request)).await?;
        self.cache.take(&count).await?;
        Ok(())
    }

    async fn worked(&self, request: &Request, trial: bool) -> Result<()> {
        if trial {
            tracing::info!(provider = self.inner.name(), "a provider is back");
            self.cache.take(&self.key("failed", request)).await?;
            self.cache.take(&self.key("trial", request)).await?;
            self.cache.take(&self.key("count", request)).await?;
        }
        Ok(())
    }

    fn held_back(&self) -> Error {
        Error::new(
            ErrorKind::Unavailable,
            "the provider failed again and again, and is left alone for a while",
        )
        .with_code("provider_cooling")
        .with_retry(Retry::After(self.options.cooldown / 2))
        .with_charge(Charge::No)
        .with_context("provider", self.inner.name())
    }
}

/// Whether an error says that the provider is not there.
fn is_outage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout)
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl GenerationProvider for Breaker {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self, model: Option<&str>) -> Arc<ProviderCapabilities> {
        self.inner.capabilities(model)
    }

    fn variant(&self, request: &Request) -> Value {
        self.inner.variant(request)
    }

    fn estimate(&self, request: &Request) -> Estimate {
        self.inner.estimate(request)
    }

    async fn generate(&self, request: &Request, context: &CallContext) -> Result<Reply> {
        let gate = self.gate(request).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the cache cannot be asked, so the call is made");
            Gate::Open
        });
        let trial = match gate {
            Gate::Shut => return Err(self.held_back()),
            Gate::Open => false,
            Gate::Trial => true,
        };
        let reply = self.inner.generate(request, context).await;
        let told = match &reply {
            Err(error) if is_outage(error) => self.failed(request, trial).await,
            // It was not asked.
            Err(error) if error.code() == "waiting_for_rate" => Ok(()),
            // Whatever it says, it answers.
            _ => self.worked(request, trial).await,
        };
        if let Err(error) = told {
            tracing::debug!(%error, "the cache was not told how a call ended");
        }
        reply
    }

    async fn poll(&self, operation: &Operation, context: &CallContext) -> Result<Reply> {
        self.inner.poll(operation, context).await
    }

    async fn cancel(&self, operation: &Operation, context: &CallContext) -> Result<()> {
        self.inner.cancel(operation, context).await
    }
}
