// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: the header fields that a server writes on a mail that passes through it, and those that it takes away.

use std::fmt::Write;
use std::net::IpAddr;

use hearth_types::{Address, Timestamp};
use hearth_wire::smtp::{Fields, body_offset};
use mail_builder::headers::date::Date;

/// One hop (RFC 5321 §4.4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hop<'a> {
    /// What the client calls itself.
    pub hello: &'a str,
    /// Its address, and its name where that leads back to it. `None` for our own people: where somebody writes from
    /// is nobody's business.
    pub from: Option<(IpAddr, Option<&'a str>)>,
    /// Who we are.
    pub by: &'a str,
    /// `SMTP`, `ESMTP`, with `S` for TLS and `A` for a sign-in (RFC 3848).
    pub with: &'a str,
    /// Version and suite.
    pub tls: Option<(&'a str, &'a str)>,
    /// Our name for the mail.
    pub id: &'a str,
    /// The recipient, when there is but one.
    pub recipient: Option<&'a Address>,
    /// When.
    pub at: Timestamp,
}

/// The Received field of a hop.
pub(crate) fn received(hop: &Hop<'_>) -> String {
    let mut field = format!("Received: from {}", word(hop.hello));
    if let Some((ip, host)) = hop.from {
        let literal = match ip {
            IpAddr::V4(ip) => format!("[{ip}]"),
            IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
        };
        // Writing to a String cannot fail.
        let _ = match host {
            Some(host) => write!(field, " ({} {literal})", word(host)),
            None => write!(field, " ({literal})"),
        };
    }
    let _ = write!(field, "\r\n\tby {} (Hearth) with {}", hop.by, hop.with);
    if let Some((version, cipher)) = hop.tls {
        let _ = write!(field, "\r\n\t({version} {cipher})");
    }
    let _ = write!(field, "\r\n\tid {}", hop.id);
    if let Some(recipient) = hop.recipient {
        let _ = write!(field, " for <{recipient}>");
    }
    let _ = write!(field, ";\r\n\t{}\r\n", date(hop.at));
    field
}

/// RFC 3848, RFC 6531 §4.3: which protocol it was.
pub(crate) fn protocol(extended: bool, secured: bool, signed_in: bool, utf8: bool) -> &'static str {
    match (extended, utf8, secured, signed_in) {
        (false, ..) => "SMTP",
        (true, false, false, false) => "ESMTP",
        (true, false, true, false) => "ESMTPS",
        (true, false, false, true) => "ESMTPA",
        (true, false, true, true) => "ESMTPSA",
        (true, true, false, false) => "UTF8SMTP",
        (true, true, true, false) => "UTF8SMTPS",
        (true, true, false, true) => "UTF8SMTPA",
        (true, true, true, true) => "UTF8SMTPSA",
    }
}

/// RFC 5322 §3.3.
pub(crate) fn date(at: Timestamp) -> String {
    Date::new(at.secs()).to_rfc822()
}

/// Return-Path (RFC 5321 §4.4) and Delivered-To, for one copy.
pub(crate) fn delivery(sender: Option<&Address>, recipient: &Address) -> String {
    let sender = sender.map(ToString::to_string).unwrap_or_default();
    format!("Return-Path: <{sender}>\r\nDelivered-To: {recipient}\r\n")
}

/// What the server found.
pub(crate) fn results(results: &str) -> String {
    format!("Authentication-Results: {results}\r\n")
}

/// Why the mail is where it is.
pub(crate) fn reason(reason: &str) -> String {
    format!("X-Hearth-Reason: {reason}\r\n")
}

/// Where the mail says that it was delivered before, in lower case: who stands there gets it a second time.
pub(crate) fn delivered_to(raw: &[u8]) -> Vec<String> {
    let said = Fields::of(raw).filter(|field| field.is("Delivered-To"));
    said.map(|field| String::from_utf8_lossy(field.value()).trim().to_lowercase()).collect()
}

/// How often the mail has been received already.
pub(crate) fn hops(raw: &[u8]) -> usize {
    Fields::of(raw).filter(|field| field.is("Received")).count()
}

/// RFC 8601 §5: nobody else speaks in our name. Fields with our authserv-id go, and so do those that only our own
/// delivery writes. `None` when there is nothing to take away.
pub(crate) fn without_claims(raw: &[u8], hostname: &str) -> Option<Vec<u8>> {
    let hostname = hostname.to_ascii_lowercase();
    let is_claim = |field: &hearth_wire::smtp::Field<'_>| {
        if field.is("X-Hearth-Reason") || field.is("Return-Path") || field.is("Delivered-To") {
            return true;
        }
        // Comments and folds may stand before the id (RFC 8601 §2.2), so all up to the first result is searched.
        let id = field.value().split(|byte| *byte == b';').next().unwrap_or_default();
        field.is("Authentication-Results") && String::from_utf8_lossy(id).to_ascii_lowercase().contains(&hostname)
    };
    without(raw, is_claim)
}

/// The message without the fields that `unwanted` names; `None` when there are none such.
pub(crate) fn without(raw: &[u8], unwanted: impl Fn(&hearth_wire::smtp::Field<'_>) -> bool) -> Option<Vec<u8>> {
    if !Fields::of(raw).any(|field| unwanted(&field)) {
        return None;
    }
    let mut kept = Vec::with_capacity(raw.len());
    let mut header = 0;
    for field in Fields::of(raw) {
        header += field.raw.len();
        if !unwanted(&field) {
            kept.extend_from_slice(field.raw);
        }
    }
    debug_assert!(header <= body_offset(raw), "the fields are the header");
    kept.extend_from_slice(raw.get(header..).unwrap_or_default());
    Some(kept)
}

/// A stranger's word inside our field: nothing that ends it, nests in it or comments on it.
fn word(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || ".-:[]_".contains(c) { c } else { '?' }).take(255).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_is_written_as_the_rfc_says() {
        let recipient: Address = "b@x.org".parse().expect("an address");
        let hop = Hop {
            hello: "client(evil);x",
            from: Some(("192.0.2.1".parse().expect("an address"), Some("client.example"))),
            by: "mail.x.org",
            with: protocol(true, true, false, false),
            tls: Some(("TLSv1.3", "TLS_AES_128_GCM_SHA256")),
            id: "abc",
            recipient: Some(&recipient),
            at: Timestamp::from_secs(1_795_366_800),
        };
        assert_eq!(
            received(&hop),
            "Received: from client?evil??x (client.example [192.0.2.1])\r\n\tby mail.x.org (Hearth) with ESMTPS\r\n\
             \t(TLSv1.3 TLS_AES_128_GCM_SHA256)\r\n\tid abc for <b@x.org>;\r\n\tSun, 22 Nov 2026 17:00:00 +0000\r\n"
        );
    }

    #[test]
    fn nobody_else_speaks_in_our_name() {
        let raw = b"Authentication-Results: (x)\r\n Mail.X.org; dkim=pass\r\nSubject: a\r\n b\r\nAuthentication-Results: other.example; spf=pass\r\n\
            X-Hearth-Reason: trust me\r\nReturn-Path: <a@b.c>\r\n\r\nAuthentication-Results: mail.x.org; in the body\r\n";
        let kept = without_claims(raw, "mail.x.org").expect("there were some");
        assert_eq!(
            String::from_utf8_lossy(&kept),
            "Subject: a\r\n b\r\nAuthentication-Results: other.example; spf=pass\r\n\r\nAuthentication-Results: mail.x.org; in the body\r\n"
        );
        assert_eq!(without_claims(&kept, "mail.x.org"), None);
    }

    #[test]
    fn hops_are_counted_in_the_header_alone() {
        assert_eq!(hops(b"Received: a\r\nreceived: b\r\n c\r\nX: y\r\n\r\nReceived: d\r\n"), 2);
    }
}
