// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is written down, in whose name; what the person is told of it; and how it is read.

mod support;

use std::time::Duration;

use hearth_identity::directory::{Event, Kind, NewAccount};
use hearth_types::Address;
use hearth_web::axum::http::StatusCode;
use support::{Browser, House, Reply, on_both_engines, request};

/// Events of alice since she was there, the oldest first, with their detail.
async fn of_alice(house: &House) -> Vec<(String, String)> {
    let mut rows = house.directory.list_audit(Some(house.alice.id), 100).await.unwrap();
    rows.reverse();
    for row in rows.iter().filter(|row| row.event != "account.added") {
        let is_hers = row.actor == Some(house.alice.id) && row.service.as_deref() == Some("web");
        let is_theft = ["refresh.reused", "code.replayed"].contains(&row.event.as_str());
        assert!(is_hers && row.peer.as_deref() == Some("192.0.2.7") || is_theft, "{row:?}");
    }
    rows.into_iter().map(|row| (row.event, row.detail)).filter(|(event, _)| event != "account.added").collect()
}

/// Subjects of the letters that wait; they are taken away.
async fn letters(house: &House) -> Vec<String> {
    let mut subjects = Vec::new();
    for letter in house.directory.list_letters(100).await.unwrap() {
        let raw = String::from_utf8(letter.raw).unwrap();
        let subject = raw.split("Subject: ").nth(1).unwrap().split("\r\nDate").next().unwrap();
        subjects.push(format!("{}: {subject}", letter.recipient));
        house.directory.remove_letter(letter.id).await.unwrap();
    }
    subjects
}

async fn press(browser: &mut Browser, path: &str) -> Reply {
    let page = browser.get("/account").await;
    let form = page.body.split(&format!("action=\"{path}\"")).nth(1).unwrap_or_else(|| panic!("no {path}: {}", page.body));
    let value = |name: &str| {
        form.split(&format!("name=\"{name}\" value=\"")).nth(1).map_or("", |rest| rest.split('"').next().unwrap()).to_string()
    };
    let (token, id) = (value("form"), value("id"));
    browser.post(path, &[("form", &token), ("id", &id), ("app-passwords", "end")]).await
}

#[tokio::test]
async fn what_people_do_with_their_own() {
    on_both_engines(async |house| {
        let (mut here, mut there) = (house.browser(), house.browser());
        here.sign_in("alice").await;
        here.code(&request(&[("scope", "openid email")])).await;
        there.sign_in("alice").await;
        assert_eq!(press(&mut here, "/account/sessions/end").await.status, StatusCode::SEE_OTHER);
        assert_eq!(press(&mut here, "/account/apps/end").await.status, StatusCode::SEE_OTHER);
        let form = here.get("/logout").await.field("form");
        assert_eq!(here.post("/sign-out", &[("form", &form)]).await.status, StatusCode::OK);
        let events = of_alice(&house).await;
        let events: Vec<(&str, &str)> = events.iter().map(|(event, detail)| (event.as_str(), detail.as_str())).collect();
        let expected = [
            ("login.done", "pwd"),
            ("consent.given", "The app <b>: openid email"),
            ("login.done", "pwd"),
            ("device.signed-out", "Firefox on Linux"),
            ("app.disconnected", "The app <b>"),
            ("logout", "Firefox on Linux"),
        ];
        assert_eq!(events, expected);
    })
    .await;
}

#[tokio::test]
async fn a_theft_is_written_down_and_told() {
    on_both_engines(async |house| {
        let told = "alice@home.example: An app of yours was signed out: somebody else may have had its key";
        let text = |json: &serde_json::Value| json["refresh_token"].as_str().unwrap().to_string();
        let first = house.tokens("openid offline_access").await;
        let second = house.refresh(&text(&first)).await.json();
        house.refresh(&text(&second)).await.json();
        letters(&house).await;
        house.refresh(&text(&first)).await;
        assert_eq!(letters(&house).await, [told]);
        house.refresh(&text(&first)).await;
        house.refresh(&text(&second)).await;
        assert_eq!(letters(&house).await, Vec::<String>::new(), "once: it is ended");
        let code = house.code("openid").await;
        house.exchange(&code).await.json();
        letters(&house).await;
        house.exchange(&code).await;
        assert_eq!(letters(&house).await, Vec::<String>::new(), "the answer may have been lost");
        house.clock.advance(Duration::from_secs(21));
        house.exchange(&code).await;
        house.exchange(&code).await;
        assert_eq!(letters(&house).await, [told]);
        let events = of_alice(&house).await;
        for event in ["refresh.reused", "code.replayed"] {
            let of_it: Vec<_> = events.iter().filter(|(one, _)| one == event).collect();
            assert_eq!(of_it, [&(event.to_string(), "The app <b>".to_string())]);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_done_to_an_account_is_told_its_owner() {
    on_both_engines(async |house| {
        let mut alice = house.browser();
        alice.sign_in("alice").await;
        letters(&house).await;
        alice.code(&request(&[("scope", "openid email")])).await;
        assert_eq!(letters(&house).await, ["alice@home.example: You let a new app in"]);
        alice.code(&request(&[("scope", "openid email profile")])).await;
        assert_eq!(letters(&house).await, Vec::<String>::new(), "it is not new any more");
        house
            .vault
            .add_app_password(
                house.alice.id,
                std::slice::from_ref(&house.alice.primary),
                "Phone",
                hearth_identity::Services::mail(),
                None,
            )
            .await
            .unwrap();
        assert_eq!(press(&mut alice, "/account/sign-out-everywhere").await.status, StatusCode::SEE_OTHER);
        assert_eq!(letters(&house).await, ["alice@home.example: All your app passwords were ended"]);
        let outside = Address::parse("alice@elsewhere.example").unwrap();
        house.directory.change_contact(house.alice.id, &outside).await.unwrap();
        let mut admin = house.browser();
        admin.sign_in(house.admin().await).await;
        letters(&house).await;
        let path = format!("/admin/people/{}", house.alice.id);
        for (what, name, value, subject, inside) in [
            ("add-address", "address", "al@home.example", "An address was added to your account", true),
            ("remove-address", "id", "al@home.example", "An address was removed from your account", true),
            ("sign-out", "", "", "All your devices were signed out by whoever looks after the home", true),
            ("disable", "", "", "Your account was disabled", false),
            ("enable", "", "", "Your account may be used again", true),
        ] {
            let form = admin.get(&path).await.field("form");
            let reply = admin.post(&path, &[("form", &form), ("do", what), (name, value)]).await;
            assert_eq!(reply.status, StatusCode::OK, "{what}: {}", reply.body);
            let mut expected = vec![format!("alice@elsewhere.example: {subject}")];
            if inside {
                expected.insert(0, format!("alice@home.example: {subject}"));
            }
            assert_eq!(letters(&house).await, expected, "{what}");
        }
        let rows = house.directory.list_audit(Some(house.alice.id), 5).await.unwrap();
        let carol = house.directory.find_account_by_address(&Address::parse("carol@home.example").unwrap()).await.unwrap().unwrap();
        let by: Vec<_> = rows.iter().map(|row| (row.event.as_str(), row.actor)).collect();
        let expected = ["account.enabled", "account.disabled", "signed-out-everywhere", "address.removed", "address.added"];
        assert_eq!(by, expected.map(|event| (event, Some(carol.id))), "each once");
    })
    .await;
}

#[tokio::test]
async fn the_log_is_read_in_sentences_by_person_and_page_by_page() {
    on_both_engines(async |house| {
        let mut admin = house.browser();
        admin.sign_in(house.admin().await).await;
        let address = Address::parse("dora@home.example").unwrap();
        let new = NewAccount { address, kind: Kind::Person, name: String::new(), admin: false };
        let dora = house.directory.add_account(new).await.unwrap().id;
        house.directory.remove_account(dora).await.unwrap();
        let page = admin.get("/admin/log").await.body;
        for said in ["Somebody signed in", "An account was removed", "dora@home.example", "The last events"] {
            assert!(page.contains(said), "{said}: {page}");
        }
        assert!(!page.contains("login.done") && !page.contains(&dora.to_string()) && !page.contains("What was before"), "{page}");
        for n in 0..201 {
            let event = Event { event: "password.changed", subject: Some(dora), detail: format!("n{n}."), ..Event::default() };
            house.directory.add_audit(event).await.unwrap();
        }
        let page = admin.get("/admin/log").await.body;
        assert!(page.contains("n200.") && page.contains("n1.") && !page.contains("n0."), "{page}");
        let older = page.split("href=\"/admin/log?").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
        let page = admin.get(&format!("/admin/log?{older}")).await.body;
        assert!(page.contains("n0.") && !page.contains("n1.") && page.contains("An account was removed"), "{page}");
        // Of one, by the address that they had.
        let form = admin.get("/admin/log").await.field("form");
        let reply = admin.post("/admin/log", &[("form", &form), ("do", "who"), ("who", " dora@home.example ")]).await;
        assert_eq!(reply.location().as_deref(), Some("/admin/log?who=dora%40home.example"));
        let page = admin.get("/admin/log?who=dora%40home.example").await.body;
        assert!(page.contains("What happened with dora@home.example") && page.contains("n1.") && !page.contains("n0."), "{page}");
        let older = page.split("href=\"/admin/log?").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
        let page = admin.get(&format!("/admin/log?{older}")).await.body;
        assert!(page.contains("n0.") && page.contains("An account was removed") && !page.contains("Somebody signed in"), "{page}");
        let nobody = admin.get("/admin/log?who=%3Cb%3E").await;
        assert_eq!(nobody.status, StatusCode::BAD_REQUEST);
        assert!(nobody.body.contains("&#60;b&#62;") && !nobody.body.contains("n1."), "{}", nobody.body);
        admin.speaks = "fr";
        let page = admin.get("/admin/log").await.body;
        assert!(page.contains("Un mot de passe a été changé"), "{page}");
        // Nobody else reads it.
        let mut alice = house.browser();
        alice.sign_in("alice").await;
        assert_eq!(alice.get("/admin/log").await.status, StatusCode::FORBIDDEN);
    })
    .await;
}
