//! How the server listens, whom it lets in, and what it refuses to carry.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use litink_core::{Error, ErrorKind, Result, accounts::Accounts, identity::Identity};
use litink_providers::Secret;

/// Settings of a server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen. Default `127.0.0.1:7878`: this machine only.
    pub bind: SocketAddr,
    /// What callers must show as a bearer token. `None` lets everybody in who reaches the server,
    /// unless there is an `identity`, and is refused off loopback.
    pub access_token: Option<Secret>,
    /// Who else is let in, beside the bearer of the access token: people, who see only what is
    /// their own. Default nobody.
    pub identity: Option<Arc<dyn Identity>>,
    /// Where those people sign up and in (`/api/v1/auth`). Its access tokens are those that
    /// `identity` reads. Default nowhere.
    pub accounts: Option<Arc<dyn Accounts>>,
    /// How often one address (an IPv6 network of 64 bits) may sign up, in, or change its password
    /// within a minute. Default 30: a household behind one address, not a list of passwords.
    pub sign_ins_per_minute: u32,
    /// Proxies whose `X-Forwarded-For` says who called them. Default none: it can be forged.
    pub trusted_proxies: Vec<IpAddr>,
    /// How often it is looked whether who watches a run was signed out meanwhile; the stream ends
    /// then. Default 15 s.
    pub recheck_every: Duration,
    /// The names by which the server may be called (`Host`), beside loopback names and `bind`
    /// itself. Only looked at while everybody is let in: it keeps a hostile page from reaching
    /// an open server through a name that it points at this machine (DNS rebinding). Default none.
    pub allowed_hosts: Vec<String>,
    /// The largest upload, in bytes. Default 512 MiB, as [`litink_core::ingest::Limits`] has it.
    pub max_upload_bytes: u64,
    /// The largest JSON body, in bytes. Default 256 KiB: options are a few hundred bytes.
    pub max_json_bytes: usize,
    /// A request that is not a transfer or a stream is given up after this. Default 30 s.
    pub request_timeout: Duration,
    /// A client must send its headers, and each next piece of an upload, within this. Default 30 s.
    pub read_timeout: Duration,
    /// API requests in work at once; more get 503. Default 256.
    pub max_concurrent_requests: usize,
    /// Open connections at once; more wait. Default 1,024, the usual limit of open files.
    pub max_connections: usize,
    /// How long a stopping server lets answers finish. Default 10 s; event streams end at once.
    pub shutdown_grace: Duration,
    /// How long the session of a browser lasts. Default 12 hours.
    pub session_ttl: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7878),
            access_token: None,
            identity: None,
            accounts: None,
            sign_ins_per_minute: 30,
            trusted_proxies: Vec::new(),
            recheck_every: Duration::from_secs(15),
            allowed_hosts: Vec::new(),
            max_upload_bytes: 512 << 20,
            max_json_bytes: 256 << 10,
            request_timeout: Duration::from_secs(30),
            read_timeout: Duration::from_secs(30),
            max_concurrent_requests: 256,
            max_connections: 1024,
            shutdown_grace: Duration::from_secs(10),
            session_ttl: Duration::from_secs(12 * 3600),
        }
    }
}

impl ServerConfig {
    /// Whether it may be served like this.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`]: code `token_required` for an address off loopback without an
    /// access token and accounts, `empty_token` for a token without characters,
    /// `accounts_without_identity` for accounts whose tokens nothing reads.
    pub fn check(&self) -> Result<()> {
        self.check_address(self.bind)
    }

    /// As [`ServerConfig::check`], for the address that a listener really has.
    pub(crate) fn check_address(&self, address: SocketAddr) -> Result<()> {
        match &self.access_token {
            Some(token) if token.reveal().trim().is_empty() => Err(Error::new(
                ErrorKind::Configuration,
                "the access token is empty; set LITINK_ACCESS_TOKEN to a long random text",
            )
            .with_code("empty_token")),
            Some(token) if token.reveal().len() < 16 && !address.ip().is_loopback() => {
                Err(Error::new(
                    ErrorKind::Configuration,
                    "the access token is too short for other machines to guess at; set \
                     LITINK_ACCESS_TOKEN to 16 characters or more (`openssl rand -hex 24`)",
                )
                .with_code("short_token"))
            }
            _ if self.accounts.is_some() && self.identity.is_none() => Err(Error::new(
                ErrorKind::Configuration,
                "there are accounts, but nothing reads their tokens; set `identity`, too",
            )
            .with_code("accounts_without_identity")),
            _ if self.is_open() && !address.ip().is_loopback() => Err(Error::new(
                ErrorKind::Configuration,
                "other machines could reach this address without a token; set \
                 LITINK_ACCESS_TOKEN to a long random text, or LITINK_ACCOUNTS to true, or listen \
                 on 127.0.0.1",
            )
            .with_code("token_required")
            .with_context("bind", address)),
            _ => Ok(()),
        }
    }

    /// Whether whoever reaches it is let in.
    pub(crate) fn is_open(&self) -> bool {
        self.access_token.is_none() && self.identity.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(bind: &str, token: Option<&str>) -> ServerConfig {
        ServerConfig {
            bind: bind.parse().unwrap(),
            access_token: token.map(Secret::new),
            ..ServerConfig::default()
        }
    }

    #[test]
    fn off_loopback_a_token_is_needed() {
        for bind in ["0.0.0.0:1", "192.0.2.1:1", "[::]:1"] {
            assert_eq!(
                config(bind, None).check().unwrap_err().code(),
                "token_required"
            );
            let long = config(bind, Some("0123456789abcdef"));
            assert!(long.check().is_ok());
            assert_eq!(
                config(bind, Some("0123456789abcde"))
                    .check()
                    .unwrap_err()
                    .code(),
                "short_token"
            );
            assert_eq!(
                config(bind, Some(" ")).check().unwrap_err().code(),
                "empty_token"
            );
        }
        for bind in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1"] {
            assert!(config(bind, None).check().is_ok());
            assert!(config(bind, Some("t")).check().is_ok());
        }
    }

    #[test]
    fn the_token_is_not_shown() {
        assert!(!format!("{:?}", config("127.0.0.1:1", Some("canary"))).contains("canary"));
    }
}
