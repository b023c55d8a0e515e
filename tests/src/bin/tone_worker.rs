//! Makes an audiobook with the counting provider, in a process that may be killed at any moment:
//! `tone-worker DATA BOOK LOG DELAY_MS FORMATS`. Prints the run's id when it is completed. With
//! `TONE_DIES_AT=n` it dies when it is about to enqueue for the nth time.

use std::{
    env,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use litink_core::{Actor, LOCAL_USER, Result, engine::RunSpec, queue::Queue};
use litink_providers::Settings;
use litink_tests::{
    ToneProvider,
    faulty::{Call, Fate, FaultyQueue},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let [_, data, book, log, delay, formats] = arguments.as_slice() else {
        panic!("tone-worker DATA BOOK LOG DELAY_MS FORMATS");
    };
    let actor = Actor::User(LOCAL_USER);
    let settings = {
        let mut settings = Settings::load(None)?;
        settings.data_dir = data.into();
        settings
    };
    let mut backends = litink_providers::connect(&settings).await?;
    if let Some(at) = env::var("TONE_DIES_AT").ok().and_then(|it| it.parse().ok()) {
        backends.queue = dies_at(backends.queue, at);
    }
    let engine = litink_providers::engine(backends, &settings);
    let delay = Duration::from_millis(delay.parse().unwrap_or(20));
    let tone = ToneProvider::new("tone", delay, 300).log(log.into());
    engine.register_provider(Arc::new(tone));
    let book = engine.import_file(actor, Path::new(book)).await?.book;
    let formats: Vec<&str> = formats.split(',').collect();
    let options = json!({ "provider": "tone", "formats": formats });
    let run = engine
        .start(actor, &RunSpec::audiobook(book.id()).options(options), None)
        .await?
        .run;
    engine.resume(actor, run.id()).await?;
    let stop = CancellationToken::new();
    let worker = engine.worker(litink_providers::worker_options(&settings));
    let working = tokio::spawn(worker.run(stop.clone(), CancellationToken::new()));
    let finished = engine.wait(actor, run.id()).await;
    stop.cancel();
    let _ = working.await;
    println!("{}", finished?.id());
    Ok(())
}

/// A queue before which this process dies.
fn dies_at(queue: Arc<dyn Queue>, at: u32) -> Arc<dyn Queue> {
    let enqueued = AtomicU32::new(0);
    Arc::new(FaultyQueue::new(queue, move |call| {
        if call == Call::Enqueue && enqueued.fetch_add(1, Ordering::Relaxed) + 1 == at {
            std::process::abort();
        }
        Box::pin(async { Fate::Heard })
    }))
}
