// SPDX-License-Identifier: AGPL-3.0-or-later
//! Can an SPF record be read (RFC 7208 §12)?
//!
//! A record with one fault says nothing at all: RFC 7208 §4.6 has permerror for the whole of it, so that nobody is
//! refused, or believed, for half of what a domain meant to say. What a sound record means is no business of this file.

use std::net::{Ipv4Addr, Ipv6Addr};

/// RFC 1035 §2.3.4.
const LABEL_OCTETS_MAX: usize = 63;

/// RFC 7208 §4.5, §4.6: of the texts of a name one alone is an SPF record, and that is sound.
pub fn is_sound<'a>(texts: impl IntoIterator<Item = &'a str>) -> bool {
    let mut records = texts.into_iter().filter(|text| is_record(text));
    let (first, second) = (records.next(), records.next());
    second.is_none() && first.is_some_and(|record| record.split(' ').skip(1).all(|term| term.is_empty() || is_term(term)))
}

/// RFC 7208 §4.5: the version is all that is looked at.
fn is_record(text: &str) -> bool {
    text.split(' ').next().is_some_and(|version| version.eq_ignore_ascii_case("v=spf1"))
}

/// `directive / modifier`
fn is_term(term: &str) -> bool {
    let ends = term.find([':', '=', '/']).unwrap_or(term.len());
    let (name, rest) = term.split_at_checked(ends).unwrap_or((term, ""));
    let name = name.to_ascii_lowercase();
    match rest.strip_prefix('=') {
        Some(value) => is_modifier(&name, value),
        None => is_mechanism(name.strip_prefix(['+', '-', '?', '~']).unwrap_or(&name), rest),
    }
}

fn is_mechanism(name: &str, rest: &str) -> bool {
    match (name, rest.strip_prefix(':')) {
        ("all", None) => rest.is_empty(),
        ("include" | "exists", Some(domain)) => is_domain_spec(domain),
        ("ptr", domain) => domain.map_or(rest.is_empty(), is_domain_spec),
        ("ip4", Some(network)) => is_network::<Ipv4Addr>(network, 32),
        ("ip6", Some(network)) => is_network::<Ipv6Addr>(network, 128),
        ("a" | "mx", domain) => {
            let (rest, lengths_are_sound) = without_lengths(domain.unwrap_or(rest));
            lengths_are_sound && domain.map_or(rest.is_empty(), |_| is_domain_spec(rest))
        }
        _ => false,
    }
}

fn is_modifier(name: &str, value: &str) -> bool {
    let mut letters = name.bytes();
    let is_name = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || b"-_.".contains(&letter));
    match name {
        "redirect" | "exp" => is_domain_spec(value),
        _ => is_name && macros(value).is_some(),
    }
}

fn is_network<A: std::str::FromStr>(text: &str, bits_max: u8) -> bool {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    address.parse::<A>().is_ok() && length.is_none_or(|length| is_length(length, bits_max))
}

/// `"0" / %x31-39 *DIGIT`
fn is_length(text: &str, bits_max: u8) -> bool {
    let is_number = text.bytes().all(|digit| digit.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_number && text.parse::<u8>().is_ok_and(|bits| bits <= bits_max)
}

/// What stands before a `dual-cidr-length`, and whether that is one. A name may have a slash in it too.
fn without_lengths(text: &str) -> (&str, bool) {
    let cut = |text| -> Option<(&str, &str)> {
        let (before, digits) = str::rsplit_once(text, '/')?;
        digits.bytes().all(|digit| digit.is_ascii_digit()).then_some((before, digits))
    };
    let Some((before, last)) = cut(text) else { return (text, true) };
    let Some(before) = before.strip_suffix('/') else { return (before, is_length(last, 32)) };
    match cut(before) {
        Some((name, first)) => (name, is_length(first, 32) && is_length(last, 128)),
        None => (before, is_length(last, 128)),
    }
}

/// `domain-spec = macro-string domain-end`
fn is_domain_spec(text: &str) -> bool {
    match macros(text) {
        None => false,
        Some(Ends::InMacro) => true,
        Some(Ends::InText) => {
            let name = text.strip_suffix('.').unwrap_or(text);
            let labels_fit = || name.split('.').all(|label| (1..=LABEL_OCTETS_MAX).contains(&label.len()));
            name.rsplit_once('.').is_some_and(|(_, top)| is_toplabel(top)) && (text.contains('%') || labels_fit())
        }
    }
}

fn is_toplabel(label: &str) -> bool {
    let edges = !label.starts_with('-') && !label.ends_with('-');
    let is_ldh = label.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'-');
    is_ldh && edges && label.bytes().any(|letter| !letter.is_ascii_digit())
}

/// How a `macro-string` ends.
#[derive(Debug, PartialEq, Eq)]
enum Ends {
    InText,
    InMacro,
}

/// `macro-string = *( macro-expand / macro-literal )`; `None`: it is none.
fn macros(text: &str) -> Option<Ends> {
    let mut ends = Ends::InText;
    let mut rest = text.as_bytes();
    loop {
        (ends, rest) = match rest {
            [] => return Some(ends),
            [b'%', b'%' | b'_' | b'-', rest @ ..] => (Ends::InMacro, rest),
            [b'%', b'{', rest @ ..] => {
                let length = rest.iter().position(|byte| *byte == b'}')?;
                let (inside, rest) = rest.split_at_checked(length)?;
                (is_macro(inside).then_some(Ends::InMacro)?, rest.get(1..)?)
            }
            [b'!'..=b'$' | b'&'..=b'~', rest @ ..] => (Ends::InText, rest),
            _ => return None,
        };
    }
}

/// `macro-letter transformers *delimiter`; `c`, `r` and `t` are for explanations alone.
fn is_macro(inside: &[u8]) -> bool {
    let Some((letter, rest)) = inside.split_first() else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = rest.get(..digits).unwrap_or_default();
    let rest = rest.get(digits..).unwrap_or_default();
    let delimiters = rest.strip_prefix(b"r").or_else(|| rest.strip_prefix(b"R")).unwrap_or(rest);
    // RFC 7208 §7.3: to take none of the parts is an error.
    b"slodiphv".contains(&letter.to_ascii_lowercase())
        && (number.is_empty() || number.iter().any(|digit| *digit != b'0'))
        && delimiters.iter().all(|byte| b".-+,/_=".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_records() {
        for record in [
            "v=spf1",
            "v=spf1 ",
            "V=SPF1 a  -ALL ",
            "v=spf1 ip4:192.0.2.0/24 ip4:192.0.2.7/0 ip6:2001:db8::/32 ip6:::1.1.1.1/128 ~all",
            "v=spf1 a/24 mx//64 a:x.example/24//64 mx:x.example//0 ?all",
            "v=spf1 a:foo:bar/baz.example.com a:x.example. include:_spf.x.example",
            "v=spf1 ptr ptr:x.example exists:%{ir}.%{l1r+-}._spf.%{d} redirect=_spf.%{d2}",
            "v=spf1 exp=explain._spf.%{D} moo.cow-far_out=man:dog/cat empty= -all",
            "v=spf1 a:macro%%percent%_%_space%-url-space.example.com",
            "v=spf1 include:%{i}._ip.%{h}._ehlo.%{d}._spf.x.example",
            "v=spf1 a:xn--e1aybc.xn--p1ai a:a.3com",
        ] {
            assert!(is_sound([record]), "{record}");
        }
    }

    #[test]
    fn records_with_a_fault() {
        for term in [
            "foo",
            "foo:bar",
            "1up=foo",
            "=all",
            "-",
            "all.",
            "all:x.example",
            "-redirect=x.example",
            "+moo=cow",
            "ip4",
            "ip4:",
            "ip4:1.2.3",
            "ip4:1.2.3.4:8080",
            "ip4:1.2.3.4/",
            "ip4:1.2.3.4/33",
            "ip4:1.2.3.4/032",
            "ip4:1.2.3.4//32",
            "ip4:192.0.2.5\n",
            "ip6:::/129",
            "ip6:::/00",
            "ip6:bafb::1::2",
            "a/33",
            "a//129",
            "a/24/64",
            "a/",
            "a//",
            "a:/24",
            "a:",
            "a:museum",
            "a:museum.",
            "a:abc.123",
            "a:111.222.33.44",
            "a:example.-com",
            "a:example.com:8080",
            "a:foo-bar",
            "a:mail.example...com",
            "a:foo.example.com\0",
            "a:\u{fffd}x.example",
            "a:x.example\rptr",
            "mx:.example.com",
            "include",
            "include:",
            "exists",
            "exists:",
            "ptr:",
            "redirect=",
            "redirect=-all",
            "exp=",
            "exp=-all",
            "a:%(ir).x.example",
            "a:foo%.x.example",
            "a:%{x}.example.com",
            "a:%{d",
            "a:%{}.example.com",
            "a:%{d0}",
            "a:%{dr2}",
            "exists:%{c}.x.example",
            "exp=%{r}.x.example",
            "moo=%cow",
        ] {
            assert!(!is_sound([format!("v=spf1 {term} -all").as_str()]), "{term}");
        }
        let label = |octets: usize| format!("v=spf1 a:{}.example.com", "a".repeat(octets));
        assert!(is_sound([label(LABEL_OCTETS_MAX).as_str()]));
        assert!(!is_sound([label(LABEL_OCTETS_MAX + 1).as_str()]));
    }

    #[test]
    fn one_record_counts() {
        assert!(is_sound(["other", "v=spf1 -all", "v=spf10", "v=spf1a ?", "\u{fffd}"]));
        assert!(!is_sound(["v=spf1 -all", "V=sPf1 +all"]));
        assert!(!is_sound(["v=spf2"]));
    }
}
