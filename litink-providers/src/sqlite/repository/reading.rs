//! Gets and lists.

use litink_core::{
    Actor, Result,
    repository::{Cursor, Order, Page, Query, Row, Tallied, validate},
    schema::{Column, Published, Table},
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
    let (scope, params) = readable(actor, table);
    let sql = match scope {
        Some(scope) => format!("{} AND {scope}", statements.get),
        None => statements.get.clone(),
    };
    let mut statement = connection.prepare_cached(&sql).db()?;
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        let row = statement
            .query_row(
                params_from_iter([blob(*id)].iter().chain(&params)),
                |found| Ok(values::row(table, &statements.all, found)),
            )
            .optional()
            .db()?
            .transpose()?;
        rows.push(row);
    }
    Ok(rows)
}

/// The condition by which a user reads a row: it is theirs, or published.
fn readable(actor: Actor, table: Table) -> (Option<String>, Vec<SqlValue>) {
    let Some(user) = actor.user() else {
        return (None, Vec::new());
    };
    let def = table.def();
    let scope = match (def.published, def.parent) {
        (Published::ByRow, _) => "(owner = ? OR visibility = 'published')".into(),
        (Published::WithParent, Some((column, parent))) => format!(
            "(owner = ? OR {column} IN (SELECT id FROM {} WHERE visibility = 'published'))",
            parent.def().name
        ),
        _ => "owner = ?".into(),
    };
    (Some(scope), vec![blob(user.0)])
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
    let (filter, mut params) = filter(actor, query, after)?;
    params.push(SqlValue::Integer(i64::from(query.limit) + 1));
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

/// The conditions and their parameters.
fn filter(actor: Actor, query: &Query, after: Option<Cursor>) -> Result<(String, Vec<SqlValue>)> {
    let mut conditions: Vec<String> = Vec::new();
    let mut params = Vec::new();
    let mut add = |condition: String, values: Vec<SqlValue>| {
        conditions.push(condition);
        params.extend(values);
    };
    if let (Some(scope), params) = readable(actor, query.table) {
        add(scope, params);
    }
    if let Some(owner) = query.owner {
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
    if let Some((column, value)) = validate::matching(query)? {
        // `IS`, since the value may be null.
        let value = values::encode(query.table, column, &value)?;
        add(format!("{} IS ?", column.name), vec![value]);
    }
    if let Some(cursor) = after {
        let Sorting { key, after, .. } = order(query.order);
        let place = vec![SqlValue::Integer(cursor.key), blob(cursor.id)];
        add(format!("({key}, id) {after} (?, ?)"), place);
    }
    let filter = if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", conditions.join(" AND "))
    };
    Ok((filter, params))
}

pub(super) fn tally(
    connection: &Connection,
    actor: Actor,
    query: &Query,
    by: &[&'static Column],
    sum: &[&'static Column],
) -> Result<Vec<Tallied>> {
    let def = query.table.def();
    let (filter, params) = filter(actor, query, None)?;
    let names = statements::names(by);
    let sums: String = sum
        .iter()
        .map(|column| format!(", ifnull(sum({}), 0)", column.name))
        .collect();
    let group = if by.is_empty() {
        // Without a group there is one row, also of nothing.
        " HAVING count(*) > 0".into()
    } else {
        format!(" GROUP BY {names}")
    };
    let order = if def.has_position() {
        " ORDER BY min(position)".into()
    } else if by.is_empty() {
        String::new()
    } else {
        format!(" ORDER BY {names}")
    };
    let comma = if by.is_empty() { "" } else { ", " };
    let sql = format!(
        "SELECT {names}{comma}count(*){sums} FROM {}{filter}{group}{order}",
        def.name
    );
    let mut statement = connection.prepare_cached(&sql).db()?;
    let mut found = statement.query(params_from_iter(params)).db()?;
    let mut groups = Vec::new();
    while let Some(row) = found.next().map_err(database_error)? {
        let group = values::row(query.table, by, row)?;
        let value = |column: &&Column| group.columns.get(column.name).cloned();
        let integer = |i: usize| row.get::<_, i64>(by.len() + i).map_err(database_error);
        groups.push(Tallied {
            by: by
                .iter()
                .map(|column| value(column).unwrap_or_default())
                .collect(),
            count: integer(0)?.unsigned_abs(),
            sums: (1..=sum.len()).map(integer).collect::<Result<_>>()?,
        });
    }
    Ok(groups)
}

pub(super) fn blob(id: Uuid) -> SqlValue {
    SqlValue::Blob(id.as_bytes().to_vec())
}
