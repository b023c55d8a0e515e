//! Drafts of speech, text and images made on this machine: no key, no network, no model.
//!
//! It shows the whole pipeline before anything is paid, and it is what tests and demos run on.
//! Every result carries [`DRAFT_WARNING`]. The same request gives the same bytes, as long as the
//! programs stay the same.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use litink_core::{
    Error, ErrorKind, Result,
    provider::{
        CallContext, Estimate, Generated, GenerationProvider, ImageCapabilities, Input, Modality,
        OnAmbiguous, Operation, ProviderCapabilities, Reply, Request, TextCapabilities,
    },
};
use tokio::sync::Semaphore;

mod image;
mod programs;
mod speech;
mod text;

pub use programs::{Program, Programs};
pub use text::Line;

/// The warning that every result of [`LocalProvider`] carries.
pub const DRAFT_WARNING: &str = "draft by the local provider: not the work of a model";

/// Makes drafts of speech (with the espeak-ng or flite program), text (by rules) and images (title
/// cards), registered as `local`.
///
/// - **Speech**: one WAV, 16-bit mono, with exact marks by sentence. Text without anything to say
///   gives 200 ms of silence and a warning.
/// - **Text**: the tasks `summary` (three sentences of the text) and `attribution` (who says each
///   quotation, in English: JSON `{"lines": [`[`Line`]`...]}`); everything else is
///   [`ErrorKind::Unsupported`], code `unknown_task`.
/// - **Images**: cards with the title, the prompt, the style and an ornament.
#[derive(Clone, Debug)]
pub struct LocalProvider {
    programs: Programs,
    capabilities: Arc<ProviderCapabilities>,
    slots: Arc<Semaphore>,
}

impl LocalProvider {
    /// Looks for the programs on `PATH`, once. Never fails: without them only speech does.
    #[must_use]
    pub fn new() -> Self {
        Self::with_programs(Programs::find())
    }

    /// Uses these programs.
    #[must_use]
    pub fn with_programs(programs: Programs) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            capabilities: Arc::new(capabilities(&programs, cores)),
            programs,
            slots: Arc::new(Semaphore::new(cores)),
        }
    }

    /// The programs that it found, and those that it looked for in vain.
    #[must_use]
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    async fn make(&self, request: &Request) -> Result<Generated> {
        match &request.input {
            Input::Speech(speech) => speech::speak(&self.programs, &self.slots, speech).await,
            Input::Text(text) => {
                let text = text.clone();
                in_thread(move || text::write(&text)).await
            }
            Input::Image(image) => {
                let (image, variant) = (image.clone(), request.variant);
                in_thread(move || image::draw(&image, variant)).await
            }
            other => Err(unsupported(other.modality())),
        }
    }
}

impl Default for LocalProvider {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl GenerationProvider for LocalProvider {
    fn name(&self) -> &str {
        "local"
    }

    fn capabilities(&self, _model: Option<&str>) -> Arc<ProviderCapabilities> {
        Arc::clone(&self.capabilities)
    }

    fn estimate(&self, _request: &Request) -> Estimate {
        Estimate::free()
    }

    async fn generate(&self, request: &Request, context: &CallContext) -> Result<Reply> {
        let mut made = limited(self.make(request), context).await?;
        made.cost_nanos = Some(0);
        made.warnings.insert(0, DRAFT_WARNING.to_owned());
        made.warnings.extend(unused_settings(request));
        Ok(Reply::Done(Box::new(made)))
    }

    async fn poll(&self, operation: &Operation, _context: &CallContext) -> Result<Reply> {
        Err(Error::not_found("operation", &operation.id))
    }

    async fn cancel(&self, _operation: &Operation, _context: &CallContext) -> Result<()> {
        Ok(())
    }
}

fn capabilities(programs: &Programs, cores: usize) -> ProviderCapabilities {
    let mut capabilities = ProviderCapabilities::default();
    capabilities.text = Some(TextCapabilities::default());
    capabilities.speech = Some(speech::capabilities(programs));
    capabilities.image = Some(ImageCapabilities::default());
    capabilities.max_concurrency = u32::try_from(cores).unwrap_or(u32::MAX);
    capabilities.draft = true;
    // Nothing is paid, so nothing is held back.
    capabilities.on_ambiguous = Some(OnAmbiguous::Resend);
    capabilities
}

fn unsupported(modality: Modality) -> Error {
    let name = modality.as_str();
    Error::new(
        ErrorKind::Unsupported,
        format!("the local provider makes text, speech and images, not {name}; name another one"),
    )
    .with_code("unsupported_modality")
}

fn unused_settings(request: &Request) -> Vec<String> {
    let model = request
        .model
        .iter()
        .map(|_| "the local provider has no models to choose from".to_owned());
    let options = request
        .provider_options
        .keys()
        .map(|key| format!("the local provider has no option {key:?}"));
    model.chain(options).collect()
}

/// Work that keeps a core busy, off the runtime's own threads.
async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("drawing or writing stopped").with_source(error))?
}

async fn limited<T>(
    work: impl Future<Output = Result<T>> + Send,
    context: &CallContext,
) -> Result<T> {
    tokio::select! {
        biased;
        () = context.cancel.cancelled() => Err(Error::cancelled()),
        result = tokio::time::timeout(context.timeout, work) => {
            result.unwrap_or_else(|_| Err(timed_out(context.timeout)))
        }
    }
}

fn timed_out(after: Duration) -> Error {
    let seconds = after.as_secs_f32();
    Error::new(
        ErrorKind::Timeout,
        format!("the local provider was not done after {seconds} s; allow more or ask for less"),
    )
}

#[cfg(test)]
mod tests;
