// SPDX-License-Identifier: AGPL-3.0-or-later
//! What browsers, apps and mail programs send to sign in, and JMAP's requests.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_identity::grants::redirect_uri;
use hearth_identity::vault::Algorithm;
use hearth_jmap::registry::is_capability;
use hearth_jmap::request::{Invocation, parse_request, resolve_references};
use hearth_oauth::client::profile::Profile;
use hearth_oauth::client::redirect as uri;
use hearth_oauth::jose::assertion;
use hearth_oauth::jose::dpop;
use hearth_oauth::request::authorization::{Registered, admit, client_of, redirect_of};
use hearth_oauth::request::params::Params;
use hearth_oauth::request::scope::Scopes;
use hearth_oauth::webauthn::ceremony::{Party, challenge_of, make, sign};
use hearth_oauth::webauthn::{cbor, key::Key};
use hearth_types::Timestamp;
use hearth_wire::sasl::scram::Verifier;
use hearth_wire::sasl::{ChannelBinding, Mechanism, Server, TokenError, Turn};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_secs(1_795_305_600);
const ISSUER: &str = "https://id.home.example";

/// Where an answer may go: nothing but what was registered, and never out of the registered place.
pub fn redirect(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (registered, asked) = text.split_once('\n').unwrap_or((&text, &text));
    let sound = redirect_uri::check(registered).is_ok();
    assert!(!sound || redirect_uri::is_registered(&[registered.to_string()], registered), "{registered:?}");
    if redirect_uri::is_registered(&[registered.to_string()], asked) {
        let whole = uri::with_params(asked, &[("code", "a&b=c#d"), ("state", asked)]);
        assert!(whole.starts_with(asked) && !whole.contains(['\r', '\n', ' ', '#']), "{whole:?}");
        assert_eq!(url_host(&whole), url_host(registered), "another host");
    }
}

/// The host of a web address, without the port; `None` for the scheme of an app.
fn url_host(text: &str) -> Option<(bool, &str)> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = if authority.starts_with('[') { authority.split_inclusive(']').next() } else { authority.split(':').next() };
    Some((text.starts_with("https"), host.unwrap_or_default()))
}

/// The parameters of an authorization request.
pub fn request(data: &[u8]) {
    let params = Params::parse(data);
    assert_eq!(Params::parse(params.encode().as_bytes()).encode(), params.encode(), "what is passed on is what came");
    let client = Registered {
        identifier: "app".into(),
        redirect_uris: vec!["https://app.example/cb".into(), "http://127.0.0.1/cb".into()],
        scopes: Scopes::parse("openid profile email offline_access mail"),
        codes: true,
        profile: Profile { resources: vec!["https://api.example".into()], ..Profile::default() },
        issuer: ISSUER.into(),
    };
    let _ = client_of(&params);
    let Ok(redirect_uri) = redirect_of(&params, &client) else { return };
    match admit(&params, &client, redirect_uri) {
        Ok(pending) => {
            assert!(pending.challenge.is_some(), "no code without a challenge");
            assert_eq!(pending.redirect_uri, redirect_uri);
        }
        Err(cancelled) => assert_eq!(cancelled.redirect_uri, redirect_uri),
    }
}

struct Signer {
    pair: EcdsaKeyPair,
    key: Value,
}

static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).expect("the same key");
    let point = pair.public_key().as_ref();
    let key =
        json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..])});
    Signer { pair, key }
});

impl Signer {
    fn sign(&self, header: &[u8], claims: &[u8]) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Signed tokens: proofs (DPoP), assertions and request objects (JAR), as they come, and with a signature that holds.
pub fn token(data: &[u8]) {
    let keys = [SIGNER.key.clone()];
    let signer = assertion::Signer { client: "app", keys: &keys, algorithms: &Algorithm::ALL };
    let audiences = [ISSUER.to_string()];
    let text = String::from_utf8_lossy(data);
    let whole = text.rsplit_once('.').and_then(|(signed, _)| signed.split_once('.'));
    let may_hold = whole.is_some();
    assert!(may_hold || dpop::check(&text, "POST", ISSUER, None, NOW).is_err(), "{text}");
    let stranger = assertion::check(&text, &signer, &audiences, NOW);
    assert!(stranger.is_err(), "signed by nobody: {text}");
    assert!(assertion::read_request(&text, &signer, ISSUER, NOW).is_err(), "signed by nobody: {text}");
    let (header, claims) = data.split_at(data.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1));
    let header = if header.is_empty() { b"{\"alg\":\"ES256\"}" } else { header };
    let signed = SIGNER.sign(header, claims);
    let _ = assertion::check(&signed, &signer, &audiences, NOW);
    if let Ok(params) = assertion::read_request(&signed, &signer, ISSUER, NOW) {
        assert_eq!(params.find("client_id"), Some("app"));
    }
    let proof = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": SIGNER.key}).to_string();
    if let Ok(proof) = dpop::check(&SIGNER.sign(proof.as_bytes(), claims), "POST", ISSUER, Some("token"), NOW) {
        assert!(!proof.thumbprint.is_empty());
    }
}

/// What a browser says of a passkey.
pub fn webauthn(data: &[u8]) {
    let party = Party { origin: ISSUER, rp_id: "id.home.example", challenge: "YWJj" };
    let _ = cbor::read(data);
    let _ = challenge_of(data);
    let client_data = |kind: &str| json!({"type": kind, "challenge": "YWJj", "origin": ISSUER}).to_string();
    if let Ok(made) = make(&party, client_data("webauthn.create").as_bytes(), data) {
        let key = Key::parse(&made.public_key).expect("a key that was admitted");
        assert!(sign(&party, &key, client_data("webauthn.get").as_bytes(), data, b"").is_err(), "no signature");
    }
    let _ = make(&party, data, b"\xa0");
}

/// An exchange of SASL by every mechanism, its messages one a line.
pub fn sasl(data: &[u8]) {
    let mechanisms = ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "OAUTHBEARER", "XOAUTH2"]
        .map(|name| Mechanism::parse(name).expect("ours"));
    for mechanism in mechanisms {
        let mut server = Server::new(mechanism, ChannelBinding::none(), "fyko+d2lbbFgONRv9qkxdawL".into());
        for message in data.split(|byte| *byte == b'\n') {
            match server.step(Some(message)) {
                Turn::Verifiers { .. } => {
                    let offered = server.offer(b"salt", 1, vec![Verifier::new("password", b"salt", 1)]);
                    assert!(matches!(offered, Turn::Challenge(_)));
                }
                Turn::Token(_) => {
                    let _ = server.refuse_token(TokenError::Invalid, ISSUER);
                }
                Turn::Challenge(_) => {}
                Turn::Password(_) | Turn::Proved { .. } | Turn::Failed(_) => break,
            }
        }
    }
}

/// A request of JMAP, and its references into an answer.
pub fn jmap_request(data: &[u8]) {
    let Ok(request) = parse_request(data, is_capability) else { return };
    let mut answered: Vec<Invocation> = Vec::new();
    for call in request.calls {
        let found = |id: &str| answered.iter().find(|answer| answer.call_id == id);
        if let Ok(arguments) = resolve_references(call.arguments.clone(), found) {
            assert_eq!(arguments.len(), call.arguments.len(), "each argument once: {arguments:?}");
        }
        answered.push(call);
    }
}
