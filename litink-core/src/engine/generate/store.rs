//! What came back: looked at, stored, and named by its row.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;

use super::{
    Asset, Call, Paid, StoredMedia, is_elsewhere,
    verify::{self, Film},
};
use crate::{
    Actor, Charge, Error, ErrorKind, Result, Retry,
    domain::{Generation, GenerationState},
    provider::{Generated, Media, MediaBody, Output, SpeechMark},
    repository::RepositoryExt,
    storage::{Area, ByteStream, PutOptions, StorageKey},
};

/// The largest audio of one call: an hour of CD sound, far above any provider's limit on text.
const MAX_AUDIO_BYTES: u64 = 512 << 20;
/// The largest image of one call.
const MAX_IMAGE_BYTES: u64 = 64 << 20;
/// The largest film of one call.
const MAX_VIDEO_BYTES: u64 = 4 << 30;

/// Why a finished reply was not stored.
pub(super) enum Unstored {
    /// It is not what was asked for, or it is broken: the same reply will not be better.
    Rejected(Error),
    /// It could not be fetched to its end, or not be written: the reply itself may be sound.
    Interrupted(Error),
}

fn interrupted(error: impl Into<Error>) -> Unstored {
    Unstored::Interrupted(error.into())
}

fn rejected(error: Error) -> Unstored {
    Unstored::Rejected(error.with_charge(Charge::Yes))
}

impl Call<'_> {
    /// Bytes first, then the row that names them.
    pub(super) async fn store(
        &self,
        row: &Generation,
        generated: Generated,
        paid: &Paid,
    ) -> Result<Asset, Unstored> {
        let Generated {
            output,
            provider,
            model,
            warnings,
            request_id,
            ..
        } = generated;
        for warning in &warnings {
            tracing::debug!(
                provider = self.provider.name(),
                warning,
                "a provider's warning"
            );
        }
        if output.modality() != row.modality {
            let wanted = row.modality.as_str();
            return Err(rejected(crate::recipe::wrong_kind(&row.provider, wanted)));
        }
        let asset = self.store_output(row, output).await?;
        let mut set = vec![
            ("output", json!(asset)),
            ("request_id", json!(request_id)),
            ("error", Value::Null),
        ];
        if model.is_some() {
            set.push(("model", json!(model)));
        }
        if provider.is_some() {
            // Who made it, and not the ladder that was asked.
            set.push(("provider", json!(provider)));
        }
        if let Err(error) = self.end(row, GenerationState::Completed, set, paid).await {
            if is_elsewhere(&error) {
                self.discard(row, &asset).await;
            }
            return Err(interrupted(error));
        }
        Ok(asset)
    }

    async fn store_output(&self, row: &Generation, output: Output) -> Result<Asset, Unstored> {
        Ok(match output {
            Output::Text { text } => {
                verify::text(self.request, &text).map_err(rejected)?;
                Asset::Text { text }
            }
            Output::Transcription { text, marks } => Asset::Transcription { text, marks },
            Output::Embedding { vectors } => Asset::Embedding { vectors },
            Output::Speech { audio, marks } => {
                let (audio, duration_ms) = self.store_audio(row, audio).await?;
                let marks = honest(marks, duration_ms);
                Asset::Speech {
                    audio,
                    duration_ms,
                    marks,
                }
            }
            Output::Sound { audio } => {
                let (audio, duration_ms) = self.store_audio(row, audio).await?;
                Asset::Sound { audio, duration_ms }
            }
            Output::Image { image } => Asset::Image {
                image: self.store_image(row, image).await?,
            },
            Output::Video { video } => Asset::Video {
                video: self.store_video(row, video).await?,
            },
        })
    }

    /// Looks at the audio before it is called done: what a provider says of it is not trusted.
    async fn store_audio(
        &self,
        row: &Generation,
        media: Media,
    ) -> Result<(StoredMedia, u64), Unstored> {
        let media_type = media.media_type.clone();
        let bytes = self.gather(media, MAX_AUDIO_BYTES).await?;
        let (looked_at, hint) = (bytes.clone(), media_type.clone());
        let duration = looked("broken_audio", move || verify::sound(&looked_at, &hint)).await?;
        let found = Found::bytes(bytes).await?;
        let ending = audio_extension(&media_type);
        let stored = self
            .put(row, Area::Audio, ("audio", ending), found, media_type)
            .await?;
        Ok((stored, duration.as_millis() as u64))
    }

    /// An image by its bytes: what a provider calls it is not trusted either.
    async fn store_image(&self, row: &Generation, media: Media) -> Result<StoredMedia, Unstored> {
        let bytes = self.gather(media, MAX_IMAGE_BYTES).await?;
        let looked_at = bytes.clone();
        let media_type = looked("broken_image", move || verify::image(&looked_at)).await?;
        let ending = super::super::books::extension(media_type);
        let found = Found::bytes(bytes).await?;
        self.put(
            row,
            Area::Images,
            ("image", ending),
            found,
            media_type.to_owned(),
        )
        .await
    }

    async fn store_video(&self, row: &Generation, media: Media) -> Result<StoredMedia, Unstored> {
        let (film, found) = match media.body {
            MediaBody::Bytes(bytes) if bytes.len() as u64 > MAX_VIDEO_BYTES => {
                return Err(too_large(MAX_VIDEO_BYTES));
            }
            MediaBody::Bytes(bytes) => {
                let mut looked_at = std::io::Cursor::new(bytes.clone());
                let film = looked("broken_film", move || verify::film(&mut looked_at)).await?;
                (film, Found::bytes(bytes).await?)
            }
            MediaBody::Stream(stream) => self.spool(stream, MAX_VIDEO_BYTES).await?,
        };
        let media_type = film.media_type.to_owned();
        self.put(row, Area::Videos, ("video", film.ending), found, media_type)
            .await
    }

    /// All bytes of media that are small enough to be held.
    async fn gather(&self, media: Media, max_bytes: u64) -> Result<Bytes, Unstored> {
        let bytes = match media.body {
            MediaBody::Bytes(bytes) => bytes,
            MediaBody::Stream(mut stream) => {
                let mut bytes = BytesMut::new();
                while let Some(chunk) = self.next(&mut stream).await? {
                    if (bytes.len() + chunk.len()) as u64 > max_bytes {
                        return Err(too_large(max_bytes));
                    }
                    bytes.extend_from_slice(&chunk);
                }
                bytes.freeze()
            }
        };
        if bytes.len() as u64 > max_bytes {
            return Err(too_large(max_bytes));
        }
        Ok(bytes)
    }

    /// Takes large media to a temporary file: it is named by its content, which is known only when
    /// the last byte is there.
    async fn spool(
        &self,
        mut stream: ByteStream,
        max_bytes: u64,
    ) -> Result<(Film, Found), Unstored> {
        let file = tempfile::tempfile().map_err(interrupted)?;
        let mut file = tokio::fs::File::from_std(file);
        let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0);
        while let Some(chunk) = self.next(&mut stream).await? {
            bytes += chunk.len() as u64;
            if bytes > max_bytes {
                return Err(too_large(max_bytes));
            }
            hasher.update(&chunk);
            file.write_all(&chunk).await.map_err(interrupted)?;
        }
        file.flush().await.map_err(interrupted)?;
        let mut looked_at = file.into_std().await;
        let (film, file) = looked("broken_film", move || {
            let film = verify::film(&mut looked_at)?;
            Ok((film, looked_at))
        })
        .await?;
        let mut file = tokio::fs::File::from_std(file);
        file.rewind().await.map_err(interrupted)?;
        let found = Found {
            body: ReaderStream::with_capacity(file, 256 * 1024)
                .map_err(Error::from)
                .boxed(),
            bytes,
            content_hash: hasher.finalize().to_hex().to_string(),
        };
        Ok((film, found))
    }

    /// The next bytes of a stream that must not stall.
    async fn next(&self, stream: &mut ByteStream) -> Result<Option<Bytes>, Unstored> {
        let limit = self.engine.options().call_timeout;
        let next = async {
            loop {
                match stream.try_next().await? {
                    Some(chunk) if chunk.is_empty() => {}
                    next => return Ok(next),
                }
            }
        };
        tokio::time::timeout(limit, next)
            .await
            .unwrap_or_else(|_| Err(stalled(limit).with_context("provider", self.provider.name())))
            .map_err(interrupted)
    }

    /// A generation's media stand in a group of their own: they are their owner's, not the run's.
    /// They are named by their content, so that an attempt that was taken over, and writes late,
    /// replaces nothing.
    async fn put(
        &self,
        row: &Generation,
        area: Area,
        (stem, ending): (&str, &str),
        found: Found,
        media_type: String,
    ) -> Result<StoredMedia, Unstored> {
        let name = format!(
            "{stem}-{}.{ending}",
            crate::hash::short(&found.content_hash)
        );
        let key = StorageKey::new(row.meta.owner, area, row.meta.id, &name);
        let options = PutOptions::media_type(&media_type);
        self.engine
            .storage()
            .put(Actor::User(row.meta.owner), &key, found.body, &options)
            .await
            .map_err(interrupted)?;
        Ok(StoredMedia {
            key,
            media_type,
            bytes: found.bytes,
            content_hash: found.content_hash,
        })
    }

    /// Removes, as far as it can be, what an attempt wrote that was taken over: unless the one that
    /// took over keeps the same object, or may yet.
    async fn discard(&self, row: &Generation, asset: &Asset) {
        let Some(media) = asset.media() else { return };
        let repository = self.engine.repository();
        let found = repository.find_optional::<Generation>(Actor::Worker, row.id());
        let Ok(Some(now)) = found.await else { return };
        let kept = match Asset::of(&now) {
            Ok(Some(kept)) if now.state == GenerationState::Completed => kept,
            _ => return,
        };
        if kept.media().is_some_and(|kept| kept.key != media.key) {
            let deleted = self
                .engine
                .storage()
                .delete(Actor::Worker, &media.key)
                .await;
            if let Err(error) = deleted {
                tracing::debug!(%error, "an object that nobody names was not removed");
            }
        }
    }
}

/// Bytes whose hash is known before they are put.
struct Found {
    body: ByteStream,
    bytes: u64,
    content_hash: String,
}

impl Found {
    async fn bytes(bytes: Bytes) -> Result<Self, Unstored> {
        let hashed = bytes.clone();
        let content_hash = tokio::task::spawn_blocking(move || blake3::hash(&hashed).to_string())
            .await
            .map_err(|error| interrupted(Error::internal("hashing stopped").with_source(error)))?;
        Ok(Self {
            bytes: bytes.len() as u64,
            body: futures::stream::once(async { Ok(bytes) }).boxed(),
            content_hash,
        })
    }
}

/// Looks at what came back, on a thread where that may take its time. What a decoder panics at is broken.
async fn looked<T: Send + 'static>(
    code: &'static str,
    look: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T, Unstored> {
    let looked = tokio::task::spawn_blocking(look).await;
    let looked = looked.unwrap_or_else(|error| {
        Err(Error::new(
            ErrorKind::Provider,
            "what the provider sent cannot be decoded",
        )
        .with_code(code)
        .with_charge(Charge::Yes)
        .with_retry(Retry::Backoff)
        .with_source(error))
    });
    looked.map_err(|error| match error.charge() {
        Charge::Yes => rejected(error),
        // Our own disk failed at it.
        _ => interrupted(error),
    })
}

fn stalled(limit: Duration) -> Error {
    Error::new(
        ErrorKind::Timeout,
        "the provider began to send what it made, and then sent nothing more",
    )
    .with_code("stalled")
    .with_context("limit_s", limit.as_secs_f32())
}

fn too_large(max_bytes: u64) -> Unstored {
    rejected(
        Error::new(
            ErrorKind::Provider,
            "the provider sent more than such a call can give",
        )
        .with_code("reply_too_large")
        .with_context("limit_bytes", max_bytes),
    )
}

/// Marks that lie outside the audio are a provider's mistake; none are better than wrong ones.
fn honest(marks: Vec<SpeechMark>, duration_ms: u64) -> Vec<SpeechMark> {
    let mut last = 0;
    let sound = marks.iter().all(|mark| {
        let ordered = last <= mark.start_ms && mark.start_ms <= mark.end_ms;
        last = mark.end_ms;
        ordered && mark.end_ms <= duration_ms + 1
    });
    if sound { marks } else { Vec::new() }
}

fn audio_extension(media_type: &str) -> &'static str {
    match media_type {
        "audio/mpeg" | "audio/mp3" => "mp3",
        "audio/flac" | "audio/x-flac" => "flac",
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "wav",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_lie_are_dropped() {
        let mark = |start_ms, end_ms| SpeechMark {
            text_start: 0,
            text_end: 1,
            start_ms,
            end_ms,
        };
        assert_eq!(honest(vec![mark(0, 5), mark(5, 9)], 9).len(), 2);
        assert!(honest(vec![mark(0, 500)], 9).is_empty());
        assert!(honest(vec![mark(5, 9), mark(0, 5)], 9).is_empty());
    }
}
