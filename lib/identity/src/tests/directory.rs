// SPDX-License-Identifier: AGPL-3.0-or-later
//! Domains, accounts, addresses, sessions, audit.

use std::time::Duration;

use hearth_types::Timestamp;

use super::{address, domain, on_each_engine};
use crate::Error;
use crate::directory::{By, Event, Kind, List, MemberRole, NewAccount, NewSession, Posting, SessionKind};
use crate::limits::{ADDRESSES_MAX, APP_PASSWORDS_MAX, AUDIT_FAILURES_MAX, KNOWN_NETWORKS_MAX, SESSIONS_MAX};
use crate::service::Services;

fn session(account: hearth_types::AccountId, kind: SessionKind, now: Timestamp) -> NewSession {
    NewSession {
        account,
        kind,
        label: "a device".into(),
        services: Services::default(),
        parent: None,
        client: None,
        secret_hash: None,
        auth_methods: "pwd".into(),
        authenticated_at: now,
        peer: None,
        user_agent: None,
        expires_at: None,
    }
}

#[test]
fn domains() {
    on_each_engine(|home| async move {
        let directory = home.directory;
        let second = directory.add_domain(&domain("other.test")).await.expect("a second domain");
        assert!(!second.is_primary);
        assert!(matches!(directory.add_domain(&domain("Other.Test.")).await, Err(Error::DomainTaken(_))));
        let names: Vec<String> = directory.list_domains().await.unwrap().iter().map(|d| d.name.to_string()).collect();
        assert_eq!(names, ["home.test", "other.test"]);
        assert!(directory.find_domain(&domain("nowhere.test")).await.unwrap().is_none());
        assert!(matches!(directory.remove_domain(&domain("home.test")).await, Err(Error::InUse(_))), "the primary one stays");
        directory.remove_domain(&domain("other.test")).await.expect("nothing is in it");
        assert!(matches!(directory.remove_domain(&domain("other.test")).await, Err(Error::UnknownDomain(_))));
    });
}

#[test]
fn an_account_and_its_addresses() {
    on_each_engine(|home| async move {
        let alice = home.person("Alice").await;
        let directory = home.directory;
        assert_eq!(directory.find_account(alice.id).await.unwrap(), Some(alice.clone()));
        let found = directory.find_account_by_address(&address("aLICE@home.test")).await.unwrap();
        assert_eq!(found.map(|account| account.id), Some(alice.id), "in any case");
        assert!(directory.find_account_by_address(&address("alice+x@home.test")).await.unwrap().is_none());
        let again = NewAccount { address: address("alice@home.test"), kind: Kind::Person, name: String::new(), admin: false };
        assert!(matches!(directory.add_account(again).await, Err(Error::AddressTaken(_))));
        let elsewhere = NewAccount { address: address("a@else.test"), kind: Kind::Person, name: String::new(), admin: false };
        assert!(matches!(directory.add_account(elsewhere).await, Err(Error::UnknownDomain(_))));
        assert_eq!(directory.list_accounts().await.unwrap().len(), 1, "what failed left nothing");

        directory.add_address(alice.id, &address("a@home.test")).await.expect("a second address");
        assert!(matches!(directory.add_address(alice.id, &address("a+b@home.test")).await, Err(Error::Invalid(_))));
        assert!(matches!(directory.remove_address(&address("alice@home.test")).await, Err(Error::InUse(_))));
        directory.change_primary_address(alice.id, &address("A@home.test")).await.expect("it is hers");
        directory.remove_address(&address("alice@home.test")).await.expect("not the primary one any more");
        assert_eq!(directory.find_account(alice.id).await.unwrap().map(|a| a.primary), Some(address("a@home.test")));
        assert!(directory.may_send_as(alice.id, &address("a+shop@home.test")).await.unwrap());
        assert!(!directory.may_send_as(alice.id, &address("alice@home.test")).await.unwrap());
    });
}

#[test]
fn addresses_of_an_account_are_bounded() {
    on_each_engine(|home| async move {
        let alice = home.person("alice").await;
        for n in 1..ADDRESSES_MAX {
            home.directory.add_address(alice.id, &address(&format!("a{n}@home.test"))).await.expect("within the bound");
        }
        let beyond = home.directory.add_address(alice.id, &address("beyond@home.test")).await;
        assert!(matches!(beyond, Err(Error::TooMany { max: ADDRESSES_MAX, .. })));
        assert_eq!(home.directory.list_addresses(alice.id).await.unwrap().len(), ADDRESSES_MAX);
    });
}

#[test]
fn the_last_admin_stays() {
    on_each_engine(|home| async move {
        let anna = home.add("anna", Kind::Person, true).await;
        let directory = &home.directory;
        assert!(matches!(directory.disable_account(anna.id).await, Err(Error::InUse(_))));
        assert!(matches!(directory.remove_account(anna.id).await, Err(Error::InUse(_))));
        assert!(matches!(directory.change_account_admin(anna.id, false).await, Err(Error::InUse(_))));
        let bert = home.add("bert", Kind::Person, true).await;
        directory.disable_account(anna.id).await.expect("there is another one");
        assert!(matches!(directory.change_account_admin(bert.id, false).await, Err(Error::InUse(_))));
        directory.remove_account(anna.id).await.expect("a disabled admin may go");
        assert!(directory.find_account_by_address(&address("anna@home.test")).await.unwrap().is_none());
        assert!(matches!(directory.remove_account(anna.id).await, Err(Error::Missing(_))));
        assert!(directory.forget_former_address(&address("anna@home.test")).await.unwrap());
        home.person("anna").await;
    });
}

#[test]
fn removing_an_account_takes_everything_with_it() {
    on_each_engine(|home| async move {
        let alice = home.person("alice").await;
        let family = home.add("family", Kind::Group, false).await;
        let directory = &home.directory;
        directory.add_group_member(family.id, alice.id, MemberRole::Owner).await.unwrap();
        directory.add_session(session(alice.id, SessionKind::Browser, home.clock.now())).await.unwrap();
        directory.know_network(alice.id, "192.0.2.1", None).await.unwrap();
        directory.change_catch_all(&domain("home.test"), Some(alice.id)).await.unwrap();
        directory.remove_account(alice.id).await.expect("removed");
        assert!(directory.list_sessions(alice.id).await.unwrap().is_empty());
        assert!(directory.list_group_members(family.id).await.unwrap().is_empty());
        assert_eq!(directory.find_known_network(alice.id, "192.0.2.1").await.unwrap(), None);
        assert_eq!(directory.find_domain(&domain("home.test")).await.unwrap().unwrap().catch_all, None);
    });
}

#[test]
fn an_address_that_was_somebodys_is_not_the_next_ones_unasked() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let (alice, bob) = (home.person("alice").await, home.person("bob").await);
        let second = address("ally@home.test");
        directory.add_address(alice.id, &second).await.unwrap();
        // Who gave one up may have it again; nobody else.
        directory.remove_address(&second).await.unwrap();
        assert!(matches!(directory.add_address(bob.id, &second).await, Err(Error::InUse(says)) if says.contains("--again")));
        directory.add_address(alice.id, &second).await.expect("her own");
        directory.remove_account(alice.id).await.unwrap();
        let anew = |written: &str| NewAccount { address: address(written), kind: Kind::Person, name: String::new(), admin: false };
        for written in ["alice@home.test", "Alice@HOME.test", "ally@home.test"] {
            assert!(matches!(directory.add_account(anew(written)).await, Err(Error::InUse(_))), "{written}");
        }
        assert!(directory.forget_former_address(&address("alice@home.test")).await.unwrap());
        assert!(!directory.forget_former_address(&address("alice@home.test")).await.unwrap());
        let next = directory.add_account(anew("alice@home.test")).await.expect("it was meant");
        assert_ne!(next.id, alice.id);
        directory.remove_account(next.id).await.unwrap();
        assert!(directory.add_account(anew("alice@home.test")).await.is_err(), "and anew");
        // A group is what its members are.
        let family = home.add("family", Kind::Group, false).await;
        directory.remove_account(family.id).await.unwrap();
        home.add("family", Kind::Group, false).await;
    });
}

#[test]
fn sessions_are_used_end_and_are_bounded() {
    on_each_engine(|home| async move {
        let alice = home.person("alice").await;
        let directory = &home.directory;
        let mut new = session(alice.id, SessionKind::Browser, home.clock.now());
        new.secret_hash = Some([7; 32]);
        let browser = directory.add_session(new).await.unwrap();
        let peer = Some("192.0.2.1".parse().unwrap());

        home.clock.advance(Duration::from_secs(59));
        let found = directory.find_browser_session([7; 32], peer).await.unwrap().expect("it lives");
        assert_eq!(
            directory.find_session(found.id).await.unwrap().unwrap().last_used_at,
            browser.last_used_at,
            "not within a minute"
        );
        home.clock.advance(Duration::from_secs(1));
        directory.find_browser_session([7; 32], peer).await.unwrap().expect("it lives");
        let used = directory.find_session(browser.id).await.unwrap().unwrap();
        assert_eq!((used.last_used_at, used.last_peer.as_deref()), (home.clock.now(), Some("192.0.2.1")));
        assert!(directory.find_browser_session([8; 32], peer).await.unwrap().is_none());

        assert!(directory.end_session(browser.id).await.unwrap());
        assert!(!directory.end_session(browser.id).await.unwrap(), "once");
        assert!(directory.find_browser_session([7; 32], peer).await.unwrap().is_none());

        let app = session(alice.id, SessionKind::AppPassword, home.clock.now());
        directory.add_session(app).await.unwrap();
        for _ in 0..SESSIONS_MAX + 3 {
            home.clock.advance(Duration::from_secs(1));
            directory.add_session(session(alice.id, SessionKind::Client, home.clock.now())).await.unwrap();
        }
        let live = directory.list_sessions(alice.id).await.unwrap();
        assert_eq!(live.len(), SESSIONS_MAX);
        assert!(live.iter().any(|session| session.kind == SessionKind::AppPassword), "the oldest one, and no browser's");
        const { assert!(APP_PASSWORDS_MAX < SESSIONS_MAX) };

        directory.end_password_sessions(alice.id, Some(live[0].id)).await.unwrap();
        let left = directory.list_sessions(alice.id).await.unwrap();
        assert_eq!(left.len(), 2);
        directory.disable_account(alice.id).await.expect("no admin");
        assert!(directory.list_sessions(alice.id).await.unwrap().is_empty());
    });
}

#[test]
fn an_expired_session_and_a_disabled_account() {
    on_each_engine(|home| async move {
        let alice = home.person("alice").await;
        let directory = &home.directory;
        for (cookie, expires) in [([1; 32], Some(Duration::from_secs(60))), ([2; 32], None)] {
            let mut new = session(alice.id, SessionKind::Browser, home.clock.now());
            new.secret_hash = Some(cookie);
            new.expires_at = expires.map(|lives| home.clock.now().after(lives));
            directory.add_session(new).await.unwrap();
        }
        home.clock.advance(Duration::from_secs(60));
        assert!(directory.find_browser_session([1; 32], None).await.unwrap().is_none(), "expired");
        assert!(directory.find_browser_session([2; 32], None).await.unwrap().is_some());
        directory.disable_account(alice.id).await.unwrap();
        assert!(directory.find_browser_session([2; 32], None).await.unwrap().is_none(), "disabled");
    });
}

#[test]
fn known_networks_are_bounded_and_forgotten() {
    on_each_engine(|home| async move {
        let alice = home.person("alice").await;
        for n in 0..=KNOWN_NETWORKS_MAX {
            home.clock.advance(Duration::from_secs(1));
            home.directory.know_network(alice.id, &format!("net{n}"), None).await.unwrap();
        }
        assert!(home.directory.find_known_network(alice.id, "net0").await.unwrap().is_none(), "the oldest made room");
        let last = format!("net{KNOWN_NETWORKS_MAX}");
        for n in ["net1", &last] {
            assert!(home.directory.find_known_network(alice.id, n).await.unwrap().is_some(), "{n}");
        }
        home.clock.advance(crate::limits::KNOWN_NETWORK_KEEP);
        assert!(home.directory.find_known_network(alice.id, &last).await.unwrap().is_none(), "strange again");
    });
}

#[test]
fn failures_are_merged_in_the_audit_log() {
    on_each_engine(|home| async move {
        let alice = home.person("alice").await;
        let failed = |peer: &str| Event {
            event: "login.failed",
            subject: Some(alice.id),
            peer: Some(peer.parse().unwrap()),
            detail: "wrong password".into(),
            ..Event::default()
        };
        for _ in 0..5 {
            home.directory.count_audit(failed("192.0.2.1")).await.unwrap();
        }
        home.directory.count_audit(failed("192.0.2.2")).await.unwrap();
        home.clock.advance(crate::limits::AUDIT_MERGE);
        home.directory.count_audit(failed("192.0.2.1")).await.unwrap();
        home.directory.add_audit(Event { event: "logout", ..Event::default() }).await.unwrap();
        let rows = home.directory.list_audit(Some(alice.id), 10).await.unwrap();
        let counts: Vec<_> = rows.iter().map(|row| (row.peer.as_deref().unwrap_or_default(), row.count)).collect();
        assert_eq!(counts[0], ("192.0.2.1", 1));
        assert!(
            counts[1..].contains(&("192.0.2.1", 5)) && counts[1..].contains(&("192.0.2.2", 1)) && counts.len() == 4,
            "with the account itself"
        );
        assert_eq!(home.directory.list_audit(None, 2).await.unwrap().len(), 2);
    });
}

#[test]
fn failures_of_a_network_are_one_row_and_push_nothing_else_out() {
    on_each_engine(|home| async move {
        let alice = home.person("alice").await;
        let failed = |peer: String| Event { event: "login.failed", peer: Some(peer.parse().unwrap()), ..Event::default() };
        let changed = Event { event: "password.changed", subject: Some(alice.id), ..Event::default() };
        home.directory.add_audit(changed).await.unwrap();
        for n in 0..50 {
            home.directory.count_audit(failed(format!("2001:db8:1:2::{n}"))).await.unwrap();
        }
        let rows = home.directory.list_audit(None, 10).await.unwrap();
        let counts: Vec<u64> = rows.iter().filter(|row| row.event == "login.failed").map(|row| row.count).collect();
        assert_eq!(counts, [50], "a /64 is one guesser");
        // As many places as the log has rows.
        for n in 0..AUDIT_FAILURES_MAX + 1_000 {
            home.directory.count_audit(failed(format!("2001:db8:2:{n:x}::1"))).await.unwrap();
        }
        let rows = home.directory.list_audit(None, 100_000).await.unwrap();
        assert!(rows.iter().any(|row| row.event == "password.changed"));
        let failures = rows.iter().filter(|row| row.event == "login.failed").count();
        assert!((AUDIT_FAILURES_MAX..AUDIT_FAILURES_MAX + 1_000).contains(&failures), "{failures}");
    });
}

#[test]
fn a_change_is_written_down_with_who_made_it() {
    on_each_engine(|home| async move {
        let carol = home.person("carol").await.id;
        let by = By { actor: Some(carol), peer: Some("192.0.2.3".parse().unwrap()), door: Some("web"), program: None };
        let directory = home.directory.by(by);
        let new = NewAccount { address: address("dora@home.test"), kind: Kind::Person, name: "Dora".into(), admin: false };
        let dora = directory.add_account(new).await.unwrap().id;
        directory.change_account_name(dora, "Dora D").await.unwrap();
        assert!(directory.change_account_name(dora, "a\nb").await.is_err(), "what is refused is not written down");
        assert!(directory.add_address(dora, &address("carol@home.test")).await.is_err());
        directory.remove_account(dora).await.unwrap();
        let rows = directory.list_audit(Some(dora), 10).await.unwrap();
        let said: Vec<_> = rows.iter().map(|row| (row.event.as_str(), row.detail.as_str())).collect();
        let expected = [("account.removed", "dora@home.test"), ("account.renamed", "Dora D"), ("account.added", "dora@home.test")];
        assert_eq!(said, expected);
        for row in &rows {
            let by = (row.actor, row.peer.as_deref(), row.service.as_deref());
            assert_eq!(by, (Some(carol), Some("192.0.2.3"), Some("web")));
        }
        // Page by page, and by the address that somebody had.
        let older = directory.list_audit_before(Some(rows[1].id), Some(dora), 10).await.unwrap();
        assert_eq!(older.as_slice(), &rows[2..]);
        assert_eq!(directory.list_audit_names().await.unwrap()[&dora], "dora@home.test");
        // A program of theirs is named; the command is nobody in particular.
        let program = By { program: Some("SCIM, Sync".into()), ..By::command() };
        let group = NewAccount { address: address("eve@home.test"), kind: Kind::Group, name: String::new(), admin: false };
        let eve = home.directory.by(program).add_account(group).await.unwrap().id;
        let rows = directory.list_audit(Some(eve), 10).await.unwrap();
        assert_eq!((rows[0].event.as_str(), rows[0].detail.as_str()), ("group.added", "eve@home.test (SCIM, Sync)"));
        assert_eq!((rows[0].actor, rows[0].service.as_deref()), (None, Some("command")));
    });
}

#[test]
fn lists_and_settings() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let list = List { address: address("club@home.test"), name: "The club".into(), posting: Posting::Members };
        directory.add_list(list.clone()).await.unwrap();
        assert!(matches!(directory.add_list(list.clone()).await, Err(Error::AddressTaken(_))));
        directory.add_list_member(&list.address, &address("x@else.test")).await.unwrap();
        assert_eq!(directory.list_list_members(&list.address).await.unwrap(), [address("x@else.test")]);
        assert_eq!(directory.list_lists().await.unwrap(), std::slice::from_ref(&list));
        directory.remove_list_member(&list.address, &address("X@else.test")).await.unwrap();
        directory.remove_list(&list.address).await.unwrap();
        assert!(directory.list_lists().await.unwrap().is_empty());
        assert!(matches!(directory.add_list_member(&list.address, &list.address).await, Err(Error::Missing(_))));

        assert_eq!(directory.find_setting("a").await.unwrap(), None);
        directory.change_setting("a", "1").await.unwrap();
        directory.change_setting("a", "2").await.unwrap();
        assert_eq!(directory.find_setting("a").await.unwrap().as_deref(), Some("2"));
    });
}

#[test]
fn who_shares_with_whom() {
    on_each_engine(|home| async move {
        let (alice, bob, carol) = (home.person("Alice").await, home.person("Bob").await, home.person("Carol").await);
        let directory = home.directory;
        let new = NewAccount { address: address("family@home.test"), kind: Kind::Group, name: String::new(), admin: false };
        let family = directory.add_account(new).await.expect("a group").id;
        directory.add_group_member(family, bob.id, MemberRole::Owner).await.expect("a member");
        let anyone = hearth_types::AccountId::from_i64(0);
        let shown = async |account| {
            let (_, sharers) = directory.list_sharers(account).await.expect("listed");
            sharers.iter().map(|sharer| sharer.address.local().to_ascii_lowercase()).collect::<Vec<_>>()
        };
        assert!(shown(bob.id).await.is_empty());
        directory.add_share(alice.id, family).await.expect("noted");
        directory.add_share(alice.id, family).await.expect("once more");
        assert_eq!((shown(bob.id).await, shown(carol.id).await), (vec!["alice".to_string()], vec![]));
        directory.add_share(carol.id, anyone).await.expect("noted");
        directory.add_share(family, family).await.expect("noted");
        assert_eq!(shown(bob.id).await, ["alice", "carol", "family"]);
        assert_eq!(shown(carol.id).await, Vec::<String>::new(), "nobody shares with themselves");
        let standing = directory.find_standing(bob.id).await.expect("found");
        assert_eq!(standing.identities, [bob.id, anyone, family]);
        assert_eq!(standing.groups, [(family, MemberRole::Owner)]);
        assert_eq!(directory.list_owners_sharing_with(family).await.expect("listed"), [alice.id, family]);
        directory.remove_account(carol.id).await.expect("removed");
        assert_eq!(shown(bob.id).await, ["alice", "family"], "gone with who shared");
        directory.remove_account(family).await.expect("removed");
        assert!(shown(bob.id).await.is_empty(), "gone with whom it was shared with");
        assert!(directory.list_owners_sharing_with(family).await.expect("listed").is_empty());
    });
}
