//! What a provider is told besides the request.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use litink_core::{
    Error, ErrorKind, Result,
    provider::{CallContext, MediaBody, MediaRef, MediaSource},
};
use pyo3::{prelude::*, types::PyBytes};

use crate::{convert, error, runtime};

/// Stored media are read whole; a book's picture or a chapter's audio stays far below this.
const MAX_MEDIA_BYTES: usize = 1 << 30;

/// The circumstances of a call.
#[pyclass(frozen, name = "CallContext", module = "litink")]
pub(crate) struct PyCallContext(CallContext);

impl PyCallContext {
    pub(crate) fn new(context: CallContext) -> Self {
        Self(context)
    }

    fn media(&self, reference: &Bound<'_, PyAny>) -> Result<(Arc<dyn MediaSource>, MediaRef)> {
        let none = || Error::new(ErrorKind::Unsupported, "this call has no stored media");
        let source = self.0.media.clone().ok_or_else(none)?;
        let reference = serde_json::from_value(convert::from_python(reference)?).map_err(|_| {
            Error::invalid(
                "bad_media",
                "this is no reference to media out of a request",
            )
        })?;
        Ok((source, reference))
    }
}

#[pymethods]
impl PyCallContext {
    /// The id of the generation.
    #[getter]
    fn generation(&self) -> String {
        self.0.generation.to_string()
    }

    /// 1 for the first call.
    #[getter]
    fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// Seconds after which the call is given up.
    #[getter]
    fn timeout(&self) -> f64 {
        self.0.timeout.as_secs_f64()
    }

    /// Whether the run was cancelled.
    #[getter]
    fn cancelled(&self) -> bool {
        self.0.cancel.is_cancelled()
    }

    /// Stored media that the request refers to.
    fn read_media<'py>(
        &self,
        py: Python<'py>,
        reference: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (source, reference) = self
            .media(reference)
            .map_err(|error| error::to_python(py, &error))?;
        let work = async move { gathered(&*source, &reference).await };
        runtime::awaitable(py, work, |py, bytes| {
            Ok(PyBytes::new(py, &bytes).into_any().unbind())
        })
    }

    /// The same for a plain method, which waits in its own thread.
    fn read_media_blocking<'py>(
        &self,
        py: Python<'py>,
        reference: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let read = || {
            let (source, reference) = self.media(reference)?;
            let (handle, _) = runtime::current()?;
            py.detach(|| handle.block_on(gathered(&*source, &reference)))
        };
        read()
            .map(|bytes| PyBytes::new(py, &bytes))
            .map_err(|error| error::to_python(py, &error))
    }
}

async fn gathered(source: &dyn MediaSource, reference: &MediaRef) -> Result<Bytes> {
    let mut stream = match source.open(reference).await?.body {
        MediaBody::Bytes(bytes) => return Ok(bytes),
        MediaBody::Stream(stream) => stream,
    };
    let mut all = BytesMut::new();
    while let Some(chunk) = stream.try_next().await? {
        if all.len() + chunk.len() > MAX_MEDIA_BYTES {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                "these media are too large to read whole",
            )
            .with_context("limit_bytes", MAX_MEDIA_BYTES));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}
