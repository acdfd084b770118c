// SPDX-License-Identifier: AGPL-3.0-or-later
//! Our certificates in GnuPG's hands, and GnuPG's in ours. Needs `gpg` (Debian: gnupg); without it the tests say so and end.

#![cfg(test)]

mod sealing;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

use hearth_openpgp::secret::{self, Reason};
use hearth_openpgp::{Clean, Generated, Profile, armor, generate, read_submission};
use hearth_types::{Address, Secret};
use sealing::{TEXT, decrypt, encrypt};
use sequoia_openpgp::armor::Kind;

struct Gpg(tempfile::TempDir);

impl Gpg {
    /// A GnuPG with an empty home; `None` where there is no GnuPG.
    fn new() -> Option<Self> {
        let found = Command::new("gpg").arg("--version").output();
        if !found.is_ok_and(|output| output.status.success()) {
            println!("skipped: there is no gpg here (apt install gnupg)");
            return None;
        }
        Some(Self(tempfile::tempdir().unwrap()))
    }

    fn home(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, words: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new("gpg")
            .args(["--batch", "--no-tty", "--trust-model", "always", "--homedir"])
            .arg(self.home())
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        output
    }

    /// What it wrote; it has to succeed.
    fn get(&self, words: &[&str], input: &[u8]) -> Vec<u8> {
        let output = self.run(words, input);
        assert!(output.status.success(), "gpg {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _agent = Command::new("gpgconf").arg("--homedir").arg(self.home()).args(["--kill", "all"]).status();
    }
}

fn alice() -> Generated {
    let addresses = ["alice@home.example", "a.liddell@home.example"].map(|text| Address::parse(text).unwrap());
    generate("Alice Liddell", &addresses, Profile::Compatible, SystemTime::now()).unwrap()
}

#[test]
fn gnupg_encrypts_and_we_decrypt() {
    let Some(gpg) = Gpg::new() else { return };
    let alice = alice();
    gpg.get(&["--import"], &armor(&alice.clean.whole(), Kind::PublicKey).unwrap());
    let sealed = gpg.get(&["--encrypt", "--recipient", "alice@home.example"], TEXT);
    assert_eq!(decrypt(alice.secret.expose(), &sealed), TEXT);
}

#[test]
fn in_every_profile_what_is_sealed_opens_also_under_a_passphrase_and_after_a_rotation() {
    // No GnuPG of Debian knows version 6: here it is Sequoia alone; OpenPGP.js reads them in `tests/interop/keys.rs` and
    // `openpgp_js.rs`.
    for profile in Profile::ALL {
        let address = Address::parse("alice@home.example").unwrap();
        let alice = generate("Alice", &[address], profile, SystemTime::now()).unwrap();
        assert_eq!(decrypt(alice.secret.expose(), &encrypt(&alice.clean.whole())), TEXT, "{profile:?}");
        let passphrase = Secret::new("the white rabbit".to_string());
        let locked = secret::export(&alice.secret, Some(&passphrase), true).unwrap();
        let brought = secret::read_secret(locked.expose(), SystemTime::now()).unwrap().unwrap();
        assert!(secret::is_locked(&brought.secret).unwrap() && !secret::is_locked(&alice.secret).unwrap(), "{profile:?}");
        let now = SystemTime::now() + std::time::Duration::from_secs(2);
        let rotated = hearth_openpgp::care::rotate(&alice.secret, None, now).unwrap();
        assert_eq!(decrypt(rotated.secret.expose(), &encrypt(&rotated.clean.whole())), TEXT, "{profile:?}");
        // From strangers' hands it comes back as it was.
        let submission = read_submission(&alice.clean.whole(), SystemTime::now()).unwrap();
        let back = Clean::from_raw(submission.certs.into_iter().next().unwrap(), SystemTime::now()).unwrap();
        assert_eq!(back, alice.clean, "{profile:?}");
        back.check_safe(SystemTime::now()).unwrap();
    }
}

#[test]
fn we_encrypt_and_gnupg_decrypts_with_the_exported_secret() {
    let Some(gpg) = Gpg::new() else { return };
    let alice = alice();
    gpg.get(&["--import"], secret::export(&alice.secret, None, false).unwrap().expose());
    assert_eq!(gpg.get(&["--decrypt"], &encrypt(&alice.clean.whole())), TEXT);
    // It signs too, with the subkey that is for it.
    let signed = gpg.get(&["--sign", "--local-user", "alice@home.example"], TEXT);
    assert_eq!(gpg.get(&["--verify", "--output", "-"], &signed), TEXT);
}

#[test]
fn a_secret_under_a_passphrase_opens_with_it_and_not_without() {
    let Some(gpg) = Gpg::new() else { return };
    let alice = alice();
    let passphrase = Secret::new("the white rabbit".to_string());
    let exported = secret::export(&alice.secret, Some(&passphrase), true).unwrap();
    assert!(exported.expose().starts_with(b"-----BEGIN PGP PRIVATE KEY BLOCK-----"));
    gpg.get(&["--import"], exported.expose());
    let sealed = gpg.home().join("sealed");
    std::fs::write(&sealed, encrypt(&alice.clean.whole())).unwrap();
    let words = ["--pinentry-mode", "loopback", "--passphrase-fd", "0", "--decrypt", sealed.to_str().unwrap()];
    assert!(!gpg.run(&words, b"the red queen\n").status.success());
    assert_eq!(gpg.get(&words, b"the white rabbit\n"), TEXT);

    // And ours: revoking wants the passphrase as well.
    let mut without = read_secret(&exported);
    assert!(secret::revoke(&without, None, Reason::Retired, "").is_err());
    assert!(secret::revoke(&without, Some(&Secret::new("wrong".to_string())), Reason::Retired, "").is_err());
    let revocation = secret::revoke(&without, Some(&passphrase), Reason::Compromised, "stolen").unwrap();
    assert!(alice.clean.revoke(revocation, SystemTime::now()).unwrap().is_revoked());
    without = alice.secret.clone();
    assert!(secret::revoke(&without, None, Reason::Superseded, "").is_ok());
}

fn read_secret(exported: &Secret<Vec<u8>>) -> Secret<Vec<u8>> {
    secret::read_secret(exported.expose(), SystemTime::now()).unwrap().unwrap().secret
}

#[test]
fn a_revoked_certificate_is_revoked_in_gnupg() {
    let Some(gpg) = Gpg::new() else { return };
    let alice = alice();
    gpg.get(&["--import"], &alice.clean.whole());
    let revocation = secret::revoke(&alice.secret, None, Reason::Superseded, "a new one").unwrap();
    let revoked = alice.clean.revoke(revocation, SystemTime::now()).unwrap();
    gpg.get(&["--import"], &revoked.whole());
    let listed = gpg.get(&["--with-colons", "--list-keys"], b"");
    assert!(String::from_utf8(listed).unwrap().lines().any(|line| line.starts_with("pub:r:")));
}

#[test]
fn a_certificate_of_gnupg_is_clean_as_it_is() {
    let Some(gpg) = Gpg::new() else { return };
    for (address, algorithm) in [("bob@home.example", "future-default"), ("carol@home.example", "rsa2048")] {
        gpg.get(&["--passphrase", "", "--quick-generate-key", address, algorithm, "default", "1y"], b"");
    }
    for address in ["bob@home.example", "carol@home.example"] {
        let exported = gpg.get(&["--export", address], b"");
        let submission = read_submission(&exported, SystemTime::now()).unwrap();
        assert_eq!(submission.dropped, Default::default());
        let clean = Clean::from_raw(submission.certs.into_iter().next().unwrap(), SystemTime::now()).unwrap();
        clean.check_safe(SystemTime::now()).unwrap();
        assert_eq!(clean.named_user_ids()[0].address.to_string(), address);
        let again = Gpg::new().unwrap();
        again.get(&["--import"], &clean.whole());
        let revocation = gpg.home().join("openpgp-revocs.d").join(format!("{}.rev", clean.fingerprint()));
        let text = std::fs::read_to_string(revocation).unwrap().replace(":-----BEGIN", "-----BEGIN");
        let mut submission = read_submission(text.as_bytes(), SystemTime::now()).unwrap();
        let revoked = clean.revoke(submission.revocations.remove(0), SystemTime::now()).unwrap();
        assert!(revoked.is_revoked(), "{address}");
    }
    // Its secret key is read, and what is public of it is the same.
    let exported = gpg.get(&["--pinentry-mode", "loopback", "--passphrase", "", "--export-secret-keys", "bob@home.example"], b"");
    let brought = secret::read_secret(&exported, SystemTime::now()).unwrap().unwrap();
    let sealed = gpg.get(&["--encrypt", "--recipient", "bob@home.example"], TEXT);
    assert_eq!(decrypt(brought.secret.expose(), &sealed), TEXT);
    assert!(read_submission(&exported, SystemTime::now()).is_err());
    assert_eq!(brought.clean.named_user_ids().len(), 1);
}
