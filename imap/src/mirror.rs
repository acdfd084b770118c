// SPDX-License-Identifier: AGPL-3.0-or-later
//! The mailboxes that are open in this process: one copy each, shared by its sessions.
//!
//! A few stay when their last session has gone: who connects again, as mail programs of phones do all day, reads what changed
//! since, and not the whole mailbox.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use hearth_mailstore::{Error, Store, changes, mailbox, message};
use hearth_types::{AccountId, MailboxId};

use crate::fresh::Fresh;
use crate::limits::{MIRROR_KEPT_FOR, MIRROR_LINES_KEPT_MAX};
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
pub struct Mirrors(Mutex<Open>);

#[derive(Default)]
struct Open {
    /// As long as somebody holds them.
    all: HashMap<(AccountId, MailboxId), Weak<Mirror>>,
    /// Those that were opened last, the newest in front.
    kept: VecDeque<(Instant, Arc<Mirror>)>,
}

impl Mirrors {
    /// The mirror of a mailbox.
    pub fn open(&self, account: AccountId, mailbox: MailboxId) -> Arc<Mirror> {
        let (mut open, now) = (self.lock(), Instant::now());
        open.forget(now, MIRROR_LINES_KEPT_MAX);
        let known = open.all.get(&(account, mailbox)).and_then(Weak::upgrade);
        let mirror = known.unwrap_or_else(|| {
            open.all.retain(|_, mirror| mirror.strong_count() > 0);
            let mirror = Arc::new(Mirror { account, mailbox, copy: Fresh::default() });
            open.all.insert((account, mailbox), Arc::downgrade(&mirror));
            mirror
        });
        open.kept.retain(|(_, kept)| !Arc::ptr_eq(kept, &mirror));
        open.kept.push_front((now, Arc::clone(&mirror)));
        mirror
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Keeps what is young, as long as it has no more than so many messages altogether.
    fn forget(&mut self, now: Instant, lines_max: usize) {
        let mut lines = 0;
        self.kept.retain(|(opened, mirror)| {
            lines += 1 + mirror.copy.known().map_or(0, |snapshot| snapshot.len());
            lines <= lines_max && now.saturating_duration_since(*opened) < MIRROR_KEPT_FOR
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ids(mailbox: i64) -> (AccountId, MailboxId) {
        (AccountId::from_i64(1), MailboxId::from_i64(mailbox))
    }

    fn open(mirrors: &Mirrors, mailbox: i64) -> Arc<Mirror> {
        let (account, mailbox) = ids(mailbox);
        mirrors.open(account, mailbox)
    }

    #[test]
    fn one_copy_per_process() {
        let mirrors = Mirrors::default();
        let one = open(&mirrors, 2);
        assert!(Arc::ptr_eq(&one, &open(&mirrors, 2)));
        assert!(!Arc::ptr_eq(&one, &open(&mirrors, 3)));
    }

    #[test]
    fn who_comes_back_soon_finds_it_again() {
        let mirrors = Mirrors::default();
        let one = Arc::downgrade(&open(&mirrors, 2));
        assert!(one.upgrade().is_some_and(|one| Arc::ptr_eq(&one, &open(&mirrors, 2))));
        let opened = Instant::now();
        mirrors.lock().forget(opened + MIRROR_KEPT_FOR - SECOND, MIRROR_LINES_KEPT_MAX);
        assert!(one.upgrade().is_some(), "still young");
        mirrors.lock().forget(opened + MIRROR_KEPT_FOR + SECOND, MIRROR_LINES_KEPT_MAX);
        assert!(one.upgrade().is_none());
        let _other = open(&mirrors, 4);
        assert_eq!(mirrors.lock().all.len(), 1, "what nobody holds is not listed");
    }

    #[test]
    fn what_is_kept_has_a_bound_of_messages() {
        let mirrors = Mirrors::default();
        // An empty one counts as one.
        let all: Vec<Weak<Mirror>> = (0..5).map(|number| Arc::downgrade(&open(&mirrors, number))).collect();
        mirrors.lock().forget(Instant::now(), 3);
        let left: Vec<bool> = all.iter().map(|mirror| mirror.strong_count() > 0).collect();
        assert_eq!(left, [false, false, true, true, true], "the oldest go first");
        mirrors.lock().forget(Instant::now(), 3);
        assert_eq!(mirrors.lock().kept.len(), 3);
    }
}
