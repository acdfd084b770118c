// SPDX-License-Identifier: AGPL-3.0-or-later
//! How sure the house is whose a certificate is, from what it holds and remembers. Nobody is asked: that is
//! [`Finding`](crate::finding::Finding).

use std::cmp::Reverse;

use hearth_types::{Address, Timestamp};

use super::shown::ShownIdentity;
use crate::directory::Directory;
use crate::error::Result;

/// Of 120: the house answers for the address itself, or the home that does, which it trusts.
const OF_OURS: u8 = 120;
/// Of 120: somebody answered a letter that only the key opened; whose address it is, nobody says.
const BY_LETTER: u8 = 60;

/// A certificate that is known for an address, and how sure the house is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Of the primary key.
    pub fingerprint: String,
    /// By which way: `local` when it is published here, else as [`Seen`](super::Seen) has it.
    pub source: String,
    /// Who was asked; empty for what is published here.
    pub via: String,
    /// How sure, 0 to 120 (complete).
    pub confidence: u8,
    /// Did its owner end it? Of one that is not published here nobody has looked.
    pub revoked: Option<bool>,
    /// When it was first found this way; of one that is published here it is not kept.
    pub first_seen_at: Option<Timestamp>,
    /// When it was last found this way.
    pub last_seen_at: Option<Timestamp>,
}

impl ShownIdentity {
    /// How sure the house is that the address is the owner's, 0 to 120.
    pub const fn confidence(&self) -> u8 {
        if self.is_ours || self.is_vouched { OF_OURS } else { BY_LETTER }
    }
}

impl Directory {
    /// What is published here for an address and what was found elsewhere so far, the surest first.
    pub async fn list_known_certs(&self, address: &Address) -> Result<Vec<Known>> {
        let shown = self.find_shown_certs_by_address(address).await?.into_iter().map(|shown| Known {
            confidence: shown.identities.iter().map(ShownIdentity::confidence).max().unwrap_or(0),
            fingerprint: shown.fingerprint,
            source: "local".to_string(),
            via: String::new(),
            revoked: Some(shown.revoked),
            first_seen_at: None,
            last_seen_at: None,
        });
        let mut all: Vec<Known> = shown.collect();
        all.extend(self.list_seen_certs(address).await?.into_iter().map(|seen| Known {
            fingerprint: seen.fingerprint,
            source: seen.source,
            via: seen.via,
            confidence: seen.confidence,
            revoked: None,
            first_seen_at: Some(seen.first_seen_at),
            last_seen_at: Some(seen.last_seen_at),
        }));
        all.sort_by_key(|known| (known.revoked == Some(true), Reverse(known.confidence)));
        Ok(all)
    }
}
