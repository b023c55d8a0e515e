//! `/api/v1/tenants`

use axum::{extract::State, http::StatusCode};
use litink_core::{UserId, queue::Command};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::NO_CONTENT;
use crate::{
    access::Operator,
    error::{ApiError, Problem},
    extract::{Json, Path},
    state::AppState,
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(weigh))
}

/// A tenant's share of the workers beside the others'.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WeightRequest {
    /// 1 to 1000; everybody has 1 unless another is given.
    #[schema(example = 4)]
    weight: u32,
}

/// Give a tenant a larger share of the workers than the others have. For operators.
#[utoipa::path(put, path = "/{id}/weight", tag = "queues", operation_id = "weigh_tenant",
    params(("id" = Uuid, Path, description = "The user on whose behalf the jobs are")),
    request_body = WeightRequest,
    responses(
        (status = 204, description = "It holds"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn weigh(
    State(state): State<AppState>,
    _: Operator,
    Path(id): Path<Uuid>,
    Json(request): Json<WeightRequest>,
) -> Result<StatusCode, ApiError> {
    let command = Command::Weigh {
        tenant: Some(UserId(id)),
        weight: request.weight,
    };
    state.engine.queue().control(&command).await?;
    Ok(NO_CONTENT)
}
