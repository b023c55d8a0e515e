use std::{fmt, time::Duration};

use litink_core::Result;
use url::Url;

use super::{ServerUrl, bad, decoded};

/// A bucket of S3 or of a compatible server, and a prefix in it.
///
/// `s3://BUCKET/PREFIX` on AWS; `?endpoint=https://HOST` for another server, `&region=NAME`,
/// `&path_style=false` for one that has the bucket in the host's name (default: AWS has it there,
/// others have it in the path), `&silence_s=60` for a server that thinks for long.
/// The keys come from `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` (or the machine's role), or
/// stand before the bucket: `s3://KEY:SECRET@BUCKET`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct S3Url {
    /// The bucket.
    pub bucket: String,
    /// What stands before every key; empty for none, without slashes at its ends.
    pub prefix: String,
    /// The region; `None` for `AWS_REGION`, or `us-east-1`.
    pub region: Option<String>,
    /// The server; `None` for AWS.
    pub endpoint: Option<Url>,
    /// Whether the bucket stands in the path rather than in the host.
    pub path_style: bool,
    /// The longest silence within a request; a whole transfer may take any time. Default 30 s.
    pub silence: Duration,
    /// Access key and secret, where the URL has them.
    pub(crate) keys: Option<(String, String)>,
}

impl S3Url {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let ServerUrl(url) = ServerUrl::parse(text)?;
        let bucket = url.host_str().filter(|bucket| !bucket.is_empty());
        let bucket = bucket.ok_or_else(|| bad("it names no bucket: s3://BUCKET/PREFIX"))?;
        if url.port().is_some() {
            return Err(bad(
                "s3:// is followed by a bucket, not by a server; name that with ?endpoint=",
            ));
        }
        let keys = match (url.username(), url.password()) {
            ("", None) => None,
            ("", _) | (_, None) => {
                return Err(bad(
                    "of access key and secret one is missing: s3://KEY:SECRET@BUCKET",
                ));
            }
            (key, Some(secret)) => Some((decoded(key), decoded(secret))),
        };
        let mut found = Self {
            bucket: bucket.to_owned(),
            prefix: decoded(url.path()).trim_matches('/').to_owned(),
            region: None,
            endpoint: None,
            path_style: true,
            silence: Duration::from_secs(30),
            keys,
        };
        let mut path_style = None;
        for (name, value) in url.query_pairs() {
            let seconds = value.parse().ok().filter(|seconds: &u32| *seconds > 0);
            match (&*name, &*value, seconds) {
                ("silence_s", _, Some(seconds)) => {
                    found.silence = Duration::from_secs(seconds.into());
                }
                ("region", region, _) => found.region = Some(region.to_owned()),
                ("endpoint", endpoint, _) => found.endpoint = Some(server(endpoint)?),
                ("path_style", "true", _) => path_style = Some(true),
                ("path_style", "false", _) => path_style = Some(false),
                _ => {
                    return Err(bad(
                        "the options of s3:// are region, endpoint, path_style (true or false) and \
                         silence_s (a whole number above 0)",
                    ));
                }
            }
        }
        // A certificate of AWS is for one name before the host: none with a dot.
        let in_host = found.endpoint.is_none() && !found.bucket.contains('.');
        found.path_style = path_style.unwrap_or(!in_host);
        Ok(found)
    }

    /// The host of the server.
    pub(super) fn host(&self) -> &str {
        let endpoint = self.endpoint.as_ref().and_then(Url::host_str);
        endpoint.unwrap_or("s3.amazonaws.com")
    }

    pub(crate) fn is_plain_text(&self) -> bool {
        self.endpoint
            .as_ref()
            .is_some_and(|it| it.scheme() == "http")
    }

    pub(super) fn secrets(&self) -> Vec<String> {
        let secret = self.keys.as_ref().map(|(_, secret)| secret.clone());
        secret.into_iter().collect()
    }
}

fn server(text: &str) -> Result<Url> {
    let url = Url::parse(text).ok();
    let url = url.filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    url.ok_or_else(|| bad("its endpoint is not https://HOST or http://HOST:PORT, and nothing else"))
}

impl fmt::Display for S3Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        if let Some(endpoint) = &self.endpoint {
            write!(f, " on {}", endpoint.as_str().trim_end_matches('/'))?;
        }
        Ok(())
    }
}

impl fmt::Debug for S3Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Url({self})")
    }
}
