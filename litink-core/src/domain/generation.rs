use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Entity, Failure, Meta, Timestamp};
use crate::{
    BudgetId, GenerationId, RunId, StepId, UserId,
    provider::{Cost, CostSource, Modality, Operation, Usage},
    schema::Table,
};

/// Where a call of a provider stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GenerationState {
    /// Written before the call. If the process dies now, the call is ambiguous.
    Started,
    /// The provider works on it; `operation` is the handle to ask it by.
    Pending,
    /// The reply is stored; it is never called again.
    Completed,
    /// It failed; calling again is allowed. Its failure says whether it was charged.
    Failed,
    /// It may have been paid, and its owner wants to be asked before it is sent again.
    Held,
}

impl GenerationState {
    /// Its name in rows and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Held => "held",
        }
    }
}

/// What a vendor works on, as it is journalled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PendingOperation {
    /// The provider's handle of it.
    #[serde(flatten)]
    pub handle: Operation,
    /// When it was begun, by the clock of the worker that began it; `None` in rows that are older
    /// than this field.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// Whether the vendor was asked to stop it, since its run was stopped.
    #[serde(default)]
    pub stop_asked: bool,
}

/// One call of a provider: written before it is made, finished after it. Its id follows from its
/// owner and its fingerprint, so the same call is one row, however often it is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generation {
    /// Id, owner, version, times.
    #[serde(flatten)]
    pub meta: Meta,
    /// Where it stands.
    pub state: GenerationState,
    /// BLAKE3 over provider, model and the normalised request, in hexadecimal.
    pub fingerprint: String,
    /// The provider's registered name; of what a ladder made, that of the rung which made it.
    pub provider: String,
    /// The model, if one was named.
    pub model: Option<String>,
    /// What kind of thing was asked for.
    pub modality: Modality,
    /// The run that asked first.
    pub run_id: Option<RunId>,
    /// The step that asked last.
    pub step_id: Option<StepId>,
    /// Times the provider was called.
    pub attempt: u32,
    /// The handle of a call that the provider goes on with after answering.
    pub operation: Option<PendingOperation>,
    /// What came back, media replaced by their storage keys.
    pub output: Option<Value>,
    /// What it used, as far as reported: all attempts together.
    pub usage: Option<Usage>,
    /// Billionths of a US dollar, all attempts together; `None` when the price is not known, which
    /// is never zero.
    pub cost_nanos: Option<i64>,
    /// The vendor's own id of the request.
    pub request_id: Option<String>,
    /// Why the last attempt failed.
    pub error: Option<Failure>,
    /// What else is known of its cost, and how much it used.
    #[serde(flatten)]
    pub metered: Metered,
}

/// What was reserved for a call, and of which budgets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The most that the call can cost.
    pub nanos: i64,
    /// The budgets that hold it back; none where there are no limits.
    #[serde(default)]
    pub budgets: Vec<BudgetId>,
}

/// What a call used and who says what it cost, all attempts together, in columns that can be added
/// up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metered {
    /// Who says what it cost; `None` while it cost nothing, or was never answered.
    pub cost_source: Option<CostSource>,
    /// What a price list makes of the usage, beside what the vendor reports.
    pub priced_nanos: Option<i64>,
    /// The most that attempts cost of which it is not known whether, or how much, they were paid.
    pub unsettled_nanos: Option<i64>,
    /// What is held back for the attempt in flight.
    pub reservation: Option<Reservation>,
    /// Tokens read.
    pub input_tokens: Option<u64>,
    /// Tokens written.
    pub output_tokens: Option<u64>,
    /// Characters read.
    pub input_chars: Option<u64>,
    /// Audio or video read, in milliseconds.
    pub input_ms: Option<u64>,
    /// Audio or video made, in milliseconds.
    pub output_ms: Option<u64>,
    /// Images made.
    pub images: Option<u64>,
}

impl Entity for Generation {
    const TABLE: Table = Table::Generations;
    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl Generation {
    /// The generation's id.
    #[must_use]
    pub fn id(&self) -> GenerationId {
        GenerationId(self.meta.id)
    }

    /// What it cost, all attempts together; `None` where nothing was paid so far.
    #[must_use]
    pub fn cost(&self) -> Option<Cost> {
        let source = self.metered.cost_source?;
        Some(match (source, self.cost_nanos) {
            (CostSource::Reported, Some(nanos)) => Cost::Reported(nanos),
            (CostSource::Priced, Some(nanos)) => Cost::Priced(nanos),
            _ => Cost::Unknown,
        })
    }

    /// The id of the call with this fingerprint for this owner.
    #[must_use]
    pub fn id_of(owner: UserId, fingerprint: &str) -> GenerationId {
        GenerationId::derived(&[owner.0.as_bytes(), fingerprint.as_bytes()])
    }
}
