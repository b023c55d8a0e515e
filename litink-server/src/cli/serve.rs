//! `litink serve`.

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use clap::{ArgAction, Args};
use litink_core::{
    Error, ErrorKind, Result,
    engine::{Engine, SchedulerOptions},
};
use litink_providers::{Settings, SignUp};
use tokio::net::TcpListener;

use super::{connect, interrupt::Interrupt, print::say};
use crate::{ServerConfig, serve};

/// Serve the API and a page, and work on the runs that are asked for.
///
/// Only this machine can reach it unless `--bind` says otherwise; then an access token, or
/// accounts, are needed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  litink serve
  litink serve --work=false                 with `litink work` running beside it
  LITINK_ACCESS_TOKEN=... litink serve --bind 0.0.0.0:7878
  LITINK_ACCOUNTS=true litink serve --bind 0.0.0.0:7878")]
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
        let mut config = config(bind, settings)?;
        let backends = connect(settings).await?;
        config.identity.clone_from(&backends.identity);
        if !settings.accounts.enabled {
            config.check()?;
        }
        backends.ready().await?;
        let engine = litink_providers::engine(backends, settings);
        litink_providers::ladders(&engine, settings)?;
        add_accounts(&mut config, settings, &engine)?;
        let listener = listen(config.bind).await?;
        let address = listener.local_addr()?;
        say!(
            "litink serves http://{address}/ (API description: http://{address}/docs)\n\
             {}",
            settings.start_line()?
        );
        if settings.accounts.enabled {
            say!(
                "accounts: {}",
                match settings.accounts.sign_up {
                    SignUp::Open => "anybody may make one",
                    SignUp::Closed => "made with `litink users add`",
                }
            );
        }
        let worker = self.work.then(|| {
            let options = litink_providers::worker_options(settings);
            let worker = engine.worker(options);
            let (stop, abandon) = (interrupt.stop.clone(), interrupt.abandon.clone());
            let scheduler = engine.scheduler(SchedulerOptions::default());
            tokio::spawn(scheduler.run(stop.clone()));
            tokio::spawn(async move {
                let ended = worker.run(stop.clone(), abandon).await;
                // A worker that could not begin is no reason to serve on, with nothing made.
                stop.cancel();
                ended
            })
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

fn config(bind: &str, settings: &Settings) -> Result<ServerConfig> {
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
        access_token: settings.server.access_token.clone(),
        trusted_proxies: settings.server.trusted_proxies.clone(),
        ..ServerConfig::default()
    })
}

/// Litink's own accounts, where the settings ask for them.
fn add_accounts(config: &mut ServerConfig, settings: &Settings, engine: &Engine) -> Result<()> {
    if !settings.accounts.enabled {
        return Ok(());
    }
    if config.identity.is_some() {
        let message = "people sign in with Supabase here; unset LITINK_ACCOUNTS, or the project";
        return Err(Error::new(ErrorKind::Configuration, message).with_code("bad_settings"));
    }
    let accounts = Arc::new(litink_providers::accounts::open(settings, engine)?);
    config.identity = Some(Arc::clone(&accounts) as _);
    config.accounts = Some(accounts);
    config.check()
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
