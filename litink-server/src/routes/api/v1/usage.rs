//! `/api/v1/usage`

#![expect(
    unused_qualifications,
    reason = "utoipa writes `<T as IntoParams>` for the parameters of a query"
)]

use axum::extract::State;
use litink_core::{
    Actor, RunId, UserId,
    engine::{UsageBy, UsageQuery},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    access::{Authenticated, Operator},
    error::{ApiError, Problem},
    extract::Params,
    state::AppState,
    views::{BudgetView, PageView, UsageView},
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(all))
        .routes(routes!(budgets))
}

/// What usage is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UsageParams {
    /// What lines are told apart by, with commas between: `user`, `run`, `provider`, `model`,
    /// `modality`. One line of all unless given.
    #[param(example = "provider,model")]
    by: Option<String>,
    /// Of one run.
    run: Option<Uuid>,
    /// Of one user; for operators.
    user: Option<Uuid>,
}

impl UsageParams {
    fn query(&self) -> Result<UsageQuery, ApiError> {
        let by = UsageBy::parse_list(self.by.as_deref().unwrap_or_default())?;
        let query = UsageQuery::by(by).run(self.run.map(RunId));
        Ok(query.user(self.user.map(UserId)))
    }
}

/// What the caller's calls used and cost. What was taken from an earlier call is counted where it was
/// paid.
#[utoipa::path(get, path = "", tag = "usage", operation_id = "show_usage", params(UsageParams),
    responses(
        (status = 200, description = "The usage", body = PageView<UsageView>),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn show(
    State(state): State<AppState>,
    caller: Authenticated,
    Params(params): Params<UsageParams>,
) -> Result<axum::Json<PageView<UsageView>>, ApiError> {
    let lines = state.engine.usage(caller.actor, &params.query()?).await?;
    Ok(axum::Json(whole(lines)))
}

/// What everybody's calls used and cost; for operators.
#[utoipa::path(get, path = "/all", tag = "usage", operation_id = "show_all_usage",
    params(UsageParams),
    responses(
        (status = 200, description = "The usage", body = PageView<UsageView>),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn all(
    State(state): State<AppState>,
    _operator: Operator,
    Params(params): Params<UsageParams>,
) -> Result<axum::Json<PageView<UsageView>>, ApiError> {
    let lines = state.engine.usage(Actor::Service, &params.query()?).await?;
    Ok(axum::Json(whole(lines)))
}

/// The caller's budgets, as they stand.
#[utoipa::path(get, path = "/budgets", tag = "usage", operation_id = "list_budgets",
    responses(
        (status = 200, description = "The budgets", body = PageView<BudgetView>),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn budgets(
    State(state): State<AppState>,
    caller: Authenticated,
) -> Result<axum::Json<PageView<BudgetView>>, ApiError> {
    let budgets = state.engine.budgets(caller.actor).await?;
    Ok(axum::Json(whole(budgets)))
}

/// A list of one page.
fn whole<T, U: Into<T>>(items: Vec<U>) -> PageView<T> {
    PageView {
        items: items.into_iter().map(Into::into).collect(),
        next: None,
    }
}
