//! The recorder behind `/metrics`.

use std::sync::{Mutex, PoisonError};

use litink_core::{Error, ErrorKind, Result};
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

fn describe() {
    metrics::describe_counter!(
        "http_requests_total",
        "Requests, by method, route and status."
    );
    metrics::describe_histogram!(
        "http_request_duration_seconds",
        metrics::Unit::Seconds,
        "Time until the answer's headers, by method, route and status."
    );
}
