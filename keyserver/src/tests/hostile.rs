// SPDX-License-Identifier: AGPL-3.0-or-later
//! Certificates that break servers: each is answered soon, in little memory, with a status that says what was refused,
//! and a revocation appended to it is taken and served.

use std::fs;

use hearth_web::axum::body::Bytes;

use super::*;
use crate::cert::flood::{
    POISONS, armor_with_headers, compressed_zeros, large_signature, mangled, monstrous_key, unknown_versions,
};
use crate::limits::{PACKET_BYTES_MAX, UPLOAD_BYTES_MAX};

/// What one answer may cost in processor time; twice as much in an unoptimised build on a machine that is shared.
const WORK_MS_MAX: u64 = if cfg!(debug_assertions) { 500 } else { 200 };
/// What it may take in memory beside the body that was sent.
const MEMORY_BYTES_MAX: u64 = 64 << 20;

/// Processor time of this process so far; the tests of one process run alone under nextest.
fn worked_ms() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // User and system time, in hundredths of a second.
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
}

/// Resident memory now (`VmRSS`) or at its most (`VmHWM`) since it was last reset.
fn memory_bytes(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Asks, and holds the answer to its bounds.
async fn within_bounds(name: &str, ask: impl Future<Output = Answer>) -> Answer {
    // 5: forget the most so far (proc_pid_clear_refs(5)).
    let can_reset = fs::write("/proc/self/clear_refs", "5").is_ok();
    let (work, memory) = (worked_ms(), memory_bytes("VmRSS"));
    let answer = ask.await;
    let (work, memory) = (worked_ms() - work, memory_bytes("VmHWM").saturating_sub(memory));
    println!("{name}: {work} ms, {} KiB", memory / 1024);
    assert!(work <= WORK_MS_MAX, "{name}: {work} ms");
    assert!(memory <= MEMORY_BYTES_MAX || !can_reset, "{name}: {memory} octets");
    answer
}

/// A body that carries these keys, in the shortest form there is.
fn form(keys: &[u8]) -> (String, Vec<u8>) {
    let head = b"--edge\r\nContent-Disposition: form-data; name=\"keytext\"\r\n\r\n";
    ("multipart/form-data; boundary=edge".to_string(), [head, keys, b"\r\n--edge--\r\n"].concat())
}

impl House {
    async fn add_form(&self, keys: &[u8]) -> Answer {
        let (kind, body) = form(keys);
        self.ask(Method::POST, "keys.home.example", "/pks/add", &kind, body).await
    }
}

#[tokio::test]
async fn a_revocation_behind_every_poison_is_taken_and_served() {
    let house = House::new().await;
    let account = house.add_person("Alice", &["alice@home.example"]).await;
    for (name, left_out, poison) in POISONS {
        let alice = generate("Alice", &[address("alice@home.example")], Profile::Compatible, now()).unwrap();
        house.add_key(account, &alice, &["alice@home.example"]).await;
        let poisoned = [alice.clean.whole(), poison(&alice), alice.revocation.expose().clone()].concat();
        let answer = within_bounds(name, house.add_form(&poisoned)).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}: {}", answer.text());
        assert!(answer.text().starts_with(&format!("{} updated\n", alice.clean.fingerprint())), "{name}: {}", answer.text());
        assert!(answer.text().contains(left_out), "{name}: {}", answer.text());
        let served = house.wkd("alice").await;
        assert!(served.body.len() < alice.clean.whole().len() + 70_000, "{name}: {}", served.body.len());
        let policy = sequoia_openpgp::policy::StandardPolicy::new();
        let served = served.cert();
        let status = served.revocation_status(&policy, now());
        assert!(matches!(status, sequoia_openpgp::types::RevocationStatus::Revoked(_)), "{name}: {status:?}");
    }
}

#[tokio::test]
async fn mangled_certificates_change_nothing_and_their_revocation_counts() {
    let house = House::new().await;
    let account = house.add_person("Alice", &["alice@home.example"]).await;
    let alice = generate("Alice", &[address("alice@home.example")], Profile::Compatible, now()).unwrap();
    house.add_key(account, &alice, &["alice@home.example"]).await;
    let before = house.wkd("alice").await.body;
    for seed in 1..15 {
        let bytes = mangled(&alice.clean.whole(), seed);
        let answer = within_bounds("mangled", house.add(&bytes)).await;
        assert!(matches!(answer.status.as_u16(), 200 | 400 | 422), "{seed}: {} {}", answer.status, answer.text());
        assert_eq!(house.wkd("alice").await.body, before, "{seed}: {}", answer.text());
    }
    let with_revocation = [mangled(&alice.clean.whole(), 3), alice.revocation.expose().clone()].concat();
    assert_eq!(house.add_form(&with_revocation).await.status, StatusCode::OK);
    assert!(house.keys("/pks/lookup?op=index&search=alice@home.example").await.text().contains(":r\n"));
}

#[tokio::test]
async fn what_is_refused_is_named_and_nothing_is_stored() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    let bob = crate::cert::flood::person("Bob", "bob@home.example");
    let text = armor(&alice.clean.whole(), ArmorKind::PublicKey).unwrap();
    let text = std::str::from_utf8(&text).unwrap();
    let whole = alice.clean.whole();
    let rows: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("nothing", Vec::new(), 400, "no OpenPGP key"),
        ("not a key", b"<html>hello</html>".to_vec(), 400, "no OpenPGP key"),
        ("armour without an end", text[..text.len() / 2].into(), 400, "cut off"),
        ("armour with a hole", text.replacen("\n\n", "\n\n!!!!\n", 1).into(), 400, "not OpenPGP data"),
        ("armour of nothing", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n".to_vec(), 400, "key"),
        ("a packet cut off", whole[..whole.len() - 10].to_vec(), 400, "cut off"),
        ("a secret key", bob.secret.expose().clone(), 422, "SECRET key"),
        ("a secret key behind others", [whole.clone(), bob.secret.expose().clone()].concat(), 422, "SECRET key"),
        ("17 certificates", whole.repeat(17), 413, "the number of certificates may be 16 at most"),
        ("many packets", unknown_versions(20_000), 413, "the number of packets may be 16384 at most"),
        ("too long", vec![b'a'; UPLOAD_BYTES_MAX + 1], 413, "a submission may be 4194304 at most"),
        ("a monstrous RSA key", monstrous_key(6, 1, &[1_024; 2]), 413, "the bits of an RSA key may be 4096 at most"),
        ("a monstrous DSA key", monstrous_key(6, 17, &[8_000; 4]), 413, "the bits of a DSA key may be 3072 at most"),
        ("a message", compressed_zeros(1 << 20), 400, "no OpenPGP key"),
        ("a stranger's key", bob.clean.whole(), 403, "people of this house"),
    ];
    for (name, bytes, status, says) in rows {
        let answer = within_bounds(name, house.add_form(&bytes)).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {}", answer.text());
        assert!(answer.text().contains(says), "{name}: {}", answer.text());
        assert_eq!(answer.headers["access-control-allow-origin"], "*", "{name}");
    }
    assert_eq!(house.directory.list_certs(None).await.unwrap().len(), 1);
    assert_eq!(house.wkd("alice").await.user_ids(), ["Alice <alice@home.example>"]);
}

#[tokio::test]
async fn several_certificates_in_one_upload_are_answered_one_by_one() {
    let house = House::new().await;
    let (account, alice) = house.alice().await;
    let second = generate("Alice", &[address("alice@home.example")], Profile::Modern, now()).unwrap();
    house.add_key(account, &second, &[]).await;
    let bob = crate::cert::flood::person("Bob", "bob@elsewhere.example");
    let block = |bytes: &[u8]| armor(bytes, ArmorKind::PublicKey).unwrap();
    let text = [block(&bob.clean.whole()), block(&second.clean.whole()), block(alice.revocation.expose())].concat();
    let answer = house.add_form(&text).await;
    let lines: Vec<&str> = answer.text().lines().collect();
    assert_eq!((answer.status, lines.len()), (StatusCode::OK, 3), "{lines:?}");
    assert_eq!(lines[0], format!("{} not kept here", bob.clean.fingerprint()));
    assert_eq!(lines[1], format!("{} nothing new", second.clean.fingerprint()));
    assert_eq!(lines[2], format!("{} updated", alice.clean.fingerprint()));
}

#[tokio::test]
async fn armour_with_a_megabyte_of_headers_is_read() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    let both = [alice.clean.whole(), alice.revocation.expose().clone()].concat();
    let answer = within_bounds("headers", house.add_form(&armor_with_headers(&both, 1 << 20))).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, &*format!("{} updated\n", alice.clean.fingerprint())));
}

#[tokio::test]
async fn a_packet_has_its_size() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    let overhead = large_signature(&secret_cert(&alice), 60_000).len() - 60_000;
    // The area of a version 4 signature ends before the bound does (RFC 9580 §5.2.3): what is over it is no signature.
    let largest = large_signature(&secret_cert(&alice), 65_000);
    assert!(largest.len() <= PACKET_BYTES_MAX as usize && overhead < 500);
    let answer = house.add_form(&[alice.clean.whole(), largest].concat()).await;
    assert_eq!(answer.text(), format!("{} updated\n", alice.clean.fingerprint()));
    let over = crate::cert::flood::packet(2, &vec![4; PACKET_BYTES_MAX as usize + 1]);
    let answer = house.add_form(&[alice.clean.whole(), over].concat()).await;
    assert!(answer.text().contains("nothing new\nleft out: 1 pictures, oversized"), "{}", answer.text());
}

#[tokio::test]
async fn sixty_megabytes_are_refused_unread() {
    let house = House::new().await;
    let form = "application/x-www-form-urlencoded";
    for (path, kind) in [("/pks/add", form), ("/vks/v1/upload", "application/json")] {
        // Declared: refused before anything is read.
        let declared = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("content-type", kind)
            .header("content-length", 60 << 20)
            .body(Body::empty())
            .unwrap();
        let response = house.app.clone().oneshot(declared).await.unwrap();
        assert_eq!((path, response.status()), (path, StatusCode::PAYLOAD_TOO_LARGE));
        let body = hearth_web::axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("octets at most") && body.contains("error") == (path != "/pks/add"), "{body}");
        // Not declared: read up to the bound and no further.
        let piece = Bytes::from(vec![b'a'; 64 << 10]);
        let pieces = (0..960).map(move |_| Ok::<_, std::io::Error>(piece.clone()));
        let streamed = Body::from_stream(futures_util::stream::iter(pieces));
        let answer = within_bounds("streamed", house.ask(Method::POST, "keys.home.example", path, kind, streamed)).await;
        assert_eq!((path, answer.status), (path, StatusCode::PAYLOAD_TOO_LARGE), "{}", answer.text());
    }
    assert!(house.directory.list_certs(None).await.unwrap().is_empty());
}

/// The certificates on which Sequoia is tested (LGPL-2.0-or-later, so they are not copied): in the source of the crate, where
/// cargo unpacked it. Among them are a huge one, one badly mangled, one with unsigned components, and the two of the SHA-1
/// chosen-prefix collision (Leurent and Peyrin, 2020).
fn sequoias_own() -> Vec<(String, Vec<u8>)> {
    let home = std::env::var("HOME").unwrap_or_default();
    let cargo = std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{home}/.cargo"));
    let sources = fs::read_dir(format!("{cargo}/registry/src")).into_iter().flatten().flatten();
    let crates = sources.flat_map(|source| fs::read_dir(source.path()).into_iter().flatten().flatten());
    let sequoia = crates.filter(|entry| entry.file_name().to_string_lossy().starts_with("sequoia-openpgp-2."));
    let mut files: Vec<std::path::PathBuf> = sequoia
        .flat_map(|entry| fs::read_dir(entry.path().join("tests/data/keys")).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files.into_iter().map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())).collect()
}

#[tokio::test]
async fn certificates_on_which_others_were_tried_are_answered_and_what_is_kept_of_them_is_whole() {
    let all = sequoias_own();
    if all.is_empty() {
        assert!(std::env::var("HEARTH_TEST_STRANGERS").as_deref() != Ok("all"), "the source of sequoia-openpgp is not unpacked");
        return;
    }
    let house = House::new().await;
    let account = house.add_person("Alice", &["alice@home.example"]).await;
    let mut kept = 0;
    for (name, bytes) in &all {
        house.clock.advance(crate::limits::UPLOAD_EVERY * 3);
        let answer = within_bounds(name, house.add_form(bytes)).await;
        // 200 for another version of one that is kept by then.
        assert!(matches!(answer.status.as_u16(), 200 | 400 | 403 | 413 | 422), "{name}: {} {}", answer.status, answer.text());
        let Ok(submission) = crate::cert::read_submission(bytes, now()) else { continue };
        for clean in submission.certs.into_iter().filter_map(|raw| crate::cert::Clean::from_raw(raw, now()).ok()) {
            // Somebody's own: a second time there is nothing new, and what is served can be read.
            let fingerprint = clean.fingerprint();
            if house.directory.store_cert(clean.to_certificate(account, Source::Imported, false, |_| true)).await.is_err() {
                continue;
            }
            let again = within_bounds(name, house.add_form(bytes)).await;
            assert!(again.status == StatusCode::OK && again.text().contains("nothing new"), "{name}: {}", again.text());
            let served = house.keys(&format!("/vks/v1/by-fingerprint/{fingerprint}")).await.cert();
            assert_eq!((served.fingerprint().to_hex().as_str(), served.userids().count()), (fingerprint, 0), "{name}");
            kept += 1;
        }
    }
    assert!(all.len() > 100 && kept > 40, "{kept} of {}", all.len());
    let refused = |name: &str| all.iter().find(|(one, _)| one == name).unwrap().1.clone();
    for (name, says) in [("sha-mbles.alice.asc", "the bits of an RSA key"), ("sha-mbles.bob.asc", "the bits of an RSA key")] {
        house.clock.advance(crate::limits::UPLOAD_EVERY);
        let answer = house.add_form(&refused(name)).await;
        assert!(answer.text().contains(says), "{name}: {}", answer.text());
    }
}
