//! `/api/v1/workers`

use axum::extract::State;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::Operator,
    error::{ApiError, Problem},
    state::AppState,
    views::WorkerView,
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// List who works on the queue, on whichever machine, longest first. One that dies is listed until its
/// lease runs out. For operators.
#[utoipa::path(get, path = "", tag = "workers", operation_id = "list_workers",
    responses(
        (status = 200, description = "All of them", body = [WorkerView]),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn list(
    State(state): State<AppState>,
    _: Operator,
) -> Result<axum::Json<Vec<WorkerView>>, ApiError> {
    let workers = state.engine.queue().workers().await?;
    Ok(axum::Json(workers.into_iter().map(Into::into).collect()))
}
