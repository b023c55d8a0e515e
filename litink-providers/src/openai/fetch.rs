//! What an answer names by a URL instead of sending it: fetched without a key, and from nowhere that
//! only this machine reaches.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use litink_core::{Charge, Error, ErrorKind, Result, Retry, provider::CallContext};
use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use tokio::time::timeout;
use url::Url;

use super::{client::nonsense, config::OpenAiConfig};
use crate::url::is_private;

const PATIENCE: Duration = Duration::from_secs(120);

/// The bytes behind a URL of an answer: of a public host over TLS, or of the endpoint's own origin.
pub(super) async fn fetch(
    config: &OpenAiConfig,
    url: &str,
    max_bytes: u64,
    context: &CallContext,
) -> Result<Bytes> {
    let url = Url::parse(url).map_err(|_| nonsense())?;
    let own = url.origin() == config.url.origin();
    let host = url.host_str().ok_or_else(nonsense)?;
    if !own && (url.scheme() != "https" || is_private(host)) {
        return Err(forbidden());
    }
    crate::init_tls();
    let mut builder = Client::builder()
        .connect_timeout(config.connect)
        .redirect(Policy::none())
        .referer(false)
        .no_proxy();
    if !own {
        builder = builder.dns_resolver(Arc::new(PublicOnly));
    }
    let client = builder
        .build()
        .map_err(|error| lost().with_source(error.without_url()))?;
    let read = async {
        let lost_by = |error: reqwest::Error| lost().with_source(error.without_url());
        let mut response = client.get(url).send().await.map_err(lost_by)?;
        if !response.status().is_success() {
            return Err(lost().with_context("status", response.status().as_u16()));
        }
        let mut bytes = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(lost_by)? {
            if (bytes.len() + piece.len()) as u64 > max_bytes {
                return Err(Error::new(
                    ErrorKind::Provider,
                    "the provider sent more than such a call can give",
                )
                .with_code("reply_too_large")
                .with_charge(Charge::Yes));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    };
    tokio::select! {
        biased;
        () = context.cancel.cancelled() => Err(Error::cancelled().with_charge(Charge::Yes)),
        read = timeout(PATIENCE, read) => read.unwrap_or_else(|_| Err(lost())),
    }
}

/// Names that lead into a private network lead nowhere.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found
                .filter(|address| !is_private(&address.ip().to_string()))
                .collect();
            if public.is_empty() {
                return Err(io::Error::other("no public address").into());
            }
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

fn forbidden() -> Error {
    Error::new(
        ErrorKind::Provider,
        "the provider's answer names an address that is not fetched from: it is not public, or not \
         encrypted",
    )
    .with_code("address_refused")
    .with_charge(Charge::Yes)
}

fn lost() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "what the provider made cannot be fetched from where it says that it is",
    )
    .with_code("provider_cut")
    .with_retry(Retry::Ambiguous)
    .with_charge(Charge::Yes)
}
