// SPDX-License-Identifier: AGPL-3.0-or-later
//! Sieve scripts: names, the active one, bounds.

use hearth_mailstore::{Error, limits, script};

use crate::support::{ALICE, on_each_engine, read, write};

const KEEP: &[u8] = b"keep;\r\n";

#[test]
fn a_script_lives() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        assert_eq!(read(&store, script::scripts).await, []);
        assert!(read(&store, script::active).await.is_none());
        let made = write(&store, |tx| script::put(tx, "main", KEEP)).await.expect("puts");
        assert_eq!((made.name.as_str(), made.active, made.size_bytes), ("main", false, KEEP.len() as u64));
        write(&store, |tx| script::put(tx, "holiday", b"stop;")).await.expect("puts");
        write(&store, |tx| script::activate(tx, Some("main"))).await.expect("activates");
        let (found, text) = read(&store, script::active).await.expect("main is active");
        assert_eq!((found.id, text.as_slice()), (made.id, KEEP));
        // Written anew, and renamed, it is the same script, and still runs.
        let again = write(&store, |tx| script::put(tx, "main", b"discard;")).await.expect("puts");
        assert!(again.id == made.id && again.active && again.modseq > made.modseq);
        write(&store, |tx| script::rename(tx, "main", "everyday")).await.expect("renames");
        let (found, text) = read(&store, script::active).await.expect("it is active");
        assert_eq!((found.name.as_str(), text.as_slice()), ("everyday", &b"discard;"[..]));
        assert!(read(&store, |tx| script::script(tx, "main")).await.is_none());
        // Another one takes over; then none.
        write(&store, |tx| script::activate(tx, Some("holiday"))).await.expect("activates");
        let flags: Vec<_> = read(&store, script::scripts).await.into_iter().map(|s| (s.name, s.active)).collect();
        assert_eq!(flags, [("everyday".to_string(), false), ("holiday".to_string(), true)]);
        assert!(matches!(write(&store, |tx| script::delete(tx, "holiday")).await, Err(Error::ScriptActive)));
        write(&store, |tx| script::activate(tx, None)).await.expect("deactivates");
        write(&store, |tx| script::delete(tx, "holiday")).await.expect("deletes");
        assert_eq!(read(&store, script::scripts).await.len(), 1);
        // All of it goes with the account.
        store.remove_account(ALICE).await.expect("removes");
        assert_eq!(read(&store, script::scripts).await, []);
    });
}

#[test]
fn what_cannot_be() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        for name in ["a", "b"] {
            write(&store, move |tx| script::put(tx, name, KEEP)).await.expect("puts");
        }
        assert!(matches!(write(&store, |tx| script::rename(tx, "a", "b")).await, Err(Error::ScriptExists)));
        assert!(matches!(write(&store, |tx| script::rename(tx, "x", "y")).await, Err(Error::NoSuchScript)));
        assert!(matches!(write(&store, |tx| script::delete(tx, "x")).await, Err(Error::NoSuchScript)));
        assert!(matches!(write(&store, |tx| script::activate(tx, Some("x"))).await, Err(Error::NoSuchScript)));
        write(&store, |tx| script::rename(tx, "a", "a")).await.expect("a name may stay");
        for name in ["", "a\nb", "a\0b", "a\u{85}", "\u{2028}"] {
            assert!(matches!(write(&store, move |tx| script::put(tx, name, KEEP)).await, Err(Error::BadName(_))), "{name:?}");
        }
        // NFC: both spellings are one name.
        write(&store, |tx| script::put(tx, "caf\u{e9}", KEEP)).await.expect("puts");
        assert!(read(&store, |tx| script::script(tx, "cafe\u{301}")).await.is_some());
    });
}

#[test]
fn bounds_on_both_sides() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let put = async |name: String, size: usize| write(&store, move |tx| script::put(tx, &name, &vec![b'#'; size])).await;
        assert!(put("n".repeat(limits::SCRIPT_NAME_BYTES_MAX), limits::SCRIPT_BYTES_MAX).await.is_ok());
        assert!(matches!(put("n".repeat(limits::SCRIPT_NAME_BYTES_MAX + 1), 1).await, Err(Error::BadName(_))));
        assert!(matches!(put("large".into(), limits::SCRIPT_BYTES_MAX + 1).await, Err(Error::TooLarge(_))));
        for number in 1..limits::SCRIPTS_MAX {
            put(format!("s{number}"), 1).await.expect("puts");
        }
        assert!(matches!(put("one more".into(), 1).await, Err(Error::TooMany(_))));
        assert!(put("s1".into(), 2).await.is_ok(), "one that is there may be written anew");
        assert!(matches!(read_room(&store, "one more", 1).await, Err(Error::TooMany(_))));
        assert!(read_room(&store, "s1", limits::SCRIPT_BYTES_MAX as u64).await.is_ok());
    });
}

async fn read_room(store: &hearth_mailstore::Store, name: &'static str, size: u64) -> Result<(), Error> {
    store.read(ALICE, move |tx| script::has_room(tx, name, size)).await
}
