//! Who calls: a bearer token, or the session cookie of a browser, which cannot send the header with
//! an `EventSource` or an `<audio>`.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use bytes::Bytes;
use litink_core::{Actor, Error, ErrorKind, domain::Timestamp, identity::Caller};
use serde::{Deserialize, Serialize};

use crate::{error::ApiError, extract, state::AppState};

/// The name of the session cookie.
pub(crate) const COOKIE: &str = "litink_session";

/// On whose behalf a request is made; asking for it refuses a request without credentials.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authenticated {
    /// The actor.
    pub(crate) actor: Actor,
    /// When the credentials end; what streams to the caller ends then, too.
    pub(crate) expires_at: Option<Timestamp>,
}

impl From<Caller> for Authenticated {
    fn from(caller: Caller) -> Self {
        Self {
            actor: caller.actor,
            expires_at: caller.expires_at,
        }
    }
}

impl FromRequestParts<AppState> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        if let Some(token) = bearer(&parts.headers)? {
            return Ok(state.identity.authenticate(Some(token)).await?.into());
        }
        match cookie(&parts.headers) {
            Some(id) if !state.config.is_open() => Ok(resumed(state, id).await?),
            _ => Ok(state.identity.authenticate(None).await?.into()),
        }
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

/// What a session's id stands for, in the cache that all servers on the same store share.
#[derive(Serialize, Deserialize)]
struct Session {
    actor: Actor,
    expires_at: Timestamp,
}

/// The session's key. The id itself is not kept: who reads the cache cannot take a session over.
fn key(id: &str) -> String {
    format!("server:session:{}", blake3::hash(id.as_bytes()))
}

/// Opens a session for a caller and gives its id.
pub(crate) async fn open(state: &AppState, caller: Caller) -> Result<String, Error> {
    let id = format!(
        "{}{}",
        uuid::Uuid::new_v4().simple(),
        uuid::Uuid::new_v4().simple()
    );
    let ttl = state.config.session_ttl;
    let ends = chrono::Utc::now() + ttl;
    let expires_at = caller.expires_at.map_or(ends, |expires| expires.min(ends));
    let session = Session {
        actor: caller.actor,
        expires_at,
    };
    let value = serde_json::to_vec(&session)
        .map_err(|error| Error::internal("a session is JSON").with_source(error))?;
    state
        .engine
        .cache()
        .put(&key(&id), Bytes::from(value), ttl)
        .await?;
    Ok(id)
}

async fn resumed(state: &AppState, id: &str) -> Result<Authenticated, Error> {
    let over = || {
        Error::new(
            ErrorKind::Unauthenticated,
            "the session is over; give the token again",
        )
        .with_code("expired_token")
    };
    let value = state.engine.cache().get(&key(id)).await?.ok_or_else(over)?;
    let session: Session = serde_json::from_slice(&value).map_err(|_| over())?;
    if session.expires_at <= chrono::Utc::now() {
        return Err(over());
    }
    Ok(Authenticated {
        actor: session.actor,
        expires_at: Some(session.expires_at),
    })
}

/// Ends a session.
pub(crate) async fn close(state: &AppState, id: &str) -> Result<(), Error> {
    state.engine.cache().take(&key(id)).await.map(drop)
}

/// Whether a browser came over TLS, as far as its `Origin` says.
pub(crate) fn over_tls(headers: &HeaderMap) -> bool {
    extract::header(headers, header::ORIGIN).is_some_and(|origin| origin.starts_with("https://"))
}
