//! What the vendor works on by itself, whatever it is.

#[cfg(feature = "openai")]
use litink_core::ErrorKind;
use litink_core::{Charge, Error, provider::Operation};
#[cfg(feature = "openai")]
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

#[cfg(feature = "openai")]
use super::client::Answer;

/// What an id may hold as it is.
#[cfg(feature = "openai")]
const ID: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// An operation's id as a part of a path.
#[cfg(feature = "openai")]
pub(crate) fn id_in_path(operation: &Operation) -> String {
    utf8_percent_encode(&operation.id, ID).to_string()
}

/// When to ask again, as the answer says it, else after so many milliseconds.
#[cfg(feature = "openai")]
pub(crate) fn poll_after(answer: &Answer, otherwise_ms: u64) -> u64 {
    let said = answer.headers.get("openai-poll-after-ms");
    let said = said.and_then(|it| it.to_str().ok()?.trim().parse().ok());
    said.unwrap_or(otherwise_ms)
}

/// Of a question: an operation that is not there is over.
pub(crate) fn unknown(error: Error, operation: &Operation) -> Error {
    match error.code() {
        "no_such_endpoint" | "model_not_found" => Error::not_found("operation", &operation.id)
            .with_charge(Charge::Maybe)
            .with_source(error),
        _ => error,
    }
}

/// Of a wish to stop: what is over, or was never there, needs no stop.
#[cfg(feature = "openai")]
pub(crate) fn stopped<T>(answer: Result<T, Error>) -> Result<(), Error> {
    match answer {
        Ok(_) => Ok(()),
        Err(error)
            if error.kind() == ErrorKind::InvalidInput
                || ["no_such_endpoint", "model_not_found", "provider_busy"]
                    .contains(&error.code()) =>
        {
            Ok(())
        }
        Err(error) => Err(error),
    }
}
