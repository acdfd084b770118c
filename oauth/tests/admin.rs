// SPDX-License-Identifier: AGPL-3.0-or-later
//! The admin pages: who may, what they do, and that it is written down.

mod support;

use std::time::Duration;

use hearth_identity::grants::Registration;
use hearth_web::axum::http::StatusCode;
use support::{Browser, PASSWORD, Reply, on_both_engines, request};

const PAGES: [&str; 10] = [
    "/admin",
    "/admin/people",
    "/admin/groups",
    "/admin/aliases",
    "/admin/apps",
    "/admin/rules",
    "/admin/domains",
    "/admin/queue",
    "/admin/reports",
    "/admin/log",
];

/// Fills the form that does `what` on the page `path`; the fields come on top of its own.
async fn act(browser: &mut Browser, path: &str, what: &str, fields: &[(&str, &str)]) -> Reply {
    let page = browser.get(path).await;
    assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.body);
    let mark = format!("name=\"do\" value=\"{what}\"");
    let at = page.body.find(&mark).unwrap_or_else(|| panic!("no {what} on {path}: {}", page.body));
    let id = page.body[at..].split("name=\"id\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_string();
    let form = page.field("form");
    let mut all = vec![("form", form.as_str()), ("do", what)];
    if !fields.iter().any(|(name, _)| *name == "id") {
        all.push(("id", &id));
    }
    all.extend_from_slice(fields);
    browser.post(path, &all).await
}

fn link_to<'b>(body: &'b str, text: &str, below: &str) -> &'b str {
    let at = body.find(&format!(">{text}</a>")).unwrap_or_else(|| panic!("no {text}: {body}"));
    let start = body[..at].rfind(below).unwrap();
    body[start..at].split('"').next().unwrap()
}

fn shown_once(reply: &Reply) -> String {
    reply.body.split("id=\"shown-once\">").nth(1).unwrap_or_else(|| panic!("{}", reply.body)).split('<').next().unwrap().to_string()
}

#[tokio::test]
async fn only_for_those_who_look_after_the_home() {
    on_both_engines(async |house| {
        let carol = house.admin().await;
        let (mut nobody, mut alice, mut admin) = (house.browser(), house.browser(), house.browser());
        alice.sign_in("alice").await;
        admin.sign_in(carol).await;
        for path in PAGES {
            assert_eq!(nobody.get(path).await.location().as_deref(), Some("/sign-in?to=admin"), "{path}");
            assert_eq!(alice.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
            let page = admin.get(path).await;
            assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.body);
            // A form of the admin's own page is of no use to another, nor without the right.
            let form = admin.get("/admin/people").await.field("form");
            let fields = [("form", form.as_str()), ("do", "add"), ("address", "evil@home.example")];
            let refused = alice.post(path, &fields).await.status;
            assert!(
                matches!(refused, StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED | StatusCode::SEE_OTHER),
                "{path} {refused}"
            );
        }
        let alice_form = alice.get("/account").await.field("form");
        assert_eq!(
            alice.post("/admin/people", &[("form", &alice_form), ("do", "add"), ("address", "x@home.example")]).await.status,
            StatusCode::FORBIDDEN
        );
        assert!(alice.get("/account").await.body.matches("/admin").count() == 0);
        assert!(admin.get("/account").await.body.contains("href=\"/admin\""));
        // Looking is always possible; changing wants a sign-in of now.
        let form = admin.get("/admin/people").await.field("form");
        house.clock.advance(Duration::from_secs(601));
        assert_eq!(admin.get("/admin/people").await.status, StatusCode::OK);
        let reply = admin.post("/admin/people", &[("form", &form), ("do", "add"), ("address", "late@home.example")]).await;
        assert!(reply.status == StatusCode::UNAUTHORIZED && reply.body.contains("Is it still you"), "{}", reply.body);
        assert_eq!(house.directory.list_accounts().await.unwrap().len(), 3);
        let mut french = house.browser();
        french.speaks = "fr";
        french.sign_in(carol).await;
        for path in PAGES {
            let page = french.get(path).await;
            assert!(page.body.contains("<html lang=\"fr\">") && page.body.contains("Vue d&#39;ensemble"), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn somebody_is_invited_and_comes() {
    on_both_engines(async |house| {
        let carol = house.admin().await;
        let mut admin = house.browser();
        admin.sign_in(carol).await;
        let reply = act(&mut admin, "/admin/people", "add", &[("address", "dave@home.example"), ("name", "Dave <b>")]).await;
        let link = shown_once(&reply);
        assert!(link.starts_with("https://id.home.example/welcome/") && reply.body.contains("Dave &#60;b&#62;"), "{}", reply.body);
        assert!(admin.get("/admin/people").await.body.contains("has not opened the link yet"));
        let path = link.strip_prefix("https://id.home.example").unwrap();
        let mut dave = house.browser();
        let page = dave.get(path).await;
        let chosen = "seven blue lamps dance";
        let reply = dave.post(path, &[("form", &page.field("form")), ("new", chosen), ("again", chosen)]).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.body);
        assert_eq!(dave.get("/account").await.status, StatusCode::OK);
        for (address, says) in
            [("dave@home.example", "already in use"), ("x@elsewhere.example", "not a domain"), ("nonsense", "not an address")]
        {
            let reply = act(&mut admin, "/admin/people", "add", &[("address", address)]).await;
            assert!(reply.status == StatusCode::BAD_REQUEST && reply.body.contains(says), "{address}: {}", reply.body);
        }
        let people = admin.get("/admin/people").await.body;
        let person = link_to(&people, "Dave &#60;b&#62;", "/admin/people/").to_string();
        let reply = act(&mut admin, &person, "add-address", &[("address", "d@home.example")]).await;
        assert!(reply.status == StatusCode::OK && reply.body.contains("d@home.example leads to"), "{}", reply.body);
        let reply = act(&mut admin, &person, "remove-address", &[("id", "alice@home.example")]).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "another's address is not theirs to lose");
        assert!(act(&mut admin, &person, "remove-address", &[]).await.body.contains("is gone"));
        assert!(act(&mut admin, &person, "rename", &[("name", "David")]).await.body.contains("David"));
        assert!(act(&mut admin, &person, "link", &[("forget", "yes")]).await.body.contains("/welcome/"));
        assert_eq!(act(&mut admin, &person, "sign-out", &[]).await.status, StatusCode::OK);
        assert_eq!(dave.get("/account").await.status, StatusCode::SEE_OTHER, "signed out");
        assert_eq!(act(&mut admin, &person, "disable", &[]).await.status, StatusCode::OK);
        let page = dave.get("/sign-in").await;
        assert_eq!(dave.fill_sign_in(&page, "dave", chosen).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(act(&mut admin, &person, "enable", &[]).await.status, StatusCode::OK);
        assert_eq!(dave.fill_sign_in(&page, "dave", chosen).await.status, StatusCode::SEE_OTHER);
        assert!(act(&mut admin, &person, "admin", &[]).await.body.contains("looks after the home too"));
        assert_eq!(dave.get("/admin").await.status, StatusCode::OK);
        assert_eq!(act(&mut admin, &person, "no-admin", &[]).await.status, StatusCode::OK);
        let log = admin.get("/admin/log").await.body;
        for event in [
            "An account was made",
            "A one-time link was made",
            "An account was disabled",
            "An account was enabled",
            "An address was added",
            "An address was removed",
            "A name was changed",
            "Somebody may look after the home",
            "Somebody looks after the home no longer",
            "Every device was signed out",
        ] {
            assert!(log.contains(event), "{event}");
        }
        assert!(!log.contains("/welcome/") && !log.contains(chosen));
        // The last one who looks after the home stays one, and nobody disables themselves.
        let own = link_to(&people, "Carol", "/admin/people/").to_string();
        assert_eq!(act(&mut admin, &own, "no-admin", &[]).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(act(&mut admin, &own, "disable", &[]).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(admin.get("/admin/people/7").await.status, StatusCode::NOT_FOUND);
    })
    .await;
}

#[tokio::test]
async fn groups_aliases_and_who_may_use_an_app() {
    on_both_engines(async |house| {
        let carol = house.admin().await;
        let mut admin = house.browser();
        admin.sign_in(carol).await;
        let reply = act(&mut admin, "/admin/groups", "add", &[("address", "family@home.example"), ("name", "Family")]).await;
        assert!(reply.body.contains("The group family@home.example is here"), "{}", reply.body);
        assert!(
            act(&mut admin, "/admin/groups", "join", &[("member", "bob@home.example")])
                .await
                .body
                .contains("bob@home.example is in")
        );
        assert_eq!(
            act(&mut admin, "/admin/groups", "join", &[("member", "no@home.example")]).await.status,
            StatusCode::BAD_REQUEST
        );
        let reply = act(
            &mut admin,
            "/admin/aliases",
            "add",
            &[("address", "info@home.example"), ("targets", "alice@home.example, x@elsewhere.example")],
        )
        .await;
        assert!(reply.body.contains("info@home.example leads to alice@home.example, x@elsewhere.example"), "{}", reply.body);
        assert!(act(&mut admin, "/admin/aliases", "remove", &[]).await.body.contains("info@home.example is gone"));

        let apps = admin.get("/admin/apps").await.body;
        let app = link_to(&apps, "The app &#60;b&#62;", "/admin/apps/").to_string();
        let mut alice = house.browser();
        alice.sign_in("alice").await;
        alice.code(&request(&[("scope", "openid")])).await;
        assert!(
            act(&mut admin, &app, "allow", &[("who", "family@home.example")]).await.body.contains("family@home.example may use")
        );
        let refused = alice.get(&request(&[("scope", "openid")])).await;
        assert_eq!(refused.param("error").as_deref(), Some("access_denied"));
        let mut bob = house.browser();
        bob.sign_in("bob").await;
        bob.code(&request(&[("scope", "openid")])).await;
        assert_eq!(act(&mut admin, "/admin/groups", "leave", &[]).await.status, StatusCode::OK);
        assert_eq!(bob.get(&request(&[("scope", "openid")])).await.param("error").as_deref(), Some("access_denied"));
        assert_eq!(act(&mut admin, &app, "open", &[]).await.status, StatusCode::OK);
        alice.code(&request(&[("scope", "openid")])).await;
        // Disabled: what it had is over, and nobody gets in.
        let tokens = house.exchange(&alice.code(&request(&[("scope", "openid")])).await).await.json();
        assert_eq!(act(&mut admin, &app, "disable", &[]).await.status, StatusCode::OK);
        assert_eq!(house.userinfo(tokens["access_token"].as_str().unwrap()).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(alice.get(&request(&[("scope", "openid")])).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(act(&mut admin, &app, "enable", &[]).await.status, StatusCode::OK);
        alice.code(&request(&[("scope", "openid")])).await;
        assert_eq!(act(&mut admin, &app, "remove", &[]).await.location().as_deref(), Some("/admin/apps?done=app-removed"));
        assert_eq!(admin.get(&app).await.status, StatusCode::NOT_FOUND);
    })
    .await;
}

#[tokio::test]
async fn apps_are_added_and_strangers_let_in() {
    on_both_engines(async |house| {
        let carol = house.admin().await;
        let mut admin = house.browser();
        admin.sign_in(carol).await;
        let fields = [("preset", "immich"), ("url", "https://photos.home.example/")];
        let paste = shown_once(&act(&mut admin, "/admin/apps", "preset", &fields).await);
        assert!(paste.contains("https://id.home.example"), "{paste}");
        let client = house.directory.list_clients().await.unwrap().into_iter().find(|client| client.preset.as_deref() == Some("immich")).unwrap();
        assert!(client.redirect_uris.contains(&"https://photos.home.example/auth/login".to_string()) && paste.contains(&client.identifier));
        for fields in [[("preset", "nothing"), ("url", "https://a.example")], [("preset", "immich"), ("url", "photos")]] {
            assert_eq!(act(&mut admin, "/admin/apps", "preset", &fields).await.status, StatusCode::BAD_REQUEST);
        }
        let fields = [("name", "Wiki"), ("redirect", "https://wiki.home.example/cb http://127.0.0.1/cb")];
        let shown = shown_once(&act(&mut admin, "/admin/apps", "add", &fields).await);
        assert!(shown.contains("client secret:"), "{shown}");
        for bad in ["javascript:alert(1)", "http://wiki.example/cb", "", "https://u:p@wiki.example/"] {
            let reply = act(&mut admin, "/admin/apps", "add", &[("name", "Wiki"), ("redirect", bad)]).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{bad}");
        }
        assert_eq!(house.directory.find_registration().await.unwrap(), Registration::Approved);
        let wants = serde_json::json!({"redirect_uris": ["http://127.0.0.1/cb"], "client_name": "Mail", "token_endpoint_auth_method": "none"});
        let ask = hearth_web::axum::http::Request::post("/register").header("content-type", "application/json");
        let ask = ask.body(hearth_web::axum::body::Body::from(wants.to_string())).unwrap();
        assert_eq!(support::ask(&house.router, ask).await.status, StatusCode::CREATED);
        let overview = admin.get("/admin").await.body;
        assert!(overview.contains("waits to be let in"), "{overview}");
        let waiting = link_to(&overview, "Mail", "/admin/apps/").to_string();
        assert!(act(&mut admin, &waiting, "enable", &[]).await.body.contains("Mail is let in"));
        assert!(!admin.get("/admin").await.body.contains("waits to be let in"));
        assert_eq!(act(&mut admin, "/admin/apps", "strangers", &[("strangers", "off")]).await.status, StatusCode::OK);
        assert_eq!(house.directory.find_registration().await.unwrap(), Registration::Off);
        assert_eq!(act(&mut admin, "/admin/apps", "strangers", &[("strangers", "perhaps")]).await.status, StatusCode::BAD_REQUEST);
        let page = admin.get("/admin/domains").await.body;
        assert!(page.contains("home.example. 3600 IN MX 10") && page.contains("v=spf1 mx -all"), "{page}");
        assert!(!page.contains(PASSWORD));
    })
    .await;
}

#[tokio::test]
async fn what_waits_is_asked_of_the_mail_server() {
    use hearth_identity::desk::{Answer, Question, Reported, SOCKET, Waiting};
    use hearth_identity::login::{read_frame, write_frame};
    on_both_engines(async |house| {
        let carol = house.admin().await;
        let mut admin = house.browser();
        admin.sign_in(carol).await;
        for path in ["/admin/queue", "/admin/reports", "/admin"] {
            assert!(admin.get(path).await.body.contains("The mail server does not answer"), "{path}");
        }
        let listener = tokio::net::UnixListener::bind(house.run.join(SOCKET)).unwrap();
        let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = asked.clone();
        let now = house.clock.now().millis();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let question: Question = read_frame(&mut stream).await.unwrap().unwrap();
                heard.lock().unwrap().push(question.clone());
                let answer = match question {
                    Question::Queue => {
                        let mail = Waiting {
                            id: 7,
                            name: "7Q2K".into(),
                            sender: "alice@home.example".into(),
                            recipients: vec!["<b>@one.example".into()],
                            recipient_count: 3,
                            is_held: false,
                            attempts: 4,
                            next_attempt_at: now,
                            created_at: now - 5 * 3_600_000,
                            last_reply: "451 4.7.1 try later <i>".into(),
                            size_bytes: 1_000,
                        };
                        Answer::Queue { mails: vec![mail], count: 1 }
                    }
                    Question::Reports(domain) => {
                        assert_eq!(domain, "home.example");
                        let report = Reported {
                            kind: "dmarc".into(),
                            reporter: "two.example".into(),
                            begins_at: now,
                            good: 40,
                            bad: 2,
                            mostly: "192.0.2.1 not signed".into(),
                        };
                        Answer::Reports(vec![report])
                    }
                    Question::Hold(7) => Answer::Changed(1),
                    _ => Answer::Changed(0),
                };
                write_frame(&mut stream, &answer).await.unwrap();
            }
        });
        let page = admin.get("/admin/queue").await.body;
        for said in
            ["&#60;b&#62;@one.example and 2 more", "from alice@home.example", "tried 4 times", "451 4.7.1 try later &#60;i&#62;"]
        {
            assert!(page.contains(said), "{said}: {page}");
        }
        assert!(admin.get("/admin").await.body.contains("One mail waits for more than four hours"));
        let page = admin.get("/admin/reports").await.body;
        assert!(page.contains("40 well, 2 not") && page.contains("mostly: 192.0.2.1 not signed"), "{page}");
        let reply = act(&mut admin, "/admin/queue", "hold", &[]).await;
        assert!(reply.status == StatusCode::OK && reply.body.contains("stays here"), "{}", reply.body);
        assert_eq!(act(&mut admin, "/admin/queue", "retry-all", &[]).await.status, StatusCode::BAD_REQUEST, "none was there");
        let asked = asked.lock().unwrap().clone();
        assert!(asked.contains(&Question::Hold(7)) && asked.contains(&Question::Retry(0)), "{asked:?}");
        let rows = house.directory.list_audit(None, 20).await.unwrap();
        assert!(rows.iter().any(|row| row.event == "queue.held" && row.detail == "7"));
    })
    .await;
}

#[tokio::test]
async fn what_the_directory_refuses_is_said_in_french() {
    on_both_engines(async |house| {
        let carol = house.admin().await;
        let mut admin = house.browser();
        admin.speaks = "fr";
        admin.sign_in(carol).await;
        let me = house.directory.list_accounts().await.unwrap().into_iter().find(|account| account.admin).unwrap();
        let (own, long) = (format!("/admin/people/{}", me.id), "x".repeat(201));
        for (path, fields, says) in [
            (&*own, vec![("do", "no-admin")], "la dernière personne qui s&#39;occupe de la maison"),
            (&*own, vec![("do", "rename"), ("name", &long)], "un nom a 200 caractères au plus"),
            (&*own, vec![("do", "add-address"), ("address", "carol+x@home.example")], "ce qui suit un + est une sous-adresse"),
            (
                "/admin/apps",
                vec![("do", "preset"), ("preset", "immich"), ("url", "photos")],
                "pas l&#39;adresse d&#39;une application",
            ),
            ("/admin/people", vec![("do", "add"), ("address", "x@elsewhere.example")], "pas un domaine de cette maison"),
        ] {
            let form = admin.get(path).await.field("form");
            let fields: Vec<(&str, &str)> = [("form", form.as_str())].into_iter().chain(fields).collect();
            let reply = admin.post(path, &fields).await;
            assert!(reply.status == StatusCode::BAD_REQUEST && reply.body.contains(says), "{says}: {}", reply.body);
            assert!(!reply.body.contains("--url") && !reply.body.contains("hearth account"), "{}", reply.body);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_shown_once_can_be_copied_and_an_alias_leads_on() {
    on_both_engines(async |house| {
        let carol = house.admin().await;
        let mut admin = house.browser();
        admin.sign_in(carol).await;
        let form = admin.get("/admin/people").await.field("form");
        let page = admin.post("/admin/people", &[("form", &form), ("do", "add"), ("address", "dora@home.example")]).await;
        assert!(page.body.contains("data-copy=\"shown-once\"") && page.body.contains("/assets/copy.js?v="), "{}", page.body);
        let script = page.body.split("src=\"/assets/copy.js").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(admin.get(&format!("/assets/copy.js{script}")).await.status, StatusCode::OK);
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
        let circle = [("form", form.as_str()), ("do", "add"), ("address", "us@home.example"), ("targets", "US@home.example")];
        let page = admin.post("/admin/aliases", &circle).await;
        assert!(page.status == StatusCode::BAD_REQUEST && page.body.contains("does not lead to itself"), "{}", page.body);
        assert!(house.directory.list_aliases().await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_link_is_withdrawn_a_secret_renewed_and_a_person_removed() {
    on_both_engines(async |house| {
        let carol = house.admin().await;
        let mut admin = house.browser();
        admin.sign_in(carol).await;
        let path = format!("/admin/people/{}", house.alice.id);
        let press = async |admin: &mut Browser, path: &str, what: &str| {
            let form = admin.get(path).await.field("form");
            admin.post(path, &[("form", &form), ("do", what)]).await
        };
        let shown = press(&mut admin, &path, "link").await;
        let link = shown.body.split(support::ISSUER).nth(1).unwrap().split('<').next().unwrap().to_string();
        assert_eq!(house.browser().get(&link).await.status, StatusCode::OK);
        assert!(shown.body.contains("value=\"withdraw\""), "{}", shown.body);
        assert!(press(&mut admin, &path, "withdraw").await.body.contains("leads nowhere any more"));
        assert_eq!(house.browser().get(&link).await.status, StatusCode::NOT_FOUND);
        assert_eq!(press(&mut admin, &path, "withdraw").await.status, StatusCode::BAD_REQUEST);
        let letter =
            house.directory.list_letters(100).await.unwrap().into_iter().rfind(|letter| letter.recipient == house.alice.primary);
        let raw = String::from_utf8(letter.unwrap().raw).unwrap();
        let body: String = raw.split("\r\n\r\n").nth(1).unwrap().split_whitespace().collect();
        use base64::Engine;
        let text = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(body).unwrap()).unwrap();
        assert!(text.contains("By: Carol, carol@home.example") && !text.contains("change your password"), "{text}");

        let app = format!("/admin/apps/{}", house.app.id);
        let shown = press(&mut admin, &app, "renew").await;
        let secret = shown.body.split("id=\"shown-once\">").nth(1).unwrap().split('<').next().unwrap().to_string();
        let ask = async |secret: &str| house.post_as(Some(("app", secret)), "/introspect", &[("token", "x")]).await.status;
        assert_eq!((ask(&house.secret).await, ask(&secret).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
        let phone = house.directory.find_client("phone").await.unwrap().unwrap();
        let public = format!("/admin/apps/{}", phone.id);
        assert!(!admin.get(&public).await.body.contains("value=\"renew\""), "a public one has none");
        assert_eq!(press(&mut admin, &public, "renew").await.status, StatusCode::BAD_REQUEST);

        let me = house.directory.list_accounts().await.unwrap().into_iter().find(|account| account.admin).unwrap();
        assert_eq!(press(&mut admin, &format!("/admin/people/{}", me.id), "remove").await.status, StatusCode::BAD_REQUEST);
        let mut alice = house.browser();
        alice.sign_in("alice").await;
        assert!(admin.get(&path).await.body.contains("Only a backup has them then"));
        assert_eq!(press(&mut admin, &path, "remove").await.location().as_deref(), Some("/admin/people?done=person-removed"));
        assert!(house.directory.find_account(house.alice.id).await.unwrap().is_none());
        assert!(!house.vault.has_password(house.alice.id).await.unwrap());
        assert_eq!(alice.get("/account").await.status, StatusCode::SEE_OTHER, "she is out");
        assert_eq!(admin.get(&path).await.status, StatusCode::NOT_FOUND);
    })
    .await;
}

#[tokio::test]
async fn an_admin_types_nothing_twice_and_no_name_hides_something() {
    on_both_engines(async |house| {
        let carol = house.admin().await;
        let mut admin = house.browser();
        admin.sign_in(carol).await;
        let form = admin.get("/admin/people").await.field("form");
        let fields = [
            ("form", form.as_str()),
            ("do", "add"),
            ("address", "dora@elsewhere.example"),
            ("name", "Dora \"D\""),
            ("admin", "yes"),
        ];
        let page = admin.post("/admin/people", &fields).await;
        for kept in ["value=\"dora@elsewhere.example\"", "value=\"Dora &#34;D&#34;\"", "name=\"admin\" value=\"yes\" checked"] {
            assert!(page.body.contains(kept), "{kept}: {}", page.body);
        }
        let fields = [("form", form.as_str()), ("do", "add"), ("address", "dora@home.example"), ("name", "Dora\u{202e}lorac")];
        let page = admin.post("/admin/people", &fields).await;
        assert!(page.status == StatusCode::BAD_REQUEST && page.body.contains("cannot be seen"), "{}", page.body);
        let fields = [("form", form.as_str()), ("do", "add"), ("name", "Photos"), ("redirect", "ftp://x"), ("public", "yes")];
        let page = admin.post("/admin/apps", &fields).await;
        assert!(page.body.contains("value=\"ftp://x\"") && page.body.contains("value=\"Photos\""), "{}", page.body);
    })
    .await;
}

#[tokio::test]
async fn what_destroys_is_asked_about_and_a_reload_makes_nothing_twice() {
    on_both_engines(async |house| {
        let carol = house.admin().await;
        let mut admin = house.browser();
        admin.sign_in(carol).await;
        let asked = |page: &support::Reply, what: &str| {
            let form = page.body.split(&format!("name=\"do\" value=\"{what}\"")).nth(1).unwrap().split("</form>").next().unwrap();
            assert!(form.contains("class=\"warn\"") && form.contains("Yes: "), "{what}: {form}");
        };
        asked(&admin.get(&format!("/admin/people/{}", house.alice.id)).await, "disable");
        asked(&admin.get("/admin/rules").await, "keys");
        let path = format!("/admin/apps/{}", house.app.id);
        let page = admin.get(&path).await;
        asked(&page, "remove");
        let form = page.field("form");
        let reply = admin.post(&path, &[("form", &form), ("do", "remove")]).await;
        assert_eq!(reply.location().as_deref(), Some("/admin/apps?done=app-removed"));
        assert!(admin.get("/admin/apps?done=app-removed").await.body.contains("The app is removed"));

        let page = admin.get("/admin/apps").await;
        let (form, once) = (page.field("form"), page.field("once"));
        let count = house.directory.list_clients().await.unwrap().len();
        let fields = [
            ("form", form.as_str()),
            ("once", &once),
            ("do", "preset"),
            ("preset", "immich"),
            ("url", "https://photos.home.example"),
        ];
        assert!(admin.post("/admin/apps", &fields).await.body.contains("the secret is shown this once"));
        assert_eq!(admin.post("/admin/apps", &fields).await.location().as_deref(), Some("/admin/apps?done=before"));
        assert_eq!(house.directory.list_clients().await.unwrap().len(), count + 1);
        let path = format!("/admin/people/{}", house.alice.id);
        let page = admin.get(&path).await;
        let (form, once) = (page.field("form"), page.field("once"));
        let fields = [("form", form.as_str()), ("once", &once), ("do", "link")];
        assert!(admin.post(&path, &fields).await.body.contains("/welcome/"));
        assert_eq!(admin.post(&path, &fields).await.location(), Some(format!("{path}?done=before")));
    })
    .await;
}
