// SPDX-License-Identifier: AGPL-3.0-or-later
//! LDAP on a stream in memory: what a bind opens, what ends it, what comes of damage. Messages are written here octet by
//! octet; what OpenLDAP's own programs see is in `tests/interop`.

mod support;

use std::net::{IpAddr, Ipv4Addr};

use hearth_oauth::ldap::{FAILURES_MAX, converse_on};
use support::{House, PASSWORD, on_both_engines};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const ALICE: &str = "uid=alice,ou=people,dc=home,dc=example";
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82], &length[..], content].concat()
}

fn message(id: u8, tag: u8, content: &[u8]) -> Vec<u8> {
    element(0x30, &[&[0x02, 0x01, id][..], &element(tag, content)].concat())
}

fn bind(name: &str, password: &str) -> Vec<u8> {
    message(1, 0x60, &[&[0x02, 0x01, 0x03][..], &element(0x04, name.as_bytes()), &element(0x80, password.as_bytes())].concat())
}

/// `(objectClass=*)` below a base.
fn search(base: &str, size_max: u8) -> Vec<u8> {
    let fixed = [0x0a, 0x01, 0x02, 0x0a, 0x01, 0x00, 0x02, 0x01, size_max, 0x02, 0x01, 0x00, 0x01, 0x01, 0x00];
    let content = [&element(0x04, base.as_bytes())[..], &fixed, &element(0x87, b"objectClass"), &element(0x30, b"")].concat();
    message(2, 0x63, &content)
}

/// A client of a conversation that is within TLS already.
struct Client(DuplexStream);

impl Client {
    fn new(house: &House) -> Self {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let ctx = house.ctx.clone();
        tokio::spawn(async move { converse_on(&ctx, Box::new(theirs), PEER, true, None).await });
        Self(ours)
    }

    /// The tag of the next answer, and what is in it; `None` when the connection has ended.
    async fn answer(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut content = self.element().await?.1;
        // The number: one octet in every test.
        let rest = content.split_off(3);
        let head = if rest[1] < 0x80 { 2 } else { 2 + usize::from(rest[1] & 0x7f) };
        Some((rest[0], rest[head..].to_vec()))
    }

    async fn element(&mut self) -> Option<(u8, Vec<u8>)> {
        let tag = self.0.read_u8().await.ok()?;
        let first = self.0.read_u8().await.ok()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            length = 0;
            for _ in 0..first & 0x7f {
                length = length << 8 | usize::from(self.0.read_u8().await.ok()?);
            }
        }
        let mut content = vec![0; length];
        self.0.read_exact(&mut content).await.ok()?;
        Some((tag, content))
    }

    /// Asks; the names of the entries, and the result.
    async fn ask(&mut self, octets: &[u8]) -> Option<(Vec<String>, u8)> {
        self.0.write_all(octets).await.ok()?;
        let mut names = Vec::new();
        loop {
            match self.answer().await? {
                (0x64, entry) => names.push(String::from_utf8_lossy(&entry[2..2 + usize::from(entry[1])]).into_owned()),
                (_, result) => return Some((names, result[2])),
            }
        }
    }

    async fn result(&mut self, octets: &[u8]) -> Option<u8> {
        self.ask(octets).await.map(|(_, code)| code)
    }
}

#[tokio::test]
async fn a_bind_opens_and_a_disabled_account_closes() {
    on_both_engines(async |house| {
        let mut client = Client::new(&house);
        assert_eq!(client.result(&search("dc=home,dc=example", 0)).await, Some(50), "bind first");
        assert_eq!(client.result(&bind(ALICE, "")).await, Some(53), "a bind without a password proves nothing");
        assert_eq!(client.result(&bind("", "")).await, Some(0));
        assert_eq!(client.result(&search("dc=home,dc=example", 0)).await, Some(50), "nobody is nobody");
        assert_eq!(client.result(&bind(ALICE, PASSWORD)).await, Some(0));
        let (names, code) = client.ask(&search("ou=people,dc=home,dc=example", 0)).await.unwrap();
        assert_eq!(code, 0);
        assert_eq!(names, ["ou=people,dc=home,dc=example", ALICE, "uid=bob,ou=people,dc=home,dc=example"]);
        let (names, code) = client.ask(&search("dc=home,dc=example", 2)).await.unwrap();
        assert_eq!((names.len(), code), (2, 4), "sizeLimitExceeded");
        assert_eq!(client.result(&search("dc=elsewhere", 0)).await, Some(32));
        assert_eq!(client.result(&search("nonsense", 0)).await, Some(34));
        assert_eq!(client.result(&message(3, 0x4a, ALICE.as_bytes())).await, Some(53), "delete");
        // A failed bind leaves nobody bound.
        assert_eq!(client.result(&bind(ALICE, "wrong")).await, Some(49));
        assert_eq!(client.result(&search("dc=home,dc=example", 0)).await, Some(50));
        assert_eq!(client.result(&bind("alice", PASSWORD)).await, Some(0));
        house.directory.disable_account(house.alice.id).await.unwrap();
        assert_eq!(client.result(&search("dc=home,dc=example", 0)).await, Some(50), "disabled since");
        assert_eq!(client.result(&bind(ALICE, PASSWORD)).await, Some(49));
    })
    .await;
}

#[tokio::test]
async fn an_app_password_of_its_own_opens_it_and_that_of_mail_does_not() {
    on_both_engines(async |house| {
        for (services, code) in [("ldap", 0), ("imap smtp", 49)] {
            let services = services.parse().unwrap();
            let (_, password) = house.ctx.doorkeeper.add_app_password(&house.alice, "file server", services, None).await.unwrap();
            assert_eq!(Client::new(&house).result(&bind(ALICE, password.expose())).await, Some(code), "{services}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_ends_a_connection() {
    on_both_engines(async |house| {
        for damage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x30\x80\x02\x01", b"\x30\x84\x7f\xff\xff\xff", b"\x30\x03\x02\x01\x01"] {
            let mut client = Client::new(&house);
            client.0.write_all(damage).await.unwrap();
            let (tag, result) = client.answer().await.unwrap();
            assert_eq!((tag, result[2]), (0x78, 2), "a notice of disconnection");
            assert_eq!(client.answer().await, None);
        }
        let mut client = Client::new(&house);
        let mut last = None;
        for _ in 0..FAILURES_MAX {
            last = client.result(&bind("uid=nobody,ou=people,dc=home,dc=example", "wrong")).await;
            assert!(matches!(last, Some(49 | 51)), "{last:?}");
        }
        assert!(last.is_some());
        assert_eq!(client.answer().await, None, "a fifth failure");
        let mut client = Client::new(&house);
        client.0.write_all(&message(1, 0x42, b"")).await.unwrap();
        assert_eq!(client.answer().await, None, "unbind");
    })
    .await;
}
