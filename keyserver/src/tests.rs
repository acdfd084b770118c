// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every endpoint in memory, as the router would call it, over a directory in a temporary folder.

mod bounds;
mod checklist;
mod damaged;
mod elsewhere;
mod finding;
mod hkp_v2;
mod hostile;
mod house;
mod proof;
mod unknown;
mod wks;
mod world;

use hearth_db::Source as DbSource;
use hearth_identity::Directory;
use hearth_identity::certs::Source;
use hearth_identity::directory::{Kind, NewAccount};
use hearth_types::{AccountId, Address, Clock, Domain, Timestamp};
use hearth_web::axum::Router;
use hearth_web::axum::body::Body;
use hearth_web::axum::http::{HeaderMap, Method, Request, StatusCode};
use hearth_wire::wkd;
use sequoia_openpgp::Cert;
use sequoia_openpgp::armor::Kind as ArmorKind;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::serialize::MarshalInto as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::app;
use crate::cert::flood::{foreign_certifications, forged_subkeys, forged_user_ids, now, secret_cert};
use crate::cert::{Generated, Profile, armor, generate};
use crate::ctx::{Ctx, Site};
use crate::limits::{BODY_BYTES_MAX, BY_ADDRESS_BURST};

const DOMAIN: &str = "home.example";

struct House {
    ctx: Ctx,
    app: Router,
    directory: Directory,
    clock: Clock,
    _folder: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn cert(&self) -> Cert {
        assert_eq!(self.status, StatusCode::OK, "{}", String::from_utf8_lossy(&self.body));
        Cert::from_bytes(&self.body).unwrap()
    }

    fn user_ids(&self) -> Vec<String> {
        let mut user_ids: Vec<String> =
            self.cert().userids().map(|user_id| String::from_utf8_lossy(user_id.userid().value()).into_owned()).collect();
        user_ids.sort();
        user_ids
    }
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(Timestamp::from_secs(1_795_305_600));
        let source = DbSource::Sqlite(folder.path().join("identity.db"));
        let directory = Directory::open(&source, clock.clone()).await.unwrap();
        directory.add_domain(&Domain::parse(DOMAIN).unwrap()).await.unwrap();
        let site = Site { domain: Domain::parse(DOMAIN).unwrap(), url: "https://keys.home.example".into() };
        let ctx = Ctx::new(directory.clone(), clock.clone(), site);
        Self { app: app(ctx.clone()), ctx, directory, clock, _folder: folder }
    }

    async fn add_person(&self, name: &str, addresses: &[&str]) -> AccountId {
        let new = NewAccount { address: address(addresses[0]), kind: Kind::Person, name: name.into(), admin: false };
        let account = self.directory.add_account(new).await.unwrap().id;
        for more in &addresses[1..] {
            self.directory.add_address(account, &address(more)).await.unwrap();
        }
        account
    }

    /// Stores a certificate, and publishes these addresses of it.
    async fn add_key(&self, account: AccountId, generated: &Generated, published: &[&str]) {
        let owned = self.directory.list_addresses(account).await.unwrap();
        let owns = |address: &Address| owned.iter().any(|entry| entry.address.key() == address.key());
        let certificate = generated.clean.to_certificate(account, Source::Generated, true, owns);
        self.directory.store_cert(certificate).await.unwrap();
        let published = published.iter().map(|text| address(text)).collect();
        assert!(self.directory.publish_cert(generated.clean.fingerprint(), published).await.unwrap().is_empty());
    }

    async fn alice(&self) -> (AccountId, Generated) {
        let addresses = ["alice@home.example", "a.liddell@home.example", "alice@elsewhere.example"];
        let account = self.add_person("Alice", &addresses[..2]).await;
        let generated = generate("Alice", &addresses.map(address), Profile::Compatible, now()).unwrap();
        self.add_key(account, &generated, &addresses[..1]).await;
        (account, generated)
    }

    /// At `keys.D`, or at `openpgpkey.D` for its paths.
    async fn ask_with<V: AsRef<str>>(&self, method: Method, path: &str, headers: &[(&str, V)], body: impl Into<Body>) -> Answer {
        let host = if path.starts_with("/.well-known/openpgpkey/home.example/") { "openpgpkey" } else { "keys" };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-forwarded-host", format!("{host}.home.example"))
            .header("x-forwarded-for", "192.0.2.8")
            .header("x-forwarded-proto", "https");
        for (name, value) in headers {
            request = request.header(*name, value.as_ref());
        }
        let response = self.app.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = hearth_web::axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn ask(&self, method: Method, host: &str, path: &str, kind: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-forwarded-host", host)
            .header("x-forwarded-for", "192.0.2.7")
            .header("x-forwarded-proto", "https")
            .header("content-type", kind)
            .body(body.into())
            .unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = hearth_web::axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        assert_eq!(parts.headers.get("access-control-allow-origin").map(|v| v.to_str().unwrap()), Some("*"), "{path}");
        assert_ne!(parts.status, StatusCode::BAD_GATEWAY);
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, host: &str, path: &str) -> Answer {
        self.ask(Method::GET, host, path, "text/plain", Body::empty()).await
    }

    async fn keys(&self, path: &str) -> Answer {
        self.get("keys.home.example", path).await
    }

    async fn wkd(&self, local: &str) -> Answer {
        let path = format!("/.well-known/openpgpkey/{DOMAIN}/hu/{}?l={local}", wkd::encode_local_part(local));
        self.get("openpgpkey.home.example", &path).await
    }

    async fn add(&self, bytes: &[u8]) -> Answer {
        let text = armor(bytes, ArmorKind::PublicKey).unwrap();
        let escaped: String = text.iter().map(|octet| format!("%{octet:02x}")).collect();
        let form = "application/x-www-form-urlencoded";
        self.ask(Method::POST, "keys.home.example", "/pks/add", form, format!("keytext={escaped}")).await
    }

    async fn upload(&self, bytes: &[u8]) -> (StatusCode, Value) {
        let text = String::from_utf8(armor(bytes, ArmorKind::PublicKey).unwrap()).unwrap();
        let body = json!({ "keytext": text }).to_string();
        let answer = self.ask(Method::POST, "keys.home.example", "/vks/v1/upload", "application/json", body).await;
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }
}

#[tokio::test]
async fn wkd_gives_the_address_asked_for_and_no_other() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    house.directory.publish_cert(alice.clean.fingerprint(), vec![address("a.liddell@home.example")]).await.unwrap();
    let answer = house.wkd("alice").await;
    assert_eq!(answer.user_ids(), ["Alice <alice@home.example>"]);
    assert_eq!(answer.headers["content-type"], "application/octet-stream");
    assert!(answer.body[0] & 0x80 != 0, "binary");
    assert_eq!(house.wkd("Alice").await.body, answer.body);
    assert_eq!(house.wkd("A.Liddell").await.user_ids(), ["<a.liddell@home.example>"]);

    let name = wkd::encode_local_part("alice");
    let direct = format!("/.well-known/openpgpkey/hu/{name}?l=alice");
    assert_eq!(house.get("home.example", &direct).await.body, answer.body);
    assert_eq!(house.get("home.example:10443", &direct).await.body, answer.body);
    let head = house.ask(Method::HEAD, "home.example", &direct, "text/plain", Body::empty()).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.headers["content-length"], answer.body.len().to_string());
}

#[tokio::test]
async fn wkd_is_exact_about_the_domain() {
    let house = House::new().await;
    house.alice().await;
    let name = wkd::encode_local_part("alice");
    for (host, path) in [
        ("openpgpkey.home.example", format!("/.well-known/openpgpkey/hu/{name}")),
        ("home.example", format!("/.well-known/openpgpkey/home.example/hu/{name}")),
        ("openpgpkey.other.example", format!("/.well-known/openpgpkey/home.example/hu/{name}")),
        ("openpgpkey.other.example", format!("/.well-known/openpgpkey/other.example/hu/{name}")),
        ("mail.home.example", format!("/.well-known/openpgpkey/hu/{name}")),
        ("openpgpkey.home.example", format!("/.well-known/openpgpkey/home.example/hu/{}", name.to_uppercase())),
        ("openpgpkey.home.example", "/.well-known/openpgpkey/home.example/hu/".to_string()),
        ("openpgpkey.home.example", "/.well-known/openpgpkey/other.example/policy".to_string()),
        ("other.example", "/.well-known/openpgpkey/policy".to_string()),
        ("openpgpkey.home.example", format!("/.well-known/openpgpkey/home.example/hu/{}", wkd::encode_local_part("bob"))),
    ] {
        assert_eq!(house.get(host, &path).await.status, StatusCode::NOT_FOUND, "{host} {path}");
    }
    let advanced = house.get("openpgpkey.home.example", "/.well-known/openpgpkey/home.example/policy").await;
    let direct = house.get("home.example", "/.well-known/openpgpkey/policy").await;
    assert_eq!((advanced.status, direct.status), (StatusCode::OK, StatusCode::OK));
    let upper = house.get("openpgpkey.home.example", &format!("/.well-known/openpgpkey/Home.Example/hu/{name}")).await;
    assert_eq!(upper.status, StatusCode::OK);
}

#[tokio::test]
async fn hkp_get_by_everything_exact() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    let cert = secret_cert(&alice);
    let (fingerprint, key_id) = (cert.fingerprint().to_hex(), cert.keyid().to_hex());
    let subkey = cert.keys().subkeys().next().unwrap().key().fingerprint().to_hex();
    for search in [
        format!("0x{fingerprint}"),
        format!("0x{}", fingerprint.to_lowercase()),
        fingerprint.clone(),
        format!("0x{key_id}"),
        format!("0x{subkey}"),
        format!("0x{}", &subkey[24..]),
        "alice@home.example".into(),
        "ALICE@Home.Example".into(),
        "Alice%20%3Calice@home.example%3E".into(),
    ] {
        let answer = house.keys(&format!("/pks/lookup?op=get&options=mr&search={search}")).await;
        assert_eq!(answer.user_ids(), ["Alice <alice@home.example>"], "{search}");
        assert_eq!(answer.headers["content-type"], "application/pgp-keys");
        assert!(answer.text().starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----\n") && answer.text().ends_with("-----\n"));
    }
    for (query, status) in [
        ("op=get&search=a.liddell@home.example", 404),
        ("op=get&search=alice@elsewhere.example", 404),
        ("op=get&search=0x0123456789abcdef", 404),
        ("op=get&search=0x01234567", 400),
        ("op=get&search=Alice", 400),
        ("op=get", 400),
        ("search=alice@home.example", 400),
        ("", 400),
        ("op=hget&search=x", 501),
        ("op=dance&search=x", 501),
    ] {
        let answer = house.keys(&format!("/pks/lookup?{query}")).await;
        assert_eq!(answer.status, status, "{query}");
        assert!(answer.text().ends_with('\n'), "{query}");
    }
}

#[tokio::test]
async fn hkp_index_lists_what_is_shown() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    let fingerprint = alice.clean.fingerprint();
    let index = house.keys(&format!("/pks/lookup?op=index&options=mr&search=0x{fingerprint}")).await;
    let made = 1_795_305_600 - 60;
    let ends = made + crate::cert::generate::VALIDITY.as_secs();
    let expected = format!("info:1:1\npub:{fingerprint}:22:256:{made}:{ends}:\nuid:Alice <alice@home.example>:{made}::\n");
    assert_eq!(index.text(), expected);
    assert_eq!(index.headers["content-type"], "text/plain; charset=utf-8");
    let verbose = house.keys("/pks/lookup?op=vindex&search=alice@home.example").await;
    assert_eq!(verbose.text(), expected);
}

#[tokio::test]
async fn a_user_id_cannot_break_the_index() {
    let house = House::new().await;
    let account = house.add_person("Zoë", &["zoe@home.example"]).await;
    let generated = generate("Zoë: 100%", &[address("zoe@home.example")], Profile::Compatible, now()).unwrap();
    house.add_key(account, &generated, &["zoe@home.example"]).await;
    let index = house.keys("/pks/lookup?op=index&search=zoe@home.example").await;
    let line = index.text().lines().nth(2).unwrap();
    assert!(line.starts_with("uid:") && line.contains("Zo%C3%AB%3A 100%25"), "{line}");
    assert_eq!(line.matches(':').count(), 4, "{line}");
}

#[tokio::test]
async fn nothing_published_is_shown_without_identity_and_by_key_only() {
    let house = House::new().await;
    let (account, alice) = house.alice().await;
    let fingerprint = alice.clean.fingerprint().to_string();
    let by_key = format!("/vks/v1/by-fingerprint/{fingerprint}");
    assert_eq!(house.keys(&by_key).await.user_ids().len(), 1);

    house.directory.withdraw_cert_address(&address("alice@home.example")).await.unwrap();
    assert!(house.keys(&by_key).await.user_ids().is_empty());
    assert_eq!(house.wkd("alice").await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.keys("/vks/v1/by-email/alice%40home.example").await.status, StatusCode::NOT_FOUND);
    let index = house.keys(&format!("/pks/lookup?op=index&search=0x{fingerprint}")).await;
    assert!(!index.text().contains("uid:"), "{}", index.text());

    // A disabled account, and an address that is somebody else's now.
    house
        .directory
        .publish_cert(&fingerprint, vec![address("alice@home.example"), address("a.liddell@home.example")])
        .await
        .unwrap();
    house.directory.disable_account(account).await.unwrap();
    assert!(house.keys(&by_key).await.user_ids().is_empty());
    house.directory.enable_account(account).await.unwrap();
    assert_eq!(house.keys(&by_key).await.user_ids().len(), 2);
    house.directory.remove_address(&address("a.liddell@home.example")).await.unwrap();
    assert!(house.directory.forget_former_address(&address("a.liddell@home.example")).await.unwrap());
    house.add_person("Bob", &["bob@home.example", "a.liddell@home.example"]).await;
    assert_eq!(house.keys(&by_key).await.user_ids(), ["Alice <alice@home.example>"]);
    assert_eq!(house.wkd("a.liddell").await.status, StatusCode::NOT_FOUND);

    house.directory.remove_account(account).await.unwrap();
    assert_eq!(house.keys(&by_key).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_address_is_shown_in_one_certificate() {
    let house = House::new().await;
    let (account, old) = house.alice().await;
    let new = generate("Alice", &[address("alice@home.example")], Profile::Modern, now()).unwrap();
    house.add_key(account, &new, &["alice@home.example"]).await;
    assert_eq!(house.wkd("alice").await.cert().fingerprint().to_hex(), new.clean.fingerprint());
    assert_eq!(new.clean.fingerprint().len(), 64);
    let by_fingerprint = house.keys(&format!("/vks/v1/by-fingerprint/{}", new.clean.fingerprint())).await;
    assert_eq!(by_fingerprint.cert().fingerprint().to_hex(), new.clean.fingerprint());
    assert!(house.keys(&format!("/vks/v1/by-fingerprint/{}", old.clean.fingerprint())).await.user_ids().is_empty());
}

#[tokio::test]
async fn vks_wants_one_exact_thing() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    let key_id = secret_cert(&alice).keyid().to_hex();
    assert_eq!(house.keys(&format!("/vks/v1/by-keyid/{key_id}")).await.user_ids().len(), 1);
    assert_eq!(house.keys("/vks/v1/by-email/alice@home.example").await.user_ids().len(), 1);
    for (path, status) in [
        (format!("/vks/v1/by-fingerprint/{key_id}"), 400),
        (format!("/vks/v1/by-keyid/{}", alice.clean.fingerprint()), 400),
        ("/vks/v1/by-keyid/01234567".into(), 400),
        ("/vks/v1/by-keyid/0123456789ABCDEF".into(), 404),
        ("/vks/v1/by-email/alice".into(), 400),
        ("/vks/v1/request-verify".into(), 405),
        ("/nothing".into(), 404),
    ] {
        assert_eq!(house.keys(&path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_revocation_of_ours_is_taken_from_anybody_poison_and_all() {
    let house = House::new().await;
    let (account, alice) = house.alice().await;
    let bob = crate::cert::flood::person("Bob", "bob@elsewhere.example");
    let cert = secret_cert(&alice);
    let poison = [
        alice.clean.whole(),
        forged_user_ids(&cert, 200),
        foreign_certifications(&cert, &secret_cert(&bob), 1_000),
        forged_subkeys(&cert, 500),
        alice.revocation.expose().clone(),
    ]
    .concat();
    let answer = house.add(&poison).await;
    let says = format!("{} updated\nleft out: 1000 signatures by other keys, ", alice.clean.fingerprint());
    assert!(answer.status == StatusCode::OK && answer.text().starts_with(&says), "{}", answer.text());
    assert!(house.wkd("alice").await.body.len() < alice.clean.whole().len() + 400);
    let index = house.keys("/pks/lookup?op=index&search=alice@home.example").await;
    assert!(index.text().lines().nth(1).unwrap().ends_with(":r"), "{}", index.text());
    let answer = house.add(alice.revocation.expose()).await;
    assert!(answer.text().ends_with("nothing new\n"), "{}", answer.text());

    let second = generate("Alice", &[address("alice@home.example")], Profile::Compatible, now()).unwrap();
    house.add_key(account, &second, &["alice@home.example"]).await;
    assert_eq!(house.add(second.revocation.expose()).await.status, StatusCode::OK, "a revocation alone");
    let held = house.directory.list_certs(Some(account)).await.unwrap();
    assert!(held.iter().all(|held| held.revoked && held.secret_stored) && held.len() == 2);
}

#[tokio::test]
async fn unknown_and_secret_keys_are_refused_and_nothing_is_stored() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    let bob = crate::cert::flood::person("Bob", "bob@home.example");
    let answer = house.add(&bob.clean.whole()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text().contains("people of this house"));
    let answer = house.add(alice.secret.expose()).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text().contains("SECRET"), "{}", answer.text());
    let (status, body) = house.upload(alice.secret.expose()).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && body["error"].as_str().unwrap().contains("SECRET"));
    assert_eq!(house.add(b"hello").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(house.directory.list_certs(None).await.unwrap().len(), 1);
    assert_eq!(house.keys(&format!("/vks/v1/by-fingerprint/{}", bob.clean.fingerprint())).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn upload_tells_the_status_of_what_was_named() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    let (status, body) = house.upload(&alice.clean.whole()).await;
    assert_eq!(status, StatusCode::OK);
    let expected = json!({
        "token": body["token"],
        "key_fpr": alice.clean.fingerprint(),
        "status": {
            "alice@home.example": "published",
            "a.liddell@home.example": "unpublished",
            "alice@elsewhere.example": "unpublished",
        },
    });
    assert_eq!(body, expected);
    // Who names less is told less.
    let shown = house.keys(&format!("/vks/v1/by-fingerprint/{}", alice.clean.fingerprint())).await;
    let (_, body) = house.upload(&shown.cert().to_vec().unwrap()).await;
    assert_eq!(body["status"], json!({ "alice@home.example": "published" }));
}

#[tokio::test]
async fn bodies_that_are_not_a_submission() {
    let house = House::new().await;
    let form = "application/x-www-form-urlencoded";
    for (path, kind, body, status) in [
        ("/pks/add", form, "", 400),
        ("/pks/add", form, "keytext=", 400),
        ("/pks/add", "multipart/form-data; boundary=x", "--x--", 400),
        ("/pks/add", "text/plain", "hello", 415),
        ("/vks/v1/upload", "application/json", "{}", 422),
        ("/vks/v1/upload", "application/json", "{", 400),
        ("/vks/v1/upload", form, "keytext=x", 415),
        ("/vks/v1/upload", "application/json", "{\"keytext\":\"AAAA\"}", 400),
    ] {
        let answer = house.ask(Method::POST, "keys.home.example", path, kind, body).await;
        assert_eq!(answer.status, status, "{path} {kind} {body}: {}", answer.text());
    }
    let large = vec![b'a'; BODY_BYTES_MAX + 1];
    assert_eq!(house.ask(Method::POST, "keys.home.example", "/pks/add", form, large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(house.get("keys.home.example", "/pks/add").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn asking_for_everybody_takes_long() {
    let house = House::new().await;
    house.alice().await;
    for n in 0..BY_ADDRESS_BURST {
        let status = house.keys(&format!("/vks/v1/by-email/u{n}@home.example")).await.status;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    let refused = house.keys("/pks/lookup?op=get&search=alice@home.example").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers["retry-after"], "60");
    assert_eq!(house.wkd("alice").await.status, StatusCode::OK, "another bucket");
}
