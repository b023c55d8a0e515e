//! From settings to an engine.

use std::time::Duration;

use litink_core::{
    Result, ResultExt,
    engine::{Engine, EngineOptions, WorkerOptions},
};

use crate::{
    Settings,
    connect::{Backends, connect},
};

/// Opens an engine as the settings say: [`connect`], look whether every backend can be used, and
/// [`engine`].
///
/// # Errors
/// As the backends': [`litink_core::ErrorKind::PermissionDenied`] for a folder that is read-only,
/// `Corrupt` for a damaged database, and so on.
pub async fn open(settings: &Settings) -> Result<Engine> {
    let backends = connect(settings).await?;
    backends.ready().await?;
    Ok(engine(backends, settings))
}

impl Backends {
    /// Whether every one can be used.
    ///
    /// # Errors
    /// That of the first that cannot.
    pub async fn ready(&self) -> Result<()> {
        for it in &self.connected {
            let ready = it.backend.ready().await;
            ready.context("backend", it.backend.describe())?;
        }
        Ok(())
    }
}

/// An engine on backends: with the ffmpeg encoder where the program is installed, and the local
/// provider, as far as these features are compiled in.
#[must_use]
pub fn engine(backends: Backends, settings: &Settings) -> Engine {
    let mut builder = Engine::builder()
        .repository(backends.repository)
        .storage(backends.storage)
        .queue(backends.queue)
        .cache(backends.cache)
        .events(backends.events)
        .options(options(settings));
    for backend in backends.connected {
        builder = builder.backend(backend);
    }
    #[cfg(feature = "ffmpeg")]
    match encoder(settings) {
        Ok(encoder) => builder = builder.encoder(std::sync::Arc::new(encoder)),
        Err(error) => tracing::info!(%error, "only WAV and subtitles can be made"),
    }
    #[cfg(feature = "openai")]
    match openai(settings) {
        Ok(Some(provider)) => builder = builder.provider(std::sync::Arc::new(provider)),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "there is no provider `openai`"),
    }
    #[cfg(feature = "local")]
    {
        builder = builder.provider(std::sync::Arc::new(crate::local::LocalProvider::new()));
    }
    builder.build()
}

/// The provider `openai`, where the settings name a key or an address.
///
/// # Errors
/// [`litink_core::ErrorKind::Configuration`], saying what to correct.
#[cfg(feature = "openai")]
pub fn openai(settings: &Settings) -> Result<Option<crate::openai::OpenAiProvider>> {
    let config = crate::openai::OpenAiConfig::from_settings(&settings.providers.openai)?;
    config.map(crate::openai::OpenAiProvider::new).transpose()
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

/// The ffmpeg encoder, if the program is there.
///
/// # Errors
/// [`litink_core::ErrorKind::Configuration`], naming the Debian package.
#[cfg(feature = "ffmpeg")]
pub fn encoder(settings: &Settings) -> Result<crate::ffmpeg::FfmpegEncoder> {
    match &settings.ffmpeg {
        Some(program) => Ok(crate::ffmpeg::FfmpegEncoder::new(program)),
        None => crate::ffmpeg::FfmpegEncoder::find(),
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
