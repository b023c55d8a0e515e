use std::fmt;

use async_trait::async_trait;

use super::{Caller, Identity};
use crate::{Actor, Error, ErrorKind, Result};

/// One access token for one actor, or everybody as one actor: for an engine of one's own.
#[derive(Clone)]
pub struct StaticIdentity {
    /// BLAKE3 of the token: the token itself is not kept, and `blake3::Hash` compares in constant
    /// time whatever the length of what is offered.
    token: Option<blake3::Hash>,
    actor: Actor,
}

impl StaticIdentity {
    /// Who brings this token is this actor; nobody else is let in.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `empty_token`) for a token without characters, which
    /// would let everybody in.
    pub fn new(token: &str, actor: Actor) -> Result<Self> {
        if token.trim().is_empty() {
            return Err(Error::new(
                ErrorKind::Configuration,
                "the access token is empty; set one",
            )
            .with_code("empty_token"));
        }
        let token = Some(blake3::hash(token.as_bytes()));
        Ok(Self { token, actor })
    }

    /// Everybody is this actor, with whatever token or none.
    #[must_use]
    pub fn open(actor: Actor) -> Self {
        Self { token: None, actor }
    }
}

impl fmt::Debug for StaticIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticIdentity")
            .field("open", &self.token.is_none())
            .field("actor", &self.actor)
            .finish()
    }
}

#[async_trait]
impl Identity for StaticIdentity {
    async fn authenticate(&self, token: Option<&str>) -> Result<Caller> {
        let caller = Caller::new(self.actor);
        match (self.token, token) {
            (None, _) => Ok(caller),
            (Some(_), None) => Err(refused("missing_token", "an access token is needed here")),
            (Some(own), Some(token)) if own == blake3::hash(token.as_bytes()) => Ok(caller),
            (Some(_), Some(_)) => Err(refused("bad_token", "this access token is not valid")),
        }
    }
}

fn refused(code: &'static str, message: &str) -> Error {
    Error::new(ErrorKind::Unauthenticated, message).with_code(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LOCAL_USER;

    #[test]
    fn no_empty_token_and_no_token_in_debug() {
        let actor = Actor::User(LOCAL_USER);
        assert_eq!(
            StaticIdentity::new(" ", actor).unwrap_err().code(),
            "empty_token"
        );
        let identity = StaticIdentity::new("s3cret", actor).unwrap();
        let debug = format!("{identity:?}");
        assert!(!debug.contains("s3cret"), "{debug}");
        let hash = blake3::hash(b"s3cret").to_string();
        assert!(!debug.contains(&hash), "{debug}");
    }
}
