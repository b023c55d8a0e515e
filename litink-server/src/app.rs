//! The routes and layers put together.

use axum::{
    Router,
    http::StatusCode,
    middleware,
    response::{IntoResponse, Response},
};
use litink_core::{Result, engine::Engine};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;

use crate::{ServerConfig, access, error, guard, observe, routes, state::AppState};

/// What the description says beside the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "litink",
        description = "Turns a book into an audiobook.\n\n\
            Errors are problems (RFC 9457): `kind` says what to do, `code` which case it was. \
            Lists are pages: give `next` as `after` to go on.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "auth", description = "People's accounts, where the server has them"),
        (name = "books", description = "Files in, chapters out"),
        (name = "runs", description = "Making something of a book"),
        (name = "plans", description = "What a run would do"),
        (name = "exports", description = "Finished files"),
        (name = "providers", description = "Who speaks, and with which voices"),
        (name = "formats", description = "What can be made"),
        (name = "jobs", description = "What is to be done, for operators"),
        (name = "queues", description = "Jobs by kind, for operators"),
        (name = "workers", description = "Who does them, for operators"),
        (name = "usage", description = "What calls used and cost"),
        (name = "schedules", description = "Jobs at times of a clock, for operators"),
        (name = "session", description = "Cookies for browsers"),
        (name = "health", description = "For probes and dashboards")
    ),
    security(("bearer" = []), ("session" = [])),
    modifiers(&Schemes)
)]
struct Description;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let session = ApiKey::Cookie(ApiKeyValue::new(access::COOKIE));
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("session", SecurityScheme::ApiKey(session));
    }
}

fn described(state: &AppState) -> (Router<AppState>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Description::openapi())
        .nest("/api/v1", routes::api::v1::router(state))
        .nest("/health", routes::health::router())
        .merge(routes::metrics::router())
        .split_for_parts()
}

/// The description of the HTTP API (OpenAPI 3.1), made from the code.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let engine = Engine::builder().build();
    let (config, stop) = (ServerConfig::default(), CancellationToken::new());
    match AppState::new(engine, config, metrics, stop) {
        Ok(state) => described(&state).1,
        Err(_) => Description::openapi(),
    }
}

/// The whole server as a service, to mount in an application of one's own. Its event streams end
/// with their connections.
///
/// # Errors
/// As [`ServerConfig::check`].
pub fn router(engine: Engine, config: ServerConfig, metrics: PrometheusHandle) -> Result<Router> {
    config.check()?;
    Ok(layered(AppState::new(
        engine,
        config,
        metrics,
        CancellationToken::new(),
    )?))
}

pub(crate) fn layered(state: AppState) -> Router {
    let (router, description) = described(&state);
    // Outermost last: a panic becomes a status, a status a problem, and all of it is observed.
    router
        .merge(routes::docs::router(description))
        .merge(routes::page::router())
        .fallback(async || StatusCode::NOT_FOUND)
        .method_not_allowed_fallback(async || StatusCode::METHOD_NOT_ALLOWED)
        .layer(middleware::from_fn_with_state(state.clone(), guard::guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(error::render))
        .layer(middleware::from_fn(guard::harden))
        .layer(middleware::from_fn(observe::observe))
        .with_state(state)
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    // The panic's own message may hold anything; the hook has written it to standard error.
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
