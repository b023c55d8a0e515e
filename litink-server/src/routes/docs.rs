//! `/docs` and `/openapi.json`

use axum::{Router, http::HeaderValue};
use utoipa_swagger_ui::SwaggerUi;

use crate::{guard, state::AppState};

/// Swagger UI sets style attributes and draws its icons as `data:` images.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// The page that shows the description, and the description.
pub(crate) fn router(description: utoipa::openapi::OpenApi) -> Router<AppState> {
    let docs: Router<AppState> = SwaggerUi::new("/docs")
        .url("/openapi.json", description)
        .into();
    docs.layer(guard::policy(POLICY))
}
