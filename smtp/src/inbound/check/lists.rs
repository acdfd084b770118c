// SPDX-License-Identifier: AGPL-3.0-or-later
//! Is the peer on a list of servers that send junk, or of servers that do not (RFC 5782)?

use std::net::IpAddr;

use hearth_net::dns::Resolver;
use tokio::time::timeout;

use crate::limits::LIST_ANSWER;

/// The first of the zones that lists the address. All are asked at once: one that is silent hides no other, and
/// says nothing.
pub(super) async fn find(dns: &Resolver, ip: IpAddr, zones: &[String]) -> Option<String> {
    let ask = |zone: &String| tokio::spawn(timeout(LIST_ANSWER, lists(dns.clone(), format!("{}.{zone}", reversed(ip)))));
    let asked: Vec<_> = zones.iter().map(ask).collect();
    for (zone, answer) in zones.iter().zip(asked) {
        if let Ok(Ok(true)) = answer.await {
            return Some(zone.clone());
        }
    }
    None
}

async fn lists(dns: Resolver, name: String) -> bool {
    dns.ipv4(&name).await.is_ok_and(|answer| answer.records.iter().any(|ip| is_listed(*ip)))
}

/// RFC 5782 §2.1, §2.4.
fn reversed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(ip) => {
            let nibbles: Vec<String> =
                ip.octets().iter().rev().flat_map(|octet| [octet & 15, octet >> 4]).map(|nibble| format!("{nibble:x}")).collect();
            nibbles.join(".")
        }
    }
}

/// RFC 5782 §2.1: 127.0.0.0/8; (quirk: 127.255.255.0/24 is how lists say that they will not answer us).
fn is_listed(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, third, _] = ip.octets();
            first == 127 && (second, third) != (255, 255)
        }
        IpAddr::V6(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_answers() {
        let ip = |text: &str| -> IpAddr { text.parse().expect("an address") };
        assert_eq!(reversed(ip("192.0.2.7")), "7.2.0.192");
        assert_eq!(reversed(ip("2001:db8::1")), format!("1.{}8.b.d.0.1.0.0.2", "0.".repeat(23)));
        for (answer, listed) in [("127.0.0.2", true), ("127.255.255.254", false), ("192.0.2.1", false)] {
            assert_eq!(is_listed(ip(answer)), listed, "{answer}");
        }
    }
}
