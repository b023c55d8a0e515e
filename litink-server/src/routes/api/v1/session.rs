//! `/api/v1/session`

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use litink_providers::Secret;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::{self, COOKIE},
    error::{ApiError, Problem},
    extract::Json,
    state::AppState,
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create, delete))
}

/// The token to open a session with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SessionRequest {
    /// The access token: the server's, or one that signing in gave.
    #[schema(value_type = String, format = Password)]
    token: Secret,
}

/// Open a session for a browser: its cookie is sent where a header cannot be (event streams,
/// audio), is out of reach of scripts and is not sent for other sites.
#[utoipa::path(post, path = "", tag = "session", operation_id = "open_session",
    request_body = SessionRequest, security(()),
    responses(
        (status = 204, description = "Opened", headers(("set-cookie" = String))),
        (status = 401, description = "The token is not valid", body = Problem,
            content_type = "application/problem+json")))]
async fn create(
    State(state): State<AppState>,
    headers: HeaderMap,
    Json(request): Json<SessionRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let token = request.token.reveal();
    let caller = state.identity.authenticate(Some(token)).await?;
    let id = access::open(&state, caller, token).await?;
    let cookie = cookie(
        &id,
        state.config.session_ttl.as_secs(),
        access::over_tls(&headers),
    );
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]))
}

/// End the session.
#[utoipa::path(delete, path = "", tag = "session", operation_id = "close_session", security(()),
    responses((status = 204, description = "Ended", headers(("set-cookie" = String)))))]
async fn delete(
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    if let Some(id) = access::cookie(&headers) {
        access::close(&state, id).await?;
    }
    let cookie = cookie("", 0, access::over_tls(&headers));
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]))
}

fn cookie(id: &str, max_age: u64, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={id}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}")
}
