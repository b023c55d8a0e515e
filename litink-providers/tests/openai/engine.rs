//! A book, narrated through the engine, and paid once.

use std::sync::Arc;

use litink_core::{
    Actor, LOCAL_USER,
    domain::RunState,
    engine::{Engine, RunSpec},
};
use litink_providers::{Settings, openai::OpenAiProvider};
use serde_json::json;

use crate::server::{Answer, Server};

const BOOK: &str = "Chapter 1\n\nIt was a bright cold day in May. The clocks struck.\n\nChapter 2\n\n\
                    Nobody knew why. Then it rained.\n";

async fn narrated(engine: &Engine) -> RunState {
    let actor = Actor::User(LOCAL_USER);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("book.txt");
    std::fs::write(&file, BOOK).unwrap();
    let book = engine.import_file(actor, &file).await.unwrap().book;
    let options = json!({ "provider": "openai", "formats": ["wav", "vtt"] });
    let spec = RunSpec::audiobook(book.id()).options(options);
    let key = uuid::Uuid::new_v4().to_string();
    let run = engine.start(actor, &spec, Some(&key)).await.unwrap().run;
    let stop = tokio_util::sync::CancellationToken::new();
    let worker = engine.worker(litink_providers::worker_options(&Settings::in_memory()));
    let worker = tokio::spawn(worker.run(stop.clone(), stop.child_token()));
    let ended = engine.wait(actor, run.id()).await;
    stop.cancel();
    worker.await.unwrap().unwrap();
    ended.unwrap().state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_book_is_narrated_and_paid_once() {
    let server = Server::start().await;
    let backends = litink_providers::connect(&Settings::in_memory())
        .await
        .unwrap();
    let engine = litink_providers::engine(backends, &Settings::in_memory());
    engine.register_provider(Arc::new(server.provider("openai")));
    // The first call is refused for a moment, and the second is cut: speech is sent again.
    let error = crate::answers::error("rate_limit_exceeded");
    server.order(Answer::json(429, &error).header("retry-after-ms", "50"));
    server.order(Answer::Cut);
    assert_eq!(narrated(&engine).await, RunState::Completed);
    let first = server.seen().len();
    assert!(first >= 4, "{first}");
    // Another run of the same: everything is there.
    assert_eq!(narrated(&engine).await, RunState::Completed);
    assert_eq!(server.seen().len(), first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_endpoint_made_is_not_taken_for_anothers() {
    let (first, second) = (Server::start().await, Server::start().await);
    let backends = litink_providers::connect(&Settings::in_memory())
        .await
        .unwrap();
    let engine = litink_providers::engine(backends, &Settings::in_memory());
    engine.register_provider(Arc::new(first.provider("openai")));
    assert_eq!(narrated(&engine).await, RunState::Completed);
    let paid = first.seen().len();
    engine.register_provider(Arc::new(second.provider("openai")));
    assert_eq!(narrated(&engine).await, RunState::Completed);
    assert_eq!(second.seen().len(), paid);
    // Back at the first one, with another voice where none is named.
    let mut config = first.config("openai");
    config.voice = Some("another".to_owned());
    engine.register_provider(Arc::new(OpenAiProvider::new(config).unwrap()));
    assert_eq!(narrated(&engine).await, RunState::Completed);
    assert_eq!(first.seen().len(), 2 * paid);
    // And as it was.
    engine.register_provider(Arc::new(first.provider("openai")));
    assert_eq!(narrated(&engine).await, RunState::Completed);
    assert_eq!((first.seen().len(), second.seen().len()), (2 * paid, paid));
}
