// SPDX-License-Identifier: AGPL-3.0-or-later
//! ContactCard/set (RFC 9610 §3.5): one transaction for the whole call.

use hearth_mailstore::card as store;
use hearth_mailstore::{Error, MailTx};
use hearth_types::{AddressBookId, CardId, Trouble};
use serde_json::{Map, Value};

use super::card::{Object, check, fill, from_store, to_store};
use super::get::books_to_wire;
use super::{media, patch};
use crate::ctx::{ChangeFuture, Changing, CreatedIds};
use crate::error::{MethodError, SetError};
use crate::method::args::Args;
use crate::method::email::object::utc_date;
use crate::method::set::{Done, SetArgs, resolve_id};

const BOOKS: &str = "addressBookIds";

/// Carries out the call.
pub fn run(changing: Changing, mut args: Args) -> ChangeFuture {
    Box::pin(async move {
        let set = SetArgs::take(&mut args, changing.caller.account)?;
        args.finish()?;
        changing.set_at_once(set, apply).await
    })
}

fn apply(tx: &mut MailTx<'_>, set: SetArgs, mut ids: CreatedIds) -> Result<Done, MethodError> {
    let mut done = Done::default();
    for (key, object) in set.create {
        match create_one(tx, object, &new_uid()?, &ids)? {
            Ok((id, object)) => {
                ids.insert(key.clone(), id.to_string());
                done.created.push((key, object));
            }
            Err(error) => done.not_created.push((key, error)),
        }
    }
    for (key, patch) in set.update {
        if set.destroy.contains(&key) {
            done.not_updated.push((key, SetError::WillDestroy));
            continue;
        }
        match update_one(tx, &key, patch, &ids)? {
            Ok((id, changed)) => done.updated.push((id, changed)),
            Err(error) => done.not_updated.push((key, error)),
        }
    }
    for key in set.destroy {
        let removed = find_id(&key, &ids).map(|id| store::remove(tx, id).map(|()| id));
        match removed {
            None => done.not_destroyed.push((key, SetError::NotFound)),
            Some(Ok(id)) => done.destroyed.push(id.to_string()),
            Some(Err(error)) => done.not_destroyed.push((key, to_set_error(error)?)),
        }
    }
    Ok(done)
}

fn find_id(key: &str, ids: &CreatedIds) -> Option<CardId> {
    resolve_id(key, ids).and_then(|id| id.parse().ok())
}

/// RFC 9553 §2.1.9: a random UUID, of version 4.
fn new_uid() -> Result<String, MethodError> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| MethodError::ours(&Trouble::new(error.to_string())))?;
    let number = (u128::from_be_bytes(random) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    let groups: Vec<&str> = [0..8, 8..12, 12..16, 16..20, 20..32].into_iter().filter_map(|range| hex.get(range)).collect();
    Ok(format!("urn:uuid:{}", groups.join("-")))
}

type Created = (CardId, Object);

fn create_one(
    tx: &mut MailTx<'_>,
    mut card: Object,
    uid: &str,
    ids: &CreatedIds,
) -> Result<Result<Created, SetError>, MethodError> {
    if card.contains_key("id") {
        return Ok(Err(SetError::property("id", "the server sets it")));
    }
    let books = match parse_books(card.remove(BOOKS), ids) {
        Ok(books) => books,
        Err(error) => return Ok(Err(error)),
    };
    let mut told = fill(&mut card, tx.now(), uid);
    if let Err(error) = check(&card) {
        return Ok(Err(error));
    }
    let has_blobs = match media::keep(tx, &mut card)? {
        Ok(has_blobs) => has_blobs,
        Err(error) => return Ok(Err(error)),
    };
    let id = match store::add(tx, to_store(card.clone()), &books) {
        Ok(id) => id,
        Err(error) => return to_set_error(error).map(Err),
    };
    told.insert("id".to_string(), id.to_string().into());
    tell_media(&mut told, card, id, has_blobs);
    Ok(Ok((id, told)))
}

fn update_one(
    tx: &mut MailTx<'_>,
    key: &str,
    patch: Map<String, Value>,
    ids: &CreatedIds,
) -> Result<Result<(String, Value), SetError>, MethodError> {
    let found = find_id(key, ids).map(|id| store::find(tx, id)).transpose()?.flatten();
    let Some(found) = found else { return Ok(Err(SetError::NotFound)) };
    let before = from_store(&found.content)?;
    let (mut card, books) = match patched(&found, &before, patch, ids) {
        Ok(changed) => changed,
        Err(error) => return Ok(Err(error)),
    };
    let has_blobs = match media::keep(tx, &mut card)? {
        Ok(has_blobs) => has_blobs,
        Err(error) => return Ok(Err(error)),
    };
    let id = found.id.to_string();
    if card == before && books == found.books {
        return Ok(Ok((id, Value::Null)));
    }
    let mut told = Object::new();
    // RFC 9553 §2.1.10: when the card was last modified; unless the client said so itself.
    if card != before && card.get("updated") == before.get("updated") {
        let now = Value::from(utc_date(tx.now()));
        card.insert("updated".to_string(), now.clone());
        told.insert("updated".to_string(), now);
    }
    if let Err(error) = store::change(tx, found.id, to_store(card.clone()), &books) {
        return to_set_error(error).map(Err);
    }
    tell_media(&mut told, card, found.id, has_blobs);
    Ok(Ok((id, if told.is_empty() { Value::Null } else { told.into() })))
}

/// A card and its address books after a patch.
fn patched(
    found: &store::Card,
    before: &Object,
    patch: Map<String, Value>,
    ids: &CreatedIds,
) -> Result<(Object, Vec<AddressBookId>), SetError> {
    let own_id = Value::from(found.id.to_string());
    let mut whole = before.clone();
    whole.insert("id".to_string(), own_id.clone());
    whole.insert(BOOKS.to_string(), books_to_wire(found));
    patch::apply(&mut whole, patch)?;
    // RFC 8620 §5.3: a client may say again what it cannot change.
    if whole.remove("id") != Some(own_id) {
        return Err(SetError::property("id", "it never changes"));
    }
    let books = parse_books(whole.remove(BOOKS), ids)?;
    check(&whole)?;
    Ok((whole, books))
}

/// RFC 8620 §5.3: a medium that came as one blob is another from now on.
fn tell_media(told: &mut Object, mut card: Object, id: CardId, has_blobs: bool) {
    if has_blobs {
        media::show(&mut card, id);
        told.extend(card.remove("media").map(|media| ("media".to_string(), media)));
    }
}

/// RFC 9610 §3 `addressBookIds`: a map of ids to true, with one at least; ascending.
fn parse_books(value: Option<Value>, ids: &CreatedIds) -> Result<Vec<AddressBookId>, SetError> {
    let wrong = |why: &str| SetError::property(BOOKS, why);
    let Some(Value::Object(set)) = value else { return Err(wrong("it is not a map of ids to true")) };
    let book = |(key, value): (String, Value)| {
        let id = resolve_id(&key, ids).and_then(|id| id.parse().ok()).filter(|_| value == Value::Bool(true));
        id.ok_or_else(|| wrong("there is no such address book, or its value is not true"))
    };
    let mut books = set.into_iter().map(book).collect::<Result<Vec<AddressBookId>, _>>()?;
    books.sort();
    books.dedup();
    if books.is_empty() { Err(wrong("a card is in one address book at least")) } else { Ok(books) }
}

fn to_set_error(error: Error) -> Result<SetError, MethodError> {
    Ok(match error {
        Error::NoSuchAddressBook => SetError::property(BOOKS, "there is no such address book"),
        Error::CardExists(other) => SetError::property("uid", format!("the card {other} has it already")),
        Error::BadName(why) => SetError::property("uid", why),
        error => SetError::from_store(error)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_a_random_uuid() {
        let (one, two) = (new_uid().expect("random"), new_uid().expect("random"));
        assert_ne!(one, two);
        let uuid = one.strip_prefix("urn:uuid:").expect("a URN");
        assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(uuid.as_bytes()[14], b'4', "{uuid}");
        assert!(matches!(uuid.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{uuid}");
    }
}
