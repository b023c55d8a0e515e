//! Commits: prepared without the database, applied in the writer's transaction.

use litink_core::{
    Actor, Error, ErrorKind, Result, ResultExt, UserId,
    repository::{Change, Changed, Committed, Row, bad_row, validate},
    schema::{Column, Table},
};
use rusqlite::{OptionalExtension, params_from_iter, types::Value as SqlValue};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{reading::blob, statements, values::encode};
use crate::sqlite::{
    error::{DbResult, corrupt},
    writer::Tx,
};

/// How long the key of a commit is remembered: twice what the contract asks.
const KEEP_KEYS_MICROS: i64 = 2 * 24 * 60 * 60 * 1_000_000;

/// A change that fits the schema, and the row that it is about.
#[derive(Debug)]
pub(super) struct Prepared {
    table: Table,
    id: Uuid,
    action: Action,
}

#[derive(Debug)]
enum Action {
    Insert {
        owner: UserId,
        parent: Option<Uuid>,
        /// The table's own columns, in order.
        own: Vec<SqlValue>,
    },
    Update {
        version: u64,
        parent: Option<Uuid>,
        sql: String,
        set: Vec<SqlValue>,
    },
    Increment {
        column: &'static Column,
        by: i64,
        minimum: Option<i64>,
    },
    Check {
        states: Vec<String>,
    },
    Delete {
        version: Option<u64>,
    },
}

/// Holds the changes against the schema, and the inserted rows against the actor.
pub(super) fn prepare(actor: Actor, changes: &[Change]) -> Result<Vec<Prepared>> {
    let prepare = |(i, change)| prepare_one(actor, change).context("change", i);
    changes.iter().enumerate().map(prepare).collect()
}

fn prepare_one(actor: Actor, change: &Change) -> Result<Prepared> {
    let (table, id, action) = match change {
        Change::Insert(row) => (row.table, row.id()?, insert(actor, row)?),
        Change::Update {
            table,
            id,
            version,
            set,
        } => (*table, *id, update(*table, *version, set)?),
        Change::Increment {
            table,
            id,
            column,
            by,
            minimum,
        } => {
            validate::increment(*table, column)?;
            let action = Action::Increment {
                column: column_of(*table, column)?,
                by: *by,
                minimum: *minimum,
            };
            (*table, *id, action)
        }
        Change::Check { table, id, states } => {
            validate::states(*table, states)?;
            let states = states.clone();
            (*table, *id, Action::Check { states })
        }
        Change::Delete { table, id, version } => {
            (*table, *id, Action::Delete { version: *version })
        }
        _ => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "this version of the SQLite backend does not know this change",
            ));
        }
    };
    Ok(Prepared { table, id, action })
}

fn insert(actor: Actor, row: &Row) -> Result<Action> {
    let columns = validate::insert(row)?;
    let owner = row.owner()?;
    if !actor.may_access(owner) {
        return Err(Error::new(
            ErrorKind::PermissionDenied,
            "a row can only be added for its own owner",
        ));
    }
    let own = row.table.def().own_columns.iter().map(|column| {
        let value = columns.get(column.name).unwrap_or(&Value::Null);
        encode(row.table, column, value)
    });
    Ok(Action::Insert {
        owner,
        parent: parent_in(row.table, &columns),
        own: own.collect::<Result<_>>()?,
    })
}

fn update(table: Table, version: u64, set: &Map<String, Value>) -> Result<Action> {
    let set = validate::update(table, set)?;
    let mut columns = Vec::with_capacity(set.len());
    let mut encoded = Vec::with_capacity(set.len());
    for (name, value) in &set {
        let column = column_of(table, name)?;
        columns.push(column);
        encoded.push(encode(table, column, value)?);
    }
    Ok(Action::Update {
        version,
        parent: parent_in(table, &set),
        sql: statements::update(table.def(), &columns),
        set: encoded,
    })
}

fn column_of(table: Table, name: &str) -> Result<&'static Column> {
    let column = table.def().column(name);
    column.ok_or_else(|| bad_row(table, name, "the table has no such column"))
}

fn parent_in(table: Table, columns: &Map<String, Value>) -> Option<Uuid> {
    let (name, _) = table.def().parent?;
    columns.get(name)?.as_str()?.parse().ok()
}

/// Applies the changes, unless that was done under this key before.
pub(super) fn apply_once(
    tx: &Tx<'_>,
    actor: Actor,
    key: Option<Uuid>,
    changes: &[Prepared],
) -> Result<Committed> {
    if let Some(key) = key
        && let Some(changes) = remembered(tx, actor, key)?
    {
        return Ok(Committed {
            changes,
            replayed: true,
        });
    }
    let apply = |(i, change): (usize, &Prepared)| change.apply(tx, actor).context("change", i);
    let changes = changes.iter().enumerate().map(apply);
    let changes: Vec<Changed> = changes.collect::<Result<_>>()?;
    if let Some(key) = key {
        remember(tx, actor, key, &changes)?;
    }
    Ok(Committed {
        changes,
        replayed: false,
    })
}

fn actor_key(actor: Actor) -> Vec<u8> {
    let user = actor.user().map(|user| user.0.as_bytes().to_vec());
    user.unwrap_or_default()
}

fn remembered(tx: &Tx<'_>, actor: Actor, key: Uuid) -> Result<Option<Vec<Changed>>> {
    let outcome: Option<String> = tx
        .prepare("SELECT outcome FROM commits WHERE actor = ? AND key = ?")?
        .query_row((actor_key(actor), key), |row| row.get(0))
        .optional()
        .db()?;
    let parse = |text: String| serde_json::from_str(&text);
    let outcome = outcome.map(parse).transpose();
    outcome.map_err(|error| {
        corrupt()
            .with_context("table", "commits")
            .with_source(error)
    })
}

fn remember(tx: &Tx<'_>, actor: Actor, key: Uuid, changes: &[Changed]) -> Result<()> {
    let outcome = serde_json::to_string(changes)
        .map_err(|error| Error::internal("an outcome is JSON").with_source(error))?;
    let now = tx.now();
    tx.execute(
        "INSERT INTO commits (actor, key, outcome, at) VALUES (?, ?, ?, ?)",
        (actor_key(actor), key, outcome, now),
    )?;
    // A few at a time, so that nobody pays for a day's worth.
    tx.execute(
        "DELETE FROM commits WHERE (actor, key) IN (
            SELECT actor, key FROM commits WHERE at < ? LIMIT 8
        )",
        [now - KEEP_KEYS_MICROS],
    )?;
    Ok(())
}

/// A row that the actor may see, as far as a change looks at it.
struct Seen {
    version: u64,
    owner: Uuid,
    state: Option<String>,
}

impl Prepared {
    fn apply(&self, tx: &Tx<'_>, actor: Actor) -> Result<Changed> {
        match &self.action {
            Action::Insert { owner, parent, own } => self.insert(tx, *owner, *parent, own),
            Action::Update {
                version,
                parent,
                sql,
                set,
            } => {
                let seen = self.seen(tx, actor)?;
                self.at_version(&seen, Some(*version))?;
                self.check_parent(tx, *parent, UserId(seen.owner))?;
                self.update(tx, sql, set)?;
                Ok(changed(seen.version + 1))
            }
            Action::Increment {
                column,
                by,
                minimum,
            } => {
                let seen = self.seen(tx, actor)?;
                let value = self.added(tx, column, *by, *minimum)?;
                let sql = statements::update(self.table.def(), &[column]);
                self.update(tx, &sql, &[SqlValue::Integer(value)])?;
                Ok(Changed {
                    version: seen.version + 1,
                    value: Some(value),
                })
            }
            Action::Check { states } => {
                let seen = self.seen(tx, actor)?;
                if seen
                    .state
                    .as_ref()
                    .is_some_and(|state| states.contains(state))
                {
                    return Ok(changed(seen.version));
                }
                Err(self.conflict("version_conflict", "it is in another state"))
            }
            Action::Delete { version } => {
                let seen = self.seen(tx, actor)?;
                self.at_version(&seen, *version)?;
                tx.execute(&statements::of(self.table).delete, [self.id])?;
                Ok(Changed::default())
            }
        }
    }

    fn insert(
        &self,
        tx: &Tx<'_>,
        owner: UserId,
        parent: Option<Uuid>,
        own: &[SqlValue],
    ) -> Result<Changed> {
        if self.look(tx, self.table, self.id)?.is_some() {
            return Err(self.conflict("already_exists", "there is a row with this id"));
        }
        self.check_parent(tx, parent, owner)?;
        let now = SqlValue::Integer(tx.tick());
        let common = [
            blob(self.id),
            blob(owner.0),
            SqlValue::Integer(1),
            now.clone(),
            now,
        ];
        let params = params_from_iter(common.iter().chain(own));
        tx.execute(&statements::of(self.table).insert, params)?;
        Ok(changed(1))
    }

    fn update(&self, tx: &Tx<'_>, sql: &str, set: &[SqlValue]) -> Result<()> {
        let end = [SqlValue::Integer(tx.tick()), blob(self.id)];
        tx.execute(sql, params_from_iter(set.iter().chain(&end)))?;
        Ok(())
    }

    fn added(&self, tx: &Tx<'_>, column: &Column, by: i64, minimum: Option<i64>) -> Result<i64> {
        let (name, table) = (column.name, self.table.def().name);
        let value: i64 = tx
            .prepare(&format!("SELECT {name} FROM {table} WHERE id = ?"))?
            .query_row([self.id], |row| row.get(0))
            .db()?;
        let sum = value
            .checked_add(by)
            .ok_or_else(|| bad_row(self.table, name, "the sum is no 64-bit integer"))?;
        if minimum.is_some_and(|minimum| sum < minimum) {
            return Err(self.conflict("below_minimum", "there is not enough left"));
        }
        Ok(sum)
    }

    /// The row as it is, if the actor may see it.
    fn seen(&self, tx: &Tx<'_>, actor: Actor) -> Result<Seen> {
        self.look(tx, self.table, self.id)?
            .filter(|seen| actor.may_access(UserId(seen.owner)))
            .ok_or_else(|| Error::not_found(singular(self.table), self.id))
    }

    fn look(&self, tx: &Tx<'_>, table: Table, id: Uuid) -> Result<Option<Seen>> {
        tx.prepare(&statements::of(table).look)?
            .query_row([id], |row| {
                Ok(Seen {
                    version: row.get::<_, i64>(0)?.unsigned_abs(),
                    owner: row.get(1)?,
                    state: row.get(2)?,
                })
            })
            .optional()
            .db()
    }

    fn check_parent(&self, tx: &Tx<'_>, parent: Option<Uuid>, owner: UserId) -> Result<()> {
        let (Some((_, table)), Some(id)) = (self.table.def().parent, parent) else {
            return Ok(());
        };
        match self.look(tx, table, id)? {
            Some(seen) if seen.owner == owner.0 => Ok(()),
            _ => Err(Error::not_found(singular(table), id).with_code("no_parent")),
        }
    }

    fn at_version(&self, seen: &Seen, version: Option<u64>) -> Result<()> {
        if version.is_none_or(|version| version == seen.version) {
            return Ok(());
        }
        let why = "somebody changed it in the meantime; read it again";
        Err(self
            .conflict("version_conflict", why)
            .with_context("version", seen.version))
    }

    fn conflict(&self, code: &'static str, why: &str) -> Error {
        Error::conflict(why)
            .with_code(code)
            .with_context("table", self.table.def().name)
    }
}

fn changed(version: u64) -> Changed {
    Changed {
        version,
        value: None,
    }
}

fn singular(table: Table) -> &'static str {
    table.def().name.trim_end_matches('s')
}
