//! `/api/v1/exports`

use axum::extract::State;
use litink_core::{domain::Export, repository::RepositoryExt};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    access::Authenticated,
    error::{ApiError, Problem},
    extract::Path,
    state::AppState,
    views::ExportView,
};

mod content;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show))
}

pub(super) fn transfers() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(content::content))
}

/// Show a finished file.
#[utoipa::path(get, path = "/{id}", tag = "exports", operation_id = "get_export",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The file", body = ExportView),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json")))]
async fn show(
    State(state): State<AppState>,
    caller: Authenticated,
    Path(id): Path<Uuid>,
) -> Result<axum::Json<ExportView>, ApiError> {
    let export: Export = state.engine.repository().find(caller.actor, id).await?;
    Ok(axum::Json(export.into()))
}
