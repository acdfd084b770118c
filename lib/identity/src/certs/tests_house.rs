// SPDX-License-Identifier: AGPL-3.0-or-later
//! The log, what was seen elsewhere, what the house certifies and whom it reminds, on each engine.

use hearth_types::Timestamp;

use super::log::{LOG_PAGE_MAX, first_head, head_after, leaf_of, statement};
use super::tests::certificate;
use super::{AutocryptPeer, Certificate, Key, SHOWN_MAX, Seen, SignedHead, Source, TrustedHome, Vouch};
use crate::directory::Resolution;
use crate::limits::{
    AUTOCRYPT_PEERS_MAX, HOUSE_MAIL_BYTES_MAX, HOUSE_MAILS_MAX, SEEN_KEEP, SEEN_MAX, SEEN_OF_ADDRESS_MAX, TOLD_LISTED_MAX,
};
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
        let vouch = |packet: &[u8]| vouch(packet, now);
        directory.store_vouches(vec![vouch(b"(old)")]).await.expect("stored");
        directory.store_vouches(vec![vouch(b"(new)")]).await.expect("stored");
        // What the owner stores again keeps it; what has ended is not shown.
        directory.store_cert(certificate(FINGERPRINT, alice, &["alice@home.test"])).await.expect("stored");
        let shown = directory.find_shown_certs_by_address(&address("alice@home.test")).await.expect("shown");
        assert_eq!(String::from_utf8_lossy(&shown[0].to_bytes()), "head[alice@home.test](new)tail");
        home.clock.advance(std::time::Duration::from_secs(101));
        let shown = directory.find_shown_certs_by_address(&address("alice@home.test")).await.expect("shown");
        assert_eq!((shown[0].identities[0].is_vouched, shown[0].to_bytes().len()), (false, 25));
    });
}

/// What another home certifies of alice, for a hundred seconds.
fn vouch(packet: &[u8], now: Timestamp) -> Vouch {
    Vouch {
        fingerprint: FINGERPRINT.into(),
        user_id: "<alice@home.test>".into(),
        issuer: "B".repeat(40),
        packet: packet.to_vec(),
        created_at: now,
        expires_at: now.after(std::time::Duration::from_secs(100)),
    }
}

#[test]
fn a_friend_s_word_counts_while_it_is_a_friend_and_its_home_s_certificate_is_alive() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let alice = home.person("alice").await.id;
        directory.store_cert(certificate(FINGERPRINT, alice, &["alice@home.test"])).await.expect("stored");
        directory.publish_cert(FINGERPRINT, vec![address("alice@home.test")]).await.expect("published");
        let now = directory.now();
        let vouch = |packet: &[u8]| vouch(packet, now);
        let b = domain("b.test");
        directory.store_vouches(vec![vouch(b"(theirs)")]).await.expect("stored");
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
        let kept = async || directory.list_trusted_homes().await.expect("a list").remove(0);
        let refresh = async |home: &TrustedHome, is_revoked| {
            directory.refresh_friend(home, b"later".to_vec(), is_revoked).await.expect("refreshed")
        };
        let before = kept().await;
        let another = TrustedHome { fingerprint: "C".repeat(40), ..before.clone() };
        assert!(!refresh(&another, true).await, "another one");
        assert_eq!(kept().await, before);
        assert!(refresh(&before, false).await);
        assert!(!refresh(&before, true).await, "somebody was quicker");
        assert_eq!(
            (directory.list_trusted_homes().await.expect("a list")[0].bytes.as_slice(), is_vouched().await),
            (&b"later"[..], (true, true))
        );
        let bob = Seen {
            fingerprint: "D".repeat(40),
            source: "friend".into(),
            via: "b.test".into(),
            confidence: 120,
            bytes: b"cert".to_vec(),
            first_seen_at: Timestamp::default(),
            last_seen_at: Timestamp::default(),
        };
        let by_wkd = |confidence| vec![Seen { source: "wkd".into(), confidence, ..bob.clone() }];
        for who in ["bob@b.test", "bob@sub.b.test"] {
            directory.note_seen_certs(&address(who), vec![bob.clone()]).await.expect("noted");
        }
        directory.note_seen_certs(&address("published@b.test"), by_wkd(80)).await.expect("noted");
        directory.note_seen_certs(&address("certified@b.test"), by_wkd(120)).await.expect("noted");
        home.clock.advance(std::time::Duration::from_secs(5));
        assert!(refresh(&kept().await, true).await);
        assert_eq!(is_vouched().await, (false, false), "it was ended");
        let changed = directory.list_changed_certs(directory.now(), Timestamp::from_millis(i64::MAX)).await.expect("a list");
        assert_eq!(changed, [FINGERPRINT], "who refreshes learns of it");
        let how_sure = async |who: &str| directory.list_seen_certs(&address(who)).await.expect("a list")[0].confidence;
        assert_eq!((how_sure("bob@b.test").await, how_sure("bob@sub.b.test").await), (40, 120));
        let (published, certified) = (how_sure("published@b.test").await, how_sure("certified@b.test").await);
        assert_eq!((published, certified), (80, 80), "what the domain itself publishes is worth no less");
        // It rests, with its rights, until the next certificate was compared.
        assert_eq!(directory.list_friends().await.expect("a list")[0].state, "suspended");
        assert!(!directory.friend_lets(&b, "keys").await.expect("asked"));
        directory.add_friend(&b, &"E".repeat(40), b"next".to_vec()).await.expect("a friend again");
        assert!(directory.friend_lets(&b, "keys").await.expect("asked"));

        // The house takes back what it said itself.
        let word = Vouch { expires_at: directory.now().after(std::time::Duration::from_secs(100)), ..vouch(b"(ours)") };
        directory.store_vouches(vec![word]).await.expect("stored");
        directory.remove_vouches_by(&"E".repeat(40)).await.expect("nothing");
        assert_eq!(directory.list_vouches(FINGERPRINT).await.expect("a list").len(), 1);
        directory.remove_vouches_by(&"B".repeat(40)).await.expect("taken back");
        assert!(directory.list_vouches(FINGERPRINT).await.expect("a list").is_empty());
        assert!(directory.end_friend(&b).await.expect("removed"));
        assert!(!directory.end_friend(&b).await.expect("removed"));
        assert_eq!(is_vouched().await, (false, false), "what it said goes with it");
        assert!(!directory.friend_lets(&b, "keys").await.expect("asked"));
        assert!(!directory.change_friend_right(&b, "received", "keys", true).await.expect("refused"));
        let ended = &directory.list_friends().await.expect("a list")[0];
        assert!(ended.state == "ended" && ended.ended_at.is_some());
    });
}

#[test]
fn a_house_that_closes_says_nothing_more_and_is_no_surer_by_its_friends() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let alice = home.person("alice").await.id;
        directory.store_cert(certificate(FINGERPRINT, alice, &["alice@home.test"])).await.expect("stored");
        let issuer = "A".repeat(40);
        let word = Vouch {
            fingerprint: FINGERPRINT.into(),
            user_id: "<alice@home.test>".into(),
            issuer: issuer.clone(),
            packet: b"(ours)".to_vec(),
            created_at: directory.now(),
            expires_at: directory.now().after(std::time::Duration::from_secs(100)),
        };
        directory.store_vouches(vec![word]).await.expect("stored");
        directory.add_friend(&domain("b.test"), &"B".repeat(40), b"cert".to_vec()).await.expect("a friend");
        let seen = |source: &str, confidence| Seen {
            fingerprint: "D".repeat(40),
            source: source.into(),
            via: "b.test".into(),
            confidence,
            bytes: b"cert".to_vec(),
            first_seen_at: Timestamp::default(),
            last_seen_at: Timestamp::default(),
        };
        let rows = [
            ("certified@b.test", "friend", 120, 40),
            ("asked@b.test", "friend", 110, 110),
            ("both@b.test", "wkd", 120, 80),
            ("published@b.test", "wkd", 80, 80),
            ("stranger@c.test", "friend", 120, 120),
        ];
        for (who, source, before, _) in rows {
            directory.note_seen_certs(&address(who), vec![seen(source, before)]).await.expect("noted");
        }
        for _ in 0..2 {
            directory.close_house(&issuer).await.expect("closed");
            assert!(directory.list_vouches(FINGERPRINT).await.expect("a list").is_empty());
            for (who, _, _, after) in rows {
                assert_eq!(directory.list_seen_certs(&address(who)).await.expect("a list")[0].confidence, after, "{who}");
            }
        }
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

fn seen(fingerprint: String) -> Seen {
    Seen {
        fingerprint,
        source: "wkd".into(),
        via: "b.test".into(),
        confidence: 80,
        bytes: b"cert".to_vec(),
        first_seen_at: Timestamp::default(),
        last_seen_at: Timestamp::default(),
    }
}

#[test]
fn what_was_seen_is_bounded_in_number_and_in_time() {
    on_each_engine(|home| async move {
        let (directory, one) = (&home.directory, std::time::Duration::from_millis(1));
        let who = |n: u32| address(&format!("n{n}@b.test"));
        let many = || (0..SEEN_OF_ADDRESS_MAX).map(|n| seen(format!("F{n}"))).collect::<Vec<_>>();
        let count = async |n: u32| directory.list_seen_certs(&who(n)).await.expect("a list").len();
        let (each, addresses) = (SEEN_OF_ADDRESS_MAX as usize, SEEN_MAX / SEEN_OF_ADDRESS_MAX);
        for n in 0..addresses {
            directory.note_seen_certs(&who(n), many()).await.expect("noted");
            home.clock.advance(one);
        }
        assert_eq!((count(0).await, count(addresses - 1).await), (each, each), "all of them fit");
        directory.note_seen_certs(&who(addresses), vec![seen("F".into())]).await.expect("noted");
        assert_eq!((count(0).await, count(1).await, count(addresses).await), (each - 1, each, 1), "the oldest goes");

        home.clock.advance(SEEN_KEEP.saturating_sub(one));
        directory.note_seen_certs(&who(0), vec![seen("later".into())]).await.expect("noted");
        assert_eq!(count(addresses).await, 1);
        home.clock.advance(one);
        directory.note_seen_certs(&who(0), vec![seen("later".into())]).await.expect("noted");
        assert_eq!((count(0).await, count(addresses).await), (1, 0), "what nobody finds any more is forgotten");
    });
}

#[test]
fn lists_have_their_length() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let alice = home.person("alice").await.id;
        for n in 0..=TOLD_LISTED_MAX {
            directory.tell_of_cert(alice, &address(&format!("n{n}@b.test")), "A").await.expect("told");
            if n + 2 > TOLD_LISTED_MAX {
                let listed = directory.list_told_certs(alice).await.expect("a list").len();
                assert_eq!(listed, (n + 1).min(TOLD_LISTED_MAX) as usize);
            }
        }
        // Several certificates that have a subkey in common.
        let subkey = Key { fingerprint: "5".repeat(40), key_id: "5".repeat(16) };
        for n in 0..=SHOWN_MAX {
            let cert = certificate(&n.to_string().repeat(40), alice, &["alice@home.test"]);
            directory.store_cert(Certificate { keys: vec![subkey.clone()], ..cert }).await.expect("stored");
            let shown = directory.find_shown_certs_by_key(&subkey.fingerprint).await.expect("a look-up").len();
            assert_eq!(shown, (n + 1).min(SHOWN_MAX));
        }
        // Each publication is an entry.
        let mut entries = 0;
        for more in [LOG_PAGE_MAX, 1] {
            let again = vec![address("alice@home.test"); more as usize];
            directory.publish_cert(&"0".repeat(40), again).await.expect("published");
            entries += more;
            let page = directory.list_cert_log(0, u32::MAX).await.expect("a list").len();
            assert_eq!(page, entries.min(LOG_PAGE_MAX) as usize);
        }
    });
}
