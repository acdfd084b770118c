// SPDX-License-Identifier: AGPL-3.0-or-later
//! The pages: signing in, agreeing, and the forms that only they can send.

mod support;

use std::time::Duration;

use hearth_web::axum::http::StatusCode;
use support::device::Device;
use support::factors::add_passkey;
use support::{Browser, PASSWORD, Reply, client, on_both_engines, request};

#[tokio::test]
async fn a_wrong_password_says_little() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        let page = browser.get("/sign-in").await;
        let mut said = Vec::new();
        for (user, password) in [("alice", "wrong"), ("nobody", "wrong"), ("alice@evil.example", PASSWORD), ("", "")] {
            let reply = browser.fill_sign_in(&page, user, password).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{user}");
            said.push(reply.body.split("role=\"alert\"").nth(1).unwrap().split("</p>").next().unwrap().to_string());
        }
        said.dedup();
        assert_eq!(said.len(), 1, "the same for all: {said:?}");
        assert!(!browser.jar.contains_key("__Host-hearth"));
        assert_eq!(browser.get("/account").await.location().as_deref(), Some("/sign-in?to=account"));
    })
    .await;
}

#[tokio::test]
async fn too_many_wrong_ones_have_to_wait() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        let page = browser.get("/sign-in").await;
        let mut last = browser.fill_sign_in(&page, "alice", "wrong").await;
        for guess in 0..100 {
            if last.status == StatusCode::TOO_MANY_REQUESTS {
                break;
            }
            last = browser.fill_sign_in(&page, "alice", &format!("wrong {guess}")).await;
        }
        assert_eq!(last.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(last.headers.contains_key("retry-after") && last.body.contains("too many wrong passwords"), "{}", last.body);
        // The right one has to wait as well.
        assert_eq!(browser.fill_sign_in(&page, "alice", PASSWORD).await.status, StatusCode::TOO_MANY_REQUESTS);
        house.clock.advance(Duration::from_secs(24 * 3600));
        assert_eq!(browser.fill_sign_in(&page, "alice", PASSWORD).await.status, StatusCode::SEE_OTHER);
    })
    .await;
}

#[tokio::test]
async fn a_form_without_its_token_changes_nothing() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        let page = browser.get("/sign-in").await;
        let form = page.field("form");
        let mut stranger = house.browser();
        stranger.get("/sign-in").await;
        for token in ["", "x", form.as_str()] {
            let reply = stranger.post("/sign-in", &[("form", token), ("username", "alice"), ("password", PASSWORD)]).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "login CSRF with {token:?}");
        }
        browser.sign_in("alice").await;
        let page = browser.follow(&request(&[])).await;
        let (form, query) = (page.field("form"), page.field("request"));
        for (token, query) in [("", query.clone()), ("x", query.clone()), (form.as_str(), query.replace("email", "mail"))] {
            let reply = browser.post("/consent", &[("form", token), ("request", &query), ("decision", "allow")]).await;
            assert_eq!((reply.status, reply.param("code")), (StatusCode::FORBIDDEN, None), "{token:?} {query}");
        }
        for origin in ["https://evil.example", "null", "https://id.home.example.evil.example"] {
            browser.origin = Some(origin.into());
            let reply = browser.post("/consent", &[("form", &form), ("request", &query), ("decision", "allow")]).await;
            assert_eq!((reply.status, reply.param("code")), (StatusCode::FORBIDDEN, None), "{origin}");
        }
        browser.origin = None;
        for path in [
            "/sign-out",
            "/account/app-passwords/new",
            "/account/app-passwords/end",
            "/account/sessions/end",
            "/account/apps/end",
            "/account/password",
        ] {
            assert_eq!(
                browser.post(path, &[("form", &form), ("id", "x"), ("label", "x")]).await.status,
                StatusCode::FORBIDDEN,
                "{path}"
            );
        }
        assert_eq!(browser.get("/account").await.status, StatusCode::OK);
        let reply = browser.post("/consent", &[("form", &form), ("request", &query), ("decision", "allow")]).await;
        assert!(reply.param("code").is_some(), "the sound one still counts");
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_leads_to_our_own_pages_alone() {
    on_both_engines(async |house| {
        for to in ["https://evil.example", "//evil.example", "/\\evil.example", "nowhere", ""] {
            let mut browser = house.browser();
            let page = browser.get(&format!("/sign-in?{}", support::encode(&[("to", to)]))).await;
            let fields =
                [("form", page.field("form")), ("to", to.into()), ("username", "alice".into()), ("password", PASSWORD.into())];
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            assert_eq!(browser.post("/sign-in", &fields).await.location().as_deref(), Some("/account"), "{to}");
        }
        let mut browser = house.browser();
        for bad in ["https://evil.example", "client_id=app&redirect_uri=https://evil.example"] {
            let page = browser.get(&format!("/sign-in?{}", support::encode(&[("request", bad)]))).await;
            assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None), "{bad}");
        }
        let page = browser.get("/sign-in").await;
        let form = page.field("form");
        let bad = "\r\nLocation: https://evil.example";
        let fields = [("form", form.as_str()), ("request", bad), ("username", "alice"), ("password", PASSWORD)];
        let location = browser.post("/sign-in", &fields).await.location().unwrap();
        assert!(location.starts_with("/authorize?") && !location.contains("https://"), "{location}");
        assert_eq!(browser.get(&location).await.status, StatusCode::BAD_REQUEST);
    })
    .await;
}

#[tokio::test]
async fn no_is_told_to_the_client() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let page = browser.follow(&request(&[])).await;
        let reply = browser.consent(&page, "deny").await;
        assert_eq!((reply.param("error").as_deref(), reply.param("state").as_deref()), (Some("access_denied"), Some("s&t")));
        assert_eq!(reply.param("code"), None);
    })
    .await;
}

#[tokio::test]
async fn consent_is_remembered_for_what_it_was_given() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let silent = [("prompt", "none"), ("scope", "openid email")];
        assert_eq!(browser.get(&request(&silent)).await.param("error").as_deref(), Some("consent_required"));
        browser.code(&request(&[("scope", "openid email")])).await;
        assert!(browser.get(&request(&silent)).await.param("code").is_some());
        assert!(browser.get(&request(&[("scope", "openid")])).await.param("code").is_some(), "less is less");
        assert!(browser.follow(&request(&[("scope", "openid mail")])).await.body.contains("/consent"), "more is asked about");
        assert!(browser.follow(&request(&[("scope", "openid"), ("prompt", "consent")])).await.body.contains("/consent"));
        let mut other = house.browser();
        other.sign_in("bob").await;
        assert!(other.follow(&request(&[("scope", "openid")])).await.body.contains("/consent"), "bob was not asked");
    })
    .await;
}

#[tokio::test]
async fn an_app_of_the_house_is_not_asked_about() {
    on_both_engines(async |house| {
        let mut new = client("house", false, "https://house.example/cb");
        new.trusted = true;
        house.directory.add_client(new).await.unwrap();
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let reply = browser.get(&request(&[("client_id", "house"), ("redirect_uri", "https://house.example/cb")])).await;
        assert!(reply.param("code").is_some());
    })
    .await;
}

#[tokio::test]
async fn proving_it_again() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        browser.code(&request(&[])).await;
        for changes in [[("prompt", "login")], [("max_age", "0")], [("max_age", "299")], [("prompt", "select_account")]] {
            house.clock.advance(Duration::from_secs(300));
            let before = browser.jar["__Host-hearth"].clone();
            let page = browser.follow(&request(&changes)).await;
            assert!(page.body.contains("to continue to"), "{changes:?}");
            let reply = browser.fill_sign_in(&page, "alice", PASSWORD).await;
            assert_ne!(browser.jar["__Host-hearth"], before, "a sign-in has a new secret");
            let reply = browser.follow(&reply.location().unwrap()).await;
            let code = reply.param("code").unwrap_or_else(|| panic!("{changes:?}: {}", reply.body));
            let tokens = house.exchange(&code).await.json();
            let id_token = support::claims(tokens["id_token"].as_str().unwrap());
            assert_eq!(id_token["auth_time"], house.clock.now().secs());
        }
        // The mark of a fresh sign-in cannot be made up, nor taken from another request.
        let page = browser.follow(&request(&[("prompt", "login"), ("state", "1")])).await;
        let marked = browser.fill_sign_in(&page, "alice", PASSWORD).await.location().unwrap();
        let mark = marked.split("hearth_fresh=").nth(1).unwrap();
        let forged = format!("{}&hearth_fresh={mark}", request(&[("prompt", "login"), ("state", "2")]));
        assert!(browser.get(&forged).await.location().unwrap().starts_with("/sign-in"));
        house.clock.advance(Duration::from_secs(300));
        assert!(browser.get(&request(&[("max_age", "301")])).await.param("code").is_some());
    })
    .await;
}

#[tokio::test]
async fn what_the_browser_is_told() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        let page = browser.get("/sign-in").await;
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
        ] {
            assert_eq!(page.headers[name], value, "{name}");
        }
        assert!(!page.headers.contains_key("access-control-allow-origin"));
        assert!(!page.body.contains(" style=") && !page.body.contains("onclick"));
        // The one script is a file of ours, for passkeys; nothing runs that stands in a page.
        let script = page.body.split("<script type=\"module\" src=\"").nth(1).unwrap();
        let (path, rest) = script.split_once("\"></script>").unwrap();
        assert!(
            path.starts_with("/assets/passkey.js?v=") && page.body.matches("<script").count() == 1 && !rest.contains("<script")
        );
        let script = browser.get(path).await;
        assert_eq!(
            (script.status, &script.headers["content-type"]),
            (StatusCode::OK, &"text/javascript; charset=utf-8".parse().unwrap())
        );
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("script-src 'self'; default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(
            page.body.contains("autocomplete=\"username webauthn\"") && page.body.contains("autocomplete=\"current-password\"")
        );
        let sheet = page.body.split("stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap().to_string();
        let sheet = browser.get(&sheet).await;
        assert_eq!((sheet.status, &sheet.headers["content-type"]), (StatusCode::OK, &"text/css; charset=utf-8".parse().unwrap()));
        assert_eq!(browser.get("/nowhere").await.status, StatusCode::NOT_FOUND);
        assert_eq!(browser.get("/").await.location().as_deref(), Some("/account"));
        assert_eq!(browser.get("/.well-known/change-password").await.location().as_deref(), Some("/account/password"));
    })
    .await;
}

/// Posts the sign-in form of `page` with all of its hidden fields.
async fn prove(browser: &mut Browser, page: &Reply, password: &str) -> Reply {
    let form = page.body.split("action=\"/sign-in\"").nth(1).unwrap().split("</form>").next().unwrap();
    let form = Reply { status: page.status, headers: page.headers.clone(), body: form.to_string() };
    let names = ["form", "request", "to", "who", "carried", "username"];
    let held: Vec<_> = names.into_iter().filter(|name| form.body.contains(&format!("name=\"{name}\" value"))).collect();
    let values: Vec<String> = held.iter().map(|name| form.field(name)).collect();
    let fields = held.into_iter().zip(values.iter().map(String::as_str)).chain([("password", password)]);
    browser.post("/sign-in", &fields.collect::<Vec<_>>()).await
}

#[tokio::test]
async fn who_is_asked_again_loses_nothing_that_was_typed() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let form = browser.get("/account/app-passwords/new").await.field("form");
        house.clock.advance(Duration::from_secs(601));
        let fields = [("form", form.as_str()), ("label", "Laptop & \"co\""), ("for", "read-only"), ("days", "7")];
        let page = browser.post("/account/app-passwords/new", &fields).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED);
        assert!(page.body.contains("Is it still you, Alice Example?") && page.body.contains("is kept"), "{}", page.body);
        assert!(!page.body.contains("id=\"username\"") && page.body.contains("to=app-password&amp;other=yes"), "{}", page.body);
        // A wrong password loses it no more than a late one.
        let page = prove(&mut browser, &page, "wrong").await;
        assert!(page.status == StatusCode::UNAUTHORIZED && page.body.contains("is kept"), "{}", page.body);
        let resumed = prove(&mut browser, &page, PASSWORD).await;
        assert_eq!(resumed.status, StatusCode::OK);
        assert!(resumed.body.contains("action=\"/account/app-passwords/new\" data-continue"), "{}", resumed.body);
        assert!(resumed.body.contains("Laptop &#38; &#34;co&#34;") && resumed.body.contains("read-only"), "{}", resumed.body);
        let form = resumed.field("form");
        let shown = browser.post("/account/app-passwords/new", &[&[("form", form.as_str())], &fields[1..]].concat()).await;
        assert!(shown.status == StatusCode::OK && shown.body.contains("id=\"app-password\""), "{}", shown.body);
        // What another page made up is not sent anywhere.
        let page = browser.get("/sign-in?to=mail").await;
        let forged = [("form", page.field("form")), ("who", "same".into()), ("carried", "x.p|/account/mail|do=forward".into())];
        let mut fields: Vec<(&str, &str)> = forged.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fields.extend([("to", "mail"), ("password", PASSWORD)]);
        assert_eq!(browser.post("/sign-in", &fields).await.location().as_deref(), Some("/account/mail"));
        // It is hers: whoever else signs in with it sends nothing.
        let form = browser.get("/account/app-passwords/new").await.field("form");
        house.clock.advance(Duration::from_secs(601));
        let page = browser.post("/account/app-passwords/new", &[("form", &form), ("label", "Hers")]).await;
        let (form, carried) = (page.field("form"), page.field("carried"));
        let fields = [("form", form.as_str()), ("carried", &carried), ("username", "bob"), ("password", PASSWORD)];
        let reply = browser.post("/sign-in", &fields).await;
        assert_eq!((reply.status, reply.location().as_deref()), (StatusCode::SEE_OTHER, Some("/account")));
    })
    .await;
}

#[tokio::test]
async fn nobody_becomes_somebody_else_without_a_word() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("bob").await;
        let mut device = Device::new(9);
        let mut alice = house.browser();
        alice.sign_in("alice").await;
        add_passkey(&mut alice, &mut device).await;
        house.clock.advance(Duration::from_secs(601));
        let session = browser.jar["__Host-hearth"].clone();
        let page = browser.follow("/account/mail").await;
        assert!(page.body.contains("Is it still you, Bob Example?"), "{}", page.body);
        // The name is fixed: what is posted in its place is not read.
        let form = page.field("form");
        let fields = [("form", form.as_str()), ("to", "mail"), ("who", "same"), ("username", "alice"), ("password", PASSWORD)];
        assert_eq!(browser.post("/sign-in", &fields).await.location().as_deref(), Some("/account/mail"));
        assert!(browser.get("/account").await.body.contains("bob@home.example"));
        // Nor does another's passkey change it.
        let page = browser.get("/sign-in").await;
        let (form, credential) = (page.field("form"), device.sign(&page));
        let kept = browser.jar["__Host-hearth"].clone();
        assert_ne!(kept, session);
        let fields = [("form", form.as_str()), ("to", "mail"), ("who", "same"), ("credential", &credential)];
        let refused = browser.post("/sign-in/passkey", &fields).await;
        assert!(refused.status == StatusCode::FORBIDDEN && refused.body.contains("somebody else"), "{}", refused.body);
        assert_eq!(browser.jar["__Host-hearth"], kept);
        // Said so, it does.
        let page = browser.get("/sign-in?to=mail&other=yes").await;
        assert!(page.body.contains("id=\"username\"") && page.body.contains("bob@home.example is signed in here"), "{}", page.body);
        let fields = [("form", page.field("form")), ("to", "mail".into()), ("credential", device.sign(&page))];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(browser.post("/sign-in/passkey", &fields).await.location().as_deref(), Some("/account/mail"));
        assert!(browser.get("/account").await.body.contains("alice@home.example"));
    })
    .await;
}

#[tokio::test]
async fn who_forgot_the_password_is_told_what_to_do() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        let link = house.vault.add_link(house.alice.id, false, Duration::from_secs(60)).await.unwrap();
        for path in ["/sign-in".to_string(), format!("/welcome/{}", link.expose())] {
            let page = browser.get(&path).await;
            assert!(page.body.contains("sk whoever looks after this home for a link"), "{path}: {}", page.body);
        }
        browser.sign_in("bob").await;
        assert!(browser.get("/account/password").await.body.contains("ask whoever looks after this home for a link"));
    })
    .await;
}
