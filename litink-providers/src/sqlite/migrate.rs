//! Brings a database file to today's schema.

use std::time::{Duration, Instant};

use litink_core::{Error, ErrorKind, Result};
use litink_migrations::{Migration, SQLITE};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::{error::DbResult, options::Durability, writer::now_micros};

/// How long to wait for another process that opens the same file.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// Sets up a connection for writing and applies what migrations are missing; says which version was
/// there before.
pub(super) fn prepare(connection: &mut Connection, durability: Durability) -> Result<u32> {
    use_write_ahead_log(connection)?;
    connection
        .pragma_update(None, "synchronous", durability.synchronous())
        .db()?;
    connection.pragma_update(None, "foreign_keys", true).db()?;
    // Twenty megabytes of pages and of log, so that a burst, or a backlog of a million jobs, does
    // not make every page be read, and the log be emptied into the file, again and again.
    connection.pragma_update(None, "cache_size", -20_000).db()?;
    connection
        .pragma_update(None, "wal_autocheckpoint", 5_000)
        .db()?;
    // After a burst, the log is cut back to this.
    connection
        .pragma_update(None, "journal_size_limit", 64 << 20)
        .db()?;
    apply(connection, SQLITE)
}

/// Readers that do not block the writer. Two processes that switch a new file at once do not wait
/// for each other's locks here, SQLite says `BUSY` at once, hence the loop.
fn use_write_ahead_log(connection: &Connection) -> Result<()> {
    let begun = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && begun.elapsed() < OPEN_TIMEOUT =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            result => return result.db(),
        }
    }
}

/// Applies the missing ones in one transaction, which also keeps a second process out until it is
/// done; that one then finds nothing missing.
fn apply(connection: &mut Connection, migrations: &[Migration]) -> Result<u32> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .db()?;
    let applied = applied(&transaction)?;
    let latest = migrations.last().map_or(0, |last| last.version);
    if applied > latest {
        return Err(too_new(applied, latest));
    }
    for migration in migrations.iter().filter(|m| m.version > applied) {
        transaction.execute_batch(migration.sql).db()?;
        transaction
            .execute(
                "INSERT INTO schema_migrations (version, name, applied_at) VALUES (?1, ?2, ?3)",
                (migration.version, migration.name, now_micros()),
            )
            .db()?;
    }
    transaction.commit().db()?;
    Ok(applied)
}

/// The latest migration that was applied, 0 for an empty file.
fn applied(connection: &Connection) -> Result<u32> {
    let tables: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .db()?;
    if !tables.is_empty() && !tables.iter().any(|name| name == "schema_migrations") {
        return Err(foreign());
    }
    connection
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS schema_migrations (
                version    INTEGER NOT NULL PRIMARY KEY,
                name       TEXT    NOT NULL,
                applied_at INTEGER NOT NULL
            ) STRICT",
        )
        .db()?;
    connection
        .query_row(
            "SELECT ifnull(max(version), 0) FROM schema_migrations",
            [],
            |row| row.get(0),
        )
        .db()
}

fn too_new(found: u32, known: u32) -> Error {
    Error::new(
        ErrorKind::Configuration,
        "the database was written by a newer version of litink; use that version, or another file",
    )
    .with_code("schema_too_new")
    .with_context("found", found)
    .with_context("known", known)
}

fn foreign() -> Error {
    Error::new(
        ErrorKind::Configuration,
        "this is the database of another program; give litink a file of its own",
    )
    .with_code("foreign_database")
}

#[cfg(test)]
mod tests {
    use litink_core::schema::{ColumnKind, TABLES};

    use super::*;

    fn migrated() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        apply(&mut connection, SQLITE).unwrap();
        connection
    }

    #[test]
    fn the_migrated_tables_are_those_of_the_schema() {
        let connection = migrated();
        for def in TABLES {
            let expected: Vec<_> = def
                .columns()
                .map(|column| {
                    (
                        column.name.to_owned(),
                        sql_type(column.kind),
                        !column.nullable,
                    )
                })
                .collect();
            let found: Vec<(String, String, bool)> = connection
                .prepare(&format!("PRAGMA table_info({})", def.name))
                .unwrap()
                .query_map([], |row| Ok((row.get(1)?, row.get(2)?, row.get(3)?)))
                .unwrap()
                .collect::<rusqlite::Result<_>>()
                .unwrap();
            let found: Vec<_> = found
                .iter()
                .map(|(n, t, null)| (n.clone(), &**t, *null))
                .collect();
            assert_eq!(found, expected, "{}", def.name);
        }
    }

    #[test]
    fn the_states_are_those_of_the_schema() {
        let connection = migrated();
        for def in TABLES.iter().filter(|def| !def.states.is_empty()) {
            let sql: String = connection
                .query_row(
                    "SELECT sql FROM sqlite_schema WHERE name = ?1",
                    [def.name],
                    |row| row.get(0),
                )
                .unwrap();
            let list = sql
                .split("state IN (")
                .nth(1)
                .and_then(|rest| rest.split(')').next());
            let states: Vec<_> = list
                .unwrap()
                .split(',')
                .map(|s| s.trim().trim_matches('\''))
                .collect();
            assert_eq!(states, def.states, "{}", def.name);
        }
    }

    #[test]
    fn children_go_with_their_parents() {
        let connection = migrated();
        for def in TABLES {
            let found: Option<(String, String, String)> = connection
                .query_row(
                    &format!("PRAGMA foreign_key_list({})", def.name),
                    [],
                    |row| Ok((row.get(3)?, row.get(2)?, row.get(6)?)),
                )
                .ok();
            let expected = def.parent.map(|(column, parent)| {
                (
                    column.to_owned(),
                    parent.def().name.to_owned(),
                    "CASCADE".to_owned(),
                )
            });
            assert_eq!(found, expected, "{}", def.name);
        }
    }

    #[test]
    fn migrating_again_changes_nothing() {
        let mut connection = migrated();
        apply(&mut connection, SQLITE).unwrap();
        let count: u32 = connection
            .query_row("SELECT count(*) FROM schema_migrations", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(count as usize, SQLITE.len());
    }

    #[test]
    fn a_failing_migration_leaves_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        let bad = Migration {
            version: 1,
            name: "bad",
            sql: "CREATE TABLE a (b) ; CREATE TABLE a (b);",
        };
        assert!(apply(&mut connection, &[bad]).is_err());
        let tables: u32 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 0);
    }

    #[test]
    fn a_newer_schema_and_a_foreign_database_are_told_apart() {
        let mut connection = migrated();
        connection
            .execute("INSERT INTO schema_migrations VALUES (999, 'later', 0)", [])
            .unwrap();
        let error = apply(&mut connection, SQLITE).unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Configuration, "schema_too_new")
        );

        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE cats (name)")
            .unwrap();
        assert_eq!(
            apply(&mut connection, SQLITE).unwrap_err().code(),
            "foreign_database"
        );
    }

    fn sql_type(kind: ColumnKind) -> &'static str {
        match kind {
            ColumnKind::Uuid => "BLOB",
            ColumnKind::Text | ColumnKind::Json => "TEXT",
            ColumnKind::Integer | ColumnKind::Bool | ColumnKind::Timestamp => "INTEGER",
        }
    }
}
