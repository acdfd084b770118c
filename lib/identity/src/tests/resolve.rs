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
        let everybody = Resolution::Members { accounts: vec![alice, bob], forwards: vec![address("x@else.test")] };
        assert_eq!(directory.resolve(&club.address).await.unwrap(), everybody);

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
