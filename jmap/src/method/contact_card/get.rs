// SPDX-License-Identifier: AGPL-3.0-or-later
//! ContactCard/get (RFC 9610 §3.1).

use std::collections::HashSet;

use hearth_mailstore::card;
use hearth_types::CardId;
use serde_json::{Map, Value};

use super::card::{Object, from_store};
use super::{media, openpgp};
use crate::ctx::Reading;
use crate::error::MethodError;
use crate::limits::OBJECTS_IN_GET_MAX;
use crate::method::args::Args;
use crate::method::get::{self, GetArgs};
use crate::request::Arguments;

/// Carries out the call.
pub fn run(reading: &mut Reading<'_, '_>, mut args: Args) -> Result<Arguments, MethodError> {
    let own = reading.caller.account;
    let GetArgs { ids, properties } = GetArgs::take(&mut args, own)?;
    args.finish()?;
    // A card may have properties that nobody here has heard of; those that it has not are left out.
    let properties: Option<HashSet<String>> = properties.map(|names| names.into_iter().chain(["id".to_string()]).collect());
    let wants_keys = properties.as_ref().is_some_and(|names| names.contains(openpgp::PROPERTY));
    let mut not_found = Vec::new();
    let ids = match ids {
        Some(ids) => GetArgs::parse_ids::<CardId>(ids, &mut not_found),
        // RFC 8620 §5.1: all, if they are not too many.
        None if card::count(reading.tx)? > OBJECTS_IN_GET_MAX => return Err(MethodError::RequestTooLarge),
        None => card::ids(reading.tx)?,
    };
    let (mut list, mut left) = (Vec::with_capacity(ids.len()), openpgp::Left::default());
    for id in ids {
        let Some(found) = card::find(reading.tx, id)? else {
            not_found.push(id.to_string());
            continue;
        };
        let mut object = from_store(&found.content)?;
        if wants_keys {
            object.insert(openpgp::PROPERTY.to_string(), openpgp::of_card(&object, &mut left)?);
        }
        media::show(&mut object, id);
        let object = to_wire(object, &found, properties.as_ref());
        reading.room.take(&object)?;
        list.push(object);
    }
    Ok(get::to_wire(own, reading.tx.modseq()?, list, not_found))
}

fn to_wire(mut object: Object, card: &card::Card, properties: Option<&HashSet<String>>) -> Value {
    object.insert("id".to_string(), card.id.to_string().into());
    object.insert("addressBookIds".to_string(), books_to_wire(card));
    object.into_iter().filter(|(name, _)| properties.is_none_or(|names| names.contains(name))).collect::<Map<_, _>>().into()
}

/// RFC 9610 §3 `addressBookIds`.
pub fn books_to_wire(card: &card::Card) -> Value {
    card.books.iter().map(|id| (id.to_string(), Value::Bool(true))).collect::<Map<_, _>>().into()
}
