//! Rows by functions of the project's database.

use async_trait::async_trait;
use chrono::DateTime;
use litink_core::{
    Actor, Error, ErrorKind, Result, ResultExt,
    domain::Timestamp,
    repository::{
        Commit, Committed, Cursor, Page, Query, Repository, RepositoryCapabilities, Row, Tallied,
        validate,
    },
    schema::Table,
};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    PublishableKey, Scope, SecretKey, SupabaseClient,
    client::{Answer, Failed},
    refused::Refused,
};
use crate::sql_functions::{
    Keyed, Refusal, commit_reply, commit_request, get_reply, get_request, list_reply, list_request,
    states, tally_reply, tally_request,
};

/// So many rows are brought by one call, to bound what a gateway and this process hold at once.
const ROWS_AT_ONCE: usize = 250;

/// Rows in a Supabase project's database, over its REST interface: each call is one request, one
/// statement and one transaction. Clones share the connections.
///
/// The tables and functions are those of `migrations/postgres`, which `supabase db push` or
/// `litink migrate` on the database's own URL bring there.
#[derive(Clone, Debug)]
pub struct SupabaseRepository {
    pub(super) client: SupabaseClient,
    scope: Scope,
    pub(super) publishable: Option<PublishableKey>,
}

/// Why a function gave nothing.
enum Why {
    /// It says no.
    Refusal(Refusal),
    Error(Error),
}

impl SupabaseRepository {
    /// The rows of a project.
    #[must_use]
    pub fn new(client: &SupabaseClient, key: SecretKey) -> Self {
        Self {
            client: client.clone(),
            scope: Scope::Service(key),
            publishable: None,
        }
    }

    /// Sets the key that everybody has, with which the check of the project (`litink doctor`) tries
    /// what nobody may see.
    #[must_use]
    pub fn publishable(mut self, key: PublishableKey) -> Self {
        self.publishable = Some(key);
        self
    }

    /// The version of the database's schema.
    ///
    /// # Errors
    /// As those of any call; [`ErrorKind::Configuration`] (code `schema_missing`) for a project
    /// without litink's tables.
    pub async fn schema_version(&self) -> Result<u32> {
        self.version().await.map(|(version, _)| version)
    }

    /// The version, and when the project's gateway said so, to the second.
    pub(super) async fn version(&self) -> Result<(u32, Option<Timestamp>)> {
        let answer = self.asked("litink_schema_version", &json!({})).await;
        let answer = answer.map_err(Why::error)?;
        let date = answer.header("date");
        let date = date.and_then(|date| Some(DateTime::parse_from_rfc2822(date).ok()?.to_utc()));
        Ok((answer.json()?, date))
    }

    /// A commit of nothing under a new key, which writes and keeps the key.
    pub(super) async fn try_writing(&self) -> Result<String> {
        let request = json!({ "key": Uuid::new_v4(), "keep_s": 0, "changes": [] });
        self.read("litink_commit_v1", &request).await?;
        Ok("wrote".into())
    }

    async fn read(&self, function: &str, request: &Value) -> Result<Value> {
        let body = json!({ "request": request });
        self.call(function, &body).await.map_err(Why::error)
    }

    /// Calls a function. All of them are safe to repeat: they read, or are done once by a key.
    async fn call(&self, function: &str, body: &Value) -> Result<Value, Why> {
        let answer = self.asked(function, body).await?;
        answer.json().map_err(Why::Error)
    }

    async fn asked(&self, function: &str, body: &Value) -> Result<Answer, Why> {
        let path = format!("rest/v1/rpc/{function}");
        let call = self.client.call(Method::POST, &path);
        let call = call.and_then(|call| {
            call.json(body)?
                .header("accept", "application/json")?
                .header("content-profile", "public")
        });
        let call = call.map_err(Why::Error)?;
        let call = call.max_bytes(self.client.config().max_reply_bytes);
        match self.client.send(&self.scope, call).await {
            Ok(answer) => Ok(answer),
            Err(Failed::Refused(refused)) => Err(why(&refused)),
            Err(failed) => Err(Why::Error(failed.error())),
        }
    }
}

impl Why {
    /// Reads refuse nothing that was held against the schema.
    fn error(self) -> Error {
        match self {
            Self::Refusal(refusal) => refusal.of(&[]),
            Self::Error(error) => error,
        }
    }
}

fn why(refused: &Refused) -> Why {
    let code = refused.code();
    if let Some(refusal) = Refusal::parse(code, refused.details.as_deref()) {
        return Why::Refusal(refusal);
    }
    let error = |kind, code, message: &str| Error::new(kind, message).with_code(code);
    let described = match code {
        "PT403" | "PT404" | "PT409" | "PT422" => error(
            ErrorKind::Configuration,
            "no_details",
            "the REST interface leaves out why the database refuses; set its \
             client-error-verbosity to verbose",
        ),
        "42501" => error(
            ErrorKind::Configuration,
            "database_not_permitted",
            "the key may not call litink's functions; use the project's secret key, and check that \
             its migrations ran whole",
        ),
        "PGRST106" => error(
            ErrorKind::Configuration,
            "schema_not_exposed",
            "the REST interface does not expose the schema `public`; add it in the project's API \
             settings",
        ),
        "PGRST000" | "PGRST001" | "PGRST002" => states::unreachable(),
        "PGRST003" => states::describe("53300"),
        _ if refused.is_stale_schema() => states::describe("42883"),
        _ if is_state(code) => states::describe(code),
        _ => return Why::Error(refused.error()),
    };
    Why::Error(described.with_context("reason", code))
}

/// Five characters of Postgres's own.
fn is_state(code: &str) -> bool {
    code.len() == 5
        && code
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

#[async_trait]
impl Repository for SupabaseRepository {
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
            let reply = self.read("litink_get_v1", &request).await;
            rows.extend(get_reply(table, reply.operation("repository.get")?)?);
        }
        Ok(rows)
    }

    async fn list(&self, actor: Actor, query: &Query) -> Result<Page<Row>> {
        query.validate()?;
        validate::readable(actor, query.table)?;
        let after = query.after.as_deref().map(Cursor::decode).transpose()?;
        let request = Value::Object(list_request(actor, query, after)?);
        let reply = self.read("litink_list_v1", &request).await;
        list_reply(query, reply.operation("repository.list")?)
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
        let reply = self.read("litink_tally_v1", &request).await;
        tally_reply(query.table, &by, reply.operation("repository.tally")?)
    }

    async fn commit(&self, actor: Actor, commit: &Commit) -> Result<Committed> {
        validate::size(commit)?;
        validate::writable(actor, commit)?;
        let request = commit_request(actor, commit, Keyed::of(commit))?;
        let body = json!({ "request": request });
        let reply = self.call("litink_commit_v1", &body).await;
        let reply = reply.map_err(|why| match why {
            Why::Refusal(refusal) => refusal.of(&commit.changes),
            Why::Error(error) => error,
        });
        commit_reply(reply.operation("repository.commit")?)
    }
}
