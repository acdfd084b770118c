// SPDX-License-Identifier: AGPL-3.0-or-later
//! Looking elsewhere for our own people: the account page's socket, and DNS that says nothing at all.

use std::net::UdpSocket;
use std::time::Duration;

use hearth_identity::finding::{self, Finding};
use hearth_identity::login::Gate;
use hearth_net::dns::{Options, Resolver};
use hearth_net::fetch::Fetcher;
use hearth_net::tls::Connector;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};

use super::*;
use crate::ctx::People;
use crate::find::{Asked, Finder};
use crate::limits::{FINDER_WITHIN, FINDERS_MAX, FINDS_AT_ONCE_MAX, FOUND_WITHIN};

/// A DNS server that hears everything and says nothing.
fn silent() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

fn finder(house: &House, dns: &UdpSocket, keyserver: &str) -> Finder {
    let options = Options { servers: vec![dns.local_addr().unwrap()], validate: Some(false), trust_anchor: None };
    let resolver = Resolver::new(&options).unwrap();
    let fetcher = Fetcher::new(resolver.clone(), Connector::new(&[]).unwrap(), Vec::new());
    Finder::new(house.directory.clone(), resolver, fetcher, house.clock.clone(), keyserver)
}

#[tokio::test]
async fn silence_for_an_address_never_looked_for_ends_in_time() {
    let house = House::new().await;
    let alice = house.add_person("Alice", &["alice@home.example"]).await;
    let friend = Domain::parse("friend.example").unwrap();
    house.directory.add_friend(&friend, &"AB".repeat(20), Vec::new()).await.unwrap();
    assert!(house.directory.change_friend_right(&friend, "received", "keys", true).await.unwrap());
    let dns = silent();
    let finder = finder(&house, &dns, "https://keys.example");
    let begun = Instant::now();
    let answer = finder.find(alice, &address("bob@never.example"), false).await.unwrap();
    let waited = begun.elapsed();
    // Everybody was asked (a friend, the domain by two ways, a key server), nobody answered, and the whole has its end.
    assert!(answer.found.is_empty() && answer.asked.len() == 4, "{:?}", answer.asked);
    assert!(answer.asked.iter().all(|(.., said)| matches!(said, Asked::Failed(_))), "{:?}", answer.asked);
    let asks_friend = |answer: &crate::find::Answer| {
        answer.asked.iter().any(|(source, via, _)| *source == crate::find::Source::Friend && via == "friend.example")
    };
    assert!(asks_friend(&answer), "with the right to look up keys: {:?}", answer.asked);
    assert!(house.directory.change_friend_right(&friend, "received", "keys", false).await.unwrap());
    let without = finder.find(alice, &address("carol@never.example"), false).await.unwrap();
    assert!(!asks_friend(&without) && without.asked.len() == 3, "{:?}", without.asked);
    assert!(waited <= FOUND_WITHIN + Duration::from_secs(1), "{waited:?}");
    assert!(FOUND_WITHIN < FINDER_WITHIN, "the account page waits for all of it");
}

/// The socket of the account page, answered.
struct Page {
    ctx: Ctx,
    path: std::path::PathBuf,
    _folder: tempfile::TempDir,
    _dns: UdpSocket,
}

impl Page {
    fn open(house: &House) -> Self {
        let (folder, dns) = (tempfile::tempdir().unwrap(), silent());
        let path = folder.path().join(finding::SOCKET);
        let looks = finder(house, &dns, "");
        let people = People::new(Gate::new(folder.path().join("gate.sock")), move || Ok(looks.clone()));
        let ctx = house.ctx.clone().with_people(people);
        let listener = hearth_web::bind(&path).unwrap();
        tokio::spawn(crate::finder::serve(ctx.clone(), listener, std::future::pending()));
        Self { ctx, path, _folder: folder, _dns: dns }
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.path).await.unwrap()
    }
}

/// Is it closed by the other side?
async fn is_closed(stream: &mut UnixStream) -> bool {
    matches!(timeout(Duration::from_millis(200), stream.read(&mut [0])).await, Ok(Ok(0) | Err(_)))
}

#[tokio::test]
async fn the_account_page_has_so_many_connections_for_so_long() {
    let house = House::new().await;
    let page = Page::open(&house);
    let mut open = Vec::new();
    for _ in 0..FINDERS_MAX {
        open.push(page.connect().await);
    }
    assert!(is_closed(&mut page.connect().await).await, "one more is closed at once");
    assert!(!is_closed(&mut open[FINDERS_MAX - 1]).await);
    // Where one leaves, another has room; and who says nothing is sent away.
    open.clear();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut idle = page.connect().await;
    assert!(!is_closed(&mut idle).await);
    tokio::time::pause();
    let begun = Instant::now();
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
    let waited = begun.elapsed();
    assert!(waited > FINDER_WITHIN.saturating_sub(Duration::from_secs(1)) && waited <= FINDER_WITHIN, "{waited:?}");
}

#[tokio::test]
async fn the_account_page_asks_on_a_socket_of_its_own() {
    let house = House::new().await;
    let (alice, made) = house.alice().await;
    let page = Page::open(&house);
    let (ctx, path) = (&page.ctx, &page.path);
    let finding = Finding::new(path);

    let Some(finding::Answer::Told(told)) = finding.find(alice, &address("alice@home.example")).await.unwrap() else {
        panic!("an answer")
    };
    let [found] = told.found.as_slice() else { panic!("{:?}", told.found) };
    assert_eq!((found.fingerprint.as_str(), found.source.as_str(), found.confidence), (made.clean.fingerprint(), "local", 120));
    assert!(found.usable && !found.revoked && found.key.is_some());
    // Told once, it is on the list of the account page.
    assert_eq!(house.directory.list_told_certs(alice).await.unwrap()[0].fingerprint, made.clean.fingerprint());

    // So many at once, and then the next is asked to come again.
    let _all = ctx.people().unwrap().places.acquire_many(FINDS_AT_ONCE_MAX as u32).await.unwrap();
    let busy = finding.find(alice, &address("alice@home.example")).await.unwrap();
    assert_eq!(busy, Some(finding::Answer::Busy));
}
