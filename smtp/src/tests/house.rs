// SPDX-License-Identifier: AGPL-3.0-or-later
//! A house for a test: stores in a temporary folder, people, a gate that knows one password, a pipe to talk through.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hearth_db::Source;
use hearth_identity::directory::{Account, Kind as AccountKind, NewAccount, NewSession, SessionKind};
use hearth_identity::login::{Answer, Gate, Question, Refusal, read_frame, write_frame};
use hearth_identity::{Directory, Services};
use hearth_mailstore::{Backend, MailTx, Role, Store, StoreConfig, mailbox, message};
use hearth_net::dns::{Options, Resolver};
use hearth_net::listen::Peer;
use hearth_net::tls::Tls;
use hearth_types::{AccountId, Address, Clock, Domain, SessionId};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

use crate::ctx::{Parts, Server};
use crate::policy::Policy;
use crate::queue::Queue;
use crate::session;
use crate::state::Kind;
use crate::submission::sign::Signer;

/// What everybody in a test's house has for a password.
pub const PASSWORD: &str = "correct horse";
/// Large messages are few in tests.
pub const SIZE_BYTES_MAX: u64 = 4_000_000;

pub struct House {
    pub server: Arc<Server>,
    pub alice: Account,
    pub bob: Account,
    pub domain: Domain,
    pub folder: tempfile::TempDir,
}

impl House {
    /// A house that asks no DNS server.
    pub async fn new() -> Self {
        Self::with("home.example", &["192.0.2.53:53".parse().expect("an address")], Clock::system()).await
    }

    /// A house that trusts this machine, so that nobody is looked up.
    pub async fn with(domain: &str, dns: &[SocketAddr], clock: Clock) -> Self {
        let trusted = vec!["127.0.0.1/32".parse().expect("a network")];
        Self::of(domain, dns, clock, Policy { trusted, ..Policy::default() }).await
    }

    pub async fn of(domain: &str, dns: &[SocketAddr], clock: Clock, policy: Policy) -> Self {
        Self::ruled(domain, dns, clock, policy, true).await
    }

    /// A house without an admin, that trusts this machine.
    pub async fn without_admin() -> Self {
        let trusted = vec!["127.0.0.1/32".parse().expect("a network")];
        let dns = ["192.0.2.53:53".parse().expect("an address")];
        Self::ruled("home.example", &dns, Clock::system(), Policy { trusted, ..Policy::default() }, false).await
    }

    async fn ruled(domain: &str, dns: &[SocketAddr], clock: Clock, policy: Policy, has_admin: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path();
        for name in ["queue", "run", "dkim", "tls", "mail"] {
            std::fs::create_dir_all(dir.join(name)).expect("a folder");
        }
        let domain = Domain::parse(domain).expect("a domain");
        let directory = Directory::open(&Source::Sqlite(dir.join("identity.db")), clock.clone()).await.expect("a directory");
        directory.add_domain(&domain).await.expect("a domain");
        let alice = person(&directory, "alice", &domain, has_admin).await;
        let bob = person(&directory, "bob", &domain, false).await;
        let gate = dir.join("run/gate.sock");
        serve_gate(&gate, directory.clone());
        let store = StoreConfig {
            dir: dir.to_path_buf(),
            backend: Backend::Sqlite,
            process: "smtp".to_string(),
            clock: clock.clone(),
            quota_bytes: None,
            delivers: true,
        };
        let server = Server::new(Parts {
            hostname: domain.below("mail"),
            issuer: format!("https://id.{domain}"),
            size_bytes_max: SIZE_BYTES_MAX,
            directory,
            store: Store::open(store).await.expect("a store"),
            gate: Gate::new(gate),
            dns: Resolver::new(&Options { servers: dns.to_vec(), ..Options::default() }).expect("a resolver"),
            queue: Queue::open(&Source::Sqlite(dir.join("queue/queue.db")), dir.join("queue"), clock.clone())
                .await
                .expect("a queue"),
            signer: Signer::new(dir.join("dkim")),
            tls: Some(certificate(dir, &domain)),
            policy,
            clock,
            stop: hearth_boot::Stop::new(),
        });
        Self { server, alice, bob, domain, folder }
    }

    /// A conversation with somebody at an address; the local end is at 127.0.0.1.
    pub fn talk_from(&self, kind: Kind, implicit_tls: bool, from: &str) -> Pipe {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let ip: IpAddr = from.parse().expect("an address");
        let peer = Peer { remote: SocketAddr::new(ip, 40_000), local: "127.0.0.1:25".parse().expect("an address") };
        let server = Arc::clone(&self.server);
        tokio::spawn(async move { session::run(server, kind, implicit_tls, peer, ours).await });
        Pipe { stream: BufReader::new(theirs) }
    }

    /// With a stranger on port 25.
    pub fn talk(&self) -> Pipe {
        self.talk_from(Kind::Mx, false, "127.0.0.1")
    }

    /// The raw mails of a mailbox, in order.
    pub async fn mails(&self, account: AccountId, role: Role) -> Vec<String> {
        self.mails_in(account, move |tx| mailbox::find_by_role(tx, role)).await
    }

    /// The same, by path.
    pub async fn mails_at(&self, account: AccountId, path: &str) -> Vec<String> {
        let path = path.to_string();
        self.mails_in(account, move |tx| mailbox::find_by_name(tx, &path)).await
    }

    async fn mails_in(
        &self,
        account: AccountId,
        find: impl FnOnce(&mut MailTx<'_>) -> hearth_mailstore::Result<Option<mailbox::Mailbox>> + Send + 'static,
    ) -> Vec<String> {
        let mails = self.server.store.read(account, move |tx| {
            let Some(mailbox) = find(tx)? else { return Ok(Vec::new()) };
            let mut mails = Vec::new();
            for entry in message::view(tx, mailbox.id)? {
                if let Some(body) = message::body(tx, entry.id)? {
                    mails.push(String::from_utf8_lossy(&body.bytes()?).into_owned());
                }
            }
            Ok::<_, hearth_mailstore::Error>(mails)
        });
        mails.await.expect("mails")
    }

    /// Waits until so many mails are there.
    pub async fn wait_for(&self, account: AccountId, role: Role, count: usize) -> Vec<String> {
        for _ in 0..600 {
            let mails = self.mails(account, role).await;
            if mails.len() >= count {
                return mails;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{count} mails did not come; the queue has {:?}", self.server.queue.list().await);
    }
}

async fn person(directory: &Directory, name: &str, domain: &Domain, admin: bool) -> Account {
    let address = Address::new(name, domain.clone()).expect("an address");
    let new = NewAccount { address, kind: AccountKind::Person, name: name.to_string(), admin };
    directory.add_account(new).await.expect("an account")
}

fn certificate(dir: &Path, domain: &Domain) -> Tls {
    let made = rcgen::generate_simple_self_signed(vec![domain.below("mail")]).expect("a certificate");
    let (certificate, key) = (dir.join("tls/node.pem"), dir.join("tls/node.key"));
    std::fs::write(&certificate, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    Tls::load(&certificate, &key, &[]).expect("TLS")
}

/// A gate that speaks PLAIN and lets everybody in with [`PASSWORD`].
fn serve_gate(path: &Path, directory: Directory) {
    let listener = tokio::net::UnixListener::bind(path).expect("a socket");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let directory = directory.clone();
            tokio::spawn(async move {
                let mut message = None;
                while let Ok(Some(question)) = read_frame::<Question>(&mut stream).await {
                    message = match question {
                        Question::Sasl { initial: Some(initial), .. } | Question::Response { data: initial } => {
                            initial.into_octets()
                        }
                        _ => message,
                    };
                    let answer = match &message {
                        None => Answer::Challenge { data: Vec::new() },
                        Some(octets) => plain(&directory, octets.expose()).await,
                    };
                    let _ = write_frame(&mut stream, &answer).await;
                }
            });
        }
    });
}

async fn plain(directory: &Directory, message: &[u8]) -> Answer {
    let mut parts = message.split(|byte| *byte == 0).skip(1).map(|part| String::from_utf8_lossy(part).into_owned());
    let (user, password) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let account = match user.parse() {
        Ok(address) if password == PASSWORD => directory.find_account_by_address(&address).await.expect("an answer"),
        _ => None,
    };
    match account {
        None => Answer::Refused { refusal: Refusal::Credentials },
        Some(account) => Answer::Login {
            account: account.id.as_i64(),
            address: account.primary.to_string(),
            session: device(directory, account.id).await.as_i64(),
            scopes: vec!["mail".to_string()],
        },
    }
}

async fn device(directory: &Directory, account: AccountId) -> SessionId {
    let session = NewSession {
        account,
        kind: SessionKind::AppPassword,
        label: "a mail program".to_string(),
        services: Services::mail(),
        parent: None,
        client: None,
        secret_hash: None,
        auth_methods: "pwd".to_string(),
        authenticated_at: Clock::system().now(),
        peer: None,
        user_agent: None,
        expires_at: None,
    };
    directory.add_session(session).await.expect("a session").id
}

/// The client's end of a conversation.
pub struct Pipe {
    pub stream: BufReader<DuplexStream>,
}

impl Pipe {
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        // The server may have closed, which the next read shows.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// A whole reply; empty when the server has closed.
    pub async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            if self.stream.read_line(&mut reply).await.unwrap_or(0) == 0 || reply.as_bytes().get(start + 3) == Some(&b' ') {
                return reply;
            }
        }
    }

    /// A line, and its reply.
    pub async fn say(&mut self, line: &str) -> String {
        self.write(format!("{line}\r\n")).await;
        self.reply().await
    }

    /// All that still comes until the server closes.
    pub async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest).await;
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// Greeting, EHLO, MAIL, RCPT, DATA and a message; the reply to it.
    pub async fn send(&mut self, sender: &str, recipients: &[&str], message: &str) -> String {
        self.reply().await;
        self.say("EHLO client.example").await;
        self.transact(sender, recipients, message).await
    }

    pub async fn transact(&mut self, sender: &str, recipients: &[&str], message: &str) -> String {
        let reply = self.say(&format!("MAIL FROM:<{sender}>")).await;
        assert!(reply.starts_with("250 "), "{reply}");
        for recipient in recipients {
            let reply = self.say(&format!("RCPT TO:<{recipient}>")).await;
            assert!(reply.starts_with("250 "), "{reply}");
        }
        let reply = self.say("DATA").await;
        assert!(reply.starts_with("354 "), "{reply}");
        self.say(&format!("{message}.")).await
    }

    pub async fn sign_in(&mut self, address: &Address) -> String {
        let initial = BASE64_STANDARD.encode(format!("\0{address}\0{PASSWORD}"));
        self.say(&format!("AUTH PLAIN {initial}")).await
    }
}
