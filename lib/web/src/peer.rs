// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who asks, as the router says.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;

/// What the router knows of the connection. It drops what a client says of itself and writes
/// `X-Forwarded-For`, `-Host` and `-Proto` anew, so these are facts. An extractor that never fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client's address; unspecified (`0.0.0.0`) when no router stands before us.
    pub ip: IpAddr,
    /// The name that the client asked for, lower case, with the port when it is not the scheme's own.
    pub host: String,
    /// `https`, or `http`.
    pub scheme: String,
}

impl Peer {
    /// Reads the router's header fields.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let last = |name: &str| {
            let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
            value.rsplit(',').next().map(str::trim)
        };
        Self {
            ip: last("x-forwarded-for").and_then(|ip| ip.parse().ok()).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            host: last("x-forwarded-host").or_else(|| last("host")).unwrap_or_default().to_ascii_lowercase(),
            scheme: last("x-forwarded-proto").unwrap_or("http").to_ascii_lowercase(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::from_headers(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_router_has_the_last_word() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-forwarded-for", "6.6.6.6, 192.0.2.7"),
            ("x-forwarded-host", "ID.home.localhost:10443"),
            ("x-forwarded-proto", "https"),
            ("host", "evil.example"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let expected = Peer { ip: "192.0.2.7".parse().unwrap(), host: "id.home.localhost:10443".into(), scheme: "https".into() };
        assert_eq!(Peer::from_headers(&headers), expected);
    }

    #[test]
    fn without_a_router_nothing_is_believed() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "not an address".parse().unwrap());
        let peer = Peer::from_headers(&headers);
        assert!(peer.ip.is_unspecified());
        assert_eq!(peer.scheme, "http");
    }
}
