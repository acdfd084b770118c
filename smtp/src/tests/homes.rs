// SPDX-License-Identifier: AGPL-3.0-or-later
//! Two homes on one machine, each at an address of its own, with a DNS server between them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hearth_mailstore::{Durability, Flag, Role, lesson, mailbox, message};
use hearth_net::listen::{self, Admission};
use hearth_net::tls::Connector;
use hearth_types::{Address, Clock};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_server::Server as DnsServer;
use hickory_server::proto::rr::rdata::{A, MX, NS, SOA, TXT};
use hickory_server::proto::rr::{Name, RData, Record};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::house::House;
use crate::outbound::Outbound;
use crate::queue::{NewMail, NewRecipient, worker};
use crate::session;
use crate::state::Kind;

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const TWO: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// A home's DKIM keys, written where the server looks for them; gives the records to publish.
pub(super) struct DkimKeys {
    rsa: (Vec<u8>, String),
    ed25519: (Vec<u8>, String),
}

impl DkimKeys {
    pub(super) fn generate() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der: Pkcs8V1Der<'_> = pair.as_der().expect("encoded");
        let der = der.as_ref().to_vec();
        let rsa = RsaKey::<Sha256>::from_key_der(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der.clone()))).expect("a key");
        let seed = Ed25519Key::generate_pkcs8().expect("a key");
        let ed25519 = Ed25519Key::from_pkcs8_maybe_unchecked_der(&seed).expect("a key");
        let record = |kind: &str, public: Vec<u8>| format!("v=DKIM1; k={kind}; p={}", BASE64_STANDARD.encode(public));
        Self { rsa: (der, record("rsa", rsa.public_key())), ed25519: (seed, record("ed25519", ed25519.public_key())) }
    }

    pub(super) fn write(&self, house: &House) {
        let dir = house.folder.path().join("dkim").join(house.domain.as_str());
        std::fs::create_dir_all(&dir).expect("a folder");
        for (name, der) in [("rsa.key", &self.rsa.0), ("ed25519.key", &self.ed25519.0)] {
            let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(der));
            std::fs::write(dir.join(name), pem).expect("written");
        }
    }
}

/// Serves the root, with what both homes publish.
pub(super) async fn dns(homes: &[(&str, Ipv4Addr, &DkimKeys)]) -> SocketAddr {
    let name = |text: &str| Name::from_ascii(text).expect("a name");
    let mut zone: InMemoryZoneHandler<TokioRuntimeProvider> =
        InMemoryZoneHandler::empty(Name::root(), ZoneType::Primary, AxfrPolicy::Deny, None);
    let mut add = |at: &str, data: RData| assert!(zone.upsert_mut(Record::from_rdata(name(at), 300, data), 1));
    let txt = |text: &str| {
        RData::TXT(TXT::new(text.as_bytes().chunks(200).map(|part| String::from_utf8_lossy(part).into_owned()).collect()))
    };
    add(".", RData::SOA(SOA::new(name("a.root."), name("h.root."), 1, 3600, 600, 86400, 60)));
    add(".", RData::NS(NS(name("a.root."))));
    for (domain, address, keys) in homes {
        add(&format!("{domain}."), RData::MX(MX::new(10, name(&format!("mail.{domain}.")))));
        add(&format!("mail.{domain}."), RData::A(A(*address)));
        add(&format!("{domain}."), txt(&format!("v=spf1 ip4:{address} -all")));
        add(&format!("_dmarc.{domain}."), txt("v=DMARC1; p=reject"));
        add(&format!("rsa._domainkey.{domain}."), txt(&keys.rsa.1));
        add(&format!("ed25519._domainkey.{domain}."), txt(&keys.ed25519.1));
    }
    add("none.example.", RData::MX(MX::new(0, Name::root())));
    let mut catalog = Catalog::new();
    catalog.upsert(Name::root().into(), vec![Arc::new(zone)]);
    // A port that is free on TCP may be taken on UDP.
    let (listener, socket) = loop {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        if let Ok(socket) = tokio::net::UdpSocket::bind(listener.local_addr().expect("an address")).await {
            break (listener, socket);
        }
    };
    let address = socket.local_addr().expect("an address");
    let mut server = DnsServer::new(catalog);
    server.register_socket(socket);
    server.register_listener(listener, Duration::from_secs(5), 64);
    tokio::spawn(async move { server.block_until_done().await });
    address
}

struct Homes {
    one: House,
    two: House,
    /// The port that both listen on.
    port: u16,
}

impl Homes {
    async fn new() -> Self {
        let (one_keys, two_keys) = (DkimKeys::generate(), DkimKeys::generate());
        let dns = dns(&[("one.example", ONE, &one_keys), ("two.example", TWO, &two_keys)]).await;
        let one = House::with("one.example", &[dns], Clock::system()).await;
        let two = House::with("two.example", &[dns], Clock::system()).await;
        one_keys.write(&one);
        two_keys.write(&two);
        // A port that is free at one address now; nobody else in these tests takes it at the other.
        let listener = std::net::TcpListener::bind((ONE, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        Self { one, two, port }
    }

    fn listen(&self, house: &House, at: Ipv4Addr) {
        let listener = listen::bind(SocketAddr::new(IpAddr::V4(at), self.port)).expect("bound");
        let server = Arc::clone(&house.server);
        let stop = house.server.stop.clone();
        tokio::spawn(async move {
            let door = move |stream, peer| session::run(Arc::clone(&server), Kind::Mx, false, peer, stream);
            listen::serve(vec![listener], Admission::new(10, 10), b"", async move { stop.requested().await }, door).await;
        });
    }

    /// Starts the worker of a home.
    fn work(&self, house: &House, at: Ipv4Addr, roots: &[&House]) {
        let roots: Vec<_> = roots.iter().map(|house| house.folder.path().join("tls/node.pem")).collect();
        let outbound = Outbound {
            hostname: house.server.hostname.clone(),
            own_names: vec![house.server.hostname.clone()].into(),
            own_addresses: vec![IpAddr::V4(at)].into(),
            port: self.port,
            dns: house.server.dns.clone(),
            connector: Connector::new(&roots).expect("a connector"),
        };
        tokio::spawn(worker::run(Arc::clone(&house.server), outbound));
    }

    /// Alice at one submits a mail.
    async fn submit(&self, recipients: &[&str]) {
        self.submit_mail(
            recipients,
            "From: Alice <alice@one.example>\r\nTo: bob@two.example\r\nSubject: hello\r\n\r\n.a line with a dot \r\n\r\n",
        )
        .await;
    }

    async fn submit_mail(&self, recipients: &[&str], message: &str) {
        let mut pipe = super::sessions::submission(&self.one).await;
        pipe.sign_in(&self.one.alice.primary).await;
        let reply = pipe.transact("alice@one.example", recipients, &message.replace("\r\n.", "\r\n..")).await;
        assert!(reply.starts_with("250 2.6.0 queued as "), "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_between_homes_passes_every_check() {
    let homes = Homes::new().await;
    homes.listen(&homes.two, TWO);
    homes.work(&homes.one, ONE, &[&homes.two]);
    homes.submit(&["bob@two.example", "bob@one.example"]).await;
    let here = homes.one.wait_for(homes.one.bob.id, Role::Inbox, 1).await;
    assert!(here[0].starts_with("Return-Path: <alice@one.example>\r\nDelivered-To: bob@one.example\r\n"), "{}", here[0]);
    let mails = homes.two.wait_for(homes.two.bob.id, Role::Inbox, 1).await;
    let mail = &mails[0];
    assert_eq!(mail.matches("dkim=pass").count(), 2, "{mail}");
    assert!(mail.contains("spf=pass") && mail.contains("dmarc=pass"), "{mail}");
    assert!(mail.contains("header.s=rsa") && mail.contains("header.s=ed25519"), "{mail}");
    assert!(mail.contains("with ESMTPS\r\n"), "{mail}");
    assert!(mail.contains("X-Hearth-Reason: It comes from one.example, as it says."), "{mail}");
    assert!(mail.ends_with("\r\n\r\n.a line with a dot \r\n\r\n"), "{mail}");
    wait_until_empty(&homes.one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_mail_between_homes_is_the_same_there() {
    let homes = Homes::new().await;
    homes.listen(&homes.two, TWO);
    homes.work(&homes.one, ONE, &[&homes.two]);
    let body = format!("{}\u{e4}\r\n.dots\r\n", "0123456789abcdef\r\n".repeat(100_000));
    homes.submit_mail(&["bob@two.example"], &format!("From: alice@one.example\r\nSubject: large\r\n\r\n{body}")).await;
    let mails = homes.two.wait_for(homes.two.bob.id, Role::Inbox, 1).await;
    assert!(mails[0].ends_with(&body));
    assert!(mails[0].matches("dkim=pass").count() == 2 && mails[0].contains("dmarc=pass"), "{}", &mails[0][..2000]);
    wait_until_empty(&homes.one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_user_becomes_a_report() {
    let homes = Homes::new().await;
    homes.listen(&homes.two, TWO);
    homes.work(&homes.one, ONE, &[]);
    homes.submit(&["nobody@two.example", "bob@two.example", "x@none.example", "x@one.example.invalid"]).await;
    homes.two.wait_for(homes.two.bob.id, Role::Inbox, 1).await;
    let reports = homes.one.wait_for(homes.one.alice.id, Role::Inbox, 3).await;
    let of = |who: &str| reports.iter().find(|report| report.contains(&format!("Final-Recipient: rfc822; {who}"))).expect(who);
    let unknown = of("nobody@two.example");
    assert!(unknown.starts_with("Return-Path: <>\r\nDelivered-To: alice@one.example\r\n"), "{unknown}");
    assert!(unknown.contains("Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mail.two.example\r\n"), "{unknown}");
    assert!(unknown.contains("Subject: hello\r\n"), "{unknown}");
    assert!(of("x@none.example").contains("Status: 5.1.10\r\n"));
    assert!(of("x@one.example.invalid").contains("Status: 5.1.2\r\n"));
    wait_until_empty(&homes.one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_that_was_down_gets_its_mail_later() {
    let homes = Homes::new().await;
    homes.work(&homes.one, ONE, &[]);
    homes.submit(&["bob@two.example"]).await;
    let waiting = loop {
        let queued = homes.one.server.queue.list().await.expect("a list");
        if let Some(mail) = queued.iter().find(|mail| mail.recipients[0].attempts > 0) {
            break mail.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(waiting.recipients[0].last_reply.as_deref().is_some_and(|reply| reply.contains("cannot connect")), "{waiting:?}");
    homes.listen(&homes.two, TWO);
    assert_eq!(homes.one.server.queue.retry(Some(waiting.id)).await.expect("changed"), 1);
    homes.two.wait_for(homes.two.bob.id, Role::Inbox, 1).await;
    wait_until_empty(&homes.one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_sender_is_refused_by_the_domain_s_wish() {
    let homes = Homes::new().await;
    // From an address that two.example does not send from, and not signed.
    let mut pipe = homes.one.talk_from(Kind::Mx, false, "192.0.2.66");
    let message = "From: bob@two.example\r\n\r\nsend money\r\n";
    let reply = pipe.send("bob@two.example", &["alice@one.example"], message).await;
    assert!(reply.starts_with("550 5.7.26 "), "{reply}");
    // By way of a list it is suspect, not refused.
    let reply = pipe.transact("bob@two.example", &["alice@one.example"], &format!("List-Id: <l.example>\r\n{message}")).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let junk = homes.one.mails(homes.one.alice.id, Role::Junk).await;
    assert!(junk[0].contains("X-Hearth-Reason: A mailing list changed it"), "{}", junk[0]);
    assert!(junk[0].contains("dmarc=fail") && junk[0].contains("spf=fail"), "{}", junk[0]);
    assert!(homes.one.mails(homes.one.alice.id, Role::Inbox).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_mail_can_be_rescued_for_a_while() {
    let homes = Homes::new().await;
    let (house, alice) = (&homes.one, homes.one.alice.id);
    let mut pipe = house.talk_from(Kind::Mx, false, "192.0.2.66");
    let reply = pipe.send("bob@two.example", &["alice@one.example"], "From: bob@two.example\r\n\r\nit is really me\r\n").await;
    assert!(reply.starts_with("550 5.7.26 "), "{reply}");
    let (flags, body) = house
        .server
        .store
        .read(alice, |tx| {
            let rejects = mailbox::find_by_name(tx, mailbox::REJECTS)?.expect("made");
            let entry = message::view(tx, rejects.id)?.remove(0);
            Ok::<_, hearth_mailstore::Error>((entry.flags, message::body(tx, entry.id)?.expect("a body").bytes()?))
        })
        .await
        .expect("read");
    assert!(flags.contains(&Flag::Seen));
    assert!(String::from_utf8_lossy(&body).contains("X-Hearth-Reason: It was refused: the sender's domain asks"));
    let lessons = |store: hearth_mailstore::Store| async move {
        store.read(alice, |tx| lesson::lessons(tx, 50)).await.expect("lessons").lessons
    };
    assert_eq!(lessons(house.server.store.clone()).await, vec![]);
    let moved = house.server.store.write(alice, Durability::Synced, |tx| {
        let rejects = mailbox::find_by_name(tx, mailbox::REJECTS)?.expect("made").id;
        let inbox = mailbox::find_by_role(tx, Role::Inbox)?.expect("INBOX").id;
        message::move_to(tx, rejects, &[1], inbox)
    });
    moved.await.expect("moved");
    let [one] = lessons(house.server.store.clone()).await[..] else { panic!("one lesson") };
    assert_eq!((one.was, one.is), (None, lesson::Class::Good));
}

#[tokio::test(flavor = "multi_thread")]
async fn arrival_is_reported_when_it_was_asked_for() {
    let homes = Homes::new().await;
    homes.listen(&homes.two, TWO);
    let wish = hearth_wire::smtp::Notify { success: true, failure: true, delay: false };
    let to = |text: &str| NewRecipient { notify: Some(wish), ..NewRecipient::to(text.parse().expect("an address")) };
    let sender: Address = "alice@one.example".parse().expect("an address");
    let mail = NewMail {
        sender: Some(sender),
        account: None,
        smtputf8: false,
        return_full: false,
        require_tls: false,
        envid: Some("mine".into()),
        head: Vec::new(),
        message: b"From: alice@one.example\r\n\r\nhi\r\n".as_slice().into(),
        recipients: vec![to("bob@one.example"), to("bob@two.example")],
    };
    homes.one.server.queue.enqueue(mail).await.expect("queued");
    homes.listen(&homes.one, ONE);
    homes.work(&homes.one, ONE, &[]);
    homes.work(&homes.two, TWO, &[]);
    let reports = homes.one.wait_for(homes.one.alice.id, Role::Inbox, 2).await;
    // One from each home, since the other said that it reports by itself (RFC 3461 §5.2.1).
    let arrived = |to: &str| {
        let said = format!("Final-Recipient: rfc822; {to}\r\nAction: delivered\r\nStatus: 2.6.0");
        reports.iter().any(|report| report.contains(&said) && report.contains("Original-Envelope-Id: mine"))
    };
    let signed = reports.iter().filter(|report| report.contains("From: Mail Delivery System <MAILER-DAEMON@mail.two.example>"));
    assert!(signed.clone().all(|report| report.contains("dkim=pass header.d=two.example")) && signed.count() == 1, "{reports:#?}");
    assert!(arrived("bob@one.example") && arrived("bob@two.example"), "{reports:#?}");
}

async fn wait_until_empty(house: &House) {
    for _ in 0..200 {
        if house.server.queue.list().await.expect("a list").is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the queue has {:?}", house.server.queue.list().await);
}
