// SPDX-License-Identifier: AGPL-3.0-or-later
//! Links that prove that somebody reads what comes to an address: they go there in a letter, and count for who is signed in as
//! the one who asked. Nothing is stored: a link says what it is for, under a hash that only we can make.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_identity::grants::hash_token;
use hearth_types::{AccountId, Address, Timestamp, Trouble, constant_time_eq};

use crate::ctx::Ctx;
use crate::limits::{CONTACT_LETTER_EVERY, CONTACT_PROOF_WITHIN};

/// What an address is proven for.
#[derive(Clone, Copy)]
pub(super) enum Proof {
    /// Letters about the safety of the account.
    Contact,
    /// All mail, without a copy here.
    Forward,
}

impl Proof {
    const fn name(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Forward => "forward",
        }
    }

    /// May a letter be written? Nobody writes to strangers through these pages.
    pub(super) async fn may_ask(self, ctx: &Ctx, account: AccountId) -> Result<bool, Trouble> {
        let turn = hash_token(&format!("{} {account}", self.name()));
        Ok(ctx.directory.see_once("contact", turn, CONTACT_LETTER_EVERY).await?)
    }

    /// Says whose the address is to be, and until when.
    pub(super) fn token(self, ctx: &Ctx, account: AccountId, address: &Address) -> String {
        let head = format!("{}.{}.{address}", account.as_i64(), ctx.now().after(CONTACT_PROOF_WITHIN).millis());
        URL_SAFE_NO_PAD.encode([self.seal(ctx, &head).as_slice(), head.as_bytes()].concat())
    }

    fn seal(self, ctx: &Ctx, head: &str) -> [u8; 32] {
        ctx.vault().keyed_hash(self.name(), head.as_bytes())
    }

    /// The address that a link proves to be this person's.
    pub(super) fn read(self, ctx: &Ctx, account: AccountId, token: &str) -> Option<Address> {
        let octets = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (sealed, head) = octets.split_first_chunk::<32>()?;
        let head = std::str::from_utf8(head).ok()?;
        if !constant_time_eq(sealed, &self.seal(ctx, head)) {
            return None;
        }
        let (owner, rest) = head.split_once('.')?;
        let (ends, address) = rest.split_once('.')?;
        let is_theirs = owner.parse() == Ok(account.as_i64());
        let is_early = ctx.now() < Timestamp::from_millis(ends.parse().ok()?);
        if is_theirs && is_early { Address::parse(address).ok() } else { None }
    }
}
