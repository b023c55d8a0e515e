use async_trait::async_trait;
use litink_core::{
    Actor, Result, ResultExt,
    repository::{
        Commit, Committed, Cursor, Page, Query, Repository, RepositoryCapabilities, Row, Tallied,
        validate,
    },
    schema::Table,
};
use uuid::Uuid;

use super::database::SqliteDatabase;

mod changes;
mod reading;
mod statements;
mod values;

/// Rows in SQLite.
///
/// `created_at` rises strictly within one process, so that the newest row is the one inserted last.
#[derive(Clone, Debug)]
pub struct SqliteRepository {
    database: SqliteDatabase,
}

impl SqliteRepository {
    /// The rows of a database.
    #[must_use]
    pub fn new(database: SqliteDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl Repository for SqliteRepository {
    fn capabilities(&self) -> RepositoryCapabilities {
        RepositoryCapabilities::new()
            .with_durable(true)
            .with_shared(true)
    }

    async fn get(&self, actor: Actor, table: Table, ids: &[Uuid]) -> Result<Vec<Option<Row>>> {
        validate::ids(ids)?;
        validate::readable(actor, table)?;
        let ids = ids.to_vec();
        self.database
            .read(move |connection| reading::get(connection, actor, table, &ids))
            .await
            .operation("repository.get")
    }

    async fn list(&self, actor: Actor, query: &Query) -> Result<Page<Row>> {
        query.validate()?;
        validate::readable(actor, query.table)?;
        let after = query.after.as_deref().map(Cursor::decode).transpose()?;
        let query = query.clone();
        self.database
            .read(move |connection| reading::list(connection, actor, &query, after))
            .await
            .operation("repository.list")
    }

    async fn tally(
        &self,
        actor: Actor,
        query: &Query,
        by: &[&str],
        sum: &[&str],
    ) -> Result<Vec<Tallied>> {
        query.validate()?;
        validate::readable(actor, query.table)?;
        let (by, sum) = validate::tally(query.table, by, sum)?;
        let query = query.clone();
        self.database
            .read(move |connection| reading::tally(connection, actor, &query, &by, &sum))
            .await
            .operation("repository.tally")
    }

    async fn commit(&self, actor: Actor, commit: &Commit) -> Result<Committed> {
        validate::size(commit)?;
        validate::writable(actor, commit)?;
        // What needs no database is done here, on the caller's thread; the writer is one for all.
        let changes = changes::prepare(actor, &commit.changes)?;
        let key = commit.key;
        self.database
            .write(move |tx| changes::apply_once(tx, actor, key, &changes))
            .await
            .operation("repository.commit")
    }
}
