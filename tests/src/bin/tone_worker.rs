//! Makes an audiobook with the counting provider, in a process that may be killed at any moment:
//! `tone-worker DATA BOOK LOG DELAY_MS FORMATS`. Prints the run's id when it is completed.

use std::{env, path::Path, sync::Arc, time::Duration};

use litink_core::{Actor, LOCAL_USER, Result, engine::RunSpec};
use litink_providers::Settings;
use litink_tests::ToneProvider;
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
    let engine = litink_providers::open(&settings).await?;
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
