//! Supabase's own command line over litink's migrations, on a plain server. Needs the program and
//! the packages beside it, `LITINK_TEST_SUPABASE_CLI`; `cargo xtask test rust` installs them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use litink_core::{
    Actor, UserId,
    backend::Backend,
    cache::Cache,
    queue::{Command as Steer, NewJob, Outcome, Queue, Selector, Settle, Turn, WorkerInfo},
    repository::{Commit, Order, Query, Repository},
    schema::{Access, ColumnKind, TABLES, TableDef},
};
use litink_migrations::{POSTGRES, POSTGRES_BOOTSTRAP, POSTGRES_SEED, for_supabase};
use litink_providers::postgres::{
    PostgresCache, PostgresDatabase, PostgresQueue, PostgresRepository,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    adopt::undo_after_5,
    server::{Fresh, run, skip},
};

/// A program that uses the types as those who write a frontend do.
const SAMPLE: &str = include_str!("supabase_cli/sample.ts");

/// A folder with `supabase/`, and the program.
struct Project {
    programs: PathBuf,
    folder: PathBuf,
}

impl Project {
    fn new(name: &str) -> Option<Self> {
        let Ok(programs) = std::env::var("LITINK_TEST_SUPABASE_CLI") else {
            skip("LITINK_TEST_SUPABASE_CLI is not set, so there is no Supabase command line");
            return None;
        };
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("supabase-{name}"));
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(folder.join("supabase/migrations")).unwrap();
        let programs = programs.into();
        Some(Self { programs, folder })
    }

    /// Writes what `litink migrate --supabase` would.
    fn add_migrations(&self) -> usize {
        let folder = self.folder.join("supabase/migrations");
        let present: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let files = for_supabase(&present, 20_260_101_000_000);
        for (name, text) in &files {
            fs::write(folder.join(name), text).unwrap();
        }
        files.len()
    }

    fn program(&self, name: &str, arguments: &[&str]) -> Output {
        let program = self.programs.join("node_modules/.bin").join(name);
        Command::new(program)
            .args(arguments)
            .current_dir(&self.folder)
            .env("DO_NOT_TRACK", "1")
            .env("PGSSLMODE", "disable")
            .output()
            .unwrap()
    }

    fn supabase(&self, fresh: &Fresh, arguments: &[&str]) -> Output {
        let remote = format!("--remote={}", fresh.url());
        self.program("supabase", &[arguments, &["--yes", &remote]].concat())
    }

    /// What it printed; it must have succeeded.
    fn done(&self, fresh: &Fresh, arguments: &[&str]) -> String {
        let output = self.supabase(fresh, arguments);
        let said = text(&output);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

fn text(output: &Output) -> String {
    let both = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// An empty database as Supabase's are: with the roles and the functions of `auth`.
async fn project_database() -> Option<Fresh> {
    let fresh = Fresh::new().await?;
    let mut connection = fresh.connect().await;
    run(&mut connection, POSTGRES_BOOTSTRAP).await.unwrap();
    Some(fresh)
}

#[tokio::test]
async fn what_it_pushed_is_current_and_is_not_pushed_again() {
    let (Some(project), Some(fresh)) = (Project::new("push"), project_database().await) else {
        return;
    };
    assert_eq!(project.add_migrations(), POSTGRES.len());
    fs::write(project.folder.join("supabase/seed.sql"), POSTGRES_SEED).unwrap();
    project.done(&fresh, &["db", "push", "--include-seed"]);
    let database = PostgresDatabase::open(fresh.url().as_str()).await.unwrap();
    let migrated = database.migrate().await.unwrap().unwrap();
    assert_eq!(
        (migrated.from, migrated.to as usize),
        (migrated.to, POSTGRES.len())
    );
    for check in database.check().await {
        check.outcome.unwrap();
    }
    let (books, applied): (i64, i64) = sqlx::query_as(
        "select (select count(*) from public.books),
            (select count(*) from supabase_migrations.schema_migrations)",
    )
    .fetch_one(&mut fresh.connect().await)
    .await
    .unwrap();
    assert_eq!((books, applied as usize), (1, POSTGRES.len()));
    assert_eq!(project.add_migrations(), 0);
    let again = text(&project.supabase(&fresh, &["db", "push"]));
    assert!(again.contains("up to date"), "{again}");
    database.close().await;
}

#[tokio::test]
async fn what_litink_migrated_is_pushed_over_without_harm() {
    let (Some(project), Some(fresh)) = (Project::new("adopted"), project_database().await) else {
        return;
    };
    fresh.migrate().await;
    // As an older version left it, so that some migrations are left to push.
    let mut connection = fresh.connect().await;
    let older = "delete from litink.migrations where version > 5;".to_owned() + &undo_after_5();
    run(&mut connection, &older).await.unwrap();
    run(&mut connection, POSTGRES_SEED).await.unwrap();
    project.add_migrations();
    project.done(&fresh, &["db", "push"]);
    let database = PostgresDatabase::open(fresh.url().as_str()).await.unwrap();
    assert_eq!(
        database.migrate().await.unwrap().unwrap().from as usize,
        POSTGRES.len()
    );
    for check in database.check().await {
        check.outcome.unwrap();
    }
    let books: i64 = sqlx::query_scalar("select count(*) from public.books")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(books, 1);
    database.close().await;
}

#[tokio::test]
async fn another_programs_tables_stop_it_before_anything_is_done() {
    let (Some(project), Some(fresh)) = (Project::new("foreign"), project_database().await) else {
        return;
    };
    let mut connection = fresh.connect().await;
    run(&mut connection, "create table public.chapters (cats text)")
        .await
        .unwrap();
    project.add_migrations();
    let output = project.supabase(&fresh, &["db", "push"]);
    assert!(!output.status.success());
    let said = text(&output);
    assert!(said.contains("\"chapters\" already exists"), "{said}");
    let left: (bool, bool) = sqlx::query_as(
        "select to_regclass('public.books') is null, to_regnamespace('litink') is null",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(left, (true, true));
}

/// Enough of everything that the server has a choice how to find it.
const ROWS: &str = "
    insert into public.books select (jsonb_populate_record(null::public.books,
            to_jsonb(b) || jsonb_build_object('id', gen_random_uuid()))).*
        from public.books b, generate_series(1, 20);
    insert into public.runs (id, owner, book_id, state, recipe, options, step_count)
        select gen_random_uuid(), owner, id, 'running', 'x', '{}', 0
        from public.books, generate_series(1, 5);
    insert into public.steps (id, owner, run_id, position, key, kind, state, waiting_on, unlocks,
            weight, attempt, crashes, audio_ms)
        select gen_random_uuid(), owner, id, n, n, 'x', 'pending', n % 3, '[]', 1, 0, 0, 0
        from public.runs, generate_series(1, 100) n;
    insert into public.exports (id, owner, run_id, position, format, file_name, media_type,
            storage_key, bytes, content_hash)
        select gen_random_uuid(), owner, id, n, 'x', 'x', 'x', 'x', 1, 'x'
        from public.runs, generate_series(1, 100) n;
    insert into public.generations (id, owner, state, fingerprint, provider, modality, attempt,
            run_id, step_id)
        select gen_random_uuid(), owner, 'started', 'x', 'x', 'x', 0, run_id, id from public.steps;
    insert into public.budgets (id, owner, scope, subject, limit_nanos, left_nanos, held_nanos)
        select gen_random_uuid(), owner, 'run', id, 1, 1, 0 from public.runs;
    insert into public.accounts (id, owner, state, email, password_hash, failures)
        select gen_random_uuid(), gen_random_uuid(), 'active', n, 'x', 0
        from generate_series(1, 200) n;
    insert into public.sessions (id, owner, state, token_hash, rotated_at, expires_at)
        select gen_random_uuid(), owner, 'active', 'x', now(), now() from public.accounts;
    analyze;";

/// Every kind of query that litink makes of a table, about a parent that is there.
fn queries(def: &TableDef, parent: Uuid) -> Vec<(Actor, Query)> {
    let user = UserId::random();
    let base = || Query::new(def.table).limit(3);
    let mut queries = vec![
        (Actor::Service, base()),
        (Actor::Service, base().owner(user)),
        (Actor::User(user), base()),
    ];
    if let Some(state) = def.states.first() {
        let idle = base().states([*state]).idle_for(Duration::from_secs(1));
        queries.push((Actor::Service, idle));
    }
    let mut below = vec![base()];
    if def.parent.is_some() {
        below = vec![base().parent(parent), base().parent(parent)];
        if def.has_position() {
            below[0] = base().parent(parent).order(Order::Position);
        }
    }
    for column in def.own_columns.iter().filter(|column| column.indexed) {
        let value = match column.kind {
            ColumnKind::Uuid => json!(Uuid::nil()),
            _ => json!(0),
        };
        let query = below[0].clone().matching(column.name, value);
        queries.push((Actor::Service, query));
    }
    queries.extend(below.into_iter().map(|query| (Actor::Service, query)));
    queries
}

/// Every way to find a job.
async fn jobs(queue: &PostgresQueue) {
    let (kind, group) = ("advised", Uuid::new_v4());
    let some = |number: u32| -> Vec<NewJob> {
        let job = || NewJob::new(kind, json!({})).group(group);
        (0..number).map(|_| job()).collect()
    };
    let session = queue.open(&WorkerInfo::default()).await.unwrap().id;
    let mut turn = Turn {
        want: 3,
        kinds: vec![kind.to_owned()],
        ..Turn::default()
    };
    for _ in 0..3 {
        queue.enqueue(&some(6)).await.unwrap();
        let leased = queue.exchange(session, &turn).await.unwrap().leased;
        let outcomes = [
            Outcome::Complete,
            Outcome::Discard {
                error: "bad".to_owned(),
            },
            Outcome::Snooze {
                after: Duration::ZERO,
            },
        ];
        turn.settle = leased
            .iter()
            .zip(outcomes)
            .map(|(leased, outcome)| Settle {
                lease: leased.lease,
                outcome,
            })
            .collect();
    }
    queue.heartbeat(session).await.unwrap();
    for command in [
        Steer::Replay(Selector::Discarded { kind: None }),
        Steer::Replay(Selector::Group(group)),
        Steer::Cancel(Selector::Group(group)),
        Steer::Prune {
            older_than: Duration::ZERO,
        },
    ] {
        queue.control(&command).await.unwrap();
    }
    queue.stats().await.unwrap();
    queue.close(session).await.unwrap();
}

/// Values that expire, and so many calls that one of them sweeps: three of a hundred do.
async fn values(cache: &PostgresCache) {
    let soon = Duration::from_millis(1);
    for number in 0..600 {
        let key = format!("key {}", number % 7);
        cache.put(&key, "value".into(), soon).await.unwrap();
    }
}

/// The advisors' only finding in an empty database is that no index was used yet. So litink asks
/// all that it can ask, and an index that serves nothing is found.
#[tokio::test]
async fn the_advisors_find_nothing() {
    let (Some(project), Some(fresh)) = (Project::new("advisors"), project_database().await) else {
        return;
    };
    project.add_migrations();
    fs::write(project.folder.join("supabase/seed.sql"), POSTGRES_SEED).unwrap();
    project.done(&fresh, &["db", "push", "--include-seed"]);
    let mut connection = fresh.connect().await;
    run(&mut connection, ROWS).await.unwrap();
    let name = fresh.url().path().trim_start_matches('/').to_owned();
    // Small tables are read whole otherwise.
    run(
        &mut connection,
        &format!("alter database {name} set enable_seqscan = off"),
    )
    .await
    .unwrap();
    let database = PostgresDatabase::open(fresh.url().as_str()).await.unwrap();
    let repository = PostgresRepository::new(database.clone());
    for def in TABLES {
        let parent = match def.parent {
            Some((_, parent)) => {
                let any = repository.list(Actor::Service, &Query::new(parent)).await;
                any.unwrap().items[0].id().unwrap()
            }
            None => Uuid::nil(),
        };
        for (actor, query) in queries(def, parent) {
            let listed = repository.list(actor, &query).await;
            assert!(listed.is_ok() || def.access == Access::None, "{query:?}");
        }
    }
    // Forgets the keys of others, which have expired.
    let commit = Commit::new(vec![]).with_key(Uuid::new_v4());
    repository.commit(Actor::Service, &commit).await.unwrap();
    jobs(&PostgresQueue::new(database.clone())).await;
    values(&PostgresCache::new(database.clone())).await;
    database.close().await;
    let used = text(&project.supabase(
        &fresh,
        &[
            "db",
            "advisors",
            "--level",
            "info",
            "--type",
            "all",
            "--fail-on",
            "info",
        ],
    ));
    assert!(used.contains("No issues found"), "{used}");
}

#[tokio::test]
async fn its_types_compile_with_supabase_js() {
    let (Some(project), Some(fresh)) = (Project::new("types"), project_database().await) else {
        return;
    };
    project.add_migrations();
    project.done(&fresh, &["db", "push"]);
    let types = project.done(
        &fresh,
        &["gen", "types", "--lang", "typescript", "--schema", "public"],
    );
    for def in TABLES {
        assert!(
            types.contains(&format!("\"{}\": {{", def.name)),
            "{}",
            def.name
        );
    }
    fs::write(project.folder.join("database.ts"), types).unwrap();
    let link = project.folder.join("node_modules");
    std::os::unix::fs::symlink(project.programs.join("node_modules"), link).unwrap();
    let compile = |sample: &str| {
        fs::write(project.folder.join("sample.ts"), sample).unwrap();
        let strict = [
            "--strict",
            "--noEmit",
            "--skipLibCheck",
            "--module",
            "nodenext",
        ];
        let arguments = [
            &strict[..],
            &["--types", "node", "--target", "es2022", "sample.ts"],
        ];
        project.program("tsc", &arguments.concat())
    };
    let compiled = compile(SAMPLE);
    assert!(compiled.status.success(), "{}", text(&compiled));
    // And they say something.
    for wrong in ["'titel'", "visibility: 1"] {
        let right = if wrong.starts_with('\'') {
            "'title'"
        } else {
            "visibility: 'published'"
        };
        let sample = SAMPLE.replacen(right, wrong, 1);
        assert_ne!(sample, SAMPLE);
        assert!(!compile(&sample).status.success(), "{wrong}");
    }
}
