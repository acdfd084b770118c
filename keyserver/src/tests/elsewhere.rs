// SPDX-License-Identifier: AGPL-3.0-or-later
//! What others answer when our own people look for a certificate: who is asked, how long and how much of it is read, and
//! what becomes of certificates that have ended.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sequoia_openpgp::Packet;
use sequoia_openpgp::types::ReasonForRevocation;
use tokio::time::Instant;

use super::world::{Says, World};
use super::*;
use crate::cert::flood::{POISONS, packet, packets, person, sha1_binding};
use crate::cert::secret::read_revocation;
use crate::find::{Answer as Told, Asked, Source as FoundBy};
use crate::limits::{ASKED_WITHIN, FETCH_BYTES_MAX, FETCH_REDIRECTS_MAX, FOUND_FRESH_FOR, FOUND_MAX, FRIENDS_ASKED_MAX};

const BOB: &str = "bob@b.example";
const WKD: &str = "openpgpkey.b.example";

impl House {
    /// Homes that may be asked for the keys of anybody.
    async fn add_friends(&self, domains: &[&str]) {
        for name in domains {
            let domain = Domain::parse(name).unwrap();
            self.directory.add_friend(&domain, &"AB".repeat(20), Vec::new()).await.unwrap();
            assert!(self.directory.change_friend_right(&domain, "received", "keys", true).await.unwrap());
        }
    }
}

fn bob() -> Generated {
    person("Bob", BOB)
}

/// Whom a look-up heard of, in order.
fn heard(told: &Told, by: FoundBy) -> Vec<(&str, &Asked)> {
    told.asked.iter().filter(|(source, ..)| *source == by).map(|(_, via, said)| (via.as_str(), said)).collect()
}

/// A domain that publishes in its Web Key Directory what is put here.
async fn publisher() -> (World, Arc<Mutex<Says>>) {
    let published = Arc::new(Mutex::new(Says::NotFound));
    let says = Arc::clone(&published);
    let world = World::new(&[WKD], move |_, _| says.lock().unwrap().clone()).await;
    (world, published)
}

#[tokio::test]
async fn friends_are_asked_at_once_and_one_that_never_answers_silences_no_other() {
    let house = House::new().await;
    let alice = house.add_person("Alice", &["alice@home.example"]).await;
    let friends = ["a.example", "f.example", "z.example"];
    house.add_friends(&friends).await;
    let cert = bob();
    let whole = cert.clean.whole();
    let hosts = ["keys.a.example", "keys.f.example", "keys.z.example"];
    let world = World::new(&hosts, move |host, _| if host == "keys.f.example" { Says::Keys(whole.clone()) } else { Says::Silence });
    let world = world.await;
    let begun = Instant::now();
    let told = world.finder(&house, "").find(alice, &address(BOB), false).await.unwrap();
    // Two of three never answer: one after the other they would take twice as long.
    assert!(begun.elapsed() < ASKED_WITHIN * 3 / 2, "{:?}", begun.elapsed());
    let late = Asked::Failed("no answer in time".into());
    assert_eq!(heard(&told, FoundBy::Friend), [("a.example", &late), ("f.example", &Asked::Found), ("z.example", &late)]);
    assert_eq!((told.found[0].fingerprint.as_str(), told.found[0].confidence), (cert.clean.fingerprint(), 40));
}

#[tokio::test]
async fn so_many_friends_are_asked_and_the_one_whose_domain_it_is_among_them() {
    for (more, asked) in [(FRIENDS_ASKED_MAX - 1, FRIENDS_ASKED_MAX), (FRIENDS_ASKED_MAX, FRIENDS_ASKED_MAX)] {
        let house = House::new().await;
        let alice = house.add_person("Alice", &["alice@home.example"]).await;
        let mut friends: Vec<String> = (0..more).map(|n| format!("a{n}.example")).collect();
        friends.push("b.example".into());
        let friends: Vec<&str> = friends.iter().map(String::as_str).collect();
        house.add_friends(&friends).await;
        let hosts: Vec<String> = friends.iter().map(|friend| format!("keys.{friend}")).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let world = World::new(&hosts, |_, _| Says::NotFound).await;
        let told = world.finder(&house, "").find(alice, &address(BOB), false).await.unwrap();
        let heard = heard(&told, FoundBy::Friend);
        assert_eq!((heard.len(), heard[0].0), (asked, "b.example"), "{heard:?}");
        assert_eq!(world.count("keys."), asked);
    }
}

#[tokio::test]
async fn an_answer_has_its_size() {
    let house = House::new().await;
    let alice = house.add_person("Alice", &["alice@home.example"]).await;
    let (world, published) = publisher().await;
    let finder = world.finder(&house, "");
    let whole = bob().clean.whole();
    // Filled up with a packet that nobody knows.
    let of_size = |octets: usize| [whole.clone(), packet(63, &vec![0; octets - whole.len() - 6])].concat();
    for (octets, is_read) in [(FETCH_BYTES_MAX, true), (FETCH_BYTES_MAX + 1, false)] {
        let body = of_size(octets);
        assert_eq!(body.len(), octets);
        *published.lock().unwrap() = Says::Keys(body);
        let told = finder.find(alice, &address(BOB), true).await.unwrap();
        let too_much = Asked::Failed(format!("{WKD} answers with too much"));
        assert_eq!(heard(&told, FoundBy::Wkd), [(WKD, if is_read { &Asked::Found } else { &too_much })]);
    }
}

#[tokio::test]
async fn so_many_redirects_are_followed() {
    let house = House::new().await;
    let alice = house.add_person("Alice", &["alice@home.example"]).await;
    let whole = bob().clean.whole();
    for (hops, is_found) in [(FETCH_REDIRECTS_MAX, true), (FETCH_REDIRECTS_MAX + 1, false)] {
        let (whole, mut left) = (whole.clone(), hops);
        let world = World::new(&[WKD], move |_, _| match left.checked_sub(1) {
            None => Says::Keys(whole.clone()),
            Some(fewer) => {
                left = fewer;
                Says::Elsewhere(format!("https://{WKD}/further/{fewer}"))
            }
        });
        let world = world.await;
        let told = world.finder(&house, "").find(alice, &address(BOB), true).await.unwrap();
        let lost = Asked::Failed(format!("{WKD} redirects too often"));
        assert_eq!(heard(&told, FoundBy::Wkd), [(WKD, if is_found { &Asked::Found } else { &lost })], "{hops}");
        assert_eq!(world.count(WKD), FETCH_REDIRECTS_MAX + 1);
    }
}

#[tokio::test]
async fn so_many_certificates_of_one_answer_are_looked_at() {
    let house = House::new().await;
    let alice = house.add_person("Alice", &["alice@home.example"]).await;
    let (world, published) = publisher().await;
    let finder = world.finder(&house, "");
    for (sent, found) in [(FOUND_MAX - 1, FOUND_MAX - 1), (FOUND_MAX, FOUND_MAX), (FOUND_MAX + 1, FOUND_MAX)] {
        let all: Vec<Vec<u8>> = (0..sent).map(|_| bob().clean.whole()).collect();
        *published.lock().unwrap() = Says::Keys(all.concat());
        assert_eq!(finder.find(alice, &address(BOB), true).await.unwrap().found.len(), found);
    }
}

#[tokio::test]
async fn what_was_found_is_an_answer_for_an_hour_and_then_asked_for_again() {
    let house = House::new().await;
    let alice = house.add_person("Alice", &["alice@home.example"]).await;
    let (world, published) = publisher().await;
    *published.lock().unwrap() = Says::Keys(bob().clean.whole());
    let finder = world.finder(&house, "");
    let look = async || finder.find(alice, &address(BOB), false).await.unwrap();
    assert_eq!(look().await.found[0].remembered_at, None);
    let at = house.clock.now();
    house.clock.advance(FOUND_FRESH_FOR.saturating_sub(Duration::from_millis(1)));
    let told = look().await;
    assert_eq!((told.found[0].remembered_at, told.asked.len(), world.count(WKD)), (Some(at), 0, 1));
    house.clock.advance(Duration::from_millis(1));
    let told = look().await;
    assert_eq!((told.found[0].remembered_at, told.found[0].first_seen_at, world.count(WKD)), (None, Some(at), 2));
}

#[tokio::test]
async fn a_change_is_noticed_told_once_to_each_and_remembered_with_its_history() {
    let house = House::new().await;
    let (alice, carol) =
        (house.add_person("Alice", &["alice@home.example"]).await, house.add_person("Carol", &["carol@home.example"]).await);
    let (world, published) = publisher().await;
    let finder = world.finder(&house, "");
    let publish = |certs: &[&Generated]| {
        *published.lock().unwrap() = Says::Keys(certs.iter().flat_map(|cert| cert.clean.whole()).collect());
    };
    let look = async |person| {
        house.clock.advance(FOUND_FRESH_FOR);
        let told = finder.find(person, &address(BOB), false).await.unwrap();
        (told.found[0].fingerprint.clone(), told.changed_from)
    };
    let (first, second) = (bob(), bob());
    let (of_first, of_second) = (first.clean.fingerprint().to_string(), second.clean.fingerprint().to_string());
    publish(&[&first]);
    assert_eq!(look(alice).await, (of_first.clone(), None));
    let at = house.clock.now();
    publish(&[&second]);
    assert_eq!(look(alice).await, (of_second.clone(), Some((of_first.clone(), at))));
    assert_eq!(look(alice).await, (of_second.clone(), None), "told once");
    assert_eq!(look(carol).await, (of_second.clone(), None), "who was told of no other");
    // Back again is a change as well.
    publish(&[&first]);
    assert_eq!(look(alice).await.1.map(|(before, _)| before), Some(of_second.clone()));

    let history = house.directory.list_seen_certs(&address(BOB)).await.unwrap();
    let mut known: Vec<&str> = history.iter().map(|seen| seen.fingerprint.as_str()).collect();
    assert_eq!((history[0].fingerprint.as_str(), history[0].first_seen_at), (of_first.as_str(), at));
    known.sort_unstable();
    let mut wanted = [of_first.as_str(), of_second.as_str()];
    wanted.sort_unstable();
    assert_eq!(known, wanted);
    let on_the_page = house.directory.list_told_certs(alice).await.unwrap();
    assert_eq!((on_the_page.len(), on_the_page[0].fingerprint.as_str()), (1, of_first.as_str()));
    // Nobody answers any more: what was known is told, and that it is from memory.
    *published.lock().unwrap() = Says::NotFound;
    house.clock.advance(FOUND_FRESH_FOR);
    let told = finder.find(alice, &address(BOB), false).await.unwrap();
    assert!(told.found.len() == 2 && told.found.iter().all(|found| found.remembered_at.is_some()));
}

/// A certificate whose encryption key was revoked.
fn without_encryption_key(of: &Generated) -> Vec<u8> {
    let cert = secret_cert(of);
    let mut signer = cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let policy = sequoia_openpgp::policy::StandardPolicy::new();
    let subkey = cert.keys().subkeys().with_policy(&policy, now()).for_transport_encryption().next().unwrap();
    let builder = sequoia_openpgp::cert::SubkeyRevocationBuilder::new().set_signature_creation_time(now()).unwrap();
    let builder = builder.set_reason_for_revocation(ReasonForRevocation::KeyCompromised, b"").unwrap();
    let key = subkey.key().clone().role_into_subordinate();
    let revocation = builder.build(&mut signer, &cert, &key, None).unwrap();
    cert.clone().insert_packets([Packet::from(revocation)]).unwrap().0.to_vec().unwrap()
}

/// A certificate that says by SHA-1 alone whose it is.
fn named_by_sha1(of: &Generated) -> Vec<u8> {
    let cert = secret_cert(of);
    let nameless = cert.clone().strip_secret_key_material().retain_userids(|_| false);
    let nameless: Vec<Packet> = nameless.into_packets().collect();
    let (primary, rest) = nameless.split_at(nameless.iter().position(|packet| matches!(packet, Packet::PublicSubkey(_))).unwrap());
    [packets(primary.to_vec()), sha1_binding(&cert), packets(rest.to_vec())].concat()
}

#[tokio::test]
async fn what_cannot_be_used_is_told_with_the_reason_and_never_preferred() {
    let house = House::new().await;
    let alice = house.add_person("Alice", &["alice@home.example"]).await;
    let long_ago = now() - Duration::from_secs(4 * 365 * 24 * 3600);
    let ended = generate("Bob", &[address(BOB)], Profile::Compatible, long_ago).unwrap();
    let good = bob();
    let revoked = bob();
    let revocation = read_revocation(&revoked.revocation).unwrap();
    let rows: [(&str, Vec<u8>, bool); 4] = [
        ("revoked", revoked.clean.revoke(revocation, now()).unwrap().whole(), true),
        ("past its end", ended.clean.whole(), false),
        ("its encryption key revoked", without_encryption_key(&bob()), false),
        ("named by SHA-1", named_by_sha1(&bob()), false),
    ];
    let (world, published) = publisher().await;
    let finder = world.finder(&house, "");
    let look = async |body: Vec<u8>| {
        *published.lock().unwrap() = Says::Keys(body);
        finder.find(alice, &address(BOB), true).await.unwrap()
    };
    for (name, bytes, is_revoked) in &rows {
        let told = look(bytes.clone()).await;
        let found: Vec<(bool, bool)> = told.found.iter().map(|found| (found.usable, found.revoked)).collect();
        assert_eq!(found, [(false, *is_revoked)], "{name}");
        // A good one goes before it, wherever it stands.
        let told = look([bytes.clone(), good.clean.whole()].concat()).await;
        assert_eq!((told.found[0].fingerprint.as_str(), told.found[0].usable), (good.clean.fingerprint(), true), "{name}");
        assert_eq!(told.found.len(), 2, "{name}");
    }
    // An old copy of the revoked one, from somebody who would like it to be used.
    let told = look(revoked.clean.whole()).await;
    assert_eq!((told.found[0].usable, told.found[0].revoked), (false, true), "what was seen once stays");
    // A card shows the good one first, and no confidence in the others.
    let known = house.directory.list_known_certs(&address(BOB)).await.unwrap();
    let sure: Vec<u8> = known.iter().map(|known| known.confidence).collect();
    assert_eq!((known[0].fingerprint.as_str(), sure.as_slice()), (good.clean.fingerprint(), [80, 0, 0, 0, 0].as_slice()));
}

#[tokio::test]
async fn of_a_stranger_who_answered_a_letter_the_house_is_as_sure_as_it_says_elsewhere() {
    let house = House::new().await;
    let (alice, made) = house.alice().await;
    let bob = bob();
    house.directory.store_cert(bob.clean.to_certificate(None, Source::Imported, false, |_| true)).await.unwrap();
    house.directory.publish_cert(bob.clean.fingerprint(), vec![address(BOB)]).await.unwrap();
    let (world, _) = publisher().await;
    let finder = world.finder(&house, "");
    for (of, fingerprint, sure) in [(BOB, bob.clean.fingerprint(), 60), ("alice@home.example", made.clean.fingerprint(), 120)] {
        let told = finder.find(alice, &address(of), true).await.unwrap();
        let [found] = told.found.as_slice() else { panic!("{of}: {:?}", told.found) };
        assert_eq!((found.fingerprint.as_str(), found.source, found.confidence), (fingerprint, FoundBy::Local, sure), "{of}");
        let known = house.directory.list_known_certs(&address(of)).await.unwrap();
        assert_eq!(known[0].confidence, sure, "{of}: a card says the same");
    }
}

#[tokio::test]
async fn a_poisoned_answer_is_read_as_a_submission_is() {
    let house = House::new().await;
    let alice = house.add_person("Alice", &["alice@home.example"]).await;
    let (world, published) = publisher().await;
    let finder = world.finder(&house, "");
    let mut read = 0;
    for (name, _, poison) in POISONS {
        let cert = bob();
        let body = [cert.clean.whole(), poison(&cert), cert.revocation.expose().clone()].concat();
        let fits = body.len() <= FETCH_BYTES_MAX;
        *published.lock().unwrap() = Says::Keys(body);
        let told = finder.find(alice, &address(BOB), true).await.unwrap();
        let found = told.found.iter().find(|found| found.fingerprint == cert.clean.fingerprint());
        assert_eq!(found.map(|found| (found.revoked, found.usable)), fits.then_some((true, false)), "{name}");
        assert!(found.is_none_or(|found| found.bytes.len() < cert.clean.whole().len() + 70_000), "{name}");
        read += usize::from(fits);
    }
    assert!(read >= 7, "{read} are within what is fetched");
}

#[tokio::test]
async fn a_public_key_server_is_asked_by_who_wants_it_and_when_nobody_else_knows() {
    let house = House::new().await;
    let alice = house.add_person("Alice", &["alice@home.example"]).await;
    let cert = bob();
    let whole = cert.clean.whole();
    let world =
        World::new(&["keys.example.org", WKD], move |host, _| if host == WKD { Says::NotFound } else { Says::Keys(whole.clone()) });
    let world = world.await;
    let told = world.finder(&house, "").find(alice, &address(BOB), false).await.unwrap();
    assert!(told.found.is_empty() && world.count("keys.example.org") == 0, "off in a new house");
    let told = world.finder(&house, "https://keys.example.org/").find(alice, &address(BOB), false).await.unwrap();
    assert_eq!((told.found[0].source, told.found[0].confidence), (FoundBy::Keyserver, 40));
    let asked = world.asked.lock().unwrap().last().cloned().unwrap();
    assert_eq!(asked, ("keys.example.org".to_string(), "/vks/v1/by-email/bob%40b.example".to_string()));
}
