// SPDX-License-Identifier: AGPL-3.0-or-later
//! Names, roles, counts of mailboxes.

use hearth_mailstore::mailbox::{self, Change, New};
use hearth_mailstore::{Error, Flag, FlagSet, Role, limits, message};

use crate::support::{append, by_role, mail, on_each_engine, read, view, write};

#[test]
fn a_new_account_has_six_mailboxes() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let all = read(&store, mailbox::list).await;
        let named: Vec<_> = all.iter().map(|m| (m.path.as_str(), m.role)).collect();
        assert_eq!(
            named,
            [
                ("INBOX", Some(Role::Inbox)),
                ("Archive", Some(Role::Archive)),
                ("Drafts", Some(Role::Drafts)),
                ("Junk", Some(Role::Junk)),
                ("Sent", Some(Role::Sent)),
                ("Trash", Some(Role::Trash)),
            ]
        );
        assert!(all.iter().all(|m| m.subscribed && m.uid_next == 1 && m.total == 0));
        let mut validities: Vec<_> = all.iter().map(|m| m.uid_validity).collect();
        validities.dedup();
        assert_eq!(validities.len(), 6, "each has its own UIDVALIDITY");
    });
}

#[test]
fn paths_are_made_and_renamed_as_a_whole() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let made = write(&store, |tx| mailbox::add_path(tx, "a/b/c", None)).await.expect("adds");
        assert_eq!(made.path, "a/b/c");
        assert!(matches!(write(&store, |tx| mailbox::add_path(tx, "a/b/c", None)).await, Err(Error::MailboxExists)));
        let b = read(&store, |tx| mailbox::find_by_name(tx, "a/b")).await.expect("it was made");
        let moved = write(&store, move |tx| mailbox::rename(tx, b.id, "x/y")).await.expect("renames");
        assert_eq!((moved.id, moved.path.as_str()), (b.id, "x/y"));
        let c = read(&store, |tx| mailbox::find_by_name(tx, "x/y/c")).await.expect("what is below comes along");
        assert_eq!(c.id, made.id);
        let ring = write(&store, move |tx| mailbox::rename(tx, b.id, "x/y/c/d")).await;
        assert!(matches!(ring, Err(Error::Forbidden(_))));
        let ring =
            write(&store, move |tx| mailbox::change(tx, b.id, Change { parent: Some(Some(c.id)), ..Change::default() })).await;
        assert!(matches!(ring, Err(Error::Forbidden(_))));
        assert!(matches!(write(&store, move |tx| mailbox::remove(tx, b.id)).await, Err(Error::HasChildren)));
        write(&store, move |tx| mailbox::remove(tx, c.id)).await.expect("removes");
        write(&store, move |tx| mailbox::remove(tx, b.id)).await.expect("removes");
    });
}

#[test]
fn inbox_is_inbox_in_any_case() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await;
        for name in ["inbox", "INBOX", "InBox"] {
            assert_eq!(read(&store, move |tx| mailbox::find_by_name(tx, name)).await.map(|m| m.id), Some(inbox.id));
            assert!(matches!(write(&store, move |tx| mailbox::add_path(tx, name, None)).await, Err(Error::MailboxExists)));
        }
        let below = write(&store, |tx| mailbox::add_path(tx, "inbox/lists", None)).await.expect("adds");
        assert_eq!(below.path, "INBOX/lists");
        assert!(matches!(write(&store, move |tx| mailbox::remove(tx, inbox.id)).await, Err(Error::Forbidden(_))));
    });
}

#[test]
fn renaming_inbox_moves_its_messages() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        append(&store, inbox, mail("one", ""), FlagSet::EMPTY).await;
        let new = write(&store, move |tx| mailbox::rename(tx, inbox, "old")).await.expect("renames");
        assert_eq!((new.total, view(&store, inbox).await.len()), (1, 0));
        assert_eq!(by_role(&store, Role::Inbox).await.id, inbox);
    });
}

#[test]
fn names_are_bounded_on_both_sides() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let add = async |name: String| write(&store, move |tx| mailbox::add(tx, New { name, ..New::default() })).await;
        assert!(add("n".repeat(limits::MAILBOX_NAME_BYTES_MAX)).await.is_ok());
        assert!(matches!(add("n".repeat(limits::MAILBOX_NAME_BYTES_MAX + 1)).await, Err(Error::BadName(_))));
        for name in ["", "a/b", "a\nb", "a\0b", "\u{2028}"] {
            assert!(matches!(add(name.into()).await, Err(Error::BadName(_))), "{name:?}");
        }
        let deepest = vec!["d"; limits::MAILBOX_DEPTH_MAX].join("/");
        let deeper = format!("{deepest}/d");
        assert!(write(&store, move |tx| mailbox::add_path(tx, &deepest, None)).await.is_ok());
        assert!(matches!(write(&store, move |tx| mailbox::add_path(tx, &deeper, None)).await, Err(Error::BadName(_))));
        // NFC: both spellings are one name.
        assert!(add("caf\u{e9}".into()).await.is_ok());
        assert!(matches!(add("cafe\u{301}".into()).await, Err(Error::MailboxExists)));
    });
}

#[test]
fn a_role_is_had_once() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let twice = write(&store, |tx| mailbox::add_path(tx, "Sent 2", Some(Role::Sent))).await;
        assert!(matches!(twice, Err(Error::MailboxExists)));
        let sent = by_role(&store, Role::Sent).await.id;
        let bare = write(&store, move |tx| mailbox::change(tx, sent, Change { role: Some(None), ..Change::default() })).await;
        assert_eq!(bare.expect("changes").role, None);
        assert!(write(&store, |tx| mailbox::add_path(tx, "Sent 2", Some(Role::Sent))).await.is_ok());
    });
}

#[test]
fn removing_a_mailbox_spares_what_is_elsewhere() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        let folder = write(&store, |tx| mailbox::add_path(tx, "folder", None)).await.expect("adds").id;
        let both = append(&store, inbox, mail("both", ""), FlagSet::EMPTY).await;
        append(&store, folder, mail("here", ""), Flag::Seen.into()).await;
        write(&store, move |tx| message::copy(tx, inbox, &[both.uid], folder)).await.expect("copies");
        let counted = read(&store, move |tx| mailbox::find(tx, folder)).await.expect("there");
        assert_eq!((counted.total, counted.unseen), (2, 1));
        write(&store, move |tx| mailbox::remove(tx, folder)).await.expect("removes");
        assert_eq!(view(&store, inbox).await.len(), 1);
        let quota = read(&store, hearth_mailstore::quota::find).await;
        assert_eq!((quota.messages, quota.used_bytes), (1, mail("both", "").len() as u64));
    });
}
