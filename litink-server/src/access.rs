//! Who calls: a bearer token, or the session cookie of a browser, which cannot send the header with
//! an `EventSource` or an `<audio>`.
//!
//! A cookie stands for a token, which is looked at again at every request: what ends the token
//! (an account's session that is signed out, revoked or disabled) ends the cookie's session with
//! it, within the time that the identity states.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use litink_core::{Actor, Error, ErrorKind, LOCAL_USER, domain::Timestamp, identity::Caller};
use litink_providers::Secret;

use crate::{error::ApiError, extract, state::AppState};

/// The name of the session cookie.
pub(crate) const COOKIE: &str = "litink_session";

/// On whose behalf a request is made; asking for it refuses a request without credentials.
#[derive(Clone, Debug)]
pub(crate) struct Authenticated {
    /// The actor.
    pub(crate) actor: Actor,
    /// When the credentials end; what streams to the caller ends then, too.
    pub(crate) expires_at: Option<Timestamp>,
    /// The token that was shown, or that the cookie stands for.
    pub(crate) token: Option<Secret>,
}

impl Authenticated {
    fn new(caller: Caller, token: Option<&str>) -> Self {
        Self {
            actor: caller.actor,
            expires_at: caller.expires_at,
            token: token.map(Secret::new),
        }
    }

    /// Whether the credentials are still good. Where nobody can say, they are taken to be.
    pub(crate) async fn is_still_good(&self, state: &AppState) -> bool {
        let token = self.token.as_ref().map(Secret::reveal);
        match state.identity.authenticate(token).await {
            Ok(caller) => caller.actor == self.actor,
            Err(error) => error.kind() != ErrorKind::Unauthenticated,
        }
    }
}

impl FromRequestParts<AppState> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        if let Some(token) = bearer(&parts.headers)? {
            let caller = state.identity.authenticate(Some(token)).await?;
            return Ok(Self::new(caller, Some(token)));
        }
        match cookie(&parts.headers) {
            Some(id) if !state.config.is_open() => Ok(resumed(state, id).await?),
            _ => Ok(Self::new(state.identity.authenticate(None).await?, None)),
        }
    }
}

/// Who runs the server: the bearer of its access token, or, where there are no accounts, whoever is
/// let in. Asking for it refuses everybody else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operator;

impl FromRequestParts<AppState> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let caller = Authenticated::from_request_parts(parts, state).await?;
        // Of people's accounts anybody may have one.
        if state.config.identity.is_some() && caller.actor != Actor::User(LOCAL_USER) {
            let message = "this is for operators: call it with the server's access token";
            let error = Error::new(ErrorKind::PermissionDenied, message);
            return Err(error.with_code("operators_only").into());
        }
        Ok(Self)
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let token = value.to_str().ok().and_then(|value| value.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(Error::new(
            ErrorKind::Unauthenticated,
            "the `Authorization` header is `Bearer` and a token",
        )
        .with_code("bad_token")),
    }
}

/// The session's id, if there is a cookie for one.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

/// What a session's id stands for, in the cache that all servers on the same store share: when it
/// ends, and a token. Who reads the cache cannot take a session over: neither the id is kept nor,
/// without it, the token.
struct Session {
    expires_at: Timestamp,
    token: String,
}

impl Session {
    fn seal(&self, id: &str) -> Vec<u8> {
        let mut token = self.token.clone().into_bytes();
        blind(id, &mut token);
        let mut sealed = self.expires_at.timestamp_millis().to_le_bytes().to_vec();
        sealed.extend(token);
        sealed
    }

    fn open(id: &str, sealed: &[u8]) -> Option<Self> {
        let (millis, token) = sealed.split_first_chunk()?;
        let mut token = token.to_vec();
        blind(id, &mut token);
        Some(Self {
            expires_at: Timestamp::from_timestamp_millis(i64::from_le_bytes(*millis))?,
            token: String::from_utf8(token).ok()?,
        })
    }
}

/// Makes a token unreadable without the session's id, and readable again with it: an id is random
/// and of one token only, so what follows from it is a one-time pad.
fn blind(id: &str, token: &mut [u8]) {
    let mut pad = vec![0; token.len()];
    blake3::Hasher::new_derive_key("litink 2026 server: the token of a session")
        .update(id.as_bytes())
        .finalize_xof()
        .fill(&mut pad);
    for (byte, pad) in token.iter_mut().zip(pad) {
        *byte ^= pad;
    }
}

/// The session's key in the cache.
fn key(id: &str) -> String {
    format!("server:session:{}", blake3::hash(id.as_bytes()))
}

/// Opens a session for the bearer of a token and gives its id.
pub(crate) async fn open(state: &AppState, caller: Caller, token: &str) -> Result<String, Error> {
    let id = format!(
        "{}{}",
        uuid::Uuid::new_v4().simple(),
        uuid::Uuid::new_v4().simple()
    );
    let ttl = state.config.session_ttl;
    let ends = chrono::Utc::now() + ttl;
    let session = Session {
        expires_at: caller.expires_at.map_or(ends, |expires| expires.min(ends)),
        token: token.to_owned(),
    };
    let cache = state.engine.cache();
    cache.put(&key(&id), session.seal(&id).into(), ttl).await?;
    Ok(id)
}

async fn resumed(state: &AppState, id: &str) -> Result<Authenticated, Error> {
    let over = || {
        Error::new(
            ErrorKind::Unauthenticated,
            "the session is over; sign in, or give the token, again",
        )
        .with_code("expired_token")
    };
    let sealed = state.engine.cache().get(&key(id)).await?.ok_or_else(over)?;
    let session = Session::open(id, &sealed).ok_or_else(over)?;
    if session.expires_at <= chrono::Utc::now() {
        return Err(over());
    }
    let caller = state.identity.authenticate(Some(&session.token)).await;
    let caller = caller.map_err(|error| match error.kind() {
        ErrorKind::Unauthenticated => over(),
        _ => error,
    })?;
    let mut resumed = Authenticated::new(caller, Some(&session.token));
    resumed.expires_at = Some(session.expires_at);
    Ok(resumed)
}

/// Ends a session.
pub(crate) async fn close(state: &AppState, id: &str) -> Result<(), Error> {
    state.engine.cache().take(&key(id)).await.map(drop)
}

/// Whether a browser came over TLS, as far as its `Origin` says.
pub(crate) fn over_tls(headers: &HeaderMap) -> bool {
    extract::header(headers, header::ORIGIN).is_some_and(|origin| origin.starts_with("https://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_shows_no_token_without_the_sessions_id() {
        let expires_at = Timestamp::from_timestamp_millis(1_234_567).unwrap();
        let token = "a token".to_owned();
        let sealed = Session { expires_at, token }.seal("id");
        assert!(!sealed.windows(5).any(|part| part == b"token"));
        let opened = Session::open("id", &sealed).unwrap();
        assert_eq!((opened.expires_at, &*opened.token), (expires_at, "a token"));
        let with_another = Session::open("another", &sealed);
        assert!(with_another.is_none_or(|session| session.token != "a token"));
        assert!(Session::open("id", b"short").is_none());
    }
}
