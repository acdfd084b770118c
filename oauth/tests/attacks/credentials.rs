// SPDX-License-Identifier: AGPL-3.0-or-later
//! 32 to 40: passwords, second factors, passkeys, links, and what guesses them.

use std::collections::BTreeSet;
use std::time::Duration;

use hearth_identity::Services;
use hearth_identity::limits::{ARGON2_AT_ONCE, ARGON2_KEPT, ARGON2_WAITING_MAX, PASSWORD_CHARS_MAX};
use hearth_identity::login::{ChannelBinding, Mechanism, Refusal, Service, Step};
use hearth_identity::vault::{Asker, PasswordCheck, check_new_password, totp_code};
use hearth_oauth::gate::{Doorkeeper, Marks};
use hearth_types::Secret;
use hearth_web::axum::body::Body;
use hearth_web::axum::http::{Request, StatusCode, header};

use crate::elsewhere::gate_of;
use crate::guesses;
use crate::support::device::Device;
use crate::support::factors::{add_passkey, add_totp, by_passkey, password, second};
use crate::support::{House, ISSUER, PASSWORD, Reply, ask, encode, on_both_engines, request};
use crate::token_endpoint::visitor;

const PEER: &str = "192.0.2.9";
const NEW: &str = "four words that differ";

async fn opens_imap(house: &House, user: &str, password: &str, service: Service) -> Result<(), Refusal> {
    let doorkeeper = Doorkeeper::new(house.vault.clone(), house.directory.clone(), house.clock.clone());
    let password = Secret::new(password.to_string());
    doorkeeper.password(user, &password, service, PEER.parse().unwrap()).await.unwrap().map(drop)
}

/// What a page says, without what differs from one showing to the next.
fn said(reply: &Reply) -> String {
    let mut text = String::new();
    for (at, part) in reply.body.split("value=\"").enumerate() {
        text.push_str(if at == 0 { part } else { part.split_once('"').unwrap().1 });
    }
    let (before, options) = text.split_once("data-options=\"").unwrap();
    format!("{before}{}", options.split_once('"').unwrap().1)
}

#[tokio::test]
async fn attack_32_a_password_that_costs_too_much() {
    on_both_engines(async |house| {
        let account = Some(house.alice.id);
        let check =
            async |account, text: String| house.vault.check_password(account, &Secret::new(text), Asker::Known).await.unwrap();
        // What is too long is wrong before anything is computed, and cannot be set.
        let long = "a".repeat(PASSWORD_CHARS_MAX + 1);
        assert!(check_new_password(&long).is_err() && check_new_password("nul\0nul\0nul").is_err());
        // Composed or not: it is the same password.
        house.vault.set_password(house.alice.id, Some(Secret::new("pâté de campagne".into()))).await.unwrap();
        assert_eq!(check(account, "pa\u{302}te\u{301} de campagne".into()).await, PasswordCheck::Right);
        // So many at once are computed, so many wait, and the rest is asked to come back; a long one takes no place.
        let many = ARGON2_AT_ONCE + ARGON2_WAITING_MAX;
        // For nobody nothing is read first: they are all in the queue before the first is done.
        let crowd = (0..many + 10).map(|_| check(None, "wrong".into()));
        let (checked, too_long) = tokio::join!(futures_util::future::join_all(crowd), check(account, long.clone()));
        assert_eq!(too_long, PasswordCheck::Wrong);
        // A computation that ends while they still come makes room for one more.
        let busy = checked.iter().filter(|one| **one == PasswordCheck::Busy).count();
        assert!((1..=10).contains(&busy), "{busy}");
        assert_eq!(checked.iter().filter(|one| **one == PasswordCheck::Wrong).count(), many + 10 - busy);
    })
    .await;
}

/// Before the proof it is of the name alone: a person's, an alias's, a masked one's, that of bob who is kept out, nobody's.
async fn what_scram_says(house: &House) {
    let folder = tempfile::tempdir().unwrap();
    let (gate, directory, domain) = (gate_of(house, &folder), &house.directory, "home.example");
    let masked = directory.add_masked(house.alice.id, &domain.parse().unwrap(), "a shop", true).await.unwrap().address;
    directory.add_address(house.alice.id, &"alias@home.example".parse().unwrap()).await.unwrap();
    house.ctx.doorkeeper.add_app_password(&house.alice, "Phone", Services::mail(), None).await.unwrap();
    let say = async |name: String| {
        let mut exchange = gate.begin(Mechanism::ScramSha256, Service::Imap, PEER.parse().unwrap(), ChannelBinding::none());
        match exchange.start(Some(format!("n,,n={name},r=fyko+d2lbbFgONRv9qkxdawL").as_bytes())).await.unwrap() {
            Step::Challenge(said) => String::from_utf8(said).unwrap().split_once(",s=").unwrap().1.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let mut all = BTreeSet::new();
    for local in ["alice", "alias", masked.local(), "bob", "nobody"] {
        let mut of_one = BTreeSet::new();
        for spelled in [local.to_string(), format!("\"{local}\""), local.to_uppercase()] {
            of_one.insert(say(format!("{spelled}@{domain}")).await);
        }
        assert_eq!(of_one.len(), 1, "{local}, however it is spelled");
        all.extend(of_one);
    }
    assert_eq!(all.len(), 5, "no two have anything in common: {all:?}");
    assert!(all.iter().all(|said| said.ends_with("==,i=4096")), "nor is there another difference: {all:?}");
}

#[tokio::test]
async fn attack_33_who_lives_here() {
    on_both_engines(async |house| {
        house
            .directory
            .disable_account(
                house.directory.find_account_by_address(&"bob@home.example".parse().unwrap()).await.unwrap().unwrap().id,
            )
            .await
            .unwrap();
        let mut browser = house.browser();
        add_passkey(&mut visitor(&house, "alice").await, &mut Device::new(7)).await;
        let page = browser.get("/sign-in").await;
        let mut pages = Vec::new();
        for user in ["alice", "bob", "nobody", "nobody@elsewhere.example"] {
            let reply = browser.fill_sign_in(&page, user, "wrong").await;
            pages.push((reply.status, said(&reply)));
        }
        pages.dedup();
        assert_eq!(pages.len(), 1, "known, disabled and unknown look the same: {pages:#?}");
        // They cost the same: for nobody, too, there is a computation, in the same queue as for everybody.
        let wrong = Secret::new("wrong".to_string());
        let many = ARGON2_AT_ONCE + ARGON2_WAITING_MAX - ARGON2_KEPT;
        let check = |account, asker| house.vault.check_password(account, &wrong, asker);
        let alice = Some(house.alice.id);
        let mut is_busy = false;
        // On a busy machine a computation may end before alice's password was looked up: then once more.
        for _ in 0..10 {
            let crowd = futures_util::future::join_all((0..many).map(|_| check(None, Asker::Stranger)));
            let (_, for_alice, at_home) = tokio::join!(crowd, check(alice, Asker::Stranger), check(alice, Asker::Known));
            assert_eq!(at_home.unwrap(), PasswordCheck::Wrong, "there are others for those who were here before");
            is_busy = for_alice.unwrap() == PasswordCheck::Busy;
            if is_busy {
                break;
            }
        }
        assert!(is_busy, "those for nobody took every place that strangers have");
        what_scram_says(&house).await;
        // No list of passkeys, and no address that can be looked up.
        assert!(browser.get("/sign-in").await.attribute("data-options").contains("\"known\":[]"));
        let finger = async |name: &str| house.get(&format!("/.well-known/webfinger?resource=acct:{name}@home.example")).await;
        assert_eq!(finger("alice").await.body.replace("alice", "x"), finger("nobody").await.body.replace("nobody", "x"));
    })
    .await;
}

#[tokio::test]
async fn attack_34_a_code_again() {
    on_both_engines(async |house| {
        let (secret, sheet) = add_totp(&house, &mut visitor(&house, "alice").await).await;
        let step = Duration::from_secs(30);
        house.clock.advance(step * 2);
        let now = house.clock.now().secs() / 30;
        let mut browser = house.browser();
        let page = password(&mut browser).await;
        for far in [now - 2, now + 2] {
            assert_eq!(second(&mut browser, &page, &totp_code(&secret, far)).await.status, StatusCode::UNAUTHORIZED);
        }
        assert_eq!(second(&mut browser, &page, &totp_code(&secret, now + 1)).await.status, StatusCode::SEE_OTHER);
        // Of the steps up to the one that was used, none counts any more.
        let mut again = house.browser();
        let page = password(&mut again).await;
        for used in [now - 1, now, now + 1] {
            assert_eq!(second(&mut again, &page, &totp_code(&secret, used)).await.status, StatusCode::UNAUTHORIZED);
        }
        // The same code by ten browsers at once lets one in.
        house.clock.advance(step * 3);
        let code = totp_code(&secret, house.clock.now().secs() / 30);
        let tries = (0..10).map(|_| house.vault.check_totp(house.alice.id, &code));
        let won = futures_util::future::join_all(tries).await.into_iter().filter(|won| *won.as_ref().unwrap()).count();
        assert_eq!(won, 1);
        // One line of the sheet, tried by ten at once, lets one in.
        house.clock.advance(Duration::from_secs(24 * 3600));
        let tries = (0..10).map(|_| house.vault.use_recovery_code(house.alice.id, &sheet[0]));
        let won = futures_util::future::join_all(tries).await.into_iter().filter(|won| *won.as_ref().unwrap()).count();
        assert_eq!(won, 1);
        let mut guesser = house.browser();
        let page = password(&mut guesser).await;
        let mut last = StatusCode::OK;
        for guess in 0..60 {
            last = second(&mut guesser, &page, &format!("{guess:06}")).await.status;
            if last == StatusCode::TOO_MANY_REQUESTS {
                break;
            }
        }
        assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    })
    .await;
}

#[tokio::test]
async fn attack_35_a_passkey_of_somewhere_else() {
    on_both_engines(async |house| {
        let mut device = Device::new(7);
        device.count = 5;
        add_passkey(&mut visitor(&house, "alice").await, &mut device).await;
        let mut bobs = Device::new(8);
        add_passkey(&mut visitor(&house, "bob").await, &mut bobs).await;
        let refused = async |device: &Device, why: &str| {
            let mut browser = house.browser();
            let page = browser.get("/sign-in").await;
            let reply = by_passkey(&mut browser, &page, &device.sign(&page)).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{why}");
            assert!(!browser.jar.contains_key("__Host-hearth"), "{why}");
        };
        refused(&device, "a counter that did not grow").await;
        device.count = 6;
        device.syncs = true;
        refused(&device, "WebAuthn §7.2: it could not leave its device when it was made").await;
        device.syncs = false;
        for origin in [
            "https://badid.home.example",
            "https://id.home.example.evil.example",
            "https://evilid.home.example",
            "http://id.home.example",
            "https://id.home.example:8443",
            "https://home.example",
            "null",
        ] {
            device.origin = origin.into();
            refused(&device, origin).await;
        }
        device.origin = ISSUER.into();
        // Another's name under one's own key.
        std::mem::swap(&mut device.user, &mut bobs.user);
        refused(&device, "bob's name").await;
        std::mem::swap(&mut device.user, &mut bobs.user);
        device.verifies = false;
        refused(&device, "nobody was checked, and nothing came before it").await;
        device.verifies = true;
        device.count = 7;
        let mut browser = house.browser();
        let page = browser.get("/sign-in").await;
        let other = house.browser().get("/sign-in").await;
        let foreign = device.sign(&other);
        assert_eq!(by_passkey(&mut browser, &page, &foreign).await.status, StatusCode::UNAUTHORIZED, "another's challenge");
        let signed = device.sign(&page);
        assert_eq!(by_passkey(&mut browser, &page, &signed).await.status, StatusCode::SEE_OTHER);
        device.count = 8;
        let mut late = house.browser();
        let page = late.get("/sign-in").await;
        let signed = device.sign(&page);
        house.clock.advance(Duration::from_secs(1800));
        assert_eq!(by_passkey(&mut late, &page, &signed).await.status, StatusCode::UNAUTHORIZED, "an old challenge");
        // A copy is told of.
        let rows = house.directory.list_audit(Some(house.alice.id), 50).await.unwrap();
        assert!(rows.iter().any(|row| row.event == "passkey.copied"), "{rows:#?}");
        // And no other origin may use our passkeys: there is no such list.
        assert_eq!(house.get("/.well-known/webauthn").await.status, StatusCode::NOT_FOUND);
    })
    .await;
}

#[tokio::test]
async fn attack_36_a_session_that_somebody_else_chose() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        for planted in ["chosen", "", "../x"] {
            browser.jar.insert("__Host-hearth".into(), planted.into());
            browser.jar.insert("__Host-hearth-visit".into(), "chosen".into());
            let page = browser.get("/sign-in").await;
            assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER, "it is nobody's");
            // The double checks that each cookie is `__Host-`, Secure, HttpOnly, SameSite=Lax.
            browser.fill_sign_in(&page, "alice", PASSWORD).await;
            assert_ne!(browser.jar["__Host-hearth"], planted, "a secret of our own");
        }
        let sessions = async |house: &House| house.directory.list_sessions(house.alice.id).await.unwrap().len();
        let known = sessions(&house).await;
        let before = browser.jar["__Host-hearth"].clone();
        house.clock.advance(Duration::from_secs(601));
        assert_eq!(browser.get("/account/passkeys").await.location().as_deref(), Some("/sign-in?to=passkeys"), "it expires");
        let page = browser.get("/sign-in?to=passkeys").await;
        browser.fill_sign_in(&page, "alice", PASSWORD).await;
        assert_ne!(browser.jar["__Host-hearth"], before, "proven anew, a new secret");
        assert_eq!(browser.get("/account/passkeys").await.status, StatusCode::OK);
        let mut thief = house.browser();
        thief.jar.insert("__Host-hearth".into(), before);
        assert_eq!(thief.get("/account").await.status, StatusCode::SEE_OTHER, "and the old one opens nothing");
        assert_eq!(sessions(&house).await, known, "of one browser, one session");
        // Who signs out leaves no secret that still opens something.
        let left = browser.jar["__Host-hearth"].clone();
        let form = browser.get("/account").await.field("form");
        browser.post("/sign-out", &[("form", &form)]).await;
        assert!(!browser.jar.contains_key("__Host-hearth"));
        browser.jar.insert("__Host-hearth".into(), left);
        assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER);
    })
    .await;
}

#[tokio::test]
async fn attack_37_who_stays_in_after_a_change() {
    on_both_engines(async |house| {
        let subjects = async || {
            let letters = house.directory.list_letters(100).await.unwrap();
            for letter in &letters {
                house.directory.remove_letter(letter.id).await.unwrap();
            }
            letters.iter().map(|letter| String::from_utf8_lossy(&letter.raw).into_owned()).collect::<Vec<_>>()
        };
        let (mut here, mut there) = (visitor(&house, "alice").await, visitor(&house, "alice").await);
        let tokens = house.exchange(&there.code(&request(&[("scope", "openid offline_access")])).await).await.json();
        let refresh = tokens["refresh_token"].as_str().unwrap().to_string();
        let (_, app) = house.ctx.doorkeeper.add_app_password(&house.alice, "Phone", Services::mail(), None).await.unwrap();
        let mut device = Device::new(7);
        add_passkey(&mut here, &mut device).await;
        subjects().await;
        let page = here.get("/account/passkeys").await;
        here.post("/account/passkeys/end", &[("form", &page.field("form")), ("id", &page.field("id"))]).await;
        assert_eq!(there.get("/account").await.status, StatusCode::SEE_OTHER, "the other browser is out");
        assert_eq!(house.refresh(&refresh).await.error(), (400, "invalid_grant".into()));
        assert!(opens_imap(&house, "alice@home.example", app.expose(), Service::Imap).await.is_ok(), "app passwords stay");
        assert!(subjects().await.iter().any(|letter| letter.contains("Subject: A passkey was removed")));
        let mut there = visitor(&house, "alice").await;
        subjects().await;
        let form = here.get("/account/password").await.field("form");
        let fields = [("form", form.as_str()), ("current", PASSWORD), ("new", NEW), ("again", NEW)];
        assert_eq!(here.post("/account/password", &fields).await.status, StatusCode::OK);
        assert_eq!(there.get("/account").await.status, StatusCode::SEE_OTHER);
        assert!(subjects().await.iter().any(|letter| letter.contains("Subject: Your password was changed")));
        // By choice the app passwords end too.
        let page = here.get("/account").await;
        let form = page.body.split("/account/sign-out-everywhere").nth(1).unwrap();
        let form = form.split("name=\"form\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        here.post("/account/sign-out-everywhere", &[("form", form), ("app-passwords", "end")]).await;
        assert!(opens_imap(&house, "alice@home.example", app.expose(), Service::Imap).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn attack_38_an_app_password_where_it_is_not_meant() {
    on_both_engines(async |house| {
        let smtp: Services = [Service::Smtp].into_iter().collect();
        let (_, password) = house.ctx.doorkeeper.add_app_password(&house.alice, "Printer", smtp, None).await.unwrap();
        let password = password.expose().as_str();
        assert!(opens_imap(&house, "alice@home.example", password, Service::Smtp).await.is_ok());
        for (user, service) in [
            ("alice@home.example", Service::Imap),
            ("alice@home.example", Service::Jmap),
            ("alice@home.example", Service::Web),
            ("bob@home.example", Service::Smtp),
        ] {
            assert!(opens_imap(&house, user, password, service).await.is_err(), "{user} {service:?}");
        }
        let mut browser = house.browser();
        let page = browser.follow(&request(&[])).await;
        assert_eq!(browser.fill_sign_in(&page, "alice", password).await.status, StatusCode::UNAUTHORIZED, "the pages");
        let grant = [("grant_type", "password"), ("username", "alice"), ("password", password)];
        assert_eq!(house.post("/token", &grant).await.error(), (400, "unsupported_grant_type".into()), "OAuth");
        // SCRAM: what is offered for bob holds nothing of alice's.
        let bob = house.directory.find_account_by_address(&"bob@home.example".parse().unwrap()).await.unwrap().unwrap();
        let offer = house.vault.find_scram_offer(Some(bob.id), "bob@home.example", true).await.unwrap();
        assert!(offer.apps.is_empty());
        let ends = house.clock.now().after(Duration::from_secs(60));
        let (_, short) = house.ctx.doorkeeper.add_app_password(&house.alice, "Guest", Services::mail(), Some(ends)).await.unwrap();
        assert!(opens_imap(&house, "alice@home.example", short.expose(), Service::Imap).await.is_ok());
        house.clock.advance(Duration::from_secs(60));
        assert!(opens_imap(&house, "alice@home.example", short.expose(), Service::Imap).await.is_err(), "expired");
    })
    .await;
}

#[tokio::test]
async fn attack_39_guesses_that_lock_the_owner_out() {
    on_both_engines(async |house| guesses::the_owner_elsewhere(&house).await).await;
    on_both_engines(async |house| {
        let mut home = visitor(&house, "alice").await;
        let mut device = Device::new(7);
        add_passkey(&mut home, &mut device).await;
        let (_, app) = house.ctx.doorkeeper.add_app_password(&house.alice, "Phone", Services::mail(), None).await.unwrap();
        // From everywhere, until nothing is admitted any more.
        let mut stopped = 0;
        for n in 0..400_u32 {
            let peer = std::net::Ipv4Addr::from(0xCB00_7100 + n).into();
            let wrong = Secret::new(format!("guess {n}"));
            let doorkeeper = &house.ctx.doorkeeper;
            let answer = doorkeeper.sign_in("alice@home.example", &wrong, peer, &Marks::default()).await.unwrap();
            if matches!(answer, hearth_oauth::gate::SignIn::Refused(Refusal::Wait(_))) {
                stopped += 1;
            }
            if stopped > 3 {
                break;
            }
        }
        assert!(stopped > 3, "the guesser is stopped");
        assert_eq!(home.get("/account").await.status, StatusCode::OK, "who is in stays in");
        let mut passkey = house.browser();
        let page = passkey.get("/sign-in").await;
        device.count += 1;
        assert_eq!(by_passkey(&mut passkey, &page, &device.sign(&page)).await.status, StatusCode::SEE_OTHER, "passkeys");
        let doorkeeper = &house.ctx.doorkeeper;
        let entered = doorkeeper.password("alice@home.example", &app, Service::Imap, PEER.parse().unwrap()).await.unwrap();
        assert!(entered.is_ok(), "mail programs");
        // The password itself still counts where alice signed in before (with the passkey as her second factor).
        let reply = password(&mut house.browser()).await;
        assert!(reply.status == StatusCode::OK && reply.body.contains("One more step"), "{}", reply.body);
    })
    .await;
}

#[tokio::test]
async fn attack_40_a_link_that_others_open() {
    on_both_engines(async |house| {
        let carol = house.admin().await;
        let mut admin = visitor(&house, carol).await;
        let path = format!("/admin/people/{}", house.alice.id);
        let form = admin.get(&path).await.field("form");
        // Whatever the request says of its host, the link is of the issuer in the configuration.
        let cookies: Vec<String> = admin.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let fields = [("form", form.as_str()), ("do", "link"), ("id", "")];
        let poisoned = Request::post(&path)
            .header(header::HOST, "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("forwarded", "host=evil.example")
            .header(header::ORIGIN, ISSUER)
            .header(header::COOKIE, cookies.join("; "));
        let shown = ask(&house.router, poisoned.body(Body::from(encode(&fields))).unwrap()).await;
        let link = shown.body.split("id=\"shown-once\">").nth(1).unwrap_or_else(|| panic!("{}", shown.body));
        let link = link.split('<').next().unwrap().to_string();
        let path = link.strip_prefix(ISSUER).unwrap_or_else(|| panic!("{link}")).to_string();
        assert!(!shown.body.contains("evil.example"));
        let mut first = house.browser();
        let page = first.get(&path).await;
        // Its form is bound to the browser that opened it.
        let fields = [("form", page.field("form")), ("new", NEW.to_string()), ("again", NEW.to_string())];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(house.browser().post(&path, &fields).await.status, StatusCode::FORBIDDEN);
        assert_eq!(first.post(&path, &fields).await.status, StatusCode::SEE_OTHER);
        assert_eq!(first.get(&path).await.status, StatusCode::NOT_FOUND, "once");
        assert_eq!(house.browser().get(&path).await.status, StatusCode::NOT_FOUND, "for nobody else either");
        for guess in ["/welcome/x", "/welcome/%00", &path[..path.len() - 1]] {
            assert_eq!(house.browser().get(guess).await.status, StatusCode::NOT_FOUND, "{guess}");
        }
        let late = house.vault.add_link(house.alice.id, false, Duration::from_secs(60)).await.unwrap();
        house.clock.advance(Duration::from_secs(60));
        assert_eq!(house.browser().get(&format!("/welcome/{}", late.expose())).await.status, StatusCode::NOT_FOUND, "short");
    })
    .await;
}
