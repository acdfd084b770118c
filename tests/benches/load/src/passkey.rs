// SPDX-License-Identifier: AGPL-3.0-or-later
//! A device with a passkey, in software: Ed25519, no attestation, its owner always there (WebAuthn §6).
use crate::net::R;
use crate::oidc::{attr, fill_form, form_field};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

const PRESENT_AND_VERIFIED: u8 = 0x05;
const ATTESTED: u8 = 0x40;

pub struct Device {
    pair: Ed25519KeyPair,
    id: [u8; 16],
}

impl Device {
    /// The device of a person: the same one in every run.
    pub fn of(user: usize) -> R<Device> {
        let print = digest(&SHA256, format!("the device of u{user}").as_bytes());
        let (seed, mut id) = (print.as_ref(), [0; 16]);
        id.copy_from_slice(&seed[..16]);
        Ok(Device { pair: Ed25519KeyPair::from_seed_unchecked(seed).map_err(|e| e.to_string())?, id })
    }

    /// The form of a page that wants a passkey made or used, filled in: action and body.
    pub fn fill(&self, html: &str, kind: &str, origin: &str) -> R<(String, String)> {
        let mark = html.find(&format!("data-passkey=\"{kind}\"")).ok_or("the page asks for no passkey")?;
        let form = &html[html[..mark].rfind("<form").ok_or("no form")?..];
        let head = &form[..form.find('>').ok_or("no form")? + 1];
        let options = attr(head, "data-options").ok_or("no options")?;
        let options: Value = serde_json::from_str(&options).map_err(|e| format!("{e}: {options}"))?;
        let (_, action, body) = fill_form(form, "", "").ok_or("no form")?;
        let said = if kind == "make" { self.make(&options, origin) } else { self.sign(&options, origin) };
        let body = body.replacen("credential=", &format!("credential={}", form_field(&said.to_string())), 1);
        Ok((action, body))
    }

    fn data(&self, options: &Value, flags: u8) -> Vec<u8> {
        let rp = digest(&SHA256, options["rp"].as_str().unwrap_or_default().as_bytes());
        [rp.as_ref(), &[flags | PRESENT_AND_VERIFIED], &[0; 4]].concat()
    }

    fn client_data(options: &Value, origin: &str, kind: &str) -> String {
        json!({"type": kind, "challenge": options["challenge"], "origin": origin, "crossOrigin": false}).to_string()
    }

    fn make(&self, options: &Value, origin: &str) -> Value {
        let key = [&b"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20"[..], self.pair.public_key().as_ref()].concat();
        let data = [&self.data(options, ATTESTED)[..], &[0; 16], &[0, 16], &self.id, &key].concat();
        let object = [&b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"[..], &[data.len() as u8], &data].concat();
        let client = Self::client_data(options, origin, "webauthn.create");
        json!({"id": B64.encode(self.id), "client_data": B64.encode(client), "attestation": B64.encode(object)})
    }

    fn sign(&self, options: &Value, origin: &str) -> Value {
        let data = self.data(options, 0);
        let client = Self::client_data(options, origin, "webauthn.get");
        let signature = self.pair.sign(&[&data[..], digest(&SHA256, client.as_bytes()).as_ref()].concat());
        json!({
            "id": B64.encode(self.id), "client_data": B64.encode(client),
            "authenticator_data": B64.encode(data), "signature": B64.encode(signature),
        })
    }
}
