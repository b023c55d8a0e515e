//! The keys of a project, and in whose name a call is made.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use litink_core::{Error, ErrorKind, Result};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::Secret;

const API_KEY: HeaderName = HeaderName::from_static("apikey");

/// The key that passes every policy: `sb_secret_...`, or the old `service_role` JWT. Only servers
/// have it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(Secret);

/// The key that may be shown: `sb_publishable_...`, or the old `anon` JWT.
#[derive(Clone, PartialEq, Eq)]
pub struct PublishableKey(Secret);

/// The access token of a person.
#[derive(Clone, PartialEq, Eq)]
pub struct UserToken(Secret);

/// In whose name a call is made. A secret key beside a user's token would run as the user or past
/// every policy, by how the server looks at it, so there is no such scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Past every policy.
    Service(SecretKey),
    /// As a person.
    User {
        /// What admits to the project.
        key: PublishableKey,
        /// What says who it is.
        token: UserToken,
    },
    /// As nobody.
    Anon(PublishableKey),
}

/// What a text that is offered as a key is.
enum Kind {
    Publishable,
    Secret,
    /// A JWT with this role.
    Jwt(String),
    Other,
}

impl Kind {
    fn of(text: &str) -> Self {
        if text.starts_with("sb_publishable_") {
            Self::Publishable
        } else if text.starts_with("sb_secret_") {
            Self::Secret
        } else {
            role(text).map_or(Self::Other, Self::Jwt)
        }
    }
}

/// The role that a JWT claims. The server looks whether the claim is true.
fn role(jwt: &str) -> Option<String> {
    let mut parts = jwt.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Some(claims.get("role")?.as_str()?.to_owned())
}

impl SecretKey {
    /// Reads a key.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `bad_supabase_key`) for a text that is no such key.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        match Kind::of(text) {
            Kind::Secret => usable(text).map(Self),
            Kind::Jwt(role) if role == "service_role" => usable(text).map(Self),
            Kind::Publishable | Kind::Jwt(_) => Err(bad(
                "this key may be shown, so it opens nothing; the one that is needed begins with \
                 `sb_secret_`, or is the old `service_role` key",
            )),
            Kind::Other => Err(bad(
                "a secret key begins with `sb_secret_`, or is the old `service_role` key (a JWT)",
            )),
        }
    }
}

impl PublishableKey {
    /// Reads a key.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `bad_supabase_key`) for a text that is no such key, above
    /// all for a secret one.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        match Kind::of(text) {
            Kind::Publishable => usable(text).map(Self),
            Kind::Jwt(role) if role == "anon" => usable(text).map(Self),
            Kind::Secret | Kind::Jwt(_) => Err(bad(
                "this key is not the one that may be shown; that one begins with \
                 `sb_publishable_`, or is the old `anon` key",
            )),
            Kind::Other => Err(bad(
                "a publishable key begins with `sb_publishable_`, or is the old `anon` key (a JWT)",
            )),
        }
    }
}

impl UserToken {
    /// Reads a token.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] (code `bad_token`) for a text that is no token of a person,
    /// above all for a key of the project.
    pub fn parse(text: &str) -> Result<Self> {
        match Kind::of(text) {
            Kind::Jwt(role) if role != "service_role" && role != "anon" => {
                usable(text).map(Self).map_err(|_| super::token::bad())
            }
            _ => Err(super::token::bad()),
        }
    }
}

/// A text that fits into a header.
fn usable(text: &str) -> Result<Secret> {
    let fits = text.len() <= 16 * 1024 && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(Secret::new(text))
    } else {
        Err(bad(
            "the key holds characters that no key has; copy it once more",
        ))
    }
}

fn bad(message: &str) -> Error {
    Error::new(ErrorKind::Configuration, message).with_code("bad_supabase_key")
}

impl Scope {
    /// The headers. What official clients send: the key in both, or a person's token in the second.
    pub(super) fn headers(&self) -> Result<HeaderMap> {
        let (key, bearer) = match self {
            Self::Service(SecretKey(key)) | Self::Anon(PublishableKey(key)) => (key, key),
            Self::User { key, token } => (&key.0, &token.0),
        };
        let mut headers = HeaderMap::new();
        headers.insert(API_KEY, secret(key.reveal())?);
        let bearer = format!("Bearer {}", bearer.reveal());
        headers.insert(AUTHORIZATION, secret(&bearer)?);
        Ok(headers)
    }
}

fn secret(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Error::internal("a key that was looked at fits no header"))?;
    // Shown by nothing that prints headers.
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey([secret])")
    }
}

impl fmt::Debug for PublishableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublishableKey([secret])")
    }
}

impl fmt::Debug for UserToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserToken([secret])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(role: &str) -> String {
        let claims = format!(r#"{{"role":"{role}"}}"#);
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn keys_are_told_by_their_prefix_and_role() {
        let (service, anon, user) = (jwt("service_role"), jwt("anon"), jwt("authenticated"));
        for (text, secret, publishable, token) in [
            ("sb_secret_x", true, false, false),
            ("sb_publishable_x", false, true, false),
            (&*service, true, false, false),
            (&*anon, false, true, false),
            (&*user, false, false, true),
            ("", false, false, false),
            ("sb_secret_a b", false, false, false),
            ("sb_secret_\n1", false, false, false),
            ("a.b.c", false, false, false),
        ] {
            assert_eq!(SecretKey::parse(text).is_ok(), secret, "{text}");
            assert_eq!(PublishableKey::parse(text).is_ok(), publishable, "{text}");
            assert_eq!(UserToken::parse(text).is_ok(), token, "{text}");
        }
    }

    #[test]
    fn the_bearer_decides_who_it_is_and_the_key_admits() {
        let key = PublishableKey::parse("sb_publishable_x").unwrap();
        let token = UserToken::parse(&jwt("authenticated")).unwrap();
        let bearer = format!("Bearer {}", jwt("authenticated"));
        for (scope, expected) in [
            (Scope::Anon(key.clone()), "Bearer sb_publishable_x"),
            (Scope::User { key, token }, &*bearer),
        ] {
            let headers = scope.headers().unwrap();
            assert_eq!(headers[API_KEY], "sb_publishable_x");
            assert_eq!(headers[AUTHORIZATION], expected);
            let shown = format!("{scope:?} {headers:?}");
            assert!(!shown.contains("sb_") && !shown.contains("e30"), "{shown}");
        }
    }
}
