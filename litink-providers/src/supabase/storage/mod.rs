//! Bytes in a bucket.

use std::{ops::Range, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use litink_core::{
    Actor, Error, ErrorKind, Result, ResultExt,
    domain::Timestamp,
    repository::Page,
    storage::{
        ByteStream, Object, ObjectMeta, PutOptions, Storage, StorageCapabilities, StorageKey,
        clamp_range,
    },
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{
    SecretKey, SupabaseClient,
    client::{Answer, Call, transport},
    keys::Scope,
    refused::not_supabase,
};

mod list;
mod refusals;
mod upload;

/// The longest that a signed URL is valid, as with S3.
const MAX_VALID: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Objects in a bucket of Supabase Storage. Clones share it.
///
/// - An object of up to 6 MiB goes in one request. A larger one is written to a temporary file
///   first, since Supabase wants its length, and goes in chunks of 6 MiB that are taken up again
///   after a cut connection.
/// - The bucket must take the media types and sizes that litink stores: none or all of them
///   allowed, and a limit above the largest export. It should be private.
/// - Putting is no lock here, less than elsewhere: Supabase lets several creators of one object
///   all succeed.
#[derive(Clone, Debug)]
pub struct SupabaseStorage {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    client: SupabaseClient,
    scope: Scope,
    bucket: String,
    spool: Option<PathBuf>,
}

impl SupabaseStorage {
    /// The objects of a bucket.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `bad_bucket`) for a name that no bucket has.
    pub fn new(client: &SupabaseClient, key: SecretKey, bucket: &str) -> Result<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=100).contains(&bucket.len())
            || !bucket.bytes().all(fits)
            || bucket.starts_with('.')
        {
            return Err(Error::new(
                ErrorKind::Configuration,
                "a bucket's name is letters, digits, `.`, `_` and `-`, 100 at most",
            )
            .with_code("bad_bucket"));
        }
        Ok(Self {
            shared: Arc::new(Shared {
                client: client.clone(),
                scope: Scope::Service(key),
                bucket: bucket.to_owned(),
                spool: None,
            }),
        })
    }

    /// Sets the folder of the temporary files. Default: the system's.
    #[must_use]
    pub fn spool_in(self, folder: impl Into<PathBuf>) -> Self {
        let shared = &*self.shared;
        Self {
            shared: Arc::new(Shared {
                client: shared.client.clone(),
                scope: shared.scope.clone(),
                bucket: shared.bucket.clone(),
                spool: Some(folder.into()),
            }),
        }
    }

    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.shared.bucket
    }

    /// Makes the bucket, private, where it does not exist.
    ///
    /// # Errors
    /// As those of any call.
    pub async fn make_bucket(&self) -> Result<()> {
        let bucket = self.bucket();
        let body = json!({ "id": bucket, "name": bucket, "public": false });
        let call = self.call(Method::POST, "bucket")?.json(&body)?;
        match self.shared.send(call).await {
            Err(error) if error.code() == "already_exists" => Ok(()),
            made => made.map(|_| ()).operation("storage.make_bucket"),
        }
    }

    pub(super) fn client(&self) -> &SupabaseClient {
        &self.shared.client
    }

    fn call(&self, method: Method, path: &str) -> Result<Call> {
        let path = format!("storage/v1/{path}");
        self.shared.client.call(method, &path)
    }

    /// A call about an object: `verb` is `object`, `object/info` and so on.
    fn of(&self, method: Method, verb: &str, key: &StorageKey) -> Result<Call> {
        self.call(method, &format!("{verb}/{}/{key}", self.bucket()))
    }

    async fn look(&self, actor: Actor, key: &StorageKey) -> Result<(ObjectMeta, Option<String>)> {
        visible(actor, key)?;
        let call = self.of(Method::GET, "object/info", key)?;
        let info: Info = self.shared.send(call).await.map_err(about(key))?.json()?;
        let Info {
            size,
            content_type,
            etag,
            last_modified,
            created_at,
        } = info;
        let meta = ObjectMeta {
            key: key.clone(),
            bytes: size,
            media_type: content_type,
            modified_at: last_modified.or(created_at).ok_or_else(not_supabase)?,
        };
        Ok((meta, etag))
    }

    /// The size must be known to cut the range; of an object that is replaced in between, the new
    /// one is asked for.
    async fn read(
        &self,
        actor: Actor,
        key: &StorageKey,
        wanted: Option<Range<u64>>,
    ) -> Result<Object> {
        loop {
            let (meta, etag) = self.look(actor, key).await?;
            let range = clamp_range(wanted.clone(), meta.bytes)?;
            if range.is_empty() {
                let body = stream::empty().boxed();
                return Ok(Object { meta, range, body });
            }
            let mut call = self.of(Method::GET, "object", key)?.stream();
            if wanted.is_some() {
                let bytes = format!("bytes={}-{}", range.start, range.end - 1);
                call = call.header("range", &bytes)?;
            }
            let answer = match self.shared.send(call).await.map_err(about(key)) {
                // It became shorter in between.
                Err(error) if error.code() == "bad_range" => continue,
                answer => answer?,
            };
            if etag.is_none() || etag.as_deref() == answer.header("etag") {
                let body = body(answer, range.end - range.start)?;
                return Ok(Object { meta, range, body });
            }
        }
    }
}

impl Shared {
    async fn send(&self, call: Call) -> Result<Answer> {
        let sent = self.client.send(&self.scope, call).await;
        sent.map_err(refusals::error)
    }
}

/// What `object/info` says.
#[derive(Deserialize)]
struct Info {
    size: u64,
    content_type: Option<String>,
    etag: Option<String>,
    last_modified: Option<Timestamp>,
    created_at: Option<Timestamp>,
}

fn visible(actor: Actor, key: &StorageKey) -> Result<()> {
    if actor.may_access(key.owner()) {
        Ok(())
    } else {
        Err(Error::not_found("object", key))
    }
}

/// Names the object that there is not.
fn about(key: &StorageKey) -> impl Fn(Error) -> Error {
    move |error| match error.kind() {
        ErrorKind::NotFound => Error::not_found("object", key),
        _ => error,
    }
}

/// The bytes, which must be as many as were asked for.
fn body(answer: Answer, expected: u64) -> Result<ByteStream> {
    let rest = answer.rest.ok_or_else(|| Error::internal("it streams"))?;
    let pieces = rest.bytes_stream().map_err(transport);
    let counted = stream::try_unfold((pieces, expected), |(mut pieces, left)| async move {
        match pieces.try_next().await? {
            Some(piece) if piece.len() as u64 <= left => {
                let left = left - piece.len() as u64;
                Ok(Some((piece, (pieces, left))))
            }
            None if left == 0 => Ok(None),
            _ => Err(Error::new(
                ErrorKind::Unavailable,
                "the object came with another length than Supabase said; read it again",
            )
            .with_code("wrong_length")),
        }
    });
    Ok(counted.boxed())
}

#[async_trait]
impl Storage for SupabaseStorage {
    fn capabilities(&self) -> StorageCapabilities {
        StorageCapabilities::default()
            .with_durable(true)
            .with_signed_urls(true)
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
        let put = upload::put(&self.shared, key, body, options);
        put.await.operation("storage.put")?;
        let (meta, _) = self.look(actor, key).await.operation("storage.put")?;
        Ok(meta)
    }

    async fn get(
        &self,
        actor: Actor,
        key: &StorageKey,
        range: Option<Range<u64>>,
    ) -> Result<Object> {
        self.read(actor, key, range).await.operation("storage.get")
    }

    async fn head(&self, actor: Actor, key: &StorageKey) -> Result<ObjectMeta> {
        let (meta, _) = self.look(actor, key).await.operation("storage.head")?;
        Ok(meta)
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
        let listed = self.page(actor, prefix, after, limit as usize);
        listed.await.operation("storage.list")
    }

    async fn delete(&self, actor: Actor, key: &StorageKey) -> Result<()> {
        if !actor.may_access(key.owner()) {
            return Ok(());
        }
        let keys = [key.as_str()];
        let removed = self.remove(&keys).await;
        removed.map(|_| ()).operation("storage.delete")
    }

    async fn delete_prefix(&self, actor: Actor, prefix: &str) -> Result<u64> {
        let removed = self.remove_below(actor, prefix);
        removed.await.operation("storage.delete_prefix")
    }

    async fn signed_url(&self, actor: Actor, key: &StorageKey, valid: Duration) -> Result<Url> {
        visible(actor, key)?;
        if valid < Duration::from_secs(1) || valid > MAX_VALID {
            return Err(Error::invalid(
                "bad_validity",
                "a signed URL is valid for a second at least and seven days at most",
            ));
        }
        let call = self.of(Method::POST, "object/sign", key)?;
        let call = call.json(&json!({ "expiresIn": valid.as_secs() }))?;
        let answer = self.shared.send(call).await.map_err(about(key));
        let signed: Signed = answer.operation("storage.signed_url")?.json()?;
        // Relative, and to the service's own root.
        let path = signed.url.trim_start_matches('/');
        self.shared
            .client
            .config()
            .at(&format!("storage/v1/{path}"))
    }
}

#[derive(Deserialize)]
struct Signed {
    #[serde(rename = "signedURL")]
    url: String,
}
