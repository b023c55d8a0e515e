//! Progress, event by event.

use std::sync::Arc;

use futures::{StreamExt, stream::BoxStream};
use litink_core::{Result, engine::Progress};
use pyo3::prelude::*;
use tokio::sync::Mutex;

use crate::{engine::json, open::Open, runtime};

/// A watched run.
#[pyclass(frozen, name = "Watch", module = "litink._litink")]
pub(crate) struct NativeWatch {
    open: Open,
    events: Arc<Mutex<BoxStream<'static, Result<Progress>>>>,
}

impl NativeWatch {
    pub(crate) fn new(open: Open, events: BoxStream<'static, Result<Progress>>) -> Self {
        Self {
            open,
            events: Arc::new(Mutex::new(events)),
        }
    }
}

#[pymethods]
impl NativeWatch {
    /// The next event; `None` after the last.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (open, events) = (self.open.clone(), self.events.clone());
        let work = async move {
            let next = async { events.lock().await.next().await.transpose() };
            open.until_closed(next).await
        };
        runtime::awaitable(py, work, |py, progress| json(py, &progress))
    }
}
