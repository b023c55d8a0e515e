//! The contract of credentials: from a token to an actor.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Actor, Result, domain::Timestamp};

mod memory;

pub use memory::StaticIdentity;

/// Who is calling.
///
/// # Contract
/// - The same token gives the same actor until it expires or is revoked.
/// - A token is compared in constant time and never logged.
/// - No token at all (`None`) gives a caller only where the set-up says who that is.
///
/// # Errors
/// [`crate::ErrorKind::Unauthenticated`] with code `missing_token`, `bad_token` or `expired_token`;
/// [`crate::ErrorKind::Unavailable`] when the identity service cannot be reached.
///
/// # Implementing
/// Hold it to `litink_core::testing::identity`.
#[async_trait]
pub trait Identity: Send + Sync + Debug {
    /// The bearer of a token.
    async fn authenticate(&self, token: Option<&str>) -> Result<Caller>;
}

/// Who bears a token, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// On whose behalf the caller acts.
    pub actor: Actor,
    /// When the token ends; what streams to the caller ends then, too. `None`: never.
    pub expires_at: Option<Timestamp>,
}

impl Caller {
    /// A caller whose token never ends.
    #[must_use]
    pub fn new(actor: Actor) -> Self {
        Self {
            actor,
            expires_at: None,
        }
    }
}
