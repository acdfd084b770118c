// SPDX-License-Identifier: AGPL-3.0-or-later
//! Email/set (RFC 8621 §4.6): new messages are assembled and prepared first; then one transaction does it all.

use std::collections::HashMap;
use std::sync::Arc;

use hearth_mailstore::message::{self, FlagChange, Prepared};
use hearth_mailstore::{Content, Durability, FlagSet, MailTx};
use hearth_types::id::Id;
use hearth_types::{MailboxId, MessageId, Timestamp};
use serde_json::{Map, Value, json};

use super::assemble::{Blob, Given, encode_message};
use super::draft::{Draft, parse_draft};
use super::patch::{EmailPatch, SetPatch, apply_keywords, apply_members, parse_email_patch};
use crate::blob;
use crate::blob_id::BlobRef;
use crate::ctx::{ChangeFuture, Changing, CreatedIds};
use crate::error::{MethodError, SetError};
use crate::method::args::Args;
use crate::method::set::{Done, SetArgs, resolve_id};

/// Carries out the call.
pub fn run(changing: Changing, mut args: Args) -> ChangeFuture {
    Box::pin(async move {
        let own = changing.caller.account;
        let set = SetArgs::take(&mut args, own)?;
        args.finish()?;
        let mut done = Done::default();
        let new = prepare_all(&changing, set.create, &mut done).await?;
        let updates: Vec<_> = set.update.into_iter().map(|(key, patch)| (key, parse_email_patch(patch))).collect();
        // DESIGN §3: flags are committed at once and synced within a second; all else is synced first.
        let is_flags =
            |(_, patch): &(String, Result<EmailPatch, SetError>)| patch.as_ref().is_ok_and(|patch| patch.mailboxes.is_none());
        let only_flags = new.is_empty() && set.destroy.is_empty() && updates.iter().all(is_flags);
        let durability = if only_flags { Durability::Committed } else { Durability::Synced };
        let (created, destroy, if_in_state) = (CreatedIds::clone(&changing.created), set.destroy, set.if_in_state);
        changing
            .house
            .store
            .write(own, durability, move |tx| {
                let old_state = tx.modseq()?;
                crate::method::set::check_in_state(if_in_state.as_deref(), old_state)?;
                apply(tx, Work { new, updates, destroy }, created, &mut done)?;
                let new_state = tx.modseq()?;
                Ok::<_, MethodError>(done.to_wire(own, old_state, new_state))
            })
            .await
    })
}

/// A message on its way in.
pub struct New {
    /// The creation id.
    pub key: String,
    /// Its body, ready.
    pub prepared: Prepared,
    /// Where it goes; ids, or `#` and a creation id.
    pub mailboxes: Vec<String>,
    /// Its first keywords.
    pub keywords: FlagSet,
    /// INTERNALDATE.
    pub received_at: Timestamp,
}

struct Work {
    new: Vec<New>,
    updates: Vec<(String, Result<EmailPatch, SetError>)>,
    destroy: Vec<String>,
}

async fn prepare_all(
    changing: &Changing,
    create: Vec<(String, Map<String, Value>)>,
    done: &mut Done,
) -> Result<Vec<New>, MethodError> {
    let mut new = Vec::with_capacity(create.len());
    for (key, object) in create {
        match prepare_one(changing, object).await? {
            Ok((draft, prepared)) => {
                let received_at = draft.received_at.unwrap_or_else(|| changing.house.clock.now());
                new.push(New { key, prepared, mailboxes: draft.mailboxes, keywords: draft.keywords, received_at });
            }
            Err(error) => done.not_created.push((key, error)),
        }
    }
    Ok(new)
}

async fn prepare_one(changing: &Changing, object: Map<String, Value>) -> Result<Result<(Draft, Prepared), SetError>, MethodError> {
    let draft = match parse_draft(object) {
        Ok(draft) => draft,
        Err(error) => return Ok(Err(error)),
    };
    let blobs = match load_blobs(changing, &draft).await? {
        Ok(blobs) => blobs,
        Err(error) => return Ok(Err(error)),
    };
    let (now, house) = (changing.house.clock.now(), Arc::clone(&changing.house));
    let domain = changing.caller.address.domain().to_string();
    let (draft, octets) = blob::blocking(move || {
        let message_id = format!("{}.{}@{domain}", Id::new(now), Id::new(now));
        let boundary = Id::new(now).to_string();
        let given = Given { now, message_id: &message_id, boundary: &boundary, blobs: &blobs };
        let octets = encode_message(&draft, &given);
        Ok((draft, octets))
    })
    .await?;
    if octets.len() as u64 > house.size_upload_bytes_max {
        return Ok(Err(SetError::TooLarge));
    }
    let prepared = house.store.prepare(changing.caller.account, Content::Bytes(octets)).await?;
    Ok(Ok((draft, prepared)))
}

async fn load_blobs(changing: &Changing, draft: &Draft) -> Result<Result<HashMap<String, Blob>, SetError>, MethodError> {
    let ids: Vec<String> = draft.body.blobs().into_iter().map(str::to_string).collect();
    if ids.is_empty() {
        return Ok(Ok(HashMap::new()));
    }
    let bytes_max = changing.house.attachments_bytes_max;
    changing
        .house
        .store
        .read(changing.caller.account, move |tx| {
            let (mut blobs, mut missing, mut bytes) = (HashMap::new(), Vec::new(), 0);
            for id in ids {
                let Some(found) = BlobRef::parse(&id).map(|blob| blob::find(tx, &blob)).transpose()?.flatten() else {
                    missing.push(id);
                    continue;
                };
                bytes += found.encoded_size_bytes();
                if bytes > bytes_max {
                    return Ok(Err(SetError::TooLarge));
                }
                blobs.insert(id, Blob { octets: found.octets()? });
            }
            Ok::<_, MethodError>(if missing.is_empty() { Ok(blobs) } else { Err(SetError::BlobNotFound(missing)) })
        })
        .await
}

fn apply(tx: &mut MailTx<'_>, work: Work, mut ids: CreatedIds, done: &mut Done) -> Result<(), MethodError> {
    for new in work.new {
        append_one(tx, new, &mut ids, done)?;
    }
    for (key, patch) in work.updates {
        let changed = match patch {
            _ if work.destroy.contains(&key) => Err(SetError::WillDestroy),
            Ok(patch) => update_one(tx, &key, patch, &ids)?,
            Err(error) => Err(error),
        };
        match changed {
            Ok(id) => done.updated.push((id, Value::Null)),
            Err(error) => done.not_updated.push((key, error)),
        }
    }
    for key in work.destroy {
        let id = resolve_id(&key, &ids).and_then(|id| id.parse::<MessageId>().ok());
        let removed = match id {
            Some(id) => message::remove(tx, id).map(|()| id),
            None => Err(hearth_mailstore::Error::NoSuchMessage),
        };
        match removed {
            Ok(id) => done.destroyed.push(id.to_string()),
            Err(error) => done.not_destroyed.push((key, SetError::from_store(error)?)),
        }
    }
    Ok(())
}

/// Puts one prepared message in its mailboxes, and notes what became of it.
pub fn append_one(tx: &mut MailTx<'_>, new: New, ids: &mut CreatedIds, done: &mut Done) -> Result<(), MethodError> {
    let New { key, prepared, mailboxes, keywords, received_at } = new;
    let Some(mailboxes) = parse_mailboxes(&mailboxes, ids) else {
        done.not_created.push((key, SetError::property("mailboxIds", "there is no such mailbox")));
        return Ok(());
    };
    let size = prepared.parsed().size_bytes;
    match message::append(tx, prepared, &mailboxes, &keywords, received_at) {
        Ok(appended) => {
            // RFC 8621 §4.6: id, blobId, threadId and size are the server's.
            let object = json!({
                "id": appended.id.to_string(),
                "blobId": BlobRef::message(appended.id).to_string(),
                "threadId": appended.thread.to_string(),
                "size": size,
            });
            ids.insert(key.clone(), appended.id.to_string());
            done.created.push((key, object.as_object().cloned().unwrap_or_default()));
        }
        Err(hearth_mailstore::Error::NoSuchMailbox) => {
            done.not_created.push((key, SetError::property("mailboxIds", "there is no such mailbox")));
        }
        Err(error) => done.not_created.push((key, SetError::from_store(error)?)),
    }
    Ok(())
}

fn parse_mailboxes(references: &[String], ids: &CreatedIds) -> Option<Vec<MailboxId>> {
    references.iter().map(|reference| resolve_id(reference, ids)?.parse().ok()).collect()
}

fn update_one(
    tx: &mut MailTx<'_>,
    key: &str,
    patch: EmailPatch,
    ids: &CreatedIds,
) -> Result<Result<String, SetError>, MethodError> {
    let Some(id) = resolve_id(key, ids).and_then(|id| id.parse::<MessageId>().ok()) else {
        return Ok(Err(SetError::NotFound));
    };
    let Some(summary) = message::find(tx, id)? else {
        return Ok(Err(SetError::NotFound));
    };
    // All is decided before anything is changed: an object changes as a whole or not at all.
    let keywords = match patch.keywords.map(|patch| apply_keywords(&summary.flags, patch)).transpose() {
        Ok(keywords) => keywords.flatten(),
        Err(error) => return Ok(Err(error)),
    };
    let places: Vec<MailboxId> = summary.places.iter().map(|place| place.mailbox).collect();
    let mailboxes = match patch.mailboxes.map(|patch| resolve_mailboxes(patch, ids)) {
        Some(None) => return Ok(Err(SetError::property("mailboxIds", "there is no such mailbox"))),
        Some(Some(patch)) => apply_members(&places, patch),
        None => None,
    };
    if let Some(mailboxes) = mailboxes {
        if mailboxes.is_empty() {
            return Ok(Err(SetError::property("mailboxIds", "a mail is in one mailbox at least")));
        }
        match message::set_mailboxes(tx, id, &mailboxes) {
            Ok(_) => {}
            Err(hearth_mailstore::Error::NoSuchMailbox) => {
                return Ok(Err(SetError::property("mailboxIds", "there is no such mailbox")));
            }
            Err(error) => return SetError::from_store(error).map(Err),
        }
    }
    if let Some(keywords) = keywords {
        message::change_keywords(tx, id, &FlagChange::Replace(keywords))?;
    }
    Ok(Ok(id.to_string()))
}

/// The ids of a patch as ours. One that cannot be ours may go (it is not there), but not come.
fn resolve_mailboxes(patch: SetPatch<String>, ids: &CreatedIds) -> Option<SetPatch<MailboxId>> {
    match patch {
        SetPatch::Replace(references) => parse_mailboxes(&references, ids).map(SetPatch::Replace),
        SetPatch::Change { add, remove } => {
            let remove = remove.iter().filter_map(|reference| resolve_id(reference, ids)?.parse().ok()).collect();
            Some(SetPatch::Change { add: parse_mailboxes(&add, ids)?, remove })
        }
    }
}
