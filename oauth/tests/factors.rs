// SPDX-License-Identifier: AGPL-3.0-or-later
//! Second factors, passkeys, recovery codes, one-time links: how they are added, what they open, what ends with them.
//! Numbers are those of the list of attacks: 33 to 37 and 40.

mod support;

use std::time::Duration;

use hearth_identity::vault::totp_code;
use hearth_types::Secret;
use hearth_web::axum::http::StatusCode;
use support::device::Device;
use support::factors::{add_passkey, add_totp, by_passkey, code, password, second, sheet};
use support::{Browser, House, Reply, claims, on_both_engines, request};

const STEP: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_code_after_the_password_and_each_once() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let (secret, codes) = add_totp(&house, &mut browser).await;
        assert_eq!(codes.len(), 10);
        let mut other = house.browser();
        let page = password(&mut other).await;
        assert_eq!((page.status, other.jar.contains_key("__Host-hearth")), (StatusCode::OK, false));
        assert_eq!(other.get("/account").await.status, StatusCode::SEE_OTHER, "the password alone opens nothing");
        // 34: the code that enrolled it counts no more, nor do those of two steps away.
        assert_eq!(second(&mut other, &page, &code(&house, &secret)).await.status, StatusCode::UNAUTHORIZED);
        house.clock.advance(STEP);
        let now = house.clock.now().secs() / 30;
        for far in [now + 2, now - 2] {
            assert_eq!(second(&mut other, &page, &totp_code(&secret, far)).await.status, StatusCode::UNAUTHORIZED);
        }
        let right = code(&house, &secret);
        assert_eq!(second(&mut other, &page, &right).await.location().as_deref(), Some("/account"));
        let mut third = house.browser();
        let page = password(&mut third).await;
        assert_eq!(second(&mut third, &page, &right).await.status, StatusCode::UNAUTHORIZED, "34: a replay in its step");
        // What a visit knows of the password is of no use to another, and not for long.
        house.clock.advance(STEP);
        let stolen = second(&mut house.browser(), &page, &code(&house, &secret)).await;
        assert_eq!(stolen.status, StatusCode::FORBIDDEN);
        let mut late = house.browser();
        let page = password(&mut late).await;
        house.clock.advance(Duration::from_secs(300));
        assert_eq!(second(&mut late, &page, &code(&house, &secret)).await.location().as_deref(), Some("/sign-in"));
    })
    .await;
}

#[tokio::test]
async fn codes_are_not_guessed() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let (secret, _) = add_totp(&house, &mut browser).await;
        let mut guesser = house.browser();
        let mut page = password(&mut guesser).await;
        let mut last = StatusCode::OK;
        for guess in 0..60 {
            if guess % 5 == 0 {
                // A right password in between gives no guess back.
                page = password(&mut guesser).await;
            }
            last = second(&mut guesser, &page, &format!("{guess:06}")).await.status;
            if last == StatusCode::TOO_MANY_REQUESTS {
                break;
            }
        }
        assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
        house.clock.advance(STEP * 3);
        let page = password(&mut guesser).await;
        assert_eq!(second(&mut guesser, &page, &code(&house, &secret)).await.status, StatusCode::SEE_OTHER, "not locked out");
    })
    .await;
}

#[tokio::test]
async fn a_recovery_code_counts_once_and_ends_what_is_signed_in() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let (_, codes) = add_totp(&house, &mut browser).await;
        let mut other = house.browser();
        let page = password(&mut other).await;
        let typed = codes[3].to_uppercase().replace('-', " ");
        assert_eq!(second(&mut other, &page, &typed).await.status, StatusCode::SEE_OTHER);
        assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER, "what was signed in is out");
        assert!(other.get("/account").await.body.contains("9 left"));
        let mut again = house.browser();
        let page = password(&mut again).await;
        assert_eq!(second(&mut again, &page, &codes[3]).await.status, StatusCode::UNAUTHORIZED);
        // A new sheet ends the old one.
        let form = other.get("/account/recovery").await.field("form");
        let new = sheet(&other.post("/account/recovery", &[("form", &form)]).await);
        assert_eq!(second(&mut again, &page, &codes[4]).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(second(&mut again, &page, &new[0]).await.status, StatusCode::SEE_OTHER);
    })
    .await;
}

#[tokio::test]
async fn a_passkey_signs_in_alone() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let mut device = Device::new(7);
        let shown = add_passkey(&mut browser, &mut device).await;
        assert_eq!((shown.status, sheet(&shown).len()), (StatusCode::OK, 10), "a sheet comes with the first factor");
        let policy = browser.get("/account/passkeys").await.headers["content-security-policy"].to_str().unwrap().to_string();
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");

        let mut other = house.browser();
        let page = other.follow(&request(&[])).await;
        assert!(!page.body.contains("known&#34;:[&#34;"), "33: no passkey is named to strangers");
        let reply = by_passkey(&mut other, &page, &device.sign(&page)).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.body);
        let page = other.follow(&reply.location().unwrap()).await;
        let reply = other.consent(&page, "allow").await;
        let tokens = house.exchange(&reply.param("code").unwrap()).await.json();
        let claims = claims(tokens["id_token"].as_str().unwrap());
        assert_eq!((&claims["acr"], &claims["amr"]), (&"phr".into(), &serde_json::json!(["hwk", "user", "mfa"])));
        assert!(other.get("/account/passkeys").await.body.contains("used just now"));
    })
    .await;
}

#[tokio::test]
async fn what_a_passkey_does_not_open() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let mut device = Device::new(7);
        device.count = 5;
        add_passkey(&mut browser, &mut device).await;
        let refused = async |device: &Device, why: &str| {
            let mut other = house.browser();
            let page = other.get("/sign-in").await;
            let reply = by_passkey(&mut other, &page, &device.sign(&page)).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{why}");
            assert!(!other.jar.contains_key("__Host-hearth"), "{why}");
        };
        refused(&device, "35: a count that did not grow").await;
        device.count = 6;
        device.origin = "https://badid.home.example".into();
        refused(&device, "35: another origin").await;
        device.origin = support::ISSUER.into();
        let own = device.user.replace("AAAAAAAAAAE".into());
        refused(&device, "35: the device names another person").await;
        device.user = own;
        let mut stranger = Device::new(7);
        stranger.user = device.user.clone();
        stranger.count = 9;
        refused(&stranger, "another key under that name").await;
        refused(&Device::new(9), "a passkey that nobody has").await;

        let mut other = house.browser();
        let page = other.get("/sign-in").await;
        let mut elsewhere = house.browser();
        let theirs = elsewhere.get("/sign-in").await;
        let reply = by_passkey(&mut other, &page, &device.sign(&theirs)).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "35: the challenge of another visit");
        let reply = by_passkey(&mut other, &page, &stranger.sign(&page)).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "a challenge is spent by a device that has the key, and by no other");
        let signed = device.sign(&page);
        assert_eq!(by_passkey(&mut other, &page, &signed).await.status, StatusCode::SEE_OTHER);
        device.count = 7;
        let mut again = house.browser();
        again.jar.insert("__Host-hearth-visit".into(), "x".into());
        let page = again.get("/sign-in").await;
        let signed = device.sign(&page);
        device.count = 8;
        house.clock.advance(Duration::from_secs(1800));
        assert_eq!(by_passkey(&mut again, &page, &signed).await.status, StatusCode::UNAUTHORIZED, "35: too old");
        for nonsense in ["", "{}", "x", "{\"id\":1}"] {
            assert_eq!(by_passkey(&mut again, &page, nonsense).await.status, StatusCode::UNAUTHORIZED);
        }
    })
    .await;
}

#[tokio::test]
async fn a_passkey_that_does_not_check_its_owner_wants_the_password_too() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let mut device = Device::new(7);
        add_passkey(&mut browser, &mut device).await;
        device.verifies = false;
        let mut other = house.browser();
        let page = other.get("/sign-in").await;
        assert_eq!(by_passkey(&mut other, &page, &device.sign(&page)).await.status, StatusCode::UNAUTHORIZED);
        let page = password(&mut other).await;
        assert!(page.body.contains("Use a passkey"), "{}", page.body);
        let reply = by_passkey(&mut other, &page, &device.sign(&page)).await;
        assert_eq!(reply.location().as_deref(), Some("/account"));
    })
    .await;
}

#[tokio::test]
async fn a_passkey_is_called_something_else() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        add_passkey(&mut browser, &mut Device::new(7)).await;
        let page = browser.get("/account/passkeys").await;
        let rename = page.body.split("action=\"/account/passkeys/rename\"").nth(1).unwrap().split("</form>").next().unwrap();
        let value =
            |name: &str| rename.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap().split('"').next().unwrap().to_string();
        let (form, id) = (value("form"), value("id"));
        assert_eq!(value("label"), "Key");
        let mut bob = house.browser();
        bob.sign_in("bob").await;
        let call = async |browser: &mut Browser, label: &str| {
            browser.post("/account/passkeys/rename", &[("form", &form), ("id", &id), ("label", label)]).await
        };
        assert_eq!(call(&mut bob, "Mine").await.status, StatusCode::FORBIDDEN);
        assert_eq!(call(&mut browser, "").await.status, StatusCode::BAD_REQUEST);
        assert_eq!(call(&mut browser, " Blue key ").await.location().as_deref(), Some("/account/passkeys?done=passkey-renamed"));
        let page = browser.get("/account/passkeys").await;
        assert!(page.body.contains("<strong>Blue key</strong>") && page.body.contains("data-known"), "{}", page.body);
        assert!(!house.vault.rename_passkey(bob_of(&house).await, b"x", "y").await.unwrap());
    })
    .await;
}

async fn bob_of(house: &House) -> hearth_types::AccountId {
    let bob = house.directory.find_account_by_address(&"bob@home.example".parse().unwrap()).await.unwrap();
    bob.unwrap().id
}

#[tokio::test]
async fn an_authenticator_that_was_begun_can_be_given_up() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let form = browser.get("/account/authenticator").await.field("form");
        browser.post("/account/authenticator", &[("form", &form), ("label", "Phone")]).await;
        let page = browser.get("/account/authenticator").await;
        let give_up = page.body.split("action=\"/account/authenticator/forget\"").nth(1).unwrap();
        let form = give_up.split("value=\"").nth(1).unwrap().split('"').next().unwrap();
        let reply = browser.post("/account/authenticator/forget", &[("form", form)]).await;
        assert_eq!(reply.location().as_deref(), Some("/account/authenticator"));
        assert!(house.vault.find_waiting_totp(house.alice.id).await.unwrap().is_none());
        assert!(browser.get("/account/authenticator").await.body.contains("name=\"label\""), "and another is begun");
        assert_eq!(browser.get("/account").await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn a_factor_that_goes_ends_the_other_devices() {
    on_both_engines(async |house| {
        let (mut here, mut there) = (house.browser(), house.browser());
        here.sign_in("alice").await;
        there.sign_in("alice").await;
        let tokens = house.exchange(&there.code(&request(&[("scope", "openid offline_access")])).await).await.json();
        let (mut device, mut second_device) = (Device::new(7), Device::new(8));
        add_passkey(&mut here, &mut device).await;
        assert_eq!(add_passkey(&mut here, &mut second_device).await.status, StatusCode::SEE_OTHER, "several");
        assert_eq!(add_passkey(&mut here, &mut second_device).await.status, StatusCode::BAD_REQUEST, "each once");
        let page = here.get("/account/passkeys").await;
        let (form, id) = (page.field("form"), page.field("id"));
        let mut bob = house.browser();
        bob.sign_in("bob").await;
        assert_eq!(bob.post("/account/passkeys/end", &[("form", &form), ("id", &id)]).await.status, StatusCode::FORBIDDEN);
        assert_eq!(here.post("/account/passkeys/end", &[("form", &form), ("id", &id)]).await.status, StatusCode::SEE_OTHER);
        assert_eq!(here.post("/account/passkeys/end", &[("form", &form), ("id", &id)]).await.status, StatusCode::NOT_FOUND);
        assert_eq!(there.get("/account").await.status, StatusCode::SEE_OTHER);
        assert_eq!(here.get("/account").await.status, StatusCode::OK);
        assert_eq!(house.refresh(tokens["refresh_token"].as_str().unwrap()).await.error(), (400, "invalid_grant".into()));
        // What is dangerous wants a fresh sign-in.
        house.clock.advance(Duration::from_secs(601));
        for (path, to) in [("passkeys", "passkeys"), ("authenticator", "authenticator"), ("recovery", "recovery")] {
            let reply = here.get(&format!("/account/{path}")).await;
            assert_eq!(reply.location(), Some(format!("/sign-in?to={to}")), "36: step-up expires");
        }
    })
    .await;
}

#[tokio::test]
async fn signing_out_everywhere() {
    on_both_engines(async |house| {
        let (mut here, mut there) = (house.browser(), house.browser());
        here.sign_in("alice").await;
        there.sign_in("alice").await;
        let (_, app) =
            house.ctx.doorkeeper.add_app_password(&house.alice, "Phone", hearth_identity::Services::mail(), None).await.unwrap();
        let out = async |browser: &mut Browser, more: &[(&str, &str)]| {
            let page = browser.get("/account").await;
            let form = page.body.split("/account/sign-out-everywhere").nth(1).unwrap();
            let form = form.split("name=\"form\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_string();
            let fields = [&[("form", form.as_str())][..], more].concat();
            browser.post("/account/sign-out-everywhere", &fields).await.status
        };
        assert_eq!(out(&mut here, &[]).await, StatusCode::SEE_OTHER);
        assert_eq!(
            (there.get("/account").await.status, here.get("/account").await.status),
            (StatusCode::SEE_OTHER, StatusCode::OK)
        );
        assert!(house.vault.find_app_password(house.alice.id, &app).await.unwrap().is_some());
        assert_eq!(out(&mut here, &[("app-passwords", "end")]).await, StatusCode::SEE_OTHER);
        assert!(house.vault.find_app_password(house.alice.id, &app).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_one_time_link() {
    on_both_engines(async |house| {
        let mut old = house.browser();
        old.sign_in("alice").await;
        let (_, codes) = add_totp(&house, &mut old).await;
        let hour = Duration::from_secs(3600);
        let first = house.vault.add_link(house.alice.id, false, hour).await.unwrap();
        let link = house.vault.add_link(house.alice.id, false, hour).await.unwrap();
        let mut browser = house.browser();
        assert_eq!(browser.get(&format!("/welcome/{}", first.expose())).await.status, StatusCode::NOT_FOUND, "one at a time");
        let path = format!("/welcome/{}", link.expose());
        for _ in 0..2 {
            assert_eq!(browser.get(&path).await.status, StatusCode::OK, "40: looking spends nothing");
        }
        let page = browser.get(&path).await;
        let set = async |browser: &mut Browser, path: &str, page: &Reply, new: &str, again: &str| {
            browser.post(path, &[("form", &page.field("form")), ("new", new), ("again", again)]).await
        };
        let new = "four words that differ";
        assert_eq!(set(&mut browser, &path, &page, new, "x").await.status, StatusCode::BAD_REQUEST);
        assert_eq!(set(&mut browser, &path, &page, "short", "short").await.status, StatusCode::BAD_REQUEST);
        assert_eq!(set(&mut house.browser(), &path, &page, new, new).await.status, StatusCode::FORBIDDEN);
        // A link is no second factor.
        let asked = set(&mut browser, &path, &page, new, new).await;
        assert!(asked.body.contains("One more step") && !browser.jar.contains_key("__Host-hearth"), "{}", asked.body);
        assert_eq!(old.get("/account").await.status, StatusCode::SEE_OTHER, "what was signed in is out");
        assert_eq!(set(&mut browser, &path, &page, new, new).await.status, StatusCode::NOT_FOUND, "40: once");
        assert_eq!(second(&mut browser, &asked, &codes[0]).await.status, StatusCode::SEE_OTHER);

        let link = house.vault.add_link(house.alice.id, true, hour).await.unwrap();
        let path = format!("/welcome/{}", link.expose());
        let mut browser = house.browser();
        let page = browser.get(&path).await;
        assert!(page.body.contains("will be forgotten"));
        assert_eq!(set(&mut browser, &path, &page, new, new).await.location().as_deref(), Some("/account"));
        assert!(!house.vault.has_second_factor(house.alice.id).await.unwrap());
        let late = house.vault.add_link(house.alice.id, false, hour).await.unwrap();
        house.clock.advance(hour);
        assert_eq!(browser.get(&format!("/welcome/{}", late.expose())).await.status, StatusCode::NOT_FOUND);
        assert!(
            house
                .vault
                .check_password(Some(house.alice.id), &Secret::new(new.into()), hearth_identity::vault::Asker::Known)
                .await
                .unwrap()
                == hearth_identity::vault::PasswordCheck::Right
        );
    })
    .await;
}
