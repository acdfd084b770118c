// SPDX-License-Identifier: AGPL-3.0-or-later
//! The Web Key Service: publishing a certificate by mail, as GnuPG's and Kleopatra's clients do it
//! (draft-koch-openpgp-webkey-service-21 §4).
//!
//! A mail to `key-submission@D` brings a certificate, encrypted to that address's key. Each address in it that is
//! somebody's here is asked by a mail that only the key opens; whoever answers with the nonce has shown the mailbox and the
//! key, and the address is published in that certificate. Mails come from `hearth-smtp` by way of the directory; ours go
//! out as letters of the house.

/// The local part of the submission address.
pub const LOCAL_PART: &str = "key-submission";
/// What the directory calls its key.
pub const ROLE: &str = "submission";
