// SPDX-License-Identifier: AGPL-3.0-or-later
//! The mailboxes that are open in this process: one copy each, shared by its sessions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use hearth_mailstore::{Error, Store, changes, mailbox, message};
use hearth_types::{AccountId, MailboxId};

use crate::fresh::Fresh;
use crate::view::Snapshot;

/// One mailbox, kept fresh by whoever asks.
pub struct Mirror {
    account: AccountId,
    mailbox: MailboxId,
    copy: Fresh<Snapshot>,
}

impl Mirror {
    /// The mailbox as it is now, at least as new as the account's modseq `at_least`; `None` reads in any case.
    /// A mailbox that was deleted under us is empty from then on.
    pub async fn refresh(&self, store: &Store, at_least: Option<u64>) -> Result<Arc<Snapshot>, Error> {
        let read = async |known| match known {
            None => self.read(store).await,
            Some(known) => self.read_news(store, &known).await,
        };
        self.copy.refresh(at_least, read).await
    }

    async fn read(&self, store: &Store) -> Result<(Arc<Snapshot>, u64), Error> {
        let mailbox = self.mailbox;
        let read = store.read(self.account, move |tx| {
            let facts = mailbox::find(tx, mailbox)?.ok_or(Error::NoSuchMailbox)?;
            Ok::<_, Error>((message::view(tx, mailbox)?, facts.highest_modseq, tx.modseq()?))
        });
        let (entries, highest_modseq, looked) = read.await?;
        Ok((Arc::new(Snapshot::new(entries, highest_modseq)), looked))
    }

    async fn read_news(&self, store: &Store, known: &Arc<Snapshot>) -> Result<(Arc<Snapshot>, u64), Error> {
        let (mailbox, since) = (self.mailbox, known.highest_modseq);
        let read = store.read(self.account, move |tx| {
            let there = mailbox::find(tx, mailbox)?.is_some();
            let news = if there { Some(changes::news(tx, mailbox, since)?) } else { None };
            Ok::<_, Error>((news, tx.modseq()?))
        });
        let (news, looked) = read.await?;
        let Some(news) = news else { return Ok((Arc::new(Snapshot::new(Vec::new(), since)), looked)) };
        let mut snapshot = Arc::clone(known);
        if !news.entries.is_empty() || !news.vanished.is_empty() || news.modseq != since {
            Arc::make_mut(&mut snapshot).apply(news);
        }
        Ok((snapshot, looked))
    }
}

/// All of them.
#[derive(Default)]
pub struct Mirrors {
    open: Mutex<HashMap<(AccountId, MailboxId), Weak<Mirror>>>,
}

impl Mirrors {
    /// The mirror of a mailbox, for as long as somebody holds it.
    pub fn open(&self, account: AccountId, mailbox: MailboxId) -> Arc<Mirror> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mirror) = open.get(&(account, mailbox)).and_then(Weak::upgrade) {
            return mirror;
        }
        open.retain(|_, mirror| mirror.strong_count() > 0);
        let mirror = Arc::new(Mirror { account, mailbox, copy: Fresh::default() });
        open.insert((account, mailbox), Arc::downgrade(&mirror));
        mirror
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_copy_per_process() {
        let mirrors = Mirrors::default();
        let (account, mailbox) = (AccountId::from_i64(1), MailboxId::from_i64(2));
        let one = mirrors.open(account, mailbox);
        assert!(Arc::ptr_eq(&one, &mirrors.open(account, mailbox)));
        assert!(!Arc::ptr_eq(&one, &mirrors.open(account, MailboxId::from_i64(3))));
        drop(one);
        let _other = mirrors.open(account, MailboxId::from_i64(4));
        assert_eq!(mirrors.open.lock().expect("no panic").len(), 1);
    }
}
