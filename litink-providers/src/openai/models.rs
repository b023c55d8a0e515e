//! The list of models, and what it says of their end.

use std::time::Duration;

use chrono::NaiveDate;
use litink_core::{GenerationId, Result, provider::CallContext};
use reqwest::Method;
use serde::Deserialize;

use super::OpenAiConfig;
use crate::catalog::{near, today};
use crate::vendor::client::{Body, Endpoint};

const MAX_BYTES: u64 = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(15);

/// A model of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelInfo {
    /// Its name.
    pub id: String,
    /// The day from which on it answers no more, if the endpoint says.
    pub shutdown: Option<NaiveDate>,
}

impl ModelInfo {
    /// What to tell people about its end, 60 days before.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        near(&self.id, self.shutdown?, today())
    }
}

#[derive(Deserialize)]
struct List {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    #[serde(default)]
    shutdown_date: Option<String>,
}

pub(super) async fn list(endpoint: &Endpoint<OpenAiConfig>) -> Result<Vec<ModelInfo>> {
    let mut context = CallContext::new(GenerationId::random());
    context.timeout = PATIENCE;
    let answer = endpoint
        .send(Method::GET, "models", Body::Nothing, &context, MAX_BYTES)
        .await?;
    let list: List = answer.json()?;
    let info = |model: Model| ModelInfo {
        id: model.id,
        shutdown: model
            .shutdown_date
            .and_then(|day| day.get(..10)?.parse().ok()),
    };
    Ok(list.data.into_iter().map(info).collect())
}
