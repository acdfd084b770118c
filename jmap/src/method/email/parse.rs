// SPDX-License-Identifier: AGPL-3.0-or-later
//! Email/parse (RFC 8621 §4.9): blobs looked at as messages.

use serde_json::{Map, Value};

use super::object::{self, View};
use super::property::Wanted;
use crate::blob;
use crate::blob_id::BlobRef;
use crate::ctx::Reading;
use crate::error::MethodError;
use crate::limits::OBJECTS_IN_GET_MAX;
use crate::method::args::{Args, Id};
use crate::method::set::map_or_null;
use crate::request::Arguments;

/// Carries out the call.
pub fn run(reading: &mut Reading<'_, '_>, mut args: Args) -> Result<Arguments, MethodError> {
    let own = reading.caller.account;
    args.check_account(own)?;
    let ids: Vec<Id> = args.need("blobIds")?;
    let wanted = Wanted::take_for_parse(&mut args)?;
    args.finish()?;
    if ids.len() > OBJECTS_IN_GET_MAX {
        return Err(MethodError::RequestTooLarge);
    }
    let (mut parsed, mut not_parsable, mut not_found) = (Vec::new(), Vec::new(), Vec::new());
    for Id(id) in ids {
        let Some(found) = BlobRef::parse(&id).map(|blob| blob::find(reading.tx, &blob)).transpose()?.flatten() else {
            not_found.push(id);
            continue;
        };
        let octets = found.octets()?;
        let message = hearth_wire::message::parse(&octets);
        if message.structure.header.is_empty() {
            not_parsable.push(id);
            continue;
        }
        let view = View { parsed: &message, summary: None, blob: found.blob.clone(), raw: Some(&octets) };
        let object = Value::Object(object::to_wire(&view, &wanted)?);
        reading.room.take(&object)?;
        parsed.push((id, object));
    }
    let list = |ids: Vec<String>| if ids.is_empty() { Value::Null } else { ids.into() };
    Ok(Map::from_iter([
        ("accountId".to_string(), own.to_string().into()),
        ("parsed".to_string(), map_or_null(parsed)),
        ("notParsable".to_string(), list(not_parsable)),
        ("notFound".to_string(), list(not_found)),
    ]))
}
