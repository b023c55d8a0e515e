//! What an access token of Supabase Auth must say.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, errors::ErrorKind as JwtErrorKind};
use litink_core::{Actor, Error, ErrorKind, Result, UserId, domain::Timestamp, identity::Caller};
use serde::Deserialize;
use uuid::Uuid;

/// Whom tokens of people are for, and the role that they give.
const AUTHENTICATED: &str = "authenticated";

#[derive(Deserialize)]
pub(super) struct Claims {
    iss: Option<String>,
    aud: Audience,
    exp: i64,
    nbf: Option<i64>,
    pub(super) sub: Uuid,
    role: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Whose tokens are taken, and how far clocks may be apart.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Any, where none is named.
    pub(super) issuer: Option<String>,
    pub(super) leeway: Duration,
}

impl Rules {
    /// The claims of a token that one of our keys signed.
    pub(super) fn verified(
        &self,
        token: &str,
        algorithm: Algorithm,
        key: &DecodingKey,
    ) -> Result<Claims> {
        // What the claims must be is looked at below, the same for every way of verifying.
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        // The causes stay here: some quote what they could not read.
        let read =
            decode::<Claims>(token, key, &validation).map_err(|error| match error.kind() {
                JwtErrorKind::Provider(_) => Error::internal("a token cannot be verified here"),
                _ => bad(),
            })?;
        if !self.issued(&read.claims) {
            tracing::warn!(
                issuer = read.claims.iss,
                expected = self.issuer,
                "a token that the project signed names another issuer and is refused; if it is \
                 Auth's own name, set `supabase.issuer` to it"
            );
        }
        self.hold(&read.claims)?;
        Ok(read.claims)
    }

    fn issued(&self, claims: &Claims) -> bool {
        self.issuer.is_none() || self.issuer == claims.iss
    }

    /// What a token claims, to be verified by somebody else.
    pub(super) fn unverified(&self, token: &str) -> Result<Claims> {
        let claims = token.split('.').nth(1).ok_or_else(bad)?;
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| bad())?;
        let claims = serde_json::from_slice(&claims).map_err(|_| bad())?;
        self.hold(&claims)?;
        Ok(claims)
    }

    fn hold(&self, claims: &Claims) -> Result<()> {
        let now = chrono::Utc::now().timestamp();
        let leeway = self.leeway();
        let audience = match &claims.aud {
            Audience::One(one) => one == AUTHENTICATED,
            Audience::Many(many) => many.iter().any(|one| one == AUTHENTICATED),
        };
        // A key of the project is a JWT, too, and nobody.
        let ours = self.issued(claims) && audience && claims.role == AUTHENTICATED;
        let begun = claims
            .nbf
            .is_none_or(|nbf| nbf <= now.saturating_add(leeway));
        if !ours || !begun {
            return Err(bad());
        }
        if claims.exp.saturating_add(leeway) <= now {
            return Err(over());
        }
        Ok(())
    }

    pub(super) fn caller(&self, claims: &Claims) -> Caller {
        let mut caller = Caller::new(Actor::User(UserId(claims.sub)));
        let end = claims.exp.saturating_add(self.leeway());
        caller.expires_at = Timestamp::from_timestamp(end, 0);
        caller
    }

    fn leeway(&self) -> i64 {
        i64::try_from(self.leeway.as_secs()).unwrap_or(i64::MAX)
    }
}

pub(super) fn bad() -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "this access token is not valid; sign in",
    )
    .with_code("bad_token")
}

pub(super) fn over() -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "this access token is too old; refresh it, or sign in again",
    )
    .with_code("expired_token")
}
