// SPDX-License-Identifier: AGPL-3.0-or-later
//! SearchSnippet/get (RFC 8621 §5.1).

use hearth_mailstore::search;
use hearth_types::MessageId;
use serde_json::{Map, Value, json};

use crate::ctx::Reading;
use crate::error::MethodError;
use crate::limits::OBJECTS_IN_GET_MAX;
use crate::method::args::{Args, Id};
use crate::method::email::condition::{parse_email_filter, to_store};
use crate::method::get::GetArgs;
use crate::request::Arguments;

/// Carries out the call.
pub fn run(reading: &mut Reading<'_, '_>, mut args: Args) -> Result<Arguments, MethodError> {
    let own = reading.caller.account;
    args.check_account(own)?;
    let filter = args.take::<Map<String, Value>>("filter")?.map(Value::Object);
    let ids: Vec<Id> = args.need("emailIds")?;
    args.finish()?;
    if ids.len() > OBJECTS_IN_GET_MAX {
        return Err(MethodError::RequestTooLarge);
    }
    let filter = to_store(filter.map(parse_email_filter).transpose()?.as_ref(), reading.created);
    let mut not_found = Vec::new();
    let mut list = Vec::with_capacity(ids.len());
    for id in GetArgs::parse_ids::<MessageId>(ids, &mut not_found) {
        match search::snippet(reading.tx, id, &filter) {
            Ok((subject, preview)) => list.push(json!({ "emailId": id.to_string(), "subject": subject, "preview": preview })),
            Err(hearth_mailstore::Error::NoSuchMessage) => not_found.push(id.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Map::from_iter([
        ("accountId".to_string(), own.to_string().into()),
        ("list".to_string(), list.into()),
        // RFC 8621 §5.1: null when all were found.
        ("notFound".to_string(), if not_found.is_empty() { Value::Null } else { not_found.into() }),
    ]))
}
