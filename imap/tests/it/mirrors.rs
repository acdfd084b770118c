// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the sessions of a process share is read once for all of them, and only when it changed.

use std::sync::Arc;

use hearth_mailstore::{Durability, MailTx, annotation, mailbox};

use crate::harness::Home;

async fn annotate(home: &Home, value: &'static [u8]) {
    let set = move |tx: &mut MailTx<'_>| annotation::change(tx, None, "/shared/a", Some(value));
    home.shared.store.write(home.account, Durability::Committed, set).await.expect("an entry");
}

async fn modseq(home: &Home) -> u64 {
    home.shared.store.read(home.account, |tx| tx.modseq()).await.expect("a number")
}

/// Whoever asks second is answered without the store: one that knows nothing serves as well.
#[tokio::test]
async fn a_mailbox_is_read_once_for_all_who_are_called() {
    let (home, elsewhere) = (Home::new().await, Home::new().await);
    let (store, nowhere) = (&home.shared.store, &elsewhere.shared.store);
    let inbox = store.read(home.account, |tx| mailbox::find_by_name(tx, "INBOX")).await.expect("read").expect("INBOX").id;
    let mirror = home.shared.mirrors.open(home.account, inbox);
    let empty = mirror.refresh(store, None).await.expect("read");
    // A change of something else: the snapshot is the same, and still it is known that it was looked at.
    annotate(&home, b"1").await;
    let called = modseq(&home).await;
    for asked in [store, nowhere, nowhere] {
        assert!(Arc::ptr_eq(&mirror.refresh(asked, Some(called)).await.expect("known"), &empty));
    }
    home.add_mail("INBOX", b"Subject: x\r\n\r\n".to_vec()).await;
    let called = modseq(&home).await;
    let first = mirror.refresh(store, Some(called)).await.expect("read");
    assert_eq!((first.len(), empty.len()), (1, 0));
    assert!(Arc::ptr_eq(&mirror.refresh(nowhere, Some(called)).await.expect("known"), &first));
    assert!(!Arc::ptr_eq(&mirror.refresh(nowhere, Some(called + 1)).await.expect("read"), &first), "news are read");
}

#[tokio::test]
async fn entries_are_read_when_one_of_them_changed() {
    let home = Home::new().await;
    let listing = home.shared.listings.open(home.account);
    annotate(&home, b"1").await;
    let before = listing.refresh(&home.shared.store, modseq(&home).await).await.expect("read");
    home.add_mail("INBOX", b"Subject: x\r\n\r\n".to_vec()).await;
    let after = listing.refresh(&home.shared.store, modseq(&home).await).await.expect("read");
    assert!(!Arc::ptr_eq(&before, &after) && Arc::ptr_eq(&before.entries, &after.entries));
    annotate(&home, b"2").await;
    let changed = listing.refresh(&home.shared.store, modseq(&home).await).await.expect("read");
    assert_ne!(before.entries, changed.entries);
}
