// SPDX-License-Identifier: AGPL-3.0-or-later
//! The gate, end to end over a real Unix socket. Each test runs on SQLite, and on PostgreSQL when
//! `HEARTH_TEST_POSTGRES` names a server.

mod mechanisms;
mod orders;
mod socket;
mod throttled;

use std::future::Future;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_db::Source;
use hearth_identity::Directory;
use hearth_identity::directory::{Account, Kind, NewAccount};
use hearth_identity::login::{ChannelBinding, Exchange, Gate, Login, Mechanism, Refusal, Service, Services, Step};
use hearth_identity::vault::Vault;
use hearth_types::{Clock, Secret, SessionId, Timestamp};
use hearth_wire::sasl::scram;
use tokio::net::UnixListener;
use tokio::sync::oneshot;

use super::{Doorkeeper, serve};

const PASSWORD: &str = "correct horse battery";
const PEER: &str = "192.0.2.1";

/// A home with a gate and alice in it.
struct Home {
    directory: Directory,
    clock: Clock,
    gate: Gate,
    socket: PathBuf,
    alice: Account,
}

fn on_each_engine<F: Future<Output = ()>>(test: impl Fn(Home) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    runtime.block_on(async {
        let at = |name: &str| Source::Sqlite(folder.path().join(name));
        let (home, _stop) = Home::open(&at("identity.db"), &at("vault.db"), folder.path()).await;
        test(home).await;
    });
    let Ok(url) = std::env::var("HEARTH_TEST_POSTGRES") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    runtime.block_on(async {
        let name = format!("gate_{}", hearth_types::id::Id::new(Clock::system().now()));
        let of = |suffix: &str| Source::Postgres { url: Secret::new(url.clone()), schema: format!("{name}_{suffix}") };
        let (home, _stop) = Home::open(&of("directory"), &of("vault"), folder.path()).await;
        test(home).await;
    });
}

impl Home {
    /// With what keeps the gate open.
    async fn open(directory: &Source, vault: &Source, folder: &Path) -> (Self, oneshot::Sender<()>) {
        let clock = Clock::fixed(Timestamp::from_secs(1_800_000_000));
        let directory = Directory::open(directory, clock.clone()).await.expect("the directory");
        let vault = Vault::open(vault, &folder.join("vault.key"), clock.clone()).await.expect("the vault");
        directory.add_domain(&"home.test".parse().expect("a domain")).await.expect("added");
        let alice = add(&directory, "alice").await;
        vault.set_password(alice.id, Some(Secret::new(PASSWORD.into()))).await.expect("a password");
        let socket = folder.join("gate.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let (stop, stopped) = oneshot::channel();
        let doorkeeper = Doorkeeper::with_issuer(vault, directory.clone(), clock.clone(), "https://id.home.test".into());
        tokio::spawn(serve(listener, doorkeeper, async {
            let _ = stopped.await;
        }));
        (Self { directory, clock, gate: Gate::new(&socket), socket, alice }, stop)
    }

    async fn app_password(&self, services: &[Service]) -> (SessionId, Secret<String>) {
        self.clock.advance(Duration::from_millis(1));
        let services: Services = services.iter().copied().collect();
        self.gate.add_app_password(self.alice.id, "phone", services, None).await.expect("an app password")
    }

    fn begin(&self, mechanism: Mechanism, service: Service, binding: ChannelBinding) -> Exchange {
        self.gate.begin(mechanism, service, peer(PEER), binding)
    }

    /// PLAIN with an initial response.
    async fn plain(&self, user: &str, password: &str, service: Service, from: &str) -> Step {
        let message = format!("\0{user}\0{password}");
        let mut exchange = self.gate.begin(Mechanism::Plain, service, peer(from), ChannelBinding::none());
        exchange.start(Some(message.as_bytes())).await.expect("the gate answers")
    }

    /// SCRAM by a client that does its part.
    async fn scram(
        &self,
        mechanism: Mechanism,
        ours: ChannelBinding,
        header: &str,
        data: &[u8],
        user: &str,
        password: &str,
    ) -> Step {
        let mut exchange = self.begin(mechanism, Service::Imap, ours);
        let bare = format!("n={user},r=fyko+d2lbbFgONRv9qkxdawL");
        let first = match exchange.start(Some(format!("{header}{bare}").as_bytes())).await.expect("the gate answers") {
            Step::Challenge(first) => String::from_utf8(first).expect("UTF-8"),
            other => return other,
        };
        let last = scram::client::encode_final(header, data, &bare, &first, password).expect("a final message");
        match exchange.step(last.as_bytes()).await.expect("the gate answers") {
            Step::Challenge(signature) => {
                assert!(signature.starts_with(b"v="));
                exchange.step(b"").await.expect("the gate answers")
            }
            other => other,
        }
    }
}

async fn add(directory: &Directory, local: &str) -> Account {
    let address = format!("{local}@home.test").parse().expect("an address");
    directory.add_account(NewAccount { address, kind: Kind::Person, name: local.into(), admin: false }).await.expect("added")
}

fn peer(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn binding() -> ChannelBinding {
    ChannelBinding { exporter: Some(vec![7; 32]), server_end_point: Some(vec![9; 32]) }
}

fn login(step: Step) -> Login {
    match step {
        Step::Done(login) => login,
        other => panic!("want a login, got {other:?}"),
    }
}

#[track_caller]
fn refused(step: Step, refusal: Refusal) {
    assert_eq!(step, Step::Refused(refusal));
}
