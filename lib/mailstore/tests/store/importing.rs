// SPDX-License-Identifier: AGPL-3.0-or-later
//! What was imported is known again, and nothing is known of what failed.

use hearth_mailstore::{Durability, Error, import};
use hearth_types::AccountId;

use crate::support::{ALICE, on_each_engine, read, write};

const BOB: AccountId = AccountId::from_i64(0xb0b);

#[test]
fn what_was_imported_is_known_again() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let long = format!("imap host user {} 7 9", "x".repeat(10_000));
        for key in ["maildir INBOX 1.2.x", long.as_str()] {
            let (before, noted, after) = (key.to_string(), key.to_string(), key.to_string());
            assert!(!read(&store, move |tx| import::is_imported(tx, &before)).await);
            for _ in 0..2 {
                let noted = noted.clone();
                write(&store, move |tx| import::note(tx, &noted)).await.expect("noted");
            }
            assert!(read(&store, move |tx| import::is_imported(tx, &after)).await);
        }
        assert!(!read(&store, |tx| import::is_imported(tx, "maildir INBOX 1.2.y")).await);
        let failed = store.write(ALICE, Durability::Synced, |tx| {
            import::note(tx, "z")?;
            Err::<(), _>(Error::OverQuota)
        });
        assert!(failed.await.is_err());
        assert!(!read(&store, |tx| import::is_imported(tx, "z")).await);
        let others = store.read::<_, Error>(BOB, |tx| import::is_imported(tx, "maildir INBOX 1.2.x")).await;
        assert!(!others.expect("readable"), "each account has its own");
        // Whoever goes takes it along.
        store.remove_account(ALICE).await.expect("removed");
        assert!(!read(&store, |tx| import::is_imported(tx, "maildir INBOX 1.2.x")).await);
    });
}
