//! The domain: what litink works on, as plain values.

mod account;
mod book;
mod budget;
mod content;
mod generation;
mod run;
mod schedule;

pub use account::{Account, AccountState, Session, SessionState};
pub use book::{Book, BookState, Chapter, Visibility};
pub use budget::{Budget, BudgetScope};
pub use content::{
    Anchor, Block, BlockKind, ChapterKind, Decision, Identifier, Series, Span, Style, Warning,
};
pub use generation::{Generation, GenerationState, Metered, PendingOperation, Reservation};
pub use run::{Export, Failure, Run, RunState, Step, StepState};
pub use schedule::{CatchUp, MAX_CATCH_UP, Schedule, ScheduleState};

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{UserId, schema::Table};

/// A point in time, UTC. Set by the store's clock where it orders anything.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// What every row has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The row's id.
    pub id: Uuid,
    /// Whose it is. Never changes.
    pub owner: UserId,
    /// 1 when inserted, one more at each change. Set by the repository.
    pub version: u64,
    /// When it was inserted. Set by the repository.
    pub created_at: Timestamp,
    /// When it was changed last. Set by the repository.
    pub updated_at: Timestamp,
}

impl Meta {
    /// For a row that is about to be inserted; the repository sets version and times.
    #[must_use]
    pub fn new(id: impl Into<Uuid>, owner: UserId) -> Self {
        let never = Timestamp::UNIX_EPOCH;
        Self {
            id: id.into(),
            owner,
            version: 0,
            created_at: never,
            updated_at: never,
        }
    }
}

/// A struct that is stored as a row of a table: its serde fields are the table's columns.
pub trait Entity: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The table.
    const TABLE: Table;
    /// Id, owner, version, times.
    fn meta(&self) -> &Meta;
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
