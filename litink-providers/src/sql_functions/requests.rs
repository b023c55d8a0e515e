//! What the functions are asked.

use std::time::Duration;

use chrono::SecondsFormat;
use litink_core::{
    Actor, Error, ErrorKind, Result, ResultExt,
    domain::Timestamp,
    repository::{Change, Commit, Cursor, Order, Query, Row, validate},
    schema::{Column, Table},
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The longest time that is asked for as `idle_for`; all rows are younger.
const LONGEST_IDLE_MICROS: u128 = 100 * 365 * 24 * 60 * 60 * 1_000_000;

/// How long a key is remembered that was made for the sake of a lost answer only.
const KEEP_OWN_KEY: Duration = Duration::from_secs(15 * 60);
/// How long a caller's key is remembered: twice what the contract asks.
const KEEP_KEY: Duration = Duration::from_secs(2 * 24 * 60 * 60);

pub(crate) fn get_request(actor: Actor, table: Table, ids: &[Uuid]) -> Value {
    json!({ "user": actor.user(), "table": table.def().name, "ids": ids })
}

pub(crate) fn list_request(
    actor: Actor,
    query: &Query,
    after: Option<Cursor>,
) -> Result<Map<String, Value>> {
    let def = query.table.def();
    let columns: Vec<&str> = def
        .columns()
        .filter(|column| query.heavy || !column.heavy)
        .map(|column| column.name)
        .collect();
    let mut request = filter(actor, query)?;
    let mut set = |name: &str, value: Value| request.insert(name.into(), value);
    set("columns", json!(columns));
    set("limit", query.limit.into());
    set("order", order(query.order).into());
    if let Some(cursor) = after {
        set("after", place(cursor, query.order)?);
    }
    Ok(request)
}

pub(crate) fn tally_request(
    actor: Actor,
    query: &Query,
    by: &[&'static Column],
    sum: &[&'static Column],
) -> Result<Map<String, Value>> {
    let names = |columns: &[&Column]| -> Vec<Value> {
        columns.iter().map(|column| column.name.into()).collect()
    };
    let mut request = filter(actor, query)?;
    request.insert("by".into(), names(by).into());
    request.insert("sum".into(), names(sum).into());
    if query.table.def().has_position() {
        request.insert("order".into(), order(Order::Position).into());
    }
    Ok(request)
}

/// Which rows.
fn filter(actor: Actor, query: &Query) -> Result<Map<String, Value>> {
    let def = query.table.def();
    let mut request = Map::new();
    let mut set = |name: &str, value: Value| request.insert(name.into(), value);
    set("user", json!(actor.user()));
    set("table", def.name.into());
    set("owner", json!(query.owner));
    if let (Some((column, parent)), Some(id)) = (def.parent, query.parent) {
        let parent = json!({ "column": column, "table": parent.def().name, "id": id });
        set("parent", parent);
    }
    set("states", json!(query.states));
    if let Some(idle) = query.idle_for {
        let micros = idle.as_micros().min(LONGEST_IDLE_MICROS);
        set("idle_us", json!(i64::try_from(micros).unwrap_or(i64::MAX)));
    }
    if let Some((column, value)) = validate::matching(query)? {
        set("matching", json!({ "column": column.name, "value": value }));
    }
    Ok(request)
}

fn order(order: Order) -> &'static str {
    match order {
        Order::Oldest => "oldest",
        Order::Position => "position",
        // Newest, and what the contract may add before this backend knows it.
        _ => "newest",
    }
}

fn place(cursor: Cursor, order: Order) -> Result<Value> {
    let key = match order {
        Order::Position => Some(Value::from(cursor.key)),
        _ => Timestamp::from_timestamp_micros(cursor.key)
            .map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true))
            // Postgres reads years of four digits.
            .filter(|text| text.len() == "2026-01-01T00:00:00.000000Z".len())
            .map(Value::from),
    };
    let key = key.ok_or_else(|| {
        Error::invalid(
            "bad_cursor",
            "pass on the cursor of the page before, unchanged",
        )
    })?;
    Ok(json!({ "key": key, "id": cursor.id }))
}

/// Under which key a commit is made, and by which call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keyed {
    key: Uuid,
    call: Uuid,
    keep: Duration,
}

impl Keyed {
    /// The commit's own key, or one for the attempts of this call alone.
    pub(crate) fn of(commit: &Commit) -> Self {
        Self {
            key: commit.key.unwrap_or_else(Uuid::now_v7),
            call: Uuid::now_v7(),
            keep: if commit.key.is_some() {
                KEEP_KEY
            } else {
                KEEP_OWN_KEY
            },
        }
    }
}

/// Holds the changes against the schema, and the inserted rows against the actor.
pub(crate) fn commit_request(actor: Actor, commit: &Commit, keyed: Keyed) -> Result<Value> {
    let change = |(i, change)| change_request(actor, change).context("change", i);
    let changes = commit.changes.iter().enumerate().map(change);
    let changes: Vec<Value> = changes.collect::<Result<_>>()?;
    Ok(json!({
        "user": actor.user(),
        "key": keyed.key,
        "call": keyed.call,
        "keep_s": keyed.keep.as_secs(),
        "changes": changes,
    }))
}

fn change_request(actor: Actor, change: &Change) -> Result<Value> {
    let table = change.table();
    let mut request = match change {
        Change::Insert(row) => json!({ "op": "insert", "row": insert(actor, row)? }),
        Change::Update {
            id, version, set, ..
        } => {
            let set = validate::update(table, set)?;
            json!({ "op": "update", "id": id, "version": version, "set": set })
        }
        Change::Increment {
            id,
            column,
            by,
            minimum,
            ..
        } => {
            validate::increment(table, column)?;
            json!({ "op": "increment", "id": id, "column": column, "by": by, "minimum": minimum })
        }
        Change::Check { id, states, .. } => {
            validate::states(table, states)?;
            json!({ "op": "check", "id": id, "states": states })
        }
        Change::Delete { id, version, .. } => {
            json!({ "op": "delete", "id": id, "version": version })
        }
        _ => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "this version of the Postgres backend does not know this change",
            ));
        }
    };
    request["table"] = table.def().name.into();
    Ok(request)
}

fn insert(actor: Actor, row: &Row) -> Result<Map<String, Value>> {
    let columns = validate::insert(row)?;
    if actor.may_access(row.owner()?) {
        Ok(columns)
    } else {
        Err(super::refusals::not_the_owner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_that_no_row_has_is_refused() {
        let cursor = |key| Cursor {
            key,
            id: Uuid::nil(),
        };
        assert!(place(cursor(1_700_000_000_000_000), Order::Newest).is_ok());
        for key in [i64::MAX, i64::MIN, 300_000_000_000_000_000] {
            let error = place(cursor(key), Order::Oldest).unwrap_err();
            assert_eq!(error.code(), "bad_cursor");
        }
        assert!(place(cursor(i64::MAX), Order::Position).is_ok());
    }

    #[test]
    fn a_key_of_the_callers_is_kept_for_longer() {
        let own = Keyed::of(&Commit::default());
        let given = Keyed::of(&Commit::default().with_key(Uuid::nil()));
        assert!(own.keep < given.keep && given.keep >= Duration::from_secs(24 * 60 * 60));
        assert_eq!(given.key, Uuid::nil());
    }
}
