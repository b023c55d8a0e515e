//! The recorder behind `/metrics`.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use litink_core::{
    Error, ErrorKind, Result,
    queue::{JobState, KindStats},
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Seconds: from a page out of memory to a request that is about to be given up.
const BUCKETS: &[f64] = &[0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 30.0];

static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// Installs the process's metrics recorder, once; later calls give the same handle.
///
/// # Errors
/// [`ErrorKind::Configuration`] (code `metrics_taken`) where the process has another recorder.
pub fn install_metrics() -> Result<PrometheusHandle> {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let handle = builder()?.install_recorder().map_err(|error| {
        Error::new(
            ErrorKind::Configuration,
            "this process has another metrics recorder already",
        )
        .with_code("metrics_taken")
        .with_source(error)
    })?;
    describe();
    *installed = Some(handle.clone());
    Ok(handle)
}

fn builder() -> Result<PrometheusBuilder> {
    let seconds = Matcher::Suffix("_seconds".into());
    PrometheusBuilder::new()
        .set_buckets_for_metric(seconds, BUCKETS)
        .map_err(|error| Error::internal("the buckets are a list").with_source(error))
}

/// Kinds of jobs that were told of once: where one is no more, its numbers are 0.
static KINDS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The queue's numbers, as of now.
pub(crate) fn queue(stats: &[KindStats]) {
    let mut kinds = KINDS.lock().unwrap_or_else(PoisonError::into_inner);
    kinds.extend(stats.iter().map(|it| it.kind.clone()));
    for kind in &*kinds {
        let stats = stats.iter().find(|it| it.kind == *kind);
        for state in JobState::ALL {
            let jobs = stats.and_then(|it| it.jobs.get(state).copied());
            // Above what a gauge holds exactly, a few jobs do not matter.
            let jobs = jobs.unwrap_or_default() as f64;
            metrics::gauge!("litink_jobs", "kind" => kind.clone(), "state" => state.as_str())
                .set(jobs);
        }
        let oldest = stats.and_then(|it| it.oldest_available).unwrap_or_default();
        metrics::gauge!("litink_jobs_oldest_seconds", "kind" => kind.clone())
            .set(oldest.as_secs_f64());
    }
}

fn describe() {
    metrics::describe_gauge!(
        "litink_jobs",
        "Jobs in the queue, by kind and state; `available` and `running` are what to scale workers by."
    );
    metrics::describe_gauge!(
        "litink_jobs_oldest_seconds",
        metrics::Unit::Seconds,
        "How long the oldest job that could begin has been waiting, by kind."
    );
    metrics::describe_counter!(
        "http_requests_total",
        "Requests, by method, route and status."
    );
    metrics::describe_histogram!(
        "http_request_duration_seconds",
        metrics::Unit::Seconds,
        "Time until the answer's headers, by method, route and status."
    );
    metrics::describe_histogram!(
        "gen_ai.client.operation.duration",
        metrics::Unit::Seconds,
        "Time of a provider's call, polling included, by provider, model and error."
    );
    metrics::describe_histogram!(
        "gen_ai.client.token.usage",
        "Tokens of a provider's call, by provider, model and whether they were read or written."
    );
}
