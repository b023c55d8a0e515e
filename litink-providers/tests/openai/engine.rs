//! A book, narrated through the engine, and paid once.

use std::{
    io,
    sync::{Arc, Mutex},
};

use litink_core::{
    Actor, LOCAL_USER,
    domain::RunState,
    engine::{Engine, RunSpec, UsageBy, UsageQuery},
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_book_costs_is_said_before_and_is_no_more_after() {
    let server = Server::start().await;
    let mut settings = Settings::in_memory();
    settings.budgets.run = Some("0.01".parse().unwrap());
    let backends = litink_providers::connect(&settings).await.unwrap();
    let engine = litink_providers::engine(backends, &settings);
    let mut config = server.config("openai");
    config.speech_model = Some("tts-1".to_owned());
    engine.register_provider(Arc::new(OpenAiProvider::new(config).unwrap()));
    let quote = async || {
        let actor = Actor::User(LOCAL_USER);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("book.txt");
        std::fs::write(&file, BOOK).unwrap();
        let book = engine.import_file(actor, &file).await.unwrap().book;
        let options = json!({ "provider": "openai", "formats": ["wav", "vtt"] });
        let spec = RunSpec::audiobook(book.id()).options(options);
        engine.quote(actor, &spec).await.unwrap()
    };
    let before = quote().await;
    assert!(before.calls > 0 && before.made_before == 0);
    assert!(server.seen().is_empty(), "nothing is spent");
    // 15 dollars for a million characters.
    let chars = before.lines[0].usage.input_chars.unwrap();
    assert_eq!(before.cost_nanos, Some(chars as i64 * 15_000));
    assert_eq!(narrated(&engine).await, RunState::Completed);
    let by = UsageQuery::by([UsageBy::Provider, UsageBy::Model]);
    let usage = engine.usage(Actor::User(LOCAL_USER), &by).await.unwrap();
    let [cover, speech] = usage.as_slice() else {
        panic!("{usage:?}")
    };
    assert_eq!(
        (cover.provider.as_deref(), cover.cost_nanos),
        (Some("local"), 0)
    );
    assert_eq!(Some(speech.cost_nanos), before.cost_nanos);
    assert_eq!((speech.calls, speech.unknown_cost), (before.calls, 0));
    assert_eq!(speech.model.as_deref(), Some("tts-1"));
    let budgets = engine.budgets(Actor::User(LOCAL_USER)).await.unwrap();
    assert_eq!(budgets[0].spent_nanos(), speech.cost_nanos);
    let after = quote().await;
    assert_eq!(
        (after.made_before, after.cost_nanos),
        (before.calls, Some(0))
    );
}

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn calls_are_spans_as_opentelemetry_names_them_without_a_word_of_the_book() {
    use tracing_subscriber::{fmt, fmt::format::FmtSpan};
    let log = Log::default();
    let written = log.clone();
    let subscriber = fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::CLOSE)
        .json()
        .with_writer(move || written.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = Server::start().await;
    let backends = litink_providers::connect(&Settings::in_memory())
        .await
        .unwrap();
    let engine = litink_providers::engine(backends, &Settings::in_memory());
    engine.register_provider(Arc::new(server.provider("openai")));
    server.order(Answer::json(503, &crate::answers::error("slow_down")));
    assert_eq!(narrated(&engine).await, RunState::Completed);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let spans: Vec<serde_json::Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|it| it["fields"]["message"] == "close" && it["span"]["name"] == "gen_ai")
        .map(|it| it["span"].clone())
        .collect();
    let of = |name: &str, value: &str| spans.iter().filter(|it| it[name] == value).count();
    assert!(of("gen_ai.provider.name", "openai") >= 3, "{spans:#?}");
    assert_eq!(of("gen_ai.provider.name", "openai"), server.seen().len());
    assert_eq!(of("error.type", "provider_overloaded"), 1, "{spans:#?}");
    assert!(of("gen_ai.output.type", "speech") >= 3);
    assert!(of("gen_ai.response.id", "req_1") >= 2);
    for word in ["bright cold day", "Nobody knew", crate::server::KEY] {
        assert!(!log.contains(word), "{word}");
    }
}
