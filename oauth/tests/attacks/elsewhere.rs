// SPDX-License-Identifier: AGPL-3.0-or-later
//! 41 to 48: mail programs, and what comes from other providers or goes to other programs.
//!
//! Nobody is signed in here by another home: what attacks that (43 to 47) is answered by there being nothing to attack,
//! and what of it concerns our own clients and fetches is tested as that.

use std::net::IpAddr;
use std::time::Duration;

use hearth_identity::directory::{Kind, NewAccount};
use hearth_identity::login::{ChannelBinding, Gate, Mechanism, Refusal, Service, Step};
use hearth_net::fetch::is_public;
use hearth_oauth::endpoint::{logout_token, metadata};
use hearth_oauth::gate;
use hearth_types::{Address, Secret};
use hearth_web::axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::net::UnixListener;

use crate::support::proof::Holder;
use crate::support::{CALLBACK, House, ISSUER, PASSWORD, claims, encode, on_both_engines, request};
use crate::token_endpoint::visitor;

const PEER: &str = "192.0.2.9";

fn peer() -> IpAddr {
    PEER.parse().unwrap()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}"))
}

/// The gate of a house on a socket, as the mail servers ask it.
pub fn gate_of(house: &House, folder: &tempfile::TempDir) -> Gate {
    let socket = folder.path().join("gate.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let doorkeeper =
        gate::Doorkeeper::with_issuer(house.vault.clone(), house.directory.clone(), house.clock.clone(), ISSUER.into());
    tokio::spawn(gate::serve(listener, doorkeeper, std::future::pending()));
    Gate::new(&socket)
}

/// One exchange to its end: the challenge, and what came of it after the client's `last` words.
async fn speak(gate: &Gate, mechanism: Mechanism, first: &[u8], last: &[u8]) -> (String, Step) {
    let mut exchange = gate.begin(mechanism, Service::Imap, peer(), ChannelBinding::none());
    match exchange.start(Some(first)).await.unwrap() {
        Step::Challenge(said) => (String::from_utf8(said).unwrap(), exchange.step(last).await.unwrap()),
        step => (String::new(), step),
    }
}

#[tokio::test]
async fn attack_41_a_mail_program_that_lies() {
    on_both_engines(async |house| {
        let folder = tempfile::tempdir().unwrap();
        let gate = gate_of(&house, &folder);
        let tokens = house.tokens("openid mail").await;
        let access = text(&tokens, "access_token").to_string();
        let bearer =
            |head: &str| format!("{head}\x01host=mail.home.example\x01port=993\x01auth=Bearer {access}\x01\x01").into_bytes();
        let xoauth = |user: &str| format!("user={user}\x01auth=Bearer {access}\x01\x01").into_bytes();
        for (mechanism, good) in [
            (Mechanism::OAuthBearer, bearer("n,a=alice@home.example,")),
            (Mechanism::OAuthBearer, bearer("n,,")),
            (Mechanism::XOAuth2, xoauth("alice@home.example")),
        ] {
            assert!(matches!(speak(&gate, mechanism, &good, b"").await.1, Step::Done(_)));
        }
        // Somebody else's name, a token that is none, one that is over: told why in JSON, then no; whether the
        // client's last word is the dummy of RFC 7628 §3.2.3, or nothing.
        let unknown = b"n,,\x01auth=Bearer unknown\x01\x01".to_vec();
        for last in [&b"\x01"[..], b""] {
            for (mechanism, bad) in [
                (Mechanism::OAuthBearer, bearer("n,a=bob@home.example,")),
                (Mechanism::OAuthBearer, unknown.clone()),
                (Mechanism::XOAuth2, xoauth("bob@home.example")),
            ] {
                let (told, step) = speak(&gate, mechanism, &bad, last).await;
                let told: Value = serde_json::from_str(&told).unwrap();
                assert!(told["status"].is_string(), "{told}");
                assert_eq!(step, Step::Refused(Refusal::Credentials));
            }
        }
        for malformed in [&b""[..], b"n", b"q,,\x01auth=Bearer x\x01\x01", b"p=tls-exporter,,\x01\x01", b"n,,\xff\x01\x01"] {
            let (_, step) = speak(&gate, Mechanism::OAuthBearer, malformed, b"\x01").await;
            assert!(matches!(step, Step::Refused(_)), "{malformed:?}");
        }
        let huge = bearer(&format!("n,a={},", "x".repeat(20_000)));
        let (_, step) = speak(&gate, Mechanism::OAuthBearer, &huge, b"\x01").await;
        assert!(matches!(step, Step::Refused(_)), "oversize");
        house.clock.advance(Duration::from_secs(3600));
        let (told, step) = speak(&gate, Mechanism::OAuthBearer, &bearer("n,,"), b"\x01").await;
        assert!(told.contains("invalid_token"), "{told}");
        assert!(matches!(step, Step::Refused(_)), "expired");
    })
    .await;
}

#[tokio::test]
async fn attack_42_a_token_without_the_scope() {
    on_both_engines(async |house| {
        let folder = tempfile::tempdir().unwrap();
        let gate = gate_of(&house, &folder);
        for (scope, opens) in [("openid", false), ("openid email profile groups offline_access", false), ("mail", true)] {
            let tokens = house.tokens(scope).await;
            let token = Secret::new(text(&tokens, "access_token").to_string());
            for service in Service::MAIL {
                let entered = gate.bearer(&token, service, peer()).await.unwrap();
                assert_eq!(entered.is_ok(), opens, "{scope} at {service:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn attack_43_an_address_that_another_provider_vouches_for() {
    on_both_engines(async |house| {
        // There is no way in by another provider: no page takes its answer, and no parameter names one.
        for path in ["/federation/callback", "/upstream/callback", "/callback", "/link", "/account/link"] {
            assert_eq!(house.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
        for hint in ["idp_hint", "kc_idp_hint", "iss", "domain_hint"] {
            let page = house.browser().follow(&request(&[(hint, "https://evil.example")])).await;
            assert!(page.body.contains("name=\"password\"") && !page.body.contains("=\"https://evil"), "{hint}");
        }
        // What we vouch for ourselves: an address of this home alone, and only of who has it.
        let tokens = house.tokens("openid email").await;
        let person = house.userinfo(text(&tokens, "access_token")).await.json();
        assert_eq!((text(&person, "email"), &person["email_verified"]), ("alice@home.example", &json!(true)));
    })
    .await;
}

#[tokio::test]
async fn attack_44_a_fetch_that_leads_inside() {
    // Where something of a stranger is fetched in this house (keys, rooms of trust, lists), it goes through one
    // fetcher that connects to the address it has looked at; its own tests hold the rest (redirects, size, time).
    for inside in [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "2002:a00:1::",
        "::10.0.0.1",
    ] {
        assert!(!is_public(inside.parse().unwrap()), "{inside}");
    }
    assert!(is_public("9.9.9.9".parse().unwrap()) && is_public("2620:fe::fe".parse().unwrap()));
    on_both_engines(async |house| {
        // Our own word about who we are never comes from a request.
        let said = house.get("/.well-known/openid-configuration").await.json();
        assert_eq!(said["issuer"], ISSUER);
        for host in ["acct:alice@evil.example", "https://evil.example/", "acct:alice@home.example.evil.example"] {
            let reply = house.get(&format!("/.well-known/webfinger?{}", encode(&[("resource", host)]))).await;
            assert_eq!(reply.status, StatusCode::NOT_FOUND, "{host}");
        }
    })
    .await;
}

#[tokio::test]
async fn attack_45_a_statement_about_ourselves() {
    on_both_engines(async |house| {
        for path in ["/.well-known/openid-federation", "/federation/fetch", "/federation/resolve"] {
            assert_eq!(house.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
        let said = metadata::document(ISSUER);
        for member in ["client_registration_types_supported", "federation_registration_endpoint", "authority_hints"] {
            assert!(said.get(member).is_none(), "{member}");
        }
        // An entity that signs its own request is unknown, whatever chain it brings along.
        let signer = Holder::new();
        let asks = json!({"iss": "https://rp.example", "client_id": "https://rp.example", "aud": ISSUER,
            "redirect_uri": "https://rp.example/cb", "response_type": "code", "scope": "openid"});
        let chained = json!({"alg": "ES256", "typ": "oauth-authz-req+jwt", "trust_chain": vec!["x.y.z"; 1_000]});
        let object = signer.sign(&chained, &asks);
        let short: String = object.chars().take(6_000).collect();
        for object in [&object, &short] {
            let query = [("client_id", "https://rp.example"), ("request", object.as_str())];
            let reply = house.get(&format!("/authorize?{}", encode(&query))).await;
            assert_eq!((reply.status, reply.location()), (StatusCode::BAD_REQUEST, None));
        }
        // And of one that is known: with a subject, several audiences, or another's key it does not count.
        house.client("signer", |new| new.metadata = json!({"jwks": {"keys": [signer.jwk()]}}).to_string()).await;
        let own = json!({"client_id": "signer", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid"});
        for (key, name, value) in [
            (&signer, "sub", json!("signer")),
            (&signer, "aud", json!([ISSUER, "https://other.example"])),
            (&signer, "iss", json!("other")),
            (&signer, "exp", json!(house.clock.now().secs() - 1)),
            (&Holder::new(), "aud", json!(ISSUER)),
        ] {
            let mut asks = own.clone();
            asks[name] = value;
            let object = key.sign(&json!({"alg": "ES256"}), &asks);
            let reply = visitor(&house, "alice").await.get(&request(&[("client_id", "signer"), ("request", &object)])).await;
            assert_eq!(reply.param("error").as_deref(), Some("invalid_request_object"), "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn attack_46_a_client_that_is_an_address() {
    on_both_engines(async |house| {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for place in [
            format!("http://127.0.0.1:{port}/client.json"),
            format!("https://127.0.0.1:{port}/client.json"),
            "https://user@rp.example/client.json".into(),
            "https://rp.example/a/../client.json".into(),
            "https://rp.example/%2e%2e/client.json".into(),
            "https://rp.example/client.json#x".into(),
        ] {
            let query = request(&[("client_id", &place), ("redirect_uri", "https://rp.example/cb")]);
            let reply = house.get(&query).await;
            assert_eq!((reply.status, reply.location()), (StatusCode::BAD_REQUEST, None), "{place}");
            let grant = [("grant_type", "authorization_code"), ("client_id", &place), ("code", "x")];
            assert_eq!(house.post_as(None, "/token", &grant).await.error(), (401, "invalid_client".into()), "{place}");
        }
        // One that may be such an address is read for people of the house alone: a stranger is asked who they are first.
        let query = request(&[("client_id", "https://rp.example/client.json"), ("redirect_uri", "https://rp.example/cb")]);
        let reply = house.get(&query).await;
        assert!(reply.location().is_some_and(|place| place.starts_with("/sign-in?")), "{:?}", reply.location());
        assert!(tokio::time::timeout(Duration::from_millis(50), listener.accept()).await.is_err(), "nothing was fetched");
    })
    .await;
}

#[tokio::test]
async fn attack_47_a_name_that_is_given_again() {
    on_both_engines(async |house| {
        let before = house.tokens("openid email offline_access").await;
        let sub = claims(text(&before, "id_token"))["sub"].clone();
        let mut browser = visitor(&house, "alice").await;
        assert_eq!(browser.get("/account").await.status, StatusCode::OK);
        // A client that changed its key without our knowing is another.
        let (signer, thief) = (Holder::new(), Holder::new());
        let metadata = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [signer.jwk()]}});
        house.client("signer", |new| new.metadata = metadata.to_string()).await;
        let now = house.clock.now().secs();
        let assertion = json!({"iss": "signer", "sub": "signer", "aud": ISSUER, "exp": now + 60, "jti": "1"});
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "x"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ];
        let token = thief.sign(&json!({"alg": "ES256"}), &assertion);
        let reply = house.post_as(None, "/token", &[&fields[..], &[("client_assertion", &token)]].concat()).await;
        assert_eq!(reply.error(), (401, "invalid_client".into()));
        // Alice goes; somebody else gets her address.
        house.vault.forget(house.alice.id).await.unwrap();
        house.directory.disable_account(house.alice.id).await.unwrap();
        house.directory.remove_account(house.alice.id).await.unwrap();
        let address = Address::parse("alice@home.example").unwrap();
        let new = NewAccount { address, kind: Kind::Person, name: "Another Alice".into(), admin: false };
        assert!(house.directory.add_account(new.clone()).await.is_err(), "not unasked");
        house.directory.forget_former_address(&new.address).await.unwrap();
        let heir = house.directory.add_account(new).await.unwrap();
        assert_ne!(heir.id, house.alice.id);
        house.vault.set_password(heir.id, Some(Secret::new(PASSWORD.into()))).await.unwrap();
        assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER, "the old browser is out");
        assert_eq!(house.userinfo(text(&before, "access_token")).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(house.refresh(text(&before, "refresh_token")).await.error(), (400, "invalid_grant".into()));
        let mut fresh = visitor(&house, "alice").await;
        assert!(fresh.get("/account").await.body.contains("Another Alice"));
        let page = fresh.follow(&request(&[])).await;
        assert!(page.body.contains("/consent"), "what the other agreed to is not hers");
        let code = fresh.consent(&page, "allow").await.param("code").unwrap();
        let after = house.exchange(&code).await.json();
        assert_ne!(claims(text(&after, "id_token"))["sub"], sub, "apps see somebody new");
        // A client that is gone takes its grants along, and its name is not given on with them.
        house.directory.remove_client("app").await.unwrap();
        assert_eq!(house.userinfo(text(&after, "access_token")).await.status, StatusCode::UNAUTHORIZED);
    })
    .await;
}

#[tokio::test]
async fn attack_48_a_logout_token_for_somebody_else() {
    on_both_engines(async |house| {
        let told = json!({"backchannel_logout_uri": "https://told.example/out"}).to_string();
        let secret = house.client("told", |new| new.metadata = told.clone()).await;
        house.client("other", |new| new.metadata = told).await;
        let mut browser = visitor(&house, "alice").await;
        let code = browser.code(&request(&[("client_id", "told"), ("scope", "openid")])).await;
        let tokens = house.exchange_as(("told", &secret), &code, &[]).await.json();
        let seq = house.directory.newest_logout().await.unwrap();
        let form = browser.get("/account").await.field("form");
        browser.post("/sign-out", &[("form", &form)]).await;
        let (_, notices) = house.directory.list_logouts_since(seq).await.unwrap();
        let client = house.directory.find_client("told").await.unwrap().unwrap();
        let [notice] = notices.as_slice() else { panic!("those of that session alone: {notices:?}") };
        assert_eq!(notice.client, client.id, "the other client knows nothing of her");
        let (one, two) = (logout_token::sign(&house.ctx, &client, notice), logout_token::sign(&house.ctx, &client, notice));
        let (one, two) = (one.unwrap(), two.unwrap());
        let said = claims(&one);
        let id_token = claims(text(&tokens, "id_token"));
        assert_eq!((&said["sid"], &said["sub"]), (&id_token["sid"], &id_token["sub"]));
        assert_eq!((text(&said, "aud"), text(&said, "iss")), ("told", ISSUER));
        assert_eq!(said["events"], json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
        assert!(said.get("nonce").is_none());
        assert_ne!(said["jti"], claims(&two)["jti"], "each has its own name, so that it counts once");
        let head: Value = {
            use base64::Engine;
            let octets = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(one.split('.').next().unwrap()).unwrap();
            serde_json::from_slice(&octets).unwrap()
        };
        assert_eq!((text(&head, "typ"), text(&head, "alg")), ("logout+jwt", "RS256"));
        // We are told of nothing ourselves: no page takes a logout token, ours or another's.
        let mut still = visitor(&house, "alice").await;
        for path in ["/logout", "/backchannel-logout", "/backchannel_logout"] {
            still.post(path, &[("logout_token", &one)]).await;
            assert_eq!(still.get("/account").await.status, StatusCode::OK, "{path}");
        }
    })
    .await;
}
