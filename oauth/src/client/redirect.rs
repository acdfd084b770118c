// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where an answer is sent, and with what. Which addresses a client may have: [`hearth_identity::grants::redirect_uri`].

use url::form_urlencoded;

pub use hearth_identity::grants::redirect_uri::{check, is_loopback, is_registered, scheme};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_added_after_those_that_are_there() {
        assert_eq!(with_params("https://a/cb", &[("code", "x y"), ("state", "a&b")]), "https://a/cb?code=x+y&state=a%26b");
        assert_eq!(with_params("https://a/cb?q=1", &[("code", "x")]), "https://a/cb?q=1&code=x");
        assert_eq!(with_params("https://a/cb?", &[("code", "x")]), "https://a/cb?code=x");
        assert!(is_assured("https://a/cb") && !is_assured("http://127.0.0.1/cb") && !is_assured("app:/cb"));
    }
}
