// SPDX-License-Identifier: AGPL-3.0-or-later
//! Telling a session what changed in its mailbox: EXPUNGE or VANISHED, EXISTS, FETCH of flags.

use std::sync::Arc;

use futures_util::future::select_all;
use hearth_mailstore::{FlagSet, Rights};
use hearth_wire::imap::FetchItem;
use hearth_wire::imap::response::{encode_flags, encode_vanished};

use crate::command::{Watching, write_all};
use crate::ctx::{Ctx, Selected};
use crate::fault::Failure;
use crate::fetch::Wanted;
use crate::notify::OfSelected;
use crate::state::Modes;
use crate::view::{Line, Snapshot, Untold, View};

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Only when the feed says that something happened.
    IfCalled,
    /// In any case: NOOP, and after a change of our own.
    Always,
}

/// Reads the mailbox as it is now; the client is told nothing yet.
pub async fn refresh(ctx: &mut Ctx, look: Look) -> Result<Option<Arc<Snapshot>>, Failure> {
    let Some(selected) = ctx.selected.as_deref_mut() else { return Ok(None) };
    let called = *selected.feed.borrow_and_update();
    if !selected.rights.has(Rights::READ) {
        // What is no longer shared is as if it were deleted: empty.
        let told = selected.view.told();
        return Ok(Some(Arc::new(Snapshot::new(Vec::new(), told.highest_modseq))));
    }
    let at_least = (look == Look::IfCalled).then_some(called);
    Ok(Some(selected.mirror.refresh(&ctx.shared.store, at_least).await?))
}

/// As [`tell`], unless the client said by NOTIFY that it wants to hear nothing of the open mailbox that it did not ask for.
pub async fn tell_unasked(ctx: &mut Ctx, look: Look, numbers_stand: bool) -> Result<(), Failure> {
    if of_selected(ctx) == OfSelected::Nothing { Ok(()) } else { tell(ctx, look, numbers_stand).await }
}

fn of_selected(ctx: &Ctx) -> OfSelected<'_> {
    ctx.notify.as_ref().map_or(OfSelected::AsEver, |watching| watching.watch.of_selected())
}

/// Tells the client all that it does not know.
///
/// RFC 9051 §7.5.1: no EXPUNGE while FETCH, STORE or SEARCH run, for the numbers in a pipelined next one
/// would mean something else. With `numbers_stand`, when something went away, everything waits.
pub async fn tell(ctx: &mut Ctx, look: Look, numbers_stand: bool) -> Result<(), Failure> {
    let Some(now) = refresh(ctx, look).await? else { return Ok(()) };
    let modes = ctx.modes;
    let (flags, fetch) = match of_selected(ctx) {
        OfSelected::Messages { flags, fetch, .. } => (flags, fetch.to_vec()),
        OfSelected::AsEver | OfSelected::Nothing => (true, Vec::new()),
    };
    let Some(selected) = ctx.selected.as_deref_mut() else { return Ok(()) };
    if Arc::ptr_eq(selected.view.told(), &now) {
        return Ok(());
    }
    let mut untold = selected.view.untold(&now, modes.condstore);
    if numbers_stand && !untold.vanished.is_empty() {
        return Ok(());
    }
    if !flags {
        untold.changed.clear();
    }
    let arrived = if fetch.is_empty() { Vec::new() } else { selected.view.arrived(&now) };
    selected.saved.retain(|uid| untold.vanished.binary_search(uid).is_err());
    selected.view.advance(Arc::clone(&now));
    let out = encode_untold(&untold, &now, &selected.view, modes);
    ctx.write(&out).await?;
    if arrived.is_empty() { Ok(()) } else { Box::pin(fetch_arrived(ctx, fetch, &arrived, &now)).await }
}

/// RFC 5465 §5.2: what NOTIFY asked for of new messages, behind their EXISTS. `\Seen` is left alone.
async fn fetch_arrived(ctx: &mut Ctx, items: Vec<FetchItem>, arrived: &[u32], now: &Snapshot) -> Result<(), Failure> {
    let mailbox = ctx.selected()?.mailbox;
    let lines: Vec<Line> = arrived.iter().filter_map(|&uid| now.find(uid)).copied().collect();
    let mut items = items;
    items.dedup();
    let only_uid = items.iter().all(|item| *item == FetchItem::Uid);
    if ctx.modes.uid_only {
        // RFC 9586 §3.3: UIDFETCH says the UID itself.
        items.retain(|item| *item != FetchItem::Uid || only_uid);
    }
    let wanted = Arc::new(Wanted { items, charset: ctx.charset(), mailbox, modes: ctx.modes });
    write_all(ctx, &wanted, &lines, now).await?;
    Ok(())
}

/// Waits until something happens that this session wants to hear of: in the open mailbox, or where NOTIFY looks.
pub async fn called(selected: Option<&mut Selected>, watching: Option<&mut Watching>) {
    let feeds = selected.map(|selected| &mut selected.feed).into_iter();
    let feeds = feeds.chain(watching.into_iter().flat_map(Watching::feeds));
    let changes: Vec<_> = feeds.map(|feed| Box::pin(feed.changed())).collect();
    if changes.is_empty() {
        return std::future::pending().await;
    }
    if select_all(changes).await.0.is_err() {
        // The store closes; the request to stop is on its way.
        std::future::pending().await
    }
}

fn encode_untold(untold: &Untold, now: &Snapshot, view: &View, modes: Modes) -> Vec<u8> {
    let mut out = Vec::new();
    if modes.qresync || modes.uid_only {
        // RFC 7162 §3.2.10, RFC 9586 §3.5: VANISHED in place of EXPUNGE.
        encode_vanished(&mut out, &untold.vanished, false);
    } else {
        for number in &untold.expunged {
            out.extend_from_slice(format!("* {number} EXPUNGE\r\n").as_bytes());
        }
    }
    if let Some(exists) = untold.exists {
        out.extend_from_slice(format!("* {exists} EXISTS\r\n").as_bytes());
    }
    for &uid in &untold.changed {
        if let (Some(line), Some(number)) = (now.find(uid), view.number(uid)) {
            encode_flags_line(&mut out, (number, uid), now.flags(line), modes.condstore.then_some(line.modseq), modes);
        }
    }
    out
}

/// `* n FETCH (`; where only UIDs are spoken of, `* uid UIDFETCH (` (RFC 9586 §3.3).
pub fn encode_fetch_head(out: &mut Vec<u8>, number: u32, uid: u32, modes: Modes) {
    let head = if modes.uid_only { format!("* {uid} UIDFETCH (") } else { format!("* {number} FETCH (") };
    out.extend_from_slice(head.as_bytes());
}

/// `* n FETCH (UID u FLAGS (..) [MODSEQ (m)])`
pub fn encode_flags_line(out: &mut Vec<u8>, (number, uid): (u32, u32), flags: &FlagSet, modseq: Option<u64>, modes: Modes) {
    encode_fetch_head(out, number, uid, modes);
    if !modes.uid_only {
        out.extend_from_slice(format!("UID {uid} ").as_bytes());
    }
    out.extend_from_slice(b"FLAGS ");
    encode_flag_set(out, flags);
    if let Some(modseq) = modseq {
        out.extend_from_slice(format!(" MODSEQ ({modseq})").as_bytes());
    }
    out.extend_from_slice(b")\r\n");
}

/// `(\Seen $x)`
pub fn encode_flag_set(out: &mut Vec<u8>, flags: &FlagSet) {
    let flags: Vec<_> = flags.iter().collect();
    encode_flags(out, flags.iter().map(|flag| flag.as_imap()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_mailstore::changes::News;
    use hearth_mailstore::{Entry, Flag};
    use hearth_types::MessageId;

    #[test]
    fn told_in_the_client_s_words() {
        let entry =
            |uid, modseq, flags: &[Flag]| Entry { uid, id: MessageId::from_i64(1), modseq, flags: flags.iter().cloned().collect() };
        let before = Arc::new(Snapshot::new(vec![entry(1, 1, &[]), entry(2, 1, &[]), entry(3, 1, &[])], 1));
        let mut now = (*before).clone();
        now.apply(News { entries: vec![entry(3, 7, &[Flag::Seen]), entry(4, 8, &[])], vanished: vec![1, 2], modseq: 9 });
        let mut view = View::new(before);
        let untold = view.untold(&now, true);
        let now = Arc::new(now);
        view.advance(Arc::clone(&now));
        let text = |modes| String::from_utf8(encode_untold(&untold, &now, &view, modes)).expect("ASCII");
        assert_eq!(text(Modes::default()), "* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n* 2 EXISTS\r\n* 1 FETCH (UID 3 FLAGS (\\Seen))\r\n");
        let modes = Modes { condstore: true, qresync: true, ..Modes::default() };
        assert_eq!(text(modes), "* VANISHED 1:2\r\n* 2 EXISTS\r\n* 1 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (7))\r\n");
        let modes = Modes { uid_only: true, ..Modes::default() };
        assert_eq!(text(modes), "* VANISHED 1:2\r\n* 2 EXISTS\r\n* 3 UIDFETCH (FLAGS (\\Seen))\r\n");
    }
}
