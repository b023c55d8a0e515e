//! litink comes to a database in which something is already.

use litink_core::{ErrorKind, backend::Backend, schema::TABLES};
use litink_migrations::POSTGRES;
use litink_providers::postgres::PostgresDatabase;
use sqlx::PgConnection;

use crate::server::{Fresh, run};

/// Everything about the tables of others, and what is in them.
async fn tables(connection: &mut PgConnection) -> Vec<String> {
    let names: Vec<&str> = TABLES.iter().map(|def| def.name).collect();
    sqlx::query_scalar(
        "select format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable,
            (select relacl::text || ' ' || relrowsecurity::text from pg_class
                where oid = ('public.' || table_name)::regclass))
         from information_schema.columns
         where table_schema = 'public' and table_name <> all ($1) or table_name = 'books'
         order by 1",
    )
    .bind(names)
    .fetch_all(connection)
    .await
    .unwrap()
}

/// An application of the kind that comes before litink: people, books of its own, files.
const APPLICATION: &str = "
    create table public.profiles (id uuid primary key, display_name text, created_at timestamptz);
    create table public.subscriptions (id serial primary key, profile uuid references profiles);
    create function public.handle_new_user() returns trigger language plpgsql as
        'begin return new; end';
    create type public.plan as enum ('free', 'paid');
    insert into public.profiles values (gen_random_uuid(), 'Ada', now());";

#[tokio::test]
async fn an_applications_own_tables_stay_as_they_are() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let mut connection = fresh.connect().await;
    run(&mut connection, APPLICATION).await.unwrap();
    let before = tables(&mut connection).await;
    let database = PostgresDatabase::open(fresh.url().as_str()).await.unwrap();
    let checks = database.check().await;
    assert!(
        checks.iter().all(|check| check.outcome.is_ok()),
        "{checks:#?}"
    );
    database.close().await;
    let mut after = tables(&mut connection).await;
    after.retain(|line| !line.starts_with("books."));
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_table_of_litinks_name_that_is_not_litinks_is_refused_and_left() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let mut connection = fresh.connect().await;
    run(&mut connection, APPLICATION).await.unwrap();
    for make in [
        "create table public.books (id uuid primary key, user_id uuid, title text)",
        "create view public.books as select id, display_name as title from public.profiles",
    ] {
        run(&mut connection, make).await.unwrap();
        let before = tables(&mut connection).await;
        let error = PostgresDatabase::open(fresh.url().as_str())
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Configuration, "foreign_database")
        );
        assert!(error.to_string().contains("books"), "{error}");
        assert_eq!(tables(&mut connection).await, before);
        let nothing: bool = sqlx::query_scalar("select to_regnamespace('litink') is null")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert!(nothing);
        run(&mut connection, "drop table if exists public.books")
            .await
            .or(run(&mut connection, "drop view public.books").await)
            .unwrap();
    }
    PostgresDatabase::open(fresh.url().as_str()).await.unwrap();
}

/// Takes the seventh migration back.
const UNDO_7: &str = "do $$ begin execute replace(
    pg_get_functiondef('public.litink_commit_v1(jsonb)'::regprocedure),
    'old.expires_at < statement', 'old.expires_at < clock'); end $$;";

/// Takes the migration of what books say of themselves back.
const UNDO_16: &str = "alter table public.books drop identifiers, drop series, drop decisions;";

/// Takes the migration of money back.
const UNDO_14: &str = "drop table public.budgets; alter table public.generations
    drop cost_source, drop priced_nanos, drop unsettled_nanos, drop reservation, drop input_tokens,
    drop output_tokens, drop input_chars, drop input_ms, drop output_ms, drop images;
    do $$ declare verb regprocedure; begin
    foreach verb in array array['litink.table_of(jsonb)'::regprocedure,
        'public.litink_commit_v1(jsonb)'::regprocedure]
        loop execute replace(pg_get_functiondef(verb), ', ''budgets''', ''); end loop; end $$;";

/// Takes the timetable's migration back.
const UNDO_13: &str = "drop table public.schedules; do $$ declare verb regprocedure; begin
    foreach verb in array array['litink.table_of(jsonb)'::regprocedure,
        'public.litink_commit_v1(jsonb)'::regprocedure]
        loop execute replace(pg_get_functiondef(verb), ', ''schedules''', ''); end loop; end $$;";

/// Takes the jobs' migrations and the cache's back.
const UNDO_8_TO_12: &str = "do $$ declare name text; begin
    for name in select oid::regprocedure::text from pg_proc
        where pronamespace = 'litink'::regnamespace and proname similar to '(queue|cache)\\_%'
        loop execute 'drop function ' || name; end loop;
    for name in select oid::regclass::text from pg_class where relkind in ('r', 'p')
        and not relispartition
        and relnamespace = 'litink'::regnamespace and relname similar to '(job%|cache)'
        loop execute 'drop table ' || name || ' cascade'; end loop; end $$;";

/// Takes all but the first five migrations back, their history left.
pub(crate) fn undo_after_5() -> String {
    let storage = "drop function litink.secure_storage;";
    [storage, UNDO_16, UNDO_14, UNDO_13, UNDO_7, UNDO_8_TO_12].concat()
}

#[tokio::test]
async fn litinks_tables_without_their_history_are_gone_on_with() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    fresh.migrate().await;
    let mut connection = fresh.connect().await;
    let book = "insert into public.books (id, owner, state, title, authors, format, file_name,
            file_key, file_bytes, content_hash, chapter_count, char_count, warnings, visibility)
        values (gen_random_uuid(), gen_random_uuid(), 'ready', 'x', '[]', 'txt', 'x', 'x', 1, 'x', 0,
            0, '[]', 'private')";
    run(&mut connection, book).await.unwrap();
    let latest = POSTGRES.len();
    let older = format!("drop table litink.migrations; {}", undo_after_5());
    let oldest = older.clone()
        + "drop function public.litink_publish_v1, public.litink_events_v1; drop table litink.events";
    for (lose, found) in [
        ("delete from litink.migrations", latest),
        ("drop table litink.migrations", latest),
        // As older versions left it.
        (&older, 5),
        (&oldest, 4),
    ] {
        run(&mut connection, lose).await.unwrap();
        let database = PostgresDatabase::open(fresh.url().as_str()).await.unwrap();
        assert_eq!(
            database.schema_version().await.unwrap() as usize,
            POSTGRES.len()
        );
        let checks = database.check().await;
        assert!(
            checks.iter().all(|check| check.outcome.is_ok()),
            "{checks:#?}"
        );
        let migrated = database.migrate().await.unwrap().unwrap();
        assert_eq!(migrated.from as usize, found, "{lose}");
        database.close().await;
        let (books, history): (i64, i64) = sqlx::query_as(
            "select (select count(*) from public.books), (select count(*) from litink.migrations)",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!((books, history as usize), (1, POSTGRES.len()));
    }
}

#[tokio::test]
async fn a_part_of_a_backup_is_refused() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    for lose in [
        "drop schema litink cascade",
        "delete from litink.migrations; drop function public.litink_commit_v1",
    ] {
        let mut connection = fresh.connect().await;
        fresh.migrate().await;
        run(&mut connection, lose).await.unwrap();
        let error = PostgresDatabase::open(fresh.url().as_str())
            .await
            .unwrap_err();
        assert_eq!(error.code(), "schema_incomplete", "{error}");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let clear = "drop schema if exists litink cascade; drop schema public cascade;
            create schema public";
        run(&mut connection, clear).await.unwrap();
    }
}
