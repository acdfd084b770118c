// SPDX-License-Identifier: AGPL-3.0-or-later
//! STORE (RFC 9051 §6.4.6), with UNCHANGEDSINCE (RFC 7162 §3.1.3).

use std::collections::BTreeSet;

use hearth_mailstore::{Durability, Entry, Error, Flag, FlagChange, FlagSet, MailTx, Rights, message};
use hearth_types::MailboxId;
use hearth_wire::imap::response::{Code, Reply};
use hearth_wire::imap::{Store, StoreAction};

use crate::access::{FLAGS, permitted, refusal, right_for};
use crate::ctx::Ctx;
use crate::event::{self, Cause, Changed};
use crate::fault::{Failure, Outcome};
use crate::news::{encode_fetch_head, encode_flags_line};

/// Changes flags.
pub async fn run(ctx: &mut Ctx, store: Store) -> Outcome {
    if store.unchanged_since.is_some() {
        ctx.modes.condstore = true;
    }
    let Some(flags) = parse_flags(&store.flags) else {
        return Ok(Reply::bad("there is a flag among these that cannot be set"));
    };
    let selected = ctx.writable(FLAGS)?;
    let (account, mailbox, rights) = (selected.account, selected.mailbox, selected.rights);
    let lines = selected.view.resolve(&store.set, store.uid, &selected.saved).map_err(Reply::bad)?;
    if lines.is_empty() {
        return Ok(Reply::ok("done"));
    }
    let asked = lines.len();
    let uids: Vec<u32> = lines.iter().map(|line| line.uid).collect();
    // RFC 4314 §4: what may not be changed is passed over, unless nothing is left.
    let may = permitted(&flags, rights);
    if may.is_empty() && !flags.is_empty() {
        return Err(refusal());
    }
    let since = store.unchanged_since;
    let (action, reach) = (store.action, selected.reach.clone());
    let work = move |tx: &mut MailTx<'_>| {
        let script = event::find(tx, &reach, mailbox)?;
        let before = if script.is_some() { message::entries(tx, mailbox, &uids)? } else { Vec::new() };
        let stored = match action {
            StoreAction::Replace if !rights.has(FLAGS) => replace_some(tx, mailbox, &uids, (&may, rights), since)?,
            StoreAction::Replace => message::store_flags(tx, mailbox, &uids, &FlagChange::Replace(may), since)?,
            StoreAction::Add => message::store_flags(tx, mailbox, &uids, &FlagChange::Add(may), since)?,
            StoreAction::Remove => message::store_flags(tx, mailbox, &uids, &FlagChange::Remove(may), since)?,
        };
        Ok::<_, Failure>((changed(&before, &stored.entries), script, stored))
    };
    let (changed, script, stored) = ctx.shared.store.write(account, Durability::Committed, work).await?;
    let modes = ctx.modes;
    let uid = store.uid;
    let selected = ctx.selected()?;
    let mut out = Vec::new();
    for entry in &stored.entries {
        selected.view.note_known(entry.uid, entry.modseq);
        let Some(number) = selected.view.number(entry.uid) else { continue };
        if !store.silent {
            encode_flags_line(&mut out, (number, entry.uid), &entry.flags, modes.condstore.then_some(entry.modseq), modes);
        } else if modes.condstore {
            // RFC 7162 §3.1.3: .SILENT hides the flags, not the new modseq.
            encode_fetch_head(&mut out, number, entry.uid, modes);
            out.extend_from_slice(format!("UID {} MODSEQ ({}))\r\n", entry.uid, entry.modseq).as_bytes());
        }
    }
    let modified: Vec<u32> =
        if uid { stored.modified.clone() } else { stored.modified.iter().filter_map(|&uid| selected.view.number(uid)).collect() };
    ctx.write(&out).await?;
    event::run(ctx, script, Cause::Flag, mailbox, changed).await;
    let gone = asked.saturating_sub(stored.entries.len() + stored.modified.len());
    if !modified.is_empty() {
        return Ok(Reply::ok("some had changed").with(Code::Modified(modified)));
    }
    if gone > 0 && !uid {
        // RFC 2180 §4.2 by its later name (RFC 5530 §3).
        return Ok(Reply::no("some of these messages are gone").word("EXPUNGEISSUED"));
    }
    Ok(Reply::ok("done"))
}

/// RFC 6785 §4.1: the messages whose flags are others now, and which.
fn changed(before: &[Entry], after: &[Entry]) -> Vec<Changed> {
    let names = |entry: &Entry| entry.flags.iter().map(|flag| flag.as_imap().to_string()).collect::<BTreeSet<String>>();
    let difference = |entry: &Entry| {
        let old = before.get(before.binary_search_by_key(&entry.uid, |old| old.uid).ok()?)?;
        let flags: Vec<String> = names(old).symmetric_difference(&names(entry)).cloned().collect();
        (!flags.is_empty()).then_some(Changed { uid: entry.uid, flags })
    };
    after.iter().filter_map(difference).collect()
}

/// These and no others, among those that may be changed; each message keeps the others that it has.
fn replace_some(
    tx: &mut MailTx<'_>,
    mailbox: MailboxId,
    uids: &[u32],
    (flags, rights): (&FlagSet, Rights),
    since: Option<u64>,
) -> Result<message::Stored, Error> {
    let mut groups: Vec<(FlagSet, Vec<u32>)> = Vec::new();
    for entry in message::entries(tx, mailbox, uids)? {
        let kept = entry.flags.iter().filter(|flag| !rights.has(right_for(flag)));
        let wanted: FlagSet = kept.chain(flags.iter()).collect();
        match groups.iter_mut().find(|(known, _)| *known == wanted) {
            Some((_, group)) => group.push(entry.uid),
            None => groups.push((wanted, vec![entry.uid])),
        }
    }
    let mut stored = message::Stored::default();
    for (wanted, uids) in groups {
        let some = message::store_flags(tx, mailbox, &uids, &FlagChange::Replace(wanted), since)?;
        stored.entries.extend(some.entries);
        stored.modified.extend(some.modified);
    }
    stored.entries.sort_unstable_by_key(|entry| entry.uid);
    stored.modified.sort_unstable();
    Ok(stored)
}

/// The flags that a client may set; `None` when one of them may not be (`\Recent`, an unknown system flag).
pub fn parse_flags(names: &[String]) -> Option<FlagSet> {
    names.iter().map(|name| Flag::from_imap(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags() {
        let names = |names: &[&str]| parse_flags(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(names(&["\\seen", "$Forwarded"]).map(|set| set.iter().count()), Some(2));
        assert_eq!(names(&["\\Recent"]), None);
        assert_eq!(names(&["\\Frob"]), None);
        assert_eq!(names(&[]), Some(FlagSet::EMPTY));
    }
}
