//! `/api/v1/formats`

use axum::extract::State;
use litink_core::{engine::Engine, recipe::audiobook::OutputFormat};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::Authenticated,
    error::{ApiError, Problem},
    state::AppState,
    views::FormatView,
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// List the kinds of files that an audiobook can be made as, and which of them this machine can
/// make.
#[utoipa::path(get, path = "", tag = "formats", operation_id = "list_formats",
    responses(
        (status = 200, description = "The formats", body = [FormatView]),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn list(
    State(state): State<AppState>,
    _caller: Authenticated,
) -> Result<axum::Json<Vec<FormatView>>, ApiError> {
    let formats = OutputFormat::ALL
        .iter()
        .map(|format| view(&state.engine, *format));
    Ok(axum::Json(formats.collect()))
}

fn view(engine: &Engine, format: OutputFormat) -> FormatView {
    let lacking = format.audio().and_then(|audio| engine.encoder(audio).err());
    FormatView {
        name: format.as_str(),
        media_type: format.media_type(),
        available: lacking.is_none(),
        missing: lacking.map(|error| error.message().to_owned()),
    }
}
