//! `GET /api/v1/runs/{id}/events`: progress as it happens.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::{Stream, StreamExt};
use litink_core::{Result, RunId, domain::Timestamp, engine::Progress};
use uuid::Uuid;

use crate::{
    access::Authenticated,
    error::{ApiError, Problem},
    extract::{Path, header},
    observe::RequestId,
    state::AppState,
    views::ProgressView,
};

/// Proxies close a connection that is silent for a minute, some for half of one.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Watch a run. Server-sent events: `progress` with the revision as its id and the progress as its
/// data, at every change until the run is final; the stream ends after the final one. `problem`,
/// with a problem as its data, when watching fails. With `Last-Event-ID` it goes on after that
/// revision; where nothing is left to tell, 204, upon which browsers do not come back.
#[utoipa::path(get, path = "/{id}/events", tag = "runs", operation_id = "watch_run",
    params(("id" = Uuid, Path),
        ("Last-Event-ID" = Option<u64>, Header, description = "The last revision that was seen")),
    responses(
        (status = 200, description = "The events; data is a progress", body = ProgressView,
            content_type = "text/event-stream"),
        (status = 204, description = "Final, and seen already"),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn events(
    State(state): State<AppState>,
    caller: Authenticated,
    id: RequestId,
    Path(run): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let seen = header(&headers, "last-event-id").and_then(|id| id.trim().parse().ok());
    let now = state.engine.progress(caller.actor, RunId(run)).await?;
    if now.state.is_final() && seen.is_some_and(|seen: u64| seen >= now.revision) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let watched = state
        .engine
        .watch(caller.actor, RunId(run), seen.unwrap_or(0));
    let events = watched
        .map(move |progress| Ok::<_, Infallible>(event(progress, &id)))
        .take_until(over(state, caller));
    Ok(stream(events))
}

fn stream(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    let sse = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // A proxy that collects the answer before passing it on would make progress useless.
    ([("x-accel-buffering", "no")], sse).into_response()
}

fn event(progress: Result<Progress>, id: &RequestId) -> Event {
    let event = match progress {
        Ok(progress) => Event::default()
            .event("progress")
            .id(progress.revision.to_string())
            .json_data(ProgressView::from(progress)),
        Err(error) => {
            tracing::warn!(request_id = %id, %error, "watching a run failed");
            Event::default()
                .event("problem")
                .json_data(Problem::of_error(&error, id))
        }
    };
    event.unwrap_or_default()
}

/// When the server stops, or the caller's credentials end: by time, or by somebody's doing.
async fn over(state: AppState, caller: Authenticated) {
    tokio::select! {
        () = state.stop.cancelled() => {}
        () = expired(caller.expires_at) => {}
        () = ended(&state, &caller) => {}
    }
}

async fn ended(state: &AppState, caller: &Authenticated) {
    loop {
        tokio::time::sleep(state.config.recheck_every).await;
        if !caller.is_still_good(state).await {
            return;
        }
    }
}

async fn expired(expires_at: Option<Timestamp>) {
    let Some(at) = expires_at else {
        return std::future::pending().await;
    };
    let left = (at - chrono::Utc::now()).to_std().unwrap_or_default();
    tokio::time::sleep(left).await;
}
