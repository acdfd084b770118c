// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where mail goes.

use super::{address, domain, on_each_engine};
use crate::directory::{Kind, List, MemberRole, Posting, Resolution};
use crate::limits::{EXPANSION_DEPTH_MAX, EXPANSION_RECIPIENTS_MAX, TARGETS_MAX};

#[test]
fn a_person_and_what_leads_to_them() {
    on_each_engine(|home| async move {
        let admin = home.add("boss", Kind::Person, true).await.id;
        let alice = home.person("alice").await.id;
        let directory = &home.directory;
        directory.add_alias(&address("info@home.test"), &[address("Alice+info@home.test")]).await.unwrap();
        directory.add_alias(&address("both@home.test"), &[address("alice@home.test"), address("x@else.test")]).await.unwrap();
        for (text, resolution) in [
            ("ALICE@home.test", Resolution::Account(alice)),
            ("alice+shop@home.test", Resolution::Account(alice)),
            ("postmaster@home.test", Resolution::Account(admin)),
            ("Abuse+2@home.test", Resolution::Account(admin)),
            ("info@home.test", Resolution::Members { accounts: vec![alice], forwards: vec![] }),
            ("both+x@home.test", Resolution::Members { accounts: vec![alice], forwards: vec![address("x@else.test")] }),
            ("nobody@home.test", Resolution::NoSuchUser),
            ("alice@else.test", Resolution::NotOurDomain),
        ] {
            assert_eq!(directory.resolve(&address(text)).await.unwrap(), resolution, "{text}");
        }
        directory.add_address(alice, &address("postmaster@home.test")).await.unwrap();
        assert_eq!(directory.resolve(&address("postmaster@home.test")).await.unwrap(), Resolution::Account(alice), "if named");
        directory.disable_account(alice).await.unwrap();
        for (text, resolution) in [
            ("alice@home.test", Resolution::Disabled),
            ("info@home.test", Resolution::Disabled),
            ("both@home.test", Resolution::Members { accounts: vec![], forwards: vec![address("x@else.test")] }),
        ] {
            assert_eq!(directory.resolve(&address(text)).await.unwrap(), resolution, "{text}, disabled");
        }
        directory.remove_alias(&address("info@home.test")).await.unwrap();
        directory.change_catch_all(&domain("home.test"), Some(admin)).await.unwrap();
        assert_eq!(directory.resolve(&address("info@home.test")).await.unwrap(), Resolution::Account(admin), "the catch-all");
    });
}

#[test]
fn groups_lists_and_loops() {
    on_each_engine(|home| async move {
        let (alice, bob) = (home.person("alice").await.id, home.person("bob").await.id);
        let family = home.add("family", Kind::Group, false).await.id;
        let kids = home.add("kids", Kind::Group, false).await.id;
        let directory = &home.directory;
        assert_eq!(directory.resolve(&address("family@home.test")).await.unwrap(), Resolution::NoSuchUser, "an empty group");
        for (group, member) in [(family, alice), (family, kids), (kids, bob), (kids, family)] {
            directory.add_group_member(group, member, MemberRole::Member).await.unwrap();
        }
        let both = Resolution::Members { accounts: vec![alice, bob], forwards: vec![] };
        assert_eq!(directory.resolve(&address("family@home.test")).await.unwrap(), both, "groups in a circle");
        let groups: Vec<String> = directory.list_groups_of(bob).await.unwrap().into_iter().map(|(_, a)| a.to_string()).collect();
        assert_eq!(groups, ["kids@home.test"]);
        assert!(directory.may_send_as(alice, &address("family@home.test")).await.unwrap());

        let club = List { address: address("club@home.test"), name: String::new(), posting: Posting::Anyone };
        directory.add_list(club.clone()).await.unwrap();
        for member in ["kids@home.test", "x@else.test", "club@home.test"] {
            directory.add_list_member(&club.address, &address(member)).await.unwrap();
        }
        let members = ["club@home.test", "kids@home.test", "x@else.test"].map(address).to_vec();
        assert_eq!(directory.resolve(&address("Club+sub@home.test")).await.unwrap(), Resolution::List(club.clone(), members));
        // Behind an alias it is its members, wherever they are.
        directory.add_alias(&address("all@home.test"), std::slice::from_ref(&club.address)).await.unwrap();
        let everybody = Resolution::Members { accounts: vec![alice, bob], forwards: vec![address("x@else.test")] };
        assert_eq!(directory.resolve(&address("all@home.test")).await.unwrap(), everybody);

        directory.add_alias(&address("ping@home.test"), &[address("pong@home.test")]).await.unwrap();
        directory.add_alias(&address("pong@home.test"), &[address("ping@home.test")]).await.unwrap();
        assert_eq!(directory.resolve(&address("ping@home.test")).await.unwrap(), Resolution::NoSuchUser);
    });
}

#[test]
fn an_expansion_is_bounded() {
    on_each_engine(|home| async move {
        home.person("alice").await;
        let directory = &home.directory;
        // a1 -> a2 -> .. -> alice: the account is the last step.
        for (name, length, ends) in [("a", EXPANSION_DEPTH_MAX, true), ("b", EXPANSION_DEPTH_MAX + 1, false)] {
            for n in 1..=length {
                let next = if n == length { "alice@home.test".to_string() } else { format!("{name}{}@home.test", n + 1) };
                directory.add_alias(&address(&format!("{name}{n}@home.test")), &[address(&next)]).await.unwrap();
            }
            let resolution = directory.resolve(&address(&format!("{name}1@home.test"))).await.unwrap();
            assert_eq!(!matches!(resolution, Resolution::TooMany), ends, "{length} steps");
        }
        // Two aliases of many stand for more than one address may.
        let many =
            |from: usize, count: usize| -> Vec<_> { (from..from + count).map(|n| address(&format!("u{n}@else.test"))).collect() };
        directory.add_alias(&address("half@home.test"), &many(0, TARGETS_MAX)).await.unwrap();
        assert!(directory.add_alias(&address("more@home.test"), &many(0, TARGETS_MAX + 1)).await.is_err());
        directory.add_alias(&address("rest@home.test"), &many(TARGETS_MAX, 2)).await.unwrap();
        let both = [address("half@home.test"), address("rest@home.test")];
        directory.add_alias(&address("both@home.test"), &both).await.unwrap();
        let half = directory.resolve(&address("half@home.test")).await.unwrap();
        assert!(matches!(half, Resolution::Members { forwards, .. } if forwards.len() == EXPANSION_RECIPIENTS_MAX));
        assert_eq!(directory.resolve(&address("both@home.test")).await.unwrap(), Resolution::TooMany);
    });
}

#[test]
fn where_reports_go() {
    on_each_engine(|home| async move {
        let boss = home.add("boss", Kind::Person, true).await.id;
        let alice = home.person("alice").await.id;
        let directory = &home.directory;
        let reports = address("Reports+x@home.test");
        assert_eq!(directory.resolve(&reports).await.unwrap(), Resolution::Account(boss));
        assert!(directory.takes_reports(&reports).await.unwrap());
        for other in ["reports@else.test", "report@home.test", "postmaster@home.test"] {
            assert!(!directory.takes_reports(&address(other)).await.unwrap(), "{other}");
        }
        directory.add_address(alice, &address("reports@home.test")).await.unwrap();
        assert!(!directory.takes_reports(&reports).await.unwrap());
        assert_eq!(directory.resolve(&reports).await.unwrap(), Resolution::Account(alice));
    });
}

/// RFC 5321 §4.5.1: whoever is admin, and when nobody is.
#[test]
fn what_each_home_has_is_always_answered() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let all = ["postmaster@home.test", "Abuse+x@home.test", "reports@home.test"];
        let everywhere = async |want: Resolution, when: &str| {
            for text in all {
                assert_eq!(directory.resolve(&address(text)).await.unwrap(), want, "{text} {when}");
            }
        };
        everywhere(Resolution::Vacant, "of an empty home").await;
        assert_eq!(directory.resolve(&address("nobody@home.test")).await.unwrap(), Resolution::NoSuchUser);
        home.add("scanner", Kind::Service, false).await;
        everywhere(Resolution::Vacant, "where a program lives").await;
        let alice = home.person("alice").await.id;
        let bob = home.person("bob").await.id;
        everywhere(Resolution::Account(alice), "without an admin").await;
        directory.disable_account(alice).await.unwrap();
        everywhere(Resolution::Account(bob), "when the first one is away").await;
        let boss = home.add("boss", Kind::Person, true).await.id;
        everywhere(Resolution::Account(boss), "with an admin").await;
        // Who was given it and cannot take it does not make it a name that nobody has.
        directory.add_address(alice, &address("postmaster@home.test")).await.unwrap();
        directory.add_alias(&address("abuse@home.test"), &[address("alice@home.test")]).await.unwrap();
        let list = List { address: address("reports@home.test"), name: String::new(), posting: Posting::Anyone };
        directory.add_list(list).await.unwrap();
        everywhere(Resolution::Account(boss), "given to nobody that is here").await;
        directory.enable_account(alice).await.unwrap();
        assert_eq!(directory.resolve(&address("postmaster@home.test")).await.unwrap(), Resolution::Account(alice));
    });
}

#[test]
fn masked_addresses() {
    use hearth_types::Domain;
    on_each_engine(|home| async move {
        let alice = home.person("alice").await.id;
        let (directory, ours) = (&home.directory, Domain::parse("home.test").unwrap());
        let shop = Domain::parse("shop.example").unwrap();
        let masked = directory.add_masked(alice, &ours, "the shop", true).await.unwrap();
        assert_eq!(directory.resolve(&masked.address).await.unwrap(), Resolution::Account(alice));
        assert!(directory.may_send_as(alice, &masked.address).await.unwrap());
        assert_eq!(directory.find_masked(&address("alice@home.test")).await.unwrap(), None);
        assert_eq!(directory.find_masked(&masked.address).await.unwrap().as_ref(), Some(&masked));
        for first in [&shop, &Domain::parse("thief.example").unwrap()] {
            let locked = directory.lock_masked(&masked.address, first).await.unwrap().unwrap();
            assert_eq!(locked.locked_to.as_ref(), Some(&shop), "the first one has it");
        }
        let open = directory.add_masked(alice, &ours, "everybody", false).await.unwrap();
        assert_eq!(directory.lock_masked(&open.address, &shop).await.unwrap().unwrap().locked_to, None);
        directory.change_masked(&masked.address, true).await.unwrap();
        assert_eq!(directory.resolve(&masked.address).await.unwrap(), Resolution::Disabled);
        // No catch-all takes what was switched off.
        directory.change_catch_all(&ours, Some(alice)).await.unwrap();
        assert_eq!(directory.resolve(&masked.address).await.unwrap(), Resolution::Disabled);
        directory.change_masked(&masked.address, false).await.unwrap();
        assert_eq!(directory.resolve(&masked.address).await.unwrap(), Resolution::Account(alice));
        assert_eq!(directory.list_masked(alice).await.unwrap().len(), 2);
        assert!(directory.change_masked(&address("alice@home.test"), true).await.is_err());
        directory.remove_address(&open.address).await.unwrap();
        assert_eq!(directory.list_masked(alice).await.unwrap().len(), 1);
    });
}

#[test]
fn who_may_write_to_a_list_and_who_leaves_it() {
    on_each_engine(|home| async move {
        home.add("boss", Kind::Person, true).await;
        let alice = home.person("alice").await.id;
        home.person("bob").await;
        let directory = &home.directory;
        directory.add_address(alice, &address("al@home.test")).await.unwrap();
        let mut club = List { address: address("club@home.test"), name: String::new(), posting: Posting::Members };
        directory.add_list(club.clone()).await.unwrap();
        for member in ["alice@home.test", "x@else.test"] {
            directory.add_list_member(&club.address, &address(member)).await.unwrap();
        }
        for (posting, admitted) in [
            (Posting::Members, &["alice+x@home.test", "AL@home.test", "x@else.test", "boss@home.test"][..]),
            (Posting::Owners, &["boss@home.test"]),
            (
                Posting::Anyone,
                &["al@home.test", "x@else.test", "boss@home.test", "bob@home.test", "y@else.test", "alice@home.test"],
            ),
        ] {
            directory.change_posting(&club.address, posting).await.unwrap();
            club.posting = posting;
            for author in ["alice+x@home.test", "AL@home.test", "x@else.test", "boss@home.test", "bob@home.test", "y@else.test"] {
                let may = directory.may_post(&club, &address(author)).await.unwrap();
                assert_eq!(may, posting == Posting::Anyone || admitted.contains(&author), "{posting:?} {author}");
            }
        }
        let tokens = directory.unsubscriber().await.unwrap();
        let token = tokens.token(&club.address, &address("X@else.test"));
        assert_eq!(token, directory.unsubscriber().await.unwrap().token(&club.address, &address("x@else.test")), "the key is kept");
        let other = tokens.token(&address("other@home.test"), &address("x@else.test"));
        for wrong in ["", "00000000000000000000", other.as_str(), &token[1..]] {
            assert_eq!(directory.unsubscribe(&club.address, wrong).await.unwrap(), None, "{wrong}");
        }
        assert_eq!(directory.unsubscribe(&club.address, &token).await.unwrap(), Some(address("x@else.test")));
        assert_eq!(directory.unsubscribe(&club.address, &token).await.unwrap(), None, "once");
        assert_eq!(directory.list_list_members(&club.address).await.unwrap(), [address("alice@home.test")]);
    });
}
