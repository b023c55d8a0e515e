//! What an answer names by a URL instead of sending it: fetched from nowhere that only this machine
//! reaches, and with the key from the vendor's own address alone.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
#[cfg(feature = "openai")]
use bytes::BytesMut;
use futures::StreamExt;
use litink_core::{
    Charge, Error, ErrorKind, Result, Retry, provider::CallContext, storage::ByteStream,
};
use reqwest::{
    Client, Response,
    dns::{Addrs, Name, Resolve, Resolving},
    header::LOCATION,
    redirect::Policy,
};
use tokio::time::timeout;
use url::Url;

use super::client::{Address, Endpoint, nonsense};
use crate::url::is_private;

const PATIENCE: Duration = Duration::from_secs(120);
/// From the vendor to where it keeps its files, and no further.
const MOST_REDIRECTS: usize = 4;

/// The bytes behind a URL of an answer: of a public host over TLS, or of the endpoint's own origin.
/// Never with the key.
#[cfg(feature = "openai")]
pub(crate) async fn fetch<A: Address>(
    config: &A,
    url: &str,
    max_bytes: u64,
    context: &CallContext,
) -> Result<Bytes> {
    let url = Url::parse(url).map_err(|_| nonsense())?;
    let client = client_for(config, &url)?;
    let read = async {
        let lost_by = |error: reqwest::Error| lost().with_source(error.without_url());
        let mut response = client.get(url).send().await.map_err(lost_by)?;
        if !response.status().is_success() {
            return Err(lost().with_context("status", response.status().as_u16()));
        }
        let mut bytes = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(lost_by)? {
            if (bytes.len() + piece.len()) as u64 > max_bytes {
                return Err(too_large());
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

/// What is behind a URL of an answer, as it comes: a film, which costs nothing to be fetched again. The
/// key goes to the endpoint's own origin alone; each redirect is looked at like the first URL.
pub(crate) async fn open<A: Address>(
    endpoint: &Endpoint<A>,
    url: &str,
    max_bytes: u64,
    context: &CallContext,
) -> Result<ByteStream> {
    let begun = begin(endpoint, url, context);
    let response = tokio::select! {
        biased;
        () = context.cancel.cancelled() => return Err(Error::cancelled()),
        begun = timeout(context.timeout, begun) => begun.unwrap_or_else(|_| Err(again(lost())))?,
    };
    let idle = endpoint.config.idle();
    let next = move |(mut response, left): (Response, u64)| async move {
        let piece = match timeout(idle, response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece?),
            Ok(Err(error)) => Err(again(lost()).with_source(error.without_url())),
            Err(_) => Err(again(lost())),
        };
        let piece = match piece {
            Ok(piece) if piece.len() as u64 > left => Err(too_large()),
            other => other,
        };
        let taken = piece
            .as_ref()
            .map_or(left, |piece: &Bytes| piece.len() as u64);
        Some((piece, (response, left.saturating_sub(taken))))
    };
    Ok(futures::stream::unfold((response, max_bytes), next).boxed())
}

async fn begin<A: Address>(
    endpoint: &Endpoint<A>,
    url: &str,
    context: &CallContext,
) -> Result<Response> {
    let config = &endpoint.config;
    let mut url = Url::parse(url).map_err(|_| nonsense())?;
    for _ in 0..=MOST_REDIRECTS {
        let mut request = client_for(config, &url)?.get(url.clone());
        if is_own(config, &url) {
            request = request.headers(config.headers(context)?);
        }
        let response = request
            .send()
            .await
            .map_err(|error| again(lost()).with_source(error.without_url()))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let next = response.headers().get(LOCATION);
        let next = next.and_then(|it| url.join(it.to_str().ok()?).ok());
        match next.filter(|_| status.is_redirection()) {
            Some(next) => url = next,
            // Gone for good, or not there yet.
            None if matches!(status.as_u16(), 404 | 410) => {
                return Err(lost()
                    .with_retry(Retry::Never)
                    .with_context("status", status.as_u16()));
            }
            None => return Err(again(lost()).with_context("status", status.as_u16())),
        }
    }
    Err(forbidden())
}

fn is_own<A: Address>(config: &A, url: &Url) -> bool {
    url.origin() == config.url().origin()
}

/// A client for one URL: public addresses alone, unless it is the endpoint's own origin.
fn client_for<A: Address>(config: &A, url: &Url) -> Result<Client> {
    let own = is_own(config, url);
    let host = url.host_str().ok_or_else(nonsense)?;
    if !own && (url.scheme() != "https" || is_private(host)) {
        return Err(forbidden());
    }
    crate::init_tls();
    let mut builder = Client::builder()
        .connect_timeout(config.connect())
        .redirect(Policy::none())
        .referer(false)
        .no_proxy();
    if !own {
        builder = builder.dns_resolver(Arc::new(PublicOnly));
    }
    builder
        .build()
        .map_err(|error| lost().with_source(error.without_url()))
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

fn too_large() -> Error {
    Error::new(
        ErrorKind::Provider,
        "the provider sent more than such a call can give",
    )
    .with_code("reply_too_large")
    .with_charge(Charge::Yes)
}

/// Of what is there and costs nothing more: it may be fetched again.
fn again(error: Error) -> Error {
    error.with_retry(Retry::Backoff)
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
