// SPDX-License-Identifier: AGPL-3.0-or-later
//! Email/import (RFC 8621 §4.8): blobs become messages.

use std::sync::Arc;

use hearth_mailstore::{Content, Durability, FlagSet};
use hearth_types::Timestamp;
use hearth_wire::message::Header;
use hearth_wire::message::limits::HEADER_BYTES_MAX;
use serde_json::{Map, Value};

use super::header::split_header;
use super::object::parse_utc_date;
use super::patch::{parse_keywords, parse_mailbox_ids};
use super::set::{New, append_one};
use super::value::Raw;
use crate::blob;
use crate::blob_id::BlobRef;
use crate::ctx::{ChangeFuture, Changing, CreatedIds, Outcome};
use crate::error::{MethodError, SetError};
use crate::limits::OBJECTS_IN_SET_MAX;
use crate::method::args::Args;
use crate::method::set::{Done, check_in_state, errors, map_or_null, take_objects};
use crate::request::is_id;

/// RFC 8621 §4.8 EmailImport.
struct Import {
    blob: String,
    mailboxes: Vec<String>,
    keywords: FlagSet,
    received_at: Option<Timestamp>,
}

/// Carries out the call.
pub fn run(changing: Changing, mut args: Args) -> ChangeFuture {
    Box::pin(async move {
        let own = changing.caller.account;
        args.check_account(own)?;
        let if_in_state = args.take::<String>("ifInState")?;
        let emails = take_objects(&mut args, "emails", is_id)?;
        args.finish()?;
        if emails.len() > OBJECTS_IN_SET_MAX {
            return Err(MethodError::RequestTooLarge);
        }
        let (mut new, mut done) = (Vec::new(), Done::default());
        for (key, object) in emails {
            let prepared = match parse_import(object) {
                Ok(import) => prepare(&changing, &key, import).await?,
                Err(error) => Err(error),
            };
            match prepared {
                Ok(ready) => new.push(ready),
                Err(error) => done.not_created.push((key, error)),
            }
        }
        let mut ids = CreatedIds::clone(&changing.created);
        changing
            .house
            .store
            .write(own, Durability::Synced, move |tx| {
                let old_state = tx.modseq()?;
                check_in_state(if_in_state.as_deref(), old_state)?;
                for ready in new {
                    append_one(tx, ready, &mut ids, &mut done)?;
                }
                Ok::<_, MethodError>(to_wire(own.to_string(), old_state, tx.modseq()?, done))
            })
            .await
    })
}

fn parse_import(mut object: Map<String, Value>) -> Result<Import, SetError> {
    let blob = match object.remove("blobId") {
        Some(Value::String(id)) => id,
        _ => return Err(SetError::property("blobId", "it is missing, or not an id")),
    };
    let mailboxes = parse_mailbox_ids(&object.remove("mailboxIds").unwrap_or(Value::Null))?;
    let keywords = object.remove("keywords").map_or(Ok(Vec::new()), |value| parse_keywords(&value))?.into_iter().collect();
    let received_at = match object.remove("receivedAt") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let date = value.as_str().and_then(parse_utc_date);
            Some(date.ok_or_else(|| SetError::property("receivedAt", "not a UTCDate"))?)
        }
    };
    match object.keys().next() {
        Some(other) => Err(SetError::property(other, "there is no such property")),
        None => Ok(Import { blob, mailboxes, keywords, received_at }),
    }
}

async fn prepare(changing: &Changing, key: &str, import: Import) -> Result<Result<New, SetError>, MethodError> {
    let (house, own) = (&changing.house, changing.caller.account);
    let missing = || SetError::BlobNotFound(vec![import.blob.clone()]);
    let Some(blob) = BlobRef::parse(&import.blob) else {
        return Ok(Err(missing()));
    };
    let found = house
        .store
        .read(own, move |tx| {
            let Some(found) = blob::find(tx, &blob)? else { return Ok::<_, MethodError>(None) };
            let header = 0..HEADER_BYTES_MAX as u64;
            Ok(Some(match found.part {
                // All of what is stored: it is read in pieces when it is stored again.
                None => (Raw::range(&found.body, header)?, found.body.len(), Content::Source(Arc::new(found.body))),
                Some(_) => {
                    let octets = found.octets()?;
                    let start = octets.get(..octets.len().min(HEADER_BYTES_MAX)).unwrap_or_default().to_vec();
                    (start, octets.len() as u64, Content::Bytes(octets))
                }
            }))
        })
        .await?;
    let Some((start, size_bytes, content)) = found else {
        return Ok(Err(missing()));
    };
    if size_bytes > house.size_upload_bytes_max {
        return Ok(Err(SetError::TooLarge));
    }
    // RFC 8621 §4.8: what has no header at all is not a message.
    let fields = split_header(&start);
    if fields.is_empty() {
        return Ok(Err(SetError::InvalidEmail("it has no header field".to_string())));
    }
    // RFC 8621 §4.8 receivedAt: the newest Received field, else now.
    let newest = fields.iter().find(|field| field.is("Received")).and_then(|field| received_date(field.value));
    let received_at = import.received_at.or(newest).unwrap_or_else(|| house.clock.now());
    let prepared = house.store.prepare(own, content).await?;
    Ok(Ok(New { key: key.to_string(), prepared, mailboxes: import.mailboxes, keywords: import.keywords, received_at }))
}

/// RFC 5322 §3.6.7: the date-time stands behind the last semicolon.
fn received_date(value: &[u8]) -> Option<Timestamp> {
    let semicolon = value.iter().rposition(|&b| b == b';')?;
    let value = value.get(semicolon + 1..)?;
    Header { name: "Received", value, field: value }.date().map(|(at, _)| at)
}

fn to_wire(own: String, old_state: u64, new_state: u64, done: Done) -> Outcome {
    let id_of = |object: &Map<String, Value>| object.get("id").and_then(Value::as_str).map(str::to_string);
    let created = done.created.iter().filter_map(|(key, object)| Some((key.clone(), id_of(object)?))).collect();
    let arguments = Map::from_iter([
        ("accountId".to_string(), own.into()),
        ("oldState".to_string(), old_state.to_string().into()),
        ("newState".to_string(), new_state.to_string().into()),
        ("created".to_string(), map_or_null(done.created.into_iter().map(|(key, object)| (key, object.into())))),
        ("notCreated".to_string(), errors(done.not_created)),
    ]);
    Outcome { arguments, created }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_date_of_a_received_field() {
        let raw = b" from a by b; for c;\r\n Thu, 30 Oct 2014 14:12:00 +0800";
        assert_eq!(received_date(raw), Some(Timestamp::from_secs(1_414_649_520)));
        assert_eq!(received_date(b" from a by b"), None);
    }

    #[test]
    fn what_is_no_import() {
        let parse = |value: Value| parse_import(value.as_object().expect("an object").clone()).map(|import| import.blob);
        assert_eq!(parse(json!({"blobId": "u1", "mailboxIds": {"x": true}})), Ok("u1".into()));
        for wrong in [
            json!({"mailboxIds": {"x": true}}),
            json!({"blobId": "u1"}),
            json!({"blobId": "u1", "mailboxIds": {"x": true}, "receivedAt": "now"}),
            json!({"blobId": "u1", "mailboxIds": {"x": true}, "subject": "x"}),
        ] {
            assert_eq!(parse(wrong.clone()).expect_err("wrong").name(), "invalidProperties", "{wrong}");
        }
    }
}
