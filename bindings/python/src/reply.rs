//! What a provider's method gives back.

use std::path::PathBuf;

use bytes::Bytes;
use futures::{StreamExt, TryFutureExt, TryStreamExt};
use litink_core::{
    Charge, Error, ErrorKind, Result,
    provider::{Generated, Media, Modality, Output, Reply, SpeechMark, Usage},
    storage::ByteStream,
};
use pyo3::{
    intern,
    prelude::*,
    types::{PyByteArray, PyBytes, PyDict, PyString},
};
use serde::de::DeserializeOwned;
use tokio_util::io::ReaderStream;

use crate::convert;

/// Reads a `litink.Speech`, `litink.Text`, ..., `litink.Pending`, or a dict with their fields; a
/// dict without `modality` is what was asked for.
///
/// # Errors
/// [`ErrorKind::Provider`] (code `bad_reply`).
pub(crate) fn from_python(answer: &Bound<'_, PyAny>, asked: Option<Modality>) -> Result<Reply> {
    let own = answer
        .call_method0(intern!(answer.py(), "to_dict"))
        .ok()
        .unwrap_or_else(|| answer.clone());
    let Ok(dict) = own.cast::<PyDict>() else {
        return Err(
            bad("`generate` gives a litink.Speech, litink.Text, ... or a dict")
                .with_context("type", convert::type_name(answer)),
        );
    };
    let fields = Fields(dict.clone());
    if let Some(pending) = fields.get("pending")? {
        return Ok(Reply::Pending(json(&pending, "pending")?));
    }
    let modality = match fields.json::<Option<Modality>>("modality")? {
        Some(modality) => Some(modality),
        None => asked,
    };
    let modality = modality.ok_or_else(|| bad("a reply of `poll` names its `modality`"))?;
    let mut generated = Generated::new(output(&fields, modality)?);
    generated.model = fields.json("model")?;
    generated.usage = fields.json::<Option<Usage>>("usage")?.unwrap_or_default();
    generated.cost_nanos = fields.json("cost_nanos")?;
    generated.warnings = fields
        .json::<Option<Vec<String>>>("warnings")?
        .unwrap_or_default();
    generated.request_id = fields.json("request_id")?;
    Ok(Reply::Done(Box::new(generated)))
}

fn output(fields: &Fields<'_>, modality: Modality) -> Result<Output> {
    let marks = || {
        fields
            .json::<Option<Vec<SpeechMark>>>("marks")
            .map(Option::unwrap_or_default)
    };
    Ok(match modality {
        Modality::Text => Output::Text {
            text: fields.json("text")?,
        },
        Modality::Speech => Output::Speech {
            audio: fields.media("audio", "audio/wav")?,
            marks: marks()?,
        },
        Modality::Image => Output::Image {
            image: fields.media("image", "image/png")?,
        },
        Modality::Video => Output::Video {
            video: fields.media("video", "video/mp4")?,
        },
        Modality::Transcription => Output::Transcription {
            text: fields.json("text")?,
            marks: marks()?,
        },
        Modality::Embedding => Output::Embedding {
            vectors: fields.json("vectors")?,
        },
        Modality::Sound => Output::Sound {
            audio: fields.media("audio", "audio/wav")?,
        },
        other => {
            return Err(bad("this binding does not know the modality")
                .with_context("modality", other.as_str()));
        }
    })
}

struct Fields<'py>(Bound<'py, PyDict>);

impl<'py> Fields<'py> {
    fn get(&self, key: &str) -> Result<Option<Bound<'py, PyAny>>> {
        let found = self
            .0
            .get_item(key)
            .map_err(|_| bad("a dict of the reply cannot be read"))?;
        Ok(found.filter(|value| !value.is_none()))
    }

    fn json<T: DeserializeOwned>(&self, key: &'static str) -> Result<T> {
        let value = self
            .get(key)?
            .unwrap_or_else(|| self.0.py().None().into_bound(self.0.py()));
        json(&value, key)
    }

    fn media(&self, key: &'static str, usual: &str) -> Result<Media> {
        let given = self.get(key)?;
        let value = given.ok_or_else(|| bad("the reply has no media").with_context("key", key))?;
        let media_type = self.json::<Option<String>>("media_type")?;
        let media_type = media_type.unwrap_or_else(|| usual.to_owned());
        Ok(match bytes(&value) {
            Some(bytes) => Media::bytes(media_type, bytes),
            None => Media::stream(media_type, file(path(&value, key)?)),
        })
    }
}

fn bytes(value: &Bound<'_, PyAny>) -> Option<Bytes> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Some(Bytes::copy_from_slice(bytes.as_bytes()));
    }
    if let Ok(array) = value.cast::<PyByteArray>() {
        return Some(array.to_vec().into());
    }
    // A memoryview, an array of NumPy: whatever shows its bytes so.
    let copied = value.call_method0(intern!(value.py(), "tobytes")).ok()?;
    let copied = copied.cast::<PyBytes>().ok()?;
    Some(Bytes::copy_from_slice(copied.as_bytes()))
}

fn path(value: &Bound<'_, PyAny>, key: &'static str) -> Result<PathBuf> {
    let wrong = || {
        bad("media are bytes or a pathlib.Path")
            .with_context("key", key)
            .with_context("type", convert::type_name(value))
    };
    // A string would be a path as well, but as likely base64 that somebody forgot to decode.
    if value.is_instance_of::<PyString>() {
        return Err(wrong());
    }
    value.extract().map_err(|_| wrong())
}

/// A file as it is read, so that a film is never in memory.
fn file(path: PathBuf) -> ByteStream {
    async move { tokio::fs::File::open(path).await }
        .map_ok(|file| ReaderStream::with_capacity(file, 256 * 1024))
        .try_flatten_stream()
        .map_err(Error::from)
        .boxed()
}

fn json<T: DeserializeOwned>(value: &Bound<'_, PyAny>, key: &'static str) -> Result<T> {
    let value = convert::from_python(value)
        .map_err(|error| bad(error.message()).with_context("key", key))?;
    serde_json::from_value(value).map_err(|error| {
        // Serde's own text may quote the value, which may be book text.
        bad("a field of the reply does not fit")
            .with_context("key", key)
            .with_context("reason", reason(&error))
    })
}

fn reason(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data => "it is of another type, or lacks a field",
        _ => "it cannot be read",
    }
}

/// The provider answered, so it was paid.
fn bad(message: &str) -> Error {
    Error::new(ErrorKind::Provider, message)
        .with_code("bad_reply")
        .with_charge(Charge::Yes)
}
