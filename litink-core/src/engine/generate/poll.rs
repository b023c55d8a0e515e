//! What a vendor works on after it answered: asked for until it is over.

use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};

use super::{Asset, Call, Paid, stop, store::Unstored};
use crate::{
    Charge, Error, ErrorKind, Result, Retry,
    domain::{Generation, GenerationState, PendingOperation},
    provider::{Operation, Reply},
};

/// The longest pause after a vendor could not be asked about an operation.
const MAX_POLL_PAUSE: Duration = Duration::from_secs(60);

impl Call<'_> {
    /// Asks how an operation stands. What was paid for is given up only where the vendor says that
    /// nothing will come of it, or after the time that an operation may take.
    pub(super) async fn poll(&self, row: Generation) -> Result<Asset> {
        let Some(pending) = row.operation.clone() else {
            return self.call(row).await;
        };
        let row = self.share(row).await?;
        let context = self.call_context(&row);
        let reply = self.timed(self.provider.poll(&pending.handle, &context));
        let since = Self::age(&row, &pending);
        match self.observed(&row, since, reply).await {
            Ok(Reply::Done(generated)) => {
                let paid = Paid::of(&generated);
                match self.store(&row, *generated, &paid).await {
                    Ok(asset) => {
                        self.count("completed");
                        Ok(asset)
                    }
                    Err(Unstored::Rejected(error)) => self.failed(row, error, paid).await,
                    Err(Unstored::Interrupted(error)) => Err(self.keep(&row, &pending, error)),
                }
            }
            Ok(Reply::Pending(_)) if self.expired(&row, &pending) => {
                self.expire(row, &pending, None).await
            }
            Ok(Reply::Pending(operation)) => self.wait_for(row, operation).await,
            // Stopped, as we asked: the run goes on all the same, so it is begun anew.
            Err(error) if self.is_over(&error) && pending.stop_asked => {
                tracing::info!(generation = %row.id(), %error, "a stopped call is sent again");
                self.call(row).await
            }
            Err(error) if self.is_over(&error) => {
                let paid = Paid::by(&error);
                self.failed(row, error, paid).await
            }
            Err(error) if error.retry() != Retry::Never && self.expired(&row, &pending) => {
                self.expire(row, &pending, Some(error)).await
            }
            Err(error) => Err(self.keep(&row, &pending, error)),
        }
    }

    /// Where more than one step waits for an operation, it is no step's own, and the end of one
    /// step's run does not stop it.
    async fn share(&self, row: Generation) -> Result<Generation> {
        if row.step_id.is_none_or(|step| step == self.context.step) {
            return Ok(row);
        }
        self.set(&row, GenerationState::Pending, [("step_id", Value::Null)])
            .await
    }

    /// Whether an error of `poll` says that the operation is over.
    fn is_over(&self, error: &Error) -> bool {
        let of_account = matches!(
            error.kind(),
            ErrorKind::Configuration
                | ErrorKind::Unauthenticated
                | ErrorKind::PermissionDenied
                | ErrorKind::QuotaExhausted
        );
        error.retry() == Retry::Never && !of_account && !self.context.cancel.is_cancelled()
    }

    fn age(row: &Generation, pending: &PendingOperation) -> Duration {
        let begun = pending.started_at.unwrap_or(row.meta.updated_at);
        (Utc::now() - begun).to_std().unwrap_or_default()
    }

    fn expired(&self, row: &Generation, pending: &PendingOperation) -> bool {
        Self::age(row, pending) > self.engine.options().operation_timeout
    }

    async fn expire(
        &self,
        row: Generation,
        pending: &PendingOperation,
        cause: Option<Error>,
    ) -> Result<Asset> {
        let stopped = stop::stop(
            self.provider,
            &row,
            &pending.handle,
            &self.context.extensions,
        );
        if let Err(error) = stopped.await {
            tracing::warn!(%error, "an operation that took too long was not stopped");
        }
        let mut error = Error::new(
            ErrorKind::Timeout,
            "the vendor did not finish in the time that an operation may take; look at the \
             vendor's own records, and resume the run to begin it anew",
        )
        .with_code("operation_expired")
        .with_retry(Retry::Never)
        .with_charge(Charge::Maybe)
        .with_context("generation", row.id())
        .with_context(
            "limit_s",
            self.engine.options().operation_timeout.as_secs_f32(),
        );
        if let Some(cause) = cause {
            error = error.with_source(cause);
        }
        self.failed(row, error, Paid::Perhaps).await
    }

    /// The question, the way back or our own storage failed, and not the operation: its row stays
    /// as it is, and it is asked for again, more and more seldom as it grows older.
    fn keep(&self, row: &Generation, pending: &PendingOperation, error: Error) -> Error {
        let error = error.with_operation("generate.poll");
        let again = matches!(error.retry(), Retry::Backoff | Retry::Ambiguous);
        if !again || self.expired(row, pending) {
            return error;
        }
        let pause = (Self::age(row, pending) / 10)
            .min(MAX_POLL_PAUSE)
            .max(poll_pause(&pending.handle));
        tracing::warn!(generation = %row.id(), %error, "an operation is asked for again later");
        error.with_retry(Retry::After(pause))
    }

    /// The vendor goes on: its handle is stored before anybody asks again, and the step comes back
    /// later without holding a worker's slot.
    pub(super) async fn wait_for(&self, row: Generation, operation: Operation) -> Result<Asset> {
        let pause = poll_pause(&operation);
        let before = row
            .operation
            .as_ref()
            .filter(|_| row.state == GenerationState::Pending);
        if before.is_none_or(|before| before.handle != operation) {
            let begun = match before {
                Some(before) => before.started_at.unwrap_or(row.meta.updated_at),
                None => Utc::now(),
            };
            let pending = PendingOperation {
                handle: operation,
                started_at: Some(begun),
                stop_asked: before.is_some_and(|before| before.stop_asked),
            };
            let set = [("operation", json!(pending))];
            self.set(&row, GenerationState::Pending, set).await?;
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "the provider is still working on it",
        )
        .with_code("operation_pending")
        .with_retry(Retry::After(pause)))
    }
}

/// How soon to ask again, as the provider wishes it within reason.
fn poll_pause(operation: &Operation) -> Duration {
    Duration::from_millis(operation.poll_after_ms.clamp(50, 600_000))
}
