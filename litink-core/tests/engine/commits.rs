//! What a recipe writes with its completion, and what does not fit.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use litink_core::{
    Actor, Result,
    domain::{Book, Run},
    engine::StepContext,
    recipe::StepOutput,
    repository::{Change, RepositoryExt, Row},
    testing::scripted::ScriptedProvider,
};
use serde_json::{Map, json};

use crate::bench::{Bench, One};

/// A recipe whose changes are these, and how often it was executed.
fn writes(changes: fn(Book) -> Vec<Change>) -> (One, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let one = One::new(move |context| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            Ok(StepOutput {
                changes: changes(context.book().await?),
                ..StepOutput::default()
            })
        }
    });
    (one, count)
}

async fn fails_after(changes: fn(Book) -> Vec<Change>, code: &str, attempts: usize) {
    let (one, count) = writes(changes);
    let bench = Bench::new(&ScriptedProvider::new("vendor"), one);
    let run = bench.start().await;
    bench.fails(run, code).await;
    assert_eq!(count.load(Ordering::SeqCst), attempts);
    bench.end().await;
}

#[tokio::test]
async fn a_row_that_was_changed_fails_the_attempt() {
    let stale = |mut book: Book| {
        book.meta.version += 7;
        vec![Change::update(&book, [("title", json!("another"))])]
    };
    fails_after(stale, "version_conflict", 2).await;
}

#[tokio::test]
async fn a_row_that_is_there_fails_the_attempt() {
    let again = |book: Book| vec![Change::insert(&book).unwrap()];
    fails_after(again, "already_exists", 2).await;
}

#[tokio::test]
async fn a_row_of_no_shape_fails_the_run_at_once() {
    let bad = |book: Book| {
        let columns = Map::from_iter([("id".into(), json!(book.meta.id))]);
        let table = litink_core::schema::Table::Exports;
        vec![Change::Insert(Row { table, columns })]
    };
    fails_after(bad, "bad_row", 1).await;
}

#[tokio::test]
async fn a_run_that_was_changed_is_completed_all_the_same() {
    async fn touches(context: StepContext) -> Result<StepOutput> {
        let repository = context.engine().repository();
        let run: Run = repository.find(Actor::Service, context.run().id()).await?;
        let change = Change::update(&run, [("step_count", json!(1))]);
        repository.apply(Actor::Service, vec![change]).await?;
        Ok(StepOutput::default())
    }
    let bench = Bench::new(&ScriptedProvider::new("vendor"), One::new(touches));
    let run = bench.start().await;
    bench.completes(run).await;
    bench.end().await;
}
