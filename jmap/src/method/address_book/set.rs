// SPDX-License-Identifier: AGPL-3.0-or-later
//! AddressBook/set (RFC 9610 §2.3): one transaction for the whole call.

use hearth_mailstore::MailTx;
use hearth_mailstore::address_book::{self, Change};
use hearth_types::AddressBookId;
use serde_json::{Map, Value, json};

use super::get::{PROPERTIES, rights, to_wire};
use crate::ctx::{ChangeFuture, Changing, CreatedIds};
use crate::error::{MethodError, SetError};
use crate::method::args::Args;
use crate::method::set::{Done, SetArgs, resolve_id};

/// Carries out the call.
pub fn run(changing: Changing, mut args: Args) -> ChangeFuture {
    Box::pin(async move {
        let set = SetArgs::take(&mut args, changing.caller.account)?;
        let with_contents = args.take("onDestroyRemoveContents")?.unwrap_or(false);
        let default = args.take::<String>("onSuccessSetIsDefault")?;
        args.finish()?;
        changing.set_at_once(set, move |tx, set, ids| apply(tx, set, ids, with_contents, default)).await
    })
}

fn apply(
    tx: &mut MailTx<'_>,
    set: SetArgs,
    mut ids: CreatedIds,
    with_contents: bool,
    default: Option<String>,
) -> Result<Done, MethodError> {
    let mut done = Done::default();
    for (key, object) in set.create {
        match create_one(tx, object)? {
            Ok((id, object)) => {
                ids.insert(key.clone(), id.to_string());
                done.created.push((key, object));
            }
            Err(error) => done.not_created.push((key, error)),
        }
    }
    for (key, patch) in set.update {
        match update_one(tx, &key, patch, &set.destroy, &ids)? {
            Ok(id) => done.updated.push((id, Value::Null)),
            Err(error) => done.not_updated.push((key, error)),
        }
    }
    for key in set.destroy {
        match destroy_one(tx, &key, with_contents, &ids)? {
            Ok(id) => done.destroyed.push(id),
            Err(error) => done.not_destroyed.push((key, error)),
        }
    }
    let is_success = done.not_created.is_empty() && done.not_updated.is_empty() && done.not_destroyed.is_empty();
    if let Some(key) = default.filter(|_| is_success) {
        set_default(tx, &key, &ids, &mut done)?;
    }
    Ok(done)
}

type Created = (AddressBookId, Map<String, Value>);

fn create_one(tx: &mut MailTx<'_>, object: Map<String, Value>) -> Result<Result<Created, SetError>, MethodError> {
    let new = match parse_properties(object) {
        Ok(Change { name: None, .. }) => return Ok(Err(SetError::property("name", "it is missing"))),
        Ok(new) => new,
        Err(error) => return Ok(Err(error)),
    };
    let book = match address_book::add(tx, new) {
        Ok(book) => book,
        Err(error) => return SetError::from_store(error).map(Err),
    };
    // RFC 8620 §5.3: what the server set, or what was left out.
    let object = json!({
        "id": book.id.to_string(),
        "description": book.description,
        "sortOrder": book.sort_order,
        "isDefault": book.is_default,
        "isSubscribed": book.subscribed,
        "shareWith": null,
        "myRights": rights(&book),
    });
    Ok(Ok((book.id, object.as_object().cloned().unwrap_or_default())))
}

fn update_one(
    tx: &mut MailTx<'_>,
    key: &str,
    mut patch: Map<String, Value>,
    destroy: &[String],
    ids: &CreatedIds,
) -> Result<Result<String, SetError>, MethodError> {
    if destroy.iter().any(|id| id == key) {
        return Ok(Err(SetError::WillDestroy));
    }
    let Some(id) = find_id(key, ids) else { return Ok(Err(SetError::NotFound)) };
    let Some(book) = address_book::find(tx, id)? else { return Ok(Err(SetError::NotFound)) };
    // RFC 8620 §5.3: a client may say again what it cannot change.
    let now = to_wire(&book, &PROPERTIES.iter().copied().collect());
    patch.retain(|name, value| now.get(name) != Some(value));
    let change = match parse_properties(patch) {
        Ok(change) => change,
        Err(error) => return Ok(Err(error)),
    };
    match address_book::change(tx, id, change) {
        Ok(()) => Ok(Ok(id.to_string())),
        Err(error) => SetError::from_store(error).map(Err),
    }
}

fn destroy_one(
    tx: &mut MailTx<'_>,
    key: &str,
    with_contents: bool,
    ids: &CreatedIds,
) -> Result<Result<String, SetError>, MethodError> {
    let Some(id) = find_id(key, ids) else { return Ok(Err(SetError::NotFound)) };
    match address_book::remove(tx, id, with_contents) {
        Ok(()) => Ok(Ok(id.to_string())),
        Err(error) => SetError::from_store(error).map(Err),
    }
}

fn find_id(key: &str, ids: &CreatedIds) -> Option<AddressBookId> {
    resolve_id(key, ids).and_then(|id| id.parse().ok())
}

/// RFC 9610 §2.3 onSuccessSetIsDefault: one that is not there is passed over; what changed is told.
fn set_default(tx: &mut MailTx<'_>, key: &str, ids: &CreatedIds, done: &mut Done) -> Result<(), MethodError> {
    let Some(id) = find_id(key, ids) else { return Ok(()) };
    if address_book::find(tx, id)?.is_none_or(|book| book.is_default) {
        return Ok(());
    }
    let was = address_book::make_default(tx, id)?;
    for (id, is) in was.map(|was| (was, false)).into_iter().chain([(id, true)]) {
        // RFC 9610 §2 `mayDelete`: the default alone stays.
        let now =
            json!({ "isDefault": is, "myRights": { "mayRead": true, "mayWrite": true, "mayShare": false, "mayDelete": !is } });
        let id = Value::from(id.to_string());
        match done.created.iter_mut().find(|(_, object)| object.get("id") == Some(&id)) {
            Some((_, object)) => object.extend(now.as_object().cloned().unwrap_or_default()),
            None => {
                let id = id.as_str().unwrap_or_default();
                done.updated.retain(|(updated, _)| updated != id);
                done.updated.push((id.to_string(), now));
            }
        }
    }
    Ok(())
}

/// Reads what a client may set; rights are ours.
fn parse_properties(object: Map<String, Value>) -> Result<Change, SetError> {
    let mut change = Change::default();
    for (name, value) in object {
        let wrong = |why: &str| SetError::property(name.clone(), why);
        match (name.as_str(), value) {
            ("name", Value::String(text)) => change.name = Some(text),
            ("description", Value::String(text)) => change.description = Some(Some(text)),
            ("description", Value::Null) => change.description = Some(None),
            ("sortOrder", Value::Number(number)) => {
                let order = number.as_u64().and_then(|order| u32::try_from(order).ok()).filter(|&order| order < 1 << 31);
                change.sort_order = Some(order.ok_or_else(|| wrong("not between 0 and 2^31"))?);
            }
            ("isSubscribed", Value::Bool(is)) => change.subscribed = Some(is),
            ("shareWith", Value::Null) => {}
            // RFC 9610 §2.3: only those who have mayShare set it, and here nobody has.
            ("shareWith", _) => return Err(SetError::Forbidden("address books are not shared here".to_string())),
            ("name" | "description" | "sortOrder" | "isSubscribed", _) => return Err(wrong("it has another type")),
            (other, _) if PROPERTIES.contains(&other) => return Err(wrong("the server sets it")),
            _ => return Err(wrong("there is no such property")),
        }
    }
    Ok(change)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: Value) -> Result<Change, SetError> {
        parse_properties(value.as_object().expect("an object").clone())
    }

    #[test]
    fn what_may_be_set() {
        let all = json!({"name": "Work", "description": null, "sortOrder": 3, "isSubscribed": false, "shareWith": null});
        let expected = Change { name: Some("Work".into()), description: Some(None), sort_order: Some(3), subscribed: Some(false) };
        assert_eq!(parse(all), Ok(expected));
        for (wrong, error) in [
            (json!({"name": 1}), "invalidProperties"),
            (json!({"name": null}), "invalidProperties"),
            (json!({"sortOrder": -1}), "invalidProperties"),
            (json!({"sortOrder": 2_147_483_648_u64}), "invalidProperties"),
            (json!({"isDefault": true}), "invalidProperties"),
            (json!({"myRights": {}}), "invalidProperties"),
            (json!({"colour": "red"}), "invalidProperties"),
            (json!({"shareWith": {"x": {"mayRead": true}}}), "forbidden"),
        ] {
            assert_eq!(parse(wrong.clone()).expect_err("wrong").name(), error, "{wrong}");
        }
        assert!(parse(json!({"sortOrder": 2_147_483_647_u64})).is_ok());
    }
}
