// SPDX-License-Identifier: AGPL-3.0-or-later
//! The PROXY protocol, version 2 (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt> §2.2): who is really at
//! the other end of a connection that a proxy passed on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Octets before the addresses.
pub const PREFIX_BYTES: usize = 16;
/// Octets behind the prefix that are taken: two IPv6 addresses, two ports, and room for TLVs.
pub const REST_BYTES_MAX: usize = 1024;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The first 16 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    command: u8,
    family: u8,
    /// Octets that follow.
    pub rest_bytes: usize,
}

/// What the proxy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxied {
    /// The proxy speaks for itself (a health check), or does not know.
    Local,
    /// It passes on a connection.
    From {
        /// Who connected.
        remote: SocketAddr,
        /// To which address.
        local: SocketAddr,
    },
}

/// Why it is no such header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a PROXY protocol header of version 2")]
pub struct NotProxied;

/// Reads the prefix.
pub fn parse_prefix(octets: &[u8; PREFIX_BYTES]) -> Result<Prefix, NotProxied> {
    let [signature @ .., version, family, high, low] = octets;
    let rest_bytes = usize::from(u16::from_be_bytes([*high, *low]));
    if signature != SIGNATURE || version >> 4 != 2 || rest_bytes > REST_BYTES_MAX {
        return Err(NotProxied);
    }
    Ok(Prefix { command: version & 15, family: *family, rest_bytes })
}

impl Prefix {
    /// Reads what follows it, all [`Prefix::rest_bytes`] of it; TLVs are passed over.
    pub fn parse_rest(self, rest: &[u8]) -> Result<Proxied, NotProxied> {
        if rest.len() != self.rest_bytes {
            return Err(NotProxied);
        }
        match (self.command, self.family) {
            (0, _) => Ok(Proxied::Local),
            (1, 0x11) => addresses::<4>(rest, |octets| IpAddr::V4(Ipv4Addr::from(octets))),
            (1, 0x21) => addresses::<16>(rest, |octets| IpAddr::V6(Ipv6Addr::from(octets)).to_canonical()),
            // UNSPEC: the receiver takes the connection as it is.
            (1, 0) => Ok(Proxied::Local),
            _ => Err(NotProxied),
        }
    }
}

fn addresses<const N: usize>(rest: &[u8], address: fn([u8; N]) -> IpAddr) -> Result<Proxied, NotProxied> {
    let (source, rest) = rest.split_first_chunk::<N>().ok_or(NotProxied)?;
    let (destination, rest) = rest.split_first_chunk::<N>().ok_or(NotProxied)?;
    let [a, b, c, d, ..] = *rest else { return Err(NotProxied) };
    Ok(Proxied::From {
        remote: SocketAddr::new(address(*source), u16::from_be_bytes([a, b])),
        local: SocketAddr::new(address(*destination), u16::from_be_bytes([c, d])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(version: u8, family: u8, rest: &[u8]) -> Result<Proxied, NotProxied> {
        let mut prefix = [0; PREFIX_BYTES];
        prefix[..12].copy_from_slice(SIGNATURE);
        prefix[12] = version;
        prefix[13] = family;
        prefix[14..].copy_from_slice(&u16::try_from(rest.len()).expect("short").to_be_bytes());
        parse_prefix(&prefix)?.parse_rest(rest)
    }

    #[test]
    fn who_is_at_the_other_end() {
        let v4 = [192, 0, 2, 7, 198, 51, 100, 1, 0x9c, 0x40, 0, 25];
        let want = Proxied::From {
            remote: "192.0.2.7:40000".parse().expect("an address"),
            local: "198.51.100.1:25".parse().expect("an address"),
        };
        assert_eq!(header(0x21, 0x11, &v4), Ok(want));
        assert_eq!(header(0x21, 0x11, &[&v4[..], &[4, 0, 1, 0]].concat()), Ok(want), "a TLV");
        let mut v6 = vec![0; 36];
        (v6[0], v6[1], v6[15], v6[31], v6[33], v6[35]) = (0x20, 1, 7, 1, 9, 25);
        let want =
            Proxied::From { remote: "[2001::7]:9".parse().expect("an address"), local: "[::1]:25".parse().expect("an address") };
        assert_eq!(header(0x21, 0x21, &v6), Ok(want));
        assert_eq!(header(0x20, 0, &[]), Ok(Proxied::Local));
        assert_eq!(header(0x21, 0, &[]), Ok(Proxied::Local));
    }

    #[test]
    fn what_is_no_header() {
        let v4 = [0; 12];
        for (version, family, rest) in [
            (0x11, 0x11, &v4[..]),
            (0x31, 0x11, &v4),
            (0x22, 0x11, &v4),
            (0x21, 0x12, &v4),
            (0x21, 0x31, &v4),
            (0x21, 0x11, &v4[..11]),
            (0x21, 0x21, &v4),
        ] {
            assert_eq!(header(version, family, rest), Err(NotProxied), "{version:x} {family:x} {}", rest.len());
        }
        assert_eq!(parse_prefix(b"EHLO x\r\nMAIL FRO"), Err(NotProxied));
        assert!(header(0x20, 0, &[0; REST_BYTES_MAX]).is_ok());
        assert_eq!(header(0x20, 0, &[0; REST_BYTES_MAX + 1]), Err(NotProxied));
    }
}
