// SPDX-License-Identifier: AGPL-3.0-or-later
//! The DNS records of a domain of mail, and whether DNS has them. [`of`] is pure: facts in, records out, so that the
//! program `hearth`, its doctor and the admin pages speak of the same ones; [`check`] asks.

use std::net::IpAddr;

use hearth_types::REPORTS;
use hickory_resolver::proto::rr::RecordType;

use crate::dns::{DnsError, Resolver};

/// What the records are made of.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The domain.
    pub domain: String,
    /// The machine's name.
    pub hostname: String,
    /// The machine's addresses; none when it listens everywhere and nobody said which.
    pub addresses: Vec<IpAddr>,
    /// Selector and value of each DKIM key.
    pub dkim: Vec<(String, String)>,
    /// SHA-256 of the node's public key.
    pub key_hash: Vec<u8>,
    /// Changes when the MTA-STS policy does.
    pub policy_id: String,
    /// The ports of IMAP, submission and so on are this much higher.
    pub port_offset: u16,
}

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An IPv4 or IPv6 address.
    Address,
    /// Where mail for the domain goes.
    Mx,
    /// A text.
    Txt,
    /// Where a service is.
    Srv,
    /// The key of a TLS server.
    Tlsa,
}

/// A record to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name, with a final dot.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// `A`, `AAAA`, `MX`, `TXT`, `SRV`, `TLSA`.
    pub type_name: &'static str,
    /// Its value as a zone file has it, but a text without quotes.
    pub value: String,
    /// What it is for.
    pub why: &'static str,
    /// Without it mail or login does not work.
    pub needed: bool,
}

/// The records of a domain, the needed ones first.
pub fn of(facts: &Facts) -> Vec<Record> {
    let mut records = addresses(facts);
    let domain = format!("{}.", facts.domain);
    let host = format!("{}.", facts.hostname);
    let mx = record(domain.clone(), Kind::Mx, "MX", format!("10 {host}"), "where mail for the domain goes", true);
    records.push(mx);
    let txt = |below: &str, value: String, why, needed| {
        let name = if below.is_empty() { domain.clone() } else { format!("{below}.{domain}") };
        record(name, Kind::Txt, "TXT", value, why, needed)
    };
    records.push(txt("", "v=spf1 mx -all".to_owned(), "which machines send mail of the domain (SPF)", true));
    for (selector, value) in &facts.dkim {
        records.push(txt(&format!("{selector}._domainkey"), value.clone(), "the key that signs outgoing mail (DKIM)", true));
    }
    let reports = format!("mailto:{REPORTS}@{}", facts.domain);
    let dmarc = format!("v=DMARC1; p=quarantine; rua={reports}; ruf={reports}");
    records.push(txt("_dmarc", dmarc, "what to do with mail that only pretends (DMARC)", true));
    records.push(txt("_mta-sts", format!("v=STSv1; id={}", facts.policy_id), "senders must use TLS (MTA-STS)", false));
    records.push(txt("_smtp._tls", format!("v=TLSRPTv1; rua={reports}"), "where senders report broken TLS (TLS-RPT)", false));
    records.extend(services(facts, &domain, &host));
    if !facts.key_hash.is_empty() {
        // RFC 6698 §2.1, RFC 7672 §3.1.1: DANE-EE, public key, SHA-256. Only counts in a zone that is signed.
        let hex: String = facts.key_hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let port = 25_u16.saturating_add(facts.port_offset);
        let name = format!("_{port}._tcp.{host}");
        records.push(record(
            name,
            Kind::Tlsa,
            "TLSA",
            format!("3 1 1 {hex}"),
            "our key for senders that use DANE (signed zones only)",
            false,
        ));
    }
    records
}

/// The records as lines of a zone file.
pub fn to_zone(records: &[Record]) -> String {
    let mut lines = String::new();
    for record in records {
        let value = if record.kind == Kind::Txt { quoted(&record.value) } else { record.value.clone() };
        lines.push_str(&format!("{} 3600 IN {} {value}\n", record.name, record.type_name));
    }
    lines
}

fn addresses(facts: &Facts) -> Vec<Record> {
    let below = ["mail", "id", "openpgpkey", "keys", "mta-sts", "autoconfig"];
    let mut names = vec![format!("{}.", facts.domain)];
    names.extend(below.iter().map(|label| format!("{label}.{}.", facts.domain)));
    let host = format!("{}.", facts.hostname);
    if !names.contains(&host) {
        names.push(host);
    }
    let mut records = Vec::new();
    for name in names {
        for address in &facts.addresses {
            let type_name = if address.is_ipv4() { "A" } else { "AAAA" };
            records.push(record(name.clone(), Kind::Address, type_name, address.to_string(), "where the machine is", true));
        }
    }
    records
}

/// RFC 6186, RFC 8314 §5.1, RFC 5804 §1.8, RFC 8620 §2.2.
fn services(facts: &Facts, domain: &str, host: &str) -> Vec<Record> {
    let rows = [
        ("_imaps", 993),
        ("_submissions", 465),
        ("_submission", 587),
        ("_imap", 143),
        ("_pop3s", 995),
        ("_sieve", 4190),
        ("_jmap", 443),
    ];
    rows.iter()
        .map(|(service, port)| {
            let value = format!("0 1 {} {host}", u16::saturating_add(*port, facts.port_offset));
            record(format!("{service}._tcp.{domain}"), Kind::Srv, "SRV", value, "where mail programs find the service", false)
        })
        .collect()
}

fn record(name: String, kind: Kind, type_name: &'static str, value: String, why: &'static str, needed: bool) -> Record {
    Record { name, kind, type_name, value, why, needed }
}

/// RFC 1035 §3.3.14, §5.1: a text is strings of at most 255 octets; quotes and backslashes are escaped.
fn quoted(text: &str) -> String {
    let parts: Vec<String> = text
        .as_bytes()
        .chunks(255)
        .map(|part| format!("\"{}\"", String::from_utf8_lossy(part).replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    parts.join(" ")
}

/// What DNS says of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The same.
    Right,
    /// Nothing.
    Missing,
    /// Something else.
    Different(String),
    /// No answer.
    Unknown(String),
}

/// Asks DNS for each of them, in their order.
pub async fn check(resolver: &Resolver, records: Vec<Record>) -> Vec<(Record, State)> {
    let mut checked = Vec::new();
    for record in records {
        let state = match compare(resolver, &record).await {
            Ok(state) => state,
            Err(error) => State::Unknown(error.to_string()),
        };
        checked.push((record, state));
    }
    checked
}

async fn compare(resolver: &Resolver, record: &Record) -> Result<State, DnsError> {
    let name = record.name.trim_end_matches('.');
    let found: Vec<String> = match record.kind {
        Kind::Address if record.type_name == "A" => resolver.ipv4(name).await?.records.iter().map(ToString::to_string).collect(),
        Kind::Address => resolver.ipv6(name).await?.records.iter().map(ToString::to_string).collect(),
        Kind::Mx => resolver.mx(name).await?.records.iter().map(|mx| format!("{} {}.", mx.preference, mx.host)).collect(),
        Kind::Txt => resolver.txt(name).await?.records,
        Kind::Srv | Kind::Tlsa => raw(resolver, record).await?,
    };
    Ok(judge(record, &found))
}

/// Kinds that the resolver has no question for, in the form of a zone file.
async fn raw(resolver: &Resolver, record: &Record) -> Result<Vec<String>, DnsError> {
    let kind = if record.kind == Kind::Srv { RecordType::SRV } else { RecordType::TLSA };
    match resolver.inner().await.lookup(record.name.as_str(), kind).await {
        Ok(lookup) => Ok(lookup
            .answers()
            .iter()
            .filter(|answer| answer.record_type() == kind)
            .map(|answer| answer.data.to_string().to_ascii_lowercase())
            .collect()),
        Err(error) if error.is_no_records_found() => Ok(Vec::new()),
        Err(error) => Err(DnsError::Temporary { name: record.name.clone(), cause: error.to_string() }),
    }
}

/// Whether what was found is what was wanted. Pure.
fn judge(record: &Record, found: &[String]) -> State {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let wanted = plain(&record.value);
    // Other texts may stand at the same name: only one of the same sort contradicts.
    let sort = |text: &str| text.split(['=', ';', ' ']).take(2).collect::<Vec<_>>().join(" ");
    let rivals: Vec<&String> = if record.kind == Kind::Txt {
        found.iter().filter(|text| sort(text) == sort(&wanted)).collect()
    } else {
        found.iter().collect()
    };
    if rivals.iter().any(|text| plain(text).eq_ignore_ascii_case(&wanted) || (record.kind == Kind::Txt && plain(text) == wanted)) {
        return State::Right;
    }
    if rivals.is_empty() {
        State::Missing
    } else {
        State::Different(rivals.iter().map(|text| text.as_str()).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            domain: "example.org".into(),
            hostname: "mail.example.org".into(),
            addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            dkim: vec![
                ("rsa".into(), format!("v=DKIM1; k=rsa; p={}", "A".repeat(392))),
                ("ed25519".into(), "v=DKIM1; k=ed25519; p=BBBB".into()),
            ],
            key_hash: vec![0xab; 32],
            policy_id: "1".into(),
            port_offset: 0,
        }
    }

    #[test]
    fn the_zone_has_every_record() {
        let zone = to_zone(&of(&facts()));
        for line in [
            "example.org. 3600 IN A 192.0.2.1\n",
            "id.example.org. 3600 IN AAAA 2001:db8::1\n",
            "example.org. 3600 IN MX 10 mail.example.org.\n",
            "example.org. 3600 IN TXT \"v=spf1 mx -all\"\n",
            "ed25519._domainkey.example.org. 3600 IN TXT \"v=DKIM1; k=ed25519; p=BBBB\"\n",
            "_dmarc.example.org. 3600 IN TXT \"v=DMARC1; p=quarantine; rua=mailto:reports@example.org; ruf=mailto:reports@example.org\"\n",
            "_smtp._tls.example.org. 3600 IN TXT \"v=TLSRPTv1; rua=mailto:reports@example.org\"\n",
            "_imaps._tcp.example.org. 3600 IN SRV 0 1 993 mail.example.org.\n",
            "_sieve._tcp.example.org. 3600 IN SRV 0 1 4190 mail.example.org.\n",
        ] {
            assert!(zone.contains(line), "{line} is not in\n{zone}");
        }
        assert!(zone.contains(&format!("_25._tcp.mail.example.org. 3600 IN TLSA 3 1 1 {}\n", "ab".repeat(32))));
    }

    #[test]
    fn a_long_text_is_cut_into_strings_of_255() {
        assert_eq!(quoted(&"x".repeat(255)), format!("\"{}\"", "x".repeat(255)));
        assert_eq!(quoted(&"x".repeat(256)), format!("\"{}\" \"x\"", "x".repeat(255)));
        assert_eq!(quoted("a\"b\\"), "\"a\\\"b\\\\\"");
    }

    #[test]
    fn the_hostname_of_another_domain_has_addresses_too() {
        let other = Facts { hostname: "mx.example.net".into(), ..facts() };
        assert!(to_zone(&of(&other)).contains("mx.example.net. 3600 IN A 192.0.2.1\n"));
    }

    fn wanted(kind: Kind, value: &str) -> Record {
        Record { name: "example.org.".into(), kind, type_name: "TXT", value: value.into(), why: "", needed: true }
    }

    #[test]
    fn what_is_found_is_judged() {
        let spf = wanted(Kind::Txt, "v=spf1 mx -all");
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(judge(&spf, &texts(&["google-site-verification=x", "v=spf1 mx -all"])), State::Right);
        assert_eq!(judge(&spf, &texts(&["google-site-verification=x"])), State::Missing);
        assert_eq!(judge(&spf, &texts(&["v=spf1 a ~all"])), State::Different("v=spf1 a ~all".into()));
        let mx = wanted(Kind::Mx, "10 mail.example.org.");
        assert_eq!(judge(&mx, &texts(&["10 MAIL.example.org."])), State::Right);
        assert_eq!(judge(&mx, &texts(&["10 other.example.org."])), State::Different("10 other.example.org.".into()));
        assert_eq!(judge(&mx, &[]), State::Missing);
    }
}
