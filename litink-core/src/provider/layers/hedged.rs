use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::{Either, select};
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    Charge, Error, Result,
    provider::{
        CallContext, Estimate, GenerationProvider, Input, Operation, ProviderCapabilities, Reply,
        Request,
    },
};

/// Sends text a second time where no answer came for a while, and takes the first answer: for people who
/// wait. Optional, since it pays for time: the call that lost is dropped, what it cost is not known, and so
/// neither is what both cost ([`crate::provider::Cost::Unknown`]); budgets count the bound, which is that of
/// two calls. Anything but text is sent once, and so is text that is told in pieces.
#[derive(Debug)]
pub struct Hedged {
    inner: Arc<dyn GenerationProvider>,
    after: Duration,
}

impl Hedged {
    /// Around a provider. After so long a second call is sent: the time that nineteen of twenty calls
    /// take is a good one.
    #[must_use]
    pub fn new(inner: Arc<dyn GenerationProvider>, after: Duration) -> Self {
        Self { inner, after }
    }
}

/// A reply of one of two calls that were both sent.
fn of_two(reply: Result<Reply>) -> Result<Reply> {
    match reply {
        Ok(Reply::Done(mut made)) => {
            made.cost_nanos = None;
            made.priced_nanos = None;
            made.warnings
                .push("sent twice, since it was slow".to_owned());
            Ok(Reply::Done(made))
        }
        other => other,
    }
}

/// The other call may have been paid, whatever became of this one.
fn both_failed(error: Error, other: &Error) -> Error {
    match (error.charge(), other.charge()) {
        (Charge::No, Charge::No) => error,
        _ => error.with_charge(Charge::Maybe),
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl GenerationProvider for Hedged {
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
        let mut both = self.inner.estimate(request);
        if matches!(request.input, Input::Text(_)) {
            both.usage = both.usage.plus(&both.usage);
            both.cost_nanos = both.cost_nanos.and_then(|nanos| nanos.checked_mul(2));
        }
        both
    }

    async fn generate(&self, request: &Request, context: &CallContext) -> Result<Reply> {
        if !matches!(request.input, Input::Text(_)) || context.deltas.is_some() {
            return self.inner.generate(request, context).await;
        }
        let first = Box::pin(self.inner.generate(request, context));
        let slow = Box::pin(sleep(self.after));
        let first = match select(first, slow).await {
            Either::Left((reply, _)) => return reply,
            Either::Right(((), first)) => first,
        };
        let second = Box::pin(async {
            tracing::info!(
                provider = self.inner.name(),
                "a slow call is sent a second time"
            );
            self.inner.generate(request, context).await
        });
        let (reply, other) = match select(first, second).await {
            Either::Left((reply, other)) => (reply, Either::Left(other)),
            Either::Right((reply, other)) => (reply, Either::Right(other)),
        };
        match reply {
            Ok(_) => of_two(reply),
            Err(error) => match other.await {
                Ok(made) => of_two(Ok(made)),
                Err(last) => Err(both_failed(last, &error)),
            },
        }
    }

    async fn poll(&self, operation: &Operation, context: &CallContext) -> Result<Reply> {
        self.inner.poll(operation, context).await
    }

    async fn cancel(&self, operation: &Operation, context: &CallContext) -> Result<()> {
        self.inner.cancel(operation, context).await
    }
}
