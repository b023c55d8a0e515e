//! Webhooks: who sent one, and what it is about. What it says is a hint alone: the operation is asked
//! for, as without it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use litink_core::{Error, ErrorKind, Result};
use reqwest::header::HeaderMap;
use ring::hmac;
use serde_json::Value;

use crate::Secret;

/// A webhook holds a line about an operation.
const MAX_BYTES: usize = 1 << 20;
/// How old one may be, and how far ahead its sender's clock, in seconds.
const TOLERANCE_S: i64 = 300;

/// What a vendor told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookEvent {
    /// The delivery's own id, the same where it is sent again: what was dealt with by it is done.
    pub id: String,
    /// What happened: `response.completed`, `video.generation.failed`.
    pub kind: String,
    /// The operation that it happened to, by the vendor's id.
    pub operation: String,
}

/// Whether a webhook comes from whom the secret is shared with, and what it says.
///
/// Two ways of signing are known, by their headers: Standard Webhooks (`webhook-id`, `webhook-timestamp`,
/// `webhook-signature`; OpenAI's, with a secret `whsec_...`), and OpenRouter's (`x-openrouter-signature`).
/// `body` is what came, byte for byte. Signatures are compared in constant time; one of five minutes ago
/// is refused, and so is one of as far ahead.
///
/// # Errors
/// [`ErrorKind::Unauthenticated`]: code `bad_signature`, and `webhook_stale` for another time;
/// `InvalidInput` (code `bad_webhook`) for one that is signed and makes no sense; `Configuration` (code
/// `bad_webhook_secret`).
pub fn verify_webhook(
    secret: &Secret,
    headers: &HeaderMap,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<WebhookEvent> {
    if body.len() > MAX_BYTES {
        return Err(senseless());
    }
    let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    let id = match header("x-openrouter-signature") {
        Some(signature) => {
            routed(secret, signature, body, now)?;
            header("x-openrouter-idempotency-key")
        }
        None => {
            let parts = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(header);
            let [Some(id), Some(time), Some(signatures)] = parts else {
                return Err(unsigned());
            };
            standard(secret, [id, time, signatures], body, now)?;
            Some(id)
        }
    };
    let said: Value = serde_json::from_slice(body).map_err(|_| senseless())?;
    let word = |pointer: &str| said.pointer(pointer).and_then(Value::as_str);
    let (Some(kind), Some(operation)) = (word("/type"), word("/data/id")) else {
        return Err(senseless());
    };
    Ok(WebhookEvent {
        id: id.map_or_else(|| format!("{operation}-{kind}"), str::to_owned),
        kind: kind.to_owned(),
        operation: operation.to_owned(),
    })
}

/// `v1,BASE64 v1,BASE64`, of which one has to fit: secrets are changed while both are known.
fn standard(
    secret: &Secret,
    [id, time, signatures]: [&str; 3],
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<()> {
    let text = secret.reveal().trim();
    let text = text.strip_prefix("whsec_").unwrap_or(text);
    let key = STANDARD.decode(text).map_err(|_| bad_secret())?;
    let key = key_of(&key)?;
    recent(time, now)?;
    let message = [format!("{id}.{time}.").as_bytes(), body].concat();
    let fits = |signature: &str| {
        let tag = signature.strip_prefix("v1,")?;
        let tag = STANDARD.decode(tag).ok()?;
        hmac::verify(&key, &message, &tag).ok()
    };
    let found = signatures.split_whitespace().find_map(fits);
    found.ok_or_else(unsigned)
}

/// `t=SECONDS,v1=HEX`, over the time, a comma and the body.
fn routed(secret: &Secret, signature: &str, body: &[u8], now: DateTime<Utc>) -> Result<()> {
    let key = key_of(secret.reveal().trim().as_bytes())?;
    let part = |name: &str| {
        signature
            .split(',')
            .find_map(|it| it.trim().strip_prefix(name))
    };
    let (Some(time), Some(tag)) = (part("t="), part("v1=")) else {
        return Err(unsigned());
    };
    recent(time, now)?;
    let tag = from_hex(tag).ok_or_else(unsigned)?;
    let message = [format!("{time},").as_bytes(), body].concat();
    hmac::verify(&key, &message, &tag).map_err(|_| unsigned())
}

fn key_of(bytes: &[u8]) -> Result<hmac::Key> {
    if bytes.is_empty() {
        return Err(bad_secret());
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, bytes))
}

fn recent(time: &str, now: DateTime<Utc>) -> Result<()> {
    let seconds: i64 = time.parse().map_err(|_| unsigned())?;
    if now.timestamp().abs_diff(seconds) > TOLERANCE_S.unsigned_abs() {
        return Err(Error::new(
            ErrorKind::Unauthenticated,
            "the webhook is of another time; look at this machine's clock, or somebody sends an old one \
             again",
        )
        .with_code("webhook_stale"));
    }
    Ok(())
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let byte = |i: usize| u8::from_str_radix(text.get(i..i + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn unsigned() -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "the webhook is not signed by whom the secret is shared with; check the secret, and hand over the \
         body as it came",
    )
    .with_code("bad_signature")
}

fn bad_secret() -> Error {
    Error::new(
        ErrorKind::Configuration,
        "the secret of webhooks is empty or no secret; copy it from the vendor's page (`whsec_...`)",
    )
    .with_code("bad_webhook_secret")
}

fn senseless() -> Error {
    Error::invalid(
        "bad_webhook",
        "the webhook is too long, or names no operation",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the package `standardwebhooks` 1.1.0 of PyPI signed.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"type":"response.completed","data":{"id":"resp_1"}}"#;
    const TIME: i64 = 1_795_000_000;
    const SIGNATURE: &str = "v1,Yfxi7Fb3liN4fv4UhF3w5jgEzB+9iYZV/rcKtJGxflw=";
    /// What `hmac` of Python's library signed, as OpenRouter's pages say.
    const ROUTED: &str =
        "t=1795000000,v1=b6a18422fcb9afd489ed4546bc0e685e53bc7cf6067270fc2650ad5981d0658d";

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (
                reqwest::header::HeaderName::from_static(name),
                value.parse().unwrap(),
            )
        };
        given.iter().map(pair).collect()
    }

    fn code(secret: &str, headers: &HeaderMap, body: &[u8], at: i64) -> String {
        let now = DateTime::from_timestamp(at, 0).unwrap();
        match verify_webhook(&Secret::new(secret), headers, body, now) {
            Ok(event) => format!("{} {} {}", event.id, event.kind, event.operation),
            Err(error) => error.code().to_owned(),
        }
    }

    #[test]
    fn only_whom_the_secret_is_shared_with_is_believed() {
        let signed = |signature: &str| {
            headers(&[
                ("webhook-id", "msg_1"),
                ("webhook-timestamp", "1795000000"),
                ("webhook-signature", signature),
            ])
        };
        let good = signed(SIGNATURE);
        let told = "msg_1 response.completed resp_1";
        assert_eq!(code(SECRET, &good, BODY, TIME + 299), told);
        let both = signed(&format!("v1,AAAA v2,x {SIGNATURE}"));
        assert_eq!(code(SECRET, &both, BODY, TIME), told);
        assert_eq!(code(SECRET, &good, BODY, TIME + 301), "webhook_stale");
        assert_eq!(code(SECRET, &good, BODY, TIME - 301), "webhook_stale");
        let other = BODY.iter().map(|it| it ^ 1).collect::<Vec<_>>();
        assert_eq!(code(SECRET, &good, &other, TIME), "bad_signature");
        assert_eq!(code("whsec_AAAA", &good, BODY, TIME), "bad_signature");
        assert_eq!(code("whsec_", &good, BODY, TIME), "bad_webhook_secret");
        assert_eq!(code("whsec_?", &good, BODY, TIME), "bad_webhook_secret");
        assert_eq!(code(SECRET, &signed("v1"), BODY, TIME), "bad_signature");
        assert_eq!(code(SECRET, &HeaderMap::new(), BODY, TIME), "bad_signature");
        assert_eq!(
            code(SECRET, &good, &[b' '; MAX_BYTES + 1], TIME),
            "bad_webhook"
        );
    }

    #[test]
    fn openrouter_signs_in_its_own_way() {
        let signed = |signature: &str| {
            headers(&[
                ("x-openrouter-signature", signature),
                ("x-openrouter-idempotency-key", "job_1-completed"),
            ])
        };
        let told = "job_1-completed response.completed resp_1";
        assert_eq!(code("shared", &signed(ROUTED), BODY, TIME), told);
        assert_eq!(code("other", &signed(ROUTED), BODY, TIME), "bad_signature");
        assert_eq!(
            code("shared", &signed(ROUTED), BODY, TIME + 600),
            "webhook_stale"
        );
        let changed = ROUTED.replace("t=1795000000", "t=1795000001");
        assert_eq!(
            code("shared", &signed(&changed), BODY, TIME),
            "bad_signature"
        );
        assert_eq!(
            code("shared", &signed("t=,v1=é"), BODY, TIME),
            "bad_signature"
        );
    }
}
