// SPDX-License-Identifier: AGPL-3.0-or-later
//! Passkeys (W3C Web Authentication, level 3): what a browser brings back from a device, checked.
//!
//! Pure but for the random part of a challenge. We ask for no attestation and look at none: whose
//! factory a device left is nothing to a household. So what is left of the standard is small: three
//! kinds of key ([`key`]), a corner of CBOR ([`cbor`]), and two ceremonies ([`ceremony`]).

pub mod cbor;
pub mod ceremony;
pub mod challenge;
pub mod key;

use url::Url;

/// The relying party's id: the host of the issuer. A passkey that is made for it works nowhere else.
pub fn rp_id(issuer: &str) -> String {
    Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_string)).unwrap_or_default()
}
