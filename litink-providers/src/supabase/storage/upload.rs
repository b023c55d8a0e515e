//! Bytes on their way there: whole, or in chunks (TUS 1.0, <https://tus.io/protocols>).

use std::io::SeekFrom;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use litink_core::{
    Error, ErrorKind, Result,
    storage::{ByteStream, PutOptions, StorageKey},
};
use reqwest::Method;
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
    time::{Instant, sleep},
};

use super::{Shared, refusals};
use crate::supabase::{
    client::{Call, Failed, Repeat, jittered},
    refused::not_supabase,
};

/// The one size that Supabase takes for a chunk that is not the last.
const CHUNK: usize = 6 << 20;

const TUS: &str = "1.0.0";
const UPLOADS: &str = "storage/v1/upload/resumable";

/// Told of every object that litink stored, since an upload without it forgets it.
const METADATA: &str = concat!(r#"{"by":"litink/"#, env!("CARGO_PKG_VERSION"), r#""}"#);

/// Puts what a stream brings.
pub(super) async fn put(
    shared: &Shared,
    key: &StorageKey,
    mut body: ByteStream,
    options: &PutOptions,
) -> Result<()> {
    let mut first = BytesMut::new();
    let mut limited = Limited { options, bytes: 0 };
    while let Some(piece) = body.try_next().await? {
        limited.count(&piece)?;
        if first.len() + piece.len() > CHUNK {
            let spooled = spool(shared, first, piece, body, &mut limited).await?;
            return in_chunks(shared, key, spooled, limited.bytes, options).await;
        }
        first.extend_from_slice(&piece);
    }
    whole(shared, key, first.freeze(), options).await
}

struct Limited<'a> {
    options: &'a PutOptions,
    bytes: u64,
}

impl Limited<'_> {
    fn count(&mut self, piece: &Bytes) -> Result<()> {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        if self.bytes > self.options.max_bytes {
            return Err(self.options.too_large());
        }
        Ok(())
    }
}

async fn whole(
    shared: &Shared,
    key: &StorageKey,
    bytes: Bytes,
    options: &PutOptions,
) -> Result<()> {
    let path = format!("storage/v1/object/{}/{key}", shared.bucket);
    let call = shared
        .client
        .call(Method::POST, &path)?
        .header("content-type", &options.media_type)?
        .header("x-upsert", "true")?
        .header("x-metadata", &STANDARD.encode(METADATA))?
        .body(bytes)
        .attempt(shared.client.config().idle);
    shared.send(call).await.map(|_| ())
}

/// Writes it to a file that has no name, and is gone with this process at the latest.
async fn spool(
    shared: &Shared,
    first: BytesMut,
    piece: Bytes,
    mut body: ByteStream,
    limited: &mut Limited<'_>,
) -> Result<File> {
    let folder = shared.spool.clone();
    let open = move || match folder {
        Some(folder) => tempfile::tempfile_in(folder),
        None => tempfile::tempfile(),
    };
    let file = tokio::task::spawn_blocking(open)
        .await
        .map_err(|error| Error::internal("a thread ended").with_source(error))??;
    let mut file = File::from_std(file);
    file.write_all(&first).await?;
    file.write_all(&piece).await?;
    while let Some(piece) = body.try_next().await? {
        limited.count(&piece)?;
        file.write_all(&piece).await?;
    }
    file.flush().await?;
    Ok(file)
}

async fn in_chunks(
    shared: &Shared,
    key: &StorageKey,
    mut file: File,
    bytes: u64,
    options: &PutOptions,
) -> Result<()> {
    let upload = Upload::begin(shared, key, bytes, options).await?;
    let (mut offset, mut failures, mut since) = (0, 0, Instant::now());
    // Also after the last byte: that answer says whether the object is there.
    loop {
        let failed = match upload
            .send(&chunk(&mut file, offset, bytes).await?, offset)
            .await
        {
            Ok(at) if at > offset && at <= bytes => {
                (offset, failures, since) = (at, 0, Instant::now());
                if at == bytes {
                    return Ok(());
                }
                continue;
            }
            Ok(_) => return Err(not_supabase()),
            Err(failed) => failed,
        };
        let conflict = matches!(&failed, Failed::Refused(refused) if refused.status == 409);
        let passing = match &failed {
            // Somebody may still hold it: the attempt before, whose connection was cut.
            Failed::Refused(refused) => {
                refused.is_passing() || matches!(refused.status, 409 | 423 | 460 | 500)
            }
            Failed::Lost { .. } => true,
            Failed::Unusable(_) => false,
        };
        failures += 1;
        if !passing || since.elapsed() > shared.client.config().deadline {
            upload.give_up().await;
            return Err(refusals::error(failed));
        }
        tracing::debug!(offset, bytes, conflict, "an upload is taken up again");
        sleep(jittered(failures)).await;
        offset = upload.offset(bytes).await?;
        if offset == bytes {
            // The last chunk arrived and its answer was lost.
            return upload.arrived(key, bytes).await;
        }
    }
}

async fn chunk(file: &mut File, offset: u64, bytes: u64) -> Result<Bytes> {
    let length = (bytes - offset).min(CHUNK as u64);
    let mut chunk = vec![0; usize::try_from(length).unwrap_or(CHUNK)];
    file.seek(SeekFrom::Start(offset)).await?;
    file.read_exact(&mut chunk).await?;
    Ok(chunk.into())
}

/// An upload that was begun.
struct Upload<'a> {
    shared: &'a Shared,
    /// Its path below the project's address.
    path: String,
}

impl<'a> Upload<'a> {
    async fn begin(
        shared: &'a Shared,
        key: &StorageKey,
        bytes: u64,
        options: &PutOptions,
    ) -> Result<Self> {
        let metadata = [
            ("bucketName", &*shared.bucket),
            ("objectName", key.as_str()),
            ("contentType", &*options.media_type),
            ("metadata", METADATA),
        ];
        let metadata = metadata.map(|(name, value)| format!("{name} {}", STANDARD.encode(value)));
        let call = tus(shared.client.call(Method::POST, UPLOADS)?)?
            .header("upload-length", &bytes.to_string())?
            .header("upload-metadata", &metadata.join(","))?;
        let answer = shared.send(call).await?;
        // It may name a host of the inner network, where no key is to go: its last part is enough.
        let location = answer.header("location").ok_or_else(not_supabase)?;
        let id = location.rsplit('/').next().unwrap_or_default();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=.".contains(&byte);
        if id.is_empty() || !id.bytes().all(fits) {
            return Err(not_supabase());
        }
        Ok(Self {
            shared,
            path: format!("{UPLOADS}/{id}"),
        })
    }

    fn call(&self, method: Method) -> Result<Call> {
        tus(self.shared.client.call(method, &self.path)?)
    }

    /// Sends a chunk; says up to where it has arrived.
    async fn send(&self, chunk: &Bytes, offset: u64) -> Result<u64, Failed> {
        let call = self
            .call(Method::PATCH)
            .and_then(|call| call.header("upload-offset", &offset.to_string()))
            .and_then(|call| call.header("content-type", "application/offset+octet-stream"))
            .map_err(Failed::Unusable)?
            .body(chunk.clone())
            .attempt(self.shared.client.config().idle)
            .repeat(Repeat::Unsent);
        let scope = &self.shared.scope;
        let answer = self.shared.client.send(scope, call).await?;
        offset_of(answer.header("upload-offset")).map_err(Failed::Unusable)
    }

    /// Up to where it has arrived.
    async fn offset(&self, bytes: u64) -> Result<u64> {
        let answer = self.shared.send(self.call(Method::HEAD)?).await;
        let answer = answer.map_err(|error| match error.kind() {
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::RateLimited => error,
            _ => Error::new(
                ErrorKind::Unavailable,
                "Supabase forgot an upload before it was whole; store the file again",
            )
            .with_code("upload_expired")
            .with_source(error),
        })?;
        let offset = offset_of(answer.header("upload-offset"))?;
        if offset <= bytes {
            Ok(offset)
        } else {
            Err(not_supabase())
        }
    }

    /// Whether the object is there, whose last answer was lost.
    async fn arrived(&self, key: &StorageKey, bytes: u64) -> Result<()> {
        let path = format!("storage/v1/object/info/{}/{key}", self.shared.bucket);
        let info = self.shared.client.call(Method::GET, &path)?;
        let info: super::Info = self.shared.send(info).await?.json()?;
        if info.size == bytes {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "an upload arrived, but Supabase did not make an object of it; store the file again",
        )
        .with_code("upload_lost"))
    }

    /// Lets Supabase forget it; it would by itself, after a time.
    async fn give_up(&self) {
        let given_up = match self.call(Method::DELETE) {
            Ok(call) => self.shared.send(call).await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(error) = given_up {
            tracing::debug!(code = error.code(), "an upload is left to expire");
        }
    }
}

/// The right to replace is asked for with every part.
fn tus(call: Call) -> Result<Call> {
    call.header("tus-resumable", TUS)?
        .header("x-upsert", "true")
}

fn offset_of(header: Option<&str>) -> Result<u64> {
    let offset = header.and_then(|text| text.parse().ok());
    offset.ok_or_else(not_supabase)
}
