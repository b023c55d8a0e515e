//! One table in memory, with the indexes that keep a list from reading all of it.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::timestamp;
use crate::{
    Actor, UserId,
    repository::{Cursor, Order, Query, Row, Tallied},
    schema::{Published, Table},
};

/// A stored row; never changed, only replaced.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) id: Uuid,
    pub(super) owner: UserId,
    pub(super) version: u64,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    pub(super) parent: Option<Uuid>,
    pub(super) position: Option<i64>,
    pub(super) columns: Map<String, Value>,
}

impl Stored {
    pub(super) fn new(
        table: Table,
        id: Uuid,
        owner: UserId,
        mut columns: Map<String, Value>,
        now: i64,
    ) -> Self {
        columns.insert("version".into(), 1.into());
        columns.insert("created_at".into(), timestamp(now));
        columns.insert("updated_at".into(), timestamp(now));
        let parent = table
            .def()
            .parent
            .and_then(|(name, _)| uuid(&columns, name));
        Self {
            id,
            owner,
            version: 1,
            created_at: now,
            updated_at: now,
            parent,
            position: position(table, &columns),
            columns,
        }
    }

    /// The row after a change.
    pub(super) fn with(
        &self,
        table: Table,
        now: i64,
        set: impl IntoIterator<Item = (String, Value)>,
    ) -> Self {
        let version = self.version + 1;
        let mut columns = self.columns.clone();
        columns.extend(set);
        columns.insert("version".into(), version.into());
        columns.insert("updated_at".into(), timestamp(now));
        Self {
            version,
            updated_at: now,
            parent: table
                .def()
                .parent
                .and_then(|(name, _)| uuid(&columns, name)),
            position: position(table, &columns),
            columns,
            ..*self
        }
    }

    pub(super) fn is_in(&self, states: &[String]) -> bool {
        let state = self.columns.get("state").and_then(Value::as_str);
        state.is_some_and(|state| states.iter().any(|wanted| wanted == state))
    }

    /// Whether every user may read it, where rows of its table are published one by one.
    pub(super) fn is_published(&self) -> bool {
        self.columns.get("visibility").and_then(Value::as_str) == Some("published")
    }

    /// As a row, with or without the heavy columns.
    pub(super) fn row(&self, table: Table, heavy: bool) -> Row {
        let def = table.def();
        let wanted = |name: &str| heavy || def.column(name).is_none_or(|column| !column.heavy);
        let columns = self
            .columns
            .iter()
            .filter(|(name, _)| wanted(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        Row { table, columns }
    }

    fn scopes(&self) -> impl Iterator<Item = Scope> {
        let parent = self.parent.map(Scope::Parent);
        [Scope::All, Scope::Owner(self.owner)]
            .into_iter()
            .chain(parent)
    }
}

/// Counts and adds up, a group for each combination of values; the groups in the order of their
/// first rows, or of their values.
pub(super) fn tally(
    rows: &[&Arc<Stored>],
    by: &[&str],
    sum: &[&str],
    in_order: bool,
) -> Vec<Tallied> {
    let mut groups: Vec<Tallied> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let integer = |row: &Stored, name: &&str| row.columns.get(*name).and_then(Value::as_i64);
    for row in rows {
        let value = |name: &&str| row.columns.get(*name).cloned().unwrap_or_default();
        let by: Vec<Value> = by.iter().map(value).collect();
        let place = *places
            .entry(Value::from(by.clone()).to_string())
            .or_insert_with(|| {
                groups.push(Tallied {
                    by,
                    count: 0,
                    sums: vec![0; sum.len()],
                });
                groups.len() - 1
            });
        let group = &mut groups[place];
        group.count += 1;
        for (total, name) in group.sums.iter_mut().zip(sum) {
            *total = total.saturating_add(integer(row, name).unwrap_or(0));
        }
    }
    if !in_order {
        groups.sort_by_key(|group| Value::from(group.by.clone()).to_string());
    }
    groups
}

fn uuid(columns: &Map<String, Value>, name: &str) -> Option<Uuid> {
    columns.get(name)?.as_str()?.parse().ok()
}

fn position(table: Table, columns: &Map<String, Value>) -> Option<i64> {
    let has = table.def().has_position();
    columns.get("position").filter(|_| has)?.as_i64()
}

/// The rows that one index entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    All,
    Owner(UserId),
    Parent(Uuid),
}

/// Rows in order: of a scope, by time or position, then by id.
type Index = BTreeSet<(Scope, i64, Uuid)>;

/// The rows of one table.
#[derive(Debug, Default)]
pub(super) struct Rows {
    by_id: HashMap<Uuid, Arc<Stored>>,
    by_time: Index,
    by_position: Index,
}

impl Rows {
    pub(super) fn get(&self, id: &Uuid) -> Option<&Arc<Stored>> {
        self.by_id.get(id)
    }

    /// Puts a row in the place of the one with its id (`None`: puts nothing there), and gives what
    /// was there.
    pub(super) fn replace(&mut self, id: Uuid, row: Option<Arc<Stored>>) -> Option<Arc<Stored>> {
        let before = match &row {
            Some(row) => self.by_id.insert(id, Arc::clone(row)),
            None => self.by_id.remove(&id),
        };
        if let (Some(before), Some(row)) = (&before, &row)
            && before.parent == row.parent
            && before.position == row.position
        {
            // Owner and time of creation never change, so neither does its place.
            return Some(Arc::clone(before));
        }
        if let Some(before) = &before {
            self.for_each_entry(before, |index, entry| {
                index.remove(&entry);
            });
        }
        if let Some(row) = &row {
            self.for_each_entry(row, |index, entry| {
                index.insert(entry);
            });
        }
        before
    }

    fn for_each_entry(
        &mut self,
        row: &Stored,
        mut edit: impl FnMut(&mut Index, (Scope, i64, Uuid)),
    ) {
        for scope in row.scopes() {
            edit(&mut self.by_time, (scope, row.created_at, row.id));
            if let Some(position) = row.position {
                edit(&mut self.by_position, (scope, position, row.id));
            }
        }
    }

    /// The ids of the rows that belong to a row.
    pub(super) fn children_of(&self, parent: Uuid) -> Vec<Uuid> {
        let scope = Scope::Parent(parent);
        self.by_time
            .range((scope, i64::MIN, Uuid::nil())..=(scope, i64::MAX, Uuid::max()))
            .map(|(_, _, id)| *id)
            .collect()
    }

    /// The rows of the narrowest scope of a query, in its order, from its cursor.
    pub(super) fn scan<'a>(
        &'a self,
        actor: Actor,
        query: &Query,
        after: Option<Cursor>,
    ) -> impl Iterator<Item = &'a Arc<Stored>> + use<'a> {
        // Where everybody reads some rows, a user's own are not all that can be found.
        let own = actor
            .user()
            .filter(|_| query.table.def().published == Published::Never);
        let owner = query.owner.or(own).map(Scope::Owner);
        let scope = query.parent.map(Scope::Parent).or(owner);
        let scope = scope.unwrap_or(Scope::All);
        let (index, descending) = match query.order {
            Order::Newest => (&self.by_time, true),
            Order::Oldest => (&self.by_time, false),
            Order::Position => (&self.by_position, false),
        };
        let mut from = Bound::Included((scope, i64::MIN, Uuid::nil()));
        let mut to = Bound::Included((scope, i64::MAX, Uuid::max()));
        if let Some(Cursor { key, id }) = after {
            let edge = if descending { &mut to } else { &mut from };
            *edge = Bound::Excluded((scope, key, id));
        }
        let range = index.range((from, to));
        let ids: Box<dyn Iterator<Item = _> + 'a> = if descending {
            Box::new(range.rev())
        } else {
            Box::new(range)
        };
        ids.filter_map(|(_, _, id)| self.by_id.get(id))
    }
}
