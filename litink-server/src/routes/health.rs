//! `/health`

use std::{collections::BTreeMap, future::Future, time::Duration};

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use litink_core::{
    Actor, Error, ErrorKind, LOCAL_USER, Result,
    engine::Engine,
    repository::Query,
    schema::Table,
    storage::{Area, StorageExt, StorageKey},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::state::AppState;

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(live))
        .routes(routes!(ready))
}

/// Each backend must answer within this; what asks gives up soon after.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the server can do its work.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// `ok` or `unavailable`.
    #[schema(example = "ok")]
    status: &'static str,
    /// Each backend: `ok`, or the code of its error.
    checks: BTreeMap<&'static str, String>,
}

/// Whether the process lives. Answers without asking any backend.
#[utoipa::path(get, path = "/live", tag = "health", operation_id = "live", security(()),
    responses((status = 200, description = "It lives", body = Health)))]
async fn live() -> impl IntoResponse {
    axum::Json(Health {
        status: "ok",
        checks: BTreeMap::new(),
    })
}

/// Whether repository, storage and queue answer.
#[utoipa::path(get, path = "/ready", tag = "health", operation_id = "ready", security(()),
    responses(
        (status = 200, description = "All of them answer", body = Health),
        (status = 503, description = "One does not", body = Health)))]
async fn ready(State(state): State<AppState>) -> impl IntoResponse {
    let engine = &state.engine;
    let checks = tokio::join!(
        check("repository", repository(engine)),
        check("storage", storage(engine)),
        check("queue", queue(engine)),
    );
    let checks: BTreeMap<_, _> = [checks.0, checks.1, checks.2].into();
    let well = checks.values().all(|check| check == "ok");
    let (code, status) = match well {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    let mut response = (code, axum::Json(Health { status, checks })).into_response();
    // A probe reads this body; it must not become a problem.
    response.extensions_mut().insert(crate::error::AsItIs);
    response
}

async fn check(
    name: &'static str,
    asked: impl Future<Output = Result<()>>,
) -> (&'static str, String) {
    let late = || Error::new(ErrorKind::Timeout, "a backend does not answer");
    let outcome = tokio::time::timeout(PATIENCE, asked)
        .await
        .unwrap_or_else(|_| Err(late()));
    let Err(error) = outcome else {
        return (name, "ok".into());
    };
    tracing::warn!(backend = name, %error, "not ready");
    (name, error.code().to_owned())
}

async fn repository(engine: &Engine) -> Result<()> {
    let query = Query::new(Table::Books).limit(1);
    engine
        .repository()
        .list(Actor::Service, &query)
        .await
        .map(drop)
}

async fn storage(engine: &Engine) -> Result<()> {
    let key = StorageKey::new(LOCAL_USER, Area::Exports, Uuid::nil(), "ready");
    engine
        .storage()
        .exists(Actor::Service, &key)
        .await
        .map(drop)
}

async fn queue(engine: &Engine) -> Result<()> {
    engine.queue().stats().await.map(drop)
}
