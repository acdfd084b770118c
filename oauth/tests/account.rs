// SPDX-License-Identifier: AGPL-3.0-or-later
//! The account pages: each thing that somebody has here can be seen and ended.

mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hearth_identity::login::Service;
use hearth_oauth::gate::Doorkeeper;
use hearth_types::Secret;
use hearth_web::axum::http::StatusCode;
use support::{Browser, House, PASSWORD, on_both_engines, request};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));

/// The hidden fields of the form that posts to `path`, for the n-th thing.
fn fields_of(body: &str, path: &str, nth: usize) -> Vec<(&'static str, String)> {
    let form = body.split(&format!("action=\"{path}\"")).nth(nth + 1).unwrap_or_else(|| panic!("no {path} in {body}"));
    let value =
        |name: &str| form.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap().split('"').next().unwrap().to_string();
    vec![("form", value("form")), ("id", value("id"))]
}

async fn end(browser: &mut Browser, path: &str, nth: usize) -> support::Reply {
    let page = browser.get("/account").await;
    let fields = fields_of(&page.body, path, nth);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.post(path, &fields).await
}

async fn add_app_password(browser: &mut Browser, label: &str) -> String {
    let page = browser.get("/account/app-passwords/new").await;
    let shown = browser.post("/account/app-passwords/new", &[("form", &page.field("form")), ("label", label)]).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.body);
    shown.body.split("id=\"app-password\">").nth(1).unwrap().split('<').next().unwrap().to_string()
}

async fn opens_imap(house: &House, password: &str) -> bool {
    let doorkeeper = Doorkeeper::new(house.vault.clone(), house.directory.clone(), house.clock.clone());
    doorkeeper.password("alice@home.example", &Secret::new(password.to_string()), Service::Imap, PEER).await.unwrap().is_ok()
}

#[tokio::test]
async fn app_passwords_are_made_shown_once_and_ended() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let password = add_app_password(&mut browser, "Phone <1>").await;
        assert!(opens_imap(&house, &password).await);
        let page = browser.get("/account").await;
        assert!(page.body.contains("Phone &#60;1&#62;") && !page.body.contains(&password), "{}", page.body);
        assert_eq!(end(&mut browser, "/account/app-passwords/end", 0).await.status, StatusCode::SEE_OTHER);
        assert!(!opens_imap(&house, &password).await);
        // It does not sign in on the page.
        let password = add_app_password(&mut browser, "Tablet").await;
        let mut other = house.browser();
        let page = other.get("/sign-in").await;
        assert_eq!(other.fill_sign_in(&page, "alice", &password).await.status, StatusCode::UNAUTHORIZED);
    })
    .await;
}

#[tokio::test]
async fn a_secret_is_made_only_for_who_has_just_signed_in() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let form = browser.get("/account/app-passwords/new").await.field("form");
        house.clock.advance(Duration::from_secs(600));
        assert_eq!(browser.get("/account/app-passwords/new").await.status, StatusCode::OK);
        house.clock.advance(Duration::from_secs(1));
        let to_sign_in = Some("/sign-in?to=app-password".to_string());
        assert_eq!(browser.get("/account/app-passwords/new").await.location(), to_sign_in);
        let reply = browser.post("/account/app-passwords/new", &[("form", &form), ("label", "x")]).await;
        assert_eq!(reply.location(), to_sign_in);
        let page = browser.get("/sign-in?to=app-password").await;
        let reply = browser.fill_sign_in(&page, "alice", PASSWORD).await;
        assert_eq!(reply.location().as_deref(), Some("/account/app-passwords/new"));
    })
    .await;
}

#[tokio::test]
async fn devices_are_listed_and_ended_and_nobody_elses() {
    on_both_engines(async |house| {
        let (mut here, mut there, mut bob) = (house.browser(), house.browser(), house.browser());
        there.sign_in("alice").await;
        house.clock.advance(Duration::from_secs(61));
        here.sign_in("alice").await;
        bob.sign_in("bob").await;
        let page = here.get("/account").await;
        assert_eq!(page.body.matches("Firefox on Linux</strong>").count(), 2, "{}", page.body);
        assert!(page.body.contains("(this one)"));
        let fields = fields_of(&page.body, "/account/sessions/end", 0);
        let id = fields[1].1.clone();
        // Bob, with a form of his own, cannot end what is Alice's.
        let mut second = house.browser();
        second.sign_in("bob").await;
        let form = fields_of(&bob.get("/account").await.body, "/account/sessions/end", 0)[0].1.clone();
        assert_eq!(bob.post("/account/sessions/end", &[("form", &form), ("id", &id)]).await.status, StatusCode::NOT_FOUND);
        assert_eq!(there.get("/account").await.status, StatusCode::OK);
        assert_eq!(end(&mut here, "/account/sessions/end", 0).await.status, StatusCode::SEE_OTHER);
        assert_eq!(there.get("/account").await.location().as_deref(), Some("/sign-in?to=account"));
        assert_eq!(here.get("/account").await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn what_was_agreed_to_is_seen_and_ended_when_nothing_is_signed_in() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        // Agreed to, and never exchanged.
        browser.code(&request(&[("scope", "openid email")])).await;
        let page = browser.get("/account").await.body;
        assert!(page.contains("The app &#60;b&#62;") && page.contains("not signed in"), "{page}");
        assert!(page.contains("It may: See your mail address</p>"), "{page}");
        // Signed in, it is one line still, and what it may see is what either says.
        let code = browser.code(&request(&[("scope", "openid profile")])).await;
        house.exchange(&code).await.json();
        let page = browser.get("/account").await.body;
        assert!(page.matches("The app &#60;b&#62;</strong>").count() == 1 && !page.contains("not signed in"), "{page}");
        assert!(page.contains("It may: See your mail address · See your name</p>"), "{page}");
        browser.speaks = "fr";
        assert!(browser.get("/account").await.body.contains("Elle peut : "));
        browser.speaks = "";
        // Signed out it is remembered; ended, it asks again, and what was on its way does not arrive.
        let code = browser.code(&request(&[("scope", "openid profile")])).await;
        assert_eq!(end(&mut browser, "/account/apps/end", 0).await.status, StatusCode::SEE_OTHER);
        assert!(!browser.get("/account").await.body.contains("The app &#60;b&#62;"));
        assert_eq!(house.exchange(&code).await.error(), (400, "invalid_grant".into()));
        let asked = browser.follow(&request(&[("scope", "openid email")])).await;
        assert!(asked.body.contains("/consent"), "{}", asked.body);
    })
    .await;
}

#[tokio::test]
async fn a_connected_app_is_disconnected() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let tokens = house.exchange(&browser.code(&request(&[("scope", "openid offline_access")])).await).await.json();
        let access = tokens["access_token"].as_str().unwrap();
        assert!(browser.get("/account").await.body.contains("The app &#60;b&#62;"));
        assert_eq!(end(&mut browser, "/account/apps/end", 0).await.status, StatusCode::SEE_OTHER);
        assert_eq!(house.userinfo(access).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(house.refresh(tokens["refresh_token"].as_str().unwrap()).await.error(), (400, "invalid_grant".into()));
        assert!(browser.follow(&request(&[("scope", "openid")])).await.body.contains("/consent"), "it asks anew");
    })
    .await;
}

#[tokio::test]
async fn a_new_password_ends_what_came_of_the_old_one() {
    on_both_engines(async |house| {
        let (mut here, mut there) = (house.browser(), house.browser());
        there.sign_in("alice").await;
        here.sign_in("alice").await;
        let app_password = add_app_password(&mut here, "Phone").await;
        let tokens = house.exchange(&there.code(&request(&[("scope", "openid offline_access")])).await).await.json();
        let form = here.get("/account/password").await.field("form");
        let change = async |browser: &mut Browser, current: &str, new: &str, again: &str| {
            browser.post("/account/password", &[("form", &form), ("current", current), ("new", new), ("again", again)]).await.status
        };
        let new = "four words that differ";
        assert_eq!(change(&mut here, "wrong", new, new).await, StatusCode::FORBIDDEN);
        assert_eq!(change(&mut here, PASSWORD, new, "another").await, StatusCode::BAD_REQUEST);
        assert_eq!(change(&mut here, PASSWORD, "short", "short").await, StatusCode::BAD_REQUEST);
        assert_eq!(change(&mut here, PASSWORD, new, new).await, StatusCode::OK);
        assert_eq!(here.get("/account").await.status, StatusCode::OK);
        assert_eq!(there.get("/account").await.status, StatusCode::SEE_OTHER);
        assert_eq!(house.refresh(tokens["refresh_token"].as_str().unwrap()).await.error(), (400, "invalid_grant".into()));
        assert!(opens_imap(&house, &app_password).await);
        let page = there.get("/sign-in").await;
        assert_eq!(there.fill_sign_in(&page, "alice", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(there.fill_sign_in(&page, "alice", new).await.status, StatusCode::SEE_OTHER);
    })
    .await;
}

#[tokio::test]
async fn a_disabled_account_is_out() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let tokens = house.exchange(&browser.code(&request(&[("scope", "openid offline_access")])).await).await.json();
        let code = browser.code(&request(&[("scope", "openid")])).await;
        house.directory.disable_account(house.alice.id).await.unwrap();
        assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER);
        assert_eq!(house.userinfo(tokens["access_token"].as_str().unwrap()).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(house.refresh(tokens["refresh_token"].as_str().unwrap()).await.error(), (400, "invalid_grant".into()));
        assert_eq!(house.exchange(&code).await.error(), (400, "invalid_grant".into()));
        let page = browser.get("/sign-in").await;
        assert_eq!(browser.fill_sign_in(&page, "alice", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_after_its_time() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        house.clock.advance(Duration::from_secs(30 * 24 * 3600 - 1));
        assert_eq!(browser.get("/account").await.status, StatusCode::OK);
        house.clock.advance(Duration::from_secs(1));
        assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER);
    })
    .await;
}

#[tokio::test]
async fn files_for_mail_programs_hold_what_the_page_showed_and_are_kept_nowhere() {
    on_both_engines(async |house| {
        let (mut alice, mut bob) = (house.browser(), house.browser());
        alice.sign_in("alice").await;
        bob.sign_in("bob").await;
        let form = alice.get("/account/app-passwords/new").await.field("form");
        let shown = alice.post("/account/app-passwords/new", &[("form", &form), ("label", "Laptop")]).await;
        let (form, password) = (shown.field("form"), shown.field("password"));
        for (path, named) in [("profile", "hearth.mobileconfig"), ("addon", "hearth-alice@home.example.xpi")] {
            let path = format!("/account/app-passwords/{path}");
            let file = alice.post(&path, &[("form", &form), ("password", &password)]).await;
            assert_eq!(file.status, StatusCode::OK, "{}", file.body);
            assert!(file.body.contains(&password) && file.body.contains("mail.home.example"), "{path}");
            assert_eq!(file.headers["cache-control"], "no-store");
            assert_eq!(file.headers["content-disposition"], format!("attachment; filename=\"{named}\"").as_str());
            // Another word than the page's, a form of another page, somebody else.
            for (wrong, status) in [
                ([("form", form.as_str()), ("password", "abcde")], StatusCode::NOT_FOUND),
                ([("form", "x"), ("password", password.as_str())], StatusCode::FORBIDDEN),
            ] {
                let refused = alice.post(&path, &wrong).await;
                assert!(
                    refused.status == status && !refused.body.contains(&password),
                    "{path} {} {}",
                    refused.status,
                    refused.body
                );
            }
            let stolen = bob.post(&path, &[("form", &form), ("password", &password)]).await;
            assert!(stolen.status == StatusCode::FORBIDDEN && !stolen.body.contains(&password), "{}", stolen.body);
            assert_eq!(house.browser().post(&path, &[("password", &password)]).await.status, StatusCode::FORBIDDEN);
        }
        house.clock.advance(Duration::from_secs(601));
        let late = alice.post("/account/app-passwords/addon", &[("form", &form), ("password", &password)]).await;
        assert_eq!(late.location().as_deref(), Some("/sign-in?to=app-password"));
    })
    .await;
}

#[tokio::test]
async fn an_app_password_for_one_thing_and_for_a_while() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let opens = async |password: &str, service: Service| {
            let doorkeeper = Doorkeeper::new(house.vault.clone(), house.directory.clone(), house.clock.clone());
            doorkeeper.password("alice@home.example", &Secret::new(password.to_string()), service, PEER).await.unwrap().is_ok()
        };
        for (what, reads, sends) in [("mail", true, true), ("send-only", false, true), ("read-only", true, false), ("", true, true)]
        {
            let form = browser.get("/account/app-passwords/new").await.field("form");
            let fields = [("form", form.as_str()), ("label", "Phone"), ("for", what), ("days", "7")];
            let shown = browser.post("/account/app-passwords/new", &fields).await;
            let password = shown.body.split("id=\"app-password\">").nth(1).unwrap().split('<').next().unwrap().to_string();
            assert_eq!((opens(&password, Service::Imap).await, opens(&password, Service::Smtp).await), (reads, sends), "{what}");
        }
        let all = house.vault.list_app_passwords(house.alice.id).await.unwrap();
        let week = house.clock.now().after(Duration::from_secs(7 * 24 * 3600));
        assert!(all.len() == 4 && all.iter().all(|one| one.expires_at == Some(week)), "{all:?}");
        assert!(browser.get("/account").await.body.contains(", ends on "));
        let form = browser.get("/account/app-passwords/new").await.field("form");
        let fields = [("form", form.as_str()), ("label", "Laptop"), ("for", "mail"), ("days", "100000")];
        browser.post("/account/app-passwords/new", &fields).await;
        let all = house.vault.list_app_passwords(house.alice.id).await.unwrap();
        assert_eq!(
            all.iter().find(|one| one.label == "Laptop").map(|one| one.expires_at),
            Some(None),
            "what is not offered is not taken"
        );
    })
    .await;
}
