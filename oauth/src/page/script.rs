// SPDX-License-Identifier: AGPL-3.0-or-later
//! The scripts of our pages: files of ours, at addresses of ours; nothing inline.

use hearth_web::asset::{fingerprint, kept};
use hearth_web::axum::Router;
use hearth_web::axum::routing::get;

const PASSKEY: &str = include_str!("../../assets/passkey.js");
const COPY: &str = include_str!("../../assets/copy.js");
const CONTINUE: &str = include_str!("../../assets/continue.js");
const KEY: &str = include_str!("../../assets/key.js");
const KIND: &str = "text/javascript; charset=utf-8";

/// Where pages find the script for passkeys.
pub fn passkey_path() -> String {
    const PRINT: u32 = fingerprint(PASSKEY);
    format!("/assets/passkey.js?v={PRINT:08x}")
}

/// Where pages find the script that copies.
pub fn copy_path() -> String {
    const PRINT: u32 = fingerprint(COPY);
    format!("/assets/copy.js?v={PRINT:08x}")
}

/// Where pages find the script that goes on by itself.
pub fn continue_path() -> String {
    const PRINT: u32 = fingerprint(CONTINUE);
    format!("/assets/continue.js?v={PRINT:08x}")
}

/// Where pages find the script that makes OpenPGP keys.
pub fn key_path() -> String {
    const PRINT: u32 = fingerprint(KEY);
    format!("/assets/key.js?v={PRINT:08x}")
}

/// The routes.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/assets/passkey.js", get(|| async { kept(KIND, PASSKEY) }))
        .route("/assets/copy.js", get(|| async { kept(KIND, COPY) }))
        .route("/assets/key.js", get(|| async { kept(KIND, KEY) }))
        .route("/assets/continue.js", get(|| async { kept(KIND, CONTINUE) }))
}
