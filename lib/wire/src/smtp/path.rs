// SPDX-License-Identifier: AGPL-3.0-or-later
//! Paths: what stands between `<` and `>` in MAIL and RCPT (RFC 5321 §4.1.2).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hearth_types::Address;

/// RFC 5321 §4.5.3.1.3: octets of a path, brackets included.
pub const PATH_BYTES_MAX: usize = 256;
/// A quoted local part may be written with a backslash before each octet, and a source route may
/// stand before it; more than this is no path that anybody writes.
const WRITTEN_PATH_BYTES_MAX: usize = 1024;

/// A reverse-path or a forward-path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// `<>`: nobody; a notification must not be answered.
    Null,
    /// `<postmaster>` without a domain (RFC 5321 §4.1.1.3).
    Postmaster,
    /// An address.
    Mailbox(Address),
    /// An address at an address literal, such as `<root@[192.0.2.1]>`.
    Literal {
        /// The local part, without quotes.
        local: String,
        /// The host.
        host: IpAddr,
    },
}

impl Path {
    /// Is every octet ASCII? Otherwise it needs SMTPUTF8 (RFC 6531 §3.3).
    pub fn is_ascii(&self) -> bool {
        match self {
            Self::Null | Self::Postmaster => true,
            Self::Mailbox(address) => address.local().is_ascii(),
            Self::Literal { local, .. } => local.is_ascii(),
        }
    }

    /// The address, when it is one.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Mailbox(address) => Some(address),
            _ => None,
        }
    }

    /// Reads a path that begins `text`; gives it and what stands behind `>`.
    pub(crate) fn parse(text: &str) -> Option<(Self, &str)> {
        let inner = text.strip_prefix('<')?;
        let end = closing_bracket(inner)?;
        let (inside, rest) = (inner.get(..end)?, inner.get(end + 1..)?);
        Some((Self::parse_inside(inside)?, rest))
    }

    fn parse_inside(inside: &str) -> Option<Self> {
        if inside.is_empty() {
            return Some(Self::Null);
        }
        if inside.len() > WRITTEN_PATH_BYTES_MAX {
            return None;
        }
        // RFC 5321 §4.1.1.3, appendix C: a source route is accepted and ignored.
        let mailbox = match inside.strip_prefix('@') {
            Some(route) => route.split_once(':')?.1,
            None => inside,
        };
        if mailbox.len() + 2 > PATH_BYTES_MAX {
            return None;
        }
        if mailbox.eq_ignore_ascii_case("postmaster") {
            return Some(Self::Postmaster);
        }
        match mailbox.rsplit_once('@') {
            Some((local, literal)) if literal.starts_with('[') => {
                // The local part's rules are the address's; the host stands in for a domain meanwhile.
                let local = Address::parse(&format!("{local}@literal.invalid")).ok()?.local().to_string();
                Some(Self::Literal { local, host: parse_literal(literal)? })
            }
            _ => Address::parse(mailbox).ok().map(Self::Mailbox),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Postmaster => f.write_str("<postmaster>"),
            Self::Mailbox(address) => write!(f, "<{address}>"),
            Self::Literal { local, host } => {
                let escaped = local.replace('\\', "\\\\").replace('"', "\\\"");
                match host {
                    IpAddr::V4(host) => write!(f, "<\"{escaped}\"@[{host}]>"),
                    IpAddr::V6(host) => write!(f, "<\"{escaped}\"@[IPv6:{host}]>"),
                }
            }
        }
    }
}

/// The `>` that is not inside a quoted string.
fn closing_bracket(inner: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// RFC 5321 §4.1.3.
fn parse_literal(text: &str) -> Option<IpAddr> {
    let inside = text.strip_prefix('[')?.strip_suffix(']')?;
    match inside.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => inside.get(5..)?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => inside.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        let (path, rest) = Path::parse(text)?;
        Some(format!("{path}{rest}"))
    }

    #[test]
    fn what_is_a_path() {
        for (text, written) in [
            ("<>", "<>"),
            ("<> SIZE=1", "<> SIZE=1"),
            ("<a@x.org>", "<a@x.org>"),
            ("<PostMaster>", "<postmaster>"),
            ("<@relay.example,@other.example:a@x.org>", "<a@x.org>"),
            ("<\"a>b\"@x.org> X", "<\"a>b\"@x.org> X"),
            ("<\"a\\\">b\"@x.org>", "<\"a\\\">b\"@x.org>"),
            ("<a@[192.0.2.1]>", "<\"a\"@[192.0.2.1]>"),
            ("<a@[IPv6:2001:db8::1]>", "<\"a\"@[IPv6:2001:db8::1]>"),
            ("<jürgen@bücher.example>", "<jürgen@xn--bcher-kva.example>"),
        ] {
            assert_eq!(read(text).as_deref(), Some(written), "{text}");
        }
    }

    #[test]
    fn what_is_not() {
        for text in ["", "a@x.org", "<a@x.org", "<a>", "<a@>", "<@x.org>", "<@r:>", "<a@[300.1.1.1]>", "<a b@x.org>", "<\"a@x.org>"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_path_has_256_octets_at_most() {
        // 64 octets, an @, and labels of 63 octets up to 253 would pass the address's own bounds.
        let label = "b".repeat(60);
        let make = |last: usize| format!("<{}@{label}.{label}.{label}.{}>", "a".repeat(64), "c".repeat(last));
        let fits = make(6);
        assert!(fits.len() == PATH_BYTES_MAX && read(&fits).is_some(), "{}", fits.len());
        let longer = make(7);
        assert!(longer.len() == PATH_BYTES_MAX + 1 && read(&longer).is_none(), "{}", longer.len());
    }

    #[test]
    fn written_and_read_again() {
        for text in ["<>", "<postmaster>", "<a@x.org>", "<\"a b\"@[192.0.2.1]>", "<\"\"@x.org>"] {
            if let Some((path, _)) = Path::parse(text) {
                assert_eq!(Path::parse(&path.to_string()), Some((path, "")));
            }
        }
    }

    /// A source route is read and dropped; it may be long, but not for ever.
    #[test]
    fn a_written_path_is_bounded_on_both_sides() {
        let routed = |length: usize| {
            let (route, mailbox) = ("@r.example,".repeat(200), ":a@x.org");
            read(&format!("<{}{mailbox}>", &route[..length - mailbox.len()]))
        };
        assert_eq!(routed(WRITTEN_PATH_BYTES_MAX).as_deref(), Some("<a@x.org>"));
        assert_eq!(routed(WRITTEN_PATH_BYTES_MAX + 1), None);
    }
}
