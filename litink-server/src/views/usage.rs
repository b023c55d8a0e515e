//! What was used and paid, as the API answers it. Money is in billionths of a US dollar.

use litink_core::{domain::Budget, engine::UsageLine};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// What calls used and cost together. The names are those that were asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageView {
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Uuid>,
    /// The run that asked first.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<Uuid>,
    /// The provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    /// The model, as the provider names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// The kind of thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    modality: Option<String>,
    /// Calls, each counted once however often it was tried.
    calls: u64,
    /// Times that providers were called for them.
    attempts: u64,
    /// What is known of the cost.
    cost_nanos: i64,
    /// That part of it which vendors reported; the rest is made of price lists.
    reported_nanos: i64,
    /// Calls that were paid at a price that nobody knows: they are not in `cost_nanos`.
    unknown_cost: u64,
    /// The most that attempts cost of which it is not known whether, or how much, they were paid.
    unsettled_nanos: i64,
    /// Tokens read, as far as reported.
    input_tokens: i64,
    /// Tokens written, as far as reported.
    output_tokens: i64,
    /// Characters read, as far as reported.
    input_chars: i64,
    /// Audio or video read, in milliseconds, as far as reported.
    input_ms: i64,
    /// Audio or video made, in milliseconds, as far as reported.
    output_ms: i64,
    /// Images made, as far as reported.
    images: i64,
}

impl From<UsageLine> for UsageView {
    fn from(line: UsageLine) -> Self {
        Self {
            user: line.user.map(Into::into),
            run: line.run.map(Into::into),
            provider: line.provider,
            model: line.model,
            modality: line.modality,
            calls: line.calls,
            attempts: line.attempts,
            cost_nanos: line.cost_nanos,
            reported_nanos: line.reported_nanos,
            unknown_cost: line.unknown_cost,
            unsettled_nanos: line.unsettled_nanos,
            input_tokens: line.input_tokens,
            output_tokens: line.output_tokens,
            input_chars: line.input_chars,
            input_ms: line.input_ms,
            output_ms: line.output_ms,
            images: line.images,
        }
    }
}

/// How much may be spent on something, and how much of it is left.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BudgetView {
    /// `run`, `user` or `day`.
    #[schema(example = "run")]
    scope: &'static str,
    /// Which one: an id, or a day.
    subject: String,
    limit_nanos: i64,
    spent_nanos: i64,
    /// What is held back for calls whose cost is not known yet.
    held_nanos: i64,
    left_nanos: i64,
}

impl From<Budget> for BudgetView {
    fn from(budget: Budget) -> Self {
        Self {
            scope: budget.scope.as_str(),
            spent_nanos: budget.spent_nanos(),
            subject: budget.subject,
            limit_nanos: budget.limit_nanos,
            held_nanos: budget.held_nanos,
            left_nanos: budget.left_nanos,
        }
    }
}
