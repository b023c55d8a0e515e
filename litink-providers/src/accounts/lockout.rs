//! What wrong passwords cost.

use std::time::Duration;

use bytes::Bytes;
use litink_core::{
    AccountId, Error, Result, accounts::AccountError, cache::Cache, domain::Timestamp,
};
use serde::{Deserialize, Serialize};

/// Wrong passwords that are forgiven: people mistype.
const FREE: u32 = 4;
const FIRST_LOCK: Duration = Duration::from_secs(60);
const LONGEST_LOCK: Duration = Duration::from_secs(3600);

/// For how long no password is looked at after so many wrong ones.
pub(super) fn lock(failures: u32) -> Option<Duration> {
    let doublings = failures.checked_sub(FREE + 1)?;
    let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
    Some(FIRST_LOCK.saturating_mul(factor).min(LONGEST_LOCK))
}

/// Fails while an account is locked.
pub(super) fn refuse_locked(until: Option<Timestamp>) -> Result<()> {
    let left = until.and_then(|until| (until - chrono::Utc::now()).to_std().ok());
    match left {
        Some(left) if !left.is_zero() => Err(AccountError::AccountLocked(left).into()),
        _ => Ok(()),
    }
}

/// Wrong passwords for an address without an account. They are counted, too: an address that is
/// never locked would be one that nobody has.
#[derive(Default, Serialize, Deserialize)]
struct Stranger {
    failures: u32,
    locked_until: Option<Timestamp>,
}

/// How long strangers are remembered: many times the longest lock.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

fn key(id: AccountId) -> String {
    format!("accounts:stranger:{id}")
}

async fn stranger(cache: &dyn Cache, id: AccountId) -> Result<(Stranger, Option<Bytes>)> {
    let bytes = cache.get(&key(id)).await?;
    let known = bytes.as_deref().map(serde_json::from_slice);
    let stranger = known.and_then(Result::ok).unwrap_or_default();
    Ok((stranger, bytes))
}

/// Fails while a stranger is locked.
pub(super) async fn refuse_stranger(cache: &dyn Cache, id: AccountId) -> Result<()> {
    refuse_locked(stranger(cache, id).await?.0.locked_until)
}

/// Counts a wrong password of a stranger.
pub(super) async fn count_stranger(cache: &dyn Cache, id: AccountId) -> Result<()> {
    for _ in 0..super::TRIES {
        let (mut stranger, before) = stranger(cache, id).await?;
        stranger.failures = stranger.failures.saturating_add(1);
        stranger.locked_until = lock(stranger.failures).map(|lock| chrono::Utc::now() + lock);
        let after = serde_json::to_vec(&stranger)
            .map_err(|error| Error::internal("a count is JSON").with_source(error))?;
        if cache
            .replace(&key(id), before.as_deref(), after.into(), REMEMBERED)
            .await?
        {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_double_up_to_an_hour() {
        let minutes = |failures| lock(failures).map(|lock| lock.as_secs() / 60);
        let locks: Vec<_> = [0, 4, 5, 6, 7, 10, 11, 12, 40, u32::MAX]
            .map(minutes)
            .into();
        let wanted = [
            None,
            None,
            Some(1),
            Some(2),
            Some(4),
            Some(32),
            Some(60),
            Some(60),
            Some(60),
            Some(60),
        ];
        assert_eq!(locks, wanted);
    }
}
