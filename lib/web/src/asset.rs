// SPDX-License-Identifier: AGPL-3.0-or-later
//! The stylesheet and the icon of our pages, from the binary.

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

const STYLESHEET: &str = include_str!("../assets/hearth.css");
const ICON: &str = include_str!("../assets/hearth.svg");

/// A query that changes with the content, so that what is kept for a year is never stale.
pub const fn fingerprint(text: &str) -> u32 {
    // FNV-1a.
    let (bytes, mut hash, mut at) = (text.as_bytes(), 0x811c_9dc5_u32, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash
}

/// Where pages find the stylesheet.
pub fn stylesheet_path() -> String {
    const PRINT: u32 = fingerprint(STYLESHEET);
    format!("/assets/hearth.css?v={PRINT:08x}")
}

/// Where pages find the icon.
pub fn icon_path() -> String {
    const PRINT: u32 = fingerprint(ICON);
    format!("/assets/hearth.svg?v={PRINT:08x}")
}

/// The routes `/assets/...`, to be merged into a router with pages.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/assets/hearth.css", get(|| async { kept("text/css; charset=utf-8", STYLESHEET) }))
        .route("/assets/hearth.svg", get(|| async { kept("image/svg+xml", ICON) }))
}

/// An asset that may be kept for a year, under an address that bears its [`fingerprint`].
pub fn kept(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")], text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_print_follows_the_content() {
        assert_eq!(fingerprint(""), 0x811c_9dc5);
        assert_eq!(fingerprint("a"), 0xe40c_292c);
        assert!(stylesheet_path().starts_with("/assets/hearth.css?v="));
        assert!(icon_path().starts_with("/assets/hearth.svg?v="));
    }

    #[test]
    fn the_stylesheet_asks_nobody_else() {
        assert!(!STYLESHEET.contains("http") && !STYLESHEET.contains("@import"));
    }
}
