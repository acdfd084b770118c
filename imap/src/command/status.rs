// SPDX-License-Identifier: AGPL-3.0-or-later
//! STATUS (RFC 9051 §6.3.11), with RFC 7162, RFC 7889, RFC 8438 and RFC 8474.

use hearth_mailstore::{Error, Flag, MailTx, Mailbox, Rights, message};
use hearth_wire::imap::response::{Reply, StatusValue, encode_status_line};
use hearth_wire::imap::{MailboxName, StatusItem};

use crate::access::find_spot;
use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};

/// Tells the counts of a mailbox without opening it.
pub async fn run(ctx: &mut Ctx, name: MailboxName, items: Vec<StatusItem>) -> Outcome {
    let spot = find_spot(ctx, name.as_str()).await?;
    let (account, prefix) = (spot.account, spot.prefix.clone());
    let wants_deleted = items.contains(&StatusItem::DeletedStorage);
    let work = move |tx: &mut MailTx<'_>| {
        let (found, _) = spot.find(tx, Rights::READ)?;
        let deleted_bytes = if wants_deleted { deleted_bytes(tx, &found)? } else { 0 };
        Ok::<_, Failure>((found, deleted_bytes))
    };
    let (found, deleted_bytes) = ctx.shared.store.read(account, work).await?;
    if items.contains(&StatusItem::HighestModSeq) {
        // RFC 7162 §3.1: this too says that the client knows modseqs.
        ctx.modes.condstore = true;
    }
    let mut out = Vec::new();
    let shown = values(&found, &items, ctx.shared.append_bytes_max, deleted_bytes);
    encode_status_line(&mut out, &format!("{prefix}{}", found.path), &shown, ctx.charset());
    ctx.write(&out).await?;
    Ok(Reply::ok("done"))
}

/// What the items are worth.
pub fn values(found: &Mailbox, items: &[StatusItem], append_bytes_max: u64, deleted_bytes: u64) -> Vec<(StatusItem, StatusValue)> {
    let value = |item: StatusItem| {
        StatusValue::Number(match item {
            StatusItem::Messages => found.total,
            StatusItem::Recent => 0,
            StatusItem::UidNext => u64::from(found.uid_next),
            StatusItem::UidValidity => u64::from(found.uid_validity),
            StatusItem::Unseen => found.unseen,
            StatusItem::Deleted => found.deleted,
            StatusItem::Size => found.size_bytes,
            StatusItem::HighestModSeq => found.highest_modseq.max(1),
            StatusItem::AppendLimit => append_bytes_max,
            StatusItem::MailboxId => return StatusValue::Id(found.id.to_string()),
            StatusItem::DeletedStorage => deleted_bytes,
        })
    };
    items.iter().map(|&item| (item, value(item))).collect()
}

/// RFC 9208 §4.1.4: the octets that EXPUNGE would give back.
pub fn deleted_bytes(tx: &mut MailTx<'_>, found: &Mailbox) -> Result<u64, Error> {
    if found.deleted == 0 {
        return Ok(0);
    }
    let entries = message::view(tx, found.id)?;
    let ids: Vec<_> = entries.iter().filter(|entry| entry.flags.contains(&Flag::Deleted)).map(|entry| entry.id).collect();
    Ok(message::summaries(tx, &ids)?.iter().map(|summary| summary.size_bytes).sum())
}
