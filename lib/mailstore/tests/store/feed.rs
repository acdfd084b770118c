// SPDX-License-Identifier: AGPL-3.0-or-later
//! The feed wakes sessions, in other processes too.

use std::time::Duration;

use hearth_mailstore::message::{self, FlagChange};
use hearth_mailstore::{Backend, Durability, Flag, FlagSet, Role};

use crate::support::{ALICE, Home, account, append, by_role, delivery, mail, on_each_engine, read, until};

#[test]
fn a_change_wakes_who_waits_in_another_process() {
    on_each_engine(|home| async move {
        let (store, other) = (home.store().await, home.other().await);
        let mut here = store.subscribe(ALICE);
        let mut there = other.subscribe(ALICE);
        let mut elsewhere = other.subscribe(account(2));
        let begun = read(&store, |tx| tx.modseq()).await;
        until("the first value is the modseq", async || *here.borrow() == begun && *there.borrow() == begun).await;
        until("each account has its own", async || *elsewhere.borrow() > 0).await;
        here.mark_unchanged();
        there.mark_unchanged();
        elsewhere.mark_unchanged();
        store.deliver(delivery("d1", mail("a", ""), &[ALICE])).await.expect("delivers");
        let modseq = read(&store, |tx| tx.modseq()).await;
        for receiver in [&mut here, &mut there] {
            tokio::time::timeout(Duration::from_secs(5), receiver.changed()).await.expect("woken").expect("open");
            assert_eq!(*receiver.borrow_and_update(), modseq);
        }
        assert!(!elsewhere.has_changed().expect("open"));
        // And the other way, by a flag.
        let inbox = by_role(&other, Role::Inbox).await.id;
        let change = FlagChange::Add(Flag::Seen.into());
        let stored = other.write(ALICE, Durability::Committed, move |tx| message::store_flags(tx, inbox, &[1], &change, None));
        stored.await.map_err(|error: hearth_mailstore::Error| error).expect("stores");
        tokio::time::timeout(Duration::from_secs(5), here.changed()).await.expect("woken").expect("open");
    });
}

#[test]
fn a_change_wakes_who_waits_on_another_machine() {
    on_each_engine(|home| async move {
        if matches!(home.backend, Backend::Sqlite) {
            return;
        }
        // Another folder is another machine: nothing but the server is shared.
        let far = Home { dir: tempfile::tempdir().expect("a folder"), backend: home.backend.clone(), clock: home.clock.clone() };
        let (store, other) = (home.store().await, far.other().await);
        let mut there = other.subscribe(ALICE);
        let begun = read(&store, |tx| tx.modseq()).await;
        until("the first value is the modseq", async || *there.borrow() == begun).await;
        for subject in ["a", "b"] {
            store.deliver(delivery(subject, mail(subject, ""), &[ALICE])).await.expect("delivers");
            let modseq = read(&store, |tx| tx.modseq()).await;
            // Less than the slow timer.
            let woken = tokio::time::timeout(Duration::from_secs(10), there.wait_for(|seen| *seen == modseq));
            woken.await.expect("woken").expect("open");
        }
    });
}

#[test]
fn what_changes_nothing_wakes_nobody() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        append(&store, inbox, mail("a", ""), Flag::Seen.into()).await;
        let receiver = store.subscribe(ALICE);
        let modseq = read(&store, |tx| tx.modseq()).await;
        until("the first value is the modseq", async || *receiver.borrow() == modseq).await;
        let mut receiver = receiver;
        receiver.mark_unchanged();
        let change = FlagChange::Add(Flag::Seen.into());
        let stored = store.write(ALICE, Durability::Committed, move |tx| message::store_flags(tx, inbox, &[1], &change, None));
        stored.await.map_err(|error: hearth_mailstore::Error| error).expect("stores");
        assert!(!receiver.has_changed().expect("open"));
    });
}

#[test]
fn a_socket_that_nobody_reads_is_removed() {
    on_each_engine(|home| async move {
        let run = home.dir.path().join("run");
        std::fs::create_dir_all(&run).expect("makes");
        let dead = run.join("feed.imap.1.0.sock");
        drop(std::os::unix::net::UnixDatagram::bind(&dead).expect("binds"));
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        append(&store, inbox, mail("a", ""), FlagSet::EMPTY).await;
        assert!(!dead.exists());
        let sockets = || std::fs::read_dir(&run).expect("reads").count();
        assert_eq!(sockets(), 1);
        drop(store);
        until("the store takes its socket along", async || sockets() == 0).await;
    });
}

#[test]
fn a_long_path_is_no_hindrance() {
    on_each_engine(|mut home| async move {
        let long = tempfile::Builder::new().prefix(&"long".repeat(40)).tempdir().expect("a folder");
        home.dir = long;
        let (store, other) = (home.store().await, home.other().await);
        let mut there = other.subscribe(ALICE);
        let inbox = by_role(&store, Role::Inbox).await.id;
        let one = append(&store, inbox, mail("a", ""), FlagSet::EMPTY).await;
        tokio::time::timeout(Duration::from_secs(5), there.wait_for(|modseq| *modseq >= one.modseq))
            .await
            .expect("woken")
            .expect("open");
    });
}
