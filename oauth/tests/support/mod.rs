// SPDX-License-Identifier: AGPL-3.0-or-later
//! A provider in memory, and a browser that keeps cookies and fills forms.

#![expect(dead_code, reason = "each test file uses a part of it")]

pub mod device;
pub mod factors;
pub mod proof;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hearth_db::Source;
use hearth_identity::Directory;
use hearth_identity::directory::{Account, Kind, NewAccount};
use hearth_identity::grants::{Client, NewClient};
use hearth_identity::vault::Vault;
use hearth_mailstore::{Backend, StoreConfig};
use hearth_oauth::ctx::Ctx;
use hearth_oauth::gate::Doorkeeper;
use hearth_oauth::home::Home;
use hearth_oauth::server;
use hearth_types::{Address, Clock, Domain, Secret};
use hearth_web::axum::Router;
use hearth_web::axum::body::{Body, to_bytes};
use hearth_web::axum::http::{HeaderMap, Method, Request, StatusCode, header};
use tower::ServiceExt;
use url::Url;
use url::form_urlencoded;

pub const ISSUER: &str = "https://id.home.example";
pub const CALLBACK: &str = "https://app.example/cb?from=hearth";
pub const PASSWORD: &str = "correct horse battery staple";
/// From where browsers come.
pub const HOME: &str = "192.0.2.7";
/// RFC 7636, appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A provider with the people alice and bob, and the clients `app` (with a secret) and `phone` (public).
pub struct House {
    pub router: Router,
    pub ctx: Arc<Ctx>,
    pub clock: Clock,
    pub directory: Directory,
    pub vault: Vault,
    pub alice: Account,
    pub app: Client,
    pub secret: String,
    /// Where the sockets of other processes would be.
    pub run: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

/// Runs a test on SQLite, and on PostgreSQL when there is one.
pub async fn on_both_engines(test: impl AsyncFn(House)) {
    on_both_engines_with(|_| {}, test).await;
}

/// The same on a machine that is otherwise.
pub async fn on_both_engines_with(change: impl Fn(&mut Home), test: impl AsyncFn(House)) {
    static SCHEMAS: AtomicU32 = AtomicU32::new(0);
    let folder = tempfile::tempdir().unwrap();
    let sqlite = |name: &str| Source::Sqlite(folder.path().join(name));
    let (directory, vault) = (sqlite("identity.db"), sqlite("vault.db"));
    test(House::open(directory, vault, folder, &change).await).await;
    if let Ok(url) = std::env::var("HEARTH_TEST_POSTGRES") {
        let number = SCHEMAS.fetch_add(1, Ordering::SeqCst);
        let postgres = |name: &str| Source::Postgres {
            url: Secret::new(url.clone()),
            schema: format!("oauth_{}_{number}_{name}", std::process::id()),
        };
        test(House::open(postgres("directory"), postgres("vault"), tempfile::tempdir().unwrap(), &change).await).await;
    }
}

impl House {
    async fn open(directory: Source, vault: Source, folder: tempfile::TempDir, change: &impl Fn(&mut Home)) -> Self {
        let clock = Clock::fixed(Clock::system().now());
        let directory = Directory::open(&directory, clock.clone()).await.unwrap();
        let vault = Vault::open(&vault, &folder.path().join("vault.key"), clock.clone()).await.unwrap();
        directory.add_domain(&Domain::parse("home.example").unwrap()).await.unwrap();
        let alice = add_person(&directory, &vault, "alice@home.example", "Alice Example").await;
        add_person(&directory, &vault, "bob@home.example", "Bob Example").await;
        let (app, secret) = directory.add_client(client("app", false, CALLBACK)).await.unwrap();
        directory.add_client(client("phone", true, "http://127.0.0.1/cb")).await.unwrap();
        let doorkeeper = Doorkeeper::new(vault.clone(), directory.clone(), clock.clone());
        let mail = StoreConfig {
            dir: folder.path().to_path_buf(),
            backend: Backend::Sqlite,
            process: "oauth".into(),
            clock: clock.clone(),
            quota_bytes: None,
            delivers: false,
        };
        let run = folder.path().to_path_buf();
        let mut home = Home {
            hostname: "mail.home.example".into(),
            mail: Some(mail),
            keys: "https://keys.home.example".into(),
            desk: hearth_identity::desk::Desk::new(run.join(hearth_identity::desk::SOCKET)),
            finding: hearth_identity::finding::Finding::new(run.join(hearth_identity::finding::SOCKET)),
            ..Home::default()
        };
        change(&mut home);
        let ctx = Ctx::new(ISSUER.into(), "home.example".into(), home, directory.clone(), doorkeeper, clock.clone()).await.unwrap();
        let secret = secret.unwrap().expose().clone();
        Self { router: server::router(ctx.clone()), ctx, clock, directory, vault, alice, app, secret, run, _folder: folder }
    }

    pub fn browser(&self) -> Browser {
        Browser { router: self.router.clone(), jar: BTreeMap::new(), origin: Some(ISSUER.into()), speaks: "", from: HOME.into() }
    }

    /// One that is somewhere else.
    pub fn browser_at(&self, from: &str) -> Browser {
        Browser { from: from.into(), ..self.browser() }
    }

    /// What the client `app` posts, with its secret as Basic.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.post_as(Some(("app", &self.secret)), path, fields).await
    }

    pub async fn post_as(&self, client: Option<(&str, &str)>, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some((client, secret)) = client {
            request = request.header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{client}:{secret}"))));
        }
        ask(&self.router, request.body(Body::from(encode(fields))).unwrap()).await
    }

    /// The exchange of a code by the client `app`.
    pub async fn exchange(&self, code: &str) -> Reply {
        let fields =
            [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
        self.post("/token", &fields).await
    }

    /// A client of its own, with choices as metadata; its secret.
    pub async fn client(&self, identifier: &str, change: impl FnOnce(&mut NewClient)) -> String {
        let mut new = client(identifier, false, CALLBACK);
        change(&mut new);
        let (_, secret) = self.directory.add_client(new).await.unwrap();
        secret.map(|secret| secret.expose().clone()).unwrap_or_default()
    }

    /// The exchange of a code by another client.
    pub async fn exchange_as(&self, client: (&str, &str), code: &str, more: &[(&str, &str)]) -> Reply {
        let fields =
            [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
        self.post_as(Some(client), "/token", &[&fields[..], more].concat()).await
    }

    pub async fn refresh(&self, token: &str) -> Reply {
        self.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    pub async fn userinfo(&self, token: &str) -> Reply {
        let request = Request::get("/userinfo").header(header::AUTHORIZATION, format!("Bearer {token}"));
        ask(&self.router, request.body(Body::empty()).unwrap()).await
    }

    /// Carol, who looks after the home; her address.
    pub async fn admin(&self) -> &'static str {
        let carol = add_person(&self.directory, &self.vault, "carol@home.example", "Carol").await;
        self.directory.change_account_admin(carol.id, true).await.unwrap();
        "carol"
    }

    pub async fn get(&self, path: &str) -> Reply {
        ask(&self.router, Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// A code for `app`, by a browser in which alice signs in and agrees.
    pub async fn code(&self, scope: &str) -> String {
        let mut browser = self.browser();
        browser.sign_in("alice").await;
        browser.code(&request(&[("scope", scope)])).await
    }

    /// Tokens for `app`.
    pub async fn tokens(&self, scope: &str) -> serde_json::Value {
        let reply = self.exchange(&self.code(scope).await).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        reply.json()
    }
}

async fn add_person(directory: &Directory, vault: &Vault, address: &str, name: &str) -> Account {
    let new = NewAccount { address: Address::parse(address).unwrap(), kind: Kind::Person, name: name.into(), admin: false };
    let account = directory.add_account(new).await.unwrap();
    vault.set_password(account.id, Some(Secret::new(PASSWORD.to_string()))).await.unwrap();
    account
}

pub fn client(identifier: &str, public: bool, redirect_uri: &str) -> NewClient {
    NewClient {
        identifier: Some(identifier.into()),
        name: format!("The {identifier} <b>"),
        public,
        redirect_uris: vec![redirect_uri.into()],
        post_logout_redirect_uris: vec!["https://app.example/bye".into()],
        grant_types: vec![],
        scopes: ["openid", "email", "profile", "groups", "offline_access", "mail"].map(String::from).to_vec(),
        preset: None,
        trusted: false,
        metadata: "{}".into(),
    }
}

/// A sound request of `app`, with parameters put in the place of its own; an empty value takes one away.
pub fn request(changes: &[(&str, &str)]) -> String {
    let mut params = BTreeMap::from([
        ("client_id", "app"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid email profile"),
        ("state", "s&t"),
        ("nonce", "n-1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    params.extend(changes.iter().copied());
    params.retain(|_, value| !value.is_empty());
    format!("/authorize?{}", encode(&params.into_iter().collect::<Vec<_>>()))
}

pub fn encode(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The claims of a token, unverified.
pub fn claims(token: &str) -> serde_json::Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// Keeps cookies; sends `Origin` with what it posts.
pub struct Browser {
    router: Router,
    pub jar: BTreeMap<String, String>,
    pub origin: Option<String>,
    /// What it sends as Accept-Language.
    pub speaks: &'static str,
    /// The address that it comes from.
    pub from: String,
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Browser {
    pub async fn get(&mut self, path: &str) -> Reply {
        self.ask(Method::GET, path, &[]).await
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.ask(Method::POST, path, fields).await
    }

    /// GET, and on through our own redirects.
    pub async fn follow(&mut self, path: &str) -> Reply {
        let mut reply = self.get(path).await;
        while let Some(next) = reply.location().filter(|next| next.starts_with('/')) {
            reply = self.get(&next).await;
        }
        reply
    }

    async fn ask(&mut self, method: Method, path: &str, fields: &[(&str, &str)]) -> Reply {
        let jar: Vec<_> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header("x-forwarded-for", &self.from)
            .header(header::ACCEPT_LANGUAGE, self.speaks)
            .header(header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0");
        if !jar.is_empty() {
            request = request.header(header::COOKIE, jar.join("; "));
        }
        if let Some(origin) = self.origin.as_ref().filter(|_| method == Method::POST) {
            request = request.header(header::ORIGIN, origin);
        }
        let reply = ask(&self.router, request.body(Body::from(encode(fields))).unwrap()).await;
        for field in reply.headers.get_all(header::SET_COOKIE) {
            let field = field.to_str().unwrap();
            for part in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
                assert!(field.contains(part), "{field}");
            }
            let (name, rest) = field.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            assert!(name.starts_with("__Host-"));
            if field.contains("Max-Age=0") {
                self.jar.remove(name)
            } else {
                self.jar.insert(name.into(), value.into())
            };
        }
        reply
    }

    /// Fills the sign-in form that `reply` shows.
    pub async fn fill_sign_in(&mut self, page: &Reply, user: &str, password: &str) -> Reply {
        let (form, request, to) = (page.field("form"), page.field("request"), page.field("to"));
        let fields = [("form", form.as_str()), ("request", &request), ("to", &to), ("username", user), ("password", password)];
        self.post("/sign-in", &fields).await
    }

    pub async fn sign_in(&mut self, user: &str) {
        let page = self.get("/sign-in").await;
        let reply = self.fill_sign_in(&page, user, PASSWORD).await;
        assert_eq!((reply.status, reply.location().as_deref()), (StatusCode::SEE_OTHER, Some("/account")), "{}", reply.body);
    }

    pub async fn consent(&mut self, page: &Reply, decision: &str) -> Reply {
        assert!(page.body.contains("/consent"), "{}", page.body);
        let (form, request) = (page.field("form"), page.field("request"));
        self.post("/consent", &[("form", &form), ("request", &request), ("decision", decision)]).await
    }

    /// The code that a request comes to, when the person is signed in and agrees.
    pub async fn code(&mut self, request: &str) -> String {
        let mut reply = self.follow(request).await;
        if reply.status == StatusCode::OK {
            reply = self.consent(&reply, "allow").await;
        }
        reply.param("code").unwrap_or_else(|| panic!("no code: {} {:?} {}", reply.status, reply.location(), reply.body))
    }
}

impl Reply {
    pub fn location(&self) -> Option<String> {
        self.headers.get(header::LOCATION).map(|location| location.to_str().unwrap().to_string())
    }

    /// A parameter of the address that the browser is sent to.
    pub fn param(&self, name: &str) -> Option<String> {
        let url = Url::parse(&self.location()?).ok()?;
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The value of a hidden field of the page.
    pub fn field(&self, name: &str) -> String {
        let (_, rest) =
            self.body.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name}: {}", self.body));
        let value = rest.split('"').next().unwrap();
        ["&#38;", "&amp;"].iter().fold(value.to_string(), |text, entity| text.replace(entity, "&"))
    }

    /// An attribute of the page's first form that has it.
    pub fn attribute(&self, name: &str) -> String {
        let (_, rest) = self.body.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("no {name}: {}", self.body));
        rest.split('"').next().unwrap().replace("&#34;", "\"").replace("&#38;", "&")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    pub fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"].as_str().unwrap_or_default().to_string())
    }
}

pub async fn ask(router: &Router, request: Request<Body>) -> Reply {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    // An archive is no text; what lies in it unpacked can be looked for all the same.
    let body = String::from_utf8_lossy(&to_bytes(body, 1 << 20).await.unwrap()).into_owned();
    Reply { status: parts.status, headers: parts.headers, body }
}
