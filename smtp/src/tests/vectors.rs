// SPDX-License-Identifier: AGPL-3.0-or-later
//! Vectors of others (`vectors/README.md`), run through the checks as port 25 runs them, over a DNS server of our own.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hearth_net::dns::{Options, Resolver};
use hearth_types::Address;
use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, MX, PTR, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use serde_json::Value;
use tokio::net::UdpSocket;

use crate::inbound::check::{self, Finding, Findings, Subject};
use crate::policy::Policy;

/// What a name has; `None` stands for a server that fails, and nothing at all for one that is silent.
pub(super) type Zone = HashMap<String, Vec<Option<RData>>>;

fn name(text: &str) -> Option<Name> {
    Name::from_ascii(format!("{}.", text.trim_end_matches('.'))).ok()
}

pub(super) fn text(pieces: &[&str]) -> RData {
    // The suite writes octets as characters.
    let octets = |piece: &&str| -> Vec<u8> { piece.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect() };
    let pieces: Vec<Vec<u8>> =
        pieces.iter().map(octets).flat_map(|piece| piece.chunks(255).map(<[u8]>::to_vec).collect::<Vec<_>>()).collect();
    RData::TXT(TXT::from_bytes(pieces.iter().map(Vec::as_slice).collect()))
}

fn answer(zone: &Zone, question: &[u8]) -> Option<Vec<u8>> {
    let asked = Message::from_vec(question).ok()?;
    let query = asked.queries.first()?.clone();
    let mut reply = Message::new(asked.metadata.id, MessageType::Response, asked.metadata.op_code);
    reply.metadata.recursion_available = true;
    reply.metadata.recursion_desired = true;
    reply.add_query(query.clone());
    let key = query.name().to_ascii().trim_end_matches('.').to_lowercase();
    let Some(held) = zone.get(&key) else {
        // The root is there, so that the resolver sees a server.
        reply.metadata.response_code = if key.is_empty() { ResponseCode::NoError } else { ResponseCode::NXDomain };
        return reply.to_vec().ok();
    };
    if held.is_empty() {
        return None;
    }
    let wanted = query.query_type();
    let fits = |data: &RData| data.record_type() == wanted || data.record_type() == RecordType::CNAME;
    let found: Vec<&RData> = held.iter().flatten().filter(|data| fits(data)).collect();
    if found.is_empty() && held.iter().any(Option::is_none) {
        reply.metadata.response_code = ResponseCode::ServFail;
    }
    for data in found {
        reply.add_answer(Record::from_rdata(query.name().clone(), 60, data.clone()));
        if let RData::CNAME(CNAME(to)) = data {
            let key = to.to_ascii().trim_end_matches('.').to_lowercase();
            for data in zone.get(&key).into_iter().flatten().flatten().filter(|data| data.record_type() == wanted) {
                reply.add_answer(Record::from_rdata(to.clone(), 60, data.clone()));
            }
        }
    }
    reply.to_vec().ok()
}

/// A resolver that sees this zone alone.
pub(super) async fn serve(zone: Zone) -> Resolver {
    let servers = vec![server(zone).await];
    Resolver::new(&Options { servers, validate: Some(false), ..Options::default() }).expect("a resolver")
}

/// A DNS server that has this zone alone.
pub(super) async fn server(zone: Zone) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address: SocketAddr = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            if let Some(reply) = answer(&zone, &buffer[..length]) {
                let _ = socket.send_to(&reply, peer).await;
            }
        }
    });
    address
}

fn zone_of(scenario: &Value) -> Zone {
    let mut zone = Zone::new();
    for row in scenario["zone"].as_array().expect("rows") {
        let (at, kind, value) = (row[0].as_str().expect("a name"), row[1].as_str().expect("a type"), &row[2]);
        let value_text = || value.as_str().expect("a text");
        let data = match kind {
            "TIMEOUT" => None,
            "A" => Some(RData::A(A(value_text().parse().expect("an address")))),
            "AAAA" => Some(RData::AAAA(AAAA(value_text().parse().expect("an address")))),
            "CNAME" => name(value_text()).map(|to| RData::CNAME(CNAME(to))),
            "PTR" => name(value_text()).map(|to| RData::PTR(PTR(to))),
            "MX" => {
                let preference = u16::try_from(value[0].as_u64().expect("a number")).expect("small");
                Some(RData::MX(MX::new(preference, name(value[1].as_str().expect("a name")).unwrap_or_default())))
            }
            "TXT" => {
                let pieces: Vec<&str> = value.as_array().expect("pieces").iter().filter_map(Value::as_str).collect();
                Some(text(&pieces))
            }
            other => panic!("{other}"),
        };
        zone.entry(at.to_lowercase()).or_default().push(data);
    }
    zone
}

pub(super) async fn findings(dns: &Resolver, ip: IpAddr, hello: &str, sender: Option<&Address>, raw: &[u8]) -> Findings {
    let message = &raw.into();
    let subject = Subject { hostname: "mail.home.example", ip, hello, sender, recipients: &[], message };
    check::run(&subject, dns, &Policy::default()).await
}

/// Tests whose outcome is another one because of how mail-auth 0.13.3 reads: (why, their names with what comes of them).
/// None of them makes a mail suspect that would not be, or that of a stranger welcome under an honest record.
const SPF_DIFFERS: &[(&str, &[(&str, &str)])] = &[
    (
        "A name that cannot be asked for is a DNS failure to it.",
        &[
            ("invalid-domain-long-via-macro", "temperror"),
            ("hello-domain-literal", "temperror"),
            ("invalid-hello-macro", "temperror"),
            ("macro-mania-in-domain", "temperror"),
            ("null-text", "temperror"),
        ],
    ),
    (
        "Rare characters in names and modifiers are refused; the second test is led to the first by redirect=.",
        &[
            ("modifier-charset-good", "permerror"),
            ("redirect-after-mechanisms2", "permerror"),
            ("a-colon-domain", "permerror"),
            ("a-colon-domain-ip4mapped", "permerror"),
            ("mx-colon-domain", "permerror"),
            ("mx-colon-domain-ip4mapped", "permerror"),
        ],
    ),
    (
        "An IPv4 address is held against networks of IPv6 too, and exists: asks for both.",
        &[("exists-ip6only", "pass"), ("cidr6-0-ip4", "pass"), ("cidr6-ip4", "pass")],
    ),
    ("A HELO that is no domain is permerror, not none.", &[("helo-domain-literal", "permerror")]),
    (
        "Lookups that find nothing have no bound of their own (RFC 7208 §4.6.4 says two, and SHOULD); all lookups together have one.",
        &[("void-over-limit", "neutral")],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_of_rfc_7208() {
    let suite: Vec<Value> = serde_json::from_str(include_str!("vectors/rfc7208.json")).expect("the suite");
    let (mut wrong, mut run, mut refused) = (Vec::new(), 0, 0);
    let mut differ: HashSet<&str> = SPF_DIFFERS.iter().flat_map(|(_, tests)| *tests).map(|(name, _)| *name).collect();
    for scenario in &suite {
        let dns = Arc::new(serve(zone_of(scenario)).await);
        for (title, test) in scenario["tests"].as_object().expect("tests") {
            let field = |name: &str| test[name].as_str().expect("a text");
            let wanted: Vec<&str> = test["result"].as_array().expect("results").iter().filter_map(Value::as_str).collect();
            let sender = match field("from") {
                "" => None,
                from => match Address::parse(from) {
                    Ok(address) => Some(address),
                    // MAIL refuses it before SPF is asked.
                    Err(_) => {
                        refused += 1;
                        continue;
                    }
                },
            };
            let raw = b"From: someone@nowhere.invalid\r\n\r\nhi\r\n";
            let found = findings(&dns, field("ip").parse().expect("an address"), field("helo"), sender.as_ref(), raw).await.spf;
            let found = match found {
                Finding::None => "none",
                Finding::Pass => "pass",
                Finding::Fail => "fail",
                Finding::SoftFail => "softfail",
                Finding::Neutral => "neutral",
                Finding::TempError => "temperror",
                Finding::PermError => "permerror",
            };
            run += 1;
            let known = SPF_DIFFERS.iter().flat_map(|(_, tests)| *tests).any(|(name, result)| name == title && *result == found);
            if known {
                differ.remove(title.as_str());
            }
            if wanted.contains(&found) == known {
                wrong.push(format!("{title}: {found}, not {wanted:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {run} ({refused} refused at MAIL):\n{}", wrong.len(), wrong.join("\n"));
    assert!(run > 190, "{run}");
    assert!(differ.is_empty(), "they differ no longer: {differ:?}");
}

/// A mail with the records that it wants, from a file: `name value` lines, an empty line, the mail.
fn sample(file: &str) -> (Zone, Vec<u8>) {
    let (records, mail) = file.split_once("\n\n").expect("records and a mail");
    let mut zone = Zone::new();
    for line in records.lines() {
        let (name, value) = line.split_once(' ').expect("a record");
        zone.entry(name.trim_end_matches('.').to_lowercase()).or_default().push(Some(text(&[value])));
    }
    (zone, mail.replace('\n', "\r\n").into_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_mails_of_others() {
    for (file, passed) in [(include_str!("vectors/dkim-1.txt"), 2), (include_str!("vectors/dkim-2.txt"), 1)] {
        let (zone, mail) = sample(file);
        let dns = serve(zone).await;
        let ip = "192.0.2.1".parse().expect("an address");
        let found = findings(&dns, ip, "x.example", None, &mail).await;
        let good = |findings: &Findings| findings.dkim.iter().filter(|one| one.finding == Finding::Pass).count();
        assert_eq!(good(&found), passed, "{}: {:?}", found.results, found.dkim);
        // A changed body breaks each of them.
        let changed = [mail.as_slice(), b"and more\r\n"].concat();
        let found = findings(&dns, ip, "x.example", None, &changed).await;
        assert_eq!(good(&found), 0);
        let failed = found.dkim.iter().filter(|one| one.finding == Finding::Fail).count();
        assert!(failed == passed && found.results.matches("dkim=fail (body hash did not verify)").count() == passed, "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sealed_mails_of_others() {
    for file in [include_str!("vectors/arc-1.txt"), include_str!("vectors/arc-2.txt")] {
        let (zone, mail) = sample(file);
        let dns = serve(zone).await;
        let ip = "192.0.2.1".parse().expect("an address");
        assert_eq!(findings(&dns, ip, "x.example", None, &mail).await.arc, Finding::Pass);
        let changed = [mail.as_slice(), b"and more\r\n"].concat();
        assert_ne!(findings(&dns, ip, "x.example", None, &changed).await.arc, Finding::Pass);
    }
}
