use std::{fmt, time::Duration};

use litink_core::{Error, ErrorKind, Result};
use url::Url;

use crate::url::is_this_host;

/// Where a Supabase project is, and for how long its answers are waited for.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SupabaseConfig {
    url: Url,
    /// The longest that a call takes with all its attempts. Default 30 seconds: the services' own
    /// limits for a statement are 8 seconds and for a request 60.
    pub deadline: Duration,
    /// The longest that one attempt takes. Default 15 seconds, so that a call whose answer does not
    /// come is made once more.
    pub attempt: Duration,
    /// The longest that a connection is waited for. Default 5 seconds.
    pub connect: Duration,
    /// A transfer of bytes is given up when nothing came for so long, and the sending of one chunk
    /// when it took so long. Default 60 seconds.
    pub idle: Duration,
    /// Larger answers about rows are refused. Default 256 MiB, far above a page of the heaviest
    /// rows.
    pub max_reply_bytes: u64,
}

impl SupabaseConfig {
    /// A project by its address: `https://PROJECT.supabase.co`, `http://127.0.0.1:54321`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`]: code `bad_supabase_url`; code `plain_text` for `http` to
    /// another machine, which would show the keys to everybody on the way.
    pub fn new(url: &str) -> Result<Self> {
        let url = Url::parse(url.trim()).map_err(|_| bad())?;
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.has_host();
        match url.scheme() {
            "https" if bare => {}
            "http" if bare && is_this_host(&url) => {}
            "http" if bare => {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    "keys would go to another machine in plain text; use `https`",
                )
                .with_code("plain_text"));
            }
            _ => return Err(bad()),
        }
        Ok(Self {
            url,
            deadline: Duration::from_secs(30),
            attempt: Duration::from_secs(15),
            connect: Duration::from_secs(5),
            idle: Duration::from_secs(60),
            max_reply_bytes: 256 << 20,
        })
    }

    /// Sets `deadline`, and `attempt` where it was longer.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self.attempt = self.attempt.min(deadline);
        self
    }

    /// Sets `attempt`.
    #[must_use]
    pub fn attempt(mut self, attempt: Duration) -> Self {
        self.attempt = attempt;
        self
    }

    /// Sets `max_reply_bytes`.
    #[must_use]
    pub fn max_reply_bytes(mut self, bytes: u64) -> Self {
        self.max_reply_bytes = bytes;
        self
    }

    /// The address.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The URL of a path below the address, such as `auth/v1/user`. The path's segments are
    /// percent-encoded already.
    pub(super) fn at(&self, path: &str) -> Result<Url> {
        let base = self.url.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}/{path}"))
            .map_err(|_| Error::internal("a path of the project is a URL"))
    }
}

fn bad() -> Error {
    Error::new(
        ErrorKind::Configuration,
        "a Supabase project's address is `https://PROJECT.supabase.co` or \
         `http://127.0.0.1:54321`, without keys in it",
    )
    .with_code("bad_supabase_url")
}

impl fmt::Debug for SupabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupabaseConfig")
            .field("url", &self.url.as_str())
            .field("deadline", &self.deadline)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_in_plain_text_to_this_machine_only() {
        for (url, expected) in [
            ("https://x.supabase.co", None),
            ("http://127.0.0.1:54321", None),
            ("http://localhost:54321/", None),
            ("http://x.supabase.co", Some("plain_text")),
            ("http://10.0.0.1:54321", Some("plain_text")),
            ("http://127.0.0.1.example.com", Some("plain_text")),
            ("https://key@x.supabase.co", Some("bad_supabase_url")),
            (
                "https://x.supabase.co?apikey=canary",
                Some("bad_supabase_url"),
            ),
            ("ftp://x.supabase.co", Some("bad_supabase_url")),
            ("x.supabase.co", Some("bad_supabase_url")),
        ] {
            let error = SupabaseConfig::new(url).err();
            assert_eq!(error.as_ref().map(Error::code), expected, "{url}");
            assert!(!format!("{error:?}").contains("canary"));
        }
    }

    #[test]
    fn paths_stand_below_the_address() {
        for base in ["https://h", "https://h/", "https://h/sub/"] {
            let url = SupabaseConfig::new(base)
                .unwrap()
                .at("auth/v1/user")
                .unwrap();
            assert!(url.path().ends_with("/auth/v1/user"), "{url}");
            assert!(!url.path().contains("//"), "{url}");
        }
    }
}
