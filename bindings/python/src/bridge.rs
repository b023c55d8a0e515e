//! From a coroutine on somebody's event loop to a future that cancels it when dropped.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use pyo3::{exceptions::PyRuntimeError, intern, prelude::*, types::PyDict};
use pyo3_async_runtimes::TaskLocals;
use tokio::{runtime::Handle, sync::oneshot};

type Outcome = PyResult<Py<PyAny>>;

/// Where coroutines of a provider may run.
#[derive(Clone)]
pub(crate) struct Loops {
    /// The loop and context variables of whoever registered the provider, if there was a loop.
    registered: Option<TaskLocals>,
    /// The loop that used the engine last.
    last: LastLoop,
}

/// The loop that used an engine last: after a second `asyncio.run` it is another one.
pub(crate) type LastLoop = Arc<Mutex<Option<TaskLocals>>>;

impl fmt::Debug for Loops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Loops")
    }
}

/// The running loop with a copy of the context, if one is running in this thread.
pub(crate) fn running(py: Python<'_>) -> Option<TaskLocals> {
    TaskLocals::with_running_loop(py)
        .and_then(|locals| locals.copy_context(py))
        .ok()
}

impl Loops {
    /// For a provider that is being registered.
    pub(crate) fn new(py: Python<'_>, last: LastLoop) -> Self {
        Self {
            registered: running(py),
            last,
        }
    }

    /// The first that is running: where it was registered, where the engine was used last, or a
    /// loop of litink's own. One that is open but not running would keep a call waiting for ever.
    fn choose(&self, py: Python<'_>) -> PyResult<TaskLocals> {
        let last = self
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for locals in [self.registered.clone(), last].into_iter().flatten() {
            let running = locals
                .event_loop(py)
                .call_method0(intern!(py, "is_running"));
            if running.is_ok_and(|running| running.is_truthy().unwrap_or(false)) {
                return Ok(locals);
            }
        }
        let own = py
            .import(intern!(py, "litink._loop"))?
            .call_method0(intern!(py, "running"))?;
        TaskLocals::new(own).copy_context(py)
    }

    /// Makes a task of an awaitable, on the thread of the loop that it is for.
    pub(crate) fn begin(
        &self,
        py: Python<'_>,
        awaitable: Bound<'_, PyAny>,
    ) -> PyResult<TaskFuture> {
        let locals = self.choose(py)?;
        let (done, outcome) = oneshot::channel();
        let slot = Arc::new(Mutex::new(Slot::default()));
        let begin = Begin(Mutex::new(Some((awaitable.unbind(), done))), slot.clone());
        soon(py, &locals, Bound::new(py, begin)?.into_any())?;
        Ok(TaskFuture {
            outcome,
            slot,
            locals,
            finished: false,
        })
    }
}

fn soon(py: Python<'_>, locals: &TaskLocals, call: Bound<'_, PyAny>) -> PyResult<()> {
    let context = PyDict::new(py);
    context.set_item(intern!(py, "context"), locals.context(py))?;
    let name = intern!(py, "call_soon_threadsafe");
    locals
        .event_loop(py)
        .call_method(name, (call,), Some(&context))
        .map(drop)
}

#[derive(Default)]
struct Slot {
    task: Option<Py<PyAny>>,
    dropped: bool,
}

type Given = (Py<PyAny>, oneshot::Sender<Outcome>);

/// Called on the loop's thread: makes the task there.
#[pyclass(frozen)]
struct Begin(Mutex<Option<Given>>, Arc<Mutex<Slot>>);

#[pymethods]
impl Begin {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let given = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((awaitable, done)) = given else {
            return Ok(());
        };
        if self
            .1
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .dropped
        {
            // Nobody waits any more. A coroutine that never began must be told, or Python warns.
            let _ = awaitable.call_method0(py, intern!(py, "close"));
            return Ok(());
        }
        let asyncio = py.import(intern!(py, "asyncio"))?;
        let task = match asyncio.call_method1(intern!(py, "ensure_future"), (awaitable,)) {
            Ok(task) => task,
            Err(error) => {
                let _ = done.send(Err(error));
                return Ok(());
            }
        };
        self.1.lock().unwrap_or_else(PoisonError::into_inner).task = Some(task.clone().unbind());
        let done = Done(Mutex::new(Some(done)));
        task.call_method1(intern!(py, "add_done_callback"), (done,))
            .map(drop)
    }
}

/// Called when the task is over.
#[pyclass(frozen)]
struct Done(Mutex<Option<oneshot::Sender<Outcome>>>);

#[pymethods]
impl Done {
    fn __call__(&self, py: Python<'_>, task: &Bound<'_, PyAny>) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let outcome = task.call_method0(intern!(py, "result")).map(Bound::unbind);
        if let Some(sender) = sender {
            // Nobody waits for what was dropped.
            let _ = sender.send(outcome);
        }
    }
}

/// A task of an event loop as a future. Dropped before its end, it cancels the task.
pub(crate) struct TaskFuture {
    outcome: oneshot::Receiver<Outcome>,
    slot: Arc<Mutex<Slot>>,
    locals: TaskLocals,
    finished: bool,
}

impl Future for TaskFuture {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let polled = Pin::new(&mut self.outcome).poll(cx);
        polled.map(|outcome| {
            self.finished = true;
            outcome.unwrap_or_else(|_| {
                Err(PyRuntimeError::new_err(
                    "the event loop ended before the provider's call",
                ))
            })
        })
    }
}

impl Drop for TaskFuture {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let task = {
            let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
            slot.dropped = true;
            slot.task.take()
        };
        let (Some(task), Ok(handle)) = (task, Handle::try_current()) else {
            return;
        };
        let locals = self.locals.clone();
        // Whoever drops is a worker of the runtime, which must not wait for the interpreter.
        handle.spawn_blocking(move || {
            Python::try_attach(|py| {
                // A loop that is closed has ended its tasks.
                let _ = task
                    .bind(py)
                    .getattr(intern!(py, "cancel"))
                    .and_then(|cancel| soon(py, &locals, cancel));
            })
        });
    }
}
