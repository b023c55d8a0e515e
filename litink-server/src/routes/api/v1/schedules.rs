//! `/api/v1/schedules`

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
    Error,
    domain::{CatchUp, Schedule, ScheduleState},
    engine::{ScheduleChange, ScheduleSpec},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::NO_CONTENT;
use crate::{
    access::Operator,
    error::{ApiError, Problem},
    extract::{IdempotencyKey, Json, Params, Path},
    state::AppState,
    views::ScheduleView,
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change, remove))
        .routes(routes!(run))
}

/// A schedule that is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleRequest {
    /// Its name, for good: 1 to 64 letters, digits, `.`, `_` and `-`.
    #[schema(example = "nightly")]
    name: String,
    /// Minute, hour, day of month, month, day of week; seconds may stand before them.
    #[schema(example = "30 2 * * *")]
    cron: String,
    /// The kind of its jobs.
    #[schema(example = "report")]
    kind: String,
    #[serde(flatten)]
    rest: Rest,
}

/// What a schedule is, besides.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(super) struct Rest {
    /// The IANA time zone in which it ticks. `UTC` unless given.
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
    /// What its jobs are given.
    #[schema(value_type = Option<Object>)]
    args: Option<Value>,
    /// The priority of its jobs; higher goes first. 0 unless given.
    priority: Option<i16>,
    /// What becomes of ticks seen more than a minute late: `skip`, `last` (unless given), or
    /// `all:100` for a job each, so many at most.
    #[schema(example = "all:100")]
    catch_up: Option<String>,
    /// Whether its ticks go by without a job.
    paused: Option<bool>,
}

impl Rest {
    fn change(self) -> Result<ScheduleChange, Error> {
        let mut change = ScheduleChange::default();
        change.time_zone = self.time_zone;
        change.args = self.args;
        change.priority = self.priority;
        change.catch_up = self.catch_up.map(|it| it.parse::<CatchUp>()).transpose()?;
        change.state = self.paused.map(|paused| match paused {
            true => ScheduleState::Paused,
            false => ScheduleState::Active,
        });
        Ok(change)
    }
}

impl ScheduleRequest {
    fn spec(self) -> Result<ScheduleSpec, Error> {
        let given = self.rest.change()?;
        let mut spec = ScheduleSpec::new(self.name, self.cron, self.kind);
        spec.time_zone = given.time_zone.unwrap_or(spec.time_zone);
        spec.args = given.args.unwrap_or_default();
        spec.priority = given.priority.unwrap_or_default();
        spec.catch_up = given.catch_up.unwrap_or_default();
        spec.state = given.state.unwrap_or_default();
        Ok(spec)
    }
}

/// What is to change of a schedule; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleChangeRequest {
    /// The revision that was looked at: another's change since is refused with 409.
    revision: u64,
    /// See there.
    cron: Option<String>,
    /// See there.
    kind: Option<String>,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RevisionQuery {
    /// Only if it is still at this revision.
    revision: Option<u64>,
}

/// The job that was added.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScheduleRun {
    job_id: Uuid,
}

fn view(state: &AppState, schedule: Schedule) -> axum::Json<ScheduleView> {
    let next = state.engine.next_tick(&schedule);
    axum::Json(ScheduleView::of(schedule, next))
}

/// List the schedules, oldest first. For operators, as everything here.
#[utoipa::path(get, path = "", tag = "schedules", operation_id = "list_schedules",
    responses(
        (status = 200, description = "All of them", body = [ScheduleView]),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json")))]
async fn list(
    State(state): State<AppState>,
    _: Operator,
) -> Result<axum::Json<Vec<ScheduleView>>, ApiError> {
    let schedules = state.engine.schedules().await?;
    let views = schedules.into_iter().map(|it| view(&state, it).0);
    Ok(axum::Json(views.collect()))
}

/// Add a schedule: at each tick one job, however many servers and workers there are.
#[utoipa::path(post, path = "", tag = "schedules", operation_id = "add_schedule",
    request_body = ScheduleRequest,
    responses(
        (status = 201, description = "Added", body = ScheduleView, headers(("location" = String))),
        (status = 409, description = "The name is taken", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "The times, the zone or an option cannot be used",
            body = Problem, content_type = "application/problem+json")))]
async fn create(
    State(state): State<AppState>,
    _: Operator,
    Json(request): Json<ScheduleRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let added = state.engine.add_schedule(request.spec()?).await?;
    let location = format!("/api/v1/schedules/{}", added.name);
    let headers = [(header::LOCATION, location)];
    Ok((StatusCode::CREATED, headers, view(&state, added)))
}

/// Show a schedule.
#[utoipa::path(get, path = "/{name}", tag = "schedules", operation_id = "get_schedule",
    params(("name" = String, Path)),
    responses(
        (status = 200, description = "The schedule", body = ScheduleView),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json")))]
async fn show(
    State(state): State<AppState>,
    _: Operator,
    Path(name): Path<String>,
) -> Result<axum::Json<ScheduleView>, ApiError> {
    let schedule = state.engine.schedule(&name).await?;
    Ok(view(&state, schedule))
}

/// Change a schedule. With other times, or resumed, it goes on from now; nothing is made up for.
#[utoipa::path(patch, path = "/{name}", tag = "schedules", operation_id = "change_schedule",
    params(("name" = String, Path)), request_body = ScheduleChangeRequest,
    responses(
        (status = 200, description = "The schedule", body = ScheduleView),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is at another revision", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "The times, the zone or an option cannot be used",
            body = Problem, content_type = "application/problem+json")))]
async fn change(
    State(state): State<AppState>,
    _: Operator,
    Path(name): Path<String>,
    Json(request): Json<ScheduleChangeRequest>,
) -> Result<axum::Json<ScheduleView>, ApiError> {
    let mut change = request.rest.change()?;
    change.cron = request.cron;
    change.kind = request.kind;
    let revision = Some(request.revision);
    let changed = state
        .engine
        .change_schedule(&name, revision, &change)
        .await?;
    Ok(view(&state, changed))
}

/// Remove a schedule; its jobs stay. litink's own are paused instead.
#[utoipa::path(delete, path = "/{name}", tag = "schedules", operation_id = "remove_schedule",
    params(("name" = String, Path), RevisionQuery),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is at another revision, or litink's own", body = Problem,
            content_type = "application/problem+json")))]
async fn remove(
    State(state): State<AppState>,
    _: Operator,
    Path(name): Path<String>,
    Params(query): Params<RevisionQuery>,
) -> Result<StatusCode, ApiError> {
    state.engine.remove_schedule(&name, query.revision).await?;
    Ok(NO_CONTENT)
}

/// Have a schedule's job done now, whatever its times. The same `Idempotency-Key` is the same job.
#[utoipa::path(post, path = "/{name}/run", tag = "schedules", operation_id = "run_schedule",
    params(("name" = String, Path), ("Idempotency-Key" = Option<String>, Header,
        description = "Names the job: asked for again, none is added")),
    responses(
        (status = 202, description = "The job", body = ScheduleRun),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json")))]
async fn run(
    State(state): State<AppState>,
    _: Operator,
    key: Option<IdempotencyKey>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let key = key.as_ref().map(|key| key.0.as_str());
    let job_id = state.engine.run_schedule(&name, key).await?.0;
    Ok((StatusCode::ACCEPTED, axum::Json(ScheduleRun { job_id })))
}
