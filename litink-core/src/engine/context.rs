//! What a step has to work with.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Asset, Engine, Made};
use crate::{
    Actor, Error, GenerationId, Result, StepId,
    domain::{Book, Run, Step, StepState},
    provider::{Extensions, Request},
    repository::RepositoryExt,
    schema::Table,
};

/// What a step has to work with: the run it belongs to, the engine, and when to stop.
#[derive(Clone, Debug)]
pub struct StepContext {
    pub(super) engine: Engine,
    pub(super) run: Arc<Run>,
    pub(super) step: StepId,
    pub(super) cancel: CancellationToken,
    /// The step failed as `held`, and its owner resumed the run: send the call again.
    pub(super) released: bool,
    pub(super) extensions: Extensions,
}

impl StepContext {
    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The run that the step belongs to.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Fires when the run is cancelled or the worker stops. Only work that cannot be dropped needs
    /// to look.
    #[must_use]
    pub fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// On whose behalf the step reads: what a row names is reached only where its owner reaches it.
    #[must_use]
    pub fn owner(&self) -> Actor {
        Actor::User(self.run.meta.owner)
    }

    /// The book of the run.
    pub async fn book(&self) -> Result<Book> {
        self.engine
            .repository()
            .find(self.owner(), self.run.book_id)
            .await
    }

    /// What generations made, in the order of the ids.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] where one of them is gone or not completed.
    pub async fn assets(&self, ids: &[GenerationId]) -> Result<Vec<Asset>> {
        let uuids: Vec<_> = ids.iter().map(|id| id.0).collect();
        let rows = self
            .engine
            .repository()
            .get(self.owner(), Table::Generations, &uuids)
            .await?;
        rows.into_iter()
            .zip(ids)
            .map(|(row, id)| {
                let missing = || Error::not_found("generation", id);
                Asset::of(&row.ok_or_else(missing)?.entity()?)?.ok_or_else(missing)
            })
            .collect()
    }

    /// Other steps of the run, completed, by key, in the order of the keys.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Internal`] where one of them is not completed.
    pub async fn completed(&self, keys: &[String]) -> Result<Vec<Step>> {
        let ids: Vec<_> = keys
            .iter()
            .map(|key| Step::id_of(self.run.id(), key).0)
            .collect();
        let rows = self
            .engine
            .repository()
            .get(self.owner(), Table::Steps, &ids)
            .await?;
        let missing = || Error::internal("a step began before those that it waits for");
        rows.into_iter()
            .map(|row| {
                let step: Step = row.ok_or_else(missing)?.entity()?;
                if step.state == StepState::Completed {
                    Ok(step)
                } else {
                    Err(missing())
                }
            })
            .collect()
    }

    /// Makes something with a provider, paid at most once: where the same was made before for this
    /// owner, it is what was stored then.
    ///
    /// # Errors
    /// The provider's; code `held` where a call may have been paid and its owner is to be asked.
    pub async fn generate(&self, provider: &str, request: &Request) -> Result<Made> {
        self.engine.generate(self, provider, request).await
    }
}
