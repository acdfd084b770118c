// SPDX-License-Identifier: AGPL-3.0-or-later
//! The household's rules: who proves it twice, how long that lasts, and how hard a password has to be.

mod support;

use std::time::Duration;

use hearth_identity::directory::{Kind, MemberRole, NewAccount, SessionKind};
use hearth_identity::limits::REVOCATION_KEEP;
use hearth_identity::login::{Refusal, Service};
use hearth_oauth::rule::policy::Policy;
use hearth_types::{AccountId, Address, Secret};
use hearth_web::axum::http::StatusCode;
use support::device::Device;
use support::factors::{add_passkey, add_totp, by_passkey, code, password, second};
use support::{Browser, House, PASSWORD, claims, on_both_engines, request};

async fn parents(house: &House) -> AccountId {
    let address = Address::parse("parents@home.example").unwrap();
    let new = NewAccount { address, kind: Kind::Group, name: "Parents".into(), admin: false };
    let group = house.directory.add_account(new).await.unwrap().id;
    house.directory.add_group_member(group, house.alice.id, MemberRole::Member).await.unwrap();
    group
}

/// The admin's browser, alice's and bob's.
async fn all_signed_in(house: &House) -> [Browser; 3] {
    let carol = house.admin().await;
    let mut all = [house.browser(), house.browser(), house.browser()];
    for (browser, name) in all.iter_mut().zip([carol, "alice", "bob"]) {
        browser.sign_in(name).await;
    }
    all
}

/// Presses a button of the rules page.
async fn press(admin: &mut Browser, what: &str, id: &str, more: &[(&str, &str)]) -> support::Reply {
    let form = admin.get("/admin/rules").await.field("form");
    admin.post("/admin/rules", &[&[("form", form.as_str()), ("do", what), ("id", id)][..], more].concat()).await
}

#[tokio::test]
async fn a_group_proves_twice_who_it_is() {
    on_both_engines(async |house| {
        let group = parents(&house).await;
        let [mut admin, mut alice, mut bob] = all_signed_in(&house).await;
        let said = press(&mut admin, "twice", &group.to_string(), &[]).await;
        assert!(said.status == StatusCode::OK && said.body.contains("two things"), "{}", said.body);
        // Who has one thing only is led to the other, and to nothing else, not even where they were signed in before.
        for path in ["/account", "/account/mail", "/device", "/account/why"] {
            let page = alice.get(path).await;
            assert!(page.status == StatusCode::FORBIDDEN && page.body.contains("/account/passkeys"), "{path}: {}", page.body);
            assert!(
                page.body.contains("\"/account/authenticator\"") && page.body.contains("action=\"/sign-out\""),
                "a way without script, and out"
            );
        }
        let page = alice.get(&request(&[])).await;
        assert!(page.status == StatusCode::OK || page.body.contains("/account/passkeys"), "{}", page.body);
        assert_eq!(page.param("code"), None);
        assert_eq!(alice.get(&request(&[("prompt", "none")])).await.param("error").as_deref(), Some("login_required"));
        assert_eq!(bob.get("/account").await.status, StatusCode::OK, "bob is in no such group");
        // Mail by the human password as well: a mail program cannot prove it twice.
        let doorkeeper = &house.ctx.doorkeeper;
        let peer = "192.0.2.9".parse().unwrap();
        let secret = Secret::new(PASSWORD.to_string());
        for (user, entered) in [("alice@home.example", false), ("bob@home.example", true)] {
            let answer = doorkeeper.password(user, &secret, Service::Imap, peer).await.unwrap();
            assert_eq!(answer.is_ok(), entered, "{user}");
            assert!(entered || answer == Err(Refusal::Credentials));
        }
        let mut tired = house.browser();
        tired.sign_in("alice").await;
        let form = tired.get("/account").await.field("form");
        assert_eq!(tired.post("/sign-out", &[("form", &form)]).await.status, StatusCode::OK);
        assert!(!tired.jar.contains_key("__Host-hearth"), "the wall has a door out");
        // The second thing is added, and shown from now on.
        let (key, _) = add_totp(&house, &mut alice).await;
        assert_eq!(alice.get("/account").await.location().as_deref(), Some("/sign-in?to=account"), "now it is to be shown");
        house.clock.advance(Duration::from_secs(30));
        let page = password(&mut alice).await;
        assert_eq!(second(&mut alice, &page, &code(&house, &key)).await.location().as_deref(), Some("/account"));
        assert_eq!(alice.get("/account").await.status, StatusCode::OK);
        assert!(alice.follow(&request(&[])).await.body.contains("/consent"));
        let rows = house.directory.list_audit(None, 50).await.unwrap();
        assert!(rows.iter().any(|row| row.event == "rules.changed" && row.detail.contains("parents@home.example")));
    })
    .await;
}

const OFFLINE: &str = "openid offline_access";

/// Tokens of alice for `app`, by this browser.
async fn tokens(house: &House, alice: &mut Browser) -> (String, String) {
    let tokens = house.exchange(&alice.code(&request(&[("scope", OFFLINE)])).await).await.json();
    let text = |name: &str| tokens[name].as_str().unwrap().to_string();
    (text("access_token"), text("refresh_token"))
}

#[tokio::test]
async fn what_was_let_in_before_the_rule_ends_with_its_next_refresh() {
    on_both_engines(async |house| {
        let group = parents(&house).await;
        let [mut admin, mut alice, mut bob] = all_signed_in(&house).await;
        let (access, refresh) = tokens(&house, &mut alice).await;
        let (_, lost) = tokens(&house, &mut alice).await;
        let (_, of_bob) = tokens(&house, &mut bob).await;
        assert_eq!(house.refresh(&lost).await.status, StatusCode::OK, "and the answer is lost");
        press(&mut admin, "twice", &group.to_string(), &[]).await;

        // Somebody else's app ends nothing.
        let other = house.client("other", |_| {}).await;
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        let stolen = house.post_as(Some(("other", &other)), "/token", &fields).await;
        assert_eq!(stolen.error(), (400, "invalid_grant".into()));
        assert_eq!(house.userinfo(&access).await.status, StatusCode::OK, "until the app renews it");
        for token in [&refresh, &lost] {
            let refused = house.refresh(token).await;
            assert!(refused.error() == (400, "invalid_grant".into()) && refused.body.contains("two factors"), "{}", refused.body);
        }
        assert_eq!(house.userinfo(&access).await.status, StatusCode::UNAUTHORIZED, "its grant has ended");
        assert_eq!(house.refresh(&of_bob).await.status, StatusCode::OK, "bob is in no such group");

        // Who shows the second thing is let in again, and stays.
        let (key, _) = add_totp(&house, &mut alice).await;
        house.clock.advance(Duration::from_secs(30));
        let page = password(&mut alice).await;
        second(&mut alice, &page, &code(&house, &key)).await;
        let (_, refresh) = tokens(&house, &mut alice).await;
        let again = house.refresh(&refresh).await;
        assert_eq!(again.status, StatusCode::OK, "{}", again.body);
        // The rule goes for whoever comes into the group later.
        let (_, of_bob) = tokens(&house, &mut bob).await;
        let address = Address::parse("bob@home.example").unwrap();
        let known = house.directory.find_account_by_address(&address).await.unwrap().unwrap();
        house.directory.add_group_member(group, known.id, MemberRole::Member).await.unwrap();
        assert_eq!(house.refresh(&of_bob).await.error(), (400, "invalid_grant".into()));
    })
    .await;
}

#[tokio::test]
async fn what_was_let_in_with_two_factors_outlives_its_browser() {
    on_both_engines(async |house| {
        let group = parents(&house).await;
        let carol = house.admin().await;
        let (mut admin, mut alice) = (house.browser(), house.browser());
        admin.sign_in(carol).await;
        press(&mut admin, "twice", &group.to_string(), &[]).await;
        alice.sign_in("alice").await;
        let (key, _) = add_totp(&house, &mut alice).await;
        house.clock.advance(Duration::from_secs(30));
        let page = password(&mut alice).await;
        second(&mut alice, &page, &code(&house, &key)).await;
        let (_, refresh) = tokens(&house, &mut alice).await;
        let again = house.refresh(&refresh).await.json();
        let methods = claims(again["id_token"].as_str().unwrap())["amr"].clone();
        assert!(methods.as_array().is_some_and(|methods| methods.len() >= 2), "{methods}");

        // The browser's session ends, and its row goes with a later sign-in.
        let sessions = house.directory.list_sessions(house.alice.id).await.unwrap();
        let browser = sessions.iter().find(|session| session.kind == SessionKind::Browser).unwrap().id;
        house.directory.end_session(browser).await.unwrap();
        house.clock.advance(REVOCATION_KEEP + Duration::from_secs(60));
        let mut elsewhere = house.browser();
        let page = password(&mut elsewhere).await;
        second(&mut elsewhere, &page, &code(&house, &key)).await;
        assert_eq!(house.directory.find_session(browser).await.unwrap(), None, "its row is gone");
        let refreshed = house.refresh(again["refresh_token"].as_str().unwrap()).await;
        assert_eq!(refreshed.status, StatusCode::OK, "{}", refreshed.body);
        assert_eq!(claims(refreshed.json()["id_token"].as_str().unwrap())["amr"], methods);
    })
    .await;
}

#[tokio::test]
async fn whoever_makes_the_rule_keeps_it_first() {
    on_both_engines(async |house| {
        let carol = house.admin().await;
        let mut admin = house.browser();
        admin.sign_in(carol).await;
        let refused = press(&mut admin, "twice", "admins", &[]).await;
        assert!(refused.status == StatusCode::BAD_REQUEST && refused.body.contains("a rule for you too"), "{}", refused.body);
        assert_eq!(Policy::read(&house.directory).await.unwrap(), Policy::default());
        assert_eq!(press(&mut admin, "twice", "nobody", &[]).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(press(&mut admin, "nonsense", "", &[]).await.status, StatusCode::BAD_REQUEST);
        let mut alice = house.browser();
        alice.sign_in("alice").await;
        assert_eq!(alice.get("/admin/rules").await.status, StatusCode::FORBIDDEN);
    })
    .await;
}

#[tokio::test]
async fn as_long_as_the_household_says() {
    on_both_engines(async |house| {
        let carol = house.admin().await;
        let mut admin = house.browser();
        admin.sign_in(carol).await;
        let times = [("session", "7"), ("refresh", "30"), ("access", "5")];
        assert_eq!(press(&mut admin, "times", "", &times).await.status, StatusCode::OK);
        let mut alice = house.browser();
        alice.sign_in("alice").await;
        let tokens = house.exchange(&alice.code(&request(&[("scope", "openid offline_access")])).await).await.json();
        assert_eq!(tokens["expires_in"], 300);
        let day = Duration::from_secs(24 * 3600);
        house.clock.advance(Duration::from_secs(300));
        assert_eq!(house.userinfo(tokens["access_token"].as_str().unwrap()).await.status, StatusCode::UNAUTHORIZED);
        house.clock.advance(day * 7 - Duration::from_secs(301));
        assert_eq!(alice.get("/account").await.status, StatusCode::OK);
        house.clock.advance(Duration::from_secs(1));
        assert_eq!(alice.get("/account").await.status, StatusCode::SEE_OTHER);
        let refresh = tokens["refresh_token"].as_str().unwrap();
        house.clock.advance(day * 23);
        assert_eq!(house.refresh(refresh).await.error(), (400, "invalid_grant".into()), "unused for thirty days");
    })
    .await;
}

#[tokio::test]
async fn a_password_as_hard_as_the_household_says_and_none_that_leaked() {
    on_both_engines(async |house| {
        let carol = house.admin().await;
        let (mut admin, mut alice) = (house.browser(), house.browser());
        admin.sign_in(carol).await;
        alice.sign_in("alice").await;
        let mut change = async |new: &str| {
            let form = alice.get("/account/password").await.field("form");
            let fields = [("form", form.as_str()), ("current", PASSWORD), ("new", new), ("again", new)];
            alice.post("/account/password", &fields).await
        };
        let leaked = change("robloxrules").await;
        assert!(leaked.status == StatusCode::BAD_REQUEST && leaked.body.contains("stolen somewhere"), "{}", leaked.body);
        assert_eq!(press(&mut admin, "strength", "", &[("guesses", "12")]).await.status, StatusCode::OK);
        let weak = change("tiny lamps").await;
        assert!(weak.status == StatusCode::BAD_REQUEST && weak.body.contains("tried first"), "{}", weak.body);
        assert_eq!(change("seven blue lamps dance by night").await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn rules_that_cannot_be_read_let_nobody_in_by_less() {
    on_both_engines(async |house| {
        let group = parents(&house).await;
        house.ctx.change_policy(Policy::default().asking_twice(group, true)).await.unwrap();
        let [mut admin, mut alice, mut bob] = all_signed_in(&house).await;
        assert_eq!(bob.get("/account").await.status, StatusCode::OK);
        for damaged in ["", "nonsense", "7", "{\"two_factor_groups\":7}", "{\"session_days\":-1}"] {
            house.directory.change_setting("oauth.policy", damaged).await.unwrap();
            house.clock.advance(Duration::from_secs(3));
            for browser in [&mut alice, &mut bob, &mut admin] {
                assert_eq!(browser.get("/account").await.status, StatusCode::FORBIDDEN, "{damaged}");
            }
            let (doorkeeper, password) = (&house.ctx.doorkeeper, Secret::new(PASSWORD.to_string()));
            let entered = doorkeeper.password("alice@home.example", &password, Service::Imap, "192.0.2.9".parse().unwrap()).await;
            assert_eq!(entered.unwrap(), Err(Refusal::Credentials), "a mail program, {damaged}");
        }
        // Whoever looks after the home is told, and what is saved then counts.
        let mut device = Device::new(7);
        add_passkey(&mut admin, &mut device).await;
        let page = admin.get("/sign-in?to=admin").await;
        device.count += 1;
        assert_eq!(by_passkey(&mut admin, &page, &device.sign(&page)).await.status, StatusCode::SEE_OTHER);
        assert!(admin.get("/admin").await.body.contains("They cannot be read"));
        let group = group.to_string();
        for (what, id) in [("twice", group.as_str()), ("once", "admins")] {
            assert_eq!(press(&mut admin, what, id, &[]).await.status, StatusCode::OK);
        }
        assert!(!admin.get("/admin").await.body.contains("They cannot be read"));
        assert_eq!(bob.get("/account").await.status, StatusCode::OK);
        assert_eq!(alice.get("/account").await.status, StatusCode::FORBIDDEN, "her group is asked twice");
    })
    .await;
}
