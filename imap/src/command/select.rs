// SPDX-License-Identifier: AGPL-3.0-or-later
//! SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3), with CONDSTORE and QRESYNC (RFC 7162).

use hearth_mailstore::{Flag, Mailbox, Rights, changes};
use hearth_wire::imap::response::{Code, ListLine, Reply, encode_flags, encode_list_line, encode_vanished};
use hearth_wire::imap::{MailboxName, Qresync, contains};

use crate::access::{CHANGES, Reach, find_spot, right_for};
use crate::ctx::{Ctx, Selected};
use crate::fault::{Failure, Outcome};
use crate::news::encode_flags_line;
use crate::state::Modes;
use crate::view::{Snapshot, View};

const SYSTEM_FLAGS: [Flag; 5] = [Flag::Answered, Flag::Flagged, Flag::Deleted, Flag::Seen, Flag::Draft];

/// Opens a mailbox; the one that was open is closed first, whatever comes of this.
pub async fn run(ctx: &mut Ctx, read_only: bool, name: MailboxName, condstore: bool, qresync: Option<Qresync>) -> Outcome {
    if qresync.is_some() && !ctx.modes.qresync {
        // RFC 7162 §3.2.5: only after ENABLE.
        return Ok(Reply::bad("ENABLE QRESYNC first"));
    }
    if ctx.selected.take().is_some() {
        // RFC 9051 §7.1: CLOSED says that what follows is of the new mailbox.
        ctx.write_untagged(&Reply::ok("the mailbox is closed").word("CLOSED")).await?;
    }
    if condstore {
        ctx.modes.condstore = true;
    }
    let spot = find_spot(ctx, name.as_str()).await?;
    let (account, reach, prefix) = (spot.account, spot.reach.clone(), spot.prefix.clone());
    let (mut found, rights) = ctx.shared.store.read(account, move |tx| spot.find(tx, Rights::READ)).await?;
    found.path.insert_str(0, &prefix);
    // RFC 4314 §5.2
    let read_only = read_only || !rights.has_any(CHANGES);
    let feed = match (&reach, &ctx.person) {
        (Reach::Owner, Some(person)) => person.feed.clone(),
        _ => ctx.shared.store.subscribe(account),
    };
    let mirror = ctx.shared.mirrors.open(account, found.id);
    let snapshot = mirror.refresh(&ctx.shared.store, None).await?;
    let mut out = Vec::new();
    encode_facts(&mut out, &found, &snapshot, if read_only { Rights::NONE } else { rights }, ctx.modes);
    if ctx.modes.rev2 {
        // RFC 9051 §6.3.2: the LIST response with the mailbox's true name.
        let old_name = Some(name.as_str()).filter(|asked| *asked != found.path).map(str::to_string);
        let line = ListLine { name: found.path.clone(), old_name, ..ListLine::default() };
        encode_list_line(&mut out, "LIST", &line, ctx.charset());
    }
    ctx.selected = Some(Box::new(Selected {
        account,
        mailbox: found.id,
        uid_validity: found.uid_validity,
        read_only,
        reach,
        rights,
        feed,
        mirror,
        view: View::new(snapshot),
        saved: Vec::new(),
    }));
    ctx.write(&out).await?;
    if let Some(qresync) = qresync.filter(|known| known.uid_validity == found.uid_validity) {
        resynchronize(ctx, &found, &qresync).await?;
    }
    Ok(if read_only { Reply::ok("open for reading").word("READ-ONLY") } else { Reply::ok("open").word("READ-WRITE") })
}

fn encode_facts(out: &mut Vec<u8>, found: &Mailbox, snapshot: &Snapshot, rights: Rights, modes: Modes) {
    let keywords = snapshot.keywords();
    let flags: Vec<&str> = SYSTEM_FLAGS.iter().map(Flag::as_imap).chain(keywords.iter().map(String::as_str)).collect();
    out.extend_from_slice(b"* FLAGS ");
    encode_flags(out, flags.iter().copied());
    out.extend_from_slice(format!("\r\n* {} EXISTS\r\n", snapshot.len()).as_bytes());
    if !modes.rev2 {
        // RFC 3501 §7.3.2; we keep no \Recent, and RFC 9051 Appendix E has done away with it.
        out.extend_from_slice(b"* 0 RECENT\r\n");
        if let Some(number) = snapshot.first_unseen().filter(|_| !modes.uid_only) {
            Reply::ok("first unseen").with(Code::Number("UNSEEN", number as u64)).encode(out, None);
        }
    }
    let permanent = permanent_flags(&keywords, rights);
    for (code, text) in [
        (Code::PermanentFlags(permanent), "what can be set"),
        (Code::Number("UIDVALIDITY", u64::from(found.uid_validity)), "UIDs stand"),
        (Code::Number("UIDNEXT", u64::from(found.uid_next).max(u64::from(snapshot.last_uid()) + 1)), "next UID"),
        // RFC 7162 §7: a mod-sequence value is not zero.
        (Code::Number("HIGHESTMODSEQ", snapshot.highest_modseq.max(1)), "newest change"),
        (Code::MailboxId(found.id.to_string()), "object id"),
    ] {
        Reply::ok(text).with(code).encode(out, None);
    }
}

/// RFC 4314 §5.1.1: those that this client may change.
pub fn permanent_flags(keywords: &[String], rights: Rights) -> Vec<String> {
    let flags = SYSTEM_FLAGS.iter().map(Flag::as_imap).chain(keywords.iter().map(String::as_str));
    let may = |name: &&str| rights.has(Flag::from_imap(name).map_or(Rights::WRITE, |flag| right_for(&flag)));
    let new = rights.has(Rights::WRITE).then_some("\\*");
    flags.filter(may).chain(new).map(str::to_string).collect()
}

/// RFC 7162 §3.2.5: what vanished and what changed since the client was here last.
async fn resynchronize(ctx: &mut Ctx, found: &Mailbox, known: &Qresync) -> Result<(), Failure> {
    let (account, mailbox, since) = (ctx.selected()?.account, found.id, known.modseq);
    let mut vanished: Vec<u32> =
        ctx.shared.store.read(account, move |tx| changes::vanished(tx, mailbox, since)).await.map_err(Failure::from)?;
    let uids = known.known_uids.as_ref().map(|set| set.normalize(u32::MAX));
    let is_known = |uid: u32| uids.as_ref().is_none_or(|ranges| contains(ranges, uid));
    let modes = ctx.modes;
    let selected = ctx.selected()?;
    let told = std::sync::Arc::clone(selected.view.told());
    vanished.retain(|&uid| is_known(uid) && told.find(uid).is_none());
    let mut out = Vec::new();
    encode_vanished(&mut out, &vanished, true);
    for (number, line) in (1..).zip(told.lines()) {
        if line.modseq > since && is_known(line.uid) {
            encode_flags_line(&mut out, (number, line.uid), told.flags(line), Some(line.modseq), modes);
        }
    }
    ctx.write(&out).await
}
