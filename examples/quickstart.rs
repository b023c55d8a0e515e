//! An audiobook of a book, with the offline draft voice.
//!
//! `cargo run -p litink-examples --example quickstart -- [BOOK] [DATA]`

use std::path::PathBuf;

use futures::StreamExt;
use litink_core::{
    Actor, LOCAL_USER,
    engine::{Engine, RunSpec, WorkerOptions},
};
use litink_providers::Settings;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> litink_core::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let sample = "examples/books/the-lamplighters-map.epub";
    let book = arguments.next().unwrap_or_else(|| sample.into());
    let data = arguments.next().unwrap_or_else(|| "litink-data".into());

    let me = Actor::User(LOCAL_USER);
    let engine: Engine = litink_providers::open(&Settings::in_folder(data)).await?;
    let worker = engine.worker(WorkerOptions::default());
    tokio::spawn(worker.run(CancellationToken::new(), CancellationToken::new()));

    let book = engine.import_file(me, &book).await?.book;
    println!("{}: {} chapters", book.title, book.chapter_count);
    let run = engine
        .start(me, &RunSpec::audiobook(book.id()), None)
        .await?
        .run;
    let mut watched = std::pin::pin!(engine.watch(me, run.id(), 0));
    while let Some(progress) = watched.next().await {
        println!("{:.0} %", progress?.fraction * 100.0);
    }
    engine.wait(me, run.id()).await?;
    for export in engine.exports(me, run.id()).await? {
        println!("{} {} bytes", export.file_name, export.bytes);
    }
    Ok(())
}
