// SPDX-License-Identifier: AGPL-3.0-or-later
//! What happened since a modseq.

use hearth_mailstore::message::{self, FlagChange};
use hearth_mailstore::{Error, Flag, FlagSet, MailTx, Role, changes, limits, mailbox};

use crate::support::{append, by_role, mail, on_each_engine, read, write};

#[test]
fn news_of_a_mailbox() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        for _ in 0..4 {
            append(&store, inbox, mail("a", ""), FlagSet::EMPTY).await;
        }
        let since = by_role(&store, Role::Inbox).await.highest_modseq;
        assert!(read(&store, move |tx| changes::news(tx, inbox, since)).await.entries.is_empty());
        let change = FlagChange::Add([Flag::Deleted, Flag::Seen].into_iter().collect());
        write(&store, move |tx| message::store_flags(tx, inbox, &[2, 3], &change, None)).await.expect("stores");
        write(&store, move |tx| message::expunge(tx, inbox, Some(&[2]))).await.expect("expunges");
        append(&store, inbox, mail("new", ""), FlagSet::EMPTY).await;
        let news = read(&store, move |tx| changes::news(tx, inbox, since)).await;
        assert_eq!(news.entries.iter().map(|entry| entry.uid).collect::<Vec<_>>(), [3, 5]);
        assert_eq!(news.vanished, [2]);
        assert_eq!(news.modseq, by_role(&store, Role::Inbox).await.highest_modseq);
        let gone = hearth_types::MailboxId::from_i64(1);
        let none = store.read(crate::support::ALICE, move |tx: &mut MailTx<'_>| changes::news(tx, gone, 0)).await;
        assert!(matches!(none, Err(Error::NoSuchMailbox)));
    });
}

#[test]
fn email_changes_page_by_page() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        let old = append(&store, inbox, mail("old", ""), FlagSet::EMPTY).await;
        let doomed = append(&store, inbox, mail("doomed", ""), FlagSet::EMPTY).await;
        let since = doomed.modseq;
        write(&store, move |tx| message::change_keywords(tx, old.id, &FlagChange::Add(Flag::Seen.into()))).await.expect("changes");
        write(&store, move |tx| message::remove(tx, doomed.id)).await.expect("removes");
        let new = append(&store, inbox, mail("new", ""), FlagSet::EMPTY).await;
        let brief = append(&store, inbox, mail("brief", ""), FlagSet::EMPTY).await;
        write(&store, move |tx| message::remove(tx, brief.id)).await.expect("removes");
        let all = read(&store, move |tx| changes::messages(tx, since, 0)).await;
        assert_eq!((all.created, all.updated, all.destroyed), (vec![new.id], vec![old.id], vec![doomed.id]));
        assert!(!all.more && all.modseq == read(&store, |tx| tx.modseq()).await);
        let (mut state, mut seen) = (since, Vec::new());
        loop {
            let page = read(&store, move |tx| changes::messages(tx, state, 1)).await;
            assert!(page.created.len() + page.updated.len() + page.destroyed.len() <= 1);
            seen.extend(page.created.into_iter().chain(page.updated).chain(page.destroyed));
            state = page.modseq;
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, [old.id, doomed.id, new.id]);
        let future = store.read(crate::support::ALICE, move |tx: &mut MailTx<'_>| changes::messages(tx, state + 1, 0)).await;
        assert!(matches!(future, Err(Error::TooOld)));
    });
}

#[test]
fn mailbox_and_thread_changes() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        let since = read(&store, |tx| tx.modseq()).await;
        let one = append(&store, inbox, mail("a", "Message-ID: <1@x>\r\n"), FlagSet::EMPTY).await;
        let (counts, only_counts) = read(&store, move |tx| changes::mailboxes(tx, since, 0)).await;
        assert_eq!((counts.updated, only_counts), (vec![inbox], true));
        let since = counts.modseq;
        // Another keyword changes no count.
        let change = FlagChange::Add(Flag::Flagged.into());
        write(&store, move |tx| message::change_keywords(tx, one.id, &change)).await.expect("changes");
        assert!(read(&store, move |tx| changes::mailboxes(tx, since, 0)).await.0.updated.is_empty());
        let made = write(&store, |tx| mailbox::add_path(tx, "new", None)).await.expect("adds");
        let change = mailbox::Change { sort_order: Some(9), ..Default::default() };
        write(&store, move |tx| mailbox::change(tx, inbox, change)).await.expect("changes");
        let (news, only_counts) = read(&store, move |tx| changes::mailboxes(tx, since, 0)).await;
        assert_eq!((news.created, news.updated, only_counts), (vec![made.id], vec![inbox], false));
        let since = news.modseq;
        write(&store, move |tx| mailbox::remove(tx, made.id)).await.expect("removes");
        append(&store, inbox, mail("Re: a", "In-Reply-To: <1@x>\r\n"), FlagSet::EMPTY).await;
        assert_eq!(read(&store, move |tx| changes::mailboxes(tx, since, 0)).await.0.destroyed, [made.id]);
        assert_eq!(read(&store, move |tx| changes::threads(tx, since, 0)).await.updated, [one.thread]);
    });
}

#[test]
fn a_move_changes_two_counts_by_one_number() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let (inbox, trash) = (by_role(&store, Role::Inbox).await.id, by_role(&store, Role::Trash).await.id);
        append(&store, inbox, mail("a", ""), FlagSet::EMPTY).await;
        write(&store, move |tx| message::copy(tx, inbox, &[1], trash)).await.expect("copies");
        let since = read(&store, |tx| tx.modseq()).await;
        let change = FlagChange::Add(Flag::Seen.into());
        write(&store, move |tx| message::store_flags(tx, inbox, &[1], &change, None)).await.expect("stores");
        // Both mailboxes changed by the same number: one of them alone cannot be told.
        let cut = store.read(crate::support::ALICE, move |tx: &mut MailTx<'_>| changes::mailboxes(tx, since, 1)).await;
        assert!(matches!(cut, Err(Error::TooOld)));
        assert_eq!(read(&store, move |tx| changes::mailboxes(tx, since, 2)).await.0.updated.len(), 2);
    });
}

#[test]
fn tombstones_are_kept_for_90_days() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        for _ in 0..3 {
            append(&store, inbox, mail("a", ""), FlagSet::EMPTY).await;
        }
        let since = read(&store, |tx| tx.modseq()).await;
        let change = FlagChange::Add(Flag::Deleted.into());
        write(&store, move |tx| message::store_flags(tx, inbox, &[1, 2], &change, None)).await.expect("stores");
        write(&store, move |tx| message::expunge(tx, inbox, Some(&[1]))).await.expect("expunges");
        home.clock.advance(limits::TOMBSTONES_KEPT);
        store.forget_old().await;
        assert_eq!(read(&store, move |tx| changes::messages(tx, since, 0)).await.destroyed.len(), 1, "to the day");
        home.clock.advance(std::time::Duration::from_millis(1));
        store.forget_old().await;
        let old = store.read(crate::support::ALICE, move |tx: &mut MailTx<'_>| changes::messages(tx, since, 0)).await;
        assert!(matches!(old, Err(Error::TooOld)));
        write(&store, move |tx| message::expunge(tx, inbox, None)).await.expect("expunges");
        // IMAP is told every UID that is not there.
        assert_eq!(read(&store, move |tx| changes::vanished(tx, inbox, since)).await, [1, 2]);
    });
}
