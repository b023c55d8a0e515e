//! From settings to an engine.

use std::{sync::Arc, time::Duration};

use litink_core::{
    Error, ErrorKind, Result, ResultExt,
    engine::{Engine, EngineOptions, WorkerOptions},
    provider::{
        Modality,
        layers::{Ladder, Rung},
    },
};
#[cfg(feature = "vendors")]
use litink_core::{
    cache::Cache,
    provider::{
        GenerationProvider,
        layers::{Adaptive, Breaker, BreakerOptions, RateLimited, Repaired},
    },
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
    let engine = engine(backends, settings);
    ladders(&engine, settings)?;
    Ok(engine)
}

/// Registers the ladders that the settings name, over the providers that the engine has.
///
/// # Errors
/// [`litink_core::ErrorKind::Configuration`] (code `bad_ladder`) for a role that nobody knows, and for a
/// rung that is not there, wants a key, or does not make what the role is for: now, and not when the
/// rung is needed.
pub fn ladders(engine: &Engine, settings: &Settings) -> Result<()> {
    let mut made = Vec::new();
    for (role, tiers) in &settings.ladders {
        let modality = modality_of(role)?;
        for (tier, rungs) in tiers {
            let name = match tier.as_str() {
                "standard" => role.clone(),
                tier => format!("{role}.{tier}"),
            };
            let rungs = rungs.iter().map(|text| rung(engine, &name, text));
            let rungs = rungs.collect::<Result<Vec<_>>>()?;
            made.push(Ladder::new(name, modality, rungs)?);
        }
    }
    for ladder in made {
        engine.register_provider(Arc::new(ladder));
    }
    Ok(())
}

/// What a role makes.
fn modality_of(role: &str) -> Result<Modality> {
    Ok(match role {
        "narrator" => Modality::Speech,
        "writer" => Modality::Text,
        "illustrator" => Modality::Image,
        "transcriber" => Modality::Transcription,
        "indexer" => Modality::Embedding,
        "film_maker" => Modality::Video,
        "musician" => Modality::Sound,
        _ => {
            return Err(bad_ladder(
                role,
                "a ladder is of a narrator, writer, illustrator, transcriber, indexer, film_maker or \
                 musician",
            ));
        }
    })
}

/// `openai/tts-1`, or `local` for what a provider takes by itself.
fn rung(engine: &Engine, ladder: &str, text: &str) -> Result<Rung> {
    let (name, model) = match text.split_once('/') {
        Some((name, model)) => (name, Some(model.to_owned())),
        None => (text, None),
    };
    let provider = engine.provider(name).map_err(|error| {
        let message = format!(
            "there is no provider `{name}`, or it has no key and no address yet; set it up, or take it \
             off the ladder"
        );
        bad_ladder(ladder, message).with_source(error)
    })?;
    Ok(Rung { provider, model })
}

fn bad_ladder(ladder: &str, message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
        .with_code("bad_ladder")
        .with_context("ladder", ladder)
}

/// Calls after the first that a model has to mend an answer which does not fit its JSON schema.
#[cfg(feature = "vendors")]
const REPAIRS: u32 = 2;

/// A provider of a vendor, left alone for a while where it is down, as all processes on the same cache
/// know; within its limits, and with as many calls at once as it bears.
#[cfg(feature = "vendors")]
fn guarded(
    provider: impl GenerationProvider + 'static,
    cache: &Arc<dyn Cache>,
    settings: &Settings,
) -> Arc<dyn GenerationProvider> {
    let rates = settings.rates.get(provider.name()).copied();
    let rates = rates.unwrap_or_default();
    let adaptive = Adaptive::new(Arc::new(provider));
    let limited = RateLimited::new(Arc::new(adaptive), Arc::clone(cache), rates);
    let options = BreakerOptions::default();
    let breaker = Breaker::new(Arc::new(limited), Arc::clone(cache), options);
    Arc::new(Repaired::new(Arc::new(breaker), REPAIRS))
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
    #[cfg(feature = "vendors")]
    let cache = Arc::clone(&backends.cache);
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
        Ok(encoder) => builder = builder.encoder(Arc::new(encoder)),
        Err(error) => tracing::info!(%error, "only WAV and subtitles can be made"),
    }
    #[cfg(feature = "tesseract")]
    match tesseract(settings) {
        Ok(program) => builder = builder.ocr(Arc::new(program)),
        Err(error) => tracing::info!(%error, "scanned books are refused"),
    }
    #[cfg(feature = "openai")]
    match openai(settings) {
        Ok(Some(provider)) => builder = builder.provider(guarded(provider, &cache, settings)),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "there is no provider `openai`"),
    }
    #[cfg(feature = "anthropic")]
    match anthropic(settings) {
        Ok(Some(provider)) => builder = builder.provider(guarded(provider, &cache, settings)),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "there is no provider `anthropic`"),
    }
    #[cfg(feature = "gemini")]
    match gemini(settings) {
        Ok(Some(provider)) => builder = builder.provider(guarded(provider, &cache, settings)),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "there is no provider `gemini`"),
    }
    #[cfg(feature = "elevenlabs")]
    match elevenlabs(settings) {
        Ok(Some(provider)) => builder = builder.provider(guarded(provider, &cache, settings)),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "there is no provider `elevenlabs`"),
    }
    #[cfg(feature = "local")]
    {
        builder = builder.provider(Arc::new(crate::local::LocalProvider::new()));
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
    let Some(mut config) = config else {
        return Ok(None);
    };
    config.prices = prices(settings)?;
    crate::openai::OpenAiProvider::new(config).map(Some)
}

/// The provider `anthropic`, where the settings name a key or an address.
///
/// # Errors
/// [`litink_core::ErrorKind::Configuration`], saying what to correct.
#[cfg(feature = "anthropic")]
pub fn anthropic(settings: &Settings) -> Result<Option<crate::anthropic::AnthropicProvider>> {
    let own = &settings.providers.anthropic;
    let config = of_vendor(settings, &crate::anthropic::VENDOR, own)?;
    config.map(crate::vendor::TextProvider::new).transpose()
}

/// The provider `gemini`, where the settings name a key or an address.
///
/// # Errors
/// [`litink_core::ErrorKind::Configuration`], saying what to correct.
#[cfg(feature = "gemini")]
pub fn gemini(settings: &Settings) -> Result<Option<crate::gemini::GeminiProvider>> {
    let own = &settings.providers.gemini;
    let config = of_vendor(settings, &crate::gemini::VENDOR, own)?;
    config.map(crate::gemini::GeminiProvider::new).transpose()
}

/// The provider `elevenlabs`, where the settings name a key or an address.
///
/// # Errors
/// [`litink_core::ErrorKind::Configuration`], saying what to correct.
#[cfg(feature = "elevenlabs")]
pub fn elevenlabs(settings: &Settings) -> Result<Option<crate::elevenlabs::ElevenLabsProvider>> {
    let own = &settings.providers.elevenlabs;
    let config = of_vendor(settings, &crate::elevenlabs::VENDOR, own)?;
    config
        .map(crate::elevenlabs::ElevenLabsProvider::new)
        .transpose()
}

#[cfg(any(feature = "anthropic", feature = "elevenlabs", feature = "gemini"))]
fn of_vendor(
    settings: &Settings,
    vendor: &'static crate::vendor::Vendor,
    own: &crate::VendorSettings,
) -> Result<Option<crate::vendor::VendorConfig>> {
    let Some(mut config) = crate::vendor::VendorConfig::from_settings(vendor, own)? else {
        return Ok(None);
    };
    config.prices = prices(settings)?;
    Ok(Some(config))
}

/// The settings' own prices, if they name any.
#[cfg(feature = "vendors")]
fn prices(settings: &Settings) -> Result<Option<Arc<crate::catalog::PriceBook>>> {
    let file = settings.prices.as_deref();
    file.map(crate::catalog::PriceBook::read).transpose()
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

/// The tesseract program, which reads scanned pages, if it is there.
///
/// # Errors
/// [`litink_core::ErrorKind::Configuration`], naming the Debian package.
#[cfg(feature = "tesseract")]
pub fn tesseract(settings: &Settings) -> Result<crate::tesseract::Tesseract> {
    use crate::tesseract::Tesseract;
    let found = match &settings.tesseract {
        Some(program) => Tesseract::new(program),
        None => Tesseract::find()?,
    };
    Ok(found.with_languages(&settings.ocr_languages))
}

fn options(settings: &Settings) -> EngineOptions {
    let mut options = EngineOptions::default();
    options.call_timeout = Duration::from_secs_f64(settings.call_timeout_s);
    options.max_attempts = settings.max_attempts;
    options.budgets = settings.budgets.limits();
    if let Some(max_file_bytes) = settings.max_file_bytes {
        options.limits.max_file_bytes = max_file_bytes;
    }
    options
}

#[cfg(test)]
#[cfg(feature = "local")]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        Settings::parse(&format!("in_memory = true\n{text}"), []).unwrap()
    }

    #[tokio::test]
    async fn a_ladder_is_a_provider_and_a_rung_that_cannot_is_told_at_the_start() {
        let good =
            settings("[ladders.narrator]\nstandard = ['local']\npremium = ['local/x', 'local']");
        let engine = open(&good).await.unwrap();
        for name in ["narrator", "narrator.premium"] {
            let provider = engine.provider(name).unwrap();
            assert!(provider.capabilities(None).speech.is_some(), "{name}");
        }
        for bad in [
            "[ladders.narrator]\nstandard = ['nobody/m']",
            "[ladders.narrator]\nstandard = ['anthropic']",
            "[ladders.narrator]\nstandard = []",
            "[ladders.film_maker]\nstandard = ['local']",
            "[ladders.butcher]\nstandard = ['local']",
        ] {
            let error = open(&settings(bad)).await.unwrap_err();
            assert_eq!(error.code(), "bad_ladder", "{bad}");
        }
    }
}
