//! A provider written in Python.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use litink_core::{
    Error, ErrorKind, Result,
    provider::{
        CallContext, GenerationProvider, Modality, Operation, ProviderCapabilities, Reply, Request,
    },
};
use pyo3::{exceptions::PyAttributeError, intern, prelude::*};
use serde::Serialize;
use tokio::task::spawn_blocking;

use crate::{
    bridge::{LastLoop, Loops, TaskFuture},
    context::PyCallContext,
    convert, error, reply,
};

/// Any object with `name`, `capabilities` and `generate`, and maybe `poll` and `cancel`.
pub(crate) struct PyProvider {
    name: String,
    capabilities: Arc<ProviderCapabilities>,
    object: Arc<Py<PyAny>>,
    loops: Loops,
    polls: bool,
    cancels: bool,
}

impl fmt::Debug for PyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PyProvider")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What calling a method of the object gave.
enum Called {
    Done(Py<PyAny>),
    Task(TaskFuture),
}

impl PyProvider {
    /// Reads what an object says of itself, once.
    ///
    /// # Errors
    /// Code `bad_provider`, naming what it lacks.
    pub(crate) fn new(object: &Bound<'_, PyAny>, last: LastLoop) -> Result<Self> {
        let py = object.py();
        let name: String = said(object, "name")?
            .extract()
            .map_err(|_| bad("`name` is a string"))?;
        let capabilities = convert::from_python(&said(object, "capabilities")?)?;
        let capabilities = serde_json::from_value(capabilities)
            .map_err(|error| bad("`capabilities` does not fit").with_context("reason", error))?;
        let has = |method: &str| {
            object
                .getattr(method)
                .is_ok_and(|method| method.is_callable())
        };
        if name.is_empty() || !has("generate") {
            return Err(bad("it needs a `name` and a method `generate`"));
        }
        Ok(Self {
            name,
            capabilities: Arc::new(capabilities),
            object: Arc::new(object.clone().unbind()),
            loops: Loops::new(py, last),
            polls: has("poll"),
            cancels: has("cancel"),
        })
    }

    async fn call<T: Serialize>(
        &self,
        method: &'static str,
        given: &T,
        context: &CallContext,
    ) -> Result<Py<PyAny>> {
        let given = serde_json::to_value(given)
            .map_err(|error| Error::internal("a request is JSON").with_source(error))?;
        let (object, loops, context) = (self.object.clone(), self.loops.clone(), context.clone());
        let cancel = context.cancel.clone();
        // The method may be a plain one, and take its time: never on a worker of the runtime.
        let called = attached(move |py| {
            let given = convert::to_python(py, &given)?;
            let context = Bound::new(py, PyCallContext::new(context))?;
            let answer = object.bind(py).call_method1(method, (given, context))?;
            let awaits = py
                .import(intern!(py, "inspect"))?
                .call_method1(intern!(py, "isawaitable"), (&answer,))?;
            Ok(if awaits.is_truthy()? {
                Called::Task(loops.begin(py, answer)?)
            } else {
                Called::Done(answer.unbind())
            })
        })
        .await?;
        let outcome = match called {
            Ok(Called::Done(answer)) => Ok(answer),
            Ok(Called::Task(task)) => task.await,
            Err(raised) => Err(raised),
        };
        match outcome {
            Ok(answer) => Ok(answer),
            Err(raised) => {
                let stopped = cancel.is_cancelled();
                Err(attached(move |py| error::from_provider(py, raised, stopped)).await?)
            }
        }
    }

    async fn reply(&self, answer: Py<PyAny>, asked: Option<Modality>) -> Result<Reply> {
        let parsed = attached(move |py| reply::from_python(answer.bind(py), asked)).await?;
        parsed.map_err(|error| error.with_context("provider", &self.name))
    }
}

#[async_trait]
impl GenerationProvider for PyProvider {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self, _model: Option<&str>) -> Arc<ProviderCapabilities> {
        self.capabilities.clone()
    }

    async fn generate(&self, request: &Request, context: &CallContext) -> Result<Reply> {
        let answer = self.call("generate", request, context).await?;
        self.reply(answer, Some(request.modality())).await
    }

    async fn poll(&self, operation: &Operation, context: &CallContext) -> Result<Reply> {
        if !self.polls {
            return Err(Error::new(
                ErrorKind::Provider,
                "this provider has no `poll`, but an operation of its is pending",
            )
            .with_code("no_poll")
            .with_context("provider", &self.name));
        }
        let answer = self.call("poll", operation, context).await?;
        self.reply(answer, None).await
    }

    async fn cancel(&self, operation: &Operation, context: &CallContext) -> Result<()> {
        if self.cancels {
            self.call("cancel", operation, context).await?;
        }
        Ok(())
    }
}

/// Runs something with the interpreter held, off the runtime's workers.
async fn attached<T: Send + 'static>(
    work: impl FnOnce(Python<'_>) -> T + Send + 'static,
) -> Result<T> {
    let gone = || Error::new(ErrorKind::Cancelled, "the interpreter is ending");
    match spawn_blocking(move || Python::try_attach(work)).await {
        Ok(done) => done.ok_or_else(gone),
        Err(join) if join.is_panic() => {
            Err(Error::internal("the binding of Python panicked").with_source(join))
        }
        Err(_) => Err(gone()),
    }
}

/// An attribute, or what a method of that name gives.
fn said<'py>(object: &Bound<'py, PyAny>, name: &str) -> Result<Bound<'py, PyAny>> {
    let attribute = object.getattr(name);
    let value = attribute.and_then(|value| {
        if value.is_callable() {
            value.call0()
        } else {
            Ok(value)
        }
    });
    value.map_err(|raised| {
        let lacks = bad("a provider has `name`, `capabilities` and `generate`")
            .with_context("missing", name);
        if raised.is_instance_of::<PyAttributeError>(object.py()) {
            lacks
        } else {
            lacks.with_source(error::HostError(raised))
        }
    })
}

fn bad(message: &str) -> Error {
    Error::invalid("bad_provider", message)
}
