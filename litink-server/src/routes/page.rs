//! `/`: the page.

use axum::{
    Router,
    http::{HeaderValue, header},
    response::IntoResponse,
    routing::get,
};

use crate::{guard, state::AppState};

/// Nothing but what this server serves, and nothing inline.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// The page and its parts, which are in the program.
pub(crate) fn router() -> Router<AppState> {
    Router::new()
        .route(
            "/",
            get(|| {
                page(
                    "text/html; charset=utf-8",
                    include_str!("../page/index.html"),
                )
            }),
        )
        .route(
            "/app.js",
            get(|| {
                page(
                    "text/javascript; charset=utf-8",
                    include_str!("../page/app.js"),
                )
            }),
        )
        .route(
            "/style.css",
            get(|| page("text/css; charset=utf-8", include_str!("../page/style.css"))),
        )
        .route(
            "/icon.svg",
            get(|| page("image/svg+xml", include_str!("../page/icon.svg"))),
        )
        .layer(guard::policy(POLICY))
}

async fn page(kind: &'static str, text: &'static str) -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        text,
    )
}
