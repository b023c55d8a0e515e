//! `/api/v1`

use axum::{
    extract::{DefaultBodyLimit, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use litink_core::{Error, ErrorKind};
use utoipa_axum::router::OpenApiRouter;

use crate::{error::ApiError, state::AppState};

mod auth;
mod books;
mod exports;
mod formats;
mod jobs;
mod limits;
mod plans;
mod providers;
mod queues;
mod runs;
mod schedules;
mod session;
mod tenants;
mod usage;
mod workers;

/// Everything under `/api/v1`.
pub(crate) fn router(state: &AppState) -> OpenApiRouter<AppState> {
    let quick = OpenApiRouter::new()
        .nest("/auth", auth::router(state))
        .nest("/books", books::router())
        .nest("/runs", runs::router())
        .nest("/plans", plans::router())
        .nest("/exports", exports::router())
        .nest("/providers", providers::router())
        .nest("/formats", formats::router())
        .nest("/jobs", jobs::router())
        .nest("/queues", queues::router())
        .nest("/limits", limits::router())
        .nest("/tenants", tenants::router())
        .nest("/workers", workers::router())
        .nest("/schedules", schedules::router())
        .nest("/session", session::router())
        .nest("/usage", usage::router())
        .layer(DefaultBodyLimit::max(state.config.max_json_bytes))
        .layer(middleware::from_fn_with_state(state.clone(), timed));
    // Transfers and streams last as long as they last.
    let lasting = OpenApiRouter::new()
        .nest("/books", books::uploads(state))
        .nest("/runs", runs::streams())
        .nest("/exports", exports::transfers());
    quick
        .merge(lasting)
        .layer(middleware::from_fn_with_state(state.clone(), admit))
}

/// Takes a request up, or refuses it while too many are in work.
async fn admit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let Ok(_slot) = state.slots.try_acquire() else {
        let busy = Error::new(
            ErrorKind::Unavailable,
            "the server is busy; try again in a moment",
        );
        return ApiError::from(busy.with_code("too_many_requests")).into_response();
    };
    next.run(request).await
}

/// Gives a request up that takes too long.
async fn timed(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let limit = state.config.request_timeout;
    tokio::time::timeout(limit, next.run(request))
        .await
        .unwrap_or_else(|_| {
            let late = Error::new(
                ErrorKind::Timeout,
                "the request took too long and was given up",
            )
            .with_code("request_timeout")
            .with_context("limit_ms", limit.as_millis());
            ApiError::from(late).into_response()
        })
}

/// What an action answers that leaves nothing to show.
const NO_CONTENT: StatusCode = StatusCode::NO_CONTENT;
