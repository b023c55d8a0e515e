//! Vectors (`embeddings`).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use litink_core::{
    Error, ErrorKind, Result,
    provider::{EmbeddingRequest, Generated, Output},
};
use serde::Deserialize;
use serde_json::{Map, json};

use super::{provider::Call, text::Tokens};
use crate::vendor::client::nonsense;

/// What the endpoint takes in one call.
const MAX_TEXTS: usize = 2_048;
/// That many vectors of 4,096 numbers, as text.
const MAX_BYTES: u64 = 256 << 20;

#[derive(Deserialize)]
struct Embeddings {
    data: Vec<Embedding>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Embedding {
    #[serde(default)]
    index: Option<usize>,
    embedding: Vector,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vector {
    Base64(String),
    Numbers(Vec<f32>),
}

impl Vector {
    fn numbers(self) -> Option<Vec<f32>> {
        let numbers = match self {
            Self::Numbers(numbers) => numbers,
            Self::Base64(text) => {
                let bytes = STANDARD.decode(text).ok()?;
                let (whole, rest) = bytes.as_chunks::<4>();
                if !rest.is_empty() {
                    return None;
                }
                whole.iter().map(|it| f32::from_le_bytes(*it)).collect()
            }
        };
        (!numbers.is_empty() && numbers.iter().all(|it| it.is_finite())).then_some(numbers)
    }
}

pub(super) async fn embed(call: &Call<'_>, request: &EmbeddingRequest) -> Result<Generated> {
    let count = request.texts.len();
    if count == 0 || request.texts.iter().any(|text| text.trim().is_empty()) {
        return Err(Error::invalid(
            "empty_text",
            "there is nothing to make a vector of; leave empty texts out",
        ));
    }
    if count > MAX_TEXTS {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            "these are more texts than one call takes; split them",
        )
        .with_code("too_many_texts")
        .with_context("limit", MAX_TEXTS));
    }
    let mut body = Map::new();
    body.insert("model".into(), json!(call.model));
    body.insert("input".into(), json!(request.texts));
    if let Some(dimensions) = request.dimensions {
        body.insert("dimensions".into(), json!(dimensions));
    }
    let base64 = call.endpoint.config.dialect.base64;
    body.insert(
        "encoding_format".into(),
        json!(if base64 { "base64" } else { "float" }),
    );
    let answer = call.json("embeddings", body, MAX_BYTES).await?;
    let mut found: Embeddings = answer.json()?;
    // In the order of what was asked, whatever the order of the answer.
    if found.data.iter().all(|it| it.index.is_some()) {
        found.data.sort_by_key(|it| it.index);
        let placed = found.data.iter().enumerate();
        if placed
            .into_iter()
            .any(|(place, it)| it.index != Some(place))
        {
            return Err(nonsense());
        }
    }
    let vectors: Option<Vec<_>> = found
        .data
        .into_iter()
        .map(|it| it.embedding.numbers())
        .collect();
    let vectors = vectors.ok_or_else(nonsense)?;
    let length = vectors.first().map_or(0, Vec::len);
    if vectors.len() != count || vectors.iter().any(|vector| vector.len() != length) {
        return Err(nonsense());
    }
    let mut made = Generated::new(Output::Embedding { vectors });
    if request
        .dimensions
        .is_some_and(|wanted| wanted as usize != length)
    {
        made.warnings
            .push("the endpoint chose another length of vectors: dimensions".to_owned());
    }
    let mut tokens = found.usage.unwrap_or_default();
    // There are none, and some servers say so with a 0.
    tokens.output_tokens = None;
    made.cost_nanos = tokens.cost_nanos();
    made.usage = tokens.usage();
    made.model = found.model.filter(|it| !it.is_empty());
    made.request_id = answer.request_id();
    Ok(made)
}
