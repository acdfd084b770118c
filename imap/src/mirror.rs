// SPDX-License-Identifier: AGPL-3.0-or-later
//! The mailboxes that are open in this process: one copy each, shared by its sessions.
//!
//! A few stay when their last session has gone: who connects again, as mail programs of phones do all day, reads what changed
//! since, and not the whole mailbox.

use std::collections::{HashMap, VecDeque};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use hearth_mailstore::{Error, Store, changes, mailbox, message};
use hearth_types::{AccountId, MailboxId};

use crate::fresh::Fresh;
use crate::limits::{MIRROR_KEPT_FOR, MIRROR_LINES_KEPT_MAX};
use crate::view::Snapshot;

/// What a mirror costs beside its messages, as lines of 24 octets: about 1.5 KB.
const LINES_OF_A_MIRROR: usize = 64;

/// One mailbox, kept fresh by whoever asks.
pub struct Mirror {
    account: AccountId,
    mailbox: MailboxId,
    copy: Fresh<Snapshot>,
}

impl Mirror {
    fn new(account: AccountId, mailbox: MailboxId) -> Self {
        Self { account, mailbox, copy: Fresh::default() }
    }

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
pub struct Mirrors(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    /// As long as somebody holds them.
    all: HashMap<(AccountId, MailboxId), Weak<Mirror>>,
    /// Those that were closed last, the newest in front.
    kept: VecDeque<(Instant, Arc<Mirror>)>,
}

/// The mirror of a mailbox that a session has selected. When it lets go, the mirror is kept for a while.
pub struct Held {
    mirror: Arc<Mirror>,
    open: Arc<Mutex<Open>>,
}

impl Deref for Held {
    type Target = Mirror;

    fn deref(&self) -> &Mirror {
        &self.mirror
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.open).keep(Instant::now(), &self.mirror, MIRROR_LINES_KEPT_MAX);
    }
}

impl Mirrors {
    /// The mirror of a mailbox, to be held as long as it is selected.
    pub fn open(&self, account: AccountId, mailbox: MailboxId) -> Held {
        let mut open = lock(&self.0);
        open.forget(Instant::now(), MIRROR_LINES_KEPT_MAX);
        let mirror = open.find(account, mailbox).unwrap_or_else(|| {
            open.all.retain(|_, mirror| mirror.strong_count() > 0);
            let mirror = Arc::new(Mirror::new(account, mailbox));
            open.all.insert((account, mailbox), Arc::downgrade(&mirror));
            mirror
        });
        Held { mirror, open: Arc::clone(&self.0) }
    }

    /// The mirror of a mailbox that is looked at once: that of others, or one of its own.
    pub fn peek(&self, account: AccountId, mailbox: MailboxId) -> Arc<Mirror> {
        lock(&self.0).find(account, mailbox).unwrap_or_else(|| Arc::new(Mirror::new(account, mailbox)))
    }
}

impl Open {
    fn find(&self, account: AccountId, mailbox: MailboxId) -> Option<Arc<Mirror>> {
        self.all.get(&(account, mailbox)).and_then(Weak::upgrade)
    }

    fn keep(&mut self, now: Instant, mirror: &Arc<Mirror>, lines_max: usize) {
        self.kept.retain(|(_, kept)| !Arc::ptr_eq(kept, mirror));
        self.kept.push_front((now, Arc::clone(mirror)));
        self.forget(now, lines_max);
    }

    /// Lets go of what is old, and of what is more than so many messages altogether.
    fn forget(&mut self, now: Instant, lines_max: usize) {
        let mut lines = 0;
        self.kept.retain(|(closed, mirror)| {
            lines += LINES_OF_A_MIRROR + mirror.copy.known().map_or(0, |snapshot| snapshot.len());
            lines <= lines_max && now.saturating_duration_since(*closed) < MIRROR_KEPT_FOR
        });
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn open(mirrors: &Mirrors, mailbox: i64) -> Held {
        mirrors.open(AccountId::from_i64(1), MailboxId::from_i64(mailbox))
    }

    fn kept(mirrors: &Mirrors) -> Vec<i64> {
        lock(&mirrors.0).kept.iter().map(|(_, mirror)| mirror.mailbox.as_i64()).collect()
    }

    #[test]
    fn one_copy_per_process() {
        let mirrors = Mirrors::default();
        let one = open(&mirrors, 2);
        assert!(std::ptr::eq(&*one, &*open(&mirrors, 2)));
        assert!(!std::ptr::eq(&*one, &*open(&mirrors, 3)));
        assert!(Arc::ptr_eq(&one.mirror, &mirrors.peek(AccountId::from_i64(1), MailboxId::from_i64(2))));
    }

    #[test]
    fn who_comes_back_soon_finds_it_again() {
        let mirrors = Mirrors::default();
        let one = open(&mirrors, 2);
        let (first, closed) = (Arc::downgrade(&one.mirror), Instant::now());
        drop(one);
        assert!(first.upgrade().is_some_and(|first| Arc::ptr_eq(&first, &open(&mirrors, 2).mirror)));
        lock(&mirrors.0).forget(closed + MIRROR_KEPT_FOR - SECOND, MIRROR_LINES_KEPT_MAX);
        assert!(first.upgrade().is_some(), "still young");
        lock(&mirrors.0).forget(closed + MIRROR_KEPT_FOR + SECOND, MIRROR_LINES_KEPT_MAX);
        assert!(first.upgrade().is_none());
        let _other = open(&mirrors, 4);
        assert_eq!(lock(&mirrors.0).all.len(), 1, "what nobody holds is not listed");
    }

    #[test]
    fn what_is_looked_at_once_is_not_kept() {
        let mirrors = Mirrors::default();
        drop(mirrors.peek(AccountId::from_i64(1), MailboxId::from_i64(2)));
        assert!(kept(&mirrors).is_empty() && lock(&mirrors.0).all.is_empty());
    }

    #[test]
    fn what_is_kept_has_a_bound_of_messages() {
        let mirrors = Mirrors::default();
        (0..5).for_each(|number| drop(open(&mirrors, number)));
        drop(open(&mirrors, 2));
        assert_eq!(kept(&mirrors), [2, 4, 3, 1, 0], "the newest in front, each once");
        lock(&mirrors.0).forget(Instant::now(), 3 * LINES_OF_A_MIRROR);
        assert_eq!(kept(&mirrors), [2, 4, 3]);
        lock(&mirrors.0).forget(Instant::now(), 3 * LINES_OF_A_MIRROR - 1);
        assert_eq!(kept(&mirrors), [2, 4]);
    }
}
