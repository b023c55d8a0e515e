use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Entity, Meta, Timestamp};
use crate::{
    BookId, ChapterId, Charge, Error, ExportId, RunId, StepId, schema::Table, storage::StorageKey,
};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunState {
    /// Its steps are being executed, or wait for it.
    Running,
    /// Everything is made.
    Completed,
    /// A step was given up. Resuming tries again what is not completed.
    Failed,
    /// Somebody stopped it. Resuming goes on where it was.
    Cancelled,
}

impl RunState {
    /// Whether nothing more happens unless somebody resumes it.
    #[must_use]
    pub fn is_final(self) -> bool {
        self != Self::Running
    }

    /// Its name in rows and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Where a step stands. Stopping a run leaves its steps as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepState {
    /// Waits for other steps while [`Step::waiting_on`] is above 0, then for a worker.
    Pending,
    /// Begun by a worker.
    Running,
    /// Done; its output stands and is never made again.
    Completed,
    /// Given up after its attempts; a resumed run tries it again.
    Failed,
}

impl StepState {
    /// Its name in rows and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// Why a run, a step or a generation failed, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// [`crate::ErrorKind`] by name.
    pub kind: String,
    /// The stable, finer code.
    pub code: String,
    /// The sentence for a person.
    pub message: String,
    /// Whether money was spent on it.
    #[serde(default)]
    pub charge: Charge,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind().as_str().into(),
            code: error.code().into(),
            message: error.to_string(),
            charge: error.charge(),
        }
    }
}

impl Failure {
    /// The error that this was, less its cause.
    #[must_use]
    pub fn to_error(&self) -> Error {
        let kind = crate::ErrorKind::parse(&self.kind).unwrap_or(crate::ErrorKind::Internal);
        Error::new(kind, self.message.clone())
            .with_code(self.code.clone())
            .with_charge(self.charge)
    }
}

/// One making of a recipe from a book.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Id, owner, version, times.
    #[serde(flatten)]
    pub meta: Meta,
    /// The book.
    pub book_id: BookId,
    /// Where it stands.
    pub state: RunState,
    /// The recipe's name.
    pub recipe: String,
    /// The recipe's options, complete: defaults filled in when the run was made.
    pub options: Value,
    /// The key under which it was asked for, if one was given.
    pub idempotency_key: Option<String>,
    /// Number of steps.
    pub step_count: u32,
    /// Why it failed.
    pub error: Option<Failure>,
    /// When it became final.
    pub finished_at: Option<Timestamp>,
}

impl Entity for Run {
    const TABLE: Table = Table::Runs;
    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl Run {
    /// The run's id.
    #[must_use]
    pub fn id(&self) -> RunId {
        RunId(self.meta.id)
    }
}

/// One piece of work in a run: the unit of retry, of resumption and of progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Id, owner, version, times.
    #[serde(flatten)]
    pub meta: Meta,
    /// The run.
    pub run_id: RunId,
    /// Place in the plan, from 0.
    pub position: u32,
    /// Its name in the plan (`speak/0003/0007`), unique in the run.
    pub key: String,
    /// What to do (`speak`), as the recipe calls it.
    pub kind: String,
    /// Where it stands.
    pub state: StepState,
    /// How many steps must complete before it can begin.
    pub waiting_on: u32,
    /// The steps that wait for it.
    pub unlocks: Vec<StepId>,
    /// The chapter that it works on.
    pub chapter_id: Option<ChapterId>,
    /// Its share in the progress: characters to speak, or 0.
    pub weight: u64,
    /// Times it was begun.
    pub attempt: u32,
    /// What the planner wrote for it. Null when it was left out of a list.
    #[serde(default)]
    pub input: Value,
    /// What it made, for the steps that wait for it.
    #[serde(default)]
    pub output: Value,
    /// Why its last attempt failed.
    pub error: Option<Failure>,
    /// Times that its worker was not heard of again.
    #[serde(default)]
    pub crashes: u32,
    /// How long what it made plays, in milliseconds.
    #[serde(default)]
    pub audio_ms: u64,
}

impl Entity for Step {
    const TABLE: Table = Table::Steps;
    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl Step {
    /// The step's id.
    #[must_use]
    pub fn id(&self) -> StepId {
        StepId(self.meta.id)
    }

    /// The id of the step with this key in a run.
    #[must_use]
    pub fn id_of(run: RunId, key: &str) -> StepId {
        StepId::derived(&[Uuid::from(run).as_bytes(), key.as_bytes()])
    }
}

/// One finished file of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Export {
    /// Id, owner, version, times.
    #[serde(flatten)]
    pub meta: Meta,
    /// The run.
    pub run_id: RunId,
    /// Place among the run's files.
    pub position: u32,
    /// `m4b`, `mp3`, `vtt`, ...
    pub format: String,
    /// The name under which to save it.
    pub file_name: String,
    /// Its media type.
    pub media_type: String,
    /// Where it is stored.
    pub storage_key: StorageKey,
    /// Its size.
    pub bytes: u64,
    /// BLAKE3 of its bytes, in hexadecimal.
    pub content_hash: String,
    /// How long it plays; `None` for what does not play.
    pub duration_ms: Option<u64>,
}

impl Entity for Export {
    const TABLE: Table = Table::Exports;
    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl Export {
    /// The export's id.
    #[must_use]
    pub fn id(&self) -> ExportId {
        ExportId(self.meta.id)
    }

    /// The id of a run's file by name.
    #[must_use]
    pub fn id_of(run: RunId, file_name: &str) -> ExportId {
        ExportId::derived(&[Uuid::from(run).as_bytes(), file_name.as_bytes()])
    }
}
