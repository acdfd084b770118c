// SPDX-License-Identifier: AGPL-3.0-or-later
//! Thread/get (RFC 8621 §3.1).

use hearth_mailstore::thread;
use hearth_types::ThreadId;
use serde_json::{Map, Value};

use crate::ctx::Reading;
use crate::error::MethodError;
use crate::method::args::Args;
use crate::method::get::{self, GetArgs};
use crate::request::Arguments;

/// Carries out the call.
pub fn run(reading: &mut Reading<'_, '_>, mut args: Args) -> Result<Arguments, MethodError> {
    let own = reading.caller.account;
    let GetArgs { ids, properties } = GetArgs::take(&mut args, own)?;
    args.finish()?;
    let properties = get::check_properties(properties.as_deref(), &["id", "emailIds"])?;
    // RFC 8620 §5.1: all of them are more than one answer should hold.
    let ids = ids.ok_or(MethodError::RequestTooLarge)?;
    let mut not_found = Vec::new();
    let mut list = Vec::with_capacity(ids.len());
    for id in GetArgs::parse_ids::<ThreadId>(ids, &mut not_found) {
        let Some(messages) = thread::find(reading.tx, id)? else {
            not_found.push(id.to_string());
            continue;
        };
        let mut object = Map::new();
        object.insert("id".to_string(), id.to_string().into());
        if properties.contains("emailIds") {
            object.insert("emailIds".to_string(), messages.iter().map(|id| Value::from(id.to_string())).collect());
        }
        list.push(Value::Object(object));
    }
    Ok(get::to_wire(own, reading.tx.modseq()?, list, not_found))
}
