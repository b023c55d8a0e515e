//! Listening: connections in, with limits on how many, how slow and how long after the stop.

use std::time::Duration;

use axum::{Router, extract::ConnectInfo};
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulConnection, GracefulShutdown},
    service::TowerToHyperService,
};
use litink_core::{Result, engine::Engine};
use metrics_exporter_prometheus::PrometheusHandle;
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{ServerConfig, app, metrics::install_metrics, state::AppState};

/// After a failed accept: the cause is mostly the limit of open files, which time mends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often the histograms are folded, so that they do not grow between two scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Serves until `stop` fires; then event streams end, answers in work may finish, and what is left
/// after [`ServerConfig::shutdown_grace`] is cut off.
///
/// # Errors
/// As [`ServerConfig::check`], for the address that the listener has; and code `metrics_taken`.
pub async fn serve(
    engine: Engine,
    config: ServerConfig,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<()> {
    config.check()?;
    config.check_address(listener.local_addr()?)?;
    let metrics = install_metrics()?;
    let limits = Limits::of(&config);
    let router = app::layered(AppState::new(
        engine,
        config,
        metrics.clone(),
        stop.clone(),
    )?);
    let connections = GracefulShutdown::new();
    tokio::select! {
        () = stop.cancelled() => {}
        () = accept(&listener, &limits, &router, &connections) => {}
        () = upkeep(metrics) => {}
    }
    drop(listener);
    if tokio::time::timeout(limits.grace, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("connections were cut off: they did not finish in time");
    }
    Ok(())
}

struct Limits {
    connections: Arc<Semaphore>,
    read_timeout: Duration,
    grace: Duration,
}

impl Limits {
    fn of(config: &ServerConfig) -> Self {
        Self {
            connections: Arc::new(Semaphore::new(config.max_connections)),
            read_timeout: config.read_timeout,
            grace: config.shutdown_grace,
        }
    }
}

async fn accept(
    listener: &TcpListener,
    limits: &Limits,
    router: &Router,
    connections: &GracefulShutdown,
) {
    // The semaphore is never closed.
    while let Ok(slot) = Arc::clone(&limits.connections).acquire_owned().await {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = connections.watch(connection(stream, peer, router, limits.read_timeout));
        tokio::spawn(async move {
            let _slot = slot;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: &Router,
    read_timeout: Duration,
) -> impl GracefulConnection<Error = hyper::Error> + Send + use<> {
    // Small events must not wait for more to send.
    let _ = stream.set_nodelay(true);
    let service = router
        .clone()
        .map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request
        });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(read_timeout)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
}

async fn upkeep(metrics: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}
