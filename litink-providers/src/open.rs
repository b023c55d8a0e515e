//! From settings to an engine.

use std::{sync::Arc, time::Duration};

use litink_core::{
    Error, Result,
    engine::{Engine, EngineBuilder, EngineOptions, WorkerOptions},
    queue::MemoryQueue,
};

use crate::{Settings, embedded::EmbeddedStores, ffmpeg::FfmpegEncoder, local::LocalProvider};

/// Opens an engine as the settings say: its backends, the ffmpeg encoder where the program is
/// installed, and the local provider.
///
/// # Errors
/// As the backends': [`litink_core::ErrorKind::PermissionDenied`] for a folder that is read-only,
/// `Corrupt` for a damaged database, and so on.
pub async fn open(settings: &Settings) -> Result<Engine> {
    let builder = backends(Engine::builder(), settings).await?;
    let builder = match encoder(settings) {
        Ok(encoder) => builder.encoder(Arc::new(encoder)),
        Err(error) => {
            tracing::info!(%error, "only WAV and subtitles can be made");
            builder
        }
    };
    let engine = builder.options(options(settings)).build();
    engine.register_provider(Arc::new(LocalProvider::new()));
    Ok(engine)
}

/// The worker's settings.
#[must_use]
pub fn worker_options(settings: &Settings) -> WorkerOptions {
    let mut options = WorkerOptions::default();
    options.concurrency = settings.concurrency;
    // A crash is noticed after a lease; work that was never hinted at should not wait much longer.
    options.sweep_every = settings
        .lease()
        .mul_f64(2.0)
        .max(Duration::from_millis(500));
    options
}

async fn backends(builder: EngineBuilder, settings: &Settings) -> Result<EngineBuilder> {
    if settings.in_memory {
        return Ok(builder.queue(Arc::new(MemoryQueue::with_lease(settings.lease()))));
    }
    let stores = EmbeddedStores::open(&settings.data_dir, settings.lease()).await?;
    Ok(builder
        .repository(stores.repository)
        .storage(stores.storage)
        .queue(stores.queue)
        .cache(stores.cache)
        .events(stores.events))
}

/// The ffmpeg encoder, if the program is there.
///
/// # Errors
/// [`litink_core::ErrorKind::Configuration`], naming the Debian package.
pub fn encoder(settings: &Settings) -> Result<FfmpegEncoder, Error> {
    match &settings.ffmpeg {
        Some(program) => Ok(FfmpegEncoder::new(program)),
        None => FfmpegEncoder::find(),
    }
}

fn options(settings: &Settings) -> EngineOptions {
    let mut options = EngineOptions::default();
    options.call_timeout = Duration::from_secs_f64(settings.call_timeout_s);
    options.max_attempts = settings.max_attempts;
    if let Some(max_file_bytes) = settings.max_file_bytes {
        options.limits.max_file_bytes = max_file_bytes;
    }
    options
}

/// The version of the database's schema that this build works with.
#[must_use]
pub fn schema_version() -> u32 {
    litink_migrations::SQLITE
        .last()
        .map_or(0, |migration| migration.version)
}
