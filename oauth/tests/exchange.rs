// SPDX-License-Identifier: AGPL-3.0-or-later
//! Token exchange (RFC 8693): a service goes on for a person, with less than it was shown. 21 of the list of attacks.

mod support;

use std::time::Duration;

use hearth_oauth::limits::ACTORS_MAX;
use hearth_web::axum::http::StatusCode;
use serde_json::{Value, json};
use support::proof::{Holder, post_with};
use support::{CALLBACK, House, Reply, VERIFIER, claims, on_both_engines, request};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const API: &str = "https://api.example";
const DB: &str = "https://db.example";

/// Services one behind the other, and the app before them.
struct Row {
    house: House,
    front: String,
    api: String,
    db: String,
}

async fn service(house: &House, name: &str, is: &str, goes_to: &[&str]) -> String {
    let metadata = json!({"hearth_exchanges": [is], "hearth_resources": goes_to, "hearth_access_token": if name == "db" { "jwt" } else { "" }});
    house
        .client(name, |new| {
            new.grant_types = vec![EXCHANGE.into()];
            new.metadata = metadata.to_string();
        })
        .await
}

impl Row {
    async fn new(house: House) -> Self {
        let front = house.client("front", |new| new.metadata = json!({"hearth_resources": [API]}).to_string()).await;
        let api = service(&house, "api", API, &[DB]).await;
        let db = service(&house, "db", DB, &["https://log.example"]).await;
        Self { house, front, api, db }
    }

    /// alice's tokens at the app, for the API.
    async fn tokens(&self, scope: &str) -> Value {
        let mut browser = self.house.browser();
        browser.sign_in("alice").await;
        let code = browser.code(&request(&[("client_id", "front"), ("scope", scope), ("resource", API)])).await;
        let reply = self.house.exchange_as(("front", &self.front), &code, &[]).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        reply.json()
    }

    async fn exchange(&self, client: (&str, &str), token: &str, more: &[(&str, &str)]) -> Reply {
        let fields = [("grant_type", EXCHANGE), ("subject_token", token), ("subject_token_type", ACCESS_TOKEN)];
        self.house.post_as(Some(client), "/token", &[&fields[..], more].concat()).await
    }

    async fn introspect(&self, client: (&str, &str), token: &str) -> Value {
        self.house.post_as(Some(client), "/introspect", &[("token", token)]).await.json()
    }
}

fn access(reply: &Value) -> String {
    reply["access_token"].as_str().unwrap_or_else(|| panic!("{reply}")).to_string()
}

#[tokio::test]
async fn a_service_goes_on_for_the_person() {
    on_both_engines(async |house| {
        let row = Row::new(house).await;
        let (api, db) = (("api", row.api.as_str()), ("db", row.db.as_str()));
        let shown = access(&row.tokens("openid email groups").await);
        let reply = row.exchange(api, &shown, &[("resource", DB), ("scope", "email")]).await.json();
        assert_eq!((&reply["issued_token_type"], &reply["token_type"]), (&json!(ACCESS_TOKEN), &json!("Bearer")), "{reply}");
        assert_eq!((&reply["scope"], reply.get("refresh_token"), reply.get("id_token")), (&json!("email"), None, None));
        let first = access(&reply);
        let known = row.introspect(api, &first).await;
        assert_eq!((&known["aud"], &known["client_id"], &known["act"]), (&json!([DB]), &json!("api"), &json!({"sub": "api"})));
        assert_eq!(known["sub"], json!(row.house.alice.id.to_string()));
        // RFC 9470 §6.2.
        assert_eq!((&known["acr"], &known["amr"]), (&json!("1"), &json!(["pwd"])));
        assert!(known["auth_time"].as_i64().is_some());
        // The next one in the row: its token is signed, and says who acted before.
        let second = access(&row.exchange(db, &first, &[("audience", "https://log.example")]).await.json());
        let signed = claims(&second);
        assert_eq!(
            (&signed["aud"], &signed["act"]),
            (&json!(["https://log.example"]), &json!({"sub": "db", "act": {"sub": "api"}}))
        );
        assert_eq!((&signed["scope"], &signed["client_id"]), (&json!("email"), &json!("db")));
        assert_eq!(row.introspect(db, &second).await["active"], json!(true));
        // What was given back takes with it what came of it.
        row.house.post_as(Some(("front", &row.front)), "/revoke", &[("token", &shown)]).await;
        for (client, token) in [(api, &first), (db, &second)] {
            assert_eq!(row.introspect(client, token).await, json!({"active": false}));
        }
    })
    .await;
}

#[tokio::test]
async fn it_ends_with_what_it_came_of() {
    on_both_engines(async |house| {
        let row = Row::new(house).await;
        let api = ("api", row.api.as_str());
        // The grant ends, as with a refresh token that is given back.
        let tokens = row.tokens("openid offline_access").await;
        let made = access(&row.exchange(api, &access(&tokens), &[]).await.json());
        assert_eq!(row.introspect(api, &made).await["aud"], json!([API]), "nothing named: for what it was for");
        let refresh = tokens["refresh_token"].as_str().unwrap();
        row.house.post_as(Some(("front", &row.front)), "/revoke", &[("token", refresh)]).await;
        assert_eq!(row.introspect(api, &made).await, json!({"active": false}));
        // It lives no longer.
        let shown = access(&row.tokens("openid").await);
        row.house.clock.advance(Duration::from_secs(3000));
        let reply = row.exchange(api, &shown, &[]).await.json();
        assert!(reply["expires_in"].as_u64().unwrap() <= 600, "{reply}");
        row.house.clock.advance(Duration::from_secs(601));
        assert_eq!(row.exchange(api, &shown, &[]).await.error(), (400, "invalid_request".into()));
        assert_eq!(row.introspect(api, &access(&reply)).await, json!({"active": false}));
        // The client is let in no longer.
        let made = access(&row.exchange(api, &access(&row.tokens("openid").await), &[]).await.json());
        let client = row.house.directory.find_client("api").await.unwrap().unwrap();
        row.house.directory.disable_client(client.id).await.unwrap();
        assert!(row.house.directory.find_access_token(&hearth_types::Secret::new(made)).await.unwrap().unwrap().is_over);
    })
    .await;
}

#[tokio::test]
async fn for_less_and_for_nobody_else() {
    on_both_engines(async |house| {
        let row = Row::new(house).await;
        let (api, db) = (("api", row.api.as_str()), ("db", row.db.as_str()));
        let shown = access(&row.tokens("openid email").await);
        let refused = |code: &str| (400, code.to_string());
        for (more, code) in [
            (&[("scope", "email mail")][..], "invalid_scope"),
            (&[("scope", "nothing")], "invalid_scope"),
            (&[("resource", "https://evil.example")], "invalid_target"),
            (&[("audience", "https://log.example")], "invalid_target"),
            (&[("resource", "https://mail.home.example")], "invalid_target"),
            (&[("actor_token", "x"), ("actor_token_type", ACCESS_TOKEN)], "invalid_request"),
            (&[("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")], "invalid_request"),
            (&[("scope", "email"), ("scope", "email")], "invalid_request"),
        ] {
            assert_eq!(row.exchange(api, &shown, more).await.error(), refused(code), "{more:?}");
        }
        // Not its own and not for it; not there at all; an ID token; a refresh token.
        assert_eq!(row.exchange(db, &shown, &[]).await.error(), refused("invalid_request"));
        let plain = row.house.tokens("openid offline_access").await;
        for token in [
            access(&plain),
            "nonsense".into(),
            plain["id_token"].as_str().unwrap().into(),
            plain["refresh_token"].as_str().unwrap().into(),
        ] {
            assert_eq!(row.exchange(api, &token, &[]).await.error(), refused("invalid_request"));
        }
        // Without the grant, without a secret.
        assert_eq!(row.exchange(("front", &row.front), &shown, &[]).await.error(), refused("unauthorized_client"));
        row.house
            .client("loose", |new| {
                new.public = true;
                new.grant_types = vec![EXCHANGE.into()];
            })
            .await;
        let fields =
            [("client_id", "loose"), ("grant_type", EXCHANGE), ("subject_token", &shown), ("subject_token_type", ACCESS_TOKEN)];
        assert_eq!(row.house.post_as(None, "/token", &fields).await.error(), refused("unauthorized_client"));
        // Somebody whom the service is not for.
        let client = row.house.directory.find_client("api").await.unwrap().unwrap();
        let bob = row.house.directory.list_accounts().await.unwrap().into_iter().find(|one| one.name.starts_with("Bob")).unwrap();
        row.house.directory.add_client_access(client.id, bob.id).await.unwrap();
        assert_eq!(row.exchange(api, &shown, &[]).await.error(), refused("invalid_request"));
    })
    .await;
}

#[tokio::test]
async fn a_bound_token_is_exchanged_by_who_has_the_key() {
    on_both_engines(async |house| {
        let row = Row::new(house).await;
        let own = row.house.client("own", |new| new.grant_types = vec!["authorization_code".into(), EXCHANGE.into()]).await;
        let mut browser = row.house.browser();
        browser.sign_in("alice").await;
        let code = browser.code(&request(&[("client_id", "own"), ("scope", "openid email")])).await;
        let (holder, thief) = (Holder::new(), Holder::new());
        let proof = |of: &Holder| of.simple(&row.house, "POST", "/token", None);
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let bound = access(&post_with(&row.house, ("own", &own), "/token", &[&proof(&holder)], &fields).await.json());
        let fields =
            [("grant_type", EXCHANGE), ("subject_token", bound.as_str()), ("subject_token_type", ACCESS_TOKEN), ("scope", "email")];
        for proofs in [vec![], vec![proof(&thief)]] {
            let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
            let reply = post_with(&row.house, ("own", &own), "/token", &proofs, &fields).await;
            assert_eq!(reply.error(), (400, "invalid_request".into()));
        }
        let made = post_with(&row.house, ("own", &own), "/token", &[&proof(&holder)], &fields).await.json();
        assert_eq!((&made["token_type"], &made["scope"]), (&json!("DPoP"), &json!("email")), "{made}");
    })
    .await;
}

#[tokio::test]
async fn four_deep_and_not_five() {
    on_both_engines(async |house| {
        let row = Row::new(house).await;
        let mut token = access(&row.tokens("openid").await);
        for _ in 0..ACTORS_MAX {
            token = access(&row.exchange(("api", &row.api), &token, &[]).await.json());
        }
        assert_eq!(row.exchange(("api", &row.api), &token, &[]).await.error(), (400, "invalid_request".into()));
    })
    .await;
}
