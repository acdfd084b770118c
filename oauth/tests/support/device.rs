// SPDX-License-Identifier: AGPL-3.0-or-later
//! A device with one passkey, as a browser's script would bring its answers.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{ISSUER, Reply};

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const ATTESTED: u8 = 0x40;

pub struct Device {
    key: EcdsaKeyPair,
    pub name: Vec<u8>,
    pub user: Option<String>,
    pub verifies: bool,
    pub count: u32,
    /// May its passkey leave it?
    pub syncs: bool,
    pub origin: String,
}

impl Device {
    pub fn new(name: u8) -> Self {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, made.as_ref()).unwrap();
        Self { key, name: vec![name; 16], user: None, verifies: true, count: 0, syncs: false, origin: ISSUER.into() }
    }

    /// Makes its passkey for what a page asks.
    pub fn make(&mut self, page: &Reply) -> String {
        let options: Value = serde_json::from_str(&page.attribute("data-options")).unwrap();
        self.user = options["user"].as_str().map(str::to_string);
        let point = self.key.public_key().as_ref();
        let cose = [&b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20"[..], &point[1..33], b"\x22\x58\x20", &point[33..]].concat();
        let data = [&self.data(&options, ATTESTED)[..], &[0; 16], &[0, 16], &self.name, &cose].concat();
        let object = [&b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"[..], &[data.len() as u8], &data].concat();
        let client_data = self.client_data("webauthn.create", &options);
        json!({"id": encode(&self.name), "client_data": encode(&client_data), "attestation": encode(&object)}).to_string()
    }

    /// Signs what a page asks.
    pub fn sign(&self, page: &Reply) -> String {
        let options: Value = serde_json::from_str(&page.attribute("data-options")).unwrap();
        let client_data = self.client_data("webauthn.get", &options);
        let data = self.data(&options, 0);
        let signed = [&data[..], digest(&SHA256, &client_data).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": encode(&self.name),
            "client_data": encode(&client_data),
            "authenticator_data": encode(&data),
            "signature": encode(signature.as_ref()),
            "user_handle": self.user,
        })
        .to_string()
    }

    fn data(&self, options: &Value, flags: u8) -> Vec<u8> {
        let verified = if self.verifies { USER_VERIFIED } else { 0 };
        let rp = digest(&SHA256, options["rp"].as_str().unwrap().as_bytes());
        let eligible = if self.syncs { BACKUP_ELIGIBLE } else { 0 };
        [rp.as_ref(), &[flags | USER_PRESENT | verified | eligible], &self.count.to_be_bytes()].concat()
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        json!({"type": kind, "challenge": options["challenge"], "origin": self.origin}).to_string().into_bytes()
    }
}

fn encode(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}
