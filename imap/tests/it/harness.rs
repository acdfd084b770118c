// SPDX-License-Identifier: AGPL-3.0-or-later
//! A home in a temporary directory: a real store and directory, a gate that knows two persons, sessions over pipes.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hearth_boot::Stop;
use hearth_db::Source;
use hearth_identity::directory::{Kind, MemberRole, NewAccount, NewSession, SessionKind};
use hearth_identity::login::{Answer, Gate, Question, Refusal, Revocations, Showing, read_frame, write_frame};
use hearth_identity::{Directory, Services};
use hearth_imap::ctx::{Shared, Stream};
use hearth_imap::limits::COMPRESSED_SESSIONS_MAX;
use hearth_imap::listing::Listings;
use hearth_imap::mirror::Mirrors;
use hearth_imap::{managesieve, pop3, session};
use hearth_mailstore::{Backend, Content, Durability, FlagSet, Store, StoreConfig, mailbox, message};
use hearth_net::tls::Facts;
use hearth_types::{AccountId, Address, Clock, Domain, SessionId, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::timeout;

/// The person of the tests.
pub const USER: &str = "alice@home.localhost";
/// Another person of the house, who is its admin. Both are in the group family@home.localhost.
pub const OTHER: &str = "bob@home.localhost";
/// Their password, and the token that the gate takes.
pub const PASSWORD: &str = "correct horse";
/// Name and password as SASL PLAIN shows them, in base64.
const PLAIN: &str = "AGFsaWNlQGhvbWUubG9jYWxob3N0AGNvcnJlY3QgaG9yc2U=";
/// When the tests take place: 2026-01-02T03:04:05Z.
pub const NOW: Timestamp = Timestamp::from_secs(1_767_323_045);
/// Appended messages may have this many octets.
pub const APPEND_BYTES_MAX: u64 = 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(20);

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Imap,
    Pop3,
    Sieve,
}

/// A home.
pub struct Home {
    pub shared: Arc<Shared>,
    pub account: AccountId,
    pub directory: Directory,
    pub session: SessionId,
    _dir: tempfile::TempDir,
}

impl Home {
    /// Sets one up.
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().to_path_buf();
        for below in ["run", "append"] {
            std::fs::create_dir_all(path.join(below)).expect("a folder");
        }
        let clock = Clock::fixed(NOW);
        let directory = Directory::open(&Source::Sqlite(path.join("identity.db")), clock.clone()).await.expect("a directory");
        directory.add_domain(&Domain::parse("home.localhost").expect("a domain")).await.expect("the domain");
        let new = NewAccount {
            address: Address::parse(USER).expect("an address"),
            kind: Kind::Person,
            name: "Alice".into(),
            admin: false,
        };
        let account = directory.add_account(new.clone()).await.expect("the account").id;
        let session = directory.add_session(new_session(account)).await.expect("a session").id;
        let other =
            NewAccount { address: Address::parse(OTHER).expect("an address"), name: "Bob".into(), admin: true, ..new.clone() };
        let other = directory.add_account(other).await.expect("the account").id;
        let other_session = directory.add_session(new_session(other)).await.expect("a session").id;
        let family = NewAccount {
            address: Address::parse("family@home.localhost").expect("an address"),
            kind: Kind::Group,
            name: "Family".into(),
            admin: false,
        };
        let family = directory.add_account(family).await.expect("the group").id;
        directory.add_group_member(family, account, MemberRole::Owner).await.expect("a member");
        directory.add_group_member(family, other, MemberRole::Member).await.expect("a member");
        let config = StoreConfig {
            dir: path.clone(),
            backend: Backend::Sqlite,
            process: "imap".into(),
            clock: clock.clone(),
            quota_bytes: None,
            delivers: false,
        };
        let store = Store::open(config).await.expect("a store");
        let gate = path.join("run/gate.sock");
        tokio::spawn(serve_gate(
            UnixListener::bind(&gate).expect("a socket"),
            [(USER, account, session), (OTHER, other, other_session)],
        ));
        let shared = Arc::new(Shared {
            store,
            gate: Gate::new(gate),
            directory: directory.clone(),
            revocations: Revocations::start(directory.clone()),
            tls: None,
            clock,
            stop: Stop::new(),
            mirrors: Mirrors::default(),
            listings: Listings::default(),
            hostname: "mail.home.localhost".into(),
            append_bytes_max: APPEND_BYTES_MAX,
            spool: path.join("append"),
            spooled: AtomicU64::new(0),
            progress_every: Duration::from_secs(10),
            compressors: Arc::new(tokio::sync::Semaphore::new(COMPRESSED_SESSIONS_MAX)),
            maildrops: hearth_imap::pop3::Maildrops::default(),
            sieve_url: "sieve://mail.home.localhost:4190".into(),
            jmap_url: "https://mail.home.localhost/jmap/session".into(),
        });
        Self { shared, account, directory, session, _dir: dir }
    }

    /// An IMAP connection; `tls` as if on port 993.
    pub fn connect(&self, tls: bool) -> Client {
        self.connect_to(Protocol::Imap, tls)
    }

    /// A connection; `tls` as if on a port where it begins with the first byte.
    pub fn connect_to(&self, protocol: Protocol, tls: bool) -> Client {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let facts = tls.then(Facts::default);
        let (shared, peer) = (Arc::clone(&self.shared), [192, 0, 2, 1].into());
        match protocol {
            Protocol::Imap => drop(tokio::spawn(session::serve(shared, Box::new(theirs), peer, facts))),
            Protocol::Pop3 => drop(tokio::spawn(pop3::serve(shared, Box::new(theirs), peer, facts))),
            Protocol::Sieve => drop(tokio::spawn(managesieve::serve(shared, Box::new(theirs), peer, facts))),
        }
        Client { stream: Box::new(ours), buffer: Vec::new() }
    }

    /// An IMAP connection over a socket of the system.
    pub async fn connect_by_tcp(&self) -> Client {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let ours = TcpStream::connect(listener.local_addr().expect("its address")).await.expect("a connection");
        let (theirs, peer) = listener.accept().await.expect("a connection");
        tokio::spawn(session::serve(Arc::clone(&self.shared), Box::new(theirs), peer.ip(), Some(Facts::default())));
        Client { stream: Box::new(ours), buffer: Vec::new() }
    }

    /// Puts a message into a mailbox, as a delivery in another process would.
    pub async fn add_mail(&self, path: &str, raw: Vec<u8>) {
        self.add_mail_of(self.account, path, raw).await;
    }

    /// The same into another account.
    pub async fn add_mail_of(&self, account: AccountId, path: &str, raw: Vec<u8>) {
        let prepared = self.shared.store.prepare(account, Content::Bytes(raw)).await.expect("prepared");
        let path = path.to_string();
        let work = move |tx: &mut hearth_mailstore::MailTx<'_>| {
            let target = mailbox::find_by_name(tx, &path)?.expect("the mailbox");
            message::append(tx, prepared, &[target.id], &FlagSet::EMPTY, NOW)
        };
        self.shared.store.write(account, Durability::Synced, work).await.expect("appended");
    }
}

fn new_session(account: AccountId) -> NewSession {
    NewSession {
        account,
        kind: SessionKind::Password,
        label: "test".into(),
        services: Services::mail(),
        parent: None,
        client: None,
        secret_hash: None,
        auth_methods: String::new(),
        authenticated_at: NOW,
        peer: None,
        user_agent: None,
        expires_at: None,
    }
}

/// Who may come in: address, account, session.
type People = [(&'static str, AccountId, SessionId); 2];

async fn serve_gate(listener: UnixListener, people: People) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, people));
    }
}

async fn answer(mut stream: UnixStream, people: People) {
    let mut mechanism = String::new();
    let mut user = None;
    while let Ok(Some(question)) = read_frame::<Question>(&mut stream).await {
        let login_as = |(address, account, session): (&str, AccountId, SessionId)| Answer::Login {
            account: account.as_i64(),
            address: address.into(),
            session: session.as_i64(),
            scopes: vec!["mail".into()],
        };
        let refused = || Answer::Refused { refusal: Refusal::Credentials };
        let login = |good: bool| if good { login_as(people[0]) } else { refused() };
        let octets = match question {
            Question::Password { user, password, .. } => {
                let good = password.into_secret().expose() == PASSWORD;
                let who = people.into_iter().find(|(address, ..)| good && *address == user);
                let _ = write_frame(&mut stream, &who.map_or_else(refused, login_as)).await;
                continue;
            }
            Question::Sasl { mechanism: name, initial, .. } => {
                mechanism = name;
                initial.map(octets_of)
            }
            Question::Response { data } => Some(octets_of(data)),
            _ => return,
        };
        let reply = match (mechanism.as_str(), octets) {
            ("LOGIN", None) => Answer::Challenge { data: b"Username:".to_vec() },
            ("LOGIN", Some(name)) if user.is_none() => {
                user = Some(name);
                Answer::Challenge { data: b"Password:".to_vec() }
            }
            ("LOGIN", Some(password)) => login(user.as_deref() == Some(USER.as_bytes()) && password == PASSWORD.as_bytes()),
            (_, None) => Answer::Challenge { data: Vec::new() },
            ("PLAIN", Some(data)) => login(data == format!("\0{USER}\0{PASSWORD}").into_bytes()),
            ("OAUTHBEARER" | "XOAUTH2", Some(data)) if data == [1] || data.is_empty() => login(false),
            ("OAUTHBEARER" | "XOAUTH2", Some(data)) if !String::from_utf8_lossy(&data).contains("Bearer good") => {
                Answer::Challenge { data: br#"{"status":"invalid_token"}"#.to_vec() }
            }
            ("OAUTHBEARER" | "XOAUTH2", Some(_)) => login(true),
            _ => login(false),
        };
        let _ = write_frame(&mut stream, &reply).await;
    }
}

fn octets_of(showing: Showing) -> Vec<u8> {
    showing.into_octets().map(|octets| octets.expose().clone()).unwrap_or_default()
}

/// The client's end of a session.
pub struct Client {
    stream: Stream,
    buffer: Vec<u8>,
}

impl Client {
    /// Sends octets as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next line without its CRLF; `None` when the server has closed.
    pub async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=at).collect();
                let text = String::from_utf8_lossy(&line).into_owned();
                return Some(text.strip_suffix("\r\n").map_or(text.clone(), str::to_string));
            }
            let mut chunk = vec![0; 16 * 1024];
            let read = timeout(PATIENCE, self.stream.read(&mut chunk)).await.expect("the server answers in time").unwrap_or(0);
            if read == 0 {
                return None;
            }
            self.buffer.extend_from_slice(&chunk[..read]);
        }
    }

    /// Exactly so many octets.
    pub async fn octets(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            let mut chunk = vec![0; 64 * 1024];
            let read = timeout(PATIENCE, self.stream.read(&mut chunk)).await.expect("the server answers in time").expect("a read");
            assert!(read > 0, "closed too early");
            self.buffer.extend_from_slice(&chunk[..read]);
        }
        self.buffer.drain(..count).collect()
    }

    /// Whatever comes next, at least one octet.
    pub async fn some(&mut self) -> Vec<u8> {
        if self.buffer.is_empty() {
            assert!(self.read_some().await > 0, "closed too early");
        }
        std::mem::take(&mut self.buffer)
    }

    /// Reads into the buffer; 0 when the server has closed.
    pub async fn read_some(&mut self) -> usize {
        let mut chunk = vec![0; 16 * 1024];
        let read = timeout(PATIENCE, self.stream.read(&mut chunk)).await.expect("the server answers in time").unwrap_or(0);
        self.buffer.extend_from_slice(&chunk[..read]);
        read
    }

    /// Waits, for however long it takes, until the server has closed.
    pub async fn outlive(&mut self) {
        let _ = self.stream.read_to_end(&mut self.buffer).await;
    }

    /// Is nothing said within a moment?
    pub async fn is_silent(&mut self) -> bool {
        self.buffer.is_empty() && timeout(Duration::from_millis(150), self.line()).await.is_err()
    }

    /// Sends a command and returns every line up to its tagged one.
    pub async fn command(&mut self, tag: &str, text: &str) -> Vec<String> {
        self.send(format!("{tag} {text}\r\n").as_bytes()).await;
        let mut lines = Vec::new();
        while let Some(line) = self.line().await {
            let last = line.starts_with(&format!("{tag} "));
            lines.push(line);
            if last {
                break;
            }
        }
        lines
    }

    /// Reads the greeting and signs in.
    pub async fn sign_in(&mut self) {
        self.sign_in_to(Protocol::Imap).await;
    }

    /// The same as the other person.
    pub async fn sign_in_as_other(&mut self) {
        self.line().await.expect("a greeting");
        let answer = self.command("login", &format!("LOGIN {OTHER} \"{PASSWORD}\"")).await;
        assert!(answer.last().is_some_and(|line| line.starts_with("login OK")), "{answer:?}");
    }

    /// The same by another protocol.
    pub async fn sign_in_to(&mut self, protocol: Protocol) {
        let mut greeting = self.line().await.expect("a greeting");
        while protocol == Protocol::Sieve && !greeting.starts_with("OK") {
            greeting = self.line().await.expect("a greeting");
        }
        let (asked, answers) = match protocol {
            Protocol::Imap => (format!("login LOGIN {USER} \"{PASSWORD}\"\r\n"), ["login OK"].as_slice()),
            Protocol::Pop3 => (format!("USER {USER}\r\nPASS {PASSWORD}\r\n"), ["+OK", "+OK"].as_slice()),
            Protocol::Sieve => (format!("AUTHENTICATE \"PLAIN\" \"{PLAIN}\"\r\n"), ["OK"].as_slice()),
        };
        self.send(asked.as_bytes()).await;
        for start in answers {
            let line = self.line().await.expect("an answer");
            assert!(line.starts_with(start), "{line}");
        }
    }
}
