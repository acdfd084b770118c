// SPDX-License-Identifier: AGPL-3.0-or-later
//! The endpoints with a real mail store, a real directory, and a gate that knows one password and one token:
//! requests go through the router as they would from the socket.

mod api;
mod blobs;
mod changes;
mod contacts;
mod door;
mod email;
mod mailbox;
mod push;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hearth_boot::Stop;
use hearth_db::Source;
use hearth_identity::directory::{Kind, NewAccount, NewSession, Session, SessionKind};
use hearth_identity::login::{Answer, Gate, Login, Question, Refusal, Revocations, read_frame, write_frame};
use hearth_identity::{Directory, Services};
use hearth_mailstore::{Backend, Store, StoreConfig};
use hearth_types::{Address, Clock, Domain};
use hearth_web::axum::Router;
use hearth_web::axum::body::{Body, to_bytes};
use hearth_web::axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tower::ServiceExt;

use crate::auth::Door;
use crate::ctx::{House, Urls};
use crate::endpoint::{App, router};
use crate::registry::{CONTACTS, CORE, MAIL};
use crate::upload;

/// The largest upload in these tests.
const UPLOAD_BYTES_MAX: u64 = 2_000_000;

/// What may be attached to one mail in these tests.
const ATTACHMENTS_BYTES_MAX: u64 = 10_000;

/// A running server without a socket.
struct Home {
    _folder: TempDir,
    app: Arc<App>,
    router: Router,
    directory: Directory,
    session: Session,
    account: String,
    asked: Arc<AtomicUsize>,
    uploads: PathBuf,
}

/// What came back.
struct Answered {
    status: StatusCode,
    headers: hearth_web::axum::http::HeaderMap,
    body: Vec<u8>,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

impl Home {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (dir, clock) = (folder.path().to_path_buf(), Clock::system());
        std::fs::create_dir_all(dir.join("run")).expect("a folder");
        let directory = Directory::open(&Source::Sqlite(dir.join("identity.db")), clock.clone()).await.expect("a directory");
        let (account, session) = alice(&directory).await;
        let config = StoreConfig {
            dir: dir.clone(),
            backend: Backend::Sqlite,
            process: "jmap".into(),
            clock: clock.clone(),
            quota_bytes: None,
            delivers: false,
        };
        let store = Store::open(config).await.expect("a store");
        let uploads = dir.join("mail/uploads");
        upload::clear(&uploads).expect("a folder");

        let asked = Arc::new(AtomicUsize::new(0));
        let login =
            Login { account: account.id, address: account.primary.clone(), session: session.id, scopes: vec!["mail".into()] };
        let listener = UnixListener::bind(dir.join("run/gate.sock")).expect("a socket");
        tokio::spawn(answer_gate(listener, login, directory.clone(), Arc::clone(&asked)));

        let urls = Urls { base: "https://mail.home.localhost:10443/jmap".to_string() };
        let house = Arc::new(House {
            store,
            directory: directory.clone(),
            clock: clock.clone(),
            urls,
            size_upload_bytes_max: UPLOAD_BYTES_MAX,
            attachments_bytes_max: ATTACHMENTS_BYTES_MAX,
            uploads: uploads.clone(),
        });
        let door = Door::new(Gate::new(dir.join("run/gate.sock")), Revocations::start(directory.clone()), clock).expect("a door");
        let app = Arc::new(App { house, door, places: Arc::default(), stop: Stop::new() });
        let router = router(Arc::clone(&app));
        Self { _folder: folder, app, router, directory, session, account: account.id.to_string(), asked, uploads }
    }

    /// Any request, with the right token unless another credential is given.
    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answered {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            request = request.header(header::AUTHORIZATION, "Bearer good-token");
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(body.into()).expect("a request")).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body").to_vec();
        Answered { status: parts.status, headers: parts.headers, body }
    }

    /// A request object, whatever comes back.
    async fn post(&self, request: &Value) -> Answered {
        self.send("POST", "/jmap/api/", &[("content-type", "application/json")], request.to_string()).await
    }

    /// Calls; `accountId` is put in. The responses as `(name, arguments)`.
    async fn call(&self, calls: &[(&str, Value)]) -> Vec<(String, Value)> {
        let calls: Vec<Value> = calls
            .iter()
            .enumerate()
            .map(|(index, (name, arguments))| {
                let mut arguments = arguments.clone();
                arguments["accountId"] = self.account.as_str().into();
                json!([name, arguments, format!("c{index}")])
            })
            .collect();
        let answered = self.post(&json!({"using": [CORE, MAIL, CONTACTS], "methodCalls": calls})).await;
        assert_eq!(answered.status, StatusCode::OK, "{}", String::from_utf8_lossy(&answered.body));
        let responses = answered.json()["methodResponses"].as_array().expect("responses").clone();
        assert_eq!(responses.len(), calls.len());
        responses.into_iter().map(|response| (response[0].as_str().expect("a name").to_string(), response[1].clone())).collect()
    }

    /// One call that has to succeed.
    async fn one(&self, name: &str, arguments: Value) -> Value {
        let (answered, arguments) = self.call(&[(name, arguments)]).await.remove(0);
        assert_eq!(answered, name, "{arguments}");
        arguments
    }

    /// One call that has to fail; its error.
    async fn error(&self, name: &str, arguments: Value) -> String {
        let (answered, arguments) = self.call(&[(name, arguments)]).await.remove(0);
        assert_eq!(answered, "error", "{arguments}");
        arguments["type"].as_str().expect("a type").to_string()
    }

    /// The id of the mailbox with a role.
    async fn mailbox(&self, role: &str) -> String {
        let found = self.one("Mailbox/query", json!({"filter": {"role": role}})).await;
        found["ids"][0].as_str().expect("a mailbox").to_string()
    }

    /// Uploads octets; the blob's id.
    async fn upload(&self, octets: &[u8]) -> String {
        let path = format!("/jmap/upload/{}/", self.account);
        let answered = self.send("POST", &path, &[("content-type", "message/rfc822")], octets.to_vec()).await;
        assert_eq!(answered.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&answered.body));
        answered.json()["blobId"].as_str().expect("an id").to_string()
    }

    /// Imports a message into a mailbox; its id.
    async fn import(&self, octets: &[u8], mailbox: &str, keywords: Value) -> String {
        let blob = self.upload(octets).await;
        let done = self
            .one("Email/import", json!({"emails": {"k": {"blobId": blob, "mailboxIds": {mailbox: true}, "keywords": keywords}}}))
            .await;
        done["created"]["k"]["id"].as_str().unwrap_or_else(|| panic!("{done}")).to_string()
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

async fn alice(directory: &Directory) -> (hearth_identity::directory::Account, Session) {
    directory.add_domain(&Domain::parse("home.localhost").expect("a domain")).await.expect("added");
    let address = Address::parse("alice@home.localhost").expect("an address");
    let new = NewAccount { address, kind: Kind::Person, name: "Alice".into(), admin: false };
    let account = directory.add_account(new).await.expect("an account");
    let new = NewSession {
        account: account.id,
        kind: SessionKind::AppPassword,
        label: "test".into(),
        services: Services::mail(),
        parent: None,
        client: None,
        secret_hash: None,
        auth_methods: "pwd".into(),
        authenticated_at: Clock::system().now(),
        peer: None,
        user_agent: None,
        expires_at: None,
    };
    let session = directory.add_session(new).await.expect("a session");
    (account, session)
}

/// Knows `alice@home.localhost` with `app-password`, and `good-token`, while the session lives.
async fn answer_gate(listener: UnixListener, login: Login, directory: Directory, asked: Arc<AtomicUsize>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let Ok(Some(question)) = read_frame::<Question>(&mut stream).await else { continue };
        asked.fetch_add(1, Ordering::SeqCst);
        let is_live =
            directory.find_session(login.session).await.expect("a look").is_some_and(|session| session.ended_at.is_none());
        let refusal = match question {
            Question::Password { user, password, .. } => {
                let is_right = user == "alice@home.localhost" && password.into_secret().expose() == "app-password";
                (!is_right).then_some(Refusal::Credentials)
            }
            Question::Bearer { token, .. } => match token.into_secret().expose().as_str() {
                "good-token" => None,
                "narrow-token" => Some(Refusal::Forbidden),
                "hasty-token" => Some(Refusal::Wait(std::time::Duration::from_secs(7))),
                _ => Some(Refusal::Credentials),
            },
            _ => Some(Refusal::Malformed),
        };
        let refusal = refusal.or((!is_live).then_some(Refusal::Credentials));
        let answer = refusal.map_or_else(|| Answer::from(&login), |refusal| Answer::Refused { refusal });
        write_frame(&mut stream, &answer).await.expect("written");
    }
}
