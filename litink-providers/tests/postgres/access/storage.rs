//! The objects of Supabase Storage: a user's own prefix of litink's bucket, and nothing else.

use litink_migrations::POSTGRES_BOOTSTRAP;
use sqlx::PgConnection;

use super::{A, B, Mutant, PROBE, Probe, ROLES, VERBS, misbehaves, snapshot};
use crate::server::{Fresh, run};

const STORAGE: &str = include_str!("storage.sql");

/// Names of objects, by whose they are.
fn names() -> [(&'static str, String); 6] {
    [
        ("own", format!("books/users/{A}/audio/1/a.wav")),
        ("another's", format!("books/users/{B}/audio/1/a.wav")),
        // Where litink keeps nothing: read and removed, not written.
        ("own, odd", format!("books/users/{A}/odd/1/a.wav")),
        ("above", format!("books/users/{A}")),
        ("beside", format!("books/users/{A}x/audio/1/a.wav")),
        ("elsewhere", format!("other/users/{A}/audio/1/a.wav")),
    ]
}

/// A database with a Storage, migrated, with an object of each kind.
async fn prepared() -> Option<(Fresh, PgConnection)> {
    let fresh = Fresh::new().await?;
    let mut connection = fresh.connect().await;
    run(&mut connection, POSTGRES_BOOTSTRAP).await.unwrap();
    run(&mut connection, STORAGE).await.unwrap();
    fresh.migrate().await;
    run(
        &mut connection,
        "insert into storage.buckets (id, name) values ('other', 'other')",
    )
    .await
    .unwrap();
    for (_, name) in names() {
        let sql = format!(
            "insert into storage.objects (bucket_id, name)
             select split_part('{name}', '/', 1), substr('{name}', strpos('{name}', '/') + 1)"
        );
        run(&mut connection, &sql).await.unwrap();
    }
    run(&mut connection, PROBE).await.unwrap();
    Some((fresh, connection))
}

fn probes() -> Vec<Probe> {
    let mut probes = Vec::new();
    for role in ROLES {
        // Without a condition, no policy for reading hides what one for writing leaves open.
        for (verb, sql) in [
            (
                "update",
                format!(
                    "update storage.objects set name = 'users/{A}/audio/' || gen_random_uuid()"
                ),
            ),
            ("delete", "delete from storage.objects".to_owned()),
        ] {
            let expected = match (role, verb) {
                ("service_role", _) => "6",
                ("authenticated", _) => "2",
                _ => "42501",
            };
            probes.push(Probe {
                name: format!("{role} blind {verb} of objects"),
                role,
                sql,
                expected: expected.into(),
            });
        }
        for (kind, name) in names() {
            let (bucket, key) = name.split_once('/').unwrap();
            let is = format!("where bucket_id = '{bucket}' and name = '{key}'");
            for verb in VERBS {
                let sql = match verb {
                    "select" => format!("select from storage.objects {is}"),
                    // Below, so that it is a new one; above has no below that is not own.
                    "insert" if kind == "above" => format!(
                        "insert into storage.objects (bucket_id, name)
                         values ('{bucket}', 'audio/{key}')"
                    ),
                    "insert" => format!(
                        "insert into storage.objects (bucket_id, name)
                         values ('{bucket}', '{key}.new')"
                    ),
                    "update" => format!("update storage.objects set metadata = '{{}}' {is}"),
                    _ => format!("delete from storage.objects {is}"),
                };
                let expected = match (role, kind, verb) {
                    ("service_role", ..) => "1",
                    ("anon", ..) => "42501",
                    (_, "own", _) | (_, "own, odd", "select" | "delete") => "1",
                    (_, "own, odd", _) | (_, _, "insert") => "42501",
                    _ => "0",
                };
                probes.push(Probe {
                    name: format!("{role} {verb} of an object: {kind}"),
                    role,
                    sql,
                    expected: expected.into(),
                });
            }
        }
        let buckets = match role {
            "service_role" => "2",
            "authenticated" => "1",
            _ => "42501",
        };
        probes.push(Probe {
            name: format!("{role} select of buckets"),
            role,
            sql: "select from storage.buckets".into(),
            expected: buckets.into(),
        });
        probes.push(Probe {
            name: format!("{role} makes a bucket"),
            role,
            sql: "insert into storage.buckets (id, name) values ('mine', 'mine')".into(),
            expected: "42501".into(),
        });
        probes.push(Probe {
            name: format!("{role} opens a bucket"),
            role,
            sql: "update storage.buckets set public = true".into(),
            expected: "42501".into(),
        });
        probes.push(Probe {
            name: format!("{role} secures a bucket of its own"),
            role,
            sql: "select litink.secure_storage('mine')".into(),
            expected: "42501".into(),
        });
    }
    // Out of one's own prefix; blind again, since what is read again must be allowed to be read.
    for (what, set) in [
        (
            "to another",
            format!("name = 'users/{B}/audio/' || gen_random_uuid()"),
        ),
        (
            "above the prefix",
            "name = 'audio/1/' || gen_random_uuid()".to_owned(),
        ),
        (
            "to where litink keeps nothing",
            format!("name = 'users/{A}/' || gen_random_uuid()"),
        ),
        (
            "to another bucket",
            format!("bucket_id = 'other', name = 'users/{A}/audio/' || gen_random_uuid()"),
        ),
    ] {
        probes.push(Probe {
            name: format!("objects of one's own moved {what}"),
            role: "authenticated",
            sql: format!("update storage.objects set {set}"),
            expected: "42501".into(),
        });
    }
    probes
}

/// Each part of each policy left out, each policy shut and dropped, each right taken and given.
async fn mutants(connection: &mut PgConnection) -> Vec<Mutant> {
    let found: Vec<(String, String, Option<String>, Option<String>)> = sqlx::query_as(
        "select 'storage.' || tablename, policyname::text, qual, with_check from pg_policies
         where schemaname = 'storage' order by 1, 2",
    )
    .fetch_all(connection)
    .await
    .unwrap();
    assert_eq!(found.len(), 5);
    let mut mutants = Vec::new();
    let mut add = |sql: String, hidden| mutants.push(Mutant { sql, hidden });
    for (table, policy, using, check) in found {
        add(format!("drop policy {policy} on {table}"), false);
        add(format!("alter policy {policy} on {table} to public"), true);
        for (word, text) in [("using", using), ("with check", check)] {
            let Some(text) = text else { continue };
            let mut change = |to: &str| {
                add(
                    format!("alter policy {policy} on {table} {word} ({to})"),
                    false,
                );
            };
            change("true");
            change("false");
            let parts: Vec<&str> = text[1..text.len() - 1].split(" AND ").collect();
            for left_out in parts.iter().filter(|_| parts.len() > 1) {
                let kept = parts.iter().filter(|part| *part != left_out);
                let kept: Vec<&str> = kept.copied().collect();
                change(&kept.join(" AND "));
            }
        }
    }
    for (role, verbs) in [
        ("authenticated", &VERBS[..]),
        ("service_role", &VERBS[..]),
        ("anon", &[]),
    ] {
        for verb in VERBS {
            if verbs.contains(&verb) {
                add(
                    format!("revoke {verb} on storage.objects from {role}"),
                    false,
                );
            } else {
                add(
                    format!("grant {verb} on storage.objects to {role}"),
                    verb != "select",
                );
            }
        }
        let change = match verbs {
            [] => format!("grant select on storage.buckets to {role}"),
            _ => format!("revoke select on storage.buckets from {role}"),
        };
        add(change, false);
        add(
            format!("grant insert on storage.buckets to {role}"),
            role != "service_role",
        );
        // Row-level security lets nothing through.
        add(
            format!("grant update on storage.buckets to {role}"),
            role == "anon",
        );
        add(
            format!("grant execute on function litink.secure_storage to {role}"),
            true,
        );
        add(
            format!("revoke usage on schema storage from {role}"),
            role == "anon",
        );
    }
    add(
        "alter table storage.objects disable row level security".into(),
        false,
    );
    add(
        "alter table storage.buckets disable row level security".into(),
        false,
    );
    add("grant select on storage.objects to public".into(), false);
    add(
        "alter function litink.secure_storage security definer".into(),
        true,
    );
    mutants
}

#[tokio::test]
async fn users_reach_their_own_prefix_of_the_bucket() {
    let Some((_fresh, mut connection)) = prepared().await else {
        return;
    };
    let wrong = misbehaves(&mut connection, &probes()).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    let differs = snapshot::differs(&mut connection, true).await;
    assert!(differs.is_empty(), "{differs:#?}");
}

#[tokio::test]
async fn every_mutant_about_objects_is_noticed() {
    let Some((_fresh, mut connection)) = prepared().await else {
        return;
    };
    let mutants = mutants(&mut connection).await;
    assert!(mutants.len() > 50, "{}", mutants.len());
    super::mutants::try_all(&mut connection, &mutants, &probes(), true).await;
}

/// As on Supabase: others were there before, and everything of theirs stays.
#[tokio::test]
async fn what_others_made_in_the_storage_stays() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    let mut connection = fresh.connect().await;
    run(&mut connection, POSTGRES_BOOTSTRAP).await.unwrap();
    run(&mut connection, STORAGE).await.unwrap();
    let theirs = "
        alter table storage.objects enable row level security;
        grant all on storage.objects, storage.buckets to anon, authenticated, service_role;
        insert into storage.buckets (id, name, public) values ('books', 'books', true);
        create policy avatars on storage.objects for select to anon using (bucket_id = 'avatars');
        create policy litink_select_books on storage.objects for select to authenticated
            using (bucket_id = 'books' and owner = auth.uid());";
    run(&mut connection, theirs).await.unwrap();
    const ALL: &str = "
        select policyname || ': ' || coalesce(qual, with_check) from pg_policies
            where schemaname = 'storage'
        union all select id || ' public ' || public from storage.buckets
        union all select relname || ' ' || relacl::text from pg_class
            where relnamespace = 'storage'::regnamespace and relacl is not null";
    let before: Vec<String> = sqlx::query_scalar(ALL)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    fresh.migrate().await;
    let after: Vec<String> = sqlx::query_scalar(ALL)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let lost: Vec<&String> = before.iter().filter(|line| !after.contains(line)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(after.len(), before.len() + 4, "{after:#?}");
}

/// Storage may come later, and buckets have other names.
#[tokio::test]
async fn a_storage_that_came_later_is_secured_by_a_call() {
    let Some(fresh) = Fresh::new().await else {
        return;
    };
    fresh.migrate().await;
    let mut connection = fresh.connect().await;
    let secured = async |connection: &mut PgConnection, call: &str| -> bool {
        let sql = sqlx::AssertSqlSafe(format!("select litink.secure_storage({call})"));
        sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
    };
    assert!(!secured(&mut connection, "").await);
    run(&mut connection, STORAGE).await.unwrap();
    for call in ["", "", "'my-books'", "'my-books'"] {
        assert!(secured(&mut connection, call).await);
    }
    let counts: (i64, i64) = sqlx::query_as(
        "select (select count(*) from pg_policies where schemaname = 'storage'),
            (select count(*) from storage.buckets where not public)",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(counts, (10, 2));
}
