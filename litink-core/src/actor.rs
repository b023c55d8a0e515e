//! On whose behalf something is done.

use serde::{Deserialize, Serialize};

use crate::UserId;

/// On whose behalf a repository or storage call is made. Every call carries one; the data layer
/// decides by it what exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A person, who sees and changes only what they own.
    User(UserId),
    /// A worker of ours, executing somebody's steps: sees everything.
    Worker,
    /// An operator or a maintenance task: sees everything.
    Service,
}

impl Actor {
    /// Whether this actor may see and change what `owner` owns.
    #[must_use]
    pub fn may_access(self, owner: UserId) -> bool {
        match self {
            Self::User(user) => user == owner,
            Self::Worker | Self::Service => true,
        }
    }

    /// The user, if it is one.
    #[must_use]
    pub fn user(self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(user),
            Self::Worker | Self::Service => None,
        }
    }
}
