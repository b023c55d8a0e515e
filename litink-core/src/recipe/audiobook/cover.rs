use serde::{Deserialize, Serialize};

use super::AudiobookOptions;
use crate::{
    Result,
    engine::{Asset, StepContext, StoredMedia},
    provider::{AspectRatio, ImageRequest, Modality, Request},
    recipe::StepOutput,
};

/// The cover that was drawn for a book without one; none where nobody draws for nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CoverOutput {
    pub(super) image: Option<StoredMedia>,
}

/// Draws a title card with a provider whose work is a draft and costs nothing: a cover that nobody
/// asked for is not paid for.
pub(super) async fn execute(
    context: &StepContext,
    options: &AudiobookOptions,
) -> Result<StepOutput> {
    let draws = |name: &str| {
        let provider = context.engine().provider(name).ok()?;
        let capabilities = provider.capabilities(None);
        (capabilities.draft && capabilities.serves(Modality::Image)).then(|| name.to_owned())
    };
    let Some(provider) = draws(&options.provider).or_else(|| draws("local")) else {
        return StepOutput::new(CoverOutput { image: None });
    };
    let book = context.book().await?;
    let image = ImageRequest {
        prompt: book.authors.join(", "),
        title: Some(book.title),
        aspect: AspectRatio::Cover,
        ..ImageRequest::default()
    };
    let made = context.generate(&provider, &Request::new(image)).await?;
    let Asset::Image { image } = made.asset else {
        return Err(super::super::wrong_kind(&provider, "image"));
    };
    StepOutput::new(CoverOutput { image: Some(image) })
}
