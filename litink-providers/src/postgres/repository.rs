use async_trait::async_trait;
use litink_core::{
    Actor, Error, Result, ResultExt,
    repository::{
        Commit, Committed, Cursor, Page, Query, Repository, RepositoryCapabilities, Row, Tallied,
        validate,
    },
    schema::Table,
};
use serde_json::Value;
use uuid::Uuid;

use super::PostgresDatabase;
use crate::sql_functions::{
    Keyed, Refusal, commit_reply, commit_request, get_reply, get_request, list_reply, list_request,
    tally_reply, tally_request,
};

/// So many rows are brought by one call, to bound what the server and this process hold at once.
const ROWS_AT_ONCE: usize = 1_000;

/// Rows in PostgreSQL.
#[derive(Clone, Debug)]
pub struct PostgresRepository {
    database: PostgresDatabase,
}

impl PostgresRepository {
    /// The rows of a database.
    #[must_use]
    pub fn new(database: PostgresDatabase) -> Self {
        Self { database }
    }

    async fn read(&self, statement: &'static str, request: &Value) -> Result<Value> {
        let reply = self.database.call(statement, request).await?;
        reply.map_err(unexpected)
    }
}

/// Reads refuse nothing that was held against the schema.
fn unexpected(refusal: Refusal) -> Error {
    refusal.of(&[])
}

#[async_trait]
impl Repository for PostgresRepository {
    fn capabilities(&self) -> RepositoryCapabilities {
        RepositoryCapabilities::new()
            .with_durable(true)
            .with_shared(true)
    }

    async fn get(&self, actor: Actor, table: Table, ids: &[Uuid]) -> Result<Vec<Option<Row>>> {
        validate::ids(ids)?;
        validate::readable(actor, table)?;
        let mut rows = Vec::with_capacity(ids.len());
        for ids in ids.chunks(ROWS_AT_ONCE) {
            let request = get_request(actor, table, ids);
            let reply = self
                .read("SELECT public.litink_get_v1($1)", &request)
                .await
                .operation("repository.get")?;
            rows.extend(get_reply(table, reply)?);
        }
        Ok(rows)
    }

    async fn list(&self, actor: Actor, query: &Query) -> Result<Page<Row>> {
        query.validate()?;
        validate::readable(actor, query.table)?;
        let after = query.after.as_deref().map(Cursor::decode).transpose()?;
        let request = Value::Object(list_request(actor, query, after)?);
        let reply = self
            .read("SELECT public.litink_list_v1($1)", &request)
            .await
            .operation("repository.list")?;
        list_reply(query, reply)
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
        let request = Value::Object(tally_request(actor, query, &by, &sum)?);
        let reply = self
            .read("SELECT public.litink_tally_v1($1)", &request)
            .await
            .operation("repository.tally")?;
        tally_reply(query.table, &by, reply)
    }

    async fn commit(&self, actor: Actor, commit: &Commit) -> Result<Committed> {
        validate::size(commit)?;
        validate::writable(actor, commit)?;
        let request = commit_request(actor, commit, Keyed::of(commit))?;
        let reply = self
            .database
            .call("SELECT public.litink_commit_v1($1)", &request)
            .await
            .operation("repository.commit")?;
        let reply = reply.map_err(|refusal| refusal.of(&commit.changes));
        commit_reply(reply.operation("repository.commit")?)
    }
}
