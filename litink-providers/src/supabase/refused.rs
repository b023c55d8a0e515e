//! What a service refuses, and what that means: decided by its codes, since its statuses do not
//! say. Texts of servers stay here: they quote values, keys and names.

use std::{fmt, time::Duration};

use litink_core::{Error, ErrorKind, Retry};
use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serde_json::Value;

use crate::sql_functions::states;

/// An answer that is no success.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// What the body says where it says so, else HTTP's.
    pub(super) status: u16,
    /// The service's own word: an SQLSTATE, `PGRST...`, `NoSuchKey`, `bad_jwt`.
    pub(super) code: Option<String>,
    /// What a function of the database adds.
    pub(super) details: Option<String>,
    pub(super) retry_after: Option<Duration>,
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("status", &self.status)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

impl Refused {
    /// Of PostgREST (`{code, message, details, hint}`), Auth of two ages (`{code: "...", message}`,
    /// `{code: 400, error_code, msg}`) and OAuth (`{error, error_description}`), Storage
    /// (`{statusCode: "404", error, message, code}`), and of a gateway, which may say anything.
    pub(super) fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let header = headers.get("x-sb-error-code");
        let code = header
            .and_then(|value| value.to_str().ok())
            .or_else(|| text("error_code"))
            .or_else(|| text("code"))
            .or_else(|| text("error"));
        let own = body.get("statusCode").and_then(|own| match own {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64().and_then(|number| number.try_into().ok()),
        });
        Self {
            status: own.unwrap_or(status.as_u16()),
            code: code.filter(|code| is_code(code)).map(str::to_owned),
            details: text("details").map(str::to_owned),
            retry_after: headers
                .get(RETRY_AFTER)
                .and_then(|v| after(v.to_str().ok()?)),
        }
    }

    pub(super) fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    /// Whether the same again can do it.
    pub(super) fn is_passing(&self) -> bool {
        match self.code() {
            // A statement that took too long takes as long again; a full disk stays full.
            "57014" | "53100" => false,
            "PGRST000"
            | "PGRST001"
            | "PGRST002"
            | "PGRST003"
            | "SlowDown"
            | "DatabaseTimeout"
            | "LockTimeout"
            | "ResourceLocked"
            | "InternalError"
            | "S3Error"
            | "over_request_rate_limit" => true,
            code if states::is_passing(code) => true,
            _ => matches!(self.status, 429 | 502..=504 | 520..=524 | 544),
        }
    }

    /// Whether the REST interface does not know yet what a migration made.
    pub(super) fn is_stale_schema(&self) -> bool {
        matches!(self.code(), "PGRST202" | "PGRST204" | "PGRST205")
    }

    /// As an error, where no service knows better.
    pub(super) fn error(&self) -> Error {
        let error = |kind, code, message: &str| Error::new(kind, message).with_code(code);
        let described = match (self.code(), self.status) {
            (_, 300..=399) => error(
                ErrorKind::Configuration,
                "redirected",
                "the project's address leads to another one, where no key is sent; correct the URL",
            ),
            ("InvalidJWT" | "PGRST301" | "PGRST302" | "PGRST303" | "bad_jwt", _) | (_, 401) => {
                error(
                    ErrorKind::Configuration,
                    "supabase_key_refused",
                    "Supabase refuses the key; check that it is this project's, and not revoked",
                )
            }
            ("over_request_rate_limit" | "SlowDown", _) | (_, 429) => {
                let slower = error(
                    ErrorKind::RateLimited,
                    "rate_limited",
                    "Supabase takes no more requests for now; try again later",
                );
                match self.retry_after {
                    Some(after) => slower.with_retry(Retry::After(after)),
                    None => slower,
                }
            }
            (_, 403) => error(
                ErrorKind::PermissionDenied,
                "supabase_denied",
                "Supabase does not allow this to the key; use the project's secret key",
            ),
            (_, 507) => error(
                ErrorKind::StorageFull,
                "disk_full",
                "the Supabase project has no room left; make room and run the same again",
            ),
            (_, 504 | 522 | 524 | 544) => timed_out(),
            (_, 500..) => error(
                ErrorKind::Unavailable,
                "supabase_unavailable",
                "Supabase cannot answer now; try again later, and look at the project's status",
            ),
            ("", _) => not_supabase(),
            _ => Error::internal("Supabase refuses what it is asked"),
        };
        let described = described.with_context("status", self.status);
        match &self.code {
            Some(code) => described.with_context("reason", code),
            None => described,
        }
    }
}

/// A word, and no sentence: it is shown and logged.
fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Seconds, or a date.
fn after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    Some(
        (date.to_utc() - chrono::Utc::now())
            .to_std()
            .unwrap_or_default(),
    )
}

pub(super) fn unreachable() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "Supabase cannot be reached, or the connection was cut; check the project's address, and \
         that it is not paused",
    )
    .with_code("supabase_unreachable")
}

pub(super) fn timed_out() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "Supabase did not answer in time; try again",
    )
    .with_code("supabase_timeout")
}

pub(super) fn not_supabase() -> Error {
    Error::new(
        ErrorKind::Configuration,
        "the project's address answers, but not as Supabase does; correct the URL",
    )
    .with_code("not_supabase")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Refused {
        let status = StatusCode::from_u16(status).unwrap();
        Refused::read(status, &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn every_shape_of_an_error_is_read() {
        for (status, body, expected_status, code) in [
            (
                409,
                r#"{"code":"23505","message":"m","details":null,"hint":null}"#,
                409,
                "23505",
            ),
            (
                400,
                r#"{"code":"invalid_credentials","message":"m"}"#,
                400,
                "invalid_credentials",
            ),
            (
                400,
                r#"{"code":400,"error_code":"bad_jwt","msg":"m"}"#,
                400,
                "bad_jwt",
            ),
            (
                400,
                r#"{"error":"invalid_grant","error_description":"m"}"#,
                400,
                "invalid_grant",
            ),
            (
                400,
                r#"{"statusCode":"404","error":"not_found","message":"m","code":"NoSuchKey"}"#,
                404,
                "NoSuchKey",
            ),
            (
                400,
                r#"{"statusCode":"404","error":"not_found","message":"m"}"#,
                404,
                "not_found",
            ),
            (
                400,
                r#"{"statusCode":"403","error":"Not allowed here","message":"m"}"#,
                403,
                "",
            ),
            (400, "", 400, ""),
            (502, "<html>Bad gateway</html>", 502, ""),
            (401, r#"{"message":"Invalid API key"}"#, 401, ""),
        ] {
            let refused = read(status, body);
            assert_eq!(
                (refused.status, refused.code()),
                (expected_status, code),
                "{body}"
            );
        }
    }

    #[test]
    fn what_passes_is_told_from_what_stays() {
        for (status, body, passing) in [
            (500, r#"{"code":"40001"}"#, true),
            (500, r#"{"code":"57014"}"#, false),
            (503, r#"{"code":"53100"}"#, false),
            (503, r#"{"code":"PGRST002"}"#, true),
            (504, "", true),
            (429, "", true),
            (400, r#"{"statusCode":"503","code":"SlowDown"}"#, true),
            (500, r#"{"code":"P0001"}"#, false),
            (404, "", false),
        ] {
            assert_eq!(read(status, body).is_passing(), passing, "{status} {body}");
        }
    }

    #[test]
    fn no_text_of_a_server_is_shown() {
        let body = r#"{"code":"42P01","message":"canary","details":"canary","hint":"canary"}"#;
        let refused = read(500, body);
        let shown = format!("{refused:?} {:?} {}", refused.error(), refused.error());
        assert!(!shown.contains("canary"), "{shown}");
    }
}
