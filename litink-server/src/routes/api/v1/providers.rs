//! `/api/v1/providers`

use axum::extract::State;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::Authenticated,
    error::{ApiError, Problem},
    state::AppState,
    views::ProviderView,
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// List the registered providers and what they can do, voices included.
#[utoipa::path(get, path = "", tag = "providers", operation_id = "list_providers",
    responses(
        (status = 200, description = "The providers", body = [ProviderView]),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn list(
    State(state): State<AppState>,
    _caller: Authenticated,
) -> Result<axum::Json<Vec<ProviderView>>, ApiError> {
    let providers = state.engine.providers();
    Ok(axum::Json(
        providers
            .iter()
            .map(|provider| (&**provider).into())
            .collect(),
    ))
}
