// SPDX-License-Identifier: AGPL-3.0-or-later
//! DKIM2 is verified and noted, and decides nothing.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hearth_types::Address;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::dkim2::{Dkim2Signer, Hop};

use super::vectors::{Zone, serve, text};
use crate::inbound::check::{self, Finding, Findings, Subject};
use crate::inbound::verdict::decide;
use crate::policy::Policy;

const MAIL: &str = "From: Carol <carol@else.example>\r\nTo: alice@home.example\r\nSubject: Hello\r\n\r\nhi\r\n";

async fn found(dns: &hearth_net::dns::Resolver, to: &str, raw: &[u8]) -> Findings {
    let address = |text: &str| -> Address { text.parse().expect("an address") };
    let (sender, recipients) = (address("carol@else.example"), [address(to)]);
    let subject = Subject {
        hostname: "mail.home.example",
        ip: "192.0.2.1".parse().expect("an address"),
        hello: "mx.else.example",
        sender: Some(&sender),
        recipients: &recipients,
        message: &raw.into(),
    };
    check::run(&subject, dns, &Policy::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_noted() {
    let seed = Ed25519Key::generate_pkcs8().expect("a key");
    let key = Ed25519Key::from_pkcs8_maybe_unchecked_der(&seed).expect("a key");
    let public = BASE64_STANDARD.encode(key.public_key());
    let mut zone = Zone::new();
    zone.insert("d2._domainkey.else.example".into(), vec![Some(text(&[&format!("v=DKIM1; k=ed25519; p={public}")]))]);
    zone.insert("_dmarc.else.example".into(), vec![Some(text(&["v=DMARC1; p=reject"]))]);
    let dns = serve(zone).await;
    let signer = Dkim2Signer::from_key(key).domain("else.example").selector("d2");
    let signed = signer.sign(MAIL.as_bytes(), Hop::real("carol@else.example", ["alice@home.example"])).expect("signed");
    let mail = format!("{}{MAIL}", signed.to_header());

    let good = found(&dns, "alice@home.example", mail.as_bytes()).await;
    assert_eq!(good.dkim2, Finding::Pass, "{mail}{}", good.results);
    assert!(good.results.contains(";\r\n\tdkim2=pass header.d=else.example"), "{}", good.results);
    // Neither does it help a mail that DMARC refuses ...
    assert_eq!((good.dmarc.finding, decide(&good).name()), (Finding::Fail, "reject"));
    for (to, raw, want) in [
        ("bob@home.example", mail.clone(), Finding::PermError),
        ("alice@home.example", mail.replace("\r\nhi", "\r\nho"), Finding::Fail),
        ("alice@home.example", mail.replace("Hello", "Goodbye"), Finding::Fail),
        ("alice@home.example", MAIL.to_string(), Finding::None),
    ] {
        let found = found(&dns, to, raw.as_bytes()).await;
        assert_eq!(found.dkim2, want, "{}", found.results);
        assert_eq!(found.results.contains("dkim2="), want != Finding::None, "{}", found.results);
    }
    // ... nor does it harm one that is good without it.
    assert_eq!(decide(&Findings { dkim2: Finding::Fail, ..Findings::default() }).name(), "accept");
}
