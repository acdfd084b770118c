// SPDX-License-Identifier: AGPL-3.0-or-later
//! BODY and BODYSTRUCTURE (RFC 9051 §7.5.2): valid IMAP for any message, however broken.

use crate::message::{Envelope, Part};

use super::envelope::{encode_envelope, encode_text};
use super::limits::BODY_STRUCTURE_DEPTH_MAX;
use super::mailbox_name::Charset;
use super::response::{encode_number, encode_string};

/// body, with its extension data for BODYSTRUCTURE and without for BODY.
pub fn encode_structure(out: &mut Vec<u8>, root: &Part, extended: bool, charset: Charset) {
    Writer { out, extended, charset }.body(root, 0);
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    extended: bool,
    charset: Charset,
}

impl Writer<'_> {
    fn body(&mut self, part: &Part, depth: usize) {
        let may_nest = depth < BODY_STRUCTURE_DEPTH_MAX;
        self.raw("(");
        if part.is_multipart() && may_nest {
            self.multipart(part, depth);
        } else {
            self.single(part, depth, may_nest);
        }
        self.raw(")");
    }

    /// body-type-mpart
    fn multipart(&mut self, part: &Part, depth: usize) {
        for inner in &part.parts {
            self.body(inner, depth + 1);
        }
        // 1*body: a multipart with nothing in it is shown with one empty text.
        if part.parts.is_empty() {
            self.raw("(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0)");
        }
        self.raw(" ");
        self.string(&part.subtype);
        if self.extended {
            self.raw(" ");
            self.parameters(&part.parameters);
            self.extension(part);
        }
    }

    /// body-type-1part
    fn single(&mut self, part: &Part, depth: usize, may_nest: bool) {
        let opaque = !may_nest && (part.is_multipart() || part.is_message());
        let (kind, subtype) = if opaque { ("application", "octet-stream") } else { (part.kind.as_str(), part.subtype.as_str()) };
        // A message/rfc822 that was not taken apart would need an envelope and a body: it is shown as plain octets.
        let torn = kind == "message" && matches!(subtype, "rfc822" | "global") && part.parts.is_empty();
        let (kind, subtype) = if torn { ("application", "octet-stream") } else { (kind, subtype) };
        self.string(kind);
        self.raw(" ");
        self.string(subtype);
        self.raw(" ");
        self.parameters(&part.parameters);
        self.raw(" ");
        self.text(part.id.as_deref());
        self.raw(" ");
        self.text(part.description.as_deref());
        self.raw(" ");
        self.string(part.encoding.as_str());
        self.raw(" ");
        encode_number(self.out, part.size_bytes());
        match part.parts.first() {
            Some(inner) if kind == "message" && matches!(subtype, "rfc822" | "global") => {
                self.raw(" ");
                let empty = Envelope::default();
                encode_envelope(self.out, inner.envelope.as_deref().unwrap_or(&empty), self.charset);
                self.raw(" ");
                self.body(inner, depth + 1);
                self.raw(" ");
                encode_number(self.out, part.lines);
            }
            _ if kind == "text" => {
                self.raw(" ");
                encode_number(self.out, part.lines);
            }
            _ => {}
        }
        if self.extended {
            self.raw(" ");
            self.text(part.md5.as_deref());
            self.extension(part);
        }
    }

    /// SP body-fld-dsp SP body-fld-lang SP body-fld-loc
    fn extension(&mut self, part: &Part) {
        self.raw(" ");
        match &part.disposition {
            None => self.raw("NIL"),
            Some(disposition) => {
                self.raw("(");
                self.string(&disposition.kind);
                self.raw(" ");
                self.parameters(&disposition.parameters);
                self.raw(")");
            }
        }
        self.raw(" ");
        match part.language.as_slice() {
            [] => self.raw("NIL"),
            tags => {
                self.raw("(");
                for (at, tag) in tags.iter().enumerate() {
                    self.raw(if at > 0 { " " } else { "" });
                    self.string(tag);
                }
                self.raw(")");
            }
        }
        self.raw(" ");
        self.text(part.location.as_deref());
    }

    /// body-fld-param: what is not ASCII goes to an IMAP4rev1 client as RFC 2231 §4 writes it.
    fn parameters(&mut self, parameters: &[(String, String)]) {
        if parameters.is_empty() {
            return self.raw("NIL");
        }
        self.raw("(");
        for (at, (name, value)) in parameters.iter().enumerate() {
            self.raw(if at > 0 { " " } else { "" });
            if self.charset == Charset::Utf8 || value.is_ascii() {
                self.string(name);
                self.raw(" ");
                self.string(value);
            } else {
                self.string(&format!("{name}*"));
                self.raw(" ");
                self.string(&extended_value(value));
            }
        }
        self.raw(")");
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn string(&mut self, text: &str) {
        encode_string(self.out, text.as_bytes(), self.charset);
    }

    fn text(&mut self, text: Option<&str>) {
        encode_text(self.out, text, self.charset);
    }
}

/// RFC 2231 §4: `utf-8''` and what is no attribute-char in percent.
fn extended_value(value: &str) -> String {
    let mut encoded = String::from("utf-8''");
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Disposition, TransferEncoding};

    fn text(kind: &str, subtype: &str, size: u64) -> Part {
        Part { kind: kind.into(), subtype: subtype.into(), body: 0..size, lines: 3, ..Part::default() }
    }

    fn written(part: &Part, extended: bool, charset: Charset) -> String {
        let mut out = Vec::new();
        encode_structure(&mut out, part, extended, charset);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_text_and_a_file() {
        let mut plain = text("text", "plain", 1152);
        plain.parameters = vec![("charset".into(), "us-ascii".into())];
        let mut file = text("application", "pdf", 4554);
        file.encoding = TransferEncoding::Base64;
        file.disposition =
            Some(Disposition { kind: "attachment".into(), parameters: vec![("filename".into(), "Rätsel.pdf".into())] });
        let mixed = Part {
            kind: "multipart".into(),
            subtype: "mixed".into(),
            parameters: vec![("boundary".into(), "x".into())],
            parts: vec![plain, file],
            ..Part::default()
        };
        assert_eq!(
            written(&mixed, false, Charset::Utf7),
            r#"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1152 3)("application" "pdf" NIL NIL NIL "base64" 4554) "mixed")"#
        );
        assert_eq!(
            written(&mixed, true, Charset::Utf7),
            r#"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1152 3 NIL NIL NIL NIL)("application" "pdf" NIL NIL NIL "base64" 4554 NIL ("attachment" ("filename*" "utf-8''R%C3%A4tsel.pdf")) NIL NIL) "mixed" ("boundary" "x") NIL NIL NIL)"#
        );
        assert!(written(&mixed, true, Charset::Utf8).contains(r#"("filename" "Rätsel.pdf")"#));
    }

    #[test]
    fn messages_inside() {
        let mut message = text("message", "rfc822", 50);
        assert_eq!(written(&message, false, Charset::Utf7), r#"("application" "octet-stream" NIL NIL NIL "7bit" 50)"#);
        message.parts = vec![text("text", "plain", 9)];
        assert_eq!(
            written(&message, false, Charset::Utf7),
            r#"("message" "rfc822" NIL NIL NIL "7bit" 50 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" NIL NIL NIL "7bit" 9 3) 3)"#
        );
        let empty = Part { kind: "multipart".into(), subtype: "mixed".into(), ..Part::default() };
        assert_eq!(written(&empty, false, Charset::Utf7), r#"(("text" "plain" NIL NIL NIL "7bit" 0 0) "mixed")"#);
    }

    #[test]
    fn depth_has_a_bound() {
        let nested = |depth: usize| {
            (0..depth).fold(text("text", "plain", 1), |inner, _| Part {
                kind: "multipart".into(),
                subtype: "mixed".into(),
                parts: vec![inner],
                ..Part::default()
            })
        };
        assert!(!written(&nested(BODY_STRUCTURE_DEPTH_MAX), false, Charset::Utf7).contains("octet-stream"));
        assert!(written(&nested(BODY_STRUCTURE_DEPTH_MAX + 1), false, Charset::Utf7).contains("octet-stream"));
    }
}
