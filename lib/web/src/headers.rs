// SPDX-License-Identifier: AGPL-3.0-or-later
//! The header fields that every answer wears, unless its handler chose its own.

use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderName, HeaderValue};

/// Pages load our stylesheet and images, run no script, and are framed by nobody.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

const WORN: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    // Not `no-referrer`: with it a browser sends `Origin: null` with our own forms (Fetch, "append a request Origin header").
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    // What may be kept says so itself.
    (CACHE_CONTROL, "no-store"),
];

/// Adds what is missing.
pub async fn dress(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in &WORN {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The policy of a page whose form may end in a redirect to another site.
///
/// Chromium holds the redirects that follow a form to `form-action` too, and what a client's page
/// does next is its own business; so every `https:` is let through, and `scheme` besides (a loopback
/// `http`, an app's own). `scheme` comes from a registered redirect URI; another text adds nothing.
pub fn policy_for_leaving(scheme: &str) -> HeaderValue {
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let leaving = if is_scheme { format!("{POLICY} https: {scheme}:") } else { POLICY.to_string() };
    HeaderValue::from_str(&leaving).unwrap_or(HeaderValue::from_static(POLICY))
}

/// The policy of a page that loads a script of ours, and whose form may lead elsewhere.
pub fn policy_with_script(leaving_by: Option<&str>) -> HeaderValue {
    let policy = leaving_by.map_or(HeaderValue::from_static(POLICY), policy_for_leaving);
    let text = format!("script-src 'self'; {}", policy.to_str().unwrap_or(POLICY));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(POLICY))
}

/// The policy of a page that loads a script of ours, and pages of these origins in frames.
pub fn policy_with_frames(origins: &[&str]) -> HeaderValue {
    let sound = |origin: &&&str| origin.bytes().all(|b| b.is_ascii_alphanumeric() || b":/.-[]".contains(&b));
    let origins: Vec<&str> = origins.iter().filter(sound).copied().collect();
    let text =
        format!("frame-src {}; script-src 'self'; {POLICY}", if origins.is_empty() { "'none'".into() } else { origins.join(" ") });
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(POLICY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn dressed_but_not_over_what_is_worn() {
        let mut response = Response::new(axum::body::Body::empty());
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
        let response = dress(response).await;
        assert_eq!(response.headers()["cache-control"], "max-age=60");
        assert_eq!(response.headers()["x-frame-options"], "DENY");
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe") && !policy.contains("script"));
    }

    #[test]
    fn a_scheme_is_added_and_nothing_else() {
        assert!(policy_for_leaving("http").to_str().unwrap().ends_with("form-action 'self' https: http:"));
        assert!(policy_for_leaving("app.immich").to_str().unwrap().ends_with(" app.immich:"));
        let framed = policy_with_frames(&["https://a.example:8443", "https://b.example; script-src *"]);
        assert_eq!(framed.to_str().unwrap(), format!("frame-src https://a.example:8443; script-src 'self'; {POLICY}"));
        let with_script = policy_with_script(Some("x; script-src *"));
        assert_eq!(with_script.to_str().unwrap(), format!("script-src 'self'; {POLICY}"));
        assert!(policy_with_script(Some("http")).to_str().unwrap().ends_with("https: http:"));
        for bad in ["", "x; script-src *", "x y", "http:", "ä"] {
            assert_eq!(policy_for_leaving(bad), POLICY, "{bad:?}");
        }
    }
}
