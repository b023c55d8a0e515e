//! The engine's calls.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::StreamExt;
use litink_core::{
    Actor, BookId, Error, ErrorKind, LOCAL_USER, Result, Retry, RunId,
    editing::Edit,
    engine::{Engine, ImportOptions, Imported, RunSpec},
};
use litink_providers::Settings;
use napi::bindgen_prelude::{Buffer, Function, Promise};
use napi_derive::napi;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    error::to_js,
    provider::{Answer, Ask, JsProvider},
    streams::{NativeReader, NativeWatch},
};

/// An open engine, with its worker, in the name of a user: of the local one, unless another is asked
/// for.
#[napi]
#[derive(Debug)]
pub struct NativeEngine {
    open: Arc<Mutex<Option<Open>>>,
    actor: Actor,
}

#[derive(Debug)]
struct Open {
    engine: Engine,
    worker: Option<JoinHandle<Result<()>>>,
    /// Stops the worker, which lets its steps finish.
    stop: CancellationToken,
    /// Stops it at once.
    abandon: CancellationToken,
    /// Ends every watch: nobody would make them end any more.
    closed: CancellationToken,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stop.cancel();
        self.abandon.cancel();
        self.closed.cancel();
    }
}

/// What to change of a book.
#[derive(Debug, Deserialize)]
struct Edits {
    book: BookId,
    version: u64,
    edits: Vec<Edit>,
}

/// From where an engine is opened.
#[derive(Debug, Deserialize)]
struct Source {
    /// By name, as in the settings file. Without them the file and the environment are read.
    settings: Option<Map<String, Value>>,
    config: Option<PathBuf>,
    worker: bool,
}

impl Source {
    fn settings(self) -> Result<Settings> {
        let Some(given) = self.settings else {
            return Settings::load(self.config.as_deref());
        };
        let variables =
            given
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| {
                    let value = value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned);
                    (format!("LITINK_{}", key.to_uppercase()), value)
                });
        // By way of the variables, so that they are checked as everybody else's.
        Settings::parse("", variables)
    }
}

/// Opens an engine.
#[napi]
pub async fn open_engine(source: String) -> napi::Result<NativeEngine> {
    let open = async {
        let source: Source = from_json(&source)?;
        let works = source.worker;
        let settings = source.settings()?;
        let engine = litink_providers::open(&settings).await?;
        let (stop, abandon) = (CancellationToken::new(), CancellationToken::new());
        let worker = works.then(|| {
            let worker = engine.worker(litink_providers::worker_options(&settings));
            tokio::spawn(worker.run(stop.clone(), abandon.clone()))
        });
        Ok(Open {
            engine,
            worker,
            stop,
            abandon,
            closed: CancellationToken::new(),
        })
    };
    match open.await {
        Ok(open) => Ok(NativeEngine {
            open: Arc::new(Mutex::new(Some(open))),
            actor: Actor::User(LOCAL_USER),
        }),
        Err(error) => Err(to_js(&error)),
    }
}

/// The names of all kinds of errors, for the facade's table.
#[napi]
pub fn error_kinds() -> Vec<String> {
    ErrorKind::ALL
        .iter()
        .map(|kind| kind.as_str().to_owned())
        .collect()
}

impl NativeEngine {
    fn engine(&self) -> Result<Engine> {
        self.with_open(|open| open.engine.clone())
    }

    fn with_open<T>(&self, read: impl FnOnce(&Open) -> T) -> Result<T> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(read).ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "the engine is closed; open another")
                .with_code("closed")
                .with_retry(Retry::Never)
        })
    }

    async fn call<T, F>(&self, work: impl FnOnce(Engine, Actor) -> F + Send) -> napi::Result<String>
    where
        T: Serialize,
        F: Future<Output = Result<T>> + Send,
    {
        let result = match self.engine() {
            Ok(engine) => work(engine, self.actor).await,
            Err(error) => Err(error),
        };
        result
            .and_then(|value| to_json(&value))
            .map_err(|error| to_js(&error))
    }
}

#[napi]
impl NativeEngine {
    /// The same engine in the name of a user.
    #[napi]
    pub fn as_user(&self, user: String) -> napi::Result<Self> {
        let user = user.parse().map_err(|error: Error| to_js(&error))?;
        Ok(Self {
            open: Arc::clone(&self.open),
            actor: Actor::User(user),
        })
    }

    /// `{book, existing}`.
    #[napi]
    pub async fn import_file(&self, path: String) -> napi::Result<String> {
        self.call(async move |engine: Engine, actor| {
            Ok(imported(&engine.import_file(actor, path.as_ref()).await?))
        })
        .await
    }

    /// `{book, existing}`.
    #[napi]
    pub async fn import_bytes(&self, name: String, bytes: Buffer) -> napi::Result<String> {
        let bytes = Bytes::copy_from_slice(&bytes);
        self.call(async move |engine: Engine, actor| {
            let body = futures::stream::once(async { Ok(bytes) }).boxed();
            Ok(imported(
                &engine
                    .import(actor, body, ImportOptions::named(name))
                    .await?,
            ))
        })
        .await
    }

    /// `{items, next}`.
    #[napi]
    pub async fn books(&self, after: Option<String>, limit: u32) -> napi::Result<String> {
        self.call(async move |engine: Engine, actor| {
            let page = engine.books(actor, after, limit).await?;
            Ok(json!({ "items": page.items, "next": page.next }))
        })
        .await
    }

    /// A book.
    #[napi]
    pub async fn book(&self, id: String) -> napi::Result<String> {
        self.call(async move |engine: Engine, actor| engine.book(actor, id.parse()?).await)
            .await
    }

    /// A list of chapters.
    #[napi]
    pub async fn chapters(&self, book: String, text: bool) -> napi::Result<String> {
        self.call(async move |engine: Engine, actor| {
            engine.chapters(actor, book.parse()?, text).await
        })
        .await
    }

    /// `{book, chapters}`.
    #[napi]
    pub async fn edit_book(&self, edits: String) -> napi::Result<String> {
        self.call(async move |engine: Engine, actor| {
            let asked: Edits = from_json(&edits)?;
            engine
                .edit_book(actor, asked.book, asked.version, &asked.edits)
                .await
        })
        .await
    }

    /// Null.
    #[napi]
    pub async fn delete_book(&self, id: String) -> napi::Result<String> {
        self.call(async move |engine: Engine, actor| engine.delete_book(actor, id.parse()?).await)
            .await
    }

    /// A plan.
    #[napi]
    pub async fn plan(&self, spec: String) -> napi::Result<String> {
        self.call(async move |engine: Engine, actor| {
            engine.plan(actor, &from_json::<RunSpec>(&spec)?).await
        })
        .await
    }

    /// A run.
    #[napi]
    pub async fn start(&self, spec: String, key: Option<String>) -> napi::Result<String> {
        self.call(async move |engine: Engine, actor| {
            engine
                .start(actor, &from_json::<RunSpec>(&spec)?, key.as_deref())
                .await
                .map(|started| started.run)
        })
        .await
    }

    /// A run.
    #[napi]
    pub async fn run(&self, id: String) -> napi::Result<String> {
        self.call(async move |engine: Engine, actor| engine.run(actor, id.parse()?).await)
            .await
    }

    /// `{items, next}`.
    #[napi]
    pub async fn runs(
        &self,
        book: Option<String>,
        after: Option<String>,
        limit: u32,
    ) -> napi::Result<String> {
        self.call(async move |engine: Engine, actor| {
            let book = book.map(|book| book.parse()).transpose()?;
            let page = engine.runs(actor, book, after, limit).await?;
            Ok(json!({ "items": page.items, "next": page.next }))
        })
        .await
    }

    /// A run.
    #[napi]
    pub async fn cancel(&self, id: String) -> napi::Result<String> {
        self.call(async move |engine: Engine, actor| engine.cancel(actor, id.parse()?).await)
            .await
    }

    /// A run.
    #[napi]
    pub async fn resume(&self, id: String) -> napi::Result<String> {
        self.call(async move |engine: Engine, actor| engine.resume(actor, id.parse()?).await)
            .await
    }

    /// A run, once it is completed; rejects with the error of one that failed or was stopped.
    #[napi]
    pub async fn wait(&self, id: String) -> napi::Result<String> {
        self.call(async move |engine: Engine, actor| engine.wait(actor, id.parse()?).await)
            .await
    }

    /// A progress.
    #[napi]
    pub async fn progress(&self, run: String) -> napi::Result<String> {
        self.call(async move |engine: Engine, actor| engine.progress(actor, run.parse()?).await)
            .await
    }

    /// The progress of a run from a revision on, until it is final.
    #[napi]
    pub fn watch(&self, run: String, revision: i64) -> napi::Result<NativeWatch> {
        let watch = || {
            let run = run.parse::<RunId>()?;
            let revision = u64::try_from(revision).unwrap_or(0);
            self.with_open(|open| {
                let progress = open.engine.watch(self.actor, run, revision).boxed();
                NativeWatch::new(progress, open.closed.child_token())
            })
        };
        watch().map_err(|error: Error| to_js(&error))
    }

    /// A list of exports.
    #[napi]
    pub async fn exports(&self, run: String) -> napi::Result<String> {
        self.call(async move |engine: Engine, actor| engine.exports(actor, run.parse()?).await)
            .await
    }

    /// The bytes of an export.
    #[napi]
    pub async fn read_export(&self, id: String) -> napi::Result<NativeReader> {
        let read = async {
            let reader = self
                .engine()?
                .open_export(self.actor, id.parse()?, None)
                .await?;
            NativeReader::new(&reader.export, reader.object.body)
        };
        read.await.map_err(|error: Error| to_js(&error))
    }

    /// A list of `{name, capabilities}`.
    #[napi]
    pub async fn providers(&self) -> napi::Result<String> {
        self.call(async move |engine: Engine, _| {
            let describe = |provider: &Arc<
                dyn litink_core::provider::GenerationProvider,
            >| {
                json!({ "name": provider.name(), "capabilities": *provider.capabilities(None) })
            };
            Ok(engine.providers().iter().map(describe).collect::<Vec<_>>())
        })
        .await
    }

    /// Registers a provider that is written in JavaScript.
    #[napi]
    pub fn register_provider(
        &self,
        name: String,
        capabilities: String,
        call: Function<'_, Ask, Promise<Answer>>,
    ) -> napi::Result<()> {
        let engine = self.engine().map_err(|error| to_js(&error))?;
        let capabilities = from_json(&capabilities).map_err(|error| to_js(&error))?;
        let provider = JsProvider::new(name, capabilities, &call)?;
        engine.register_provider(Arc::new(provider));
        Ok(())
    }

    /// Closes the engine: its worker lets the steps in flight finish for this long, and gives back
    /// the rest. Closing it again does nothing.
    #[napi]
    pub async fn close(&self, grace_ms: u32) -> napi::Result<()> {
        let open = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(mut open) = open else { return Ok(()) };
        open.stop.cancel();
        let Some(mut worker) = open.worker.take() else {
            return Ok(());
        };
        let grace = Duration::from_millis(grace_ms.into());
        let ended = match tokio::time::timeout(grace, &mut worker).await {
            Ok(ended) => ended,
            Err(_) => {
                open.abandon.cancel();
                worker.await
            }
        };
        let ended = ended.unwrap_or_else(|error| {
            Err(Error::internal("the worker stopped; please report it").with_source(error))
        });
        ended.map_err(|error| to_js(&error))
    }
}

fn imported(imported: &Imported) -> Value {
    json!({ "book": imported.book, "existing": imported.existing })
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::internal("a value is JSON").with_source(error))
}

pub(crate) fn from_json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|error| Error::invalid("bad_argument", error.to_string()).with_source(error))
}
