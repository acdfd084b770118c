// SPDX-License-Identifier: AGPL-3.0-or-later
//! Entries of mailboxes and of the account; and the rows by which mailboxes are sorted.

use hearth_mailstore::scan::scan;
use hearth_mailstore::{Error, FlagSet, Role, annotation, limits, mailbox};

use crate::support::{ALICE, append, by_role, delivery, mail, on_each_engine, read, write};

#[test]
fn entries_are_set_and_removed() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let folder = write(&store, |tx| mailbox::add_path(tx, "folder", None)).await.expect("adds").id;
        for (place, name, value) in [(Some(folder), "/private/b", "1"), (Some(folder), "/private/a", "2"), (None, "/shared/a", "3")]
        {
            write(&store, move |tx| annotation::change(tx, place, name, Some(value.as_bytes()))).await.expect("sets");
        }
        write(&store, move |tx| annotation::change(tx, Some(folder), "/private/b", Some(b"\0\xff"))).await.expect("sets");
        let entry = |name: &str, value: &[u8]| (name.to_string(), value.to_vec());
        let all = read(&store, move |tx| annotation::list(tx, Some(folder))).await;
        assert_eq!(all, [entry("/private/a", b"2"), entry("/private/b", b"\0\xff")]);
        assert_eq!(read(&store, |tx| annotation::list(tx, None)).await, [entry("/shared/a", b"3")]);
        write(&store, move |tx| annotation::change(tx, Some(folder), "/private/a", None)).await.expect("removes");
        write(&store, move |tx| mailbox::remove(tx, folder)).await.expect("removes");
        assert!(read(&store, move |tx| annotation::list(tx, Some(folder))).await.is_empty(), "gone with its mailbox");
        store.remove_account(ALICE).await.expect("removes");
        assert!(read(&store, |tx| annotation::list(tx, None)).await.is_empty());
    });
}

#[test]
fn it_is_known_when_any_of_them_changed() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let folder = write(&store, |tx| mailbox::add_path(tx, "a", None)).await.expect("adds").id;
        let mut known = read(&store, annotation::changed_at).await;
        assert_eq!(known, 0);
        let mut moved = async || {
            let now = read(&store, annotation::changed_at).await;
            std::mem::replace(&mut known, now) != now
        };
        write(&store, move |tx| annotation::change(tx, Some(folder), "/shared/a", Some(b"1"))).await.expect("sets");
        assert!(moved().await);
        store.deliver(delivery("d", mail("a", ""), &[ALICE])).await.expect("delivers");
        assert!(!moved().await, "a mail is none");
        write(&store, move |tx| annotation::change(tx, None, "/shared/x", None)).await.expect("removes");
        assert!(moved().await);
        write(&store, move |tx| mailbox::remove(tx, folder)).await.expect("removes");
        assert!(moved().await, "they go with their mailbox");
    });
}

#[test]
fn entries_are_bounded_on_both_sides() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let set = async |name: String, size: usize| {
            write(&store, move |tx| annotation::change(tx, None, &name, Some(&vec![b'x'; size]))).await
        };
        assert!(set("/shared/0".into(), limits::ANNOTATION_BYTES_MAX).await.is_ok());
        assert!(matches!(set("/shared/0".into(), limits::ANNOTATION_BYTES_MAX + 1).await, Err(Error::TooLarge(_))));
        for number in 1..limits::ANNOTATIONS_MAX {
            set(format!("/shared/{number}"), 1).await.expect("sets");
        }
        assert!(matches!(set("/shared/more".into(), 1).await, Err(Error::TooMany(_))));
        assert!(set("/shared/1".into(), 2).await.is_ok());
    });
}

#[test]
fn rows_for_orders() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        for subject in ["Re: One", "two", "three"] {
            append(&store, inbox, mail(subject, "Date: Thu, 1 Jan 1970 00:00:07 +0000\r\n"), FlagSet::EMPTY).await;
        }
        for with_envelopes in [false, true] {
            let rows = read(&store, move |tx| scan(tx, inbox, 1, 2, with_envelopes)).await;
            let told: Vec<_> = rows.iter().map(|row| (row.uid, row.subject.as_str(), row.sender.as_str())).collect();
            assert_eq!(told, [(1, "one", "bob"), (2, "two", "bob")]);
            assert!(rows.iter().all(|row| row.sent_at.secs() == 7 && row.envelope.is_some() == with_envelopes));
        }
    });
}
