//! What the functions answer.

use chrono::DateTime;
use litink_core::{
    Error, ErrorKind, Result,
    domain::Timestamp,
    repository::{Changed, Committed, Cursor, Page, Query, Row, Tallied},
    schema::{Column, ColumnKind, Table},
};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Rows {
    rows: Vec<Option<Map<String, Value>>>,
}

pub(crate) fn get_reply(table: Table, reply: Value) -> Result<Vec<Option<Row>>> {
    let Rows { rows } = parse(reply)?;
    rows.into_iter()
        .map(|columns| columns.map(|columns| row(table, true, columns)).transpose())
        .collect()
}

#[derive(Deserialize)]
struct Items {
    items: Vec<Map<String, Value>>,
    more: bool,
}

pub(crate) fn list_reply(query: &Query, reply: Value) -> Result<Page<Row>> {
    let Items { items, more } = parse(reply)?;
    let items = items
        .into_iter()
        .map(|columns| row(query.table, query.heavy, columns))
        .collect::<Result<Vec<_>>>()?;
    let last = items.last().filter(|_| more);
    let next = last.map(|row| Cursor::of(row, query.order)).transpose()?;
    Ok(Page {
        items,
        next: next.map(|cursor| cursor.encode()),
    })
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Tallied>,
}

pub(crate) fn tally_reply(table: Table, by: &[&Column], reply: Value) -> Result<Vec<Tallied>> {
    let Groups { mut groups } = parse(reply)?;
    for group in &mut groups {
        for (column, value) in by.iter().zip(&mut group.by) {
            canonical(table, column, value)?;
        }
    }
    if !table.def().has_position() {
        groups.sort_by_cached_key(|group| Value::from(group.by.clone()).to_string());
    }
    Ok(groups)
}

#[derive(Deserialize)]
struct Outcome {
    versions: Vec<u64>,
    values: Vec<Option<i64>>,
    replayed: bool,
}

pub(crate) fn commit_reply(reply: Value) -> Result<Committed> {
    let Outcome {
        versions,
        values,
        replayed,
    } = parse(reply)?;
    let changes = versions.into_iter().zip(values);
    Ok(Committed {
        changes: changes
            .map(|(version, value)| Changed { version, value })
            .collect(),
        replayed,
    })
}

fn parse<T: serde::de::DeserializeOwned>(reply: Value) -> Result<T> {
    // Without the cause: it may quote what it could not read.
    serde_json::from_value(reply).map_err(|_| {
        Error::new(
            ErrorKind::Configuration,
            "a function of the database answers in another form than this version of litink \
             expects; run `litink migrate`",
        )
        .with_code("unexpected_reply")
    })
}

/// The columns that this version knows, in the form of `litink_core::repository::validate`.
fn row(table: Table, heavy: bool, mut found: Map<String, Value>) -> Result<Row> {
    let mut columns = Map::new();
    for column in table.def().columns() {
        if column.heavy && !heavy {
            continue;
        }
        let mut value = found
            .remove(column.name)
            .ok_or_else(|| unreadable(table, column))?;
        canonical(table, column, &mut value)?;
        columns.insert(column.name.to_owned(), value);
    }
    Ok(Row { table, columns })
}

fn canonical(table: Table, column: &Column, value: &mut Value) -> Result<()> {
    if column.kind != ColumnKind::Timestamp || value.is_null() {
        return Ok(());
    }
    let time = value.as_str().and_then(timestamp);
    let text = time.and_then(|time| serde_json::to_value(time).ok());
    *value = text.ok_or_else(|| unreadable(table, column))?;
    Ok(())
}

/// RFC 3339, or as Postgres writes it (`2026-11-22 17:50:39.04+00`), which some servers pass on.
fn timestamp(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"))
        .ok()
        .map(|time| time.to_utc())
}

fn unreadable(table: Table, column: &Column) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "a stored row cannot be read; run `litink doctor`, and check that the database belongs to \
         this version of litink",
    )
    .with_code("database_corrupt")
    .with_context("table", table.def().name)
    .with_context("column", column.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_rfc_3339_and_as_postgres_writes_them() {
        let expected: Timestamp = "2026-11-22T17:50:39.040001Z".parse().unwrap();
        for text in [
            "2026-11-22T17:50:39.040001+00:00",
            "2026-11-22T18:50:39.040001+01:00",
            "2026-11-22 17:50:39.040001+00",
            "2026-11-22 23:20:39.040001+05:30",
        ] {
            assert_eq!(timestamp(text), Some(expected), "{text}");
        }
        assert!(timestamp("2026-11-22 17:50:39+00").is_some());
        assert_eq!(timestamp("yesterday"), None);
    }
}
