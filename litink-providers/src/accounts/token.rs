//! Access tokens: JWTs with the claims of Supabase Auth.

use std::time::Duration;

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, crypto::rust_crypto, decode, encode,
    errors::ErrorKind as JwtErrorKind,
};
use litink_core::{Error, ErrorKind, Result, UserId, domain::Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::AccountOptions;
use crate::Secret;

/// Whom tokens are for, and whose role they give: the words of Supabase Auth.
const AUTHENTICATED: &str = "authenticated";

/// Longer texts are not looked at: ours have a few hundred bytes.
const MAX_TOKEN: usize = 4096;

/// What an access token says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: String,
    exp: i64,
    iat: i64,
    /// The user.
    pub(super) sub: Uuid,
    /// The session.
    pub(super) session_id: Uuid,
    role: String,
}

impl Claims {
    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        Timestamp::from_timestamp(self.exp, 0)
    }
}

/// A signed token, and until when it is good.
pub(super) struct Signed {
    pub(super) token: String,
    pub(super) lifetime: Duration,
    pub(super) expires_at: i64,
}

pub(super) struct AccessKeys {
    signing: EncodingKey,
    reading: DecodingKey,
    validation: Validation,
    issuer: String,
    lifetime: Duration,
}

impl AccessKeys {
    pub(super) fn new(secret: &Secret, options: &AccountOptions) -> Self {
        // The crate guesses by its features otherwise, and panics where another crate of the same
        // program chose other ones. Whoever set one before us keeps it.
        let _ = rust_crypto::DEFAULT_PROVIDER.install_default();
        let secret = secret.reveal().as_bytes();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&options.issuer]);
        validation.set_audience(&[AUTHENTICATED]);
        validation.leeway = options.leeway.as_secs();
        validation.validate_nbf = true;
        Self {
            signing: EncodingKey::from_secret(secret),
            reading: DecodingKey::from_secret(secret),
            validation,
            issuer: options.issuer.clone(),
            lifetime: options.token_lifetime,
        }
    }

    pub(super) fn sign(&self, user: UserId, session: Uuid) -> Result<Signed> {
        let iat = chrono::Utc::now().timestamp();
        let seconds = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUTHENTICATED.into(),
            exp: iat.saturating_add(seconds),
            iat,
            sub: user.0,
            session_id: session,
            role: AUTHENTICATED.into(),
        };
        let token = encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .map_err(|error| Error::internal("a token cannot be signed").with_source(error))?;
        Ok(Signed {
            token,
            lifetime: self.lifetime,
            expires_at: claims.exp,
        })
    }

    /// What a token says, if it is ours and not too old.
    pub(super) fn read(&self, token: &str) -> Result<Claims> {
        if token.len() > MAX_TOKEN {
            return Err(bad());
        }
        // The causes stay here: some quote what they could not read.
        let read = decode::<Claims>(token, &self.reading, &self.validation);
        let claims = read.map_err(|error| match error.kind() {
            JwtErrorKind::ExpiredSignature => {
                over("this access token is too old; refresh it, or sign in again")
            }
            _ => bad(),
        })?;
        if claims.claims.role == AUTHENTICATED {
            Ok(claims.claims)
        } else {
            Err(bad())
        }
    }
}

pub(super) fn bad() -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "this access token is not valid; sign in",
    )
    .with_code("bad_token")
}

pub(super) fn over(message: &'static str) -> Error {
    Error::new(ErrorKind::Unauthenticated, message).with_code("expired_token")
}
