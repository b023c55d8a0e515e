//! An engine that is open, and its worker.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use litink_core::{Error, ErrorKind, Result, Retry, engine::Engine};
use litink_providers::Settings;
use serde_json::{Map, Value};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// An engine from its opening to its close.
#[derive(Clone, Debug)]
pub(crate) struct Open(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    /// The process that opened it: in a forked one its threads and files are not its own.
    pid: u32,
    /// Stops the worker, which lets its steps finish.
    stop: CancellationToken,
    /// Stops it at once.
    abandon: CancellationToken,
    /// Fires when the engine is closed: what still waits, ends.
    closed: CancellationToken,
    worker: Mutex<Option<JoinHandle<Result<()>>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
        self.abandon.cancel();
    }
}

/// Settings by name, as in `litink.toml`; none of them for that file and the environment.
pub(crate) fn settings(given: Option<Map<String, Value>>) -> Result<Settings> {
    let Some(given) = given else {
        return Settings::load(None);
    };
    let set = given.into_iter().filter(|(_, value)| !value.is_null());
    // As variables, so that they are checked as everybody's.
    let variables = set.map(|(key, value)| {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        (format!("LITINK_{}", key.to_uppercase()), value)
    });
    Settings::parse("", variables)
}

impl Open {
    /// Opens an engine, and begins to work if asked to. `exit` fires when the process ends.
    pub(crate) async fn new(
        settings: Result<Settings>,
        work: bool,
        exit: CancellationToken,
    ) -> Result<Self> {
        let settings = settings?;
        let engine = litink_providers::open(&settings).await?;
        let (stop, abandon) = (exit.child_token(), exit.child_token());
        let worker = work.then(|| {
            let worker = engine.worker(litink_providers::worker_options(&settings));
            tokio::spawn(worker.run(stop.clone(), abandon.clone()))
        });
        Ok(Self(Arc::new(Inner {
            engine,
            pid: std::process::id(),
            stop,
            abandon,
            closed: exit.child_token(),
            worker: Mutex::new(worker),
        })))
    }

    /// The engine, if it can be used here and now.
    pub(crate) fn engine(&self) -> Result<Engine> {
        if self.0.pid != std::process::id() {
            return Err(unusable(
                "forked",
                "this engine was opened before the process forked; open one of its own in the child",
            ));
        }
        if self.0.closed.is_cancelled() {
            return Err(closed());
        }
        Ok(self.0.engine.clone())
    }

    /// Does something unless the engine is closed meanwhile.
    pub(crate) async fn until_closed<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.0.closed.cancelled() => Err(closed()),
            done = work => done,
        }
    }

    /// Stops the worker: steps in flight get the grace time, then they are given back.
    pub(crate) async fn close(&self, grace: Duration) -> Result<()> {
        if self.0.pid != std::process::id() {
            return Ok(());
        }
        self.0.stop.cancel();
        let worker = self
            .0
            .worker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let ended = match worker {
            Some(worker) => self.ended(worker, grace).await,
            None => Ok(()),
        };
        self.0.closed.cancel();
        ended
    }

    async fn ended(&self, mut worker: JoinHandle<Result<()>>, grace: Duration) -> Result<()> {
        let ended = match tokio::time::timeout(grace, &mut worker).await {
            Ok(ended) => ended,
            Err(_) => {
                self.0.abandon.cancel();
                worker.await
            }
        };
        ended.unwrap_or_else(|join| {
            Err(Error::internal("the worker ended unexpectedly").with_source(join))
        })
    }
}

fn closed() -> Error {
    unusable("closed", "the engine is closed; open another")
}

fn unusable(code: &'static str, message: &str) -> Error {
    Error::new(ErrorKind::Unavailable, message)
        .with_code(code)
        .with_retry(Retry::Never)
}
