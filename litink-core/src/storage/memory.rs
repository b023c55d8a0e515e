use std::{
    collections::BTreeMap,
    ops::{Bound, Range},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use url::Url;

use super::{
    ByteStream, Object, ObjectMeta, PutOptions, Storage, StorageCapabilities, StorageKey,
    clamp_range,
};
use crate::{Actor, Error, ErrorKind, Result, repository::Page};

/// Objects in this process's memory, gone with it. Clones share the store.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    objects: Arc<Mutex<BTreeMap<String, Stored>>>,
}

/// An object in the pieces in which it came.
#[derive(Clone)]
struct Stored {
    meta: ObjectMeta,
    pieces: Arc<[Bytes]>,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.meta.fmt(f)
    }
}

impl MemoryStorage {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Stored>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, actor: Actor, key: &StorageKey) -> Result<Stored> {
        self.objects()
            .get(key.as_str())
            .filter(|_| actor.may_access(key.owner()))
            .cloned()
            .ok_or_else(|| Error::not_found("object", key))
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    fn capabilities(&self) -> StorageCapabilities {
        StorageCapabilities::default()
    }

    async fn put(
        &self,
        actor: Actor,
        key: &StorageKey,
        body: ByteStream,
        options: &PutOptions,
    ) -> Result<ObjectMeta> {
        if !actor.may_access(key.owner()) {
            return Err(Error::new(
                ErrorKind::PermissionDenied,
                "a file can only be stored for its own owner",
            ));
        }
        let (pieces, bytes) = collect(body, options).await?;
        let meta = ObjectMeta {
            key: key.clone(),
            bytes,
            media_type: Some(options.media_type.clone()),
            modified_at: chrono::Utc::now(),
        };
        let stored = Stored {
            meta: meta.clone(),
            pieces: pieces.into(),
        };
        self.objects().insert(key.to_string(), stored);
        Ok(meta)
    }

    async fn get(
        &self,
        actor: Actor,
        key: &StorageKey,
        range: Option<Range<u64>>,
    ) -> Result<Object> {
        let Stored { meta, pieces } = self.find(actor, key)?;
        let range = clamp_range(range, meta.bytes)?;
        let pieces = cut(&pieces, &range);
        Ok(Object {
            meta,
            range,
            body: stream::iter(pieces.into_iter().map(Ok)).boxed(),
        })
    }

    async fn head(&self, actor: Actor, key: &StorageKey) -> Result<ObjectMeta> {
        self.find(actor, key).map(|stored| stored.meta)
    }

    async fn list(
        &self,
        actor: Actor,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<ObjectMeta>> {
        if !(1..=1_000).contains(&limit) {
            return Err(Error::invalid("bad_query", "the limit must be 1 to 1000"));
        }
        let prefix = prefix.trim_end_matches('/');
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let objects = self.objects();
        let mut found = objects
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(_, stored)| reaches(actor, prefix, &stored.meta.key))
            .map(|(_, stored)| stored.meta.clone());
        let items: Vec<ObjectMeta> = found.by_ref().take(limit as usize).collect();
        let last = items.last().filter(|_| found.next().is_some());
        let next = last.map(|meta| meta.key.to_string());
        Ok(Page { items, next })
    }

    async fn delete(&self, actor: Actor, key: &StorageKey) -> Result<()> {
        if actor.may_access(key.owner()) {
            self.objects().remove(key.as_str());
        }
        Ok(())
    }

    async fn delete_prefix(&self, actor: Actor, prefix: &str) -> Result<u64> {
        let mut objects = self.objects();
        let before = objects.len();
        objects.retain(|_, stored| !reaches(actor, prefix, &stored.meta.key));
        Ok((before - objects.len()) as u64)
    }

    async fn signed_url(&self, _: Actor, _: &StorageKey, _: Duration) -> Result<Url> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "this storage gives no signed URLs; read the object through litink",
        )
        .with_code("no_signed_urls"))
    }
}

/// Whether a key is the actor's to reach and begins with a prefix of whole segments.
fn reaches(actor: Actor, prefix: &str, key: &StorageKey) -> bool {
    let prefix = prefix.trim_end_matches('/');
    let rest = key.as_str().strip_prefix(prefix);
    let whole =
        rest.is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('/'));
    whole && actor.may_access(key.owner())
}

async fn collect(mut body: ByteStream, options: &PutOptions) -> Result<(Vec<Bytes>, u64)> {
    let (mut pieces, mut bytes) = (Vec::new(), 0u64);
    while let Some(piece) = body.try_next().await? {
        bytes += piece.len() as u64;
        if bytes > options.max_bytes {
            return Err(options.too_large());
        }
        if !piece.is_empty() {
            pieces.push(piece);
        }
    }
    Ok((pieces, bytes))
}

/// The parts of pieces that lie in a range of the whole.
fn cut(pieces: &[Bytes], range: &Range<u64>) -> Vec<Bytes> {
    let mut begin = 0;
    let mut parts = Vec::new();
    for piece in pieces {
        let end = begin + piece.len() as u64;
        let (from, to) = (range.start.max(begin), range.end.min(end));
        if from < to {
            // Both lie in this piece, whose length is a usize.
            parts.push(piece.slice((from - begin) as usize..(to - begin) as usize));
        }
        begin = end;
    }
    parts
}
