// SPDX-License-Identifier: AGPL-3.0-or-later
//! The mailboxes of an account as they stand at one moment, for those who hear of changes (NOTIFY): one copy per process,
//! shared by its sessions, and read when something has changed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use hearth_mailstore::acl::{self, Entry};
use hearth_mailstore::{Error, MailTx, Mailbox, Store, annotation, mailbox};
use hearth_types::{AccountId, MailboxId};

use crate::fresh::Fresh;

/// What an account has.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// By path.
    pub mailboxes: Vec<Mailbox>,
    /// Access lists.
    pub lists: Vec<(MailboxId, Entry)>,
    /// Mailboxes of others that it follows.
    pub follows: Vec<(AccountId, MailboxId)>,
    /// The modseq of the last change to an entry of METADATA.
    pub annotated: u64,
    /// Entries of METADATA, with a hash of each value; `None` is the account. The same ones until one changes.
    pub entries: Arc<Vec<(Option<MailboxId>, String, i64)>>,
}

impl Listing {
    /// Entries are many and seldom change: those that are `known` are not read again.
    fn read(tx: &mut MailTx<'_>, known: Option<&Self>) -> Result<Self, Error> {
        let annotated = annotation::changed_at(tx)?;
        let entries = match known.filter(|known| known.annotated == annotated) {
            Some(known) => Arc::clone(&known.entries),
            None => Arc::new(annotation::digests(tx)?),
        };
        Ok(Self { mailboxes: mailbox::list(tx)?, lists: acl::list_all(tx)?, follows: acl::follows(tx)?, annotated, entries })
    }
}

impl Listing {
    /// The mailboxes whose messages or flags changed, as they were and as they are; `None` when more than that changed.
    pub fn changed(&self, now: &Self) -> Option<(Self, Self)> {
        let pairs = || self.mailboxes.iter().zip(&now.mailboxes);
        let same = self.mailboxes.len() == now.mailboxes.len()
            && pairs().all(|(old, new)| old.id == new.id && old.modseq == new.modseq)
            && self.annotated == now.annotated
            && self.lists == now.lists
            && self.follows == now.follows;
        if !same {
            return None;
        }
        let state = |mailbox: &Mailbox| (mailbox.highest_modseq, mailbox.counts_modseq, mailbox.uid_validity);
        let (old, new) = pairs().filter(|(old, new)| state(old) != state(new)).map(|(old, new)| (old.clone(), new.clone())).unzip();
        let of = |mailboxes: Vec<Mailbox>| {
            let ids: HashSet<MailboxId> = mailboxes.iter().map(|mailbox| mailbox.id).collect();
            let lists = now.lists.iter().filter(|(id, _)| ids.contains(id)).copied().collect();
            Self { lists, follows: now.follows.clone(), mailboxes, ..Self::default() }
        };
        Some((of(old), of(new)))
    }
}

/// One account, kept fresh by whoever asks.
pub struct ListingMirror {
    account: AccountId,
    copy: Fresh<Listing>,
}

impl ListingMirror {
    /// As it is now, at least as new as the account's modseq `at_least`.
    pub async fn refresh(&self, store: &Store, at_least: u64) -> Result<Arc<Listing>, Error> {
        let read = async |known: Option<Arc<Listing>>| {
            let read = store.read(self.account, move |tx| Ok((Listing::read(tx, known.as_deref())?, tx.modseq()?)));
            read.await.map(|(listing, looked)| (Arc::new(listing), looked))
        };
        self.copy.refresh(Some(at_least), read).await
    }
}

/// All of them.
#[derive(Default)]
pub struct Listings {
    open: Mutex<HashMap<AccountId, Weak<ListingMirror>>>,
}

impl Listings {
    /// The mirror of an account, for as long as somebody holds it.
    pub fn open(&self, account: AccountId) -> Arc<ListingMirror> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mirror) = open.get(&account).and_then(Weak::upgrade) {
            return mirror;
        }
        open.retain(|_, mirror| mirror.strong_count() > 0);
        let mirror = Arc::new(ListingMirror { account, copy: Fresh::default() });
        open.insert(account, Arc::downgrade(&mirror));
        mirror
    }
}

/// A mailbox with one of everything and nothing in it.
#[cfg(test)]
pub(crate) fn mailbox(path: &str) -> Mailbox {
    Mailbox {
        id: MailboxId::from_i64(1),
        parent: None,
        name: path.rsplit('/').next().unwrap_or(path).into(),
        path: path.into(),
        role: None,
        subscribed: false,
        sort_order: 0,
        uid_validity: 1,
        uid_next: 1,
        highest_modseq: 1,
        created_modseq: 1,
        modseq: 1,
        counts_modseq: 1,
        total: 0,
        unseen: 0,
        deleted: 0,
        size_bytes: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(mailboxes: &[(i64, u64, u64)]) -> Listing {
        let of = |&(id, modseq, highest_modseq): &(i64, u64, u64)| Mailbox {
            id: MailboxId::from_i64(id),
            modseq,
            highest_modseq,
            ..mailbox(&format!("m{id}"))
        };
        Listing { mailboxes: mailboxes.iter().map(of).collect(), ..Listing::default() }
    }

    #[test]
    fn what_changed_is_all_that_is_looked_at() {
        let before = listing(&[(1, 1, 1), (2, 1, 1), (3, 1, 1)]);
        let (old, new) = before.changed(&listing(&[(1, 1, 1), (2, 1, 9), (3, 1, 1)])).expect("of messages alone");
        let ids = |listing: &Listing| listing.mailboxes.iter().map(|one| (one.id.as_i64(), one.highest_modseq)).collect::<Vec<_>>();
        assert_eq!((ids(&old), ids(&new)), (vec![(2, 1)], vec![(2, 9)]));
        for more in [
            listing(&[(1, 1, 1), (2, 9, 1), (3, 1, 1)]),
            listing(&[(1, 1, 1), (2, 1, 1)]),
            listing(&[(1, 1, 1), (2, 1, 1), (4, 1, 1)]),
            Listing { annotated: 9, ..listing(&[(1, 1, 1), (2, 1, 1), (3, 1, 1)]) },
            Listing { follows: vec![(AccountId::from_i64(7), MailboxId::from_i64(7))], ..before.clone() },
        ] {
            assert!(before.changed(&more).is_none(), "{more:?}");
        }
    }
}
