//! What an endpoint refuses, and what that means. Its texts stay here: they quote keys and prompts.

use std::{fmt, time::Duration};

use litink_core::{Charge, Error, ErrorKind, Retry};
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::rates::{go_duration, header, pause};

/// An answer that is no success.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    status: u16,
    code: String,
    kind: String,
    param: Option<String>,
    request_id: Option<String>,
    after: Option<Duration>,
    /// What the endpoint itself says of trying again (`x-should-retry`).
    again: Option<bool>,
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
    /// Of `{"error": {message, type, param, code}}`, of `{"detail": {status, message}}`, of servers that leave half of it out, of
    /// gateways whose code is the status of whom they asked, and of what is no JSON at all.
    pub(crate) fn read(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let detail = body.get("detail").filter(|it| it.is_object());
        let error = body.get("error").or(detail).unwrap_or(&body);
        let word = |name: &str| {
            let text = error.get(name).and_then(Value::as_str).unwrap_or_default();
            if is_word(text) { text } else { "" }
        };
        let details = error.get("details").and_then(Value::as_array);
        let detail = |name: &str| {
            let found = details
                .into_iter()
                .flatten()
                .find_map(|it| it.get(name)?.as_str());
            found.unwrap_or_default()
        };
        let mut code = word("code").to_owned();
        if code.is_empty() {
            // Google's word for it.
            code = Some(detail("reason"))
                .filter(|it| is_word(it))
                .unwrap_or_default()
                .to_lowercase();
        }
        let said = error
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if said.contains("credit balance is too low") {
            // Anthropic says so in a sentence alone, of a request that it calls invalid.
            code = "credit_balance".to_owned();
        }
        let kind = match word("type") {
            "" => word("status").to_lowercase(),
            kind => kind.to_owned(),
        };
        let named = error.get("code").and_then(Value::as_u64);
        let named = named.and_then(|code| u16::try_from(code).ok());
        Self {
            status: named.filter(|code| *code >= 400).unwrap_or(status),
            code,
            kind,
            param: Some(word("param").to_owned()).filter(|it| !it.is_empty()),
            request_id: request_id(headers),
            after: pause(headers).or_else(|| go_duration(detail("retryDelay"))),
            again: header(headers, "x-should-retry").and_then(|text| match text {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            }),
        }
    }

    /// Whether a success holds an error all the same, as gateways answer.
    pub(crate) fn hidden(headers: &HeaderMap, body: &Value) -> Option<Self> {
        let error = body.get("error").filter(|error| error.is_object())?;
        let bytes = serde_json::to_vec(&serde_json::json!({ "error": error })).unwrap_or_default();
        Some(Self::read(500, headers, &bytes))
    }

    fn is(&self, words: &[&str]) -> bool {
        let holds = |text: &str| words.iter().any(|word| text.contains(word));
        holds(&self.code) || holds(&self.kind)
    }

    fn is_quota(&self) -> bool {
        self.is(&["insufficient_quota", "credit_balance", "billing"])
            // ElevenLabs' word.
            || self.code == "quota_exceeded"
            || self.kind == "quota_exceeded"
            || (self.code.contains("limit_exceeded") && self.is(&["spend_limit", "usage_limit"]))
    }

    fn is_content(&self) -> bool {
        self.is(&[
            "policy_violation",
            "moderation_blocked",
            "content_filter",
            "bio_policy",
            "invalid_prompt",
        ])
    }

    fn is_too_long(&self) -> bool {
        self.is(&[
            "context_length",
            "string_above_max_length",
            "too_large",
            "character_limit_exceeded",
            "text_too_long",
        ])
    }

    /// As an error of the contract.
    pub(crate) fn error(&self) -> Error {
        let described = self.described();
        let described = match self.again {
            Some(false) if described.retry() != Retry::Ambiguous => {
                described.with_retry(Retry::Never)
            }
            Some(true) if described.retry() == Retry::Never && self.status >= 500 => {
                described.with_retry(Retry::Backoff)
            }
            _ => described,
        };
        let described = described.with_context("status", self.status);
        let reason = [&self.code, &self.kind]
            .into_iter()
            .find(|it| !it.is_empty());
        let described = match reason {
            Some(reason) => described.with_context("reason", reason),
            None => described,
        };
        let described = match &self.param {
            Some(param) => described.with_context("field", param),
            None => described,
        };
        match &self.request_id {
            Some(id) => described.with_context("request", id),
            None => described,
        }
    }

    fn described(&self) -> Error {
        let error = |kind, code, message: &str| Error::new(kind, message).with_code(code);
        match self.status {
            300..=399 => error(
                ErrorKind::Configuration,
                "redirected",
                "the address of the provider leads to another one, where no key is sent; correct \
                 the URL",
            ),
            402 => quota(),
            400..=499 if self.is_quota() => quota(),
            400..=499 if self.is_too_long() => error(
                ErrorKind::LimitExceeded,
                "context_too_long",
                "this is longer than the model reads at once; give it less, or name another model",
            ),
            400..=499 if self.is_content() => error(
                ErrorKind::InvalidInput,
                "content_refused",
                "the vendor's rules of content do not allow this; change what is asked for, or name \
                 another model",
            ),
            400 | 404 | 422 if self.is(&["voice_not_found"]) => error(
                ErrorKind::Configuration,
                "voice_not_found",
                "the vendor has no such voice, or not for this key; name another one",
            ),
            400 | 401 if self.status == 401 || self.is(&["api_key_invalid", "invalid_api_key"]) => {
                error(
                    ErrorKind::Configuration,
                    "provider_auth",
                    "the vendor refuses the key; check that it is right, and not revoked (`providers` in \
                 the settings, or the vendor's variable)",
                )
            }
            403 => error(
                ErrorKind::Configuration,
                "provider_denied",
                "the vendor does not allow this to the key: the model, the region or the project; \
                 look at its rights",
            ),
            404 | 410
                if self.is(&["model", "not_found_error"])
                    || self.param.as_deref() == Some("model") =>
            {
                error(
                    ErrorKind::Configuration,
                    "model_not_found",
                    "the vendor has no such model, or not for this key; name another one",
                )
            }
            404 | 405 | 410 => error(
                ErrorKind::Configuration,
                "no_such_endpoint",
                "the provider's address has nothing for this, or no such model; check both (the \
                 address with /v1 where the server has that)",
            ),
            // Whether it was done before the time was over, nobody says.
            408 | 504 | 520 | 522 | 524 => error(
                ErrorKind::Timeout,
                "provider_timeout",
                "the vendor's side took too long",
            )
            .with_retry(Retry::Ambiguous)
            .with_charge(Charge::Maybe),
            409 | 425 => error(
                ErrorKind::Unavailable,
                "provider_busy",
                "the vendor is busy with the same thing; try again",
            ),
            413 => error(
                ErrorKind::LimitExceeded,
                "request_too_large",
                "this is larger than the vendor takes at once; give it less",
            ),
            429 => self.wait(error(
                ErrorKind::RateLimited,
                "rate_limited",
                "the vendor takes no more calls for now; try again later",
            )),
            400..=499 => error(
                ErrorKind::InvalidInput,
                "request_refused",
                "the vendor refuses what it is asked; look at its reason and at the options",
            ),
            503 | 529 => self.wait(error(
                ErrorKind::Unavailable,
                "provider_overloaded",
                "the vendor has too much to do; try again later",
            )),
            500.. => self
                .wait(error(
                    ErrorKind::Unavailable,
                    "provider_failed",
                    "the vendor failed; try again later",
                ))
                .with_charge(Charge::Maybe),
            _ => error(
                ErrorKind::Provider,
                "bad_reply",
                "the address of the provider answers, but not as such a vendor does",
            ),
        }
    }

    /// The vendor's own pause, else one that grows.
    fn wait(&self, error: Error) -> Error {
        match self.after {
            Some(after) if !after.is_zero() => error.with_retry(Retry::After(after)),
            _ => error.with_retry(Retry::Backoff),
        }
    }
}

fn quota() -> Error {
    Error::new(
        ErrorKind::QuotaExhausted,
        "the account's money or its limit is used up, and waiting does not help; look at the \
         vendor's page of billing, then resume the run",
    )
    .with_code("provider_quota")
}

/// A word, and no sentence: it is shown and logged.
fn is_word(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte);
    // Keys are words, too.
    (1..=64).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with("sk-")
}

/// The vendor's own id of a request.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    let names = ["x-request-id", "apim-request-id", "request-id"];
    let found = names.iter().find_map(|name| header(headers, name))?;
    (is_word(found)).then(|| found.to_owned())
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            let value = HeaderValue::from_str(value).unwrap();
            (HeaderName::from_static(name), value)
        };
        given.iter().map(pair).collect()
    }

    fn refused(status: u16, code: &str, given: &[(&'static str, &str)]) -> Error {
        let body = format!(r#"{{"error":{{"message":"canary","type":"x","code":"{code}"}}}}"#);
        Refused::read(status, &headers(given), body.as_bytes()).error()
    }

    #[test]
    fn each_class_has_its_kind_its_retry_and_its_charge() {
        use ErrorKind as K;
        for (status, code, kind, own, retry, charge) in [
            (
                400,
                "bad",
                K::InvalidInput,
                "request_refused",
                Retry::Never,
                Charge::No,
            ),
            (
                400,
                "context_length_exceeded",
                K::LimitExceeded,
                "context_too_long",
                Retry::Never,
                Charge::No,
            ),
            (
                400,
                "moderation_blocked",
                K::InvalidInput,
                "content_refused",
                Retry::Never,
                Charge::No,
            ),
            (
                400,
                "image_content_policy_violation",
                K::InvalidInput,
                "content_refused",
                Retry::Never,
                Charge::No,
            ),
            (
                401,
                "invalid_api_key",
                K::Configuration,
                "provider_auth",
                Retry::Never,
                Charge::No,
            ),
            (
                402,
                "",
                K::QuotaExhausted,
                "provider_quota",
                Retry::Never,
                Charge::No,
            ),
            (
                403,
                "",
                K::Configuration,
                "provider_denied",
                Retry::Never,
                Charge::No,
            ),
            (
                404,
                "model_not_found",
                K::Configuration,
                "model_not_found",
                Retry::Never,
                Charge::No,
            ),
            (
                404,
                "",
                K::Configuration,
                "no_such_endpoint",
                Retry::Never,
                Charge::No,
            ),
            (
                408,
                "",
                K::Timeout,
                "provider_timeout",
                Retry::Ambiguous,
                Charge::Maybe,
            ),
            (
                409,
                "",
                K::Unavailable,
                "provider_busy",
                Retry::Backoff,
                Charge::No,
            ),
            (
                422,
                "",
                K::InvalidInput,
                "request_refused",
                Retry::Never,
                Charge::No,
            ),
            (
                429,
                "rate_limit_exceeded",
                K::RateLimited,
                "rate_limited",
                Retry::Backoff,
                Charge::No,
            ),
            (
                429,
                "slow_down",
                K::RateLimited,
                "rate_limited",
                Retry::Backoff,
                Charge::No,
            ),
            (
                429,
                "insufficient_quota",
                K::QuotaExhausted,
                "provider_quota",
                Retry::Never,
                Charge::No,
            ),
            (
                429,
                "credit_balance_exhausted",
                K::QuotaExhausted,
                "provider_quota",
                Retry::Never,
                Charge::No,
            ),
            (
                429,
                "project_spend_limit_exceeded",
                K::QuotaExhausted,
                "provider_quota",
                Retry::Never,
                Charge::No,
            ),
            (
                429,
                "organization_usage_limit_exceeded",
                K::QuotaExhausted,
                "provider_quota",
                Retry::Never,
                Charge::No,
            ),
            (
                500,
                "server_error",
                K::Unavailable,
                "provider_failed",
                Retry::Backoff,
                Charge::Maybe,
            ),
            (
                502,
                "",
                K::Unavailable,
                "provider_failed",
                Retry::Backoff,
                Charge::Maybe,
            ),
            (
                503,
                "server_is_overloaded",
                K::Unavailable,
                "provider_overloaded",
                Retry::Backoff,
                Charge::No,
            ),
            (
                504,
                "",
                K::Timeout,
                "provider_timeout",
                Retry::Ambiguous,
                Charge::Maybe,
            ),
            (
                307,
                "",
                K::Configuration,
                "redirected",
                Retry::Never,
                Charge::No,
            ),
        ] {
            let error = refused(status, code, &[]);
            assert_eq!(error.kind(), kind, "{status} {code}");
            assert_eq!(error.code(), own, "{status} {code}");
            assert_eq!(error.retry(), retry, "{status} {code}");
            assert_eq!(error.charge(), charge, "{status} {code}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }

    #[test]
    fn other_vendors_say_it_otherwise() {
        for (status, body, own) in [
            (
                529,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"canary"}}"#,
                "provider_overloaded",
            ),
            (
                404,
                r#"{"type":"error","error":{"type":"not_found_error","message":"canary"}}"#,
                "model_not_found",
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error",
                "message":"Your credit balance is too low to access the API."}}"#,
                "provider_quota",
            ),
            (
                400,
                r#"{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"canary",
                "details":[{"@type":"x","reason":"API_KEY_INVALID"}]}}"#,
                "provider_auth",
            ),
            (
                429,
                r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"canary",
                "details":[{"@type":"y"},{"@type":"x","retryDelay":"34s"}]}}"#,
                "rate_limited",
            ),
        ] {
            let error = Refused::read(status, &HeaderMap::new(), body.as_bytes()).error();
            assert_eq!(error.code(), own, "{status} {body}");
            assert!(!format!("{error} {error:?}").contains("canary"));
            let waits = own == "rate_limited";
            assert_eq!(
                error.retry() == Retry::After(Duration::from_secs(34)),
                waits
            );
        }
    }

    #[test]
    fn the_pause_is_read_in_every_form() {
        let date = |seconds: i64| {
            let at = chrono::Utc::now() + chrono::Duration::seconds(seconds);
            at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
        };
        let (soon, past) = (date(30), date(-30));
        let ms = |given: &[(&'static str, &str)]| match refused(429, "", given).retry() {
            Retry::After(after) => Some(after.as_millis()),
            Retry::Backoff => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(ms(&[("retry-after", "7")]), Some(7_000));
        assert_eq!(ms(&[("retry-after", "0.5")]), Some(500));
        assert_eq!(
            ms(&[("retry-after", "7"), ("retry-after-ms", "1500")]),
            Some(1_500)
        );
        let left = ms(&[("retry-after", &soon)]).unwrap();
        assert!((28_000..=30_000).contains(&left), "{left}");
        assert_eq!(ms(&[("retry-after", &past)]), None);
        assert_eq!(ms(&[("retry-after", "soon")]), None);
        assert_eq!(ms(&[("retry-after", "-5")]), None);
        assert_eq!(ms(&[("retry-after", "1e300")]), Some(86_400_000));
        assert_eq!(
            ms(&[
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "6m0.5s"),
                ("x-ratelimit-remaining-tokens", "5"),
                ("x-ratelimit-reset-tokens", "1h"),
            ]),
            Some(360_500)
        );
        let unknown = [
            ("x-ratelimit-remaining-requests", "-1"),
            ("x-ratelimit-reset-requests", "6m0s"),
        ];
        assert_eq!(ms(&unknown), None);
    }

    #[test]
    fn what_the_vendor_says_of_trying_again_counts() {
        assert_eq!(
            refused(500, "", &[("x-should-retry", "false")]).retry(),
            Retry::Never
        );
        assert_eq!(
            refused(429, "", &[("x-should-retry", "false")]).retry(),
            Retry::Never
        );
        assert_eq!(
            refused(400, "", &[("x-should-retry", "true")]).retry(),
            Retry::Never
        );
    }

    #[test]
    fn what_is_no_json_and_what_hides_in_a_success_is_read() {
        let html = Refused::read(502, &HeaderMap::new(), b"<html>canary</html>").error();
        assert_eq!(html.code(), "provider_failed");
        assert!(!format!("{html:?}").contains("canary"));
        let body = serde_json::json!({ "error": { "code": 429, "message": "slow down" } });
        let hidden = Refused::hidden(&HeaderMap::new(), &body).unwrap().error();
        assert_eq!(hidden.kind(), ErrorKind::RateLimited);
        let fine = serde_json::json!({ "error": null, "id": "resp_1" });
        assert!(Refused::hidden(&HeaderMap::new(), &fine).is_none());
        let key = br#"{"error":{"code":"sk-canary","param":"a b"}}"#;
        let error = Refused::read(400, &HeaderMap::new(), key).error();
        assert!(!format!("{error}").contains("canary"));
    }
}
