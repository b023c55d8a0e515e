//! Every policy dropped and opened, every right given and taken, one at a time: each must be
//! noticed, and by trying wherever trying can tell.

use litink_core::schema::TABLES;
use sqlx::PgConnection;

use super::{
    Mutant, PRIVATE, Probe, ROLES, VERBS, granted, misbehaves, prepared, probes, snapshot,
};
use crate::server::run;

async fn policies(connection: &mut PgConnection) -> Vec<Mutant> {
    let found: Vec<(String, String, String, bool, bool)> = sqlx::query_as(
        "select schemaname || '.' || tablename, policyname::text, cmd, qual is not null,
            with_check is not null
         from pg_policies where schemaname in ('public', 'litink') order by 1, 2",
    )
    .fetch_all(connection)
    .await
    .unwrap();
    assert!(found.len() > 15, "{}", found.len());
    let mut mutants = Vec::new();
    for (table, policy, command, has_using, has_check) in found {
        // Nothing is granted there, so the policies are a second layer themselves.
        let nobodys = command == "ALL";
        let mut add = |sql: String, hidden| mutants.push(Mutant { sql, hidden });
        add(format!("drop policy {policy} on {table}"), nobodys);
        if has_using {
            let open = format!("alter policy {policy} on {table} using (true)");
            add(open, nobodys);
            let shut = format!("alter policy {policy} on {table} using (false)");
            add(shut, nobodys);
        }
        if has_check {
            // The owner of a row never changes, the trigger sees to that.
            let unseen = nobodys || command == "UPDATE";
            let open = format!("alter policy {policy} on {table} with check (true)");
            add(open, unseen);
            let shut = format!("alter policy {policy} on {table} with check (false)");
            add(shut, nobodys);
        }
        add(format!("alter policy {policy} on {table} to public"), true);
    }
    mutants.retain(|mutant| !is_no_change(&mutant.sql));
    mutants
}

/// What is shut already cannot be shut.
fn is_no_change(sql: &str) -> bool {
    sql.contains("_nobody") && sql.ends_with("(false)")
}

fn rights() -> Vec<Mutant> {
    let mut mutants = Vec::new();
    let mut add = |sql: String, hidden| mutants.push(Mutant { sql, hidden });
    for def in TABLES {
        let name = def.name;
        for role in ROLES {
            for verb in VERBS {
                if granted(def, role, verb) {
                    add(format!("revoke {verb} on public.{name} from {role}"), false);
                } else {
                    // Row-level security lets nothing in, and changes need the right to read.
                    let unread = verb == "update" && !granted(def, role, "select");
                    let hidden = verb == "insert" || unread;
                    add(format!("grant {verb} on public.{name} to {role}"), hidden);
                }
            }
            for right in ["truncate", "references", "trigger"] {
                add(format!("grant {right} on public.{name} to {role}"), true);
            }
        }
        if !granted(def, "authenticated", "select") {
            add(
                format!("grant select (id) on public.{name} to authenticated"),
                true,
            );
        }
        add(format!("grant select on public.{name} to public"), true);
        // Nothing is granted on the tables that are nobody's; theirs is the catalogue's to tell.
        let nobodys = !granted(def, "authenticated", "select");
        add(
            format!("alter table public.{name} disable row level security"),
            nobodys,
        );
        add(format!("drop trigger litink_stamp on public.{name}"), false);
    }
    for name in PRIVATE {
        add(
            format!("grant select on litink.{name} to authenticated"),
            true,
        );
        add(
            format!("alter table litink.{name} disable row level security"),
            true,
        );
    }
    add("grant usage on schema litink to authenticated".into(), true);
    mutants
}

fn functions() -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for name in ["get", "list", "tally", "commit", "publish", "events"] {
        let name = format!("public.litink_{name}_v1(jsonb)");
        // Their first step calls a function that is closed to users.
        for role in ["public", "anon", "authenticated"] {
            mutants.push(Mutant {
                sql: format!("grant execute on function {name} to {role}"),
                hidden: true,
            });
        }
        mutants.push(Mutant {
            sql: format!("revoke execute on function {name} from service_role"),
            hidden: false,
        });
        mutants.push(Mutant {
            sql: format!("alter function {name} security definer"),
            hidden: true,
        });
    }
    for name in ["request", "table_of", "condition"] {
        mutants.push(Mutant {
            sql: format!("grant execute on function litink.{name}(jsonb) to authenticated"),
            hidden: true,
        });
    }
    mutants
}

#[tokio::test]
async fn every_mutant_is_noticed() {
    let Some((_fresh, mut connection)) = prepared().await else {
        return;
    };
    let mut mutants = policies(&mut connection).await;
    mutants.extend(rights());
    mutants.extend(functions());
    assert!(mutants.len() > 250, "{}", mutants.len());
    try_all(&mut connection, &mutants, &probes(), false).await;
}

/// Makes each change, sees that it is noticed, and takes it back.
pub(super) async fn try_all(
    connection: &mut PgConnection,
    mutants: &[Mutant],
    probes: &[Probe],
    storage: bool,
) {
    let mut survivors = Vec::new();
    for Mutant { sql, hidden } in mutants {
        run(connection, "begin").await.unwrap();
        run(connection, sql).await.expect(sql);
        let noticed = match hidden {
            true => snapshot::differs(connection, storage).await,
            false => misbehaves(connection, probes).await,
        };
        run(connection, "rollback").await.unwrap();
        if noticed.is_empty() {
            survivors.push(sql);
        }
    }
    let tried = mutants.iter().filter(|mutant| !mutant.hidden).count();
    eprintln!(
        "of {} mutants {tried} were tried, the others looked for in the catalogue",
        mutants.len()
    );
    assert!(survivors.is_empty(), "{survivors:#?}");
}
