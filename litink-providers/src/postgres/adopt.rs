//! Tables that are there without a history of migrations: litink's own are gone on with, others'
//! are left alone.

use litink_core::{
    Error, ErrorKind, Result,
    schema::{TABLES, Table},
};
use litink_migrations::POSTGRES;
use sqlx::PgConnection;

use super::migrate::{failed, run};

/// By what each migration is recognised: something that it alone makes.
const MARKS: &[&str] = &[
    "(SELECT count(*) FROM pg_catalog.pg_trigger WHERE tgname = 'litink_stamp') >= 8",
    "(SELECT count(*) FROM pg_catalog.pg_policies WHERE schemaname = 'litink'
        AND policyname IN ('commits_nobody', 'migrations_nobody')) >= 1",
    "to_regprocedure('public.litink_list_v1(jsonb)') IS NOT NULL",
    "to_regprocedure('public.litink_commit_v1(jsonb)') IS NOT NULL",
    "to_regprocedure('public.litink_publish_v1(jsonb)') IS NOT NULL",
    "to_regprocedure('litink.secure_storage(text)') IS NOT NULL",
    "EXISTS (SELECT FROM pg_catalog.pg_proc
        WHERE oid = to_regprocedure('public.litink_commit_v1(jsonb)')
        AND prosrc LIKE '%old.expires_at < statement_timestamp()%')",
    "to_regclass('litink.job_history') IS NOT NULL",
    "EXISTS (SELECT FROM pg_catalog.pg_proc WHERE proname = 'queue_settle')",
    "to_regprocedure('litink.queue_turn(jsonb)') IS NOT NULL",
    "to_regprocedure('litink.queue_control(jsonb)') IS NOT NULL",
    "to_regprocedure('litink.cache_call(jsonb)') IS NOT NULL",
    "to_regclass('public.schedules') IS NOT NULL",
    "to_regclass('public.budgets') IS NOT NULL",
    "to_regprocedure('litink.cache_rate(jsonb)') IS NOT NULL",
    "EXISTS (SELECT FROM information_schema.columns WHERE table_schema = 'public'
        AND table_name = 'books' AND column_name = 'decisions')",
];

/// The table of the history, should it be gone, with the rights that the migrations gave it.
const HISTORY: &str = "
    CREATE TABLE IF NOT EXISTS litink.migrations (
        version    integer     NOT NULL PRIMARY KEY,
        name       text        NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    ALTER TABLE litink.migrations ENABLE ROW LEVEL SECURITY;
    REVOKE ALL ON litink.migrations FROM PUBLIC, anon, authenticated, service_role;
    GRANT SELECT ON litink.migrations TO service_role;
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_policies WHERE schemaname = 'litink'
            AND tablename = 'migrations' AND policyname = 'migrations_nobody') THEN
            CREATE POLICY migrations_nobody ON litink.migrations FOR ALL TO anon, authenticated
                USING (false) WITH CHECK (false);
        END IF;
    END $$;";

/// Looks at a database without a history: 0 if there is nothing of litink's, or the version that
/// was there, and the history written again.
pub(super) async fn adopt(connection: &mut PgConnection) -> Result<u32> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_catalog.pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
         AND relname = ANY ($1) ORDER BY 1",
    )
    .bind(names())
    .persistent(false)
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    if tables.is_empty() {
        return Ok(0);
    }
    if !are_litinks(connection, &tables).await? {
        return Err(foreign(&tables));
    }
    let marks: Vec<bool> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT ARRAY[{}]",
        MARKS.join(", ")
    )))
    .persistent(false)
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    let version = marks.iter().take_while(|holds| **holds).count();
    if version == 0 || marks.iter().skip(version).any(|holds| *holds) {
        return Err(incomplete(&tables, &marks));
    }
    run(connection, HISTORY).await?;
    for migration in POSTGRES.iter().take(version) {
        sqlx::query("INSERT INTO litink.migrations (version, name) VALUES ($1, $2)")
            .bind(i64::from(migration.version) as i32)
            .bind(migration.name)
            .persistent(false)
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
    }
    let version = u32::try_from(version).unwrap_or(u32::MAX);
    tracing::info!(
        version,
        "found litink's tables without their history, and wrote it again"
    );
    Ok(version)
}

/// Columns that tables of the first migration were given by a later one.
const LATER: &[(Table, &[&str])] = &[
    (Table::Books, &["identifiers", "series", "decisions"]),
    (
        Table::Generations,
        &[
            "cost_source",
            "priced_nanos",
            "unsettled_nanos",
            "reservation",
            "input_tokens",
            "output_tokens",
            "input_chars",
            "input_ms",
            "output_ms",
            "images",
        ],
    ),
];

/// Whether all tables are there and have the columns that litink gave them at first. Of the tables
/// that came after the first migration, those that are there.
async fn are_litinks(connection: &mut PgConnection, found: &[String]) -> Result<bool> {
    let columns: Vec<String> = TABLES
        .iter()
        .filter(|def| {
            let first = !matches!(def.table, Table::Schedules | Table::Budgets);
            first || found.iter().any(|name| name == def.name)
        })
        .flat_map(|def| {
            let later = LATER.iter().find(|(table, _)| *table == def.table);
            let later = later.map_or(&[][..], |(_, columns)| columns);
            def.columns()
                .filter(move |column| !later.contains(&column.name))
                .map(|column| format!("{}.{}", def.name, column.name))
        })
        .collect();
    sqlx::query_scalar(
        "SELECT NOT EXISTS (
            SELECT FROM unnest($1::text[]) AS wanted (name) WHERE name NOT IN (
                SELECT table_name || '.' || column_name FROM information_schema.columns
                WHERE table_schema = 'public'))",
    )
    .bind(columns)
    .persistent(false)
    .fetch_one(connection)
    .await
    .map_err(failed)
}

fn names() -> Vec<String> {
    TABLES.iter().map(|def| def.name.to_owned()).collect()
}

fn foreign(tables: &[String]) -> Error {
    Error::new(
        ErrorKind::Configuration,
        "the database has tables of another program with litink's names, and they were left as they \
         are; give litink a database of its own (on Supabase, a project of its own), or rename \
         those tables",
    )
    .with_code("foreign_database")
    .with_context("tables", tables.join(", "))
}

fn incomplete(tables: &[String], marks: &[bool]) -> Error {
    let missing: Vec<&str> = POSTGRES
        .iter()
        .zip(marks)
        .filter(|(_, holds)| !**holds)
        .map(|(migration, _)| migration.name)
        .collect();
    Error::new(
        ErrorKind::Configuration,
        "litink's tables are here, but not all that belongs to them (functions, triggers and rules, \
         the schema `litink`), as after a part of a backup was restored; restore it whole, or let \
         `litink import-data` fill an empty database",
    )
    .with_code("schema_incomplete")
    .with_context("tables", tables.join(", "))
    .with_context("missing", missing.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_is_recognised_by_something() {
        assert_eq!(MARKS.len(), POSTGRES.len());
    }
}
