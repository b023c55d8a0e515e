//! Which available jobs may begin, and whose turn it is.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
};

use litink_core::Result;
use rusqlite::{Connection, OptionalExtension};

use super::turns::open_kinds;
use crate::sqlite::{
    error::{DbResult, corrupt},
    writer::Tx,
};

/// What one job costs a tenant of weight 1.
const COST: i64 = 1 << 20;

/// A job in line: priority, since when, age.
type Place = (Reverse<i64>, i64, i64);

/// Jobs of a kind with the same tenant and limits.
struct Lane {
    name: String,
    tenant: Vec<u8>,
    limits: Vec<String>,
}

/// The numbers of the best available jobs of these kinds (none: of any) that are not paused and that
/// their limits let begin. What they take of limits and turns is noted.
pub(super) fn best(tx: &Tx<'_>, kinds: &[String], want: u32) -> Result<Vec<i64>> {
    let (connection, now) = (tx.connection(), tx.now());
    let mut limits = Limits::default();
    let mut lines = Vec::new();
    for kind in open_kinds(connection, kinds)? {
        lines.push(Line::open(connection, kind, want, &mut limits, now)?);
    }
    let mut best = Vec::new();
    while best.len() < want as usize {
        let heads = lines.iter().enumerate();
        let heads = heads.filter_map(|(i, line)| Some((line.head(&limits, now)?, i)));
        let Some(((_, lane), line)) = heads.min() else {
            break;
        };
        best.extend(lines[line].take(lane, &mut limits, now));
    }
    limits.store(tx)?;
    for line in &lines {
        line.store(tx)?;
    }
    Ok(best)
}

/// Whether a job of these kinds may begin.
pub(super) fn has_open(connection: &Connection, kinds: &[String], now: i64) -> Result<bool> {
    let mut limits = Limits::default();
    for kind in open_kinds(connection, kinds)? {
        for lane in lanes(connection, &kind)? {
            limits.load(connection, &lane.limits)?;
            if limits.admit(&lane.limits, now) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// When a rate or a throttle opens next.
pub(super) fn next_opening(connection: &Connection, now: i64) -> Result<Option<i64>> {
    connection
        .prepare_cached(
            "SELECT min(opens) FROM (
                SELECT max(
                    ifnull(throttled_until, 0),
                    ifnull(paid_at + rate_per / rate_jobs - rate_per, 0)
                ) AS opens FROM job_limits
            ) WHERE opens > ?",
        )
        .and_then(|mut statement| statement.query_row([now], |row| row.get(0)))
        .db()
}

/// The lanes of a kind that have available jobs, by leaps over the index.
fn lanes(connection: &Connection, kind: &str) -> Result<Vec<Lane>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT lane, ifnull(tenant, x''), limits FROM jobs
            WHERE state = 'available' AND kind = ? AND lane > ? ORDER BY lane LIMIT 1",
        )
        .db()?;
    let mut lanes: Vec<Lane> = Vec::new();
    // No lane's name is before this one, which is the name of none.
    let mut last = String::new();
    if let Some(plain) = plain_lane(connection, kind)? {
        lanes.push(plain);
    }
    loop {
        let next = statement
            .query_row((kind, &last), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<String>>(2)?))
            })
            .optional()
            .db()?;
        let Some((name, tenant, limits)) = next else {
            return Ok(lanes);
        };
        last = name;
        lanes.push(Lane {
            name: last.clone(),
            tenant,
            limits: keys(limits.as_deref())?,
        });
    }
}

/// The lane of jobs without tenant and limits, whose name is empty.
fn plain_lane(connection: &Connection, kind: &str) -> Result<Option<Lane>> {
    let there = connection
        .prepare_cached("SELECT 1 FROM jobs WHERE state = 'available' AND kind = ? AND lane = ''")
        .and_then(|mut statement| statement.exists([kind]))
        .db()?;
    Ok(there.then(|| Lane {
        name: String::new(),
        tenant: Vec::new(),
        limits: Vec::new(),
    }))
}

/// The keys of a column `limits`.
pub(super) fn keys(column: Option<&str>) -> Result<Vec<String>> {
    let keys = column.map(serde_json::from_str).transpose();
    keys.map(Option::unwrap_or_default)
        .map_err(|_| corrupt().with_context("table", "jobs"))
}

/// The available jobs of a kind, as far as one turn can want them.
struct Line {
    kind: String,
    lanes: Vec<(Lane, VecDeque<Place>)>,
    /// Only where tenants stand beside each other.
    shares: Option<Shares>,
}

impl Line {
    fn open(
        connection: &Connection,
        kind: String,
        want: u32,
        limits: &mut Limits,
        now: i64,
    ) -> Result<Self> {
        let mut statement = connection
            .prepare_cached(
                "SELECT priority, scheduled_at, seq FROM jobs
                WHERE state = 'available' AND kind = ? AND lane = ?
                ORDER BY priority DESC, scheduled_at, seq LIMIT ?",
            )
            .db()?;
        let mut open = Vec::new();
        for lane in lanes(connection, &kind)? {
            limits.load(connection, &lane.limits)?;
            if !limits.admit(&lane.limits, now) {
                continue;
            }
            let jobs = statement.query_map((&kind, &lane.name, want), |row| {
                Ok((Reverse(row.get(0)?), row.get(1)?, row.get(2)?))
            });
            let jobs = jobs.and_then(Iterator::collect::<rusqlite::Result<_>>);
            open.push((lane, jobs.db()?));
        }
        let tenants: BTreeSet<&[u8]> = open.iter().map(|(lane, _)| &*lane.tenant).collect();
        let shares = match tenants.len() {
            0 | 1 => None,
            _ => Some(Shares::load(connection, &kind)?),
        };
        Ok(Self {
            kind,
            lanes: open,
            shares,
        })
    }

    /// The place of the next job, and its lane. Tenants take turns within a kind; between kinds goes
    /// who waits longer.
    fn head(&self, limits: &Limits, now: i64) -> Option<(Place, usize)> {
        let open = self.lanes.iter().enumerate();
        let open = open.filter(|(_, (lane, _))| limits.admit(&lane.limits, now));
        let heads = open.filter_map(|(i, (lane, jobs))| {
            let (priority, due, seq) = *jobs.front()?;
            let turn = self.shares.as_ref().map(|it| it.place(&lane.tenant));
            Some(((priority, turn, due, seq), i))
        });
        let ((priority, _, due, seq), lane) = heads.min()?;
        Some(((priority, due, seq), lane))
    }

    fn take(&mut self, lane: usize, limits: &mut Limits, now: i64) -> Option<i64> {
        let (lane, jobs) = self.lanes.get_mut(lane)?;
        let (_, _, seq) = jobs.pop_front()?;
        limits.begin(&lane.limits, now);
        if let Some(shares) = &mut self.shares {
            shares.served(&lane.tenant);
        }
        Some(seq)
    }

    fn store(&self, tx: &Tx<'_>) -> Result<()> {
        match &self.shares {
            Some(shares) if !shares.changed.is_empty() => shares.store(tx, &self.kind),
            _ => Ok(()),
        }
    }
}

/// The turns of a kind's tenants.
struct Shares {
    floor: i64,
    next: HashMap<Vec<u8>, i64>,
    weights: HashMap<Vec<u8>, i64>,
    changed: BTreeSet<Vec<u8>>,
}

impl Shares {
    fn load(connection: &Connection, kind: &str) -> Result<Self> {
        let pairs = |sql: &str, params: &[&dyn rusqlite::ToSql]| {
            connection
                .prepare_cached(sql)
                .and_then(|mut statement| {
                    let rows = statement.query_map(params, |row| Ok((row.get(0)?, row.get(1)?)));
                    rows?.collect::<rusqlite::Result<_>>()
                })
                .db()
        };
        let floor = connection
            .prepare_cached("SELECT floor FROM job_floors WHERE kind = ?")
            .and_then(|mut statement| statement.query_row([kind], |row| row.get(0)).optional())
            .db()?;
        Ok(Self {
            floor: floor.unwrap_or_default(),
            next: pairs(
                "SELECT tenant, next FROM job_shares WHERE kind = ?",
                &[&kind],
            )?,
            weights: pairs("SELECT tenant, weight FROM job_weights", &[])?,
            changed: BTreeSet::new(),
        })
    }

    fn place(&self, tenant: &[u8]) -> i64 {
        let next = self.next.get(tenant).copied().unwrap_or_default();
        next.max(self.floor)
    }

    fn served(&mut self, tenant: &[u8]) {
        let weight = self.weights.get(tenant).copied().unwrap_or(1).max(1);
        self.floor = self.place(tenant);
        self.next
            .insert(tenant.to_vec(), self.floor + COST / weight);
        self.changed.insert(tenant.to_vec());
    }

    fn store(&self, tx: &Tx<'_>, kind: &str) -> Result<()> {
        tx.execute(
            "INSERT INTO job_floors (kind, floor) VALUES (?1, ?2)
            ON CONFLICT (kind) DO UPDATE SET floor = ?2",
            (kind, self.floor),
        )?;
        for tenant in &self.changed {
            tx.execute(
                "INSERT INTO job_shares (kind, tenant, next) VALUES (?1, ?2, ?3)
                ON CONFLICT (kind, tenant) DO UPDATE SET next = ?3",
                (kind, tenant, self.next.get(tenant)),
            )?;
        }
        // Who is not ahead of the floor is as one who comes anew.
        tx.execute(
            "DELETE FROM job_shares WHERE kind = ? AND next <= ?",
            (kind, self.floor),
        )?;
        Ok(())
    }
}

/// The limits of the keys that were asked for.
#[derive(Default)]
struct Limits {
    keys: BTreeMap<String, Key>,
}

#[derive(Default)]
struct Key {
    concurrency: Option<i64>,
    /// So many, in so many microseconds.
    rate: Option<(i64, i64)>,
    running: i64,
    paid_at: Option<i64>,
    throttled: i64,
    changed: bool,
}

impl Key {
    fn admits(&self, now: i64) -> bool {
        let room = self.concurrency.is_none_or(|most| self.running < most);
        let paid = self.rate.zip(self.paid_at);
        let opens = paid.map(|((jobs, per), paid)| paid + per / jobs - per);
        room && self.throttled <= now && opens.is_none_or(|opens| opens <= now)
    }
}

impl Limits {
    fn load(&mut self, connection: &Connection, keys: &[String]) -> Result<()> {
        for key in keys {
            if self.keys.contains_key(key) {
                continue;
            }
            let found = connection
                .prepare_cached(
                    "SELECT concurrency, rate_jobs, rate_per, running, paid_at,
                        ifnull(throttled_until, 0)
                    FROM job_limits WHERE key = ?",
                )
                .and_then(|mut statement| {
                    statement
                        .query_row([key], |row| {
                            let jobs: Option<i64> = row.get(1)?;
                            Ok(Key {
                                concurrency: row.get(0)?,
                                rate: jobs.zip(row.get(2)?),
                                running: row.get(3)?,
                                paid_at: row.get(4)?,
                                throttled: row.get(5)?,
                                changed: false,
                            })
                        })
                        .optional()
                })
                .db()?;
            self.keys.insert(key.clone(), found.unwrap_or_default());
        }
        Ok(())
    }

    fn admit(&self, keys: &[String], now: i64) -> bool {
        let mut known = keys.iter().filter_map(|key| self.keys.get(key));
        known.all(|key| key.admits(now))
    }

    fn begin(&mut self, keys: &[String], now: i64) {
        for key in keys {
            let Some(key) = self.keys.get_mut(key) else {
                continue;
            };
            // The table is counted by its trigger.
            key.running += 1;
            if let Some((jobs, per)) = key.rate {
                let from = key.paid_at.map_or(now, |at| at.max(now));
                key.paid_at = Some(from + per / jobs);
                key.changed = true;
            }
        }
    }

    fn store(&self, tx: &Tx<'_>) -> Result<()> {
        for (name, key) in self.keys.iter().filter(|(_, key)| key.changed) {
            tx.execute(
                "UPDATE job_limits SET paid_at = ?2 WHERE key = ?1",
                (name, key.paid_at),
            )?;
        }
        Ok(())
    }
}
