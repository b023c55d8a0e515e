//! What a run would cost, as it is shown.

use litink_core::engine::{Quote, QuoteLine};
use serde::Serialize;
use utoipa::ToSchema;

/// What a run would call for, and the most that it can cost.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuoteView {
    /// By provider, model and kind of thing.
    lines: Vec<QuoteLineView>,
    /// Distinct calls.
    calls: u64,
    /// Those of them that were made before, and are not paid again.
    made_before: u64,
    /// The most that the others can cost, in billionths of a US dollar; null where the most is not
    /// known of one of them.
    cost_nanos: Option<i64>,
    /// Those of which it is not known.
    unknown_cost: u64,
}

/// The calls of one provider, model and kind of thing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuoteLineView {
    /// The provider.
    #[schema(example = "openai")]
    provider: String,
    /// The model, if one is named.
    model: Option<String>,
    /// The kind of thing.
    #[schema(example = "speech")]
    modality: String,
    /// Distinct calls.
    calls: u64,
    /// Those of them that were made before.
    made_before: u64,
    /// The most that the others cost, in billionths of a US dollar; null where it is not known of one.
    cost_nanos: Option<i64>,
    /// Those of which it is not known.
    unknown_cost: u64,
    /// The most tokens that they read, as far as it is known.
    input_tokens: Option<u64>,
    /// The most tokens that they write.
    output_tokens: Option<u64>,
    /// Characters that they read.
    input_chars: Option<u64>,
    /// Images that they make.
    images: Option<u64>,
}

impl From<Quote> for QuoteView {
    fn from(quote: Quote) -> Self {
        Self {
            lines: quote.lines.into_iter().map(Into::into).collect(),
            calls: quote.calls,
            made_before: quote.made_before,
            cost_nanos: quote.cost_nanos,
            unknown_cost: quote.unknown_cost,
        }
    }
}

impl From<QuoteLine> for QuoteLineView {
    fn from(line: QuoteLine) -> Self {
        Self {
            provider: line.provider,
            model: line.model,
            modality: line.modality.as_str().to_owned(),
            calls: line.calls,
            made_before: line.made_before,
            cost_nanos: line.cost_nanos,
            unknown_cost: line.unknown_cost,
            input_tokens: line.usage.input_tokens,
            output_tokens: line.usage.output_tokens,
            input_chars: line.usage.input_chars,
            images: line.usage.images,
        }
    }
}
