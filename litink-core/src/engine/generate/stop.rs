//! What vendors still work on for a run that was stopped.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::{
    Actor, Error, ErrorKind, Result, StepId,
    domain::{Generation, GenerationState, PendingOperation},
    engine::Engine,
    provider::{CallContext, Extensions, GenerationProvider, Operation},
    repository::{Change, Query, RepositoryExt},
    schema::Table,
};

/// How long a vendor may take to stop an operation; a stopping worker waits for it.
const STOP_LIMIT: Duration = Duration::from_secs(10);

impl Engine {
    /// Asks vendors to stop what they do for a step whose run was stopped: once, and as far as it
    /// can be. The handles are kept: what was finished all the same is fetched if the run goes on.
    pub(in crate::engine) async fn stop_operations(&self, step: StepId, extensions: &Extensions) {
        if let Err(error) = self.try_stop_operations(step, extensions).await {
            tracing::warn!(%step, %error, "a vendor was not asked to stop");
        }
    }

    async fn try_stop_operations(&self, step: StepId, extensions: &Extensions) -> Result<()> {
        let query = Query::new(Table::Generations)
            .states([GenerationState::Pending.as_str()])
            .matching("step_id", json!(step));
        let rows: Vec<Generation> = self.repository().all(Actor::Worker, query).await?;
        for row in rows {
            let Some(pending) = row.operation.clone().filter(|pending| !pending.stop_asked) else {
                continue;
            };
            let provider = self.provider(&row.provider)?;
            stop(&*provider, &row, &pending.handle, extensions).await?;
            let asked = PendingOperation {
                stop_asked: true,
                ..pending
            };
            let change = Change::update(&row, [("operation", json!(asked))]);
            match self.repository().apply(Actor::Worker, vec![change]).await {
                Ok(_) => {}
                // The run goes on, and somebody polls it again.
                Err(error) if error.code() == "version_conflict" => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Asks a vendor to stop an operation.
pub(super) async fn stop(
    provider: &dyn GenerationProvider,
    row: &Generation,
    operation: &Operation,
    extensions: &Extensions,
) -> Result<()> {
    let mut context = CallContext::new(row.id());
    context.attempt = row.attempt;
    context.timeout = STOP_LIMIT;
    context.extensions = extensions.clone();
    timeout(STOP_LIMIT, provider.cancel(operation, &context))
        .await
        .unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Timeout,
                "the provider did not answer in time",
            ))
        })
}
