// SPDX-License-Identifier: AGPL-3.0-or-later
//! LIST (RFC 9051 §6.3.9; extended RFC 5258, STATUS RFC 5819, special use RFC 6154, MYRIGHTS RFC 8440, METADATA RFC 9590).

use hearth_mailstore::{Error, MailTx, Mailbox, Rights};
use hearth_wire::imap::response::{ListLine, Reply, encode_list_line, encode_metadata_line, encode_status_line};
use hearth_wire::imap::{List, SEPARATOR, StatusItem, encode_my_rights_line, matches};

use super::{metadata, status};
use crate::access::{Seen, levels, list_seen, may_match};
use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};

/// Lists mailboxes.
pub async fn run(ctx: &mut Ctx, list: List) -> Outcome {
    let charset = ctx.charset();
    let mut out = Vec::new();
    if !list.extended && list.patterns.iter().all(String::is_empty) {
        // RFC 9051 §6.3.9: an empty pattern asks for the separator and the root.
        encode_list_line(&mut out, "LIST", &ListLine { attributes: vec!["\\Noselect"], ..ListLine::default() }, charset);
        ctx.write(&out).await?;
        return Ok(Reply::ok("done"));
    }
    let me = ctx.account()?;
    let seen = list_seen(ctx, list.patterns.iter().any(|pattern| may_match(&list.reference, pattern))).await?;
    let more = read_more(ctx, &list, &seen).await?;
    if list.return_status.contains(&StatusItem::HighestModSeq) {
        ctx.modes.condstore = true;
    }
    let all: Vec<&Mailbox> = seen.iter().map(|one| &one.mailbox).collect();
    for (at, one) in seen.iter().enumerate() {
        let Some(line) = line(&list, &all, at, &one.mailbox) else { continue };
        // RFC 8440 §4: what is shown for those below it alone has no rights here.
        let selected = !line.child_info_subscribed || one.mailbox.subscribed;
        encode_list_line(&mut out, "LIST", &line, charset);
        if list.return_my_rights && selected {
            encode_my_rights_line(&mut out, &line.name, &one.rights.to_string(), charset);
        }
        let (deleted_bytes, entries) = more.get(at).map_or((0, None), |(bytes, entries)| (*bytes, entries.as_ref()));
        // RFC 5819 §2: without the right to read it there is no STATUS.
        if !list.return_status.is_empty() && one.rights.has(Rights::READ) {
            let values = status::values(&one.mailbox, &list.return_status, ctx.shared.append_bytes_max, deleted_bytes);
            encode_status_line(&mut out, &line.name, &values, charset);
        }
        // RFC 5464 §3.3: to who may GETMETADATA.
        if let Some(entries) = entries.filter(|_| one.rights.has_any(metadata::READERS)) {
            encode_metadata_line(&mut out, &line.name, entries, charset);
        }
    }
    for line in levels(&seen, me).iter().filter(|line| shows_level(&list, &line.name)) {
        encode_list_line(&mut out, "LIST", line, charset);
    }
    ctx.write(&out).await?;
    Ok(Reply::ok("done"))
}

/// A level that is no mailbox has nothing to be chosen by but its name.
fn shows_level(list: &List, name: &str) -> bool {
    !list.select_subscribed
        && !list.select_special_use
        && list.patterns.iter().any(|pattern| matches(&list.reference, pattern, name))
}

/// What there is to tell of a mailbox beside its row: DELETED-STORAGE, and its entries.
type More = (u64, Option<Vec<metadata::Valued>>);

/// One transaction in each account, if any of it was asked for.
async fn read_more(ctx: &mut Ctx, list: &List, seen: &[Seen]) -> Result<Vec<More>, Failure> {
    let me = ctx.account()?;
    let wants_deleted = list.return_status.contains(&StatusItem::DeletedStorage);
    if !wants_deleted && list.return_metadata.is_empty() {
        return Ok(Vec::new());
    }
    let mut more = Vec::with_capacity(seen.len());
    for of_account in seen.chunk_by(|one, other| one.account == other.account) {
        let Some(account) = of_account.first().map(|one| one.account) else { continue };
        let (mailboxes, wanted): (Vec<Mailbox>, _) =
            (of_account.iter().map(|one| one.mailbox.clone()).collect(), list.return_metadata.clone());
        let work = move |tx: &mut MailTx<'_>| {
            let of = |found: &Mailbox| read_one(tx, found, (wants_deleted, &wanted), account != me);
            Ok::<_, Failure>(mailboxes.iter().map(of).collect::<Result<Vec<More>, Error>>()?)
        };
        more.extend(ctx.shared.store.read(account, work).await?);
    }
    Ok(more)
}

fn read_one(tx: &mut MailTx<'_>, found: &Mailbox, (deleted, wanted): (bool, &[String]), foreign: bool) -> Result<More, Error> {
    let deleted_bytes = if deleted { status::deleted_bytes(tx, found)? } else { 0 };
    let entries = if wanted.is_empty() { None } else { Some(metadata::listed(tx, found.id, wanted, foreign)?) };
    Ok((deleted_bytes, entries))
}

/// What LIST says of one mailbox; `None` when the client did not ask for it.
fn line(list: &List, all: &[&Mailbox], at: usize, found: &Mailbox) -> Option<ListLine> {
    if !list.patterns.iter().any(|pattern| matches(&list.reference, pattern, &found.path)) {
        return None;
    }
    // `all` is sorted by path, but INBOX stands first, so its children need not follow it.
    let is_below = |other: &&Mailbox| other.path.strip_prefix(found.path.as_str()).is_some_and(|rest| rest.starts_with(SEPARATOR));
    let below = || all.iter().enumerate().filter(|&(other, mailbox)| other != at && is_below(mailbox)).map(|(_, mailbox)| mailbox);
    // RFC 5258 §3.5: with RECURSIVEMATCH, a mailbox that is not selected itself is shown for those below it.
    let child_info = list.select_recursive && below().any(|child| child.subscribed);
    let selected = (!list.select_subscribed || found.subscribed) && (!list.select_special_use || special_use(found).is_some());
    if !selected && !child_info {
        return None;
    }
    let mut attributes = vec![if below().next().is_some() { "\\HasChildren" } else { "\\HasNoChildren" }];
    if found.subscribed && (list.select_subscribed || list.return_subscribed) {
        attributes.push("\\Subscribed");
    }
    // RFC 6154 §2: shown in every LIST, as mail programs that know nothing of RETURN need it.
    attributes.extend(special_use(found));
    Some(ListLine { attributes, name: found.path.clone(), child_info_subscribed: child_info, old_name: None })
}

/// `\Sent` and its kin.
pub fn special_use(found: &Mailbox) -> Option<&'static str> {
    found.role.and_then(|role| role.as_imap())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::listing;
    use hearth_mailstore::Role;

    pub fn mailbox(path: &str, subscribed: bool, role: Option<Role>) -> Mailbox {
        Mailbox { role, subscribed, ..listing::mailbox(path) }
    }

    fn listed(list: List) -> Vec<String> {
        let all = [
            mailbox("INBOX", true, Some(Role::Inbox)),
            mailbox("Sent", false, Some(Role::Sent)),
            mailbox("a", false, None),
            mailbox("a/b", true, None),
        ];
        let all: Vec<&Mailbox> = all.iter().collect();
        let lines = all.iter().enumerate().filter_map(|(at, found)| line(&list, &all, at, found));
        lines
            .map(|line| {
                format!("{} {}{}", line.name, line.attributes.join(" "), if line.child_info_subscribed { " +" } else { "" })
            })
            .collect()
    }

    #[test]
    fn what_is_asked_for() {
        let plain = List { patterns: vec!["*".into()], ..List::default() };
        assert_eq!(
            listed(plain.clone()),
            ["INBOX \\HasNoChildren", "Sent \\HasNoChildren \\Sent", "a \\HasChildren", "a/b \\HasNoChildren"]
        );
        let subscribed = List { select_subscribed: true, extended: true, ..plain.clone() };
        assert_eq!(listed(subscribed), ["INBOX \\HasNoChildren \\Subscribed", "a/b \\HasNoChildren \\Subscribed"]);
        let recursive =
            List { patterns: vec!["%".into()], select_subscribed: true, select_recursive: true, extended: true, ..List::default() };
        assert_eq!(listed(recursive), ["INBOX \\HasNoChildren \\Subscribed", "a \\HasChildren +"]);
        let special = List { select_special_use: true, extended: true, ..plain };
        assert_eq!(listed(special), ["Sent \\HasNoChildren \\Sent"]);
    }
}
