//! What a model answered, in one shape, and whether it is what was asked for.

use litink_core::{
    Charge, Error, ErrorKind, Result, Retry,
    provider::{SchemaCheck, SchemaMismatch, Spent, TextRequest, Usage},
};

use super::schema;

/// A book's worth of words is a tenth of this.
pub(crate) const MAX_TEXT_BYTES: u64 = 32 << 20;

/// What a vendor of text answered.
#[cfg(any(feature = "anthropic", feature = "gemini"))]
#[derive(Debug)]
pub struct Said {
    pub(crate) text: String,
    pub(crate) id: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) usage: Usage,
    /// What makes its price another one than the list's.
    pub(crate) tier: Option<String>,
    pub(crate) ended: Ended,
}

/// Why it ends where it does.
#[derive(Debug)]
pub(crate) enum Ended {
    Whole,
    Cut,
    Filtered,
    Refused,
}

/// The most that a request for text reads: no token is shorter than a byte.
pub(crate) fn read_at_most(text: &TextRequest) -> Usage {
    let bytes = |text: &str| text.len() as u64;
    let read = text
        .messages
        .iter()
        .map(|message| bytes(&message.text) + 16);
    let schema = text
        .schema
        .as_ref()
        .map_or(0, |it| bytes(&it.to_string()) * 2);
    let mut usage = Usage::default();
    usage.input_tokens = Some(read.sum::<u64>() + schema);
    usage
}

pub(crate) fn checked(text: String, ended: &Ended, request: &TextRequest) -> Result<String> {
    match ended {
        Ended::Whole => {}
        Ended::Cut => {
            return Err(paid(
                "output_truncated",
                "the model stopped at its limit of tokens; allow more, or ask for less",
            ));
        }
        Ended::Filtered => {
            return Err(paid(
                "content_refused",
                "the vendor's rules of content stopped the answer; change what is asked for",
            ));
        }
        Ended::Refused => {
            return Err(paid(
                "refused",
                "the model declined; change what is asked for, or name another model",
            ));
        }
    }
    let Some(wanted) = &request.schema else {
        if text.trim().is_empty() {
            return Err(paid("empty_reply", "the model said nothing").with_retry(Retry::Backoff));
        }
        return Ok(text);
    };
    let mut value = match litink_core::provider::json_of(&text) {
        Ok(value) => value,
        Err(problem) => return Err(SchemaMismatch::new(text, vec![problem]).into_error()),
    };
    schema::without_nulls(wanted, &mut value);
    let problems = match SchemaCheck::new(wanted) {
        Ok(check) => check.problems(&value),
        // What is said there in words that nobody knows is taken as kept.
        Err(_) if schema::fits(wanted, &value) => Vec::new(),
        Err(_) => vec!["the value does not have the shape of the schema".to_owned()],
    };
    if problems.is_empty() {
        Ok(value.to_string())
    } else {
        Err(SchemaMismatch::new(value.to_string(), problems).into_error())
    }
}

/// An error of an answer that came whole, with what the answer says that it used.
pub(crate) fn used(error: Error, spent: &Spent) -> Error {
    let told = spent.usage != Usage::default() || spent.cost_nanos.is_some();
    if told {
        error.with_spent(spent.clone())
    } else {
        error
    }
}

pub(crate) fn paid(code: &'static str, message: &str) -> Error {
    Error::new(ErrorKind::Provider, message)
        .with_code(code)
        .with_charge(Charge::Yes)
}
