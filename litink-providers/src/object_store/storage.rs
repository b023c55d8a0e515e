use std::{collections::BTreeMap, ops::Range, path::Path as FilePath, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use litink_core::{
    Actor, Error, ErrorKind, Result, ResultExt,
    repository::Page,
    storage::{
        ByteStream, Object, ObjectMeta, PutOptions, Storage, StorageCapabilities, StorageKey,
        clamp_range,
    },
};
use object_store::{
    Attribute, AttributeValue, Attributes, GetOptions, GetRange, ObjectMeta as StoredMeta,
    ObjectStore, ObjectStoreExt, local::LocalFileSystem, memory::InMemory, path::Path,
};
use url::Url;

use super::{error::store_error, upload::Upload};
use crate::{folder::make_private_folder, storage_prefix::narrowed};

/// Objects in a store of the `object_store` crate.
///
/// In a folder, a key is a file's path below it, flushed to the disk before a put returns; media
/// types are not kept there. A process that is killed in a put may leave a file whose name ends in
/// `#` and a number; it is never listed, and may be removed. In a bucket, such a process leaves
/// parts of an upload, which the bucket's rule for incomplete multipart uploads should remove.
#[derive(Clone)]
pub struct ObjectStorage {
    /// What it is and where.
    pub(super) place: String,
    pub(super) store: Arc<dyn ObjectStore>,
    /// The same store, asked without patience.
    pub(super) probe: Arc<dyn ObjectStore>,
    /// What signs URLs, where the store can.
    #[cfg(feature = "s3")]
    pub(super) signer: Option<Arc<dyn object_store::signer::Signer>>,
    pub(super) capabilities: StorageCapabilities,
    /// Whether the store keeps media types.
    pub(super) media_types: bool,
    /// Whether the store lists by key.
    pub(super) sorted: bool,
}

impl std::fmt::Debug for ObjectStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ObjectStorage({})", self.place)
    }
}

impl ObjectStorage {
    /// Objects below a folder, which is made (for its owner only) if it does not exist.
    ///
    /// # Errors
    /// [`ErrorKind::PermissionDenied`] and others of the file system.
    pub fn folder(path: &FilePath) -> Result<Self> {
        make_private_folder(path)?;
        let store = LocalFileSystem::new_with_prefix(path)
            .map_err(store_error)
            .operation("storage.open")
            .context("folder", path.display())?
            .with_automatic_cleanup(true)
            .with_fsync(true);
        let store: Arc<dyn ObjectStore> = Arc::new(store);
        Ok(Self {
            place: format!("folder {}", path.display()),
            probe: Arc::clone(&store),
            store,
            #[cfg(feature = "s3")]
            signer: None,
            capabilities: StorageCapabilities::default().with_durable(true),
            media_types: false,
            sorted: false,
        })
    }

    /// Objects in this process's memory, gone with it.
    #[must_use]
    pub fn in_memory() -> Self {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        Self {
            place: "in memory".into(),
            probe: Arc::clone(&store),
            store,
            #[cfg(feature = "s3")]
            signer: None,
            capabilities: StorageCapabilities::default(),
            media_types: true,
            sorted: true,
        }
    }

    fn attributes(&self, options: &PutOptions) -> Attributes {
        let media_type = AttributeValue::from(options.media_type.clone());
        let media_type = (Attribute::ContentType, media_type);
        let kept = self.media_types.then_some(media_type);
        kept.into_iter().collect()
    }

    /// An object's attributes and size, of one that the actor may see.
    async fn look(&self, actor: Actor, key: &StorageKey) -> Result<ObjectMeta> {
        let options = GetOptions::new().with_head(true);
        let found = self.open(actor, key, options).await?;
        Ok(meta(key.clone(), &found.meta, &found.attributes))
    }

    async fn open(
        &self,
        actor: Actor,
        key: &StorageKey,
        options: GetOptions,
    ) -> Result<object_store::GetResult> {
        if !actor.may_access(key.owner()) {
            return Err(Error::not_found("object", key));
        }
        let found = self.store.get_opts(&path(key)?, options).await;
        found.map_err(store_error)
    }

    async fn get_whole(&self, actor: Actor, key: &StorageKey) -> Result<Object> {
        let found = self.open(actor, key, GetOptions::default()).await?;
        Ok(Object {
            meta: meta(key.clone(), &found.meta, &found.attributes),
            range: 0..found.meta.size,
            body: body(found),
        })
    }

    /// The size must be known to cut the range; of an object that is replaced in between, the new
    /// one is asked for.
    async fn get_range(
        &self,
        actor: Actor,
        key: &StorageKey,
        wanted: Range<u64>,
    ) -> Result<Object> {
        loop {
            let known = GetOptions::new().with_head(true);
            let known = self.open(actor, key, known).await?;
            let range = clamp_range(Some(wanted.clone()), known.meta.size)?;
            let meta = meta(key.clone(), &known.meta, &known.attributes);
            if range.is_empty() {
                let body = stream::empty().boxed();
                return Ok(Object { meta, range, body });
            }
            let options = GetOptions::new()
                .with_range(Some(GetRange::Bounded(range.clone())))
                .with_if_match(known.meta.e_tag);
            match self.store.get_opts(&path(key)?, options).await {
                Ok(found) => {
                    let body = body(found);
                    return Ok(Object { meta, range, body });
                }
                Err(object_store::Error::Precondition { .. }) => {}
                Err(error) => return Err(store_error(error)),
            }
        }
    }

    /// The keys with a prefix that the actor may reach, in the store's order.
    fn below(
        &self,
        actor: Actor,
        prefix: &str,
        after: Option<&str>,
    ) -> BoxStream<'static, Result<(StorageKey, StoredMeta)>> {
        let Some(prefix) = narrowed(actor, prefix).and_then(|prefix| Path::parse(prefix).ok())
        else {
            return stream::empty().boxed();
        };
        if prefix.as_ref().parse::<StorageKey>().is_ok() {
            return self.only(prefix, after);
        }
        let listed = match after.map(Path::parse) {
            Some(Ok(after)) => self.store.list_with_offset(Some(&prefix), &after),
            _ => self.store.list(Some(&prefix)),
        };
        keyed(listed)
    }

    /// The one object whose key is the whole prefix: stores do not list it.
    fn only(
        &self,
        path: Path,
        after: Option<&str>,
    ) -> BoxStream<'static, Result<(StorageKey, StoredMeta)>> {
        if after.is_some_and(|after| after >= path.as_ref()) {
            return stream::empty().boxed();
        }
        let store = Arc::clone(&self.store);
        let look = async move {
            match store.head(&path).await {
                Ok(found) => Ok(Some(found)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let found = stream::once(look);
        keyed(
            found
                .try_filter_map(|found| std::future::ready(Ok(found)))
                .boxed(),
        )
    }
}

/// Stored files with their keys. Files that somebody else put into the folder have none, and are
/// left alone.
fn keyed(
    found: BoxStream<'static, object_store::Result<StoredMeta>>,
) -> BoxStream<'static, Result<(StorageKey, StoredMeta)>> {
    let key = |found: StoredMeta| {
        let key = found.location.as_ref().parse::<StorageKey>().ok();
        std::future::ready(Ok(key.map(|key| (key, found))))
    };
    found.map_err(store_error).try_filter_map(key).boxed()
}

#[async_trait]
impl Storage for ObjectStorage {
    fn capabilities(&self) -> StorageCapabilities {
        self.capabilities
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
        let store = Arc::clone(&self.store);
        let mut upload = Upload::new(store, path(key)?, self.attributes(options));
        match send(&mut upload, body, options).await {
            Ok(()) => upload.finish().await.operation("storage.put")?,
            Err(error) => {
                upload.abort().await;
                return Err(error.with_operation("storage.put"));
            }
        }
        self.look(actor, key).await.operation("storage.put")
    }

    async fn get(
        &self,
        actor: Actor,
        key: &StorageKey,
        range: Option<Range<u64>>,
    ) -> Result<Object> {
        let object = match range {
            None => self.get_whole(actor, key).await,
            Some(range) => self.get_range(actor, key, range).await,
        };
        object.operation("storage.get")
    }

    async fn head(&self, actor: Actor, key: &StorageKey) -> Result<ObjectMeta> {
        self.look(actor, key).await.operation("storage.head")
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
        let limit = limit as usize;
        let found = self.below(actor, prefix, after);
        let first = first(found, limit + 1, self.sorted).await;
        let mut items = first.operation("storage.list")?;
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        let next = last.map(|meta| meta.key.to_string());
        Ok(Page { items, next })
    }

    async fn delete(&self, actor: Actor, key: &StorageKey) -> Result<()> {
        if !actor.may_access(key.owner()) {
            return Ok(());
        }
        match self.store.delete(&path(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(store_error(error).with_operation("storage.delete")),
        }
    }

    async fn delete_prefix(&self, actor: Actor, prefix: &str) -> Result<u64> {
        let found = self.below(actor, prefix, None);
        let deleted = found
            .map_ok(async |(key, _)| self.delete(actor, &key).await)
            .try_buffer_unordered(DELETES)
            .try_fold(0, async |count, ()| Ok(count + 1));
        deleted.await.operation("storage.delete_prefix")
    }

    #[cfg(not(feature = "s3"))]
    async fn signed_url(&self, _: Actor, _: &StorageKey, _: Duration) -> Result<Url> {
        Err(no_signed_urls())
    }

    #[cfg(feature = "s3")]
    async fn signed_url(&self, actor: Actor, key: &StorageKey, valid: Duration) -> Result<Url> {
        let signer = self.signer.as_ref().ok_or_else(no_signed_urls)?;
        self.look(actor, key)
            .await
            .operation("storage.signed_url")?;
        super::s3::sign(&**signer, &path(key)?, valid).await
    }
}

/// Objects of a prefix deleted at once.
const DELETES: usize = 16;

fn no_signed_urls() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "this storage gives no signed URLs; read the object through litink",
    )
    .with_code("no_signed_urls")
}

async fn send(upload: &mut Upload, mut body: ByteStream, options: &PutOptions) -> Result<()> {
    let mut bytes = 0u64;
    while let Some(piece) = body.try_next().await? {
        bytes = bytes.saturating_add(piece.len() as u64);
        if bytes > options.max_bytes {
            return Err(options.too_large());
        }
        upload.write(piece).await?;
    }
    Ok(())
}

fn body(found: object_store::GetResult) -> ByteStream {
    let found = found.into_stream();
    let found = found.map_ok(|bytes| stream::iter(pieces(bytes)));
    found.try_flatten().map_err(store_error).boxed()
}

/// Bytes in pieces of a size that a reader can hold, without copying: a store in memory has a whole
/// object as one.
fn pieces(mut bytes: Bytes) -> impl Iterator<Item = object_store::Result<Bytes>> {
    const PIECE: usize = 256 << 10;
    std::iter::from_fn(move || {
        let piece = bytes.split_to(bytes.len().min(PIECE));
        (!piece.is_empty()).then_some(Ok(piece))
    })
}

/// The first `count` objects by key. A store that does not sort is read to its end, but no more
/// than `count` are held.
async fn first(
    mut found: BoxStream<'static, Result<(StorageKey, StoredMeta)>>,
    count: usize,
    sorted: bool,
) -> Result<Vec<ObjectMeta>> {
    let mut first = BTreeMap::new();
    while let Some((key, stored)) = found.try_next().await? {
        first.insert(key, stored);
        if sorted && first.len() == count {
            break;
        }
        if first.len() > count {
            first.pop_last();
        }
    }
    let none = Attributes::new();
    let metas = first.into_iter();
    Ok(metas
        .map(|(key, stored)| meta(key, &stored, &none))
        .collect())
}

fn path(key: &StorageKey) -> Result<Path> {
    Path::parse(key.as_str()).map_err(|error| Error::internal("a key is a path").with_source(error))
}

fn meta(key: StorageKey, stored: &StoredMeta, attributes: &Attributes) -> ObjectMeta {
    let media_type = attributes.get(&Attribute::ContentType);
    ObjectMeta {
        key,
        bytes: stored.size,
        media_type: media_type.map(|value| value.as_ref().to_owned()),
        modified_at: stored.last_modified,
    }
}
