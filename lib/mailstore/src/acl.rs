// SPDX-License-Identifier: AGPL-3.0-or-later
//! What others may do with a mailbox (RFC 4314), and which mailboxes of others somebody follows.
//!
//! A list belongs to the mailbox and lies with it: it is backed up, moved and deleted with its account. Who a
//! grantee is, and who is in a group, is not known here; a grantee is an id that is never given to another.

use std::fmt;

use hearth_types::{AccountId, MailboxId};

use crate::error::{Error, Result};
use crate::limits::{ACL_ENTRIES_MAX, FOLLOWS_MAX};
use crate::tx::{MailTx, number};

/// Stands for everybody who has an account here.
pub const ANYONE: AccountId = AccountId::from_i64(0);

/// A set of rights (RFC 4314 §2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u16);

/// The letters in the order of the RFC; a right's bit is its place here.
const LETTERS: &str = "lrswipkxtea";

impl Rights {
    /// No right.
    pub const NONE: Self = Self(0);
    /// `l`: it is visible.
    pub const LOOKUP: Self = Self(1);
    /// `r`: its messages can be read.
    pub const READ: Self = Self(1 << 1);
    /// `s`: `\Seen` can be changed.
    pub const SEEN: Self = Self(1 << 2);
    /// `w`: other flags and keywords can be changed.
    pub const WRITE: Self = Self(1 << 3);
    /// `i`: messages can be put into it.
    pub const INSERT: Self = Self(1 << 4);
    /// `p`: mail can be sent to it.
    pub const POST: Self = Self(1 << 5);
    /// `k`: mailboxes can be made below it.
    pub const CREATE: Self = Self(1 << 6);
    /// `x`: it can be deleted or renamed.
    pub const DELETE: Self = Self(1 << 7);
    /// `t`: messages can be marked `\Deleted`.
    pub const MARK_DELETED: Self = Self(1 << 8);
    /// `e`: messages can be expunged.
    pub const EXPUNGE: Self = Self(1 << 9);
    /// `a`: this list can be read and changed.
    pub const ADMINISTER: Self = Self(1 << 10);
    /// Every right.
    pub const ALL: Self = Self((1 << 11) - 1);

    /// Rights by their letters; `None` when one of them is none of ours. RFC 4314 §2.1.1: `c` is `k` and `x`, `d` is `e`
    /// and `t`.
    pub fn parse(letters: &str) -> Option<Self> {
        letters.chars().try_fold(Self::NONE, |rights, letter| {
            Some(rights.with(match letter {
                'c' => Self::CREATE.with(Self::DELETE),
                'd' => Self::EXPUNGE.with(Self::MARK_DELETED),
                letter => Self(1 << LETTERS.find(letter)?),
            }))
        })
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without these.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Are all of these among them?
    pub const fn has(self, all: Self) -> bool {
        self.0 & all.0 == all.0
    }

    /// Is any of these among them?
    pub const fn has_any(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }

    /// Is there none?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn from_row(bits: i64) -> Self {
        // A right that a later release knows gives nothing here.
        Self(u16::try_from(bits & i64::from(Self::ALL.0)).unwrap_or(0))
    }
}

/// The letters, with `c` and `d` where a part of them is held (RFC 4314 §2.1.1).
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, letter) in LETTERS.char_indices() {
            if self.0 & (1 << at) != 0 {
                write!(f, "{letter}")?;
            }
        }
        for (letter, any) in [('c', Self::CREATE.with(Self::DELETE)), ('d', Self::EXPUNGE.with(Self::MARK_DELETED))] {
            if self.has_any(any) {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

/// One entry of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// An account, a group's account, or [`ANYONE`].
    pub grantee: AccountId,
    /// Are these rights taken away rather than given?
    pub negative: bool,
    /// Which.
    pub rights: Rights,
}

/// Pure: what somebody may do who is all of `identities` at once, and has `base` in any case. What is given adds up,
/// and what is taken away by any entry is gone (RFC 4314 §2).
pub fn decide<'e>(entries: impl IntoIterator<Item = &'e Entry>, identities: &[AccountId], base: Rights) -> Rights {
    let (mut given, mut taken) = (base, Rights::NONE);
    for entry in entries.into_iter().filter(|entry| identities.contains(&entry.grantee)) {
        let side = if entry.negative { &mut taken } else { &mut given };
        *side = side.with(entry.rights);
    }
    given.without(taken)
}

fn read_entry(row: &hearth_db::Row<'_>, at: usize) -> hearth_db::Result<Entry> {
    Ok(Entry { grantee: row.get(at)?, negative: row.get(at + 1)?, rights: Rights::from_row(row.get(at + 2)?) })
}

/// The list of one mailbox.
pub fn list(tx: &mut MailTx<'_>, mailbox: MailboxId) -> Result<Vec<Entry>> {
    let account = tx.account();
    tx.query(
        "SELECT grantee, negative, rights FROM acl WHERE account = $1 AND mailbox = $2 ORDER BY grantee, negative",
        &[&account, &mailbox],
        |row| read_entry(row, 0),
    )
}

/// The lists of all mailboxes.
pub fn list_all(tx: &mut MailTx<'_>) -> Result<Vec<(MailboxId, Entry)>> {
    let account = tx.account();
    tx.query(
        "SELECT mailbox, grantee, negative, rights FROM acl WHERE account = $1 ORDER BY mailbox, grantee, negative",
        &[&account],
        |row| Ok((row.get(0)?, read_entry(row, 1)?)),
    )
}

/// Sets an entry in place of the one of the same grantee and sign; one without rights is removed.
pub fn change(tx: &mut MailTx<'_>, mailbox: MailboxId, entry: Entry) -> Result<()> {
    let account = tx.account();
    let Entry { grantee, negative, rights } = entry;
    if rights.is_empty() {
        tx.execute(
            "DELETE FROM acl WHERE account = $1 AND mailbox = $2 AND grantee = $3 AND negative = $4",
            &[&account, &mailbox, &grantee, &negative],
        )?;
        return touch(tx, mailbox);
    }
    tx.execute(
        "INSERT INTO acl (account, mailbox, grantee, negative, rights) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (account, mailbox, grantee, negative) DO UPDATE SET rights = $5",
        &[&account, &mailbox, &grantee, &negative, &i64::from(rights.0)],
    )?;
    let count: usize =
        tx.one("SELECT COUNT(*) FROM acl WHERE account = $1 AND mailbox = $2", &[&account, &mailbox], |row| row.get(0))?;
    // The transaction ends with the error, and what was written with it.
    if count > ACL_ENTRIES_MAX {
        return Err(Error::TooMany("entries in an access list"));
    }
    touch(tx, mailbox)
}

/// Whoever watches the mailbox is to look again.
fn touch(tx: &mut MailTx<'_>, mailbox: MailboxId) -> Result<()> {
    let (account, modseq) = (tx.account(), number(tx.next_modseq()?)?);
    tx.execute("UPDATE mailbox SET modseq = $3 WHERE account = $1 AND id = $2", &[&account, &mailbox, &modseq])?;
    Ok(())
}

/// RFC 4314 §4: a new mailbox has the list of the one that it is below.
pub(crate) fn inherit(tx: &mut MailTx<'_>, parent: MailboxId, mailbox: MailboxId) -> Result<()> {
    let account = tx.account();
    tx.execute(
        "INSERT INTO acl (account, mailbox, grantee, negative, rights)
         SELECT account, $3, grantee, negative, rights FROM acl WHERE account = $1 AND mailbox = $2",
        &[&account, &parent, &mailbox],
    )?;
    Ok(())
}

/// Takes away the list of a mailbox that is removed.
pub(crate) fn forget(tx: &mut MailTx<'_>, mailbox: MailboxId) -> Result<()> {
    let account = tx.account();
    tx.execute("DELETE FROM acl WHERE account = $1 AND mailbox = $2", &[&account, &mailbox])?;
    Ok(())
}

/// Takes away what an account that is no more had here.
pub fn forget_grantee(tx: &mut MailTx<'_>, grantee: AccountId) -> Result<()> {
    let account = tx.account();
    for (mailbox, entry) in list_all(tx)? {
        if entry.grantee == grantee {
            tx.execute("DELETE FROM acl WHERE account = $1 AND mailbox = $2 AND grantee = $3", &[&account, &mailbox, &grantee])?;
            touch(tx, mailbox)?;
        }
    }
    tx.execute("DELETE FROM follow WHERE account = $1 AND owner = $2", &[&account, &grantee])?;
    Ok(())
}

/// The mailboxes of others that this account follows (IMAP: is subscribed to), with their owners.
pub fn follows(tx: &mut MailTx<'_>) -> Result<Vec<(AccountId, MailboxId)>> {
    let account = tx.account();
    tx.query("SELECT owner, mailbox FROM follow WHERE account = $1 ORDER BY owner, mailbox", &[&account], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// Follows a mailbox of another account, or no longer.
pub fn follow(tx: &mut MailTx<'_>, owner: AccountId, mailbox: MailboxId, is: bool) -> Result<()> {
    let account = tx.account();
    let all = follows(tx)?;
    if all.contains(&(owner, mailbox)) == is {
        return Ok(());
    }
    if is && all.len() >= FOLLOWS_MAX {
        return Err(Error::TooMany("subscriptions to mailboxes of others"));
    }
    tx.next_modseq()?;
    if is {
        tx.execute("INSERT INTO follow (account, owner, mailbox) VALUES ($1, $2, $3)", &[&account, &owner, &mailbox])?;
    } else {
        tx.execute("DELETE FROM follow WHERE account = $1 AND owner = $2 AND mailbox = $3", &[&account, &owner, &mailbox])?;
    }
    Ok(())
}

/// Nothing of the account changes; whoever waits for a change of it looks again: what others share with it did.
pub fn wake(tx: &mut MailTx<'_>) -> Result<()> {
    tx.next_modseq().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_both_ways() {
        for (letters, shown) in [
            ("", ""),
            ("lr", "lr"),
            ("rl", "lr"),
            ("lrswipkxtea", "lrswipkxteacd"),
            ("c", "kxc"),
            ("d", "ted"),
            ("k", "kc"),
            ("e", "ed"),
        ] {
            let rights = Rights::parse(letters).unwrap_or_else(|| panic!("{letters}"));
            assert_eq!(rights.to_string(), shown, "{letters}");
            assert_eq!(Rights::parse("lrswipkxtea"), Some(Rights::ALL));
        }
        for unknown in ["q", "lrq", "1", "n"] {
            assert_eq!(Rights::parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn what_is_given_and_taken_away() {
        let entry = |grantee: i64, negative, letters: &str| Entry {
            grantee: AccountId::from_i64(grantee),
            negative,
            rights: Rights::parse(letters).expect("letters"),
        };
        let entries =
            [entry(0, false, "l"), entry(7, false, "rsw"), entry(8, false, "i"), entry(7, true, "w"), entry(9, true, "l")];
        let of = |identities: &[i64], base: &str| {
            let identities: Vec<AccountId> = identities.iter().copied().map(AccountId::from_i64).collect();
            decide(&entries, &identities, Rights::parse(base).expect("letters")).to_string()
        };
        assert_eq!(of(&[0], ""), "l");
        assert_eq!(of(&[1], ""), "");
        assert_eq!(of(&[0, 7], ""), "lrs");
        assert_eq!(of(&[0, 7, 8], ""), "lrsi");
        assert_eq!(of(&[0, 9], ""), "");
        assert_eq!(of(&[0, 7], "wa"), "lrsa", "what is taken away is gone");
    }
}
