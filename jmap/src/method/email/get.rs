// SPDX-License-Identifier: AGPL-3.0-or-later
//! Email/get (RFC 8621 §4.2).

use std::collections::HashMap;

use hearth_mailstore::search::{self, Filter};
use hearth_mailstore::{Body, Summary, message};
use hearth_types::MessageId;
use serde_json::Value;

use super::object::{self, View};
use super::property::Wanted;
use crate::blob_id::BlobRef;
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
    let wanted = Wanted::take(&mut args, properties)?;
    args.finish()?;
    let mut not_found = Vec::new();
    let ids = match ids {
        Some(ids) => GetArgs::parse_ids::<MessageId>(ids, &mut not_found),
        None => all(reading)?,
    };
    let mut found: HashMap<MessageId, Summary> =
        message::summaries(reading.tx, &ids)?.into_iter().map(|summary| (summary.id, summary)).collect();
    let mut list = Vec::with_capacity(found.len());
    for id in ids {
        let Some(summary) = found.remove(&id) else {
            not_found.push(id.to_string());
            continue;
        };
        let body = if wanted.needs_body() { message::body(reading.tx, id)? } else { None };
        let object = show(&summary, body.as_ref(), &wanted)?;
        reading.room.take(&object)?;
        list.push(object);
    }
    Ok(get::to_wire(own, reading.tx.modseq()?, list, not_found))
}

/// RFC 8620 §5.1: `ids` of null are all, if they are not too many.
fn all(reading: &mut Reading<'_, '_>) -> Result<Vec<MessageId>, MethodError> {
    let found = search::query(reading.tx, &Filter::And(Vec::new()), &[])?;
    if found.len() > OBJECTS_IN_GET_MAX {
        return Err(MethodError::RequestTooLarge);
    }
    Ok(found.into_iter().map(|found| found.id).collect())
}

fn show(summary: &Summary, body: Option<&Body>, wanted: &Wanted) -> Result<Value, MethodError> {
    let view = View { parsed: &summary.parsed, summary: Some(summary), blob: BlobRef::message(summary.id), raw: body };
    object::to_wire(&view, wanted).map(Value::Object)
}
