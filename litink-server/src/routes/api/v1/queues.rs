//! `/api/v1/queues`

use axum::extract::State;
use litink_core::queue::{Command, KindStats};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::Operator,
    error::{ApiError, Problem},
    extract::Path,
    state::AppState,
    views::QueueView,
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(pause))
        .routes(routes!(resume))
}

/// Count the jobs of each kind: how many wait, run and failed, and for how long the oldest waits. For
/// operators, as everything here.
#[utoipa::path(get, path = "", tag = "queues", operation_id = "list_queues",
    responses(
        (status = 200, description = "All kinds", body = [QueueView]),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn list(
    State(state): State<AppState>,
    _: Operator,
) -> Result<axum::Json<Vec<QueueView>>, ApiError> {
    let stats = state.engine.queue().stats().await?;
    Ok(axum::Json(stats.into_iter().map(Into::into).collect()))
}

async fn carry_out(
    state: &AppState,
    kind: String,
    command: Command,
) -> Result<axum::Json<QueueView>, ApiError> {
    let queue = state.engine.queue();
    queue.control(&command).await?;
    let mut stats = queue.stats().await?.into_iter();
    let none = KindStats {
        kind: kind.clone(),
        ..KindStats::default()
    };
    let stats = stats.find(|it| it.kind == kind).unwrap_or(none);
    Ok(axum::Json(stats.into()))
}

/// Begin no more jobs of a kind until it is resumed; what runs goes on.
#[utoipa::path(post, path = "/{kind}/pause", tag = "queues", operation_id = "pause_queue",
    params(("kind" = String, Path)),
    responses(
        (status = 200, description = "The kind's jobs", body = QueueView),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn pause(
    State(state): State<AppState>,
    _: Operator,
    Path(kind): Path<String>,
) -> Result<axum::Json<QueueView>, ApiError> {
    let command = Command::Pause { kind: kind.clone() };
    carry_out(&state, kind, command).await
}

/// Go on with a kind.
#[utoipa::path(post, path = "/{kind}/resume", tag = "queues", operation_id = "resume_queue",
    params(("kind" = String, Path)),
    responses(
        (status = 200, description = "The kind's jobs", body = QueueView),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn resume(
    State(state): State<AppState>,
    _: Operator,
    Path(kind): Path<String>,
) -> Result<axum::Json<QueueView>, ApiError> {
    let command = Command::Resume { kind: kind.clone() };
    carry_out(&state, kind, command).await
}
