// SPDX-License-Identifier: AGPL-3.0-or-later
//! The pages speak as the browser asks, or as the client says that the person wants it.

mod support;

use hearth_identity::Service;
use hearth_types::Secret;
use hearth_web::axum::http::StatusCode;
use support::{Reply, on_both_engines, request};

fn is_french(page: &Reply) -> bool {
    page.body.contains("<html lang=\"fr\">") && page.body.contains("Aller au contenu")
}

#[tokio::test]
async fn every_page_speaks_as_the_browser_asks() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.speaks = "de-CH, fr-CH;q=0.9, en;q=0.5";
        let page = browser.get("/sign-in").await;
        assert!(is_french(&page) && page.body.contains("Se connecter") && !page.body.contains("Sign in"), "{}", page.body);
        let wrong = browser.fill_sign_in(&page, "alice", "wrong").await;
        assert!(is_french(&wrong) && wrong.body.contains("ne vont pas ensemble"), "{}", wrong.body);
        browser.sign_in("alice").await;
        for (path, says) in [
            ("/account", "Mots de passe d&#39;application"),
            ("/account/app-passwords/new", "Le créer"),
            ("/account/password", "Mot de passe actuel"),
            ("/account/passkeys", "Ajouter une clé"),
            ("/account/authenticator", "Ajouter une application"),
            ("/account/recovery", "Vous n&#39;en avez aucun"),
            ("/device", "Laisser entrer un appareil"),
            ("/logout", "Se déconnecter ?"),
            ("/nowhere", "Il n&#39;y a rien ici"),
            ("/welcome/x", "Ce lien ne mène nulle part"),
            ("/authorize?client_id=nobody", "n&#39;est pas connue de cette maison"),
        ] {
            let page = browser.get(path).await;
            assert!(is_french(&page) && page.body.contains(says), "{path}: {}", page.body);
        }
        let page = browser.follow(&request(&[])).await;
        assert!(page.body.contains("Autoriser The app") && page.body.contains("Voir votre adresse e-mail"), "{}", page.body);
        browser.speaks = "en";
        assert!(browser.get("/account").await.body.contains("<html lang=\"en\">"));
    })
    .await;
}

#[tokio::test]
async fn a_device_is_named_in_the_language_of_who_looks() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.speaks = "fr";
        browser.sign_in("alice").await;
        let mail = Secret::new(support::PASSWORD.to_string());
        let entered = house.ctx.doorkeeper.password("alice@home.example", &mail, Service::Imap, [192, 0, 2, 7].into()).await;
        assert!(entered.unwrap().is_ok());
        for (speaks, browser_is, programs_are, not) in [
            ("en", "Firefox on Linux", "Mail programs with your password", "Firefox sur Linux"),
            ("fr", "Firefox sur Linux", "Logiciels de courrier avec votre mot de passe", "Mail programs"),
        ] {
            browser.speaks = speaks;
            let page = browser.get("/account").await;
            assert!(page.body.contains(browser_is) && page.body.contains(programs_are), "{speaks}: {}", page.body);
            assert!(!page.body.contains(not), "{speaks}: {}", page.body);
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_may_know_better_than_the_browser() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.speaks = "en";
        let page = browser.follow(&request(&[("ui_locales", "tlh fr-CA en")])).await;
        assert!(is_french(&page), "{}", page.body);
        // It stays so through the pages of that request.
        let wrong = browser.fill_sign_in(&page, "alice", "wrong").await;
        assert!(is_french(&wrong), "{}", wrong.body);
        let reply = browser.fill_sign_in(&wrong, "alice", support::PASSWORD).await;
        let page = browser.follow(&reply.location().unwrap()).await;
        assert!(is_french(&page) && page.body.contains("Autoriser"), "{}", page.body);
        // What was pushed counts like what was sent.
        let query = request(&[("ui_locales", "fr")]);
        let query = query.split_once('?').unwrap().1.to_string();
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let pushed = house.post("/par", &fields).await;
        assert_eq!(pushed.status, StatusCode::CREATED, "{}", pushed.body);
        let uri = pushed.json()["request_uri"].as_str().unwrap().to_string();
        let page = house
            .browser()
            .follow(&format!("/authorize?{}", support::encode(&[("client_id", "app"), ("request_uri", &uri)])))
            .await;
        assert!(is_french(&page), "{}", page.body);
        // Others are heard as they asked.
        assert!(browser.get("/account").await.body.contains("<html lang=\"en\">"));
    })
    .await;
}
