// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mailboxes: names, roles, counts.

use std::collections::BTreeMap;

use hearth_types::MailboxId;
use unicode_normalization::UnicodeNormalization as _;

use crate::error::{Error, Result};
use crate::limits::{MAILBOX_DEPTH_MAX, MAILBOX_NAME_BYTES_MAX, MAILBOXES_MAX};
use crate::message;
use crate::snooze;
use crate::tx::{MailTx, number};

/// Where refused mail is kept for a while; a mailbox like any other, and made when it is first needed.
pub const REJECTS: &str = "Rejects";

/// Special use (RFC 6154, RFC 8621 §2). INBOX is a role too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// INBOX.
    Inbox,
    /// `\Sent`.
    Sent,
    /// `\Drafts`.
    Drafts,
    /// `\Trash`.
    Trash,
    /// `\Junk`.
    Junk,
    /// `\Archive`.
    Archive,
    /// `\Flagged` (virtual elsewhere; a plain mailbox here).
    Flagged,
    /// `\Important` (RFC 8457).
    Important,
    /// `\All`.
    All,
}

impl Role {
    /// As JMAP and our tables write it: `inbox`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Sent => "sent",
            Self::Drafts => "drafts",
            Self::Trash => "trash",
            Self::Junk => "junk",
            Self::Archive => "archive",
            Self::Flagged => "flagged",
            Self::Important => "important",
            Self::All => "all",
        }
    }

    /// Reads what [`Role::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        const ALL: [Role; 9] = [
            Role::Inbox,
            Role::Sent,
            Role::Drafts,
            Role::Trash,
            Role::Junk,
            Role::Archive,
            Role::Flagged,
            Role::Important,
            Role::All,
        ];
        ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// The IMAP attribute: `\Sent`; `None` for INBOX, which has none.
    pub const fn as_imap(self) -> Option<&'static str> {
        match self {
            Self::Inbox => None,
            Self::Sent => Some("\\Sent"),
            Self::Drafts => Some("\\Drafts"),
            Self::Trash => Some("\\Trash"),
            Self::Junk => Some("\\Junk"),
            Self::Archive => Some("\\Archive"),
            Self::Flagged => Some("\\Flagged"),
            Self::Important => Some("\\Important"),
            Self::All => Some("\\All"),
        }
    }
}

/// A mailbox with its counts, which are kept as rows change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// MAILBOXID.
    pub id: MailboxId,
    /// The mailbox that it is below.
    pub parent: Option<MailboxId>,
    /// Its own name: the last level.
    pub name: String,
    /// The whole path, levels separated by `/`: IMAP's name (UTF-8).
    pub path: String,
    /// Special use.
    pub role: Option<Role>,
    /// Subscribed (LSUB, LIST (SUBSCRIBED), JMAP isSubscribed).
    pub subscribed: bool,
    /// JMAP sortOrder.
    pub sort_order: u32,
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// UIDNEXT.
    pub uid_next: u32,
    /// Highest modseq of any message in it, expunged ones included: HIGHESTMODSEQ.
    pub highest_modseq: u64,
    /// Modseq of its making.
    pub created_modseq: u64,
    /// Modseq of the last change of name, parent, role, subscription or order.
    pub modseq: u64,
    /// Modseq of the last change of a count.
    pub counts_modseq: u64,
    /// Messages.
    pub total: u64,
    /// Messages without `\Seen`.
    pub unseen: u64,
    /// Messages with `\Deleted` (STATUS DELETED).
    pub deleted: u64,
    /// Sum of the sizes (STATUS SIZE).
    pub size_bytes: u64,
}

/// What may be changed of a mailbox; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// A new name (last level).
    pub name: Option<String>,
    /// A new parent (`Some(None)`: the top).
    pub parent: Option<Option<MailboxId>>,
    /// A new role.
    pub role: Option<Option<Role>>,
    /// Subscribe or not.
    pub subscribed: Option<bool>,
    /// A new place in lists.
    pub sort_order: Option<u32>,
}

/// What a new mailbox is.
#[derive(Clone, Debug, Default)]
pub struct New {
    /// Below which (`None`: top).
    pub parent: Option<MailboxId>,
    /// Its last level.
    pub name: String,
    /// Special use.
    pub role: Option<Role>,
    /// Subscribed.
    pub subscribed: bool,
    /// Place in lists.
    pub sort_order: u32,
}

/// The mailboxes of a new account (RFC 6154), in the order of lists.
const FIRST: [(&str, Role); 6] = [
    ("INBOX", Role::Inbox),
    ("Drafts", Role::Drafts),
    ("Sent", Role::Sent),
    ("Archive", Role::Archive),
    ("Junk", Role::Junk),
    ("Trash", Role::Trash),
];
const TOP: MailboxId = MailboxId::from_i64(0);

pub(crate) fn add_first(tx: &mut MailTx<'_>) -> Result<()> {
    for (order, (name, role)) in (1_u32..).zip(FIRST) {
        insert(tx, New { parent: None, name: name.into(), role: Some(role), subscribed: true, sort_order: order })?;
    }
    Ok(())
}

/// Every mailbox, sorted by path with INBOX (and what is below it) first.
pub fn list(tx: &mut MailTx<'_>) -> Result<Vec<Mailbox>> {
    tx.flush()?;
    let account = tx.account();
    let mut all = tx.query(
        "SELECT id, parent, name, role, subscribed, sort_order, uid_validity, uid_next, highest_modseq, created_modseq,
            modseq, counts_modseq, total, unseen, deleted, size_bytes
         FROM mailbox WHERE account = $1",
        &[&account],
        |row| {
            Ok(Mailbox {
                id: row.get(0)?,
                parent: Some(row.get(1)?).filter(|parent| *parent != TOP),
                name: row.get(2)?,
                path: String::new(),
                role: row.get::<Option<String>>(3)?.as_deref().and_then(Role::parse),
                subscribed: row.get(4)?,
                sort_order: row.get(5)?,
                uid_validity: row.get(6)?,
                uid_next: row.get(7)?,
                highest_modseq: row.get(8)?,
                created_modseq: row.get(9)?,
                modseq: row.get(10)?,
                counts_modseq: row.get(11)?,
                total: row.get(12)?,
                unseen: row.get(13)?,
                deleted: row.get(14)?,
                size_bytes: row.get(15)?,
            })
        },
    )?;
    let names: BTreeMap<MailboxId, (Option<MailboxId>, String)> =
        all.iter().map(|mailbox| (mailbox.id, (mailbox.parent, mailbox.name.clone()))).collect();
    for mailbox in &mut all {
        mailbox.path = path(&names, mailbox.id);
    }
    all.sort_by(|a, b| (!is_inbox(&a.path), &a.path).cmp(&(!is_inbox(&b.path), &b.path)));
    Ok(all)
}

fn is_inbox(path: &str) -> bool {
    path == "INBOX" || path.starts_with("INBOX/")
}

fn path(names: &BTreeMap<MailboxId, (Option<MailboxId>, String)>, id: MailboxId) -> String {
    let mut levels = Vec::new();
    let mut next = Some(id);
    while let Some((parent, name)) = next.and_then(|id| names.get(&id)) {
        levels.push(name.as_str());
        // Deeper than can be: a ring, which no change of ours makes.
        next = parent.filter(|_| levels.len() <= MAILBOX_DEPTH_MAX);
    }
    levels.reverse();
    levels.join("/")
}

/// By id.
pub fn find(tx: &mut MailTx<'_>, id: MailboxId) -> Result<Option<Mailbox>> {
    Ok(list(tx)?.into_iter().find(|mailbox| mailbox.id == id))
}

/// By path; `INBOX` in any case (RFC 9051 §5.1), other names exactly, after Unicode NFC.
pub fn find_by_name(tx: &mut MailTx<'_>, path: &str) -> Result<Option<Mailbox>> {
    let path = normal(path);
    Ok(list(tx)?.into_iter().find(|mailbox| mailbox.path == path))
}

/// By path, or else by what mail programs call the mailbox of a role: `Sent Items` is Sent as long as there is no other
/// mailbox of that name. For what is put there or looked at; never for what is removed.
pub fn find_as_named(tx: &mut MailTx<'_>, path: &str) -> Result<Option<Mailbox>> {
    let path = normal(path);
    let all = list(tx)?;
    let by_path = all.iter().find(|mailbox| mailbox.path == path);
    let by_role = || role_of(&path).and_then(|role| all.iter().find(|mailbox| mailbox.role == Some(role)));
    Ok(by_path.or_else(by_role).cloned())
}

/// What a mailbox is for, by the names that mail programs and providers give (Outlook, Apple Mail, Thunderbird, K-9,
/// Gmail, in English, French and German).
pub fn role_of(path: &str) -> Option<Role> {
    let lower = path.to_lowercase();
    let above = ["inbox/", "inbox.", "[gmail]/", "[google mail]/"];
    let name = above.iter().find_map(|above| lower.strip_prefix(above)).unwrap_or(&lower);
    Some(match name {
        "inbox" => Role::Inbox,
        "sent"
        | "sent items"
        | "sent mail"
        | "sent messages"
        | "sent-mail"
        | "envoyés"
        | "messages envoyés"
        | "éléments envoyés"
        | "courrier envoyé"
        | "gesendet"
        | "gesendete objekte"
        | "gesendete elemente" => Role::Sent,
        "drafts" | "draft" | "brouillons" | "entwürfe" => Role::Drafts,
        "trash"
        | "deleted items"
        | "deleted messages"
        | "bin"
        | "corbeille"
        | "éléments supprimés"
        | "messages supprimés"
        | "papierkorb"
        | "gelöscht"
        | "gelöschte elemente"
        | "gelöschte objekte" => Role::Trash,
        "junk"
        | "junk e-mail"
        | "junk email"
        | "spam"
        | "bulk mail"
        | "courrier indésirable"
        | "indésirables"
        | "pourriel"
        | "junk-e-mail"
        | "werbung" => Role::Junk,
        "archive" | "archives" | "archiv" => Role::Archive,
        _ => return None,
    })
}

/// By role.
pub fn find_by_role(tx: &mut MailTx<'_>, role: Role) -> Result<Option<Mailbox>> {
    Ok(list(tx)?.into_iter().find(|mailbox| mailbox.role == Some(role)))
}

/// The path in its one form: NFC, the first level INBOX in capitals when it is INBOX.
fn normal(path: &str) -> String {
    let path: String = path.nfc().collect();
    match path.get(..5) {
        Some(first) if first.eq_ignore_ascii_case("INBOX") && matches!(path.as_bytes().get(5), None | Some(b'/')) => {
            format!("INBOX{}", path.get(5..).unwrap_or_default())
        }
        _ => path,
    }
}

/// Makes one mailbox.
pub fn add(tx: &mut MailTx<'_>, new: New) -> Result<Mailbox> {
    let all = list(tx)?;
    if all.len() >= MAILBOXES_MAX {
        return Err(Error::TooMany("mailboxes"));
    }
    let name: String = new.name.nfc().collect();
    check_name(&name)?;
    check_place(&all, None, new.parent, &name)?;
    check_role(&all, None, new.role)?;
    let parent = new.parent;
    let id = insert(tx, New { name, ..new })?;
    if let Some(parent) = parent {
        crate::acl::inherit(tx, parent, id)?;
    }
    find(tx, id)?.ok_or(Error::NoSuchMailbox)
}

fn insert(tx: &mut MailTx<'_>, new: New) -> Result<MailboxId> {
    mark_if_snoozed(tx, new.parent, &new.name)?;
    let account = tx.account();
    let id = MailboxId::new(tx.now());
    let modseq = number(tx.next_modseq()?)?;
    let uid_validity = tx.one(
        "UPDATE account SET uid_validity = uid_validity + 1 WHERE account = $1 RETURNING uid_validity",
        &[&account],
        |row| row.get::<i64>(0),
    )?;
    tx.execute(
        "INSERT INTO mailbox (account, id, parent, name, role, subscribed, sort_order, uid_validity, uid_next,
            highest_modseq, created_modseq, modseq, counts_modseq, total, unseen, deleted, size_bytes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9, $9, $9, 0, 0, 0, 0)",
        &[
            &account,
            &id,
            &new.parent.unwrap_or(TOP),
            &new.name,
            &new.role.map(Role::as_str),
            &new.subscribed,
            &new.sort_order,
            &uid_validity,
            &modseq,
        ],
    )?;
    Ok(id)
}

fn mark_if_snoozed(tx: &MailTx<'_>, parent: Option<MailboxId>, name: &str) -> Result<()> {
    if parent.is_none() && name == snooze::SNOOZED { snooze::mark(&tx.place.snoozed) } else { Ok(()) }
}

/// One level of a name.
fn check_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::BadName("it is empty"));
    }
    if name.len() > MAILBOX_NAME_BYTES_MAX {
        return Err(Error::BadName("it is too long"));
    }
    if name.contains('/') {
        return Err(Error::BadName("it has a slash"));
    }
    // RFC 9051 §5.1: no control characters; also U+2028 and U+2029 (RFC 5198).
    if name.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(Error::BadName("it has a control character"));
    }
    Ok(())
}

/// May a mailbox (`id`, or a new one) have this name below this parent?
fn check_place(all: &[Mailbox], id: Option<MailboxId>, parent: Option<MailboxId>, name: &str) -> Result<()> {
    let mut depth = 1;
    let mut above = parent;
    while let Some(next) = above {
        if Some(next) == id {
            return Err(Error::Forbidden("a mailbox cannot be below itself"));
        }
        depth += 1;
        above = all.iter().find(|mailbox| mailbox.id == next).ok_or(Error::NoSuchMailbox)?.parent;
    }
    // What is below comes along.
    let below = id.map_or(0, |id| height(all, id));
    if depth + below > MAILBOX_DEPTH_MAX {
        return Err(Error::BadName("too many levels"));
    }
    let is_same = |mailbox: &&Mailbox| {
        mailbox.parent == parent
            && (mailbox.name == name || parent.is_none() && name.eq_ignore_ascii_case("INBOX") && mailbox.name == "INBOX")
    };
    match all.iter().find(is_same) {
        Some(other) if Some(other.id) != id => Err(Error::MailboxExists),
        _ => Ok(()),
    }
}

fn height(all: &[Mailbox], id: MailboxId) -> usize {
    let prefix = all.iter().find(|mailbox| mailbox.id == id).map(|mailbox| format!("{}/", mailbox.path));
    let depths = all.iter().filter_map(|mailbox| Some(mailbox.path.strip_prefix(prefix.as_ref()?)?.split('/').count()));
    depths.max().unwrap_or(0)
}

fn check_role(all: &[Mailbox], id: Option<MailboxId>, role: Option<Role>) -> Result<()> {
    // RFC 8621 §2: no two mailboxes have the same role.
    match all.iter().find(|mailbox| role.is_some() && mailbox.role == role) {
        Some(other) if Some(other.id) != id => Err(Error::MailboxExists),
        _ => Ok(()),
    }
}

/// Makes the mailbox at a path, and the missing ones above it (RFC 9051 §6.3.4). `MailboxExists` when it is there.
pub fn add_path(tx: &mut MailTx<'_>, path: &str, role: Option<Role>) -> Result<Mailbox> {
    let path = normal(path);
    let (parent, name) = add_above(tx, &path)?;
    add(tx, New { parent, name, role, subscribed: false, sort_order: 0 })
}

/// Makes what is missing above a path; answers where its last level belongs.
fn add_above(tx: &mut MailTx<'_>, path: &str) -> Result<(Option<MailboxId>, String)> {
    let Some((above, name)) = path.rsplit_once('/') else { return Ok((None, path.to_string())) };
    if path.split('/').count() > MAILBOX_DEPTH_MAX {
        return Err(Error::BadName("too many levels"));
    }
    check_name(name)?;
    let mut parent = None;
    for level in above.split('/') {
        let found = list(tx)?.into_iter().find(|mailbox| mailbox.parent == parent && mailbox.name == level);
        parent = Some(match found {
            Some(found) => found.id,
            None => add(tx, New { parent, name: level.to_string(), ..New::default() })?.id,
        });
    }
    Ok((parent, name.to_string()))
}

/// Changes properties. INBOX keeps its name, place and role.
pub fn change(tx: &mut MailTx<'_>, id: MailboxId, change: Change) -> Result<Mailbox> {
    let all = list(tx)?;
    let old = all.iter().find(|mailbox| mailbox.id == id).ok_or(Error::NoSuchMailbox)?.clone();
    let mut new = old.clone();
    if let Some(name) = change.name {
        new.name = name.nfc().collect();
        check_name(&new.name)?;
    }
    new.parent = change.parent.unwrap_or(new.parent);
    new.role = change.role.unwrap_or(new.role);
    new.subscribed = change.subscribed.unwrap_or(new.subscribed);
    new.sort_order = change.sort_order.unwrap_or(new.sort_order);
    let moves = (&new.name, new.parent) != (&old.name, old.parent);
    if old.role == Some(Role::Inbox) && (moves || new.role != old.role) {
        return Err(Error::Forbidden("INBOX keeps its name, place and role"));
    }
    if moves {
        check_place(&all, Some(id), new.parent, &new.name)?;
    }
    if new.role != old.role {
        if new.role == Some(Role::Inbox) {
            return Err(Error::MailboxExists);
        }
        check_role(&all, Some(id), new.role)?;
    }
    if new == old {
        return Ok(old);
    }
    mark_if_snoozed(tx, new.parent, &new.name)?;
    let account = tx.account();
    let modseq = number(tx.next_modseq()?)?;
    tx.execute(
        "UPDATE mailbox SET parent = $3, name = $4, role = $5, subscribed = $6, sort_order = $7, modseq = $8
         WHERE account = $1 AND id = $2",
        &[
            &account,
            &id,
            &new.parent.unwrap_or(TOP),
            &new.name,
            &new.role.map(Role::as_str),
            &new.subscribed,
            &new.sort_order,
            &modseq,
        ],
    )?;
    find(tx, id)?.ok_or(Error::NoSuchMailbox)
}

/// IMAP RENAME: to a new path, with all that is below it; makes the missing ones above (RFC 9051 §6.3.6).
/// Of INBOX it moves the messages to a new mailbox and leaves INBOX in place.
pub fn rename(tx: &mut MailTx<'_>, id: MailboxId, path: &str) -> Result<Mailbox> {
    let path = normal(path);
    let old = find(tx, id)?.ok_or(Error::NoSuchMailbox)?;
    if list(tx)?.iter().any(|mailbox| mailbox.path == path) {
        return Err(Error::MailboxExists);
    }
    if old.role == Some(Role::Inbox) {
        let new = add_path(tx, &path, None)?;
        let uids: Vec<u32> = message::view(tx, id)?.iter().map(|entry| entry.uid).collect();
        message::move_to(tx, id, &uids, new.id)?;
        return find(tx, new.id)?.ok_or(Error::NoSuchMailbox);
    }
    if path.starts_with(&format!("{}/", old.path)) {
        return Err(Error::Forbidden("a mailbox cannot be below itself"));
    }
    let (parent, name) = add_above(tx, &path)?;
    change(tx, id, Change { name: Some(name), parent: Some(parent), ..Change::default() })
}

/// Removes a mailbox and the messages that are in no other one. Not INBOX; not one with children.
pub fn remove(tx: &mut MailTx<'_>, id: MailboxId) -> Result<()> {
    let all = list(tx)?;
    let old = all.iter().find(|mailbox| mailbox.id == id).ok_or(Error::NoSuchMailbox)?;
    if old.role == Some(Role::Inbox) {
        return Err(Error::Forbidden("INBOX cannot be removed"));
    }
    if all.iter().any(|mailbox| mailbox.parent == Some(id)) {
        return Err(Error::HasChildren);
    }
    let uids: Vec<u32> = message::view(tx, id)?.iter().map(|entry| entry.uid).collect();
    message::remove_entries(tx, id, &uids)?;
    tx.flush()?;
    let account = tx.account();
    let modseq = tx.next_modseq()?;
    tx.execute("DELETE FROM mailbox WHERE account = $1 AND id = $2", &[&account, &id])?;
    crate::annotation::forget(tx, id)?;
    crate::acl::forget(tx, id)?;
    // Its UIDs went with it: nobody will ask for them, a mailbox of the same name has another UIDVALIDITY.
    tx.execute("DELETE FROM gone WHERE account = $1 AND kind = 2 AND mailbox = $2", &[&account, &id])?;
    crate::changes::bury(tx, crate::changes::Kind::Mailbox, modseq, id.as_i64(), id, old.created_modseq)
}

/// JMAP's totalThreads and unreadThreads of a mailbox, counted now. RFC 8621 §2: a thread with a message
/// here is unread when any message of it has neither `$seen` nor `$draft`.
pub fn thread_counts(tx: &mut MailTx<'_>, id: MailboxId) -> Result<(u64, u64)> {
    let account = tx.account();
    tx.one(
        "SELECT COUNT(*), COUNT(CASE WHEN EXISTS (
                SELECT 1 FROM message u WHERE u.account = $1 AND u.thread = t.thread AND u.flags % 2 = 0 AND u.flags < 8
            ) THEN 1 END)
         FROM (
            SELECT DISTINCT m.thread AS thread FROM entry e JOIN message m ON m.account = e.account AND m.id = e.message
            WHERE e.account = $1 AND e.mailbox = $2
         ) t",
        &[&account, &id],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Gives out `count` UIDs: the first of them, and UIDVALIDITY.
pub(crate) fn take_uids(tx: &mut MailTx<'_>, id: MailboxId, count: u32) -> Result<(u32, u32)> {
    let account = tx.account();
    let row = tx.find(
        "UPDATE mailbox SET uid_next = uid_next + $3 WHERE account = $1 AND id = $2 RETURNING uid_next, uid_validity",
        &[&account, &id, &count],
        |row| Ok((row.get::<i64>(0)?, row.get::<u32>(1)?)),
    )?;
    let (next, uid_validity) = row.ok_or(Error::NoSuchMailbox)?;
    let first = u32::try_from(next - i64::from(count)).map_err(|_| Error::TooMany("messages ever in one mailbox"))?;
    Ok((first, uid_validity))
}

/// The id of the mailbox with a role, without its counts.
pub(crate) fn id_by_role(tx: &mut MailTx<'_>, role: Role) -> Result<Option<MailboxId>> {
    let account = tx.account();
    tx.find("SELECT id FROM mailbox WHERE account = $1 AND role = $2", &[&account, &role.as_str()], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_elsewhere() {
        for (path, role) in [
            ("INBOX", Some(Role::Inbox)),
            ("[Gmail]/Sent Mail", Some(Role::Sent)),
            ("INBOX.Drafts", Some(Role::Drafts)),
            ("INBOX/Spam", Some(Role::Junk)),
            ("Deleted Items", Some(Role::Trash)),
            ("ÉLÉMENTS ENVOYÉS", Some(Role::Sent)),
            ("Courrier indésirable", Some(Role::Junk)),
            ("Lists/sent", None),
            ("Holiday", None),
        ] {
            assert_eq!(role_of(path), role, "{path}");
        }
    }
}
