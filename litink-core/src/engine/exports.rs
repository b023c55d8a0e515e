//! Finished files.

use std::ops::Range;

use super::Engine;
use crate::{
    Actor, ExportId, Result, RunId,
    domain::{Export, Run},
    repository::{Order, Query, RepositoryExt},
    schema::Table,
    storage::Object,
};

/// A finished file being read.
#[derive(Debug)]
pub struct ExportReader {
    /// The file.
    pub export: Export,
    /// Its bytes.
    pub object: Object,
}

impl Engine {
    /// The finished files of a run, in order.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] where there is no such run.
    pub async fn exports(&self, actor: Actor, run: RunId) -> Result<Vec<Export>> {
        let run: Run = self.repository().find(actor, run).await?;
        let query = Query::new(Table::Exports)
            .parent(run.meta.id)
            .order(Order::Position);
        self.repository().all(actor, query).await
    }

    /// Opens a finished file, or a range of it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`]; [`crate::ErrorKind::InvalidInput`] (code `bad_range`).
    pub async fn open_export(
        &self,
        actor: Actor,
        id: ExportId,
        range: Option<Range<u64>>,
    ) -> Result<ExportReader> {
        let export: Export = self.repository().find(actor, id).await?;
        let object = self
            .storage()
            .get(actor, &export.storage_key, range)
            .await?;
        Ok(ExportReader { export, object })
    }
}
