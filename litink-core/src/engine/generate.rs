//! The call path: look, journal, call, verify, store. Paid at most once.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Engine, StepContext};
use crate::{
    Actor, Charge, Error, ErrorKind, GenerationId, Result, Retry, audio,
    domain::{Failure, Generation, GenerationState, Meta, Step, StepState},
    provider::{
        CallContext, Generated, GenerationProvider, Media, MediaBody, MediaRef, MediaSource,
        OnAmbiguous, Operation, Output, Reply, Request, SpeechMark,
    },
    repository::{Change, RepositoryExt},
    storage::{Area, PutOptions, StorageExt, StorageKey},
};

/// What a provider made, with media in storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "modality", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Asset {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// Speech.
    Speech {
        /// The audio.
        audio: StoredMedia,
        /// How long it plays, counted in samples.
        duration_ms: u64,
        /// When each stretch of the text is spoken, if the provider knows.
        marks: Vec<SpeechMark>,
    },
    /// An image.
    Image {
        /// The image.
        image: StoredMedia,
    },
    /// A film.
    Video {
        /// The film.
        video: StoredMedia,
    },
    /// A transcript.
    Transcription {
        /// The text.
        text: String,
        /// When each stretch of it is spoken.
        marks: Vec<SpeechMark>,
    },
    /// Vectors.
    Embedding {
        /// One for each text.
        vectors: Vec<Vec<f32>>,
    },
    /// Music or a sound effect.
    Sound {
        /// The audio.
        audio: StoredMedia,
        /// How long it plays.
        duration_ms: u64,
    },
}

impl Asset {
    /// What a generation made, if it is completed.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`].
    pub fn of(row: &Generation) -> Result<Option<Self>> {
        let Some(output) = row.output.clone() else {
            return Ok(None);
        };
        serde_json::from_value(output).map(Some).map_err(|error| {
            Error::new(ErrorKind::Corrupt, "a stored generation cannot be read")
                .with_context("generation", row.id())
                .with_source(error)
        })
    }

    /// The stored media, if it is media.
    #[must_use]
    pub fn media(&self) -> Option<&StoredMedia> {
        match self {
            Self::Speech { audio, .. } | Self::Sound { audio, .. } => Some(audio),
            Self::Image { image } => Some(image),
            Self::Video { video } => Some(video),
            Self::Text { .. } | Self::Transcription { .. } | Self::Embedding { .. } => None,
        }
    }
}

/// What a call made, and the row that it is paid by.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The generation.
    pub id: GenerationId,
    /// What it made.
    pub asset: Asset,
}

/// Media in storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMedia {
    /// Where.
    pub key: StorageKey,
    /// Its media type.
    pub media_type: String,
    /// Its size.
    pub bytes: u64,
}

/// The largest audio of one call: an hour of CD sound, far above any provider's limit on text.
const MAX_AUDIO_BYTES: u64 = 512 << 20;
/// The largest image of one call.
const MAX_IMAGE_BYTES: u64 = 64 << 20;
/// The largest film of one call.
const MAX_VIDEO_BYTES: u64 = 4 << 30;
/// How soon to look again at a call that another step is making.
const ELSEWHERE_PAUSE: Duration = Duration::from_secs(2);

/// The hash that makes two calls the same call: over provider, model and request.
pub(crate) fn fingerprint(provider: &str, request: &Request) -> Result<String> {
    let mut canonical = json!({ "provider": provider, "request": request });
    prune(&mut canonical);
    // serde_json keeps the keys of maps sorted: one text per request.
    let text = serde_json::to_vec(&canonical)
        .map_err(|error| Error::internal("a request is JSON").with_source(error))?;
    Ok(blake3::hash(&text).to_hex().to_string())
}

/// Takes out what says nothing: so a field that a later version adds leaves the fingerprints of
/// calls that do not use it as they were, and they are not paid again. Where media stand is not
/// part of it either: their content is.
fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if map.contains_key("content_hash") {
                map.remove("key");
            }
            map.values_mut().for_each(prune);
            map.retain(|_, value| !says_nothing(value));
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// One call on its way.
struct Call<'a> {
    engine: &'a Engine,
    context: &'a StepContext,
    provider: &'a dyn GenerationProvider,
    request: &'a Request,
}

impl Engine {
    pub(super) async fn generate(
        &self,
        context: &StepContext,
        provider: &str,
        request: &Request,
    ) -> Result<Made> {
        let provider = self.provider(provider)?;
        let modality = request.modality();
        if !provider
            .capabilities(request.model.as_deref())
            .serves(modality)
        {
            return Err(
                Error::new(ErrorKind::Unsupported, "this provider does not make this")
                    .with_code("unsupported_modality")
                    .with_context("provider", provider.name())
                    .with_context("modality", modality.as_str()),
            );
        }
        let fingerprint = fingerprint(provider.name(), request)?;
        let id = Generation::id_of(context.run().meta.owner, &fingerprint);
        let _flight = self.inner.calls.fly(id).await;
        let call = Call {
            engine: self,
            context,
            provider: &*provider,
            request,
        };
        let asset = call.resume_or_begin(fingerprint).await?;
        Ok(Made { id, asset })
    }
}

impl Call<'_> {
    async fn resume_or_begin(&self, fingerprint: String) -> Result<Asset> {
        let id = Generation::id_of(self.context.run().meta.owner, &fingerprint);
        let found: Option<Generation> = self
            .engine
            .repository()
            .find_optional(Actor::Worker, id)
            .await?;
        let Some(row) = found else {
            let row = self.insert(fingerprint).await?;
            return self.call(row).await;
        };
        match row.state {
            GenerationState::Completed => match self.stored(&row).await? {
                Some(asset) => {
                    self.count("reused");
                    Ok(asset)
                }
                // The row outlived its bytes (somebody emptied the folder): make it again.
                None => self.call(row).await,
            },
            GenerationState::Pending => self.poll(row).await,
            GenerationState::Failed => self.call(row).await,
            GenerationState::Started => self.take_over(row).await,
            GenerationState::Held if self.context.released => self.call(row).await,
            GenerationState::Held => Err(held(&row)),
        }
    }

    async fn stored(&self, row: &Generation) -> Result<Option<Asset>> {
        let Some(asset) = Asset::of(row)? else {
            return Ok(None);
        };
        let there = match asset.media() {
            Some(media) => {
                self.engine
                    .storage()
                    .exists(Actor::Worker, &media.key)
                    .await?
            }
            None => true,
        };
        Ok(there.then_some(asset))
    }

    async fn insert(&self, fingerprint: String) -> Result<Generation> {
        let owner = self.context.run().meta.owner;
        let row = Generation {
            meta: Meta::new(Generation::id_of(owner, &fingerprint), owner),
            state: GenerationState::Failed,
            fingerprint,
            provider: self.provider.name().to_owned(),
            model: self.request.model.clone(),
            modality: self.request.modality(),
            run_id: Some(self.context.run().id()),
            step_id: Some(self.context.step),
            attempt: 1,
            operation: None,
            output: None,
            usage: None,
            cost_nanos: None,
            request_id: None,
            error: None,
        };
        // Journalled as begun in the same commit that makes the row: one write before the call.
        let mut started = row;
        started.state = GenerationState::Started;
        match self
            .engine
            .repository()
            .apply(Actor::Worker, vec![Change::insert(&started)?])
            .await
        {
            Ok(_) => started.meta.version = 1,
            Err(error) if error.code() == "already_exists" => return Err(elsewhere()),
            Err(error) => return Err(error),
        }
        Ok(started)
    }

    /// A call was begun and its end is not known: by this step before a crash, or by another step
    /// that is still about it.
    async fn take_over(&self, row: Generation) -> Result<Asset> {
        if row.step_id != Some(self.context.step) && self.other_step_runs(&row).await? {
            return Err(elsewhere());
        }
        if self.policy() == OnAmbiguous::Hold {
            let failure = Failure::from(&held(&row));
            self.set(&row, GenerationState::Held, [("error", json!(failure))])
                .await?;
            return Err(held(&row));
        }
        tracing::warn!(generation = %row.id(), "a call whose end is not known is sent again");
        self.count("resent");
        self.call(row).await
    }

    async fn other_step_runs(&self, row: &Generation) -> Result<bool> {
        let Some(step) = row.step_id else {
            return Ok(false);
        };
        let step: Option<Step> = self
            .engine
            .repository()
            .find_optional(Actor::Worker, step)
            .await?;
        Ok(step.is_some_and(|step| step.state == StepState::Running))
    }

    fn policy(&self) -> OnAmbiguous {
        let capabilities = self.provider.capabilities(self.request.model.as_deref());
        capabilities.on_ambiguous(self.request.modality())
    }

    /// Calls the provider, the intent journalled before.
    async fn call(&self, mut row: Generation) -> Result<Asset> {
        let _slot = self.engine.inner.calls.slot(self.provider).await?;
        let fresh = row.meta.version == 1 && row.state == GenerationState::Started;
        if !fresh {
            row.attempt += 1;
            let set = [
                ("attempt", json!(row.attempt)),
                ("step_id", json!(self.context.step)),
                ("operation", Value::Null),
            ];
            row = self.set(&row, GenerationState::Started, set).await?;
        }
        let context = self.call_context(&row);
        let reply = self
            .timed(self.provider.generate(self.request, &context))
            .await;
        self.settle(row, reply).await
    }

    async fn poll(&self, row: Generation) -> Result<Asset> {
        let Some(operation) = row.operation.clone() else {
            return self.call(row).await;
        };
        let context = self.call_context(&row);
        let reply = self.timed(self.provider.poll(&operation, &context)).await;
        self.settle(row, reply).await
    }

    fn call_context(&self, row: &Generation) -> CallContext {
        let mut context = CallContext::new(row.id());
        context.attempt = row.attempt;
        context.cancel = self.context.cancel.clone();
        context.timeout = self.engine.options().call_timeout;
        context.media = Some(Arc::new(OwnersMedia {
            engine: self.engine.clone(),
            actor: Actor::User(row.meta.owner),
        }));
        context.extensions = self.context.extensions.clone();
        context
    }

    async fn timed(&self, call: impl Future<Output = Result<Reply>>) -> Result<Reply> {
        let limit = self.engine.options().call_timeout;
        tokio::time::timeout(limit, call).await.unwrap_or_else(|_| {
            Err(
                Error::new(ErrorKind::Timeout, "the provider did not answer in time")
                    .with_code("provider_timeout")
                    .with_context("provider", self.provider.name())
                    .with_context("limit_s", limit.as_secs_f32())
                    .with_retry(Retry::Ambiguous)
                    .with_charge(Charge::Maybe),
            )
        })
    }

    async fn settle(&self, row: Generation, reply: Result<Reply>) -> Result<Asset> {
        let stored = match reply {
            Ok(Reply::Done(generated)) => self.store(&row, *generated).await,
            Ok(Reply::Pending(operation)) => return self.wait_for(row, operation).await,
            Err(error) => Err(error),
        };
        match stored {
            Ok(asset) => {
                self.count("completed");
                Ok(asset)
            }
            Err(error) => self.failed(row, error).await,
        }
    }

    /// The vendor goes on: its handle is stored before anybody asks again, and the step comes back
    /// later without holding a worker's slot.
    async fn wait_for(&self, row: Generation, operation: Operation) -> Result<Asset> {
        let pause = Duration::from_millis(operation.poll_after_ms.clamp(50, 600_000));
        if row.state != GenerationState::Pending || row.operation.as_ref() != Some(&operation) {
            let set = [("operation", json!(operation))];
            self.set(&row, GenerationState::Pending, set).await?;
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "the provider is still working on it",
        )
        .with_code("operation_pending")
        .with_retry(Retry::After(pause)))
    }

    async fn failed(&self, row: Generation, error: Error) -> Result<Asset> {
        self.count("failed");
        let hold = error.retry() == Retry::Ambiguous && self.policy() == OnAmbiguous::Hold;
        let state = if hold {
            GenerationState::Held
        } else {
            GenerationState::Failed
        };
        let failure = Failure::from(&error);
        self.set(
            &row,
            state,
            [("error", json!(failure)), ("operation", Value::Null)],
        )
        .await?;
        Err(if hold {
            held(&row).with_source(error)
        } else {
            error.with_operation("generate")
        })
    }

    /// Bytes first, then the row that names them.
    async fn store(&self, row: &Generation, generated: Generated) -> Result<Asset> {
        let Generated {
            output,
            model,
            usage,
            cost_nanos,
            warnings,
            request_id,
        } = generated;
        for warning in &warnings {
            tracing::debug!(
                provider = self.provider.name(),
                warning,
                "a provider's warning"
            );
        }
        let asset = self.store_output(row, output).await?;
        let mut set = vec![
            ("output", json!(asset)),
            ("usage", json!(usage)),
            ("cost_nanos", json!(cost_nanos)),
            ("request_id", json!(request_id)),
            ("error", Value::Null),
        ];
        if model.is_some() {
            set.push(("model", json!(model)));
        }
        self.set(row, GenerationState::Completed, set).await?;
        Ok(asset)
    }

    async fn store_output(&self, row: &Generation, output: Output) -> Result<Asset> {
        Ok(match output {
            Output::Text { text } => Asset::Text { text },
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
            Output::Image { image } => {
                let (bytes, media_type) = gather(image, MAX_IMAGE_BYTES).await?;
                let name = format!("image.{}", super::books::extension(&media_type));
                let image = self
                    .put(row, Area::Images, &name, bytes, media_type)
                    .await?;
                Asset::Image { image }
            }
            Output::Video { video } => Asset::Video {
                video: self.store_video(row, video).await?,
            },
        })
    }

    /// Looks at the audio before it is called done: what a provider says of it is not trusted.
    async fn store_audio(&self, row: &Generation, media: Media) -> Result<(StoredMedia, u64)> {
        let (bytes, media_type) = gather(media, MAX_AUDIO_BYTES).await?;
        let (looked_at, hint) = (bytes.clone(), media_type.clone());
        let probe = tokio::task::spawn_blocking(move || audio::probe(&looked_at, &hint))
            .await
            .map_err(|error| {
                Error::new(ErrorKind::Provider, "the audio cannot be decoded")
                    .with_code("broken_audio")
                    .with_source(error)
            })?
            // The money is gone, but another try may give sound audio.
            .and_then(audible)
            .map_err(|error| error.with_retry(Retry::Backoff).with_charge(Charge::Yes))?;
        let name = format!("audio.{}", audio_extension(&media_type));
        let stored = self.put(row, Area::Audio, &name, bytes, media_type).await?;
        Ok((stored, probe.duration().as_millis() as u64))
    }

    async fn store_video(&self, row: &Generation, media: Media) -> Result<StoredMedia> {
        let key = self.key(row, Area::Videos, "video.mp4");
        let media_type = media.media_type;
        let options = PutOptions::media_type(&media_type).max_bytes(MAX_VIDEO_BYTES);
        let body = match media.body {
            MediaBody::Bytes(bytes) => Box::pin(futures::stream::once(async { Ok(bytes) })),
            MediaBody::Stream(stream) => stream,
        };
        let meta = self
            .engine
            .storage()
            .put(Actor::Worker, &key, body, &options)
            .await?;
        Ok(StoredMedia {
            key,
            media_type,
            bytes: meta.bytes,
        })
    }

    async fn put(
        &self,
        row: &Generation,
        area: Area,
        name: &str,
        bytes: Bytes,
        media_type: String,
    ) -> Result<StoredMedia> {
        let key = self.key(row, area, name);
        let size = bytes.len() as u64;
        self.engine
            .storage()
            .put_bytes(Actor::Worker, &key, bytes, &media_type)
            .await?;
        Ok(StoredMedia {
            key,
            media_type,
            bytes: size,
        })
    }

    /// A generation's media stand in a group of their own: they are their owner's, not the run's.
    fn key(&self, row: &Generation, area: Area, name: &str) -> StorageKey {
        StorageKey::new(row.meta.owner, area, row.meta.id, name)
    }

    async fn set(
        &self,
        row: &Generation,
        state: GenerationState,
        columns: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Generation> {
        let set = columns.into_iter().chain([("state", json!(state))]);
        let change = Change::update(row, set);
        match self
            .engine
            .repository()
            .apply(Actor::Worker, vec![change])
            .await
        {
            Ok(committed) => {
                let mut row = row.clone();
                row.state = state;
                row.meta.version = committed.changes.first().map_or(0, |change| change.version);
                Ok(row)
            }
            Err(error) if error.code() == "version_conflict" => Err(elsewhere()),
            Err(error) => Err(error),
        }
    }

    fn count(&self, outcome: &'static str) {
        metrics::counter!(
            "litink_generation_calls_total",
            "provider" => self.provider.name().to_owned(),
            "modality" => self.request.modality().as_str(),
            "outcome" => outcome,
        )
        .increment(1);
    }
}

/// The stored media that a provider may open: those of the run's owner.
#[derive(Debug)]
struct OwnersMedia {
    engine: Engine,
    actor: Actor,
}

#[async_trait]
impl MediaSource for OwnersMedia {
    async fn open(&self, media: &MediaRef) -> Result<Media> {
        let object = self
            .engine
            .storage()
            .get(self.actor, &media.key, None)
            .await?;
        Ok(Media::stream(media.media_type.clone(), object.body))
    }
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

fn audible(probe: audio::Probe) -> Result<audio::Probe> {
    if !probe.is_silent() {
        return Ok(probe);
    }
    Err(Error::new(ErrorKind::Provider, "the provider sent silence").with_code("silent_audio"))
}

fn audio_extension(media_type: &str) -> &'static str {
    match media_type {
        "audio/mpeg" | "audio/mp3" => "mp3",
        "audio/flac" | "audio/x-flac" => "flac",
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "wav",
        _ => "bin",
    }
}

async fn gather(media: Media, max_bytes: u64) -> Result<(Bytes, String)> {
    let too_large = || {
        Error::new(
            ErrorKind::Provider,
            "the provider sent more than such a call can give",
        )
        .with_code("reply_too_large")
        .with_context("limit_bytes", max_bytes)
        .with_charge(Charge::Yes)
    };
    let bytes = match media.body {
        MediaBody::Bytes(bytes) => bytes,
        MediaBody::Stream(mut stream) => {
            let mut bytes = BytesMut::new();
            while let Some(chunk) = stream.try_next().await? {
                if (bytes.len() + chunk.len()) as u64 > max_bytes {
                    return Err(too_large());
                }
                bytes.extend_from_slice(&chunk);
            }
            bytes.freeze()
        }
    };
    if bytes.len() as u64 > max_bytes {
        Err(too_large())
    } else {
        Ok((bytes, media.media_type))
    }
}

fn elsewhere() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the same call is being made by another step",
    )
    .with_code("in_flight_elsewhere")
    .with_retry(Retry::After(ELSEWHERE_PAUSE))
}

fn held(row: &Generation) -> Error {
    Error::new(
        ErrorKind::Conflict,
        "a call may have been paid although no answer came; look at the vendor's own records, and \
         resume the run to send it again",
    )
    .with_code("held")
    .with_context("generation", row.id())
    .with_charge(Charge::Maybe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::SpeechRequest;

    #[test]
    fn fingerprints_differ_by_provider_model_and_request_only() {
        let request = Request::new(SpeechRequest::new("Hello."));
        let print = |provider: &str, request: &Request| fingerprint(provider, request).unwrap();
        assert_eq!(print("a", &request), print("a", &request.clone()));
        assert_ne!(print("a", &request), print("b", &request));
        assert_ne!(
            print("a", &request),
            print("a", &request.clone().model(Some("m".into())))
        );
        assert_ne!(
            print("a", &request),
            print("a", &Request::new(SpeechRequest::new("Hello")))
        );
    }

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
