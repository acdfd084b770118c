// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where an answer may be sent: which addresses a client may register, and which of them a request names. Pure; the
//! pages, the `hearth` command and programs that register themselves are all held to it.

use crate::limits::REDIRECT_URI_BYTES_MAX;

/// Hosts of RFC 8252 §7.3. `localhost` is there for Thunderbird (quirk: Thunderbird 153, 2026-08); a
/// client that registers it takes the risk of §8.3 upon itself.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// Schemes that run or read something in the browser instead of leading to a client.
const SCHEMES_REFUSED: [&str; 8] = ["javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source"];

/// Why an address cannot be registered, for whoever wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// No scheme.
    #[error("has no scheme; write it as https://...")]
    Relative,
    /// RFC 6749 §3.1.2: absolute, without a fragment.
    #[error("has a fragment, a blank, a star or a backslash; write exactly what the program uses")]
    Characters,
    /// It is too long for any request.
    #[error("has more than {REDIRECT_URI_BYTES_MAX} octets")]
    Long,
    /// Neither a host nor a host with a port.
    #[error("has no host, or more than a host and a port before the path; write it as https://HOST/...")]
    Host,
    /// http, and not to this device.
    #[error("would send the answer unencrypted; use https")]
    Unencrypted,
    /// The browser would do something else with it.
    #[error("is not a place that an answer can be sent to")]
    Nowhere,
    /// RFC 8252 §8.4: a scheme of an app's own is its domain turned round, and so has a dot.
    #[error("has a scheme that any program could claim; one of a program's own has a dot: org.example.app:/...")]
    Unowned,
}

/// May this be registered? RFC 6749 §3.1.2, RFC 8252 §7: https; http to this device alone; a scheme of the app's own with
/// a dot in it.
pub fn check(uri: &str) -> Result<(), Unsound> {
    let scheme = scheme(uri).ok_or(Unsound::Relative)?.to_ascii_lowercase();
    if !uri.bytes().all(|b| b.is_ascii_graphic() && !b"#*\\".contains(&b)) {
        return Err(Unsound::Characters);
    }
    if uri.len() > REDIRECT_URI_BYTES_MAX {
        return Err(Unsound::Long);
    }
    match scheme.as_str() {
        "https" if authority(uri).is_some_and(is_host) => Ok(()),
        "https" => Err(Unsound::Host),
        "http" if is_loopback(uri) => Ok(()),
        "http" => Err(Unsound::Unencrypted),
        other if SCHEMES_REFUSED.contains(&other) => Err(Unsound::Nowhere),
        other if !other.contains('.') => Err(Unsound::Unowned),
        _ => Ok(()),
    }
}

/// Is `asked` one of the registered URIs?
///
/// RFC 9700 §2.1: exact string matching; but for the port of a loopback URI (RFC 8252 §7.3), which
/// the system gives to the app anew each time.
pub fn is_registered(registered: &[String], asked: &str) -> bool {
    let admissible = asked.len() <= REDIRECT_URI_BYTES_MAX
        && !asked.contains('#')
        && asked.bytes().all(|b| b.is_ascii_graphic())
        && scheme(asked).is_some_and(|scheme| !SCHEMES_REFUSED.contains(&scheme.to_ascii_lowercase().as_str()));
    admissible && registered.iter().any(|uri| uri == asked || same_but_for_port(uri, asked))
}

/// The scheme of a URI (RFC 3986 §3.1).
pub fn scheme(uri: &str) -> Option<&str> {
    let (scheme, _) = uri.split_once(':')?;
    let sound = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    sound.then_some(scheme)
}

/// Does it lead to a web server of the device that the browser runs on (RFC 8252 §7.3)?
pub fn is_loopback(uri: &str) -> bool {
    LOOPBACK.iter().any(|host| after_port(uri, host).is_some())
}

fn same_but_for_port(registered: &str, asked: &str) -> bool {
    LOOPBACK.iter().any(|host| match (after_port(registered, host), after_port(asked, host)) {
        (Some(registered), Some(asked)) => registered == asked,
        _ => false,
    })
}

/// What follows the host and the port of a loopback URI; `None` for another host.
fn after_port<'u>(uri: &'u str, host: &str) -> Option<&'u str> {
    let rest = uri.strip_prefix("http://")?.strip_prefix(host)?;
    let rest = match rest.strip_prefix(':') {
        Some(port) => {
            let end = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
            let (digits, rest) = port.split_at(end);
            digits.parse::<u16>().ok().filter(|port| *port != 0)?;
            rest
        }
        None => rest,
    };
    (rest.is_empty() || rest.starts_with('/') || rest.starts_with('?')).then_some(rest)
}

/// What stands between `//` and the path (RFC 3986 §3.2).
fn authority(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    rest.split(['/', '?']).next()
}

/// A name or an address, and perhaps a port; nobody's user name.
fn is_host(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    let is_name = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    (is_address || is_name) && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(registered: &str, asked: &str) -> bool {
        is_registered(&[registered.to_string()], asked)
    }

    #[test]
    fn what_may_be_registered() {
        for good in [
            "https://app.example.org/cb",
            "https://app.example.org:8443?x=y",
            "https://[2001:db8::1]:8443/cb",
            "http://127.0.0.1:8080/cb",
            "http://[::1]/cb",
            "http://localhost/",
            "http://localhost",
            "org.example.app:/cb",
            "app.immich:///oauth-callback",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
            assert!(admits(good, good), "{good}");
        }
        for (bad, why) in [
            ("", Unsound::Relative),
            ("app.example.org/cb", Unsound::Relative),
            ("//app.example.org/cb", Unsound::Relative),
            ("https://a.org/#x", Unsound::Characters),
            ("https://*.a.org/", Unsound::Characters),
            ("https://a.org/ b", Unsound::Characters),
            ("https://a.org\\@b.org/", Unsound::Characters),
            ("https://b\u{fc}cher.example/", Unsound::Characters),
            ("https:", Unsound::Host),
            ("https:///cb", Unsound::Host),
            ("https://:443/cb", Unsound::Host),
            ("https://a.org:/cb", Unsound::Host),
            ("https://a.org:0/cb", Unsound::Host),
            ("https://a.org:65536/cb", Unsound::Host),
            ("https://[::1/cb", Unsound::Host),
            ("https://user:pw@a.org/cb", Unsound::Host),
            ("https://user@a.org/cb", Unsound::Host),
            ("http://app.example.org/cb", Unsound::Unencrypted),
            ("http://127.0.0.1.evil.example/cb", Unsound::Unencrypted),
            ("http://127.0.0.1:8080@evil.example/cb", Unsound::Unencrypted),
            ("http://127.0.0.1:65536/cb", Unsound::Unencrypted),
            ("http://localhost.evil.example/cb", Unsound::Unencrypted),
            ("http://[::1].evil.example/", Unsound::Unencrypted),
            ("http://user@localhost/", Unsound::Unencrypted),
            ("javascript:alert(1)", Unsound::Nowhere),
            ("VBScript:x", Unsound::Nowhere),
            ("data:text/html,x", Unsound::Nowhere),
            ("view-source:https://a.org/", Unsound::Nowhere),
            ("app:/cb", Unsound::Unowned),
            ("ftp://a.org/cb", Unsound::Unowned),
        ] {
            assert_eq!(check(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn letter_by_letter() {
        let registered = "https://app.example/cb?a=1";
        assert!(admits(registered, registered));
        for asked in [
            "https://app.example/cb",
            "https://app.example/cb?a=1&b=2",
            "https://app.example/cb?a=1/",
            "https://app.example/CB?a=1",
            "https://APP.example/cb?a=1",
            "https://app.example:443/cb?a=1",
            "https://app.example/./cb?a=1",
            "https://app.example/%63b?a=1",
            "https://app.example/cb?a=1#x",
            "https://evil.example/cb?a=1",
            "https://app.example.evil.example/cb?a=1",
            "https://app.example@evil.example/cb?a=1",
            "https://app.example\\@evil.example/cb?a=1",
            "//evil.example/cb?a=1",
            "http://app.example/cb?a=1",
            " https://app.example/cb?a=1",
            "https://app.example/cb?a=1\r\nx: y",
            "",
        ] {
            assert!(!admits(registered, asked), "{asked:?}");
        }
    }

    #[test]
    fn a_loopback_port_is_free() {
        for (registered, asked, expected) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb", true),
            ("http://127.0.0.1:80/cb", "http://127.0.0.1:5000/cb", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1/cb", true),
            ("http://127.0.0.1", "http://127.0.0.1:5000", true),
            ("http://[::1]/cb", "http://[::1]:65535/cb", true),
            ("http://localhost/cb?x=y", "http://localhost:5000/cb?x=y", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/other", false),
            ("http://127.0.0.1/cb", "http://localhost:5000/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:65536/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:0/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000@evil.example/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb", false),
            ("http://127.0.0.1", "http://127.0.0.1.evil.example", false),
            ("http://localhost/cb", "http://localhost.evil.example/cb", false),
            ("http://127.0.0.1/cb", "https://127.0.0.1:5000/cb", false),
            ("https://127.0.0.1/cb", "https://127.0.0.1:5000/cb", false),
            ("http://192.168.1.2/cb", "http://192.168.1.2:5000/cb", false),
            ("http://app.example/cb", "http://app.example:5000/cb", false),
        ] {
            assert_eq!(admits(registered, asked), expected, "{registered} {asked}");
        }
    }

    #[test]
    fn nothing_that_runs_in_the_browser() {
        for uri in ["javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "file:///etc/passwd", "/relative", "no-colon"]
        {
            assert!(!admits(uri, uri), "{uri}");
        }
        assert!(admits("app.immich:///oauth-callback", "app.immich:///oauth-callback"));
    }

    #[test]
    fn a_uri_has_its_size() {
        let of = |octets: usize| format!("https://a.example/{}", "x".repeat(octets - 18));
        assert!(admits(&of(REDIRECT_URI_BYTES_MAX), &of(REDIRECT_URI_BYTES_MAX)));
        assert!(!admits(&of(REDIRECT_URI_BYTES_MAX + 1), &of(REDIRECT_URI_BYTES_MAX + 1)));
        assert_eq!((check(&of(REDIRECT_URI_BYTES_MAX)), check(&of(REDIRECT_URI_BYTES_MAX + 1))), (Ok(()), Err(Unsound::Long)));
    }

    #[test]
    fn what_is_on_this_device() {
        for (uri, expected) in [
            ("http://127.0.0.1:5000/cb", true),
            ("http://[::1]", true),
            ("http://localhost?x", true),
            ("https://localhost/cb", false),
            ("http://localhost.evil.example/", false),
            ("http://127.0.0.1@evil.example/", false),
        ] {
            assert_eq!(is_loopback(uri), expected, "{uri}");
        }
    }
}
