// SPDX-License-Identifier: AGPL-3.0-or-later
//! The post-quantum profile in another implementation's hands: ML-KEM-768 with X25519 (RFC 9980) of OpenPGP.js as Proton ships
//! it. The npm package is where `tests/run` puts those of `tests/interop/keys/package-lock.json`.

#![cfg(test)]

mod sealing;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use hearth_openpgp::{Profile, armor, generate, secret};
use hearth_types::Address;
use sealing::{TEXT, decrypt, encrypt};
use sequoia_openpgp::armor::Kind;

/// Where the script stands beside its package; `None` where one of the two is missing.
fn script() -> Option<std::path::PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let packages = root.join("target/interop/keys");
    let has_node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_node || !packages.join("node_modules/@protontech/openpgp").is_dir() {
        let all = std::env::var("HEARTH_TEST_STRANGERS").as_deref() == Ok("all");
        assert!(!all, "node, or the npm package @protontech/openpgp, is not installed");
        println!("skipped: there is no node here, or no npm package @protontech/openpgp");
        return None;
    }
    let place = packages.join("post_quantum.mjs");
    fs::copy(root.join("tests/interop/keys/post_quantum.mjs"), &place).unwrap();
    Some(fs::canonicalize(place).unwrap())
}

#[test]
fn openpgp_js_opens_what_we_seal_against_quantum_computers_and_the_other_way_round() {
    let Some(script) = script() else { return };
    let alice = generate(
        "Alice",
        &[Address::parse("alice@home.example").unwrap()],
        Profile::PostQuantum,
        SystemTime::now() - std::time::Duration::from_secs(5),
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("cert.asc"), armor(&alice.clean.whole(), Kind::PublicKey).unwrap()).unwrap();
    fs::write(at("secret.asc"), secret::export(&alice.secret, None, true).unwrap().expose()).unwrap();
    fs::write(at("ours"), encrypt(&alice.clean.whole())).unwrap();
    let ran = Command::new("node").arg(&script).current_dir(folder.path()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(fs::read(at("opened")).unwrap(), TEXT);
    assert_eq!(decrypt(alice.secret.expose(), &fs::read(at("theirs")).unwrap()), TEXT);
}
