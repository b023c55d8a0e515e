//! Objects in a bucket of S3 or of a compatible server.

use std::{sync::Arc, time::Duration};

use litink_core::{Error, ErrorKind, Result, ResultExt, storage::StorageCapabilities};
use object_store::{
    RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
    prefix::PrefixStore,
    signer::Signer,
};
use url::Url;

use super::{
    ObjectStorage,
    error::store_error,
    patience::{Patient, deadlines, hiccup, restart},
    upload::PART_BYTES,
};
use crate::{init_tls, url::S3Url};

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
        let (store, probe) = (open(url, restart())?, open(url, hiccup())?);
        Ok(Self {
            place: url.to_string(),
            store: Arc::clone(&store) as Arc<_>,
            probe,
            signer: Some(store),
            capabilities: StorageCapabilities::default()
                .with_durable(true)
                .with_signed_urls(true),
            media_types: true,
            sorted: true,
        })
    }
}

fn open(url: &S3Url, retry: RetryConfig) -> Result<Arc<PrefixStore<AmazonS3>>> {
    let bad = |message, cause: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Configuration, message)
            .with_code("bad_storage")
            .with_context("storage", url)
            .with_source(cause)
    };
    let store = bucket(url).with_retry(retry).build().map_err(|error| {
        let message = "the bucket cannot be used like this; see the cause";
        bad(message, error.into())
    })?;
    let prefix = Path::parse(&url.prefix)
        .map_err(|error| bad("the prefix is no path of a bucket", error.into()))?;
    Ok(Arc::new(PrefixStore::new(store, prefix)))
}

fn bucket(url: &S3Url) -> AmazonS3Builder {
    let client = deadlines(url.silence).with_allow_http(url.is_plain_text());
    let patient = Patient {
        silence: url.silence,
        // A body of several pieces may pass the size of a part by the last of them.
        largest: 2 * PART_BYTES,
    };
    let mut builder = AmazonS3Builder::from_env()
        .with_client_options(client)
        .with_http_connector(patient)
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
