//! `/metrics`

use axum::{extract::State, http::header, response::IntoResponse};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::Operator,
    error::{ApiError, Problem},
    state::AppState,
};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// Metrics, as Prometheus reads them. Where there are accounts, for the server's own access token
/// only.
#[utoipa::path(get, path = "/metrics", tag = "health", operation_id = "metrics",
    responses(
        (status = 200, description = "The metrics", body = String, content_type = "text/plain"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn metrics(
    State(state): State<AppState>,
    _: Operator,
) -> Result<impl IntoResponse, ApiError> {
    match state.engine.queue().stats().await {
        Ok(stats) => crate::metrics::queue(&stats),
        // The other numbers are worth having, above all now.
        Err(error) => tracing::warn!(%error, "the queue's numbers cannot be had"),
    }
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    Ok((kind, state.metrics.render()))
}
