//! An engine with a worker, a recipe of one step, and a storage that fails when told.

use std::{
    fmt,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, future::BoxFuture};
use litink_core::{
    Actor, BookId, Error, LOCAL_USER, Result, RunId,
    domain::{Generation, Run, RunState, Step},
    engine::{
        Engine, EngineBuilder, EngineOptions, ImportOptions, RunSpec, StepContext, WorkerOptions,
    },
    provider::{ImageRequest, Request, SpeechRequest},
    recipe::{Plan, PlanInput, PlannedStep, Recipe, StepOutput},
    repository::{Page, Query, RepositoryExt},
    schema::Table,
    storage::{
        ByteStream, MemoryStorage, Object, ObjectMeta, PutOptions, Storage, StorageCapabilities,
        StorageKey,
    },
    testing::scripted::ScriptedProvider,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

pub(crate) const ACTOR: Actor = Actor::User(LOCAL_USER);

pub(crate) fn speech() -> Request {
    Request::new(SpeechRequest::new("It was a bright cold day."))
}

pub(crate) fn image() -> Request {
    let mut image = ImageRequest::default();
    image.prompt = "A clock".into();
    Request::new(image)
}

type Does = dyn Fn(StepContext) -> BoxFuture<'static, Result<StepOutput>> + Send + Sync;

/// A recipe of one step, which does this.
pub(crate) struct One(Box<Does>);

impl One {
    pub(crate) fn new<F>(does: impl Fn(StepContext) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<StepOutput>> + Send + 'static,
    {
        Self(Box::new(move |context| Box::pin(does(context))))
    }

    /// One call of the provider `vendor`.
    pub(crate) fn call(request: Request) -> Self {
        Self::new(move |context| {
            let request = request.clone();
            async move {
                let made = context.generate("vendor", &request).await?;
                StepOutput::new(json!({ "generation": made.id }))
            }
        })
    }
}

impl fmt::Debug for One {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("One")
    }
}

#[async_trait]
impl Recipe for One {
    fn name(&self) -> &'static str {
        "one"
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["make"]
    }

    fn options(&self, _given: &Value) -> Result<Value> {
        Ok(json!({}))
    }

    fn provider(&self, _options: &Value) -> Option<String> {
        None
    }

    fn plan(&self, _input: &PlanInput<'_>) -> Result<Plan> {
        let step = PlannedStep {
            key: "make".into(),
            kind: "make".into(),
            after: Vec::new(),
            chapter_id: None,
            weight: 1,
            input: Value::Null,
        };
        Ok(Plan {
            steps: vec![step],
            ..Plan::default()
        })
    }

    async fn execute(&self, _step: &Step, context: &StepContext) -> Result<StepOutput> {
        (self.0)(context.clone()).await
    }
}

/// A storage whose next puts fail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frail {
    inner: MemoryStorage,
    failures: Arc<Mutex<Vec<Error>>>,
}

impl Frail {
    pub(crate) fn fails_with(&self, errors: impl IntoIterator<Item = Error>) {
        self.failures.lock().unwrap().extend(errors);
    }
}

#[async_trait]
impl Storage for Frail {
    fn capabilities(&self) -> StorageCapabilities {
        self.inner.capabilities()
    }

    async fn put(
        &self,
        actor: Actor,
        key: &StorageKey,
        body: ByteStream,
        options: &PutOptions,
    ) -> Result<ObjectMeta> {
        // What is imported is no business of these tests.
        let media = !key.as_str().contains("/books/");
        let failure = media.then(|| self.failures.lock().unwrap().pop()).flatten();
        match failure {
            Some(error) => Err(error),
            None => self.inner.put(actor, key, body, options).await,
        }
    }

    async fn get(
        &self,
        actor: Actor,
        key: &StorageKey,
        range: Option<Range<u64>>,
    ) -> Result<Object> {
        self.inner.get(actor, key, range).await
    }

    async fn head(&self, actor: Actor, key: &StorageKey) -> Result<ObjectMeta> {
        self.inner.head(actor, key).await
    }

    async fn list(
        &self,
        actor: Actor,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<ObjectMeta>> {
        self.inner.list(actor, prefix, after, limit).await
    }

    async fn delete(&self, actor: Actor, key: &StorageKey) -> Result<()> {
        self.inner.delete(actor, key).await
    }

    async fn delete_prefix(&self, actor: Actor, prefix: &str) -> Result<u64> {
        self.inner.delete_prefix(actor, prefix).await
    }

    async fn signed_url(&self, actor: Actor, key: &StorageKey, valid: Duration) -> Result<Url> {
        self.inner.signed_url(actor, key, valid).await
    }
}

pub(crate) fn options() -> EngineOptions {
    let mut options = EngineOptions::default();
    options.call_timeout = Duration::from_millis(200);
    options.max_attempts = 2;
    options.backoff = Duration::from_millis(10);
    options
}

/// A worker of an engine.
pub(crate) struct Working {
    stop: CancellationToken,
    worker: JoinHandle<Result<()>>,
}

impl Working {
    pub(crate) fn begin(engine: &Engine) -> Self {
        let stop = CancellationToken::new();
        let worker = engine.worker(WorkerOptions::default());
        Self {
            worker: tokio::spawn(worker.run(stop.clone(), CancellationToken::new())),
            stop,
        }
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.worker.await.unwrap().unwrap();
    }
}

pub(crate) async fn import(engine: &Engine, actor: Actor, text: &'static str) -> BookId {
    let body = futures::stream::once(async move { Ok(text.into()) }).boxed();
    let imported = engine.import(actor, body, ImportOptions::named("book.txt"));
    imported.await.unwrap().book.id()
}

pub(crate) const TEXT: &str = "Chapter 1\n\nIt was a bright cold day. The clocks struck.\n";

/// An engine with a worker, and a provider that is registered as `vendor`.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) storage: Frail,
    working: Working,
}

impl Bench {
    pub(crate) fn new(provider: &ScriptedProvider, recipe: One) -> Self {
        Self::with(provider, recipe, options(), |builder| builder)
    }

    pub(crate) fn with(
        provider: &ScriptedProvider,
        recipe: One,
        options: EngineOptions,
        more: impl FnOnce(EngineBuilder) -> EngineBuilder,
    ) -> Self {
        let storage = Frail::default();
        let builder = Engine::builder()
            .storage(Arc::new(storage.clone()))
            .provider(Arc::new(provider.clone()))
            .recipe(Arc::new(recipe))
            .options(options);
        let engine = more(builder).build();
        Self {
            working: Working::begin(&engine),
            engine,
            storage,
        }
    }

    pub(crate) async fn start(&self) -> RunId {
        let book = import(&self.engine, ACTOR, TEXT).await;
        let spec = RunSpec::audiobook(book).recipe("one");
        let started = self.engine.start(ACTOR, &spec, None).await.unwrap();
        started.run.id()
    }

    async fn wait(&self, run: RunId) -> Result<Run> {
        let waited = self.engine.wait(ACTOR, run);
        let limit = Duration::from_secs(20);
        tokio::time::timeout(limit, waited).await.expect("it ends")
    }

    pub(crate) async fn completes(&self, run: RunId) {
        let run = self.wait(run).await.expect("it completes");
        assert_eq!(run.state, RunState::Completed);
    }

    pub(crate) async fn fails(&self, run: RunId, code: &str) -> Error {
        let error = self.wait(run).await.expect_err("it fails");
        assert_eq!(error.code(), code, "{error}");
        error
    }

    pub(crate) async fn resumes(&self, run: RunId) {
        self.engine.resume(ACTOR, run).await.unwrap();
        self.completes(run).await;
    }

    pub(crate) async fn row(&self) -> Generation {
        let query = Query::new(Table::Generations);
        let rows: Vec<Generation> = self
            .engine
            .repository()
            .all(Actor::Service, query)
            .await
            .unwrap();
        assert_eq!(rows.len(), 1);
        rows.into_iter().next().unwrap()
    }

    pub(crate) async fn end(self) {
        self.working.end().await;
    }
}

/// Until it is so.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, so: impl Fn() -> F) {
    let waits = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let limit = Duration::from_secs(20);
    assert!(tokio::time::timeout(limit, waits).await.is_ok(), "{what}");
}
