//! Rows in memory: the reference that every other repository is compared with.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use super::{
    Change, Changed, Commit, Committed, Cursor, Page, Query, Repository, RepositoryCapabilities,
    Row, Tallied, validate,
};
use crate::{
    Actor, Error, ErrorKind, Result, ResultExt, UserId,
    domain::Timestamp,
    schema::{Column, Published, TABLES, Table},
};

mod rows;

use rows::{Rows, Stored};

/// Rows in this process's memory, gone with it. Clones share the store.
///
/// `created_at` rises strictly, by a microsecond at least, so that the newest row is always the
/// one that was inserted last.
#[derive(Clone, Debug, Default)]
pub struct MemoryRepository {
    store: Arc<Mutex<Store>>,
}

impl MemoryRepository {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        // A panic while it was locked can only be a defect in this file; the undo log has not run
        // then, but refusing every later call would be worse for an embedding application.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Repository for MemoryRepository {
    fn capabilities(&self) -> RepositoryCapabilities {
        RepositoryCapabilities::new()
    }

    async fn get(&self, actor: Actor, table: Table, ids: &[Uuid]) -> Result<Vec<Option<Row>>> {
        validate::ids(ids)?;
        validate::readable(actor, table)?;
        let store = self.store();
        let rows = store.rows(table);
        let row = |id| rows.get(id).filter(|row| store.may_read(actor, table, row));
        Ok(ids
            .iter()
            .map(|id| row(id).map(|stored| stored.row(table, true)))
            .collect())
    }

    async fn list(&self, actor: Actor, query: &Query) -> Result<Page<Row>> {
        query.validate()?;
        validate::readable(actor, query.table)?;
        let after = query.after.as_deref().map(Cursor::decode).transpose()?;
        let matching = validate::matching(query)?;
        let store = self.store();
        let found: Vec<_> = store
            .wanted(actor, query, matching, after)
            .take(query.limit as usize + 1)
            .collect();
        let more = found.len() > query.limit as usize;
        let items: Vec<Row> = found
            .into_iter()
            .take(query.limit as usize)
            .map(|stored| stored.row(query.table, query.heavy))
            .collect();
        let last = items.last().filter(|_| more);
        let next = last.map(|row| Cursor::of(row, query.order)).transpose()?;
        Ok(Page {
            items,
            next: next.map(|cursor| cursor.encode()),
        })
    }

    async fn tally(
        &self,
        actor: Actor,
        query: &Query,
        by: &[&str],
        sum: &[&str],
    ) -> Result<Vec<Tallied>> {
        query.validate()?;
        validate::readable(actor, query.table)?;
        validate::tally(query.table, by, sum)?;
        let matching = validate::matching(query)?;
        let store = self.store();
        let mut rows: Vec<_> = store.wanted(actor, query, matching, None).collect();
        if query.table.def().has_position() {
            rows.sort_by_key(|row| (row.position, row.id));
        }
        Ok(rows::tally(
            &rows,
            by,
            sum,
            query.table.def().has_position(),
        ))
    }

    async fn commit(&self, actor: Actor, commit: &Commit) -> Result<Committed> {
        validate::size(commit)?;
        validate::writable(actor, commit)?;
        self.store().commit(actor, commit)
    }
}

/// How long the key of a commit is remembered, at least: twice what the contract asks.
const KEEP_KEYS_MICROS: i64 = 2 * 24 * 60 * 60 * 1_000_000;

/// A key is the actor's own: nobody learns or blocks another's commits by guessing.
type Key = (Option<UserId>, Uuid);

#[derive(Debug)]
struct Store {
    tables: Vec<Rows>,
    applied: HashMap<Key, Vec<Changed>>,
    applied_at: VecDeque<(i64, Key)>,
    /// The last time that was given out, in microseconds since 1970.
    clock: i64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            tables: TABLES.iter().map(|_| Rows::default()).collect(),
            applied: HashMap::new(),
            applied_at: VecDeque::new(),
            clock: 0,
        }
    }
}

/// What a row was before a change, for taking the change back.
type Undo = Vec<(Table, Uuid, Option<Arc<Stored>>)>;

impl Store {
    fn rows(&self, table: Table) -> &Rows {
        &self.tables[table as usize]
    }

    fn may_read(&self, actor: Actor, table: Table, row: &Stored) -> bool {
        actor.may_access(row.owner)
            || match table.def().published {
                Published::Never => false,
                Published::ByRow => row.is_published(),
                Published::WithParent => {
                    self.parent_of(table, row).is_some_and(Stored::is_published)
                }
            }
    }

    fn parent_of(&self, table: Table, row: &Stored) -> Option<&Stored> {
        let (_, parent) = table.def().parent?;
        self.rows(parent).get(&row.parent?).map(Arc::as_ref)
    }

    fn tick(&mut self) -> i64 {
        self.clock = now_micros().max(self.clock + 1);
        self.clock
    }

    fn wanted<'a>(
        &'a self,
        actor: Actor,
        query: &'a Query,
        matching: Option<(&'static Column, Value)>,
        after: Option<Cursor>,
    ) -> impl Iterator<Item = &'a Arc<Stored>> {
        let idle = query.idle_for.map(|time| {
            let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
            now_micros().max(self.clock).saturating_sub(micros)
        });
        let matches = move |stored: &Stored| match &matching {
            Some((column, value)) => stored.columns.get(column.name) == Some(value),
            None => true,
        };
        let wanted = move |stored: &&Arc<Stored>| {
            self.may_read(actor, query.table, stored)
                && query.owner.is_none_or(|owner| stored.owner == owner)
                && query.parent.is_none_or(|id| stored.parent == Some(id))
                && (query.states.is_empty() || stored.is_in(&query.states))
                && idle.is_none_or(|latest| stored.updated_at <= latest)
                && matches(stored)
        };
        self.rows(query.table)
            .scan(actor, query, after)
            .filter(wanted)
    }

    fn commit(&mut self, actor: Actor, commit: &Commit) -> Result<Committed> {
        let key = commit.key.map(|key| (actor.user(), key));
        if let Some(changes) = key.and_then(|key| self.applied.get(&key)) {
            return Ok(Committed {
                changes: changes.clone(),
                replayed: true,
            });
        }
        let changes = self.apply_all(actor, &commit.changes)?;
        if let Some(key) = key {
            self.remember(key, changes.clone());
        }
        Ok(Committed {
            changes,
            replayed: false,
        })
    }

    fn apply_all(&mut self, actor: Actor, changes: &[Change]) -> Result<Vec<Changed>> {
        let mut undo = Undo::new();
        let mut outcome = Vec::with_capacity(changes.len());
        for (i, change) in changes.iter().enumerate() {
            match self.apply(actor, change, &mut undo) {
                Ok(changed) => outcome.push(changed),
                Err(error) => {
                    self.roll_back(undo);
                    return Err(error).context("change", i);
                }
            }
        }
        Ok(outcome)
    }

    fn roll_back(&mut self, undo: Undo) {
        for (table, id, before) in undo.into_iter().rev() {
            self.replace(table, id, before);
        }
    }

    fn replace(&mut self, table: Table, id: Uuid, row: Option<Arc<Stored>>) -> Option<Arc<Stored>> {
        self.tables[table as usize].replace(id, row)
    }

    fn remember(&mut self, key: Key, changes: Vec<Changed>) {
        let now = self.tick();
        while let Some((at, old)) = self.applied_at.front().copied() {
            if now - at < KEEP_KEYS_MICROS {
                break;
            }
            self.applied_at.pop_front();
            self.applied.remove(&old);
        }
        self.applied.insert(key, changes);
        self.applied_at.push_back((now, key));
    }

    fn apply(&mut self, actor: Actor, change: &Change, undo: &mut Undo) -> Result<Changed> {
        match change {
            Change::Insert(row) => self.insert(actor, row, undo),
            Change::Update {
                table,
                id,
                version,
                set,
            } => {
                let set = validate::update(*table, set)?;
                let before = self.visible(actor, *table, *id)?;
                at_version(*table, &before, Some(*version))?;
                let after = before.with(*table, self.tick(), set);
                self.check_parent(*table, &after)?;
                Ok(self.write(*table, after, undo))
            }
            Change::Increment {
                table,
                id,
                column,
                by,
                minimum,
            } => {
                validate::increment(*table, column)?;
                let before = self.visible(actor, *table, *id)?;
                let value = added(*table, &before, column, *by, *minimum)?;
                let set = [(column.clone(), Value::from(value))];
                let after = before.with(*table, self.tick(), set);
                let changed = self.write(*table, after, undo);
                Ok(Changed {
                    value: Some(value),
                    ..changed
                })
            }
            Change::Check { table, id, states } => {
                validate::states(*table, states)?;
                let row = self.visible(actor, *table, *id)?;
                if row.is_in(states) {
                    Ok(Changed {
                        version: row.version,
                        value: None,
                    })
                } else {
                    Err(conflict(*table, "it is in another state").with_code("version_conflict"))
                }
            }
            Change::Delete { table, id, version } => {
                let row = self.visible(actor, *table, *id)?;
                at_version(*table, &row, *version)?;
                self.delete(*table, *id, undo);
                Ok(Changed::default())
            }
        }
    }

    fn insert(&mut self, actor: Actor, row: &Row, undo: &mut Undo) -> Result<Changed> {
        let columns = validate::insert(row)?;
        let stored = Stored::new(row.table, row.id()?, row.owner()?, columns, self.tick());
        if !actor.may_access(stored.owner) {
            return Err(Error::new(
                ErrorKind::PermissionDenied,
                "a row can only be added for its own owner",
            ));
        }
        if self.rows(row.table).get(&stored.id).is_some() {
            return Err(
                conflict(row.table, "there is a row with this id").with_code("already_exists")
            );
        }
        self.check_parent(row.table, &stored)?;
        Ok(self.write(row.table, stored, undo))
    }

    fn check_parent(&self, table: Table, row: &Stored) -> Result<()> {
        let (Some((_, parent)), Some(id)) = (table.def().parent, row.parent) else {
            return Ok(());
        };
        let family = |stored: &Arc<Stored>| stored.owner == row.owner;
        if self.rows(parent).get(&id).is_some_and(family) {
            return Ok(());
        }
        Err(Error::not_found(singular(parent), id).with_code("no_parent"))
    }

    fn visible(&self, actor: Actor, table: Table, id: Uuid) -> Result<Arc<Stored>> {
        self.rows(table)
            .get(&id)
            .filter(|stored| actor.may_access(stored.owner))
            .cloned()
            .ok_or_else(|| Error::not_found(singular(table), id))
    }

    fn write(&mut self, table: Table, row: Stored, undo: &mut Undo) -> Changed {
        let (id, version) = (row.id, row.version);
        let before = self.replace(table, id, Some(Arc::new(row)));
        undo.push((table, id, before));
        Changed {
            version,
            value: None,
        }
    }

    fn delete(&mut self, table: Table, id: Uuid, undo: &mut Undo) {
        for child in table.def().children() {
            for id in self.rows(child.table).children_of(id) {
                self.delete(child.table, id, undo);
            }
        }
        let before = self.replace(table, id, None);
        undo.push((table, id, before));
    }
}

fn at_version(table: Table, row: &Stored, version: Option<u64>) -> Result<()> {
    if version.is_none_or(|version| version == row.version) {
        return Ok(());
    }
    Err(
        conflict(table, "somebody changed it in the meantime; read it again")
            .with_code("version_conflict")
            .with_context("version", row.version),
    )
}

fn added(table: Table, row: &Stored, column: &str, by: i64, minimum: Option<i64>) -> Result<i64> {
    let value = row.columns.get(column).and_then(Value::as_i64).unwrap_or(0);
    let sum = value
        .checked_add(by)
        .ok_or_else(|| super::bad_row(table, column, "the sum is no 64-bit integer"))?;
    if minimum.is_some_and(|minimum| sum < minimum) {
        return Err(conflict(table, "there is not enough left").with_code("below_minimum"));
    }
    Ok(sum)
}

fn singular(table: Table) -> &'static str {
    table.def().name.trim_end_matches('s')
}

fn conflict(table: Table, message: &str) -> Error {
    Error::conflict(message).with_context("table", table.def().name)
}

fn now_micros() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

fn timestamp(micros: i64) -> Value {
    let time = Timestamp::from_timestamp_micros(micros).unwrap_or_default();
    serde_json::to_value(time).unwrap_or_default()
}
