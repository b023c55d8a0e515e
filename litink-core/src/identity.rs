//! The contract of credentials: from a token to an actor.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Actor, Result};

/// Who is calling.
///
/// # Contract
/// - The same token gives the same actor until it expires or is revoked.
/// - A token is compared in constant time and never logged.
/// - No token at all (`None`) gives the anonymous caller's actor, where the set-up allows one.
///
/// # Errors
/// [`crate::ErrorKind::Unauthenticated`] with code `missing_token`, `bad_token` or `expired_token`;
/// [`crate::ErrorKind::Unavailable`] when the identity service cannot be reached.
///
/// # Implementing
/// Hold it to `litink_core::testing::identity`.
#[async_trait]
pub trait Identity: Send + Sync + Debug {
    /// The actor of a bearer token.
    async fn authenticate(&self, token: Option<&str>) -> Result<Actor>;
}
