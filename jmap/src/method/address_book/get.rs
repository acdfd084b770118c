// SPDX-License-Identifier: AGPL-3.0-or-later
//! AddressBook/get (RFC 9610 §2.1).

use std::collections::HashSet;

use hearth_mailstore::address_book::{self, AddressBook};
use hearth_types::AddressBookId;
use serde_json::{Map, Value, json};

use crate::ctx::Reading;
use crate::error::MethodError;
use crate::method::args::Args;
use crate::method::get::{self, GetArgs};
use crate::request::Arguments;

/// RFC 9610 §2: every property of an AddressBook.
pub const PROPERTIES: &[&str] = &["id", "name", "description", "sortOrder", "isDefault", "isSubscribed", "shareWith", "myRights"];

/// Carries out the call.
pub fn run(reading: &mut Reading<'_, '_>, mut args: Args) -> Result<Arguments, MethodError> {
    let own = reading.caller.account;
    let GetArgs { ids, properties } = GetArgs::take(&mut args, own)?;
    args.finish()?;
    let properties = get::check_properties(properties.as_deref(), PROPERTIES)?;
    let (mut not_found, mut all) = (Vec::new(), address_book::list(reading.tx)?);
    if let Some(ids) = ids {
        let wanted = GetArgs::parse_ids::<AddressBookId>(ids, &mut not_found);
        let is_there = |id: &&AddressBookId| !all.iter().any(|book| book.id == **id);
        not_found.extend(wanted.iter().filter(is_there).map(ToString::to_string));
        all.retain(|book| wanted.contains(&book.id));
    }
    let list = all.iter().map(|book| to_wire(book, &properties)).collect();
    Ok(get::to_wire(own, reading.tx.modseq()?, list, not_found))
}

/// An AddressBook.
pub fn to_wire(book: &AddressBook, properties: &HashSet<&'static str>) -> Value {
    let value = |property: &str| -> Value {
        match property {
            "id" => book.id.to_string().into(),
            "name" => book.name.as_str().into(),
            "description" => book.description.clone().into(),
            "sortOrder" => book.sort_order.into(),
            "isDefault" => book.is_default.into(),
            "isSubscribed" => book.subscribed.into(),
            "myRights" => rights(book),
            // RFC 9610 §2 `shareWith`: nobody shares an address book here.
            _ => Value::Null,
        }
    };
    properties.iter().map(|&property| (property.to_string(), value(property))).collect::<Map<_, _>>().into()
}

/// RFC 9610 §2 `myRights`: it is the person's own; the default stays, and there is nobody to share with.
pub fn rights(book: &AddressBook) -> Value {
    json!({ "mayRead": true, "mayWrite": true, "mayShare": false, "mayDelete": !book.is_default })
}
