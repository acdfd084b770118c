// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where an answer may be sent: to what the client registered, letter by letter.

use url::form_urlencoded;

use crate::limits::REDIRECT_URI_BYTES_MAX;

/// Hosts of RFC 8252 §7.3. `localhost` is there for Thunderbird (quirk: Thunderbird 153, 2026-08); a
/// client that registers it takes the risk of §8.3 upon itself.
const LOOPBACK: [&str; 3] = ["http://127.0.0.1", "http://[::1]", "http://localhost"];

/// Schemes that run or read something in the browser instead of leading to a client.
const SCHEMES_REFUSED: [&str; 8] = ["javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source"];

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

/// Can only the client itself receive what is sent there? Another app of the same device may listen
/// on a loopback port or claim a scheme (RFC 8252 §8.6).
pub fn is_assured(uri: &str) -> bool {
    scheme(uri).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
}

/// `uri` with parameters added to its query (RFC 6749 §4.1.2). They come last, so that no parameter
/// of the registered query can stand in for one of ours.
pub fn with_params(uri: &str, params: &[(&str, &str)]) -> String {
    let joint = match uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    format!("{uri}{joint}{query}")
}

fn same_but_for_port(registered: &str, asked: &str) -> bool {
    LOOPBACK.iter().any(|host| match (after_port(registered, host), after_port(asked, host)) {
        (Some(registered), Some(asked)) => registered == asked,
        _ => false,
    })
}

/// What follows the host and the port of a loopback URI; `None` for another host.
fn after_port<'u>(uri: &'u str, host: &str) -> Option<&'u str> {
    let rest = uri.strip_prefix(host)?;
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

/// May an app register this? RFC 6749 §3.1.2, RFC 8252 §7: https; http to this device alone; a scheme of the app's own with a dot in it.
pub fn is_sound(uri: &str) -> bool {
    let scheme = scheme(uri).unwrap_or_default().to_ascii_lowercase();
    let loopback = ["http://127.0.0.1", "http://[::1]", "http://localhost"]
        .iter()
        .any(|host| uri.strip_prefix(host).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/'])));
    let host = url::Url::parse(uri).ok();
    let has_user = host.as_ref().is_some_and(|url| !url.username().is_empty() || url.password().is_some());
    match scheme.as_str() {
        "https" => host.is_some_and(|url| url.has_host()) && !has_user && is_registered(&[uri.to_string()], uri),
        "http" => loopback && !has_user && is_registered(&[uri.to_string()], uri),
        other => other.contains('.') && is_registered(&[uri.to_string()], uri),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(registered: &str, asked: &str) -> bool {
        is_registered(&[registered.to_string()], asked)
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
    }

    #[test]
    fn parameters_are_added_after_those_that_are_there() {
        assert_eq!(with_params("https://a/cb", &[("code", "x y"), ("state", "a&b")]), "https://a/cb?code=x+y&state=a%26b");
        assert_eq!(with_params("https://a/cb?q=1", &[("code", "x")]), "https://a/cb?q=1&code=x");
        assert_eq!(with_params("https://a/cb?", &[("code", "x")]), "https://a/cb?code=x");
        assert!(is_assured("https://a/cb") && !is_assured("http://127.0.0.1/cb") && !is_assured("app:/cb"));
    }
}
