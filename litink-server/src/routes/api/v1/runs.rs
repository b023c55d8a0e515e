//! `/api/v1/runs`

#![expect(
    unused_qualifications,
    reason = "utoipa writes `<T as IntoParams>` for the parameters of a query"
)]

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use litink_core::{
    BookId, RunId,
    engine::{RunSpec, Started},
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    access::Authenticated,
    error::{ApiError, Problem},
    extract::{IdempotencyKey, Json, Params, Path, limit},
    state::AppState,
    views::{ExportView, PageView, ProgressView, RunView},
};

mod events;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show))
        .routes(routes!(cancel))
        .routes(routes!(resume))
        .routes(routes!(progress))
        .routes(routes!(exports))
}

pub(super) fn streams() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(events::events))
}

/// What to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunRequest {
    /// From which book.
    book_id: Uuid,
    /// By which recipe. Default `audiobook`.
    #[serde(default)]
    #[schema(default = "audiobook")]
    recipe: Option<String>,
    /// With which options; the recipe fills in the rest.
    #[serde(default)]
    #[schema(value_type = Option<Object>,
        example = json!({"provider": "local", "formats": ["m4b", "vtt"], "chapters": "1-3"}))]
    options: Value,
}

impl From<RunRequest> for RunSpec {
    fn from(request: RunRequest) -> Self {
        let spec = Self::audiobook(BookId(request.book_id)).options(request.options);
        match request.recipe {
            Some(recipe) => spec.recipe(recipe),
            None => spec,
        }
    }
}

/// Begin a run. The same book, recipe and options are the same run, and so is the same
/// `Idempotency-Key`: asked for again, it is answered as it stands.
#[utoipa::path(post, path = "", tag = "runs", operation_id = "start_run",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "Names the run: with a new key the same is made again")),
    request_body = RunRequest,
    responses(
        (status = 201, description = "Begun", body = RunView, headers(("location" = String))),
        (status = 200, description = "It was there already", body = RunView,
            headers(("location" = String))),
        (status = 404, description = "No such book, recipe or provider", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "The key names another run", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "An option cannot be used", body = Problem,
            content_type = "application/problem+json")))]
async fn create(
    State(state): State<AppState>,
    caller: Authenticated,
    key: Option<IdempotencyKey>,
    Json(request): Json<RunRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let key = key.as_ref().map(|key| key.0.as_str());
    let Started { run, existing } = state
        .engine
        .start(caller.actor, &request.into(), key)
        .await?;
    let status = if existing {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let location = format!("/api/v1/runs/{}", run.id());
    Ok((
        status,
        [(header::LOCATION, location)],
        axum::Json(RunView::from(run)),
    ))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only the runs of this book.
    book_id: Option<Uuid>,
    /// How many items, 1 to 200. Default 50.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// List runs, newest first, of one book or of all.
#[utoipa::path(get, path = "", tag = "runs", operation_id = "list_runs", params(ListQuery),
    responses(
        (status = 200, description = "A page", body = PageView<RunView>),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn list(
    State(state): State<AppState>,
    caller: Authenticated,
    Params(query): Params<ListQuery>,
) -> Result<axum::Json<PageView<RunView>>, ApiError> {
    let limit = limit(query.limit)?;
    let book = query.book_id.map(BookId);
    let runs = state
        .engine
        .runs(caller.actor, book, query.after, limit)
        .await?;
    Ok(axum::Json(PageView::of(runs)))
}

/// Show a run.
#[utoipa::path(get, path = "/{id}", tag = "runs", operation_id = "get_run",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The run", body = RunView),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json")))]
async fn show(
    State(state): State<AppState>,
    caller: Authenticated,
    Path(id): Path<Uuid>,
) -> Result<axum::Json<RunView>, ApiError> {
    Ok(axum::Json(
        state.engine.run(caller.actor, RunId(id)).await?.into(),
    ))
}

/// Stop a run. What is finished stays. Stopping one that is final already changes nothing.
#[utoipa::path(post, path = "/{id}/cancel", tag = "runs", operation_id = "cancel_run",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The run", body = RunView),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json")))]
async fn cancel(
    State(state): State<AppState>,
    caller: Authenticated,
    Path(id): Path<Uuid>,
) -> Result<axum::Json<RunView>, ApiError> {
    Ok(axum::Json(
        state.engine.cancel(caller.actor, RunId(id)).await?.into(),
    ))
}

/// Go on with a run that failed or was stopped. What is completed is not made again.
#[utoipa::path(post, path = "/{id}/resume", tag = "runs", operation_id = "resume_run",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The run", body = RunView),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json")))]
async fn resume(
    State(state): State<AppState>,
    caller: Authenticated,
    Path(id): Path<Uuid>,
) -> Result<axum::Json<RunView>, ApiError> {
    Ok(axum::Json(
        state.engine.resume(caller.actor, RunId(id)).await?.into(),
    ))
}

/// How far a run is now.
#[utoipa::path(get, path = "/{id}/progress", tag = "runs", operation_id = "get_progress",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The progress", body = ProgressView),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json")))]
async fn progress(
    State(state): State<AppState>,
    caller: Authenticated,
    Path(id): Path<Uuid>,
) -> Result<axum::Json<ProgressView>, ApiError> {
    Ok(axum::Json(
        state.engine.progress(caller.actor, RunId(id)).await?.into(),
    ))
}

/// List the finished files of a run.
#[utoipa::path(get, path = "/{id}/exports", tag = "runs", operation_id = "list_exports",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The files", body = [ExportView]),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json")))]
async fn exports(
    State(state): State<AppState>,
    caller: Authenticated,
    Path(id): Path<Uuid>,
) -> Result<axum::Json<Vec<ExportView>>, ApiError> {
    let exports = state.engine.exports(caller.actor, RunId(id)).await?;
    Ok(axum::Json(exports.into_iter().map(Into::into).collect()))
}
