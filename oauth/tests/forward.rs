// SPDX-License-Identifier: AGPL-3.0-or-later
//! A login before an app that knows none: what its proxy asks, and what a browser goes through.

mod support;

use hearth_identity::directory::{Kind, NewAccount};
use hearth_oauth::rule::policy::Policy;
use hearth_types::Address;
use hearth_web::axum::body::Body;
use hearth_web::axum::http::{Request, StatusCode, header};
use support::{Browser, House, ISSUER, Reply, ask, on_both_engines};

const APP: &str = "https://photos.home.example";

/// What the app's proxy passes on, with the cookies of the app's own host.
async fn by_proxy(house: &House, app: &str, path: &str, cookies: &str) -> Reply {
    let request = Request::get(path).header("x-hearth-app", app).header(header::COOKIE, cookies);
    ask(&house.router, request.body(Body::empty()).unwrap()).await
}

fn set_cookie(reply: &Reply, name: &str) -> String {
    let fields = reply.headers.get_all(header::SET_COOKIE);
    let field = fields.iter().map(|field| field.to_str().unwrap()).find(|field| field.starts_with(&format!("{name}=")));
    let field = field.unwrap_or_else(|| panic!("no {name}: {:?}", reply.headers));
    assert!(field.contains("; Secure; HttpOnly; SameSite=Lax"), "{field}");
    field.split(';').next().unwrap().to_string()
}

async fn add_app(house: &House, name: &str, app: &str) {
    house
        .client(name, |new| {
            new.public = true;
            new.trusted = true;
            new.redirect_uris = vec![format!("{app}/.hearth/callback")];
        })
        .await;
}

/// From the app to the sign-in page and back: the cookie of the start, and the address that the browser comes back to.
async fn go(house: &House, browser: &mut Browser, app: &str, to: &str) -> (String, Reply) {
    let started = by_proxy(house, app, &format!("/forward/start?{}", support::encode(&[("to", to)])), "").await;
    let start = set_cookie(&started, "__Host-hearth-app-start");
    let location = started.location().unwrap();
    assert!(location.starts_with(&format!("{ISSUER}/authorize?")), "{location}");
    let back = browser.follow(location.strip_prefix(ISSUER).unwrap()).await;
    (start, back)
}

async fn come_back(house: &House, app: &str, back: &Reply, cookies: &str) -> Reply {
    let location = back.location().unwrap_or_else(|| panic!("{}: {}", back.status, back.body));
    let query = location.strip_prefix(&format!("{app}/.hearth/callback?")).unwrap_or_else(|| panic!("{location}"));
    by_proxy(house, app, &format!("/forward/callback?{query}"), cookies).await
}

#[tokio::test]
async fn through_the_proxy_and_out_again() {
    on_both_engines(async |house| {
        add_app(&house, "photos", APP).await;
        add_app(&house, "other", "https://other.home.example").await;
        assert_eq!(by_proxy(&house, APP, "/forward/check", "").await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(by_proxy(&house, "https://evil.example", "/forward/check", "").await.status, StatusCode::FORBIDDEN);
        assert_eq!(house.get("/forward/check").await.status, StatusCode::FORBIDDEN, "no app");
        // Caddy is told where to go.
        let request = Request::get("/forward/check?redirect=1").header("x-hearth-app", APP).header("x-forwarded-uri", "/a?b=c");
        let reply = ask(&house.router, request.body(Body::empty()).unwrap()).await;
        assert_eq!(reply.location().as_deref(), Some("/.hearth/start?to=%2Fa%3Fb%3Dc"));

        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let (start, back) = go(&house, &mut browser, APP, "/album?id=1").await;
        let stolen = come_back(&house, APP, &back, "").await;
        assert_eq!(stolen.status, StatusCode::FORBIDDEN, "9: in another browser it is worth nothing");
        let entered = come_back(&house, APP, &back, &start).await;
        assert_eq!(entered.location().as_deref(), Some("/album?id=1"), "{}", entered.body);
        let token = set_cookie(&entered, "__Host-hearth-app");
        assert_eq!(come_back(&house, APP, &back, &start).await.status, StatusCode::FORBIDDEN, "a code counts once");
        let reply = by_proxy(&house, APP, "/forward/check", &format!("a=b; {token}")).await;
        assert_eq!(reply.status, StatusCode::OK);
        // An app that reads the cookies of its own host has nothing that another door would take.
        let stolen = token.strip_prefix("__Host-hearth-app=").unwrap();
        for scheme in ["Bearer", "DPoP"] {
            let request = Request::get("/userinfo").header(header::AUTHORIZATION, format!("{scheme} {stolen}"));
            assert_eq!(ask(&house.router, request.body(Body::empty()).unwrap()).await.status, StatusCode::UNAUTHORIZED, "{scheme}");
        }
        for (name, value) in [
            ("remote-user", "alice"),
            ("remote-name", "Alice Example"),
            ("remote-email", "alice@home.example"),
            ("remote-groups", ""),
        ] {
            assert_eq!(reply.headers[name], value, "{name}");
        }
        // 26: the token of one app opens no other, and a token of another client opens none.
        assert_eq!(by_proxy(&house, "https://other.home.example", "/forward/check", &token).await.status, StatusCode::UNAUTHORIZED);
        let tokens = house.tokens("openid").await;
        let foreign = format!("__Host-hearth-app={}", tokens["access_token"].as_str().unwrap());
        assert_eq!(by_proxy(&house, APP, "/forward/check", &foreign).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(by_proxy(&house, APP, "/forward/out", &token).await.status, StatusCode::OK);
        assert_eq!(by_proxy(&house, APP, "/forward/check", &token).await.status, StatusCode::UNAUTHORIZED);
        // Signed out at home is signed out at the app.
        let (start, back) = go(&house, &mut browser, APP, "//evil.example").await;
        let entered = come_back(&house, APP, &back, &start).await;
        assert_eq!(entered.location().as_deref(), Some("/"), "1: it leads nowhere else");
        let token = set_cookie(&entered, "__Host-hearth-app");
        let form = browser.get("/account").await.field("form");
        browser.post("/sign-out", &[("form", &form)]).await;
        assert_eq!(by_proxy(&house, APP, "/forward/check", &token).await.status, StatusCode::UNAUTHORIZED);
    })
    .await;
}

#[tokio::test]
async fn a_rule_for_two_factors_holds_for_who_is_in_already() {
    on_both_engines(async |house| {
        add_app(&house, "photos", APP).await;
        let carol = house.admin().await;
        let mut browser = house.browser();
        browser.sign_in(carol).await;
        let (start, back) = go(&house, &mut browser, APP, "/").await;
        let token = set_cookie(&come_back(&house, APP, &back, &start).await, "__Host-hearth-app");
        assert_eq!(by_proxy(&house, APP, "/forward/check", &token).await.status, StatusCode::OK);
        house.ctx.change_policy(Policy::default().asking_admins_twice(true)).await.unwrap();
        assert_eq!(by_proxy(&house, APP, "/forward/check", &token).await.status, StatusCode::UNAUTHORIZED);
        let (_, page) = go(&house, &mut browser, APP, "/").await;
        assert!(page.status == StatusCode::FORBIDDEN && page.body.contains("/account/passkeys"), "{}", page.body);
        house.ctx.change_policy(Policy::default()).await.unwrap();
        assert_eq!(by_proxy(&house, APP, "/forward/check", &token).await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn an_app_is_for_a_group() {
    on_both_engines(async |house| {
        add_app(&house, "photos", APP).await;
        let client = house.directory.find_client("photos").await.unwrap().unwrap();
        let parents = NewAccount {
            address: Address::parse("parents@home.example").unwrap(),
            kind: Kind::Group,
            name: "Parents".into(),
            admin: false,
        };
        let parents = house.directory.add_account(parents).await.unwrap().id;
        house.directory.add_client_access(client.id, parents).await.unwrap();
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let (start, back) = go(&house, &mut browser, APP, "/").await;
        let refused = come_back(&house, APP, &back, &start).await;
        assert!(refused.status == StatusCode::FORBIDDEN && refused.body.contains("for others of the home"), "{}", refused.body);
        house.directory.add_group_member(parents, house.alice.id, hearth_identity::directory::MemberRole::Member).await.unwrap();
        let (start, back) = go(&house, &mut browser, APP, "/").await;
        let token = set_cookie(&come_back(&house, APP, &back, &start).await, "__Host-hearth-app");
        let reply = by_proxy(&house, APP, "/forward/check", &token).await;
        assert_eq!((reply.status, &reply.headers["remote-groups"]), (StatusCode::OK, &"parents".parse().unwrap()));
        house.directory.remove_group_member(parents, house.alice.id).await.unwrap();
        assert_eq!(by_proxy(&house, APP, "/forward/check", &token).await.status, StatusCode::UNAUTHORIZED, "at once");
        let (start, back) = go(&house, &mut browser, APP, "/").await;
        let refused = come_back(&house, APP, &back, &start).await;
        assert!(refused.status == StatusCode::FORBIDDEN && refused.body.contains("for others of the home"), "{}", refused.body);
    })
    .await;
}
