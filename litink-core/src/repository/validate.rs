//! Holds rows and changes against [`crate::schema`], the same for every backend.
//!
//! What comes back is in one form, whatever the form in which it was given: UUIDs hyphenated and
//! in lower case, times in UTC to the microsecond (the finest that all databases keep), absent
//! nullable columns as null.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Change, Commit, MAX_CHANGES, MAX_COMMIT_BYTES, Row, bad_row};
use crate::{
    Actor, Error, ErrorKind, Result, ResultExt,
    domain::Timestamp,
    schema::{Access, COMMON_COLUMNS, Column, ColumnKind, Table},
};

/// Whether a commit is within [`MAX_CHANGES`] and [`MAX_COMMIT_BYTES`].
///
/// # Errors
/// [`ErrorKind::LimitExceeded`] with code `too_many_changes` or `commit_too_large`.
pub fn size(commit: &Commit) -> Result<()> {
    if commit.changes.len() <= MAX_CHANGES {
        let bytes: usize = commit.changes.iter().map(Change::bytes).sum();
        if commit.changes.len() == 1 || bytes <= MAX_COMMIT_BYTES {
            return Ok(());
        }
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            "the changes of one commit are too large together; split them",
        )
        .with_code("commit_too_large")
        .with_context("bytes", bytes)
        .with_context("limit_bytes", MAX_COMMIT_BYTES));
    }
    Err(Error::new(
        ErrorKind::LimitExceeded,
        "too many changes for one commit; split them",
    )
    .with_code("too_many_changes")
    .with_context("changes", commit.changes.len())
    .with_context("limit", MAX_CHANGES))
}

/// Whether so many ids can be asked for at once: [`MAX_CHANGES`].
///
/// # Errors
/// [`ErrorKind::LimitExceeded`] with code `too_many_ids`.
pub fn ids(ids: &[Uuid]) -> Result<()> {
    if ids.len() <= MAX_CHANGES {
        return Ok(());
    }
    Err(
        Error::new(ErrorKind::LimitExceeded, "too many ids at once; split them")
            .with_code("too_many_ids")
            .with_context("limit", MAX_CHANGES),
    )
}

/// Whether this actor may read rows of this table at all.
///
/// # Errors
/// [`ErrorKind::PermissionDenied`] with code `not_for_users`.
pub fn readable(actor: Actor, table: Table) -> Result<()> {
    let allowed = actor.user().is_none() || table.def().access != Access::None;
    allowed.then_some(()).ok_or_else(|| not_for_users(table))
}

/// Whether this actor may write rows of these tables at all.
///
/// # Errors
/// [`ErrorKind::PermissionDenied`] with code `not_for_users`.
pub fn writable(actor: Actor, commit: &Commit) -> Result<()> {
    if actor.user().is_none() {
        return Ok(());
    }
    let denied = |change: &Change| change.table().def().access != Access::Write;
    match commit.changes.iter().position(denied) {
        Some(i) => Err(not_for_users(commit.changes[i].table())).context("change", i),
        None => Ok(()),
    }
}

fn not_for_users(table: Table) -> Error {
    Error::new(
        ErrorKind::PermissionDenied,
        "users cannot do this with rows of this table; only workers and services can",
    )
    .with_code("not_for_users")
    .with_context("table", table.def().name)
}

/// The columns of a row that is to be inserted: `id`, `owner` and all the table's own. The version
/// and the times are not among them; the store sets them.
///
/// # Errors
/// `bad_row`.
pub fn insert(row: &Row) -> Result<Map<String, Value>> {
    let def = row.table.def();
    if let Some(name) = row.columns.keys().find(|name| def.column(name).is_none()) {
        return Err(bad_row(row.table, name, "the table has no such column"));
    }
    let mut columns = Map::new();
    for column in def.columns().filter(|column| !set_by_store(column.name)) {
        let given = row.columns.get(column.name).unwrap_or(&Value::Null);
        columns.insert(column.name.to_owned(), value(row.table, column, given)?);
    }
    Ok(columns)
}

/// The columns that an update sets.
///
/// # Errors
/// `bad_row`, also for a column that cannot be set (the ones that every table has).
pub fn update(table: Table, set: &Map<String, Value>) -> Result<Map<String, Value>> {
    let checked = |(name, given): (&String, &Value)| {
        let column = own_column(table, name)?;
        Ok((name.clone(), value(table, column, given)?))
    };
    set.iter().map(checked).collect()
}

/// Whether a column can be incremented: an integer that is never null, and not the version.
///
/// # Errors
/// `bad_row`.
pub fn increment(table: Table, name: &str) -> Result<()> {
    let column = own_column(table, name)?;
    if column.kind == ColumnKind::Integer && !column.nullable {
        Ok(())
    } else {
        Err(bad_row(table, name, "only integers can be incremented"))
    }
}

/// The value that a query's column must have, in its one form.
///
/// # Errors
/// `bad_row`.
pub fn matching(query: &super::Query) -> Result<Option<(&'static Column, Value)>> {
    let Some((name, given)) = &query.matching else {
        return Ok(None);
    };
    let column = own_column(query.table, name)?;
    Ok(Some((column, value(query.table, column, given)?)))
}

/// The columns of a tally: any to group by, integers to add up.
///
/// # Errors
/// `bad_row`.
pub fn tally(
    table: Table,
    by: &[&str],
    sum: &[&str],
) -> Result<(Vec<&'static Column>, Vec<&'static Column>)> {
    let known = |name: &&str| {
        let column = table.def().column(name);
        column.ok_or_else(|| bad_row(table, name, "the table has no such column"))
    };
    let light = |column: &'static Column| match column.heavy || column.kind == ColumnKind::Json {
        false => Ok(column),
        true => Err(bad_row(table, column.name, "nothing is grouped by it")),
    };
    let integer = |column: &'static Column| match column.kind {
        ColumnKind::Integer => Ok(column),
        _ => Err(bad_row(table, column.name, "only integers can be added up")),
    };
    let by = by.iter().map(known).map(|column| column.and_then(light));
    let sum = sum.iter().map(known).map(|column| column.and_then(integer));
    Ok((by.collect::<Result<_>>()?, sum.collect::<Result<_>>()?))
}

/// Whether a row of this table can be checked for these states: at least one, and all known.
///
/// # Errors
/// `bad_row`.
pub fn states(table: Table, states: &[String]) -> Result<()> {
    let known = |state: &String| table.def().states.contains(&state.as_str());
    if !states.is_empty() && states.iter().all(known) {
        Ok(())
    } else {
        Err(bad_row(table, "state", "the table has no such state"))
    }
}

fn set_by_store(name: &str) -> bool {
    matches!(name, "version" | "created_at" | "updated_at")
}

fn own_column(table: Table, name: &str) -> Result<&'static Column> {
    if COMMON_COLUMNS.iter().any(|column| column.name == name) {
        return Err(bad_row(table, name, "it cannot be set"));
    }
    table
        .def()
        .column(name)
        .ok_or_else(|| bad_row(table, name, "the table has no such column"))
}

fn value(table: Table, column: &Column, given: &Value) -> Result<Value> {
    if given.is_null() {
        return if column.nullable {
            Ok(Value::Null)
        } else {
            Err(bad_row(table, column.name, "it cannot be null"))
        };
    }
    let checked = canonical(column.kind, given).map_err(|why| bad_row(table, column.name, why))?;
    let states = table.def().states;
    let unknown = column.name == "state"
        && !states.is_empty()
        && !given.as_str().is_some_and(|state| states.contains(&state));
    if unknown {
        return Err(bad_row(table, column.name, "the table has no such state"));
    }
    Ok(checked)
}

fn canonical(kind: ColumnKind, given: &Value) -> std::result::Result<Value, &'static str> {
    match kind {
        ColumnKind::Uuid => given
            .as_str()
            .and_then(|text| Uuid::try_parse(text).ok())
            .map(|id| Value::String(id.hyphenated().to_string()))
            .ok_or("it is no UUID"),
        ColumnKind::Text if given.is_string() => storable(given),
        ColumnKind::Text => Err("it is no text"),
        ColumnKind::Integer => given
            .as_i64()
            .map(Value::from)
            .ok_or("it is no 64-bit integer"),
        ColumnKind::Bool => given.as_bool().map(Value::from).ok_or("it is no boolean"),
        ColumnKind::Timestamp => given
            .as_str()
            .and_then(|text| text.parse::<Timestamp>().ok())
            .and_then(|time| Timestamp::from_timestamp_micros(time.timestamp_micros()))
            .and_then(|time| serde_json::to_value(time).ok())
            .ok_or("it is no time in RFC 3339"),
        ColumnKind::Json => storable(given),
    }
}

/// Postgres stores no NUL character, neither in text nor in `jsonb`, so no backend takes one.
fn storable(given: &Value) -> std::result::Result<Value, &'static str> {
    if has_nul(given) {
        Err("it holds a NUL character")
    } else {
        Ok(given.clone())
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chapter(change: impl FnOnce(&mut Map<String, Value>)) -> Result<Map<String, Value>> {
        let Value::Object(mut columns) = json!({
            "id": "00000000000000000000000000000001",
            "owner": "00000000-0000-0000-0000-00000000000A",
            "book_id": Uuid::nil(), "position": 0, "kind": "chapter", "char_count": 3,
        }) else {
            unreachable!()
        };
        change(&mut columns);
        insert(&Row {
            table: Table::Chapters,
            columns,
        })
    }

    #[test]
    fn a_row_comes_out_in_one_form() {
        let columns = chapter(|_| ()).unwrap();
        assert_eq!(columns["id"], "00000000-0000-0000-0000-000000000001");
        assert_eq!(columns["owner"], "00000000-0000-0000-0000-00000000000a");
        assert_eq!(columns["blocks"], Value::Null);
        assert!(!columns.contains_key("version"));
    }

    #[test]
    fn what_does_not_fit_names_its_column() {
        let cases: [(&str, Value); 7] = [
            ("nonsense", json!(1)),
            ("position", json!("1")),
            ("position", json!(1.5)),
            ("position", json!(u64::MAX)),
            ("kind", Value::Null),
            ("book_id", json!("x")),
            ("title", json!("a\0b")),
        ];
        for (column, bad) in cases {
            let error = chapter(|columns| {
                columns.insert(column.into(), bad);
            })
            .unwrap_err();
            assert_eq!(error.code(), "bad_row");
            assert!(
                error.context().contains(&("column", column.into())),
                "{error}"
            );
        }
    }

    #[test]
    fn times_are_cut_to_microseconds() {
        let set = json!({"finished_at": "2026-01-02T03:04:05.123456789+01:00"});
        let set = update(Table::Runs, set.as_object().unwrap()).unwrap();
        assert_eq!(set["finished_at"], "2026-01-02T02:04:05.123456Z");
    }

    #[test]
    fn the_stores_own_columns_cannot_be_set() {
        for name in ["id", "owner", "version", "created_at", "updated_at"] {
            let set = Map::from_iter([(name.to_owned(), json!(1))]);
            assert_eq!(update(Table::Runs, &set).unwrap_err().code(), "bad_row");
            assert!(increment(Table::Runs, name).is_err(), "{name}");
        }
        assert!(increment(Table::Runs, "step_count").is_ok());
        assert!(increment(Table::Runs, "recipe").is_err());
    }
}
