// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound of this room. What a stranger sends is measured against these before it is believed.
//!
//! No standard sets minimums here; the figures leave room for the largest real certificates
//! (post-quantum signatures of RFC 9980 take up to 50 KB each) and for households, not for keyrings.

use std::time::Duration;

/// Octets of one submission, armour included: a flooded certificate with 10,000 foreign certifications still fits, so
/// that a revocation appended to it is taken.
pub const UPLOAD_BYTES_MAX: usize = 4 << 20;
/// Certificates and bare revocations in one submission.
pub const UPLOAD_CERTS_MAX: usize = 16;
/// Armoured blocks in one submission.
pub const ARMOR_BLOCKS_MAX: usize = 16;
/// Packets of one submission that are looked at.
pub const PACKETS_MAX: usize = 16_384;
/// Octets of one packet; larger ones are left out. SLH-DSA-256s signatures have 29,792.
pub const PACKET_BYTES_MAX: u32 = 65_536;
/// Octets of a user id; longer ones are left out.
pub const USER_ID_BYTES_MAX: usize = 1024;
/// User ids of one certificate; further ones are left out.
pub const USER_IDS_MAX: usize = 32;
/// Subkeys of one certificate; the newest are kept.
pub const SUBKEYS_MAX: usize = 32;
/// Signatures of one kind on one component (a key or a user id) whose arithmetic is done.
pub const CANDIDATES_MAX: usize = 8;
/// Signatures of one certificate whose arithmetic is done: one revocation and one binding on every component at least.
pub const SIGNATURES_MAX: usize = 160;
/// Bits of an RSA key that signs; the arithmetic of larger ones is not done here.
pub const RSA_BITS_MAX: usize = 4096;
/// Bits of a DSA key (FIPS 186-4 §4.2 has no larger ones).
pub const DSA_BITS_MAX: usize = 3072;
/// Bits of the order of a DSA key (FIPS 186-4 §4.2).
pub const DSA_ORDER_BITS_MAX: usize = 256;
/// Verified self-signatures kept on one component: the newest.
pub const SELF_SIGNATURES_MAX: usize = 4;
/// Verified revocations kept on one component: the oldest, because they count from then on.
pub const REVOCATIONS_MAX: usize = 4;
/// Octets of one certificate as we keep it.
pub const CERT_BYTES_MAX: usize = 256 << 10;
/// How far ahead of our clock a signature may say it was made.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(24 * 3600);
/// Certifications by others that are kept on one user id, when its owner approved of them.
pub const APPROVED_MAX: usize = 16;
/// Octets of one such certification.
pub const APPROVED_BYTES_MAX: usize = 4096;
/// Certifications of one certificate that was found elsewhere, by those whom we know, that are looked at.
pub const CERTIFICATIONS_MAX: usize = 64;
/// Addresses of one certificate for which a home's word is weighed ...
pub const VOUCHED_ADDRESSES_MAX: usize = 4;
/// ... and how many words of it on each.
pub const VOUCHES_MAX: usize = 2;
