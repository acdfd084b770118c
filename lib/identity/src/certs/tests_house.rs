// SPDX-License-Identifier: AGPL-3.0-or-later
//! The log, what was seen elsewhere, what the house certifies and whom it reminds, on each engine.

use hearth_types::{Address, Timestamp};

use super::log::{first_head, head_after, leaf_of, statement};
use super::tests::certificate;
use super::{AutocryptPeer, Certificate, Seen, SignedHead, Source, Vouch};
use crate::directory::Resolution;
use crate::limits::{AUTOCRYPT_PEERS_MAX, HOUSE_MAIL_BYTES_MAX, HOUSE_MAILS_MAX, SEEN_OF_ADDRESS_MAX};
use crate::tests::{address, domain, on_each_engine};

const FINGERPRINT: &str = "AC1F40D8B1A9F2B5D1E3C0A4879E63B10D6C5D2F";

#[test]
fn the_log_is_a_chain_of_what_was_published() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        assert_eq!(directory.find_cert_log_head().await.expect("a head"), (0, first_head()));
        let alice = home.person("alice").await.id;
        let alices = || certificate(FINGERPRINT, alice, &["alice@home.test"]);
        directory.store_cert(alices()).await.expect("stored");
        assert_eq!(directory.find_cert_log_head().await.expect("a head").0, 0, "what nobody sees is not in the log");
        directory.publish_cert(FINGERPRINT, vec![address("alice@home.test")]).await.expect("published");
        directory.store_cert(alices()).await.expect("stored");
        let changed = Certificate { whole: b"more".to_vec(), ..alices() };
        directory.store_cert(changed.clone()).await.expect("stored");
        directory.store_cert(Certificate { revoked: true, whole: b"end".to_vec(), ..changed }).await.expect("stored");
        directory.withdraw_cert_address(&address("alice@home.test")).await.expect("withdrawn");
        directory.bury_cert(FINGERPRINT).await.expect("buried");

        let entries = directory.list_cert_log(0, 100).await.expect("a list");
        let verbs: Vec<&str> = entries.iter().filter_map(|entry| entry.entry.split(' ').nth(1)).collect();
        assert_eq!(verbs, ["published", "changed", "revoked", "withdrawn", "removed"]);
        let mut head = first_head();
        for (at, entry) in entries.iter().enumerate() {
            assert_eq!((entry.seq, &entry.leaf), (at as u64 + 1, &leaf_of(&entry.nonce, &entry.entry)));
            head = head_after(&head, &entry.leaf);
            assert_eq!(entry.head, head);
        }
        assert_eq!(directory.find_cert_log_head().await.expect("a head"), (5, head.clone()));
        assert_eq!(directory.list_cert_log(3, 1).await.expect("a list")[0].seq, 4);

        let at = Timestamp::from_secs(7);
        let signed = |size: u64| SignedHead {
            size,
            statement: statement("home.test", size, &head, at),
            signature: "signed".into(),
            signed_at: at,
        };
        for size in [5, 4] {
            directory.add_signed_head(signed(size)).await.expect("kept");
        }
        assert_eq!(directory.find_signed_head().await.expect("a head"), Some(signed(5)));
    });
}

#[test]
fn what_was_seen_has_a_history_and_an_end() {
    on_each_engine(|home| async move {
        let (directory, bob) = (&home.directory, address("Bob@b.test"));
        let seen = |fingerprint: &str| Seen {
            fingerprint: fingerprint.into(),
            source: "wkd".into(),
            via: "b.test".into(),
            confidence: 80,
            bytes: b"cert".to_vec(),
            first_seen_at: Timestamp::default(),
            last_seen_at: Timestamp::default(),
        };
        directory.note_seen_certs(&bob, vec![seen("A"), seen("A")]).await.expect("noted");
        home.clock.advance(std::time::Duration::from_secs(60));
        directory.note_seen_certs(&bob, vec![seen("A"), seen("B")]).await.expect("noted");
        let all = directory.list_seen_certs(&address("bob@b.test")).await.expect("a list");
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].last_seen_at.since(all[0].first_seen_at).as_secs(), 60);
        for n in 0..SEEN_OF_ADDRESS_MAX {
            home.clock.advance(std::time::Duration::from_secs(1));
            directory.note_seen_certs(&bob, vec![seen(&format!("N{n}"))]).await.expect("noted");
        }
        let all = directory.list_seen_certs(&bob).await.expect("a list");
        assert!(all.len() == SEEN_OF_ADDRESS_MAX as usize && all.iter().all(|seen| seen.fingerprint.starts_with('N')));

        let known = directory.list_known_certs(&bob).await.expect("a list");
        assert!(known.len() == all.len() && known.iter().all(|known| (known.source.as_str(), known.confidence) == ("wkd", 80)));

        let alice = home.person("alice").await.id;
        let tell = |fingerprint: &'static str| directory.tell_of_cert(alice, &bob, fingerprint);
        assert_eq!(tell("A").await.expect("told"), None);
        assert_eq!(tell("A").await.expect("told"), None);
        assert_eq!(tell("B").await.expect("told").map(|(before, _)| before), Some("A".into()));
    });
}

#[test]
fn the_newest_mail_says_what_a_correspondent_wishes() {
    on_each_engine(|home| async move {
        let (directory, bob) = (&home.directory, address("bob@b.test"));
        let alice = home.person("alice").await.id;
        let peer =
            |octet: u8, at: i64| AutocryptPeer { keydata: vec![octet], mutual: true, effective_at: Timestamp::from_secs(at) };
        for (octet, at) in [(1, 100), (2, 200), (3, 150)] {
            directory.note_autocrypt_peer(alice, &bob, peer(octet, at)).await.expect("noted");
        }
        assert_eq!(directory.find_autocrypt_peer(alice, &bob).await.expect("a look-up"), Some(peer(2, 200)));
        for n in 0..i64::from(AUTOCRYPT_PEERS_MAX) - 1 {
            let other = address(&format!("n{n}@b.test"));
            directory.note_autocrypt_peer(alice, &other, peer(1, 1_000 + n)).await.expect("noted");
        }
        assert!(directory.find_autocrypt_peer(alice, &bob).await.expect("a look-up").is_some());
        directory.note_autocrypt_peer(alice, &address("last@b.test"), peer(1, 9_000)).await.expect("noted");
        assert!(directory.find_autocrypt_peer(alice, &bob).await.expect("a look-up").is_none(), "the oldest goes");
    });
}

#[test]
fn the_house_has_its_own_addresses_and_certifies_others() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let alice = home.person("alice").await.id;
        let named = certificate(&"B".repeat(40), alice, &["key-submission@home.test"]);
        let house = Certificate { account: None, source: Source::House, ..named };
        let submission = address("key-submission@home.test");
        assert_eq!(directory.resolve(&submission).await.expect("resolved"), Resolution::NoSuchUser);
        directory.store_cert(house).await.expect("stored");
        directory.publish_cert(&"B".repeat(40), vec![submission.clone()]).await.expect("published");
        assert_eq!(directory.resolve(&submission).await.expect("resolved"), Resolution::House);
        assert_eq!(directory.find_shown_certs_by_address(&submission).await.expect("shown").len(), 1);

        directory.store_cert(certificate(FINGERPRINT, alice, &["alice@home.test"])).await.expect("stored");
        directory.publish_cert(FINGERPRINT, vec![address("alice@home.test")]).await.expect("published");
        let now = directory.now();
        let vouch = |packet: &[u8]| Vouch {
            fingerprint: FINGERPRINT.into(),
            user_id: "<alice@home.test>".into(),
            issuer: "B".repeat(40),
            packet: packet.to_vec(),
            created_at: now,
            expires_at: now.after(std::time::Duration::from_secs(100)),
        };
        directory.store_vouches(vec![vouch(b"(old)")]).await.expect("stored");
        directory.store_vouches(vec![vouch(b"(new)")]).await.expect("stored");
        // What the owner stores again keeps it; what has ended is not shown.
        directory.store_cert(certificate(FINGERPRINT, alice, &["alice@home.test"])).await.expect("stored");
        let shown = directory.find_shown_certs_by_address(&address("alice@home.test")).await.expect("shown");
        assert_eq!(String::from_utf8_lossy(&shown[0].to_bytes()), "head[alice@home.test](new)tail");
        home.clock.advance(std::time::Duration::from_secs(101));
        let shown = directory.find_shown_certs_by_address(&address("alice@home.test")).await.expect("shown");
        assert_eq!((shown[0].identities[0].is_vouched, shown[0].to_bytes().len()), (false, 25));

        let b = domain("b.test");
        let now = directory.now();
        let word = Vouch { created_at: now, expires_at: now.after(std::time::Duration::from_secs(100)), ..vouch(b"(theirs)") };
        directory.store_vouches(vec![word]).await.expect("stored");
        let is_vouched = || async {
            let shown = directory.find_shown_certs_by_address(&address("alice@home.test")).await.expect("shown");
            (shown[0].identities[0].is_vouched, String::from_utf8_lossy(&shown[0].to_bytes()).contains("(theirs)"))
        };
        assert_eq!(is_vouched().await, (false, true), "nobody trusts it yet");
        directory.add_friend(&b, &"B".repeat(40), b"cert".to_vec()).await.expect("a friend");
        assert_eq!(directory.list_trusted_homes().await.expect("a list")[0].domain, b);
        assert_eq!(is_vouched().await, (true, true));
        // A right is somebody's decision, and goes with the friendship.
        assert!(!directory.friend_lets(&b, "keys").await.expect("asked"));
        assert!(directory.change_friend_right(&b, "received", "keys", true).await.expect("changed"));
        assert!(directory.friend_lets(&b, "keys").await.expect("asked") && !directory.friend_may(&b, "keys").await.expect("asked"));
        // What its home says of its certificate is taken over, as long as it is that one; when it was ended, its word goes.
        let (fingerprint, another) = ("B".repeat(40), "C".repeat(40));
        let refresh = |fingerprint, is_revoked| directory.refresh_friend(&b, fingerprint, b"later".to_vec(), is_revoked);
        assert!(!refresh(another.as_str(), true).await.expect("another one"));
        assert_eq!(directory.list_trusted_homes().await.expect("a list")[0].bytes, b"cert");
        assert!(refresh(fingerprint.as_str(), false).await.expect("refreshed"));
        assert_eq!(
            (directory.list_trusted_homes().await.expect("a list")[0].bytes.as_slice(), is_vouched().await),
            (&b"later"[..], (true, true))
        );
        let bob = address("bob@b.test");
        let seen = |fingerprint: &str, source: &str, via: &str, confidence: u8| Seen {
            fingerprint: fingerprint.into(),
            source: source.into(),
            via: via.into(),
            confidence,
            bytes: b"cert".to_vec(),
            first_seen_at: Timestamp::default(),
            last_seen_at: Timestamp::default(),
        };
        let of_friend = [seen("F", "friend", "b.test", 110), seen("W", "wkd", "openpgpkey.b.test", 120)];
        let sources = async |address: &Address| {
            let all = directory.list_seen_certs(address).await.expect("a list");
            all.into_iter().map(|seen| seen.fingerprint).collect::<Vec<_>>()
        };
        let others = [seen("D", "dane", "b.test", 80), seen("X", "friend", "c.test", 40)];
        directory.note_seen_certs(&bob, [of_friend.to_vec(), others.to_vec()].concat()).await.expect("noted");
        directory.note_seen_certs(&address("eve@e.test"), vec![seen("E", "wkd", "e.test", 120)]).await.expect("noted");
        assert!(refresh(fingerprint.as_str(), true).await.expect("refreshed"));
        assert_eq!(is_vouched().await, (false, false), "it was ended");
        let mut left = sources(&bob).await;
        left.sort();
        assert_eq!(left, ["D", "X"], "what was sure by its word alone is no longer");
        assert_eq!(sources(&address("eve@e.test")).await, ["E"], "its word was for its own domain");
        directory.note_seen_certs(&bob, of_friend.to_vec()).await.expect("noted");
        assert!(directory.end_friend(&b).await.expect("removed"));
        assert!(!directory.end_friend(&b).await.expect("removed"));
        assert_eq!(is_vouched().await, (false, false), "what it said goes with it");
        assert_eq!(sources(&bob).await.len(), 2);
        assert!(!directory.friend_lets(&b, "keys").await.expect("asked"));
        assert!(!directory.change_friend_right(&b, "received", "keys", true).await.expect("refused"));
        let ended = &directory.list_friends().await.expect("a list")[0];
        assert!(ended.state == "ended" && ended.ended_at.is_some());
    });
}

#[test]
fn mails_to_the_house_and_reminders_have_bounds() {
    on_each_engine(|home| async move {
        let (directory, to) = (&home.directory, address("key-submission@home.test"));
        assert!(directory.add_house_mail(&to, vec![b'x'; HOUSE_MAIL_BYTES_MAX + 1]).await.is_err());
        directory.add_house_mail(&to, vec![b'x'; HOUSE_MAIL_BYTES_MAX]).await.expect("put down");
        // Ids of one millisecond are told apart by chance.
        home.clock.advance(std::time::Duration::from_millis(1));
        for _ in 1..HOUSE_MAILS_MAX {
            directory.add_house_mail(&to, b"mail".to_vec()).await.expect("put down");
        }
        assert!(directory.add_house_mail(&to, b"mail".to_vec()).await.is_err());
        let first = directory.find_house_mail().await.expect("a look-up").expect("a mail");
        assert_eq!((first.recipient, first.raw.len()), (to.clone(), HOUSE_MAIL_BYTES_MAX));
        directory.remove_house_mail(first.id).await.expect("removed");
        directory.add_house_mail(&to, b"mail".to_vec()).await.expect("put down");

        let end = Timestamp::from_secs(5_000);
        let remind = |end: Timestamp, days: u32| directory.remind_of_cert(FINGERPRINT, end, days, &to, b"letter".to_vec());
        assert!(remind(end, 60).await.expect("written"));
        assert!(!remind(end, 60).await.expect("not again"));
        assert!(remind(end, 30).await.expect("written"));
        // Extended, it begins anew.
        assert!(remind(end.after(std::time::Duration::from_secs(1)), 60).await.expect("written"));
        assert_eq!(directory.list_letters(10).await.expect("letters").len(), 3);
    });
}
