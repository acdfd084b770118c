// SPDX-License-Identifier: AGPL-3.0-or-later
//! 13 to 22: the token endpoint, codes, and what else becomes tokens.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hearth_web::axum::body::Body;
use hearth_web::axum::http::{HeaderValue, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::support::proof::{Holder, post_with, userinfo_with};
use crate::support::{Browser, CALLBACK, House, ISSUER, PASSWORD, Reply, VERIFIER, ask, client, encode, on_both_engines, request};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const BY_KEY: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}"))
}

async fn opens(house: &House, token: &str) -> bool {
    house.userinfo(token).await.status == StatusCode::OK
}

#[tokio::test]
async fn attack_13_a_code_again() {
    on_both_engines(async |house| {
        let code = house.code("openid offline_access").await;
        let tokens = house.exchange(&code).await.json();
        house.clock.advance(Duration::from_secs(21));
        assert_eq!(house.exchange(&code).await.error(), (400, "invalid_grant".into()));
        assert!(!opens(&house, text(&tokens, "access_token")).await, "what it gave is taken back");
        assert_eq!(house.refresh(text(&tokens, "refresh_token")).await.error(), (400, "invalid_grant".into()));
        // Fifty at the same time: one gets tokens.
        let code = house.code("openid").await;
        let replies = futures_util::future::join_all((0..50).map(|_| house.exchange(&code))).await;
        assert_eq!(replies.iter().filter(|reply| reply.status == StatusCode::OK).count(), 1);
    })
    .await;
}

#[tokio::test]
async fn attack_14_a_code_that_is_not_for_this() {
    on_both_engines(async |house| {
        house.directory.add_client(client("other", true, CALLBACK)).await.unwrap();
        let code = house.code("openid").await;
        let wrong = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK";
        for (redirect_uri, verifier) in [
            ("https://app.example/cb", VERIFIER),
            ("https://evil.example/", VERIFIER),
            (CALLBACK, wrong),
            (CALLBACK, &VERIFIER[..42]),
        ] {
            let fields = [
                ("grant_type", "authorization_code"),
                ("code", code.as_str()),
                ("redirect_uri", redirect_uri),
                ("code_verifier", verifier),
            ];
            assert_eq!(house.post("/token", &fields).await.status, StatusCode::BAD_REQUEST, "{redirect_uri} {verifier}");
        }
        let of_other = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("client_id", "other"),
        ];
        assert_eq!(house.post_as(None, "/token", &of_other).await.error(), (400, "invalid_grant".into()));
        let late = house.code("openid").await;
        house.clock.advance(Duration::from_secs(60));
        assert_eq!(house.exchange(&late).await.error(), (400, "invalid_grant".into()), "expired");
        let suspended = house.code("openid").await;
        house.directory.disable_account(house.alice.id).await.unwrap();
        assert_eq!(house.exchange(&suspended).await.error(), (400, "invalid_grant".into()), "suspended");
    })
    .await;
}

#[tokio::test]
async fn attack_15_a_client_that_is_another() {
    on_both_engines(async |house| {
        let secret = house.secret.clone();
        let nearly = format!("{}x", &secret[..secret.len() - 1]);
        let grant = [("grant_type", "refresh_token"), ("refresh_token", "x")];
        let ask = async |basic: Option<(&str, &str)>, more: &[(&str, &str)]| {
            house.post_as(basic, "/token", &[&grant[..], more].concat()).await.error()
        };
        for wrong in [nearly.as_str(), "", "x", &secret[1..]] {
            assert_eq!(ask(Some(("app", wrong)), &[]).await, (401, "invalid_client".into()), "{wrong}");
        }
        let both = [("client_id", "app"), ("client_secret", secret.as_str())];
        assert_eq!(ask(Some(("app", &secret)), &both).await, (400, "invalid_request".into()), "two ways");
        assert_eq!(ask(None, &[("client_id", "phone"), ("client_secret", "x")]).await, (401, "invalid_client".into()));
        assert_eq!(ask(None, &[("client_id", "app")]).await, (401, "invalid_client".into()), "no secret");
        let query = format!("/token?{}", encode(&both));
        assert_eq!(house.post_as(None, &query, &grant).await.error(), (401, "invalid_client".into()), "in a query");
        // Unknown and wrong are told alike.
        let known = house.post_as(Some(("app", "wrong")), "/token", &grant).await;
        let unknown = house.post_as(Some(("nobody", "wrong")), "/token", &grant).await;
        assert_eq!(known.body, unknown.body);
    })
    .await;
    // No time tells how much of a secret is right: a hash is stored, and the hash of what was shown is compared with it in
    // constant time. A clock would show neither reliably, so it is read in the source: no other comparison is there.
    let client = include_str!("../../../lib/identity/src/grants/client.rs");
    let compares: Vec<_> = client.lines().filter(|line| line.contains("secret_hash.") && !line.contains("is_none()")).collect();
    assert!(!client.contains("secret_hash =="), "a hash is not compared by ==");
    let [compares] = compares.as_slice() else { panic!("{compares:?}") };
    assert!(compares.contains("constant_time_eq(&hash, &hash_token(secret.expose()))"), "{compares}");
    let compare = include_str!("../../../lib/types/src/secret.rs");
    let body = compare.split_once("pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {").unwrap().1.split_once('}').unwrap().0;
    assert_eq!(body.trim(), "a.ct_eq(b).into()");
    assert!(compare.contains("use subtle::ConstantTimeEq;"));
}

#[tokio::test]
async fn attack_16_a_signature_that_proves_nothing() {
    on_both_engines(async |house| {
        let signer = Holder::new();
        let mut key = signer.jwk();
        key["kid"] = json!("own");
        let metadata = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key]}});
        house.client("signer", |new| new.metadata = metadata.to_string()).await;
        let now = house.clock.now().secs();
        let claims = |change: Value| {
            let mut claims = json!({"iss": "signer", "sub": "signer", "aud": ISSUER, "exp": now + 60,
                "jti": hearth_identity::grants::new_token().expose()});
            for (name, value) in change.as_object().unwrap() {
                claims[name] = value.clone();
            }
            claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            claims
        };
        let try_it = async |token: &str| {
            let fields = [
                ("grant_type", "refresh_token"),
                ("refresh_token", "x"),
                ("client_assertion_type", BY_KEY),
                ("client_assertion", token),
            ];
            house.post_as(None, "/token", &fields).await.error()
        };
        let header = json!({"alg": "ES256", "kid": "own"});
        let sound = signer.sign(&header, &claims(json!({})));
        assert_eq!(try_it(&sound).await, (400, "invalid_grant".into()), "the client is in, its refresh token is none");
        assert_eq!(try_it(&sound).await, (401, "invalid_client".into()), "its jti again");
        for change in [
            json!({"aud": "https://other.example"}),
            json!({"aud": [ISSUER]}),
            json!({"aud": [ISSUER, "https://other.example"]}),
            json!({"aud": null}),
            json!({"exp": now - 1}),
            json!({"exp": now + 86_400}),
            json!({"exp": null}),
            json!({"nbf": now + 3_600}),
            json!({"jti": null}),
            json!({"sub": null}),
            json!({"sub": "app"}),
            json!({"iss": "app"}),
        ] {
            let token = signer.sign(&header, &claims(change.clone()));
            assert_eq!(try_it(&token).await, (401, "invalid_client".into()), "{change}");
        }
        let thief = Holder::new();
        let jwk = thief.jwk();
        for header in [
            json!({"alg": "none", "kid": "own"}),
            json!({"alg": "HS256", "kid": "own"}),
            json!({"alg": "RS256", "kid": "own"}),
            json!({"alg": "ES256", "kid": "../../etc/passwd"}),
            json!({"alg": "ES256", "kid": "own' OR '1'='1"}),
            json!({"alg": "ES256", "kid": "own", "crit": ["exp"]}),
        ] {
            assert_eq!(try_it(&signer.sign(&header, &claims(json!({})))).await.0, 401, "{header}");
        }
        for header in [
            json!({"alg": "ES256", "jwk": jwk}),
            json!({"alg": "ES256", "kid": "own", "jku": "https://evil.example/jwks.json"}),
            json!({"alg": "ES256", "kid": "own", "x5u": "https://evil.example/cert.pem"}),
        ] {
            assert_eq!(try_it(&thief.sign(&header, &claims(json!({})))).await.0, 401, "a key that it brings along: {header}");
        }
        // HMAC under what everybody can read: our own RSA key, and the client's.
        let rsa = house.get("/jwks.json").await.json()["keys"][0].to_string();
        for public in [rsa, signer.jwk().to_string()] {
            let head = URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "kid": "own"}).to_string());
            let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims(json!({})).to_string()));
            let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, public.as_bytes());
            let tag = URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, signed.as_bytes()));
            assert_eq!(try_it(&format!("{signed}.{tag}")).await.0, 401);
        }
    })
    .await;
}

#[tokio::test]
async fn attack_17_more_than_was_granted() {
    on_both_engines(async |house| {
        for grant in ["client_credentials", DEVICE, "password", "implicit"] {
            let reply = house.post("/token", &[("grant_type", grant), ("scope", "openid"), ("device_code", "x")]).await.error();
            assert!(["unauthorized_client", "unsupported_grant_type"].contains(&reply.1.as_str()), "{grant}: {reply:?}");
        }
        let tokens = house.tokens("openid offline_access").await;
        let token = text(&tokens, "refresh_token");
        let wider = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", "openid mail")];
        assert_eq!(house.post("/token", &wider).await.error(), (400, "invalid_scope".into()));
        let other = house.client("other", |_| {}).await;
        let of_other = [("grant_type", "refresh_token"), ("refresh_token", token)];
        assert_eq!(house.post_as(Some(("other", &other)), "/token", &of_other).await.error(), (400, "invalid_grant".into()));
        let again = house.refresh(token).await;
        assert_eq!(again.status, StatusCode::OK, "what failed has spent nothing");
        let token = text(&again.json(), "refresh_token").to_string();
        house.post("/revoke", &[("token", &token)]).await;
        assert_eq!(house.refresh(&token).await.error(), (400, "invalid_grant".into()), "revoked");

        let tokens = house.tokens("openid offline_access").await;
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let form = browser.get("/account/password").await.field("form");
        let new = "four words that differ";
        let fields = [("form", form.as_str()), ("current", PASSWORD), ("new", new), ("again", new)];
        assert_eq!(browser.post("/account/password", &fields).await.status, StatusCode::OK);
        assert_eq!(house.refresh(text(&tokens, "refresh_token")).await.error(), (400, "invalid_grant".into()), "password");
        let mut bob = house.browser();
        bob.sign_in("bob").await;
        let tokens = house.exchange(&bob.code(&request(&[("scope", "openid offline_access")])).await).await.json();
        let account = house.directory.find_account_by_address(&"bob@home.example".parse().unwrap()).await.unwrap().unwrap();
        house.directory.disable_account(account.id).await.unwrap();
        assert_eq!(house.refresh(text(&tokens, "refresh_token")).await.error(), (400, "invalid_grant".into()), "disabled");
    })
    .await;
}

#[tokio::test]
async fn attack_18_a_refresh_token_in_two_hands() {
    on_both_engines(async |house| {
        let ended = (400, "invalid_grant".to_string());
        // A lost answer: the same token again, its successor unused. It is given again, once.
        let first = house.tokens("openid offline_access").await;
        let lost = house.refresh(text(&first, "refresh_token")).await.json();
        let second = house.refresh(text(&first, "refresh_token")).await;
        assert_eq!(second.status, StatusCode::OK, "tolerated once");
        assert!(!opens(&house, text(&lost, "access_token")).await, "the lost pair is worth nothing");
        let third = house.refresh(text(&second.json(), "refresh_token")).await.json();
        assert!(opens(&house, text(&third, "access_token")).await);
        // The answer was not lost, but a thief's or the owner's: who comes second shows that there are two. Nobody has
        // anything any more.
        assert_eq!(house.refresh(text(&lost, "refresh_token")).await.error(), ended);
        assert!(!opens(&house, text(&third, "access_token")).await);
        assert_eq!(house.refresh(text(&third, "refresh_token")).await.error(), ended);
        // A thief: the token again, its successor used.
        let first = house.tokens("openid offline_access").await;
        let second = house.refresh(text(&first, "refresh_token")).await.json();
        let third = house.refresh(text(&second, "refresh_token")).await.json();
        assert!(opens(&house, text(&third, "access_token")).await);
        assert_eq!(house.refresh(text(&first, "refresh_token")).await.error(), ended);
        assert_eq!(house.refresh(text(&third, "refresh_token")).await.error(), ended);
        assert!(!opens(&house, text(&third, "access_token")).await);
        // Who asks a third time lost no answer.
        let first = house.tokens("openid offline_access").await;
        house.refresh(text(&first, "refresh_token")).await.json();
        let second = house.refresh(text(&first, "refresh_token")).await.json();
        assert_eq!(house.refresh(text(&first, "refresh_token")).await.error(), ended);
        assert_eq!(house.refresh(text(&second, "refresh_token")).await.error(), ended);
        // Twenty at once, whatever order they come in: two are answered at most, and nothing is left of it.
        let first = house.tokens("openid offline_access").await;
        let token = text(&first, "refresh_token");
        let replies = futures_util::future::join_all((0..20).map(|_| house.refresh(token))).await;
        let answered: Vec<_> = replies.iter().filter(|reply| reply.status == StatusCode::OK).map(Reply::json).collect();
        assert!(answered.len() <= 2, "{}", answered.len());
        for tokens in &answered {
            assert!(!opens(&house, text(tokens, "access_token")).await);
            assert_eq!(house.refresh(text(tokens, "refresh_token")).await.error(), ended);
        }
        // Two at once are one that asks and one that asks again: one line of the grant goes on.
        let first = house.tokens("openid offline_access").await;
        let token = text(&first, "refresh_token");
        let replies = futures_util::future::join_all((0..2).map(|_| house.refresh(token))).await;
        let mut alive = 0;
        for reply in &replies {
            assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
            alive += usize::from(opens(&house, text(&reply.json(), "access_token")).await);
        }
        assert_eq!(alive, 1);
    })
    .await;
}

#[tokio::test]
async fn attack_19_a_proof_of_another_request() {
    on_both_engines(async |house| {
        let (holder, thief) = (Holder::new(), Holder::new());
        let app = ("app", house.secret.as_str());
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let code = browser.code(&request(&[("scope", "openid"), ("dpop_jkt", &holder.thumbprint())])).await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let exchange = async |proofs: &[&str]| post_with(&house, app, "/token", proofs, &fields).await;
        let proof =
            |who: &Holder, header: Value, claims: Value| who.proof("POST", "/token", house.clock.now(), None, header, claims);
        let now = house.clock.now().secs();
        let with = |name: &str| {
            let mut key = holder.jwk();
            key[name] = json!("AA");
            json!({ "jwk": key })
        };
        for (header, claims) in [
            (json!({}), json!({"htm": "GET"})),
            (json!({}), json!({"htu": "https://evil.example/token"})),
            (json!({}), json!({"htu": ["https://id.home.example/token"]})),
            (json!({}), json!({"htu": 7})),
            (json!({}), json!({"iat": now - 61})),
            (json!({}), json!({"iat": now + 61})),
            (json!({}), json!({"iat": "now"})),
            (json!({}), json!({"nbf": now + 3_600})),
            (json!({}), json!({"exp": now - 3_600})),
            (json!({}), json!({"jti": null})),
            (json!({"typ": "JWT"}), json!({})),
            (json!({"alg": "RS256"}), json!({})),
            (json!({"alg": "none"}), json!({})),
            (json!({"alg": "HS256", "jwk": {"kty": "oct", "k": "AA"}}), json!({})),
            (json!({"jwk": thief.jwk()}), json!({})),
            (with("d"), json!({})),
        ] {
            let proof = proof(&holder, header.clone(), claims.clone());
            assert_eq!(exchange(&[&proof]).await.error(), (400, "invalid_dpop_proof".into()), "{header} {claims}");
        }
        let (one, two) = (proof(&holder, json!({}), json!({})), proof(&holder, json!({}), json!({})));
        assert_eq!(exchange(&[&one, &two]).await.error(), (400, "invalid_dpop_proof".into()), "two");
        let stolen = proof(&thief, json!({}), json!({}));
        assert_eq!(exchange(&[&stolen]).await.error(), (400, "invalid_grant".into()), "dpop_jkt names another key");
        // None of them spent the code.
        let tokens = exchange(&[&two]).await.json();
        let access = text(&tokens, "access_token");
        let right = holder.simple(&house, "GET", "/userinfo", Some(access));
        assert_eq!(userinfo_with(&house, "Bearer", access, None).await.status, StatusCode::UNAUTHORIZED, "as Bearer");
        let without = holder.simple(&house, "GET", "/userinfo", None);
        let foreign = holder.simple(&house, "GET", "/userinfo", Some("another"));
        for ath in [without, foreign] {
            assert_eq!(userinfo_with(&house, "DPoP", access, Some(&ath)).await.status, StatusCode::UNAUTHORIZED);
        }
        assert_eq!(userinfo_with(&house, "DPoP", access, Some(&right)).await.status, StatusCode::OK);
        // As long as its time could still be right it is not taken again, even at the end of it.
        house.clock.advance(Duration::from_secs(60));
        assert_eq!(userinfo_with(&house, "DPoP", access, Some(&right)).await.status, StatusCode::UNAUTHORIZED, "again");
    })
    .await;
}

#[tokio::test]
async fn attack_20_a_device_code_for_somebody_else() {
    on_both_engines(async |house| {
        let secret = house.client("tv", |new| new.grant_types = vec![DEVICE.into()]).await;
        let other = house.client("tv2", |new| new.grant_types = vec![DEVICE.into()]).await;
        let begin = async || house.post_as(Some(("tv", &secret)), "/device-authorization", &[("scope", "openid")]).await.json();
        let poll = async |client: (&str, &str), code: &str| {
            house.post_as(Some(client), "/token", &[("grant_type", DEVICE), ("device_code", code)]).await
        };
        let tv = ("tv", secret.as_str());
        let asked = begin().await;
        let (device_code, user_code) = (text(&asked, "device_code").to_string(), text(&asked, "user_code").to_string());
        assert_eq!(poll(("tv2", &other), &device_code).await.error(), (400, "invalid_grant".into()), "another client");
        assert_eq!(poll(tv, &device_code).await.error(), (400, "authorization_pending".into()));
        house.clock.advance(Duration::from_secs(4));
        assert_eq!(poll(tv, &device_code).await.error(), (400, "slow_down".into()));
        house.clock.advance(Duration::from_secs(6));
        assert_eq!(poll(tv, &device_code).await.error(), (400, "slow_down".into()), "five seconds more than before");
        // A link to the page decides nothing; the page says who asks and from where, and a click is needed.
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let page = browser.get(&format!("/device?user_code={user_code}")).await;
        assert!(!page.body.contains("The tv"));
        let confirm = browser.post("/device", &[("form", &page.field("form")), ("user_code", &user_code)]).await;
        assert!(confirm.body.contains("The tv &#60;b&#62;") && confirm.body.contains("0.0.0.0"), "{}", confirm.body);
        assert_eq!(poll(tv, &device_code).await.status, StatusCode::BAD_REQUEST, "looking decides nothing");
        let form = confirm.field("form");
        let fields = [("form", form.as_str()), ("user_code", &user_code), ("decision", "allow")];
        assert_eq!(browser.post("/device/decide", &fields).await.status, StatusCode::OK);
        assert_eq!(browser.post("/device/decide", &fields).await.status, StatusCode::NOT_FOUND, "twice");
        let late = begin().await;
        house.clock.advance(Duration::from_secs(600));
        assert_eq!(poll(tv, text(&late, "device_code")).await.error(), (400, "expired_token".into()));
        let form = browser.get("/device").await.field("form");
        let mut last = StatusCode::OK;
        for guess in 0..400 {
            let code = format!("BBBB-{}", "BCDF".chars().cycle().skip(guess % 4).take(4).collect::<String>());
            last = browser.post("/device", &[("form", &form), ("user_code", &code)]).await.status;
            if last == StatusCode::TOO_MANY_REQUESTS {
                break;
            }
        }
        assert_eq!(last, StatusCode::TOO_MANY_REQUESTS, "guessing");
    })
    .await;
}

#[tokio::test]
async fn attack_21_one_token_for_a_better_one() {
    on_both_engines(async |house| {
        // No client may exchange tokens that was not let to; a token of something else is not exchanged for more.
        let tokens = house.tokens("openid").await;
        let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
        let kind = "urn:ietf:params:oauth:token-type:access_token";
        let foreign = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL290aGVyLmV4YW1wbGUifQ.";
        for subject in [text(&tokens, "access_token"), text(&tokens, "id_token"), foreign] {
            for more in [("scope", "openid mail"), ("actor_token", subject), ("audience", "https://other.example")] {
                let fields = [
                    ("grant_type", exchange),
                    ("subject_token", subject),
                    ("subject_token_type", kind),
                    ("actor_token_type", kind),
                    more,
                ];
                let reply = house.post("/token", &fields).await;
                assert!(reply.status.is_client_error() && !reply.body.contains("access_token\":"), "{}", reply.body);
                let (_, error) = reply.error();
                assert!(["unsupported_grant_type", "unauthorized_client"].contains(&error.as_str()), "{error}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn attack_22_a_header_that_can_be_read_two_ways() {
    on_both_engines(async |house| {
        let send = async |field: HeaderValue| -> Reply {
            let request = Request::post("/token")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::AUTHORIZATION, field);
            let body = encode(&[("grant_type", "refresh_token"), ("refresh_token", "x")]);
            ask(&house.router, request.body(Body::from(body)).unwrap()).await
        };
        let basic = |octets: &[u8]| HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(octets))).unwrap();
        let secret = house.secret.clone();
        for field in [
            HeaderValue::from_static("Basic"),
            HeaderValue::from_static("Basic !!!!"),
            HeaderValue::from_static("Basic YXBw"),
            HeaderValue::from_static("Digest YXBwOng="),
            HeaderValue::from_bytes(b"Basic \xff\xfe").unwrap(),
            basic(b"app"),
            basic(b"\xff\xfe:x"),
            basic(b"app:\xff"),
            basic(b":"),
            basic(b""),
        ] {
            assert_eq!(send(field.clone()).await.error(), (401, "invalid_client".into()), "{field:?}");
        }
        // RFC 6749 §2.3.1: both halves are form-encoded; a secret of ours reads the same either way.
        let encoded: String = secret.bytes().map(|octet| format!("%{octet:02X}")).collect();
        for credential in [format!("app:{secret}"), format!("%61pp:{encoded}")] {
            assert_eq!(send(basic(credential.as_bytes())).await.error(), (400, "invalid_grant".into()), "{credential}");
        }
        assert!(secret.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet)));
        let sum = send(basic(format!("a+pp:{secret}").as_bytes())).await;
        assert_eq!(sum.error(), (401, "invalid_client".into()), "a plus is a space, and no client is called so");
    })
    .await;
}

/// Somebody who is signed in; for the tests of other files.
pub async fn visitor(house: &House, who: &str) -> Browser {
    let mut browser = house.browser();
    browser.sign_in(who).await;
    browser
}
