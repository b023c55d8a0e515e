//! Objects in a bucket of S3 or of a compatible server.

use std::{sync::Arc, time::Duration};

use litink_core::{Error, ErrorKind, Result, ResultExt, storage::StorageCapabilities};
use object_store::{
    BackoffConfig, ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
    prefix::PrefixStore,
    signer::Signer,
};
use url::Url;

use super::{ObjectStorage, error::store_error};
use crate::{init_tls, url::S3Url};

/// A server that does not take a connection within this is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest silence within a request; a whole transfer may take any time.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest that version 4 signatures hold: seven days.
const MAX_VALID: Duration = Duration::from_secs(7 * 24 * 3600);

impl ObjectStorage {
    /// Objects in a bucket, below a prefix. The bucket must exist. Nothing is sent yet.
    ///
    /// Where the URL has no keys they are those of the environment (`AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`) or of the machine's role.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] (code `bad_storage`).
    pub fn s3(url: &S3Url) -> Result<Self> {
        init_tls();
        let store = bucket(url).build().map_err(|error| {
            Error::new(
                ErrorKind::Configuration,
                "the bucket cannot be used like this; see the cause",
            )
            .with_code("bad_storage")
            .with_context("storage", url)
            .with_source(error)
        })?;
        let prefix = Path::parse(&url.prefix).map_err(|error| {
            Error::new(
                ErrorKind::Configuration,
                "the prefix is no path of a bucket",
            )
            .with_code("bad_storage")
            .with_source(error)
        })?;
        let store: Arc<PrefixStore<AmazonS3>> = Arc::new(PrefixStore::new(store, prefix));
        Ok(Self {
            place: url.to_string(),
            store: Arc::clone(&store) as Arc<_>,
            signer: Some(store),
            capabilities: StorageCapabilities::default()
                .with_durable(true)
                .with_signed_urls(true),
            media_types: true,
            sorted: true,
        })
    }
}

fn bucket(url: &S3Url) -> AmazonS3Builder {
    let client = ClientOptions::new()
        .with_allow_http(url.is_plain_text())
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(READ_TIMEOUT);
    let mut builder = AmazonS3Builder::from_env()
        .with_client_options(client)
        .with_retry(retry())
        .with_bucket_name(&url.bucket)
        .with_virtual_hosted_style_request(!url.path_style);
    if let Some((key, secret)) = &url.keys {
        builder = builder
            .with_access_key_id(key)
            .with_secret_access_key(secret);
    }
    if let Some(region) = &url.region {
        builder = builder.with_region(region);
    }
    match &url.endpoint {
        Some(endpoint) => builder.with_endpoint(base(endpoint, url)),
        None => builder,
    }
}

/// Where the bucket stands in the host, the client wants it there.
fn base(endpoint: &Url, url: &S3Url) -> String {
    let mut endpoint = endpoint.clone();
    if !url.path_style
        && let Some(host) = endpoint.host_str()
    {
        let host = format!("{}.{host}", url.bucket);
        // An address cannot have a name before it; the request will say so.
        let _ = endpoint.set_host(Some(&host));
    }
    endpoint.as_str().trim_end_matches('/').to_owned()
}

/// A hiccup is got over; anything longer is the step's to retry.
fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        },
        max_retries: 3,
        retry_timeout: Duration::from_secs(15),
    }
}

pub(super) async fn sign(signer: &dyn Signer, path: &Path, valid: Duration) -> Result<Url> {
    if valid < Duration::from_secs(1) || valid > MAX_VALID {
        return Err(Error::invalid(
            "bad_validity",
            "a signed URL is valid for a second at least and seven days at most",
        ));
    }
    let signed = signer.signed_url(reqwest::Method::GET, path, valid);
    signed
        .await
        .map_err(store_error)
        .operation("storage.signed_url")
}
