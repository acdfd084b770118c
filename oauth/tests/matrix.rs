// SPDX-License-Identifier: AGPL-3.0-or-later
//! What ends what: each event, and each thing that could go with it. The table of docs/protocols/oauth.md, as a test.

mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hearth_identity::directory::{Kind, MemberRole, NewAccount};
use hearth_identity::login::{Gate, Revocations, Service, Watch};
use hearth_oauth::gate::{self, Doorkeeper};
use hearth_oauth::rule::policy::Policy;
use hearth_types::{AccountId, Address, Secret, SessionId};
use hearth_web::axum::http::StatusCode;
use support::device::Device;
use support::factors::{add_passkey, add_totp, password, second};
use support::{Browser, House, PASSWORD, on_both_engines, request};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));
const NEW: &str = "four words that differ";

/// What somebody has when something happens.
struct Life {
    here: Browser,
    there: Browser,
    /// The cookie that `here` had until its owner proved themselves anew.
    earlier: Browser,
    /// Tokens of `app`, let in through `here`, with `offline_access` and without.
    kept: serde_json::Value,
    passing: serde_json::Value,
    app_password: String,
    /// Mail connections by those tokens, and by app password.
    by_token: Connection,
    by_passing: Connection,
    by_password: Connection,
    logouts: i64,
}

/// A mail connection, as the process sees it that holds its socket.
struct Connection {
    session: SessionId,
    watch: Watch,
}

impl Connection {
    /// What ended is cut; what did not is not.
    async fn is_open(&mut self, house: &House) -> bool {
        let session = house.directory.find_session(self.session).await.unwrap();
        let ended = session.is_none_or(|session| !session.is_live(house.clock.now()));
        if ended {
            tokio::time::timeout(Duration::from_secs(10), self.watch.ended()).await.expect("its process is told");
        } else {
            assert!(!self.watch.has_ended());
        }
        !ended
    }
}

/// What is left of it: the browser of the event, another browser, tokens with and without `offline_access`, the app
/// password, mail connections by either token and by app password; and whether clients are told.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    here: bool,
    there: bool,
    kept: bool,
    passing: bool,
    app_password: bool,
    by_token: bool,
    by_passing: bool,
    by_password: bool,
    told: bool,
}

async fn live(house: &House) -> Life {
    let (mut here, mut there) = (house.browser(), house.browser());
    here.sign_in("alice").await;
    there.sign_in("alice").await;
    let kept = house.exchange(&here.code(&request(&[("scope", "openid email mail offline_access")])).await).await.json();
    let passing = house.exchange(&here.code(&request(&[("scope", "openid email mail")])).await).await.json();
    let form = here.get("/account/app-passwords/new").await.field("form");
    let shown = here.post("/account/app-passwords/new", &[("form", &form), ("label", "Phone")]).await;
    let app_password = shown.field("password");
    let doorkeeper = Doorkeeper::new(house.vault.clone(), house.directory.clone(), house.clock.clone());
    let secret = Secret::new(app_password.clone());
    let login = doorkeeper.password("alice@home.example", &secret, Service::Imap, PEER).await.unwrap().unwrap();
    let revocations = Revocations::start(house.directory.clone());
    let connected = |session| Connection { session, watch: revocations.watch_session(session) };
    let session_of = async |tokens: &serde_json::Value| {
        let token = Secret::new(tokens["access_token"].as_str().unwrap().to_string());
        house.directory.find_access_token(&token).await.unwrap().unwrap().session
    };
    let (by_token, by_passing) = (connected(session_of(&kept).await), connected(session_of(&passing).await));
    let by_password = connected(login.session);
    // All of it belongs to the person at this browser still when they have proven once more who they are.
    let mut earlier = house.browser();
    earlier.jar = here.jar.clone();
    here.sign_in("alice").await;
    let logouts = house.directory.newest_logout().await.unwrap();
    Life { here, there, earlier, kept, passing, app_password, by_token, by_passing, by_password, logouts }
}

async fn left(house: &House, life: &mut Life) -> Left {
    assert_eq!(life.earlier.get("/account").await.status, StatusCode::SEE_OTHER, "the earlier cookie opens nothing");
    // Introspection and userinfo agree on an access token, and the refresh token goes with it.
    let works = async |tokens: &serde_json::Value| {
        let access = tokens["access_token"].as_str().unwrap();
        let opens = house.userinfo(access).await.status == StatusCode::OK;
        let reply = house.post("/introspect", &[("token", access)]).await;
        if reply.status == StatusCode::OK {
            assert_eq!(reply.json()["active"], opens);
        }
        let refreshes = house.refresh(tokens["refresh_token"].as_str().unwrap()).await.status == StatusCode::OK;
        assert_eq!(opens, refreshes, "access and refresh token live and end together");
        opens
    };
    let doorkeeper = Doorkeeper::new(house.vault.clone(), house.directory.clone(), house.clock.clone());
    let secret = Secret::new(life.app_password.clone());
    let opens = doorkeeper.password("alice@home.example", &secret, Service::Imap, PEER).await.unwrap().is_ok();
    let (_, notices) = house.directory.list_logouts_since(life.logouts).await.unwrap();
    Left {
        here: life.here.get("/account").await.status == StatusCode::OK,
        there: life.there.get("/account").await.status == StatusCode::OK,
        kept: works(&life.kept).await,
        passing: works(&life.passing).await,
        app_password: opens,
        by_token: life.by_token.is_open(house).await,
        by_passing: life.by_passing.is_open(house).await,
        by_password: life.by_password.is_open(house).await,
        told: notices.iter().any(|notice| notice.account == house.alice.id),
    }
}

const ALL: Left = Left {
    here: true,
    there: true,
    kept: true,
    passing: true,
    app_password: true,
    by_token: true,
    by_passing: true,
    by_password: true,
    told: false,
};

async fn after(event: impl AsyncFn(&House, &mut Life), expected: Left) {
    on_both_engines(async |house| {
        let mut life = live(&house).await;
        event(&house, &mut life).await;
        assert_eq!(left(&house, &mut life).await, expected);
    })
    .await;
}

#[tokio::test]
async fn nothing_ends_by_itself() {
    after(async |_, _| {}, ALL).await;
}

#[tokio::test]
async fn a_sign_out_ends_that_browser_and_what_came_of_it() {
    let event = async |_: &House, life: &mut Life| {
        let form = life.here.get("/logout").await.field("form");
        assert!(life.here.post("/sign-out", &[("form", &form)]).await.status.is_success());
    };
    after(event, Left { here: false, passing: false, by_passing: false, told: true, ..ALL }).await;
}

#[tokio::test]
async fn a_new_password_ends_all_but_app_passwords() {
    let event = async |_: &House, life: &mut Life| {
        let form = life.here.get("/account/password").await.field("form");
        let fields = [("form", form.as_str()), ("current", PASSWORD), ("new", NEW), ("again", NEW)];
        assert_eq!(life.here.post("/account/password", &fields).await.status, StatusCode::OK);
    };
    after(event, Left { there: false, kept: false, passing: false, by_token: false, by_passing: false, told: true, ..ALL }).await;
}

#[tokio::test]
async fn a_link_ends_all_but_app_passwords() {
    let event = async |house: &House, _: &mut Life| {
        let link = house.vault.add_link(house.alice.id, true, std::time::Duration::from_secs(60)).await.unwrap();
        let mut new = house.browser();
        let path = format!("/welcome/{}", link.expose());
        let form = new.get(&path).await.field("form");
        assert_eq!(new.post(&path, &[("form", &form), ("new", NEW), ("again", NEW)]).await.status, StatusCode::SEE_OTHER);
    };
    after(
        event,
        Left { here: false, there: false, kept: false, passing: false, by_token: false, by_passing: false, told: true, ..ALL },
    )
    .await;
}

#[tokio::test]
async fn signing_out_everywhere_with_app_passwords_and_without() {
    for with in [false, true] {
        let event = async |_: &House, life: &mut Life| {
            let page = life.here.get("/account").await;
            let form = page.body.split("action=\"/account/sign-out-everywhere\"").nth(1).unwrap();
            let form = form.split("name=\"form\" value=\"").nth(1).unwrap().split('"').next().unwrap();
            let fields = [("form", form), ("app-passwords", if with { "end" } else { "" })];
            assert_eq!(life.here.post("/account/sign-out-everywhere", &fields).await.status, StatusCode::SEE_OTHER);
        };
        let expected = Left {
            there: false,
            kept: false,
            passing: false,
            by_token: false,
            by_passing: false,
            told: true,
            app_password: !with,
            by_password: !with,
            ..ALL
        };
        after(event, expected).await;
    }
}

#[tokio::test]
async fn a_rule_for_two_factors_ends_what_is_renewed_without() {
    let event = async |house: &House, life: &mut Life| {
        let group = parents(house).await;
        house.ctx.change_policy(Policy::default().asking_twice(group, true)).await.unwrap();
        for tokens in [&life.kept, &life.passing] {
            let reply = house.refresh(tokens["refresh_token"].as_str().unwrap()).await;
            assert_eq!(reply.error(), (400, "invalid_grant".into()), "{}", reply.body);
        }
    };
    let expected =
        Left { here: false, there: false, kept: false, passing: false, by_token: false, by_passing: false, told: true, ..ALL };
    after(event, expected).await;
}

#[tokio::test]
async fn a_client_that_is_disabled_or_gone_takes_its_own_along() {
    // What is disabled is told of what that ended, and of nobody afterwards; what is gone, of nobody.
    let gone = || Left { kept: false, passing: false, by_token: false, by_passing: false, ..ALL };
    let disabled = Left { told: true, ..gone() };
    after(async |house: &House, _: &mut Life| house.directory.disable_client(house.app.id).await.unwrap(), disabled).await;
    after(async |house: &House, _: &mut Life| house.directory.remove_client("app").await.unwrap(), gone()).await;
}

fn not_admitted() -> Left {
    Left { kept: false, passing: false, by_token: false, by_passing: false, told: true, ..ALL }
}

/// A group with alice in it.
async fn parents(house: &House) -> AccountId {
    let address = Address::parse("parents@home.example").unwrap();
    let new = NewAccount { address, kind: Kind::Group, name: "Parents".into(), admin: false };
    let group = house.directory.add_account(new).await.unwrap().id;
    house.directory.add_group_member(group, house.alice.id, MemberRole::Member).await.unwrap();
    group
}

#[tokio::test]
async fn who_is_not_on_the_list_of_an_app_any_more_loses_what_it_had() {
    let listed_without = async |house: &House, _: &mut Life| {
        let bob = house.directory.find_account_by_address(&Address::parse("bob@home.example").unwrap()).await.unwrap().unwrap();
        house.directory.add_client_access(house.app.id, bob.id).await.unwrap();
    };
    after(listed_without, not_admitted()).await;
    let taken_off = async |house: &House, life: &mut Life| {
        house.directory.add_client_access(house.app.id, house.alice.id).await.unwrap();
        let code = life.here.code(&request(&[("scope", "openid email mail")])).await;
        assert!(house.directory.remove_client_access(house.app.id, house.alice.id).await.unwrap());
        assert_eq!(house.exchange(&code).await.error(), (400, "invalid_grant".into()), "nor what was on its way");
    };
    after(taken_off, not_admitted()).await;
}

#[tokio::test]
async fn who_is_not_in_the_group_of_an_app_any_more_loses_what_it_had() {
    let left_group = async |house: &House, _: &mut Life| {
        let group = parents(house).await;
        house.directory.add_client_access(house.app.id, group).await.unwrap();
        house.directory.remove_group_member(group, house.alice.id).await.unwrap();
    };
    after(left_group, not_admitted()).await;
    let gone = async |house: &House, _: &mut Life| {
        let group = parents(house).await;
        house.directory.add_client_access(house.app.id, group).await.unwrap();
        house.directory.remove_account(group).await.unwrap();
    };
    after(gone, not_admitted()).await;
    let in_another = async |house: &House, _: &mut Life| {
        let group = parents(house).await;
        house.directory.add_client_access(house.app.id, group).await.unwrap();
        house.directory.add_client_access(house.app.id, house.alice.id).await.unwrap();
        house.directory.remove_group_member(group, house.alice.id).await.unwrap();
    };
    after(in_another, ALL).await;
}

#[tokio::test]
async fn signed_out_by_who_looks_after_the_home() {
    let event = async |house: &House, _: &mut Life| {
        let carol = house.admin().await;
        let mut admin = house.browser();
        admin.sign_in(carol).await;
        let path = format!("/admin/people/{}", house.alice.id);
        let form = admin.get(&path).await.field("form");
        assert_eq!(admin.post(&path, &[("form", &form), ("do", "sign-out")]).await.status, StatusCode::OK);
    };
    let all =
        Left { here: false, there: false, kept: false, passing: false, by_token: false, by_passing: false, told: true, ..ALL };
    after(event, all).await;
}

#[tokio::test]
async fn a_password_set_by_the_command_ends_all_but_app_passwords() {
    let event = async |house: &House, _: &mut Life| {
        let socket = house.run.join("gate.sock");
        let _ = std::fs::remove_file(&socket);
        let doorkeeper = Doorkeeper::new(house.vault.clone(), house.directory.clone(), house.clock.clone());
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let served = tokio::spawn(gate::serve(listener, doorkeeper, std::future::pending()));
        Gate::new(&socket).set_password(house.alice.id, Some(&Secret::new(NEW.to_string()))).await.unwrap();
        served.abort();
    };
    let all =
        Left { here: false, there: false, kept: false, passing: false, by_token: false, by_passing: false, told: true, ..ALL };
    after(event, all).await;
}

#[tokio::test]
async fn a_disabled_account_has_nothing_left() {
    let event = async |house: &House, _: &mut Life| house.directory.disable_account(house.alice.id).await.unwrap();
    let nothing = Left {
        here: false,
        there: false,
        kept: false,
        passing: false,
        app_password: false,
        by_token: false,
        by_passing: false,
        by_password: false,
        told: true,
    };
    after(event, nothing).await;
}

#[tokio::test]
async fn a_factor_that_goes_ends_all_but_app_passwords() {
    on_both_engines(async |house| {
        let mut life = live(&house).await;
        add_passkey(&mut life.here, &mut Device::new(8)).await;
        let page = life.here.get("/account/passkeys").await;
        let fields = [("form", page.field("form")), ("id", page.field("id"))];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(life.here.post("/account/passkeys/end", &fields).await.status, StatusCode::SEE_OTHER);
        let expected = Left { there: false, kept: false, passing: false, by_token: false, by_passing: false, told: true, ..ALL };
        assert_eq!(left(&house, &mut life).await, expected);
    })
    .await;
}

#[tokio::test]
async fn an_authenticator_that_goes_ends_all_but_app_passwords() {
    on_both_engines(async |house| {
        let mut life = live(&house).await;
        add_totp(&house, &mut life.here).await;
        let page = life.here.get("/account/authenticator").await;
        let (form, id) = (page.field("form"), page.field("id"));
        let reply = life.here.post("/account/authenticator/end", &[("form", &form), ("id", &id)]).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.body);
        let expected = Left { there: false, kept: false, passing: false, by_token: false, by_passing: false, told: true, ..ALL };
        assert_eq!(left(&house, &mut life).await, expected);
    })
    .await;
}

#[tokio::test]
async fn a_recovery_code_ends_all_but_app_passwords() {
    on_both_engines(async |house| {
        let mut life = live(&house).await;
        let (_, codes) = add_totp(&house, &mut life.here).await;
        let mut found = house.browser();
        let page = password(&mut found).await;
        assert_eq!(second(&mut found, &page, &codes[0]).await.status, StatusCode::SEE_OTHER);
        let expected =
            Left { here: false, there: false, kept: false, passing: false, by_token: false, by_passing: false, told: true, ..ALL };
        assert_eq!(left(&house, &mut life).await, expected);
    })
    .await;
}

#[tokio::test]
async fn new_signing_keys_end_what_the_old_ones_signed() {
    on_both_engines(async |house| {
        let carol = house.admin().await;
        let mut life = live(&house).await;
        let signs = serde_json::json!({"hearth_access_token": "jwt"}).to_string();
        let secret = house.client("jwt", |new| new.metadata = signs).await;
        let code = life.here.code(&request(&[("client_id", "jwt"), ("scope", "openid offline_access")])).await;
        let tokens = house.exchange_as(("jwt", &secret), &code, &[]).await.json();
        let (access, id_token) = (tokens["access_token"].as_str().unwrap(), tokens["id_token"].as_str().unwrap());
        assert_eq!(house.userinfo(access).await.status, StatusCode::OK);
        let before = house.get("/jwks.json").await.json();
        let mut admin = house.browser();
        admin.sign_in(carol).await;
        let form = admin.get("/admin/rules").await.field("form");
        assert_eq!(admin.post("/admin/rules", &[("form", &form), ("do", "keys")]).await.status, StatusCode::OK);
        let after = house.get("/jwks.json").await.json();
        let kids = |set: &serde_json::Value| -> Vec<String> {
            set["keys"].as_array().unwrap().iter().map(|key| key["kid"].to_string()).collect()
        };
        assert!(kids(&after).len() == 3 && kids(&after).iter().all(|kid| !kids(&before).contains(kid)), "{after}");
        assert_eq!(house.userinfo(access).await.status, StatusCode::UNAUTHORIZED, "signed access tokens");
        let hint = support::encode(&[("id_token_hint", id_token), ("post_logout_redirect_uri", "https://app.example/bye")]);
        assert!(life.here.get(&format!("/logout?{hint}")).await.location().is_none(), "ID tokens");
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
        let reply = house.post_as(Some(("jwt", &secret)), "/token", &refresh).await;
        assert_eq!(reply.status, StatusCode::OK, "the grant stays: {}", reply.body);
        assert_eq!(left(&house, &mut life).await, ALL, "and all that was looked up and not signed");
    })
    .await;
}
