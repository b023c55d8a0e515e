//! A whole run on a project: rows and bytes there, the queue in this process's folder.

use std::path::Path;

use litink_core::{
    Actor, LOCAL_USER, Result,
    engine::{Engine, RunSpec, WorkerOptions},
    storage::StorageExt,
};
use litink_providers::{Secret, Settings};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    postgres,
    project::{PUBLISHABLE, Project, SECRET},
};

const ME: Actor = Actor::User(LOCAL_USER);
const BOOK: &str = "The Lamp\n\nChapter 1\n\nIt was dark.\n\nChapter 2\n\nSomebody lit it.\n";

fn settings(folder: &Path, project: &Url) -> Settings {
    let mut settings = Settings::in_folder(folder);
    let project = project.as_str().trim_end_matches('/');
    let url = || Some(Secret::new(format!("supabase+{project}")));
    (settings.database_url, settings.storage_url) = (url(), url());
    settings.supabase.url = Some(project.to_owned());
    settings.supabase.secret_key = Some(Secret::new(SECRET));
    settings.supabase.publishable_key = Some(Secret::new(PUBLISHABLE));
    settings
}

/// Makes an audiobook; gives ids and hashes of what came out.
async fn live(engine: &Engine, folder: &Path) -> Vec<String> {
    let stop = CancellationToken::new();
    let worker = engine.worker(WorkerOptions::default());
    let working = tokio::spawn(worker.run(stop.clone(), CancellationToken::new()));
    let path = folder.join("lamp.txt");
    std::fs::write(&path, BOOK).unwrap();
    let book = engine.import_file(ME, &path).await.unwrap().book;
    let options = json!({ "formats": ["wav", "vtt"] });
    let spec = RunSpec::audiobook(book.id()).options(options);
    let run = engine.start(ME, &spec, None).await.unwrap().run;
    engine.wait(ME, run.id()).await.unwrap();
    stop.cancel();
    working.await.unwrap().unwrap();
    seen(engine).await.unwrap()
}

async fn seen(engine: &Engine) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    for run in engine.runs(ME, None, None, 100).await?.items {
        seen.push(format!("{} {:?}", run.id(), run.state));
        for export in engine.exports(ME, run.id()).await? {
            let bytes = engine.storage().get_bytes(ME, &export.storage_key, 1 << 30);
            let hash = blake3::hash(&bytes.await?).to_hex();
            assert_eq!(hash.as_str(), export.content_hash);
            seen.push(format!("{} {hash}", export.file_name));
        }
    }
    Ok(seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_project_makes_the_same_and_moves_to_sqlite_and_back() {
    let Some(database) = postgres::Fresh::new().await else {
        return;
    };
    let url = database.url();
    let migrated = litink_providers::postgres::PostgresDatabase::open(url.as_str()).await;
    migrated.unwrap().close().await;
    let project = Project::with_rows(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);

    let served = settings(&at("served"), &project.url);
    let served = litink_providers::open(&served).await.unwrap();
    let on_project = live(&served, folder.path()).await;
    let alone = Settings::in_folder(at("alone"));
    let alone = litink_providers::open(&alone).await.unwrap();
    assert_eq!(on_project, live(&alone, folder.path()).await);
    assert_eq!(
        on_project.len(),
        3,
        "a run, its sound and its words: {on_project:?}"
    );

    served.export_data(&at("export"), |_| ()).await.unwrap();
    let moved = Settings::in_folder(at("moved"));
    let moved = litink_providers::open(&moved).await.unwrap();
    let carried = moved.import_data(&at("export"), |_| ()).await.unwrap();
    assert_eq!(seen(&moved).await.unwrap(), on_project);
    moved.export_data(&at("back"), |_| ()).await.unwrap();
    let again = served.import_data(&at("back"), |_| ()).await.unwrap();
    assert_eq!((again.rows, again.objects), (carried.rows, carried.objects));
    assert_eq!(again.existing, again.rows + again.objects);
    for connected in served.backends() {
        for check in connected.backend.check().await {
            check.outcome.unwrap();
        }
    }
}
