//! What operators do, by whichever way they come.

use super::{Command, Job, JobState, Queue, Selector};
use crate::{Error, JobId, Result};

/// A job by its id.
///
/// # Errors
/// [`crate::ErrorKind::NotFound`]; as [`Queue::get`].
pub async fn job(queue: &dyn Queue, id: JobId) -> Result<Job> {
    let found = queue.get(&[id]).await?.pop().flatten();
    found.ok_or_else(|| Error::not_found("job", id))
}

/// Has every discarded job, of a kind or of any, done again, and says how many they were. Those that
/// are discarded again meanwhile are left.
///
/// # Errors
/// As [`Queue::control`]; what was replayed before stays so.
pub async fn replay_discarded(queue: &dyn Queue, kind: Option<&str>) -> Result<u64> {
    let kinds = queue.stats().await?.into_iter();
    let kinds = kinds.filter(|it| kind.is_none_or(|kind| it.kind == kind));
    let discarded = |jobs: &super::KindStats| jobs.jobs.get(&JobState::Discarded).copied();
    let discarded: u64 = kinds.filter_map(|it| discarded(&it)).sum();
    let kind = kind.map(str::to_owned);
    let command = Command::Replay(Selector::Discarded { kind });
    let mut replayed = 0;
    // Oldest first, so that whatever fails at once again comes after all that had failed before.
    while replayed < discarded {
        match queue.control(&command).await? {
            0 => break,
            some => replayed += some,
        }
    }
    Ok(replayed)
}
