//! Which machine a host's name means.

use std::net::IpAddr;

use url::Url;

/// Whether a URL leads to this machine: loopback, or the name by which a container calls the
/// machine that it runs on.
#[must_use]
pub fn is_this_host(url: &Url) -> bool {
    url.host_str().is_some_and(is_this_host_name)
}

pub(crate) fn is_this_host_name(host: &str) -> bool {
    if let Some(address) = address(host) {
        return address.is_loopback() || address.is_unspecified();
    }
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost") || host == "host.docker.internal"
}

/// Whether a host is this one or one of a private network: a name without a dot (a service of
/// Docker Compose), `*.local`, `*.internal`, or a private address.
pub(crate) fn is_private(host: &str) -> bool {
    match address(host) {
        Some(IpAddr::V4(address)) => {
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
        }
        Some(IpAddr::V6(address)) => {
            address.is_loopback()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_unspecified()
        }
        None => {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            let ending = host.rsplit_once('.').map(|(_, ending)| ending);
            ending.is_none_or(|ending| matches!(ending, "localhost" | "local" | "internal"))
        }
    }
}

fn address(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let address: IpAddr = bare.unwrap_or(host).parse().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_many_names() {
        for host in [
            "127.0.0.1",
            "127.8.8.8",
            "localhost",
            "LOCALHOST.",
            "app.localhost",
            "::1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "host.docker.internal",
            "0.0.0.0",
        ] {
            assert!(is_this_host_name(host) && is_private(host), "{host}");
        }
        for host in [
            "localhost.example.com",
            "127.0.0.1.example.com",
            "notlocalhost",
            "192.0.2.1",
            "10.0.0.1",
            "[2001:db8::1]",
            "project.supabase.co",
            "postgres",
            "",
        ] {
            assert!(!is_this_host_name(host), "{host}");
        }
    }

    #[test]
    fn a_private_network_is_told_from_the_internet() {
        for host in [
            "postgres",
            "10.0.0.1",
            "nas.local",
            "db.internal",
            "fd00::1",
        ] {
            assert!(is_private(host), "{host}");
        }
        for host in ["example.com", "8.8.8.8", "2001:db8::1", "a.local.example"] {
            assert!(!is_private(host), "{host}");
        }
    }
}
