// SPDX-License-Identifier: AGPL-3.0-or-later
//! A property of ours: what the house knows of the OpenPGP certificates of a card's addresses, and how sure it is that
//! they are theirs. It is shown to those who ask for it by name, and nobody can set it.

use hearth_identity::certs::Known;
use hearth_types::Address;
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;

use super::card::{Object, addresses};
use crate::ctx::House;
use crate::error::MethodError;
use crate::limits::OPENPGP_ADDRESSES_MAX;
use crate::method::email::object::utc_date;

/// Its name, with a prefix as RFC 9553 §1.8.1 demands.
pub const PROPERTY: &str = "home.hearth:openpgp";

/// Addresses that one call may still ask for.
pub struct Left(usize);

impl Default for Left {
    fn default() -> Self {
        Self(OPENPGP_ADDRESSES_MAX)
    }
}

/// The property of one card: certificates by address, the surest first. Reads the directory, and blocks meanwhile.
pub fn of_card(house: &House, card: &Object, left: &mut Left) -> Result<Value, MethodError> {
    let mut all = Map::new();
    for text in addresses(card) {
        let Ok(address) = Address::parse(text) else { continue };
        left.0 = left.0.checked_sub(1).ok_or(MethodError::RequestTooLarge)?;
        let known = Handle::current().block_on(house.directory.list_known_certs(&address));
        let known = known.map_err(|error| MethodError::ours(&hearth_types::Trouble::from(error)))?;
        all.insert(text.to_string(), known.iter().map(to_wire).collect());
    }
    Ok(Value::Object(all))
}

fn to_wire(known: &Known) -> Value {
    json!({
        "fingerprint": known.fingerprint,
        "source": known.source,
        "via": if known.via.is_empty() { Value::Null } else { known.via.as_str().into() },
        "confidence": known.confidence,
        "isRevoked": known.revoked,
        "firstSeen": known.first_seen_at.map(utc_date),
        "lastSeen": known.last_seen_at.map(utc_date),
    })
}
