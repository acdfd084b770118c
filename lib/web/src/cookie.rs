// SPDX-License-Identifier: AGPL-3.0-or-later
//! Cookies: one shape, the strictest (RFC 6265, and the `__Host-` prefix of its successor).

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

/// The value of the cookie `name`, when the client sent it. The name bears the prefix `__Host-`, so
/// no other host of the domain can have set it.
pub fn find<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// A `Set-Cookie` field: for this host alone, over TLS alone, out of reach of scripts, not sent with
/// what other sites post. Without `keep_for` it ends with the browser.
///
/// `name` begins with `__Host-`, `value` is base64url or the like; anything else gives `None`.
pub fn set(name: &str, value: &str, keep_for: Option<Duration>) -> Option<HeaderValue> {
    let is_token = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !name.starts_with("__Host-") || !is_token(name) || !is_token(value) {
        return None;
    }
    let age = keep_for.map(|age| format!("; Max-Age={}", age.as_secs())).unwrap_or_default();
    HeaderValue::from_str(&format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}")).ok()
}

/// A `Set-Cookie` field that ends the cookie.
pub fn remove(name: &str) -> Option<HeaderValue> {
    set(name, "", Some(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", "a=b; __Host-session=xyz;c=d".parse().unwrap());
        headers.append("cookie", "__Host-visit=v".parse().unwrap());
        assert_eq!(find(&headers, "__Host-session"), Some("xyz"));
        assert_eq!(find(&headers, "__Host-visit"), Some("v"));
        assert_eq!(find(&headers, "session"), None);
    }

    #[test]
    fn set_strictly_or_not_at_all() {
        let field = set("__Host-session", "x-Y_1", Some(Duration::from_secs(60))).unwrap();
        assert_eq!(field, "__Host-session=x-Y_1; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60");
        assert_eq!(remove("__Host-s").unwrap(), "__Host-s=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
        assert_eq!(set("session", "x", None), None);
        assert_eq!(set("__Host-s", "x; Domain=evil", None), None);
    }
}
