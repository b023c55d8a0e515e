//! How often one address may try passwords, counted in the cache that all servers share.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use litink_core::{Error, Result, Retry, accounts::AccountError};

use crate::{ServerConfig, error::ApiError, state::AppState};

const MINUTE: u64 = 60;

/// Lets a request pass, or refuses it until the next minute.
pub(super) async fn throttle(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    match count(&state, client(&request, &state.config)).await {
        Ok(()) => next.run(request).await,
        Err(error) => ApiError::from(error).into_response(),
    }
}

async fn count(state: &AppState, client: String) -> Result<()> {
    let now = chrono::Utc::now().timestamp().unsigned_abs();
    let key = format!("server:sign-ins:{client}:{}", now / MINUTE);
    let ttl = Duration::from_secs(2 * MINUTE);
    let tries = state.engine.cache().increment(&key, 1, ttl).await?;
    if tries <= i64::from(state.config.sign_ins_per_minute) {
        return Ok(());
    }
    let pause = Duration::from_secs(MINUTE - now % MINUTE);
    let error = Error::from(AccountError::OverRequestRateLimit);
    Err(error.with_retry(Retry::After(pause)))
}

/// Who calls, as a text. A household has a network of IPv6 addresses; it counts as one.
fn client(request: &Request, config: &ServerConfig) -> String {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    // Mounted in somebody's application, which did not say: all count as one.
    let Some(ConnectInfo(peer)) = peer else {
        return "unknown".into();
    };
    let peer = peer.ip().to_canonical();
    let ip = if config.trusted_proxies.contains(&peer) {
        forwarded(request).unwrap_or(peer)
    } else {
        peer
    };
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).to_string(),
    }
}

/// The last address that was added, which is the one that the proxy saw itself.
fn forwarded(request: &Request) -> Option<IpAddr> {
    let values = request.headers().get_all("x-forwarded-for");
    let last = values.iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(peer: &str, forwarded: &[&str], trusted: &str) -> String {
        let peer: IpAddr = peer.parse().unwrap();
        let mut request = Request::builder();
        for value in forwarded {
            request = request.header("x-forwarded-for", *value);
        }
        let mut request = request.body(axum::body::Body::empty()).unwrap();
        let peer = SocketAddr::new(peer, 1);
        request.extensions_mut().insert(ConnectInfo(peer));
        let config = ServerConfig {
            trusted_proxies: vec![trusted.parse().unwrap()],
            ..ServerConfig::default()
        };
        client(&request, &config)
    }

    #[test]
    fn only_trusted_proxies_speak_for_others() {
        let (proxy, other) = ("10.0.0.1", "10.0.0.2");
        assert_eq!(called(proxy, &["1.1.1.1, 2.2.2.2"], proxy), "2.2.2.2");
        assert_eq!(called(proxy, &["1.1.1.1", "2.2.2.2"], proxy), "2.2.2.2");
        assert_eq!(called(proxy, &["nonsense"], proxy), proxy);
        assert_eq!(called(proxy, &[], proxy), proxy);
        assert_eq!(called(other, &["1.1.1.1"], proxy), other);
        assert_eq!(called("::ffff:10.0.0.1", &["1.1.1.1"], proxy), "1.1.1.1");
        assert_eq!(called("2001:db8:1:2:3:4:5:6", &[], proxy), "2001:db8:1:2::");
    }
}
