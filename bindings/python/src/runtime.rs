//! The one runtime of the process: made when first needed, made anew after a fork, ended at exit.

use std::{
    cell::OnceCell,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use litink_core::{Error, ErrorKind, Result};
use pyo3::prelude::*;
use pyo3_async_runtimes::{
    TaskLocals,
    generic::{self, ContextExt, JoinError},
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// How long the exit of the interpreter waits for what is in flight.
const EXIT_GRACE: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Current {
    pid: u32,
    runtime: Runtime,
    stop: CancellationToken,
}

/// Only ever locked for a moment by a thread that holds the interpreter, so that `os.fork` never
/// copies it locked.
static CURRENT: Mutex<Option<Current>> = Mutex::new(None);

fn with_current<T>(read: impl FnOnce(&Current) -> T) -> Result<T> {
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    let pid = std::process::id();
    if let Some(parents) = current.take_if(|current| current.pid != pid) {
        // Its threads stayed behind in the parent; waiting for them would take for ever.
        std::mem::forget(parents);
    }
    match &mut *current {
        Some(current) => Ok(read(current)),
        empty => Ok(read(empty.insert(start(pid)?))),
    }
}

fn start(pid: u32) -> Result<Current> {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .thread_name("litink")
        .build()
        .map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the system gives no more threads")
                .with_source(error)
        })?;
    Ok(Current {
        pid,
        runtime,
        stop: CancellationToken::new(),
    })
}

/// The runtime, and the token that fires when the process ends.
pub(crate) fn current() -> Result<(Handle, CancellationToken)> {
    with_current(|current| (current.runtime.handle().clone(), current.stop.clone()))
}

/// Stops every worker, waits a moment for them, and ends the runtime. Called at exit.
pub(crate) fn shut_down(py: Python<'_>) {
    let current = CURRENT
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some(current) = current else { return };
    if current.pid != std::process::id() {
        std::mem::forget(current);
        return;
    }
    current.stop.cancel();
    // Without the interpreter: what ends may need it to end.
    py.detach(|| current.runtime.shutdown_timeout(EXIT_GRACE));
}

type Convert = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// A result on its way to Python, converted where the interpreter may be held.
struct Answer(Result<Convert>);

impl<'py> IntoPyObject<'py> for Answer {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        match self.0 {
            Ok(convert) => convert(py).map(|object| object.into_bound(py)),
            Err(error) => Err(super::error::to_python(py, &error)),
        }
    }
}

/// Begins work on the runtime and gives an awaitable for it, bound to the loop that is running now.
/// Cancelling the awaitable drops the work.
pub(crate) fn awaitable<'py, T, C>(
    py: Python<'py>,
    work: impl Future<Output = Result<T>> + Send + 'static,
    convert: C,
) -> PyResult<Bound<'py, PyAny>>
where
    T: Send + 'static,
    C: FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
{
    current().map_err(|error| super::error::to_python(py, &error))?;
    generic::future_into_py::<Tokio, _, _>(py, async move {
        let result = work.await;
        Ok(Answer(result.map(|value| {
            Box::new(move |py: Python<'_>| convert(py, value)) as Convert
        })))
    })
}

/// The runtime, as the bridge to asyncio wants it.
struct Tokio;

struct Panic(tokio::task::JoinError);

impl JoinError for Panic {
    fn is_panic(&self) -> bool {
        self.0.is_panic()
    }

    fn into_panic(self) -> Box<dyn std::any::Any + Send + 'static> {
        self.0.into_panic()
    }
}

struct Handled(JoinHandle<()>);

impl Future for Handled {
    type Output = Result<(), Panic>;

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(Panic)
    }
}

tokio::task_local! {
    static LOCALS: OnceCell<TaskLocals>;
}

/// Inside the runtime its own handle; outside, with the interpreter held, the current one.
fn handle() -> Handle {
    Handle::try_current().unwrap_or_else(|_| match current() {
        Ok((handle, _)) => handle,
        Err(error) => unreachable!("`awaitable` found the runtime: {error}"),
    })
}

impl generic::Runtime for Tokio {
    type JoinError = Panic;
    type JoinHandle = Handled;

    fn spawn<F>(fut: F) -> Handled
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Handled(handle().spawn(fut))
    }

    fn spawn_blocking<F>(f: F) -> Handled
    where
        F: FnOnce() + Send + 'static,
    {
        Handled(handle().spawn_blocking(f))
    }
}

impl ContextExt for Tokio {
    fn scope<F, R>(locals: TaskLocals, fut: F) -> Pin<Box<dyn Future<Output = R> + Send>>
    where
        F: Future<Output = R> + Send + 'static,
    {
        let cell = OnceCell::from(locals);
        Box::pin(LOCALS.scope(cell, fut))
    }

    fn get_task_locals() -> Option<TaskLocals> {
        LOCALS.try_with(|cell| cell.get().cloned()).ok().flatten()
    }
}
