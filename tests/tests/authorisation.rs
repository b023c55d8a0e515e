//! The engine's own interface, which every binding has: what is another's is answered as what nobody
//! has, on each kind of backend; and what is done in nobody's name is said.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeSet,
    fmt::Debug,
    fs,
    io::Write,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt};
use litink_core::{
    Actor, BookId, ErrorKind, ExportId, Result, RunId, UserId,
    engine::{Engine, RunSpec, UsageBy, UsageQuery, WorkerOptions},
    storage::{Area, PutOptions, StorageExt, StorageKey},
};
use litink_providers::{Secret, Settings};
use litink_tests::{
    ToneProvider, book, root,
    servers::{Seaweed, shared_postgres},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber;

/// What a call is about.
#[derive(Clone)]
struct Ids {
    book: BookId,
    run: RunId,
    export: ExportId,
    object: StorageKey,
}

impl Ids {
    fn nobodys() -> Self {
        Self {
            book: BookId(uuid::Uuid::new_v4()),
            run: RunId(uuid::Uuid::new_v4()),
            export: ExportId(uuid::Uuid::new_v4()),
            object: StorageKey::new(UserId::random(), Area::Audio, uuid::Uuid::nil(), "a.wav"),
        }
    }

    fn all(&self) -> [String; 4] {
        [
            // The one that holds others first.
            self.object.to_string(),
            self.book.to_string(),
            self.run.to_string(),
            self.export.to_string(),
        ]
    }
}

fn spec(book: BookId) -> RunSpec {
    let options = json!({ "provider": "tone", "formats": ["wav"], "chapters": "1" });
    RunSpec::audiobook(book).options(options)
}

/// Whatever an actor asks about these, and what is answered; by the names of the engine's functions.
async fn answers(engine: &Engine, actor: Actor, ids: &Ids) -> Vec<(&'static str, Result<String>)> {
    fn shown<T: Debug>(result: Result<T>) -> Result<String> {
        result.map(|it| format!("{it:?}"))
    }
    let storage = engine.storage();
    let options = PutOptions::default();
    let body = || futures::stream::empty().boxed();
    let prefix = ids.object.to_string();
    let mut answers = vec![
        ("book", shown(engine.book(actor, ids.book).await)),
        (
            "chapters",
            shown(engine.chapters(actor, ids.book, true).await),
        ),
        (
            "open_cover",
            shown(engine.open_cover(actor, ids.book).await),
        ),
        ("plan", shown(engine.plan(actor, &spec(ids.book)).await)),
        ("quote", shown(engine.quote(actor, &spec(ids.book)).await)),
        (
            "usage",
            shown(engine.usage(actor, &UsageQuery::by([UsageBy::User])).await),
        ),
        (
            "usage",
            shown(
                engine
                    .usage(actor, &UsageQuery::default().run(Some(ids.run)))
                    .await,
            ),
        ),
        ("budgets", shown(engine.budgets(actor).await)),
        (
            "start",
            shown(engine.start(actor, &spec(ids.book), None).await),
        ),
        (
            "start",
            shown(engine.start(actor, &spec(ids.book), Some("key")).await),
        ),
        (
            "runs",
            shown(engine.runs(actor, Some(ids.book), None, 10).await),
        ),
        ("runs", shown(engine.runs(actor, None, None, 10).await)),
        ("books", shown(engine.books(actor, None, 10).await)),
        ("run", shown(engine.run(actor, ids.run).await)),
        ("progress", shown(engine.progress(actor, ids.run).await)),
        ("wait", shown(engine.wait(actor, ids.run).await)),
        ("exports", shown(engine.exports(actor, ids.run).await)),
        (
            "open_export",
            shown(engine.open_export(actor, ids.export, None).await),
        ),
        (
            "open_export",
            shown(engine.open_export(actor, ids.export, Some(0..9)).await),
        ),
        ("cancel", shown(engine.cancel(actor, ids.run).await)),
        ("resume", shown(engine.resume(actor, ids.run).await)),
        (
            "edit_book",
            shown(engine.edit_book(actor, ids.book, 1, &[]).await),
        ),
        (
            "delete_book",
            shown(engine.delete_book(actor, ids.book).await),
        ),
        (
            "storage.get",
            shown(storage.get(actor, &ids.object, None).await),
        ),
        (
            "storage.get",
            shown(storage.get(actor, &ids.object, Some(0..9)).await),
        ),
        (
            "storage.head",
            shown(storage.head(actor, &ids.object).await),
        ),
        (
            "storage.exists",
            shown(storage.exists(actor, &ids.object).await),
        ),
        (
            "storage.list",
            shown(storage.list(actor, &prefix, None, 10).await),
        ),
        (
            "storage.delete",
            shown(storage.delete(actor, &ids.object).await),
        ),
        (
            "storage.delete_prefix",
            shown(storage.delete_prefix(actor, &prefix).await),
        ),
        (
            "storage.put",
            shown(storage.put(actor, &ids.object, body(), &options).await),
        ),
        (
            "storage.signed_url",
            shown(
                storage
                    .signed_url(actor, &ids.object, Duration::from_secs(60))
                    .await,
            ),
        ),
    ];
    let watched: Result<Vec<_>> = engine.watch(actor, ids.run, 0).try_collect().await;
    answers.push(("watch", shown(watched)));
    answers
}

/// The engine's functions that are done on behalf of an actor and about something that may be
/// another's, by the source: a new one has a case here or stands among those that have not.
#[test]
fn every_function_of_the_engine_has_a_case() {
    // They make what is the actor's own out of what is given.
    let without = ["import", "import_file"];
    let mut functions = BTreeSet::new();
    for file in fs::read_dir(root().join("litink-core/src/engine")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|it| it != "rs") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        for part in text.split("    pub ").skip(1) {
            let head = part.split('{').next().unwrap();
            let name = head.trim_start_matches("async ").strip_prefix("fn ");
            if let Some(name) = name.filter(|_| head.contains("actor: Actor")) {
                functions.insert(name.split('(').next().unwrap().to_owned());
            }
        }
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = Engine::builder().build();
    let actor = Actor::User(UserId::random());
    let cases = runtime.block_on(answers(&engine, actor, &Ids::nobodys()));
    for (name, _) in &cases {
        functions.remove(*name);
    }
    let left: Vec<_> = functions
        .iter()
        .filter(|it| !without.contains(&it.as_str()))
        .collect();
    assert!(left.is_empty(), "give these a case in `answers`: {left:?}");
}

async fn made(engine: &Engine, owner: Actor) -> Ids {
    let stop = CancellationToken::new();
    let worker = engine.worker(WorkerOptions::default());
    let working = tokio::spawn(
        worker
            .run(stop.clone(), CancellationToken::new())
            .with_current_subscriber(),
    );
    let book = engine
        .import_file(owner, &book("the-lamplighters-map.epub"))
        .await
        .unwrap()
        .book;
    let run = engine
        .start(owner, &spec(book.id()), None)
        .await
        .unwrap()
        .run;
    engine.wait(owner, run.id()).await.unwrap();
    stop.cancel();
    working.await.unwrap().unwrap();
    let export = engine.exports(owner, run.id()).await.unwrap().remove(0);
    Ids {
        book: book.id(),
        run: run.id(),
        export: export.id(),
        object: export.storage_key,
    }
}

async fn open(settings: &Settings) -> Engine {
    let engine = litink_providers::open(settings).await.unwrap();
    engine.register_provider(Arc::new(ToneProvider::new("tone", Duration::ZERO, 300)));
    engine
}

async fn hides(engine: &Engine) {
    let (ada, ben) = (Actor::User(UserId::random()), Actor::User(UserId::random()));
    let (hers, nobodys) = (made(engine, ada).await, Ids::nobodys());
    let nothing = answers(engine, ben, &nobodys).await;
    for ((name, theirs), (_, nobodys_answer)) in
        answers(engine, ben, &hers).await.into_iter().zip(nothing)
    {
        let plain = |answer: Result<String>, ids: &Ids| {
            let mut text = match answer {
                Ok(text) => text,
                Err(error) => format!("{} {} {error}", error.kind(), error.code()),
            };
            for (i, id) in ids.all().iter().enumerate() {
                text = text.replace(id, &format!("ID {i}"));
            }
            text
        };
        if let Err(error) = &theirs {
            let expected = [
                ErrorKind::NotFound,
                ErrorKind::PermissionDenied,
                ErrorKind::Unsupported,
            ];
            assert!(expected.contains(&error.kind()), "{name}: {error:?}");
        }
        assert_eq!(
            plain(theirs, &hers),
            plain(nobodys_answer, &nobodys),
            "{name}"
        );
    }
    // Nothing was changed: all of it is there for its owner, who may do everything.
    let object = engine
        .storage()
        .get_bytes(ada, &hers.object, 1 << 30)
        .await
        .unwrap();
    assert!(!object.is_empty());
    for (name, answer) in answers(engine, ada, &hers).await {
        let without = engine.storage().capabilities().signed_urls;
        if name == "storage.signed_url" && !without {
            continue;
        }
        // What was deleted before is gone after.
        if !name.starts_with("storage.") && name != "watch" {
            answer.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        }
    }
}

#[tokio::test]
async fn what_is_anothers_is_as_what_nobody_has_in_memory_and_on_sqlite() {
    let memory =
        Engine::builder().provider(Arc::new(ToneProvider::new("tone", Duration::ZERO, 300)));
    hides(&memory.build()).await;
    let folder = tempfile::tempdir().unwrap();
    hides(&open(&Settings::in_folder(folder.path())).await).await;
}

#[tokio::test]
async fn what_is_anothers_is_as_what_nobody_has_on_postgres_and_s3() {
    let (Some(server), Some(weed)) = (shared_postgres(), Seaweed::start()) else {
        return;
    };
    let name = format!("litink_authorisation_{}", std::process::id());
    let mut admin = PgConnection::connect(server.as_str()).await.unwrap();
    admin
        .execute(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .await
        .unwrap();
    let mut url = server.clone();
    url.set_path(&name);
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::in_folder(folder.path());
    settings.database_url = Some(Secret::new(url.as_str()));
    settings.storage_url = Some(Secret::new(weed.url(&weed.endpoint(), "hidden")));
    let outcome = tokio::spawn(async move { hides(&open(&settings).await).await }).await;
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    admin.execute(AssertSqlSafe(drop)).await.unwrap();
    outcome.unwrap();
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

#[tokio::test]
async fn what_is_done_in_nobodys_name_is_said() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("litink::scope=debug")
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let story = async {
        let folder = tempfile::tempdir().unwrap();
        let engine = open(&Settings::in_folder(folder.path())).await;
        let ada = Actor::User(UserId::random());
        log.take();
        let ids = made(&engine, ada).await;
        let said = log.take();
        // A user begins a run; rows that the engine trusts are written by a service.
        assert!(
            said.contains(
                "actor=\"service\" operation=\"repository.commit\" about=\"runs, steps\""
            ),
            "{said}"
        );
        assert!(
            said.contains("DEBUG litink::scope: beyond users actor=\"worker\""),
            "{said}"
        );
        assert!(!said.contains("Lamplighter"), "a value was said: {said}");
        // What a user does as such is not.
        engine.book(ada, ids.book).await.unwrap();
        engine.exports(ada, ids.run).await.unwrap();
        engine.open_export(ada, ids.export, None).await.unwrap();
        assert_eq!(log.take(), "");
        engine
            .export_data(&Path::new(folder.path()).join("out"), |_| ())
            .await
            .unwrap();
        let said = log.take();
        assert!(
            said.contains(
                "INFO litink::scope: beyond users actor=\"service\" operation=\"storage.get\""
            ),
            "{said}"
        );
    };
    story.with_subscriber(subscriber).await;
}
