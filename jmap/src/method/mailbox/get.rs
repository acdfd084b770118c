// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mailbox/get (RFC 8621 §2.1).

use std::collections::HashSet;

use hearth_mailstore::{Mailbox, Role, mailbox};
use hearth_types::MailboxId;
use serde_json::{Map, Value, json};

use crate::ctx::Reading;
use crate::error::MethodError;
use crate::method::args::Args;
use crate::method::get::{self, GetArgs};
use crate::request::Arguments;

/// RFC 8621 §2: every property of a Mailbox.
pub const PROPERTIES: &[&str] = &[
    "id",
    "name",
    "parentId",
    "role",
    "sortOrder",
    "totalEmails",
    "unreadEmails",
    "totalThreads",
    "unreadThreads",
    "myRights",
    "isSubscribed",
];

/// Carries out the call.
pub fn run(reading: &mut Reading<'_, '_>, mut args: Args) -> Result<Arguments, MethodError> {
    let own = reading.caller.account;
    let GetArgs { ids, properties } = GetArgs::take(&mut args, own)?;
    args.finish()?;
    let properties = get::check_properties(properties.as_deref(), PROPERTIES)?;
    let mut not_found = Vec::new();
    let mailboxes = match ids {
        None => mailbox::list(reading.tx)?,
        Some(ids) => {
            let mut found = Vec::with_capacity(ids.len());
            for id in GetArgs::parse_ids::<MailboxId>(ids, &mut not_found) {
                match mailbox::find(reading.tx, id)? {
                    Some(mailbox) => found.push(mailbox),
                    None => not_found.push(id.to_string()),
                }
            }
            found
        }
    };
    let mut list = Vec::with_capacity(mailboxes.len());
    for mailbox in &mailboxes {
        // Threads are counted by walking the mailbox's rows: only for those who ask.
        let wants_threads = properties.contains("totalThreads") || properties.contains("unreadThreads");
        let threads = if wants_threads { mailbox::thread_counts(reading.tx, mailbox.id)? } else { (0, 0) };
        list.push(to_wire(mailbox, threads, &properties));
    }
    Ok(get::to_wire(own, reading.tx.modseq()?, list, not_found))
}

/// RFC 8621 §2 `name`: INBOX is a word of IMAP.
pub fn name(mailbox: &Mailbox) -> &str {
    if mailbox.role == Some(Role::Inbox) { "Inbox" } else { &mailbox.name }
}

fn to_wire(mailbox: &Mailbox, threads: (u64, u64), properties: &HashSet<&'static str>) -> Value {
    let value = |property: &str| -> Value {
        match property {
            "id" => mailbox.id.to_string().into(),
            "name" => name(mailbox).into(),
            "parentId" => mailbox.parent.map(|id| id.to_string()).into(),
            "role" => mailbox.role.map(Role::as_str).into(),
            "sortOrder" => mailbox.sort_order.into(),
            "totalEmails" => mailbox.total.into(),
            "unreadEmails" => mailbox.unseen.into(),
            "totalThreads" => threads.0.into(),
            "unreadThreads" => threads.1.into(),
            "myRights" => rights(mailbox),
            "isSubscribed" => mailbox.subscribed.into(),
            _ => Value::Null,
        }
    };
    properties.iter().map(|&property| (property.to_string(), value(property))).collect::<Map<_, _>>().into()
}

/// RFC 8621 §2 `myRights`: it is the person's own; INBOX alone stays as it is.
pub fn rights(mailbox: &Mailbox) -> Value {
    let is_inbox = mailbox.role == Some(Role::Inbox);
    json!({
        "mayReadItems": true,
        "mayAddItems": true,
        "mayRemoveItems": true,
        "maySetSeen": true,
        "maySetKeywords": true,
        "mayCreateChild": true,
        "mayRename": !is_inbox,
        "mayDelete": !is_inbox,
        "maySubmit": true
    })
}
