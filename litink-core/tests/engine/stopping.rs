//! A run that is stopped stops what vendors still work on.

use std::time::Duration;

use litink_core::{
    domain::GenerationState,
    testing::scripted::{Script, ScriptedProvider},
};

use crate::bench::{ACTOR, Bench, One, TEXT, import, speech, until};

fn forever() -> Script {
    Script::Pending {
        polls: u32::MAX,
        then: Box::new(Script::Answer),
    }
}

#[tokio::test]
async fn the_vendor_is_told_once_and_the_handle_is_kept() {
    let provider = ScriptedProvider::new("vendor").then(forever());
    let bench = Bench::new(&provider, One::call(speech()));
    let run = bench.start().await;
    until("it is polled", || async { provider.polls() > 0 }).await;
    bench.engine.cancel(ACTOR, run).await.unwrap();
    until("it is stopped", || async {
        !provider.cancelled().is_empty()
    })
    .await;
    until("it is journalled", || async {
        bench.row().await.operation.unwrap().stop_asked
    })
    .await;
    assert_eq!(bench.row().await.state, GenerationState::Pending);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(provider.cancelled().len(), 1);
    // Finished before it could be stopped: fetched, and not paid again.
    bench.resumes(run).await;
    assert_eq!(provider.calls().len(), 1);
    bench.end().await;
}

#[tokio::test]
async fn a_book_that_is_deleted_stops_them_too() {
    let provider = ScriptedProvider::new("vendor").then(forever());
    let bench = Bench::new(&provider, One::call(speech()));
    bench.start().await;
    until("it is polled", || async { provider.polls() > 0 }).await;
    let book = import(&bench.engine, ACTOR, TEXT).await;
    bench.engine.delete_book(ACTOR, book).await.unwrap();
    until("it is stopped", || async {
        !provider.cancelled().is_empty()
    })
    .await;
    bench.end().await;
}
