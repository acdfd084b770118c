// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mailbox/set (RFC 8621 §2.5): one transaction for the whole call.

use hearth_mailstore::mailbox::{self, Change, New};
use hearth_mailstore::{MailTx, Role};
use hearth_types::MailboxId;
use serde_json::{Map, Value, json};
use unicode_normalization::UnicodeNormalization;

use crate::ctx::{ChangeFuture, Changing, CreatedIds};
use crate::error::{MethodError, SetError};
use crate::limits::MAILBOX_NAME_BYTES_MAX;
use crate::method::args::Args;
use crate::method::set::{Done, SetArgs, resolve_id};

/// Carries out the call.
pub fn run(changing: Changing, mut args: Args) -> ChangeFuture {
    Box::pin(async move {
        let set = SetArgs::take(&mut args, changing.caller.account)?;
        let remove_emails = args.take("onDestroyRemoveEmails")?.unwrap_or(false);
        args.finish()?;
        changing.set_at_once(set, move |tx, set, ids| apply(tx, set, ids, remove_emails)).await
    })
}

/// What a client may say of a mailbox.
#[derive(Debug, Default, PartialEq)]
struct Properties {
    name: Option<String>,
    parent: Option<Option<String>>,
    role: Option<Option<Role>>,
    sort_order: Option<u32>,
    subscribed: Option<bool>,
}

fn apply(tx: &mut MailTx<'_>, set: SetArgs, mut ids: CreatedIds, remove_emails: bool) -> Result<Done, MethodError> {
    let mut done = Done::default();
    create_all(tx, set.create, &mut ids, &mut done)?;
    for (key, patch) in set.update {
        match update_one(tx, &key, patch, &set.destroy, &ids)? {
            Ok(id) => done.updated.push((id, Value::Null)),
            Err(error) => done.not_updated.push((key, error)),
        }
    }
    destroy_all(tx, set.destroy, remove_emails, &ids, &mut done)?;
    Ok(done)
}

/// RFC 8620 §5.3: one may be the parent of another in the same call, in whatever order they stand.
fn create_all(
    tx: &mut MailTx<'_>,
    mut waiting: Vec<(String, Map<String, Value>)>,
    ids: &mut CreatedIds,
    done: &mut Done,
) -> Result<(), MethodError> {
    loop {
        let before = waiting.len();
        let mut later = Vec::new();
        for (key, object) in waiting {
            let parent = object.get("parentId").and_then(Value::as_str);
            if parent.is_some_and(|parent| resolve_id(parent, ids).is_none()) {
                later.push((key, object));
                continue;
            }
            match create_one(tx, object, ids)? {
                Ok(object) => {
                    if let Some(id) = object.get("id").and_then(Value::as_str) {
                        ids.insert(key.clone(), id.to_string());
                    }
                    done.created.push((key, object));
                }
                Err(error) => done.not_created.push((key, error)),
            }
        }
        if later.is_empty() || later.len() == before {
            let orphan = || SetError::property("parentId", "there is no such mailbox");
            done.not_created.extend(later.into_iter().map(|(key, _)| (key, orphan())));
            return Ok(());
        }
        waiting = later;
    }
}

fn create_one(
    tx: &mut MailTx<'_>,
    object: Map<String, Value>,
    ids: &CreatedIds,
) -> Result<Result<Map<String, Value>, SetError>, MethodError> {
    let new = match parse_properties(object).and_then(|properties| new_mailbox(properties, ids)) {
        Ok(new) => new,
        Err(error) => return Ok(Err(error)),
    };
    if let Some(parent) = new.parent
        && mailbox::find(tx, parent)?.is_none()
    {
        return Ok(Err(SetError::property("parentId", "there is no such mailbox")));
    }
    let mailbox = match mailbox::add(tx, new) {
        Ok(mailbox) => mailbox,
        Err(error) => return SetError::from_store(error).map(Err),
    };
    // RFC 8620 §5.3: what the server set, or what was left out.
    let object = json!({
        "id": mailbox.id.to_string(),
        "parentId": mailbox.parent.map(|id| id.to_string()),
        "role": mailbox.role.map(Role::as_str),
        "sortOrder": mailbox.sort_order,
        "isSubscribed": mailbox.subscribed,
        "totalEmails": 0,
        "unreadEmails": 0,
        "totalThreads": 0,
        "unreadThreads": 0,
        "myRights": super::get::rights(&mailbox),
    });
    Ok(Ok(object.as_object().cloned().unwrap_or_default()))
}

fn new_mailbox(properties: Properties, ids: &CreatedIds) -> Result<New, SetError> {
    let name = properties.name.ok_or_else(|| SetError::property("name", "it is missing"))?;
    Ok(New {
        parent: properties.parent.flatten().map(|parent| parse_parent(&parent, ids)).transpose()?,
        name,
        role: properties.role.flatten(),
        subscribed: properties.subscribed.unwrap_or(false),
        sort_order: properties.sort_order.unwrap_or(0),
    })
}

fn parse_parent(parent: &str, ids: &CreatedIds) -> Result<MailboxId, SetError> {
    let id = resolve_id(parent, ids).and_then(|id| id.parse().ok());
    id.ok_or_else(|| SetError::property("parentId", "there is no such mailbox"))
}

fn update_one(
    tx: &mut MailTx<'_>,
    key: &str,
    patch: Map<String, Value>,
    destroy: &[String],
    ids: &CreatedIds,
) -> Result<Result<String, SetError>, MethodError> {
    if destroy.iter().any(|id| id == key) {
        return Ok(Err(SetError::WillDestroy));
    }
    let Some(id) = resolve_id(key, ids).and_then(|id| id.parse::<MailboxId>().ok()) else {
        return Ok(Err(SetError::NotFound));
    };
    let change = match parse_properties(patch).and_then(|properties| to_change(properties, ids)) {
        Ok(change) => change,
        Err(error) => return Ok(Err(error)),
    };
    if let Some(Some(parent)) = change.parent
        && mailbox::find(tx, parent)?.is_none()
    {
        return Ok(Err(SetError::property("parentId", "there is no such mailbox")));
    }
    match mailbox::change(tx, id, change) {
        Ok(_) => Ok(Ok(id.to_string())),
        Err(error) => SetError::from_store(error).map(Err),
    }
}

fn to_change(properties: Properties, ids: &CreatedIds) -> Result<Change, SetError> {
    let parent = match properties.parent {
        Some(Some(parent)) => Some(Some(parse_parent(&parent, ids)?)),
        Some(None) => Some(None),
        None => None,
    };
    Ok(Change {
        name: properties.name,
        parent,
        role: properties.role,
        subscribed: properties.subscribed,
        sort_order: properties.sort_order,
    })
}

/// RFC 8621 §2.5: children first, so that a branch can go in one call.
fn destroy_all(
    tx: &mut MailTx<'_>,
    keys: Vec<String>,
    remove_emails: bool,
    ids: &CreatedIds,
    done: &mut Done,
) -> Result<(), MethodError> {
    let mut found = Vec::new();
    for key in keys {
        let id = resolve_id(&key, ids).and_then(|id| id.parse::<MailboxId>().ok());
        let mailbox = match id {
            Some(id) => mailbox::find(tx, id)?,
            None => None,
        };
        match mailbox {
            Some(mailbox) => found.push((key, mailbox)),
            None => done.not_destroyed.push((key, SetError::NotFound)),
        }
    }
    found.sort_by_key(|(_, mailbox)| std::cmp::Reverse(mailbox.path.matches('/').count()));
    for (key, mailbox) in found {
        if mailbox.total > 0 && !remove_emails {
            done.not_destroyed.push((key, SetError::MailboxHasEmail));
            continue;
        }
        match mailbox::remove(tx, mailbox.id) {
            Ok(()) => done.destroyed.push(mailbox.id.to_string()),
            Err(error) => done.not_destroyed.push((key, SetError::from_store(error)?)),
        }
    }
    Ok(())
}

/// Reads what a client may set; counts and rights are ours.
fn parse_properties(object: Map<String, Value>) -> Result<Properties, SetError> {
    let mut properties = Properties::default();
    for (name, value) in object {
        let wrong = |why: &str| SetError::property(name.clone(), why);
        match (name.as_str(), value) {
            ("name", Value::String(text)) => properties.name = Some(parse_name(&text).map_err(wrong)?),
            ("parentId", Value::String(id)) => properties.parent = Some(Some(id)),
            ("parentId", Value::Null) => properties.parent = Some(None),
            ("role", Value::String(role)) => {
                properties.role = Some(Some(Role::parse(&role).ok_or_else(|| wrong("not a role that is known here"))?));
            }
            ("role", Value::Null) => properties.role = Some(None),
            ("sortOrder", Value::Number(number)) => {
                let order = number.as_u64().and_then(|order| u32::try_from(order).ok()).filter(|&order| order < 1 << 31);
                properties.sort_order = Some(order.ok_or_else(|| wrong("not between 0 and 2^31"))?);
            }
            ("isSubscribed", Value::Bool(is)) => properties.subscribed = Some(is),
            ("name" | "parentId" | "role" | "sortOrder" | "isSubscribed", _) => return Err(wrong("it has another type")),
            (other, _) if super::get::PROPERTIES.contains(&other) => return Err(wrong("the server sets it")),
            _ => return Err(wrong("there is no such property")),
        }
    }
    Ok(properties)
}

/// RFC 8621 §2 `name`: Net-Unicode, not empty, without control characters.
fn parse_name(text: &str) -> Result<String, &'static str> {
    let name: String = text.nfc().collect();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err("it is empty, or has a control character");
    }
    if name.len() > MAILBOX_NAME_BYTES_MAX {
        return Err("it is too long");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: Value) -> Result<Properties, SetError> {
        parse_properties(value.as_object().expect("an object").clone())
    }

    #[test]
    fn what_may_be_set() {
        let properties =
            parse(json!({"name": "u\u{308}", "parentId": null, "role": "archive", "sortOrder": 3, "isSubscribed": true}));
        assert_eq!(
            properties,
            Ok(Properties {
                name: Some("ü".into()),
                parent: Some(None),
                role: Some(Some(Role::Archive)),
                sort_order: Some(3),
                subscribed: Some(true)
            })
        );
        for wrong in [
            json!({"name": ""}),
            json!({"name": "a\nb"}),
            json!({"name": 1}),
            json!({"role": "butler"}),
            json!({"sortOrder": -1}),
            json!({"sortOrder": 2_147_483_648_u64}),
            json!({"totalEmails": 1}),
            json!({"colour": "red"}),
        ] {
            assert_eq!(parse(wrong.clone()).expect_err("wrong").name(), "invalidProperties", "{wrong}");
        }
    }

    #[test]
    fn names_are_bounded_on_both_sides() {
        assert!(parse_name(&"a".repeat(MAILBOX_NAME_BYTES_MAX)).is_ok());
        assert!(parse_name(&"a".repeat(MAILBOX_NAME_BYTES_MAX + 1)).is_err());
    }
}
