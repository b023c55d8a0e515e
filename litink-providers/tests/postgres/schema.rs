//! The migrations, held against `litink_core::schema`.

use litink_core::{
    Actor, ErrorKind, UserId,
    repository::{Query, Repository},
    schema::{COMMON_COLUMNS, ColumnKind, TABLES, Table},
};
use litink_providers::postgres::{PostgresDatabase, PostgresOptions, PostgresRepository};
use sqlx::PgConnection;

use crate::server::{Fresh, connect, run, shared};

async fn migrated() -> Option<PgConnection> {
    Some(connect(&shared().await?).await)
}

fn sql_type(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Uuid => "uuid",
        ColumnKind::Text => "text",
        ColumnKind::Json => "jsonb",
        ColumnKind::Integer => "bigint",
        ColumnKind::Bool => "boolean",
        ColumnKind::Timestamp => "timestamp with time zone",
    }
}

#[tokio::test]
async fn the_migrated_tables_are_those_of_the_schema() {
    let Some(mut connection) = migrated().await else {
        return;
    };
    for def in TABLES {
        let found: Vec<(String, String, bool)> = sqlx::query_as(
            "SELECT column_name::text, data_type::text, is_nullable = 'YES'
             FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position",
        )
        .bind(def.name)
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let expected: Vec<_> = def
            .columns()
            .map(|c| (c.name.to_owned(), sql_type(c.kind).to_owned(), c.nullable))
            .collect();
        assert_eq!(found, expected, "{}", def.name);
    }
}

#[tokio::test]
async fn the_states_are_those_of_the_schema() {
    let Some(mut connection) = migrated().await else {
        return;
    };
    for def in TABLES.iter().filter(|def| !def.states.is_empty()) {
        let check: String = sqlx::query_scalar(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint
             WHERE conrelid = ('public.' || $1)::regclass AND conname = $1 || '_state_check'",
        )
        .bind(def.name)
        .fetch_one(&mut connection)
        .await
        .unwrap();
        let states: Vec<&str> = check.split('\'').skip(1).step_by(2).collect();
        assert_eq!(states, def.states, "{}", def.name);
    }
}

#[tokio::test]
async fn rows_belong_to_rows_of_their_owner() {
    let Some(mut connection) = migrated().await else {
        return;
    };
    for def in TABLES {
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint
             WHERE contype = 'f' AND conrelid = ('public.' || $1)::regclass",
        )
        .bind(def.name)
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let expected = def.parent.map(|(column, parent)| {
            let parent = parent.def().name;
            format!(
                "FOREIGN KEY ({column}, owner) REFERENCES {parent}(id, owner) ON DELETE CASCADE"
            )
        });
        assert_eq!(found, Vec::from_iter(expected), "{}", def.name);
    }
}

/// The columns of each index of a table, in order.
async fn indexes(connection: &mut PgConnection, table: &str) -> Vec<Vec<String>> {
    let found: Vec<Vec<String>> = sqlx::query_scalar(
        "SELECT array_agg(a.attname::text ORDER BY k.place) FROM pg_index i
         CROSS JOIN unnest(i.indkey::int[]) WITH ORDINALITY AS k (attnum, place)
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
         WHERE i.indrelid = ('public.' || $1)::regclass GROUP BY i.indexrelid",
    )
    .bind(table)
    .fetch_all(connection)
    .await
    .unwrap();
    found
}

#[tokio::test]
async fn every_filter_and_order_has_its_index() {
    let Some(mut connection) = migrated().await else {
        return;
    };
    for def in TABLES {
        let found = indexes(&mut connection, def.name).await;
        let mut wanted = vec![vec!["owner", "created_at", "id"]];
        if let Some((parent, _)) = def.parent {
            wanted.push(vec![parent, "owner", "created_at", "id"]);
            if def.has_position() {
                wanted.push(vec![parent, "owner", "position", "id"]);
            }
        }
        for column in def.own_columns.iter().filter(|column| column.indexed) {
            match def.parent {
                Some((parent, _)) => {
                    wanted.push(vec![parent, "owner", column.name, "position", "id"]);
                }
                None => wanted.push(vec![column.name, "created_at", "id"]),
            }
        }
        for columns in wanted {
            assert!(
                found.iter().any(|index| *index == columns),
                "{}: no index on {columns:?} among {found:?}",
                def.name
            );
        }
    }
}

#[tokio::test]
async fn what_anybody_edits_keeps_versions_and_times_true() {
    let Some(mut connection) = migrated().await else {
        return;
    };
    // Every table has the trigger; one of them is tried.
    for def in TABLES {
        let stamped: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = ('public.' || $1)::regclass
             AND tgname = 'litink_stamp' AND tgenabled = 'O' AND tgtype = 23",
        )
        .bind(def.name)
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!(stamped, 1, "{}", def.name);
    }
    run(
        &mut connection,
        "BEGIN;
         INSERT INTO public.sessions (id, owner, version, created_at, updated_at, state, token_hash,
            rotated_at, expires_at)
         VALUES (gen_random_uuid(), gen_random_uuid(), 9, 'epoch', 'epoch', 'active', 'x', now(), now());
         DO $$ DECLARE before public.sessions; after public.sessions; BEGIN
            SELECT * INTO STRICT before FROM public.sessions WHERE token_hash = 'x';
            ASSERT before.version = 1 AND before.created_at > now() - interval '1 hour';
            ASSERT before.updated_at = before.created_at;
            UPDATE public.sessions SET state = 'revoked', version = 77, id = gen_random_uuid(),
                owner = gen_random_uuid(), created_at = 'epoch', updated_at = 'epoch'
                WHERE token_hash = 'x' RETURNING * INTO STRICT after;
            ASSERT after.version = 2 AND after.state = 'revoked';
            ASSERT (after.id, after.owner, after.created_at)
                = (before.id, before.owner, before.created_at);
            ASSERT after.updated_at > before.updated_at;
         END $$;
         ROLLBACK",
    )
    .await
    .unwrap();
    assert_eq!(COMMON_COLUMNS.len(), 5, "the trigger knows these columns");
}

#[tokio::test]
async fn many_may_migrate_at_once_and_again() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let url = fresh.url();
    let open = || PostgresDatabase::open(url.as_str());
    let opened = futures::future::join_all((0..4).map(|_| open())).await;
    for database in opened {
        let version = database.unwrap().schema_version().await.unwrap();
        assert_eq!(version as usize, litink_migrations::POSTGRES.len());
    }
    open().await.unwrap();
}

#[tokio::test]
async fn newer_older_and_foreign_schemas_are_told_apart() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let url = fresh.url();
    let code = async |migrate| {
        let options = PostgresOptions::parse(url.as_str())
            .unwrap()
            .migrate(migrate);
        let error = PostgresDatabase::open_with(options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        error.code().to_owned()
    };
    assert_eq!(code(false).await, "schema_too_old");
    let mut connection = fresh.connect().await;
    run(&mut connection, "CREATE TABLE public.books (cats text)")
        .await
        .unwrap();
    assert_eq!(code(true).await, "foreign_database");
    run(&mut connection, "DROP TABLE public.books")
        .await
        .unwrap();
    PostgresDatabase::open(url.as_str()).await.unwrap();
    let later = "INSERT INTO litink.migrations (version, name) VALUES (999, 'later')";
    run(&mut connection, later).await.unwrap();
    assert_eq!(code(true).await, "schema_too_new");
}

/// Keys are kept for two days, and no commit looks at those of others.
#[tokio::test]
async fn a_commit_looks_at_the_keys_that_expired_and_no_others() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    fresh.migrate().await;
    let mut connection = fresh.connect().await;
    run(
        &mut connection,
        "insert into litink.commits (actor, key, expires_at)
            select gen_random_uuid(), gen_random_uuid(), now() + interval '1 day'
            from generate_series(1, 5000);
         insert into litink.commits (actor, key, expires_at)
            select gen_random_uuid(), gen_random_uuid(), now() - interval '1 day'
            from generate_series(1, 5);
         analyze litink.commits;
         begin;
         select public.litink_commit_v1(jsonb_build_object('key', gen_random_uuid(), 'changes', '[]'::jsonb))",
    )
    .await
    .unwrap();
    let (read, left): (i64, i64) = sqlx::query_as(
        "select (select seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_xact_all_tables
                where relid = 'litink.commits'::regclass),
            (select count(*) from litink.commits where expires_at < now())",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(left, 0);
    assert!(read < 50, "{read}");
}

/// A login that owns nothing and may only take the roles, as on somebody else's server; without
/// the roles it is told what to do.
#[tokio::test]
async fn a_login_needs_the_roles_and_nothing_else() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    PostgresDatabase::open(fresh.url().as_str()).await.unwrap();
    let name = format!("litink_test_login_{}", std::process::id());
    let mut admin = fresh.connect().await;
    let make = format!("CREATE ROLE {name} LOGIN NOINHERIT PASSWORD 'x'");
    run(&mut admin, &make).await.unwrap();
    let mut url = fresh.url();
    url.set_username(&name).unwrap();
    url.set_password(Some("x")).unwrap();
    let error = PostgresDatabase::open(url.as_str()).await.unwrap_err();
    assert_eq!(error.code(), "database_not_prepared", "{error}");
    let grant = format!("GRANT anon, authenticated, service_role TO {name}");
    run(&mut admin, &grant).await.unwrap();
    let database = PostgresDatabase::open(url.as_str()).await.unwrap();
    let repository = PostgresRepository::new(database.clone());
    for actor in [Actor::Service, Actor::User(UserId::random())] {
        let query = Query::new(Table::Runs);
        assert_eq!(repository.list(actor, &query).await.unwrap().items, []);
    }
    database.close().await;
    run(&mut admin, &format!("DROP ROLE {name}")).await.unwrap();
}
