// SPDX-License-Identifier: AGPL-3.0-or-later
//! Ways to tokens beside the plain code: pushed requests, devices, programs of their own, bound and signed tokens.
//! Numbers are those of the list of attacks: 6, 19, 20, 24 to 26.

mod support;

use std::time::Duration;

use hearth_identity::directory::{Kind, MemberRole, NewAccount};
use hearth_identity::login::Service;
use hearth_oauth::gate::Doorkeeper;
use hearth_types::{Address, Secret};
use hearth_web::axum::http::StatusCode;
use serde_json::{Value, json};
use support::proof::{Holder, post_with, userinfo_with};
use support::{Browser, CALLBACK, CHALLENGE, House, ISSUER, Reply, VERIFIER, claims, on_both_engines, request};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

async fn signed_in(house: &House) -> Browser {
    let mut browser = house.browser();
    browser.sign_in("alice").await;
    browser
}

async fn push(house: &House, client: (&str, &str), more: &[(&str, &str)]) -> Reply {
    let fields = [
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid email"),
        ("state", "pushed"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    house.post_as(Some(client), "/par", &[&fields[..], more].concat()).await
}

fn pointed(client: &str, uri: &str) -> String {
    format!(
        "/authorize?{}",
        support::encode(&[("client_id", client), ("request_uri", uri), ("scope", "openid mail"), ("state", "forged")])
    )
}

#[tokio::test]
async fn a_request_that_was_pushed_is_what_was_pushed_and_once() {
    on_both_engines(async |house| {
        let secret = house.secret.clone();
        let reply = push(&house, ("app", &secret), &[]).await;
        assert_eq!((reply.status, reply.json()["expires_in"].as_u64()), (StatusCode::CREATED, Some(600)));
        let uri = text(&reply.json(), "request_uri").to_string();
        let mut browser = signed_in(&house).await;
        let page = browser.follow(&pointed("app", &uri)).await;
        assert!(page.body.contains("See your mail address") && !page.body.contains("all your mail"), "{}", page.body);
        let done = browser.consent(&page, "allow").await;
        assert_eq!(done.param("state").as_deref(), Some("pushed"), "what the address says besides counts for nothing");
        assert_eq!(house.exchange(&done.param("code").unwrap()).await.status, StatusCode::OK);
        // 6: again, another client's, too late, one in the other, by GET.
        let again = browser.get(&pointed("app", &uri)).await;
        assert_eq!((again.status, again.location()), (StatusCode::BAD_REQUEST, None));
        let other = house.client("other", |_| {}).await;
        let uri = text(&push(&house, ("app", &secret), &[]).await.json(), "request_uri").to_string();
        assert_eq!(browser.get(&pointed("other", &uri)).await.status, StatusCode::BAD_REQUEST);
        house.clock.advance(Duration::from_secs(600));
        assert_eq!(browser.get(&pointed("app", &uri)).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(push(&house, ("app", &secret), &[("request_uri", &uri)]).await.error(), (400, "invalid_request".into()));
        assert_eq!(push(&house, ("app", &other), &[]).await.error(), (401, "invalid_client".into()));
        assert_eq!(house.get("/par").await.status, StatusCode::METHOD_NOT_ALLOWED);
        let elsewhere = [("redirect_uri", "https://evil.example/"), ("response_type", "code"), ("scope", "openid")];
        assert_eq!(house.post_as(Some(("app", &secret)), "/par", &elsewhere).await.error(), (400, "invalid_request".into()));
        let posted = [
            ("client_id", "app"),
            ("client_secret", secret.as_str()),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        assert_eq!(house.post_as(None, "/par", &posted).await.status, StatusCode::CREATED, "by client_secret_post too");
        assert_eq!(
            browser.get(&pointed("app", "https://127.0.0.1/")).await.param("error").as_deref().or(Some("page")),
            Some("page"),
            "5: nothing is fetched"
        );
    })
    .await;
}

#[tokio::test]
async fn a_client_that_pushes_takes_no_other_request() {
    on_both_engines(async |house| {
        let secret =
            house.client("pushing", |new| new.metadata = json!({"require_pushed_authorization_requests": true}).to_string()).await;
        let mut browser = signed_in(&house).await;
        assert_eq!(browser.get(&request(&[("client_id", "pushing")])).await.status, StatusCode::BAD_REQUEST);
        let uri = text(&push(&house, ("pushing", &secret), &[]).await.json(), "request_uri").to_string();
        assert!(browser.follow(&pointed("pushing", &uri)).await.body.contains("/consent"));
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_posted() {
    on_both_engines(async |house| {
        let mut browser = signed_in(&house).await;
        let page = browser.follow(&request(&[("response_mode", "form_post")])).await;
        let reply = browser.consent(&page, "allow").await;
        assert_eq!((reply.status, reply.location()), (StatusCode::OK, None));
        assert!(reply.body.contains("action=\"https://app.example/cb?from=hearth\""), "{}", reply.body);
        assert_eq!((reply.field("state"), reply.field("iss")), ("s&t".into(), ISSUER.into()));
        let policy = reply.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("script-src 'self'") && policy.contains("form-action 'self' https:"), "{policy}");
        assert_eq!(reply.headers["cache-control"], "no-store");
        assert_eq!(house.exchange(&reply.field("code")).await.status, StatusCode::OK);
        let refused = browser.get(&request(&[("response_mode", "form_post"), ("prompt", "none"), ("max_age", "0")])).await;
        assert_eq!((refused.field("error"), refused.field("iss")), ("login_required".into(), ISSUER.into()));
    })
    .await;
}

#[tokio::test]
async fn a_device_gets_nothing_for_who_is_taken_off_the_list_meanwhile() {
    on_both_engines(async |house| {
        let secret = house.client("tv", |new| new.grant_types = vec!["refresh_token".into(), DEVICE.into()]).await;
        let tv = house.directory.find_client("tv").await.unwrap().unwrap().id;
        house.directory.add_client_access(tv, house.alice.id).await.unwrap();
        let asked = house.post_as(Some(("tv", &secret)), "/device-authorization", &[("scope", "openid email")]).await.json();
        let mut browser = signed_in(&house).await;
        let form = browser.get("/device").await.field("form");
        let confirm = browser.post("/device", &[("form", &form), ("user_code", text(&asked, "user_code"))]).await;
        let form = confirm.field("form");
        let fields = [("form", form.as_str()), ("user_code", text(&asked, "user_code")), ("decision", "allow")];
        assert!(browser.post("/device/decide", &fields).await.body.contains("The device is in"));
        house.directory.remove_client_access(tv, house.alice.id).await.unwrap();
        let fields = [("grant_type", DEVICE), ("device_code", text(&asked, "device_code"))];
        let polled = house.post_as(Some(("tv", &secret)), "/token", &fields).await;
        assert_eq!(polled.error(), (400, "access_denied".into()), "{}", polled.body);
    })
    .await;
}

#[tokio::test]
async fn a_device_is_let_in_by_who_has_it() {
    on_both_engines(async |house| {
        let secret = house.client("tv", |new| new.grant_types = vec!["refresh_token".into(), DEVICE.into()]).await;
        let begin =
            async || house.post_as(Some(("tv", &secret)), "/device-authorization", &[("scope", "openid email")]).await.json();
        let poll = async |code: &str| {
            house.post_as(Some(("tv", &secret)), "/token", &[("grant_type", DEVICE), ("device_code", code)]).await
        };
        let asked = begin().await;
        let (device_code, user_code) = (text(&asked, "device_code").to_string(), text(&asked, "user_code").to_string());
        assert_eq!(text(&asked, "verification_uri"), format!("{ISSUER}/device"));
        assert_eq!(poll(&device_code).await.error(), (400, "authorization_pending".into()));
        assert_eq!(poll(&device_code).await.error(), (400, "slow_down".into()));
        let foreign = house.post("/token", &[("grant_type", DEVICE), ("device_code", &device_code)]).await;
        assert_eq!(foreign.error(), (400, "unauthorized_client".into()));
        let another = house.client("tv2", |new| new.grant_types = vec![DEVICE.into()]).await;
        let fields = [("grant_type", DEVICE), ("device_code", device_code.as_str())];
        assert_eq!(house.post_as(Some(("tv2", &another)), "/token", &fields).await.error(), (400, "invalid_grant".into()), "20");

        let mut browser = house.browser();
        assert_eq!(browser.get("/device").await.location().as_deref(), Some("/sign-in?to=device"));
        browser.sign_in("alice").await;
        // 20: the address alone does nothing, and the page says who asks, from where, for what.
        let page = browser.get(&format!("/device?user_code={user_code}")).await;
        assert!(page.body.contains(&user_code) && !page.body.contains("The tv"), "{}", page.body);
        let typed = user_code.to_lowercase().replace('-', " ");
        let confirm = browser.post("/device", &[("form", &page.field("form")), ("user_code", &typed)]).await;
        for said in ["The tv &#60;b&#62;", &user_code, "See your mail address", "0.0.0.0"] {
            assert!(confirm.body.contains(said), "{said}: {}", confirm.body);
        }
        let form = confirm.field("form");
        let other = begin().await;
        let decide = async |browser: &mut Browser, form: &str, code: &str, decision: &str| {
            browser.post("/device/decide", &[("form", form), ("user_code", code), ("decision", decision)]).await
        };
        assert_eq!(
            decide(&mut browser, &form, text(&other, "user_code"), "allow").await.status,
            StatusCode::FORBIDDEN,
            "9: another code"
        );
        assert!(decide(&mut browser, &form, &user_code, "allow").await.body.contains("The device is in"));
        assert_eq!(decide(&mut browser, &form, &user_code, "allow").await.status, StatusCode::NOT_FOUND, "20: once");
        house.clock.advance(Duration::from_secs(11));
        let tokens = poll(&device_code).await.json();
        assert_eq!(text(&tokens, "scope"), "openid email");
        assert_eq!(claims(text(&tokens, "id_token"))["amr"], json!(["pwd"]));
        assert_eq!(poll(&device_code).await.error(), (400, "invalid_grant".into()));
        // It outlives the browser, and not the account page's word.
        let form = browser.get("/account").await.field("form");
        browser.post("/sign-out", &[("form", &form)]).await;
        assert_eq!(house.userinfo(text(&tokens, "access_token")).await.status, StatusCode::OK);

        let mut browser = signed_in(&house).await;
        let page = browser.get("/device").await;
        let confirm = browser.post("/device", &[("form", &page.field("form")), ("user_code", text(&other, "user_code"))]).await;
        decide(&mut browser, &confirm.field("form"), text(&other, "user_code"), "deny").await;
        assert_eq!(poll(text(&other, "device_code")).await.error(), (400, "access_denied".into()));
        let late = begin().await;
        house.clock.advance(Duration::from_secs(600));
        assert_eq!(poll(text(&late, "device_code")).await.error(), (400, "expired_token".into()));
        let form = browser.get("/device").await.field("form");
        let mut last = StatusCode::OK;
        for _ in 0..400 {
            last = browser.post("/device", &[("form", &form), ("user_code", "BBBB-BBBB")]).await.status;
            if last == StatusCode::TOO_MANY_REQUESTS {
                break;
            }
        }
        assert_eq!(last, StatusCode::TOO_MANY_REQUESTS, "20: codes are not tried until one fits");
    })
    .await;
}

#[tokio::test]
async fn a_program_acts_for_itself() {
    on_both_engines(async |house| {
        let printer = NewAccount {
            address: Address::parse("printer@home.example").unwrap(),
            kind: Kind::Service,
            name: "Printer".into(),
            admin: false,
        };
        let printer = house.directory.add_account(printer).await.unwrap();
        let service = |id: String| json!({"hearth_service_account": id}).to_string();
        let grants = vec!["client_credentials".to_string()];
        let secret = house
            .client("printer", |new| {
                new.grant_types = grants.clone();
                new.metadata = service(printer.id.to_string());
            })
            .await;
        let fields = [("grant_type", "client_credentials"), ("scope", "mail openid offline_access")];
        let tokens = house.post_as(Some(("printer", &secret)), "/token", &fields).await.json();
        assert_eq!(text(&tokens, "scope"), "mail");
        assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none());
        let doorkeeper = Doorkeeper::with_issuer(house.vault.clone(), house.directory.clone(), house.clock.clone(), ISSUER.into());
        let opens = async |token: &str| {
            let peer = "192.0.2.9".parse().unwrap();
            doorkeeper.bearer(&Secret::new(token.to_string()), Service::Smtp, peer).await.unwrap().map(|login| login.account).ok()
        };
        assert_eq!(opens(text(&tokens, "access_token")).await, Some(printer.id));
        // A person is no service account, and a client without one has nobody to act as.
        let alice = house
            .client("sly", |new| {
                new.grant_types = grants.clone();
                new.metadata = service(house.alice.id.to_string());
            })
            .await;
        let refused = house.post_as(Some(("sly", &alice)), "/token", &fields).await;
        assert_eq!(refused.error(), (400, "unauthorized_client".into()));
        assert_eq!(house.post("/token", &fields).await.error(), (400, "unauthorized_client".into()), "17: not its grant");
        house.directory.disable_account(printer.id).await.unwrap();
        assert_eq!(opens(text(&tokens, "access_token")).await, None);
        assert_eq!(house.post_as(Some(("printer", &secret)), "/token", &fields).await.error().0, 400);
    })
    .await;
}

#[tokio::test]
async fn a_bound_token_wants_its_key() {
    on_both_engines(async |house| {
        let (holder, thief) = (Holder::new(), Holder::new());
        let app = ("app", house.secret.as_str());
        let mut browser = signed_in(&house).await;
        let code = browser.code(&request(&[("scope", "openid email"), ("dpop_jkt", &holder.thumbprint())])).await;
        let fields = |code: &str| {
            [
                ("grant_type", "authorization_code".to_string()),
                ("code", code.into()),
                ("redirect_uri", CALLBACK.into()),
                ("code_verifier", VERIFIER.into()),
            ]
        };
        let exchange = async |proofs: &[&str], code: &str| {
            let fields = fields(code);
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            post_with(&house, app, "/token", proofs, &fields).await
        };
        let at =
            |holder: &Holder, header: Value, claims: Value| holder.proof("POST", "/token", house.clock.now(), None, header, claims);
        // 19: each is refused before the code is spent.
        let now = house.clock.now().secs();
        for (why, header, claims) in [
            ("method", json!({}), json!({"htm": "GET"})),
            ("address", json!({}), json!({"htu": format!("{ISSUER}/tokens")})),
            ("no text", json!({}), json!({"htu": 1})),
            ("stale", json!({}), json!({"iat": now - 61})),
            ("future", json!({}), json!({"iat": now + 61})),
            ("no jti", json!({}), json!({"jti": null})),
            ("kind", json!({"typ": "JWT"}), json!({})),
            ("alg", json!({"alg": "RS256"}), json!({})),
            ("none", json!({"alg": "none"}), json!({})),
            ("another key", json!({"jwk": thief.jwk()}), json!({})),
            (
                "secret",
                json!({"jwk": {"kty": "EC", "crv": "P-256", "x": holder.jwk()["x"], "y": holder.jwk()["y"], "d": "AA"}}),
                json!({}),
            ),
            ("symmetric", json!({"alg": "HS256", "jwk": {"kty": "oct", "k": "AA"}}), json!({})),
        ] {
            let proof = at(&holder, header, claims);
            assert_eq!(exchange(&[&proof], &code).await.error(), (400, "invalid_dpop_proof".into()), "{why}");
        }
        let (one, two) = (at(&holder, json!({}), json!({})), at(&holder, json!({}), json!({})));
        assert_eq!(exchange(&[&one, &two], &code).await.error(), (400, "invalid_dpop_proof".into()), "two");
        let of_thief = at(&thief, json!({}), json!({}));
        assert_eq!(exchange(&[&of_thief], &code).await.error(), (400, "invalid_grant".into()), "the code is bound too");
        assert_eq!(exchange(&[], &code).await.error(), (400, "invalid_grant".into()));
        let tokens = exchange(&[&two], &code).await.json();
        assert_eq!(text(&tokens, "token_type"), "DPoP");
        let access = text(&tokens, "access_token");
        let of = |holder: &Holder, token: &str| holder.simple(&house, "GET", "/userinfo", Some(token));
        let right = of(&holder, access);
        assert_eq!(userinfo_with(&house, "DPoP", access, Some(&right)).await.status, StatusCode::OK);
        assert_eq!(userinfo_with(&house, "DPoP", access, Some(&right)).await.status, StatusCode::UNAUTHORIZED, "a replay");
        for (scheme, proof) in [
            ("Bearer", None),
            ("Bearer", Some(of(&holder, access))),
            ("DPoP", None),
            ("DPoP", Some(of(&thief, access))),
            ("DPoP", Some(of(&holder, "another"))),
            ("DPoP", Some(holder.simple(&house, "GET", "/userinfo", None))),
        ] {
            let reply = userinfo_with(&house, scheme, access, proof.as_deref()).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{scheme} {proof:?}");
        }
        let told = house.post("/introspect", &[("token", access)]).await.json();
        assert_eq!((text(&told, "token_type"), text(&told["cnf"], "jkt")), ("DPoP", holder.thumbprint().as_str()));
    })
    .await;
}

#[tokio::test]
async fn a_public_clients_refresh_token_is_bound_and_mail_never_is() {
    on_both_engines(async |house| {
        let holder = Holder::new();
        let mut browser = signed_in(&house).await;
        let code = async |browser: &mut Browser, scope: &str| {
            browser.code(&request(&[("client_id", "phone"), ("redirect_uri", "http://127.0.0.1/cb"), ("scope", scope)])).await
        };
        let post = async |proof: Option<String>, fields: &[(&str, &str)]| {
            let mut all = vec![("client_id", "phone")];
            all.extend_from_slice(fields);
            let mut request =
                hearth_web::axum::http::Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
            if let Some(proof) = proof {
                request = request.header("DPoP", proof);
            }
            support::ask(&house.router, request.body(hearth_web::axum::body::Body::from(support::encode(&all))).unwrap()).await
        };
        let proof = || Some(holder.simple(&house, "POST", "/token", None));
        let exchange = |code: &str| {
            [
                ("grant_type", "authorization_code".to_string()),
                ("code", code.to_string()),
                ("redirect_uri", "http://127.0.0.1/cb".into()),
                ("code_verifier", VERIFIER.into()),
            ]
        };
        let borrowed =
            |fields: &[(&'static str, String)]| fields.iter().map(|(name, value)| (*name, value.clone())).collect::<Vec<_>>();
        let fields = borrowed(&exchange(&code(&mut browser, "openid offline_access").await));
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let tokens = post(proof(), &fields).await.json();
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", text(&tokens, "refresh_token"))];
        assert_eq!(post(None, &refresh).await.error(), (400, "invalid_grant".into()));
        let thief = Some(Holder::new().simple(&house, "POST", "/token", None));
        assert_eq!(post(thief, &refresh).await.error(), (400, "invalid_grant".into()));
        assert_eq!(post(proof(), &refresh).await.status, StatusCode::OK, "what failed has spent nothing");

        let fields = borrowed(&exchange(&code(&mut browser, "openid mail").await));
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let tokens = post(proof(), &fields).await.json();
        assert_eq!(text(&tokens, "token_type"), "Bearer");
    })
    .await;
}

#[tokio::test]
async fn tokens_are_for_whom_they_were_asked_for() {
    on_both_engines(async |house| {
        let api = "https://api.example/v1";
        let chosen = json!({"hearth_resources": [api], "hearth_access_token": "jwt"}).to_string();
        let secret = house.client("jwt", |new| new.metadata = chosen).await;
        let client = ("jwt", secret.as_str());
        let mut browser = signed_in(&house).await;
        let ask = |more: &[(&str, &str)]| request(&[&[("client_id", "jwt"), ("scope", "openid email groups")][..], more].concat());
        let code = browser.code(&ask(&[("resource", api)])).await;
        let tokens = house.exchange_as(client, &code, &[]).await.json();
        let access = text(&tokens, "access_token");
        let header: Value = serde_json::from_slice(
            &base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, access.split('.').next().unwrap()).unwrap(),
        )
        .unwrap();
        let said = claims(access);
        assert_eq!((text(&header, "typ"), text(&header, "alg"), &said["aud"]), ("at+jwt", "RS256", &json!([api])));
        assert_eq!(
            (text(&said, "client_id"), text(&said, "iss"), text(&said, "sub")),
            ("jwt", ISSUER, house.alice.id.to_string().as_str())
        );
        assert_eq!((said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), &said["groups"]), (300, &json!([])));
        // 26: it is for the API, so it does not open userinfo.
        assert_eq!(house.userinfo(access).await.status, StatusCode::UNAUTHORIZED);
        let told = house.post_as(Some(client), "/introspect", &[("token", access)]).await.json();
        assert_eq!((told["active"].as_bool(), &told["aud"]), (Some(true), &json!([api])), "looked up and taken back as ever");
        house.post_as(Some(client), "/revoke", &[("token", access)]).await;
        assert_eq!(house.post_as(Some(client), "/introspect", &[("token", access)]).await.json(), json!({"active": false}));
        // 24: it is no ID token, and an ID token is no access token.
        let mut other = signed_in(&house).await;
        let page = other.get(&format!("/logout?{}", support::encode(&[("id_token_hint", access)]))).await;
        assert!(page.body.contains("Sign out?"));
        assert_eq!(house.userinfo(text(&tokens, "id_token")).await.status, StatusCode::UNAUTHORIZED);
        // Without a resource it is for the client and for us.
        let code = browser.code(&ask(&[])).await;
        let tokens = house.exchange_as(client, &code, &[]).await.json();
        assert_eq!(claims(text(&tokens, "access_token"))["aud"], "jwt");
        assert_eq!(house.userinfo(text(&tokens, "access_token")).await.status, StatusCode::OK);
        // What opens mail is never signed, and what is for something else opens no mail.
        let code = browser.code(&request(&[("client_id", "jwt"), ("scope", "openid mail")])).await;
        let tokens = house.exchange_as(client, &code, &[]).await.json();
        assert_eq!(text(&tokens, "access_token").split('.').count(), 1);
        let doorkeeper = Doorkeeper::with_issuer(house.vault.clone(), house.directory.clone(), house.clock.clone(), ISSUER.into());
        let opens = async |token: &str| {
            doorkeeper.bearer(&Secret::new(token.to_string()), Service::Imap, "192.0.2.9".parse().unwrap()).await.unwrap().is_ok()
        };
        assert!(opens(text(&tokens, "access_token")).await);
        for (resource, opened) in [(api, false), ("https://mail.home.example", true)] {
            let code = browser.code(&request(&[("client_id", "jwt"), ("scope", "openid mail"), ("resource", resource)])).await;
            let tokens = house.exchange_as(client, &code, &[]).await.json();
            assert_eq!(opens(text(&tokens, "access_token")).await, opened, "26: {resource}");
        }
        let refused = browser.get(&ask(&[("resource", "https://evil.example")])).await;
        assert_eq!(refused.param("error").as_deref(), Some("invalid_target"));
        let code = browser.code(&ask(&[("resource", api)])).await;
        let wider = house.exchange_as(client, &code, &[("resource", ISSUER)]).await;
        assert_eq!(wider.error(), (400, "invalid_grant".into()));
    })
    .await;
}

#[tokio::test]
async fn who_is_wanted_and_how_sure() {
    on_both_engines(async |house| {
        let mut browser = signed_in(&house).await;
        let tokens = house.exchange(&browser.code(&request(&[])).await).await.json();
        let hint = text(&tokens, "id_token").to_string();
        let silent = |more: &[(&str, &str)]| request(&[&[("prompt", "none")][..], more].concat());
        assert!(browser.get(&silent(&[("id_token_hint", &hint)])).await.param("code").is_some());
        let mut bob = house.browser();
        bob.sign_in("bob").await;
        bob.code(&request(&[])).await;
        let refused = bob.get(&silent(&[("id_token_hint", &hint)])).await;
        assert_eq!(refused.param("error").as_deref(), Some("login_required"));
        let refused = bob.get(&silent(&[("id_token_hint", "nonsense")])).await;
        assert_eq!(refused.param("error").as_deref(), Some("invalid_request"));
        // 10: another person who signs in for a request that wants alice ends it.
        let page = bob.follow(&request(&[("id_token_hint", &hint)])).await;
        assert!(page.body.contains("name=\"password\""), "{}", page.body);
        let reply = bob.fill_sign_in(&page, "bob", support::PASSWORD).await;
        assert_eq!(bob.get(&reply.location().unwrap()).await.param("error").as_deref(), Some("login_required"));

        let sub = claims(&hint)["sub"].as_str().unwrap().to_string();
        let wants = |value: Value| value.to_string();
        let by_claim = wants(json!({"id_token": {"sub": {"value": sub}}}));
        assert!(browser.get(&silent(&[("claims", &by_claim)])).await.param("code").is_some());
        assert_eq!(bob.get(&silent(&[("claims", &by_claim)])).await.param("error").as_deref(), Some("login_required"));
        // A wish for more is a wish; what is essential is not.
        let page = browser.follow(&request(&[("acr_values", "phr 2")])).await;
        let reply = browser.fill_sign_in(&page, "alice", support::PASSWORD).await;
        assert!(browser.get(&reply.location().unwrap()).await.param("code").is_some());
        let essential = wants(json!({"id_token": {"acr": {"essential": true, "values": ["2"]}}}));
        let page = browser.follow(&request(&[("claims", &essential)])).await;
        let reply = browser.fill_sign_in(&page, "alice", support::PASSWORD).await;
        let refused = browser.get(&reply.location().unwrap()).await;
        assert_eq!(refused.param("error").as_deref(), Some("unmet_authentication_requirements"));
    })
    .await;
}

#[tokio::test]
async fn claims_groups_and_names_of_ones_own() {
    on_both_engines(async |house| {
        let family = NewAccount {
            address: Address::parse("family@home.example").unwrap(),
            kind: Kind::Group,
            name: "Family".into(),
            admin: false,
        };
        let family = house.directory.add_account(family).await.unwrap();
        let mut browser = signed_in(&house).await;
        let asks = json!({"userinfo": {"email": null}, "id_token": {"groups": null}}).to_string();
        let tokens = house.exchange(&browser.code(&request(&[("scope", "openid"), ("claims", &asks)])).await).await.json();
        let person = house.userinfo(text(&tokens, "access_token")).await.json();
        assert_eq!((text(&person, "email"), &person["groups"]), ("alice@home.example", &json!([])), "(e): none is an empty array");
        house.directory.add_group_member(family.id, house.alice.id, MemberRole::Member).await.unwrap();
        let person = house.userinfo(text(&tokens, "access_token")).await.json();
        assert_eq!(person["groups"], json!(["family"]));
        assert_eq!(claims(text(&tokens, "id_token"))["groups"], json!([]), "(d): claims are in the ID token too");

        let chosen = |sign: &str| json!({"subject_type": "pairwise", "userinfo_signed_response_alg": sign}).to_string();
        let mut subs = vec![text(&person, "sub").to_string()];
        for (name, callback, algorithm) in [("one", CALLBACK, "ES256"), ("two", "https://two.example/cb", "EdDSA")] {
            let secret = house
                .client(name, |new| {
                    new.metadata = chosen(algorithm);
                    new.redirect_uris = vec![callback.into()];
                })
                .await;
            let code = browser.code(&request(&[("client_id", name), ("redirect_uri", callback)])).await;
            let tokens = house.exchange_as((name, &secret), &code, &[("redirect_uri", "")]).await;
            let tokens = if tokens.status == StatusCode::OK {
                tokens.json()
            } else {
                let code = browser.code(&request(&[("client_id", name), ("redirect_uri", callback)])).await;
                let fields = [
                    ("grant_type", "authorization_code"),
                    ("code", &code),
                    ("redirect_uri", callback),
                    ("code_verifier", VERIFIER),
                ];
                house.post_as(Some((name, &secret)), "/token", &fields).await.json()
            };
            let reply = house.userinfo(text(&tokens, "access_token")).await;
            assert_eq!(reply.headers["content-type"], "application/jwt");
            let said = claims(&reply.body);
            assert_eq!((text(&said, "iss"), text(&said, "aud")), (ISSUER, name));
            let sub = text(&said, "sub").to_string();
            assert_eq!(claims(text(&tokens, "id_token"))["sub"], json!(sub));
            assert!(sub.len() <= 64 && sub.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "(f): {sub}");
            let told =
                house.post_as(Some((name, &secret)), "/introspect", &[("token", text(&tokens, "access_token"))]).await.json();
            assert_eq!(text(&told, "sub"), sub);
            let hint = [("id_token_hint", text(&tokens, "id_token")), ("post_logout_redirect_uri", "https://app.example/bye")];
            let mut leaving = signed_in(&house).await;
            let reply = leaving.get(&format!("/logout?{}", support::encode(&hint))).await;
            assert_eq!(reply.location().as_deref(), Some("https://app.example/bye"), "it names alice");
            subs.push(sub);
        }
        subs.sort();
        subs.dedup();
        assert_eq!(subs.len(), 3, "each client has its own");
    })
    .await;
}

#[tokio::test]
async fn what_apps_need_of_a_provider() {
    on_both_engines(async |house| {
        let mut browser = signed_in(&house).await;
        let tokens = house.exchange(&browser.code(&request(&[])).await).await.json();
        let header = |token: &str| -> Value {
            let head = token.split('.').next().unwrap();
            serde_json::from_slice(&base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, head).unwrap())
                .unwrap()
        };
        assert_eq!(header(text(&tokens, "id_token"))["alg"], "RS256", "(a)");
        for algorithm in ["ES256", "EdDSA"] {
            let secret =
                house.client(algorithm, |new| new.metadata = json!({"id_token_signed_response_alg": algorithm}).to_string()).await;
            let code = browser.code(&request(&[("client_id", algorithm)])).await;
            let tokens = house.exchange_as((algorithm, &secret), &code, &[]).await.json();
            assert_eq!(header(text(&tokens, "id_token"))["alg"], algorithm, "(a): by client");
        }
        // (b): basic or post, never both. (c): the secret has no character that an encoding would change.
        let code = browser.code(&request(&[])).await;
        let post = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("client_id", "app"),
            ("client_secret", &house.secret),
        ];
        assert_eq!(house.post_as(Some(("app", &house.secret)), "/token", &post).await.error(), (400, "invalid_request".into()));
        assert_eq!(house.post_as(None, "/token", &post).await.status, StatusCode::OK);
        assert!(house.secret.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)));
        // (h): the name is stable and is not the key.
        let said = claims(text(&tokens, "id_token"));
        assert_eq!((text(&said, "preferred_username"), text(&said, "sub") == "alice"), ("alice", false));
        // PKCE where the client can, and not where it was registered as one that cannot; a public one always.
        let secret = house.client("old", |new| new.metadata = json!({"hearth_pkce": "optional"}).to_string()).await;
        let without = [("client_id", "old"), ("code_challenge", ""), ("code_challenge_method", "")];
        let fields = |code: &str| {
            vec![
                ("grant_type", "authorization_code".to_string()),
                ("code", code.to_string()),
                ("redirect_uri", CALLBACK.to_string()),
            ]
        };
        let as_pairs = |fields: &[(&'static str, String)]| -> Vec<(&'static str, String)> { fields.to_vec() };
        let code = browser.code(&request(&without)).await;
        let mut sent = as_pairs(&fields(&code));
        sent.push(("code_verifier", VERIFIER.into()));
        let pairs: Vec<(&str, &str)> = sent.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(
            house.post_as(Some(("old", &secret)), "/token", &pairs).await.error(),
            (400, "invalid_grant".into()),
            "4: a downgrade"
        );
        // RFC 6749 §4.1.3: without PKCE, the redirect URI ties the code to the request.
        let unnamed: Vec<(&str, &str)> = pairs[..2].to_vec();
        assert_eq!(house.post_as(Some(("old", &secret)), "/token", &unnamed).await.error(), (400, "invalid_grant".into()));
        let plain: Vec<(&str, &str)> = pairs[..3].to_vec();
        assert_eq!(house.post_as(Some(("old", &secret)), "/token", &plain).await.status, StatusCode::OK);
        let refused = browser.get(&request(&[("code_challenge", ""), ("code_challenge_method", "")])).await;
        assert_eq!(refused.param("error").as_deref(), Some("invalid_request"));
    })
    .await;
}

#[tokio::test]
async fn keys_turn_without_a_restart() {
    on_both_engines(async |house| {
        let mut browser = signed_in(&house).await;
        let kid = async |browser: &mut Browser| {
            let tokens = house.exchange(&browser.code(&request(&[])).await).await.json();
            let token = text(&tokens, "id_token").to_string();
            let head: Value = serde_json::from_slice(
                &base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, token.split('.').next().unwrap())
                    .unwrap(),
            )
            .unwrap();
            (head["kid"].clone(), token)
        };
        let day = Duration::from_secs(24 * 3600);
        let (first, old) = kid(&mut browser).await;
        house.clock.advance(day * 90);
        house.ctx.turn_keys().await.unwrap();
        let set = house.get("/jwks.json").await.json();
        assert_eq!(set["keys"].as_array().unwrap().len(), 6, "the next is published first");
        assert!(!set.to_string().contains("\"d\""), "23: no private member");
        browser.sign_in("alice").await;
        assert_eq!(kid(&mut browser).await.0, first);
        house.clock.advance(day * 2);
        house.ctx.turn_keys().await.unwrap();
        assert_ne!(kid(&mut browser).await.0, first);
        // 27: the old ID token is still one of ours, until its key is gone.
        let hint = format!(
            "/logout?{}",
            support::encode(&[("id_token_hint", &old), ("post_logout_redirect_uri", "https://app.example/bye")])
        );
        assert!(signed_in(&house).await.get(&hint).await.location().is_some());
        house.clock.advance(day * 7);
        house.ctx.turn_keys().await.unwrap();
        assert_eq!(house.get("/jwks.json").await.json()["keys"].as_array().unwrap().len(), 3);
        assert!(signed_in(&house).await.get(&hint).await.location().is_none());
    })
    .await;
}
