//! `/api/v1/jobs`

#![expect(
    unused_qualifications,
    reason = "utoipa writes `<T as IntoParams>` for the parameters of a query"
)]

use std::time::Duration;

use axum::extract::State;
use litink_core::{
    Error, JobId, Result, UserId,
    queue::{self, Command, JobQuery, JobState, Selector},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    access::Operator,
    error::{ApiError, Problem},
    extract::{Json, Params, Path, limit},
    state::AppState,
    views::{JobView, PageView},
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(replay_failed))
        .routes(routes!(prune))
        .routes(routes!(show))
        .routes(routes!(cancel))
        .routes(routes!(replay))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only the jobs of this kind.
    kind: Option<String>,
    /// Only those in these states, separated by commas; `discarded` are those that have failed.
    #[param(example = "running,available")]
    state: Option<String>,
    /// Only those on behalf of this user.
    tenant: Option<Uuid>,
    /// How many items, 1 to 200. Default 50.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

impl ListQuery {
    fn query(self) -> Result<JobQuery> {
        let states = self.state.as_deref().map(states).transpose()?;
        Ok(JobQuery {
            kind: self.kind,
            tenant: self.tenant.map(UserId),
            states: states.unwrap_or_default(),
            after: self.after,
            limit: limit(self.limit)?,
        })
    }
}

fn states(names: &str) -> Result<Vec<JobState>> {
    let states: Option<Vec<JobState>> = names.split(',').map(JobState::parse).collect();
    states.ok_or_else(|| {
        let known: Vec<&str> = JobState::ALL.iter().map(|state| state.as_str()).collect();
        let message = format!("`state` is one or more of {}", known.join(","));
        Error::invalid("bad_query", message)
    })
}

/// List jobs, newest first. For operators, as everything here.
#[utoipa::path(get, path = "", tag = "jobs", operation_id = "list_jobs", params(ListQuery),
    responses(
        (status = 200, description = "A page", body = PageView<JobView>),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn list(
    State(state): State<AppState>,
    _: Operator,
    Params(query): Params<ListQuery>,
) -> Result<axum::Json<PageView<JobView>>, ApiError> {
    let page = state.engine.queue().list(&query.query()?).await?;
    Ok(axum::Json(PageView::of(page)))
}

async fn found(state: &AppState, id: Uuid) -> Result<axum::Json<JobView>, ApiError> {
    let job = queue::job(&**state.engine.queue(), JobId(id)).await?;
    Ok(axum::Json(job.into()))
}

/// Show a job.
#[utoipa::path(get, path = "/{id}", tag = "jobs", operation_id = "get_job",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The job", body = JobView),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json")))]
async fn show(
    State(state): State<AppState>,
    _: Operator,
    Path(id): Path<Uuid>,
) -> Result<axum::Json<JobView>, ApiError> {
    found(&state, id).await
}

/// Stop a job: at once where it waits; where it runs through its worker, so that it is still
/// `running` in the answer. One that is final stays as it is.
#[utoipa::path(post, path = "/{id}/cancel", tag = "jobs", operation_id = "cancel_job",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The job", body = JobView),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json")))]
async fn cancel(
    State(state): State<AppState>,
    _: Operator,
    Path(id): Path<Uuid>,
) -> Result<axum::Json<JobView>, ApiError> {
    let command = Command::Cancel(Selector::Ids(vec![JobId(id)]));
    state.engine.queue().control(&command).await?;
    found(&state, id).await
}

/// Have a final job done again, from its first attempt. One that is live stays as it is.
#[utoipa::path(post, path = "/{id}/replay", tag = "jobs", operation_id = "replay_job",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The job", body = JobView),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json")))]
async fn replay(
    State(state): State<AppState>,
    _: Operator,
    Path(id): Path<Uuid>,
) -> Result<axum::Json<JobView>, ApiError> {
    let command = Command::Replay(Selector::Ids(vec![JobId(id)]));
    state.engine.queue().control(&command).await?;
    found(&state, id).await
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReplayQuery {
    /// Only the jobs of this kind.
    kind: Option<String>,
}

/// What was done again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Replayed {
    /// How many jobs.
    replayed: u64,
}

/// Have every job done again that has failed for good (state `discarded`), of a kind or of all.
#[utoipa::path(post, path = "/replay", tag = "jobs", operation_id = "replay_failed_jobs",
    params(ReplayQuery),
    responses(
        (status = 200, description = "How many they were", body = Replayed),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn replay_failed(
    State(state): State<AppState>,
    _: Operator,
    Params(query): Params<ReplayQuery>,
) -> Result<axum::Json<Replayed>, ApiError> {
    let queue = &**state.engine.queue();
    let replayed = queue::replay_discarded(queue, query.kind.as_deref()).await?;
    Ok(axum::Json(Replayed { replayed }))
}

/// Which finished jobs are to be forgotten.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PruneRequest {
    /// Their least age in days.
    #[schema(example = 30)]
    older_than_days: u32,
}

/// What was forgotten.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pruned {
    /// How many jobs.
    pruned: u64,
}

/// Forget the jobs that have been finished for so many days.
#[utoipa::path(post, path = "/prune", tag = "jobs", operation_id = "prune_jobs",
    request_body = PruneRequest,
    responses(
        (status = 200, description = "How many they were", body = Pruned),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn prune(
    State(state): State<AppState>,
    _: Operator,
    Json(request): Json<PruneRequest>,
) -> Result<axum::Json<Pruned>, ApiError> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let older_than = DAY * request.older_than_days;
    let command = Command::Prune { older_than };
    let pruned = state.engine.queue().control(&command).await?;
    Ok(axum::Json(Pruned { pruned }))
}
