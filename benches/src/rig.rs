//! An engine with a worker beside it, that executes runs of nothing but calls.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::StreamExt;
use litink_core::{
    Actor, BookId, Error, LOCAL_USER, Result,
    engine::{Engine, ImportOptions, RunSpec, WorkerOptions},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    speak::{ConstantProvider, RECIPE, Speech},
    stores::Backend,
};

const ACTOR: Actor = Actor::User(LOCAL_USER);

/// A new engine with one book, and its worker.
#[derive(Debug)]
pub struct Rig {
    engine: Engine,
    book: BookId,
    done: Arc<Notify>,
    again: Arc<Mutex<Duration>>,
    stop: CancellationToken,
    worker: JoinHandle<Result<()>>,
    _folder: TempDir,
}

impl Rig {
    /// Opens the stores and starts the worker, with the default 256 steps in flight.
    ///
    /// # Errors
    /// Those of the stores.
    pub async fn open(backend: Backend, delay: Duration) -> Result<Self> {
        let (builder, folder) = backend.engine().await?;
        let recipe = Speech::default();
        let (done, again) = (recipe.done(), recipe.again());
        let engine = builder
            .recipe(Arc::new(recipe))
            .provider(Arc::new(ConstantProvider::new(delay)?))
            .build();
        let text = futures::stream::iter([Ok("CHAPTER I\n\nThe lamp was out.\n".into())]).boxed();
        let options = ImportOptions::named("lamp.txt");
        let book = engine.import(ACTOR, text, options).await?.book.id();
        let stop = CancellationToken::new();
        let worker = engine.worker(WorkerOptions::default());
        let worker = tokio::spawn(worker.run(stop.clone(), CancellationToken::new()));
        Ok(Self {
            engine,
            book,
            done,
            again,
            stop,
            worker,
            _folder: folder,
        })
    }

    /// From the start of a run of so many calls until its last step.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn run(&self, calls: usize) -> Result<Duration> {
        let options = json!({ "steps": calls });
        let spec = RunSpec::audiobook(self.book)
            .recipe(RECIPE)
            .options(options);
        let begun = Instant::now();
        self.engine.start(ACTOR, &spec, None).await?;
        self.done.notified().await;
        Ok(begun.elapsed())
    }

    /// What it takes to ask so often for what was made before.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn hits(&self, count: usize) -> Result<Duration> {
        let options = json!({ "steps": 1, "again": count });
        let spec = RunSpec::audiobook(self.book)
            .recipe(RECIPE)
            .options(options);
        self.engine.start(ACTOR, &spec, None).await?;
        self.done.notified().await;
        Ok(*self.again.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stops the worker.
    ///
    /// # Errors
    /// The worker's.
    pub async fn close(self) -> Result<()> {
        self.stop.cancel();
        self.worker
            .await
            .map_err(|error| Error::internal("the worker ended").with_source(error))?
    }
}
