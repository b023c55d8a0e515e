//! `litink serve`.

use std::{net::SocketAddr, process::ExitCode};

use clap::{ArgAction, Args};
use litink_core::{Error, ErrorKind, Result};
use litink_providers::{Secret, Settings};
use tokio::net::TcpListener;

use super::{connect, interrupt::Interrupt, print::say};
use crate::{ServerConfig, serve};

/// Serve the API and a page, and work on the runs that are asked for.
///
/// Only this machine can reach it unless `--bind` says otherwise; then an access token is needed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litink serve
  litink serve --work=false                 with `litink work` running beside it
  LITINK_ACCESS_TOKEN=... litink serve --bind 0.0.0.0:7878")]
pub struct Serve {
    /// Where to listen. Default 127.0.0.1:7878; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<String>,
    /// Whether to work on runs in this process, too.
    #[arg(long, default_value_t = true, default_missing_value = "true", num_args = 0..=1,
          require_equals = true, action = ArgAction::Set)]
    work: bool,
}

impl Serve {
    pub(super) async fn run(self, settings: &Settings) -> Result<ExitCode> {
        let interrupt = Interrupt::listen();
        let bind = self.bind.as_ref().unwrap_or(&settings.server.bind);
        let mut config = config(bind, settings.server.access_token.clone())?;
        let backends = connect(settings).await?;
        config.identity.clone_from(&backends.identity);
        config.check()?;
        backends.ready().await?;
        let engine = litink_providers::engine(backends, settings);
        let listener = listen(config.bind).await?;
        let address = listener.local_addr()?;
        say!(
            "litink serves http://{address}/ (API description: http://{address}/docs)\n\
             {}",
            settings.start_line()?
        );
        let worker = self.work.then(|| {
            let options = litink_providers::worker_options(settings);
            let worker = engine.worker(options);
            tokio::spawn(worker.run(interrupt.stop.clone(), interrupt.abandon.clone()))
        });
        let served = serve(engine, config, listener, interrupt.stop.clone()).await;
        interrupt.stop.cancel();
        if let Some(worker) = worker {
            worker
                .await
                .map_err(|e| Error::internal("the worker stopped").with_source(e))??;
        }
        served.map(|()| ExitCode::SUCCESS)
    }
}

fn config(bind: &str, access_token: Option<Secret>) -> Result<ServerConfig> {
    let bind: SocketAddr = bind.parse().map_err(|_| {
        Error::new(
            ErrorKind::Configuration,
            "`bind` is an address and a port: 127.0.0.1:7878",
        )
        .with_code("bad_settings")
        .with_context("bind", bind)
    })?;
    Ok(ServerConfig {
        bind,
        access_token,
        ..ServerConfig::default()
    })
}

async fn listen(bind: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(bind).await.map_err(|error| {
        Error::new(
            ErrorKind::Configuration,
            "cannot listen here; choose another with --bind",
        )
        .with_code("cannot_listen")
        .with_context("bind", bind)
        .with_source(error)
    })
}
