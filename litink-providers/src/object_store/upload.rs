use std::sync::Arc;

use bytes::Bytes;
use litink_core::Result;
use object_store::{
    Attributes, ObjectStore, PutMultipartOptions, PutOptions, PutPayloadMut, WriteMultipart,
    path::Path,
};

use super::error::{store_error, upload_error};

/// The size of a part: the least that S3 takes.
pub(super) const PART_BYTES: usize = 5 << 20;

/// So many parts are on their way while the next one fills: a store answers when it has kept a part,
/// and a line should not be idle for so long. Each is held in memory.
const PARTS_AT_ONCE: usize = 3;

/// An object on its way to the store: seen only once [`finish`](Upload::finish) is done. A small
/// one goes in one request, a large one in parts. Dropped before, it leaves nothing.
pub(super) struct Upload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    attributes: Attributes,
    small: PutPayloadMut,
    parts: Option<WriteMultipart>,
}

impl Upload {
    pub(super) fn new(store: Arc<dyn ObjectStore>, path: Path, attributes: Attributes) -> Self {
        Self {
            store,
            path,
            attributes,
            small: PutPayloadMut::new(),
            parts: None,
        }
    }

    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if let Some(parts) = &mut self.parts {
            parts
                .wait_for_capacity(PARTS_AT_ONCE)
                .await
                .map_err(upload_error)?;
            parts.put(bytes);
            return Ok(());
        }
        self.small.push(bytes);
        if self.small.content_length() >= PART_BYTES {
            self.begin_parts().await?;
        }
        Ok(())
    }

    async fn begin_parts(&mut self) -> Result<()> {
        let options = PutMultipartOptions::from(self.attributes.clone());
        let upload = self.store.put_multipart_opts(&self.path, options);
        let upload = upload.await.map_err(store_error)?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        for bytes in std::mem::take(&mut self.small).freeze() {
            parts.put(bytes);
        }
        self.parts = Some(parts);
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<()> {
        let finished = match self.parts.take() {
            Some(parts) => parts.finish().await,
            None => {
                let payload = std::mem::take(&mut self.small).freeze();
                let options = PutOptions::from(self.attributes.clone());
                self.store.put_opts(&self.path, payload, options).await
            }
        };
        finished.map(drop).map_err(upload_error)
    }

    /// Gives it up, and waits until what was stored of it is removed.
    pub(super) async fn abort(mut self) {
        if let Some(parts) = self.parts.take()
            && let Err(error) = parts.abort().await
        {
            tracing::warn!(%error, "parts of an aborted upload may be left in the storage");
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let runtime = tokio::runtime::Handle::try_current();
        if let (Some(parts), Ok(runtime)) = (self.parts.take(), runtime) {
            runtime.spawn(parts.abort());
        }
    }
}
