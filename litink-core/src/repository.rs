//! The contract of rows: four verbs over the tables of [`crate::schema`].

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    Actor, Error, ErrorKind, Result, UserId,
    domain::{Entity, Timestamp},
    schema::Table,
};

mod memory;
pub mod validate;

pub use memory::MemoryRepository;

/// Rows, and the one atomic way of changing them.
///
/// # Contract
/// - **Atomic.** A [`commit`](Repository::commit) succeeds whole or changes nothing, and says by
///   the context `change` (an index) which expectation failed.
/// - **Visible.** What a commit wrote is seen by every read that begins after it returned, through
///   any handle on the same store.
/// - **Scoped.** A [`Actor::User`] reads and changes only rows it owns. Another's rows are to it as
///   if they did not exist: `get` gives `None`, `list` leaves them out, a change fails with the
///   same [`ErrorKind::NotFound`] as for an id that nobody has. Inserting a row for somebody else
///   is [`ErrorKind::PermissionDenied`].
/// - **Published.** What [`crate::schema::Published`] says is published, every user reads, and only
///   its owner changes.
/// - **Guarded.** What [`crate::schema::Access`] denies to users is
///   [`ErrorKind::PermissionDenied`] (code `not_for_users`) whatever the row.
/// - **Whole families.** A row's parent exists and has the same owner; inserting one elsewhere is
///   [`ErrorKind::NotFound`] (code `no_parent`). Deleting a row deletes what belongs to it.
/// - **Idempotent by key.** A commit whose [`Commit::key`] was applied before, by the same actor,
///   changes nothing and returns the first outcome, `replayed`. Keys are kept for a day at least.
/// - **Timed by the store.** `created_at`, `updated_at` and [`Query::idle_for`] go by the store's
///   clock.
/// - Cloning a handle, or putting it in an `Arc`, shares the store.
///
/// # Errors
/// [`ErrorKind::Conflict`] with code `version_conflict`, `already_exists` or `below_minimum`;
/// [`ErrorKind::NotFound`]; [`ErrorKind::LimitExceeded`] (code `too_many_changes`,
/// `commit_too_large`);
/// [`ErrorKind::InvalidInput`] (code `bad_row`) for unknown columns, wrong kinds or unknown states;
/// [`ErrorKind::Unavailable`] and [`ErrorKind::StorageFull`] when the store is; never a partial
/// write.
///
/// # Implementing
/// Build statements from [`crate::schema::TABLES`]; hold the result to
/// `litink_core::testing::repository`.
#[async_trait]
pub trait Repository: Send + Sync + Debug {
    /// What this backend can do.
    fn capabilities(&self) -> RepositoryCapabilities;

    /// The rows with these ids, in their order; `None` where there is none that the actor may see.
    /// At most [`MAX_CHANGES`] ids.
    async fn get(&self, actor: Actor, table: Table, ids: &[Uuid]) -> Result<Vec<Option<Row>>>;

    /// One page of a table.
    async fn list(&self, actor: Actor, query: &Query) -> Result<Page<Row>>;

    /// What a list would bring, counted and added up: one group for each combination of values of
    /// the columns `by`, with the sums of the integer columns `sum`, in the order of each group's
    /// first row (by `position` where the table has one, else by its values). The query's order,
    /// cursor and limit say nothing here.
    async fn tally(
        &self,
        actor: Actor,
        query: &Query,
        by: &[&str],
        sum: &[&str],
    ) -> Result<Vec<Tallied>>;

    /// Applies changes, all or none, in their order.
    async fn commit(&self, actor: Actor, commit: &Commit) -> Result<Committed>;
}

/// What a repository can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepositoryCapabilities {
    /// Whether what was committed survives the end of the process.
    pub durable: bool,
    /// Whether other processes see the same store.
    pub shared: bool,
}

impl RepositoryCapabilities {
    /// Neither durable nor shared.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            durable: false,
            shared: false,
        }
    }

    /// Sets `durable`.
    #[must_use]
    pub const fn with_durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Sets `shared`.
    #[must_use]
    pub const fn with_shared(mut self, shared: bool) -> Self {
        self.shared = shared;
        self
    }
}

impl Default for RepositoryCapabilities {
    fn default() -> Self {
        Self::new()
    }
}

/// The most changes that one commit may hold: the steps of the largest book, ten times over, and
/// still one statement of a few megabytes over REST.
pub const MAX_CHANGES: usize = 10_000;

/// The most bytes that a commit of more than one change may hold, as JSON: what one call of an HTTP
/// interface carries within its deadline.
pub const MAX_COMMIT_BYTES: usize = 16 << 20;

/// The most rows that one page may hold, what Supabase's REST interface returns by default.
pub const MAX_LIMIT: u32 = 1_000;

/// A row: a table and its columns by name, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The table.
    pub table: Table,
    /// Every column of the table by name; a heavy one is absent where it was left out of a list.
    pub columns: Map<String, Value>,
}

impl Row {
    /// The row of an entity.
    pub fn of<E: Entity>(entity: &E) -> Result<Self> {
        match serde_json::to_value(entity) {
            Ok(Value::Object(columns)) => Ok(Self {
                table: E::TABLE,
                columns,
            }),
            Ok(_) => Err(Error::internal("an entity is a JSON object")),
            Err(error) => Err(Error::internal("an entity is JSON").with_source(error)),
        }
    }

    /// The entity of this row.
    pub fn entity<E: Entity>(self) -> Result<E> {
        let table = self.table.def().name;
        serde_json::from_value(Value::Object(self.columns)).map_err(|error| {
            Error::new(
                ErrorKind::Corrupt,
                "a stored row cannot be read; run `litink doctor`, and check that the database \
                 belongs to this version of litink",
            )
            .with_context("table", table)
            .with_source(error)
        })
    }

    /// The row's id.
    pub fn id(&self) -> Result<Uuid> {
        self.uuid("id")
    }

    /// The row's owner.
    pub fn owner(&self) -> Result<UserId> {
        self.uuid("owner").map(UserId)
    }

    /// The row's version.
    pub fn version(&self) -> Result<u64> {
        self.columns
            .get("version")
            .and_then(Value::as_u64)
            .ok_or_else(|| bad_row(self.table, "version", "it is missing or no number"))
    }

    fn uuid(&self, column: &'static str) -> Result<Uuid> {
        self.columns
            .get(column)
            .and_then(Value::as_str)
            .and_then(|text| Uuid::parse_str(text).ok())
            .ok_or_else(|| bad_row(self.table, column, "it is missing or no UUID"))
    }
}

/// [`ErrorKind::InvalidInput`] with code `bad_row`: what a backend answers to a row or a change
/// that does not fit the schema.
#[must_use]
pub fn bad_row(table: Table, column: &str, why: &str) -> Error {
    Error::invalid(
        "bad_row",
        format!("a column does not fit the schema: {why}"),
    )
    .with_context("table", table.def().name)
    .with_context("column", column)
}

/// One change of a [`Commit`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// Adds a row; fails with `already_exists` where its id is taken, whoever owns that row.
    Insert(Row),
    /// Sets columns of a row that is at a version.
    Update {
        /// The table.
        table: Table,
        /// The row.
        id: Uuid,
        /// The version that it must be at.
        version: u64,
        /// The columns to set; `id`, `owner`, `version` and the times cannot be. Setting none still
        /// makes a new version, and a new `updated_at`.
        set: Map<String, Value>,
    },
    /// Adds to an integer column, whatever the version; the outcome holds the new value.
    Increment {
        /// The table.
        table: Table,
        /// The row.
        id: Uuid,
        /// The column.
        column: String,
        /// What to add; may be negative.
        by: i64,
        /// Fails with `below_minimum` rather than let the column fall below this.
        minimum: Option<i64>,
    },
    /// Changes nothing, but fails unless the row is in one of these states.
    Check {
        /// The table.
        table: Table,
        /// The row.
        id: Uuid,
        /// The states it may be in.
        states: Vec<String>,
    },
    /// Removes a row and the rows that belong to it.
    Delete {
        /// The table.
        table: Table,
        /// The row.
        id: Uuid,
        /// The version that it must be at; `None` for any.
        version: Option<u64>,
    },
}

impl Change {
    /// About how many bytes of JSON it is.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let columns = match self {
            Self::Insert(row) => &row.columns,
            Self::Update { set, .. } => set,
            Self::Increment { .. } | Self::Check { .. } | Self::Delete { .. } => return 128,
        };
        let column = |(name, value): (&String, &Value)| name.len() + 4 + json_bytes(value);
        64 + columns.iter().map(column).sum::<usize>()
    }

    /// The table that it is about.
    #[must_use]
    pub fn table(&self) -> Table {
        match self {
            Self::Insert(row) => row.table,
            Self::Update { table, .. }
            | Self::Increment { table, .. }
            | Self::Check { table, .. }
            | Self::Delete { table, .. } => *table,
        }
    }

    /// Adds an entity.
    pub fn insert<E: Entity>(entity: &E) -> Result<Self> {
        Row::of(entity).map(Self::Insert)
    }

    /// Sets columns of an entity that is still as it was read.
    pub fn update<E: Entity>(
        entity: &E,
        set: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Self {
        let meta = entity.meta();
        let set = set
            .into_iter()
            .map(|(column, value)| (column.to_owned(), value))
            .collect();
        Self::Update {
            table: E::TABLE,
            id: meta.id,
            version: meta.version,
            set,
        }
    }

    /// Removes an entity that is still as it was read.
    pub fn delete<E: Entity>(entity: &E) -> Self {
        let meta = entity.meta();
        Self::Delete {
            table: E::TABLE,
            id: meta.id,
            version: Some(meta.version),
        }
    }
}

fn json_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| json_bytes(item) + 1).sum::<usize>(),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| name.len() + 4 + json_bytes(value);
            2 + fields.iter().map(field).sum::<usize>()
        }
    }
}

/// Changes that are applied together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// Applied at most once under this key. A backend that can lose a reply after the commit (any
    /// network) makes a key of its own for its retries where there is none.
    pub key: Option<Uuid>,
    /// At most [`MAX_CHANGES`], and [`MAX_COMMIT_BYTES`].
    pub changes: Vec<Change>,
}

impl Commit {
    /// A commit without a key.
    #[must_use]
    pub fn new(changes: Vec<Change>) -> Self {
        Self { key: None, changes }
    }

    /// Applied at most once under this key.
    #[must_use]
    pub fn with_key(mut self, key: Uuid) -> Self {
        self.key = Some(key);
        self
    }
}

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// One for each change, in order.
    pub changes: Vec<Changed>,
    /// Whether the key had been applied before, and nothing was done now.
    pub replayed: bool,
}

/// What one change did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The version the row is at now; 0 for a deleted row.
    pub version: u64,
    /// The new value, for an increment.
    pub value: Option<i64>,
}

/// The order of a list. The id breaks ties, in the same direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Order {
    /// `created_at` descending.
    #[default]
    Newest,
    /// `created_at` ascending.
    Oldest,
    /// `position` ascending; only for tables that have one.
    Position,
}

/// Which rows of a table, in which order. Every list is bounded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Query {
    /// The table.
    pub table: Table,
    /// Only rows of this owner.
    pub owner: Option<UserId>,
    /// Only rows that belong to this row (the table's parent column).
    pub parent: Option<Uuid>,
    /// Only rows in one of these states; empty for any.
    pub states: Vec<String>,
    /// Only rows that nobody changed for so long, by the store's clock.
    pub idle_for: Option<Duration>,
    /// Only rows whose column of this name has this value; the column is one that
    /// [`crate::schema`] says is indexed.
    pub matching: Option<(String, Value)>,
    /// The order.
    pub order: Order,
    /// Only rows after this one: [`Page::next`] of the page before.
    pub after: Option<String>,
    /// At most so many rows, 1 to [`MAX_LIMIT`]. Default 100.
    pub limit: u32,
    /// Whether to bring the heavy columns too. Default no.
    pub heavy: bool,
}

impl Query {
    /// The newest hundred rows of a table.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self {
            table,
            owner: None,
            parent: None,
            states: Vec::new(),
            idle_for: None,
            matching: None,
            order: Order::Newest,
            after: None,
            limit: 100,
            heavy: false,
        }
    }

    /// Only rows of this owner.
    #[must_use]
    pub fn owner(mut self, owner: UserId) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Only rows that belong to this row.
    #[must_use]
    pub fn parent(mut self, parent: impl Into<Uuid>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// Only rows in one of these states.
    #[must_use]
    pub fn states<S: Into<String>>(mut self, states: impl IntoIterator<Item = S>) -> Self {
        self.states = states.into_iter().map(Into::into).collect();
        self
    }

    /// Only rows that nobody changed for so long.
    #[must_use]
    pub fn idle_for(mut self, time: Duration) -> Self {
        self.idle_for = Some(time);
        self
    }

    /// Only rows whose indexed column has this value.
    #[must_use]
    pub fn matching(mut self, column: impl Into<String>, value: impl Into<Value>) -> Self {
        self.matching = Some((column.into(), value.into()));
        self
    }

    /// The order.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Only rows after this one.
    #[must_use]
    pub fn after(mut self, cursor: Option<String>) -> Self {
        self.after = cursor;
        self
    }

    /// At most so many rows.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Bring the heavy columns too.
    #[must_use]
    pub fn heavy(mut self) -> Self {
        self.heavy = true;
        self
    }

    /// Whether it can be answered: limit in range, an order and filters that the table has. Every
    /// backend calls this first.
    pub fn validate(&self) -> Result<()> {
        let def = self.table.def();
        let fault = if self.limit == 0 || self.limit > MAX_LIMIT {
            "the limit must be 1 to 1000"
        } else if self.order == Order::Position && !def.has_position() {
            "this table has no position to order by"
        } else if self.parent.is_some() && def.parent.is_none() {
            "this table has no parent"
        } else if self
            .matching
            .as_ref()
            .is_some_and(|(name, _)| !def.column(name).is_some_and(|column| column.indexed))
        {
            "this column cannot be asked for"
        } else if self
            .states
            .iter()
            .any(|state| !def.states.contains(&state.as_str()))
        {
            "this table has no such state"
        } else {
            return Ok(());
        };
        Err(Error::invalid("bad_query", fault).with_context("table", def.name))
    }
}

/// The place of a row in a list, as the cursor text that [`Page::next`] holds. Shared by all
/// backends, so that a cursor survives a change of backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Microseconds since 1970 of `created_at`, or `position`.
    pub key: i64,
    /// The row's id.
    pub id: Uuid,
}

impl Cursor {
    /// The cursor of a row in a list of this order.
    pub fn of(row: &Row, order: Order) -> Result<Self> {
        let key = match order {
            Order::Newest | Order::Oldest => row
                .columns
                .get("created_at")
                .and_then(|value| serde_json::from_value::<Timestamp>(value.clone()).ok())
                .map(|time| time.timestamp_micros()),
            Order::Position => row.columns.get("position").and_then(Value::as_i64),
        };
        let key = key.ok_or_else(|| bad_row(row.table, "created_at", "it is missing"))?;
        Ok(Self { key, id: row.id()? })
    }

    /// The text of this cursor.
    #[must_use]
    pub fn encode(&self) -> String {
        format!("{}.{}", self.key, self.id.simple())
    }

    /// The cursor of this text.
    pub fn decode(text: &str) -> Result<Self> {
        let parse = || {
            let (key, id) = text.split_once('.')?;
            Some(Self {
                key: key.parse().ok()?,
                id: Uuid::try_parse(id).ok()?,
            })
        };
        parse().ok_or_else(|| {
            Error::invalid(
                "bad_cursor",
                "pass on the cursor of the page before, unchanged",
            )
        })
    }
}

/// One group of a [`Repository::tally`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tallied {
    /// The values of the columns that were grouped by, in the order asked for.
    pub by: Vec<Value>,
    /// How many rows.
    pub count: u64,
    /// The sums, in the order asked for; nulls count as 0.
    pub sums: Vec<i64>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end.
    pub next: Option<String>,
}

/// Typed conveniences over any repository.
#[async_trait]
pub trait RepositoryExt: Repository {
    /// The entity with this id.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is none that the actor may see.
    async fn find<E: Entity>(&self, actor: Actor, id: impl Into<Uuid> + Send) -> Result<E> {
        let id = id.into();
        match self.find_optional(actor, id).await? {
            Some(entity) => Ok(entity),
            None => Err(Error::not_found(
                E::TABLE.def().name.trim_end_matches('s'),
                id,
            )),
        }
    }

    /// The entity with this id, if there is one that the actor may see.
    async fn find_optional<E: Entity>(
        &self,
        actor: Actor,
        id: impl Into<Uuid> + Send,
    ) -> Result<Option<E>> {
        let rows = self.get(actor, E::TABLE, &[id.into()]).await?;
        rows.into_iter()
            .flatten()
            .next()
            .map(Row::entity)
            .transpose()
    }

    /// One page of entities. The query's table must be the entity's.
    async fn page<E: Entity>(&self, actor: Actor, query: &Query) -> Result<Page<E>> {
        let page = self.list(actor, query).await?;
        let items = page
            .items
            .into_iter()
            .map(Row::entity)
            .collect::<Result<_>>()?;
        Ok(Page {
            items,
            next: page.next,
        })
    }

    /// Every entity of a query, page after page: for the chapters of a book and the steps of a
    /// run, which the engine bounds by [`MAX_CHANGES`].
    async fn all<E: Entity>(&self, actor: Actor, query: Query) -> Result<Vec<E>> {
        let mut query = query.limit(MAX_LIMIT);
        let mut all = Vec::new();
        loop {
            let page = self.page(actor, &query).await?;
            all.extend(page.items);
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// Applies changes without a key.
    async fn apply(&self, actor: Actor, changes: Vec<Change>) -> Result<Committed> {
        self.commit(actor, &Commit::new(changes)).await
    }
}

impl<R: Repository + ?Sized> RepositoryExt for R {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_the_round_trip_and_refuse_nonsense() {
        let cursor = Cursor {
            key: -5,
            id: Uuid::from_u128(7),
        };
        assert_eq!(Cursor::decode(&cursor.encode()).unwrap(), cursor);
        for bad in ["", ".", "1", "x.y", "1.zz"] {
            assert_eq!(
                Cursor::decode(bad).unwrap_err().code(),
                "bad_cursor",
                "{bad}"
            );
        }
    }

    #[test]
    fn queries_that_cannot_be_answered_are_refused() {
        let good = Query::new(Table::Steps)
            .order(Order::Position)
            .states(["pending"]);
        assert!(good.validate().is_ok());
        let bad = [
            Query::new(Table::Steps).limit(0),
            Query::new(Table::Steps).limit(MAX_LIMIT + 1),
            Query::new(Table::Books).order(Order::Position),
            Query::new(Table::Books).parent(Uuid::nil()),
            Query::new(Table::Steps).states(["nonsense"]),
            Query::new(Table::Steps).matching("weight", 1),
            Query::new(Table::Steps).matching("nonsense", 1),
        ];
        for query in bad {
            assert_eq!(
                query.validate().unwrap_err().code(),
                "bad_query",
                "{query:?}"
            );
        }
    }
}
