// SPDX-License-Identifier: AGPL-3.0-or-later
//! A property of ours: what the house knows of the OpenPGP certificates of a card's addresses, and how sure it is that
//! they are theirs. It is shown to those who ask for it by name, and nobody can set it.

use hearth_identity::certs::Known;
use hearth_types::Address;
use serde_json::{Map, Value, json};

use super::card::{Object, addresses};
use crate::ctx::{FillFuture, House, Room};
use crate::error::MethodError;
use crate::limits::OPENPGP_ADDRESSES_MAX;
use crate::method::email::object::utc_date;
use crate::request::Arguments;

/// Its name, with a prefix as RFC 9553 §1.8.1 demands.
pub const PROPERTY: &str = "home.hearth:openpgp";

/// Addresses that one call may still ask for.
pub struct Left(usize);

impl Default for Left {
    fn default() -> Self {
        Self(OPENPGP_ADDRESSES_MAX)
    }
}

/// The property of one card before it is filled in: the addresses to ask for. A list is never what a client sees.
pub fn of_card(card: &Object, left: &mut Left) -> Result<Value, MethodError> {
    let asked: Vec<&str> = addresses(card).filter(|text| Address::parse(text).is_ok()).collect();
    left.0 = left.0.checked_sub(asked.len()).ok_or(MethodError::RequestTooLarge)?;
    Ok(asked.into())
}

/// Puts certificates by address, the surest first, in the place of the addresses. Reads the directory.
pub fn fill<'r>(house: &'r House, mut response: Arguments, room: &'r mut Room) -> FillFuture<'r> {
    Box::pin(async move {
        let cards = response.get_mut("list").and_then(Value::as_array_mut).into_iter().flatten();
        for property in cards.filter_map(|card| card.get_mut(PROPERTY)) {
            let Value::Array(asked) = property.take() else { continue };
            let mut all = Map::new();
            for text in asked.iter().filter_map(Value::as_str) {
                let Ok(address) = Address::parse(text) else { continue };
                let known = house.directory.list_known_certs(&address).await;
                let known = known.map_err(|error| MethodError::ours(&hearth_types::Trouble::from(error)))?;
                all.insert(text.to_string(), known.iter().map(to_wire).collect());
            }
            *property = Value::Object(all);
            room.take(property)?;
        }
        Ok(response)
    })
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
