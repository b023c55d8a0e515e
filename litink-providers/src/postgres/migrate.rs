//! Brings a database to today's schema.

use litink_core::{Error, ErrorKind, Result};
use litink_migrations::{Migration, POSTGRES, POSTGRES_BOOTSTRAP};
use sqlx::{Connection, Executor, PgConnection};

use super::{adopt::adopt, error};

/// Who holds this lock migrates; the others wait, and find nothing to do. ("litink" in ASCII.)
const LOCK: i64 = 0x6c69_7469_6e6b;

/// Applies what migrations are missing, if it may; else says what is wrong with the schema. Gives the
/// version that it found.
pub(super) async fn prepare(connection: &mut PgConnection, migrate: bool) -> Result<u32> {
    let latest = POSTGRES.last().map_or(0, |last| last.version);
    // Most often there is nothing to do, and the login need not be one that could do it.
    match applied(connection).await? {
        version if version == latest => return Ok(version),
        version if version > latest => return Err(too_new(version, latest)),
        version if !migrate => return Err(too_old(version, latest)),
        _ => {}
    }
    let mut transaction = connection.begin().await.map_err(failed)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .persistent(false)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    let version = applied(&mut transaction).await?;
    run(&mut transaction, POSTGRES_BOOTSTRAP)
        .await
        .map_err(not_prepared)?;
    let version = match version {
        0 => adopt(&mut transaction).await?,
        version => version,
    };
    for Migration { sql, name, .. } in POSTGRES.iter().filter(|m| m.version > version) {
        run(&mut transaction, sql)
            .await
            .map_err(|error| error.with_context("migration", name))?;
    }
    // PostgREST, where there is one, looks again.
    run(&mut transaction, "NOTIFY pgrst, 'reload schema'").await?;
    transaction.commit().await.map_err(failed)?;
    Ok(version)
}

/// The latest migration that was applied, 0 for none.
async fn applied(connection: &mut PgConnection) -> Result<u32> {
    // One transaction, so that a pooler leaves it on one connection.
    let mut transaction = connection.begin().await.map_err(failed)?;
    let version = applied_in(&mut transaction).await?;
    transaction.rollback().await.map_err(failed)?;
    Ok(version)
}

async fn applied_in(transaction: &mut PgConnection) -> Result<u32> {
    // By the catalogue: a login that is not the owner's may not so much as name the table; and one
    // that inherits the grants of `service_role` does not inherit that row security is not for it.
    let (exists, may_read): (bool, bool) = sqlx::query_as(
        "SELECT count(*) > 0,
                coalesce(bool_and(has_schema_privilege(n.oid, 'USAGE')
                    AND NOT row_security_active(c.oid)), false)
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'litink' AND c.relname = 'migrations' AND c.relkind = 'r'",
    )
    .persistent(false)
    .fetch_one(&mut *transaction)
    .await
    .map_err(failed)?;
    if !exists {
        return Ok(0);
    }
    if !may_read {
        run(transaction, "SET LOCAL ROLE service_role")
            .await
            .map_err(not_prepared)?;
    }
    let version: i32 =
        sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM litink.migrations")
            .persistent(false)
            .fetch_one(transaction)
            .await
            .map_err(failed)?;
    Ok(version.unsigned_abs())
}

pub(super) async fn run(connection: &mut PgConnection, sql: &'static str) -> Result<()> {
    connection
        .execute(sqlx::raw_sql(sql))
        .await
        .map(|_| ())
        .map_err(failed)
}

pub(super) fn failed(error: sqlx::Error) -> Error {
    // Nobody's rows are in the statements of a migration, so the server's message can be shown.
    let message = error::database_error(&error).map(|raised| raised.message().to_owned());
    let error = error::judge(error).error();
    match message {
        Some(message) => error.with_context("server", message),
        None => error,
    }
}

fn not_prepared(error: Error) -> Error {
    if error.code() != "database_not_permitted" {
        return error;
    }
    Error::new(
        ErrorKind::Configuration,
        "the roles that litink works in are missing or not this login's, and it may not make them; \
         let the server's administrator run migrations/bootstrap/postgres.sql once, and grant \
         anon, authenticated and service_role to this login",
    )
    .with_code("database_not_prepared")
    .with_source(error)
}

fn too_new(found: u32, known: u32) -> Error {
    Error::new(
        ErrorKind::Configuration,
        "the database was written by a newer version of litink; use that version, or another \
         database",
    )
    .with_code("schema_too_new")
    .with_context("found", found)
    .with_context("known", known)
}

fn too_old(found: u32, known: u32) -> Error {
    Error::new(
        ErrorKind::Configuration,
        "the database has an older schema; run `litink migrate`",
    )
    .with_code("schema_too_old")
    .with_context("found", found)
    .with_context("known", known)
}
