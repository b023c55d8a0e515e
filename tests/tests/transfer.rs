//! Everything of one engine carried into another.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, path::Path};

use litink_core::{
    Actor, LOCAL_USER,
    engine::{Engine, RunSpec, WorkerOptions},
    storage::StorageExt,
};
use litink_providers::{Secret, Settings};
use litink_tests::book;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio_util::sync::CancellationToken;

const ME: Actor = Actor::User(LOCAL_USER);

async fn embedded(folder: &Path) -> Engine {
    open(&Settings::in_folder(folder)).await
}

async fn open(settings: &Settings) -> Engine {
    litink_providers::open(settings).await.unwrap()
}

/// An engine with a book and a finished run.
async fn lived_in(folder: &Path) -> Engine {
    let engine = embedded(folder).await;
    live(&engine).await;
    engine
}

async fn live(engine: &Engine) {
    let stop = CancellationToken::new();
    let worker = engine.worker(WorkerOptions::default());
    let working = tokio::spawn(worker.run(stop.clone(), CancellationToken::new()));
    let path = book("the-lamplighters-map.epub");
    let book = engine.import_file(ME, &path).await.unwrap().book;
    let options = json!({ "chapters": "1", "formats": ["wav", "vtt"] });
    let spec = RunSpec::audiobook(book.id()).options(options);
    let run = engine.start(ME, &spec, None).await.unwrap().run;
    engine.wait(ME, run.id()).await.unwrap();
    stop.cancel();
    working.await.unwrap().unwrap();
}

/// What its owner sees of an engine, times and versions aside.
async fn seen(engine: &Engine) -> Vec<String> {
    let mut seen = Vec::new();
    for book in engine.books(ME, None, 100).await.unwrap().items {
        seen.push(format!(
            "{} {} {}",
            book.id(),
            book.title,
            book.content_hash
        ));
        for chapter in engine.chapters(ME, book.id(), true).await.unwrap() {
            seen.push(format!("{:?} {:?}", chapter.title, chapter.blocks));
        }
    }
    for run in engine.runs(ME, None, None, 100).await.unwrap().items {
        let progress = engine.progress(ME, run.id()).await.unwrap();
        seen.push(format!(
            "{} {:?} {}",
            run.id(),
            run.state,
            progress.fraction
        ));
        for export in engine.exports(ME, run.id()).await.unwrap() {
            let bytes = engine.storage().get_bytes(ME, &export.storage_key, 1 << 30);
            let hash = blake3::hash(&bytes.await.unwrap());
            assert_eq!(hash.to_hex().as_str(), export.content_hash);
            seen.push(format!("{} {}", export.file_name, export.content_hash));
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_carried_and_compared_and_again_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let old = lived_in(&at("old")).await;
    let carried = old.export_data(&at("export"), |_| ()).await.unwrap();
    assert!(carried.rows > 10 && carried.objects > 3, "{carried:?}");

    let new = embedded(&at("new")).await;
    let imported = new.import_data(&at("export"), |_| ()).await.unwrap();
    assert_eq!(imported, carried);
    assert_eq!(seen(&new).await, seen(&old).await);

    let again = new.import_data(&at("export"), |_| ()).await.unwrap();
    assert_eq!(again.existing, again.rows + again.objects);
    // And back: what comes out of the new house is what came out of the old.
    new.export_data(&at("back"), |_| ()).await.unwrap();
    let objects = |name: &str| fs::read_to_string(at(name).join("objects.jsonl")).unwrap();
    assert_eq!(objects("back"), objects("export"));

    // The same generation is not paid for again: the run made anew makes no call.
    let spec = RunSpec::audiobook(new.books(ME, None, 1).await.unwrap().items[0].id())
        .options(json!({ "chapters": "1", "formats": ["wav"] }));
    let stop = CancellationToken::new();
    let worker = new.worker(WorkerOptions::default());
    let working = tokio::spawn(worker.run(stop.clone(), CancellationToken::new()));
    let run = new.start(ME, &spec, None).await.unwrap();
    assert!(!run.existing);
    new.wait(ME, run.run.id()).await.unwrap();
    stop.cancel();
    working.await.unwrap().unwrap();
    new.export_data(&at("after"), |_| ()).await.unwrap();
    let generations = fs::read_to_string(at("after").join("rows/generations.jsonl")).unwrap();
    assert!(generations.lines().count() > 1);
    for line in generations.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(row["version"], 1, "a call was made again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_export_is_refused_and_a_different_row_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let old = lived_in(&at("old")).await;
    old.export_data(&at("export"), |_| ()).await.unwrap();
    let error = old.export_data(&at("export"), |_| ()).await.unwrap_err();
    assert_eq!(error.code(), "folder_not_empty");

    let new = embedded(&at("new")).await;
    let error = new.import_data(&at("old"), |_| ()).await.unwrap_err();
    assert_eq!(error.code(), "no_export");

    // One letter of a title, without the manifest knowing.
    let books = at("export").join("rows/books.jsonl");
    let text = fs::read_to_string(&books).unwrap();
    fs::write(&books, text.replace("Lamplighter", "Lamplichter")).unwrap();
    let error = new.import_data(&at("export"), |_| ()).await.unwrap_err();
    assert_eq!(error.code(), "export_damaged");
    assert!(seen(&new).await.is_empty(), "nothing was stored");
    fs::write(&books, &text).unwrap();

    // One byte of an object.
    let objects = fs::read_to_string(at("export").join("objects.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_str(objects.lines().next().unwrap()).unwrap();
    let object = at("export")
        .join("objects")
        .join(line["key"].as_str().unwrap());
    let bytes = fs::read(&object).unwrap();
    let mut changed = bytes.clone();
    changed[bytes.len() / 2] ^= 1;
    fs::write(&object, changed).unwrap();
    let error = new.import_data(&at("export"), |_| ()).await.unwrap_err();
    assert_eq!(error.code(), "export_damaged");
    assert!(seen(&new).await.is_empty(), "no row without its bytes");
    fs::write(&object, bytes).unwrap();
    new.import_data(&at("export"), |_| ()).await.unwrap();

    let book = &new.books(ME, None, 1).await.unwrap().items[0];
    let change = litink_core::repository::Change::update(book, [("title", json!("Mine"))]);
    let commit = litink_core::repository::Commit::new(vec![change]);
    new.repository().commit(ME, &commit).await.unwrap();
    let error = new.import_data(&at("export"), |_| ()).await.unwrap_err();
    assert_eq!(error.code(), "different_row");
    assert_eq!(new.books(ME, None, 1).await.unwrap().items[0].title, "Mine");
}

/// An empty database on the test server.
async fn postgres(folder: &Path) -> Option<Settings> {
    let Ok(server) = std::env::var("LITINK_TEST_POSTGRES_URL") else {
        assert!(std::env::var("LITINK_REQUIRE_PROGRAMS").as_deref() != Ok("1"));
        eprintln!(
            "skipped: LITINK_TEST_POSTGRES_URL is not set, so there is no server to test with"
        );
        return None;
    };
    let name = format!("litink_transfer_{}", std::process::id());
    let mut admin = PgConnection::connect(&server).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    admin.execute(AssertSqlSafe(create)).await.unwrap();
    let (host, _) = server.rsplit_once('/').unwrap();
    let mut settings = Settings::in_folder(folder);
    settings.database_url = Some(Secret::new(format!("{host}/{name}")));
    Some(settings)
}

/// The same run on Postgres makes the same ids and the same bytes, and what is there moves into a
/// folder's SQLite and back.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_makes_the_same_and_moves_to_sqlite_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let Some(settings) = postgres(&at("served")).await else {
        return;
    };
    let served = open(&settings).await;
    live(&served).await;
    let alone = lived_in(&at("alone")).await;
    assert_eq!(seen(&served).await, seen(&alone).await);

    served.export_data(&at("export"), |_| ()).await.unwrap();
    let moved = embedded(&at("moved")).await;
    let carried = moved.import_data(&at("export"), |_| ()).await.unwrap();
    assert_eq!(seen(&moved).await, seen(&served).await);
    moved.export_data(&at("back"), |_| ()).await.unwrap();
    let again = served.import_data(&at("back"), |_| ()).await.unwrap();
    assert_eq!((again.rows, again.objects), (carried.rows, carried.objects));
    assert_eq!(again.existing, again.rows + again.objects);
}
