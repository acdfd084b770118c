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
        assert!(reply.status == StatusCode::UNAUTHORIZED && reply.body.contains("Is it still you"), "{}", reply.body);
        assert!(house.vault.list_app_passwords(house.alice.id).await.unwrap().is_empty());
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
        for (unfit, says) in [
            ("short", "a password has at least 8 characters"),
            (&*"xK3v9 ".repeat(22), "a password has 128 characters at most"),
            ("Alice.Example.1984", "made of your name"),
        ] {
            let fields = [("form", form.as_str()), ("current", PASSWORD), ("new", unfit), ("again", unfit)];
            let reply = here.post("/account/password", &fields).await;
            assert!(reply.status == StatusCode::BAD_REQUEST && reply.body.contains(says), "{unfit}: {}", reply.body);
        }
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
        let page = browser.get("/account").await;
        assert!(page.body.contains(", ends on "), "{}", page.body);
        for says in ["Reads and sends mail · ", "Reads mail · ", "Sends mail · "] {
            assert!(page.body.contains(says), "{says}: {}", page.body);
        }
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

#[tokio::test]
async fn what_is_sent_twice_is_done_once() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let before = async |browser: &mut Browser, path: &str, fields: &[(&str, &str)], back: &str| {
            let reply = browser.post(path, fields).await;
            assert_eq!(reply.location(), Some(format!("{back}?done=before")), "{path}: {}", reply.body);
            assert!(browser.get(&format!("{back}?done=before")).await.body.contains("was not done a second time"), "{back}");
        };
        let page = browser.get("/account/app-passwords/new").await;
        let (form, once) = (page.field("form"), page.field("once"));
        let fields = [("form", form.as_str()), ("once", &once), ("label", "Phone")];
        assert!(browser.post("/account/app-passwords/new", &fields).await.body.contains("id=\"app-password\""));
        before(&mut browser, "/account/app-passwords/new", &fields, "/account").await;
        assert_eq!(house.vault.list_app_passwords(house.alice.id).await.unwrap().len(), 1);
        // With another name it is another form.
        let fields = [("form", form.as_str()), ("once", &once), ("label", "Laptop")];
        assert_eq!(browser.post("/account/app-passwords/new", &fields).await.status, StatusCode::OK);

        let page = browser.get("/account/recovery").await;
        let (form, once) = (page.field("form"), page.field("once"));
        let fields = [("form", form.as_str()), ("once", &once)];
        let shown = browser.post("/account/recovery", &fields).await;
        assert!(shown.body.contains("<strong>home.example</strong> · alice@home.example · "), "{}", shown.body);
        let codes = support::factors::sheet(&shown);
        before(&mut browser, "/account/recovery", &fields, "/account/recovery").await;
        assert!(house.vault.use_recovery_code(house.alice.id, &codes[0]).await.unwrap(), "the sheet is the same");

        let page = browser.get("/account/mail").await;
        let (form, once) = (page.field("form"), page.field("once"));
        let fields = [
            ("form", form.as_str()),
            ("once", &once),
            ("do", "add-filter"),
            ("place", "from"),
            ("text", "news@"),
            ("mailbox", "News"),
        ];
        assert_eq!(browser.post("/account/mail", &fields).await.status, StatusCode::OK);
        before(&mut browser, "/account/mail", &fields, "/account/mail").await;
        assert_eq!(browser.get("/account/mail").await.body.matches("value=\"remove-filter\"").count(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_ends_for_good_says_so_first_and_afterwards() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        add_app_password(&mut browser, "Phone").await;
        let page = browser.get("/account").await;
        let asks = page.body.split("<details class=\"sure\">").nth(1).unwrap().split("</details>").next().unwrap();
        assert!(asks.contains("shut out at once") && asks.contains("action=\"/account/app-passwords/end\""), "{asks}");
        let reply = end(&mut browser, "/account/app-passwords/end", 0).await;
        assert_eq!(reply.location().as_deref(), Some("/account?done=app-password-ended"));
        assert!(browser.get("/account?done=app-password-ended").await.body.contains("The app password is ended"));
        assert!(!browser.get("/account?done=%3Cb%3E").await.body.contains("role=\"status\""), "no words but ours");
        // The last second proof is named as such.
        support::factors::add_totp(&house, &mut browser).await;
        assert!(browser.get("/account/authenticator").await.body.contains("your last second proof"));
        support::factors::add_passkey(&mut browser, &mut support::device::Device::new(3)).await;
        assert!(!browser.get("/account/authenticator").await.body.contains("your last second proof"));
        let page = browser.get("/account/passkeys").await;
        assert!(page.body.contains("Yes: Remove") && !page.body.contains("your last second proof"), "{}", page.body);
    })
    .await;
}

#[tokio::test]
async fn a_form_that_is_refused_keeps_what_was_typed() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let form = browser.get("/account/app-passwords/new").await.field("form");
        let fields = [("form", form.as_str()), ("label", "Lap\u{202e}top"), ("for", "read-only"), ("days", "90")];
        let page = browser.post("/account/app-passwords/new", &fields).await;
        for kept in ["cannot be seen", "value=\"Lap\u{202e}top\"", "value=\"read-only\" selected", "value=\"90\" selected"] {
            assert!(page.body.contains(kept), "{kept}: {}", page.body);
        }
        assert!(house.vault.list_app_passwords(house.alice.id).await.unwrap().is_empty());
        let form = browser.get("/account/mail").await.field("form");
        for (fields, kept) in [
            (&[("do", "absence"), ("on", "yes"), ("message", "A long text."), ("from", "2027-01-02"), ("until", "2027-01-01")][..], ">A long text.</textarea>"),
            (&[("do", "forward"), ("on", "yes"), ("to", "me@elsewhere@example")], "value=\"me@elsewhere@example\""),
            (&[("do", "add-filter"), ("place", "subject"), ("text", "offer"), ("mailbox", "")], "value=\"offer\""),
        ] {
            let fields = [&[("form", form.as_str())][..], fields].concat();
            let page = browser.post("/account/mail", &fields).await;
            assert!(page.status == StatusCode::BAD_REQUEST && page.body.contains(kept), "{kept}: {}", page.body);
        }
        let form = browser.get("/account/contact").await.field("form");
        let page = browser.post("/account/contact", &[("form", &form), ("do", "ask"), ("address", "nobody")]).await;
        assert!(page.body.contains("value=\"nobody\""), "{}", page.body);
    })
    .await;
}
