//! Who may do what, held against `litink_core::schema` for every table, role, verb and kind of row;
//! and, by mutants, that a policy or grant that says something else is noticed.

use std::fmt::Write;

use litink_core::schema::{Access, ColumnKind, Published, TABLES, Table, TableDef};
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::server::{Fresh, run};

mod mutants;
mod snapshot;
mod storage;

/// The user that is tried, and another.
const A: Uuid = Uuid::from_u128(0xa);
const B: Uuid = Uuid::from_u128(0xb);

/// litink's own tables.
const PRIVATE: [&str; 12] = [
    "commits",
    "migrations",
    "events",
    "job_sessions",
    "jobs",
    "job_history",
    "job_pauses",
    "job_limits",
    "job_shares",
    "job_floors",
    "job_weights",
    "cache",
];

const VERBS: [&str; 4] = ["select", "insert", "update", "delete"];
const ROLES: [&str; 3] = ["anon", "authenticated", "service_role"];

/// Whose row is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Own,
    Foreign,
    /// Another's, published.
    Published,
}

const KINDS: [Kind; 3] = [Kind::Own, Kind::Foreign, Kind::Published];

impl Kind {
    fn owner(self) -> Uuid {
        match self {
            Self::Own => A,
            Self::Foreign | Self::Published => B,
        }
    }

    /// The id of the row of this kind in a table.
    fn id(self, table: Table) -> Uuid {
        Uuid::from_u128((table as u128 + 1) << 8 | self as u128)
    }
}

/// One statement, and what must come of it: so many rows, or an SQLSTATE.
struct Probe {
    name: String,
    role: &'static str,
    sql: String,
    expected: String,
}

/// A change for the worse.
struct Mutant {
    sql: String,
    /// Whether a second layer hides it from all that can be tried; the catalogue shows it then.
    hidden: bool,
}

/// A row of a table, with what its columns must hold and nothing more.
fn row(def: &TableDef, kind: Kind, id: Uuid) -> Value {
    let mut row = Map::new();
    for column in def.own_columns {
        let value = match (column.name, column.kind) {
            _ if column.nullable => Value::Null,
            ("state", _) => def.states[0].into(),
            ("visibility", _) if kind == Kind::Published => "published".into(),
            ("visibility", _) => "private".into(),
            (_, ColumnKind::Uuid) => json!(Uuid::from_u128(1)),
            (_, ColumnKind::Text) => "x".into(),
            (_, ColumnKind::Integer) => 1.into(),
            (_, ColumnKind::Bool) => true.into(),
            (_, ColumnKind::Timestamp) => "2026-01-01T00:00:00Z".into(),
            (_, ColumnKind::Json) => json!([]),
        };
        row.insert(column.name.into(), value);
    }
    if let Some((column, parent)) = def.parent {
        row.insert(column.into(), json!(kind.id(parent)));
    }
    row.insert("id".into(), json!(id));
    row.insert("owner".into(), json!(kind.owner()));
    row.into()
}

fn insert(def: &TableDef, row: &Value) -> String {
    let name = def.name;
    format!(
        "insert into public.{name} select * from jsonb_populate_record(null::public.{name}, '{row}')"
    )
}

/// Whether the role has the right at all, as the schema says.
fn granted(def: &TableDef, role: &str, verb: &str) -> bool {
    match role {
        "service_role" => true,
        "authenticated" => match def.access {
            Access::Write => true,
            Access::Read => verb == "select",
            Access::None => false,
        },
        _ => verb == "select" && def.published != Published::Never,
    }
}

fn expected(def: &TableDef, role: &str, verb: &str, kind: Kind) -> &'static str {
    if !granted(def, role, verb) {
        return "42501";
    }
    let published = kind == Kind::Published && def.published != Published::Never;
    match (role, verb) {
        ("service_role", _) => "1",
        ("authenticated", _) if kind == Kind::Own => "1",
        ("authenticated", "insert") => "42501",
        (_, "select") if published => "1",
        _ => "0",
    }
}

fn table_probes(def: &TableDef) -> Vec<Probe> {
    let name = def.name;
    let mut probes = Vec::new();
    for role in ROLES {
        for verb in VERBS {
            for kind in KINDS {
                let id = kind.id(def.table);
                let sql = match verb {
                    "select" => format!("select from public.{name} where id = '{id}'"),
                    "insert" => insert(def, &row(def, kind, Uuid::from_u128(0xfff))),
                    "update" => {
                        format!("update public.{name} set version = version where id = '{id}'")
                    }
                    _ => format!("delete from public.{name} where id = '{id}'"),
                };
                probes.push(Probe {
                    name: format!("{role} {verb} {kind:?} {name}"),
                    role,
                    sql,
                    expected: expected(def, role, verb, kind).into(),
                });
            }
        }
        // Without a condition, no policy for reading hides what one for writing leaves open.
        for (verb, sql) in [
            (
                "update",
                format!("update public.{name} set version = version"),
            ),
            ("delete", format!("delete from public.{name}")),
        ] {
            let all = if role == "service_role" { "3" } else { "1" };
            let may = granted(def, role, verb);
            probes.push(Probe {
                name: format!("{role} blind {verb} {name}"),
                role,
                sql,
                expected: if may { all } else { "42501" }.into(),
            });
        }
    }
    probes
}

/// What the policies leave to other means.
fn special_probes() -> Vec<Probe> {
    let probe = |name: &str, sql: String, expected: &str| Probe {
        name: name.into(),
        role: "authenticated",
        sql,
        expected: expected.into(),
    };
    let chapter = Kind::Own.id(Table::Chapters);
    let theirs = Kind::Foreign.id(Table::Books);
    let mut below = row(Table::Chapters.def(), Kind::Foreign, Uuid::from_u128(0xffe));
    below["owner"] = json!(A);
    let mut probes = vec![
        probe(
            "a chapter of one's own below another's book",
            insert(Table::Chapters.def(), &below),
            "23503",
        ),
        probe(
            "a chapter moved below another's book",
            format!("update public.chapters set book_id = '{theirs}' where id = '{chapter}'"),
            "23503",
        ),
        probe(
            "another's id taken",
            insert(
                Table::Books.def(),
                &row(Table::Books.def(), Kind::Own, theirs),
            ),
            "23505",
        ),
    ];
    // Who edits gives nothing away and forges no version: what is set is not taken.
    for def in TABLES {
        let name = def.name;
        let id = Kind::Own.id(def.table);
        probes.push(Probe {
            name: format!("owner, id, time and version of {name} stay true"),
            role: "service_role",
            sql: format!(
                "with after as (update public.{name} set id = '{theirs}', owner = '{B}', version = 70,
                    created_at = 'epoch' where id = '{id}' returning *)
                 select from after where id = '{id}' and owner = '{A}' and version = 2
                    and created_at > 'epoch'"
            ),
            expected: "1".into(),
        });
        probes.push(Probe {
            name: format!("a new row of {name} has version 1"),
            role: "service_role",
            sql: {
                let mut row = row(def, Kind::Own, Uuid::from_u128(0xffd));
                row["version"] = 70.into();
                let insert = insert(def, &row);
                format!(
                    "with after as ({insert} returning version) select from after where version = 1"
                )
            },
            expected: "1".into(),
        });
    }
    for name in PRIVATE {
        for role in ["anon", "authenticated"] {
            probes.push(Probe {
                name: format!("{role} select litink.{name}"),
                role,
                sql: format!("select from litink.{name}"),
                expected: "42501".into(),
            });
        }
    }
    probes
}

/// The functions: closed to users, and true to the user that they are told.
fn function_probes() -> Vec<Probe> {
    let mut probes = Vec::new();
    let change = |kind: Kind| {
        let id = kind.id(Table::Books);
        json!({ "user": A, "changes": [
            { "op": "update", "table": "books", "id": id, "version": 1, "set": {} }
        ]})
    };
    let list = |def: &TableDef, user: Option<Uuid>| json!({ "user": user, "table": def.name, "columns": ["id"], "order": "newest", "limit": 9 });
    let calls = [
        ("litink_get_v1", json!({ "table": "books", "ids": [] })),
        ("litink_list_v1", list(Table::Books.def(), None)),
        (
            "litink_tally_v1",
            json!({ "table": "books", "by": [], "sum": [] }),
        ),
        ("litink_commit_v1", json!({ "changes": [] })),
        ("litink_publish_v1", json!({ "topic": "t", "payload": "1" })),
        ("litink_events_v1", json!({})),
    ];
    for (name, request) in calls {
        for role in ROLES {
            let open = role == "service_role";
            probes.push(Probe {
                name: format!("{role} calls {name}"),
                role,
                sql: format!("select public.{name}('{request}')"),
                expected: if open { "1" } else { "42501" }.into(),
            });
        }
    }
    let mut served = |name: String, sql: String, expected: &str| {
        probes.push(Probe {
            name,
            role: "service_role",
            sql,
            expected: expected.into(),
        });
    };
    for def in TABLES {
        let everybodys = usize::from(def.published != Published::Never);
        for (user, expected) in [(None, 3), (Some(A), 1 + everybodys)] {
            let expected = match (user, def.access) {
                (Some(_), Access::None) => "42501".to_owned(),
                _ => expected.to_string(),
            };
            let request = list(def, user);
            served(
                format!("{} for {user:?}", def.name),
                format!(
                    "select from jsonb_array_elements(
                        public.litink_list_v1('{request}') -> 'items')"
                ),
                &expected,
            );
        }
    }
    for (kind, expected) in [
        (Kind::Own, "1"),
        (Kind::Foreign, "PT404"),
        (Kind::Published, "PT404"),
    ] {
        let request = change(kind);
        served(
            format!("a commit to a row that is {kind:?}"),
            format!("select public.litink_commit_v1('{request}')"),
            expected,
        );
    }
    let theirs = row(Table::Books.def(), Kind::Foreign, Uuid::from_u128(0xffc));
    let request = json!({ "user": A, "changes": [
        { "op": "insert", "table": "books", "row": theirs }
    ]});
    served(
        "a commit that adds another's row".into(),
        format!("select public.litink_commit_v1('{request}')"),
        "PT403",
    );
    let request = json!({ "user": A, "table": "litink.commits", "ids": [] });
    served(
        "a table that is none of the schema's".into(),
        format!("select public.litink_get_v1('{request}')"),
        "PT422",
    );
    served(
        "the role is back after a call for a user".into(),
        format!(
            "select from (select public.litink_list_v1('{}')) _
             where current_user = 'service_role' and auth.uid() is null",
            list(Table::Runs.def(), Some(A))
        ),
        "1",
    );
    probes
}

fn probes() -> Vec<Probe> {
    let mut probes: Vec<Probe> = TABLES.iter().flat_map(table_probes).collect();
    probes.extend(special_probes());
    probes.extend(function_probes());
    probes
}

/// Runs a statement as a role, tells what came of it, and takes it back.
const PROBE: &str = "
    create function pg_temp.probe(role text, sub uuid, sql text) returns text
    language plpgsql as $$
    declare
        touched bigint;
        said text;
    begin
        begin
            if role = 'authenticated' then
                perform set_config('request.jwt.claims',
                    json_build_object('sub', sub, 'role', role)::text, true);
            end if;
            perform set_config('role', role, true);
            execute sql;
            get diagnostics touched = row_count;
            raise exception using errcode = 'ZZ000', message = touched::text;
        exception when others then
            said := case sqlstate when 'ZZ000' then sqlerrm else sqlstate end;
        end;
        return said;
    end $$";

/// A migrated database with a row of each kind in each table, and the transaction in which it is
/// tried begun.
async fn prepared() -> Option<(Fresh, PgConnection)> {
    let fresh = Fresh::new().await?;
    fresh.migrate().await;
    let mut connection = fresh.connect().await;
    let mut sql = String::new();
    for def in TABLES {
        for kind in KINDS {
            let row = row(def, kind, kind.id(def.table));
            writeln!(sql, "{};", insert(def, &row)).unwrap();
        }
    }
    run(&mut connection, &sql).await.unwrap();
    run(&mut connection, PROBE).await.unwrap();
    Some((fresh, connection))
}

/// What is not as the schema says, found by trying.
async fn misbehaves(connection: &mut PgConnection, probes: &[Probe]) -> Vec<String> {
    let column = |of: fn(&Probe) -> String| -> Vec<String> { probes.iter().map(of).collect() };
    let said: Vec<String> = sqlx::query_scalar(
        "select pg_temp.probe(p.role, $1, p.sql)
         from unnest($2::text[], $3::text[]) with ordinality as p (role, sql, place) order by place",
    )
    .bind(A)
    .bind(column(|probe| probe.role.into()))
    .bind(column(|probe| probe.sql.clone()))
    .persistent(false)
    .fetch_all(connection)
    .await
    .unwrap();
    let wrong = probes
        .iter()
        .zip(said)
        .filter(|(probe, said)| probe.expected != *said);
    wrong
        .map(|(probe, said)| format!("{}: {said} instead of {}", probe.name, probe.expected))
        .collect()
}

#[tokio::test]
async fn every_role_may_do_what_the_schema_says_and_no_more() {
    let Some((_fresh, mut connection)) = prepared().await else {
        return;
    };
    let probes = probes();
    assert!(probes.len() > 350, "{}", probes.len());
    let wrong = misbehaves(&mut connection, &probes).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    let differs = snapshot::differs(&mut connection, false).await;
    assert!(differs.is_empty(), "{differs:#?}");
}
