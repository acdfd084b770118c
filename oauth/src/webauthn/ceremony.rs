// SPDX-License-Identifier: AGPL-3.0-or-later
//! The two ceremonies: a passkey is made (WebAuthn §7.1), a passkey signs (§7.2).

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value as Json;

use super::cbor::{self, Value};
use super::key::Key;

/// Octets of a credential's name (WebAuthn §4: at most 1023).
const CREDENTIAL_BYTES_MAX: usize = 1023;
/// Octets of what a browser or a device says, each.
const PART_BYTES_MAX: usize = 16 * 1024;
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED: u8 = 0x40;

/// Who asks: what browser and device must have meant.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// `https://id.home.example`, with the port when it is not 443; compared as a whole.
    pub origin: &'a str,
    /// `id.home.example`.
    pub rp_id: &'a str,
    /// The challenge of this ceremony, base64url.
    pub challenge: &'a str,
}

/// A passkey that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The device's name for it.
    pub credential: Vec<u8>,
    /// Its public key, COSE as it came.
    pub public_key: Vec<u8>,
    /// What the device said of itself.
    pub says: Says,
}

/// What a device says of a ceremony.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Says {
    /// It checked who holds it: by a PIN, a finger, a face.
    pub user_verified: bool,
    /// Backup eligibility: the key may leave it for another device of its owner.
    pub synced: bool,
    /// How often it signed; 0 when it does not count.
    pub sign_count: u32,
}

/// Why a ceremony counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not of the shape of the standard, or too large.
    #[error("the browser's answer cannot be read")]
    Malformed,
    /// Of another ceremony, challenge or site.
    #[error("the browser's answer is for another question")]
    Other,
    /// The device did not see anybody.
    #[error("nobody touched the device")]
    NobodyThere,
    /// It says that the key left and cannot leave, or can leave and could not.
    #[error("the device says another thing of the key's copies than it may")]
    Backup,
    /// A kind of key that we did not ask for.
    #[error("the device made a key of another kind")]
    Key,
    /// The signature is wrong.
    #[error("the signature is not of this passkey")]
    Signature,
}

impl Says {
    /// WebAuthn §7.2: a passkey that may leave its device could always, and one that may not never could. `known`: what
    /// is kept of it, if anything is.
    pub fn check_backup(self, known: Option<bool>) -> Result<Self, Error> {
        if known.is_none_or(|known| known == self.synced) { Ok(self) } else { Err(Error::Backup) }
    }
}

/// WebAuthn §7.1: a passkey was made.
pub fn make(party: &Party<'_>, client_data: &[u8], attestation: &[u8]) -> Result<Made, Error> {
    check_client_data(party, client_data, "webauthn.create")?;
    if attestation.len() > PART_BYTES_MAX {
        return Err(Error::Malformed);
    }
    let (object, rest) = cbor::read(attestation).ok_or(Error::Malformed)?;
    let data = object.by_name("authData").and_then(Value::bytes).filter(|_| rest.is_empty()).ok_or(Error::Malformed)?;
    let (says, flags, rest) = read_authenticator_data(party, data)?;
    if flags & ATTESTED == 0 {
        return Err(Error::Malformed);
    }
    // §6.5.1: the make of the device (16 octets), the length of the name, the name, the key.
    let rest = rest.get(16..).ok_or(Error::Malformed)?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(Error::Malformed)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (credential, rest) = rest.split_at_checked(length).ok_or(Error::Malformed)?;
    if credential.is_empty() || credential.len() > CREDENTIAL_BYTES_MAX {
        return Err(Error::Malformed);
    }
    let (_, after) = cbor::read(rest).ok_or(Error::Malformed)?;
    let public_key = rest.get(..rest.len() - after.len()).ok_or(Error::Malformed)?.to_vec();
    Key::parse(&public_key).ok_or(Error::Key)?;
    Ok(Made { credential: credential.to_vec(), public_key, says })
}

/// WebAuthn §7.2: a passkey signed.
pub fn sign(party: &Party<'_>, key: &Key, client_data: &[u8], data: &[u8], signature: &[u8]) -> Result<Says, Error> {
    check_client_data(party, client_data, "webauthn.get")?;
    if data.len() > PART_BYTES_MAX {
        return Err(Error::Malformed);
    }
    let (says, ..) = read_authenticator_data(party, data)?;
    let signed = [data, digest(&SHA256, client_data).as_ref()].concat();
    if key.verify(&signed, signature) { Ok(says) } else { Err(Error::Signature) }
}

/// The challenge that a browser says it answered; nothing is known of it yet.
pub fn challenge_of(client_data: &[u8]) -> Option<String> {
    if client_data.len() > PART_BYTES_MAX {
        return None;
    }
    serde_json::from_slice::<Json>(client_data).ok()?["challenge"].as_str().map(str::to_string)
}

fn check_client_data(party: &Party<'_>, client_data: &[u8], kind: &str) -> Result<(), Error> {
    if client_data.len() > PART_BYTES_MAX {
        return Err(Error::Malformed);
    }
    let said: Json = serde_json::from_slice(client_data).map_err(|_| Error::Malformed)?;
    // The whole origin: `https://id.home.example.evil.example` ends with nothing of ours, and `https://badid.home.example` does.
    let fits = said["type"] == kind
        && said["challenge"] == party.challenge
        && said["origin"] == party.origin
        && said["crossOrigin"] != true
        && said.get("topOrigin").is_none();
    if fits { Ok(()) } else { Err(Error::Other) }
}

fn read_authenticator_data<'d>(party: &Party<'_>, data: &'d [u8]) -> Result<(Says, u8, &'d [u8]), Error> {
    let (rp_hash, rest) = data.split_at_checked(32).ok_or(Error::Malformed)?;
    let (flags, rest) = rest.split_first().ok_or(Error::Malformed)?;
    let (count, rest) = rest.split_first_chunk::<4>().ok_or(Error::Malformed)?;
    if rp_hash != digest(&SHA256, party.rp_id.as_bytes()).as_ref() {
        return Err(Error::Other);
    }
    if flags & USER_PRESENT == 0 {
        return Err(Error::NobodyThere);
    }
    // §7.1, §7.2: what cannot leave has not left.
    if flags & BACKED_UP != 0 && flags & BACKUP_ELIGIBLE == 0 {
        return Err(Error::Backup);
    }
    let says = Says {
        user_verified: flags & USER_VERIFIED != 0,
        synced: flags & BACKUP_ELIGIBLE != 0,
        sign_count: u32::from_be_bytes(*count),
    };
    Ok((says, *flags, rest))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::json;

    use super::*;

    const PARTY: Party<'_> = Party { origin: "https://id.home.example:10443", rp_id: "id.home.example", challenge: "Y2hhbGxlbmdl" };

    struct Device(EcdsaKeyPair);

    impl Device {
        fn new() -> Self {
            let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
            Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, made.as_ref()).unwrap())
        }

        fn cose(&self) -> Vec<u8> {
            let point = self.0.public_key().as_ref();
            [&b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20"[..], &point[1..33], b"\x22\x58\x20", &point[33..]].concat()
        }

        fn attestation(&self, rp_id: &str, flags: u8) -> Vec<u8> {
            let name = [7; 16];
            let data = [&data(rp_id, flags | ATTESTED, 0)[..], &[0; 16], &[0, 16], &name, &self.cose()].concat();
            [&b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"[..], &[data.len() as u8], &data].concat()
        }

        fn sign(&self, data: &[u8], client_data: &[u8]) -> Vec<u8> {
            let signed = [data, digest(&SHA256, client_data).as_ref()].concat();
            self.0.sign(&SystemRandom::new(), &signed).unwrap().as_ref().to_vec()
        }
    }

    fn data(rp_id: &str, flags: u8, count: u32) -> Vec<u8> {
        [digest(&SHA256, rp_id.as_bytes()).as_ref(), &[flags], &count.to_be_bytes()].concat()
    }

    fn client_data(kind: &str, changes: Json) -> Vec<u8> {
        let mut said = json!({"type": kind, "challenge": PARTY.challenge, "origin": PARTY.origin, "crossOrigin": false});
        for (name, value) in changes.as_object().unwrap() {
            said[name] = value.clone();
        }
        said.to_string().into_bytes()
    }

    /// What must be refused of any ceremony: section 6.5 of the list of attacks, number 35.
    fn wrong() -> Vec<Json> {
        [
            json!({"type": "payment.get"}),
            json!({"challenge": "b3RoZXI"}),
            json!({"origin": "https://id.home.example"}),
            json!({"origin": "https://badid.home.example:10443"}),
            json!({"origin": "https://id.home.example:10443.evil.example"}),
            json!({"origin": "http://id.home.example:10443"}),
            json!({"origin": null}),
            json!({"crossOrigin": true}),
            json!({"topOrigin": "https://evil.example"}),
        ]
        .to_vec()
    }

    #[test]
    fn a_passkey_is_made() {
        let device = Device::new();
        let said = client_data("webauthn.create", json!({}));
        let made = make(&PARTY, &said, &device.attestation(PARTY.rp_id, USER_PRESENT | USER_VERIFIED | BACKUP_ELIGIBLE)).unwrap();
        assert_eq!((made.credential, made.public_key), (vec![7; 16], device.cose()));
        assert_eq!(made.says, Says { user_verified: true, synced: true, sign_count: 0 });
        let attestation = device.attestation(PARTY.rp_id, USER_PRESENT);
        for changes in wrong() {
            assert_eq!(
                make(&PARTY, &client_data("webauthn.create", changes.clone()), &attestation),
                Err(Error::Other),
                "{changes}"
            );
        }
        assert_eq!(make(&PARTY, &client_data("webauthn.get", json!({})), &attestation), Err(Error::Other));
        assert_eq!(make(&PARTY, &said, &device.attestation("home.example", USER_PRESENT)), Err(Error::Other));
        assert_eq!(make(&PARTY, &said, &device.attestation(PARTY.rp_id, 0)), Err(Error::NobodyThere));
        let left = |flags: u8| make(&PARTY, &said, &device.attestation(PARTY.rp_id, USER_PRESENT | BACKED_UP | flags));
        assert_eq!(left(0), Err(Error::Backup));
        assert!(left(BACKUP_ELIGIBLE).unwrap().says.synced);
        for cut in 0..attestation.len() {
            assert!(make(&PARTY, &said, &attestation[..cut]).is_err(), "{cut}");
        }
        assert_eq!(make(&PARTY, &said, &vec![0; PART_BYTES_MAX + 1]), Err(Error::Malformed));
        assert_eq!(make(&PARTY, b"{", &attestation), Err(Error::Malformed));
    }

    #[test]
    fn a_passkey_signs() {
        let (device, other) = (Device::new(), Device::new());
        let key = Key::parse(&device.cose()).unwrap();
        let said = client_data("webauthn.get", json!({}));
        let data_of = data(PARTY.rp_id, USER_PRESENT, 9);
        let signature = device.sign(&data_of, &said);
        let says = Says { user_verified: false, synced: false, sign_count: 9 };
        assert_eq!(sign(&PARTY, &key, &said, &data_of, &signature), Ok(says));
        for changes in wrong() {
            let said = client_data("webauthn.get", changes.clone());
            assert_eq!(sign(&PARTY, &key, &said, &data_of, &device.sign(&data_of, &said)), Err(Error::Other), "{changes}");
        }
        assert_eq!(sign(&PARTY, &key, &said, &data_of, &other.sign(&data_of, &said)), Err(Error::Signature));
        let verified = data(PARTY.rp_id, USER_PRESENT | USER_VERIFIED, 9);
        assert_eq!(sign(&PARTY, &key, &said, &verified, &signature), Err(Error::Signature), "a flag that was not signed");
        for (flags, known, fits) in [
            (0, Some(false), true),
            (0, None, true),
            (0, Some(true), false),
            (BACKUP_ELIGIBLE, Some(true), true),
            (BACKUP_ELIGIBLE, None, true),
            (BACKUP_ELIGIBLE, Some(false), false),
            (BACKUP_ELIGIBLE | BACKED_UP, Some(true), true),
            (BACKUP_ELIGIBLE | BACKED_UP, Some(false), false),
            (BACKED_UP, None, false),
            (BACKED_UP, Some(false), false),
        ] {
            let data = data(PARTY.rp_id, USER_PRESENT | flags, 9);
            let says = sign(&PARTY, &key, &said, &data, &device.sign(&data, &said)).and_then(|says| says.check_backup(known));
            assert_eq!(says.is_ok(), fits, "{flags:#x} {known:?}");
            assert!(fits || says == Err(Error::Backup));
        }
        let elsewhere = data("evil.example", USER_PRESENT, 9);
        assert_eq!(sign(&PARTY, &key, &said, &elsewhere, &device.sign(&elsewhere, &said)), Err(Error::Other));
        for cut in 0..data_of.len() {
            assert!(sign(&PARTY, &key, &said, &data_of[..cut], &signature).is_err());
        }
    }
}
