//! `/health`

use std::{collections::BTreeMap, time::Duration};

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use futures::future::join_all;
use litink_core::{
    Error, ErrorKind,
    backend::{Connected, Contract},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

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
    /// Each contract's backend: `ok`, or the code of its error.
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

/// Whether the backends answer. Hints may fail: without them progress is seen a little later.
#[utoipa::path(get, path = "/ready", tag = "health", operation_id = "ready", security(()),
    responses(
        (status = 200, description = "All that is needed answers", body = Health),
        (status = 503, description = "Something does not", body = Health)))]
async fn ready(State(state): State<AppState>) -> impl IntoResponse {
    let backends = state.engine.backends().iter();
    let asked = join_all(backends.map(async |it| (it, asked(it).await))).await;
    let mut checks = BTreeMap::new();
    for (connected, answer) in asked {
        for contract in &connected.contracts {
            checks.insert(contract.as_str(), answer.clone());
        }
    }
    let needed = |name: &str| name != Contract::Events.as_str();
    let well = checks.iter().all(|(name, it)| it == "ok" || !needed(name));
    let (code, status) = match well {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    let mut response = (code, axum::Json(Health { status, checks })).into_response();
    // A probe reads this body; it must not become a problem.
    response.extensions_mut().insert(crate::error::AsItIs);
    response
}

/// `ok`, or the code of the error.
async fn asked(connected: &Connected) -> String {
    let late = || Error::new(ErrorKind::Timeout, "a backend does not answer");
    let outcome = tokio::time::timeout(PATIENCE, connected.backend.ready())
        .await
        .unwrap_or_else(|_| Err(late()));
    let Err(error) = outcome else {
        return "ok".into();
    };
    tracing::warn!(backend = connected.backend.describe(), %error, "not ready");
    error.code().to_owned()
}
