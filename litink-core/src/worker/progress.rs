//! How far an execution is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Result,
    cache::Cache,
    domain::Timestamp,
    queue::{Job, Lease},
};

/// How long what an execution said last is known.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How far an execution is, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// So much is done.
    pub done: u64,
    /// Of so much; `None` where nobody knows.
    pub total: Option<u64>,
    /// What it is at, for people.
    pub message: Option<String>,
    /// When it said so.
    pub at: Timestamp,
}

/// What the newest execution of a job said last. `None` when it has said nothing, or so long ago
/// that it is forgotten.
///
/// What is said is kept by lease, so one who lost the job cannot be taken for the one who has it.
///
/// # Errors
/// Those of the cache.
pub async fn progress(cache: &dyn Cache, job: &Job) -> Result<Option<Progress>> {
    let lease = Lease {
        job: job.id,
        token: job.token,
    };
    let kept = cache.get(&key(lease)).await?;
    Ok(kept.and_then(|kept| serde_json::from_slice(&kept).ok()))
}

pub(super) async fn keep(cache: &dyn Cache, lease: Lease, progress: &Progress) -> Result<()> {
    let text = serde_json::to_vec(progress)
        .map_err(|error| crate::Error::internal("progress is JSON").with_source(error))?;
    cache.put(&key(lease), text.into(), KEPT).await
}

fn key(Lease { job, token }: Lease) -> String {
    format!("job:{job}:{token}:progress")
}
