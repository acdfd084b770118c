// SPDX-License-Identifier: AGPL-3.0-or-later
//! Clients that are their own address. 46 of the list of attacks; the rules for addresses and documents are tables in
//! `src/cimd.rs`, and what may be connected to is `hearth_net::fetch`'s.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hearth_identity::grants::Registration;
use hearth_net::fetch::Fetched;
use hearth_oauth::client::documents::Documents;
use hearth_types::Trouble;
use hearth_web::axum::http::StatusCode;
use serde_json::json;
use support::{House, VERIFIER, on_both_engines_with, request};

const URL: &str = "https://app.stranger.example/oauth/client.json";
const CALLBACK: &str = "https://app.stranger.example/cb";

/// What is at the address: nothing, or a document of one redirect URI.
#[derive(Clone, Default)]
struct Place {
    asked: Arc<AtomicU32>,
    gone: Arc<AtomicU32>,
}

impl Place {
    fn documents(&self) -> Documents {
        let place = self.clone();
        Documents::by(move |url| {
            let place = place.clone();
            Box::pin(async move {
                place.asked.fetch_add(1, Ordering::SeqCst);
                if place.gone.load(Ordering::SeqCst) > 0 {
                    return Err(Trouble::new("gone"));
                }
                let document = json!({"client_id": url, "client_name": "Your bank", "redirect_uris": [CALLBACK]});
                Ok(Fetched { status: 200, content_type: "application/json".into(), body: document.to_string().into_bytes() })
            })
        })
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

fn ask(redirect_uri: &str) -> String {
    request(&[("client_id", URL), ("redirect_uri", redirect_uri), ("scope", "openid email")])
}

async fn with_place(test: impl AsyncFn(House, Place)) {
    let places = std::cell::RefCell::new(Vec::new());
    let change = |home: &mut hearth_oauth::home::Home| {
        let place = Place::default();
        home.documents = place.documents();
        places.borrow_mut().push(place);
    };
    on_both_engines_with(change, async |house| {
        let place = places.borrow().last().cloned().unwrap();
        test(house, place).await;
    })
    .await;
}

#[tokio::test]
async fn a_stranger_is_met_by_somebody_of_the_house() {
    with_place(async |house, place| {
        house.directory.change_registration(Registration::Open).await.unwrap();
        // Nobody is signed in: nothing is fetched, and the page names the address.
        let mut browser = house.browser();
        let page = browser.follow(&ask(CALLBACK)).await;
        assert!(page.body.contains("app.stranger.example") && !page.body.contains("Your bank"), "{}", page.body);
        assert_eq!(place.asked(), 0);
        let nobody = browser.get(&format!("{}&prompt=none", ask("https://evil.example/"))).await;
        assert_eq!((nobody.status, nobody.location()), (StatusCode::BAD_REQUEST, None), "and nobody is sent there");
        browser.sign_in("alice").await;
        let page = browser.follow(&ask(CALLBACK)).await;
        assert!(page.body.contains("app.stranger.example") && page.body.contains("introduced itself"), "{}", page.body);
        assert!(!page.body.contains("Your bank"), "the name that it claims");
        let done = browser.consent(&page, "allow").await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", URL),
            ("code", &done.param("code").unwrap()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let tokens = house.post_as(None, "/token", &fields).await;
        assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.body);
        assert_eq!(support::claims(tokens.json()["id_token"].as_str().unwrap())["aud"], json!(URL));
        assert_eq!(place.asked(), 1, "read once");
        let elsewhere = browser.get(&ask("https://evil.example/")).await;
        assert_eq!((elsewhere.status, elsewhere.location()), (StatusCode::BAD_REQUEST, None));
        // A day later it is read again; when it cannot be, what was read counts.
        house.clock.advance(Duration::from_secs(25 * 3600));
        place.gone.store(1, Ordering::SeqCst);
        browser.sign_in("alice").await;
        browser.follow(&ask(CALLBACK)).await;
        assert_eq!(place.asked(), 2);
        assert!(house.directory.find_client(URL).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_is_not_let_in() {
    with_place(async |house, place| {
        house.directory.change_registration(Registration::Open).await.unwrap();
        place.gone.store(1, Ordering::SeqCst);
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let page = browser.get(&ask(CALLBACK)).await;
        assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None));
        assert!(page.body.contains("cannot be read"), "{}", page.body);
        assert!(house.directory.find_client(URL).await.unwrap().is_none());
        place.gone.store(0, Ordering::SeqCst);
        assert!(browser.follow(&ask(CALLBACK)).await.body.contains("/consent"), "a failure is not kept");
    })
    .await;
}

#[tokio::test]
async fn the_household_chooses() {
    with_place(async |house, place| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let page = browser.get(&ask(CALLBACK)).await;
        assert!(page.status == StatusCode::BAD_REQUEST && page.body.contains("waits to be let in"), "{}", page.body);
        let client = house.directory.find_client(URL).await.unwrap().unwrap();
        house.directory.enable_client(client.id).await.unwrap();
        assert!(browser.follow(&ask(CALLBACK)).await.body.contains("/consent"));
        house.directory.remove_client(URL).await.unwrap();
        house.directory.change_registration(Registration::Off).await.unwrap();
        let asked = place.asked();
        assert_eq!(browser.get(&ask(CALLBACK)).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(house.browser().get(&ask(CALLBACK)).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(place.asked(), asked, "nothing is fetched");
        let metadata = house.get("/.well-known/openid-configuration").await.json();
        assert_eq!(metadata["client_id_metadata_document_supported"], json!(false));
    })
    .await;
}
