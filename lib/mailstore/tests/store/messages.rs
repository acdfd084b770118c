// SPDX-License-Identifier: AGPL-3.0-or-later
//! Append, flag, copy, move, expunge; bodies, blobs, quota, threads.

use std::time::Duration;

use hearth_mailstore::message::{self, FlagChange};
use hearth_mailstore::{Content, Durability, Error, Flag, FlagSet, Role, Store, StoreConfig, blob, limits, mailbox, quota, thread};

use crate::support::{ALICE, NOON, append, by_role, mail, on_each_engine, read, view, write};

fn seen() -> FlagSet {
    Flag::Seen.into()
}

#[test]
fn what_is_appended_is_read_again() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        let raw = mail("Grüße", "Message-ID: <1@x>\r\n");
        let flags: FlagSet = [Flag::Seen, Flag::Keyword("$label1".into())].into_iter().collect();
        let one = append(&store, inbox, raw.clone(), flags.clone()).await;
        let two = append(&store, inbox, mail("two", ""), FlagSet::EMPTY).await;
        assert_eq!((one.uid, two.uid), (1, 2));
        assert!(two.modseq > one.modseq);
        let summary = read(&store, move |tx| message::find(tx, one.id)).await.expect("there");
        assert_eq!(summary.parsed.envelope.subject.as_deref(), Some("Grüße"));
        assert_eq!(summary.parsed.preview, "hello Grüße");
        assert_eq!((summary.flags, summary.size_bytes, summary.received_at), (flags, raw.len() as u64, NOON));
        assert_eq!((summary.places.len(), summary.places[0].uid, summary.places[0].saved_at), (1, 1, NOON));
        let body = store.body(ALICE, one.id).await.expect("reads").expect("there");
        assert_eq!(body.bytes().expect("reads"), raw);
        let header = summary.parsed.structure.header.clone();
        assert!(body.range(header).expect("reads").ends_with(b"\r\n\r\n"));
        let counted = by_role(&store, Role::Inbox).await;
        assert_eq!((counted.total, counted.unseen, counted.uid_next, counted.highest_modseq), (2, 1, 3, two.modseq));
    });
}

#[test]
fn large_bodies_are_files_and_go_with_the_message() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        let files = || walk(home.dir.path()).into_iter().filter(|path| path.contains("/blobs/")).count();
        let mut raw = mail("large", "");
        raw.extend(b"0123456789abcde\n".repeat(limits::BODY_IN_DB_BYTES_MAX / 8));
        let path = home.dir.path().join("spool");
        std::fs::write(&path, &raw).expect("writes");
        let prepared = store.prepare(ALICE, Content::File(path)).await.expect("prepares");
        assert_eq!(prepared.parsed().size_bytes, raw.len() as u64);
        let one = write(&store, move |tx| message::append(tx, prepared, &[inbox], &FlagSet::EMPTY, NOON)).await.expect("appends");
        assert_eq!(files(), 1);
        let body = store.body(ALICE, one.id).await.expect("reads").expect("there");
        assert_eq!(body.bytes().expect("reads"), raw);
        drop(store.prepare(ALICE, Content::Bytes(raw.clone())).await.expect("prepares"));
        assert_eq!(files(), 1, "what was never appended leaves no file");
        // A copy in the same mailbox shares the file.
        write(&store, move |tx| message::copy(tx, inbox, &[one.uid], inbox)).await.expect("copies");
        write(&store, move |tx| message::remove(tx, one.id)).await.expect("removes");
        assert_eq!(files(), 1);
        let other = view(&store, inbox).await[0].id;
        assert_eq!(body.bytes().expect("an open body stays readable"), raw);
        write(&store, move |tx| message::remove(tx, other)).await.expect("removes");
        assert_eq!(files(), 0);
        assert_eq!(read(&store, quota::find).await.used_bytes, 0);
    });
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(folder).expect("reads").flatten() {
        if file.path().is_dir() { all.extend(walk(&file.path())) } else { all.push(file.path().display().to_string()) }
    }
    all
}

#[test]
fn store_changes_flags_unless_they_changed_since() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        for name in ["a", "b", "c"] {
            append(&store, inbox, mail(name, ""), FlagSet::EMPTY).await;
        }
        let before = by_role(&store, Role::Inbox).await.highest_modseq;
        let stored = write(&store, move |tx| message::store_flags(tx, inbox, &[2, 9], &FlagChange::Add(seen()), None)).await;
        let stored = stored.expect("stores");
        assert_eq!(stored.entries.len(), 1, "UID 9 is not there");
        assert!(stored.entries[0].modseq > before && stored.entries[0].flags == seen());
        // RFC 7162 §3.1.3, example 4: UNCHANGEDSINCE fails for the one that changed.
        let stored = write(&store, move |tx| {
            message::store_flags(tx, inbox, &[1, 2, 3], &FlagChange::Add(Flag::Flagged.into()), Some(before))
        });
        let stored = stored.await.expect("stores");
        assert_eq!(stored.modified, [2]);
        assert_eq!(stored.entries.iter().map(|e| e.uid).collect::<Vec<_>>(), [1, 3]);
        // What does not change gets no new modseq.
        let modseq = view(&store, inbox).await[1].modseq;
        let again = write(&store, move |tx| message::store_flags(tx, inbox, &[2], &FlagChange::Replace(seen()), None)).await;
        assert_eq!(again.expect("stores").entries[0].modseq, modseq);
        assert_eq!(by_role(&store, Role::Inbox).await.unseen, 2);
    });
}

#[test]
fn keywords_belong_to_the_message_and_deleted_to_the_place() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let (inbox, archive) = (by_role(&store, Role::Inbox).await.id, by_role(&store, Role::Archive).await.id);
        let one = append(&store, inbox, mail("a", ""), FlagSet::EMPTY).await;
        let pairs = write(&store, move |tx| message::copy(tx, inbox, &[1], archive)).await.expect("copies");
        assert_eq!(pairs, [(1, 1)]);
        let both: FlagSet = [Flag::Seen, Flag::Deleted].into_iter().collect();
        let change = FlagChange::Add(both.clone());
        write(&store, move |tx| message::store_flags(tx, inbox, &[1], &change, None)).await.expect("stores");
        let (here, there) = (view(&store, inbox).await, view(&store, archive).await);
        assert_eq!((here[0].id, there[0].id), (one.id, one.id), "RFC 8474: a copy has the same EMAILID");
        assert_eq!((&here[0].flags, &there[0].flags), (&both, &seen()));
        assert_eq!((by_role(&store, Role::Inbox).await.deleted, by_role(&store, Role::Archive).await.deleted), (1, 0));
        assert_eq!((by_role(&store, Role::Inbox).await.unseen, by_role(&store, Role::Archive).await.unseen), (0, 0));
        write(&store, move |tx| message::change_keywords(tx, one.id, &FlagChange::Replace(FlagSet::EMPTY))).await.expect("changes");
        assert_eq!(view(&store, inbox).await[0].flags, Flag::Deleted.into());
        assert_eq!(write(&store, move |tx| message::expunge(tx, inbox, None)).await.expect("expunges"), [1]);
        assert_eq!(view(&store, archive).await.len(), 1);
        assert!(read(&store, move |tx| message::find(tx, one.id)).await.is_some());
    });
}

#[test]
fn copy_to_where_it_is_makes_another_message() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        append(&store, inbox, mail("a", ""), seen()).await;
        append(&store, inbox, mail("b", ""), FlagSet::EMPTY).await;
        let pairs = write(&store, move |tx| message::copy(tx, inbox, &[2, 1, 7], inbox)).await.expect("copies");
        assert_eq!(pairs, [(1, 3), (2, 4)]);
        let all = view(&store, inbox).await;
        let mut ids: Vec<_> = all.iter().map(|entry| entry.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!((all.len(), ids.len()), (4, 4));
        assert_eq!(all[2].flags, seen());
        let moved = write(&store, move |tx| message::move_to(tx, inbox, &[1, 3], inbox)).await.expect("moves");
        assert_eq!(moved, [(1, 5), (3, 6)]);
        assert_eq!(by_role(&store, Role::Inbox).await.total, 4);
    });
}

#[test]
fn many_copies_at_one_moment_have_ids_of_their_own() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        append(&store, inbox, mail("a", ""), FlagSet::EMPTY).await;
        let mut uids = vec![1];
        // The clock stands: 2,047 ids of one millisecond, where chance alone would repeat one.
        for _ in 0..11 {
            let from = uids.clone();
            let pairs = write(&store, move |tx| message::copy(tx, inbox, &from, inbox)).await.expect("copies");
            uids.extend(pairs.iter().map(|pair| pair.1));
        }
        assert_eq!(by_role(&store, Role::Inbox).await.total, 2_048);
    });
}

#[test]
fn a_message_may_be_in_several_mailboxes() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let (inbox, sent) = (by_role(&store, Role::Inbox).await.id, by_role(&store, Role::Sent).await.id);
        let archive = by_role(&store, Role::Archive).await.id;
        let one = append(&store, inbox, mail("a", ""), FlagSet::EMPTY).await;
        write(&store, move |tx| message::set_mailboxes(tx, one.id, &[archive, inbox, sent, sent])).await.expect("sets");
        let places = read(&store, move |tx| message::find(tx, one.id)).await.expect("there").places;
        assert_eq!(places.len(), 3);
        assert_eq!(places.iter().find(|p| p.mailbox == inbox).map(|p| p.uid), Some(1), "it stays where it was");
        write(&store, move |tx| message::set_mailboxes(tx, one.id, &[archive])).await.expect("sets");
        assert_eq!((view(&store, inbox).await.len(), view(&store, archive).await.len()), (0, 1));
        let none = write(&store, move |tx| message::set_mailboxes(tx, one.id, &[])).await;
        assert!(matches!(none, Err(Error::Forbidden(_))));
        let nowhere = write(&store, move |tx| message::set_mailboxes(tx, one.id, &[hearth_types::MailboxId::from_i64(5)])).await;
        assert!(matches!(nowhere, Err(Error::NoSuchMailbox)));
        assert_eq!(view(&store, archive).await.len(), 1, "what fails changes nothing");
    });
}

#[test]
fn expunge_takes_deleted_ones_among_those_asked_for() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        for _ in 0..4 {
            append(&store, inbox, mail("a", ""), FlagSet::EMPTY).await;
        }
        let change = FlagChange::Add(Flag::Deleted.into());
        write(&store, move |tx| message::store_flags(tx, inbox, &[1, 2, 3], &change, None)).await.expect("stores");
        assert_eq!(write(&store, move |tx| message::expunge(tx, inbox, Some(&[2, 4]))).await.expect("expunges"), [2]);
        assert_eq!(write(&store, move |tx| message::expunge(tx, inbox, None)).await.expect("expunges"), [1, 3]);
        let counted = by_role(&store, Role::Inbox).await;
        assert_eq!((counted.total, counted.deleted, counted.unseen, counted.uid_next), (1, 0, 1, 5));
    });
}

#[test]
fn too_many_keywords_are_refused() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        append(&store, inbox, mail("a", ""), FlagSet::EMPTY).await;
        let keywords = |count: usize| FlagChange::Replace((0..count).map(|n| Flag::Keyword(format!("k{n}"))).collect());
        let (fits, over) = (keywords(limits::KEYWORDS_MAX), keywords(limits::KEYWORDS_MAX + 1));
        assert!(write(&store, move |tx| message::store_flags(tx, inbox, &[1], &fits, None)).await.is_ok());
        let refused = write(&store, move |tx| message::store_flags(tx, inbox, &[1], &over, None)).await;
        assert!(matches!(refused, Err(Error::TooMany(_))));
    });
}

#[test]
fn a_quota_holds() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        let raw = mail("a", "");
        let limit = raw.len() as u64;
        write(&store, move |tx| quota::set_limit(tx, Some(limit))).await.expect("sets");
        append(&store, inbox, raw.clone(), FlagSet::EMPTY).await;
        let prepared = store.prepare(ALICE, Content::Bytes(raw)).await.expect("prepares");
        let over = write(&store, move |tx| message::append(tx, prepared, &[inbox], &FlagSet::EMPTY, NOON)).await;
        assert!(matches!(over, Err(Error::OverQuota)));
        let doubled = write(&store, move |tx| message::copy(tx, inbox, &[1], inbox)).await;
        assert!(matches!(doubled, Err(Error::OverQuota)));
        let archive = by_role(&store, Role::Archive).await.id;
        assert!(write(&store, move |tx| message::copy(tx, inbox, &[1], archive)).await.is_ok(), "a second place takes no room");
        let used = read(&store, quota::find).await;
        assert_eq!((used.messages, used.used_bytes, used.limit_bytes), (1, limit, Some(limit)));
    });
}

#[test]
fn the_usual_quota_holds_where_none_was_set() {
    on_each_engine(|home| async move {
        let raw = mail("a", "");
        let usual = Some(raw.len() as u64);
        let store = Store::open(StoreConfig { quota_bytes: usual, ..home.config() }).await.expect("the store opens");
        let inbox = by_role(&store, Role::Inbox).await.id;
        append(&store, inbox, raw.clone(), FlagSet::EMPTY).await;
        assert_eq!(read(&store, quota::find).await.limit_bytes, usual);
        let add = async || {
            let prepared = store.prepare(ALICE, Content::Bytes(raw.clone())).await.expect("prepares");
            write(&store, move |tx| message::append(tx, prepared, &[inbox], &FlagSet::EMPTY, NOON)).await
        };
        assert!(matches!(add().await, Err(Error::OverQuota)));
        write(&store, |tx| quota::set_limit(tx, Some(1 << 20))).await.expect("sets");
        assert!(add().await.is_ok(), "what was said for the account counts");
    });
}

#[test]
fn threads_follow_references_and_subject() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        let add = async |subject: &str, fields: &str| append(&store, inbox, mail(subject, fields), FlagSet::EMPTY).await;
        let first = add("Plan", "Message-ID: <1@x>\r\n").await;
        let reply = add("Re: plan", "Message-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\n").await;
        let other = add("Other", "Message-ID: <3@x>\r\nIn-Reply-To: <1@x>\r\n").await;
        let early = add("AW: early", "Message-ID: <5@x>\r\nReferences: <4@x>\r\n").await;
        let late = add("AW: early", "Message-ID: <4@x>\r\n").await;
        let alone = add("Plan", "Message-ID: <9@x>\r\n").await;
        assert_eq!(reply.thread, first.thread);
        assert_ne!(other.thread, first.thread, "another subject begins another thread");
        assert_eq!(late.thread, early.thread, "in any order");
        assert_ne!(alone.thread, first.thread, "a subject alone joins nothing");
        let members = read(&store, move |tx| thread::find(tx, first.thread)).await.expect("there");
        assert_eq!(members.len(), 2);
        let counts = read(&store, move |tx| mailbox::thread_counts(tx, inbox)).await;
        assert_eq!(counts, (4, 4));
        let ids = [first.id, reply.id];
        write(&store, move |tx| ids.iter().try_for_each(|id| message::remove(tx, *id))).await.expect("removes");
        assert!(read(&store, move |tx| thread::find(tx, first.thread)).await.is_none());
    });
}

#[test]
fn an_upload_lives_for_a_day() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let prepared = store.prepare(ALICE, Content::Bytes(b"bytes".to_vec())).await.expect("prepares");
        let made = write(&store, move |tx| blob::add(tx, prepared, "image/png\r\n")).await.expect("adds");
        assert_eq!((made.size_bytes, made.media_type.as_str()), (5, "image/png"));
        let (_, body) = read(&store, move |tx| blob::find(tx, made.id)).await.expect("there");
        assert_eq!(body.bytes().expect("reads"), b"bytes");
        home.clock.advance(limits::BLOB_KEPT - Duration::from_millis(1));
        assert!(read(&store, move |tx| blob::find(tx, made.id)).await.is_some());
        home.clock.advance(Duration::from_millis(1));
        assert!(read(&store, move |tx| blob::find(tx, made.id)).await.is_none());
    });
}

#[test]
fn a_failed_write_leaves_nothing() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await;
        let prepared = store.prepare(ALICE, Content::Bytes(mail("a", ""))).await.expect("prepares");
        let failed = store.write(ALICE, Durability::Synced, move |tx| {
            message::append(tx, prepared, &[inbox.id], &FlagSet::EMPTY, NOON)?;
            Err::<(), _>(Error::Forbidden("changed my mind"))
        });
        assert!(matches!(failed.await, Err(Error::Forbidden("changed my mind"))));
        assert_eq!(by_role(&store, Role::Inbox).await, inbox);
    });
}

#[test]
fn an_account_is_removed_as_a_whole() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        append(&store, inbox, mail("a", ""), FlagSet::EMPTY).await;
        store.remove_account(ALICE).await.expect("removes");
        assert!(!walk(home.dir.path()).iter().any(|path| path.contains(&ALICE.to_string())));
        assert_eq!(by_role(&store, Role::Inbox).await.total, 0, "the same id begins anew");
    });
}
