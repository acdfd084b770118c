// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail that was refused, kept for a while where the person may look: in the mailbox "Rejects". The sender hears the
//! refusal all the same. Who takes a mail out of it teaches the classifier that it was wanted.

use hearth_filter::Reason;
use hearth_mailstore::{Delivery, Durability, Flag, MailTx, Recipient, Target, lesson, mailbox, message};
use hearth_types::{AccountId, Address};

use super::Arrival;
use crate::ctx::Server;
use crate::limits::{REJECTS_KEPT, REJECTS_MAX};
use crate::trace;

/// Keeps a copy for each of these people, and lets old ones go. What fails is logged: the mail is refused anyway.
pub(crate) async fn keep(server: &Server, arrival: &Arrival, reason: &str, people: &[(AccountId, Address)]) {
    let reason = Reason::new(&format!("It was refused: {reason}."));
    let recipients = people.iter().map(|(account, address)| Recipient {
        account: *account,
        prefix: (trace::delivery(arrival.sender.as_ref(), address) + &arrival.trace + &trace::reason(reason.as_str())).into_bytes(),
        targets: vec![Target::Path { path: mailbox::REJECTS.to_string(), create: true }],
        // Nobody is called to look at it.
        flags: std::iter::once(Flag::Seen).collect(),
    });
    let delivery = Delivery {
        id: arrival.id.clone(),
        content: arrival.message.content(),
        received_at: arrival.received_at,
        recipients: recipients.collect(),
    };
    let kept = match server.store.deliver(delivery).await {
        Ok(kept) => kept,
        Err(error) => {
            tracing::warn!(mail = %arrival.id, %error, "a refused mail could not be kept");
            return;
        }
    };
    for ((account, _), outcome) in people.iter().zip(kept) {
        let Ok(delivered) = outcome else { continue };
        let done = server.store.write(*account, Durability::Committed, move |tx| {
            lesson::judged_junk(tx, delivered.id)?;
            let_go(tx)
        });
        if let Err(error) = done.await {
            tracing::warn!(%account, %error, "old refused mail could not be removed");
        }
    }
}

/// Removes what is older than [`REJECTS_KEPT`], and the oldest beyond [`REJECTS_MAX`].
fn let_go(tx: &mut MailTx<'_>) -> hearth_mailstore::Result<()> {
    let Some(rejects) = mailbox::find_by_name(tx, mailbox::REJECTS)? else { return Ok(()) };
    let ids: Vec<_> = message::view(tx, rejects.id)?.into_iter().map(|entry| entry.id).collect();
    let spare = ids.len().saturating_sub(REJECTS_MAX);
    let before = tx.now().before(REJECTS_KEPT);
    let oldest: Vec<_> = ids.iter().copied().take(spare + LOOKED_AT).collect();
    for (at, summary) in message::summaries(tx, &oldest)?.into_iter().enumerate() {
        if at < spare || summary.received_at < before {
            message::remove(tx, summary.id)?;
        }
    }
    Ok(())
}

/// Old ones that are looked at each time.
const LOOKED_AT: usize = 20;
