//! The engine's calls.

use std::{path::PathBuf, sync::PoisonError, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use litink_core::{
    Actor, Error, LOCAL_USER, Result,
    editing::Edit,
    engine::{Engine, ImportOptions, Imported, RunSpec},
};
use pyo3::{IntoPyObjectExt, prelude::*, types::PyBytes};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    bridge::{self, LastLoop},
    convert, error,
    open::{self, Open},
    provider::PyProvider,
    runtime, save,
    watch::NativeWatch,
};

/// An open engine, in the name of a user: of the local one, unless another is asked for.
#[pyclass(frozen, name = "Engine", module = "litink._litink")]
pub(crate) struct NativeEngine {
    open: Open,
    last_loop: LastLoop,
    actor: Actor,
}

/// A value of the engine as Python's `None`, `dict`, `list`, ...
pub(crate) fn json(py: Python<'_>, value: &impl Serialize) -> PyResult<Py<PyAny>> {
    let value = serde_json::to_value(value).map_err(|error| {
        let error = Error::internal("a value of the engine is JSON").with_source(error);
        error::to_python(py, &error)
    })?;
    convert::to_python(py, &value).map(Bound::unbind)
}

fn imported(imported: Imported) -> Value {
    json!({ "book": imported.book, "existing": imported.existing })
}

fn spec(book: &str, recipe: String, options: &Bound<'_, PyAny>) -> Result<RunSpec> {
    let options = convert::from_python(options)?;
    Ok(RunSpec::audiobook(book.parse()?)
        .recipe(recipe)
        .options(options))
}

fn edited(edits: &Bound<'_, PyAny>) -> Result<Vec<Edit>> {
    let edits = convert::from_python(edits)?;
    serde_json::from_value(edits).map_err(|error| {
        let message = format!("an edit is not as it should be: {error}");
        Error::invalid("bad_argument", message).with_source(error)
    })
}

impl NativeEngine {
    /// Calls the engine and gives an awaitable for what it says, converted.
    fn call<'py, T, F>(
        &self,
        py: Python<'py>,
        work: impl FnOnce(Engine, Actor) -> F + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>>
    where
        T: Serialize + Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.call_as(py, work, |py, value| json(py, &value))
    }

    fn call_as<'py, T, F>(
        &self,
        py: Python<'py>,
        work: impl FnOnce(Engine, Actor) -> F + Send + 'static,
        convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (engine, actor) = (self.engine(py)?, self.actor);
        let open = self.open.clone();
        let work = async move { open.until_closed(work(engine, actor)).await };
        runtime::awaitable(py, work, convert)
    }

    /// The engine, and a note of the loop that uses it.
    fn engine(&self, py: Python<'_>) -> PyResult<Engine> {
        let engine = self
            .open
            .engine()
            .map_err(|error| error::to_python(py, &error))?;
        if let Some(running) = bridge::running(py) {
            *self
                .last_loop
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(running);
        }
        Ok(engine)
    }
}

#[pymethods]
impl NativeEngine {
    #[staticmethod]
    fn open<'py>(
        py: Python<'py>,
        settings: &Bound<'py, PyAny>,
        worker: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let raised = |error| error::to_python(py, &error);
        let given = match convert::from_python(settings).map_err(raised)? {
            Value::Object(settings) => Some(settings),
            _ => None,
        };
        let (_, exit) = runtime::current().map_err(raised)?;
        let work = async move { Open::new(open::settings(given), worker, exit).await };
        runtime::awaitable(py, work, |py, open| {
            Self {
                open,
                last_loop: LastLoop::default(),
                actor: Actor::User(LOCAL_USER),
            }
            .into_py_any(py)
        })
    }

    fn as_user(&self, py: Python<'_>, user: &str) -> PyResult<Self> {
        let user = user.parse().map_err(|error| error::to_python(py, &error))?;
        Ok(Self {
            open: self.open.clone(),
            last_loop: LastLoop::clone(&self.last_loop),
            actor: Actor::User(user),
        })
    }

    fn close<'py>(&self, py: Python<'py>, grace: f64) -> PyResult<Bound<'py, PyAny>> {
        let open = self.open.clone();
        let grace = Duration::try_from_secs_f64(grace).unwrap_or(Duration::ZERO);
        runtime::awaitable(py, async move { open.close(grace).await }, |py, ()| {
            Ok(py.None())
        })
    }

    fn import_file<'py>(&self, py: Python<'py>, path: PathBuf) -> PyResult<Bound<'py, PyAny>> {
        self.call(py, async move |engine, actor| {
            Ok(imported(engine.import_file(actor, &path).await?))
        })
    }

    fn import_bytes<'py>(
        &self,
        py: Python<'py>,
        name: String,
        data: &Bound<'py, PyBytes>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let bytes = Bytes::copy_from_slice(data.as_bytes());
        self.call(py, async move |engine, actor| {
            let body = futures::stream::once(async { Ok(bytes) }).boxed();
            Ok(imported(
                engine
                    .import(actor, body, ImportOptions::named(name))
                    .await?,
            ))
        })
    }

    fn books<'py>(
        &self,
        py: Python<'py>,
        after: Option<String>,
        limit: u32,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.call(py, async move |engine, actor| {
            let page = engine.books(actor, after, limit).await?;
            Ok(json!({ "items": page.items, "next": page.next }))
        })
    }

    fn book<'py>(&self, py: Python<'py>, id: String) -> PyResult<Bound<'py, PyAny>> {
        self.call(py, async move |engine, actor| {
            engine.book(actor, id.parse()?).await
        })
    }

    fn chapters<'py>(
        &self,
        py: Python<'py>,
        book: String,
        text: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.call(py, async move |engine, actor| {
            engine.chapters(actor, book.parse()?, text).await
        })
    }

    fn edit_book<'py>(
        &self,
        py: Python<'py>,
        id: String,
        version: u64,
        edits: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let edits = edited(edits).map_err(|error| error::to_python(py, &error))?;
        self.call(py, async move |engine, actor| {
            engine.edit_book(actor, id.parse()?, version, &edits).await
        })
    }

    fn delete_book<'py>(&self, py: Python<'py>, id: String) -> PyResult<Bound<'py, PyAny>> {
        self.call(py, async move |engine, actor| {
            engine.delete_book(actor, id.parse()?).await
        })
    }

    fn plan<'py>(
        &self,
        py: Python<'py>,
        book: &str,
        recipe: String,
        options: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let spec = spec(book, recipe, options).map_err(|error| error::to_python(py, &error))?;
        self.call(py, async move |engine, actor| {
            engine.plan(actor, &spec).await
        })
    }

    fn start<'py>(
        &self,
        py: Python<'py>,
        book: &str,
        recipe: String,
        options: &Bound<'py, PyAny>,
        idempotency_key: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let spec = spec(book, recipe, options).map_err(|error| error::to_python(py, &error))?;
        self.call(py, async move |engine, actor| {
            let started = engine.start(actor, &spec, idempotency_key.as_deref());
            started.await.map(|started| started.run)
        })
    }

    fn run<'py>(&self, py: Python<'py>, id: String) -> PyResult<Bound<'py, PyAny>> {
        self.call(py, async move |engine, actor| {
            engine.run(actor, id.parse()?).await
        })
    }

    fn runs<'py>(
        &self,
        py: Python<'py>,
        book: Option<String>,
        after: Option<String>,
        limit: u32,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.call(py, async move |engine, actor| {
            let book = book.map(|book| book.parse()).transpose()?;
            let page = engine.runs(actor, book, after, limit).await?;
            Ok(json!({ "items": page.items, "next": page.next }))
        })
    }

    fn cancel<'py>(&self, py: Python<'py>, id: String) -> PyResult<Bound<'py, PyAny>> {
        self.call(py, async move |engine, actor| {
            engine.cancel(actor, id.parse()?).await
        })
    }

    fn resume<'py>(&self, py: Python<'py>, id: String) -> PyResult<Bound<'py, PyAny>> {
        self.call(py, async move |engine, actor| {
            engine.resume(actor, id.parse()?).await
        })
    }

    fn wait<'py>(&self, py: Python<'py>, id: String) -> PyResult<Bound<'py, PyAny>> {
        self.call(py, async move |engine, actor| {
            engine.wait(actor, id.parse()?).await
        })
    }

    fn progress<'py>(&self, py: Python<'py>, id: String) -> PyResult<Bound<'py, PyAny>> {
        self.call(py, async move |engine, actor| {
            engine.progress(actor, id.parse()?).await
        })
    }

    fn watch(&self, py: Python<'_>, id: &str, revision: u64) -> PyResult<NativeWatch> {
        let engine = self.engine(py)?;
        let id = id.parse().map_err(|error| error::to_python(py, &error))?;
        Ok(NativeWatch::new(
            self.open.clone(),
            engine.watch(self.actor, id, revision).boxed(),
        ))
    }

    fn exports<'py>(&self, py: Python<'py>, run: String) -> PyResult<Bound<'py, PyAny>> {
        self.call(py, async move |engine, actor| {
            engine.exports(actor, run.parse()?).await
        })
    }

    fn save<'py>(
        &self,
        py: Python<'py>,
        export: String,
        folder: PathBuf,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.call_as(
            py,
            async move |engine, actor| save::save(&engine, actor, export.parse()?, folder).await,
            |py, path| path.into_py_any(py),
        )
    }

    fn read<'py>(&self, py: Python<'py>, export: String) -> PyResult<Bound<'py, PyAny>> {
        self.call_as(
            py,
            async move |engine, actor| save::read(&engine, actor, export.parse()?).await,
            |py, bytes| PyBytes::new(py, &bytes).into_py_any(py),
        )
    }

    fn providers(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let providers = self.engine(py)?.providers();
        let listed: Vec<_> = providers
            .iter()
            .map(|provider| {
                json!({ "name": provider.name(), "capabilities": *provider.capabilities(None) })
            })
            .collect();
        json(py, &listed)
    }

    fn register_provider(&self, py: Python<'_>, provider: &Bound<'_, PyAny>) -> PyResult<()> {
        let engine = self.engine(py)?;
        let provider = PyProvider::new(provider, self.last_loop.clone())
            .map_err(|error| error::to_python(py, &error))?;
        engine.register_provider(std::sync::Arc::new(provider));
        Ok(())
    }
}
