//! The tables, as data: what every repository stores, column by column.
//!
//! SQL backends build their statements from this, so a new table is an entry here, a struct in
//! [`crate::domain`] and a migration for each database. A test in each SQL backend holds its
//! migrations against it.

use serde::{Deserialize, Serialize};

/// A table of the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Table {
    /// See [`crate::domain::Book`].
    Books,
    /// See [`crate::domain::Chapter`].
    Chapters,
    /// See [`crate::domain::Run`].
    Runs,
    /// See [`crate::domain::Step`].
    Steps,
    /// See [`crate::domain::Generation`].
    Generations,
    /// See [`crate::domain::Export`].
    Exports,
    /// See [`crate::domain::Account`].
    Accounts,
    /// See [`crate::domain::Session`].
    Sessions,
    /// See [`crate::domain::Schedule`].
    Schedules,
    /// See [`crate::domain::Budget`].
    Budgets,
}

/// What users may do with the rows of a table that are their own. Workers and services may do all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read and write.
    Write,
    /// Read only: what decides over money is written by workers.
    Read,
    /// Nothing: what proves who somebody is.
    None,
}

/// Which rows of a table every user may read, besides their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// None.
    Never,
    /// Those whose column `visibility` says `published`.
    ByRow,
    /// Those whose parent is published.
    WithParent,
}

/// How a column is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// A UUID (`uuid`; in SQLite a BLOB of 16 bytes).
    Uuid,
    /// UTF-8 text.
    Text,
    /// A 64-bit signed integer.
    Integer,
    /// A boolean.
    Bool,
    /// A point in time, RFC 3339 in UTC in rows (`timestamptz`; in SQLite microseconds since 1970).
    Timestamp,
    /// JSON (`jsonb`; in SQLite text).
    Json,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name in SQL and in rows.
    pub name: &'static str,
    /// How it is stored.
    pub kind: ColumnKind,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether it is large, and left out of a list unless asked for.
    pub heavy: bool,
    /// Whether lists can ask for its value ([`crate::repository::Query::matching`]).
    pub indexed: bool,
}

/// One table: its name and columns, the five that all have first.
#[derive(Clone, Copy, Debug)]
pub struct TableDef {
    /// Which one.
    pub table: Table,
    /// Its name in SQL.
    pub name: &'static str,
    /// The column that holds the id of the row it belongs to; deleting that row deletes this one.
    pub parent: Option<(&'static str, Table)>,
    /// The allowed values of its column `state`, where it has one.
    pub states: &'static [&'static str],
    /// What users may do with their own rows.
    pub access: Access,
    /// Which rows everybody may read.
    pub published: Published,
    /// Its own columns, after [`COMMON_COLUMNS`].
    pub own_columns: &'static [Column],
}

const fn column(name: &'static str, kind: ColumnKind) -> Column {
    Column {
        name,
        kind,
        nullable: false,
        heavy: false,
        indexed: false,
    }
}
const fn nullable(name: &'static str, kind: ColumnKind) -> Column {
    Column {
        name,
        kind,
        nullable: true,
        heavy: false,
        indexed: false,
    }
}
const fn heavy(name: &'static str, kind: ColumnKind) -> Column {
    Column {
        name,
        kind,
        nullable: true,
        heavy: true,
        indexed: false,
    }
}

const fn indexed(column: Column) -> Column {
    Column {
        indexed: true,
        ..column
    }
}

use ColumnKind::{Integer, Json, Text, Timestamp, Uuid};

/// The columns that every table has. The repository alone sets `version` (1 when inserted, one more
/// at each change), `created_at` and `updated_at` (store clock).
pub const COMMON_COLUMNS: &[Column] = &[
    column("id", Uuid),
    column("owner", Uuid),
    column("version", Integer),
    column("created_at", Timestamp),
    column("updated_at", Timestamp),
];

/// Every table, parents before children.
pub const TABLES: &[TableDef] = &[
    TableDef {
        table: Table::Books,
        name: "books",
        parent: None,
        states: &["importing", "ready"],
        access: Access::Write,
        published: Published::ByRow,
        own_columns: &[
            column("state", Text),
            column("title", Text),
            column("authors", Json),
            nullable("language", Text),
            nullable("identifier", Text),
            nullable("publisher", Text),
            nullable("published", Text),
            nullable("description", Text),
            column("format", Text),
            column("file_name", Text),
            column("file_key", Text),
            column("file_bytes", Integer),
            column("content_hash", Text),
            nullable("cover_key", Text),
            column("chapter_count", Integer),
            column("char_count", Integer),
            column("warnings", Json),
            column("visibility", Text),
            nullable("identifiers", Json),
            nullable("series", Json),
            nullable("decisions", Json),
        ],
    },
    TableDef {
        table: Table::Chapters,
        name: "chapters",
        parent: Some(("book_id", Table::Books)),
        states: &[],
        access: Access::Write,
        published: Published::WithParent,
        own_columns: &[
            column("book_id", Uuid),
            column("position", Integer),
            column("kind", Text),
            nullable("number", Integer),
            nullable("title", Text),
            nullable("section", Text),
            column("char_count", Integer),
            heavy("blocks", Json),
        ],
    },
    TableDef {
        table: Table::Runs,
        name: "runs",
        parent: Some(("book_id", Table::Books)),
        states: &["running", "completed", "failed", "cancelled"],
        access: Access::Read,
        published: Published::Never,
        own_columns: &[
            column("book_id", Uuid),
            column("state", Text),
            column("recipe", Text),
            column("options", Json),
            nullable("idempotency_key", Text),
            column("step_count", Integer),
            nullable("error", Json),
            nullable("finished_at", Timestamp),
        ],
    },
    TableDef {
        table: Table::Steps,
        name: "steps",
        parent: Some(("run_id", Table::Runs)),
        states: &["pending", "running", "completed", "failed"],
        access: Access::Read,
        published: Published::Never,
        own_columns: &[
            column("run_id", Uuid),
            column("position", Integer),
            column("key", Text),
            column("kind", Text),
            column("state", Text),
            indexed(column("waiting_on", Integer)),
            column("unlocks", Json),
            nullable("chapter_id", Uuid),
            column("weight", Integer),
            column("attempt", Integer),
            heavy("input", Json),
            nullable("output", Json),
            nullable("error", Json),
            column("crashes", Integer),
            column("audio_ms", Integer),
        ],
    },
    TableDef {
        table: Table::Generations,
        name: "generations",
        parent: None,
        states: &["started", "pending", "completed", "failed", "held"],
        access: Access::Read,
        published: Published::Never,
        own_columns: &[
            column("state", Text),
            column("fingerprint", Text),
            column("provider", Text),
            nullable("model", Text),
            column("modality", Text),
            indexed(nullable("run_id", Uuid)),
            indexed(nullable("step_id", Uuid)),
            column("attempt", Integer),
            nullable("operation", Json),
            nullable("output", Json),
            nullable("usage", Json),
            nullable("cost_nanos", Integer),
            nullable("request_id", Text),
            nullable("error", Json),
            nullable("cost_source", Text),
            nullable("priced_nanos", Integer),
            nullable("unsettled_nanos", Integer),
            nullable("reservation", Json),
            nullable("input_tokens", Integer),
            nullable("output_tokens", Integer),
            nullable("input_chars", Integer),
            nullable("input_ms", Integer),
            nullable("output_ms", Integer),
            nullable("images", Integer),
        ],
    },
    TableDef {
        table: Table::Exports,
        name: "exports",
        parent: Some(("run_id", Table::Runs)),
        states: &[],
        access: Access::Read,
        published: Published::Never,
        own_columns: &[
            column("run_id", Uuid),
            column("position", Integer),
            column("format", Text),
            column("file_name", Text),
            column("media_type", Text),
            column("storage_key", Text),
            column("bytes", Integer),
            column("content_hash", Text),
            nullable("duration_ms", Integer),
        ],
    },
    TableDef {
        table: Table::Accounts,
        name: "accounts",
        parent: None,
        states: &["active", "disabled"],
        access: Access::None,
        published: Published::Never,
        own_columns: &[
            column("state", Text),
            column("email", Text),
            column("password_hash", Text),
            column("failures", Integer),
            nullable("locked_until", Timestamp),
        ],
    },
    TableDef {
        table: Table::Sessions,
        name: "sessions",
        parent: None,
        states: &["active", "revoked"],
        access: Access::None,
        published: Published::Never,
        own_columns: &[
            column("state", Text),
            column("token_hash", Text),
            nullable("previous_hash", Text),
            column("rotated_at", Timestamp),
            column("expires_at", Timestamp),
        ],
    },
    TableDef {
        table: Table::Schedules,
        name: "schedules",
        parent: None,
        states: &["active", "paused"],
        access: Access::None,
        published: Published::Never,
        own_columns: &[
            column("name", Text),
            column("state", Text),
            column("cron", Text),
            column("time_zone", Text),
            column("kind", Text),
            nullable("args", Json),
            column("priority", Integer),
            column("catch_up", Text),
            column("revision", Integer),
            column("done_until", Timestamp),
            nullable("last_tick", Timestamp),
            nullable("last_job", Uuid),
        ],
    },
    TableDef {
        table: Table::Budgets,
        name: "budgets",
        parent: None,
        states: &[],
        access: Access::Read,
        published: Published::Never,
        own_columns: &[
            column("scope", Text),
            column("subject", Text),
            column("limit_nanos", Integer),
            column("left_nanos", Integer),
            column("held_nanos", Integer),
        ],
    },
];

impl Table {
    /// What is known of this table.
    #[must_use]
    pub fn def(self) -> &'static TableDef {
        // The order of TABLES is the order of the enum; the test below holds them together.
        &TABLES[self as usize]
    }
}

impl TableDef {
    /// All columns, the common ones first.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> + use<> {
        COMMON_COLUMNS.iter().chain(self.own_columns)
    }

    /// The column of this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns().find(|column| column.name == name)
    }

    /// Whether rows have a place among their siblings (column `position`).
    #[must_use]
    pub fn has_position(&self) -> bool {
        self.column("position").is_some()
    }

    /// The tables whose rows belong to a row of this one.
    pub fn children(&self) -> impl Iterator<Item = &'static Self> {
        let table = self.table;
        TABLES
            .iter()
            .filter(move |def| def.parent.is_some_and(|(_, parent)| parent == table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_stand_in_the_order_of_the_enum() {
        for (i, def) in TABLES.iter().enumerate() {
            assert_eq!(def.table as usize, i, "{}", def.name);
            assert_eq!(def.table.def().name, def.name);
        }
    }

    #[test]
    fn the_states_of_the_domain_are_the_states_of_the_tables() {
        use crate::domain::{BookState, GenerationState as G, RunState as R, StepState as S};
        let runs = [R::Running, R::Completed, R::Failed, R::Cancelled].map(R::as_str);
        let steps = [S::Pending, S::Running, S::Completed, S::Failed].map(S::as_str);
        let books = [BookState::Importing, BookState::Ready].map(BookState::as_str);
        assert_eq!(Table::Books.def().states, books);
        use crate::domain::ScheduleState as Sch;
        let schedules = [Sch::Active, Sch::Paused].map(Sch::as_str);
        assert_eq!(Table::Schedules.def().states, schedules);
        let generations = [G::Started, G::Pending, G::Completed, G::Failed, G::Held];
        assert_eq!(Table::Runs.def().states, runs);
        assert_eq!(Table::Steps.def().states, steps);
        assert_eq!(Table::Generations.def().states, generations.map(G::as_str));
    }

    #[test]
    fn what_is_published_says_so() {
        for def in TABLES {
            let by_row = def.column("visibility").is_some();
            assert_eq!(def.published == Published::ByRow, by_row, "{}", def.name);
            let published = |(_, parent): (_, Table)| parent.def().published == Published::ByRow;
            let with_parent = def.published == Published::WithParent;
            assert!(!with_parent || def.parent.is_some_and(published));
        }
    }

    #[test]
    fn parents_are_columns_and_stand_before_their_children() {
        for def in TABLES {
            let Some((column, parent)) = def.parent else {
                continue;
            };
            assert!(def.column(column).is_some());
            assert!((parent as usize) < def.table as usize);
        }
    }
}
