// SPDX-License-Identifier: AGPL-3.0-or-later
//! ENVELOPE (RFC 9051 §7.5.2).

use crate::message::{Addr, Envelope, encode_words};

use super::mailbox_name::Charset;
use super::response::encode_nstring;

/// envelope = "(" date SP subject SP from SP sender SP reply-to SP to SP cc SP bcc SP in-reply-to SP message-id ")"
pub fn encode_envelope(out: &mut Vec<u8>, envelope: &Envelope, charset: Charset) {
    out.push(b'(');
    encode_text(out, envelope.date.as_deref(), charset);
    out.push(b' ');
    encode_text(out, envelope.subject.as_deref(), charset);
    // RFC 9051 §7.5.2: the server defaults the reply-to and sender fields from the from field.
    let or_from = |list: &'_ [Addr]| if list.is_empty() { envelope.from.clone() } else { list.to_vec() };
    let (sender, reply_to) = (or_from(&envelope.sender), or_from(&envelope.reply_to));
    for list in [&envelope.from, &sender, &reply_to, &envelope.to, &envelope.cc, &envelope.bcc] {
        out.push(b' ');
        encode_addresses(out, list, charset);
    }
    for ids in [&envelope.in_reply_to, &envelope.message_id] {
        out.push(b' ');
        let text: Vec<String> = ids.iter().map(|id| format!("<{id}>")).collect();
        encode_text(out, (!text.is_empty()).then(|| text.join(" ")).as_deref(), charset);
    }
    out.push(b')');
}

/// A header's text: in UTF-8 where the client has asked for it, else in encoded words (RFC 2047).
pub(super) fn encode_text(out: &mut Vec<u8>, text: Option<&str>, charset: Charset) {
    match (text, charset) {
        (Some(text), Charset::Utf7) if !text.is_ascii() => encode_nstring(out, Some(encode_words(text).as_bytes()), charset),
        (text, _) => encode_nstring(out, text.map(str::as_bytes), charset),
    }
}

/// An empty list is NIL; an address is `(name adl mailbox host)`.
fn encode_addresses(out: &mut Vec<u8>, list: &[Addr], charset: Charset) {
    if list.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    out.push(b'(');
    for addr in list {
        out.push(b'(');
        encode_text(out, addr.name.as_deref(), charset);
        out.extend_from_slice(b" NIL ");
        encode_text(out, addr.mailbox.as_deref(), charset);
        out.push(b' ');
        encode_text(out, addr.host.as_deref(), charset);
        out.push(b')');
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_rfc_shows_it() {
        let addr = |name: Option<&str>, mailbox: &str, host: &str| Addr {
            name: name.map(Into::into),
            mailbox: Some(mailbox.into()),
            host: Some(host.into()),
        };
        // RFC 9051 §8
        let envelope = Envelope {
            date: Some("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)".into()),
            subject: Some("IMAP4rev2 WG mtg summary and minutes".into()),
            from: vec![addr(Some("Terry Gray"), "gray", "cac.washington.edu")],
            to: vec![addr(None, "imap", "cac.washington.edu")],
            cc: vec![addr(None, "minutes", "CNRI.Reston.VA.US"), addr(Some("John Klensin"), "KLENSIN", "MIT.EDU")],
            message_id: vec!["B27397-0100000@cac.washington.ed".into()],
            ..Envelope::default()
        };
        let mut out = Vec::new();
        encode_envelope(&mut out, &envelope, Charset::Utf7);
        let from = r#"(("Terry Gray" NIL "gray" "cac.washington.edu"))"#;
        assert_eq!(
            String::from_utf8(out).expect("ASCII"),
            format!(
                r#"("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev2 WG mtg summary and minutes" {from} {from} {from} ((NIL NIL "imap" "cac.washington.edu")) ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL "<B27397-0100000@cac.washington.ed>")"#
            )
        );
    }

    #[test]
    fn a_group_and_other_letters() {
        let group = vec![
            Addr { name: None, mailbox: Some("Freunde".into()), host: None },
            Addr { name: Some("Jürgen".into()), mailbox: Some("j".into()), host: Some("x.org".into()) },
            Addr::default(),
        ];
        let envelope = Envelope { to: group, subject: Some("Grüße".into()), ..Envelope::default() };
        let written = |charset| {
            let mut out = Vec::new();
            encode_envelope(&mut out, &envelope, charset);
            String::from_utf8(out).expect("UTF-8")
        };
        assert_eq!(
            written(Charset::Utf8),
            r#"(NIL "Grüße" NIL NIL NIL ((NIL NIL "Freunde" NIL)("Jürgen" NIL "j" "x.org")(NIL NIL NIL NIL)) NIL NIL NIL NIL)"#
        );
        assert!(written(Charset::Utf7).is_ascii());
    }
}
