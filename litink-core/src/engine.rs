//! The engine: books in, runs of recipes, workers that execute them, files out.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use crate::{
    Error, ErrorKind, Result, RunId,
    backend::{Connected, Given},
    cache::{Cache, MemoryCache},
    encoder::{AudioEncoder, AudioFormat, WavEncoder},
    events::{Events, MemoryEvents},
    ingest,
    ocr::Ocr,
    provider::GenerationProvider,
    queue::{MemoryQueue, Queue},
    recipe::{Recipe, audiobook::Audiobook},
    repository::{MemoryRepository, Repository},
    storage::{MemoryStorage, Storage},
};

mod books;
mod budgets;
mod calls;
mod context;
mod editing;
mod exports;
mod generate;
mod progress;
mod quote;
mod runs;
mod schedules;
mod scope;
mod steps;
mod sweep;
mod transfer;
mod usage;
mod worker;

pub use books::{ImportOptions, Imported};
pub use budgets::Budgets;
pub use context::StepContext;
pub use editing::Edited;
pub use exports::ExportReader;
pub use generate::{Asset, Made, StoredMedia};
pub use progress::{ChapterProgress, Progress};
pub use quote::{Quote, QuoteLine};
pub use runs::{RunSpec, Started};
pub use schedules::{ScheduleChange, ScheduleSpec, Scheduler, SchedulerOptions};
pub use transfer::Carried;
pub use usage::{UsageBy, UsageLine, UsageQuery};
pub use worker::{Worker, WorkerOptions};

/// The engine. Cloning it is cheap and shares everything.
///
/// All of its state stands in the backends, so any number of engines, in any number of processes
/// and languages, may work on the same ones.
#[derive(Clone, Debug)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    repository: Arc<dyn Repository>,
    storage: Arc<dyn Storage>,
    queue: Arc<dyn Queue>,
    cache: Arc<dyn Cache>,
    events: Arc<dyn Events>,
    backends: Vec<Connected>,
    encoders: Vec<Arc<dyn AudioEncoder>>,
    ocr: Option<Arc<dyn Ocr>>,
    recipes: Vec<Arc<dyn Recipe>>,
    providers: RwLock<BTreeMap<String, Arc<dyn GenerationProvider>>>,
    calls: calls::Calls,
    budgets: budgets::Seen,
    /// Why runs failed in this process, with the causes that rows cannot keep (an exception of
    /// Python, say), until somebody asks.
    failures: Mutex<HashMap<RunId, Error>>,
    options: EngineOptions,
}

impl Inner {
    fn given(&self) -> [Given; 5] {
        [
            Given::Repository(Arc::clone(&self.repository)),
            Given::Storage(Arc::clone(&self.storage)),
            Given::Queue(Arc::clone(&self.queue)),
            Given::Cache(Arc::clone(&self.cache)),
            Given::Events(Arc::clone(&self.events)),
        ]
    }
}

/// Settings of an engine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EngineOptions {
    /// What a book file may be; see there.
    pub limits: ingest::Limits,
    /// A call of a provider is given up after this. Default 10 minutes, longer than the longest
    /// synchronous call of any vendor (a film is an operation, and polled).
    ///
    /// What a reply streams may take longer, but not stall for so long.
    pub call_timeout: Duration,
    /// What a vendor works on after it answered (a film) is given up after this, counted from that
    /// answer. Default 24 hours, the time in which batches of every vendor are finished or expired.
    pub operation_timeout: Duration,
    /// Executions of a step that may fail before its run does. Default 5: with pauses of 1, 2, 4
    /// and 8 seconds that outlasts most of a vendor's hiccups.
    pub max_attempts: u32,
    /// The first pause after a failure; it doubles each time, up to five minutes. Default 1 s.
    pub backoff: Duration,
    /// What calls may cost. Default: no limits.
    pub budgets: Budgets,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            limits: ingest::Limits::default(),
            call_timeout: Duration::from_secs(600),
            operation_timeout: Duration::from_secs(24 * 3600),
            max_attempts: 5,
            backoff: Duration::from_secs(1),
            budgets: Budgets::default(),
        }
    }
}

/// Puts an engine together. What is not given is in memory.
#[derive(Debug)]
pub struct EngineBuilder {
    inner: Inner,
}

impl Engine {
    /// Begins to put an engine together.
    #[must_use]
    pub fn builder() -> EngineBuilder {
        EngineBuilder {
            inner: Inner {
                repository: Arc::new(MemoryRepository::default()),
                storage: Arc::new(MemoryStorage::default()),
                queue: Arc::new(MemoryQueue::default()),
                cache: Arc::new(MemoryCache::default()),
                events: Arc::new(MemoryEvents::default()),
                backends: Vec::new(),
                encoders: vec![Arc::new(WavEncoder)],
                ocr: None,
                recipes: vec![Arc::new(Audiobook)],
                providers: RwLock::default(),
                calls: calls::Calls::default(),
                budgets: budgets::Seen::default(),
                failures: Mutex::default(),
                options: EngineOptions::default(),
            },
        }
    }

    /// The rows.
    #[must_use]
    pub fn repository(&self) -> &Arc<dyn Repository> {
        &self.inner.repository
    }

    /// The bytes.
    #[must_use]
    pub fn storage(&self) -> &dyn Storage {
        &*self.inner.storage
    }

    /// The jobs.
    #[must_use]
    pub fn queue(&self) -> &Arc<dyn Queue> {
        &self.inner.queue
    }

    /// The values that may be forgotten.
    #[must_use]
    pub fn cache(&self) -> &Arc<dyn Cache> {
        &self.inner.cache
    }

    /// The hints.
    #[must_use]
    pub fn events(&self) -> &dyn Events {
        &*self.inner.events
    }

    /// The systems that fulfil these contracts, for those who run them. Every contract is fulfilled
    /// by one; what was given without a [`Backend`](crate::backend::Backend) is asked through its
    /// contract.
    #[must_use]
    pub fn backends(&self) -> &[Connected] {
        &self.inner.backends
    }

    /// The settings.
    #[must_use]
    pub fn options(&self) -> &EngineOptions {
        &self.inner.options
    }

    /// Registers a provider under its name, in the place of another of that name. Works on a
    /// running engine.
    pub fn register_provider(&self, provider: Arc<dyn GenerationProvider>) {
        let name = provider.name().to_owned();
        self.inner
            .providers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, provider);
    }

    /// The provider of this name.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] (code `unknown_provider`), naming those there are.
    pub fn provider(&self, name: &str) -> Result<Arc<dyn GenerationProvider>> {
        let providers = self.providers();
        providers
            .iter()
            .find(|provider| provider.name() == name)
            .cloned()
            .ok_or_else(|| {
                let names: Vec<_> = providers.iter().map(|provider| provider.name()).collect();
                Error::new(
                    ErrorKind::NotFound,
                    format!("there is no provider `{name}`"),
                )
                .with_code("unknown_provider")
                .with_context("registered", names.join(", "))
            })
    }

    /// Every registered provider, by name.
    #[must_use]
    pub fn providers(&self) -> Vec<Arc<dyn GenerationProvider>> {
        self.inner
            .providers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// The encoder for a format.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `no_encoder`).
    pub fn encoder(&self, format: AudioFormat) -> Result<&dyn AudioEncoder> {
        let encoder = self
            .inner
            .encoders
            .iter()
            .find(|e| e.formats().contains(&format));
        encoder.map(|encoder| &**encoder).ok_or_else(|| {
            Error::new(
                ErrorKind::Configuration,
                "no encoder for this format; install the Debian package `ffmpeg`, or ask for `wav`",
            )
            .with_code("no_encoder")
            .with_context("format", format)
        })
    }

    /// The recipe of this name.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] (code `unknown_recipe`), naming those there are.
    pub fn recipe(&self, name: &str) -> Result<&dyn Recipe> {
        let recipe = self
            .inner
            .recipes
            .iter()
            .find(|recipe| recipe.name() == name);
        recipe.map(|recipe| &**recipe).ok_or_else(|| {
            let names: Vec<_> = self
                .inner
                .recipes
                .iter()
                .map(|recipe| recipe.name())
                .collect();
            Error::new(ErrorKind::NotFound, format!("there is no recipe `{name}`"))
                .with_code("unknown_recipe")
                .with_context("recipes", names.join(", "))
        })
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Error>> {
        self.inner
            .failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn step_kinds(&self) -> Vec<String> {
        let own = schedules::KINDS.iter().map(|kind| (*kind).to_owned());
        self.inner
            .recipes
            .iter()
            .flat_map(|recipe| {
                recipe
                    .kinds()
                    .iter()
                    .map(|kind| format!("{}.{kind}", recipe.name()))
            })
            .chain(own)
            .collect()
    }
}

impl EngineBuilder {
    /// Where rows are kept.
    #[must_use]
    pub fn repository(mut self, repository: Arc<dyn Repository>) -> Self {
        self.inner.repository = repository;
        self
    }

    /// Where bytes are kept.
    #[must_use]
    pub fn storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.inner.storage = storage;
        self
    }

    /// Where jobs are kept.
    #[must_use]
    pub fn queue(mut self, queue: Arc<dyn Queue>) -> Self {
        self.inner.queue = queue;
        self
    }

    /// Where values are kept that may be forgotten.
    #[must_use]
    pub fn cache(mut self, cache: Arc<dyn Cache>) -> Self {
        self.inner.cache = cache;
        self
    }

    /// How hints travel.
    #[must_use]
    pub fn events(mut self, events: Arc<dyn Events>) -> Self {
        self.inner.events = events;
        self
    }

    /// Says which system fulfils contracts that were given, for those who run it.
    #[must_use]
    pub fn backend(mut self, backend: Connected) -> Self {
        self.inner.backends.push(backend);
        self
    }

    /// Adds an encoder; the first that has a format serves it. WAV is built in.
    #[must_use]
    pub fn encoder(mut self, encoder: Arc<dyn AudioEncoder>) -> Self {
        self.inner.encoders.push(encoder);
        self
    }

    /// Has the pages of scanned books read. Without, a scan is refused (`no_text_layer`).
    #[must_use]
    pub fn ocr(mut self, ocr: Arc<dyn Ocr>) -> Self {
        self.inner.ocr = Some(ocr);
        self
    }

    /// Adds a recipe. `audiobook` is built in.
    #[must_use]
    pub fn recipe(mut self, recipe: Arc<dyn Recipe>) -> Self {
        self.inner.recipes.push(recipe);
        self
    }

    /// Registers a provider.
    #[must_use]
    pub fn provider(mut self, provider: Arc<dyn GenerationProvider>) -> Self {
        let providers = self.inner.providers.get_mut();
        let providers = providers.unwrap_or_else(PoisonError::into_inner);
        providers.insert(provider.name().to_owned(), provider);
        self
    }

    /// Settings.
    #[must_use]
    pub fn options(mut self, options: EngineOptions) -> Self {
        self.inner.options = options;
        self
    }

    /// The engine.
    #[must_use]
    pub fn build(mut self) -> Engine {
        // The one way to rows and bytes: what goes beyond users is said on it.
        self.inner.repository = Arc::new(scope::Said(self.inner.repository));
        self.inner.storage = Arc::new(scope::Said(self.inner.storage));
        for given in self.inner.given() {
            let contract = given.contract();
            let named = |it: &Connected| it.contracts.contains(&contract);
            if !self.inner.backends.iter().any(named) {
                let backend = Connected::new([contract], Arc::new(given));
                self.inner.backends.push(backend);
            }
        }
        Engine {
            inner: Arc::new(self.inner),
        }
    }
}
