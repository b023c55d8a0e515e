//! Values of rows as values of SQLite, and back.

use litink_core::{
    Error, Result,
    domain::Timestamp,
    repository::{Row, bad_row},
    schema::{Column, ColumnKind, Table},
};
use rusqlite::types::{Value as SqlValue, ValueRef};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::sqlite::error::corrupt;

/// A value that was held against the schema, as SQLite stores it.
pub(super) fn encode(table: Table, column: &Column, value: &Value) -> Result<SqlValue> {
    let encoded = match (column.kind, value) {
        (_, Value::Null) => Some(SqlValue::Null),
        (ColumnKind::Uuid, Value::String(text)) => Uuid::try_parse(text)
            .ok()
            .map(|id| SqlValue::Blob(id.as_bytes().to_vec())),
        (ColumnKind::Text, Value::String(text)) => Some(SqlValue::Text(text.clone())),
        (ColumnKind::Integer, Value::Number(number)) => number.as_i64().map(SqlValue::Integer),
        (ColumnKind::Bool, Value::Bool(flag)) => Some(SqlValue::Integer(i64::from(*flag))),
        (ColumnKind::Timestamp, Value::String(text)) => text
            .parse::<Timestamp>()
            .ok()
            .map(|time| SqlValue::Integer(time.timestamp_micros())),
        (ColumnKind::Json, json) => Some(SqlValue::Text(json.to_string())),
        _ => None,
    };
    encoded.ok_or_else(|| bad_row(table, column.name, "it is of the wrong kind"))
}

/// A row of a statement that selects these columns.
pub(super) fn row(table: Table, columns: &[&Column], found: &rusqlite::Row<'_>) -> Result<Row> {
    let mut values = Map::new();
    for (i, column) in columns.iter().enumerate() {
        let stored = found
            .get_ref(i)
            .map_err(crate::sqlite::error::database_error)?;
        let value = decode(column.kind, stored).ok_or_else(|| unreadable(table, column.name))?;
        values.insert(column.name.to_owned(), value);
    }
    Ok(Row {
        table,
        columns: values,
    })
}

fn decode(kind: ColumnKind, stored: ValueRef<'_>) -> Option<Value> {
    match (kind, stored) {
        (_, ValueRef::Null) => Some(Value::Null),
        (ColumnKind::Uuid, ValueRef::Blob(bytes)) => {
            let id = Uuid::from_slice(bytes).ok()?;
            Some(Value::String(id.hyphenated().to_string()))
        }
        (ColumnKind::Text, ValueRef::Text(text)) => {
            Some(Value::String(std::str::from_utf8(text).ok()?.to_owned()))
        }
        (ColumnKind::Integer, ValueRef::Integer(number)) => Some(number.into()),
        (ColumnKind::Bool, ValueRef::Integer(flag)) => Some(Value::Bool(flag != 0)),
        (ColumnKind::Timestamp, ValueRef::Integer(micros)) => {
            serde_json::to_value(Timestamp::from_timestamp_micros(micros)?).ok()
        }
        (ColumnKind::Json, ValueRef::Text(text)) => serde_json::from_slice(text).ok(),
        _ => None,
    }
}

fn unreadable(table: Table, column: &str) -> Error {
    corrupt()
        .with_context("table", table.def().name)
        .with_context("column", column)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_comes_back_as_it_went() {
        let cases = [
            (
                ColumnKind::Uuid,
                json!("00000000-0000-0000-0000-00000000000a"),
            ),
            (ColumnKind::Text, json!("déjà \u{1F4D6}")),
            (ColumnKind::Integer, json!(i64::MIN)),
            (ColumnKind::Bool, json!(true)),
            (ColumnKind::Timestamp, json!("2026-01-02T02:04:05.123456Z")),
            (ColumnKind::Timestamp, json!("1901-01-02T02:04:05Z")),
            (ColumnKind::Json, json!({"a": [1, null, "x"]})),
            (ColumnKind::Json, Value::Null),
        ];
        for (kind, value) in cases {
            let column = Column {
                name: "c",
                kind,
                nullable: true,
                heavy: false,
                indexed: false,
            };
            let stored = encode(Table::Books, &column, &value).unwrap();
            assert_eq!(
                decode(kind, ValueRef::from(&stored)),
                Some(value),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn a_value_of_another_type_is_not_guessed_at() {
        assert_eq!(decode(ColumnKind::Uuid, ValueRef::Blob(&[1, 2])), None);
        assert_eq!(decode(ColumnKind::Json, ValueRef::Text(b"{")), None);
        assert_eq!(decode(ColumnKind::Integer, ValueRef::Text(b"1")), None);
    }
}
