//! The conformance suite of [`Identity`](crate::identity::Identity).
//!
//! What tokens there are only the set-up knows, so each case takes a [`Setup`].
//!
//! ```
//! # use std::sync::Arc;
//! use litink_core::{Actor, LOCAL_USER, identity::StaticIdentity};
//! use litink_core::testing::identity::Setup;
//!
//! litink_core::identity_conformance!({
//!     let actor = Actor::User(LOCAL_USER);
//!     Setup {
//!         identity: Arc::new(StaticIdentity::new("good", actor).expect("it is not empty")),
//!         good: vec![("good".into(), actor)],
//!         bad: Vec::new(),
//!         anonymous: None,
//!     }
//! });
//! # fn main() {}
//! ```

#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::sync::Arc;

use crate::{Actor, ErrorKind, identity::Identity};

/// An identity, and what it is set up with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The backend.
    pub identity: Arc<dyn Identity>,
    /// Valid tokens and whose they are; at least one.
    pub good: Vec<(String, Actor)>,
    /// Tokens that are refused, and the code with which: `expired_token` for one whose time is
    /// over. What is refused anywhere (an empty token, one that nobody made) need not be named.
    pub bad: Vec<(String, &'static str)>,
    /// Who comes without a token; `None` where the set-up lets nobody in so.
    pub anonymous: Option<Actor>,
}

/// The names of the cases, in order.
pub const CASES: &[&str] = &[
    "a_token_gives_its_actor",
    "a_bad_token_is_refused",
    "a_missing_token_is_refused_or_anonymous",
    "no_token_is_shown",
];

/// Runs every case.
///
/// # Panics
/// Where the backend breaks the contract.
pub async fn run_all(setup: Setup) {
    a_token_gives_its_actor(setup.clone()).await;
    a_bad_token_is_refused(setup.clone()).await;
    a_missing_token_is_refused_or_anonymous(setup.clone()).await;
    no_token_is_shown(setup).await;
}

/// One `#[tokio::test]` for each case. The argument is an expression, evaluated in each test, that
/// gives a [`Setup`](crate::testing::identity::Setup); it may `await`, and `return` to skip.
#[macro_export]
macro_rules! identity_conformance {
    ($setup:expr) => {
        #[tokio::test]
        async fn a_token_gives_its_actor() {
            $crate::testing::identity::a_token_gives_its_actor($setup).await;
        }
        #[tokio::test]
        async fn a_bad_token_is_refused() {
            $crate::testing::identity::a_bad_token_is_refused($setup).await;
        }
        #[tokio::test]
        async fn a_missing_token_is_refused_or_anonymous() {
            $crate::testing::identity::a_missing_token_is_refused_or_anonymous($setup).await;
        }
        #[tokio::test]
        async fn no_token_is_shown() {
            $crate::testing::identity::no_token_is_shown($setup).await;
        }
    };
}

/// The same token gives the same actor, every time.
pub async fn a_token_gives_its_actor(setup: Setup) {
    assert!(!setup.good.is_empty(), "name a valid token to test with");
    for _ in 0..2 {
        for (token, actor) in &setup.good {
            let caller = setup.identity.authenticate(Some(token)).await.unwrap();
            assert_eq!(caller.actor, *actor);
            let over = caller.expires_at.is_some_and(|at| at <= chrono::Utc::now());
            assert!(!over, "the caller's time is over already");
        }
    }
}

/// What is no token of this identity is refused, however alike it looks.
pub async fn a_bad_token_is_refused(setup: Setup) {
    let (good, _) = &setup.good[0];
    let mut bad: Vec<(String, &str)> = vec![
        (String::new(), "bad_token"),
        ("nonsense".into(), "bad_token"),
        (format!("{good}x"), "bad_token"),
        (format!("x{good}"), "bad_token"),
        (good.chars().skip(1).collect(), "bad_token"),
        ("é".repeat(10_000), "bad_token"),
    ];
    bad.extend(setup.bad);
    for (token, code) in bad {
        let error = setup.identity.authenticate(Some(&token)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
        assert_eq!(error.code(), code);
    }
}

/// Without a token there is a caller only if the set-up says who.
pub async fn a_missing_token_is_refused_or_anonymous(setup: Setup) {
    let found = setup.identity.authenticate(None).await;
    if let Some(actor) = setup.anonymous {
        assert_eq!(found.unwrap().actor, actor);
    } else {
        let error = found.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
        assert_eq!(error.code(), "missing_token");
    }
}

/// Neither the identity nor its errors show a token.
pub async fn no_token_is_shown(setup: Setup) {
    let shown = format!("{:?}", setup.identity);
    for (token, _) in &setup.good {
        assert!(!shown.contains(token), "Debug shows a token");
        let almost = format!("{token}-almost");
        let error = setup
            .identity
            .authenticate(Some(&almost))
            .await
            .unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains(token),
            "an error shows a token"
        );
    }
}

#[cfg(test)]
mod memory {
    use super::*;
    use crate::{LOCAL_USER, identity::StaticIdentity};

    identity_conformance!({
        let actor = Actor::User(LOCAL_USER);
        Setup {
            identity: Arc::new(StaticIdentity::new("a token", actor).unwrap()),
            good: vec![("a token".into(), actor)],
            bad: vec![("another".into(), "bad_token")],
            anonymous: None,
        }
    });

    #[tokio::test]
    async fn an_open_identity_lets_everybody_in() {
        let identity = StaticIdentity::open(Actor::Service);
        for token in [None, Some("anything")] {
            let caller = identity.authenticate(token).await.unwrap();
            assert_eq!(caller.actor, Actor::Service);
        }
    }
}
