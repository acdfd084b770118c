// SPDX-License-Identifier: AGPL-3.0-or-later
//! The tree of a message's parts (RFC 2045, RFC 2046), with the byte range of each.

use std::ops::Range;

use super::Envelope;

/// Content-Transfer-Encoding (RFC 2045 §6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransferEncoding {
    /// 7bit, and what is absent.
    #[default]
    SevenBit,
    /// 8bit.
    EightBit,
    /// binary.
    Binary,
    /// base64.
    Base64,
    /// quoted-printable.
    QuotedPrintable,
    /// Another name: the bytes are served as they are.
    Unknown,
}

impl TransferEncoding {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SevenBit => "7bit",
            Self::EightBit => "8bit",
            Self::Binary => "binary",
            Self::Base64 => "base64",
            Self::QuotedPrintable => "quoted-printable",
            Self::Unknown => "x-unknown",
        }
    }
}

/// Content-Disposition (RFC 2183).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disposition {
    /// `inline`, `attachment` or another, in lower case.
    pub kind: String,
    /// Parameters, names in lower case, values decoded (RFC 2231).
    pub parameters: Vec<(String, String)>,
}

/// One part. The root is the message itself: its header is the message's header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// IMAP's part number: `1.2`. Empty for a root that is a multipart; `1` for a root that is not
    /// (RFC 9051 §6.4.5.1). The message inside a message/rfc822 part numbered `2` follows the same
    /// rule below it: empty for its multipart root is written `2` too, its children are `2.1`, `2.2`.
    pub number: String,
    /// `text` of `text/plain`, in lower case.
    pub kind: String,
    /// `plain` of `text/plain`, in lower case.
    pub subtype: String,
    /// Parameters of Content-Type, names in lower case, values decoded (RFC 2231).
    pub parameters: Vec<(String, String)>,
    /// Content-ID as written, with its angle brackets.
    pub id: Option<String>,
    /// Content-Description, decoded.
    pub description: Option<String>,
    /// Content-MD5.
    pub md5: Option<String>,
    /// Content-Disposition.
    pub disposition: Option<Disposition>,
    /// Content-Language.
    pub language: Vec<String>,
    /// Content-Location.
    pub location: Option<String>,
    /// Content-Transfer-Encoding.
    pub encoding: TransferEncoding,
    /// Where its header is in the message, the empty line included: BODY[n.MIME], and BODY[HEADER] for the root.
    pub header: Range<u64>,
    /// Where its body is, still encoded: BODY[n], and BODY[TEXT] for the root.
    pub body: Range<u64>,
    /// Lines of the body.
    pub lines: u64,
    /// Of a multipart: its parts. Of a message/rfc822 or message/global: one, the root of the inner message.
    pub parts: Vec<Part>,
    /// Of the root of an inner message: its envelope. (The outermost is [`super::Parsed::envelope`].)
    pub envelope: Option<Box<Envelope>>,
}

impl Part {
    /// Is it a multipart?
    pub fn is_multipart(&self) -> bool {
        self.kind == "multipart"
    }

    /// Is it a message with a structure of its own?
    pub fn is_message(&self) -> bool {
        self.kind == "message" && matches!(self.subtype.as_str(), "rfc822" | "global") && !self.parts.is_empty()
    }

    /// Length of the body, still encoded.
    pub fn size_bytes(&self) -> u64 {
        self.body.end - self.body.start
    }

    /// `text/plain`.
    pub fn mime_type(&self) -> String {
        format!("{}/{}", self.kind, self.subtype)
    }

    /// A parameter of Content-Type.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The name of the file: `filename` of the disposition, else `name` of the type.
    pub fn file_name(&self) -> Option<&str> {
        let disposition = self.disposition.as_ref().map(|d| d.parameters.as_slice()).unwrap_or_default();
        disposition.iter().find(|(key, _)| key == "filename").map(|(_, value)| value.as_str()).or_else(|| self.parameter("name"))
    }

    /// The charset of a text part.
    pub fn charset(&self) -> Option<&str> {
        self.parameter("charset")
    }

    /// Is it shown inside the text (and not said to be an attachment)?
    pub fn is_attachment(&self) -> bool {
        self.disposition.as_ref().is_some_and(|d| d.kind == "attachment")
    }

    /// The part with this IMAP number (`1.2.3`), as RFC 9051 §6.4.5.1 counts: `[]` is the root.
    /// A message that is not multipart has part 1, itself. Numbers go through an inner message.
    pub fn find(&self, number: &[u32]) -> Option<&Part> {
        let Some((&first, rest)) = number.split_first() else { return Some(self) };
        let index = usize::try_from(first.checked_sub(1)?).ok()?;
        if self.is_multipart() {
            return self.parts.get(index)?.below(rest);
        }
        // RFC 9051 §6.4.5.1: every message has at least one part number.
        if index == 0 { self.below(rest) } else { None }
    }

    fn below(&self, rest: &[u32]) -> Option<&Part> {
        match rest {
            [] => Some(self),
            _ if self.is_multipart() => self.find(rest),
            _ if self.is_message() => self.parts.first()?.find(rest),
            _ => None,
        }
    }

    /// Every part, depth first, this one first; those inside inner messages too.
    pub fn walk(&self) -> Vec<&Part> {
        let mut all = Vec::new();
        let mut next = vec![self];
        while let Some(part) = next.pop() {
            all.push(part);
            next.extend(part.parts.iter().rev());
        }
        all
    }

    /// Every part of this message, depth first, that has content of its own; inner messages are leaves
    /// (JMAP's view, RFC 8621 §4.1.4).
    pub fn leaves(&self) -> Vec<&Part> {
        let mut all = Vec::new();
        let mut next = vec![self];
        while let Some(part) = next.pop() {
            if part.is_multipart() { next.extend(part.parts.iter().rev()) } else { all.push(part) }
        }
        all
    }
}
