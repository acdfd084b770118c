// SPDX-License-Identifier: AGPL-3.0-or-later
//! Access lists, mailboxes of others that are followed, and quotas of messages.

use hearth_mailstore::acl::{self, ANYONE, Entry, Rights};
use hearth_mailstore::{Error, FlagSet, Role, limits, mailbox, quota};
use hearth_types::{AccountId, MailboxId};

use crate::support::{ALICE, account, append, by_role, mail, on_each_engine, read, write};

fn entry(grantee: AccountId, letters: &str) -> Entry {
    Entry { grantee, negative: false, rights: Rights::parse(letters).expect("letters") }
}

#[test]
fn a_list_lives_with_its_mailbox() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let (bob, family) = (account(7), account(8));
        let folder = write(&store, |tx| mailbox::add_path(tx, "folder", None)).await.expect("adds");
        let id = folder.id;
        for one in [entry(bob, "lr"), entry(ANYONE, "l"), entry(family, "i"), Entry { negative: true, ..entry(bob, "i") }] {
            write(&store, move |tx| acl::change(tx, id, one)).await.expect("sets");
        }
        write(&store, move |tx| acl::change(tx, id, entry(bob, "lrs"))).await.expect("in place of the other");
        let all = [entry(ANYONE, "l"), entry(bob, "lrs"), Entry { negative: true, ..entry(bob, "i") }, entry(family, "i")];
        assert_eq!(read(&store, move |tx| acl::list(tx, id)).await, all);
        let changed = read(&store, move |tx| mailbox::find(tx, id)).await.expect("there");
        assert!(changed.modseq > folder.modseq, "whoever watches it looks again");
        let below = write(&store, |tx| mailbox::add_path(tx, "folder/below", None)).await.expect("adds").id;
        assert_eq!(read(&store, move |tx| acl::list(tx, below)).await, all, "RFC 4314 §4: as the one above");
        write(&store, move |tx| acl::change(tx, below, entry(family, ""))).await.expect("removes");
        write(&store, move |tx| mailbox::rename(tx, below, "elsewhere")).await.expect("renames");
        assert_eq!(read(&store, move |tx| acl::list(tx, below)).await, all[..3], "RFC 4314 §4: a new name changes nothing");
        write(&store, move |tx| acl::forget_grantee(tx, bob)).await.expect("forgets");
        assert_eq!(read(&store, move |tx| acl::list(tx, id)).await, [all[0], all[3]]);
        write(&store, move |tx| mailbox::remove(tx, id)).await.expect("removes");
        assert!(read(&store, move |tx| acl::list(tx, id)).await.is_empty());
        assert_eq!(read(&store, acl::list_all).await, [(below, all[0])]);
        store.remove_account(ALICE).await.expect("removes");
        assert!(read(&store, acl::list_all).await.is_empty());
    });
}

#[test]
fn lists_and_follows_are_bounded_on_both_sides() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        let share = |number: usize| entry(account(i64::try_from(number).expect("fits")), "l");
        write(&store, move |tx| (1..=limits::ACL_ENTRIES_MAX).try_for_each(|number| acl::change(tx, inbox, share(number))))
            .await
            .expect("so many");
        let more = write(&store, move |tx| acl::change(tx, inbox, share(limits::ACL_ENTRIES_MAX + 1))).await;
        assert!(matches!(more, Err(Error::TooMany(_))), "{more:?}");
        assert_eq!(read(&store, move |tx| acl::list(tx, inbox)).await.len(), limits::ACL_ENTRIES_MAX);
        let theirs = |number: usize| MailboxId::from_i64(i64::try_from(number).expect("fits"));
        write(&store, move |tx| (1..=limits::FOLLOWS_MAX).try_for_each(|number| acl::follow(tx, account(7), theirs(number), true)))
            .await
            .expect("so many");
        let more = write(&store, move |tx| acl::follow(tx, account(7), theirs(limits::FOLLOWS_MAX + 1), true)).await;
        assert!(matches!(more, Err(Error::TooMany(_))), "{more:?}");
        write(&store, move |tx| acl::follow(tx, account(7), theirs(1), true)).await.expect("once more is nothing new");
        write(&store, move |tx| acl::follow(tx, account(7), theirs(1), false)).await.expect("no longer");
        assert_eq!(read(&store, acl::follows).await.len(), limits::FOLLOWS_MAX - 1);
    });
}

#[test]
fn messages_have_a_limit_of_their_own() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        write(&store, |tx| quota::set_message_limit(tx, Some(2))).await.expect("sets");
        for subject in ["one", "two"] {
            append(&store, inbox, mail(subject, ""), FlagSet::EMPTY).await;
        }
        let content = hearth_mailstore::Content::Bytes(mail("three", ""));
        let prepared = store.prepare(ALICE, content).await.expect("prepares");
        let more = write(&store, move |tx| {
            hearth_mailstore::message::append(tx, prepared, &[inbox], &FlagSet::EMPTY, crate::support::NOON)
        });
        assert!(matches!(more.await, Err(Error::OverQuota)));
        let found = read(&store, quota::find).await;
        assert_eq!((found.messages, found.limit_messages, found.limit_bytes), (2, Some(2), None));
        assert!(!found.admits(1, 0) && found.admits(0, 1));
    });
}
