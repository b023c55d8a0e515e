//! What comes piece by piece: the facade makes async iterators of these.

use std::fmt;

use futures::{StreamExt, stream::BoxStream};
use litink_core::{Result, domain::Export, engine::Progress, storage::ByteStream};
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{engine::to_json, error::to_js};

/// The progress of a run.
#[napi]
pub struct NativeWatch {
    progress: Mutex<BoxStream<'static, Result<Progress>>>,
    closed: CancellationToken,
}

impl NativeWatch {
    pub(crate) fn new(
        progress: BoxStream<'static, Result<Progress>>,
        closed: CancellationToken,
    ) -> Self {
        Self {
            progress: Mutex::new(progress),
            closed,
        }
    }
}

impl fmt::Debug for NativeWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NativeWatch")
    }
}

#[napi]
impl NativeWatch {
    /// The next progress as JSON; null at the end and once closed.
    #[napi]
    pub async fn next(&self) -> napi::Result<Option<String>> {
        let next = async { self.progress.lock().await.next().await };
        let next = tokio::select! {
            biased;
            () = self.closed.cancelled() => None,
            next = next => next,
        };
        next.map(|progress| progress.and_then(|progress| to_json(&progress)))
            .transpose()
            .map_err(|error| to_js(&error))
    }

    /// Ends it, and a `next` that waits.
    #[napi]
    pub fn close(&self) {
        self.closed.cancel();
    }
}

/// The bytes of a finished file.
#[napi]
pub struct NativeReader {
    export: String,
    body: Mutex<ByteStream>,
}

impl NativeReader {
    pub(crate) fn new(export: &Export, body: ByteStream) -> Result<Self> {
        Ok(Self {
            export: to_json(export)?,
            body: Mutex::new(body),
        })
    }
}

impl fmt::Debug for NativeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NativeReader")
    }
}

#[napi]
impl NativeReader {
    /// What the file is, as JSON.
    #[napi(getter)]
    pub fn export(&self) -> String {
        self.export.clone()
    }

    /// The next piece; null at the end.
    #[napi]
    pub async fn next(&self) -> napi::Result<Option<Buffer>> {
        let next = self.body.lock().await.next().await;
        let next = next.transpose().map_err(|error| to_js(&error))?;
        Ok(next.map(|bytes| Buffer::from(Vec::from(bytes))))
    }
}
