// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail that was refused, kept for a while where the person may look: in the mailbox "Rejects". The sender hears the
//! refusal all the same. Who takes a mail out of it teaches the classifier that it was wanted.

use hearth_filter::Reason;
use hearth_mailstore::{Delivery, Durability, Flag, FlagChange, MailTx, Recipient, Target, lesson, mailbox, message};
use hearth_types::{AccountId, Address, Trouble};

use super::{Arrival, at_rest};
use crate::ctx::Server;
use crate::limits::{REJECTS_KEPT, REJECTS_MAX};
use crate::trace;

/// Keeps a copy for each of these people, and lets old ones go. What fails is logged: the mail is refused anyway.
pub(crate) async fn keep(server: &Server, arrival: &Arrival, reason: &str, people: &[(AccountId, Address)]) {
    let reason = Reason::new(&format!("It was refused: {reason}."));
    for (account, address) in people {
        if let Err(error) = keep_one(server, arrival, &reason, *account, address).await {
            tracing::warn!(mail = %arrival.id, %account, %error, "a refused mail could not be kept");
        }
    }
}

async fn keep_one(
    server: &Server,
    arrival: &Arrival,
    reason: &Reason,
    account: AccountId,
    address: &Address,
) -> Result<(), Trouble> {
    let head = trace::delivery(arrival.sender.as_ref(), address) + &arrival.trace + &trace::reason(reason.as_str());
    let Some(mail) = at_rest::kept(server, account, arrival.message.with_fields(head.as_bytes())).await? else { return Ok(()) };
    let delivery = Delivery {
        id: format!("{}-{account}", arrival.id),
        content: mail.content(),
        received_at: arrival.received_at,
        recipients: vec![Recipient {
            account,
            prefix: Vec::new(),
            targets: vec![Target::Path { path: mailbox::REJECTS.to_string(), create: true }],
            // Nobody is called to look at it.
            flags: std::iter::once(Flag::Seen).collect(),
        }],
    };
    if let Some(Ok(delivered)) = server.store.deliver(delivery).await?.pop() {
        let noted = server.store.write(account, Durability::Committed, move |tx| {
            lesson::judged_junk(tx, delivered.id)?;
            let_go(tx)
        });
        noted.await?;
    }
    Ok(())
}

/// Removes what is older than [`REJECTS_KEPT`], and the oldest beyond [`REJECTS_MAX`].
fn let_go(tx: &mut MailTx<'_>) -> hearth_mailstore::Result<()> {
    let Some(rejects) = mailbox::find_by_name(tx, mailbox::REJECTS)? else { return Ok(()) };
    let entries = message::view(tx, rejects.id)?;
    let spare = entries.len().saturating_sub(REJECTS_MAX);
    let before = tx.now().before(REJECTS_KEPT);
    let mut gone = Vec::new();
    for (at, entry) in entries.iter().take(spare + LOOKED_AT).enumerate() {
        if at < spare || message::find(tx, entry.id)?.is_some_and(|summary| summary.received_at < before) {
            gone.push(entry.uid);
        }
    }
    if !gone.is_empty() {
        // From here alone: what the person copied elsewhere is the same message.
        message::store_flags(tx, rejects.id, &gone, &FlagChange::Add(Flag::Deleted.into()), None)?;
        message::expunge(tx, rejects.id, Some(&gone))?;
    }
    Ok(())
}

/// Old ones that are looked at each time.
const LOOKED_AT: usize = 20;
