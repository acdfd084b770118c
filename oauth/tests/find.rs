// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/account/key/find`: somebody else's certificate, and how sure the house is.

mod support;

use hearth_identity::certs::Seen;
use hearth_identity::finding::{Answer, Asked, Found, Question, SOCKET, Told};
use hearth_identity::login::{read_frame, write_frame};
use hearth_types::{Address, Timestamp};
use hearth_web::axum::http::StatusCode;
use support::on_both_engines;
use tokio::net::UnixListener;

const PAGE: &str = "/account/key/find";

fn found(fingerprint: &str, confidence: u8) -> Found {
    Found {
        fingerprint: fingerprint.into(),
        source: "friend".into(),
        via: "b.example".into(),
        confidence,
        usable: true,
        revoked: false,
        remembered_at: None,
        key: Some("mQ==".into()),
    }
}

#[tokio::test]
async fn a_person_learns_whose_key_it_is_and_how_sure_that_is() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        assert_eq!(browser.get(PAGE).await.location().as_deref(), Some("/sign-in?to=find"), "for our own people");
        browser.sign_in("alice").await;
        let form = browser.get(PAGE).await.field("form");
        assert!(browser.get("/account/key").await.body.contains(&format!("href=\"{PAGE}\"")));

        let ask = [("form", form.as_str()), ("address", "bob@b.example")];
        let away = browser.post(PAGE, &ask).await;
        assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE, "nobody answers on the socket");
        assert!(away.body.contains("does not run") && away.body.contains("value=\"bob@b.example\""));
        let wrong = browser.post(PAGE, &[("form", &form), ("address", "bob")]).await;
        assert!(wrong.status == StatusCode::BAD_REQUEST && wrong.body.contains("no e-mail address"));
        let forged = browser.post(PAGE, &[("form", "x"), ("address", "bob@b.example")]).await;
        assert_ne!(forged.status, StatusCode::OK);

        let bob = Address::parse("bob@b.example").unwrap();
        let seen = Seen {
            fingerprint: "CD".repeat(20),
            source: "wkd".into(),
            via: "openpgpkey.b.example".into(),
            confidence: 80,
            bytes: vec![1],
            first_seen_at: Timestamp::default(),
            last_seen_at: Timestamp::default(),
        };
        house.directory.note_seen_certs(&bob, vec![seen]).await.unwrap();
        let told = Told {
            found: vec![found(&"AB".repeat(20), 120), Found { revoked: true, usable: false, ..found(&"CD".repeat(20), 40) }],
            asked: vec![Asked { source: "friend".into(), via: "c.example<script>".into(), answered: false }],
            changed_from: Some(("EF".repeat(20), house.clock.now().millis())),
        };
        let listener = UnixListener::bind(house.run.join(SOCKET)).unwrap();
        let (answers, alice) =
            (vec![Answer::Told(told.clone()), Answer::Told(told), Answer::Told(Told::default()), Answer::Busy], house.alice.id);
        let keys = tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let asked = read_frame::<Question>(&mut stream).await.unwrap().unwrap();
                assert_eq!((asked.person, asked.address.as_str()), (alice.as_i64(), "bob@b.example"));
                write_frame(&mut stream, &answer).await.unwrap();
            }
        });
        let page = browser.post(PAGE, &ask).await;
        assert_eq!(page.status, StatusCode::OK);
        for text in [
            "How sure are we that this is bob@b.example?",
            "Certain: this home",
            "ABAB ABAB",
            "from the home b.example",
            "It was another key before",
            "EFEF EFEF",
            "Somewhat: others say so",
            "Its owner ended it. Do not use it.",
            "Where it was found so far",
            "published by openpgpkey.b.example",
            "c.example&#60;script&#62;",
            "did not answer",
            "download=\"bob@b.example.pgp\"",
        ] {
            assert!(page.body.contains(text), "{text}: {}", page.body);
        }
        assert!(!page.body.contains("<script"), "without JavaScript");
        assert_eq!(page.body.matches("download=").count(), 1, "what was ended is not handed on");
        browser.speaks = "fr";
        let page = browser.post(PAGE, &ask).await.body;
        assert!(
            page.contains("À quel point sommes-nous sûrs que c&#39;est bob@b.example") && page.contains("Certains :"),
            "{page}"
        );
        browser.speaks = "en";
        assert!(browser.post(PAGE, &ask).await.body.contains("Nobody has a key for bob@b.example"));
        assert_eq!(browser.post(PAGE, &ask).await.status, StatusCode::SERVICE_UNAVAILABLE);
        keys.await.unwrap();
        std::fs::remove_file(house.run.join(SOCKET)).unwrap();
    })
    .await;
}
