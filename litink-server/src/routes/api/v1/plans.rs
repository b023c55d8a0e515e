//! `/api/v1/plans` and `/api/v1/plans/quote`

use axum::extract::State;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::runs::RunRequest;
use crate::{
    access::Authenticated,
    error::{ApiError, Problem},
    extract::Json,
    state::AppState,
    views::{PlanView, QuoteView},
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(quote))
}

/// What a run would do, without beginning or storing anything.
#[utoipa::path(post, path = "", tag = "plans", operation_id = "plan_run",
    request_body = RunRequest,
    responses(
        (status = 200, description = "The plan", body = PlanView),
        (status = 404, description = "No such book, recipe or provider", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "An option cannot be used", body = Problem,
            content_type = "application/problem+json")))]
async fn create(
    State(state): State<AppState>,
    caller: Authenticated,
    Json(request): Json<RunRequest>,
) -> Result<axum::Json<PlanView>, ApiError> {
    Ok(axum::Json(
        state
            .engine
            .plan(caller.actor, &request.into())
            .await?
            .into(),
    ))
}

/// What a run would call for, and the most that it can cost. Nothing is begun, stored or spent.
#[utoipa::path(post, path = "/quote", tag = "plans", operation_id = "quote_run",
    request_body = RunRequest,
    responses(
        (status = 200, description = "The quote", body = QuoteView),
        (status = 404, description = "No such book, recipe or provider", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "An option cannot be used", body = Problem,
            content_type = "application/problem+json")))]
async fn quote(
    State(state): State<AppState>,
    caller: Authenticated,
    Json(request): Json<RunRequest>,
) -> Result<axum::Json<QuoteView>, ApiError> {
    let quote = state.engine.quote(caller.actor, &request.into()).await?;
    Ok(axum::Json(quote.into()))
}
