//! How long a server of S3 is waited for.

use std::time::Duration;

use async_trait::async_trait;
use object_store::{
    BackoffConfig, ClientOptions, RetryConfig,
    client::{
        HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService,
        ReqwestConnector,
    },
};

/// A server that does not take a connection within this is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For how long a call is repeated that a cut connection or a server's error ended: a restart. What
/// was made and paid for is on its way to the storage then.
const KEEP_TRYING: Duration = Duration::from_secs(10);
/// A body of more bytes than this may take longer to send than an answer may take to come.
const LARGE_BYTES: usize = 64 << 10;
/// The slowest line that carries a part of an upload: that of a home that sends several at once.
const BYTES_PER_S: u64 = 32 << 10;

/// The client's deadlines, with the longest silence within a request.
pub(super) fn deadlines(silence: Duration) -> ClientOptions {
    ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(silence)
}

/// For calls: a restart is got over; anything longer is the step's to retry.
pub(super) fn restart() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
        },
        // The time decides.
        max_retries: 1_000,
        retry_timeout: KEEP_TRYING,
    }
}

/// For who asks whether the server can be used: now.
pub(super) fn hiccup() -> RetryConfig {
    RetryConfig {
        max_retries: 2,
        ..restart()
    }
}

/// The client counts the silence from the beginning of a request, while it is still sending; a large
/// body is given the time that a slow line takes for it.
#[derive(Debug)]
pub(super) struct Patient {
    pub(super) silence: Duration,
    /// The largest body of one request.
    pub(super) largest: usize,
}

impl HttpConnector for Patient {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let connect = |options: &ClientOptions| ReqwestConnector::default().connect(options);
        let sending = Duration::from_secs(self.largest as u64 / BYTES_PER_S);
        let patient = options.clone().with_read_timeout(self.silence + sending);
        Ok(HttpClient::new(BySize {
            small: connect(options)?,
            large: connect(&patient)?,
        }))
    }
}

#[derive(Debug)]
struct BySize {
    small: HttpClient,
    large: HttpClient,
}

#[async_trait]
impl HttpService for BySize {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let large = request.body().content_length() > LARGE_BYTES;
        let client = if large { &self.large } else { &self.small };
        client.execute(request).await
    }
}
