//! `/api/v1/limits`

use std::time::Duration;

use axum::{extract::State, http::StatusCode};
use litink_core::{
    Error,
    queue::{Command, Limit, Rate},
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::NO_CONTENT;
use crate::{
    access::Operator,
    error::{ApiError, Problem},
    extract::{Json, Path},
    state::AppState,
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(set, lift))
        .routes(routes!(throttle))
}

/// A bound on the jobs under a key; either of the two, or both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitRequest {
    /// At most so many at once.
    #[schema(example = 8)]
    concurrency: Option<u32>,
    /// At most so many in a time.
    rate: Option<RateRequest>,
}

/// So many in a time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RateRequest {
    /// How many, at least 1; so many may begin at once.
    #[schema(example = 60)]
    jobs: u32,
    /// In how many seconds.
    #[schema(example = 60.0)]
    per_s: f64,
}

/// For how long no job under a key may begin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ThrottleRequest {
    /// In seconds; 0 ends it.
    #[schema(example = 30.0)]
    seconds: f64,
}

fn seconds(name: &str, value: f64) -> Result<Duration, Error> {
    Duration::try_from_secs_f64(value).map_err(|_| {
        let message = format!("`{name}` is a number of seconds, 0 or more");
        Error::invalid("bad_duration", message)
    })
}

/// Bound the jobs under a key, from now on. For operators, as everything here.
#[utoipa::path(put, path = "/{key}", tag = "queues", operation_id = "set_limit",
    params(("key" = String, Path, description = "As jobs name it")),
    request_body = LimitRequest,
    responses(
        (status = 204, description = "It holds"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn set(
    State(state): State<AppState>,
    _: Operator,
    Path(key): Path<String>,
    Json(request): Json<LimitRequest>,
) -> Result<StatusCode, ApiError> {
    let rate = request.rate.map(|it| {
        let (jobs, per) = (it.jobs, seconds("per_s", it.per_s)?);
        Ok::<_, Error>(Rate { jobs, per })
    });
    let limit = Limit {
        concurrency: request.concurrency,
        rate: rate.transpose()?,
    };
    if limit == Limit::default() {
        let nothing = "give `concurrency`, `rate` or both; DELETE lifts a limit";
        return Err(Error::invalid("no_limit", nothing).into());
    }
    let limit = Some(limit);
    let command = Command::Limit { key, limit };
    state.engine.queue().control(&command).await?;
    Ok(NO_CONTENT)
}

/// Bound the jobs under a key no more.
#[utoipa::path(delete, path = "/{key}", tag = "queues", operation_id = "lift_limit",
    params(("key" = String, Path, description = "As jobs name it")),
    responses(
        (status = 204, description = "There is none"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn lift(
    State(state): State<AppState>,
    _: Operator,
    Path(key): Path<String>,
) -> Result<StatusCode, ApiError> {
    let command = Command::Limit { key, limit: None };
    state.engine.queue().control(&command).await?;
    Ok(NO_CONTENT)
}

/// Begin no job under a key for a time; what runs goes on.
#[utoipa::path(post, path = "/{key}/throttle", tag = "queues", operation_id = "throttle",
    params(("key" = String, Path, description = "As jobs name it")),
    request_body = ThrottleRequest,
    responses(
        (status = 204, description = "It holds"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn throttle(
    State(state): State<AppState>,
    _: Operator,
    Path(key): Path<String>,
    Json(request): Json<ThrottleRequest>,
) -> Result<StatusCode, ApiError> {
    let time = seconds("seconds", request.seconds)?;
    let command = Command::Throttle { key, time };
    state.engine.queue().control(&command).await?;
    Ok(NO_CONTENT)
}
