//! What `litink doctor` says of a database, well and not.

use litink_core::backend::{Backend, Check};
use litink_providers::postgres::PostgresDatabase;

use crate::server::{Fresh, run};

/// The codes of the checks that failed, with the checks' names.
async fn found(database: &PostgresDatabase) -> Vec<(&'static str, String)> {
    let failed = database.check().await.into_iter();
    failed
        .filter_map(|check| Some((check.name, check.outcome.err()?.code().to_owned())))
        .collect()
}

#[tokio::test]
async fn doctor_finds_what_is_wrong_and_nothing_else() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let mut connection = fresh.connect().await;
    let database = PostgresDatabase::open(fresh.url().as_str()).await.unwrap();
    run(&mut connection, litink_migrations::POSTGRES_SEED)
        .await
        .unwrap();
    let storage = include_str!("access/storage.sql");
    let names: Vec<_> = database
        .check()
        .await
        .iter()
        .map(|check| check.name)
        .collect();
    let all = [
        Check::REACHABLE,
        Check::SCHEMA,
        Check::VERSION,
        Check::CLOCK,
        Check::RIGHTS,
        Check::ROW_SECURITY,
        Check::WRITE,
    ];
    assert_eq!(names, all);
    assert_eq!(found(&database).await, []);
    // A private book and a run of it, which somebody could see.
    run(
        &mut connection,
        "insert into public.books select * from jsonb_populate_record(null::public.books,
            (select to_jsonb(b) || jsonb_build_object('id', gen_random_uuid(), 'visibility', 'private')
                from public.books b));
         insert into public.chapters select * from jsonb_populate_record(null::public.chapters,
            (select to_jsonb(c) || jsonb_build_object('id', gen_random_uuid(), 'book_id',
                (select id from public.books where visibility = 'private'))
                from public.chapters c limit 1));
         insert into public.runs (id, owner, book_id, state, recipe, options, step_count)
            select gen_random_uuid(), owner, id, 'running', 'x', '{}', 0 from public.books
            where visibility = 'private'",
    )
    .await
    .unwrap();
    assert_eq!(found(&database).await, []);
    for (harm, mend, check, code) in [
        (
            "alter table public.runs disable row level security",
            "alter table public.runs enable row level security",
            Check::ROW_SECURITY,
            "row_security_off",
        ),
        (
            "alter table litink.commits disable row level security",
            "alter table litink.commits enable row level security",
            Check::ROW_SECURITY,
            "row_security_off",
        ),
        (
            "grant insert on public.runs to authenticated",
            "revoke insert on public.runs from authenticated",
            Check::ROW_SECURITY,
            "rights_excess",
        ),
        (
            "grant execute on function public.litink_get_v1 to public",
            "revoke execute on function public.litink_get_v1 from public",
            Check::ROW_SECURITY,
            "rights_excess",
        ),
        (
            "create policy leak on public.runs for select to authenticated using (true)",
            "drop policy leak on public.runs",
            Check::ROW_SECURITY,
            "row_security_leaks",
        ),
        (
            "create policy leak on public.chapters for select to anon using (true)",
            "drop policy leak on public.chapters",
            Check::ROW_SECURITY,
            "row_security_leaks",
        ),
        (
            "alter policy books_anon_select on public.books using (true)",
            "alter policy books_anon_select on public.books using (visibility = 'published')",
            Check::ROW_SECURITY,
            "row_security_leaks",
        ),
        (
            "revoke update on public.steps from service_role",
            "grant update on public.steps to service_role",
            Check::RIGHTS,
            "rights_missing",
        ),
        (
            "alter table public.exports rename column bytes to size",
            "alter table public.exports rename column size to bytes",
            Check::SCHEMA,
            "schema_differs",
        ),
        (
            storage,
            "select litink.secure_storage()",
            Check::ROW_SECURITY,
            // Not even row-level security is on there.
            "row_security_off",
        ),
        (
            "drop policy litink_select_books on storage.objects",
            "select litink.secure_storage()",
            Check::ROW_SECURITY,
            "storage_not_secured",
        ),
        (
            "update storage.buckets set public = true",
            "update storage.buckets set public = false",
            Check::ROW_SECURITY,
            "bucket_public",
        ),
        (
            "insert into litink.migrations (version, name) values (999, 'later')",
            "delete from litink.migrations where version = 999",
            Check::SCHEMA,
            "schema_too_new",
        ),
        (
            "update litink.migrations set version = version - 1000 where version > 4",
            "update litink.migrations set version = version + 1000 where version < 0",
            Check::SCHEMA,
            "schema_too_old",
        ),
    ] {
        run(&mut connection, harm).await.unwrap();
        let said = found(&database).await;
        run(&mut connection, mend).await.unwrap();
        assert_eq!(said, [(check, code.to_owned())], "{harm}");
        assert_eq!(found(&database).await, [], "{mend}");
    }
    database.close().await;
}
