//! Guards against other people's pages: what a browser on this machine can be made to send.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use tower_http::set_header::SetResponseHeaderLayer;

use crate::{ServerConfig, error::ApiError, extract, state::AppState};

/// Refuses a `Host` that is not ours while no token is asked for (DNS rebinding), and every request
/// of another site's page that could change something (cross-site request forgery).
pub(crate) async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let host = host(&request);
    if state.config.is_open()
        && !host
            .as_ref()
            .is_some_and(|host| is_ours(host, &state.config))
    {
        return refused(
            StatusCode::MISDIRECTED_REQUEST,
            "foreign_host",
            "this name is not the server's; call it 127.0.0.1 or localhost, or set an access token",
        );
    }
    if !is_safe(request.method()) && is_cross_site(request.headers(), host.as_ref()) {
        return refused(
            StatusCode::FORBIDDEN,
            "cross_origin",
            "a page of another site may not change anything here",
        );
    }
    next.run(request).await
}

fn refused(status: StatusCode, code: &'static str, message: &str) -> Response {
    ApiError::request(status, code, message.to_owned()).into_response()
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn host(request: &Request) -> Option<Authority> {
    let header = extract::header(request.headers(), header::HOST);
    match header {
        Some(host) => host.parse().ok(),
        None => request.uri().authority().cloned(),
    }
}

fn is_ours(host: &Authority, config: &ServerConfig) -> bool {
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    let loopback = name
        .parse()
        .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    loopback
        || name.eq_ignore_ascii_case("localhost")
        || config
            .allowed_hosts
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(name))
}

/// Browsers say where a request comes from; other clients send neither header.
fn is_cross_site(headers: &HeaderMap, host: Option<&Authority>) -> bool {
    let site = extract::header(headers, "sec-fetch-site");
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"));
    let same = origin
        .zip(host)
        .is_some_and(|((_, origin), host)| origin.eq_ignore_ascii_case(host.as_str()));
    !same
}

/// Sets a content security policy for the pages below it.
pub(crate) fn policy(policy: HeaderValue) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, policy)
}

/// Headers that every answer carries: no guessing of types, no framing, no telling of addresses, no
/// use by other sites.
pub(crate) async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    response
}

const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(text: &str) -> Authority {
        text.parse().unwrap()
    }

    #[test]
    fn loopback_names_and_allowed_ones_are_ours() {
        let allowed_hosts = vec!["books.example".into()];
        let config = ServerConfig {
            allowed_hosts,
            ..ServerConfig::default()
        };
        for ours in [
            "127.0.0.1:7878",
            "localhost",
            "LOCALHOST:1",
            "[::1]:80",
            "books.example:443",
        ] {
            assert!(is_ours(&authority(ours), &config), "{ours}");
        }
        for foreign in [
            "evil.example",
            "localhost.evil.example:1",
            "127.0.0.1.evil.example",
        ] {
            assert!(!is_ours(&authority(foreign), &config), "{foreign}");
        }
    }

    #[test]
    fn pages_of_other_sites_are_told_apart() {
        let cases = [
            (&[("origin", "http://127.0.0.1:7878")][..], false),
            (&[], false),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("origin", "http://127.0.0.1:9999")], true),
            (&[("origin", "https://evil.example")], true),
            (&[("origin", "null")], true),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-site")], true),
        ];
        let host = authority("127.0.0.1:7878");
        for (given, cross) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                headers.insert(*name, value.parse().unwrap());
            }
            assert_eq!(is_cross_site(&headers, Some(&host)), cross, "{given:?}");
        }
    }
}
