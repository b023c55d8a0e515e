//! The contract of bytes.

use std::{fmt::Debug, ops::Range, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Actor, Error, ErrorKind, Result, domain::Timestamp, repository::Page};

mod key;
mod memory;

pub use key::{Area, StorageKey};
pub use memory::MemoryStorage;

/// A stream of bytes that may fail on the way.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// Objects: bytes under keys.
///
/// # Contract
/// - **Whole or not at all.** A [`put`](Storage::put) is seen only when all its bytes are stored.
///   When its stream fails or its limit is passed, the key is as before; when its future is
///   dropped, as before or wholly new.
/// - **Replacing.** Putting to a key that exists replaces it. Storage is no lock: where it matters
///   who was first, a row decides.
/// - **Scoped.** A [`Actor::User`] reaches only keys under its own prefix; others are to it as if
///   they did not exist ([`ErrorKind::NotFound`]), and putting there is
///   [`ErrorKind::PermissionDenied`].
/// - **Streaming.** Neither side holds an object in memory.
///
/// # Errors
/// [`ErrorKind::NotFound`]; [`ErrorKind::LimitExceeded`] (code `object_too_large`);
/// [`ErrorKind::InvalidInput`] (code `bad_range`); [`ErrorKind::StorageFull`];
/// [`ErrorKind::Unsupported`] (code `no_signed_urls`) where capabilities say so;
/// [`ErrorKind::Unavailable`].
///
/// # Implementing
/// Hold it to `litink_core::testing::storage`.
#[async_trait]
pub trait Storage: Send + Sync + Debug {
    /// What this backend can do.
    fn capabilities(&self) -> StorageCapabilities;

    /// Stores what the stream brings.
    async fn put(
        &self,
        actor: Actor,
        key: &StorageKey,
        body: ByteStream,
        options: &PutOptions,
    ) -> Result<ObjectMeta>;

    /// Reads an object, or a range of it. An empty or partly covered range is cut to the object; a
    /// range that begins at or after its end is `bad_range`.
    async fn get(
        &self,
        actor: Actor,
        key: &StorageKey,
        range: Option<Range<u64>>,
    ) -> Result<Object>;

    /// What is known of an object without reading it.
    async fn head(&self, actor: Actor, key: &StorageKey) -> Result<ObjectMeta>;

    /// Objects whose key begins with `prefix` (whole segments), by key; at most `limit` (1 to
    /// 1,000). `after` is [`Page::next`] of the page before, an opaque text.
    async fn list(
        &self,
        actor: Actor,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<ObjectMeta>>;

    /// Removes an object. One that does not exist is no error.
    async fn delete(&self, actor: Actor, key: &StorageKey) -> Result<()>;

    /// Removes all objects whose key begins with `prefix` (whole segments); says how many.
    async fn delete_prefix(&self, actor: Actor, prefix: &str) -> Result<u64>;

    /// A URL that lets its bearer read the object for a time.
    async fn signed_url(&self, actor: Actor, key: &StorageKey, valid: Duration) -> Result<Url>;
}

/// What a storage can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StorageCapabilities {
    /// Whether bytes survive the end of the process.
    pub durable: bool,
    /// Whether it gives signed URLs.
    pub signed_urls: bool,
}

impl StorageCapabilities {
    /// Sets `durable`.
    #[must_use]
    pub const fn with_durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Sets `signed_urls`.
    #[must_use]
    pub const fn with_signed_urls(mut self, signed_urls: bool) -> Self {
        self.signed_urls = signed_urls;
        self
    }
}

/// How to store an object.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PutOptions {
    /// Its media type. Default `application/octet-stream`.
    pub media_type: String,
    /// More bytes than this are refused, and nothing is stored. Default 8 GiB, more than any book
    /// or its audio.
    pub max_bytes: u64,
}

impl Default for PutOptions {
    fn default() -> Self {
        Self {
            media_type: "application/octet-stream".into(),
            max_bytes: 8 << 30,
        }
    }
}

impl PutOptions {
    /// For an object of a media type.
    pub fn media_type(media_type: impl Into<String>) -> Self {
        Self {
            media_type: media_type.into(),
            ..Self::default()
        }
    }

    /// Sets the limit.
    #[must_use]
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// The error for a body that passes the limit.
    #[must_use]
    pub fn too_large(&self) -> Error {
        Error::new(
            ErrorKind::LimitExceeded,
            "the file is larger than is allowed here",
        )
        .with_code("object_too_large")
        .with_context("limit_bytes", self.max_bytes)
    }
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectMeta {
    /// Its key.
    pub key: StorageKey,
    /// Its size.
    pub bytes: u64,
    /// Its media type; `None` where the backend keeps none.
    pub media_type: Option<String>,
    /// When it was stored last.
    pub modified_at: Timestamp,
}

/// An object being read.
pub struct Object {
    /// What is known of it (the size is that of the whole object).
    pub meta: ObjectMeta,
    /// The range that `body` brings.
    pub range: Range<u64>,
    /// The bytes.
    pub body: ByteStream,
}

impl Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object")
            .field("meta", &self.meta)
            .field("range", &self.range)
            .finish()
    }
}

/// Cuts a wanted range to an object's size, as every backend must.
///
/// # Errors
/// `bad_range` for a range that begins at or after the end, or backwards.
pub fn clamp_range(range: Option<Range<u64>>, bytes: u64) -> Result<Range<u64>> {
    let Some(range) = range else {
        return Ok(0..bytes);
    };
    if range.start >= bytes || range.end < range.start {
        return Err(
            Error::invalid("bad_range", "the range lies outside the object")
                .with_context("bytes", bytes),
        );
    }
    Ok(range.start..range.end.min(bytes))
}

/// Conveniences over any storage, for small objects.
#[async_trait]
pub trait StorageExt: Storage {
    /// Stores bytes.
    async fn put_bytes(
        &self,
        actor: Actor,
        key: &StorageKey,
        bytes: Bytes,
        media_type: &str,
    ) -> Result<ObjectMeta> {
        let body = futures::stream::once(async move { Ok(bytes) }).boxed();
        self.put(actor, key, body, &PutOptions::media_type(media_type))
            .await
    }

    /// Reads a whole object, refusing one larger than `max_bytes`.
    async fn get_bytes(&self, actor: Actor, key: &StorageKey, max_bytes: u64) -> Result<Bytes> {
        let mut object = self.get(actor, key, None).await?;
        if object.meta.bytes > max_bytes {
            return Err(PutOptions::default().max_bytes(max_bytes).too_large());
        }
        let mut bytes = BytesMut::new();
        while let Some(chunk) = object.body.try_next().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }

    /// Whether there is such an object that the actor may see.
    async fn exists(&self, actor: Actor, key: &StorageKey) -> Result<bool> {
        match self.head(actor, key).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl<S: Storage + ?Sized> StorageExt for S {}
