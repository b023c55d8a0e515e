//! Gets and lists.

use litink_core::{
    Actor, Result,
    repository::{Cursor, Order, Page, Query, Row},
    schema::Table,
};
use rusqlite::{Connection, OptionalExtension, params_from_iter, types::Value as SqlValue};
use uuid::Uuid;

use super::{statements, values};
use crate::sqlite::{
    error::{DbResult, database_error},
    writer::now_micros,
};

pub(super) fn get(
    connection: &Connection,
    actor: Actor,
    table: Table,
    ids: &[Uuid],
) -> Result<Vec<Option<Row>>> {
    let statements = statements::of(table);
    let mut statement = connection.prepare_cached(&statements.get).db()?;
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        let row = statement
            .query_row([id], |found| Ok(values::row(table, &statements.all, found)))
            .optional()
            .db()?
            .transpose()?;
        rows.push(visible(actor, row)?);
    }
    Ok(rows)
}

fn visible(actor: Actor, row: Option<Row>) -> Result<Option<Row>> {
    match row {
        Some(row) if actor.may_access(row.owner()?) => Ok(Some(row)),
        _ => Ok(None),
    }
}

pub(super) fn list(
    connection: &Connection,
    actor: Actor,
    query: &Query,
    after: Option<Cursor>,
) -> Result<Page<Row>> {
    let statements = statements::of(query.table);
    let columns = if query.heavy {
        &statements.all
    } else {
        &statements.light
    };
    let (filter, params) = filter(actor, query, after);
    let sql = format!(
        "SELECT {} FROM {}{filter} ORDER BY {} LIMIT ?",
        statements::names(columns),
        query.table.def().name,
        order(query.order).sql,
    );
    let mut statement = connection.prepare_cached(&sql).db()?;
    let mut found = statement.query(params_from_iter(params)).db()?;
    let mut items = Vec::new();
    while let Some(row) = found.next().map_err(database_error)? {
        items.push(values::row(query.table, columns, row)?);
    }
    page(items, query)
}

/// One row more than the page was asked for: its being there says that there is another page.
fn page(mut items: Vec<Row>, query: &Query) -> Result<Page<Row>> {
    let limit = query.limit as usize;
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| more);
    let next = last.map(|row| Cursor::of(row, query.order)).transpose()?;
    Ok(Page {
        items,
        next: next.map(|cursor| cursor.encode()),
    })
}

struct Sorting {
    key: &'static str,
    after: &'static str,
    sql: &'static str,
}

fn order(order: Order) -> Sorting {
    match order {
        Order::Oldest => Sorting {
            key: "created_at",
            after: ">",
            sql: "created_at, id",
        },
        Order::Position => Sorting {
            key: "position",
            after: ">",
            sql: "position, id",
        },
        // Newest, and what the contract may add before this backend knows it.
        _ => Sorting {
            key: "created_at",
            after: "<",
            sql: "created_at DESC, id DESC",
        },
    }
}

/// The conditions, and the parameters of the whole statement.
fn filter(actor: Actor, query: &Query, after: Option<Cursor>) -> (String, Vec<SqlValue>) {
    let mut conditions: Vec<String> = Vec::new();
    let mut params = Vec::new();
    let mut add = |condition: String, values: Vec<SqlValue>| {
        conditions.push(condition);
        params.extend(values);
    };
    for owner in actor.user().into_iter().chain(query.owner) {
        add("owner = ?".into(), vec![blob(owner.0)]);
    }
    if let (Some((column, _)), Some(parent)) = (query.table.def().parent, query.parent) {
        add(format!("{column} = ?"), vec![blob(parent)]);
    }
    if !query.states.is_empty() {
        let places = vec!["?"; query.states.len()].join(", ");
        let states = query.states.iter().cloned().map(SqlValue::Text);
        add(format!("state IN ({places})"), states.collect());
    }
    if let Some(idle) = query.idle_for {
        let micros = i64::try_from(idle.as_micros()).unwrap_or(i64::MAX);
        let latest = now_micros().saturating_sub(micros);
        add("updated_at <= ?".into(), vec![SqlValue::Integer(latest)]);
    }
    if let Some(cursor) = after {
        let Sorting { key, after, .. } = order(query.order);
        let place = vec![SqlValue::Integer(cursor.key), blob(cursor.id)];
        add(format!("({key}, id) {after} (?, ?)"), place);
    }
    params.push(SqlValue::Integer(i64::from(query.limit) + 1));
    let filter = if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", conditions.join(" AND "))
    };
    (filter, params)
}

pub(super) fn blob(id: Uuid) -> SqlValue {
    SqlValue::Blob(id.as_bytes().to_vec())
}
