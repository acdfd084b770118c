// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound of this server. What a stranger sends is measured against these before it is believed.
//!
//! No standard sets minimums here; the figures leave room for the largest real certificates
//! (post-quantum signatures of RFC 9980 take up to 50 KB each) and for households, not for keyrings.

use std::time::Duration;

pub use hearth_openpgp::limits::*;

/// Parts of a `multipart/form-data` body.
pub const FORM_PARTS_MAX: usize = 16;
/// Octets of the header of one such part.
pub const FORM_PART_HEAD_BYTES_MAX: usize = 4096;

/// Submissions that are worked on at the same time.
pub const INTAKES_AT_ONCE_MAX: usize = 1;
/// How long a submission waits for its turn before it is asked to come again.
pub const INTAKE_WAIT_MAX: Duration = Duration::from_secs(5);
/// Letters of a query (`search=`); no address and no fingerprint is longer.
pub const SEARCH_BYTES_MAX: usize = 512;

/// Peers whose look-ups are counted at the same time.
pub const PEERS_MAX: usize = 4096;
/// Look-ups by address: after this many at once from one peer ...
pub const BY_ADDRESS_BURST: u32 = 50;
/// ... one more each time this has passed.
pub const BY_ADDRESS_EVERY: Duration = Duration::from_secs(60);
/// Look-ups by WKD name: mail programs ask once per correspondent and are often many behind one address.
pub const BY_WKD_NAME_BURST: u32 = 200;
/// One more look-up by WKD name each time this has passed.
pub const BY_WKD_NAME_EVERY: Duration = Duration::from_secs(2);
/// Look-ups by fingerprint or key id tell nobody who lives here.
pub const BY_KEY_BURST: u32 = 1000;
/// One more look-up by key each time this has passed.
pub const BY_KEY_EVERY: Duration = Duration::from_millis(200);
/// Submissions from one peer.
pub const UPLOAD_BURST: u32 = 20;
/// One more submission each time this has passed.
pub const UPLOAD_EVERY: Duration = Duration::from_secs(30);
/// Who asks for a letter is answered after this and not sooner: long enough to write one, so that the time does not tell
/// whether one was written.
pub const LETTER_ANSWERED_AFTER: Duration = Duration::from_millis(400);
/// Octets of a request body: a submission whose every octet beyond the letters and digits is percent-escaped.
pub const BODY_BYTES_MAX: usize = UPLOAD_BYTES_MAX / 2 * 3;

/// Octets of one answer of a home or a key server that we ask.
pub const FETCH_BYTES_MAX: usize = 256 << 10;
/// How long one such question may take, DNS and all: who does not answer by then is passed over.
pub const ASKED_WITHIN: Duration = Duration::from_secs(5);
/// How long all of them may take, whoever they are.
pub const FOUND_WITHIN: Duration = Duration::from_secs(10);
/// Redirects that are followed.
pub const FETCH_REDIRECTS_MAX: usize = 3;
/// Friends that are asked for one address.
pub const FRIENDS_ASKED_MAX: usize = 8;
/// Certificates of one answer that are looked at.
pub const FOUND_MAX: usize = 8;
/// What was found so recently is not asked for again.
pub const FOUND_FRESH_FOR: Duration = Duration::from_secs(3600);
/// Octets of the field with which they sign in (RFC 9110 §11.6.2).
pub const AUTHORIZATION_BYTES_MAX: usize = 8192;
/// Look-ups of our own people at the same time.
pub const FINDS_AT_ONCE_MAX: usize = 8;

/// Connections of the account page that are open at the same time.
pub const FINDERS_MAX: usize = 32;
/// How long one of them may take, the look-up and both frames.
pub const FINDER_WITHIN: Duration = Duration::from_secs(14);

/// Octets of what is in an encrypted mail of the Web Key Service.
pub const WKS_OPENED_BYTES_MAX: usize = 512 << 10;
/// Session keys of one such mail that are tried.
pub const WKS_SESSION_KEYS_MAX: usize = 8;
/// Addresses of one certificate that are asked.
pub const WKS_ADDRESSES_MAX: usize = 4;
