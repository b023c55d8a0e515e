//! What came back is looked at before it is stored: what it is, whether it is whole, and whether there is
//! anything in it. What a provider says of it is not trusted.
//!
//! Each failure is paid and may be better another time ([`Retry::Backoff`]): `broken_audio`,
//! `empty_audio`, `silent_audio`; `not_an_image`, `broken_image`, `blank_image`; `not_a_film`,
//! `broken_film`; `schema_mismatch`.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    Charge, Error, ErrorKind, Result, Retry, audio,
    provider::{Input, Request, SchemaCheck, SchemaMismatch, json_of},
};

mod film;
mod image;

pub(super) use film::{Film, film};
pub(super) use image::image;

/// The code, and a sentence for the person who reads it.
fn unsound(code: &'static str, message: &str) -> Error {
    paid(Error::new(ErrorKind::Provider, message).with_code(code))
}

/// The money is gone, but another try may give something sound.
fn paid(error: Error) -> Error {
    error.with_retry(Retry::Backoff).with_charge(Charge::Yes)
}

/// How long audio plays, counted in samples.
pub(super) fn sound(bytes: &Bytes, media_type: &str) -> Result<Duration> {
    let probe = audio::probe(bytes, media_type).map_err(paid)?;
    if probe.is_silent() {
        return Err(unsound("silent_audio", "the provider sent silence"));
    }
    Ok(probe.duration())
}

/// Whether text has the shape that was asked for.
pub(super) fn text(request: &Request, text: &str) -> Result<()> {
    let Input::Text(asked) = &request.input else {
        return Ok(());
    };
    let Some(schema) = &asked.schema else {
        return Ok(());
    };
    let problems = match json_of(text) {
        Ok(value) => SchemaCheck::new(schema)?.problems(&value),
        Err(problem) => vec![problem],
    };
    match problems.is_empty() {
        true => Ok(()),
        false => Err(SchemaMismatch::new(text.to_owned(), problems).into_error()),
    }
}
