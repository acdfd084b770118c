// SPDX-License-Identifier: AGPL-3.0-or-later
//! The checklist of HKP v2 on `docs/protocols/keyserver.md`: the page and the tests agree, and the points that the tests of
//! `hkp_v2.rs` leave open.

use super::hkp_v2::lower;
use super::*;

/// Points of the list.
const POINTS: usize = 36;
const KEYS: &str = "application/pgp-keys;armor=no";

#[test]
fn each_point_has_a_test_or_a_reason() {
    let tests = [include_str!("hkp_v2.rs"), include_str!("checklist.rs")].concat();
    let page = include_str!("../../../docs/protocols/keyserver.md");
    assert_eq!(hearth_spec::check_checklist(page, "Checklist", &tests), Ok(POINTS));
}

impl House {
    async fn post_v2(&self, kind: &str, body: impl Into<Body>) -> Answer {
        self.ask(Method::POST, "keys.home.example", "/pks/v2/certs", kind, body).await
    }

    async fn options(&self, path: &str) -> Answer {
        self.ask(Method::OPTIONS, "keys.home.example", path, "text/plain", Body::empty()).await
    }

    async fn index(&self, identity: &str) -> Value {
        serde_json::from_slice(&self.keys(&format!("/pks/v2/index/{identity}")).await.body).unwrap()
    }
}

/// §7.1. [`House::ask`] looks at the field on every answer of every test; here are the statuses that there are.
#[tokio::test]
async fn every_answer_may_be_read_by_any_page() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    for (path, status) in [
        ("certs/by-identity/alice@home.example", 200),
        ("canonical/alice@home.example", 200),
        ("index/alice@home.example", 200),
        ("certs/by-identity/nobody@home.example", 404),
        ("index/nobody@home.example", 404),
        ("certs/by-keyid/DEADBEEFDECAFBAD", 404),
        ("prefixlog/2025-12-31", 200),
        ("prefixlog/x", 400),
        ("certs", 403),
        ("dance", 501),
    ] {
        let answer = house.keys(&format!("/pks/v2/{path}")).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["access-control-allow-origin"]),
            (status, &"*".parse().unwrap()),
            "{path}"
        );
    }
    for (body, status) in [(alice.clean.whole(), 200), (b"\0not a cert".to_vec(), 422), (Vec::new(), 422)] {
        let answer = house.post_v2(KEYS, body).await;
        assert_eq!((answer.status.as_u16(), &answer.headers["access-control-allow-origin"]), (status, &"*".parse().unwrap()));
    }
}

/// §5.1.7, §5.2.6.
#[tokio::test]
async fn a_category_is_known_or_not_implemented() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    for category in ["certs/by-identity", "certs/by-vfingerprint", "certs/by-keyid", "index", "prefixlog", "canonical"] {
        let options = house.options(&format!("/pks/v2/{category}")).await;
        assert_eq!(options.status, StatusCode::OK, "{category}");
        assert!(options.headers["allow"].to_str().unwrap().contains("GET"), "{category}");
        for path in [format!("/pks/v2/{category}"), format!("/pks/v2/{category}/")] {
            assert_eq!(house.keys(&path).await.status, StatusCode::FORBIDDEN, "{path}");
        }
    }
    let certs = house.options("/pks/v2/certs").await;
    assert!(certs.headers["allow"].to_str().unwrap().contains("POST"));
    assert_eq!(certs.headers["accept"], "application/pgp-keys");
    for path in ["/pks/v2/canonical", "/pks/v2/canonical/alice@home.example"] {
        let canonical = house.options(path).await;
        let allow = canonical.headers["allow"].to_str().unwrap();
        assert!(allow.contains("GET") && allow.contains("PUT"), "{allow}");
        assert_eq!(canonical.headers["accept"], "application/pgp-keys;proof=tokens");
    }
    let put = house.ask(Method::PUT, "keys.home.example", "/pks/v2/canonical", KEYS, alice.clean.whole()).await;
    assert_eq!(put.status, StatusCode::FORBIDDEN);
    for path in
        ["not-a-category".into(), "certs/by-fingerprint".into(), format!("certs/by-fingerprint/{}", alice.clean.fingerprint())]
    {
        let path = format!("/pks/v2/{path}");
        assert_eq!(house.options(&path).await.status, StatusCode::NOT_IMPLEMENTED, "{path}");
        assert_eq!(house.keys(&path).await.status, StatusCode::NOT_IMPLEMENTED, "{path}");
    }
}

/// §5.1.3: neither the first nor the last digits of a version 6 fingerprint find it.
#[tokio::test]
async fn a_version_6_key_has_no_key_id() {
    let house = House::new().await;
    let account = house.add_person("Alice", &["alice@home.example"]).await;
    let modern = generate("Alice", &[address("alice@home.example")], Profile::Modern, now()).unwrap();
    house.add_key(account, &modern, &["alice@home.example"]).await;
    let v6 = modern.clean.fingerprint();
    assert_eq!(house.keys(&format!("/pks/v2/certs/by-vfingerprint/06{v6}")).await.cert().fingerprint().to_hex(), v6);
    for digits in [&v6[..16], &v6[48..]] {
        assert_eq!(house.keys(&format!("/pks/v2/certs/by-keyid/{digits}")).await.status, StatusCode::NOT_FOUND, "{digits}");
    }
}

/// §5.1.9.
#[tokio::test]
async fn a_part_of_an_identity_finds_nothing() {
    let house = House::new().await;
    house.alice().await;
    for part in ["alice", "home.example", "@home.example", "alice@home.exampl", "lice@home.example", "Alice"] {
        for category in ["certs/by-identity", "index", "canonical"] {
            let path = format!("/pks/v2/{category}/{part}");
            assert_eq!(house.keys(&path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
}

/// §5.1.8.
#[tokio::test]
async fn head_has_the_fields_of_get() {
    let house = House::new().await;
    house.alice().await;
    for path in ["certs/by-identity/alice@home.example", "index/alice@home.example", "index/nobody@home.example", "certs", "dance"]
    {
        let path = format!("/pks/v2/{path}");
        let get = house.keys(&path).await;
        let head = house.ask(Method::HEAD, "keys.home.example", &path, "text/plain", Body::empty()).await;
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        for field in ["content-type", "content-length", "etag", "cache-control", "access-control-allow-origin"] {
            assert_eq!(head.headers.get(field), get.headers.get(field), "{path} {field}");
        }
    }
}

/// §7.1.1.
#[tokio::test]
async fn the_index_has_the_shape_of_the_draft() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    let answer = house.keys("/pks/v2/index/alice@home.example").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let cert = &house.index("alice@home.example").await[0];
    assert_eq!(cert["fingerprint"].as_str().unwrap(), lower(&alice), "lower case, without 0x");
    assert_eq!(cert["algorithm"]["name"], "EdDSALegacy");
    assert_eq!(cert["userIDs"].as_array().unwrap().len(), 1, "what is not published is not named");
    assert_eq!(cert["userIDs"][0]["isRevoked"], false);
    for field in [&cert["creation"], &cert["expiration"], &cert["userIDs"][0]["creation"]] {
        let text = field.as_str().unwrap();
        assert!(text.len() == 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T', "{text}");
    }
}

/// §7.2.
#[tokio::test]
async fn the_answer_to_a_submission_has_its_shape() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    let bob = crate::cert::flood::person("Bob", "bob@elsewhere.example");
    let all = [alice.clean.whole(), alice.revocation.expose().clone(), bob.clean.whole()].concat();
    for (round, updated, ignored) in [("first", 1, 1), ("again", 0, 2)] {
        let body: Value = serde_json::from_slice(&house.post_v2(KEYS, all.clone()).await.body).unwrap();
        let members = body.as_object().unwrap();
        let mut names: Vec<&str> = members.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["deleted", "ignored", "inserted", "invalid", "updated"]);
        assert_eq!(
            (body["updated"].as_array().unwrap().len(), body["ignored"].as_array().unwrap().len()),
            (updated, ignored),
            "{round}"
        );
        for (name, entries) in members {
            for entry in entries.as_array().unwrap() {
                assert!(entry["version"].is_u64() && entry["fingerprint"].is_string(), "{name}: {entry}");
                assert_eq!(entry.get("comment").is_some(), ["ignored", "invalid"].contains(&name.as_str()), "{name}: {entry}");
            }
        }
    }
}

/// RFC 9580 §6.2.2.
#[tokio::test]
async fn armour_with_headers_is_taken_by_both() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    let plain = String::from_utf8(armor(&alice.clean.whole(), ArmorKind::PublicKey).unwrap()).unwrap();
    let (first, rest) = plain.split_once('\n').unwrap();
    let (_, data) = rest.split_once("\n\n").unwrap_or(("", rest.trim_start_matches('\n')));
    let text = format!("{first}\nVersion: GnuPG v2\nComment: https://example.test\n\n{data}");
    let escaped: String = text.bytes().map(|octet| format!("%{octet:02x}")).collect();
    let form = "application/x-www-form-urlencoded";
    let legacy = house.ask(Method::POST, "keys.home.example", "/pks/add", form, format!("keytext={escaped}")).await;
    assert_eq!((legacy.status, legacy.text()), (StatusCode::OK, &*format!("{} nothing new\n", alice.clean.fingerprint())));
    let body: Value = serde_json::from_slice(&house.post_v2(KEYS, text).await.body).unwrap();
    assert_eq!((&body["invalid"], &body["ignored"][0]["fingerprint"]), (&json!([]), &json!(lower(&alice))));
}
