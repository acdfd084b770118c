// SPDX-License-Identifier: AGPL-3.0-or-later
//! HKP v2 (draft-ietf-openpgp-hkp-01), one test for each group of its demands.

use super::*;

fn other(profile: Profile) -> Generated {
    generate("Alice", &[address("a.liddell@home.example")], profile, now()).unwrap()
}

pub(super) fn lower(generated: &Generated) -> String {
    generated.clean.fingerprint().to_lowercase()
}

#[tokio::test]
async fn look_ups_are_binary_and_by_one_exact_thing() {
    let house = House::new().await;
    let (account, alice) = house.alice().await;
    let modern = other(Profile::Modern);
    house.add_key(account, &modern, &["a.liddell@home.example"]).await;
    let (v4, v6) = (alice.clean.fingerprint(), modern.clean.fingerprint());
    let key_id = secret_cert(&alice).keyid().to_hex();
    for (path, fingerprint) in [
        (format!("certs/by-vfingerprint/04{v4}"), v4),
        (format!("certs/by-vfingerprint/04{}", v4.to_lowercase()), v4),
        (format!("certs/by-vfingerprint/06{v6}"), v6),
        (format!("certs/by-keyid/{key_id}"), v4),
        (format!("certs/by-keyid/{}", key_id.to_lowercase()), v4),
        ("certs/by-identity/alice@home.example".into(), v4),
        ("certs/by-identity/ALICE%40HOME.example".into(), v4),
        ("canonical/a.liddell@home.example".into(), v6),
    ] {
        let answer = house.keys(&format!("/pks/v2/{path}")).await;
        assert_eq!(answer.cert().fingerprint().to_hex(), fingerprint, "{path}");
        assert_eq!(answer.headers["content-type"], "application/pgp-keys;armor=no", "{path}");
        assert!(answer.body[0] & 0x80 != 0, "{path}: binary");
        let head = house.ask_with::<&str>(Method::HEAD, &format!("/pks/v2/{path}"), &[], Body::empty()).await;
        assert_eq!((head.status, head.body.len(), &head.headers["etag"]), (StatusCode::OK, 0, &answer.headers["etag"]), "{path}");
    }
    for path in [
        format!("certs/by-vfingerprint/{v4}"),
        format!("certs/by-vfingerprint/0x04{v4}"),
        format!("certs/by-vfingerprint/06{v4}"),
        format!("certs/by-vfingerprint/04{v6}"),
        format!("certs/by-vfingerprint/05{v6}"),
        format!("certs/by-vfingerprint/04{}", "0".repeat(40)),
        format!("certs/by-keyid/0x{key_id}"),
        format!("certs/by-keyid/{}", &v6[..16]),
        format!("certs/by-keyid/{v4}"),
        "certs/by-keyid/01234567".into(),
        "certs/by-identity/alice".into(),
        "certs/by-identity/Alice%20%3Calice@home.example%3E".into(),
        "certs/by-identity/nobody@home.example".into(),
        "canonical/nobody@home.example".into(),
        "index/nobody@home.example".into(),
        "index/Alice".into(),
    ] {
        let answer = house.keys(&format!("/pks/v2/{path}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.headers["access-control-allow-origin"], "*", "{path}");
    }
    for path in ["certs", "certs/by-vfingerprint/", "certs/by-keyid/", "certs/by-identity/"] {
        assert_eq!(house.keys(&format!("/pks/v2/{path}")).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let legacy = house.keys("/pks/lookup?op=get&search=alice@home.example").await;
    assert!(legacy.text().starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----"));
}

#[tokio::test]
async fn several_certificates_are_one_bundle() {
    let house = House::new().await;
    let (account, alice) = house.alice().await;
    // Two certificates with one subkey: both are found by its fingerprint.
    let subkey = secret_cert(&alice).keys().subkeys().next().unwrap().key().fingerprint().to_hex();
    let mut borrower = other(Profile::Compatible).clean.to_certificate(account, Source::Imported, false, |_| true);
    borrower.keys.push(hearth_identity::certs::Key { fingerprint: subkey.clone(), key_id: subkey[24..].to_string() });
    house.directory.store_cert(borrower).await.unwrap();
    let answer = house.keys(&format!("/pks/v2/certs/by-vfingerprint/04{subkey}")).await;
    let certs: Vec<Cert> = sequoia_openpgp::cert::CertParser::from_bytes(&answer.body).unwrap().map(Result::unwrap).collect();
    assert_eq!(certs.len(), 2);
}

#[tokio::test]
async fn every_path_says_what_it_takes() {
    let house = House::new().await;
    for (path, allow) in [
        ("/pks/v2/certs", "GET, HEAD, POST, OPTIONS"),
        ("/pks/v2/certs/by-keyid/0123456789ABCDEF", "GET, HEAD, OPTIONS"),
        ("/pks/v2/certs/by-identity/a@b.example", "GET, HEAD, OPTIONS"),
        ("/pks/v2/canonical/a@b.example", "GET, HEAD, PUT, OPTIONS"),
        ("/pks/v2/sendtoken", "POST, OPTIONS"),
        ("/pks/v2/prefixlog/2026-11-22", "GET, HEAD, OPTIONS"),
        ("/pks/lookup", "GET, HEAD, OPTIONS"),
        ("/pks/add", "POST, OPTIONS"),
        ("/.well-known/openpgpkey/policy", "GET, HEAD, OPTIONS"),
    ] {
        let answer = house.ask_with(Method::OPTIONS, path, &[("origin", "https://a.example")], Body::empty()).await;
        assert_eq!((answer.status, answer.headers["allow"].to_str().unwrap()), (StatusCode::OK, allow), "{path}");
        assert_eq!(answer.headers["access-control-allow-origin"], "*", "{path}");
        assert!(answer.headers["access-control-allow-methods"].to_str().unwrap().contains("PUT"), "{path}");
    }
    let wrong = house.ask_with::<&str>(Method::DELETE, "/pks/v2/certs", &[], Body::empty()).await;
    assert_eq!(wrong.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong.headers["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    let name = wkd::encode_local_part("alice");
    for path in [
        "/pks/v2/certs/by-identity/alice@home.example".to_string(),
        "/pks/v2/index/alice@home.example".into(),
        "/vks/v1/by-email/alice@home.example".into(),
        "/pks/lookup?op=get&search=alice@home.example".into(),
        format!("/.well-known/openpgpkey/home.example/hu/{name}"),
    ] {
        let host = if path.contains("well-known") { "openpgpkey.home.example" } else { "keys.home.example" };
        let tag = house.get(host, &path).await.headers["etag"].to_str().unwrap().to_string();
        let again = |sent: String| {
            let (house, path) = (&house, path.as_str());
            async move { house.ask_with(Method::GET, path, &[("if-none-match", sent)], Body::empty()).await }
        };
        for sent in [tag.clone(), format!("\"x\", W/{tag}"), "*".into()] {
            let answer = again(sent.clone()).await;
            assert_eq!((answer.status, answer.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path} {sent}");
            assert_eq!(answer.headers["etag"], tag);
        }
        assert_eq!(again("\"other\"".into()).await.status, StatusCode::OK, "{path}");
    }
    let by_identity = "/pks/v2/certs/by-identity/alice@home.example";
    let before = house.keys(by_identity).await.headers["etag"].clone();
    house.add(alice.revocation.expose()).await;
    assert_ne!(house.keys(by_identity).await.headers["etag"], before);
}

#[tokio::test]
async fn the_index_is_json() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    let by = |identity: String| {
        let house = &house;
        async move { serde_json::from_slice::<Value>(&house.keys(&format!("/pks/v2/index/{identity}")).await.body).unwrap() }
    };
    let index = by("alice@home.example".into()).await;
    assert_eq!(index[0]["version"], 4);
    assert_eq!(index[0]["fingerprint"], lower(&alice));
    assert_eq!(index[0]["algorithm"], json!({ "code": 22, "name": "EdDSALegacy", "bitLength": 256 }));
    assert_eq!(index[0]["creation"], "2026-11-21T23:59:00Z");
    assert_eq!((&index[0]["isRevoked"], &index[0]["isExpired"]), (&json!(false), &json!(false)));
    assert_eq!(index[0]["userIDs"][0]["uidString"], "Alice <alice@home.example>");
    assert!(index[0]["userIDs"][0]["confidence"].as_u64().unwrap() >= 120);
    assert_eq!(by(format!("04{}", alice.clean.fingerprint())).await, index);
    assert_eq!(by(secret_cert(&alice).keyid().to_hex()).await, index);
}

#[tokio::test]
async fn the_prefix_log_names_what_changed_on_a_day() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    let today = house.keys("/pks/v2/prefixlog/2026-11-22").await;
    assert_eq!(today.text(), format!("{}\r\n", &alice.clean.fingerprint()[..8]));
    assert_eq!(house.keys("/pks/v2/prefixlog/2026-11-21").await.text(), "");
    for bad in ["2026-13-01", "today", "2026-11-22T00:00:00Z"] {
        assert_eq!(house.keys(&format!("/pks/v2/prefixlog/{bad}")).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn submissions_are_answered_in_json() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    let bob = crate::cert::flood::person("Bob", "bob@elsewhere.example");
    let post = |kind: &'static str, body: Vec<u8>| house.ask(Method::POST, "keys.home.example", "/pks/v2/certs", kind, body);
    let keys = "application/pgp-keys";
    let both = [alice.clean.whole(), alice.revocation.expose().clone(), bob.clean.whole()].concat();
    let body: Value = serde_json::from_slice(&post(keys, both).await.body).unwrap();
    assert_eq!(body["updated"], json!([{ "version": 4, "fingerprint": lower(&alice) }]));
    assert_eq!(body["ignored"][0]["fingerprint"], lower(&bob));
    assert_eq!((&body["inserted"], &body["deleted"], &body["invalid"]), (&json!([]), &json!([]), &json!([])));
    let part = [
        b"--edge\r\nContent-Disposition: form-data; name=\"keytext\"\r\n\r\n".to_vec(),
        alice.clean.whole(),
        b"\r\n--edge--\r\n".to_vec(),
    ];
    let body: Value = serde_json::from_slice(&post("multipart/form-data; boundary=edge", part.concat()).await.body).unwrap();
    assert_eq!(body["ignored"][0]["fingerprint"], lower(&alice));
    for (kind, body, status) in [
        (keys, Vec::new(), 422),
        (keys, b"hello".to_vec(), 422),
        (keys, alice.clean.whole()[..100].to_vec(), 422),
        (keys, alice.secret.expose().clone(), 422),
        ("text/plain", alice.clean.whole(), 415),
        ("multipart/form-data; boundary=edge", b"--edge--".to_vec(), 422),
    ] {
        let answer = post(kind, body.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{kind} {body:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn the_canonical_certificate_is_put_with_a_token_from_the_mailbox() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    for address in ["alice@home.example", "nobody@home.example", "carol@there.example"] {
        let sent = house.ask(Method::POST, "keys.home.example", "/pks/v2/sendtoken", "text/plain", address).await;
        assert_eq!((sent.status, sent.body.len()), (StatusCode::OK, 0), "{address}");
    }
    let bad = house.ask(Method::POST, "keys.home.example", "/pks/v2/sendtoken", "text/plain", "alice").await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    let letters = house.directory.list_letters(9).await.unwrap();
    assert_eq!((letters.len(), letters[0].recipient.to_string()), (1, "alice@home.example".to_string()));
    let raw = String::from_utf8(letters[0].raw.clone()).unwrap();
    let object = &raw[raw.find('{').unwrap()..=raw.find('}').unwrap()];
    let object: Value = serde_json::from_str(object).unwrap();
    assert_eq!(object["url"], "https://keys.home.example/pks/v2/canonical/alice@home.example");
    let token = object["token"].as_str().unwrap();

    let fresh = generate("Alice", &[address("alice@home.example")], Profile::Compatible, now()).unwrap();
    let put = |path: &'static str, header: &'static str, value: String, body: Vec<u8>| {
        let house = &house;
        async move {
            let headers = [(header, value), ("content-type", "application/pgp-keys".to_string())];
            house.ask_with(Method::PUT, path, &headers, body).await.status.as_u16()
        }
    };
    let path = "/pks/v2/canonical/alice@home.example";
    let bearer = || format!("Bearer {token}");
    assert_eq!(put(path, "x-none", String::new(), fresh.clean.whole()).await, 401);
    assert_eq!(put(path, "authorization", "Bearer x".into(), fresh.clean.whole()).await, 401);
    assert_eq!(put("/pks/v2/canonical/bob@home.example", "authorization", bearer(), fresh.clean.whole()).await, 401);
    assert_eq!(put(path, "authorization", bearer(), b"hello".to_vec()).await, 422);
    assert_eq!(put(path, "authorization", bearer(), other(Profile::Compatible).clean.whole()).await, 422);
    assert_eq!(house.keys(path).await.cert().fingerprint().to_hex(), alice.clean.fingerprint());
    assert_eq!(put(path, "authentication", bearer(), fresh.clean.whole()).await, 200);
    assert_eq!(house.keys(path).await.cert().fingerprint().to_hex(), fresh.clean.fingerprint());
    assert_eq!(put(path, "authorization", bearer(), fresh.clean.whole()).await, 401, "once");
}

#[tokio::test]
async fn statistics_tell_nothing_of_people() {
    let house = House::new().await;
    house.alice().await;
    house.keys("/pks/v2/certs/by-identity/alice@home.example").await;
    house.keys("/pks/v2/certs/by-identity/nobody@home.example").await;
    let stats: Value = serde_json::from_slice(&house.keys("/pks/lookup?op=stats").await.body).unwrap();
    assert_eq!(stats["lookups"], json!({ "found": 1, "not_found": 1 }));
    assert!(!stats.to_string().contains("alice"));
}
